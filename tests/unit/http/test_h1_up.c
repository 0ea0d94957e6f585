/*
 * test_h1_up.c - the backend's side against a listener that the test plays: what is written, what
 * is read, and above all which connections may be used again.
 */
#include "tests/unit/http/unit.h"

#include <netinet/in.h>

#include "base/strbuf.h"
#include "http/fields.h"
#include "net/sock.h"

static struct h1_limits limits;
static struct loop *l;
static struct bufs bufs;
static struct h1_up u;
static struct msg req, resp;
static struct stream *st;
static struct strbuf seen;
static int listener, backend;
static bool closed, detach_at_end;
static uint64_t window;
static struct addr at;

static void
done(void)
{
	struct stream *was = st;

	st = NULL;
	was->ops->detach(was);
	msg_release(&resp);
}

static void
on_head(struct stream *s, struct msg *m, unsigned flags)
{
	strbuf_printf(&seen, "%u%s%s ", m->status, flags & STREAM_INFO ? "i" : "",
	    flags & STREAM_END ? "." : "");
	if (!(flags & (STREAM_INFO | STREAM_END)) && window)
		s->ops->credit(s, window);
	if ((flags & STREAM_END) && detach_at_end)
		done();
}

static void
on_body(struct stream *s, struct slice piece)
{
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
	strbuf_printf(&seen, "end%s ", t ? "+t" : "");
	if (detach_at_end)
		done();
}

static void
on_reset(struct stream *s, enum hg_err e)
{
	(void)s;
	strbuf_printf(&seen, "reset-%s%s ", err_name(e), h1_up_got_bytes(&u) ? "" : "-silent");
	msg_release(&resp);
	st = NULL;
}

static const struct stream_events stream_ev = {on_head, on_body, on_end, NULL, NULL, on_reset};

static void
on_open(struct h1_up *x)
{
	(void)x;
	strbuf_addz(&seen, "open ");
}

static void
on_failed(struct h1_up *x, enum hg_err e)
{
	(void)x;
	strbuf_printf(&seen, "%s ", err_name(e));
}

static void
on_idle(struct h1_up *x)
{
	(void)x;
	strbuf_addz(&seen, "idle ");
}

static void
on_closed(struct h1_up *x)
{
	(void)x;
	closed = true;
	strbuf_addz(&seen, "closed");
}

static const struct h1_up_events events = {on_open, on_failed, on_idle, on_closed};

static void
begin(void)
{
	closed = false;
	strbuf_reset(&seen);
	assert_int_equal(h1_up_connect(&u, l, &bufs, &at, BYTES_NONE, &limits, &events, NULL), 0);
	turns(l, 3);
	assert_string_equal(seen.p, "open ");
	strbuf_reset(&seen);
	strbuf_addz(&seen, "");
	backend = sock_accept(listener, NULL);
	assert_true(backend >= 0);
}

static void
finish(void)
{
	if (!closed)
		h1_up_close(&u);
	if (st)
		msg_release(&resp);
	st = NULL;
	turns(l, 2);
	assert_true(closed);
	if (backend >= 0)
		close(backend);
	backend = -1;
	assert_int_equal(bufs.in_use, 0);
	assert_int_equal(bufs.queues.used, 0);
}

static int
setup(void **state)
{
	(void)state;
	limits = (struct h1_limits)TEST_LIMITS;
	window = 1 << 20;
	detach_at_end = true;
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 8 << 20), 0);
	at = (struct addr){.family = 4, .ip = {127, 0, 0, 1}};
	listener = sock_bind(&at, false, true);
	assert_int_equal(sock_listen(listener, 5), 0);
	assert_true(sock_local(listener, &at));
	begin();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	finish();
	close(listener);
	bufs_release(&bufs);
	loop_free(l);
	strbuf_release(&seen);
	return 0;
}

static void
ask(const char *method, uint8_t framing, uint64_t length, unsigned flags)
{
	msg_init(&req, true);
	req.method = bytes_str(method);
	req.path = BYTES("/p");
	req.query = BYTES("q=1");
	req.authority = BYTES("h:80");
	req.framing = framing;
	req.length = length;
	fields_add(&req.fields, BYTES("Host"), BYTES("other"), FIELD_HOST);
	fields_add(&req.fields, BYTES("X-A"), BYTES("b"), FIELD_OTHER);
	fields_add(&req.fields, BYTES("Connection"), BYTES("X-Hop"), FIELD_CONNECTION);
	fields_add(&req.fields, BYTES("X-Hop"), BYTES("1"), FIELD_OTHER);
	fields_add(&req.fields, BYTES("Content-Length"), BYTES("99"), FIELD_CONTENT_LENGTH);
	fields_hop_by_hop(&req.fields);
	st = h1_up_open(&u, &resp, &stream_ev, NULL);
	assert_int_equal(st->ops->send_head(st, &req, flags), HG_OK);
	turns(l, 1);
}

