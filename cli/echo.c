/*
 * echo.c - `headgate echo`: a small backend for the quick start, for tests, for trying things. It
 * answers with JSON about the request it got; flags and query parameters (delay, status, size,
 * stream, interval) change the answer. It speaks HTTP through the gateway's own h1 adapter, so
 * there is no second HTTP server in the tree. One thread, one loop.
 *
 * --listen takes several, each with its own name: api=127.0.0.1:9001,web=127.0.0.1:9002
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/uri.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/verbs.h"
#include "http/h1.h"
#include "net/loop.h"
#include "net/sock.h"

#define ECHO_LISTENERS 64
#define ECHO_SIZE_MAX (64ull << 30)

struct echo_listener {
	struct watch watch;
	struct echo *echo;
	struct addr addr;
	char name[64];
};
struct echo {
	struct loop *loop;
	struct bufs bufs;
	const struct opts *opts;
	struct echo_listener listeners[ECHO_LISTENERS];
	unsigned n;
	struct watch signals;
	struct list conns;      /* struct echo_conn.link */
};
struct echo_conn {
	struct h1_down down;
	struct list link;
	struct msg msg;
	struct echo_listener *from;
	struct stream *st;      /* NULL between requests */
	struct timer timer;
	uint64_t body;          /* request bytes read */
	uint64_t left;          /* bytes or events still to send */
	uint64_t interval_ms;
	bool events, blocked;
};

static const struct h1_limits limits = {.request_line = 65536,
    .field = 65536,
    .header = 262144,
    .fields = MSG_FIELDS,
    .trailer = 65536,
    .trailer_fields = 64,
    .leading_crlf = 2,
    .chunk_line = 4096,
    .chunk_overhead = 1 << 20,
    .informational = 16,
    .header_ms = 60000,
    .idle_ms = 600000,
    .write_ms = 600000,
    .body_grace_ms = 600000};
static char filler[16384];

/* A parameter of the query, else the flag's value. */
static uint64_t
option(const struct echo_conn *c, const char *name, uint64_t flag, bool duration)
{
	char buf[64];
	struct bytes v = uri_query_get(c->msg.query, bytes_str(name), buf, sizeof(buf));
	uint64_t n = 0;

	if (v.p && (duration ? parse_duration(v, &n) : parse_u64(v, ECHO_SIZE_MAX, &n)))
		return n;
	return flag;
}

static void
add_query(struct json *j, struct bytes query)
{
	struct bytes name, value, rest = query;
	char buf[1024];
	struct bytes text;

	json_key(j, "query");
	json_object(j);
	while (rest.p && uri_query_next(&rest, &name, &value)) {
		json_keyb(j, uri_query_decode(name, buf, sizeof(buf), &text) ? text : name);
		json_str(j, uri_query_decode(value, buf, sizeof(buf), &text) ? text : value);
	}
	json_end(j, '}');
}

static void
add_headers(struct json *j, const struct fields *f)
{
	json_key(j, "headers");
	json_object(j);
	for (unsigned i = 0; i < f->n; i++) {
		bool seen = false;

		for (unsigned k = 0; k < i; k++)
			seen |= bytes_eqi(f->v[k].name, f->v[i].name);
		if (seen)
			continue;
		json_keyb(j, f->v[i].name);
		json_array(j);
		for (unsigned k = i; k < f->n; k++)
			if (bytes_eqi(f->v[k].name, f->v[i].name))
				json_str(j, f->v[k].value);
		json_end(j, ']');
	}
	json_end(j, '}');
}

static void
describe(const struct echo_conn *c, struct strbuf *out)
{
	struct json j;

	json_init(&j, out, true);
	json_object(&j);
	json_key(&j, "name");
	json_strz(&j, c->from->name);
	json_key(&j, "method");
	json_str(&j, c->msg.method);
	json_key(&j, "path");
	json_str(&j, c->msg.path);
	json_key(&j, "target");
	json_str(&j, c->msg.target);
	add_query(&j, c->msg.query);
	json_key(&j, "host");
	json_str(&j, c->msg.authority.p ? c->msg.authority : BYTES(""));
	json_key(&j, "proto");
	json_strz(&j, c->msg.minor == 2 ? "HTTP/2.0" : c->msg.minor == 1 ? "HTTP/1.1" : "HTTP/1.0");
	add_headers(&j, &c->msg.fields);
	json_key(&j, "bodyBytes");
	json_int(&j, (int64_t)c->body);
	json_end(&j, '}');
	strbuf_addc(out, '\n');
}

static void
finish(struct echo_conn *c)
{
	struct stream *st = c->st;

	timer_stop(&c->timer);
	c->st = NULL;
	st->ops->send_end(st, NULL);
	st->ops->detach(st);
}

