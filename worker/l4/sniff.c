/*
 * sniff.c - what is looked at before a connection begins. A PROXY header says who it is. Then what
 * a TLS client says first decides which listener it means, before a byte of it is taken off the
 * socket: passed through (the same chan goes on as plain TCP), terminated (TLS is put under it),
 * or, where HTTPS listeners share the port, handed over to them as it came. How often the bytes may
 * be looked at again is bounded by their sum: a hello that comes byte by byte is read, one of 64 KB
 * that does is not.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/hello.h"
#include "shm/route.h"
#include "worker/l4/flow.h"
#include "worker/l4/l4.h"
#include "worker/preamble.h"
#include "worker/secure.h"

#define PEEK_SUM (4u << 20)

static int
refuse(struct flow *f, enum hg_err e, bool alert)
{
	f->err = e;
	f->alert = alert;
	return -1;
}

static struct tls_ctx *
choose(void *arg, const struct hello *h, bool *hold)
{
	struct flow *f = arg;
	const struct gen *gen = f->w->gens.live;
	uint32_t l = gen_listener(gen, f->way.listener);
	struct tls_ctx *ctx = l == IM_NONE || gen->image.listeners[l].tls == IM_NONE ?
	    NULL :
	    secure_context(f->w->secure, gen, l, bytes_of(h->sni, h->sni_len));

	(void)hold;
	if (ctx == NULL)
		METRIC(f->w, tls_refused, 1);
	return ctx;
}

/* 1 go on as plain bytes, 0 not yet, -1 refused; as a handshake. A name that no TLSRoute has ends
 * the connection without an alert, as if its backend were not there (gateway-api.md 5.16; the
 * official tests take nothing else); one that nobody has beside HTTPS listeners is unknown to
 * them too. */
static int
decide(struct flow *f, const struct hello *h)
{
	const struct gen *gen = f->w->gens.live;
	const struct image *im = &gen->image;
	struct bytes sni = bytes_of(h->sni, h->sni_len);
	uint32_t s = gen_socket(gen, f->socket), rule, client,
		 l = s == IM_NONE ? IM_NONE : route_listener(im, s, sni);

	if (l == IM_NONE)
		return refuse(f, HG_ERR_NO_LISTENER,
		    s != IM_NONE && im->sockets[s].protocol == IM_HTTPS);
	if (im->listeners[l].protocol == IM_HTTPS) {
		loop_defer(f->w->loop, &f->handover);
		return 0;
	}
	flow_counted(f);
	rule = way_route(gen, l, sni);
	way_set(&f->way, f->w, gen, l, rule);
	if (h->sni_len) {
		f->sni = mem_dup(sni);
		f->sni_len = h->sni_len;
	}
	if (rule == IM_NONE)
		return refuse(f, HG_ERR_NO_ROUTE, false);
	if (im->listeners[l].protocol != IM_TLS || (im->listeners[l].flags & IM_L_BROKEN))
		return refuse(f, HG_ERR_BAD_RULE, false);
	if (im->listeners[l].tls == IM_NONE) {
		f->passthrough = true;
		return 1;
	}
	client = im->listeners[l].client;
	if (client != IM_NONE && im->clients[client].tls_handshake_ms) {
		f->handshake_ms = way_ms(im->clients[client].tls_handshake_ms, f->handshake_ms);
		flow_arm(f);
	}
	(void)tls_accept(
	    &f->down, secure_env(f->w->secure), (struct tls_accept){choose, f});
	return 1;
}

static int
sniff(struct flow *f)
{
	struct l4 *l4 = f->w->l4;
	bool hangup = f->down.hangup;
	struct hello h;
	enum hg_err e;
	ssize_t n;

	n = recv(f->down.watch.fd, l4->peek, HELLO_MAX, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return refuse(f, HG_ERR_CLIENT_CLOSED, false);
	e = hello_parse(l4->peek, (size_t)n, l4->joined, &h);
	if (e == HG_OK)
		return decide(f, &h);
	f->peeked += (uint32_t)n;
	/* The end has come, or there is more than it is worth. */
	if (e == HG_ERR_AGAIN && !hangup && f->peeked <= PEEK_SUM)
		return 0;
	return refuse(
	    f, e == HG_ERR_AGAIN && hangup ? HG_ERR_CLIENT_CLOSED : HG_ERR_BAD_REQUEST, false);
}

/* 1 it is past, 0 more is to come, -1 refused. */
static int
preamble(struct flow *f)
{
	struct worker *w = f->w;
	struct proxyproto h;
	enum preamble r = preamble_read(f->down.watch.fd, f->proxy, &h);

	if (r == PREAMBLE_MORE && !f->down.hangup)
		return 0;
	if (r == PREAMBLE_MORE || r == PREAMBLE_BAD) {
		METRIC(w, proxy_refused, 1);
		return refuse(f, HG_ERR_BAD_REQUEST, false);
	}
	f->proxy = IM_PROXY_OFF;
	f->proxied = true;
	if (r == PREAMBLE_NONE || h.src.family == 0)
		return 1;
	if (f->in_ips)
		ipcount_sub(&w->ips, &f->client);
	f->client = h.src;
	f->local = h.dst;
	f->in_ips = ipcount_add(&w->ips, &f->client, w->ip_limit);
	return f->in_ips ? 1 : refuse(f, HG_ERR_OVERLOAD, false);
}

static int
look(struct chan *c, uint32_t events)
{
	struct flow *f = c->owner;
	int r = 1;

	(void)events;
	if (!list_empty(&f->handover.link))
		return 0;
	if (f->proxy != IM_PROXY_OFF)
		r = preamble(f);
	return r == 1 && f->tls ? sniff(f) : r;
}

const struct chan_look flow_look = {look};
