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
#include "worker/upstream/dns.h"

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
	return ((const struct im_backend *)arg)[i].weight;
}

uint32_t
pick_backend(const struct pick_in *in, uint32_t rule)
{
	const struct image *im = &in->gen->image;
	const struct im_rule *r = &im->rules[rule];
	uint32_t i;

	if (r->backends.n == 0)
		return IM_NONE;
	if (r->backends.n == 1)
		return im->backends[r->backends.first].weight ? r->backends.first : IM_NONE;
	i = pick_weighted(&in->gen->rules[rule], r->backends.n, backend_weight,
	    &im->backends[r->backends.first], in->random);
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

static bool
was_tried(const struct pick_tried *tried, const struct target *t)
{
	uint64_t tag;

	if (tried == NULL || tried->n == 0)
		return false;
	tag = pick_tag(t);
	for (unsigned i = 0; i < HG_MIN(tried->n, (unsigned)PICK_TRIED); i++)
		if (tried->tags[i] == tag)
			return true;
	return false;
}

/* A cluster's endpoints seen as one list, wherever they come from. */
struct members {
	const struct pick_in *in;
	const struct im_cluster *c;
	uint32_t cluster, n;
	bool named;
	struct addr addrs[NAMES_ADDRS];
};

static void
members_of(struct members *m, const struct pick_in *in, uint32_t cluster)
{
	m->in = in;
	m->cluster = cluster;
	m->c = &in->gen->image.clusters[cluster];
	m->named = m->c->dns != IM_NONE;
	m->n = m->named ? dns_addresses(in->names, m->c, m->addrs) : m->c->endpoints.n;
}

static void
member(const struct members *m, uint32_t i, struct target *t)
{
	const struct image *im = &m->in->gen->image;
	const struct im_endpoint *e;

	*t = (struct target){.cluster = m->cluster, .proto = m->c->proto};
	if (m->named) {
		t->addr = m->addrs[i];
		return;
	}
	e = &im->endpoints[m->c->endpoints.first + i];
	t->addr = e->addr;
	t->unix_path = image_text(im, e->unix_path);
	t->id = e->id;
}

static uint32_t
member_weight(const void *arg, uint32_t i)
{
	const struct members *m = arg;

	return m->named ? 1 : m->in->gen->image.endpoints[m->c->endpoints.first + i].weight;
}

static bool
usable(const struct members *m, const struct target *t)
{
	return m->in->board == NULL || board_usable(m->in->board, t->id, m->in->now);
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

		if (member_weight(m, i) == 0)
			continue;
		member(m, i, &t);
		if (usable(m, &t) && !was_tried(tried, &t))
			good[n++] = i;
	}
	if (n == 0)
		return false;
	member(m, good[ph->turn++ % n], out);
	return true;
}

/* Whose turn it is, usable or not. */
static uint32_t
next_turn(struct members *m, struct gen_phase *ph)
{
	if (ph->stride == 0) {
		uint32_t i = 1;

		while (i < m->n && member_weight(m, i) == member_weight(m, 0))
			i++;
		if (i == m->n) {
			if (member_weight(m, 0) == 0)
				return IM_NONE;
			*ph = (struct gen_phase){
			    .stride = 1, .pos = (uint32_t)(m->in->random % m->n)};
		}
	}
	if (ph->stride == 0 || ph->unit != 0)
		return pick_weighted(ph, m->n, member_weight, m, m->in->random);
	ph->pos = (ph->pos + 1) % m->n;
	return ph->pos;
}

enum hg_err
pick_endpoint(
    const struct pick_in *in, uint32_t cluster, const struct pick_tried *tried, struct target *out)
{
	struct gen_phase *ph = &in->gen->clusters[cluster];
	struct members m;
	uint32_t i;

	members_of(&m, in, cluster);
	i = m.n ? next_turn(&m, ph) : IM_NONE;
	if (i == IM_NONE)
		return HG_ERR_NO_ENDPOINT;
	member(&m, i, out);
	if (usable(&m, out) && !was_tried(tried, out))
		return HG_OK;
	if (pick_among(&m, tried, ph, out))
		return HG_OK;
	/* All usable ones were tried: start over rather than give up. */
	return tried && pick_among(&m, NULL, ph, out) ? HG_OK : HG_ERR_NO_ENDPOINT;
}

bool
pick_tagged(const struct pick_in *in, uint32_t cluster, uint64_t tag, struct target *out)
{
	struct members m;

	members_of(&m, in, cluster);
	for (uint32_t i = 0; i < m.n; i++) {
		member(&m, i, out);
		if (pick_tag(out) == tag)
			return usable(&m, out);
	}
	return false;
}
