/*
 * udp.c - sessions. A datagram's client (and, on a wildcard socket, the address that it came to)
 * names its session; the first one picks an endpoint, by weight, and opens a connected socket, so
 * that answers need no table and the kernel reports what ICMP says. An endpoint that refuses is
 * left: the datagram that met the refusal goes to the next one at once.
 *
 * The table is bounded by number and by descriptors; when it is full the least recently used
 * session makes room, and is counted. Rejected: one socket an endpoint with ports of our own as
 * keys (NAT): a 64 K space an address, and a reload would have to rebuild it.
 */
#include "worker/l4/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "worker/l4/account.h"
#include "worker/l4/dgram.h"
#include "worker/l4/l4.h"

#define ROUNDS 8           /* batches of one socket in a row */
#define DRAIN_IDLE_MS 1000 /* a leaving worker waits so long for a session's answer */
#define BUSY_BATCH 8       /* so many answers at once: ask the kernel to join them */

struct udp_port {
	struct watch watch;
	struct list link;
	struct task more;
	struct udp *u;
	uint32_t socket;
	bool wildcard, watched;
};

struct session_key {
	struct addr client, local;
	uint32_t socket;
};
struct session {
	struct watch watch;        /* fd -1: it has no endpoint now */
	struct list lru;
	struct session *next;      /* of its bucket */
	struct timer timer;
	struct udp_port *port;
	struct session_key key;
	struct dgram_local local;
	struct way way;
	uint64_t id, begun, begun_real, moved, leave;
	uint64_t in, out, packets_in, packets_out;
	struct l4_told told;
	bool answered, joined;
};

struct udp {
	struct worker *w;
	struct pool pool;
	struct session **table;
	uint32_t mask, n;
	struct list lru;           /* longest unused first */
	struct list ports;
	bool draining;
	struct task flush;
	struct dgrams in;
	struct dgrams_out out;
};

static struct session **
bucket(struct udp *u, const struct session_key *k)
{
	return &u->table[hash_sip(&u->w->seed, k, sizeof(*k)) & u->mask];
}

/* ---- the end of a session */

static void
unplace(struct session *s)
{
	if (s->watch.fd < 0)
		return;
	loop_forget(s->port->u->w->loop, &s->watch);
	close(s->watch.fd);
	s->watch.fd = -1;
}

static void
end(struct session *s, enum hg_err e)
{
	struct udp *u = s->port->u;
	struct worker *w = u->w;
	struct session **at = bucket(u, &s->key);
	struct l4_account a = {.protocol = "udp",
	    .client = &s->key.client,
	    .conn = s->id,
	    .begun = s->begun,
	    .begun_real = s->begun_real,
	    .in = s->in,
	    .out = s->out,
	    .packets_in = s->packets_in,
	    .packets_out = s->packets_out,
	    .served = s->answered || s->watch.fd >= 0,
	    .err = e};

	unplace(s);
	l4_tell(w, &s->way, &s->told, s->in, s->out);
	l4_account(w, &s->way, &a);
	timer_stop(&s->timer);
	way_over(&s->way, w);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	list_del(&s->lru);
	pool_put(&u->pool, s);
	u->n--;
	w->l4_extra--;
	if (w->draining)
		worker_maybe_over(w);
}

static uint64_t
due(const struct session *s)
{
	const struct udp *u = s->port->u;
	uint64_t idle = s->way.terms.idle_ms, at;

	if (u->draining)
		idle = HG_MIN(idle, (uint64_t)DRAIN_IDLE_MS);
	at = idle == UINT64_MAX ? UINT64_MAX : s->moved + idle * MS_NS;
	return s->leave ? HG_MIN(at, s->leave) : at;
}

static void
fire(struct timer *t)
{
	struct session *s = HG_CONTAINER(t, struct session, timer);
	struct loop *loop = s->port->u->w->loop;
	uint64_t at = due(s);

	if (at <= loop_now(loop))
		end(s, s->leave && s->leave <= at ? HG_ERR_DRAINING : HG_OK);
	else if (at != UINT64_MAX)
		timer_set(loop, t, at);
}

/* The place in the list is good to a second: it costs less than a list move a datagram. */
static void
touch(struct session *s)
{
	struct udp *u = s->port->u;
	uint64_t now = loop_now(u->w->loop);

	if (now - s->moved > SEC_NS) {
		list_del(&s->lru);
		list_append(&u->lru, &s->lru);
	}
	s->moved = now;
}

