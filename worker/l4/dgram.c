/*
 * dgram.c - recvmmsg and sendmmsg, with the kernel's joined datagrams (UDP GRO: many of one sender
 * and size in one buffer) sent on as they are (UDP GSO), so that a burst costs two system calls.
 * Answers of a few bytes, one for each of many clients, are copied and go out together at the end
 * of the turn: the copy is cheaper than a call each. Where a device does not take segments, they
 * are sent one by one.
 */
#include "worker/l4/dgram.h"

#include <errno.h>
#include <netinet/udp.h>

#include "base/check.h"
#include "base/mem.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

void
dgram_init(struct dgrams *d)
{
	d->data = mem_alloc((size_t)DGRAM_BATCH * DGRAM_STRIDE);
}

void
dgram_release(struct dgrams *d)
{
	mem_free(d->data);
	d->data = NULL;
}

void
dgram_options(int fd, bool joined, bool wildcard, bool v6)
{
	int on = 1;

	if (joined)
		(void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	if (wildcard && v6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (wildcard && !v6)
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
}

/* ---- reading */

static uint16_t
segment_of(struct msghdr *m, uint32_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int size = 0;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0 && size <= UINT16_MAX && (uint32_t)size < len)
			return (uint16_t)size;
	}
	return 0;
}

int
dgram_recv(struct dgrams *d, int fd)
{
	int n;

	for (int i = 0; i < DGRAM_BATCH; i++) {
		d->iov[i] = (struct iovec){d->data + (size_t)i * DGRAM_STRIDE, DGRAM_BYTES};
		d->msg[i].msg_hdr = (struct msghdr){.msg_name = &d->from[i],
		    .msg_namelen = sizeof(d->from[i]),
		    .msg_iov = &d->iov[i],
		    .msg_iovlen = 1,
		    .msg_control = d->control[i].bytes,
		    .msg_controllen = sizeof(d->control[i].bytes)};
	}
	do
		n = recvmmsg(fd, d->msg, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	for (int i = 0; i < n; i++)
		d->segment[i] = segment_of(&d->msg[i].msg_hdr, d->msg[i].msg_len);
	return n;
}

bool
dgram_from(const struct dgrams *d, int i, struct addr *out)
{
	/* One from port 0 cannot be answered. */
	return addr_from_sock((const struct sockaddr *)&d->from[i], out) && out->port != 0;
}

struct dgram_local
dgram_to(const struct dgrams *d, int i)
{
	struct msghdr *m = (struct msghdr *)&d->msg[i].msg_hdr;
	struct dgram_local l = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			l.addr.family = 4;
			memcpy(l.addr.ip, &v4.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			l.addr.family = 6;
			memcpy(l.addr.ip, &v6.ipi6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&v6.ipi6_addr))
				l.scope = v6.ipi6_ifindex;
		}
	}
	return l;
}

/* ---- sending */

static void
put(struct msghdr *m, struct dgram_control *room, int level, int type, const void *p, size_t n)
{
	struct cmsghdr *c;

	if (m->msg_control == NULL) {
		m->msg_control = room->bytes;
		m->msg_controllen = 0;
	}
	c = (struct cmsghdr *)(void *)(room->bytes + m->msg_controllen);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	m->msg_controllen += CMSG_SPACE(n);
}

