/*
 * loop.h - one thread's event loop: descriptors (epoll, edge-triggered, registered once), timers (a
 * wheel with lazy re-arm), deferred work, output flushed once a turn. A turn: hook -> wait -> at
 * most 128 events -> timers -> deferred -> flush. io_uring may become a second back-end behind the
 * same calls.
 *
 * Objects embed struct watch, struct timer, struct task. loop_unwatch() also drops an event of this
 * turn that has not been delivered, so an object may be closed from any callback; its memory may go
 * at once after that.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;

struct watch {
	int fd;
	void (*ready)(struct watch *, uint32_t epoll_events);
};

struct timer {
	struct list link;
	uint64_t deadline; /* clock_mono ns; 0 = not set. Moving it later is one store */
	uint64_t slot_time; /* loop's own: when the wheel will look at it */
	void (*fire)(struct timer *);
};

struct task {
	struct list link;
	void (*run)(struct task *);
};

struct loop *loop_new(void);           /* NULL with errno */
void loop_free(struct loop *);
int loop_watch(struct loop *, struct watch *, uint32_t events); /* EPOLLET is added; 0 or -1 */
void loop_unwatch(struct loop *, struct watch *);               /* does not close the descriptor */
/* The same for a descriptor that the caller closes now and that nobody shares: no system call. */
void loop_forget(struct loop *, struct watch *);
void timer_init(struct timer *, void (*fire)(struct timer *));
void timer_set(
    struct loop *, struct timer *, uint64_t deadline); /* absolute; later is O(1) and free */
void timer_in(struct loop *, struct timer *, uint64_t ms);
void timer_stop(struct timer *);
/* Not to fire, but cheap to set again: stays in the wheel. timer_stop() before the memory goes. */
static inline void
timer_rest(struct timer *t)
{
	t->deadline = 0;
}
void task_init(struct task *, void (*run)(struct task *));
void loop_defer(struct loop *, struct task *); /* runs this turn, after the events; twice is once */
void loop_flush(
    struct loop *, struct task *); /* runs at the end of the turn: send what has gathered */
void task_cancel(struct task *);

struct loop_clock { /* first in struct loop */
	uint64_t now;
};
static inline uint64_t
loop_now(const struct loop *l) /* clock_mono ns at the top of the turn (or of the wake) */
{
	return ((const struct loop_clock *)(const void *)l)->now;
}
/* Called at the top of every turn (heartbeat, published generation). */
void loop_each_turn(struct loop *, void (*hook)(void *arg), void *arg);
/* Never sleep longer than this (heartbeat): default 250 ms. */
void loop_max_wait(struct loop *, uint32_t ms);
void loop_run(struct loop *);                   /* until loop_stop */
void loop_turn(struct loop *, int timeout_ms);  /* one turn; tests */
void loop_stop(struct loop *);

#endif
