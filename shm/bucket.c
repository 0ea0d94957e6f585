/*
 * bucket.c - GCRA over a set-associative table, lock-free.
 *
 * A take is: look at the key's eight slots, compute, one 16-byte compare-and-swap of {key, time}.
 * The swap carries the key, so a slot that was recycled meanwhile cannot be charged by mistake.
 * What remains is two processes that insert the same key into different slots at once. The lowest
 * slot is the key's slot:
 *  - who charged or inserted looks again afterwards. A lower slot with the key: take the charge
 * back, start over. A higher one: add its debt to the lower, then free it (debt first, so nobody
 * sees a bucket that is fuller than it is; if the freeing loses a race, the debt is taken back).
 *  - if someone else moved our charge to the lower slot, it stands if it fits there, else it is
 * taken back. A kill in the middle leaves at most debt that time pays off: refusals, never gifts.
 *
 * Rejected: a lock a set (a killed holder), leases of tokens per worker (not exact), claiming by a
 * swap on the key alone and storing the time after it (a gift of one burst if killed in between).
 */
#include "shm/bucket.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"

#define WAYS 8u
#define SPAN_MAX (1ull << 61) /* no debt is longer, so that sums cannot overflow */
#define TRIES 64              /* then another process is faster than we are: refuse, not loop */

_Static_assert(sizeof(struct bucket_region) == 4096, "one header page");
_Static_assert(sizeof(struct bucket_set) == 64, "one cache line");

/* ---- the two machine operations */

static inline struct bucket_slot
slot_load(const struct bucket_slot *s)
{
	struct bucket_slot v;

	/* A torn pair is harmless: every write compares both halves. */
	v.key = __atomic_load_n(&s->key, __ATOMIC_ACQUIRE);
	v.tat = __atomic_load_n(&s->tat, __ATOMIC_ACQUIRE);
	return v;
}

#if defined(__x86_64__)
static inline bool
slot_swap(struct bucket_slot *s, struct bucket_slot old, struct bucket_slot new)
{
	bool done;

	__asm__ __volatile__("lock cmpxchg16b %1"
	    : "=@ccz"(done), "+m"(*s), "+a"(old.key), "+d"(old.tat)
	    : "b"(new.key), "c"(new.tat)
	    : "memory");
	return done;
}
#elif defined(__aarch64__)
static inline bool
slot_swap(struct bucket_slot *s, struct bucket_slot old, struct bucket_slot new)
{
	uint64_t key, tat;
	uint32_t failed;

	do {
		__asm__ __volatile__("ldaxp %0, %1, [%2]"
				     : "=&r"(key), "=&r"(tat)
				     : "r"(s)
				     : "memory");
		if (key != old.key || tat != old.tat) {
			__asm__ __volatile__("clrex" ::: "memory");
			return false;
		}
		__asm__ __volatile__("stlxp %w0, %2, %3, [%1]"
		    : "=&r"(failed) : "r"(s), "r"(new.key), "r"(new.tat) : "memory");
	} while (failed);
	__asm__ __volatile__("dmb ish" ::: "memory"); /* the look afterwards must not run ahead */
	return true;
}
#else
#error "bucket.c needs a 16-byte compare-and-swap for this machine"
#endif

/* ---- the table */

size_t
bucket_size(uint64_t slots)
{
	uint64_t sets = 2;

	while (sets * 4 < slots && sets < (1ull << 40))
		sets *= 2;
	return sizeof(struct bucket_region) + sets * sizeof(struct bucket_set);
}

