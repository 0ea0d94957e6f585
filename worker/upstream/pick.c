/*
 * pick.c - weights and turns. Shares are exact and need 16 bytes of state: the sum of weights (over
 * their greatest common divisor) is walked with a stride near the golden ratio of it and prime to
 * it, from a random start. Every residue comes once a period, so each backend gets exactly its
 * weight, and the stride spreads the picks of one backend over the period. Rejected: random choice
 * (a canary of 10 % is off by 5 points in 300 requests), and the usual smooth weighting (a counter
 * per backend, and a random start means running it).
 *
 * Endpoints take turns in the same way. If some are not usable, the others take turns among
 * themselves, so that the neighbour of a dead one does not get its share.
 */
#include "worker/upstream/pick.h"

#include "base/hash.h"
#include "worker/upstream/members.h"

#define USABLE_MAX 256 /* endpoints looked at when some are out */

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

static uint32_t
stride_for(uint64_t period)
{
	uint32_t s = (uint32_t)((double)period * 0.6180339887);

	if (period <= 2)
		return 1;
	while (s < 1 || gcd(s, (uint32_t)period) != 1)
		s++;
	return s;
}

uint32_t
pick_weighted(struct gen_phase *ph, uint32_t n, uint32_t (*weight)(const void *arg, uint32_t i),
    const void *arg, uint64_t random)
{
	uint64_t sum = 0, at = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		sum += weight(arg, i);
	if (sum == 0 || sum > UINT32_MAX)
		return IM_NONE;
	if (ph->stride == 0) {
		uint32_t unit = 0;

		for (i = 0; i < n; i++)
			unit = gcd(unit, weight(arg, i));
		ph->unit = unit;
		ph->stride = stride_for(sum / unit);
		ph->pos = (uint32_t)(random % (sum / unit));
	}
	ph->pos = (uint32_t)(((uint64_t)ph->pos + ph->stride) % (sum / ph->unit));
	for (i = 0; i < n; i++) {
		at += weight(arg, i) / ph->unit;
		if (ph->pos < at)
			return i;
	}
	return IM_NONE;
}

static uint32_t
backend_weight(const void *arg, uint32_t i)
{
	const struct im_backend *b = (const struct im_backend *)arg + i;

	return b->fallback ? 0 : b->weight;
}

static uint32_t
fallback_weight(const void *arg, uint32_t i)
{
	const struct im_backend *b = (const struct im_backend *)arg + i;

	return b->fallback ? b->weight : 0;
}

/* The others take what they can: up to 1.4 times their healthy part. IM_NONE: they take this one.
 */
static uint32_t
fallback_for(const struct pick_in *in, const struct im_backend *b, uint32_t n)
{
	struct gen_phase ph = {0};
	uint32_t i = 0;

	while (i < n && !(b[i].fallback && b[i].weight))
		i++;
	if (i == n)
		return IM_NONE;
	if (in->random % 100 * 100 < (uint64_t)balance_healthy(in, b, n, false) * 140 ||
	    balance_healthy(in, b, n, true) == 0)
		return IM_NONE;
	return pick_weighted(&ph, n, fallback_weight, b, in->random >> 8);
}

uint32_t
pick_backend(const struct pick_in *in, uint32_t rule)
{
	const struct image *im = &in->gen->image;
	const struct im_rule *r = &im->rules[rule];
	const struct im_backend *b = &im->backends[r->backends.first];
	uint32_t i;

	if (r->backends.n == 0)
		return IM_NONE;
	if (r->backends.n == 1)
		return b->weight ? r->backends.first : IM_NONE;
	i = fallback_for(in, b, r->backends.n);
	if (i == IM_NONE && in->hash_on)
		i = balance_backend(in, b, r->backends.n);
	if (i == IM_NONE)
		i = pick_weighted(
		    &in->gen->rules[rule], r->backends.n, backend_weight, b, in->random);
	return i == IM_NONE ? IM_NONE : r->backends.first + i;
}

