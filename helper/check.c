/*
 * check.c - asks one endpoint once. Each check has a connection of its own, since a kept one would
 * not notice that nobody listens any more. HTTP/1 and HTTP/2 are one under the stream seam; gRPC is
 * HTTP/2 with one message of grpc.health.v1, which is read by hand (two fields do not earn a
 * protobuf library). A check ends itself as soon as it knows, whatever the peer still sends.
 */
#include "helper/check.h"

#include "base/mem.h"
#include "net/proxyproto.h"

#define ANSWER_MAX 4096 /* of a body that is read */
#define SERVING 1

enum speaks { SPEAKS_TCP, SPEAKS_H1, SPEAKS_H2 };
struct check_flight {
	struct checker *env;
	struct check_terms *terms;
	struct uptls *secure; /* or NULL */
	void (*done)(void *, enum health_result, const char *why); /* NULL: it is over */
	void *arg;
	struct timer timer;
	enum speaks speaks;
	union {
		struct h1_up h1;
		struct h2_up h2;
		struct chan chan;
	} up;
	struct stream *st;
	struct msg req, resp;
	unsigned status;
	uint32_t nanswer;
	char host[256], answer[ANSWER_MAX];
};

static const struct h1_limits limits = {.request_line = 8192,
    .field = 16384,
    .header = 32768,
    .fields = 100,
    .trailer = 8192,
    .trailer_fields = 32,
    .leading_crlf = 2,
    .chunk_line = 256,
    .chunk_overhead = 16384,
    .informational = 16,
    .write_ms = 30000,
    .header_ms = 30000,
    .body_grace_ms = 30000};

/* ---- judging */

static bool
in_ranges(const struct im_statusrange *v, uint32_t n, unsigned status)
{
	for (uint32_t i = 0; i < n; i++)
		if (status >= v[i].first && status <= v[i].last)
			return true;
	return false;
}

enum health_result
health_status(const struct im_statusrange *expected, uint32_t n,
    const struct im_statusrange *retriable, uint32_t nretriable, unsigned status)
{
	if (n ? in_ranges(expected, n, status) : status == 200)
		return HEALTH_GOOD;
	return in_ranges(retriable, nretriable, status) ? HEALTH_FAIL : HEALTH_BAD;
}

