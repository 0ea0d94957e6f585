/*
 * test_h1_down.c - the client's side over a socket pair. The owner is a recorder: events become one line of text, and
 * what it does is set by the test. The property at the end: however the bytes are cut, the events are the same.
 */
#include "tests/unit/http/unit.h"

#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "net/sock.h"

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
	strbuf_printf(&seen, "%.*s %.*s%s ", BYTES_ARG(m->method), BYTES_ARG(m->target), flags & STREAM_END ? "." : "");
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

static const struct stream_events stream_ev = {on_head, on_body, on_end, on_drained, on_refuse, on_reset};

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

static void
keep_alive(void **state)
{
	(void)state;
	auto_answer = true;
	for (int i = 0; i < 3; i++) {
		put(RQ("GET /a", ""));
		assert_string_equal(got(NULL), OK2);
		assert_true(h1_down_idle(&d));
	}
	assert_null(d.chan.in);
	assert_null(d.s.out.buf);
	put(RQ("GET /b", "Connection: close\r\n"));
	assert_string_equal(got(NULL), OK2_CLOSE);
	assert_true(ended());
	assert_string_equal(strbuf_bytes(&seen).p, "GET /a. GET /a. GET /a. GET /b. closed");
}

static void
http_1_0(void **state)
{
	(void)state;
	auto_answer = true;
	put("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_string_equal(got(NULL), "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
	put("GET /b HTTP/1.0\r\n\r\n");
	assert_string_equal(got(NULL), OK2_CLOSE);
	assert_true(ended());
}

static void
pipelining(void **state)
{
	(void)state;
	put(RQ("GET /1", "") RQ("GET /2", "") RQ("POST /3", "Content-Length: 3\r\n") "abc" RQ("GET /4", ""));
	assert_string_equal(seen.p, "GET /1. ");
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(seen.p, "GET /1. GET /2. ");
	auto_answer = true;
	answer(200, "ok");
	done();
	turns(l, 3);
	assert_string_equal(seen.p, "GET /1. GET /2. POST /3 <abc>end GET /4. ");
	assert_string_equal(got(NULL), OK2 OK2 OK2 OK2);
}

static void
body_needs_credit(void **state)
{
	(void)state;
	window = 0;
	put(RQ("POST /a", "Content-Length: 10\r\n") "0123456789");
	assert_string_equal(seen.p, "POST /a ");
	st->ops->credit(st, 4);
	assert_string_equal(seen.p, "POST /a ");
	turns(l, 2);
	assert_string_equal(seen.p, "POST /a <0123>");
	st->ops->credit(st, 100);
	turns(l, 2);
	assert_string_equal(seen.p, "POST /a <0123456789>end ");
}

static void
chunked_and_trailers(void **state)
{
	(void)state;
	put(RQ("POST /a", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: v\r\nHost: evil\r\n\r\n");
	assert_string_equal(seen.p, "POST /a <abcde>end[X-T] ");
}

static void
expect_continue(void **state)
{
	(void)state;
	window = 0;
	put(RQ("POST /a", "Expect: 100-continue\r\nContent-Length: 2\r\n"));
	assert_string_equal(got(NULL), "");
	st->ops->credit(st, 10);
	st->ops->credit(st, 10);
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 100 Continue\r\n\r\n");
	put("ab");
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), OK2);
	/* a final answer instead: the body may or may not come, so the connection ends */
	put(RQ("POST /b", "Expect: 100-continue\r\nContent-Length: 2\r\n"));
	answer(417, "");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	assert_true(ended());
}

static void
informational(void **state)
{
	(void)state;
	put(RQ("GET /a", ""));
	msg_init(&resp, false);
	resp.status = 103;
	fields_add(&resp.fields, BYTES("Link"), BYTES("</x>"), FIELD_OTHER);
	st->ops->send_head(st, &resp, STREAM_INFO);
	resp.status = 100; /* nobody asked */
	st->ops->send_head(st, &resp, STREAM_INFO);
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK2);
}

