/*
 * chan.c - readiness turned into completions. The socket is registered once, edge-triggered;
 * `readable`, `writable` and `hangup` remember what the edges said, and a read that did not fill
 * its buffer ends reading without a last EAGAIN. Sends gather in a queue of slices and leave in one
 * call at the end of the turn, so head and body, or a batch of pipelined answers, cost one system
 * call. Callbacks may close and free the channel under us: whoever calls one keeps a flag on its
 * stack that chan_close() sets, and looks at it before touching the channel again. (Reference
 * counts were rejected: every owner embeds its channel.) Reading stops after a few buffers a turn,
 * so that one fast peer does not starve the rest.
 */
#include "net/chan.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/check.h"

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLRDHUP)
#define READS 4 /* buffers a turn */
#define QUEUE_SLICES ((BUF_QUEUE - 2 * sizeof(uint64_t)) / sizeof(struct slice))
#define IOVS 64

struct chan_queue {
	struct chan_queue *next;
	uint32_t first, n; /* slices are v[first .. n) */
	struct slice v[QUEUE_SLICES];
};
_Static_assert(sizeof(struct chan_queue) <= BUF_QUEUE, "a queue record fits its pool");

static void flush_task(struct task *);
static void more_task(struct task *);

/* The address of a local stays behind only when the channel is closed, which clears it: gcc cannot
 * see that. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

/* Around every callback after which the channel is touched again. */
struct visit {
	bool gone, *outer;
};

static void
enter(struct chan *c, struct visit *v)
{
	v->gone = false;
	v->outer = c->gone;
	c->gone = &v->gone;
}

/* false: the callback closed the channel. */
static bool
leave(struct chan *c, struct visit *v)
{
	if (v->gone) {
		if (v->outer)
			*v->outer = true;
		return false;
	}
	c->gone = v->outer;
	return true;
}

/* The channel may be gone afterwards. */
static void
fail(struct chan *c, enum hg_err e)
{
	if (c->failed)
		return;
	c->failed = true;
	c->ev->error(c, e);
}

/* Lets the unconsumed rest start at the front of a buffer with room behind it. */
static bool
make_room(struct chan *c)
{
	struct buf *b = c->in, *nb;
	uint32_t rest;

	if (b == NULL) {
		c->in = buf_new(c->bufs, c->big ? BUF_LARGE / 2 : 1);
		if (c->in == NULL && c->big)
			c->in = buf_new(c->bufs, 1);
		c->in_off = 0;
		return c->in != NULL;
	}
	if (b->len < b->cap)
		return true;
	rest = b->len - c->in_off;
	if (b->refs == 1 && c->in_off > 0) {
		memmove(b->data, b->data + c->in_off, rest);
		b->len = rest;
		c->in_off = 0;
		return true;
	}
	nb = buf_new(c->bufs, c->big || rest > BUF_SMALL / 2 ? HG_MAX(rest + 1, BUF_SMALL) : 1);
	if (nb == NULL)
		return false;
	memcpy(nb->data, b->data + c->in_off, rest);
	nb->len = rest;
	c->in = nb;
	c->in_off = 0;
	buf_unref(b);
	return true;
}

/* Hands the unconsumed bytes over. false: the channel is gone. */
static bool
deliver(struct chan *c)
{
	struct buf *b = c->in;
	struct visit v;
	uint32_t n, used;

	if (b == NULL)
		return true;
	n = b->len - c->in_off;
	used = n;
	if (!c->lingering) {
		enter(c, &v);
		buf_ref(b);
		used = c->ev->data(c, b, c->in_off, n);
		buf_unref(b);
		if (!leave(c, &v))
			return false;
		HG_CHECK(used <= n);
	}
	c->in_off += used;
	if (c->in_off == b->len) {
		c->in = NULL;
		c->in_off = 0;
		buf_unref(b);
	}
	return true;
}

