/* test_tube.c - long bytes go from socket to socket through a pipe: whole and in order with what
 * was queued, with ends, slow readers, peers that go away; short ones are copied again. */
#include "tests/unit/net/unit.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#include "net/sock.h"
#include "net/tube.h"

struct end {
	struct chan chan;
	int eofs, errors;
	enum hg_err err;
};

static struct loop *l;
static struct bufs bufs;
static struct pipes pipes;
static struct end a, b;     /* bytes go from a to b */
static struct tube tube;
static uint64_t bytes, moved;
static int source, sink;    /* the other ends */
static bool was_on;

static uint32_t
on_data(struct chan *c, struct buf *buf, uint32_t off, uint32_t n)
{
	if (c != &a.chan)
		return n;
	bytes += n;
	chan_send(&b.chan, slice_of(buf, buf->data + off, n));
	if (b.chan.over_high && !b.chan.closed)
		chan_pause(c);
	if (tube_pays(c, &b.chan, n)) {
		was_on = true;
		tube_on(&tube);
	}
	return n;
}

static void
on_eof(struct chan *c)
{
	((struct end *)c->owner)->eofs++;
	if (c == &a.chan)
		chan_shutdown(&b.chan);
}

static void
on_drained(struct chan *c)
{
	if (c == &b.chan)
		tube_wake(&tube);
}

static void
on_error(struct chan *c, enum hg_err e)
{
	((struct end *)c->owner)->errors++;
	((struct end *)c->owner)->err = e;
	chan_close(c);
}

static const struct chan_events events = {
    .data = on_data, .eof = on_eof, .drained = on_drained, .error = on_error};

/* Two ends of a TCP connection. */
static void
tcp_pair(int fd[2])
{
	struct addr at;
	int listener;

	assert_true(addr_parse(BYTES("127.0.0.1:0"), &at));
	listener = sock_bind(&at, false, true);
	assert_true(listener >= 0 && sock_listen(listener, 1) == 0 && sock_local(listener, &at));
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_storage ss;
		socklen_t n = addr_to_sock(&at, &ss);

		assert_int_equal(connect(fd[0], (struct sockaddr *)&ss, n), 0);
	}
	fd[1] = sock_accept(listener, NULL);
	assert_true(fd[1] >= 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	close(listener);
}

static int
setup(void **state)
{
	int fd[2];

	(void)state;
	l = loop_new();
	assert_int_equal(bufs_init(&bufs, 4 << 20), 0);
	bytes = moved = 0;
	was_on = false;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	tcp_pair(fd);
	source = fd[0];
	chan_init(&a.chan, l, &bufs, fd[1], &events, &a);
	tcp_pair(fd);
	sink = fd[0];
	chan_init(&b.chan, l, &bufs, fd[1], &events, &b);
	a.chan.drain_on_error = b.chan.drain_on_error = true;
	tube_init(&tube, &a.chan, &b.chan, &pipes, &bytes, &moved);
	chan_start(&a.chan, false);
	chan_start(&b.chan, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	chan_close(&a.chan);
	chan_close(&b.chan);
	pipes_release(&pipes);
	if (source >= 0)
		close(source);
	if (sink >= 0)
		close(sink);
	assert_int_equal(bufs.in_use, 0);
	assert_int_equal(bufs.queues.used, 0);
	bufs_release(&bufs);
	loop_free(l);
	return 0;
}

static unsigned char
byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

static size_t
push_some(size_t at, size_t end)
{
	static unsigned char buf[200000];
	size_t n = HG_MIN(end - at, sizeof(buf));
	ssize_t r;

	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(at + i);
	r = n ? send(source, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	return at + (r > 0 ? (size_t)r : 0);
}

/* What the sink has, checked; *end: the FIN came. */
static size_t
pull(size_t at, size_t most, bool *end)
{
	static unsigned char buf[300000];
	ssize_t r = recv(sink, buf, HG_MIN(most, sizeof(buf)), MSG_DONTWAIT);

	*end = r == 0;
	for (ssize_t i = 0; i < r; i++)
		if (buf[i] != byte_at(at + (size_t)i))
			fail_msg("byte %zu is wrong", at + (size_t)i);
	return at + (r > 0 ? (size_t)r : 0);
}

static void
carry(size_t total, size_t piece)
{
	size_t out = 0, in = 0;
	bool end = false;

	for (int i = 0; i < 2000000 && !end; i++) {
		if (out < total && (out = push_some(out, total)) == total)
			assert_int_equal(shutdown(source, SHUT_WR), 0);
		loop_turn(l, 0);
		in = pull(in, piece, &end);
	}
	assert_true(end);
	assert_int_equal(in, total);
	assert_int_equal(bytes, total);
	assert_int_equal(a.eofs, 1);
	assert_int_equal(a.errors + b.errors, 0);
}

static void
test_long(void **state)
{
	(void)state;
	carry(40u << 20, 300000);
	assert_true(was_on && moved);
	assert_true(pipes.made >= 1 && pipes.n == pipes.made);
}

static void
test_slow_reader(void **state)
{
	(void)state;
	carry(6u << 20, 5000);
	assert_true(was_on);
}

static void
test_short(void **state)
{
	(void)state;
	carry(9000, 9000);
	assert_false(was_on);
	assert_int_equal(pipes.made, 0);
}

/* Without a pipe it is a chan like any other. */
static void
test_no_pipe(void **state)
{
	(void)state;
	pipes.made = PIPES_MAX;
	carry(4u << 20, 300000);
	assert_false(tube.on);
	pipes.made = 0;
}

/* Fills everything in between, so that bytes are in the pipe. */
static void
stuff(void)
{
	size_t out = 0;

	for (int i = 0; i < 400; i++) {
		out = push_some(out, 1u << 30);
		loop_turn(l, 0);
	}
	assert_true(was_on && tube.on && tube.have > 0 && a.chan.paused);
}

static void
test_sink_goes(void **state)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	(void)state;
	stuff();
	setsockopt(sink, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(sink);
	sink = -1;
	for (int i = 0; i < 50 && b.errors == 0; i++)
		loop_turn(l, 10);
	assert_int_equal(b.errors, 1);
	/* What is left is nobody's: it is read and dropped, and the end is seen. */
	assert_int_equal(shutdown(source, SHUT_WR), 0);
	chan_resume(&a.chan);
	tube_wake(&tube);
	for (int i = 0; i < 500 && a.eofs == 0; i++)
		loop_turn(l, 10);
	assert_int_equal(a.eofs, 1);
}

static void
test_closed_when_full(void **state)
{
	(void)state;
	stuff();
	chan_close(&a.chan);
	assert_int_equal(pipes.made, 0); /* a pipe with bytes in it is of no use to others */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sink_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_when_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
