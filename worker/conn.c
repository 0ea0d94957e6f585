/*
 * conn.c - client connections. The adapter is embedded, the exchange comes when a request begins
 * and goes when it is over, so an idle connection costs this record and nothing else. After a
 * commit nothing is done to a connection unless its socket is gone: the next exchange finds the new
 * generation by itself.
 */
#include "worker/conn.h"

#include "base/clock.h"
#include "net/sock.h"
#include "worker/exchange.h"
#include "worker/preamble.h"
#include "worker/secure.h"
#include "worker/terms.h"

static struct exchange *
begin(struct conn *c, struct stream *st)
{
	struct exchange *x = exchange_new(c->w, c, st);

	if (x == NULL) {
		METRIC(c->w, connections_rejected, 1);
		return NULL;
	}
	st->ev = &exchange_down_events;
	st->owner = x;
	return x;
}

static bool
conn_open(struct h1_down *h, struct stream *st)
{
	struct conn *c = h->owner;

	c->x = begin(c, st);
	if (c->x == NULL)
		return false;
	h->msg = &c->x->head;
	return true;
}

static void
over(struct conn *c)
{
	struct worker *w = c->w;

	if (c->counted)
		ipcount_sub(&w->ips, &c->peer);
	if (c->admitted)
		w->slot->admitted[c->listener].connections--;
	list_del(&c->link);
	w->nconns--;
	METRIC(w, connections_closed, 1);
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	pool_put(&w->conns, c);
	if (w->draining)
		worker_maybe_over(w);
}

static void
conn_closed(struct h1_down *h)
{
	struct conn *c = h->owner;

	if (c->x)
		exchange_lost(c->x, HG_ERR_CLIENT_CLOSED);
	over(c);
}

static void
conn_disagree(struct h1_down *h)
{
	struct conn *c = h->owner;

	METRIC(c->w, parser_disagreed, 1);
}

static const struct h1_down_events conn_events = {
	.open = conn_open, .closed = conn_closed, .disagree = conn_disagree};

/* ---- HTTP/2 */

static bool
h2_open(struct h2_down *h, struct stream *st, struct msg **storage)
{
	struct exchange *x = begin(h->owner, st);

	if (x)
		*storage = &x->head;
	return x != NULL;
}

static void
h2_closed(struct h2_down *h)
{
	over(h->owner);
}

static void
h2_glitches(struct h2_down *h)
{
	struct conn *c = h->owner;

	METRIC(c->w, h2_floods, 1);
}

static void
h2_fault(struct h2_down *h)
{
	struct conn *c = h->owner;

	METRIC(c->w, h2_errors, 1);
}

static bool
h2_old(struct h2_down *h)
{
	return conn_age(h->owner) >= terms_of_h2(h->h2.env)->max_ms;
}

static const struct h2_down_events h2_events = {.open = h2_open,
	.closed = h2_closed,
	.glitches = h2_glitches,
	.fault = h2_fault,
	.old = h2_old};

/* Until the first bytes are there, the chan's events pass through here. */

static void
plain(struct chan *ch)
{
	ch->ev = HG_CONTAINER(ch, struct conn, h1.chan)->w->h1_events;
}

/* In clear text the preface alone says so; behind TLS it was agreed on before. */
static bool
speaks_h2(const struct conn *c, const char *p, uint32_t n)
{
	struct tls_info info;

	if (!c->secure)
		return memcmp(p, H2_PREFACE, HG_MIN(n, H2_PREFACE_LEN)) == 0;
	tls_info(&c->h1.chan, &info);
	return strcmp(info.alpn, "h2") == 0;
}

static uint32_t
first_data(struct chan *ch, struct buf *b, uint32_t off, uint32_t n)
{
	struct conn *c = HG_CONTAINER(ch, struct conn, h1.chan);

	if (!speaks_h2(c, b->data + off, n)) {
		plain(ch);
		return ch->ev->data(ch, b, off, n);
	}
	if (n < H2_PREFACE_LEN && !c->secure)
		return 0;
	plain(ch);
	h1_down_leave(&c->h1);
	c->is_h2 = true;
	h2_down_adopt(&c->h2, &terms_of(c->w, c->client)->h2, &h2_events, c);
	return 0;
}

static void
first_open(struct chan *ch)
{
	const struct chan_events *h1 = HG_CONTAINER(ch, struct conn, h1.chan)->w->h1_events;

	if (h1->open)
		h1->open(ch);
}

static void
first_eof(struct chan *ch)
{
	plain(ch);
	ch->ev->eof(ch);
}

static void
first_drained(struct chan *ch)
{
	HG_CONTAINER(ch, struct conn, h1.chan)->w->h1_events->drained(ch);
}

static void
first_error(struct chan *ch, enum hg_err e)
{
	plain(ch);
	ch->ev->error(ch, e);
}

