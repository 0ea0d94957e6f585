/*
 * imsg.c - one packet is one message: a 12-byte header and the payload, with descriptors beside
 * them. SOCK_SEQPACKET keeps message bounds in the kernel, so a receiver never sees half a message
 * and needs no reassembly buffer; a stream socket was rejected because a descriptor then sticks to
 * a byte that may be read together with another message's. What the socket does not take now is
 * copied into a bounded queue with duplicated descriptors. A peer that overruns the queue, sends a
 * packet that was cut or a length that does not fit makes the channel dead: these are our own
 * processes, dead means replaced.
 */
#include "base/imsg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

#define QUEUE_MESSAGES 64
#define QUEUE_BYTES (1024 * 1024)
#define SOCKET_BUFFER (256 * 1024)

struct header {
	uint32_t type, seq, len;
};

struct imsg_out {
	struct imsg_out *next;
	struct header h;
	unsigned nfds;
	int fds[IMSG_FDS];
	unsigned char data[];
};

/* Control data must be aligned as a cmsghdr. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * IMSG_FDS)];
};

int
imsg_pair(int fds[2])
{
	const int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		/* Best effort: the default holds a full message too, this holds several. */
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		(void)setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	return 0;
}

void
imsg_init(struct imsg_chan *c, int fd)
{
	*c = (struct imsg_chan){.fd = fd};
}

static void
drop_head(struct imsg_chan *c)
{
	struct imsg_out *o = c->head;

	for (unsigned i = 0; i < o->nfds; i++)
		close(o->fds[i]);
	c->head = o->next;
	if (c->head == NULL)
		c->tail = NULL;
	c->queued--;
	mem_free(o);
}

void
imsg_release(struct imsg_chan *c)
{
	while (c->head)
		drop_head(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* 1 sent, 0 not now, -1 dead. */
static int
send_now(int fd, struct header *h, const void *data, const int *fds, unsigned nfds)
{
	struct iovec iov[2] = {{h, sizeof(*h)}, {(void *)(uintptr_t)data, h->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = h->len ? 2 : 1};
	union control control;
	ssize_t n;

	if (nfds) {
		struct cmsghdr *cm;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfds);
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? 0 : -1;
}

static size_t
queue_bytes(const struct imsg_chan *c)
{
	size_t n = 0;

	for (const struct imsg_out *o = c->head; o; o = o->next)
		n += o->h.len;
	return n;
}

static int
queue(struct imsg_chan *c, const struct header *h, const void *data, const int *fds, unsigned nfds)
{
	struct imsg_out *o;

	if (c->queued >= QUEUE_MESSAGES || queue_bytes(c) + h->len > QUEUE_BYTES)
		return -1;
	o = mem_alloc(sizeof(*o) + h->len);
	o->next = NULL;
	o->h = *h;
	if (h->len)
		memcpy(o->data, data, h->len);
	for (o->nfds = 0; o->nfds < nfds; o->nfds++) {
		o->fds[o->nfds] = fcntl(fds[o->nfds], F_DUPFD_CLOEXEC, 0);
		if (o->fds[o->nfds] >= 0)
			continue;
		while (o->nfds > 0)
			close(o->fds[--o->nfds]);
		mem_free(o);
		return -1;
	}
	if (c->tail)
		c->tail->next = o;
	else
		c->head = o;
	c->tail = o;
	c->queued++;
	return 0;
}

int
imsg_send(struct imsg_chan *c, uint32_t type, uint32_t seq, const void *data, size_t len,
    const int *fds, unsigned nfds)
{
	struct header h = {type, seq, (uint32_t)len};
	int r;

	HG_CHECK(len <= IMSG_MAX && nfds <= IMSG_FDS);
	r = imsg_flush(c);
	if (r < 0)
		return -1;
	if (r == 1) {
		r = send_now(c->fd, &h, data, fds, nfds);
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	return queue(c, &h, data, fds, nfds);
}

int
imsg_flush(struct imsg_chan *c)
{
	if (c->fd < 0)
		return -1;
	while (c->head) {
		struct imsg_out *o = c->head;
		int r = send_now(c->fd, &o->h, o->data, o->fds, o->nfds);

		if (r <= 0)
			return r;
		drop_head(c);
	}
	return 1;
}

static void
take_control(struct msghdr *msg, struct imsg *m)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		HG_CHECK(m->nfds + n <= IMSG_FDS);
		memcpy(m->fds + m->nfds, CMSG_DATA(cm), n * sizeof(int));
		m->nfds += (uint32_t)n;
	}
}

int
imsg_recv(struct imsg_chan *c, struct imsg *m)
{
	struct header h;
	struct iovec iov[2] = {{&h, sizeof(h)}, {m->data, sizeof(m->data)}};
	union control control;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	ssize_t n;

	m->nfds = 0;
	if (c->fd < 0)
		return -1;
	do {
		n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	take_control(&msg, m);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(h) ||
	    h.len != (size_t)n - sizeof(h)) {
		imsg_close_fds(m);
		return -1;
	}
	m->type = h.type;
	m->seq = h.seq;
	m->len = h.len;
	return 1;
}

int
imsg_wait(struct imsg_chan *c, struct imsg *m, int timeout_ms)
{
	uint64_t end = clock_mono() + (uint64_t)HG_MAX(timeout_ms, 0) * MS_NS;

	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		uint64_t now;
		int r = imsg_recv(c, m);

		if (r != 0)
			return r;
		if (c->head) {
			if (imsg_flush(c) < 0)
				return -1;
			p.events |= c->head ? POLLOUT : 0;
		}
		now = clock_mono();
		if (timeout_ms >= 0 && now >= end)
			return 0;
		/* Rounded up: a rest below a millisecond must not spin. */
		r = poll(&p, 1, timeout_ms < 0 ? -1 : (int)((end - now + MS_NS - 1) / MS_NS));
		if (r < 0 && errno != EINTR)
			return -1;
	}
}

int
imsg_take_fd(struct imsg *m, unsigned i)
{
	int fd;

	if (i >= m->nfds)
		return -1;
	fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

void
imsg_close_fds(struct imsg *m)
{
	for (unsigned i = 0; i < m->nfds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->nfds = 0;
}
