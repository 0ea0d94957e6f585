/*
 * origin.h - a backend for tests: one process, one more for each connection, blocking. What it does
 * with a request is written in the request's target, so that a test says in one place what is sent
 * and what happens: status=NNN   answer with that status          fail=K     503 for the first K
 * requests it ever sees hang         read, never answer               die        close without an
 * answer cut          promise 1000 bytes, send 10      once       answer, then close without saying
 * so early        401 before the body is read      chunk      chunked with a trailer interim 103,
 * then 200                    surplus    bytes behind the answer garbage      no HTTP big        1
 * MiB body Otherwise 200, whose body is the request as it came.
 */
#ifndef TESTS_UNIT_WORKER_ORIGIN_H
#define TESTS_UNIT_WORKER_ORIGIN_H

#include <poll.h>
#include <stdarg.h>
#include <sys/un.h>

#include "tests/unit/worker/harness.h"

struct origin_shared { /* seen by the test */
	_Atomic uint32_t requests, connections, ended, aborted;
	_Atomic uint64_t body;
};
struct origin {
	uint16_t port;
	pid_t pid;
	struct origin_shared *seen;
};

struct origin_conn {
	int fd;
	char buf[65536];
	size_t n;
	struct origin_shared *seen;
	const char *name;
};

static inline bool
origin_say(struct origin_conn *c, const char *fmt, ...)
{
	static char out[70000];
	size_t n, off = 0;
	va_list ap;

	va_start(ap, fmt);
	n = (size_t)vsnprintf(out, sizeof(out), fmt, ap);
	va_end(ap);
	while (off < n) {
		ssize_t w = send(c->fd, out + off, n - off, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		off += (size_t)w;
	}
	return true;
}

/* More bytes; false at the end. */
static inline bool
origin_more(struct origin_conn *c)
{
	ssize_t r = recv(c->fd, c->buf + c->n, sizeof(c->buf) - 1 - c->n, 0);

	if (r <= 0)
		return false;
	c->n += (size_t)r;
	c->buf[c->n] = '\0';
	return true;
}

/* Reads and drops a chunked body whose head was `head` bytes. */
static inline bool
origin_chunked(struct origin_conn *c, size_t head)
{
	for (;;) {
		char *line, *end;
		size_t size;

		while ((line = strstr(c->buf + head, "\r\n")) == NULL)
			if (!origin_more(c))
				return false;
		size = strtoul(c->buf + head, &end, 16);
		head = (size_t)(line + 2 - c->buf);
		if (size == 0) {
			while (strstr(c->buf + head - 2, "\r\n\r\n") == NULL)
				if (!origin_more(c))
					return false;
			return true;
		}
		atomic_fetch_add(&c->seen->body, size);
		while (c->n < head + size + 2)
			if (!origin_more(c))
				return false;
		memmove(c->buf + head, c->buf + head + size + 2, c->n - head - size - 2 + 1);
		c->n -= size + 2;
	}
}

static inline bool
origin_body(struct origin_conn *c, size_t head)
{
	const char *cl = strcasestr(c->buf, "\r\ncontent-length:"),
		   *te = strcasestr(c->buf, "\r\ntransfer-encoding:");
	size_t want, have = c->n - head;

	if (te && te < c->buf + head)
		return origin_chunked(c, head);
	if (cl == NULL || cl > c->buf + head)
		return true;
	want = strtoul(cl + 17, NULL, 10);
	while (have < want) {
		if (c->n > sizeof(c->buf) / 2) { /* a long one: keep the head only */
			atomic_fetch_add(&c->seen->body, c->n - head);
			want -= have;
			have = 0;
			c->n = head;
			continue;
		}
		if (!origin_more(c))
			return false;
		have = c->n - head;
	}
	atomic_fetch_add(&c->seen->body, want);
	return true;
}

static inline bool
origin_answer(struct origin_conn *c, const char *what, uint32_t number)
{
	const char *at;
	unsigned status = 200;
	const char *type =
	    strstr(what, "html") ? "Content-Type: text/html\r\nETag: \"a\"\r\n" : "";

	if ((at = strstr(what, "status=")))
		status = (unsigned)strtoul(at + 7, NULL, 10);
	if ((at = strstr(what, "fail=")) && number <= strtoul(at + 5, NULL, 10))
		status = 503;
	if (strstr(what, "die"))
		return false;
	if (strstr(what, "garbage")) {
		(void)origin_say(c, "SMTP ready\r\n\r\n");
		return false;
	}
	if (strstr(what, "cut")) {
		(void)origin_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789");
		return false;
	}
	if (strstr(what, "chunk"))
		return origin_say(c,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
		    "5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: end\r\n\r\n");
	if (strstr(what, "interim") &&
	    !origin_say(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
		return false;
	if (strstr(what, "big")) {
		if (!origin_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n%s\r\n", type))
			return false;
		for (int i = 0; i < 1024; i++)
			if (!origin_say(c, "%01024d", i))
				return false;
		return true;
	}
	if (!origin_say(c,
		"HTTP/1.1 %u X\r\nContent-Length: %zu\r\nX-Backend: %s\r\n%s"
		"Keep-Alive: timeout=5\r\n\r\n%s%s",
		status, status == 204 || status == 304 ? 0 : c->n, c->name, type,
		status == 204 || status == 304 || strncmp(c->buf, "HEAD ", 5) == 0 ? "" : c->buf,
		strstr(what, "surplus") ? "HTTP/1.1 200 OK\r\n\r\n" : ""))
		return false;
	return strstr(what, "once") == NULL;
}

static inline void
origin_serve(struct origin_conn *c)
{
	for (;;) {
		char *head, what[512];
		size_t nhead;
		uint32_t number;

		c->n = 0;
		c->buf[0] = '\0';
		while ((head = strstr(c->buf, "\r\n\r\n")) == NULL)
			if (!origin_more(c))
				return;
		nhead = (size_t)(head + 4 - c->buf);
		(void)snprintf(what, sizeof(what), "%.*s",
		    (int)HG_MIN(strcspn(c->buf, "\r"), (size_t)500), c->buf);
		number = atomic_fetch_add(&c->seen->requests, 1) + 1;
		if (strstr(what, "early")) {
			(void)origin_say(c, "HTTP/1.1 401 X\r\nContent-Length: 2\r\n\r\nno");
			while (origin_more(c))
				c->n = 0;
			return;
		}
		if (strcasestr(c->buf, "\r\nexpect: 100-continue") && !strstr(what, "nocont"))
			(void)origin_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
		if (!origin_body(c, nhead)) {
			atomic_fetch_add(&c->seen->aborted, 1);
			return;
		}
		if (strstr(what, "hang")) {
			while (origin_more(c))
				c->n = 0;
			atomic_fetch_add(&c->seen->aborted, 1);
			return;
		}
		if (!origin_answer(c, what, number))
			return;
	}
}

/* On a listening socket, which it takes. */
static inline void
origin_run(struct origin *o, const char *name, int fd)
{
	o->seen =
	    mmap(NULL, sizeof(*o->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	HG_CHECK(o->seen != MAP_FAILED);
	o->pid = fork();
	if (o->pid) {
		close(fd);
		return;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		static struct origin_conn c;
		struct pollfd p = {fd, POLLIN, 0};

		if (getppid() == 1)
			_exit(0);
		if (poll(&p, 1, 1000) <= 0 || (c.fd = accept(fd, NULL, NULL)) < 0)
			continue;
		atomic_fetch_add(&o->seen->connections, 1);
		if (fork() == 0) {
			struct timeval t = {20, 0};

			(void)setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
			c.seen = o->seen;
			c.name = name;
			origin_serve(&c);
			atomic_fetch_add(&o->seen->ended, 1);
			_exit(0);
		}
		close(c.fd);
	}
}

static inline void
origin_start(struct origin *o, const char *name)
{
	struct addr a;
	int fd;

	HG_CHECK(addr_parse_ip(BYTES("127.0.0.1"), &a));
	a.port = 0;
	fd = sock_bind(&a, false, true);
	HG_CHECK(fd >= 0 && sock_listen(fd, 512) == 0 && sock_local(fd, &a));
	o->port = a.port;
	origin_run(o, name, fd);
}

/* On a UNIX socket at `path`. */
static inline void
origin_start_unix(struct origin *o, const char *name, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	HG_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	HG_CHECK(listen(fd, 100) == 0);
	o->port = 0;
	origin_run(o, name, fd);
}

static inline void
origin_stop(struct origin *o)
{
	kill(o->pid, SIGKILL);
	(void)waitpid(o->pid, NULL, 0);
	munmap(o->seen, sizeof(*o->seen));
}

#endif