static void
head_and_bodiless(void **state)
{
	(void)state;
	put(RQ("HEAD /a", ""));
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
	put(RQ("GET /a", ""));
	answer(204, "");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 204 No Content\r\n\r\n");
	put(RQ("GET /a", ""));
	answer(304, "");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n");
	assert_true(h1_down_idle(&d));
}

static void
stream_out(uint8_t framing)
{
	struct field store[2];
	struct fields t;

	fields_init(&t, store, 2);
	fields_add(&t, BYTES("X-T"), BYTES("v"), FIELD_OTHER);
	msg_init(&resp, false);
	resp.status = 200;
	resp.framing = framing;
	st->ops->send_head(st, &resp, 0);
	st->ops->send_body(st, (struct slice){NULL, "abc", 3});
	st->ops->send_body(st, (struct slice){NULL, "", 0});
	st->ops->send_body(st, (struct slice){NULL, "0123456789abcdef", 16});
	st->ops->send_end(st, &t);
	done();
	turns(l, 2);
}

static void
unknown_length(void **state)
{
	(void)state;
	put(RQ("GET /a", ""));
	stream_out(MSG_CLOSE);
	assert_string_equal(got(NULL), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: v\r\n\r\n");
	put("GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	stream_out(MSG_CHUNKED);
	assert_string_equal(got(NULL), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc0123456789abcdef");
	assert_true(ended());
}

static void
refusals_end_the_connection(void **state)
{
	static const struct {
		const char *raw, *seen;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n" RQ("GET /smuggled", ""), "refuse-BAD_REQUEST closed"},
		{"GET / HTTP/3.0\r\nHost: h\r\n\r\n", "refuse-BAD_VERSION closed"},
		{"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "refuse-MISDIRECTED closed"},
		{RQ("POST /a", "Transfer-Encoding: chunked\r\n") "3\r\nabcXX", "POST /a <abc>refuse-BAD_REQUEST closed"},
		{RQ("POST /a", "Expect: x\r\nContent-Length: 1\r\n"), "refuse-BAD_EXPECT closed"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		bool eof;

		put(cases[i].raw);
		assert_non_null(strstr(got(NULL), "Connection: close\r\n"));
		got(&eof);
		assert_true(eof);
		assert_false(closed); /* lingers: the client may still be sending */
		put("more and more");
		shutdown(client, SHUT_WR);
		turns(l, 3);
		assert_string_equal(seen.p, cases[i].seen);
		finish();
		begin();
	}
}

static void
early_response(void **state)
{
	(void)state;
	/* a small rest is read and dropped, the connection lives */
	window = 0;
	put(RQ("POST /a", "Content-Length: 10\r\n") "012");
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), OK2);
	auto_answer = true;
	put("3456789" RQ("GET /b", ""));
	assert_string_equal(got(NULL), OK2);
	/* a large or endless one is not */
	auto_answer = false;
	put(RQ("POST /c", "Content-Length: 1000000\r\n") "012");
	answer(413, "");
	done();
	turns(l, 2);
	assert_non_null(strstr(got(NULL), "Connection: close"));
	put("3456789");
	assert_true(ended());
	shutdown(client, SHUT_WR);
	turns(l, 3);
	assert_string_equal(seen.p, "POST /a GET /b. POST /c closed");
}

static void
half_close(void **state)
{
	(void)state;
	put(RQ("GET /a", ""));
	shutdown(client, SHUT_WR);
	turns(l, 2);
	assert_string_equal(seen.p, "GET /a. ");
	answer(200, "ok");
	done();
	turns(l, 3);
	assert_string_equal(got(NULL), OK2);
	assert_true(ended());
	assert_true(closed);
}

static void
half_close_with_all_at_once(void **state)
{
	(void)state;
	auto_answer = true;
	assert_true(send(client, RQ("GET /a", "") RQ("GET /b", ""), 2 * strlen(RQ("GET /a", "")), 0) > 0);
	shutdown(client, SHUT_WR);
	turns(l, 4);
	assert_string_equal(got(NULL), OK2 OK2);
	assert_true(ended());
	assert_string_equal(seen.p, "GET /a. GET /b. closed");
}

static void
client_goes(void **state)
{
	static const struct {
		const char *raw, *seen;
	} cases[] = {
		{"", "closed"},
		{"\r\n", "closed"},
		{"GET / HT", "reset-CLIENT_CLOSED closed"},
		{RQ("POST /a", "Content-Length: 5\r\n") "abc", "POST /a <abc>reset-CLIENT_CLOSED closed"},
		{RQ("POST /a", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n", "POST /a <abc>reset-CLIENT_CLOSED closed"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		put(cases[i].raw);
		shutdown(client, SHUT_WR);
		turns(l, 3);
		assert_string_equal(seen.p, cases[i].seen);
		finish();
		begin();
	}
}

/* Over TCP, since a reset and a FIN are told apart there. The client sees each kind of body broken. */
static void
broken_responses_are_seen(void **state)
{
	struct addr a = {.family = 4, .ip = {127, 0, 0, 1}};
	struct sockaddr_storage ss;
	int listener = sock_bind(&a, false, true);

	(void)state;
	assert_int_equal(sock_listen(listener, 5), 0);
	assert_true(sock_local(listener, &a));
	for (int i = 0; i < 3; i++) {
		char buf[500];
		ssize_t n, all = 0;

		finish();
		client = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&ss, addr_to_sock(&a, &ss)), 0);
		closed = false;
		h1_down_start(&d, l, &bufs, sock_accept(listener, NULL), &limits, &events, NULL, NULL);
		put(i == 2 ? "GET / HTTP/1.0\r\n\r\n" : RQ("GET /", ""));
		msg_init(&resp, false);
		resp.status = 200;
		resp.framing = i == 0 ? MSG_LENGTH : MSG_CHUNKED;
		resp.length = 10;
		st->ops->send_head(st, &resp, 0);
		st->ops->send_body(st, (struct slice){NULL, "abc", 3});
		turns(l, 2);
		st->ops->reset(st, HG_ERR_BACKEND_RESET);
		msg_release(&req);
		st = NULL;
		turns(l, 2);
		assert_true(closed);
		while ((n = recv(client, buf + all, sizeof(buf) - (size_t)all, 0)) > 0)
			all += n;
		if (i == 2)
			assert_int_equal(n, -1); /* a reset */
		if (i == 1)
			assert_memory_not_equal(buf + all - 5, "0\r\n\r\n", 5);
	}
	close(listener);
}

static void
too_short_is_cut(void **state)
{
	(void)state;
	put(RQ("GET /", ""));
	msg_init(&resp, false);
	resp.status = 200;
	resp.framing = MSG_LENGTH;
	resp.length = 10;
	st->ops->send_head(st, &resp, 0);
	st->ops->send_body(st, (struct slice){NULL, "abc", 3});
	st->ops->send_end(st, NULL);
	turns(l, 1);
	done();
	turns(l, 2);
	assert_true(closed);
}

/* Time is moved by moving what the connection remembers of it. */
static void
pass(uint64_t ms)
{
	uint64_t ns = ms * MS_NS;

	d.s.due = d.s.due > ns ? d.s.due - ns : 0;
	d.s.since = d.s.since > ns ? d.s.since - ns : 0;
	d.chan.last_progress = d.chan.last_progress > ns ? d.chan.last_progress - ns : 0;
	d.timer.fire(&d.timer);
	turns(l, 3);
}

static void
header_timeout(void **state)
{
	(void)state;
	put("GET / HTTP/1.1\r\nHost: h\r\nX-");
	assert_true(d.timer.deadline != 0);
	pass(9000);
	assert_string_equal(seen.p, "");
	put("A: b\r\n"); /* a byte now and then does not help */
	pass(1100);
	assert_string_equal(seen.p, "refuse-REQUEST_TIMEOUT ");
	assert_non_null(strstr(got(NULL), "HTTP/1.1 408 "));
	pass(2100); /* lingering ends too */
	assert_true(closed);
}

static void
idle_timeout_is_silent(void **state)
{
	(void)state;
	auto_answer = true;
	put(RQ("GET /a", ""));
	got(NULL);
	pass(59000);
	assert_false(closed);
	pass(1500);
	assert_true(closed);
	assert_true(ended());
}

static void
slow_body(void **state)
{
	(void)state;
	limits.body_rate = 2;
	put(RQ("POST /a", "Content-Length: 100\r\n"));
	pass(9000);
	put("0123456789"); /* five seconds' worth */
	pass(5900);
	assert_string_equal(seen.p, "POST /a <0123456789>");
	pass(200);
	assert_string_equal(seen.p, "POST /a <0123456789>refuse-REQUEST_TIMEOUT ");
	assert_non_null(strstr(got(NULL), "408"));
}

static void
our_slowness_is_not_the_clients(void **state)
{
	(void)state;
	window = 0;
	put(RQ("POST /a", "Content-Length: 100\r\n"));
	pass(60000);
	assert_string_equal(seen.p, "POST /a ");
	st->ops->credit(st, 100);
	pass(9000);
	assert_string_equal(seen.p, "POST /a ");
	pass(1100);
	assert_string_equal(seen.p, "POST /a refuse-REQUEST_TIMEOUT ");
}

static void
write_stall(void **state)
{
	static char block[60000];

	(void)state;
	put(RQ("GET /a", ""));
	msg_init(&resp, false);
	resp.status = 200;
	resp.framing = MSG_CHUNKED;
	st->ops->send_head(st, &resp, 0);
	for (int i = 0; i < 20; i++)
		st->ops->send_body(st, (struct slice){NULL, block, sizeof(block)});
	turns(l, 2);
	assert_true(st->ops->backlog(st) > 0);
	pass(29000);
	assert_string_equal(seen.p, "GET /a. ");
	for (int i = 0; i < 3; i++) { /* reads are progress */
		got(NULL);
		turns(l, 2);
	}
	pass(29000);
	assert_string_equal(seen.p, "GET /a. ");
	pass(1500);
	assert_string_equal(seen.p, "GET /a. reset-CLIENT_SLOW closed");
}

static void
request_count(void **state)
{
	(void)state;
	limits.requests_per_connection = 2;
	auto_answer = true;
	put(RQ("GET /a", "") RQ("GET /b", "") RQ("GET /c", ""));
	assert_string_equal(got(NULL), OK2 OK2_CLOSE);
	assert_string_equal(seen.p, "GET /a. GET /b. ");
}

static void
drain(void **state)
{
	(void)state;
	put(RQ("GET /a", ""));
	h1_down_drain(&d);
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), OK2_CLOSE);
	finish();
	begin();
	h1_down_drain(&d);
	turns(l, 1);
	assert_true(closed);
}

static void
no_room_is_503(void **state)
{
	(void)state;
	no_room = true;
	put(RQ("GET /a", ""));
	assert_non_null(strstr(got(NULL), "HTTP/1.1 503 Service Unavailable\r\n"));
	assert_true(ended());
}

static void
tunnels(void **state)
{
	(void)state;
	put(RQ("GET /a", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	assert_true(req.upgrade);
	msg_init(&resp, false);
	resp.status = 101;
	fields_add(&resp.fields, BYTES("Upgrade"), BYTES("websocket"), FIELD_UPGRADE);
	st->ops->send_head(st, &resp, STREAM_UPGRADE);
	st->ops->tunnel(st);
	st->ops->credit(st, 1 << 20);
	turns(l, 2);
	assert_string_equal(got(NULL), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	put("raw\r\n\r\nbytes");
	assert_string_equal(seen.p, "GET /a. <raw\r\n\r\nbytes>");
	st->ops->send_body(st, (struct slice){NULL, "back", 4});
	turns(l, 2);
	assert_string_equal(got(NULL), "back");
	shutdown(client, SHUT_WR);
	turns(l, 2);
	assert_string_equal(seen.p, "GET /a. <raw\r\n\r\nbytes>end ");
	st->ops->send_body(st, (struct slice){NULL, "last", 4});
	st->ops->send_end(st, NULL);
	done();
	turns(l, 3);
	assert_string_equal(got(NULL), "last");
	assert_true(ended());
	assert_true(closed);
}

/* The head is larger than a small buffer, and the response too. */
static void
large_heads(void **state)
{
	static char raw[9000], value[8000];

	(void)state;
	snprintf(raw, sizeof(raw), "GET /a HTTP/1.1\r\nHost: h\r\nX: %08000d\r\n\r\n", 7);
	put(raw);
	assert_string_equal(seen.p, "GET /a. ");
	memset(value, 'v', sizeof(value));
	msg_init(&resp, false);
	resp.status = 200;
	resp.framing = MSG_NONE;
	fields_add(&resp.fields, BYTES("X"), bytes_of(value, sizeof(value)), FIELD_OTHER);
	assert_int_equal(st->ops->send_head(st, &resp, STREAM_END), HG_OK);
	done();
	turns(l, 2);
	assert_true(strlen(got(NULL)) > 8000);
	assert_true(h1_down_idle(&d));
}

static void
any_split_gives_the_same_events(void **state)
{
	static const char *const raws[] = {
		RQ("GET /1", "X: y\r\n") "\r\n" RQ("GET /2", ""),
		RQ("POST /1", "Content-Length: 5\r\n") "abcde" RQ("GET /2", "Connection: close\r\n"),
		RQ("POST /1", "Transfer-Encoding: chunked\r\n") "3;a=b\r\nabc\r\n0\r\nX-T: v\r\n\r\n" RQ("GET /2", ""),
		RQ("POST /1", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n0\r\nX-T : v\r\n\r\n" RQ("GET /2", ""),
		RQ("GET /1", "") "GET /2 HTTP/1.1\r\nHost: h\r\n\rX\r\n\r\n",
		"GET /1 HTTP/1.0\r\nContent-Length: 1\r\n\r\nx" RQ("GET /2", ""),
	};

	(void)state;
	auto_answer = true;
	finish();
	for (size_t i = 0; i < HG_ARRAY_LEN(raws); i++) {
		size_t n = strlen(raws[i]);
		char first[500] = "", sent[2000] = "";

		for (size_t a = n; a >= 1; a--)
			for (size_t b = a; b <= n; b += n / 3 + 1) {
				const size_t cuts[] = {0, a, b, n};

				begin();
				for (int k = 0; k < 3; k++) {
					send(client, raws[i] + cuts[k], cuts[k + 1] - cuts[k], MSG_NOSIGNAL);
					turns(l, 3);
				}
				shutdown(client, SHUT_WR);
				turns(l, 4);
				if (first[0] == '\0') {
					snprintf(first, sizeof(first), "%s", seen.p);
					snprintf(sent, sizeof(sent), "%s", got(NULL));
				}
				assert_string_equal(seen.p, first);
				if (a != n)
					assert_string_equal(got(NULL), sent);
				finish();
			}
		begin(); /* one byte at a time */
		for (size_t k = 0; k < n; k++) {
			send(client, raws[i] + k, 1, MSG_NOSIGNAL);
			turns(l, 2);
		}
		shutdown(client, SHUT_WR);
		turns(l, 4);
		assert_string_equal(seen.p, first);
		finish();
	}
	begin();
}

/* What an idle connection costs, with the two buffers that it does not hold. */
static void
idle_memory(void **state)
{
	(void)state;
	assert_true(sizeof(struct h1_down) <= 448);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(keep_alive), T(http_1_0), T(pipelining), T(body_needs_credit), T(chunked_and_trailers),
		T(expect_continue), T(informational), T(head_and_bodiless), T(unknown_length),
		T(refusals_end_the_connection), T(early_response), T(half_close), T(half_close_with_all_at_once),
		T(client_goes), T(broken_responses_are_seen), T(too_short_is_cut), T(header_timeout),
		T(idle_timeout_is_silent), T(slow_body), T(our_slowness_is_not_the_clients), T(write_stall),
		T(request_count), T(drain), T(no_room_is_503), T(tunnels), T(large_heads),
		T(any_split_gives_the_same_events), T(idle_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
