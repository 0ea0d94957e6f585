/*
 * tunnel.c - another protocol over an exchange. The request of a client that asks for one is a GET
 * like any other until its answer: it is routed, limited, authorised and retried as such, and no
 * byte behind its head moves. When the backend has switched, the streams of both sides get other
 * events (here) and the exchange is a pipe with two directions that end by themselves; it has let
 * go of its generation, and of the time limits of requests.
 *
 * Asking is optional in HTTP/1.1, so what is not allowed is mostly not seen: the request goes on
 * without its Upgrade (RFC 9110 7.8), unless a policy lists what may pass. In HTTP/2 the request
 * would be another one, and is refused.
 * Whoever was asked and did not switch is not asked for more on that connection, on either side:
 * what lies behind the request's head may have been meant for the other protocol.
 *
 * When the worker is to end, a WebSocket client is told "going away" between two frames, and its
 * own Close, which follows, passes on to the backend. Rejected: a Close to the backend from here
 * (it would need to be masked, and the client's does the same); closing other protocols early.
 */
#include "worker/tunnel.h"

#include "base/check.h"
#include "base/clock.h"
#include "http/ws.h"
#include "net/wskey.h"
#include "worker/attempt.h"
#include "worker/conn.h"
#include "worker/traffic.h"

#define HALF_MS 60000   /* for the direction that is left, without a byte */
#define GOODBYE_MS 5000 /* for the client's own Close */

static const struct bytes key_name = BYTES("Sec-WebSocket-Key");
static const struct bytes accept_name = BYTES("Sec-WebSocket-Accept");

struct tunnel {
	struct exchange *x;
	struct timer idle, drain;
	uint64_t idle_ms;      /* 0 = no limit */
	uint64_t until;        /* hard end, clock_mono; 0 = none */
	uint64_t owed;         /* credit that the client waits for */
	struct ws ws;          /* what goes to the client */
	bool websocket, down_over, up_over, closing, said;
	const char *by;
};

/* ---- the handshake */

static bool
is_websocket(const struct exchange *x)
{
	return bytes_eqi(x->head.protocol, BYTES("websocket"));
}

static bool
from_h2(const struct exchange *x)
{
	return x->head.minor == 2;
}

static bool
in_strings(const struct image *im, struct im_range r, struct bytes what)
{
	for (uint32_t i = 0; i < r.n; i++)
		if (bytes_eqi(image_text(im, im->strings[r.first + i]), what))
			return true;
	return false;
}

/* HG_OK, or what it is refused with where it cannot be ignored. Without a policy's list WebSocket
 * passes. h2c never does (RFC 9113 section 3.1). */
static enum hg_err
judge(const struct exchange *x)
{
	const struct image *im = &x->gen->image;
	const struct im_policy *p = x->policy == IM_NONE ? NULL : &im->policies[x->policy];

	if (x->client != IM_NONE &&
	    in_strings(im, im->clients[x->client].upgrades, x->head.protocol))
		return HG_ERR_UPGRADE_REFUSED;
	if (p && p->request_buffer != IM_NONE)
		return HG_ERR_UPGRADE_REFUSED;
	if (p && p->only_upgrades)
		return in_strings(im, p->upgrades, x->head.protocol) ? HG_OK :
								       HG_ERR_UPGRADE_DENIED;
	return is_websocket(x) ? HG_OK : HG_ERR_UPGRADE_REFUSED;
}

/* A list says that others shall not pass: then not seeing them would be another answer. */
enum step_result
tunnel_admit(struct exchange *x)
{
	enum hg_err e;

	if (!x->head.upgrade)
		return STEP_NEXT;
	e = judge(x);
	x->upgrade = e == HG_OK;
	return x->upgrade || (e == HG_ERR_UPGRADE_REFUSED && !from_h2(x)) ? STEP_NEXT :
									    exchange_refuse(x, e);
}

