/*
 * outlier.c - one word an endpoint: three rows of failures and the number of ejections, 16 bits
 * each, changed by compare-and-swap. A good answer of a good endpoint reads the word and writes
 * nothing. Who swaps the word that fills a row ejects; the others see an empty row. Where a share
 * of failures is asked for, a second word counts the outcomes of the current interval.
 */
#include "worker/upstream/outlier.h"

#include "base/clock.h"

#define EJECT_MAX_MS 300000u

struct rows {
	uint16_t any, gateway, local, ejections;
};

static struct rows
unpack(uint64_t w)
{
	return (struct rows){
	    (uint16_t)w, (uint16_t)(w >> 16), (uint16_t)(w >> 32), (uint16_t)(w >> 48)};
}

static uint64_t
pack(struct rows r)
{
	return r.any | (uint64_t)r.gateway << 16 | (uint64_t)r.local << 32 |
	    (uint64_t)r.ejections << 48;
}

static uint16_t
more(uint16_t n, bool yes)
{
	return yes ? (uint16_t)(n + (n < UINT16_MAX)) : 0;
}

static struct rows
next_rows(const struct im_health *h, struct rows r, unsigned status)
{
	bool local = status == 0;

	if (local && h->split_local) {
		r.local = more(r.local, true);
		return r;
	}
	if (h->split_local)
		r.local = 0;
	r.any = more(r.any, local || status >= 500);
	r.gateway = more(r.gateway, local || (status >= 502 && status <= 504));
	return r;
}

static bool
filled(uint16_t n, uint32_t limit)
{
	return limit && n >= limit;
}

/* ---- share of failures in an interval: number of the interval, outcomes, failures */

#define TALLY_BITS 20
#define TALLY_MAX ((1u << TALLY_BITS) - 1)
#define INTERVAL_MASK 0xffffffu
#define SHARE_REQUESTS 50 /* an endpoint with fewer is not judged */
#define SHARE_ENDPOINTS 5 /* nor is one with fewer companions that could be */

struct tally {
	uint32_t interval, n, failed;
};

static struct tally
tally_of(uint64_t w)
{
	return (struct tally){.interval = (uint32_t)(w >> 2 * TALLY_BITS),
	    .n = (uint32_t)(w >> TALLY_BITS) & TALLY_MAX,
	    .failed = (uint32_t)w & TALLY_MAX};
}

/* Counts one outcome. true: it is the first of its interval, *last is that before. */
static bool
tally_add(struct board_endpoint *e, uint32_t interval, bool failed, struct tally *last)
{
	uint64_t old = atomic_load_explicit(&e->tally, memory_order_relaxed), new;
	bool rolls;

	do {
		struct tally t = tally_of(old);

		/* Another worker's clock may be ahead of this one's turn: never back. */
		rolls = ((interval - t.interval) & INTERVAL_MASK) - 1 < INTERVAL_MASK / 2;
		*last = t;
		if (rolls)
			t = (struct tally){interval, 0, 0};
		t.failed += failed && t.n < TALLY_MAX;
		t.n += t.n < TALLY_MAX;
		new = (uint64_t)t.interval << 2 * TALLY_BITS | (uint64_t)t.n << TALLY_BITS |
		    t.failed;
	} while (!atomic_compare_exchange_weak_explicit(
	    &e->tally, &old, new, memory_order_relaxed, memory_order_relaxed));
	if (rolls)
		atomic_store_explicit(&e->tally_before, old, memory_order_relaxed);
	return rolls;
}

/* Did it have requests enough in this interval? */
static bool
judged(const struct board_endpoint *e, uint32_t interval)
{
	struct tally now = tally_of(atomic_load_explicit(&e->tally, memory_order_relaxed)),
		     old = tally_of(atomic_load_explicit(&e->tally_before, memory_order_relaxed));

	return (now.interval == interval && now.n >= SHARE_REQUESTS) ||
	    (old.interval == interval && old.n >= SHARE_REQUESTS);
}

/* There is no sweep: who has the first outcome of an interval looks at the one before. An endpoint
 * without requests need not be taken out. */
