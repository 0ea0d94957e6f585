/* test_dgram.c - batches over loopback: what came in goes out as it was, from the address that was
 * asked; joined datagrams stay apart; what the kernel refuses is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "worker/l4/dgram.h"

static struct dgrams in;
static struct dgrams_out out;
static int here, there; /* a wildcard socket, and its client */
static struct addr here_at, there_at;

static int
udp(const char *at, struct addr *bound)
{
	struct addr a;
	int fd;

	assert_true(addr_parse(bytes_str(at), &a));
	fd = sock_bind(&a, true, true);
	assert_true(fd >= 0 && sock_local(fd, bound));
	return fd;
}

static void
point(int fd, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sock(to, &ss);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
}

static int
setup(void **state)
{
	uint16_t port;

	(void)state;
	dgram_init(&in);
	memset(&out, 0, sizeof(out));
	here = udp("0.0.0.0:0", &here_at);
	there = udp("127.0.0.1:0", &there_at);
	dgram_options(here, true, true, false);
	port = here_at.port;
	assert_true(addr_parse_ip(BYTES("127.0.0.9"), &here_at));
	here_at.port = port;
	point(there, &here_at);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dgram_release(&in);
	close(here);
	close(there);
	return 0;
}

static int
come(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	assert_int_equal(poll(&p, 1, 10000), 1);
	return dgram_recv(&in, fd);
}

static void
test_batch(void **state)
{
	struct dgram_local local;
	struct addr from;
	char buf[100];
	int n;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(send(there, "abcdef", (size_t)i + 1, 0), i + 1);
	assert_int_equal(send(there, "", 0, 0), 0);
	n = come(here);
	assert_int_equal(n, 6);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(dgram_len(&in, i), i + 1);
		assert_int_equal(dgram_count(&in, i), 1);
		assert_true(dgram_from(&in, i, &from) && addr_eq(&from, &there_at));
	}
	assert_int_equal(dgram_len(&in, 5), 0);
	local = dgram_to(&in, 0);
	assert_true(addr_eq_ip(&local.addr, &here_at));
	assert_int_equal(dgram_recv(&in, here), 0);

	/* The client is connected: an answer from another address would not reach it. */
	assert_int_equal(send(there, "ping", 4, 0), 4);
	assert_int_equal(come(here), 1);
	assert_int_equal(dgram_reply(&in, 0, &out, here, &there_at, &local), 0);
	assert_int_equal(out.n, 1);
	assert_int_equal(recv(there, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(dgram_flush(&out), 0);
	assert_int_equal(recv(there, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "ping", 4);
}

/* Twelve in one send, one receive, one send. */
static void
test_segments(void **state)
{
	static char big[12 * 1000], got[2000];
	struct addr mid_at, end_at;
	int mid = udp("127.0.0.1:0", &mid_at), end = udp("127.0.0.1:0", &end_at), size = 1000, n;
	uint32_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i / 1000);
	if (setsockopt(there, SOL_UDP, 103 /* UDP_SEGMENT */, &size, sizeof(size)) != 0) {
		print_message("SKIP no UDP_SEGMENT\n");
		skip();
	}
	point(mid, &end_at);
	assert_int_equal(send(there, big, sizeof(big), 0), sizeof(big));
	n = come(here);
	for (int i = 0; i < n; i++)
		count += dgram_count(&in, i);
	assert_int_equal(count, 12);
	assert_int_equal(dgram_forward(&in, mid, 0, n), n);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(recv(end, got, sizeof(got), 0), 1000);
		assert_int_equal(got[0], i);
		assert_int_equal(got[999], i);
	}
	close(mid);
	close(end);
}

static void
test_refused(void **state)
{
	struct addr gone_at, mid_at;
	int gone = udp("127.0.0.1:0", &gone_at), mid = udp("127.0.0.1:0", &mid_at);
	struct pollfd p = {mid, POLLIN, 0};

	(void)state;
	point(mid, &gone_at);
	close(gone);
	assert_int_equal(send(there, "x", 1, 0), 1);
	assert_int_equal(come(here), 1);
	assert_int_equal(dgram_forward(&in, mid, 0, 1), 1);
	/* ICMP has come by now: loopback knows no delay. */
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(send(there, "y", 1, 0), 1);
	assert_int_equal(come(here), 1);
	assert_int_equal(dgram_forward(&in, mid, 0, 1), 0);
	assert_int_equal(errno, ECONNREFUSED);
	close(mid);
}

/* One that cannot go out costs nobody else. */
static void
test_lost(void **state)
{
	struct dgram_local none = {0};
	struct addr bad = there_at;
	char buf[10];

	(void)state;
	bad.port = 0;
	assert_int_equal(send(there, "x", 1, 0), 1);
	assert_int_equal(come(here), 1);
	assert_int_equal(dgram_reply(&in, 0, &out, here, &there_at, &none), 0);
	assert_int_equal(dgram_reply(&in, 0, &out, here, &bad, &none), 0);
	assert_int_equal(dgram_reply(&in, 0, &out, here, &there_at, &none), 0);
	assert_int_equal(dgram_flush(&out), 1);
	/* Those had the kernel's choice of address, not the one that the client hears. */
	none = dgram_to(&in, 0);
	for (int i = 0; i < DGRAM_OUT + 2; i++)
		assert_int_equal(dgram_reply(&in, 0, &out, here, &there_at, &none), 0);
	assert_int_equal(out.n, 2); /* full once */
	assert_int_equal(dgram_flush(&out), 0);
	for (int i = 0; i < DGRAM_OUT + 2; i++)
		assert_int_equal(recv(there, buf, sizeof(buf), 0), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