static void
send_text(struct echo_conn *c, struct bytes text)
{
	while (text.n) {
		struct buf *b =
		    buf_new(&c->from->echo->bufs, (uint32_t)HG_MIN(text.n, (size_t)32768));
		uint32_t n;

		if (!b)
			return;
		n = (uint32_t)HG_MIN(text.n, (size_t)b->cap);
		memcpy(b->data, text.p, n);
		b->len = n;
		c->st->ops->send_body(c->st, (struct slice){b, b->data, n});
		text = bytes_of(text.p + n, text.n - n);
	}
}

/* X-Echo-Set-Header: "name:value, name:value" of the request go into the answer. */
static void
extra_headers(const struct echo_conn *c, struct msg *m)
{
	struct field *f = fields_find(&c->msg.fields, BYTES("X-Echo-Set-Header"));
	struct bytes rest = f ? f->value : BYTES_NONE;

	while (rest.p) {
		struct bytes value = bytes_cut(&rest, ','),
			     name = bytes_trim(bytes_cut(&value, ':'));

		if (name.n && value.p)
			fields_add(&m->fields, name, bytes_trim(value), field_id(name));
	}
}

static void
send_head(struct echo_conn *c, unsigned status, const char *type, uint64_t length, bool chunked)
{
	struct msg *m = mem_alloc(sizeof(*m));

	msg_init(m, false);
	m->status = (uint16_t)status;
	m->reason = bytes_str(msg_reason((uint16_t)status));
	m->minor = 1;
	m->framing = chunked ? MSG_CHUNKED : MSG_LENGTH;
	m->length = length;
	m->keep_alive = true;
	fields_add(&m->fields, BYTES("Content-Type"), bytes_str(type), FIELD_CONTENT_TYPE);
	extra_headers(c, m);
	c->st->ops->send_head(c->st, m, 0);
	msg_release(m);
	mem_free(m);
}

/* The next filler bytes, as far as the client takes them. */
static void
fill(struct echo_conn *c)
{
	while (c->left && c->st->ops->backlog(c->st) < CHAN_HIGH) {
		uint32_t n = (uint32_t)HG_MIN(c->left, (uint64_t)sizeof(filler));

		c->left -= n;
		c->st->ops->send_body(c->st, (struct slice){NULL, filler, n});
	}
	c->blocked = c->left > 0;
	if (!c->left)
		finish(c);
}

static void
event(struct echo_conn *c)
{
	char text[64];
	int n =
	    snprintf(text, sizeof(text), "data: {\"left\": %llu}\n\n", (unsigned long long)c->left);

	send_text(c, bytes_of(text, (size_t)n));
	if (--c->left == 0)
		finish(c);
	else
		timer_in(c->from->echo->loop, &c->timer, c->interval_ms);
}

static void
answer(struct echo_conn *c)
{
	const struct opts *o = c->from->echo->opts;
	unsigned status =
	    (unsigned)option(c, "status", o->status ? (uint64_t)o->status : 200, false);
	uint64_t size = option(c, "size", o->size, false),
		 stream = option(c, "stream", o->stream, false);
	struct strbuf text = STRBUF_INIT;

	if (status < 200 || status > 599)
		status = 200;
	if (stream) {
		c->left = stream;
		c->events = true;
		c->interval_ms = option(c, "interval", o->interval_ms, true);
		send_head(c, status, "text/event-stream", 0, true);
		event(c);
	} else if (size) {
		c->left = size;
		send_head(c, status, "application/octet-stream", size, false);
		fill(c);
	} else {
		if (bytes_eq(c->msg.path, BYTES("/health")))
			strbuf_addz(&text, "{\"status\": \"healthy\"}\n");
		else
			describe(c, &text);
		send_head(c, status, "application/json", text.n, false);
		send_text(c, strbuf_bytes(&text));
		finish(c);
	}
	strbuf_release(&text);
}

static void
on_timer(struct timer *t)
{
	struct echo_conn *c = HG_CONTAINER(t, struct echo_conn, timer);

	if (!c->st)
		return;
	if (c->events)
		event(c);
	else
		answer(c);
}

/* ---- stream events */
static void
request_done(struct echo_conn *c)
{
	uint64_t delay = option(c, "delay", c->from->echo->opts->delay_ms, true);

	if (delay)
		timer_in(c->from->echo->loop, &c->timer, delay);
	else
		answer(c);
}

static void
on_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct echo_conn *c = st->owner;
	struct uri_target t;

	if (uri_target(m->method, m->target, &t) == HG_OK) {
		m->path = t.path;
		m->query = t.query;
	}
	c->body = 0;
	c->events = c->blocked = false;
	if (flags & STREAM_END)
		request_done(c);
	else
		st->ops->credit(st, UINT32_MAX);
}

static void
on_body(struct stream *st, struct slice s)
{
	struct echo_conn *c = st->owner;
	uint32_t n = s.n;

	c->body += n;
	slice_drop(&s);
	st->ops->credit(st, n);
}

static void
on_end(struct stream *st, const struct fields *trailers)
{
	(void)trailers;
	request_done(st->owner);
}

