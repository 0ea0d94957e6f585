/*
 * upool_h2.c - shared connections: one carries many requests, so what an attempt is given is a
 * lease on it. A place has as many connections as its streams need. One that the backend is leaving
 * (GOAWAY) takes no new lease and goes with its last; one without leases goes when it has idled for
 * the pool's time. They hang in the places of upool.c, whose HTTP/1 connections are others: a place
 * of shared ones is one by the address and TLS, since what is spoken is settled.
 */
#include "worker/upstream/upool_h2.h"

#include "base/clock.h"
#include "base/mem.h"

struct upm {
	struct h2_up h2;
	struct upool *pool;
	struct list link;   /* of its place's */
	struct list all;    /* of the pool's */
	struct list leases; /* struct up.link */
	struct timer idle;
	struct ubucket *place;
	uint32_t n, endpoint;
	uint32_t breaker;   /* rule that it counts for, 0 = none */
	bool in_vain;       /* somebody has waited long enough for it to connect */
	bool over;          /* its adapter is done with it */
	struct up_terms terms; /* of who used it last */
	uint64_t born;
};

/* It takes no more requests, by its terms. */
static bool
worn(const struct upm *m)
{
	const struct up_terms *t = &m->terms;

	/* Leases may wait for a connection that is not there yet. */
	return (t->max_requests && HG_MAX(m->h2.h2.opened, m->n) >= t->max_requests) ||
	    (t->max_ms && loop_now(m->pool->loop) - m->born >= t->max_ms * MS_NS);
}

static uint64_t
idle_ms(const struct upm *m)
{
	if (worn(m))
		return 0;
	if (m->place->greeting)
		return HG_MIN(m->pool->idle_ms, UPOOL_GREETED_MS);
	return m->terms.idle_ms ? m->terms.idle_ms : m->pool->idle_ms;
}

static void
free_upm(struct upm *m)
{
	timer_stop(&m->idle);
	list_del(&m->link);
	list_del(&m->all);
	upool_place_leave(m->pool, m->place);
	mem_free(m);
}

static void
free_maybe(struct upm *m)
{
	if (m->over && m->n == 0)
		free_upm(m);
}

static void
end_lease(struct up *u)
{
	struct upm *m = u->m;

	list_del(&u->link);
	m->n--;
	m->pool->freed = true;
	pool_put(m->pool->ups, u);
	if (m->n == 0 && !m->over && m->in_vain && !m->h2.connected)
		h2_up_close(&m->h2);
	else if (m->n == 0 && !m->over)
		timer_in(m->pool->loop, &m->idle, idle_ms(m));
	free_maybe(m);
}

static void
idle_over(struct timer *t)
{
	struct upm *m = HG_CONTAINER(t, struct upm, idle);

	if (m->n == 0)
		h2_up_close(&m->h2);
}

/* ---- the adapter's events */

/* One that has not heard yet; telling one may end others. */
static struct up *
waiting(const struct upm *m)
{
	LIST_FOREACH(it, &m->leases)
		if (LIST_ENTRY(it, struct up, link)->ev)
			return LIST_ENTRY(it, struct up, link);
	return NULL;
}

static void m_failed(struct h2_up *, enum hg_err);

static void
discharge(struct upm *m)
{
	if (m->breaker)
		counts_lower(&m->pool->slot->breakers[m->breaker].connections);
	m->breaker = 0;
	m->pool->freed = true;
}

/* The backend spoke HTTP/2 the last time, and does not any more: all who wait try anew. */
static bool
turned_h1(struct upm *m)
{
	const struct ubucket *b = m->place;
	struct tls_info info;

	tls_info(&m->h2.h2.chan, &info);
	m->pool->slot->metrics[METRIC_upstream_tls_handshakes]++;
	m->pool->slot->metrics[METRIC_upstream_tls_resumed] += info.resumed;
	if (uptls_spoken(b->secure, &m->h2.h2.chan) == UPTLS_H2)
		return false;
	uptls_learn(b->secure, &b->addr, bytes_of(b->path, b->npath), false);
	return true;
}