/* A varint at p[*at]; false: cut off or too long. */
static bool
varint(const unsigned char *p, size_t n, size_t *at, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && *at < n; shift += 7) {
		unsigned char c = p[(*at)++];

		*out |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

int
check_grpc_status(const unsigned char *p, size_t n)
{
	int status = 0; /* proto3: what is not there is 0, UNKNOWN */
	size_t at = 5, len;
	uint64_t key, v;

	if (n < 5 || p[0] != 0)
		return -1;
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (len > n - 5)
		return -1;
	n = 5 + len;
	while (at < n) {
		if (!varint(p, n, &at, &key))
			return -1;
		switch (key & 7) {
		case 0:
			if (!varint(p, n, &at, &v))
				return -1;
			if (key >> 3 == 1)
				status = v < 256 ? (int)v : 255;
			break;
		case 1:
			at += 8;
			break;
		case 2:
			if (!varint(p, n, &at, &v) || v > n - at)
				return -1;
			at += v;
			break;
		case 5:
			at += 4;
			break;
		default:
			return -1;
		}
	}
	return at == n ? status : -1;
}

/* ---- terms */

static void
text(char *to, size_t cap, struct bytes b, const char *otherwise)
{
	if (b.n == 0)
		b = bytes_str(otherwise);
	b.n = HG_MIN(b.n, cap - 1);
	memcpy(to, b.p, b.n);
	to[b.n] = '\0';
}

static uint32_t
blob(char *to, size_t cap, struct bytes b)
{
	b.n = HG_MIN(b.n, cap);
	if (b.n)
		memcpy(to, b.p, b.n);
	return (uint32_t)b.n;
}

static uint32_t
ranges(const struct image *im, struct im_range r, struct im_statusrange *out)
{
	uint32_t n = HG_MIN(r.n, (uint32_t)CHECK_RANGES);

	if (n)
		memcpy(out, im->statusranges + r.first, n * sizeof(*out));
	return n;
}

/* The question in its frame: HealthCheckRequest{service = 1}. */
static void
grpc_question(struct check_terms *t, struct bytes service)
{
	size_t n = HG_MIN(service.n, (size_t)900), at = 5;
	unsigned char *p = (unsigned char *)t->send;

	if (n) {
		p[at++] = 1 << 3 | 2;
		if (n > 127)
			p[at++] = (unsigned char)(n | 0x80);
		p[at++] = (unsigned char)(n > 127 ? n >> 7 : n);
		memcpy(p + at, service.p, n);
		at += n;
	}
	memset(p, 0, 5);
	p[3] = (unsigned char)((at - 5) >> 8);
	p[4] = (unsigned char)(at - 5);
	t->nsend = (uint32_t)at;
}

struct check_terms *
check_terms_new(const struct image *im, const struct im_balance *b)
{
	const struct im_health *h = &im->healths[b->health];
	struct check_terms *t = mem_zalloc(sizeof(*t));
	bool grpc = h->type == IM_HC_GRPC;

	t->refs = 1;
	t->type = h->type;
	text(t->host, sizeof(t->host), image_text(im, h->host), "");
	if (grpc) {
		text(t->path, sizeof(t->path), BYTES("/grpc.health.v1.Health/Check"), "");
		text(t->method, sizeof(t->method), BYTES("POST"), "");
		grpc_question(t, image_text(im, h->path));
	} else {
		text(t->path, sizeof(t->path), image_text(im, h->path), "/");
		text(t->method, sizeof(t->method), image_text(im, h->method), "GET");
		t->nsend = blob(t->send, sizeof(t->send), image_text(im, h->send));
		t->nreceive = blob(t->receive, sizeof(t->receive), image_text(im, h->receive));
	}
	t->nexpected = ranges(im, h->expected, t->expected);
	t->nretriable = ranges(im, h->retriable, t->retriable);
	t->timeout_ms = h->timeout_ms ? h->timeout_ms : 1000;
	t->interval_ms = h->interval_ms ? h->interval_ms : 3000;
	t->jitter_ms = h->jitter_ms;
	t->healthy = HG_MAX(h->healthy, (uint16_t)1);
	t->unhealthy = HG_MAX(h->unhealthy, (uint16_t)1);
	t->port = h->port;
	t->proxy = b->proxy_protocol;
	return t;
}

struct check_terms *
check_terms_ref(struct check_terms *t)
{
	t->refs++;
	return t;
}

void
check_terms_unref(struct check_terms *t)
{
	if (t && --t->refs == 0)
		mem_free(t);
}

/* ---- the end of one */

static void
give_back(struct check_flight *f)
{
	if (f->speaks != SPEAKS_TCP)
		msg_release(&f->resp);
	check_terms_unref(f->terms);
	if (f->secure)
		uptls_unref(f->secure);
	mem_free(f);
}

void
check_cut(struct check_flight *f)
{
	f->done = NULL;
	timer_stop(&f->timer);
	switch (f->speaks) {
	case SPEAKS_H1: /* `closed` of the adapter gives it back */
		h1_up_close(&f->up.h1);
		break;
	case SPEAKS_H2:
		h2_up_close(&f->up.h2);
		break;
	case SPEAKS_TCP:
		chan_close(&f->up.chan);
		give_back(f);
	}
}

static void
land(struct check_flight *f, enum health_result r, const char *why)
{
	void (*done)(void *, enum health_result, const char *) = f->done;
	void *arg = f->arg;

	if (done == NULL)
		return;
	check_cut(f);
	done(arg, r, why);
}

static void
late(struct timer *t)
{
	land(HG_CONTAINER(t, struct check_flight, timer), HEALTH_FAIL, "no answer in time");
}

/* ---- answers */

static bool
received(const struct check_flight *f)
{
	const struct check_terms *t = f->terms;

	return t->nreceive == 0 || memmem(f->answer, f->nanswer, t->receive, t->nreceive) != NULL;
}

static void
collect(struct check_flight *f, const char *p, uint32_t n)
{
	uint32_t take = HG_MIN(n, ANSWER_MAX - f->nanswer);

	memcpy(f->answer + f->nanswer, p, take);
	f->nanswer += take;
}

static void
http_over(struct check_flight *f)
{
	const struct check_terms *t = f->terms;
	enum health_result r =
	    health_status(t->expected, t->nexpected, t->retriable, t->nretriable, f->status);
	char why[64];

	(void)snprintf(why, sizeof(why), "status %u", f->status);
	if (r == HEALTH_GOOD && !received(f))
		land(f, HEALTH_BAD, "the answer does not contain what is expected");
	else
		land(f, r, why);
}

static void
grpc_over(struct check_flight *f, const struct fields *trailers)
{
	static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
	const struct field *g = fields_get(&f->resp.fields, FIELD_GRPC_STATUS);
	int said = check_grpc_status((const unsigned char *)f->answer, f->nanswer);
	char why[80];

	if (trailers && fields_get(trailers, FIELD_GRPC_STATUS))
		g = fields_get(trailers, FIELD_GRPC_STATUS);
	if (f->status != 200 || g == NULL)
		(void)snprintf(why, sizeof(why), "status %u, no grpc-status", f->status);
	else if (!bytes_eq(g->value, BYTES("0")))
		(void)snprintf(why, sizeof(why), "grpc-status %.*s",
		    (int)HG_MIN(g->value.n, (size_t)8), g->value.p);
	else
		(void)snprintf(why, sizeof(why), "%s", said >= 0 && said < 4 ? names[said] :
			    "an answer that is no HealthCheckResponse");
	if (strcmp(why, names[SERVING]) == 0)
		land(f, HEALTH_GOOD, why);
	else
		land(f, HEALTH_BAD, why);
}

static bool
wants_body(const struct check_flight *f)
{
	return f->terms->type == IM_HC_GRPC || f->terms->nreceive != 0;
}

static void
over(struct check_flight *f, const struct fields *trailers)
{
	if (f->terms->type == IM_HC_GRPC)
		grpc_over(f, trailers);
	else
		http_over(f);
}

static void
st_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct check_flight *f = st->owner;

	if (flags & STREAM_INFO)
		return;
	f->status = m->status;
	if ((flags & STREAM_END) || !wants_body(f))
		over(f, NULL);
}