/* The channel may be gone afterwards. */
static void
tell_eof(struct chan *c)
{
	c->eof_told = true;
	c->ev->eof(c);
}

/* One recv. false: stop reading (nothing there, end, error, gone). */
static bool
read_once(struct chan *c)
{
	uint32_t room;
	ssize_t n;

	if (!make_room(c)) {
		/* The largest buffer and nothing of it consumed: the owner has to act. */
		if (c->in == NULL || c->in->len - c->in_off < c->in->cap || c->in->cap < BUF_SMALL)
			fail(c, HG_ERR_NOMEM);
		return false;
	}
	room = c->in->cap - c->in->len;
	do
		n = c->ops->recv(c, c->in->data + c->in->len, room);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->in->len += (uint32_t)n;
		if ((uint32_t)n < room) {
			c->big = c->full_once = false;
			if (c->ops->short_read_ends && !c->hangup)
				c->readable = false;
		} else {
			/* Two full reads in a row: a long body. */
			c->big = c->big || c->full_once;
			c->full_once = true;
		}
		return deliver(c);
	}
	if (c->in->len == c->in_off) {
		buf_unref(c->in);
		c->in = NULL;
		c->in_off = 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		c->readable = false;
		return false;
	}
	c->readable = false;
	if (n == 0)
		c->got_eof = true;
	else
		fail(c, HG_ERR_EOF);
	return false;
}

static void
read_on(struct chan *c)
{
	struct visit v;
	int rounds = 0;
	bool more = true;

	enter(c, &v);
	while (more && c->readable && !c->paused && !c->got_eof && !c->failed) {
		if (rounds++ == READS) {
			loop_defer(c->loop, &c->more);
			break;
		}
		more = read_once(c);
		if (v.gone)
			break;
	}
	if (!leave(c, &v) || c->failed || !c->got_eof || c->eof_told || c->paused)
		return;
	/* Bytes that waited for the owner's credit come first: the end may have overtaken the task
	 * that hands them over, and an answer that lasts until the end would be cut and look
	 * whole. */
	if (c->in && c->in_off < c->in->len &&
	    (!deliver(c) || c->paused || c->failed || c->eof_told))
		return;
	if (c->write_failed && !c->drain_on_error)
		fail(c, HG_ERR_EOF);
	else if (!c->lingering || c->out == NULL)
		tell_eof(c);
}

static void
more_task(struct task *t)
{
	struct chan *c = HG_CONTAINER(t, struct chan, more);

	if (c->paused || c->failed || c->connecting || c->handshaking)
		return;
	if (c->in && !deliver(c))
		return;
	read_on(c);
}

/* Connected: shake hands if that is wanted, then tell the owner. The channel may be gone
 * afterwards. */
static void
opened(struct chan *c, uint32_t events)
{
	struct visit v;

	if (c->ops->handshake) {
		int r = c->ops->handshake(c, events);

		c->handshaking = r == 0;
		if (r < 0)
			fail(c, c->ops->secure ? HG_ERR_BACKEND_TLS : HG_ERR_EOF);
		if (r <= 0)
			return;
	}
	enter(c, &v);
	if (c->ev->open)
		c->ev->open(c);
	if (leave(c, &v) && (c->out || c->shut_wanted))
		loop_flush(c->loop, &c->flush);
}

static void
connected(struct chan *c, uint32_t events)
{
	int e = 0;
	socklen_t len = sizeof(e);

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0 || e != 0 ||
		    (events & EPOLLERR)) {
			fail(c, HG_ERR_CONNECT_FAILED);
			return;
		}
	}
	c->connecting = false;
	if (c->greet && !chan_say_greeting(c)) {
		fail(c, HG_ERR_CONNECT_FAILED);
		return;
	}
	opened(c, events);
}