static void
first_blocked(struct chan *ch)
{
	HG_CONTAINER(ch, struct conn, h1.chan)->w->h1_events->blocked(ch);
}

static const struct chan_events first_events = {
	.open = first_open,
	.data = first_data,
	.eof = first_eof,
	.drained = first_drained,
	.error = first_error,
	.blocked = first_blocked,
};

/* ---- whom it counts for, and by what it lives */

#define AGE_SHIFT 26 /* 67 ms: 32 bits of it are nine years */

uint64_t
conn_age(const struct conn *c)
{
	uint32_t now = (uint32_t)(loop_now(c->w->loop) >> AGE_SHIFT);

	return ((uint64_t)(now - c->born) << AGE_SHIFT) / MS_NS;
}

/* false: one too many; *delay: until its end. */
static bool
admit(struct conn *c, const struct image *im, uint32_t listener, uint32_t client,
    uint32_t *delay)
{
	const struct im_client *k = client == IM_NONE ? NULL : &im->clients[client];
	uint32_t id = im->listeners[listener].id;
	struct worker *w = c->w;

	c->client = client;
	c->listener = id;
	if (k && k->max_connections &&
	    COUNTS_SUM(&w->counts, admitted, id, connections) >= k->max_connections) {
		METRIC(w, connections_rejected, 1);
		*delay = k->connection_delay_ms;
		return false;
	}
	c->admitted = true;
	w->slot->admitted[id].connections++;
	if (k && k->tcp_keepalive)
		sock_keepalive(c->h1.chan.watch.fd, k->keepalive_probes, k->keepalive_idle_s,
		    k->keepalive_interval_s);
	return true;
}

/* ---- TLS */

/* The hello is there. */
static struct tls_ctx *
conn_choose(void *arg, const struct hello *h, bool *hold)
{
	struct conn *c = arg;
	const struct gen *gen = c->w->gens.live;
	struct bytes sni = bytes_of(h->sni, h->sni_len);
	uint32_t l = secure_listener(gen, gen_socket(gen, c->socket), sni);
	const struct im_listener *listener = l == IM_NONE ? NULL : &gen->image.listeners[l];
	struct tls_ctx *ctx = NULL;
	uint32_t delay = 0;

	if (listener && !admit(c, &gen->image, l, listener->client, &delay)) {
		*hold = true;
		h1_down_hold(&c->h1);
		h1_down_due(&c->h1, delay);
		return NULL;
	}
	if (listener)
		ctx = secure_context(c->w->secure, gen, l, sni);
	if (!ctx) {
		METRIC(c->w, tls_refused, 1);
		return NULL;
	}
	c->tls = secure_mark(&gen->image.tls[listener->tls]);
	c->seen = 0;
	c->h1.limits = &terms_of(c->w, c->client)->h1;
	h1_down_due(&c->h1, terms_of(c->w, c->client)->handshake_ms);
	return ctx;
}

/* ---- a PROXY header before all that */

/* From now on the client is who the header says. false: too many of it. */
static bool
rename_peer(struct conn *c, const struct proxyproto *h)
{
	struct worker *w = c->w;

	if (c->counted)
		ipcount_sub(&w->ips, &c->peer);
	if (h->src.family)
		c->peer = h->src;
	c->counted = ipcount_add(&w->ips, &c->peer, w->ip_limit);
	return c->counted;
}

static int
look(struct chan *ch, uint32_t events)
{
	struct conn *c = HG_CONTAINER(ch, struct conn, h1.chan);
	struct proxyproto h;
	enum preamble r = preamble_read(ch->watch.fd, c->proxy, &h);

	(void)events;
	if (r == PREAMBLE_MORE && !ch->hangup)
		return 0;
	if (r == PREAMBLE_MORE || r == PREAMBLE_BAD ||
	    (r == PREAMBLE_DONE && !rename_peer(c, &h))) {
		METRIC(c->w, proxy_refused, 1);
		return -1;
	}
	if (c->secure)
		tls_accept(ch, secure_env(c->w->secure), (struct tls_accept){conn_choose, c});
	return 1;
}

static const struct chan_look preamble_look = {look};

/* ---- */

static const struct im_socket *
live_socket(const struct worker *w, uint32_t socket)
{
	const struct gen *gen = w->gens.live;
	uint32_t i = gen ? gen_socket(gen, socket) : IM_NONE;

	return i != IM_NONE ? &gen->image.sockets[i] : NULL;
}

