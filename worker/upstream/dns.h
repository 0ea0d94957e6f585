/*
 * dns.h - the current addresses of a cluster that is named by DNS. The helper resolves and writes
 * them into the names region; a worker only reads.
 */
#ifndef WORKER_DNS_H
#define WORKER_DNS_H

#include "shm/board.h"
#include "shm/image.h"

/* Number of addresses in out (port set), 0 while there is none. */
uint32_t dns_addresses(
    const struct names *, const struct im_cluster *, struct addr out[NAMES_ADDRS]);

#endif
