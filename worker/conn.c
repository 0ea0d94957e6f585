/*
 * conn.c - client connections. The adapter is embedded, the exchange comes when a request begins
 * and goes when it is over, so an idle connection costs this record and nothing else. After a
 * commit nothing is done to a connection unless its socket is gone: the next exchange finds the new
 * generation by itself.
 */
#include "worker/conn.h"

#include "worker/exchange.h"

static bool
conn_open(struct h1_down *h, struct stream *st)
{
	struct conn *c = h->owner;
	struct exchange *x = exchange_new(c->w, c, st);

	if (x == NULL) {
		METRIC(c->w, connections_rejected, 1);
		return false;
	}
	c->x = x;
	h->msg = &x->head;
	st->ev = &exchange_down_events;
	st->owner = x;
	return true;
}

static void
conn_closed(struct h1_down *h)
{
	struct conn *c = h->owner;
	struct worker *w = c->w;

	if (c->x)
		exchange_lost(c->x, HG_ERR_CLIENT_CLOSED);
	ipcount_sub(&w->ips, &c->peer);
	list_del(&c->link);
	w->nconns--;
	METRIC(w, connections_closed, 1);
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	pool_put(&w->conns, c);
	if (w->draining)
		worker_maybe_over(w);
}

static void
conn_disagree(struct h1_down *h)
{
	struct conn *c = h->owner;

	METRIC(c->w, parser_disagreed, 1);
}

static const struct h1_down_events conn_events = {
	.open = conn_open, .closed = conn_closed, .disagree = conn_disagree};

bool
conn_start(struct worker *w, int fd, uint32_t socket, const struct addr *peer)
{
	struct conn *c;

	if (w->nconns >= w->conn_cap || !ipcount_add(&w->ips, peer, w->ip_limit))
		return false;
	c = pool_get(&w->conns);
	if (c == NULL) {
		ipcount_sub(&w->ips, peer);
		return false;
	}
	memset(c, 0, sizeof(*c));
	c->w = w;
	c->peer = *peer;
	c->socket = socket;
	c->id = ++w->next_conn;
	list_append(&w->open_conns, &c->link);
	w->nconns++;
	METRIC(w, connections_accepted, 1);
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	h1_down_start(&c->h1, w->loop, &w->bufs, fd, &w->down_limits, &conn_events, c, NULL);
	return true;
}

uint32_t
conn_socket(struct conn *c, const struct gen *gen)
{
	if (c->seen != gen->id) {
		c->index = gen_socket(gen, c->socket);
		c->seen = gen->id;
	}
	return c->index;
}

void
conn_drain_all(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns)
		h1_down_drain(&LIST_ENTRY(it, struct conn, link)->h1);
}

void
conn_drain_gone(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_socket(c, w->gens.live) == IM_NONE)
			h1_down_drain(&c->h1);
	}
}

void
conn_close_all(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->open_conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (c->x)
			exchange_lost(c->x, HG_ERR_DRAINING);
		h1_down_close(&c->h1);
	}
}