/* ---- answers */

static void
flush_task(struct task *t)
{
	struct udp *u = HG_CONTAINER(t, struct udp, flush);

	METRIC(u->w, udp_dropped, dgram_flush(&u->out));
}

/* ICMP said that nobody is there. */
static void
lost(struct session *s)
{
	unplace(s);
	way_failed(&s->way, s->port->u->w);
}

static void
answers(struct session *s, int n)
{
	struct udp *u = s->port->u;
	struct worker *w = u->w;

	touch(s);
	if (!s->answered)
		way_connected(&s->way, w);
	s->answered = true;
	for (int i = 0; i < n; i++) {
		unsigned bad = dgram_reply(
		    &u->in, i, &u->out, s->port->watch.fd, &s->key.client, &s->local);

		s->out += dgram_len(&u->in, i);
		s->packets_out += dgram_count(&u->in, i);
		METRIC(w, udp_out, dgram_count(&u->in, i));
		METRIC(w, udp_dropped, bad);
	}
	if (u->out.n)
		loop_flush(w->loop, &u->flush);
	if (n >= BUSY_BATCH && !s->joined) {
		s->joined = true;
		dgram_options(s->watch.fd, true, false, false);
	}
}

static void
session_ready(struct watch *watch, uint32_t events)
{
	struct session *s = HG_CONTAINER(watch, struct session, watch);
	struct udp *u = s->port->u;

	(void)events;
	for (;;) {
		int n = dgram_recv(&u->in, watch->fd);

		if (n < 0) {
			lost(s);
			return;
		}
		if (n)
			answers(s, n);
		if (n < DGRAM_BATCH)
			return;
	}
}

/* ---- an endpoint */

static int
connect_to(const struct target *t)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sock(&t->addr, &ss);
	int fd;

	if (t->unix_path.p || len == 0) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) != 0) {
		int e = errno;

		close(fd);
		errno = e;
		fd = -1;
	}
	return fd;
}

static bool make_room(struct udp *, const struct session *but);

static enum hg_err
place(struct session *s)
{
	struct udp *u = s->port->u;
	struct worker *w = u->w;
	bool again = false;
	struct target t;
	enum hg_err e;

	for (;;) {
		e = way_pick(&s->way, w, BYTES_NONE, &s->key.client, true, &t);
		if (e != HG_OK)
			return e;
		do
			s->watch.fd = connect_to(&t);
		while (s->watch.fd < 0 && (errno == EMFILE || errno == ENFILE) && !again &&
		    (again = make_room(u, s)));
		if (s->watch.fd >= 0 && loop_watch(w->loop, &s->watch, EPOLLIN) == 0)
			return HG_OK;
		unplace(s);
		way_failed(&s->way, w);
	}
}

/* ---- sessions */

static bool
make_room(struct udp *u, const struct session *but)
{
	struct session *s =
	    list_empty(&u->lru) ? NULL : LIST_ENTRY(u->lru.next, struct session, lru);

	if (s == NULL || s == but)
		return false;
	METRIC(u->w, udp_evicted, 1);
	end(s, HG_ERR_OVERLOAD);
	return true;
}

static struct session *
find(struct udp *u, const struct session_key *k)
{
	struct session *s = *bucket(u, k);

	while (s && memcmp(&s->key, k, sizeof(*k)) != 0)
		s = s->next;
	return s;
}

/* Its listener and rule, and whether it may be. */
static enum hg_err
admit(struct session *s)
{
	struct worker *w = s->port->u->w;
	const struct gen *gen = w->gens.live;
	uint32_t i = gen_socket(gen, s->port->socket),
		 l = i == IM_NONE ? IM_NONE : gen->image.sockets[i].listeners.any, rule;

	if (l == IM_NONE || gen->image.listeners[l].protocol != IM_RAW_UDP)
		return HG_ERR_NO_LISTENER;
	rule = way_route(gen, l, BYTES_NONE);
	way_set(&s->way, w, gen, l, rule);
	if (rule == IM_NONE)
		return HG_ERR_NO_ROUTE;
	return way_admit(&s->way, w, gen, l, rule, &s->key.client);
}

/* Half of what there may be: the other half stays for connections. */
static uint32_t
most(const struct worker *w)
{
	return HG_MIN(UDP_SESSIONS, HG_MAX(w->conn_cap / 2, 16u));
}

