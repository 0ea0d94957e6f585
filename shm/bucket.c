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

/* A test puts its scheduler here, to run through interleavings that a machine seldom shows. */
#ifndef BUCKET_STEP
#define BUCKET_STEP() ((void)0)
#endif

_Static_assert(sizeof(struct bucket_region) == 4096, "one header page");
_Static_assert(sizeof(struct bucket_set) == 64, "one cache line");

/* ---- the two machine operations */

static inline struct bucket_slot
slot_load(const struct bucket_slot *s)
{
	struct bucket_slot v;

	BUCKET_STEP();
	/* A torn pair is harmless: every write compares both halves. */
	v.key = __atomic_load_n(&s->key, __ATOMIC_ACQUIRE);
	BUCKET_STEP();
	v.tat = __atomic_load_n(&s->tat, __ATOMIC_ACQUIRE);
	return v;
}

#if defined(__x86_64__)
static inline bool
slot_swap(struct bucket_slot *s, struct bucket_slot old, struct bucket_slot new)
{
	bool done;

	BUCKET_STEP();
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
	bool evicted;
};

static void
ways_of(const struct bucket_table *t, uint64_t key, struct ways *w)
{
	uint64_t a = hash_mix(key) & t->mask, b = hash_mix(key ^ 0x9e3779b97f4a7c15ull) & t->mask;

	if (a == b)
		b ^= 1;
	w->key = key;
	w->evicted = false;
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
		struct bucket_slot v = slot_load(w->slot[i]), to = v;

		to.tat += (uint64_t)by;
		if (by > 0 ? to.tat < v.tat : to.tat > v.tat)
			to.tat = v.tat; /* only a wild writer's time is so far away */
		if (v.key != w->key)
			return false;
		if (slot_swap(w->slot[i], v, to))
			return true;
	}
}

/* Two slots hold the key: the debt of `high` goes to `low`, then `high` is free. */
static void
slots_join(struct ways *w, unsigned low, unsigned high, uint64_t now)
{
	uint64_t moved = 0;

	for (int i = 0; i < TRIES; i++) {
		struct bucket_slot v = slot_load(w->slot[high]);
		uint64_t debt = v.tat > now ? HG_MIN(v.tat - now, SPAN_MAX) : 0;

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

static void
ways_join(struct ways *w, unsigned found, const struct spans *s)
{
	unsigned low = (unsigned)__builtin_ctz(found);

	for (unsigned high = low + 1; high < WAYS; high++)
		if (found & (1u << high))
			slots_join(w, low, high, s->now);
}

enum outcome { TAKEN, REFUSED, AGAIN };

/* A charge that ended in slot `low` by more ways than one swap: does it fit there? AGAIN: low has
 * gone. */
static enum outcome
charge_fits(struct ways *w, unsigned low, const struct spans *s)
{
	struct bucket_slot v = slot_load(w->slot[low]);

	/* A swap with itself: here a torn pair would be a gift. */
	if (v.key != w->key || !slot_swap(w->slot[low], v, v))
		return AGAIN;
	if (debt_of(v.tat, s) <= s->limit)
		return TAKEN;
	return slot_move(w, low, -(int64_t)s->cost) ? REFUSED : AGAIN;
}

/* Our swap put `cost` into slot i. Is i the key's only slot, and does the charge still fit? A look
 * is not one moment: what moves down while we look may be missed once, so that "nowhere" is
 * believed the second time. */
static enum outcome
charge_settle(struct ways *w, unsigned i, bool check, const struct spans *s)
{
	unsigned missed = 0;

	for (int tries = 0; tries < TRIES; tries++) {
		unsigned found = ways_look(w), low = found ? (unsigned)__builtin_ctz(found) : WAYS;
		enum outcome o = AGAIN;

		if (found == 0) {
			if (missed++)
				return TAKEN; /* evicted: nothing left to correct */
		} else if (low < i && (found & 1u << i) != 0) {
			if (slot_move(w, i, -(int64_t)s->cost))
				return AGAIN;
		} else if ((found & (found - 1)) != 0) {
			ways_join(w, found, s);
			check = true;
		} else if (low != i || check) { /* moved there by another process, or joined */
			o = charge_fits(w, low, s);
		} else {
			o = TAKEN;
		}
		if (o != AGAIN)
			return o;
	}
	return REFUSED;
}

/* A time that cannot be (a wild writer, a limit that was lowered) is written back clamped, so that
 * it passes. By a fresh clock: the caller's may be from before others charged, and then the time is
 * right. */
static bool
slot_repair(struct ways *w, unsigned i, const struct spans *s)
{
	uint64_t now = HG_MAX(s->now, clock_mono());

	if (w->seen[i].tat <= now || w->seen[i].tat - now <= 2 * s->full)
		return false;
	return slot_swap(w->slot[i], w->seen[i], (struct bucket_slot){w->key, now + 2 * s->full});
}

static enum outcome
charge_once(const struct bucket_table *t, struct ways *w, const struct spans *s, uint64_t *debt)
{
	unsigned found = ways_look(w), i;
	bool forced = false, insert = found == 0;
	struct bucket_slot to = {w->key, 0};

	if (found & (found - 1)) {
		ways_join(w, found, s);
		return AGAIN;
	}
	i = insert ? slot_victim(w, s->now, &forced) : (unsigned)__builtin_ctz(found);
	*debt = insert ? 0 : debt_of(w->seen[i].tat, s);
	if (!insert && w->seen[i].tat > s->now && w->seen[i].tat - s->now > 2 * s->full &&
	    slot_repair(w, i, s))
		return AGAIN;
	if (s->cost == 0 || *debt + s->cost > s->limit)
		return REFUSED;
	to.tat = s->now + *debt + s->cost;
	if (!slot_swap(w->slot[i], w->seen[i], to))
		return AGAIN;
	if (forced) {
		w->evicted = true;
		atomic_fetch_add_explicit(&t->region->evictions, 1, memory_order_relaxed);
	}
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
	v.evicted = w.evicted;
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

bool
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
	return w.evicted;
}
