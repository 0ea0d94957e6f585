/*
 * dns.h - the current addresses of a cluster that is named by DNS. The helper resolves and writes
 * them into the names region; a worker only reads.
 */
#ifndef WORKER_DNS_H
#define WORKER_DNS_H

#include "shm/board.h"
#include "shm/image.h"

struct dns_member {
	struct addr addr; /* port set */
	uint32_t at;      /* position in the bank (shm/board.h) */
};
/* Number of members in out, 0 while there is none. */
uint32_t dns_members(
    const struct names *, const struct im_cluster *, struct dns_member out[NAMES_ADDRS]);

#endif
