/*
 * lbhash.h - what a consistent hash is taken of (policies guide 6.4): the client's address, header
 * fields, a cookie that may be made here, query parameters. Pure.
 */
#ifndef WORKER_LBHASH_H
#define WORKER_LBHASH_H

#include "base/arena.h"
#include "http/msg.h"
#include "shm/image.h"

struct lbhash {
	uint64_t hash;
	bool on;                 /* false: nothing there to hash, any endpoint will do */
	struct bytes set_cookie; /* for the answer; absent = none */
};

/* random: for a new cookie. */
void lbhash_make(struct lbhash *, struct arena *, const struct image *, const struct im_balance *,
    const struct msg *head, const struct addr *client, const uint64_t random[2]);

#endif
