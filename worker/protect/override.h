/*
 * override.h - answers rewritten by a policy: the first entry whose statuses, response fields and
 * source fit replaces status, fields, body. It sees every answer of the rule, also those made here.
 */
#ifndef WORKER_OVERRIDE_H
#define WORKER_OVERRIDE_H

#include "worker/exchange.h"

/* The entry for this answer, NULL if none. `own`: it was made here. */
const struct im_override *override_find(
    const struct image *, const struct regex_set *, struct im_range, const struct msg *, bool own);
/* A format string (spec_policy.h) with the values of this exchange. Absent: no memory. */
struct bytes override_text(struct exchange *, struct bytes format, const struct msg *answer);
/* Changes `m` (the answer's head, with a table of its own). true: *body is the new body, the old
 * one goes. */
bool override_apply(struct exchange *, struct msg *m, bool own, struct bytes *body);

#endif
