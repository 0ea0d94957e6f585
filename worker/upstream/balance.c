/*
 * balance.c - choices that a policy asks for. Each looks at one or two endpoints first and goes
 * over all of them only if those are out.
 *
 * ConsistentHash takes the endpoint with the highest hash of (request, endpoint): the same endpoint
 * on every worker and node, and when one goes only its own share moves. Rejected: a Maglev table
 * (a quarter of a megabyte for each cluster and worker, made anew whenever an endpoint comes or
 * goes, and endpoints that are out need a second rule); its one advantage, a choice in constant
 * time, begins at several hundred endpoints. `tableSize` is accepted and has no effect.
 */
#include <math.h>

#include "base/hash.h"
#include "worker/upstream/members.h"

#define GOOD_MAX 256 /* endpoints looked at when some are out */

static bool
may(const struct members *m, const struct pick_tried *tried, uint32_t i, struct target *t)
{
	if (members_weight(m, i) == 0)
		return false;
	members_get(m, i, t);
	return members_usable(m, t) && !members_tried(tried, t);
}

/* ---- hash */

static uint64_t
mixed(uint64_t hash, uint64_t tag)
{
	return hash_mix(hash_mix(hash ^ hash_mix(tag * 0x9e3779b97f4a7c15ull)) + tag);
}

/* Smaller is better: an exponential variate, so that shares follow the weights. */
static double
score(uint64_t h, uint32_t weight)
{
	return -log(((double)(h >> 11) + 1) * 0x1p-53) / weight;
}

static bool
by_hash(const struct members *m, const struct pick_tried *tried, struct target *out)
{
	double best = 0;
	bool found = false;

	for (uint32_t i = 0; i < m->n; i++) {
		struct target t;
		double s;

		if (!may(m, tried, i, &t))
			continue;
		s = score(mixed(m->in->hash, pick_tag(&t)), members_weight(m, i));
		if (!found || s < best) {
			found = true;
			best = s;
			*out = t;
		}
	}
	return found;
}

uint32_t
balance_backend(const struct pick_in *in, const struct im_backend *b, uint32_t n)
{
	uint32_t found = IM_NONE;
	double best = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t id =
		    b[i].cluster == IM_NONE ? i : in->gen->image.clusters[b[i].cluster].id;
		double s;

		if (b[i].weight == 0 || b[i].fallback)
			continue;
		s = score(mixed(in->hash, ~(uint64_t)id), b[i].weight);
		if (found == IM_NONE || s < best) {
			found = i;
			best = s;
		}
	}
	return found;
}

/* ---- random, least request */

static uint32_t
draw(const struct members *m, const uint32_t *good, uint32_t n, bool equal, uint64_t random)
{
	uint64_t sum = 0, at;

	if (equal)
		return good ? good[random % n] : (uint32_t)(random % n);
	for (uint32_t k = 0; k < n; k++)
		sum += members_weight(m, good ? good[k] : k);
	if (sum == 0)
		return good ? good[0] : 0;
	at = random % sum;
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = good ? good[k] : k;

		if (at < members_weight(m, i))
			return i;
		at -= members_weight(m, i);
	}
	return good ? good[n - 1] : n - 1;
}

/* Requests under way, as seen against what it should get: less is better. */
static uint64_t
load(const struct members *m, const struct target *t)
{
	uint64_t busy = m->in->counts ? COUNTS_SUM(m->in->counts, endpoints, t->id, inflight) : 0;

	return (busy + 1) * 1000 / members_warmth(m, t);
}

static uint32_t
less_busy(const struct members *m, uint32_t a, uint32_t b)
{
	struct target ta, tb;

	members_get(m, a, &ta);
	members_get(m, b, &tb);
	return load(m, &tb) < load(m, &ta) ? b : a;
}

static uint32_t
choose(const struct members *m, const uint32_t *good, uint32_t n, bool equal)
{
	uint64_t r = m->in->random;
	uint32_t a = draw(m, good, n, equal, r), b;

	if (m->in->balance->type != IM_LB_LEAST_REQUEST || n == 1)
		return a;
	b = draw(m, good, n, equal, hash_mix(r ^ 0x5851f42d4c957f2dull));
	/* The same twice: its neighbour, or two endpoints would share nothing half of the time. */
	for (uint32_t k = 0; b == a && k < n; k++)
		b = good ? good[(k + r) % n] : (uint32_t)((k + r) % n);
	return less_busy(m, a, b);
}

static bool
among(const struct members *m, const struct pick_tried *tried, bool equal, struct target *out)
{
	uint32_t good[GOOD_MAX], n = 0, start = m->n ? (uint32_t)(m->in->random % m->n) : 0;

	for (uint32_t k = 0; k < m->n && n < GOOD_MAX; k++) {
		uint32_t i = (start + k) % m->n;
		struct target t;

		if (may(m, tried, i, &t))
			good[n++] = i;
	}
	if (n == 0)
		return false;
	members_get(m, choose(m, good, n, equal), out);
	return true;
}

static bool
one(struct members *m, const struct pick_tried *tried, bool equal, struct target *out)
{
	uint32_t i;

	if (m->in->balance->type == IM_LB_HASH && m->in->hash_on) {
		(void)members_panic(m);
		return by_hash(m, tried, out);
	}
	i = choose(m, NULL, m->n, equal);
	if (may(m, tried, i, out) || (members_panic(m) && may(m, tried, i, out)))
		return true;
	return among(m, tried, equal, out);
}

bool
balance_pick(struct members *m, const struct pick_tried *tried, bool equal, struct target *out)
{
	if (m->n == 0)
		return false;
	if (one(m, tried, equal, out))
		return true;
	return tried && one(m, NULL, equal, out);
}

/* ---- fallback backends */

uint32_t
balance_healthy(const struct pick_in *in, const struct im_backend *b, uint32_t n, bool fallback)
{
	uint64_t all = 0, good = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct members m;

		if (b[i].fallback != fallback || b[i].weight == 0 || b[i].cluster == IM_NONE)
			continue;
		members_of(&m, in, b[i].cluster);
		for (uint32_t k = 0; k < m.n; k++) {
			struct target t;

			members_get(&m, k, &t);
			good += members_usable(&m, &t);
		}
		all += m.n;
	}
	return all ? (uint32_t)(good * 100 / all) : 0;
}