static struct session *
new_session(struct udp_port *p, const struct session_key *k, const struct dgram_local *local)
{
	struct udp *u = p->u;
	struct worker *w = u->w;
	struct session *s, **at;

	if (u->draining)
		return NULL;
	s = pool_get(&u->pool);
	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->watch = (struct watch){.fd = -1, .ready = session_ready};
	s->port = p;
	s->key = *k;
	s->local = *local;
	/* Asked first: who is refused must not push out who is served. */
	if (admit(s) != HG_OK ||
	    ((u->n >= most(w) || w->nconns + w->l4_extra >= w->conn_cap) && !make_room(u, NULL))) {
		way_over(&s->way, w);
		pool_put(&u->pool, s);
		return NULL;
	}
	s->id = ++w->next_conn;
	s->begun = s->moved = loop_now(w->loop);
	s->begun_real = clock_real();
	timer_init(&s->timer, fire);
	at = bucket(u, k);
	s->next = *at;
	*at = s;
	list_append(&u->lru, &s->lru);
	u->n++;
	w->l4_extra++;
	METRIC(w, udp_sessions, 1);
	l4_begin(w);
	return s;
}

/* The session of message i, with an endpoint. NULL: drop it. */
static struct session *
session_of(struct udp_port *p, int i)
{
	struct udp *u = p->u;
	struct dgram_local local = {0};
	struct session_key k = {.socket = p->socket};
	struct session *s;
	enum hg_err e;

	if (!dgram_from(&u->in, i, &k.client))
		return NULL;
	if (p->wildcard) {
		local = dgram_to(&u->in, i);
		k.local = local.addr;
	}
	s = find(u, &k);
	if (s == NULL)
		s = new_session(p, &k, &local);
	if (s == NULL || s->watch.fd >= 0)
		return s;
	e = place(s);
	if (e != HG_OK) {
		end(s, e);
		return NULL;
	}
	if (due(s) != UINT64_MAX)
		timer_set(u->w->loop, &s->timer, due(s));
	return s;
}

/* Messages [from, to) of one session. What an endpoint refuses goes to the next. */
static void
forward(struct session *s, int from, int to)
{
	struct udp *u = s->port->u;
	struct worker *w = u->w;

	touch(s);
	for (int i = from; i < to; i++) {
		s->in += dgram_len(&u->in, i);
		s->packets_in += dgram_count(&u->in, i);
	}
	while (from < to) {
		int n = dgram_forward(&u->in, s->watch.fd, from, to);

		for (int i = from; i < from + n; i++)
			METRIC(w, udp_in, dgram_count(&u->in, i));
		from += n;
		if (from == to)
			return;
		if (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH) {
			enum hg_err e;

			lost(s);
			e = place(s);
			if (e == HG_OK)
				continue;
			for (; from < to; from++)
				METRIC(w, udp_dropped, dgram_count(&u->in, from));
			end(s, e);
			return;
		}
		METRIC(w, udp_dropped, dgram_count(&u->in, from));
		from++;
	}
}

/* A batch: neighbours of one session go out together. */
static void
deal(struct udp_port *p, int n)
{
	struct session *run = NULL;
	int from = 0;

	for (int i = 0; i < n; i++) {
		struct addr client;

		/* The same client as before? Then without a look into the table. */
		if (run && dgram_from(&p->u->in, i, &client) &&
		    addr_eq(&client, &run->key.client) && !p->wildcard)
			continue;
		if (run)
			forward(run, from, i);
		run = session_of(p, i);
		from = i;
		METRIC(p->u->w, udp_dropped, run ? 0 : dgram_count(&p->u->in, i));
	}
	if (run)
		forward(run, from, n);
}

static void
serve(struct udp_port *p)
{
	for (int round = 0; round < ROUNDS; round++) {
		int n = dgram_recv(&p->u->in, p->watch.fd);

		/* An error here is of one datagram that we sent, long gone. */
		if (n > 0)
			deal(p, n);
		if (n >= 0 && n < DGRAM_BATCH)
			return;
	}
	p->u->w->busy = true;
	loop_defer(p->u->w->loop, &p->more);
}

static void
port_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	serve(HG_CONTAINER(watch, struct udp_port, watch));
}

static void
port_more(struct task *t)
{
	serve(HG_CONTAINER(t, struct udp_port, more));
}