static bool
share_reached(const struct im_health *h, struct board *b, const struct pick_in *in,
    const struct target *t, bool failed)
{
	uint64_t length = h->eject_interval_ms * MS_NS;
	uint32_t interval = (uint32_t)(in->now / length) & INTERVAL_MASK, n = 0;
	struct tally last;
	struct members m;

	if (!tally_add(&b->endpoints[t->id], interval, failed, &last) ||
	    last.n < SHARE_REQUESTS ||
	    (uint64_t)last.failed * 100 < (uint64_t)h->failure_percent * last.n)
		return false;
	members_of(&m, in, t->cluster);
	for (uint32_t i = 0; i < m.n && n < SHARE_ENDPOINTS; i++) {
		struct target other;

		members_get(&m, i, &other);
		n += other.id && other.id < SLOT_IDS &&
		    (other.id == t->id || judged(&b->endpoints[other.id], last.interval));
	}
	return n >= SHARE_ENDPOINTS;
}

/* May one more be out? */
static bool
allowed(
    const struct im_health *h, const struct board *b, const struct pick_in *in, uint32_t cluster)
{
	uint32_t out = 0, n;
	struct members m;

	members_of(&m, in, cluster);
	n = m.n;
	for (uint32_t i = 0; i < n; i++) {
		struct target t;

		members_get(&m, i, &t);
		if (t.id && t.id < SLOT_IDS)
			out += atomic_load_explicit(&b->endpoints[t.id].ejected_until,
				   memory_order_relaxed) > in->now;
	}
	if (h->always_one && out == 0)
		return true;
	return ((uint64_t)out + 1) * 100 <= (uint64_t)h->eject_max_percent * n;
}

static uint32_t
eject(struct board_endpoint *e, const struct im_health *h, struct rows *r, uint64_t now)
{
	uint64_t before = atomic_load_explicit(&e->ejected_until, memory_order_relaxed), ms;
	uint64_t interval = (h->eject_interval_ms ? h->eject_interval_ms : 1) * MS_NS, quiet;

	/* The count falls with each quiet interval. */
	quiet = before && now > before ? (now - before) / interval : 0;
	r->ejections = quiet >= r->ejections ? 0 : (uint16_t)(r->ejections - quiet);
	r->ejections = more(r->ejections, true);
	ms = HG_MIN((uint64_t)h->eject_base_ms * r->ejections,
	    (uint64_t)HG_MAX(EJECT_MAX_MS, h->eject_base_ms));
	atomic_store_explicit(&e->ejected_until, now + ms * MS_NS, memory_order_relaxed);
	return (uint32_t)ms;
}

/* Rows of failures. true: this outcome filled one, which is empty again. */
static bool
row_filled(struct board_endpoint *e, const struct im_health *h, unsigned status)
{
	uint64_t old = atomic_load_explicit(&e->failures, memory_order_relaxed);
	struct rows r;
	bool out;

	do {
		r = next_rows(h, unpack(old), status);
		if (pack(r) == old)
			return false;
		out = filled(r.any, h->consecutive_5xx) ||
		    filled(r.gateway, h->consecutive_gateway) ||
		    filled(r.local, h->consecutive_local);
		if (out)
			r.any = r.gateway = r.local = 0;
	} while (!atomic_compare_exchange_weak_explicit(
	    &e->failures, &old, pack(r), memory_order_relaxed, memory_order_relaxed));
	return out;
}

bool
outlier_note(struct board *b, const struct pick_in *in, const struct target *t, unsigned status,
    uint32_t *ms)
{
	const struct im_health *h;
	struct board_endpoint *e;
	struct rows r;
	bool out;

	if (in->balance == NULL || in->balance->health == IM_NONE || t->id == 0 ||
	    t->id >= SLOT_IDS)
		return false;
	h = &in->gen->image.healths[in->balance->health];
	if (!h->passive)
		return false;
	e = &b->endpoints[t->id];
	out = row_filled(e, h, status);
	if (h->failure_percent && !(h->split_local && status == 0))
		out |= share_reached(h, b, in, t, status == 0 || status >= 500);
	if (!out || !allowed(h, b, in, t->cluster))
		return false;
	r = unpack(atomic_load_explicit(&e->failures, memory_order_relaxed));
	*ms = eject(e, h, &r, in->now);
	atomic_store_explicit(&e->failures, pack(r), memory_order_relaxed);
	return true;
}