static void
m_open(struct h2_up *h)
{
	struct upm *m = h->owner;

	if (m->place->secure && turned_h1(m)) {
		h2_up_close(h);
		m_failed(h, HG_ERR_AGAIN);
		return;
	}
	m->pool->freed = true; /* more may share it than have waited for it */
	for (struct up *u; (u = waiting(m));) {
		const struct up_events *ev = u->ev;

		u->ev = NULL;
		u->connected = true;
		ev->open(u);
	}
}

static void
m_failed(struct h2_up *h, enum hg_err e)
{
	struct upm *m = h->owner;

	m->pool->slot->metrics[METRIC_upstream_errors]++;
	m->pool->slot->metrics[METRIC_upstream_tls_failed] += e == HG_ERR_BACKEND_TLS;
	m->n++; /* stays while its leases are told */
	for (struct up *u; (u = waiting(m));) {
		const struct up_events *ev = u->ev;

		u->ev = NULL;
		ev->failed(u, e);
		end_lease(u);
	}
	m->n--;
}

static void
m_quiet(struct h2_up *h)
{
	(void)h; /* GOAWAY: h2_up_usable() says so, and the adapter ends it after the last stream */
}

static void
m_closed(struct h2_up *h)
{
	struct upm *m = h->owner;

	m->over = true;
	discharge(m);
	counts_lower(&m->pool->slot->endpoints[m->endpoint].connections);
	free_maybe(m);
}

static const struct h2_up_events events = {
	.open = m_open, .failed = m_failed, .quiet = m_quiet, .closed = m_closed};

/* ---- */

static bool
takes(const struct upm *m)
{
	if (m->over || worn(m))
		return false;
	return m->h2.connected ?
	    h2_up_usable(&m->h2) :
	    !m->h2.h2.dead && !m->in_vain && m->n < UPM_CONNECTING;
}

static struct upm *
upm_new(struct upool *p, const struct target *t)
{
	struct upm *m = mem_zalloc(sizeof(*m));

	m->pool = p;
	m->born = loop_now(p->loop);
	m->place = upool_place(p, t, IM_UP_H2C);
	m->endpoint = t->id < SLOT_IDS ? t->id : 0;
	list_push(&m->place->shared, &m->link);
	list_push(&p->shared, &m->all);
	list_init(&m->leases);
	timer_init(&m->idle, idle_over);
	return m;
}

static enum hg_err
connect_new(struct upool *p, const struct target *t, struct upm **out)
{
	uint32_t id = t->id < SLOT_IDS ? t->id : 0;
	struct upm *m;

	if (id && p->slot->endpoints[id].connections >= p->conns_per_endpoint)
		return HG_ERR_QUEUE_FULL;
	m = upm_new(p, t);
	if (h2_up_connect(&m->h2, p->h2, &t->addr, t->unix_path, &events, m) != 0) {
		free_upm(m);
		p->slot->metrics[METRIC_upstream_errors]++;
		return HG_ERR_CONNECT_FAILED;
	}
	p->slot->endpoints[m->endpoint].connections++;
	p->slot->metrics[METRIC_upstream_connections]++;
	if ((t->secure && !uptls_start(t->secure, &m->h2.h2.chan, &t->addr, t->unix_path)) ||
	    (t->greeting.n && !chan_greet(&m->h2.h2.chan, t->greeting.p, t->greeting.n))) {
		h2_up_close(&m->h2);
		return HG_ERR_NOMEM;
	}
	*out = m;
	return HG_OK;
}

/* One that has room for one more. */
static struct upm *
find(struct upool *p, const struct target *t)
{
	struct ubucket *b = upool_place_find(p, t, IM_UP_H2C);

	if (b == NULL)
		return NULL;
	LIST_FOREACH(it, &b->shared)
		if (takes(LIST_ENTRY(it, struct upm, link)))
			return LIST_ENTRY(it, struct upm, link);
	return NULL;
}

