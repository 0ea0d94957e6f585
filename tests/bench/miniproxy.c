/*
 * miniproxy.c - net/ and http/ without the worker: one listener, one backend, no routes. Runs the
 * byte corpus and shows what the two layers cost on their own, between tests/bench/floor and the
 * real worker.
 *
 *     miniproxy LISTEN_PORT BACKEND_PORT [HEADER_MS IDLE_MS]        USR1 prints what is in use
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/check.h"
#include "base/parse.h"
#include "http/fields.h"
#include "http/h1.h"
#include "net/sock.h"

#define WINDOW 131072

struct conn {
	struct h1_down down;
};

struct up {
	struct h1_up h1;
	struct up *next;
	struct ex *ex;
	bool pooled;
};

struct ex {
	struct stream *down, *up;
	struct conn *conn;
	struct up *u;
	struct msg req, out, resp, back;
	bool up_end, body_sent, answered, refused, done;
};

static struct {
	struct loop *loop;
	struct bufs bufs;
	struct pool conns, ups, exs;
	struct up *idle;
	struct watch listener;
	struct addr backend;
	struct h1_limits limits;
} mp;

static volatile sig_atomic_t wanted;

static void
on_usr1(int sig)
{
	(void)sig;
	wanted = 1;
}

static void
report(void *arg)
{
	(void)arg;
	if (!wanted)
		return;
	wanted = 0;
	printf("conns=%u ups=%u exchanges=%u buffer_bytes=%llu queues=%u\n", mp.conns.used,
	    mp.ups.used, mp.exs.used, (unsigned long long)mp.bufs.in_use, mp.bufs.queues.used);
	fflush(stdout);
}

static void
pool_out(struct up *u)
{
	for (struct up **p = &mp.idle; *p; p = &(*p)->next)
		if (*p == u) {
			*p = u->next;
			break;
		}
	u->pooled = false;
}

static void
ex_free(struct ex *x)
{
	msg_release(&x->req);
	msg_release(&x->out);
	msg_release(&x->resp);
	msg_release(&x->back);
	pool_put(&mp.exs, x);
}

/* Lets go of both sides; what is unfinished is cut by the adapters. */
static void
ex_end(struct ex *x)
{
	struct stream *down = x->down, *up = x->up;

	if (x->u)
		x->u->ex = NULL;
	x->down = x->up = NULL;
	x->u = NULL;
	if (up)
		up->ops->detach(up);
	if (down)
		down->ops->detach(down);
	ex_free(x);
}

static void
answer(struct ex *x, enum hg_err e)
{
	struct msg *m = &x->back;
	unsigned status = err_http(e) ? err_http(e) : 500;

	if (x->u) {
		x->u->ex = NULL;
		x->u = NULL;
	}
	if (x->up) {
		struct stream *up = x->up;

		x->up = NULL;
		up->ops->reset(up, e);
	}
	if (x->answered) {
		x->down->ops->reset(x->down, e);
		x->down = NULL;
		ex_end(x);
		return;
	}
	msg_init(m, false);
	m->status = (uint16_t)status;
	m->framing = MSG_LENGTH;
	m->length = 0;
	x->down->ops->send_head(x->down, m, STREAM_END | (status == 400 ? STREAM_CLOSE : 0));
	ex_end(x);
}

/* ---- up */

static const struct stream_events up_ev;

static void
start(struct ex *x)
{
	struct msg *m = &x->out;
	bool end = m->framing == MSG_NONE || (m->framing == MSG_LENGTH && m->length == 0);

	x->up = h1_up_open(&x->u->h1, &x->resp, &up_ev, x);
	x->up->ops->send_head(x->up, m, end ? STREAM_END : 0);
	if (!end)
		x->down->ops->credit(x->down, WINDOW);
}

static void
up_open(struct h1_up *h)
{
	struct up *u = h->owner;

	if (u->ex)
		start(u->ex);
	else
		h1_up_close(h);
}

static void
up_failed(struct h1_up *h, enum hg_err e)
{
	struct up *u = h->owner;

	if (u->ex)
		answer(u->ex, e);
}

