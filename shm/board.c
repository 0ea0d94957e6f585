/*
 * board.c - verdicts about endpoints, and the two-bank table of resolved names.
 *
 * Words are read one by one and never together, so there is nothing to tear: each answers one
 * question. A name's bank is read under its sequence word (copy, then look whether the word moved):
 * the helper never waits for a reader, a reader tries three times and otherwise keeps what it had.
 * Rejected: a lock in shared memory, since a killed holder would stop every worker.
 */
#include "shm/board.h"

#include "base/check.h"

void
board_clear(struct board *b, uint32_t id, uint64_t now)
{
	struct board_endpoint *e;

	if (id == 0 || id >= SLOT_IDS)
		return;
	e = &b->endpoints[id];
	atomic_store_explicit(&e->active, BOARD_UNKNOWN, memory_order_relaxed);
	atomic_store_explicit(&e->ejected_until, 0, memory_order_relaxed);
	atomic_store_explicit(&e->healthy_since, now, memory_order_relaxed);
	atomic_store_explicit(&e->failures, 0, memory_order_relaxed);
	atomic_store_explicit(&e->tally, 0, memory_order_relaxed);
	atomic_store_explicit(&e->tally_before, 0, memory_order_relaxed);
	atomic_store_explicit(&e->checked_at, 0, memory_order_relaxed);
}

bool
board_usable(const struct board *b, uint32_t id, uint64_t now_ns)
{
	const struct board_endpoint *e = &b->endpoints[id < SLOT_IDS ? id : 0];

	/* Id 0 stands for all that have no id of their own: its words say nothing about one of
	 * them. */
	if (id == 0 || id >= SLOT_IDS)
		return true;
	if (atomic_load_explicit(&e->active, memory_order_relaxed) == BOARD_UNHEALTHY)
		return false;
	return atomic_load_explicit(&e->ejected_until, memory_order_relaxed) <= now_ns;
}

bool
names_read(const struct names *names, uint32_t slot, struct names_bank *out)
{
	const struct names_slot *s;

	if (slot >= NAMES_SLOTS)
		return false;
	s = &names->slots[slot];
	for (int i = 0; i < 3; i++) {
		uint64_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		memcpy(out, &s->bank[seq & 1], sizeof(*out));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&s->seq, memory_order_relaxed) != seq)
			continue;
		out->n = HG_MIN(out->n, (uint32_t)NAMES_ADDRS);
		out->status = HG_MIN(out->status, 3u);
		return true;
	}
	return false;
}

void
names_write(struct names *names, uint32_t slot, const struct names_bank *bank)
{
	struct names_slot *s;
	uint64_t seq;

	HG_CHECK(slot < NAMES_SLOTS && bank->n <= NAMES_ADDRS);
	s = &names->slots[slot];
	seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
	/* Readers of the other bank must see that the word moved before its bytes change a second
	 * time. */
	atomic_thread_fence(memory_order_release);
	memcpy(&s->bank[(seq + 1) & 1], bank, sizeof(*bank));
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}
