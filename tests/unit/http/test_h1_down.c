/*
 * test_h1_down.c - the client's side: framing, persistence, refusals, ends of all kinds. The
 * property at the end: however the bytes are cut, the events are the same.
 */
#include "tests/unit/http/down_rig.h"

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
	assert_string_equal(
	    got(NULL), "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
	put("GET /b HTTP/1.0\r\n\r\n");
	assert_string_equal(got(NULL), OK2_CLOSE);
	assert_true(ended());
}

static void
pipelining(void **state)
{
	(void)state;
	put(RQ("GET /1", "") RQ("GET /2", "")
		RQ("POST /3", "Content-Length: 3\r\n") "abc" RQ("GET /4", ""));
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
	put(RQ("POST /a",
	    "Transfer-Encoding: chunked\r\n")
	    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: v\r\nHost: evil\r\n\r\n");
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
	assert_string_equal(got(NULL),
	    "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
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
	assert_string_equal(
	    got(NULL), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc0123456789abcdef");
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
	    {"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", "refuse-BAD_REQUEST closed"},
	    {"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "refuse-MISDIRECTED closed"},
	    {RQ("POST /a", "Transfer-Encoding: chunked\r\n") "3\r\nabcXX",
		"POST /a <abc>refuse-BAD_REQUEST closed"},
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

/* Bytes behind a refused CONNECT were meant for the tunnel. */
static void
connect_ends_the_connection(void **state)
{
	(void)state;
	put("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n" RQ("GET /smuggled", ""));
	answer(501, "");
	done();
	turns(l, 3);
	assert_non_null(strstr(got(NULL), "Connection: close\r\n"));
	assert_true(ended());
	assert_string_equal(seen.p, "CONNECT h:443. ");
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
	assert_true(
	    send(client, RQ("GET /a", "") RQ("GET /b", ""), 2 * strlen(RQ("GET /a", "")), 0) > 0);
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
	    {RQ("POST /a", "Content-Length: 5\r\n") "abc",
		"POST /a <abc>reset-CLIENT_CLOSED closed"},
	    {RQ("POST /a", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n",
		"POST /a <abc>reset-CLIENT_CLOSED closed"},
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

/* Over TCP, since a reset and a FIN are told apart there. The client sees each kind of body broken.
 */
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
		h1_down_start(
		    &d, l, &bufs, sock_accept(listener, NULL), &limits, &events, NULL, NULL);
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

static void
tunnels(void **state)
{
	(void)state;
	put(RQ("GET /a", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	assert_true(req.upgrade && bytes_eq(req.protocol, BYTES("websocket")));
	msg_init(&resp, false);
	resp.status = 101;
	resp.protocol = BYTES("websocket");
	st->ops->send_head(st, &resp, STREAM_UPGRADE);
	st->ops->tunnel(st);
	st->ops->credit(st, 1 << 20);
	turns(l, 2);
	assert_string_equal(got(NULL),
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\n\r\n");
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
	    RQ("POST /1",
		"Transfer-Encoding: chunked\r\n") "3;a=b\r\nabc\r\n0\r\nX-T: v\r\n\r\n" RQ("GET /2",
		""),
	    RQ("POST /1", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n0\r\nX-T : v\r\n\r\n" RQ(
		"GET /2", ""),
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
					send(client, raws[i] + cuts[k], cuts[k + 1] - cuts[k],
					    MSG_NOSIGNAL);
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

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(keep_alive),
	    T(http_1_0),
	    T(pipelining),
	    T(body_needs_credit),
	    T(chunked_and_trailers),
	    T(expect_continue),
	    T(informational),
	    T(head_and_bodiless),
	    T(unknown_length),
	    T(refusals_end_the_connection),
	    T(early_response),
	    T(connect_ends_the_connection),
	    T(half_close),
	    T(half_close_with_all_at_once),
	    T(client_goes),
	    T(broken_responses_are_seen),
	    T(too_short_is_cut),
	    T(tunnels),
	    T(large_heads),
	    T(any_split_gives_the_same_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