/* The field as the only one of its name. */
static enum hg_err
set(struct exchange *x, struct fields *f, struct bytes name, const char *value)
{
	char *text = arena_dup(&x->arena, bytes_str(value));

	if (text == NULL || !filter_room(&x->arena, f, 1) || !fields_set(f, name, bytes_str(text)))
		return HG_ERR_NOMEM;
	return HG_OK;
}

enum hg_err
tunnel_ask(struct exchange *x, bool up_h2)
{
	char nonce[WSKEY_NONCE + 1];

	if (!is_websocket(x) || (!up_h2 && !from_h2(x)))
		return HG_OK;
	if (forward_own(&x->fenv, &x->head, &x->work) != HG_OK)
		return HG_ERR_NOMEM;
	if (up_h2) {
		fields_remove(&x->work.fields, key_name);
		return HG_OK;
	}
	wskey_nonce(x->fenv.random, nonce);
	return set(x, &x->work.fields, key_name, nonce);
}

/* Is this the answer to the key that was made here? */
static bool
accepts(const struct exchange *x, const struct msg *m)
{
	const struct field *f = fields_find(&m->fields, accept_name);
	char nonce[WSKEY_NONCE + 1], text[WSKEY_TEXT + 1];

	wskey_nonce(x->fenv.random, nonce);
	wskey_accept(bytes_str(nonce), text);
	return f && bytes_eq(f->value, bytes_str(text));
}

enum hg_err
tunnel_answer(struct exchange *x, const struct msg *m, unsigned flags)
{
	if (!(flags & STREAM_UPGRADE)) {
		x->close = true;
		/* To a CONNECT of HTTP/2 a 2xx would say that we have switched. */
		return from_h2(x) && m->status < 300 ? HG_ERR_BACKEND_UPGRADE : HG_OK;
	}
	if (m->status == 101 &&
	    (!bytes_eqi(m->protocol, x->head.protocol) ||
		(from_h2(x) && is_websocket(x) && !accepts(x, m))))
		return HG_ERR_BACKEND_UPGRADE;
	x->switched = true;
	return HG_OK;
}

enum hg_err
tunnel_reply(struct exchange *x, struct msg *answer)
{
	const struct field *key = fields_find(&x->head.fields, key_name);
	bool up_h1 = answer->status == 101;
	char text[WSKEY_TEXT + 1];

	answer->status = from_h2(x) ? 200 : 101;
	answer->reason = BYTES_NONE;
	answer->framing = MSG_NONE;
	answer->protocol = x->head.protocol;
	if (from_h2(x)) {
		fields_remove(&answer->fields, accept_name);
	} else if (!up_h1 && key && is_websocket(x)) {
		wskey_accept(key->value, text);
		return set(x, &answer->fields, accept_name, text);
	}
	return HG_OK;
}

/* ---- bytes */

static void
arm(struct tunnel *t)
{
	struct loop *loop = t->x->w->loop;
	uint64_t half = t->down_over || t->up_over ? HALF_MS : 0;
	uint64_t ms = half && (t->idle_ms == 0 || t->idle_ms > half) ? half : t->idle_ms;
	uint64_t at = ms ? t->x->moved + ms * MS_NS : 0;

	if (t->until && (at == 0 || t->until < at))
		at = t->until;
	if (at)
		timer_set(loop, &t->idle, at);
}

static void
ended_by(struct tunnel *t, const char *who)
{
	if (t->by == NULL)
		t->by = who;
}

/* The client's direction of what comes from the backend. */
static void
end_down(struct tunnel *t)
{
	if (!t->up_over && !t->said)
		t->x->down->ops->send_end(t->x->down, NULL);
}

static void
finish(struct tunnel *t)
{
	struct exchange *x = t->x;

	if (x->attempt)
		x->attempt->req_ended = x->attempt->resp_ended = t->down_over;
	x->resp_ended = x->req_ended = true;
	exchange_run(x);
}

