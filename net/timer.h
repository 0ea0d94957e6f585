/*
 * timer.h - the loop's wheel of timers: 4 levels of 64 slots, a tick of 8.4 ms. Only loop.c and
 * timer.c use this.
 */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include "net/loop.h"

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS 64
#define WHEEL_SHIFT 23 /* ns to ticks */

struct wheel {
	uint64_t tick; /* everything due up to and with it was fired */
	uint64_t used[WHEEL_LEVELS]; /* bit = slot may hold timers */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *, uint64_t now);
void wheel_set(struct wheel *, struct timer *, uint64_t deadline);
void wheel_run(struct wheel *, uint64_t now);
/* ns from now until the wheel wants to be run again; UINT64_MAX when it is empty. */
uint64_t wheel_wait(const struct wheel *, uint64_t now);

#endif
