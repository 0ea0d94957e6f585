/*
 * down_rig.h - a client's connection over a socket pair. The owner is a recorder: events become one
 * line of text, and what it does is set by the test. Used by the tests of h1_down.
 */
#ifndef TESTS_UNIT_HTTP_DOWN_RIG_H
#define TESTS_UNIT_HTTP_DOWN_RIG_H

#include "tests/unit/http/unit.h"

#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "net/sock.h"

/* Not every test uses all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"

static struct h1_limits limits;
static struct loop *l;
static struct bufs bufs;
static struct h1_down d;
static struct msg req, resp;
static struct stream *st;
static struct strbuf seen;
static int client;
static bool closed, auto_answer, no_room;
static uint64_t window; /* credit given with the head, and back for each body event */

static void
answer(uint16_t status, const char *body)
{
	msg_init(&resp, false);
	resp.status = status;
	resp.framing = MSG_LENGTH;
	resp.length = strlen(body);
	assert_int_equal(st->ops->send_head(st, &resp, resp.length ? 0 : STREAM_END), HG_OK);
	if (resp.length) {
		st->ops->send_body(st, (struct slice){NULL, body, (uint32_t)resp.length});
		st->ops->send_end(st, NULL);
	}
}

static void
done(void)
{
	struct stream *was = st;

	st = NULL;
	msg_release(&req);
	was->ops->detach(was);
}

static void
on_head(struct stream *s, struct msg *m, unsigned flags)
{
	strbuf_printf(&seen, "%.*s %.*s%s ", BYTES_ARG(m->method), BYTES_ARG(m->target),
	    flags & STREAM_END ? "." : "");
	if (!(flags & STREAM_END) && window)
		s->ops->credit(s, window);
	if (auto_answer && (flags & STREAM_END)) {
		answer(200, "ok");
		done();
	}
}

static void
on_body(struct stream *s, struct slice piece)
{
	/* joined with the piece before it: where the cuts are does not matter */
	if (seen.n && seen.p[seen.n - 1] == '>')
		seen.n--;
	else
		strbuf_addz(&seen, "<");
	strbuf_add(&seen, bytes_of(piece.p, piece.n));
	strbuf_addz(&seen, ">");
	if (window)
		s->ops->credit(s, piece.n);
	slice_drop(&piece);
}

static void
on_end(struct stream *s, const struct fields *t)
{
	(void)s;
	strbuf_addz(&seen, "end");
	for (uint32_t i = 0; t && i < t->n; i++)
		if (!(t->v[i].flags & FIELD_GONE))
			strbuf_printf(&seen, "[%.*s]", BYTES_ARG(t->v[i].name));
	strbuf_addz(&seen, " ");
	if (auto_answer) {
		answer(200, "ok");
		done();
	}
}

static void
on_refuse(struct stream *s, enum hg_err e)
{
	(void)s;
	strbuf_printf(&seen, "refuse-%s ", err_name(e));
	answer((uint16_t)err_http(e), "");
	done();
}

static void
on_reset(struct stream *s, enum hg_err e)
{
	(void)s;
	strbuf_printf(&seen, "reset-%s ", err_name(e));
	msg_release(&req);
	st = NULL;
}

static void
on_drained(struct stream *s)
{
	(void)s;
	strbuf_addz(&seen, "drained ");
}

static const struct stream_events stream_ev = {
    on_head, on_body, on_end, on_drained, on_refuse, on_reset};

static bool
on_open(struct h1_down *x, struct stream *s)
{
	if (no_room)
		return false;
	assert_null(st);
	st = s;
	s->ev = &stream_ev;
	x->msg = &req;
	return true;
}

static void
on_closed(struct h1_down *x)
{
	assert_ptr_equal(x, &d);
	closed = true;
	strbuf_addz(&seen, "closed");
}

static const struct h1_down_events events = {on_open, on_closed, NULL};

static void
begin(void)
{
	int fd[2];

	pair(fd);
	client = fd[1];
	closed = false;
	st = NULL;
	strbuf_reset(&seen);
	strbuf_addz(&seen, "");
	h1_down_start(&d, l, &bufs, fd[0], &limits, &events, NULL, NULL);
}

static void
finish(void)
{
	if (!closed)
		h1_down_close(&d);
	if (st)
		msg_release(&req);
	turns(l, 2);
	assert_true(closed);
	close(client);
	client = -1;
	assert_int_equal(bufs.in_use, 0);
	assert_int_equal(bufs.queues.used, 0);
}

static int
setup(void **state)
{
	(void)state;
	limits = (struct h1_limits)TEST_LIMITS;
	auto_answer = no_room = false;
	window = 1 << 20;
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 8 << 20), 0);
	begin();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (client >= 0)
		finish();
	bufs_release(&bufs);
	loop_free(l);
	strbuf_release(&seen);
	return 0;
}

static void
put(const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turns(l, 3);
}

/* What the client has got so far; "" and *eof at the end. Date is cut out. */
static const char *
got(bool *eof)
{
	static char buf[70000];
	ssize_t n = recv(client, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	char *date;

	if (eof)
		*eof = n == 0;
	buf[HG_MAX(n, 0)] = '\0';
	while ((date = strstr(buf, "Date: ")))
		memmove(date, strstr(date, "\r\n") + 2, strlen(strstr(date, "\r\n") + 2) + 1);
	return buf;
}

static bool
ended(void)
{
	bool eof;

	got(&eof);
	return eof;
}

#define RQ(line, fields) line " HTTP/1.1\r\nHost: h\r\n" fields "\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define OK2_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

#endif
