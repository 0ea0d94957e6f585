/*
 * test_h2_up.c - both adapters back to back: what one side's owner does is what the other side's
 * owner sees. Bodies in both directions, windows, trailers, resets, GOAWAY.
 */
#include "tests/unit/http/h2_rig.h"

#include <sys/un.h>

static struct h2_up u;
static bool up_open, up_closed;
static int listener;
static char path[64], dir[32];

struct call {
	struct msg req, resp;
	struct stream *st;
	uint64_t got;
	bool ended;
};
static struct call calls[STREAMS];
static uint64_t up_window;

static void
call_head(struct stream *s, struct msg *m, unsigned flags)
{
	struct call *c = s->owner;

	strbuf_printf(&seen, "%s%u%s ", flags & STREAM_INFO ? "info-" : "", m->status,
	    flags & STREAM_END ? "." : "");
	c->ended |= flags & STREAM_END && !(flags & STREAM_INFO);
}

static void
call_body(struct stream *s, struct slice piece)
{
	struct call *c = s->owner;
	uint32_t n = piece.n;

	c->got += n;
	slice_drop(&piece);
	if (up_window)
		s->ops->credit(s, n);
}

static void
call_end(struct stream *s, const struct fields *t)
{
	struct call *c = s->owner;

	c->ended = true;
	strbuf_printf(&seen, "up-end:%u", (unsigned)c->got);
	for (uint32_t i = 0; t && i < t->n; i++)
		strbuf_printf(&seen, "[%.*s]", BYTES_ARG(t->v[i].name));
	strbuf_addz(&seen, " ");
}

static void
call_reset(struct stream *s, enum hg_err e)
{
	struct call *c = s->owner;

	strbuf_printf(&seen, "up-reset-%s ", err_name(e));
	c->st = NULL;
	msg_release(&c->resp);
}

static void
call_drained(struct stream *s)
{
	(void)s;
	strbuf_addz(&seen, "up-drained ");
}

static const struct stream_events up_ev = {
    call_head, call_body, call_end, call_drained, call_reset, call_reset};

static void
u_open(struct h2_up *x)
{
	(void)x;
	up_open = true;
}

static void
u_failed(struct h2_up *x, enum hg_err e)
{
	(void)x;
	(void)e;
	strbuf_addz(&seen, "failed ");
}

static void
u_quiet(struct h2_up *x)
{
	(void)x;
}

static void
u_closed(struct h2_up *x)
{
	(void)x;
	up_closed = true;
}

static const struct h2_up_events u_events = {u_open, u_failed, u_quiet, u_closed};