static void
idle_over(struct timer *timer)
{
	struct tunnel *t = HG_CONTAINER(timer, struct tunnel, idle);
	uint64_t now = loop_now(t->x->w->loop);

	timer_rest(timer);
	arm(t);
	if (timer->deadline > now)
		return;
	timer_stop(timer);
	if (!t->said)
		METRIC(t->x->w, timeouts, 1);
	ended_by(t, t->until && now >= t->until ? "limit" : "idle");
	end_down(t);
	finish(t);
}

/* One direction is over. */
static void
half(struct tunnel *t)
{
	if (t->down_over && (t->up_over || t->said))
		finish(t);
	else
		arm(t);
}

static void
pay(struct tunnel *t)
{
	struct exchange *x = t->x;
	struct stream *up = x->attempt->st;
	uint64_t n = t->owed;

	if (n == 0 || t->down_over || up->ops->backlog(up) > CHAN_HIGH)
		return;
	t->owed = 0;
	x->down->ops->credit(x->down, n);
}

static void
down_body(struct stream *st, struct slice s)
{
	struct exchange *x = st->owner;
	struct stream *up = x->attempt->st;

	traffic_moved(x);
	x->req_bytes += s.n;
	x->tunnel->owed += s.n;
	up->ops->send_body(up, s);
	pay(x->tunnel);
}

static void
down_end(struct stream *st, const struct fields *trailers)
{
	struct exchange *x = st->owner;
	struct tunnel *t = x->tunnel;
	struct stream *up = x->attempt->st;

	(void)trailers;
	traffic_moved(x);
	t->down_over = true;
	ended_by(t, "client");
	up->ops->send_end(up, NULL);
	half(t);
}

static void
down_drained(struct stream *st)
{
	relay_drained(st->owner);
}

static void
down_reset(struct stream *st, enum hg_err e)
{
	struct exchange *x = st->owner;

	METRIC(x->w, client_resets, 1);
	exchange_lost(x, e);
}

static const struct stream_events down_events = {
	.body = down_body,
	.end = down_end,
	.drained = down_drained,
	.refuse = down_reset,
	.reset = down_reset,
};

/* The stream stands between two frames. */
static void
say_goodbye(struct tunnel *t)
{
	struct exchange *x = t->x;
	struct slice close = {NULL, WS_GOING_AWAY, sizeof(WS_GOING_AWAY) - 1};

	ended_by(t, "drain");
	x->resp_bytes += close.n;
	x->down->ops->send_body(x->down, close);
	end_down(t);
	t->said = true;
	t->until = loop_now(x->w->loop) + GOODBYE_MS * MS_NS;
	half(t);
}

/* Only frames that have begun: then goodbye. */
static void
last_frame(struct tunnel *t, struct slice s)
{
	struct exchange *x = t->x;
	uint32_t k = ws_step(&t->ws, s.p, s.n);

	x->resp_bytes += k;
	s.n = k;
	x->down->ops->send_body(x->down, s);
	relay_drained(x);
	if (ws_between(&t->ws))
		say_goodbye(t);
}

static void
up_body(struct stream *st, struct slice s)
{
	struct attempt *a = st->owner;
	struct exchange *x = a->x;
	struct tunnel *t = x->tunnel;

	traffic_moved(x);
	x->owed += s.n;
	if (t->said) {
		slice_drop(&s);
	} else if (t->closing && !t->ws.lost) {
		last_frame(t, s);
		return; /* it may be over */
	} else {
		for (uint32_t at = 0; t->websocket && at < s.n;)
			at += ws_step(&t->ws, s.p + at, s.n - at);
		x->resp_bytes += s.n;
		x->down->ops->send_body(x->down, s);
	}
	relay_drained(x);
}

static void
up_end(struct stream *st, const struct fields *trailers)
{
	struct attempt *a = st->owner;
	struct tunnel *t = a->x->tunnel;

	(void)trailers;
	traffic_moved(a->x);
	ended_by(t, "backend");
	end_down(t);
	t->up_over = true;
	half(t);
}