static void
ready(struct watch *w, uint32_t events)
{
	struct chan *c = HG_CONTAINER(w, struct chan, watch);

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hangup = true;
	if (c->connecting || c->handshaking) {
		struct visit v;

		enter(c, &v);
		if (c->connecting)
			connected(c, events);
		else
			opened(c, events);
		if (!leave(c, &v) || c->connecting || c->handshaking || c->failed)
			return;
	}
	if ((events & EPOLLOUT) && !c->writable) {
		c->writable = true;
		if (c->out || c->over_high)
			loop_flush(c->loop, &c->flush);
	}
	/* A reset while nobody reads: the owner has to know now. */
	if ((events & EPOLLERR) && (c->got_eof || (c->paused && !c->drain_on_error)))
		fail(c, HG_ERR_EOF);
	else
		read_on(c);
}

void
chan_init(struct chan *c, struct loop *l, struct bufs *bufs, int fd, const struct chan_events *ev,
    void *owner)
{
	*c = (struct chan){
		.watch = {fd, ready},
		.ops = &chan_tcp_ops,
		.ev = ev,
		.owner = owner,
		.loop = l,
		.bufs = bufs,
		.writable = true,
	};
	task_init(&c->flush, flush_task);
	task_init(&c->more, more_task);
}

void
chan_use(struct chan *c, const struct chan_ops *ops, void *impl)
{
	c->ops = ops;
	c->impl = impl;
	c->handshaking = ops->handshake != NULL;
}

/* The read goes before the registration: what it takes raises no event then. */
void
chan_start(struct chan *c, bool speculate)
{
	ssize_t n = -1;

	if (speculate && !c->handshaking && make_room(c)) {
		n = c->ops->recv(c, c->in->data, c->in->cap);
		if (n > 0) {
			c->in->len = (uint32_t)n;
				c->readable = (uint32_t)n == c->in->cap;
		} else {
			buf_unref(c->in);
			c->in = NULL;
		}
	}
	if (loop_watch(c->loop, &c->watch, EDGES) != 0) {
		c->got_eof = true; /* told from the loop: the owner is still setting up */
		loop_defer(c->loop, &c->more);
		return;
	}
	if (n > 0 && deliver(c) && c->readable)
		read_on(c);
}

