/*
 * listen.c - accepting: at most 16 a turn from one socket, so that a burst of newcomers does not
 * hold up those who are here. Descriptors are edge-triggered, so what is left over is remembered
 * and taken in the next turn. At the limit of connections, and when descriptors run out, a newcomer
 * is still accepted, told 503 and closed: an unanswered queue would be taken for an outage, and a
 * full table of descriptors would make accept() fail for ever. For that one descriptor is kept in
 * reserve and given up for the moment.
 */
#include "worker/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "worker/conn.h"
#include "worker/inbox.h"
#include "worker/l4/l4.h"
#include "worker/l4/udp.h"

#define ACCEPT_TURN 16
#define ACCEPT_LAST 4096 /* when a socket goes away: until empty, but not for ever */
#define BACKLOG 4096

static void
turn_away(struct worker *w, const struct listener *l, int fd)
{
	static const char text[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
	    "Connection: close\r\n\r\n";
	char drop[4096];

	METRIC(w, connections_rejected, 1);
	if (l->mute) {
		close(fd);
		return;
	}
	/* What it has sent is read first: closing over unread bytes would reset the answer away. */
	(void)!recv(fd, drop, sizeof(drop), MSG_DONTWAIT);
	(void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	close(fd);
}

/* Without a free descriptor accept() says so before it looks whether anybody waits: that is known
 * only here. 1, 0, -1 as accept_one(). */
static int
turn_away_by_spare(struct worker *w, struct listener *l)
{
	struct addr peer;
	int fd, r;

	if (w->spare_fd >= 0)
		close(w->spare_fd);
	fd = sock_accept(l->watch.fd, &peer);
	r = fd >= 0 ? 1 : errno == EAGAIN ? 0 : -1;
	if (fd >= 0)
		turn_away(w, l, fd);
	w->spare_fd = fcntl(w->chan.fd, F_DUPFD_CLOEXEC, 0);
	return r;
}

/* 1 one more was accepted, 0 none is waiting, -1 not now. */
static int
accept_one(struct worker *w, struct listener *l)
{
	struct addr peer;
	int fd = sock_accept(l->watch.fd, &peer);

	if (fd >= 0) {
		bool taken = l->l4 ? l4_accept(w, fd, l->what.key.id, l->l4, &peer) :
				     conn_start(w, fd, l->what.key.id, &peer, false);

		if (!taken)
			turn_away(w, l, fd);
		return 1;
	}
	switch (errno) {
	case EAGAIN:
		return 0;
	case ECONNABORTED:
	case EINTR:
	case EPROTO:
		return 1;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return turn_away_by_spare(w, l);
	default:
		log_warn("accept failed: errno %d", errno);
		return 0;
	}
}

static void
accept_some(struct worker *w, struct listener *l, unsigned most)
{
	l->pending = l->later = false;
	for (unsigned i = 0; i < most; i++) {
		int r = accept_one(w, l);

		if (r == 0)
			return;
		if (r < 0) {
			/* Not even the spare one: the next turn that comes by itself asks again. */
			l->later = true;
			return;
		}
	}
	l->pending = true;
	w->busy = true;
}

static void
listen_ready(struct watch *watch, uint32_t events)
{
	struct listener *l = HG_CONTAINER(watch, struct listener, watch);

	(void)events;
	accept_some(l->w, l, ACCEPT_TURN);
}

bool
listen_more(struct worker *w)
{
	bool more = false;

	LIST_FOREACH(it, &w->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->on && !l->udp && (l->pending || l->later))
			accept_some(w, l, ACCEPT_TURN);
		more |= l->pending;
	}
	return more;
}

void
listen_add(struct worker *w, const struct proto_socket *what, uint64_t since, int fd)
{
	struct listener *l;

	if (fd < 0) {
		log_error("a socket message came without its descriptor");
		return;
	}
	l = mem_zalloc(sizeof(*l));
	l->w = w;
	l->what = *what;
	l->since = since;
	l->watch = (struct watch){.fd = fd, .ready = listen_ready};
	list_append(&w->listeners, &l->link);
	listen_activate(w);
}

/* Of plain TCP the server may speak first. */
static void
defer(struct listener *l)
{
	bool wanted = l->l4 != IM_RAW_TCP;

	if (l->deferred != wanted)
		sock_defer(l->watch.fd, wanted);
	l->deferred = wanted;
}

static void
look(struct worker *w, struct listener *l)
{
	const struct gen *gen = w->gens.live;
	uint32_t i = gen_socket(gen, l->what.key.id);

	if (i != IM_NONE) {
		l->l4 = l4_protocol(gen, i);
		l->mute = gen->image.sockets[i].protocol != IM_HTTP;
	}
	if (l->on && l->what.key.transport == IM_TCP)
		defer(l);
}

void
listen_adopt(struct worker *w)
{
	LIST_FOREACH(it, &w->listeners)
		look(w, LIST_ENTRY(it, struct listener, link));
}

static void
activate(struct worker *w, struct listener *l)
{
	look(w, l);
	if (l->what.key.transport == IM_UDP) {
		l->udp = udp_open(w, l->watch.fd, l->what.key.id);
		l->on = l->udp != NULL;
		return;
	}
	l->deferred = l->l4 == IM_RAW_TCP; /* unknown: it is set either way */
	defer(l);
	if (l->what.listen && sock_listen(l->watch.fd, BACKLOG) != 0) {
		log_error("listen failed: errno %d", errno);
		return;
	}
	if (loop_watch(w->loop, &l->watch, EPOLLIN) != 0) {
		log_error("cannot watch a listening socket: errno %d", errno);
		return;
	}
	l->on = true;
	/* Another process may have left a queue here, whose edge is long gone. */
	l->pending = true;
	w->busy = true;
}

void
listen_activate(struct worker *w)
{
	uint64_t live = w->gens.live ? w->gens.live->id : 0;

	if (live == 0 || w->draining)
		return;
	LIST_FOREACH(it, &w->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (!l->on && (!l->what.listen || l->since <= live))
			activate(w, l);
	}
}

static void
free_listener(struct worker *w, struct listener *l)
{
	if (l->udp)
		udp_close(l->udp);
	else if (l->on)
		loop_unwatch(w->loop, &l->watch);
	close(l->watch.fd);
	list_del(&l->link);
	mem_free(l);
}

void
listen_drop(struct worker *w, const struct proto_socket *what)
{
	LIST_FOREACH_SAFE(it, tmp, &w->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		/* The same key twice: a waiting slot's socket that was lent to us. */
		if (l->what.key.id != what->key.id ||
		    l->what.key.transport != what->key.transport || l->what.slot != what->slot)
			continue;
		if (l->on && !l->udp)
			accept_some(w, l, ACCEPT_LAST);
		free_listener(w, l);
	}
	inbox_send(w, PROTO_SOCKET_CLOSED, 0, what, sizeof(*what));
}

void
listen_stop(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->udp) /* answers of its sessions still go out by it: l4_drain() */
			continue;
		if (l->on)
			accept_some(w, l, ACCEPT_LAST);
		/* Closed, not only unwatched: a newcomer is to be refused, not left without an
		 * answer. */
		free_listener(w, l);
	}
}

void
listen_release(struct worker *w)
{
	while (!list_empty(&w->listeners))
		free_listener(w, LIST_ENTRY(w->listeners.next, struct listener, link));
}