static int
begin(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	setup(state);
	memset(calls, 0, sizeof(calls));
	up_window = 1 << 20;
	up_open = up_closed = false;
	snprintf(dir, sizeof(dir), "/tmp/h2-up-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(h2_up_connect(&u, &env, NULL, bytes_str(path), &u_events, NULL), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	h2_down_start(&d, &env, fd, &down_events, NULL);
	turns(l, 4);
	assert_true(up_open);
	return 0;
}

static int
finish(void **state)
{
	for (unsigned i = 0; i < STREAMS; i++)
		if (calls[i].st) {
			calls[i].st->ops->detach(calls[i].st);
			msg_release(&calls[i].resp);
		}
	if (!up_closed)
		h2_up_close(&u);
	if (!closed)
		h2_down_close(&d, HG_OK);
	release_all();
	turns(l, 3);
	assert_true(closed && up_closed);
	close(listener);
	unlink(path);
	rmdir(dir);
	return teardown(state);
}

static struct call *
request(unsigned i, const char *method, bool end)
{
	struct call *c = &calls[i];

	c->got = 0;
	c->ended = false;
	msg_init(&c->req, true);
	c->req.method = bytes_str(method);
	c->req.path = BYTES("/a");
	c->req.query = BYTES("x=1");
	c->req.authority = BYTES("h.example");
	c->st = h2_up_open(&u, &c->resp, &up_ev, c);
	assert_non_null(c->st);
	assert_int_equal(c->st->ops->send_head(c->st, &c->req, end ? STREAM_END : 0), HG_OK);
	if (up_window)
		c->st->ops->credit(c->st, up_window);
	return c;
}

static void
let_go(struct call *c)
{
	struct stream *s = c->st;

	c->st = NULL;
	s->ops->detach(s);
	msg_release(&c->resp);
}

static void
simple(void **state)
{
	struct call *c;

	(void)state;
	auto_answer = true;
	for (int i = 0; i < 3; i++) {
		c = request(0, "GET", true);
		turns(l, 6);
		assert_true(c->ended);
		assert_int_equal(c->resp.length, 2);
		let_go(c);
		turns(l, 2);
		assert_int_equal(u.h2.nstreams, 0);
	}
	assert_string_equal(seen.p, "GET /a?x=1@h.example. 200 up-end:2 "
				    "GET /a?x=1@h.example. 200 up-end:2 "
				    "GET /a?x=1@h.example. 200 up-end:2 ");
	assert_true(h2_up_usable(&u));
}

static void
head_request(void **state)
{
	struct call *c;

	(void)state;
	auto_answer = true;
	c = request(0, "HEAD", true);
	turns(l, 6);
	assert_string_equal(seen.p, "HEAD /a?x=1@h.example. 200. ");
	assert_int_equal(c->resp.length, 2);
	assert_true(c->resp.head);
	let_go(c);
}

static void
body_and_trailers(void **state)
{
	struct call *c = request(0, "POST", false);
	struct field store[2];
	struct fields t;

	(void)state;
	fields_init(&t, store, 2);
	fields_add(&t, BYTES("X-Sum"), BYTES("1 2"), FIELD_OTHER);
	fields_add(&t, BYTES("grpc-status"), BYTES("0"), FIELD_GRPC_STATUS);
	c->st->ops->send_body(c->st, (struct slice){NULL, "hello", 5});
	c->st->ops->send_end(c->st, &t);
	turns(l, 6);
	assert_string_equal(seen.p, "POST /a?x=1@h.example <hello>end[x-sum=1 2][grpc-status=0] ");
	answer(&reqs[0], 204, "", 0);
	done(&reqs[0]);
	turns(l, 4);
	assert_true(c->ended);
	let_go(c);
}

/* A megabyte down while the reader gives credit by and by: nothing is lost, and what is held is
 * bounded by windows. */
static void
large_answer(void **state)
{
	static char mb[1 << 20];
	struct call *c;

	(void)state;
	big = mb;
	big_n = sizeof(mb);
	auto_answer = true;
	up_window = 0;
	c = request(0, "GET", true);
	turns(l, 20);
	assert_int_equal(c->got, 0);
	assert_true(bufs.in_use < 1 << 20);
	for (int i = 0; i < 64 && !c->ended; i++) {
		c->st->ops->credit(c->st, 16384 + 100);
		turns(l, 6);
	}
	assert_true(c->ended);
	assert_int_equal(c->got, sizeof(mb));
	let_go(c);
}

/* A stream whose owner gives no credit does not stop its neighbour. */
static void
no_head_of_line(void **state)
{
	static char mb[1 << 20];
	struct call *a, *b;

	(void)state;
	memset(mb, 'x', sizeof(mb));
	window = 0;
	a = request(0, "POST", false);
	a->st->ops->send_body(a->st, (struct slice){NULL, mb, sizeof(mb)});
	turns(l, 10);
	window = 1 << 20;
	b = request(1, "POST", false);
	b->st->ops->send_body(b->st, (struct slice){NULL, mb, sizeof(mb)});
	b->st->ops->send_end(b->st, NULL);
	turns(l, 200);
	assert_non_null(strstr(seen.p, "end "));
	assert_true(a->st->ops->backlog(a->st) > 900000);
	assert_int_equal(b->st->ops->backlog(b->st), 0);
}

static void
many(void **state)
{
	(void)state;
	auto_answer = true;
	for (unsigned i = 0; i < 100; i++)
		request(i, "GET", true);
	assert_false(h2_up_usable(&u));
	turns(l, 10);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(calls[i].ended);
		let_go(&calls[i]);
	}
	turns(l, 2);
	assert_true(h2_up_usable(&u));
}

