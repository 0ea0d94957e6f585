/*
 * h1_up.c - the backend's side of HTTP/1: a connection that carries one exchange at a time and
 * waits in a pool between them. It always reads: a byte or an end that comes while no request runs,
 * or behind a response, makes it useless, and is noticed without asking. A response is trusted as
 * little as a request: it passes the same guard and the same second opinion, interim heads are
 * counted, a 101 must have been asked for. The connection lives on only if request and response
 * both ended, nothing lies behind the response, and the peer did not say otherwise. After a failed
 * write the backend's words are still read, because it may have answered before it closed.
 */
#include "base/check.h"
#include "base/clock.h"
#include "http/h1_write.h"

enum in { IN_HEAD, IN_BODY, IN_DONE, IN_TUNNEL };

static inline struct h1_up *
of_stream(const struct stream *st)
{
	return HG_CONTAINER(st, struct h1_up, stream);
}

static inline struct h1_up *
of_chan(struct chan *c)
{
	return HG_CONTAINER(c, struct h1_up, chan);
}

static void
closed_task(struct task *t)
{
	struct h1_up *u = HG_CONTAINER(t, struct h1_up, chan.more);

	u->ev->closed(u);
}

static void
die(struct h1_up *u)
{
	if (u->s.dead)
		return;
	u->s.dead = true;
	u->s.busy = false;
	timer_stop(&u->timer);
	chan_close(&u->chan);
	h1_write_done(&u->s.out);
	task_init(&u->chan.more, closed_task);
	loop_defer(u->chan.loop, &u->chan.more);
}

static void
reset_owner(struct h1_up *u, enum hg_err e)
{
	struct stream *st = &u->stream;
	bool busy = u->s.busy;

	die(u);
	if (busy)
		st->ev->reset(st, e);
}

/* ---- the response */

/* Everything of the response was seen; `more` says that bytes lie behind it. */
static void
response_done(struct h1_up *u, bool more)
{
	u->s.in = IN_DONE;
	u->s.response_done = true;
	if (more) {
		u->s.keep_alive = false;
		u->s.surplus = true;
	}
}

/* An interim head. false: the connection is over. */
static bool
interim(struct h1_up *u)
{
	if (u->msg->status == 101)
		return false;
	if (++u->s.informational > u->limits->informational)
		return false;
	u->stream.ev->head(&u->stream, u->msg, STREAM_INFO);
	if (!u->s.dead && u->s.in == IN_HEAD && u->s.busy)
		msg_release(u->msg);
	return true;
}

static void
final(struct h1_up *u, bool more)
{
	struct msg *m = u->msg;
	bool none =
	    m->framing == MSG_NONE || m->head || (m->framing == MSG_LENGTH && m->length == 0);

	u->s.keep_alive = m->keep_alive;
	u->s.framing = m->framing;
	if (m->status == 101) {
		/* What lies behind the head is the tunnel's and waits until there is one. */
		u->s.keep_alive = false;
		u->s.in = IN_TUNNEL;
		u->s.raw = true;
		u->s.credit = 0;
		chan_pause(&u->chan);
		u->stream.ev->head(&u->stream, m, STREAM_UPGRADE);
		return;
	}
	/* Whoever was asked may have read on in the other protocol. */
	if (u->s.upgrade)
		u->s.keep_alive = false;
	u->s.left = m->length;
	u->s.in = IN_BODY;
	h1_chunks_init(&u->s.chunks);
	if (none)
		response_done(u, more);
	u->stream.ev->head(&u->stream, m, none ? STREAM_END : 0);
}

static uint32_t
take_head(struct h1_up *u, struct buf *b, uint32_t off, uint32_t n)
{
	const char *p = b->data + off;
	uint32_t used = 0;
	enum hg_err e;

	e = h1_guard_response(p, n, u->limits, &u->s.scan, u->s.head_method, u->msg, &used);
	if (e == HG_ERR_AGAIN && n == b->cap && n > BUF_SMALL)
		e = HG_ERR_BACKEND_BAD;
	if (e == HG_ERR_AGAIN)
		return 0;
	u->s.scan = 0;
	if (e == HG_OK && !h1_parser_agrees(p, used, u->msg))
		e = HG_ERR_BACKEND_BAD;
	if (e != HG_OK) {
		reset_owner(u, e);
		return 0;
	}
	u->msg->buf = buf_ref(b);
	if (u->msg->status >= 200 ||
	    (u->msg->status == 101 && u->s.upgrade && u->msg->upgrade))
		final(u, n > used);
	else if (!interim(u))
		reset_owner(u, HG_ERR_BACKEND_BAD);
	return used;
}

static void
give(struct h1_up *u, struct buf *b, uint32_t off, uint32_t k)
{
	u->s.credit -= k;
	u->stream.ev->body(&u->stream, slice_of(b, b->data + off, k));
}

/* The last bytes of the body go to the owner together with the end: what comes behind them is known
 * now. */
