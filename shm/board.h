/*
 * board.h - what is known about endpoints at run time, by endpoint id: one 64-bit word each for
 * active health (helper writes), passive ejection (workers write, one word a slot is not needed:
 * last writer wins by compare-and-swap), slow-start stamp. Numbers only; a wild writer can only
 * make a verdict wrong.
 *
 * names.h's region lies behind the same rules: per DNS name two banks of addresses, flipped by a
 * word.
 */
#ifndef SHM_BOARD_H
#define SHM_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "shm/slot.h"

enum board_health { BOARD_UNKNOWN, BOARD_HEALTHY, BOARD_UNHEALTHY };

struct board_endpoint {
	_Atomic uint64_t active;        /* enum board_health */
	_Atomic uint64_t ejected_until; /* clock_mono ns; 0 = not */
	_Atomic uint64_t healthy_since; /* clock_mono ns; slow start */
	_Atomic uint64_t failures;      /* consecutive, passive */
	/* outcomes of an interval and of one before it (worker/upstream/outlier.c) */
	_Atomic uint64_t tally, tally_before;
	_Atomic uint64_t checked_at;    /* clock_mono ns, the last active check; 0 = never */
	_Atomic uint64_t pad;
};
struct board {
	struct board_endpoint endpoints[SLOT_IDS];
};

/* A new endpoint has this id. */
void board_clear(struct board *, uint32_t endpoint_id, uint64_t now_ns);
bool board_usable(const struct board *, uint32_t endpoint_id, uint64_t now_ns);

/* Of a cluster with a DNS name, who stands at position k of the name's bank has the id of record k
 * of im_cluster.endpoints (a record without address). An address keeps its position for as long as
 * the name has it; when another takes the place, the helper clears the id's words. */
#define NAMES_SLOTS 4096
#define NAMES_ADDRS 32
struct names_bank {
	uint64_t expires_ns;            /* clock_mono */
	uint32_t n;                     /* clamped by readers */
	uint32_t status; /* 0 never asked, 1 good, 2 failing but last good kept, 3 no addresses */
	struct addr addrs[NAMES_ADDRS]; /* port 0; family 0: nobody at this position */
};
struct names_slot {
	_Atomic uint64_t seq;           /* bank = seq & 1; helper fills the other, then seq + 1 */
	struct names_bank bank[2];
};
struct names {
	struct names_slot slots[NAMES_SLOTS];
};

/* Copy the current bank; false if the helper was in the way three times (try next turn). */
bool names_read(const struct names *, uint32_t slot, struct names_bank *out);
void names_write(struct names *, uint32_t slot, const struct names_bank *); /* helper only */

#endif
