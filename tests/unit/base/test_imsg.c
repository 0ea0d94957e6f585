/* test_imsg.c - messages and descriptors between two ends: order, bounds, queueing, death. */
#include "tests/unit/base/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/imsg.h"
#include "base/mem.h"

static struct imsg_chan a, b;
static struct imsg m;
static unsigned char payload[IMSG_MAX];
static size_t blocks;
static int next_fd;

/* The lowest free descriptor: equal before and after means that nothing leaked. */
static int
lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int
set_up(void **state)
{
	int fds[2];

	(void)state;
	blocks = mem_live();
	next_fd = lowest_fd();
	if (imsg_pair(fds) < 0)
		return -1;
	imsg_init(&a, fds[0]);
	imsg_init(&b, fds[1]);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	imsg_release(&a);
	imsg_release(&b);
	return mem_live() == blocks && lowest_fd() == next_fd ? 0 : -1;
}

static void
there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (unsigned char)(i * 31);
	assert_int_equal(imsg_recv(&b, &m), 0);
	assert_int_equal(imsg_send(&a, 7, 9, payload, sizeof(payload), NULL, 0), 0);
	assert_int_equal(imsg_send(&a, 8, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(imsg_recv(&b, &m), 1);
	assert_int_equal(m.type, 7);
	assert_int_equal(m.seq, 9);
	assert_int_equal(m.len, sizeof(payload));
	assert_memory_equal(m.data, payload, sizeof(payload));
	assert_int_equal(imsg_recv(&b, &m), 1);
	assert_int_equal(m.type, 8);
	assert_int_equal(m.len, 0);
	assert_int_equal(imsg_recv(&b, &m), 0);
	assert_true(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(a.fd, F_GETFL) & O_NONBLOCK);
}

static void
descriptors(void **state)
{
	int fds[IMSG_FDS], p[2], got;
	char c;

	(void)state;
	assert_int_equal(pipe(p), 0);
	for (unsigned i = 0; i < IMSG_FDS; i++)
		fds[i] = p[1];
	assert_int_equal(imsg_send(&a, 1, 1, "x", 1, fds, IMSG_FDS), 0);
	assert_int_equal(imsg_recv(&b, &m), 1);
	assert_int_equal(m.nfds, IMSG_FDS);
	got = imsg_take_fd(&m, 3);
	assert_true(got >= 0 && got != p[1]);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(imsg_take_fd(&m, 3), -1);
	assert_int_equal(imsg_take_fd(&m, IMSG_FDS), -1);
	assert_int_equal(write(got, "!", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	imsg_close_fds(&m);
	close(got);
	close(p[0]);
	close(p[1]);
}

static void
queueing(void **state)
{
	unsigned sent = 0, got = 0;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	/* Fill the socket, then wait in the queue, each with a descriptor that is closed here at
	 * once. */
	while (a.queued < 5) {
		int fd = dup(p[1]);

		assert_int_equal(imsg_send(&a, 5, sent++, payload, 16384, &fd, 1), 0);
		close(fd);
		assert_true(sent < 1000);
	}
	assert_int_equal(imsg_flush(&a), 0);
	while (got < sent) {
		int r = imsg_recv(&b, &m);

		if (r == 0) {
			assert_true(imsg_flush(&a) >= 0);
			continue;
		}
		assert_int_equal(r, 1);
		assert_int_equal(m.seq, got++);
		assert_int_equal(m.nfds, 1);
		imsg_close_fds(&m);
	}
	assert_int_equal(imsg_flush(&a), 1);
	assert_int_equal(a.queued, 0);
	close(p[0]);
	close(p[1]);
}

static void
queue_is_bounded(void **state)
{
	unsigned n = 0;

	(void)state;
	while (imsg_send(&a, 5, 0, payload, 1024, NULL, 0) == 0)
		assert_true(n++ < 5000);
	assert_int_equal(a.queued, 64);
	while (a.queued)
		if (imsg_recv(&b, &m) == 0)
			imsg_flush(&a);
	while (imsg_send(&a, 5, 0, payload, IMSG_MAX, NULL, 0) == 0)
		assert_true(n++ < 10000);
	assert_int_equal(a.queued, 1024 * 1024 / IMSG_MAX);
}

static void
dead_peer(void **state)
{
	(void)state;
	assert_int_equal(imsg_send(&b, 3, 0, "last", 4, NULL, 0), 0);
	imsg_release(&b);
	assert_int_equal(imsg_recv(&a, &m), 1);
	assert_int_equal(imsg_recv(&a, &m), -1);
	assert_int_equal(imsg_send(&a, 1, 0, "x", 1, NULL, 0), -1);
	assert_int_equal(imsg_wait(&a, &m, 1000), -1);
	imsg_release(&a);
	assert_int_equal(imsg_send(&a, 1, 0, "x", 1, NULL, 0), -1);
	assert_int_equal(imsg_recv(&a, &m), -1);
}

static void
bad_packets(void **state)
{
	uint32_t h[3] = {1, 2, 100};
	static char big[IMSG_MAX + 100];

	(void)state;
	assert_int_equal(send(a.fd, h, sizeof(h), 0), sizeof(h));
	assert_int_equal(imsg_recv(&b, &m), -1);
	assert_int_equal(send(a.fd, h, 5, 0), 5);
	assert_int_equal(imsg_recv(&b, &m), -1);
	h[2] = sizeof(big) - sizeof(h);
	memcpy(big, h, sizeof(h));
	assert_int_equal(send(a.fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(imsg_recv(&b, &m), -1);
}

/* More descriptors than a message may have: none may stay open here. */
static void
too_many_descriptors(void **state)
{
	struct {
		_Alignas(struct cmsghdr) char buf[CMSG_SPACE(sizeof(int) * 30)];
	} c = {0};
	uint32_t h[3] = {1, 2, 0};
	struct iovec iov = {h, sizeof(h)};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = c.buf,
	    .msg_controllen = sizeof(c.buf)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	int fds[30] = {0};

	(void)state;
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cm), fds, sizeof(fds));
	assert_int_equal(sendmsg(a.fd, &msg, 0), sizeof(h));
	assert_int_equal(imsg_recv(&b, &m), -1);
	assert_int_equal(m.nfds, 0);
}

static void
waiting(void **state)
{
	(void)state;
	assert_int_equal(imsg_wait(&b, &m, 0), 0);
	assert_int_equal(imsg_wait(&b, &m, 1), 0);
	assert_int_equal(imsg_send(&a, 4, 4, "y", 1, NULL, 0), 0);
	assert_int_equal(imsg_wait(&b, &m, -1), 1);
	assert_int_equal(m.type, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(there_and_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(descriptors, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(queueing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(queue_is_bounded, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dead_peer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(bad_packets, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_many_descriptors, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(waiting, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("imsg", tests, NULL, NULL);
}
