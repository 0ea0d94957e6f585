/*
 * h1_down.c - the client's side of HTTP/1. Input and output are two small machines: `in` says what
 * the next bytes are, `sent` how far the response is; the connection goes on when both have ended
 * and the owner has let go. Reading is paused while an exchange runs, so pipelined requests wait in
 * the kernel. Every event may end the connection: after one, `dead` and `in` are looked at again,
 * and the memory stays until `closed`, which comes from the loop. One timer serves all kinds of
 * waiting: what is due is computed when it fires, and a request that arrives whole never moves it.
 * When a response is cut short the client must see it: no last chunk, a short length, and a reset
 * where only the end of the connection delimits.
 */
#include "base/check.h"
#include "base/clock.h"
#include "http/h1_write.h"

enum in { IN_HEAD, IN_BODY, IN_DONE, IN_DROP, IN_SKIP, IN_TUNNEL };
enum sent { SENT_NONE, SENT_HEAD, SENT_END };

#define LINGER_MS 2000
#define SKIP_MAX 65536 /* rest of a request body that is read for the sake of the connection */

static inline struct h1_down *
of_stream(const struct stream *st)
{
	return HG_CONTAINER(st, struct h1_down, stream);
}

static inline struct h1_down *
of_chan(struct chan *c)
{
	return HG_CONTAINER(c, struct h1_down, chan);
}

static uint64_t
now(const struct h1_down *d)
{
	return loop_now(d->chan.loop);
}

/* ---- the end */

static void
closed_task(struct task *t)
{
	struct h1_down *d = HG_CONTAINER(t, struct h1_down, chan.more);

	d->ev->closed(d);
}

static void
die(struct h1_down *d, bool hard)
{
	if (d->s.dead)
		return;
	d->s.dead = true;
	d->s.stream_open = false;
	if (hard)
		chan_abort(&d->chan);
	else
		chan_close(&d->chan);
	timer_stop(&d->timer);
	h1_write_done(&d->s.out);
	task_init(&d->chan.more, closed_task);
	loop_defer(d->chan.loop, &d->chan.more);
}

/* Ends the connection so that an unfinished response is seen as such. */
static void
cut(struct h1_down *d)
{
	const struct h1_out *o = &d->s.out;

	die(d, d->s.sent == SENT_HEAD && !o->chunked && !o->length);
}

static void
reset_owner(struct h1_down *d, enum hg_err e)
{
	struct stream *st = &d->stream;
	bool open = d->s.stream_open;

	cut(d);
	if (open)
		st->ev->reset(st, e);
}

/* ---- time */

static void
arm(struct h1_down *d)
{
	uint64_t at = d->s.due;

	if (d->chan.queued && !d->chan.writable) {
		uint64_t stall = d->chan.last_progress + d->limits->write_ms * MS_NS;

		at = at ? HG_MIN(at, stall) : stall;
	}
	if (at)
		timer_set(d->chan.loop, &d->timer, at);
	else
		timer_rest(&d->timer);
}

static void
set_due(struct h1_down *d, uint64_t ms)
{
	d->s.due = now(d) + ms * MS_NS;
	arm(d);
}

/* When the body will be too slow, from what has come so far. */
static uint64_t
body_due(const struct h1_down *d)
{
	return h1_limits_body_due(d->limits, d->s.since, d->s.body_bytes);
}

/* The client's time runs only while we would take its bytes: `since` is shifted by what we made it
 * wait. */
static void
body_clock(struct h1_down *d, bool run)
{
	if (run == d->s.waiting)
		return;
	d->s.waiting = run;
	d->s.since = now(d) - d->s.since;
	d->s.due = run ? body_due(d) : 0;
	arm(d);
}

static void refuse(struct h1_down *, enum hg_err);

static void
fire(struct timer *t)
{
	struct h1_down *d = HG_CONTAINER(t, struct h1_down, timer);
	uint64_t at = now(d);

	if (d->chan.queued && !d->chan.writable &&
	    at >= d->chan.last_progress + d->limits->write_ms * MS_NS) {
		reset_owner(d, HG_ERR_CLIENT_SLOW);
		return;
	}
	if (d->s.in == IN_BODY && d->s.waiting)
		d->s.due = body_due(d);
	if (d->s.due == 0 || at < d->s.due) {
		arm(d);
		return;
	}
	d->s.due = 0;
	if (d->s.stream_open && (d->s.in == IN_HEAD || d->s.in == IN_BODY)) {
		refuse(d, HG_ERR_REQUEST_TIMEOUT);
		if (!d->s.dead)
			arm(d);
	} else {
		die(d, false);
	}
}