static void
put_segment(struct msghdr *m, struct dgram_control *room, uint16_t segment)
{
	if (segment)
		put(m, room, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

static void
put_local(struct msghdr *m, struct dgram_control *room, const struct dgram_local *l)
{
	struct in_pktinfo v4 = {0};
	struct in6_pktinfo v6 = {.ipi6_ifindex = l->scope};

	if (l->addr.family == 4) {
		memcpy(&v4.ipi_spec_dst, l->addr.ip, 4);
		put(m, room, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	} else if (l->addr.family == 6) {
		memcpy(&v6.ipi6_addr, l->addr.ip, 16);
		put(m, room, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
	}
}

/* The control data without its last item, which said the segment size. */
static void
drop_segment(struct msghdr *m)
{
	m->msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (m->msg_controllen == 0)
		m->msg_control = NULL;
}

/* A joined one in its parts. false: errno of the first that did not go. */
static bool
send_parts(int fd, const struct msghdr *whole, uint16_t segment)
{
	struct iovec part, all = *whole->msg_iov;
	struct msghdr m = *whole;

	m.msg_iov = &part;
	drop_segment(&m);
	for (size_t off = 0; off < all.iov_len; off += segment) {
		part = (struct iovec){
		    (char *)all.iov_base + off, HG_MIN(all.iov_len - off, (size_t)segment)};
		if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return false;
	}
	return true;
}

static bool
no_segments(int e) /* the device or its MTU has none */
{
	return e == EIO || e == EINVAL || e == EMSGSIZE;
}

int
dgram_forward(struct dgrams *d, int fd, int from, int to)
{
	int done = from;

	for (int i = from; i < to; i++) {
		struct msghdr *m = &d->msg[i].msg_hdr;

		d->iov[i].iov_len = d->msg[i].msg_len;
		m->msg_name = m->msg_control = NULL;
		m->msg_namelen = 0;
		m->msg_controllen = 0;
		m->msg_flags = 0;
		put_segment(m, &d->control[i], d->segment[i]);
	}
	while (done < to) {
		int n;

		if (to - done == 1)
			n = sendmsg(fd, &d->msg[done].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ?
			    -1 :
			    1;
		else
			n = sendmmsg(fd, d->msg + done, (unsigned)(to - done),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && d->segment[done] && no_segments(errno) &&
		    send_parts(fd, &d->msg[done].msg_hdr, d->segment[done]))
			n = 1;
		if (n < 0)
			break;
		done += n;
	}
	return done - from;
}

unsigned
dgram_flush(struct dgrams_out *o)
{
	unsigned done = 0, lost = 0;

	while (done < o->n) {
		int n = sendmmsg(o->fd, o->msg + done, o->n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			lost += o->n - done;
			break;
		}
		/* Whichever does not go, for whatever reason, is lost; the others are not. */
		lost += n < 0;
		done += n < 0 ? 1 : (unsigned)n;
	}
	o->n = 0;
	return lost;
}

static unsigned
reply_now(struct dgrams *d, int i, int fd, const struct addr *to, const struct dgram_local *local)
{
	struct sockaddr_storage ss;
	struct dgram_control control;
	struct iovec iov = {d->iov[i].iov_base, d->msg[i].msg_len};
	struct msghdr m = {.msg_name = &ss,
	    .msg_namelen = addr_to_sock(to, &ss),
	    .msg_iov = &iov,
	    .msg_iovlen = 1};

	put_local(&m, &control, local);
	put_segment(&m, &control, d->segment[i]);
	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (d->segment[i] && no_segments(errno) && send_parts(fd, &m, d->segment[i]))
		return 0;
	return dgram_count(d, i);
}

unsigned
dgram_reply(struct dgrams *d, int i, struct dgrams_out *o, int fd, const struct addr *to,
    const struct dgram_local *local)
{
	unsigned lost = 0, k;

	if (o->n && (o->fd != fd || o->n == DGRAM_OUT))
		lost = dgram_flush(o);
	if (d->msg[i].msg_len > DGRAM_SMALL || d->segment[i]) {
		lost += dgram_flush(o); /* order */
		return lost + reply_now(d, i, fd, to, local);
	}
	k = o->n++;
	o->fd = fd;
	memcpy(o->data[k], d->iov[i].iov_base, d->msg[i].msg_len);
	o->iov[k] = (struct iovec){o->data[k], d->msg[i].msg_len};
	o->msg[k].msg_hdr = (struct msghdr){.msg_name = &o->to[k],
	    .msg_namelen = addr_to_sock(to, &o->to[k]),
	    .msg_iov = &o->iov[k],
	    .msg_iovlen = 1};
	put_local(&o->msg[k].msg_hdr, &o->control[k], local);
	return lost;
}