bool
upool_h2_ready(struct upool *p, const struct target *t, bool connecting)
{
	const struct upm *m = find(p, t);

	return m && (connecting || m->h2.connected);
}

void
upool_h2_charge(struct up *u, uint32_t rule)
{
	struct upm *m = u->m;

	if (m->breaker || m->over)
		return;
	m->breaker = rule;
	m->pool->slot->breakers[rule].connections++;
}

bool
upool_h2_make_room(struct upool *p, uint32_t rule)
{
	LIST_FOREACH(it, &p->shared) {
		struct upm *m = LIST_ENTRY(it, struct upm, all);

		if (m->n || m->breaker != rule)
			continue;
		discharge(m);
		h2_up_close(&m->h2);
		return true;
	}
	return false;
}

void
upool_h2_terms(struct up *u)
{
	u->m->terms = u->terms;
}

int
upool_h2_fd(const struct up *u)
{
	return u->m->h2.h2.chan.watch.fd;
}

static void
lease(struct upm *m, struct up *u)
{
	u->m = m;
	list_init(&u->lru);
	list_init(&u->link);
	list_append(&m->leases, &u->link);
	m->n++;
	timer_stop(&m->idle);
}

bool
upool_h2_become(struct up *u)
{
	struct upool *p = u->pool;
	const struct ubucket *b = u->bucket;
	struct target t = {.addr = b->addr, .unix_path = bytes_of(b->path, b->npath),
	    .id = u->endpoint, .secure = b->secure,
	    .greeting = bytes_of(b->greeting, b->ngreeting)};
	struct upm *m = upm_new(p, &t);

	if (!h2_up_adopt(&m->h2, p->h2, &u->h1.chan, &events, m)) {
		free_upm(m);
		return false;
	}
	p->slot->endpoints[m->endpoint].connections++;
	m->terms = u->terms;
	m->breaker = u->breaker;
	u->breaker = 0;
	lease(m, u);
	u->ev = NULL;
	return true;
}

bool
upool_h2_shaking(const struct up *u)
{
	const struct chan *c = &u->m->h2.h2.chan;

	return c->handshaking && !c->connecting;
}

enum hg_err
upool_h2_get(struct upool *p, const struct target *t, const struct up_events *ev, void *owner,
    struct up **out)
{
	struct upm *m = find(p, t);
	struct up *u = pool_get(p->ups);
	enum hg_err e;

	if (u == NULL)
		return HG_ERR_OVERLOAD;
	if (m == NULL && (e = connect_new(p, t, &m)) != HG_OK) {
		pool_put(p->ups, u);
		return e;
	}
	memset(u, 0, sizeof(*u));
	u->pool = p;
	u->owner = owner;
	u->endpoint = m->endpoint;
	u->connected = m->h2.connected;
	u->ev = u->connected ? NULL : ev;
	lease(m, u);
	*out = u;
	if (!u->connected)
		return HG_ERR_AGAIN;
	p->slot->metrics[METRIC_upstream_reused]++;
	return HG_OK;
}

struct stream *
upool_h2_open(struct up *u, struct msg *storage, const struct stream_events *ev, void *owner)
{
	if (!u->m->over && !u->m->h2.h2.dead)
		u->st = h2_up_open(&u->m->h2, storage, ev, owner);
	return u->st;
}

void
upool_h2_close(struct up *u)
{
	/* No use to the backend either; nothing happens if it is over already. */
	if (u->st)
		u->st->ops->reset(u->st, HG_ERR_CLIENT_CLOSED);
	/* Nobody else shall wait for what did not come in this one's time. */
	u->m->in_vain = !u->m->h2.connected;
	end_lease(u);
}

void
upool_h2_done(struct up *u)
{
	end_lease(u);
}

void
upool_h2_close_idle(struct upool *p)
{
	LIST_FOREACH_SAFE(it, tmp, &p->shared) {
		struct upm *m = LIST_ENTRY(it, struct upm, all);

		if (m->n == 0 && !m->over)
			h2_up_close(&m->h2);
	}
}
