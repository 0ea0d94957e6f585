/* test_chan.c - reading under pause, growing buffers, one call a turn, partial sends, ends of all
 * kinds. */
#include "tests/unit/net/unit.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "net/sock.h"

struct side {
	struct chan chan;
	char got[300000];
	size_t got_n, want;    /* consumes only in pieces of `want`, if set */
	int calls, eofs, errors, drains, opens, blocks;
	enum hg_err err;
	bool close_in_data, pause_in_data;
};

static struct loop *l;
static struct bufs bufs;
static struct side s;
static int peer;

static uint32_t
on_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct side *x = c->owner;
	uint32_t k = x->want ? (uint32_t)(n / x->want * x->want) : n;

	x->calls++;
	memcpy(x->got + x->got_n, b->data + off, k);
	x->got_n += k;
	if (x->close_in_data)
		chan_close(c);
	if (x->pause_in_data)
		chan_pause(c);
	return k;
}

static void
on_open(struct chan *c)
{
	((struct side *)c->owner)->opens++;
}

static void
on_eof(struct chan *c)
{
	((struct side *)c->owner)->eofs++;
}

static void
on_drained(struct chan *c)
{
	((struct side *)c->owner)->drains++;
}

static void
on_error(struct chan *c, enum hg_err e)
{
	((struct side *)c->owner)->errors++;
	((struct side *)c->owner)->err = e;
}

static void
on_blocked(struct chan *c)
{
	((struct side *)c->owner)->blocks++;
}

static const struct chan_events events = {
    on_open, on_data, on_eof, on_drained, on_error, on_blocked};

static int
setup(void **state)
{
	int fd[2];

	(void)state;
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 1 << 20), 0);
	pair(fd);
	memset(&s, 0, sizeof(s));
	chan_init(&s.chan, l, &bufs, fd[0], &events, &s);
	peer = fd[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	chan_close(&s.chan);
	close(peer);
	assert_int_equal(bufs.in_use, 0);
	assert_int_equal(bufs.queues.used, 0);
	bufs_release(&bufs);
	loop_free(l);
	return 0;
}

static void
put(const char *text)
{
	assert_int_equal(send(peer, text, strlen(text), 0), (ssize_t)strlen(text));
}

static struct slice
piece(const char *text)
{
	return (struct slice){NULL, text, (uint32_t)strlen(text)};
}

static void
speculative_read(void **state)
{
	(void)state;
	put("hello");
	chan_start(&s.chan, true);
	assert_int_equal(s.got_n, 5);
	assert_null(s.chan.in);
	put(" again");
	turns(l, 1);
	assert_memory_equal(s.got, "hello again", 11);
}

static void
rest_comes_again(void **state)
{
	(void)state;
	s.want = 4;
	chan_start(&s.chan, false);
	put("abcdef");
	turns(l, 1);
	assert_int_equal(s.got_n, 4);
	put("gh");
	turns(l, 1);
	assert_memory_equal(s.got, "abcdefgh", 8);
	assert_null(s.chan.in);
}

static void
pause_and_resume(void **state)
{
	(void)state;
	s.pause_in_data = true;
	s.want = 2;
	chan_start(&s.chan, false);
	put("abc");
	turns(l, 2);
	put("def");
	turns(l, 3);
	assert_int_equal(s.got_n, 2);
	assert_int_equal(s.calls, 1);
	s.pause_in_data = false;
	s.want = 1;
	chan_resume(&s.chan);
	turns(l, 1);
	assert_memory_equal(s.got, "abcdef", 6);
}

/* Nothing is consumed until 20,000 bytes are there: the buffer grows from small to large. */
static void
grows(void **state)
{
	char *big = mem_alloc(20000);

	(void)state;
	memset(big, 'x', 20000);
	s.want = 20000;
	chan_start(&s.chan, false);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(send(peer, big, 1000, 0), 1000);
		turns(l, 2);
	}
	assert_int_equal(s.got_n, 20000);
	mem_free(big);
}

static void
eof_after_data(void **state)
{
	(void)state;
	chan_start(&s.chan, false);
	put("bye");
	shutdown(peer, SHUT_WR);
	turns(l, 2);
	assert_int_equal(s.got_n, 3);
	assert_int_equal(s.eofs, 1);
	/* our direction lives on */
	chan_send(&s.chan, piece("answer"));
	turns(l, 2);
	assert_int_equal(recv(peer, s.got, 100, 0), 6);
	assert_int_equal(s.eofs, 1);
}