/* ---- input */

static void
linger(struct h1_down *d)
{
	d->s.lingering = true;
	d->s.in = IN_DROP;
	h1_write_done(&d->s.out);
	set_due(d, LINGER_MS);
	chan_linger(&d->chan);
}

static void
refuse(struct h1_down *d, enum hg_err e)
{
	if (d->s.sent != SENT_NONE) {
		reset_owner(d, e);
		return;
	}
	d->s.refused = true;
	d->s.keep_alive = false;
	d->s.in = IN_DROP;
	d->s.due = 0;
	d->s.waiting = false;
	timer_rest(&d->timer);
	chan_pause(&d->chan);
	d->stream.ev->refuse(&d->stream, e);
}

static void
no_room(struct h1_down *d)
{
	static const char answer[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
	    "Connection: close\r\n\r\n";

	chan_send(&d->chan, (struct slice){NULL, answer, sizeof(answer) - 1});
	linger(d);
}

/* false: not now (empty lines only, too much unsent, or no room for it). */
static bool
open_stream(struct h1_down *d, const char *p, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && i < 2 * d->limits->leading_crlf && (p[i] == '\r' || p[i] == '\n'))
		i++;
	if (i == n)
		return false;
	if (d->chan.over_high) {
		chan_pause(&d->chan);
		return false;
	}
	if (!d->ev->open(d, &d->stream)) {
		no_room(d);
		return false;
	}
	HG_CHECK(d->msg != NULL);
	d->msg->buf = d->msg->trailer_buf = NULL;
	d->s.stream_open = true;
	d->s.requests++;
	d->s.sent = SENT_NONE;
	d->s.http10 = d->s.head_method = d->s.expects_100 = d->s.client_close = false;
	d->s.keep_alive = false; /* for a refusal */
	d->s.credit = d->s.since = d->s.due = 0;
	d->s.out = (struct h1_out){.buf = d->s.out.buf};
	timer_rest(&d->timer);
	return true;
}

/* The guard has taken a head; n more bytes are there already. */
static void
accept_head(struct h1_down *d, struct buf *b, uint32_t more)
{
	struct msg *m = d->msg;
	uint32_t most = d->limits->requests_per_connection;
	bool none = m->framing == MSG_NONE || (m->framing == MSG_LENGTH && m->length == 0);

	m->buf = buf_ref(b);
	d->s.due = 0;
	timer_rest(&d->timer);
	d->s.http10 = m->minor == 0;
	d->s.head_method = m->method.n == 4 && memcmp(m->method.p, "HEAD", 4) == 0;
	d->s.client_close = !m->keep_alive;
	d->s.keep_alive = m->keep_alive && !d->s.draining && (most == 0 || d->s.requests < most);
	/* What follows a CONNECT may be the tunnel's already: never read it as a request. */
	if (m->method.n == 7 && memcmp(m->method.p, "CONNECT", 7) == 0)
		d->s.keep_alive = false;
	d->s.framing = m->framing;
	d->s.expects_100 = m->expect_continue && more == 0;
	d->s.in = none ? IN_DONE : IN_BODY;
	d->s.surplus = none && more > 0;
	chan_pause(&d->chan);
	if (!none) {
		d->s.left = m->length;
		d->s.body_bytes = 0;
		d->s.since = 0;
		d->s.waiting = false;
		h1_chunks_init(&d->s.chunks);
	}
	d->stream.ev->head(&d->stream, m, none ? STREAM_END : 0);
}

static uint32_t
take_head(struct h1_down *d, struct buf *b, uint32_t off, uint32_t n)
{
	const char *p = b->data + off;
	uint32_t used = 0;
	enum hg_err e;

	if (!d->s.stream_open && !open_stream(d, p, n))
		return 0;
	e = h1_guard_request(p, n, d->limits, &d->s.scan, d->msg, &used);
	if (e == HG_ERR_AGAIN && n == b->cap && n > BUF_SMALL)
		e = HG_ERR_HEADER_TOO_LARGE; /* no larger buffer exists */
	if (e == HG_ERR_AGAIN) {
		if (d->s.since == 0) {
			d->s.since = now(d);
			set_due(d, d->limits->header_ms);
		}
		return 0;
	}
	d->s.scan = 0;
	if (e == HG_OK && !h1_parser_agrees(p, used, d->msg)) {
		if (d->ev->disagree)
			d->ev->disagree(d);
		e = HG_ERR_BAD_REQUEST;
	}
	if (e == HG_OK && d->msg->scheme.p && (d->msg->scheme.n == 5) != d->chan.ops->secure)
		e = HG_ERR_MISDIRECTED;
	if (e == HG_OK)
		accept_head(d, b, n - used);
	else
		refuse(d, e);
	return used;
}