static void
on_drained(struct stream *st)
{
	struct echo_conn *c = st->owner;

	if (c->st && c->blocked)
		fill(c);
}

static void
on_refuse(struct stream *st, enum hg_err err)
{
	struct echo_conn *c = st->owner;

	send_head(c, err_http(err) ? err_http(err) : 400, "text/plain", 0, false);
	finish(c);
}

static void
on_reset(struct stream *st, enum hg_err err)
{
	struct echo_conn *c = st->owner;

	(void)err;
	timer_stop(&c->timer);
	c->st = NULL;
	st->ops->detach(st);
}

static const struct stream_events events = {
    on_head, on_body, on_end, on_drained, on_refuse, on_reset};

static bool
on_open(struct h1_down *d, struct stream *st)
{
	struct echo_conn *c = d->owner;

	msg_init(&c->msg, true);
	c->st = st;
	st->ev = &events;
	st->owner = c;
	return true;
}

static void
on_closed(struct h1_down *d)
{
	struct echo_conn *c = d->owner;

	timer_stop(&c->timer);
	list_del(&c->link);
	mem_free(c);
}

static const struct h1_down_events down_events = {.open = on_open, .closed = on_closed};

static void
on_accept(struct watch *w, uint32_t what)
{
	struct echo_listener *l = HG_CONTAINER(w, struct echo_listener, watch);
	struct addr peer;
	int fd;

	(void)what;
	while ((fd = sock_accept(w->fd, &peer)) != -1) {
		struct echo_conn *c = mem_zalloc(sizeof(*c));

		c->from = l;
		list_append(&l->echo->conns, &c->link);
		timer_init(&c->timer, on_timer);
		h1_down_start(
		    &c->down, l->echo->loop, &l->echo->bufs, fd, &limits, &down_events, c, &c->msg);
	}
}

static void
on_signal(struct watch *w, uint32_t what)
{
	struct echo *e = HG_CONTAINER(w, struct echo, signals);

	(void)what;
	loop_stop(e->loop);
}

/* [NAME=]ADDR:PORT */
static int
add_listener(struct echo *e, struct bytes spec)
{
	struct bytes rest = spec,
		     name = bytes_chr(spec, '=', 0) >= 0 ? bytes_cut(&rest, '=') : BYTES_NONE;
	struct echo_listener *l = &e->listeners[e->n];
	char text[56];

	if (e->n == ECHO_LISTENERS || !addr_parse(rest, &l->addr)) {
		fprintf(stderr, "headgate: not an address and port: %.*s\n", BYTES_ARG(spec));
		return EX_USAGE_;
	}
	addr_print(&l->addr, text);
	if (name.n)
		snprintf(l->name, sizeof(l->name), "%.*s", BYTES_ARG(name));
	else
		snprintf(l->name, sizeof(l->name), "%s", e->opts->name ? e->opts->name : text);
	l->echo = e;
	l->watch.ready = on_accept;
	l->watch.fd = sock_bind(&l->addr, false, true);
	if (l->watch.fd == -1 || sock_listen(l->watch.fd, 1024) == -1 ||
	    loop_watch(e->loop, &l->watch, EPOLLIN) == -1) {
		fprintf(stderr, "headgate: cannot listen on %s: %s\n", text, strerror(errno));
		return EX_FAILED;
	}
	e->n++;
	if (!e->opts->quiet)
		printf("echo \"%s\" listens on http://%s\n", l->name, text);
	return 0;
}

static void
end(struct echo *e)
{
	LIST_FOREACH(it, &e->conns)
		h1_down_close(&LIST_ENTRY(it, struct echo_conn, link)->down);
	while (!list_empty(&e->conns)) /* `closed` comes from the loop */
		loop_turn(e->loop, 0);
	for (unsigned i = 0; i < e->n; i++)
		close(e->listeners[i].watch.fd);
	close(e->signals.fd);
	loop_free(e->loop);
	bufs_release(&e->bufs);
	mem_free(e);
}

int
echo_verb(struct opts *o)
{
	struct echo *e = mem_zalloc(sizeof(*e));
	struct bytes rest = bytes_str(o->listen ? o->listen : "127.0.0.1:9000");
	sigset_t set;
	int rc = 0;

	memset(filler, 'x', sizeof(filler));
	list_init(&e->conns);
	e->opts = o;
	e->loop = loop_new();
	if (!e->loop || bufs_init(&e->bufs, 1ull << 30) == -1) {
		fprintf(stderr, "headgate: %s\n", strerror(errno));
		return EX_FAILED;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	e->signals = (struct watch){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), on_signal};
	loop_watch(e->loop, &e->signals, EPOLLIN);
	while (rc == 0 && rest.n)
		rc = add_listener(e, bytes_cut(&rest, ','));
	fflush(stdout);
	if (rc == 0)
		loop_run(e->loop);
	end(e);
	return rc;
}
