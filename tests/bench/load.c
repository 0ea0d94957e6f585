/*
 * load.c - a closed loop of HTTP/1.1 requests over N connections. Each connection sends the next
 * request when it has the whole answer to the last. Every answer is checked: status 200, its
 * length, nothing behind it. Latency is counted in buckets of about 3 %, so a run needs no memory
 * and no sorting. One thread; a generator that is itself the limit says so by its own CPU share,
 * which is printed.
 *
 *     load [-c conns] [-d seconds | -n requests] [-w warm-up seconds] [-k] [-T [-S]]
 *         [-H "Name: value"]... HOST:PORT /path
 *
 * -k: a new connection for every request; -T: over TLS, nothing is verified; -S: a connection
 * offers the session of the one before it, and how many were taken up is printed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/clock.h"

#define ROOM 65536
#define BUCKETS 1024

struct conn {
	int fd;
	uint64_t started;
	size_t head_n, sent;
	int64_t left; /* body bytes to come; -1: still in the head */
	SSL *ssl;     /* -T */
	SSL_SESSION *session;
	bool ready;   /* its handshake is done */
	char head[2048];
};

static struct {
	unsigned conns, seconds, warm;
	uint64_t requests;
	bool new_each, stop, counting, resume;
	SSL_CTX *tls;
	struct sockaddr_storage to;
	socklen_t to_n;
	char request[8192];
	size_t request_n;
	int ep;
	uint64_t done, started, errors, connects, resumed, lat[BUCKETS];
	char why[128];
} ld = {.conns = 64, .seconds = 5};

/* Bucket of a time: 32 steps in each power of two. */
static unsigned
bucket(uint64_t ns)
{
	unsigned log = ns < 32 ? 5 : 63 - (unsigned)__builtin_clzll(ns);
	unsigned b = (log - 5) * 32 + (unsigned)(ns >> (log - 5) & 31);

	return b < BUCKETS ? b : BUCKETS - 1;
}

static double
quantile(double q)
{
	uint64_t all = 0, at = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		all += ld.lat[i];
	for (unsigned i = 0; i < BUCKETS; i++) {
		at += ld.lat[i];
		if (at >= (uint64_t)((double)all * q))
			return (double)((32ull + i % 32) << (i / 32)) / 1000.0;
	}
	return 0;
}