static void
end_of_body(struct h1_down *d, struct fields *trailers, bool surplus)
{
	d->s.in = IN_DONE;
	d->s.surplus = surplus;
	d->s.due = 0;
	d->s.waiting = false;
	timer_rest(&d->timer);
	chan_pause(&d->chan);
	d->stream.ev->end(&d->stream, trailers);
}

/* Up to k bytes of payload go to the owner. */
static void
give(struct h1_down *d, struct buf *b, uint32_t off, uint32_t k)
{
	d->s.credit -= k;
	d->s.body_bytes += k;
	d->stream.ev->body(&d->stream, slice_of(b, b->data + off, k));
}

/* No credit: wait for it. */
static uint32_t
hold(struct h1_down *d)
{
	if (d->s.in == IN_BODY)
		body_clock(d, false);
	chan_pause(&d->chan);
	return 0;
}

static uint32_t
take_length(struct h1_down *d, struct buf *b, uint32_t off, uint32_t n)
{
	uint32_t k = (uint32_t)HG_MIN(HG_MIN(d->s.left, d->s.credit), (uint64_t)n);

	if (k == 0)
		return hold(d);
	d->s.left -= k;
	give(d, b, off, k);
	if (!d->s.dead && d->s.in == IN_BODY && d->s.left == 0)
		end_of_body(d, NULL, n > k);
	return k;
}

static uint32_t
take_chunk(struct h1_down *d, struct buf *b, uint32_t off, uint32_t n)
{
	struct fields *t = &d->msg->trailers;
	uint32_t used = 0, at = 0, k = 0, most = n;
	enum hg_err e;

	if (d->s.chunks.state == H1_CHUNK_DATA) {
		if (d->s.credit == 0)
			return hold(d);
		most = (uint32_t)HG_MIN(d->s.credit, (uint64_t)n);
	} else if (d->s.chunks.state == H1_CHUNK_TRAILER && t->v == NULL) {
		fields_init(t, d->msg->store + MSG_FIELDS, MSG_TRAILERS);
	}
	e = h1_chunks_step(&d->s.chunks, b->data + off, most, d->limits, &used, &at, &k, t);
	if (e == HG_ERR_AGAIN)
		return 0;
	if (e != HG_OK) {
		refuse(d, e);
		return 0;
	}
	if (k) {
		give(d, b, off + at, k);
	} else if (d->s.chunks.state == H1_CHUNK_DONE) {
		if (t->n)
			d->msg->trailer_buf = buf_ref(b);
		end_of_body(d, t->n ? t : NULL, n > used);
	}
	return used;
}

static uint32_t
take_tunnel(struct h1_down *d, struct buf *b, uint32_t off, uint32_t n)
{
	uint32_t k = (uint32_t)HG_MIN(d->s.credit, (uint64_t)n);

	if (k == 0)
		return hold(d);
	give(d, b, off, k);
	return k;
}

static uint32_t
take_skip(struct h1_down *d, uint32_t n)
{
	uint32_t k = (uint32_t)HG_MIN(d->s.left, (uint64_t)n);

	d->s.left -= k;
	if (d->s.left == 0) {
		d->s.in = IN_HEAD;
		set_due(d, d->limits->idle_ms);
	}
	return k;
}

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct h1_down *d = of_chan(c);
	uint32_t used = 0;

	while (used < n && !d->s.dead && !d->s.lingering) {
		uint32_t k = 0;

		switch (d->s.in) {
		case IN_HEAD:
			k = take_head(d, b, off + used, n - used);
			break;
		case IN_BODY:
			k = d->s.framing == MSG_CHUNKED ? take_chunk(d, b, off + used, n - used) :
			    take_length(d, b, off + used, n - used);
			break;
		case IN_SKIP:
			k = take_skip(d, n - used);
			break;
		case IN_TUNNEL:
			k = take_tunnel(d, b, off + used, n - used);
			break;
		default:
			chan_pause(c);
			break;
		}
		if (k == 0)
			break;
		used += k;
	}
	return used;
}

