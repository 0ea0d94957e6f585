/*
 * ipcount.h - how many connections each client address has open in this worker (IPv6 by /64, so
 * that one host cannot use its whole network to pass the bound). Fixed size, no malloc after the
 * start.
 */
#ifndef WORKER_IPCOUNT_H
#define WORKER_IPCOUNT_H

#include "base/addr.h"
#include "base/hash.h"

struct ipcount_slot {
	uint64_t key; /* 0 = empty */
	uint32_t n, pad;
};
struct ipcount {
	struct ipcount_slot *slots;
	uint32_t mask, used;
	struct hash_key seed;
};

/* `connections`: most that can be open at once; the table is twice as large. */
void ipcount_init(struct ipcount *, uint32_t connections, const struct hash_key *);
void ipcount_release(struct ipcount *);
/* Counts one more unless `limit` (0 = none) is reached; then false. */
bool ipcount_add(struct ipcount *, const struct addr *, uint64_t limit);
void ipcount_sub(struct ipcount *, const struct addr *);
uint32_t ipcount_get(const struct ipcount *, const struct addr *);

#endif