void
bucket_init(void *mem)
{
	struct bucket_region *r = mem;

	if (getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
		r->seed = (struct hash_key){clock_mono(), clock_real()};
}

bool
bucket_open(struct bucket_table *t, void *mem, size_t size)
{
	uint64_t sets = size < sizeof(struct bucket_region) ? 0 :
	    (size - sizeof(struct bucket_region)) / sizeof(struct bucket_set);

	if (sets < 2 || (sets & (sets - 1)) != 0 || (uintptr_t)mem % 64 != 0)
		return false;
	t->region = mem;
	t->mask = sets - 1;
	t->seed = t->region->seed;
	return true;
}

uint64_t
bucket_key(const struct bucket_table *t, const void *p, size_t n)
{
	uint64_t key = hash_sip(&t->seed, p, n);

	return key ? key : 1;
}

uint64_t
bucket_evictions(const struct bucket_table *t)
{
	return atomic_load_explicit(&t->region->evictions, memory_order_relaxed);
}

struct ways { /* the eight places of a key, in order of preference */
	struct bucket_slot *slot[WAYS];
	struct bucket_slot seen[WAYS];
	uint64_t key;
};

static void
ways_of(const struct bucket_table *t, uint64_t key, struct ways *w)
{
	uint64_t a = hash_mix(key) & t->mask, b = hash_mix(key ^ 0x9e3779b97f4a7c15ull) & t->mask;

	if (a == b)
		b ^= 1;
	w->key = key;
	__builtin_prefetch(&t->region->sets[b], 1);
	for (unsigned i = 0; i < 4; i++) {
		w->slot[i] = &t->region->sets[a].slot[i];
		w->slot[4 + i] = &t->region->sets[b].slot[i];
	}
}

/* Read all; returns a bit for each slot that holds the key. */
static unsigned
ways_look(struct ways *w)
{
	unsigned found = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		w->seen[i] = slot_load(w->slot[i]);
		found |= (unsigned)(w->seen[i].key == w->key) << i;
	}
	return found;
}

/* Move the debt of slot i by `by` (either way), as long as it holds the key. False: it does not. */
static bool
slot_move(struct ways *w, unsigned i, int64_t by)
{
	for (;;) {
		struct bucket_slot v = slot_load(w->slot[i]);
		struct bucket_slot to = {v.key, v.tat + (uint64_t)by};

		if (v.key != w->key)
			return false;
		if (slot_swap(w->slot[i], v, to))
			return true;
	}
}

/* Two slots hold the key: the debt of `high` goes to `low`, then `high` is free. */
static void
slots_join(struct ways *w, unsigned low, unsigned high, uint64_t now, uint64_t span)
{
	uint64_t moved = 0;

	for (int i = 0; i < TRIES; i++) {
		struct bucket_slot v = slot_load(w->slot[high]);
		uint64_t debt = v.tat > now ? HG_MIN(v.tat - now, 2 * span) : 0;

		if (v.key != w->key) { /* another process joined them, and moved the debt itself */
			if (moved != 0)
				(void)slot_move(w, low, -(int64_t)moved);
			return;
		}
		if (debt != moved && !slot_move(w, low, (int64_t)(debt - moved)))
			return;
		moved = debt;
		if (slot_swap(w->slot[high], v, (struct bucket_slot){0, 0}))
			return;
	}
}

/* A place for a new key: the first that is free, else the one that will be soonest. */
static unsigned
slot_victim(const struct ways *w, uint64_t now, bool *forced)
{
	unsigned best = 0;

	*forced = false;
	for (unsigned i = 0; i < WAYS; i++) {
		if (w->seen[i].key == 0 || w->seen[i].tat <= now)
			return i;
		if (w->seen[i].tat < w->seen[best].tat)
			best = i;
	}
	*forced = true;
	return best;
}

struct spans { /* of one call, in ns */
	uint64_t now, token, full, cost, limit; /* limit: longest debt that this call may leave */
};

static uint64_t
span_of(uint64_t tokens, uint64_t interval)
{
	uint64_t x;

	return __builtin_mul_overflow(tokens, interval, &x) ? SPAN_MAX : HG_MIN(x, SPAN_MAX);
}

/* What is owed at `now`; a value that no caller can have written is clamped. */
static uint64_t
debt_of(uint64_t tat, const struct spans *s)
{
	return tat > s->now ? HG_MIN(tat - s->now, 2 * s->full) : 0;
}

enum outcome { TAKEN, REFUSED, AGAIN };