/* What the first bytes are, and the terms: what is due first is due in so many ms. */
static uint64_t
prepare(struct conn *c, const struct im_socket *s, bool begun)
{
	struct worker *w = c->w;
	uint32_t delay = 0;

	c->secure = s && s->protocol == IM_HTTPS;
	c->proxy = s ? s->proxy : IM_PROXY_OFF;
	if (!c->secure && s && s->listener != IM_NONE &&
	    !admit(c, &w->gens.live->image, s->listener, s->client, &delay)) {
		plain(&c->h1.chan);
		h1_down_hold(&c->h1);
		return delay;
	}
	c->h1.limits = &terms_of(w, c->client)->h1;
	if (c->proxy != IM_PROXY_OFF && !begun)
		chan_first(&c->h1.chan, &preamble_look);
	else if (c->secure)
		tls_accept(&c->h1.chan, secure_env(w->secure), (struct tls_accept){conn_choose, c});
	return c->secure             ? w->handshake_ms :
	    c->proxy != IM_PROXY_OFF ? c->h1.limits->header_ms :
				       c->h1.limits->idle_ms;
}

bool
conn_start(struct worker *w, int fd, uint32_t socket, const struct addr *peer, bool begun)
{
	const struct im_socket *s = live_socket(w, socket);
	/* A load balancer is not a client: its connections count for whom they carry. */
	bool counted = !s || s->proxy != IM_PROXY_REQUIRED || begun;
	struct conn *c;

	if (w->nconns + w->l4_extra >= w->conn_cap ||
	    (counted && !ipcount_add(&w->ips, peer, w->ip_limit)))
		return false;
	c = pool_get(&w->conns);
	if (c == NULL) {
		if (counted)
			ipcount_sub(&w->ips, peer);
		return false;
	}
	memset(c, 0, sizeof(*c));
	c->w = w;
	c->counted = counted;
	c->peer = *peer;
	c->socket = socket;
	c->client = IM_NONE;
	c->born = (uint32_t)(loop_now(w->loop) >> AGE_SHIFT);
	c->id = (uint32_t)++w->next_conn;
	list_append(&w->open_conns, &c->link);
	w->nconns++;
	METRIC(w, connections_accepted, 1);
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	h1_down_init(&c->h1, w->loop, &w->bufs, fd, &w->limits, &conn_events, c, NULL);
	w->h1_events = c->h1.chan.ev;
	c->h1.chan.ev = &first_events;
	h1_down_run(&c->h1, prepare(c, s, begun));
	return true;
}

uint32_t
conn_socket(struct conn *c, const struct gen *gen)
{
	const struct im_socket *s;

	if (c->seen == (uint32_t)gen->id)
		return c->index;
	c->seen = (uint32_t)gen->id;
	c->index = gen_socket(gen, c->socket);
	c->listener_index = IM_NONE;
	if (c->index == IM_NONE)
		return IM_NONE;
	s = &gen->image.sockets[c->index];
	c->client = s->client;
	if (c->secure) {
		uint32_t l = c->admitted ? gen_listener(gen, c->listener) : IM_NONE;

		c->client = l == IM_NONE ? IM_NONE : gen->image.listeners[l].client;
		c->listener_index = l;
	}
	if (c->secure && c->h1.chan.handshaking) { /* a hello is looked at when it is there */
		c->seen = 0;
		return s->protocol == IM_HTTPS ? c->index : IM_NONE;
	}
	if (c->secure != (s->protocol == IM_HTTPS) || c->proxy != s->proxy ||
	    (c->secure && !secure_same(gen, c->listener_index, c->tls)))
		c->index = IM_NONE;
	return c->index;
}

uint32_t
conn_listener(const struct conn *c)
{
	return c->secure ? c->listener_index : IM_NONE;
}

void
conn_idle(struct conn *c)
{
	if (!c->is_h2)
		c->x = NULL;
}

uint64_t
conn_requests(const struct conn *c)
{
	return c->is_h2 ? c->h2.h2.opened : c->h1.s.requests;
}

void
conn_last(struct conn *c)
{
	if (c->is_h2)
		h2_down_drain(&c->h2);
}

static void
drain(struct conn *c)
{
	if (c->is_h2)
		h2_down_drain(&c->h2);
	else
		h1_down_drain(&c->h1);
}

void
conn_drain_all(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns)
		drain(LIST_ENTRY(it, struct conn, link));
}

void
conn_take_over(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);
		bool gone = conn_socket(c, w->gens.live) == IM_NONE;
		const struct terms *t = terms_of(w, gone ? IM_NONE : c->client);

		if (c->is_h2)
			c->h2.h2.env = &t->h2;
		else
			c->h1.limits = &t->h1;
		if (gone)
			drain(c);
	}
}

void
conn_close_all(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (!c->is_h2 && c->x)
			exchange_lost(c->x, HG_ERR_DRAINING);
		if (c->is_h2)
			h2_down_close(&c->h2, HG_ERR_DRAINING);
		else
			h1_down_close(&c->h1);
	}
}