static void
get(void)
{
	ask("GET", MSG_NONE, 0, STREAM_END);
}

static void
say(const char *text)
{
	assert_int_equal(send(backend, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turns(l, 3);
}

static const char *
heard(void)
{
	static char buf[5000];
	ssize_t n = recv(backend, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[HG_MAX(n, 0)] = '\0';
	return buf;
}

static struct slice
text(const char *t)
{
	return (struct slice){NULL, t, (uint32_t)strlen(t)};
}

#define HEAD "GET /p?q=1 HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\n"

static void
requests_and_reuse(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(h1_up_usable(&u));
		get();
		assert_false(h1_up_usable(&u));
		assert_string_equal(heard(), HEAD "\r\n");
		say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
	}
	assert_string_equal(seen.p, "200 <abc>end idle 200 <abc>end idle 200 <abc>end idle ");
	assert_null(u.chan.in);
	assert_null(u.s.out.buf);
}

static void
request_bodies(void **state)
{
	(void)state;
	ask("POST", MSG_LENGTH, 5, 0);
	st->ops->send_body(st, text("abc"));
	st->ops->send_body(st, text("de"));
	st->ops->send_end(st, NULL);
	turns(l, 1);
	assert_string_equal(heard(),
	    "POST /p?q=1 HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\nContent-Length: 5\r\n\r\nabcde");
	say("HTTP/1.1 204 No Content\r\n\r\n");
	ask("POST", MSG_CHUNKED, 0, 0);
	st->ops->send_body(st, text("abc"));
	st->ops->send_end(st, NULL);
	turns(l, 1);
	assert_string_equal(heard(),
	    "POST /p?q=1 HTTP/1.1\r\nHost: h:80\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n0\r\n\r\n");
	say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(seen.p, "204. idle 200. idle ");
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define INFO "HTTP/1.1 100 C\r\n\r\n"

/* What may be said, what the owner sees of it, and what becomes of the connection. */
static const struct {
	const char *method, *raw, *seen;
	bool fin;
} cases[] = {
    {"GET", CHUNKED "3\r\nabc\r\n0\r\n\r\n",
	"200 <abc>end idle ", false},
    {"GET",
	CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
	"200 <abc>end+t idle ", false},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "200. idle ", false},
    {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "304. idle ", false},
    {"GET",
	"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"103i 200. idle ", false},
    /* good answers, used up connections */
    {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
	"200 <abc>end closed", false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 <abc>end closed",
	false},
    {"GET", "HTTP/1.1 200 OK\r\n\r\nabc", "200 <abc>end closed", true},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcX", "200 <abc>end closed",
	false},
    {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "204. closed",
	false},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200. closed", false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	"200. closed", false},
    /* the end in the wrong place */
    {"GET", "", "reset-BACKEND_RESET-silent closed", true},
    {"GET", "HTTP/1.1 20", "reset-BACKEND_RESET closed", true},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
	"200 <ab>reset-BACKEND_RESET closed", true},
    {"GET", CHUNKED "3\r\nabc\r\n",
	"200 <abc>reset-BACKEND_RESET closed", true},
    /* nonsense */
    {"GET", "garbage\r\n\r\n", "reset-BACKEND_BAD closed", false},
    {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
	"reset-BACKEND_BAD closed", false},
    {"GET", CHUNKED "3\r\nabcXX",
	"200 <abc>reset-BACKEND_BAD closed", false},
    {"GET",
	INFO INFO INFO INFO,
	"100i 100i 100i reset-BACKEND_BAD closed", false},
};

static void
responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			ask(cases[i].method, MSG_NONE, 0, STREAM_END);
			for (const char *p = cases[i].raw; bytewise && *p; p++) {
				if (send(backend, p, 1, MSG_NOSIGNAL) != 1)
					break;
				turns(l, 2);
			}
			if (!bytewise && *cases[i].raw)
				say(cases[i].raw);
			if (cases[i].fin)
				shutdown(backend, SHUT_WR);
			turns(l, 4);
			/* byte by byte the surplus comes after the connection went idle: it is
			 * closed then */
			if (bytewise && strstr(cases[i].seen, " closed") && strstr(seen.p, "idle "))
				assert_non_null(strstr(seen.p, "idle closed"));
			else
				assert_string_equal(seen.p, cases[i].seen);
			finish();
			begin();
		}
}