/* ---- ports */

static struct udp *
make(struct worker *w)
{
	struct udp *u = mem_zalloc(sizeof(*u));
	uint32_t size = 1024;

	u->w = w;
	while (size < most(w))
		size *= 2;
	u->mask = size - 1;
	u->table = mem_zalloc(size * sizeof(struct session *));
	HG_CHECK(pool_init(&u->pool, sizeof(struct session), UDP_SESSIONS + 1) == 0);
	list_init(&u->lru);
	list_init(&u->ports);
	task_init(&u->flush, flush_task);
	dgram_init(&u->in);
	return u;
}

struct udp_port *
udp_open(struct worker *w, int fd, uint32_t socket_id)
{
	struct udp_port *p = mem_zalloc(sizeof(*p));
	struct addr local;

	if (w->l4->udp == NULL)
		w->l4->udp = make(w);
	p->u = w->l4->udp;
	p->socket = socket_id;
	p->watch = (struct watch){.fd = fd, .ready = port_ready};
	task_init(&p->more, port_more);
	p->wildcard = !sock_local(fd, &local) || addr_is_any(&local);
	dgram_options(fd, true, p->wildcard, local.family == 6);
	if (loop_watch(w->loop, &p->watch, EPOLLIN) != 0) {
		log_error("cannot watch a UDP socket: errno %d", errno);
		mem_free(p);
		return NULL;
	}
	p->watched = true;
	list_append(&p->u->ports, &p->link);
	/* Another process may have left a queue here, whose edge is long gone. */
	loop_defer(w->loop, &p->more);
	return p;
}

static void
unwatch(struct udp_port *p)
{
	if (p->watched)
		loop_unwatch(p->u->w->loop, &p->watch);
	p->watched = false;
	task_cancel(&p->more);
}

void
udp_close(struct udp_port *p)
{
	struct udp *u = p->u;

	LIST_FOREACH_SAFE(it, tmp, &u->lru) {
		struct session *s = LIST_ENTRY(it, struct session, lru);

		if (s->port == p)
			end(s, HG_ERR_DRAINING);
	}
	METRIC(u->w, udp_dropped, dgram_flush(&u->out));
	unwatch(p);
	list_del(&p->link);
	mem_free(p);
}

void
udp_free(struct udp *u)
{
	if (u == NULL)
		return;
	HG_CHECK(list_empty(&u->ports) && u->n == 0);
	task_cancel(&u->flush);
	dgram_release(&u->in);
	pool_release(&u->pool);
	mem_free(u->table);
	mem_free(u);
}

/* ---- after a commit, at the end */

void
udp_adopt(struct udp *u, const struct gen *gen, const struct way_rules *rules, uint64_t until)
{
	if (u == NULL)
		return;
	LIST_FOREACH_SAFE(it, tmp, &u->lru) {
		struct session *s = LIST_ENTRY(it, struct session, lru);

		if (!way_gone(&s->way, gen, rules))
			s->leave = 0;
		else if (s->leave == 0)
			s->leave = until;
		/* The next datagram looks for another endpoint. */
		if (s->watch.fd >= 0 && way_endpoint_gone(&s->way, gen)) {
			unplace(s);
			way_leave(&s->way, u->w);
		}
		if (s->leave)
			timer_set(u->w->loop, &s->timer, due(s));
	}
}

void
udp_drain(struct udp *u)
{
	if (u == NULL)
		return;
	u->draining = true;
	/* Who serves the socket next must get what comes now. */
	LIST_FOREACH(it, &u->ports)
		unwatch(LIST_ENTRY(it, struct udp_port, link));
	LIST_FOREACH_SAFE(it, tmp, &u->lru) {
		struct session *s = LIST_ENTRY(it, struct session, lru);

		timer_set(u->w->loop, &s->timer, due(s));
	}
}

void
udp_close_all(struct udp *u, enum hg_err e)
{
	while (u && !list_empty(&u->lru))
		end(LIST_ENTRY(u->lru.next, struct session, lru), e);
}

void
udp_tell(struct udp *u)
{
	if (u == NULL)
		return;
	LIST_FOREACH(it, &u->lru) {
		struct session *s = LIST_ENTRY(it, struct session, lru);

		l4_tell(u->w, &s->way, &s->told, s->in, s->out);
	}
}

bool
udp_busy(const struct udp *u)
{
	return u != NULL && u->n != 0;
}