static uint32_t
take_plain(struct h1_up *u, struct buf *b, uint32_t off, uint32_t n)
{
	uint64_t most = u->s.framing == MSG_LENGTH ? u->s.left : n;
	uint32_t k = (uint32_t)HG_MIN(HG_MIN(most, u->s.credit), (uint64_t)n);

	if (k == 0) {
		chan_pause(&u->chan);
		return 0;
	}
	u->s.left -= u->s.framing == MSG_LENGTH ? k : 0;
	give(u, b, off, k);
	if (!u->s.dead && u->s.in == IN_BODY && u->s.framing == MSG_LENGTH && u->s.left == 0) {
		response_done(u, n > k);
		u->stream.ev->end(&u->stream, NULL);
	}
	return k;
}

static uint32_t
take_chunk(struct h1_up *u, struct buf *b, uint32_t off, uint32_t n)
{
	struct fields *t = &u->msg->trailers;
	uint32_t used = 0, at = 0, k = 0, most = n;
	enum hg_err e;

	if (u->s.chunks.state == H1_CHUNK_DATA) {
		if (u->s.credit == 0) {
			chan_pause(&u->chan);
			return 0;
		}
		most = (uint32_t)HG_MIN(u->s.credit, (uint64_t)n);
	} else if (u->s.chunks.state == H1_CHUNK_TRAILER && t->v == NULL) {
		fields_init(t, u->msg->store + MSG_FIELDS, MSG_TRAILERS);
	}
	e = h1_chunks_step(&u->s.chunks, b->data + off, most, u->limits, &used, &at, &k, t);
	if (e == HG_ERR_AGAIN)
		return 0;
	if (e != HG_OK) {
		reset_owner(u, HG_ERR_BACKEND_BAD);
		return 0;
	}
	if (k) {
		give(u, b, off + at, k);
	} else if (u->s.chunks.state == H1_CHUNK_DONE) {
		if (t->n)
			u->msg->trailer_buf = buf_ref(b);
		response_done(u, n > used);
		u->stream.ev->end(&u->stream, t->n ? t : NULL);
	}
	return used;
}

