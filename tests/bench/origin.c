/*
 * origin.c - a backend that always answers the same, for as little CPU as possible: keep-alive,
 * pipelining, no parsing beyond the search for the end of a head. Requests must have no body.
 * Counts accepted connections (USR1 prints), since a proxy that does not reuse them makes every
 * comparison worthless.
 *
 *     origin PORT [BODY_BYTES]
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ROOM 16384

struct conn {
	int fd;
	uint32_t match;         /* how much of CRLF CRLF the bytes so far end with */
	size_t owed;            /* bytes of answers not yet sent */
};

static char *answer;
static size_t answer_n;
static volatile sig_atomic_t wanted;
static unsigned long accepted, served;

static void
on_usr1(int sig)
{
	(void)sig;
	wanted = 1;
}

static void
make_answer(size_t body)
{
	answer = malloc(body + 256);
	if (answer == NULL)
		abort();
	answer_n = (size_t)snprintf(answer, 256,
	    "HTTP/1.1 200 OK\r\nServer: origin\r\n"
	    "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
	    body);
	memset(answer + answer_n, 'x', body);
	answer_n += body;
}

/* 0 or -1. The position inside the first owed answer follows from `owed`. */
static int
pay(struct conn *c)
{
	while (c->owed) {
		size_t left = c->owed % answer_n ? c->owed % answer_n : answer_n;
		ssize_t k =
		    send(c->fd, answer + (answer_n - left), left, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k < 0)
			return errno == EAGAIN ? 0 : -1;
		c->owed -= (size_t)k;
		if ((size_t)k < left)
			return 0;
	}
	return 0;
}

static int
serve(struct conn *c)
{
	static const char end[] = "\r\n\r\n";
	char buf[ROOM];

	for (;;) {
		ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return -1;
		for (ssize_t i = 0; i < n; i++) {
			c->match = buf[i] == end[c->match] ? c->match + 1 : buf[i] == '\r';
			if (c->match == 4) {
				c->match = 0;
				c->owed += answer_n;
				served++;
			}
		}
		if (n < (ssize_t)sizeof(buf))
			return pay(c);
	}
}

static void
accept_all(int ep, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		struct epoll_event e = {
		    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

		if (c == NULL)
			abort();
		c->fd = fd;
		accepted++;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event events[128], e = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC), one = 1, fd;

	if (argc < 2) {
		fprintf(stderr, "usage: origin PORT [BODY_BYTES]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_usr1);
	make_answer(argc > 2 ? strtoul(argv[2], NULL, 10) : 64);
	at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0) {
		perror("origin");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(ep, events, 128, -1);

		if (wanted) {
			wanted = 0;
			printf("accepted=%lu served=%lu\n", accepted, served);
			fflush(stdout);
		}
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (c == NULL) {
				accept_all(ep, fd);
			} else if ((events[i].events & EPOLLIN ? serve(c) : pay(c)) != 0 ||
			    (events[i].events & (EPOLLHUP | EPOLLERR))) {
				close(c->fd);
				free(c);
			}
		}
	}
}
