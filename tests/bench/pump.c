/*
 * pump.c - the two ends of benchmarks of relays: long transfers over TCP, and datagrams. Everything
 * is checked by count; one thread, blocking or one poll.
 *
 *     pump sink PORT                     reads all connections to their end, answers 1 byte each
 *     pump send HOST:PORT MIB            sends so much, waits for the byte; prints seconds=
 *     pump echo PORT                     sends every datagram back
 *     pump flood HOST:PORT SECONDS SOCKETS WINDOW BYTES
 *         keeps WINDOW datagrams a socket under way, prints sent= and answered=
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/parse.h"

#define ROOM 262144
#define BATCH 64
#define PACKET 2048
#define SOCKETS 256

static unsigned
number(const char *text)
{
	uint64_t v;

	HG_CHECK(parse_u64(bytes_str(text), UINT32_MAX, &v));
	return (unsigned)v;
}

static int
listen_on(const char *port, int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(port))};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), big = 4 << 20;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	HG_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	HG_CHECK(type != SOCK_STREAM || listen(fd, 128) == 0);
	return fd;
}

static int
connect_to(const char *text, int type)
{
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t n;
	int fd;

	HG_CHECK(addr_parse(bytes_str(text), &a));
	n = addr_to_sock(&a, &ss);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	HG_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&ss, n) == 0);
	return fd;
}

_Noreturn static void
sink(const char *port)
{
	static char buf[ROOM];
	int fd = listen_on(port, SOCK_STREAM);

	for (;;) {
		int c = accept(fd, NULL, NULL);

		HG_CHECK(c >= 0);
		while (recv(c, buf, sizeof(buf), 0) > 0)
			;
		(void)!send(c, "k", 1, MSG_NOSIGNAL);
		close(c);
	}
}

static int
send_all(const char *to, uint64_t bytes)
{
	static char buf[ROOM];
	int fd = connect_to(to, SOCK_STREAM);
	uint64_t begun = clock_mono(), left = bytes;

	while (left) {
		ssize_t n = send(fd, buf, HG_MIN(left, (uint64_t)ROOM), MSG_NOSIGNAL);

		HG_CHECK(n > 0);
		left -= (uint64_t)n;
	}
	HG_CHECK(shutdown(fd, SHUT_WR) == 0 && recv(fd, buf, 1, 0) == 1);
	printf("seconds=%.3f mib=%.0f\n", (double)(clock_mono() - begun) / 1e9,
	    (double)bytes / 1048576);
	return 0;
}

static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static struct sockaddr_storage names[BATCH];
static char packets[BATCH][PACKET];

static int
batch(int fd, bool named, int flags)
{
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){packets[i], PACKET};
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		if (named) {
			msgs[i].msg_hdr.msg_name = &names[i];
			msgs[i].msg_hdr.msg_namelen = sizeof(names[i]);
		}
	}
	return recvmmsg(fd, msgs, BATCH, flags, NULL);
}

_Noreturn static void
echo(const char *port)
{
	int fd = listen_on(port, SOCK_DGRAM);

	for (;;) {
		int n = batch(fd, true, MSG_WAITFORONE);

		for (int i = 0; i < n; i++)
			iov[i].iov_len = msgs[i].msg_len;
		for (int at = 0; at < n;) {
			int k = sendmmsg(fd, msgs + at, (unsigned)(n - at), 0);

			at += k > 0 ? k : 1;
		}
	}
}

static void
send_some(int fd, unsigned n, unsigned size, uint64_t *sent)
{
	while (n) {
		unsigned k = HG_MIN(n, (unsigned)BATCH);
		int done;

		for (unsigned i = 0; i < k; i++) {
			iov[i] = (struct iovec){packets[i], size};
			msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		done = sendmmsg(fd, msgs, k, 0);
		if (done <= 0)
			return;
		*sent += (uint64_t)done;
		n -= (unsigned)done;
	}
}

/* What is lost is made up for when a socket has heard nothing for 100 ms. */
static int
flood(char **v)
{
	static struct pollfd p[SOCKETS];
	static uint64_t heard[SOCKETS];
	unsigned n = HG_MIN(number(v[1]), (unsigned)SOCKETS), window = number(v[2]),
		 size = HG_MIN(number(v[3]), (unsigned)PACKET);
	uint64_t end, sent = 0, answered = 0, lost = 0;

	end = clock_mono() + number(v[0]) * SEC_NS;
	for (unsigned i = 0; i < n; i++) {
		p[i] = (struct pollfd){connect_to(v[-1], SOCK_DGRAM), POLLIN, 0};
		heard[i] = clock_mono();
		send_some(p[i].fd, window, size, &sent);
	}
	for (uint64_t now = 0; now < end; now = clock_mono()) {
		(void)poll(p, n, 50);
		for (unsigned i = 0; i < n; i++) {
			int got = p[i].revents ? batch(p[i].fd, false, MSG_DONTWAIT) : 0;

			if (got > 0) {
				answered += (uint64_t)got;
				heard[i] = clock_mono();
				send_some(p[i].fd, (unsigned)got, size, &sent);
			} else if (heard[i] + 100 * MS_NS < now) {
				lost++;
				heard[i] = now;
				send_some(p[i].fd, window, size, &sent);
			}
		}
	}
	printf("sent=%llu answered=%llu silences=%llu\n", (unsigned long long)sent,
	    (unsigned long long)answered, (unsigned long long)lost);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		sink(argv[2]);
	if (argc == 4 && strcmp(argv[1], "send") == 0)
		return send_all(argv[2], (uint64_t)number(argv[3]) << 20);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		echo(argv[2]);
	if (argc == 7 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 3);
	fprintf(stderr, "usage: see the head of pump.c\n");
	return 64;
}