static void
hang_up(struct conn *c)
{
	if (c->ssl != NULL) {
		if (ld.resume) {
			SSL_SESSION_free(c->session);
			c->session = SSL_get1_session(c->ssl);
		}
		/* Else its session would count as broken and not be taken up. */
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
failed(struct conn *c, const char *why)
{
	ld.errors++;
	if (ld.why[0] == '\0')
		snprintf(ld.why, sizeof(ld.why), "%s (errno %d)", why, errno);
	hang_up(c);
}

/* As recv() and send(). */
static ssize_t
tls_result(struct conn *c, int n)
{
	int e;

	if (n > 0)
		return n;
	e = SSL_get_error(c->ssl, n);
	ERR_clear_error();
	if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static ssize_t
get(struct conn *c, void *p, size_t n)
{
	if (c->ssl != NULL)
		return tls_result(c, SSL_read(c->ssl, p, (int)n));
	return recv(c->fd, p, n, MSG_DONTWAIT);
}

static void
ask(struct conn *c)
{
	ssize_t n;

	c->left = -1;
	c->head_n = 0;
	if (!ld.new_each)
		c->started = clock_mono();
	ld.started++;
	if (c->ssl != NULL)
		n = tls_result(c, SSL_write(c->ssl, ld.request, (int)ld.request_n));
	else
		n = send(c->fd, ld.request, ld.request_n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != (ssize_t)ld.request_n)
		failed(c, "request not sent whole");
}

static void
dial(struct conn *c)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
	int one = 1;

	c->started = clock_mono();
	c->sent = 0;
	c->left = -1;
	ld.connects++;
	c->fd = socket(ld.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c->fd < 0 ||
	    (connect(c->fd, (struct sockaddr *)&ld.to, ld.to_n) != 0 && errno != EINPROGRESS) ||
	    epoll_ctl(ld.ep, EPOLL_CTL_ADD, c->fd, &e) != 0) {
		failed(c, "connect");
		return;
	}
	c->ready = ld.tls == NULL;
	if (c->ready)
		return;
	c->ssl = SSL_new(ld.tls);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_tlsext_host_name(c->ssl, "bench.test");
	if (c->session != NULL)
		SSL_set_session(c->ssl, c->session);
}

/* false: the handshake goes on, or has failed. */
static bool
shake(struct conn *c)
{
	ssize_t n = tls_result(c, SSL_connect(c->ssl));

	if (n > 0) {
		c->ready = true;
		ld.resumed += (unsigned)SSL_session_reused(c->ssl);
	} else if (n == 0 || errno != EAGAIN) {
		failed(c, "handshake");
	}
	return n > 0;
}

static bool
more(void)
{
	return !ld.stop && (ld.requests == 0 || ld.started < ld.requests);
}

static void
answered(struct conn *c)
{
	if (ld.counting) {
		ld.done++;
		ld.lat[bucket(clock_mono() - c->started)]++;
	}
	if (!more()) {
		hang_up(c);
	} else if (ld.new_each || strcasestr(c->head, "\r\nConnection: close\r\n")) {
		hang_up(c);
		dial(c);
	} else {
		ask(c);
	}
}

/* Bytes of an answer. false: not what it should be. */
static bool
take(struct conn *c, const char *p, size_t n)
{
	if (c->left < 0) {
		size_t room = sizeof(c->head) - 1 - c->head_n, k = n < room ? n : room;
		const char *end, *len;

		memcpy(c->head + c->head_n, p, k);
		c->head_n += k;
		c->head[c->head_n] = '\0';
		end = strstr(c->head, "\r\n\r\n");
		if (end == NULL)
			return k == n;
		len = strcasestr(c->head, "\r\nContent-Length:");
		if (memcmp(c->head, "HTTP/1.1 200 ", 13) != 0 || len == NULL || len > end)
			return false;
		c->left = (int64_t)strtoul(len + 17, NULL, 10);
		n -= (size_t)(end + 4 - c->head) - (c->head_n - k);
	}
	if ((int64_t)n > c->left)
		return false;
	c->left -= (int64_t)n;
	if (c->left == 0)
		answered(c);
	return true;
}

static void
ready(struct conn *c, uint32_t events)
{
	static char buf[ROOM];
	int fd = c->fd;

	if (fd < 0 || (!c->ready && !shake(c)))
		return;
	if (c->sent == 0 && (events & EPOLLOUT)) {
		c->sent = 1;
		ask(c);
		if (!(events & EPOLLIN) && c->ssl == NULL)
			return;
	}
	while (c->fd == fd) {
		uint64_t connects = ld.connects;
		ssize_t n = get(c, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			failed(c, n == 0 ? "closed in the middle" : "read");
			break;
		}
		if (!take(c, buf, (size_t)n)) {
			failed(c, "answer is not what was expected");
			break;
		}
		if (ld.connects != connects || (c->ssl == NULL && n < (ssize_t)sizeof(buf)))
			return;
	}
	if (c->fd < 0 && more())
		dial(c);
}

static bool
options(int argc, char **argv)
{
	char extra[4096] = "";
	int o;

	while ((o = getopt(argc, argv, "c:d:n:w:kTSH:")) != -1) {
		size_t at = strlen(extra);

		switch (o) {
		case 'c':
			ld.conns = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			ld.seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			ld.warm = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			ld.requests = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			ld.new_each = true;
			break;
		case 'T':
			ld.tls = SSL_CTX_new(TLS_client_method());
			break;
		case 'S':
			ld.resume = true;
			break;
		case 'H':
			snprintf(extra + at, sizeof(extra) - at, "%s\r\n", optarg);
			break;
		default:
			return false;
		}
	}
	if (optind + 2 != argc || ld.conns == 0)
		return false;
	ld.request_n =
	    (size_t)snprintf(ld.request, sizeof(ld.request), "GET %s HTTP/1.1\r\n%s%s%s%s\r\n",
		argv[optind + 1], strcasestr(extra, "Host:") ? "" : "Host: bench.test\r\n",
		"User-Agent: load\r\nAccept: */*\r\n", extra,
		ld.new_each ? "Connection: close\r\n" : "");
	if (ld.request_n >= sizeof(ld.request))
		return false;
	struct addr a;
	if (!addr_parse(bytes_str(argv[optind]), &a))
		return false;
	ld.to_n = addr_to_sock(&a, &ld.to);
	return true;
}

static double
cpu_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct conn *conns;
	uint64_t from, begin, until;
	double wall, cpu = 0;

	if (!options(argc, argv)) {
		fprintf(stderr,
		    "usage: load [-c conns] [-d seconds | -n requests] [-w warm-up] [-k] "
		    "[-T [-S]] [-H 'Name: value'] HOST:PORT /path\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	ld.ep = epoll_create1(EPOLL_CLOEXEC);
	conns = calloc(ld.conns, sizeof(*conns));
	if (conns == NULL)
		return 1;
	for (unsigned i = 0; i < ld.conns; i++)
		dial(&conns[i]);
	begin = clock_mono();
	from = begin + ld.warm * SEC_NS;
	until = from + ld.seconds * SEC_NS;
	ld.counting = ld.warm == 0;
	for (;;) {
		int n = epoll_wait(ld.ep, events, 256, 100);
		uint64_t now = clock_mono();
		unsigned live = 0;

		if (!ld.counting && now >= from) {
			ld.counting = true;
			from = now;
			cpu = cpu_seconds();
		}
		ld.stop = ld.requests == 0 ? now >= until : now >= begin + 600 * SEC_NS;
		for (int i = 0; i < n; i++)
			ready(events[i].data.ptr, events[i].events);
		if (more())
			continue;
		for (unsigned i = 0; i < ld.conns; i++)
			live += conns[i].fd >= 0;
		if (live == 0 || now >= until + 5 * SEC_NS)
			break;
	}
	wall = (double)(clock_mono() - from) / 1e9;
	printf(
	    "requests=%llu errors=%llu connects=%llu resumed=%llu "
	    "seconds=%.2f rps=%.0f p50_us=%.0f "
	    "p99_us=%.0f p999_us=%.0f "
	    "generator_cpu=%.2f%s%s\n",
	    (unsigned long long)ld.done, (unsigned long long)ld.errors,
	    (unsigned long long)ld.connects, (unsigned long long)ld.resumed, wall,
	    (double)ld.done / wall, quantile(0.5), quantile(0.99), quantile(0.999),
	    (cpu_seconds() - cpu) / wall, ld.why[0] ? " first_error=" : "", ld.why);
	return ld.errors ? 1 : 0;
}
