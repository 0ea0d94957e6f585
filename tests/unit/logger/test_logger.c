/* The whole role in a forked child: rings in, bytes out. */
#include "tests/unit/logger/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/imsg.h"
#include "logger/logger.h"

static struct bench {
	struct imsg_chan chan;
	struct slot_segment *slot;
	int region, out;
	pid_t pid;
} b;

static int
setup(void **state)
{
	int pair[2], p[2];
	struct proto_ring ring = {0};

	(void)state;
	assert_int_equal(imsg_pair(pair), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	b.region = region_create("unit-slot", sizeof(struct slot_segment));
	b.slot = region_map(b.region, sizeof(struct slot_segment), 1);
	assert_non_null(b.slot);
	b.pid = fork();
	if (b.pid == 0) {
		struct role_env env = {.chan = pair[1], .accesslog = p[1]};

		close(pair[0]);
		close(p[0]);
		fcntl(p[1], F_SETFL, O_NONBLOCK);
		_exit(logger_run(&env));
	}
	close(pair[1]);
	close(p[1]);
	imsg_init(&b.chan, pair[0]);
	b.out = p[0];
	return imsg_send(&b.chan, PROTO_RING, 0, &ring, sizeof(ring), &b.region, 1);
}

static int
teardown(void **state)
{
	int status = -1;
	struct proto_drain d = {1000};

	(void)state;
	(void)imsg_send(&b.chan, PROTO_DRAIN, 0, &d, sizeof(d), NULL, 0);
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_int_equal(status, 0);
	imsg_release(&b.chan);
	close(b.out);
	close(b.region);
	munmap(b.slot, sizeof(*b.slot));
	return 0;
}

static void
expect(int fd, const char *want)
{
	char buf[4096];
	size_t n = 0, len = strlen(want);

	while (n < len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t r;

		assert_int_equal(poll(&p, 1, 10000), 1);
		r = read(fd, buf + n, sizeof(buf) - n);
		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_int_equal(n, len);
	assert_memory_equal(buf, want, len);
}

static void
test_lines_come_out(void **state)
{
	(void)state;
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("GET /\n")), 0);
	expect(b.out, "GET /\n");
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("GET /2\n")), 0);
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("GET /3\n")), 0);
	expect(b.out, "GET /2\nGET /3\n");
}

static void
test_half_written_record_of_a_dead_worker(void **state)
{
	char *at;

	(void)state;
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("whole\n")), 0);
	at = ring_reserve(&b.slot->ring, 100);
	assert_non_null(at);
	memcpy(at, "half of a li", 12); /* and then it died */
	expect(b.out, "whole\n");
	/* Its successor goes on in the same ring. */
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("next\n")), 0);
	expect(b.out, "next\n");
}

static void
test_garbage_in_the_ring(void **state)
{
	(void)state;
	memset(b.slot->ring.data, 0xff, sizeof(b.slot->ring.data));
	atomic_store(&b.slot->ring.head, 12345678);
	/* The ring is skipped up to its head; then it works again. */
	while (atomic_load(&b.slot->ring.tail) != (12345678 & ~7ull) &&
	    atomic_load(&b.slot->ring.tail) != 12345678)
		(void)poll(NULL, 0, 1);
	atomic_store(&b.slot->ring.head, atomic_load(&b.slot->ring.tail));
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("sane\n")), 0);
	expect(b.out, "sane\n");
}

static void
test_reopen(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("old\n")), 0);
	expect(b.out, "old\n");
	assert_int_equal(imsg_send(&b.chan, PROTO_REOPEN, 0, NULL, 0, &p[1], 1), 0);
	close(p[1]);
	/* The old descriptor is closed: its reader sees the end. */
	{
		struct pollfd w = {.fd = b.out, .events = POLLIN};
		char c;

		assert_int_equal(poll(&w, 1, 10000), 1);
		assert_int_equal(read(b.out, &c, 1), 0);
	}
	assert_int_equal(ring_put(&b.slot->ring, SLOT_RING_ACCESS, BYTES("new\n")), 0);
	expect(p[0], "new\n");
	close(p[0]);
}

static void
test_blocked_sink_leaves_lines_to_the_worker(void **state)
{
	static char line[8000];
	unsigned put = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	/* Nobody reads: the pipe, the batch and the ring fill up, and then the worker is told so.
	 */
	for (unsigned full = 0; full < 200;) {
		if (ring_put(&b.slot->ring, SLOT_RING_ACCESS, bytes_of(line, sizeof(line))) == 0) {
			put++;
			full = 0;
		} else {
			full++;
			(void)poll(NULL, 0, 1);
		}
		assert_true(put < 2000);
	}
	assert_true(put > 100);
	/* Now somebody reads: nothing that was taken is lost. */
	for (size_t n = 0; n < put * sizeof(line);) {
		char buf[65536];
		struct pollfd p = {.fd = b.out, .events = POLLIN};
		ssize_t r;

		assert_int_equal(poll(&p, 1, 10000), 1);
		r = read(b.out, buf, sizeof(buf));
		assert_true(r > 0);
		n += (size_t)r;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_lines_come_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_half_written_record_of_a_dead_worker, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_garbage_in_the_ring, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_blocked_sink_leaves_lines_to_the_worker, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