uint64_t
pick_tag(const struct target *t)
{
	uint64_t h = HASH_SEED;

	/* Id 0 stands for many, so it names none of them. */
	if (t->id)
		return t->id;
	if (t->unix_path.p)
		h = hash_more(h, t->unix_path.p, t->unix_path.n);
	else
		h = hash_more(h, &t->addr, sizeof(t->addr));
	return hash_mix(h) | 1ull << 63;
}

void
pick_note(struct pick_tried *tried, const struct target *t)
{
	tried->tags[tried->n++ % PICK_TRIED] = pick_tag(t);
}

/* Some endpoint is out or was tried: choose among the rest. */
static bool
pick_among(
    struct members *m, const struct pick_tried *tried, struct gen_phase *ph, struct target *out)
{
	uint32_t good[USABLE_MAX], n = 0, start = m->n ? ph->pos % m->n : 0;

	for (uint32_t k = 0; k < m->n && n < USABLE_MAX; k++) {
		uint32_t i = m->n > USABLE_MAX ? (start + k) % m->n : k;
		struct target t;

		if (members_weight(m, i) == 0)
			continue;
		members_get(m, i, &t);
		if (members_usable(m, &t) && !members_tried(tried, &t))
			good[n++] = i;
	}
	if (n == 0)
		return false;
	members_get(m, good[ph->turn++ % n], out);
	return true;
}

/* Are all weights the same (and not 0)? Looked at once. */
static bool
all_equal(const struct members *m, struct gen_phase *ph)
{
	uint32_t i = 1;

	if (ph->stride)
		return ph->unit == 0;
	while (i < m->n && members_weight(m, i) == members_weight(m, 0))
		i++;
	if (m->n == 0 || i < m->n || members_weight(m, 0) == 0)
		return false;
	*ph = (struct gen_phase){.stride = 1, .pos = (uint32_t)(m->in->random % m->n)};
	return true;
}

/* Whose turn it is, usable or not. */
static uint32_t
next_turn(struct members *m, struct gen_phase *ph)
{
	if (!all_equal(m, ph))
		return pick_weighted(ph, m->n, members_weight, m, m->in->random);
	ph->pos = (ph->pos + 1) % m->n;
	return ph->pos;
}

/* A cold endpoint lets some of its turns pass. */
static bool
passes(const struct members *m, const struct target *t, unsigned round)
{
	uint32_t warmth = members_warmth(m, t);

	return warmth < 1000 && (m->in->random >> (10 * round)) % 1000 >= warmth;
}

static bool
by_turn(
    struct members *m, const struct pick_tried *tried, struct gen_phase *ph, struct target *out)
{
	for (unsigned round = 0; round < 6; round++) {
		uint32_t i = next_turn(m, ph);

		if (i == IM_NONE)
			return false;
		members_get(m, i, out);
		if (!members_usable(m, out) && !(members_panic(m) && members_usable(m, out)))
			break;
		if (members_tried(tried, out))
			break;
		if (round == 5 || !passes(m, out, round))
			return true;
	}
	if (pick_among(m, tried, ph, out))
		return true;
	/* All usable ones were tried: start over rather than give up. */
	return tried && pick_among(m, NULL, ph, out);
}

enum hg_err
pick_endpoint(
    const struct pick_in *in, uint32_t cluster, const struct pick_tried *tried, struct target *out)
{
	struct gen_phase *ph = &in->gen->clusters[cluster];
	struct members m;
	bool found;

	members_of(&m, in, cluster);
	if (in->balance && in->balance->type > IM_LB_ROUND_ROBIN)
		found = balance_pick(&m, tried, all_equal(&m, ph), out);
	else
		found = m.n && by_turn(&m, tried, ph, out);
	return found ? HG_OK : HG_ERR_NO_ENDPOINT;
}

bool
pick_tagged(const struct pick_in *in, uint32_t cluster, uint64_t tag, struct target *out)
{
	struct members m;

	members_of(&m, in, cluster);
	for (uint32_t i = 0; i < m.n; i++) {
		members_get(&m, i, out);
		if (pick_tag(out) == tag)
			return members_usable(&m, out);
	}
	return false;
}