/* Our swap put `cost` into slot i. Is i still the key's slot, and does the charge fit? */
static enum outcome
charge_settle(struct ways *w, unsigned i, bool inserted, const struct spans *s)
{
	unsigned found = ways_look(w), low;

	if (found == 1u << i && !inserted)
		return TAKEN;
	if (found == 0)
		return TAKEN; /* evicted already: nothing left to correct */
	low = (unsigned)__builtin_ctz(found);
	if (low < i && (found & (1u << i)) != 0 && slot_move(w, i, -(int64_t)s->cost))
		return AGAIN;
	for (unsigned high = low + 1; high < WAYS; high++)
		if (found & (1u << high))
			slots_join(w, low, high, s->now, s->full);
	if (debt_of(slot_load(w->slot[low]).tat, s) <= s->limit)
		return TAKEN;
	(void)slot_move(w, low, -(int64_t)s->cost);
	return REFUSED;
}

static enum outcome
charge_once(const struct bucket_table *t, struct ways *w, const struct spans *s, uint64_t *debt)
{
	unsigned found = ways_look(w), i;
	bool forced = false, insert = found == 0;
	struct bucket_slot to = {w->key, 0};

	if (found & (found - 1)) {
		for (i = (unsigned)__builtin_ctz(found) + 1; i < WAYS; i++)
			if (found & (1u << i))
				slots_join(w, (unsigned)__builtin_ctz(found), i, s->now, s->full);
		found = ways_look(w);
		insert = found == 0;
	}
	i = insert ? slot_victim(w, s->now, &forced) : (unsigned)__builtin_ctz(found);
	*debt = insert ? 0 : debt_of(w->seen[i].tat, s);
	/* A time that cannot be (a wild writer, a smaller limit) is written back clamped, so that
	 * it passes. */
	if (!insert && w->seen[i].tat > s->now + 2 * s->full) {
		to.tat = s->now + *debt;
		if (!slot_swap(w->slot[i], w->seen[i], to))
			return AGAIN;
		w->seen[i] = to;
	}
	if (s->cost == 0 || *debt + s->cost > s->limit)
		return REFUSED;
	to.tat = s->now + *debt + s->cost;
	if (!slot_swap(w->slot[i], w->seen[i], to))
		return AGAIN;
	if (forced)
		atomic_fetch_add_explicit(&t->region->evictions, 1, memory_order_relaxed);
	*debt += s->cost;
	return charge_settle(w, i, insert, s);
}

static struct spans
spans_of(struct bucket_rate rate, uint64_t cost, uint64_t now)
{
	struct spans s = {
	    .now = now, .token = HG_MIN(rate.interval_ns ? rate.interval_ns : 1, SPAN_MAX)};

	s.full = span_of(rate.burst ? rate.burst : 1, s.token);
	s.cost = span_of(cost, s.token);
	s.limit = s.full;
	return s;
}

struct bucket_verdict
bucket_take(const struct bucket_table *t, uint64_t key, struct bucket_rate rate, uint64_t cost,
    uint64_t now)
{
	struct spans s = spans_of(rate, cost, now);
	struct bucket_verdict v = {0};
	enum outcome o = AGAIN;
	uint64_t debt = 0;
	struct ways w;

	ways_of(t, key, &w);
	for (int i = 0; i < TRIES && o == AGAIN; i++)
		o = charge_once(t, &w, &s, &debt);
	v.ok = o == TAKEN;
	v.remaining = debt < s.full ? (s.full - debt) / s.token : 0;
	v.reset_ns = debt;
	if (cost == 0)
		v.ok = v.remaining != 0;
	if (!v.ok) {
		uint64_t need = cost ? s.cost : s.token;

		v.retry_ns = need > s.full ? UINT64_MAX :
		    debt + need > s.full   ? debt + need - s.full :
					     0;
	}
	return v;
}

void
bucket_charge(const struct bucket_table *t, uint64_t key, struct bucket_rate rate, uint64_t cost,
    uint64_t now)
{
	struct spans s = spans_of(rate, cost, now);
	enum outcome o = AGAIN;
	uint64_t debt = 0;
	struct ways w;

	s.limit = 2 * s.full;
	s.cost = HG_MIN(s.cost, s.limit);
	ways_of(t, key, &w);
	for (int i = 0; i < TRIES && o == AGAIN; i++) {
		o = charge_once(t, &w, &s, &debt);
		/* Past the bound the rest of the cost is forgiven, not the part that fits. */
		if (o == REFUSED && debt < s.limit && s.cost > s.limit - debt) {
			s.cost = s.limit - debt;
			o = AGAIN;
		}
	}
}
