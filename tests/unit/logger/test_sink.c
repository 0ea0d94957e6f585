/* Batches to descriptors that take everything, a part, or nothing. */
#include "tests/unit/logger/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "logger/sink.h"

static size_t
read_all(int fd, char *buf, size_t cap)
{
	size_t n = 0;
	ssize_t r;

	while (n < cap && (r = read(fd, buf + n, cap - n)) > 0)
		n += (size_t)r;
	return n;
}

static void
test_batch(void **state)
{
	struct sink s;
	char buf[64];
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	sink_init(&s, p[1], false);
	sink_put(&s, BYTES("one\n"));
	sink_put(&s, BYTES("two\n"));
	assert_int_equal(read_all(p[0], buf, sizeof(buf)), 0);
	assert_true(sink_flush(&s));
	assert_int_equal(read_all(p[0], buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "one\ntwo\n", 8);
	sink_release(&s);
	close(p[0]);
}

/* Fill it until it takes nothing, then empty the other end: every byte comes, in order. */
static void
fill_and_drain(struct sink *s, int reader)
{
	static char line[1000], got[SINK_BATCH * 4];
	size_t put = 0, n = 0, r;

	for (unsigned i = 0; !s->blocked; i++) {
		memset(line, 'a' + (int)(i % 26), sizeof(line) - 1);
		line[sizeof(line) - 1] = '\n';
		if (!sink_fits(s, sizeof(line)) || i % 7 == 0)
			(void)sink_flush(s);
		if (sink_fits(s, sizeof(line))) {
			sink_put(s, bytes_of(line, sizeof(line)));
			put += sizeof(line);
		}
	}
	assert_true(s->n > 0);
	do {
		r = read_all(reader, got + n, sizeof(got) - n);
		n += r;
	} while (!sink_flush(s) || (r = read_all(reader, got + n, sizeof(got) - n)) > 0 ?
		(n += r, true) :
		false);
	assert_int_equal(n, put);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], i % 1000 == 999 ? '\n' : 'a' + (int)(i / 1000 % 26));
}

static void
test_full_pipe_waits_not(void **state)
{
	struct sink s;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	sink_init(&s, p[1], false);
	fill_and_drain(&s, p[0]);
	sink_release(&s);
	close(p[0]);
}

static void
test_full_socket_waits_not(void **state)
{
	struct sink s;
	int p[2];

	(void)state;
	/* The writing end blocks, as a journal's does. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	sink_init(&s, p[1], false);
	assert_true(s.socket);
	fill_and_drain(&s, p[0]);
	sink_release(&s);
	close(p[0]);
}

static void
test_shared_pipe_waits_not(void **state)
{
	struct sink s;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	sink_init(&s, p[1], true);
	fill_and_drain(&s, p[0]);
	sink_release(&s);
	close(p[1]);
	close(p[0]);
}

static void
test_off(void **state)
{
	struct sink s;

	(void)state;
	sink_init(&s, -1, false);
	for (unsigned i = 0; i < 100000; i++) {
		if (!sink_fits(&s, 4))
			assert_true(sink_flush(&s));
		sink_put(&s, BYTES("abc\n"));
	}
	assert_true(sink_flush(&s));
	assert_int_equal(s.n, 0);
	sink_release(&s);
}

static void
test_replace(void **state)
{
	struct sink s;
	char buf[64];
	int p[2], q[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_NONBLOCK | O_CLOEXEC), 0);
	sink_init(&s, p[1], false);
	sink_put(&s, BYTES("late\n"));
	sink_replace(&s, q[1]);
	assert_true(sink_flush(&s));
	assert_int_equal(read_all(p[0], buf, sizeof(buf)), 0);
	assert_int_equal(read_all(q[0], buf, sizeof(buf)), 5);
	sink_release(&s);
	close(p[0]);
	close(q[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_full_pipe_waits_not),
		cmocka_unit_test(test_full_socket_waits_not),
		cmocka_unit_test(test_shared_pipe_waits_not),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_replace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
