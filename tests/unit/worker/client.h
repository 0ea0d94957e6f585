/*
 * client.h - a client for tests: writes raw bytes, reads until a text has come or the connection
 * has ended.
 */
#ifndef TESTS_UNIT_WORKER_CLIENT_H
#define TESTS_UNIT_WORKER_CLIENT_H

#include <fcntl.h>

#include "tests/unit/worker/harness.h"

#define CLIENT_MS 15000

static char client_in[2 * 1024 * 1024];
static size_t client_n;

static inline int
client_open(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	HG_CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	client_n = 0;
	client_in[0] = '\0';
	return fd;
}

static inline bool
client_send(int fd, const char *text)
{
	size_t n = strlen(text), off = 0;

	while (off < n) {
		ssize_t w = send(fd, text + off, n - off, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		off += (size_t)w;
	}
	return true;
}

/* Reads until `what` is there (then true) or the end (false). NULL: until the end, true if it was
 * orderly. */
static inline bool
client_read(int fd, const char *what)
{
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t r;

		if (what && strstr(client_in, what))
			return true;
		if (poll(&p, 1, CLIENT_MS) != 1)
			return false;
		r = recv(fd, client_in + client_n, sizeof(client_in) - 1 - client_n, 0);
		if (r <= 0)
			return what == NULL && r == 0;
		client_n += (size_t)r;
		client_in[client_n] = '\0';
	}
}

static inline unsigned
client_status(void)
{
	return strncmp(client_in, "HTTP/1.", 7) == 0 ? (unsigned)strtoul(client_in + 9, NULL, 10) :
						       0;
}

/* One request on a connection of its own; the status, the answer in client_in. */
static inline unsigned
client_ask(uint16_t port, const char *method, const char *target, const char *more)
{
	char text[4096];
	int fd = client_open(port);

	if (fd < 0)
		return 0;
	(void)snprintf(text, sizeof(text),
	    "%s %s HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n%s\r\n", method, target,
	    more ? more : "");
	(void)client_send(fd, text);
	(void)client_read(fd, NULL);
	close(fd);
	return client_status();
}

static inline bool
client_has(const char *text)
{
	return strstr(client_in, text) != NULL;
}

#endif