static void
st_body(struct stream *st, struct slice s)
{
	struct check_flight *f = st->owner;
	bool full;

	collect(f, s.p, s.n);
	slice_drop(&s);
	full = f->nanswer == ANSWER_MAX;
	if (full || (f->terms->type != IM_HC_GRPC && received(f)))
		over(f, NULL);
}

static void
st_end(struct stream *st, const struct fields *trailers)
{
	over(st->owner, trailers);
}

static void
st_drained(struct stream *st)
{
	(void)st;
}

static void
st_reset(struct stream *st, enum hg_err e)
{
	land(st->owner, HEALTH_FAIL, err_text(e == HG_OK ? HG_ERR_BACKEND_RESET : e));
}

static const struct stream_events stream_events = {.head = st_head,
    .body = st_body,
    .end = st_end,
    .drained = st_drained,
    .refuse = st_reset,
    .reset = st_reset};

/* ---- questions */

static bool
send_payload(struct check_flight *f)
{
	const struct check_terms *t = f->terms;
	struct buf *b = buf_new(&f->env->bufs, t->nsend);
	struct slice s;

	if (b == NULL)
		return false;
	memcpy(b->data, t->send, t->nsend);
	b->len = t->nsend;
	s = (struct slice){b, b->data, b->len};
	if (f->speaks == SPEAKS_TCP) {
		chan_send(&f->up.chan, s);
		return true;
	}
	f->st->ops->send_body(f->st, s);
	f->st->ops->send_end(f->st, NULL);
	return true;
}

