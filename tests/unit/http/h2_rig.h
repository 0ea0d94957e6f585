/*
 * h2_rig.h - an h2_down connection whose owner is a recorder: events of all streams become one line
 * of text. The peer is either raw frames written by the test or an h2_up.
 */
#ifndef TESTS_UNIT_HTTP_H2_RIG_H
#define TESTS_UNIT_HTTP_H2_RIG_H

#include "tests/unit/http/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "http/h2.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define STREAMS 256
static struct h1_limits limits;
static struct h2_limits h2l;
static struct h2_env env;
static struct loop *l;
static struct bufs bufs;
static struct pool streams;
static struct h2_down d;
static struct strbuf seen;
static int client;
static bool closed, auto_answer, no_room;
static uint64_t window;
static const char *big; /* answer's body instead of "ok" */
static uint32_t big_n;

struct req {
	struct msg msg;
	struct stream *st;
};
static struct req reqs[STREAMS];
static unsigned nreqs;

static void
answer(struct req *r, uint16_t status, const char *body, uint32_t n)
{
	static struct msg m;

	msg_init(&m, false);
	m.status = status;
	m.framing = MSG_LENGTH;
	m.length = n;
	assert_int_equal(r->st->ops->send_head(r->st, &m, n ? 0 : STREAM_END), HG_OK);
	if (n) {
		r->st->ops->send_body(r->st, (struct slice){NULL, body, n});
		r->st->ops->send_end(r->st, NULL);
	}
}

static void
done(struct req *r)
{
	struct stream *was = r->st;

	r->st = NULL;
	was->ops->detach(was);
	msg_release(&r->msg);
}

static void
reply(struct req *r)
{
	answer(r, 200, big ? big : "ok", big ? big_n : 2);
	done(r);
}

static void
on_head(struct stream *s, struct msg *m, unsigned flags)
{
	struct req *r = s->owner;

	strbuf_printf(&seen, "%.*s %.*s@%s%s ", BYTES_ARG(m->method), BYTES_ARG(m->target),
	    m->host.name, flags & STREAM_END ? "." : "");
	for (uint32_t i = 0; i < m->fields.n; i++)
		if (m->fields.v[i].id == FIELD_COOKIE && !(m->fields.v[i].flags & FIELD_GONE))
			strbuf_printf(&seen, "cookie=%.*s ", BYTES_ARG(m->fields.v[i].value));
	if (!(flags & STREAM_END) && window)
		s->ops->credit(s, window);
	if (auto_answer && (flags & STREAM_END))
		reply(r);
}

static void
on_body(struct stream *s, struct slice piece)
{
	if (seen.n && seen.p[seen.n - 1] == '>')
		seen.n--;
	else
		strbuf_addz(&seen, "<");
	strbuf_add(&seen, bytes_of(piece.p, HG_MIN(piece.n, 16u)));
	strbuf_addz(&seen, ">");
	if (window)
		s->ops->credit(s, piece.n);
	slice_drop(&piece);
}

static void
on_end(struct stream *s, const struct fields *t)
{
	strbuf_addz(&seen, "end");
	for (uint32_t i = 0; t && i < t->n; i++)
		if (!(t->v[i].flags & FIELD_GONE))
			strbuf_printf(&seen, "[%.*s=%.*s]", BYTES_ARG(t->v[i].name),
			    BYTES_ARG(t->v[i].value));
	strbuf_addz(&seen, " ");
	if (auto_answer)
		reply(s->owner);
}

static void
on_refuse(struct stream *s, enum hg_err e)
{
	struct req *r = s->owner;

	strbuf_printf(&seen, "refuse-%s ", err_name(e));
	answer(r, (uint16_t)err_http(e), "", 0);
	done(r);
}

static void
on_reset(struct stream *s, enum hg_err e)
{
	struct req *r = s->owner;

	strbuf_printf(&seen, "reset-%s ", err_name(e));
	r->st = NULL;
	msg_release(&r->msg);
}

static void
on_drained(struct stream *s)
{
	(void)s;
	strbuf_addz(&seen, "drained ");
}

static const struct stream_events down_ev = {
    on_head, on_body, on_end, on_drained, on_refuse, on_reset};

static bool
on_open(struct h2_down *x, struct stream *s, struct msg **storage)
{
	struct req *r = &reqs[nreqs % STREAMS];

	assert_ptr_equal(x, &d);
	if (no_room)
		return false;
	nreqs++;
	assert_null(r->st);
	r->st = s;
	s->ev = &down_ev;
	s->owner = r;
	*storage = &r->msg;
	return true;
}

static void
on_closed(struct h2_down *x)
{
	(void)x;
	closed = true;
	strbuf_addz(&seen, "closed");
}

static void
on_glitches(struct h2_down *x)
{
	(void)x;
	strbuf_addz(&seen, "glitches ");
}

static const struct h2_down_events down_events = {
    .open = on_open, .closed = on_closed, .glitches = on_glitches};

static void
release_all(void)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (reqs[i].st) {
			reqs[i].st = NULL;
			msg_release(&reqs[i].msg);
		}
}

static int
setup(void **state)
{
	(void)state;
	limits = (struct h1_limits)TEST_LIMITS;
	h2l = h2_defaults;
	auto_answer = no_room = closed = false;
	big = NULL;
	window = 1 << 20;
	nreqs = 0;
	memset(reqs, 0, sizeof(reqs));
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 16 << 20), 0);
	assert_int_equal(pool_init(&streams, h2_stream_size(), 1024), 0);
	env = (struct h2_env){
	    .loop = l, .bufs = &bufs, .streams = &streams, .limits = &limits, .h2 = &h2l};
	strbuf_reset(&seen);
	strbuf_addz(&seen, "");
	client = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (client >= 0)
		close(client);
	assert_int_equal(bufs.in_use, 0);
	assert_int_equal(bufs.queues.used, 0);
	assert_int_equal(streams.used, 0);
	pool_release(&streams);
	bufs_release(&bufs);
	loop_free(l);
	strbuf_release(&seen);
	return 0;
}

#endif
