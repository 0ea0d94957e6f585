/*
 * members.c - endpoints of a cluster, from the image or from the names region, and the verdicts of
 * the board about them. Panic is only asked about where a choice has met an endpoint that is out,
 * so a healthy cluster pays nothing for it.
 */
#include "worker/upstream/members.h"

#include "base/clock.h"

#define PANIC 50u /* of rules that say nothing, in % */
#define COLD 100u /* a fresh endpoint begins with a tenth */

void
members_of(struct members *m, const struct pick_in *in, uint32_t cluster)
{
	m->in = in;
	m->cluster = cluster;
	m->c = &in->gen->image.clusters[cluster];
	m->named = m->c->dns != IM_NONE;
	m->panic = false;
	m->n = m->named ? dns_members(in->names, m->c, m->byname) : m->c->endpoints.n;
}

void
members_get(const struct members *m, uint32_t i, struct target *t)
{
	const struct image *im = &m->in->gen->image;
	const struct im_endpoint *e;

	*t = (struct target){
	    .cluster = m->cluster, .proto = m->c->proto, .tls = m->c->tls + 1}; /* IM_NONE: 0 */
	if (m->named) {
		uint32_t at = m->byname[i].at;

		t->addr = m->byname[i].addr;
		t->host = image_text(im, m->c->dns_name);
		if (at < m->c->endpoints.n) {
			e = &im->endpoints[m->c->endpoints.first + at];
			t->id = e->id;
			t->host = e->host.off == IM_NONE ? t->host : image_text(im, e->host);
		}
		return;
	}
	e = &im->endpoints[m->c->endpoints.first + i];
	t->addr = e->addr;
	t->unix_path = image_text(im, e->unix_path);
	t->host = image_text(im, e->host);
	t->id = e->id;
}

uint32_t
members_weight(const void *arg, uint32_t i)
{
	const struct members *m = arg;

	return m->named ? 1 : m->in->gen->image.endpoints[m->c->endpoints.first + i].weight;
}

#define SHARED 100u /* streams of one connection: http/h2_up.c's bound; a backend may allow fewer */

/* All its connections are taken and it may have no more. */
static bool
is_full(const struct members *m, const struct target *t)
{
	const struct im_balance *b = m->in->balance;
	const struct counts *c = m->in->counts;
	uint32_t each = t->proto == IM_UP_H2C ? SHARED : 1;

	if (b == NULL || c == NULL || b->endpoint_connections == IM_NONE || t->id == 0 ||
	    t->id >= SLOT_IDS)
		return false;
	return COUNTS_SUM(c, endpoints, t->id, connections) >= b->endpoint_connections &&
	    c->own->endpoints[t->id].connections * each <= c->own->endpoints[t->id].inflight;
}

static bool
is_healthy(const struct members *m, const struct target *t)
{
	return m->in->board == NULL || board_usable(m->in->board, t->id, m->in->now);
}

bool
members_usable(const struct members *m, const struct target *t)
{
	return (m->panic || is_healthy(m, t)) && !is_full(m, t);
}

bool
members_panic(struct members *m)
{
	const struct im_balance *b = m->in->balance;
	uint32_t good = 0, percent = PANIC;

	if (m->in->board == NULL)
		return false;
	/* Verdicts are shared: what another rule's checks say must not leave nobody to this one. */
	if (b && b->health != IM_NONE)
		percent = m->in->gen->image.healths[b->health].panic_percent;
	for (uint32_t i = 0; i < m->n; i++) {
		struct target t;

		members_get(m, i, &t);
		good += is_healthy(m, &t);
	}
	m->panic = (uint64_t)good * 100 < (uint64_t)percent * m->n;
	return m->panic;
}

uint32_t
members_warmth(const struct members *m, const struct target *t)
{
	const struct im_balance *b = m->in->balance;
	const struct board_endpoint *e;
	uint64_t since, back, window;

	if (b == NULL || b->slow_start_ms == 0 || m->in->board == NULL || t->id == 0 ||
	    t->id >= SLOT_IDS)
		return 1000;
	e = &m->in->board->endpoints[t->id];
	since = atomic_load_explicit(&e->healthy_since, memory_order_relaxed);
	back = atomic_load_explicit(&e->ejected_until, memory_order_relaxed);
	since = back > since && back <= m->in->now ? back : since;
	window = b->slow_start_ms * MS_NS;
	if (since == 0 || since > m->in->now || m->in->now - since >= window)
		return 1000;
	return HG_MAX((uint32_t)((m->in->now - since) / (window / 1000 + 1)), COLD);
}

bool
members_tried(const struct pick_tried *tried, const struct target *t)
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
