/*
 * heartbeat.h - which worker hangs. Fed with each slot's heartbeat word in the master's own ticks;
 * pure arithmetic, the caller kills (DESIGN section 3).
 */
#ifndef MASTER_HEARTBEAT_H
#define MASTER_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slot.h"

#define HEARTBEAT_TICK_MS 500u
#define HEARTBEAT_LATE_MS 750u    /* a tick that comes so long after the last one is late */
#define HEARTBEAT_ALL_MS 10000u   /* all slots silent: nothing is killed before that */

struct heartbeat {
	uint64_t last_tick;        /* ns, 0 = none yet */
	uint32_t limit;            /* on-time ticks without a beat that condemn; 0 = off */
	uint64_t beat[SLOT_MAX];
	uint16_t stale[SLOT_MAX];  /* ticks without a beat */
};

void heartbeat_init(struct heartbeat *, uint32_t heartbeat_ms); /* 0 = off; keeps nothing */
void heartbeat_forget(struct heartbeat *, unsigned slot);      /* a fresh worker */
/* One tick. live[i]: slot i has a process; beats[i]: its word now. condemned[i] is set for each
 * that hangs. Returns how many. A condemned slot's count starts anew. */
unsigned heartbeat_tick(struct heartbeat *, uint64_t now_ns, unsigned nslots, const bool *live,
    const uint64_t *beats, bool *condemned);

#endif