static void
on_eof(struct chan *c)
{
	struct h1_down *d = of_chan(c);

	d->s.peer_eof = true;
	if (d->s.in == IN_TUNNEL && d->s.stream_open) {
		d->s.in = IN_DONE;
		d->stream.ev->end(&d->stream, NULL);
	} else if (!d->s.stream_open && !d->s.lingering && c->queued) {
		d->s.lingering = true; /* the last answer is not out yet */
		set_due(d, d->limits->write_ms);
		chan_finish(c);
	} else if (d->s.lingering || !d->s.stream_open) {
		die(d, false);
	} else if (d->s.in == IN_HEAD || d->s.in == IN_BODY) {
		reset_owner(d, HG_ERR_CLIENT_CLOSED);
	} else {
		d->s.keep_alive = false; /* half-closed: the answer is still due */
	}
}

static void
on_drained(struct chan *c)
{
	struct h1_down *d = of_chan(c);

	if (!d->s.stream_open)
		chan_resume(c);
	else if (d->stream.ev->drained)
		d->stream.ev->drained(&d->stream);
}

static void
on_error(struct chan *c, enum hg_err e)
{
	(void)e;
	reset_owner(of_chan(c), HG_ERR_CLIENT_CLOSED);
}

static void
on_blocked(struct chan *c)
{
	arm(of_chan(c));
}

/* A handshake is over: now a request is waited for. */
static void
on_open(struct chan *c)
{
	struct h1_down *d = of_chan(c);

	set_due(d, d->limits->idle_ms);
}

static const struct chan_events chan_events = {
	.open = on_open,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.blocked = on_blocked,
};

/* ---- what the owner does */

/* Will the connection live on after this response? The rest of an unread body decides too. */
static void
settle(struct h1_down *d, const struct msg *m, unsigned flags, bool no_body)
{
	bool endless = m->framing == MSG_CLOSE || m->framing == MSG_CHUNKED;

	if ((flags & STREAM_CLOSE) || d->s.draining || d->s.refused || d->s.peer_eof)
		d->s.keep_alive = false;
	if (d->s.in == IN_BODY &&
	    (d->s.framing != MSG_LENGTH || d->s.left > SKIP_MAX || d->s.expects_100))
		d->s.keep_alive = false;
	if (d->s.http10 && endless && !no_body && !(flags & STREAM_END))
		d->s.keep_alive = false;
}

static enum hg_err
send_head(struct stream *st, const struct msg *m, unsigned flags)
{
	struct h1_down *d = of_stream(st);
	bool no_body = d->s.head_method || m->status == 204 || m->status == 304;
	enum h1_persist persist;
	enum hg_err e;

	if (d->s.dead || d->s.sent != SENT_NONE)
		return HG_OK;
	if (flags & STREAM_INFO) {
		if (d->s.http10 || (m->status == 100 && !d->s.expects_100))
			return HG_OK;
		d->s.expects_100 &= m->status != 100;
		return h1_write_info(&d->chan, &d->s.out, m);
	}
	settle(d, m, flags, no_body);
	persist = !d->s.keep_alive ? H1_PERSIST_CLOSE :
	    d->s.http10            ? H1_PERSIST_KEEP :
				     H1_PERSIST_PLAIN;
	e = h1_write_response(&d->chan, &d->s.out, m, flags, no_body, d->s.http10, persist);
	if (e == HG_OK)
		d->s.sent = (flags & STREAM_END) && d->s.out.left == 0 ? SENT_END : SENT_HEAD;
	return e;
}

static void
send_body(struct stream *st, struct slice s)
{
	struct h1_down *d = of_stream(st);

	if (d->s.dead || d->s.sent != SENT_HEAD)
		slice_drop(&s);
	else if (d->s.raw)
		chan_send(&d->chan, s);
	else if (!h1_write_body(&d->chan, &d->s.out, s))
		chan_break(&d->chan);
}

static void
send_end(struct stream *st, const struct fields *trailers)
{
	struct h1_down *d = of_stream(st);

	if (d->s.dead || d->s.sent != SENT_HEAD)
		return;
	if (d->s.raw) { /* FIN in this direction */
		d->s.sent = SENT_END;
		chan_shutdown(&d->chan);
		return;
	}
	if ((d->s.out.length && d->s.out.left) || !h1_write_end(&d->chan, &d->s.out, trailers))
		return; /* short: stays unfinished, detach cuts the connection */
	d->s.sent = SENT_END;
}

static uint64_t
backlog(const struct stream *st)
{
	return of_stream(st)->chan.queued;
}

static void
credit(struct stream *st, uint64_t n)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct h1_down *d = of_stream(st);

	if (d->s.dead || (d->s.in != IN_BODY && d->s.in != IN_TUNNEL))
		return;
	d->s.credit += n;
	if (d->s.expects_100 && d->s.sent == SENT_NONE)
		chan_send(&d->chan, (struct slice){NULL, go_on, sizeof(go_on) - 1});
	d->s.expects_100 = false;
	if (d->s.in == IN_BODY && d->s.credit)
		body_clock(d, true);
	if (d->chan.paused)
		chan_resume(&d->chan);
}