static uint32_t
take_tunnel(struct h1_up *u, struct buf *b, uint32_t off, uint32_t n)
{
	uint32_t k = (uint32_t)HG_MIN(u->s.credit, (uint64_t)n);

	if (k == 0)
		chan_pause(&u->chan);
	else
		give(u, b, off, k);
	return k;
}

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct h1_up *u = of_chan(c);
	uint32_t used = 0;

	while (used < n && !u->s.dead) {
		uint32_t k;

		if (u->s.ending)
			return n;
		if (!u->s.busy) { /* nobody asked */
			u->s.surplus = true;
			die(u);
			break;
		}
		u->s.got_bytes = true;
		switch (u->s.in) {
		case IN_HEAD:
			k = take_head(u, b, off + used, n - used);
			break;
		case IN_BODY:
			k = u->s.framing == MSG_CHUNKED ? take_chunk(u, b, off + used, n - used) :
			    take_plain(u, b, off + used, n - used);
			break;
		case IN_TUNNEL:
			k = take_tunnel(u, b, off + used, n - used);
			break;
		default: /* behind the response */
			u->s.keep_alive = false;
			u->s.surplus = true;
			chan_pause(c);
			k = 0;
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
	struct h1_up *u = of_chan(c);

	u->s.keep_alive = false;
	if (!u->s.busy) {
		die(u);
	} else if (u->s.in == IN_TUNNEL || (u->s.in == IN_BODY && u->s.framing == MSG_CLOSE)) {
		response_done(u, false);
		u->stream.ev->end(&u->stream, NULL);
	} else if (u->s.in != IN_DONE) {
		reset_owner(u, HG_ERR_BACKEND_RESET);
	}
}

static void
on_open(struct chan *c)
{
	struct h1_up *u = of_chan(c);

	u->s.connected = true;
	u->ev->open(u);
}

static void
on_error(struct chan *c, enum hg_err e)
{
	struct h1_up *u = of_chan(c);

	if (!u->s.connected) {
		u->s.busy = false;
		die(u);
		u->ev->failed(u, e);
	} else if (u->s.in == IN_DONE && u->s.busy && !u->s.raw) {
		u->s.keep_alive =
		    false; /* the response is whole; the request's rest has nowhere to go */
	} else {
		reset_owner(u, e == HG_ERR_NOMEM ? e : HG_ERR_BACKEND_RESET);
	}
}

static void
on_drained(struct chan *c)
{
	struct h1_up *u = of_chan(c);

	if (u->s.busy && u->stream.ev->drained)
		u->stream.ev->drained(&u->stream);
}

static const struct chan_events chan_events = {
	.open = on_open,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
};

/* ---- the request */

static enum hg_err
send_head(struct stream *st, const struct msg *m, unsigned flags)
{
	struct h1_up *u = of_stream(st);
	enum hg_err e;

	if (u->s.dead)
		return HG_OK;
	u->s.head_method = bytes_eq(m->method, BYTES("HEAD"));
	u->s.upgrade = flags & STREAM_UPGRADE;
	e = h1_write_request(&u->chan, &u->s.out, m, flags);
	if (e == HG_OK && (flags & STREAM_END) && u->s.out.left == 0)
		u->s.request_done = true;
	return e;
}

static void
send_body(struct stream *st, struct slice s)
{
	struct h1_up *u = of_stream(st);

	if (u->s.dead || u->s.request_done)
		slice_drop(&s);
	else if (u->s.raw)
		chan_send(&u->chan, s);
	else if (!h1_write_body(&u->chan, &u->s.out, s))
		chan_break(&u->chan);
}

static void
send_end(struct stream *st, const struct fields *trailers)
{
	struct h1_up *u = of_stream(st);

	if (u->s.dead || u->s.request_done)
		return;
	if (u->s.raw) {
		u->s.request_done = true;
		chan_shutdown(&u->chan);
		return;
	}
	if ((u->s.out.length && u->s.out.left) || !h1_write_end(&u->chan, &u->s.out, trailers))
		return; /* incomplete: the connection ends with this exchange */
	u->s.request_done = true;
}

static uint64_t
backlog(const struct stream *st)
{
	return of_stream(st)->chan.queued;
}

static void
credit(struct stream *st, uint64_t n)
{
	struct h1_up *u = of_stream(st);

	if (u->s.dead || u->s.in == IN_DONE)
		return;
	u->s.credit += n;
	if (u->chan.paused)
		chan_resume(&u->chan);
}

static void
reset(struct stream *st, enum hg_err e)
{
	(void)e;
	die(of_stream(st));
}

static void
tunnel(struct stream *st)
{
	struct h1_up *u = of_stream(st);

	u->s.request_done = false; /* the raw direction is open */
}

static void
fire(struct timer *t)
{
	die(HG_CONTAINER(t, struct h1_up, timer));
}

/* The last bytes of a tunnel are on their way: the backend has as long for them as a client, and
 * what it still says must not turn them into a reset. */
static void
finish(struct h1_up *u)
{
	u->s.ending = true;
	timer_in(u->chan.loop, &u->timer, u->limits->write_ms);
	if (u->s.response_done)
		chan_finish(&u->chan);
	else
		chan_linger(&u->chan);
}

static void
detach(struct stream *st)
{
	struct h1_up *u = of_stream(st);

	if (u->s.dead || !u->s.busy)
		return;
	u->s.busy = false;
	h1_write_done(&u->s.out);
	if (u->s.raw && u->s.request_done && !u->chan.failed &&
	    (u->chan.queued || !u->s.response_done)) {
		finish(u);
		return;
	}
	if (!u->s.keep_alive || !u->s.request_done || !u->s.response_done ||
	    !chan_drained(&u->chan)) {
		die(u);
		return;
	}
	u->msg = NULL;
	u->s.in = IN_HEAD;
	u->chan.paused = false;
	u->ev->idle(u);
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

int
h1_up_connect(struct h1_up *u, struct loop *l, struct bufs *bufs, const struct addr *a,
    struct bytes unix_path, const struct h1_limits *limits, const struct h1_up_events *ev,
    void *owner)
{
	memset(&u->s, 0, sizeof(u->s));
	u->ev = ev;
	u->limits = limits;
	u->owner = owner;
	u->msg = NULL;
	u->stream = (struct stream){.ops = &stream_ops};
	timer_init(&u->timer, fire);
	if (chan_connect(&u->chan, l, bufs, a, unix_path, &chan_events, u) != 0) {
		u->s.dead = true;
		return -1;
	}
	u->chan.drain_on_error = true;
	return 0;
}

struct stream *
h1_up_open(struct h1_up *u, struct msg *storage, const struct stream_events *ev, void *owner)
{
	HG_CHECK(!u->s.busy && !u->s.dead && u->s.connected);
	u->msg = storage;
	storage->buf = storage->trailer_buf = NULL;
	u->stream.ev = ev;
	u->stream.owner = owner;
	u->s.busy = true;
	u->s.in = IN_HEAD;
	u->s.credit = u->s.left = 0;
	u->s.scan = u->s.informational = 0;
	u->s.keep_alive = u->s.request_done = u->s.response_done = u->s.got_bytes = u->s.raw =
	    u->s.upgrade = false;
	u->s.requests++;
	return &u->stream;
}

void
h1_up_left(struct h1_up *u)
{
	u->s.dead = true;
}

void
h1_up_close(struct h1_up *u)
{
	die(u);
}

bool
h1_up_got_bytes(const struct h1_up *u)
{
	return u->s.got_bytes;
}

bool
h1_up_usable(const struct h1_up *u)
{
	return u->s.connected && !u->s.busy && !u->s.dead && chan_quiet(&u->chan);
}