static void
ask(struct check_flight *f)
{
	const struct check_terms *t = f->terms;
	struct fields *lines = &f->req.fields;
	bool ok = f->st != NULL;

	msg_init(&f->req, true);
	f->req.method = bytes_str(t->method);
	f->req.path = bytes_str(t->path);
	f->req.authority = bytes_str(t->host[0] ? t->host : f->host);
	f->req.minor = 1;
	f->req.framing = t->nsend ? MSG_LENGTH : MSG_NONE;
	f->req.length = t->nsend;
	(void)fields_add(lines, field_name(FIELD_USER_AGENT), BYTES("headgate-health-check"),
	    FIELD_USER_AGENT);
	if (t->type == IM_HC_GRPC) {
		(void)fields_add(lines, field_name(FIELD_CONTENT_TYPE),
		    BYTES("application/grpc"), FIELD_CONTENT_TYPE);
		f->req.te_trailers = true;
	}
	ok = ok && f->st->ops->send_head(f->st, &f->req, t->nsend ? 0 : STREAM_END) == HG_OK;
	if (!ok || (t->nsend && !send_payload(f))) {
		land(f, HEALTH_FAIL, "no memory");
		return;
	}
	f->st->ops->credit(f->st, 2 * ANSWER_MAX);
}

/* ---- HTTP/1 */

static void
h1_open(struct h1_up *u)
{
	struct check_flight *f = u->owner;

	if (f->done == NULL)
		return;
	f->st = h1_up_open(u, &f->resp, &stream_events, f);
	ask(f);
}

static void
h1_failed(struct h1_up *u, enum hg_err e)
{
	land(u->owner, HEALTH_FAIL, err_text(e));
}

static void
h1_idle(struct h1_up *u)
{
	h1_up_close(u);
}

static void
h1_closed(struct h1_up *u)
{
	struct check_flight *f = u->owner;

	land(f, HEALTH_FAIL, "connection closed");
	give_back(f);
}

static const struct h1_up_events h1_events = {
    .open = h1_open, .failed = h1_failed, .idle = h1_idle, .closed = h1_closed};

/* ---- HTTP/2 */

static void
h2_open(struct h2_up *u)
{
	struct check_flight *f = u->owner;

	if (f->done == NULL)
		return;
	f->st = h2_up_open(u, &f->resp, &stream_events, f);
	ask(f);
}

static void
h2_failed(struct h2_up *u, enum hg_err e)
{
	land(u->owner, HEALTH_FAIL, err_text(e));
}

static void
h2_quiet(struct h2_up *u)
{
	(void)u;
}

static void
h2_closed(struct h2_up *u)
{
	struct check_flight *f = u->owner;

	land(f, HEALTH_FAIL, "connection closed");
	give_back(f);
}

static const struct h2_up_events h2_events = {
    .open = h2_open, .failed = h2_failed, .quiet = h2_quiet, .closed = h2_closed};

/* ---- TCP */

static void
tcp_open(struct chan *c)
{
	struct check_flight *f = c->owner;

	if (f->terms->nsend && !send_payload(f))
		land(f, HEALTH_FAIL, "no memory");
	else if (f->terms->nreceive == 0)
		land(f, HEALTH_GOOD, "");
}

static uint32_t
tcp_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct check_flight *f = c->owner;

	collect(f, b->data + off, n);
	if (received(f))
		land(f, HEALTH_GOOD, "");
	else if (f->nanswer == ANSWER_MAX)
		land(f, HEALTH_FAIL, "the answer does not contain what is expected");
	return n;
}

static void
tcp_eof(struct chan *c)
{
	land(c->owner, HEALTH_FAIL, "connection closed");
}