static void
up_drained(struct stream *st)
{
	struct attempt *a = st->owner;

	pay(a->x->tunnel);
}

static void
up_reset(struct stream *st, enum hg_err e)
{
	struct attempt *a = st->owner;
	struct tunnel *t = a->x->tunnel;

	ended_by(t, "backend");
	/* The client has been told that nothing more comes: that is how it is. */
	if (t->up_over || t->said)
		finish(t);
	else
		exchange_fail(a->x, e == HG_OK ? HG_ERR_BACKEND_RESET : e);
}

static const struct stream_events up_events = {
	.body = up_body,
	.end = up_end,
	.drained = up_drained,
	.refuse = up_reset,
	.reset = up_reset,
};

/* ---- life */

static void
drain_now(struct timer *timer)
{
	struct tunnel *t = HG_CONTAINER(timer, struct tunnel, drain);

	t->closing = true;
	if (ws_between(&t->ws))
		say_goodbye(t);
}

static void
gauge(struct worker *w, int more)
{
	uint64_t n = atomic_load_explicit(&w->slot->tunnels, memory_order_relaxed);

	atomic_store_explicit(&w->slot->tunnels, n + (uint64_t)more, memory_order_relaxed);
}

/* Requests have other limits; those on streams as a whole hold for these too. */
static uint64_t
hard_end(const struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);
	uint32_t ms[2] = {b ? b->stream_max_ms : 0,
	    x->client != IM_NONE && x->gen ? x->gen->image.clients[x->client].stream_max_ms : 0};
	uint64_t at = 0;

	for (size_t i = 0; i < HG_ARRAY_LEN(ms); i++) {
		uint64_t end = x->begun + ms[i] * MS_NS;

		if (ms[i] && ms[i] != IM_NONE && (at == 0 || end < at))
			at = end;
	}
	return at;
}

bool
tunnel_begin(struct exchange *x)
{
	struct tunnel *t = arena_alloc(&x->arena, sizeof(*t));
	struct attempt *a = x->attempt;
	struct worker *w = x->w;

	if (t == NULL)
		return false;
	*t = (struct tunnel){.x = x,
	    .idle_ms = x->idle_ms ? x->idle_ms : w->tunnel_idle_ms,
	    .until = hard_end(x),
	    .websocket = is_websocket(x)};
	timer_init(&t->idle, idle_over);
	timer_init(&t->drain, drain_now);
	x->tunnel = t;
	timer_stop(&x->timer);
	timer_stop(&x->idle);
	timer_rest(&a->timer);
	x->down->ev = &down_events;
	a->st->ev = &up_events;
	x->down->ops->tunnel(x->down);
	a->st->ops->tunnel(a->st);
	x->down->ops->credit(x->down, EXCHANGE_WINDOW);
	a->st->ops->credit(a->st, EXCHANGE_WINDOW);
	x->owed = 0;
	traffic_moved(x);
	arm(t);
	METRIC(w, tunnels, 1);
	gauge(w, 1);
	exchange_let_go(x);
	if (w->draining)
		tunnel_drain(x, 0);
	return true;
}

void
tunnel_drain(struct exchange *x, uint64_t ms)
{
	struct tunnel *t = x->tunnel;

	if (t == NULL || !t->websocket || t->closing || x->down == NULL)
		return;
	timer_in(x->w->loop, &t->drain, ms ? worker_random(x->w) % ms : 0);
}

void
tunnel_release(struct exchange *x)
{
	struct tunnel *t = x->tunnel;

	if (t == NULL)
		return;
	timer_stop(&t->idle);
	timer_stop(&t->drain);
	gauge(x->w, -1);
	x->tunnel = NULL;
}

const char *
tunnel_by(const struct exchange *x)
{
	const struct tunnel *t = x->tunnel;

	if (t == NULL)
		return NULL;
	return t->by ? t->by : x->err == HG_ERR_DRAINING ? "drain" : "client";
}
