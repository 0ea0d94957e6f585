/*
 * clientip.h - whose request it is, where proxies in front of us say so (policies guide 8.2). Pure.
 */
#ifndef WORKER_CLIENTIP_H
#define WORKER_CLIENTIP_H

#include "base/field.h"
#include "shm/image.h"

#define CLIENTIP_ENTRIES 64 /* of X-Forwarded-For that are looked at, from the right */

/* *out is the peer where nobody trusted says otherwise. false: the address had to be there. */
bool clientip_detect(const struct image *, const struct im_client *, const struct fields *,
    const struct addr *peer, struct addr *out);

#endif