static int
connect_any(const struct addr *a, struct bytes path, int *fd)
{
	struct sockaddr_storage ss;
	struct sockaddr_un *un = (struct sockaddr_un *)&ss;
	socklen_t len;
	int one = 1;

	if (path.p) {
		if (path.n == 0 || path.n >= sizeof(un->sun_path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		*un = (struct sockaddr_un){.sun_family = AF_UNIX};
		memcpy(un->sun_path, path.p, path.n);
		len = sizeof(*un);
	} else {
		len = addr_to_sock(a, &ss);
	}
	*fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -1;
	if (ss.ss_family != AF_UNIX)
		setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return connect(*fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS ? 0 : -1;
}

int
chan_connect(struct chan *c, struct loop *l, struct bufs *bufs, const struct addr *a,
    struct bytes path, const struct chan_events *ev, void *owner)
{
	int fd = -1;

	if (connect_any(a, path, &fd) == 0) {
		chan_init(c, l, bufs, fd, ev, owner);
		c->connecting = true;
		if (loop_watch(l, &c->watch, EDGES) == 0)
			return 0;
	}
	if (fd >= 0) {
		int e = errno;

		close(fd);
		errno = e;
	}
	*c = (struct chan){.watch.fd = -1, .closed = true};
	return -1;
}

bool
chan_move(struct chan *to, struct chan *from, const struct chan_events *ev, void *owner)
{
	struct loop *l = from->loop;

	HG_CHECK(from->out == NULL && from->in == NULL);
	*to = *from;
	to->ev = ev;
	to->owner = owner;
	to->gone = NULL;
	task_init(&to->flush, flush_task);
	task_init(&to->more, more_task);
	loop_unwatch(l, &from->watch);
	if (loop_watch(l, &to->watch, EDGES) != 0) {
		*to = (struct chan){.watch.fd = -1, .closed = true};
		from->hangup = true;
		return false;
	}
	task_cancel(&from->flush);
	task_cancel(&from->more);
	from->closed = true;
	from->watch.fd = -1;
	from->impl = NULL;
	if (from->gone)
		*from->gone = true;
	from->gone = NULL;
	to->readable = true; /* TLS may hold bytes that the socket has no more */
	loop_defer(l, &to->more);
	return true;
}

static struct chan_queue *
queue_grow(struct chan *c)
{
	struct chan_queue *q = pool_get(&c->bufs->queues);

	if (q == NULL)
		return NULL;
	q->next = NULL;
	q->first = q->n = 0;
	if (c->out_last)
		c->out_last->next = q;
	else
		c->out = q;
	c->out_last = q;
	return q;
}

static void
queue_pop(struct chan *c)
{
	struct chan_queue *q = c->out;

	c->out = q->next;
	if (c->out == NULL)
		c->out_last = NULL;
	pool_put(&c->bufs->queues, q);
}

static void
queue_drop(struct chan *c)
{
	for (; c->out; queue_pop(c))
		for (uint32_t i = c->out->first; i < c->out->n; i++)
			slice_drop(&c->out->v[i]);
	c->queued = 0;
}

void
chan_send(struct chan *c, struct slice s)
{
	struct chan_queue *q = c->out_last;

	if (s.n == 0 || c->closed || c->failed || c->write_failed || c->shut_wanted) {
		slice_drop(&s);
		return;
	}
	if (c->queued == 0)
		c->last_progress = loop_now(c->loop);
	c->queued += s.n;
	if (c->queued > CHAN_HIGH)
		c->over_high = true;
	if (c->writable && !c->connecting && !c->handshaking)
		loop_flush(c->loop, &c->flush);
	if (q && q->n > q->first) {
		struct slice *last = &q->v[q->n - 1];

		if (last->buf == s.buf && last->p + last->n == s.p && s.buf) {
			last->n += s.n;
			slice_drop(&s);
			return;
		}
	}
	if (q == NULL || q->n == QUEUE_SLICES)
		q = queue_grow(c);
	if (q == NULL) { /* no record left: the connection cannot be kept whole */
		slice_drop(&s);
		chan_break(c);
		return;
	}
	q->v[q->n++] = s;
}

/* Takes n sent bytes off the front of the queue. */
static void
queue_advance(struct chan *c, size_t n)
{
	c->queued -= n;
	while (c->out) {
		struct chan_queue *q = c->out;

		for (; q->first < q->n; q->first++) {
			struct slice *s = &q->v[q->first];

			if (n < s->n) {
				s->p += n;
				s->n -= (uint32_t)n;
				return;
			}
			n -= s->n;
			slice_drop(s);
		}
		queue_pop(c);
	}
}

static int
queue_iov(const struct chan *c, struct iovec *iov, size_t *total)
{
	const struct chan_queue *first = c->out;
	int n = 0;

	if (first->next == NULL && first->n - first->first == 1) { /* as nearly always */
		const struct slice *s = &first->v[first->first];

		*iov = (struct iovec){(char *)s->p, s->n};
		*total = s->n;
		return 1;
	}
	*total = 0;
	for (const struct chan_queue *q = first; q && n < IOVS; q = q->next)
		for (uint32_t i = q->first; i < q->n && n < IOVS; i++) {
			iov[n++] = (struct iovec){(char *)q->v[i].p, q->v[i].n};
			*total += q->v[i].n;
		}
	return n;
}

static void
write_failed(struct chan *c)
{
	queue_drop(c);
	c->write_failed = true;
	/* The peer may have answered before it closed; what it said is still in the socket. */
	if (c->drain_on_error && !c->got_eof) {
		c->readable = c->hangup = true;
		if (!c->paused)
			loop_defer(c->loop, &c->more);
		if (c->drain_lost && c->over_high) {
			c->over_high = false;
			c->ev->drained(c);
		}
		return;
	}
	fail(c, HG_ERR_EOF);
}

/* All is out: what was waiting for that. */
static void
queue_empty(struct chan *c)
{
	if (c->shut_wanted && !c->shut) {
		c->shut = true;
		c->ops->shutdown(c);
	}
	if (c->finish && !c->eof_told) {
		tell_eof(c);
		return;
	}
	if (c->lingering && c->got_eof && !c->eof_told)
		tell_eof(c);
}

/* What the kernel takes now. false: the peer is gone. */
static bool
send_some(struct chan *c)
{
	struct iovec iov[IOVS];
	size_t total;
	ssize_t n;

	while (c->out && c->writable) {
		int k = queue_iov(c, iov, &total);

		do
			n = c->ops->send(c, iov, k);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
			return false;
		if (n < 0 || (size_t)n < total)
			c->writable = false;
		if (n > 0) {
			c->last_progress = loop_now(c->loop);
			queue_advance(c, (size_t)n);
		}
	}
	return true;
}

static void
flush_task(struct task *t)
{
	struct chan *c = HG_CONTAINER(t, struct chan, flush);

	if (c->connecting || c->handshaking || c->failed)
		return;
	if (c->write_failed || !send_some(c)) {
		write_failed(c);
		return;
	}
	if (c->over_high && c->queued <= CHAN_LOW) {
		struct visit v;

		c->over_high = false;
		enter(c, &v);
		if (c->ev->drained)
			c->ev->drained(c);
		if (!leave(c, &v))
			return;
	}
	if (c->out == NULL)
		queue_empty(c);
	else if (!c->writable && c->ev->blocked)
		c->ev->blocked(c);
}

void
chan_push(struct chan *c)
{
	if (!c->closed && !c->connecting && !c->handshaking && !c->failed && !c->write_failed &&
	    !send_some(c))
		queue_drop(c);
}

void
chan_break(struct chan *c)
{
	queue_drop(c);
	c->write_failed = true;
	loop_flush(c->loop, &c->flush);
}

void
chan_pause(struct chan *c)
{
	c->paused = true;
}

void
chan_resume(struct chan *c)
{
	c->paused = false;
	if (!c->closed && (c->in || c->readable || (c->got_eof && !c->eof_told)))
		loop_defer(c->loop, &c->more);
}

void
chan_shutdown(struct chan *c)
{
	if (c->closed || c->shut_wanted)
		return;
	c->shut_wanted = true;
	loop_flush(c->loop, &c->flush);
}

void
chan_linger(struct chan *c)
{
	c->lingering = true;
	c->eof_told = false;
	chan_shutdown(c);
	chan_resume(c);
}

void
chan_finish(struct chan *c)
{
	c->finish = c->paused = true;
	c->eof_told = false;
	loop_flush(c->loop, &c->flush);
}

static void
let_go(struct chan *c)
{
	c->closed = true;
	if (c->gone)
		*c->gone = true;
	c->gone = NULL;
	queue_drop(c);
	if (c->in)
		buf_unref(c->in);
	c->in = NULL;
	task_cancel(&c->flush);
	task_cancel(&c->more);
	if (c->ops->release)
		c->ops->release(c);
}

static void
release(struct chan *c)
{
	let_go(c);
	loop_forget(c->loop, &c->watch);
	close(c->watch.fd);
	c->watch.fd = -1;
}

int
chan_detach(struct chan *c)
{
	int fd = c->watch.fd;

	HG_CHECK(!c->closed && c->in == NULL && c->out == NULL);
	let_go(c);
	loop_unwatch(c->loop, &c->watch);
	c->watch.fd = -1;
	return fd;
}

void
chan_close(struct chan *c)
{
	if (!c->closed)
		release(c);
}

void
chan_abort(struct chan *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (c->closed)
		return;
	setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	release(c);
}
