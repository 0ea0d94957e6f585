/*
 * timer.c - a hierarchical wheel with lazy re-arm. A timer that is moved later keeps its place:
 * only its deadline changes, and when the wheel comes to the place it is put where it belongs. So a
 * connection whose deadline moves with each request costs one store a request, and a list operation
 * once in a timeout. A heap was rejected (log n on every move), and so was a list per timeout value
 * (timeouts are settings of routes, there is no small set). Never early; late by one tick at most,
 * plus what the turn takes.
 */
#include "net/timer.h"

#include "base/check.h"

void
wheel_init(struct wheel *w, uint64_t now)
{
	w->tick = now >> WHEEL_SHIFT;
	for (int l = 0; l < WHEEL_LEVELS; l++) {
		w->used[l] = 0;
		for (int s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slots[l][s]);
	}
}

static void
place(struct wheel *w, struct timer *t)
{
	uint64_t tick = (t->deadline >> WHEEL_SHIFT) + 1, away;
	unsigned level = 0, slot;

	if (tick <= w->tick)
		tick = w->tick + 1;
	away = tick - w->tick;
	while (level < WHEEL_LEVELS - 1 && away >= 1ull << 6 * (level + 1))
		level++;
	if (away >= 1ull << 6 * WHEEL_LEVELS) {
		tick = w->tick + (1ull << 6 * WHEEL_LEVELS) - 1;
	}
	slot = tick >> 6 * level & (WHEEL_SLOTS - 1);
	w->used[level] |= 1ull << slot;
	t->slot_time = tick << WHEEL_SHIFT;
	list_append(&w->slots[level][slot], &t->link);
}

void
wheel_set(struct wheel *w, struct timer *t, uint64_t deadline)
{
	t->deadline = deadline;
	if (!list_empty(&t->link)) {
		if (deadline + (1u << WHEEL_SHIFT) >= t->slot_time)
			return;
		list_del(&t->link);
	}
	place(w, t);
}

static void
take(struct wheel *w, unsigned level, unsigned slot, struct list *out)
{
	struct list *head = &w->slots[level][slot];

	list_init(out);
	w->used[level] &= ~(1ull << slot);
	if (list_empty(head))
		return;
	out->next = head->next;
	out->prev = head->prev;
	out->next->prev = out->prev->next = out;
	list_init(head);
}

/* The timers of one slot: fired, sunk to where they belong, or dropped. */
static void
visit(struct wheel *w, unsigned level, unsigned slot, uint64_t now)
{
	struct list due;

	take(w, level, slot, &due);
	while (!list_empty(&due)) {
		struct timer *t = LIST_ENTRY(due.next, struct timer, link);

		list_del(&t->link);
		if (t->deadline == 0)
			continue;
		if (t->deadline <= now) {
			t->deadline = 0;
			t->fire(t);
		} else {
			place(w, t);
		}
	}
}

void
wheel_run(struct wheel *w, uint64_t now)
{
	uint64_t until = now >> WHEEL_SHIFT;

	while (w->tick < until) {
		if (!(w->used[0] | w->used[1] | w->used[2] | w->used[3])) {
			w->tick = until;
			return;
		}
		w->tick++;
		for (unsigned l = 1; l < WHEEL_LEVELS && (w->tick & ((1ull << 6 * l) - 1)) == 0;
		     l++) {
			unsigned slot = w->tick >> 6 * l & (WHEEL_SLOTS - 1);

			if (w->used[l] >> slot & 1)
				visit(w, l, slot, now);
		}
		if (w->used[0] >> (w->tick & (WHEEL_SLOTS - 1)) & 1)
			visit(w, 0, w->tick & (WHEEL_SLOTS - 1), now);
	}
}

uint64_t
wheel_wait(const struct wheel *w, uint64_t now)
{
	unsigned at = (unsigned)(w->tick + 1) & (WHEEL_SLOTS - 1);
	uint64_t ticks = UINT64_MAX, when;

	if (w->used[0]) {
		uint64_t turned =
		    at ? w->used[0] >> at | w->used[0] << (WHEEL_SLOTS - at) : w->used[0];

		ticks = (uint64_t)__builtin_ctzll(turned) + 1;
	}
	if (w->used[1] | w->used[2] | w->used[3])
		ticks = HG_MIN(ticks, WHEEL_SLOTS - (w->tick & (WHEEL_SLOTS - 1)));
	if (ticks == UINT64_MAX)
		return ticks;
	when = (w->tick + ticks) << WHEEL_SHIFT;
	return when > now ? when - now : 0;
}

void
timer_init(struct timer *t, void (*fire)(struct timer *))
{
	list_init(&t->link);
	t->deadline = t->slot_time = 0;
	t->fire = fire;
}

void
timer_stop(struct timer *t)
{
	t->deadline = 0;
	list_del(&t->link);
}
