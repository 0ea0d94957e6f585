/*
 * resolve.c - c-ares on the loop. Its sockets are told to us as they come and go; the loop is
 * edge-triggered and c-ares reads TCP answers in pieces, so each event is processed until poll()
 * says there is no more (only the helper process resolves, nothing here is hot). Names are looked
 * up as they are: no search domains, no system hosts file - its text is given, because this process
 * may not open files. Answers that c-ares has at once are put off to the loop.
 */
#include "net/resolve.h"

#include <ares.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define SOCKETS 32
#define TTL_MAX 300
#define HOSTS_TTL 60

struct resolver_sock {
	struct watch watch;
	struct resolver *r;
	bool used;
};

struct resolver {
	ares_channel channel;
	struct loop *loop;
	char *hosts;
	size_t hosts_n;
	struct timer timer;
	struct task kick; /* a socket wants to write: no edge comes for that */
	struct resolver_sock socks[SOCKETS];
	struct list queries;
};

struct query {
	struct list link;
	struct task task;
	struct resolver *r;
	void (*done)(void *, const struct resolve_answer *);
	void *arg;
	struct resolve_answer answer;
};

static void
rearm(struct resolver *r)
{
	struct timeval most = {1, 0}, tv, *t = ares_timeout(r->channel, NULL, &tv);

	if (t == NULL) {
		timer_rest(&r->timer);
		return;
	}
	t = ares_timeout(r->channel, &most, &tv);
	timer_in(r->loop, &r->timer, (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000 + 1);
}

static void
on_timer(struct timer *t)
{
	struct resolver *r = HG_CONTAINER(t, struct resolver, timer);

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(r);
}

static void
on_ready(struct watch *w, uint32_t events)
{
	struct resolver_sock *s = HG_CONTAINER(w, struct resolver_sock, watch);
	struct resolver *r = s->r;
	int fd = w->fd;

	if (events & EPOLLOUT)
		ares_process_fd(r->channel, ARES_SOCKET_BAD, fd);
	for (int i = 0; i < 64 && s->used && w->fd == fd; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 0) != 1)
			break;
		ares_process_fd(r->channel, fd, ARES_SOCKET_BAD);
	}
	rearm(r);
}

static void
on_kick(struct task *t)
{
	struct resolver *r = HG_CONTAINER(t, struct resolver, kick);

	for (int i = 0; i < SOCKETS; i++)
		if (r->socks[i].used)
			ares_process_fd(r->channel, ARES_SOCKET_BAD, r->socks[i].watch.fd);
	rearm(r);
}

/* c-ares opened, closed or wants something else of a socket. */
static void
sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct resolver_sock *s = NULL;

	for (int i = 0; i < SOCKETS && s == NULL; i++)
		if (r->socks[i].used && r->socks[i].watch.fd == fd)
			s = &r->socks[i];
	if (!readable && !writable) {
		if (s) {
			loop_unwatch(r->loop, &s->watch);
			s->used = false;
		}
		return;
	}
	for (int i = 0; i < SOCKETS && s == NULL; i++) {
		if (r->socks[i].used)
			continue;
		s = &r->socks[i];
		s->watch = (struct watch){fd, on_ready};
		s->r = r;
		s->used = loop_watch(r->loop, &s->watch, EPOLLIN | EPOLLOUT) == 0;
	}
	if (writable)
		loop_defer(r->loop, &r->kick);
}

struct resolver *
resolver_new(const char *servers, struct bytes hosts)
{
	struct resolver *r = mem_zalloc(sizeof(*r));
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = 2000,
		.tries = 2,
		.lookups = (char *)"b",
		.sock_state_cb = sock_state,
		.sock_state_cb_data = r,
	};
	int e = ares_library_init(ARES_LIB_INIT_ALL);

	list_init(&r->queries);
	timer_init(&r->timer, on_timer);
	task_init(&r->kick, on_kick);
	if (e == ARES_SUCCESS)
		e = ares_init_options(&r->channel, &o,
		    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
			ARES_OPT_SOCK_STATE_CB);
	if (e == ARES_SUCCESS && servers &&
	    (e = ares_set_servers_ports_csv(r->channel, servers)) != ARES_SUCCESS)
		ares_destroy(r->channel);
	if (e != ARES_SUCCESS) {
		log_error("resolver: %s", ares_strerror(e));
		mem_free(r);
		return NULL;
	}
	if (hosts.p) {
		r->hosts = mem_dup(hosts);
		r->hosts_n = hosts.n;
	}
	return r;
}

