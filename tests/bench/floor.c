/*
 * floor.c - the least that a proxy can do: accept, connect one socket to the backend for each
 * client, copy bytes both ways. Edge-triggered epoll, one recv and one send a message, no parsing,
 * no timers, no limits. Its CPU time a request on this machine is the yardstick of the benchmarks:
 * a proxy's efficiency is the floor's time over its own.
 *
 *     floor LISTEN_PORT BACKEND_PORT
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS 128
#define ROOM 16384

struct half { /* reads from fd, writes to peer->fd */
	int fd;
	int readable, eof, shut, dead;
	struct half *peer;
	size_t n, off; /* unsent bytes */
	char *pending;
};

static struct half listener;
static struct sockaddr_in backend;
static int ep;
static struct half *corpses[2 * EVENTS]; /* freed at the end of the turn */
static int corpse_n;
static char shared[ROOM];

static int
watch(struct half *h)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = h};

	return epoll_ctl(ep, EPOLL_CTL_ADD, h->fd, &e);
}

static void
kill_pair(struct half *h)
{
	struct half *both[2] = {h, h->peer};

	if (h->dead)
		return;
	for (int i = 0; i < 2; i++) {
		close(both[i]->fd);
		both[i]->dead = 1;
		corpses[corpse_n++] = both[i];
	}
}

/* 0: all is out; 1: must wait; -1: dead */
static int
push(struct half *h, const char *p, size_t n)
{
	ssize_t k = send(h->peer->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (k < 0 && errno != EAGAIN)
		return -1;
	if (k < 0)
		k = 0;
	if ((size_t)k == n)
		return 0;
	if (h->pending == NULL && (h->pending = malloc(ROOM)) == NULL)
		return -1;
	memmove(h->pending, p + k, n - (size_t)k);
	h->off = 0;
	h->n = n - (size_t)k;
	return 1;
}

static void
pump(struct half *h)
{
	if (h->n) {
		int r = push(h, h->pending + h->off, h->n);

		if (r < 0)
			kill_pair(h);
		if (r != 0)
			return;
		h->n = 0;
	}
	while (h->readable && !h->eof) {
		ssize_t k = recv(h->fd, shared, ROOM, MSG_DONTWAIT);

		if (k < 0 && errno == EAGAIN) {
			h->readable = 0;
			return;
		}
		if (k < 0) {
			kill_pair(h);
			return;
		}
		if (k == 0) {
			h->eof = 1;
			break;
		}
		if (k < ROOM && h->readable == 1)
			h->readable = 0;
		switch (push(h, shared, (size_t)k)) {
		case 0:
			break;
		case 1:
			return;
		default:
			kill_pair(h);
			return;
		}
	}
	if (h->eof && !h->shut) {
		h->shut = 1;
		shutdown(h->peer->fd, SHUT_WR);
		if (h->peer->shut)
			kill_pair(h);
	}
}

static void
accept_all(void)
{
	int fd, one = 1;

	while ((fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct half *down = calloc(1, sizeof(*down)), *up = calloc(1, sizeof(*up));

		if (down == NULL || up == NULL)
			abort();
		down->fd = fd;
		up->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		down->peer = up;
		up->peer = down;
		setsockopt(up->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(up->fd, (struct sockaddr *)&backend, sizeof(backend)) != 0 &&
		    errno != EINPROGRESS) {
			close(fd);
			close(up->fd);
			free(down);
			free(up);
			continue;
		}
		watch(up);
		watch(down);
	}
}

static void
handle(struct half *h, uint32_t events)
{
	if (h->dead)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		h->readable = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? 2 : 1;
	if (h->readable)
		pump(h);
	if (!h->dead && (events & EPOLLOUT) && h->peer->n)
		pump(h->peer);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event events[EVENTS], e = {.events = EPOLLIN, .data.ptr = &listener};
	int one = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: floor LISTEN_PORT BACKEND_PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	backend = at;
	at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	backend.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	ep = epoll_create1(EPOLL_CLOEXEC);
	listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (ep < 0 || bind(listener.fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener.fd, 4096) != 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener.fd, &e) != 0) {
		perror("floor");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(ep, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &listener)
				accept_all();
			else
				handle(events[i].data.ptr, events[i].events);
		}
		while (corpse_n > 0) {
			free(corpses[--corpse_n]->pending);
			free(corpses[corpse_n]);
		}
	}
}