static void
eof_waits_for_resume(void **state)
{
	(void)state;
	chan_start(&s.chan, false);
	chan_pause(&s.chan);
	put("bye");
	shutdown(peer, SHUT_WR);
	turns(l, 3);
	assert_int_equal(s.eofs, 0);
	chan_resume(&s.chan);
	turns(l, 2);
	assert_int_equal(s.eofs, 1);
	assert_int_equal(s.got_n, 3);
}

static void
close_inside_data(void **state)
{
	(void)state;
	s.close_in_data = true;
	chan_start(&s.chan, false);
	put("abc");
	turns(l, 2);
	assert_true(s.chan.closed);
	assert_int_equal(s.calls, 1);
	chan_close(&s.chan);
}

/* More slices than a record holds, in order, from counted buffers, joined where they touch. */
static void
many_slices(void **state)
{
	struct buf *b = buf_new(&bufs, 1);
	char got[1000];

	(void)state;
	chan_start(&s.chan, false);
	for (int i = 0; i < 90; i++) {
		b->data[i] = (char)('!' + i);
		chan_send(&s.chan, slice_of(b, b->data + i, 1));
		if (i % 3 == 0)
			chan_send(&s.chan, piece("-"));
	}
	assert_int_equal(s.chan.queued, 120);
	buf_unref(b);
	turns(l, 1);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 120);
	assert_memory_equal(got, "!-\"#$-", 6);
	assert_int_equal(s.chan.queued, 0);
}

/* A peer that does not read: back-pressure, one `blocked`, one `drained`, nothing lost. */
static void
partial_sends(void **state)
{
	static char got[4 << 20];
	size_t sent = 0, n = 0;

	(void)state;
	chan_start(&s.chan, false);
	for (int i = 0; i < 12; i++) {
		struct buf *b = buf_new(&bufs, 60000);

		memset(b->data, 'a' + i, 60000);
		chan_send(&s.chan, slice_of(b, b->data, 60000));
		buf_unref(b);
		sent += 60000;
	}
	turns(l, 2);
	assert_true(s.chan.queued > 0);
	assert_true(s.blocks > 0);
	while (n < sent) {
		ssize_t k = recv(peer, got + n, sizeof(got) - n, 0);

		if (k > 0)
			n += (size_t)k;
		turns(l, 1);
	}
	assert_int_equal(n, sent);
	assert_int_equal(s.drains, 1);
	for (size_t i = 0; i < n; i++)
		if (got[i] != (char)('a' + i / 60000))
			fail_msg("byte %zu", i);
}

/* What waited for credit comes before the end, also when the end is seen in the same turn. */
static void
rest_comes_before_the_end(void **state)
{
	(void)state;
	s.want = 4;
	s.pause_in_data = true;
	put("hello");
	chan_start(&s.chan, false);
	turns(l, 1);
	assert_int_equal(s.got_n, 4);
	shutdown(peer, SHUT_WR);
	s.want = 0;
	s.pause_in_data = false;
	chan_resume(&s.chan);
	s.chan.watch.ready(&s.chan.watch, EPOLLIN | EPOLLRDHUP);
	assert_int_equal(s.got_n, 5);
	assert_int_equal(s.eofs, 1);
	turns(l, 1);
	assert_int_equal(s.eofs, 1);
	assert_memory_equal(s.got, "hello", 5);
}

static void
reset_is_told(void **state)
{
	(void)state;
	chan_start(&s.chan, false);
	close(peer);
	peer = -1;
	chan_send(&s.chan, piece("x"));
	turns(l, 3);
	assert_true(s.eofs + s.errors >= 1);
}

/* After a failed write the peer's last words are still read, if that is wanted. */
static void
last_words(void **state)
{
	(void)state;
	s.chan.drain_on_error = true;
	chan_start(&s.chan, false);
	put("413");
	close(peer);
	peer = -1;
	chan_send(&s.chan, piece("upload"));
	turns(l, 3);
	assert_memory_equal(s.got, "413", 3);
	assert_true(s.eofs + s.errors >= 1);
}

static void
linger_drops_and_ends(void **state)
{
	char got[10];

	(void)state;
	chan_start(&s.chan, false);
	chan_send(&s.chan, piece("bye"));
	chan_linger(&s.chan);
	turns(l, 2);
	put("unwanted");
	turns(l, 2);
	assert_int_equal(s.got_n, 0);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 3);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 0);
	assert_int_equal(s.eofs, 0);
	shutdown(peer, SHUT_WR);
	turns(l, 2);
	assert_int_equal(s.eofs, 1);
}

static void
finish_tells_when_sent(void **state)
{
	(void)state;
	chan_start(&s.chan, false);
	chan_send(&s.chan, piece("bye"));
	chan_finish(&s.chan);
	assert_int_equal(s.eofs, 0);
	turns(l, 1);
	assert_int_equal(s.eofs, 1);
}

