/*
 * h2.c - frames into a whole server session, behind a good preface and SETTINGS. The owner answers
 * every request, with a body or without, and gives credit sparingly; the first byte of the input
 * says how. An extended CONNECT is refused or becomes a tunnel that echoes, and ends from either
 * side first. What is accepted must be valid by the rules of HTTP/1 too; at the end every buffer,
 * record and stream is back where it came from.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "http/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define REQUESTS 128
static struct {
	struct msg msg;
	struct stream *st;
	bool tunnel, said; /* said: our end of it */
} reqs[REQUESTS];
static uint8_t how;
static bool over;

static void
let_go(struct stream *st)
{
	size_t i = (size_t)(uintptr_t)st->owner;

	reqs[i].st = NULL;
	st->ops->detach(st);
	msg_release(&reqs[i].msg);
}

static void
answer(struct stream *st, uint16_t status)
{
	static struct msg m;
	static const char text[5000];

	msg_init(&m, false);
	m.status = status;
	m.framing = how & 1 ? MSG_CHUNKED : MSG_NONE;
	HG_CHECK(st->ops->send_head(st, &m, how & 1 ? 0 : STREAM_END) == HG_OK);
	if (how & 1) {
		st->ops->send_body(st, (struct slice){NULL, text, sizeof(text)});
		st->ops->send_end(st, NULL);
	}
	let_go(st);
}

static void
switched(struct stream *st)
{
	static struct msg m;
	size_t i = (size_t)(uintptr_t)st->owner;

	msg_init(&m, false);
	m.status = 200;
	m.framing = MSG_NONE;
	HG_CHECK(st->ops->send_head(st, &m, STREAM_UPGRADE) == HG_OK);
	reqs[i].tunnel = true;
	st->ops->tunnel(st);
	st->ops->credit(st, how & 4 ? 10 : 100000);
	if (how & 2) {
		st->ops->send_end(st, NULL);
		reqs[i].said = true;
	}
}

static void
on_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct uri_host host;

	HG_CHECK(m->path.n || (bytes_eq(m->method, BYTES("CONNECT")) && !m->upgrade));
	HG_CHECK(m->method.n && uri_host(m->authority, &host) == HG_OK);
	for (uint32_t i = 0; i < m->fields.n; i++)
		for (size_t k = 0; k < m->fields.v[i].value.n; k++)
			HG_CHECK(strchr("\r\n", m->fields.v[i].value.p[k]) == NULL);
	HG_CHECK(!m->upgrade || (flags & STREAM_END && m->protocol.n));
	if (m->upgrade && !(how & 64))
		switched(st);
	else if (flags & STREAM_END || how & 2)
		answer(st, m->upgrade ? 403 : 200);
	else
		st->ops->credit(st, how & 4 ? 10 : 100000);
}

static void
on_body(struct stream *st, struct slice s)
{
	size_t i = (size_t)(uintptr_t)st->owner;

	st->ops->credit(st, how & 8 ? s.n : 0);
	if (reqs[i].tunnel && !reqs[i].said)
		st->ops->send_body(st, s);
	else
		slice_drop(&s);
}

static void
on_end(struct stream *st, const struct fields *t)
{
	size_t i = (size_t)(uintptr_t)st->owner;

	if (!reqs[i].tunnel) {
		answer(st, 200);
		return;
	}
	HG_CHECK(t == NULL);
	if (!reqs[i].said)
		st->ops->send_end(st, NULL);
	let_go(st);
}

static void
on_drained(struct stream *st)
{
	(void)st;
}

static void
on_refuse(struct stream *st, enum hg_err e)
{
	answer(st, (uint16_t)err_http(e));
}

static void
on_reset(struct stream *st, enum hg_err e)
{
	size_t i = (size_t)(uintptr_t)st->owner;

	(void)e;
	HG_CHECK(reqs[i].st == st);
	reqs[i].st = NULL;
	msg_release(&reqs[i].msg);
}

static const struct stream_events stream_ev = {
    on_head, on_body, on_end, on_drained, on_refuse, on_reset};

static bool
on_open(struct h2_down *d, struct stream *st, struct msg **storage)
{
	size_t i = 0;

	(void)d;
	while (i < REQUESTS && reqs[i].st)
		i++;
	if (i == REQUESTS)
		return false;
	reqs[i].st = st;
	reqs[i].tunnel = reqs[i].said = false;
	st->ev = &stream_ev;
	st->owner = (void *)i;
	*storage = &reqs[i].msg;
	return true;
}

static void
on_closed(struct h2_down *d)
{
	(void)d;
	over = true;
}

static const struct h2_down_events events = {.open = on_open, .closed = on_closed};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char start[] = H2_PREFACE "\0\0\0\4\0\0\0\0";
	static const struct h1_limits limits = {.request_line = 300,
	    .field = 200,
	    .header = 2000,
	    .fields = 20,
	    .trailer = 300,
	    .trailer_fields = 5};
	static struct bufs bufs;
	static struct pool streams;
	static struct loop *l;
	static char drop[70000];
	struct h2_limits h2 = h2_defaults;
	struct h2_env env;
	struct h2_down d;
	int fd[2];

	if (n < 1 || n > 60000)
		return 0;
	if (l == NULL) {
		l = loop_new();
		HG_CHECK(bufs_init(&bufs, 8 << 20) == 0);
		HG_CHECK(pool_init(&streams, h2_stream_size(), 512) == 0);
	}
	env = (struct h2_env){l, &bufs, &streams, &limits, &h2};
	how = data[0];
	h2.glitches = how & 16 ? 0 : 10;
	over = false;
	HG_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	h2_down_start(&d, &env, fd[0], &events, NULL);
	HG_CHECK(send(fd[1], start, sizeof(start), 0) == sizeof(start));
	HG_CHECK(send(fd[1], data + 1, n - 1, 0) == (ssize_t)n - 1);
	for (int i = 0; i < 6; i++) {
		loop_turn(l, 0);
		while (recv(fd[1], drop, sizeof(drop), 0) > 0)
			;
		if (i == 3 && how & 32)
			h2_down_drain(&d);
	}
	close(fd[1]);
	for (int i = 0; i < 4; i++)
		loop_turn(l, 0);
	HG_CHECK(over);
	HG_CHECK(bufs.in_use == 0 && bufs.queues.used == 0 && streams.used == 0);
	return 0;
}
