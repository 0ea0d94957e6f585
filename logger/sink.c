/*
 * sink.c - batches of whole lines, written without ever waiting. A file takes everything; a pipe or
 * a socket may take part of a batch or nothing, then the rest stays here and the caller leaves
 * further lines in the rings, where a full ring makes its worker drop and count. So the one counter
 * of lost lines is the worker's own, and nothing is lost between the two.
 *
 * Descriptor 2 is shared with other processes and must not become non-blocking for them: it is
 * asked by poll(), and a pipe that polls writable takes PIPE_BUF bytes without waiting.
 */
#include "logger/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

static bool
is_socket(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

void
sink_init(struct sink *s, int fd, bool shared)
{
	*s = (struct sink){.fd = fd, .shared = shared, .socket = is_socket(fd)};
	s->batch = mem_alloc(SINK_BATCH);
}

void
sink_release(struct sink *s)
{
	if (s->fd >= 0 && !s->shared)
		close(s->fd);
	mem_free(s->batch);
	*s = (struct sink){.fd = -1};
}

void
sink_replace(struct sink *s, int fd)
{
	if (s->fd >= 0 && !s->shared)
		close(s->fd);
	s->fd = fd;
	s->socket = is_socket(fd);
	s->blocked = false;
}

bool
sink_fits(const struct sink *s, size_t n)
{
	return n <= SINK_BATCH - s->n;
}

void
sink_put(struct sink *s, struct bytes line)
{
	HG_CHECK(sink_fits(s, line.n));
	memcpy(s->batch + s->n, line.p, line.n);
	s->n += line.n;
}

static ssize_t
write_some(struct sink *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	size_t n = s->n - s->at;

	if (s->socket)
		return send(s->fd, s->batch + s->at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (s->shared) {
		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)) {
			errno = EAGAIN;
			return -1;
		}
		n = HG_MIN(n, (size_t)PIPE_BUF);
	}
	return write(s->fd, s->batch + s->at, n);
}

bool
sink_flush(struct sink *s)
{
	while (s->at < s->n && s->fd >= 0) {
		ssize_t n = write_some(s);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		s->at += (size_t)n;
	}
	if (s->fd < 0)
		s->at = s->n;
	s->blocked = s->at < s->n;
	if (s->at == s->n) {
		s->at = s->n = 0;
	} else if (s->at > 0) {
		memmove(s->batch, s->batch + s->at, s->n - s->at);
		s->n -= s->at;
		s->at = 0;
	}
	return !s->blocked;
}