/* Out of buffers: the channel fails, the process does not. */
static void
no_buffers(void **state)
{
	(void)state;
	bufs.limit = 0;
	chan_start(&s.chan, false);
	put("x");
	turns(l, 1);
	assert_int_equal(s.err, HG_ERR_NOMEM);
	bufs.limit = 1 << 20;
}

/* What comes first is looked at before there is a channel, and may be the end of it. */
static int looks, verdict;

static int
look_at(struct chan *c, uint32_t flags)
{
	char text[4];

	(void)flags;
	looks++;
	if (verdict > 0)
		assert_int_equal(recv(c->watch.fd, text, 4, 0), 4);
	return verdict;
}

static void
first(void **state)
{
	static const struct chan_look look = {look_at};
	static struct side c;
	int fd[2];

	(void)state;
	for (int last = -1; last <= 1; last += 2) {
		c = (struct side){0};
		looks = verdict = 0;
		pair(fd);
		chan_init(&c.chan, l, &bufs, fd[0], &events, &c);
		chan_first(&c.chan, &look);
		assert_int_equal(write(fd[1], "ab", 2), 2);
		chan_start(&c.chan, true);
		turns(l, 2);
		assert_int_equal(looks, 1);
		verdict = last;
		assert_int_equal(write(fd[1], "cdef", 4), 4);
		turns(l, 2);
		assert_int_equal(looks, 2);
		assert_int_equal(c.opens, last > 0);
		assert_int_equal(c.errors, last < 0);
		assert_int_equal(c.got_n, last > 0 ? 2 : 0);
		chan_close(&c.chan);
		close(fd[1]);
	}
}

static void
quiet(void **state)
{
	(void)state;
	chan_start(&s.chan, false);
	turns(l, 2);
	assert_true(chan_quiet(&s.chan));
	chan_pause(&s.chan);
	put("surplus");
	turns(l, 1);
	assert_false(chan_quiet(&s.chan));
}

static void
connects(void **state)
{
	struct addr a = {.family = 4, .ip = {127, 0, 0, 1}}, got;
	int listener = sock_bind(&a, false, true), fd;
	static struct side c;

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(sock_listen(listener, 5), 0);
	assert_true(sock_local(listener, &got));
	a.port = got.port;
	assert_int_equal(chan_connect(&c.chan, l, &bufs, &a, BYTES_NONE, &events, &c), 0);
	chan_send(&c.chan, piece("early"));
	turns(l, 3);
	assert_int_equal(c.opens, 1);
	fd = sock_accept(listener, &got);
	assert_true(fd >= 0);
	assert_int_equal(recv(fd, c.got, 10, 0), 5);
	close(fd);
	chan_close(&c.chan);
	/* what is said first goes out first, whatever was queued before */
	assert_int_equal(chan_connect(&c.chan, l, &bufs, &a, BYTES_NONE, &events, &c), 0);
	chan_send(&c.chan, piece("later"));
	assert_true(chan_greet(&c.chan, "first,", 6));
	turns(l, 3);
	fd = sock_accept(listener, &got);
	assert_int_equal(recv(fd, c.got, 20, 0), 11);
	assert_memory_equal(c.got, "first,later", 11);
	close(fd);
	chan_close(&c.chan);
	/* closed before it could say it */
	assert_int_equal(chan_connect(&c.chan, l, &bufs, &a, BYTES_NONE, &events, &c), 0);
	assert_true(chan_greet(&c.chan, "first,", 6));
	chan_close(&c.chan);
	/* nobody listens any more */
	close(listener);
	c.errors = 0;
	assert_int_equal(chan_connect(&c.chan, l, &bufs, &a, BYTES_NONE, &events, &c), 0);
	turns(l, 3);
	assert_int_equal(c.errors, 1);
	assert_int_equal(c.err, HG_ERR_CONNECT_FAILED);
	chan_close(&c.chan);
	assert_int_equal(
	    chan_connect(&c.chan, l, &bufs, NULL, BYTES("/nonexistent/socket"), &events, &c), -1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(speculative_read),
	    T(rest_comes_again),
	    T(pause_and_resume),
	    T(grows),
	    T(eof_after_data),
	    T(eof_waits_for_resume),
	    T(close_inside_data),
	    T(many_slices),
	    T(partial_sends),
	    T(rest_comes_before_the_end),
	    T(reset_is_told),
	    T(last_words),
	    T(linger_drops_and_ends),
	    T(finish_tells_when_sent),
	    T(no_buffers),
	    T(first),
	    T(quiet),
	    T(connects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
