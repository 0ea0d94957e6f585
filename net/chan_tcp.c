/*
 * chan_tcp.c - the plain socket under a chan. One slice goes out by send(), several by one
 * sendmsg(): the kernel copies no iovec in the first case, and small answers are one slice.
 */
#include <sys/socket.h>

#include "base/check.h"
#include "net/chan.h"

static ssize_t
tcp_recv(struct chan *c, void *p, size_t n)
{
	return recv(c->watch.fd, p, n, MSG_DONTWAIT);
}

static ssize_t
tcp_send(struct chan *c, const struct iovec *iov, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};

	if (n == 1)
		return send(c->watch.fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sendmsg(c->watch.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
tcp_shutdown(struct chan *c)
{
	shutdown(c->watch.fd, SHUT_WR);
}

const struct chan_ops chan_tcp_ops = {
	.recv = tcp_recv,
	.send = tcp_send,
	.shutdown = tcp_shutdown,
	.short_read_ends = true,
};

/* ---- before the channel begins */

static int
first_look(struct chan *c, uint32_t events)
{
	const struct chan_look *l = c->impl;
	int r = l->look(c, events);

	if (r <= 0)
		return r;
	if (c->impl != l) /* TLS is under it now */
		return c->ops->handshake ? c->ops->handshake(c, events) : 1;
	c->ops = &chan_tcp_ops;
	c->impl = NULL;
	return 1;
}

static const struct chan_ops first_ops = {
	.recv = tcp_recv,
	.send = tcp_send,
	.shutdown = tcp_shutdown,
	.handshake = first_look,
	.short_read_ends = true,
};

void
chan_first(struct chan *c, const struct chan_look *l)
{
	chan_use(c, &first_ops, (void *)(uintptr_t)l);
}

/* ---- what we say first */

bool
chan_greet(struct chan *c, const void *p, size_t n)
{
	struct buf *b = buf_new(c->bufs, CHAN_GREETING);

	HG_CHECK(c->connecting && c->in == NULL && n <= CHAN_GREETING);
	if (b == NULL)
		return false;
	memcpy(b->data, p, n);
	b->len = (uint32_t)n;
	c->in = b; /* nothing is read yet, so its place is free */
	c->greet = true;
	return true;
}

/* A new socket has room for more than a greeting: if it does not take it whole, it is no good. */
bool
chan_say_greeting(struct chan *c)
{
	struct buf *b = c->in;
	ssize_t n = send(c->watch.fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	bool whole = n == (ssize_t)b->len;

	c->greet = false;
	c->in = NULL;
	buf_unref(b);
	return whole;
}