static void
reset(struct stream *st, enum hg_err e)
{
	struct h1_down *d = of_stream(st);

	(void)e;
	/* What came before the cut belongs to the client: it must not depend on whether both
	 * happened in one turn. */
	if (!d->s.dead && d->s.sent != SENT_NONE)
		chan_push(&d->chan);
	cut(d);
}

static void
tunnel(struct stream *st)
{
	struct h1_down *d = of_stream(st);

	if (d->s.dead)
		return;
	d->s.in = d->s.peer_eof ? IN_DONE : IN_TUNNEL;
	d->s.raw = true;
	d->s.sent = SENT_HEAD;
	d->s.keep_alive = false;
	d->s.credit = 0;
	d->s.due = 0;
	arm(d);
}

/* The connection ends with this response: make sure that the client can read it. */
static void
finish(struct h1_down *d)
{
	bool quiet = d->s.in == IN_DONE && !d->s.refused && !d->s.surplus && !d->chan.readable;

	quiet |= d->s.raw && d->s.peer_eof;
	if (quiet && (d->s.client_close || d->s.peer_eof)) {
		d->s.lingering = true;
		h1_write_done(&d->s.out);
		set_due(d, d->limits->write_ms);
		chan_finish(&d->chan);
	} else {
		linger(d);
	}
}

static void
detach(struct stream *st)
{
	struct h1_down *d = of_stream(st);

	if (d->s.dead || !d->s.stream_open)
		return;
	if (d->s.sent != SENT_END) {
		cut(d);
		return;
	}
	d->s.stream_open = false;
	if (d->s.own_msg)
		msg_release(d->msg);
	else
		d->msg = NULL;
	if (!d->s.keep_alive || d->s.draining) {
		finish(d);
		return;
	}
	h1_write_done(&d->s.out);
	d->s.in = d->s.in == IN_BODY ? IN_SKIP : IN_HEAD;
	d->s.waiting = false;
	set_due(d, d->s.in == IN_SKIP ? d->limits->body_grace_ms : d->limits->idle_ms);
	chan_resume(&d->chan);
}

static const struct stream_ops stream_ops = {
	.send_head = send_head,
	.send_body = send_body,
	.send_end = send_end,
	.backlog = backlog,
	.credit = credit,
	.reset = reset,
	.tunnel = tunnel,
	.detach = detach,
};

void
h1_down_init(struct h1_down *d, struct loop *l, struct bufs *bufs, int fd,
    const struct h1_limits *limits, const struct h1_down_events *ev, void *owner,
    struct msg *storage)
{
	memset(&d->s, 0, sizeof(d->s));
	d->ev = ev;
	d->limits = limits;
	d->owner = owner;
	d->msg = storage;
	d->s.own_msg = storage != NULL;
	d->stream = (struct stream){.ops = &stream_ops};
	timer_init(&d->timer, fire);
	chan_init(&d->chan, l, bufs, fd, &chan_events, d);
}

void
h1_down_run(struct h1_down *d, uint64_t ms)
{
	set_due(d, ms);
	chan_start(&d->chan, true);
}

void
h1_down_due(struct h1_down *d, uint64_t ms)
{
	set_due(d, ms);
}

void
h1_down_hold(struct h1_down *d)
{
	d->s.lingering = true;
	d->s.in = IN_DROP;
	chan_pause(&d->chan);
}

void
h1_down_start(struct h1_down *d, struct loop *l, struct bufs *bufs, int fd,
    const struct h1_limits *limits, const struct h1_down_events *ev, void *owner,
    struct msg *storage)
{
	h1_down_init(d, l, bufs, fd, limits, ev, owner, storage);
	h1_down_run(d, limits->idle_ms);
}

void
h1_down_drain(struct h1_down *d)
{
	d->s.draining = true;
	if (h1_down_idle(d))
		die(d, false);
}

void
h1_down_close(struct h1_down *d)
{
	if (d->s.raw) /* the end of a tunnel is an end like any other */
		die(d, false);
	else
		cut(d);
}

void
h1_down_leave(struct h1_down *d)
{
	HG_CHECK(!d->s.stream_open && !d->s.dead && d->s.out.buf == NULL);
	timer_stop(&d->timer);
}

bool
h1_down_idle(const struct h1_down *d)
{
	return !d->s.stream_open && !d->s.lingering && !d->s.dead && d->s.in == IN_HEAD;
}