static void
tcp_drained(struct chan *c)
{
	(void)c;
}

static void
tcp_error(struct chan *c, enum hg_err e)
{
	land(c->owner, HEALTH_FAIL, err_text(e));
}

static const struct chan_events tcp_events = {
    .open = tcp_open, .data = tcp_data, .eof = tcp_eof, .drained = tcp_drained, .error = tcp_error};

/* ---- */

static struct chan *
chan_of(struct check_flight *f)
{
	return f->speaks == SPEAKS_H1 ? &f->up.h1.chan :
	    f->speaks == SPEAKS_H2    ? &f->up.h2.h2.chan :
					&f->up.chan;
}

/* Backends that ask for a PROXY header get the one for connections of the proxy's own. */
static bool
greet(struct check_flight *f)
{
	struct addr nobody = {0};
	char text[PROXYPROTO_WRITE];
	size_t n;

	if (f->terms->proxy == 0)
		return true;
	n = proxyproto_write(text, f->terms->proxy, false, &nobody, &nobody);
	return chan_greet(chan_of(f), text, n);
}

static int
connect_to(struct check_flight *f, const struct addr *addr, struct bytes path)
{
	struct checker *e = f->env;

	switch (f->speaks) {
	case SPEAKS_H1:
		return h1_up_connect(
		    &f->up.h1, e->loop, &e->bufs, addr, path, &limits, &h1_events, f);
	case SPEAKS_H2:
		return h2_up_connect(&f->up.h2, &e->h2, addr, path, &h2_events, f);
	case SPEAKS_TCP:
		break;
	}
	return chan_connect(&f->up.chan, e->loop, &e->bufs, addr, path, &tcp_events, f);
}

/* A check of TCP says nothing about what is spoken on top. */
static bool
starts_tls(struct check_flight *f, const struct check_to *to, struct bytes path)
{
	if (to->secure == NULL || f->speaks == SPEAKS_TCP)
		return true;
	f->secure = uptls_ref(to->secure);
	return uptls_start(f->secure, chan_of(f), &to->addr, path);
}

struct check_flight *
check_start(struct checker *e, struct check_terms *t, const struct check_to *to,
    void (*done)(void *arg, enum health_result, const char *why), void *arg)
{
	struct check_flight *f = mem_zalloc(sizeof(*f));
	struct bytes path = to->unix_path[0] ? bytes_str(to->unix_path) : BYTES_NONE;

	f->env = e;
	f->terms = check_terms_ref(t);
	f->arg = arg;
	f->speaks = t->type == IM_HC_TCP    ? SPEAKS_TCP :
	    t->type == IM_HC_GRPC || to->h2 ? SPEAKS_H2 :
					      SPEAKS_H1;
	(void)snprintf(f->host, sizeof(f->host), "%s", to->host);
	timer_init(&f->timer, late);
	msg_init(&f->resp, false);
	if (connect_to(f, &to->addr, path) != 0) {
		give_back(f);
		return NULL;
	}
	if (!starts_tls(f, to, path) || !greet(f)) {
		check_cut(f);
		return NULL;
	}
	f->done = done;
	timer_in(e->loop, &f->timer, t->timeout_ms);
	return f;
}

void
checker_init(struct checker *e, struct loop *loop)
{
	e->loop = loop;
	HG_CHECK(bufs_init(&e->bufs, 64ull << 20) == 0);
	HG_CHECK(pool_init(&e->streams, h2_stream_size(), 1024) == 0);
	e->h2 = (struct h2_env){.loop = loop,
	    .bufs = &e->bufs,
	    .streams = &e->streams,
	    .limits = &limits,
	    .h2 = &h2_defaults};
	e->tls = tls_env_new(NULL);
	e->uptls = uptls_store_new(e->tls);
}

void
checker_release(struct checker *e)
{
	uptls_store_free(e->uptls);
	tls_env_free(e->tls);
	pool_release(&e->streams);
	bufs_release(&e->bufs);
}