static void
up_idle(struct h1_up *h)
{
	struct up *u = h->owner;

	u->next = mp.idle;
	mp.idle = u;
	u->pooled = true;
}

static void
up_closed(struct h1_up *h)
{
	struct up *u = h->owner;

	if (u->pooled)
		pool_out(u);
	pool_put(&mp.ups, u);
}

static const struct h1_up_events up_events = {up_open, up_failed, up_idle, up_closed};

static void
connect_up(struct ex *x, bool fresh)
{
	struct up *u = fresh ? NULL : mp.idle;

	if (u) {
		pool_out(u);
		if (h1_up_usable(&u->h1)) {
			x->u = u;
			u->ex = x;
			start(x);
			return;
		}
		h1_up_close(&u->h1);
	}
	u = pool_get(&mp.ups);
	HG_CHECK(u);
	u->ex = x;
	u->pooled = false;
	x->u = u;
	if (h1_up_connect(&u->h1, mp.loop, &mp.bufs, &mp.backend, BYTES_NONE, &mp.limits,
		&up_events, u) != 0) {
		pool_put(&mp.ups, u);
		x->u = NULL;
		answer(x, HG_ERR_CONNECT_FAILED);
	}
}

static void
up_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct ex *x = st->owner;

	if (flags & STREAM_INFO) {
		fields_hop_by_hop(&m->fields);
		x->down->ops->send_head(x->down, m, STREAM_INFO);
		return;
	}
	msg_copy(&x->back, m);
	fields_hop_by_hop(&x->back.fields);
	x->answered = true;
	x->down->ops->send_head(x->down, &x->back, flags & STREAM_END);
	if (flags & STREAM_END)
		ex_end(x);
	else
		st->ops->credit(st, WINDOW);
}

static void
up_body(struct stream *st, struct slice s)
{
	struct ex *x = st->owner;
	uint32_t n = s.n;

	x->down->ops->send_body(x->down, s);
	if (x->down->ops->backlog(x->down) < CHAN_HIGH)
		st->ops->credit(st, n);
}

static void
up_end(struct stream *st, const struct fields *t)
{
	struct ex *x = st->owner;

	x->down->ops->send_end(x->down, t);
	ex_end(x);
}

static void
up_drained(struct stream *st)
{
	struct ex *x = st->owner;

	x->down->ops->credit(x->down, WINDOW);
}

static void
up_reset(struct stream *st, enum hg_err e)
{
	struct ex *x = st->owner;
	bool retry =
	    !h1_up_got_bytes(&x->u->h1) && x->u->h1.s.requests > 1 && x->out.framing == MSG_NONE;

	x->u->ex = NULL;
	x->u = NULL;
	x->up = NULL;
	if (retry)
		connect_up(x, true);
	else
		answer(x, e);
}

static const struct stream_events up_ev = {up_head, up_body, up_end, up_drained, NULL, up_reset};

/* ---- down */

static void
down_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct ex *x = st->owner;
	char path[8192];
	struct bytes p;

	(void)flags;
	msg_copy(&x->out, m);
	if (bytes_eq(m->method, BYTES("TRACE")) || bytes_eq(m->method, BYTES("CONNECT")))
		answer(x, HG_ERR_BAD_METHOD);
	else if (uri_path(m->path, path, sizeof(path), &p) != HG_OK)
		answer(x, HG_ERR_BAD_REQUEST);
	else {
		fields_hop_by_hop(&x->out.fields);
		fields_remove(&x->out.fields, BYTES("Expect"));
		connect_up(x, false);
	}
}

static void
down_body(struct stream *st, struct slice s)
{
	struct ex *x = st->owner;
	uint32_t n = s.n;

	if (x->up == NULL) {
		slice_drop(&s);
		return;
	}
	x->up->ops->send_body(x->up, s);
	if (x->up->ops->backlog(x->up) < CHAN_HIGH)
		st->ops->credit(st, n);
}

static void
down_end(struct stream *st, const struct fields *t)
{
	struct ex *x = st->owner;

	if (x->up)
		x->up->ops->send_end(x->up, t);
}