void
resolver_attach(struct resolver *r, struct loop *l)
{
	r->loop = l;
}

static void
query_free(struct query *q)
{
	task_cancel(&q->task);
	list_del(&q->link);
	mem_free(q);
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	ares_destroy(r->channel); /* its queries end with EDESTRUCTION, see on_answer */
	while (!list_empty(&r->queries))
		query_free(LIST_ENTRY(r->queries.next, struct query, link));
	timer_stop(&r->timer);
	task_cancel(&r->kick);
	mem_free(r->hosts);
	mem_free(r);
	ares_library_cleanup();
}

static void
deliver(struct task *t)
{
	struct query *q = HG_CONTAINER(t, struct query, task);

	list_del(&q->link);
	q->done(q->arg, &q->answer);
	mem_free(q);
}

static void
add(struct resolve_answer *a, const struct sockaddr *sa)
{
	struct addr at;

	if (a->n == RESOLVE_ADDRS || !addr_from_sock(sa, &at))
		return;
	at.port = 0;
	for (uint32_t i = 0; i < a->n; i++)
		if (addr_eq(&a->addrs[i], &at))
			return;
	a->addrs[a->n++] = at;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct query *q = arg;
	struct resolve_answer *a = &q->answer;
	int ttl = TTL_MAX;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION) {
		query_free(q);
		return;
	}
	for (struct ares_addrinfo_node *n = ai ? ai->nodes : NULL; n; n = n->ai_next) {
		ttl = HG_MIN(ttl, n->ai_ttl);
		add(a, n->ai_addr);
	}
	for (struct ares_addrinfo_cname *c = ai ? ai->cnames : NULL; c; c = c->next)
		ttl = HG_MIN(ttl, c->ttl);
	if (ai)
		ares_freeaddrinfo(ai);
	a->ttl_s = (uint32_t)HG_MAX(ttl, 1);
	a->ok = a->n > 0;
	a->none = !a->ok &&
	    (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS);
	if (!a->ok)
		a->why = a->none ? "no such name or no address" : ares_strerror(status);
	loop_defer(q->r->loop, &q->task);
}

/* Lines of "address name name…"; all that match, in order. */
static void
look_in_hosts(const struct resolver *r, struct bytes name, struct resolve_answer *a)
{
	struct bytes rest = r->hosts ? bytes_of(r->hosts, r->hosts_n) : BYTES_NONE;

	while (rest.p) {
		struct bytes line = bytes_cut(&rest, '\n'), word;
		struct sockaddr_storage ss;
		struct addr at = {0};
		bool first = true;

		line = bytes_cut(&line, '#');
		for (size_t i = 0; i < line.n;) {
			size_t from;

			while (i < line.n &&
			    (line.p[i] == ' ' || line.p[i] == '\t' || line.p[i] == '\r'))
				i++;
			for (from = i; i < line.n && line.p[i] != ' ' && line.p[i] != '\t' &&
			     line.p[i] != '\r';
			     i++)
				;
			word = bytes_of(line.p + from, i - from);
			if (word.n == 0)
				break;
			if (first && !addr_parse_ip(word, &at))
				break;
			if (!first && bytes_eqi(word, name) && addr_to_sock(&at, &ss) > 0)
				add(a, (struct sockaddr *)&ss);
			first = false;
		}
	}
}

void
resolver_query(struct resolver *r, const char *name,
    void (*done)(void *, const struct resolve_answer *), void *arg)
{
	struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
	struct query *q = mem_zalloc(sizeof(*q));

	HG_CHECK(r->loop != NULL);
	q->r = r;
	q->done = done;
	q->arg = arg;
	task_init(&q->task, deliver);
	list_append(&r->queries, &q->link);
	look_in_hosts(r, bytes_str(name), &q->answer);
	if (q->answer.n) {
		q->answer.ok = true;
		q->answer.ttl_s = HOSTS_TTL;
		loop_defer(r->loop, &q->task);
		return;
	}
	ares_getaddrinfo(r->channel, name, NULL, &hints, on_answer, q);
	rearm(r);
}
