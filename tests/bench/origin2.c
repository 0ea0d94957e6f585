/*
 * origin2.c - a backend that answers every gRPC call with one small message and its status, over
 * HTTP/2 without TLS. It is made of headgate's own adapter, since no small server of gRPC is a
 * package everywhere; the processor on which it runs is not the one that is measured.
 *
 *     origin2 PORT [MESSAGE_BYTES]
 */
#include <signal.h>
#include <sys/epoll.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "http/h2.h"
#include "net/sock.h"

#define WINDOW (1u << 20)

struct call {
	struct stream *st;
	struct msg req, answer;
};

static struct {
	struct loop *loop;
	struct bufs bufs;
	struct pool streams, calls, conns;
	struct h1_limits limits;
	struct h2_limits h2;
	struct h2_env env;
	struct watch listener;
	char *message;
	uint32_t n;
} og;

static void
done(struct call *c)
{
	msg_release(&c->req);
	pool_put(&og.calls, c);
}

static void
reply(struct call *c)
{
	struct msg *m = &c->answer;
	struct stream *st = c->st;
	struct field store[1];
	struct fields trailers;

	msg_init(m, false);
	m->status = 200;
	m->framing = MSG_CHUNKED;
	fields_add(&m->fields, BYTES("content-type"), BYTES("application/grpc"),
	    FIELD_CONTENT_TYPE);
	fields_init(&trailers, store, 1);
	fields_add(&trailers, BYTES("grpc-status"), BYTES("0"), FIELD_GRPC_STATUS);
	HG_CHECK(st->ops->send_head(st, m, 0) == HG_OK);
	st->ops->send_body(st, (struct slice){NULL, og.message, og.n});
	st->ops->send_end(st, &trailers);
	st->ops->detach(st);
	done(c);
}

static void
on_head(struct stream *st, struct msg *m, unsigned flags)
{
	(void)m;
	if (flags & STREAM_END)
		reply(st->owner);
	else
		st->ops->credit(st, WINDOW);
}

static void
on_body(struct stream *st, struct slice s)
{
	st->ops->credit(st, s.n);
	slice_drop(&s);
}

static void
on_end(struct stream *st, const struct fields *trailers)
{
	(void)trailers;
	reply(st->owner);
}

static void
on_drained(struct stream *st)
{
	(void)st;
}

static void
on_refuse(struct stream *st, enum hg_err e)
{
	st->ops->reset(st, e);
	done(st->owner);
}

static void
on_reset(struct stream *st, enum hg_err e)
{
	(void)e;
	done(st->owner);
}

static const struct stream_events stream_events = {
    on_head, on_body, on_end, on_drained, on_refuse, on_reset};

static bool
on_open(struct h2_down *d, struct stream *st, struct msg **storage)
{
	struct call *c = pool_get(&og.calls);

	(void)d;
	if (c == NULL)
		return false;
	c->st = st;
	st->ev = &stream_events;
	st->owner = c;
	*storage = &c->req;
	return true;
}

static void
on_closed(struct h2_down *d)
{
	pool_put(&og.conns, d);
}

static const struct h2_down_events down_events = {.open = on_open, .closed = on_closed};

static void
on_accept(struct watch *w, uint32_t events)
{
	int fd;

	(void)events;
	while ((fd = sock_accept(w->fd, NULL)) >= 0) {
		struct h2_down *d = pool_get(&og.conns);

		HG_CHECK(d != NULL);
		h2_down_start(d, &og.env, fd, &down_events, NULL);
	}
}

int
main(int argc, char **argv)
{
	struct addr at = {.family = 4, .ip = {127, 0, 0, 1}};
	uint64_t v[2] = {0, 32};

	for (int i = 1; i < argc && i < 3; i++)
		if (!parse_u64(bytes_str(argv[i]), 65535, &v[i - 1]))
			argc = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: origin2 PORT [MESSAGE_BYTES]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	og.limits = (struct h1_limits){.request_line = 8192, .field = 16384, .header = 32768,
	    .fields = 100, .trailer = 8192, .trailer_fields = 32, .informational = 16,
	    .header_ms = 10000, .idle_ms = 3600000, .write_ms = 30000};
	og.h2 = h2_defaults;
	og.h2.glitches = 0;
	og.h2.streams = 1000;
	og.n = (uint32_t)v[1] + 5;
	og.message = mem_zalloc(og.n);
	og.message[3] = (char)(v[1] >> 8);
	og.message[4] = (char)v[1];
	og.loop = loop_new();
	HG_CHECK(og.loop && bufs_init(&og.bufs, 256 << 20) == 0);
	HG_CHECK(pool_init(&og.streams, h2_stream_size(), 20000) == 0);
	HG_CHECK(pool_init(&og.calls, sizeof(struct call), 10000) == 0);
	HG_CHECK(pool_init(&og.conns, sizeof(struct h2_down), 2000) == 0);
	og.env = (struct h2_env){og.loop, &og.bufs, &og.streams, &og.limits, &og.h2};
	at.port = (uint16_t)v[0];
	og.listener = (struct watch){sock_bind(&at, false, true), on_accept};
	if (og.listener.fd < 0 || sock_listen(og.listener.fd, 4096) != 0 ||
	    loop_watch(og.loop, &og.listener, EPOLLIN) != 0) {
		perror("origin2");
		return 1;
	}
	loop_run(og.loop);
	return 0;
}
