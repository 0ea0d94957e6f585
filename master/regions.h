/*
 * regions.h - the shared memory of an instance, made once at boot when the number of slots is
 * known. Master only.
 */
#ifndef MASTER_REGIONS_H
#define MASTER_REGIONS_H

#include <stddef.h>

#include "shm/board.h"
#include "shm/proto.h"
#include "shm/slot.h"

#define REGION_BUCKETS (1u << 20) /* rate-limit slots */

struct tls_keys;

struct region {
	int rw, ro;
};

struct regions {
	struct region shared[PROTO_FD_COUNT];   /* by enum proto_fd; SLOT unused */
	struct region slots[SLOT_MAX];
	struct control_page *control;           /* mapped here: the master's own words */
	struct tls_keys *tickets;               /* mapped here: session ticket keys */
	struct slot_segment *segments[SLOT_MAX];
	unsigned nslots;
};

void regions_init(struct regions *);            /* nothing yet */
int regions_make(struct regions *, unsigned nslots); /* -1 with a log line */
void regions_release(struct regions *);
/* A slot's words of its last process: generations, gauges and in-flight counts go to 0, counters
 * stay. */
void regions_clear_slot(struct regions *, unsigned slot);
/* A new key for tickets; the last two still open theirs. */
void regions_rotate_tickets(struct regions *);
size_t region_size(enum proto_fd);              /* of a mapping */

#endif
