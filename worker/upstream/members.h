/*
 * members.h - a cluster's endpoints as one list, wherever they come from, and which of them may be
 * used now.
 */
#ifndef WORKER_MEMBERS_H
#define WORKER_MEMBERS_H

#include "worker/upstream/dns.h"
#include "worker/upstream/pick.h"

struct members {
	const struct pick_in *in;
	const struct im_cluster *c;
	uint32_t cluster, n;
	bool named;
	bool panic; /* too few are healthy: health says nothing */
	struct dns_member byname[NAMES_ADDRS];
};

void members_of(struct members *, const struct pick_in *, uint32_t cluster);
void members_get(const struct members *, uint32_t i, struct target *);
uint32_t members_weight(const void *members, uint32_t i); /* for pick_weighted() */
bool members_usable(const struct members *, const struct target *);
/* Looks whether so few are healthy that health is to be ignored; then members_usable() does. */
bool members_panic(struct members *);
/* Share of its traffic that an endpoint may get while it warms up, in 1/1000. */
uint32_t members_warmth(const struct members *, const struct target *);
bool members_tried(const struct pick_tried *, const struct target *);

/* balance.c: Random, LeastRequest, ConsistentHash. false: no endpoint. */
bool balance_pick(struct members *, const struct pick_tried *, bool equal, struct target *);
uint32_t balance_backend(const struct pick_in *, const struct im_backend *, uint32_t n);
/* Healthy part of all endpoints that these backends (not those of the other kind) have, in %. */
uint32_t balance_healthy(
    const struct pick_in *, const struct im_backend *, uint32_t n, bool fallback);

#endif
