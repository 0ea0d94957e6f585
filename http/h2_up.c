/*
 * h2_up.c - the backend's side of HTTP/2: many requests on one connection. Which connection takes a
 * request, and when an idle one goes, is the pool's affair; here is only what an answer is and what
 * the backend's GOAWAY means: streams above its last one were not looked at and are given back to
 * their owners as such, the others end in peace. An answer that is not valid resets its stream and
 * leaves its neighbours alone.
 */
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/h2_core.h"

#define STREAMS_MAX 100u /* on one connection, whatever the backend allows */

static inline struct h2_up *
of(struct h2 *c)
{
	return HG_CONTAINER(c, struct h2_up, h2);
}

static void
informational(struct h2_stream *st, struct msg *m)
{
	st->list = 0;
	if (++st->informational > st->c->env->limits->informational) {
		h2_stream_refuse(st, HG_ERR_BACKEND_BAD);
		return;
	}
	st->stream.ev->head(&st->stream, m, STREAM_INFO);
	if (!st->open)
		return;
	msg_release(m);
	m->status = 0;
}

static void
head(struct h2_stream *st, bool end)
{
	struct msg *m = st->msg;
	enum hg_err e = h2_head_response(st, end);

	if (e != HG_OK) {
		st->head_seen = true;
		h2_stream_refuse(st, e);
		return;
	}
	if (m->status < 200) {
		informational(st, m);
		return;
	}
	st->head_seen = true;
	st->in_end = end;
	if (st->connect && m->status < 300) {
		st->end_told = true; /* nothing before tunnel() */
		st->stream.ev->head(&st->stream, m, STREAM_UPGRADE);
		return;
	}
	st->end_told = end;
	st->stream.ev->head(&st->stream, m, end ? STREAM_END : 0);
}

static void
closed(struct h2 *c)
{
	of(c)->ev->closed(of(c));
}

static void
quiet(struct h2 *c)
{
	of(c)->ev->quiet(of(c));
}

static const struct h2_role role = {
    .head = head, .closed = closed, .quiet = quiet, .reset = HG_ERR_BACKEND_RESET};

static void
fire(struct timer *t)
{
	struct h2 *c = HG_CONTAINER(t, struct h2, timer);

	h2_die(c, HG_ERR_BACKEND_RESET); /* it was told to end and has not read it */
}

static void
on_open(struct chan *ch)
{
	struct h2_up *u = HG_CONTAINER(ch, struct h2_up, h2.chan);

	u->connected = true;
	h2_kick(&u->h2);
	u->ev->open(u);
}

static void
on_error(struct chan *ch, enum hg_err e)
{
	struct h2_up *u = HG_CONTAINER(ch, struct h2_up, h2.chan);
	bool connecting = !u->connected;

	h2_die(&u->h2, HG_ERR_BACKEND_RESET);
	if (connecting)
		u->ev->failed(u, e);
}

static void
on_eof(struct chan *ch)
{
	on_error(ch, HG_ERR_CONNECT_FAILED);
}

static void
on_drained(struct chan *ch)
{
	h2_kick(HG_CONTAINER(ch, struct h2, chan));
	if (ch->paused)
		chan_resume(ch);
}

static const struct chan_events chan_events = {
	.open = on_open,
	.data = h2_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
};

int
h2_up_connect(struct h2_up *u, const struct h2_env *env, const struct addr *addr,
    struct bytes unix_path, const struct h2_up_events *ev, void *owner)
{
	u->ev = ev;
	u->owner = owner;
	u->connected = false;
	if (chan_connect(&u->h2.chan, env->loop, env->bufs, addr, unix_path, &chan_events, u) != 0)
		return -1;
	if (h2_init(&u->h2, env, &role)) {
		timer_init(&u->h2.timer, fire);
		return 0;
	}
	chan_close(&u->h2.chan);
	errno = ENOMEM;
	return -1;
}

bool
h2_up_adopt(struct h2_up *u, const struct h2_env *env, struct chan *from,
    const struct h2_up_events *ev, void *owner)
{
	u->ev = ev;
	u->owner = owner;
	u->connected = true;
	if (!chan_move(&u->h2.chan, from, &chan_events, u))
		return false;
	if (h2_init(&u->h2, env, &role)) {
		timer_init(&u->h2.timer, fire);
		return true;
	}
	chan_close(&u->h2.chan);
	return false;
}

struct stream *
h2_up_open(struct h2_up *u, struct msg *storage, const struct stream_events *ev, void *owner)
{
	struct h2_stream *st = h2_stream_new(&u->h2, 0);

	if (st == NULL)
		return NULL;
	storage->buf = storage->trailer_buf = NULL;
	st->msg = storage;
	st->open = true;
	u->h2.nopen++;
	u->h2.opened++;
	st->stream.ev = ev;
	st->stream.owner = owner;
	return &st->stream;
}

void
h2_up_close(struct h2_up *u)
{
	h2_die(&u->h2, HG_OK);
}

bool
h2_up_usable(const struct h2_up *u)
{
	const struct h2 *c = &u->h2;

	return u->connected && !c->dead && !c->ending && !c->short_of && !c->goaway_got &&
	    !c->chan.got_eof && c->opened < (1u << 30) &&
	    c->nstreams < HG_MIN(h2_peer_streams(c), STREAMS_MAX);
}
