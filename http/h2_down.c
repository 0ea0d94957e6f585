/*
 * h2_down.c - the client's side of HTTP/2: what a request is, time, and the ways in which a
 * connection ends. One sweep a second while there is something to wait for replaces a timer a
 * stream: it finds bodies that are too slow, windows that stay shut, header blocks that do not end
 * and connections that idle. A drain says GOAWAY twice (RFC 9113 section 6.8), so that requests
 * under way are not lost: the first names no stream, the second, a little later, the last one
 * taken.
 */
#include "base/check.h"
#include "base/clock.h"
#include "http/h2_core.h"

#define SWEEP_MS 1000
#define NOTICE_MS 500  /* between the two GOAWAYs: requests on their way arrive */
#define LINGER_MS 2000

static inline struct h2_down *
of(struct h2 *c)
{
	return HG_CONTAINER(c, struct h2_down, h2);
}

static bool
begin(struct h2_stream *st)
{
	struct h2_down *d = of(st->c);

	if (!d->ev->open(d, &st->stream, &st->msg))
		return false;
	st->msg->buf = st->msg->trailer_buf = NULL;
	st->open = true;
	st->c->nopen++;
	st->c->opened++;
	if (st->c->nstreams == 1) /* it idled: look again soon */
		timer_in(st->c->chan.loop, &st->c->timer, SWEEP_MS);
	return true;
}

static void
head(struct h2_stream *st, bool end)
{
	enum hg_err e = h2_head_request(st, end);
	struct msg *m = st->msg;

	st->head_seen = true;
	st->in_end = end;
	st->end_told = end || m->upgrade; /* a tunnel's bytes come after tunnel() */
	st->head_method = bytes_eq(m->method, BYTES("HEAD"));
	st->expects_100 = m->expect_continue;
	st->patient = fields_grpc(&m->fields);
	if (e != HG_OK) {
		h2_stream_refuse(st, e);
		return;
	}
	st->stream.ev->head(&st->stream, m, st->end_told ? STREAM_END : 0);
}

static void
closed(struct h2 *c)
{
	of(c)->ev->closed(of(c));
}

static void
calm(struct h2 *c)
{
	if (of(c)->ev->glitches)
		of(c)->ev->glitches(of(c));
}

static void
fault(struct h2 *c)
{
	if (of(c)->ev->fault)
		of(c)->ev->fault(of(c));
}

static const struct h2_role role = {.server = true,
    .begin = begin,
    .head = head,
    .closed = closed,
    .calm = calm,
    .fault = fault,
    .reset = HG_ERR_CLIENT_CLOSED};

/* ---- time */

static bool
slow_body(const struct h2_stream *st, uint64_t now)
{
	uint64_t due;

	/* Who has an answer already may say more when it likes; so may a stream of messages. */
	if (!st->waiting || st->patient || st->head_sent)
		return false;
	due = h1_limits_body_due(st->c->env->limits, st->since, st->got);
	return due && now >= due;
}

static void
sweep_stream(struct h2_stream *st, uint64_t now)
{
	uint64_t stall = st->c->env->limits->write_ms * MS_NS;

	if (st->out.n && !st->gone && now >= st->moved + stall) {
		h2_submit_reset(st, H2_CANCEL);
		h2_stream_reset(st, HG_ERR_CLIENT_SLOW);
	} else if (st->open && slow_body(st, now)) {
		h2_stream_refuse(st, HG_ERR_REQUEST_TIMEOUT);
	}
}

static void
sweep(struct h2 *c, uint64_t now)
{
	const struct h1_limits *l = c->env->limits;

	if (c->chan.queued && !c->chan.writable &&
	    now >= c->chan.last_progress + l->write_ms * MS_NS) {
		h2_die(c, HG_ERR_CLIENT_SLOW);
		return;
	}
	if (c->ending) {
		if (now >= c->quiet_since + LINGER_MS * MS_NS)
			h2_die(c, HG_ERR_CLIENT_CLOSED);
		return;
	}
	if (c->block_since && now >= c->block_since + l->header_ms * MS_NS)
		h2_end(c, H2_CALM);
	if (c->short_of && now >= c->quiet_since + l->write_ms * MS_NS)
		h2_die(c, HG_ERR_CLIENT_CLOSED);
	else if (c->draining && !c->goaway_sent)
		h2_goaway(c);
	else if (!c->draining && of(c)->ev->old && of(c)->ev->old(of(c)))
		h2_down_drain(of(c));
	else if (c->nstreams == 0 && now >= c->quiet_since + l->idle_ms * MS_NS)
		h2_end(c, H2_NO_ERROR);
}

static void
fire(struct timer *t)
{
	struct h2 *c = HG_CONTAINER(t, struct h2, timer);
	uint64_t now = loop_now(c->chan.loop);

	LIST_FOREACH_SAFE(it, tmp, &c->streams) {
		sweep_stream(LIST_ENTRY(it, struct h2_stream, link), now);
		if (c->dead)
			return;
	}
	sweep(c, now);
	if (c->dead)
		return;
	if (c->nstreams || c->ending || c->short_of || c->draining)
		timer_in(c->chan.loop, t, SWEEP_MS);
	else
		timer_set(c->chan.loop, t, c->quiet_since + c->env->limits->idle_ms * MS_NS);
}

/* ---- the connection */

static void
on_eof(struct chan *ch)
{
	struct h2 *c = HG_CONTAINER(ch, struct h2, chan);

	h2_die(c, HG_ERR_CLIENT_CLOSED);
}

static void
on_drained(struct chan *ch)
{
	struct h2 *c = HG_CONTAINER(ch, struct h2, chan);

	h2_kick(c);
	if (ch->paused && !c->ending)
		chan_resume(ch);
}

static void
on_error(struct chan *ch, enum hg_err e)
{
	(void)e;
	on_eof(ch);
}

static const struct chan_events chan_events = {
	.data = h2_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
};

static void
start(struct h2_down *d, const struct h2_env *env, const struct h2_down_events *ev, void *owner)
{
	d->ev = ev;
	d->owner = owner;
	timer_init(&d->h2.timer, fire);
	timer_in(env->loop, &d->h2.timer, env->limits->header_ms);
}

void
h2_down_start(struct h2_down *d, const struct h2_env *env, int fd, const struct h2_down_events *ev,
    void *owner)
{
	bool ok;

	chan_init(&d->h2.chan, env->loop, env->bufs, fd, &chan_events, d);
	ok = h2_init(&d->h2, env, &role);
	start(d, env, ev, owner);
	if (ok)
		chan_start(&d->h2.chan, true);
	else
		h2_die(&d->h2, HG_OK);
}

void
h2_down_adopt(
    struct h2_down *d, const struct h2_env *env, const struct h2_down_events *ev, void *owner)
{
	struct chan *c = &d->h2.chan;
	bool ok = h2_init(&d->h2, env, &role);

	c->ev = &chan_events;
	c->owner = d;
	start(d, env, ev, owner);
	if (!ok)
		h2_die(&d->h2, HG_OK);
	else
		chan_resume(c);
}

void
h2_down_drain(struct h2_down *d)
{
	struct h2 *c = &d->h2;

	if (c->dead || c->ending || c->draining)
		return;
	c->draining = true;
	h2_notice(c);
	timer_in(c->chan.loop, &c->timer, NOTICE_MS);
}

void
h2_down_close(struct h2_down *d, enum hg_err e)
{
	h2_die(&d->h2, e);
}

bool
h2_down_idle(const struct h2_down *d)
{
	return d->h2.nstreams == 0 && !d->h2.dead && !d->h2.ending;
}