static void
idle_bytes_close(void **state)
{
	(void)state;
	get();
	say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npoisoned!");
	assert_string_equal(seen.p, "200. idle closed");
	finish();
	begin();
	shutdown(backend, SHUT_WR);
	turns(l, 2);
	assert_string_equal(seen.p, "closed");
}

static void
fin_with_the_answer(void **state)
{
	(void)state;
	get();
	assert_true(send(backend, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, 0) == 38);
	shutdown(backend, SHUT_WR);
	turns(l, 3);
	assert_string_equal(seen.p, "200. closed");
}

static void
early_response(void **state)
{
	(void)state;
	ask("POST", MSG_LENGTH, 100, 0);
	st->ops->send_body(st, text("abc"));
	turns(l, 1);
	say("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
	assert_string_equal(seen.p, "413 <big>end closed");
}

/* The backend answers and closes hard while we are still sending: the answer counts. */
static void
answer_before_the_reset(void **state)
{
	static char block[60000];
	struct linger hard = {1, 0};

	(void)state;
	detach_at_end = false;
	ask("POST", MSG_CHUNKED, 0, 0);
	for (int i = 0; i < 40; i++)
		st->ops->send_body(st, (struct slice){NULL, block, sizeof(block)});
	turns(l, 2);
	assert_true(
	    send(backend, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig", 48, 0) == 48);
	setsockopt(backend, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(backend);
	backend = -1;
	st->ops->send_body(st, (struct slice){NULL, block, sizeof(block)});
	turns(l, 4);
	assert_string_equal(seen.p, "413 <big>end ");
	done();
	turns(l, 2);
	assert_true(closed);
}

static void
credit_holds_the_body(void **state)
{
	(void)state;
	window = 0;
	get();
	say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
	assert_string_equal(seen.p, "200 ");
	st->ops->credit(st, 4);
	turns(l, 2);
	assert_string_equal(seen.p, "200 <0123>");
	st->ops->credit(st, 6);
	turns(l, 2);
	assert_string_equal(seen.p, "200 <0123456789>end idle ");
}

static void
incomplete_request_is_never_completed(void **state)
{
	(void)state;
	ask("POST", MSG_CHUNKED, 0, 0);
	st->ops->send_body(st, text("abc"));
	turns(l, 1);
	st->ops->reset(st, HG_ERR_CLIENT_CLOSED);
	msg_release(&resp);
	st = NULL;
	turns(l, 2);
	assert_true(closed);
	assert_null(strstr(heard(), "0\r\n\r\n"));
}

static void
upgrade(void **state)
{
	(void)state;
	detach_at_end = false;
	msg_init(&req, true);
	req.method = BYTES("GET");
	req.path = BYTES("/");
	req.authority = BYTES("h");
	req.protocol = BYTES("websocket");
	st = h1_up_open(&u, &resp, &stream_ev, NULL);
	st->ops->send_head(st, &req, STREAM_END | STREAM_UPGRADE);
	turns(l, 1);
	assert_string_equal(heard(),
	    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	window = 0;
	say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: upgrade\r\n\r\nfirst");
	assert_string_equal(seen.p, "101 ");
	st->ops->tunnel(st);
	st->ops->credit(st, 100);
	turns(l, 2);
	assert_string_equal(seen.p, "101 <first>");
	st->ops->send_body(st, text("raw"));
	st->ops->send_end(st, NULL);
	turns(l, 2);
	assert_string_equal(heard(), "raw");
	shutdown(backend, SHUT_WR);
	turns(l, 2);
	assert_string_equal(seen.p, "101 <first>end ");
	done();
	turns(l, 2);
	assert_true(closed);
}

static void
nobody_listens(void **state)
{
	(void)state;
	finish();
	close(listener);
	closed = false;
	strbuf_reset(&seen);
	assert_int_equal(h1_up_connect(&u, l, &bufs, &at, BYTES_NONE, &limits, &events, NULL), 0);
	turns(l, 3);
	assert_string_equal(seen.p, "CONNECT_FAILED closed");
	listener = socket(AF_INET, SOCK_STREAM, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(requests_and_reuse),
	    T(request_bodies),
	    T(responses),
	    T(idle_bytes_close),
	    T(fin_with_the_answer),
	    T(early_response),
	    T(answer_before_the_reset),
	    T(credit_holds_the_body),
	    T(incomplete_request_is_never_completed),
	    T(upgrade),
	    T(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