static void
down_drained(struct stream *st)
{
	struct ex *x = st->owner;

	if (x->up)
		x->up->ops->credit(x->up, WINDOW);
}

static void
down_refuse(struct stream *st, enum hg_err e)
{
	answer(st->owner, e);
}

static void
down_reset(struct stream *st, enum hg_err e)
{
	struct ex *x = st->owner;
	struct stream *up = x->up;

	x->down = x->up = NULL;
	if (x->u)
		x->u->ex = NULL;
	x->u = NULL;
	if (up)
		up->ops->reset(up, e);
	ex_free(x);
}

static const struct stream_events down_ev = {
    down_head, down_body, down_end, down_drained, down_refuse, down_reset};

static bool
down_open(struct h1_down *d, struct stream *st)
{
	struct ex *x = pool_get(&mp.exs);

	if (x == NULL)
		return false;
	x->down = st;
	x->up = NULL;
	x->conn = d->owner;
	x->u = NULL;
	x->answered = false;
	x->req.buf = x->req.trailer_buf = x->out.buf = x->out.trailer_buf = NULL;
	x->resp.buf = x->resp.trailer_buf = x->back.buf = x->back.trailer_buf = NULL;
	d->msg = &x->req;
	st->ev = &down_ev;
	st->owner = x;
	return true;
}

static void
down_closed(struct h1_down *d)
{
	pool_put(&mp.conns, d->owner);
}

static const struct h1_down_events down_events = {down_open, down_closed, NULL};

static void
on_accept(struct watch *w, uint32_t events)
{
	int fd;

	(void)events;
	while ((fd = sock_accept(w->fd, NULL)) >= 0) {
		struct conn *c = pool_get(&mp.conns);

		if (c == NULL) {
			close(fd);
			continue;
		}
		h1_down_start(&c->down, mp.loop, &mp.bufs, fd, &mp.limits, &down_events, c, NULL);
	}
}

int
main(int argc, char **argv)
{
	struct addr at = {.family = 4, .ip = {127, 0, 0, 1}};
	uint64_t v[4] = {0, 0, 10000, 60000};

	for (int i = 1; i < argc && i < 5; i++)
		if (!parse_u64(bytes_str(argv[i]), i < 3 ? 65535 : 1000000, &v[i - 1]))
			argc = 0;
	if (argc < 3) {
		fprintf(stderr, "usage: miniproxy LISTEN_PORT BACKEND_PORT [HEADER_MS IDLE_MS]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	mp.limits = (struct h1_limits){.request_line = 8192,
	    .field = 16384,
	    .header = 32768,
	    .fields = 100,
	    .trailer = 8192,
	    .trailer_fields = 32,
	    .leading_crlf = 2,
	    .chunk_line = 256,
	    .chunk_overhead = 16384,
	    .informational = 16,
	    .header_ms = v[2],
	    .idle_ms = v[3],
	    .write_ms = 30000,
	    .body_grace_ms = 10000,
	    .body_rate = 200};
	signal(SIGUSR1, on_usr1);
	mp.loop = loop_new();
	HG_CHECK(mp.loop && bufs_init(&mp.bufs, 256 << 20) == 0);
	HG_CHECK(pool_init(&mp.conns, sizeof(struct conn), 20000) == 0);
	HG_CHECK(pool_init(&mp.ups, sizeof(struct up), 20000) == 0);
	HG_CHECK(pool_init(&mp.exs, sizeof(struct ex), 4096) == 0);
	at.port = (uint16_t)v[0];
	mp.backend = at;
	mp.backend.port = (uint16_t)v[1];
	mp.listener = (struct watch){sock_bind(&at, false, true), on_accept};
	if (mp.listener.fd < 0 || sock_listen(mp.listener.fd, 4096) != 0 ||
	    loop_watch(mp.loop, &mp.listener, EPOLLIN) != 0) {
		perror("miniproxy");
		return 1;
	}
	loop_each_turn(mp.loop, report, NULL);
	loop_run(mp.loop);
	return 0;
}