static void
resets(void **state)
{
	struct call *c = request(0, "GET", true);

	(void)state;
	turns(l, 4);
	reqs[0].st->ops->reset(reqs[0].st, HG_ERR_BACKEND_RESET);
	reqs[0].st = NULL;
	msg_release(&reqs[0].msg);
	turns(l, 4);
	assert_string_equal(seen.p, "GET /a?x=1@h.example. up-reset-BACKEND_RESET ");
	assert_null(c->st);
	c = request(1, "GET", true);
	turns(l, 4);
	let_go(c); /* gives up: the other side hears of it */
	turns(l, 4);
	assert_non_null(strstr(seen.p, "reset-CLIENT_CLOSED "));
}

/* An answer before the request's end: the rest is not wanted, nothing is cut off. */
static void
early_answer(void **state)
{
	struct call *c = request(0, "POST", false);

	(void)state;
	turns(l, 4);
	answer(&reqs[0], 403, "no", 2);
	done(&reqs[0]);
	turns(l, 6);
	assert_string_equal(seen.p, "POST /a?x=1@h.example 403 up-end:2 ");
	c->st->ops->send_body(c->st, (struct slice){NULL, "late", 4});
	c->st->ops->send_end(c->st, NULL);
	let_go(c);
	turns(l, 4);
	assert_int_equal(u.h2.nstreams, 0);
	assert_int_equal(d.h2.nstreams, 0);
}

static void
refused_stream(void **state)
{
	(void)state;
	no_room = true;
	request(0, "GET", true);
	turns(l, 6);
	assert_string_equal(seen.p, "up-reset-AGAIN ");
}

static void
informational(void **state)
{
	static struct msg m;
	struct call *c = request(0, "GET", true);

	(void)state;
	turns(l, 4);
	msg_init(&m, false);
	m.status = 103;
	fields_add(&m.fields, BYTES("Link"), BYTES("</x>"), FIELD_OTHER);
	reqs[0].st->ops->send_head(reqs[0].st, &m, STREAM_INFO);
	answer(&reqs[0], 200, "ok", 2);
	done(&reqs[0]);
	turns(l, 6);
	assert_string_equal(seen.p, "GET /a?x=1@h.example. info-103 200 up-end:2 ");
	let_go(c);
}

/* A drain: what runs is finished, nothing new is begun here, then the connection ends. */
static void
drain(void **state)
{
	struct call *c = request(0, "GET", true);

	(void)state;
	turns(l, 4);
	h2_down_drain(&d);
	turns(l, 4);
	assert_false(h2_up_usable(&u)); /* it has heard the first GOAWAY */
	d.h2.timer.fire(&d.h2.timer);   /* the second */
	turns(l, 4);
	assert_non_null(c->st);
	answer(&reqs[0], 200, "ok", 2);
	done(&reqs[0]);
	turns(l, 6);
	assert_true(c->ended);
	assert_non_null(c->st); /* whole: no reset, though the connection ends */
	let_go(c);
	turns(l, 6);
	assert_true(closed);
	assert_true(up_closed);
}

/* GOAWAY that is read before the request's head went out: nobody has looked at it. */
static void
crossed_by_goaway(void **state)
{
	static const char goaway[17] = {0, 0, 8, 7};

	(void)state;
	assert_int_equal(write(d.h2.chan.watch.fd, goaway, sizeof(goaway)), sizeof(goaway));
	shutdown(d.h2.chan.watch.fd, SHUT_WR); /* in one turn: the head cannot go out between */
	request(0, "GET", true);
	for (unsigned i = 0; i < 1000 && !(up_closed && closed); i++)
		turns(l, 1);
	assert_string_equal(seen.p, "up-reset-AGAIN closed");
	assert_int_equal(nreqs, 0);
}

/* The connection breaks: every owner hears of it, once. */
static void
broken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		request(i, "GET", true);
	turns(l, 4);
	h2_down_close(&d, HG_OK);
	release_all();
	turns(l, 4);
	assert_true(up_closed);
	for (unsigned i = 0; i < 5; i++)
		assert_null(calls[i].st);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, finish)
int
main(void)
{
	const struct CMUnitTest tests[] = {T(simple), T(head_request), T(body_and_trailers),
	    T(large_answer), T(no_head_of_line), T(many), T(resets), T(early_answer),
	    T(refused_stream), T(informational), T(drain),
	    T(crossed_by_goaway), T(broken)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
