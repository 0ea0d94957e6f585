/*
 * h2_head.c - field sections: what comes is collected into a buffer of the connection and means the
 * same as in HTTP/1.1, by the same rules (base/uri for authority and path, h1_chars for bytes), so
 * that what the guard refuses there is refused here. A section over its bound is counted to its end
 * and answered with 431; one that goes far beyond is a bomb and resets the stream. Cookie crumbs
 * are joined (RFC 9113 section 8.2.3), Host and :authority must agree. Fields of the connection
 * have no place in HTTP/2 and make a message malformed; nothing is repaired.
 */
#include "base/check.h"
#include "base/parse.h"
#include "http/fields.h"
#include "http/h1_chars.h"
#include "http/h1_write.h"
#include "http/h2_core.h"

#define BIT(id) FIELD_BIT(FIELD_##id)
#define HOPS \
	(BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(TRANSFER_ENCODING) | \
	    BIT(UPGRADE) | BIT(HTTP2_SETTINGS))
#define OWNED (HOPS | BIT(CONTENT_LENGTH) | BIT(TE) | BIT(HOST))
#define ROOM 1024    /* a section begins in a buffer with so much left */
#define BOMB 1024    /* fields behind the bound that are only counted */
#define BAD HG_ERR_BAD_REQUEST

/* ---- collecting */

bool
h2_head_start(struct h2_stream *st)
{
	struct h2 *c = st->c;

	st->collecting = false;
	if (!st->open || st->refused)
		return true;
	st->trailing = st->head_seen;
	st->list = st->extra = 0;
	st->regular = false;
	if (c->head && c->head->cap - c->head->len < ROOM) {
		buf_unref(c->head);
		c->head = NULL;
	}
	if (c->head == NULL && (c->head = buf_new(c->env->bufs, 1)) == NULL)
		return false;
	st->mark = c->head->len;
	if (st->trailing) {
		if (st->msg->trailers.v) /* a second section: malformed, nghttp2 refuses it */
			return true;
		fields_init(&st->msg->trailers, st->msg->store + MSG_FIELDS, MSG_TRAILERS);
	} else {
		msg_init(st->msg, st->c->role->server);
		st->msg->minor = 2;
		st->msg->keep_alive = true;
	}
	st->collecting = true;
	return true;
}

static void
shift(struct bytes *b, const char *from, const char *to)
{
	if (b->p)
		b->p = to + (b->p - from);
}

/* The section goes on in a larger buffer. */
static bool
move(struct h2_stream *st, uint32_t need)
{
	struct h2 *c = st->c;
	struct buf *old = c->head, *b;
	struct msg *m = st->msg;
	struct fields *t = st->trailing ? &m->trailers : &m->fields;
	uint32_t have = old->len - st->mark;
	const char *from = old->data + st->mark;

	b = buf_new(c->env->bufs, HG_MAX(have + need, (uint32_t)BUF_SMALL));
	if (b == NULL)
		return false;
	memcpy(b->data, from, have);
	b->len = have;
	for (uint32_t i = 0; i < t->n; i++) {
		shift(&t->v[i].name, from, b->data);
		shift(&t->v[i].value, from, b->data);
	}
	if (!st->trailing) {
		shift(&m->method, from, b->data);
		shift(&m->target, from, b->data);
		shift(&m->authority, from, b->data);
		shift(&m->scheme, from, b->data);
		shift(&m->protocol, from, b->data);
	}
	old->len = st->mark;
	buf_unref(old);
	c->head = b;
	st->mark = 0;
	return true;
}

static const char *
keep(struct h2_stream *st, struct bytes b)
{
	struct buf *to = st->c->head;
	char *p = to->data + to->len;

	if (b.n)
		memcpy(p, b.p, b.n);
	to->len += (uint32_t)b.n;
	return p;
}

static bool
plain_value(struct bytes v)
{
	uint32_t n = (uint32_t)v.n, i = 0;

	if (n && (v.p[0] == ' ' || v.p[0] == '\t' || v.p[n - 1] == ' ' || v.p[n - 1] == '\t'))
		return false;
	while ((i = h1_span(v.p, i, n, 0x20, false)) < n && v.p[i] == '\t')
		i++;
	return i == n;
}

static bool
plain_name(struct bytes n)
{
	for (size_t i = 0; i < n.n; i++)
		if (!h1_tchar[(unsigned char)n.p[i]] || (n.p[i] >= 'A' && n.p[i] <= 'Z'))
			return false;
	return n.n > 0;
}

static int
pseudo(struct h2_stream *st, struct bytes name, struct bytes value)
{
	struct msg *m = st->msg;
	static const struct {
		struct bytes name;
		size_t at;
	} table[] = {
	    {{":method", 7}, offsetof(struct msg, method)},
	    {{":path", 5}, offsetof(struct msg, target)},
	    {{":authority", 10}, offsetof(struct msg, authority)},
	    {{":scheme", 7}, offsetof(struct msg, scheme)},
	    {{":protocol", 9}, offsetof(struct msg, protocol)},
	};

	if (st->trailing || st->regular)
		return -1;
	if (!m->request) {
		uint64_t v;

		if (!bytes_eq(name, BYTES(":status")) || m->status || value.n != 3 ||
		    !parse_u64(value, 599, &v) || v < 100)
			return -1;
		m->status = (uint16_t)v;
		return 0;
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(table); i++) {
		struct bytes *to = (struct bytes *)(void *)((char *)m + table[i].at);

		if (!bytes_eq(name, table[i].name))
			continue;
		if (to->p)
			return -1;
		*to = bytes_of(keep(st, value), value.n);
		return 0;
	}
	return -1;
}

int
h2_head_field(struct h2_stream *st, struct bytes name, struct bytes value)
{
	const struct h1_limits *l = st->c->env->limits;
	struct fields *t = st->trailing ? &st->msg->trailers : &st->msg->fields;
	uint32_t max = st->trailing ? l->trailer : l->header;
	uint32_t lines = HG_MIN(st->trailing ? l->trailer_fields : l->fields, (uint32_t)t->cap);
	uint64_t size = (uint64_t)name.n + value.n + 32;
	enum field_id id;

	if (st->too_large || size > max - st->list || t->n >= lines || size > l->field + 32ull) {
		st->too_large = true;
		return st->trailing || ++st->extra > BOMB ? -1 : 0;
	}
	st->list += (uint32_t)size;
	if (st->c->head->cap - st->c->head->len < name.n + value.n + 2 &&
	    !move(st, (uint32_t)(name.n + value.n + 2)))
		return -1;
	if (name.n && name.p[0] == ':')
		return pseudo(st, name, value);
	st->regular = true;
	if (!plain_name(name) || !plain_value(value))
		return -1;
	id = field_id(name);
	if (HOPS >> id & 1)
		return -1;
	if (id == FIELD_TE && !bytes_eqi(value, BYTES("trailers")))
		return -1;
	name.p = keep(st, name);
	value.p = keep(st, value);
	return fields_add(t, name, value, id) ? 0 : -1;
}

/* ---- meaning */

/* One Cookie line of all its crumbs. */
static enum hg_err
join_cookies(struct h2_stream *st)
{
	struct fields *t = &st->msg->fields;
	struct field *first = fields_get(t, FIELD_COOKIE);
	uint32_t n = 0, start;

	if (!(t->twice & BIT(COOKIE)))
		return HG_OK;
	for (const struct field *f = first; f; f = fields_next(t, f))
		n += (uint32_t)f->value.n + 2;
	if (st->c->head->cap - st->c->head->len < n && !move(st, n))
		return HG_ERR_HEADER_TOO_LARGE;
	start = st->c->head->len;
	for (struct field *f = first, *next; f; f = next) {
		next = fields_next(t, f);
		if (f != first)
			keep(st, BYTES("; "));
		keep(st, f->value);
		if (f != first)
			f->flags |= FIELD_GONE;
	}
	first->value = bytes_of(st->c->head->data + start, st->c->head->len - start);
	return HG_OK;
}

static enum hg_err
framing(struct msg *m, bool end)
{
	const struct field *f = fields_get(&m->fields, FIELD_CONTENT_LENGTH);

	m->framing = end || m->upgrade ? MSG_NONE : MSG_CHUNKED;
	m->length = 0;
	if (f && m->upgrade)
		return BAD;
	if (f == NULL)
		return HG_OK;
	if (m->fields.twice & BIT(CONTENT_LENGTH) || !parse_u64(f->value, INT64_MAX, &m->length))
		return BAD;
	m->framing = MSG_LENGTH;
	return HG_OK;
}

static enum hg_err
host(struct msg *m)
{
	const struct field *f = fields_get(&m->fields, FIELD_HOST);
	struct uri_host other;

	if (m->fields.twice & BIT(HOST))
		return BAD;
	if (m->authority.p == NULL)
		m->authority = f ? f->value : BYTES_NONE;
	if (m->authority.p == NULL || uri_host(m->authority, &m->host) != HG_OK)
		return BAD;
	if (f == NULL)
		return HG_OK;
	if (uri_host(f->value, &other) != HG_OK || other.port != m->host.port ||
	    !bytes_eq(bytes_of(other.name, other.len), bytes_of(m->host.name, m->host.len)))
		return BAD;
	return HG_OK;
}

static enum hg_err
expect(struct msg *m, bool end)
{
	const struct field *f = fields_get(&m->fields, FIELD_EXPECT);

	for (; f; f = fields_next(&m->fields, f))
		if (!bytes_eqi(f->value, BYTES("100-continue")))
			return HG_ERR_BAD_EXPECT;
		else
			m->expect_continue = !end && !m->upgrade;
	return HG_OK;
}

static bool
one_token(struct bytes b)
{
	return b.n && h1_token_end(b.p, 0, (uint32_t)b.n) == b.n;
}

static enum hg_err
target(struct h2_stream *st, struct msg *m)
{
	bool connect = bytes_eq(m->method, BYTES("CONNECT")), https;
	struct uri_target t;
	enum hg_err e;

	/* Extended CONNECT (RFC 8441): to everything behind it this is what a GET with Upgrade is
	 * in HTTP/1.1. */
	if (m->protocol.p) {
		if (!connect || m->authority.p == NULL || !one_token(m->protocol))
			return BAD;
		connect = false;
		m->method = BYTES("GET");
		m->upgrade = true;
	}
	if (!one_token(m->method))
		return BAD;
	if (m->target.n > st->c->env->limits->request_line)
		return HG_ERR_URI_TOO_LONG;
	e = uri_target(m->method, connect ? m->authority : m->target, &t);
	if (e != HG_OK)
		return e;
	if (connect) {
		m->target = m->authority;
	} else {
		https = bytes_eq(m->scheme, BYTES("https"));
		if ((t.form != URI_ORIGIN && t.form != URI_ASTERISK) ||
		    (!https && !bytes_eq(m->scheme, BYTES("http"))))
			return BAD;
		if (https != st->c->chan.ops->secure)
			return HG_ERR_MISDIRECTED;
	}
	m->path = t.path;
	m->query = t.query;
	return HG_OK;
}

enum hg_err
h2_head_request(struct h2_stream *st, bool end)
{
	struct msg *m = st->msg;
	enum hg_err e = st->too_large ? HG_ERR_HEADER_TOO_LARGE : join_cookies(st);

	m->buf = buf_ref(st->c->head);
	if (e == HG_OK)
		e = target(st, m);
	if (e == HG_OK)
		e = host(m);
	if (e == HG_OK)
		e = framing(m, end);
	if (e == HG_OK)
		e = expect(m, end);
	m->te_trailers = fields_get(&m->fields, FIELD_TE) != NULL;
	return e;
}

enum hg_err
h2_head_response(struct h2_stream *st, bool end)
{
	struct msg *m = st->msg;

	m->buf = buf_ref(st->c->head);
	if (st->too_large || m->status < 100 || m->status == 101 || framing(m, end) != HG_OK)
		return HG_ERR_BACKEND_BAD;
	if (m->status < 200 || m->status == 204) {
		m->framing = MSG_NONE;
		m->length = 0;
		if (m->status < 200 && end)
			return HG_ERR_BACKEND_BAD;
	} else if (st->head_method || m->status == 304) {
		m->head = true;
	} else if (end && m->framing == MSG_LENGTH && m->length) {
		return HG_ERR_BACKEND_BAD;
	}
	return HG_OK;
}

enum hg_err
h2_head_trailers(struct h2_stream *st)
{
	struct msg *m = st->msg;
	struct fields *t = &m->trailers;

	if (st->too_large)
		return HG_ERR_HEADER_TOO_LARGE;
	m->trailer_buf = buf_ref(st->c->head);
	for (uint32_t i = 0; i < t->n; i++)
		if (!fields_trailer_ok((enum field_id)t->v[i].id, t->v[i].name))
			t->v[i].flags |= FIELD_GONE;
	return HG_OK;
}

/* ---- writing */

static size_t
put(struct bytes lines[][2], size_t n, struct bytes name, struct bytes value)
{
	lines[n][0] = name;
	lines[n][1] = value;
	return n + 1;
}

static size_t
put_fields(const struct fields *t, uint64_t skip, struct bytes lines[][2], size_t n, size_t cap)
{
	for (uint32_t i = 0; i < t->n && n < cap; i++) {
		const struct field *f = &t->v[i];

		if (!(f->flags & (FIELD_GONE | FIELD_HOP)) && !(skip >> f->id & 1))
			n = put(lines, n, f->name, f->value);
	}
	return n;
}

static struct bytes
digits(char text[20], uint64_t v)
{
	size_t i = 20;

	do
		text[--i] = (char)('0' + v % 10);
	while (v /= 10);
	return bytes_of(text + i, 20 - i);
}

static size_t
request_lines(const struct msg *m, const struct h2_scratch *s, struct bytes lines[][2])
{
	size_t n = put(lines, 0, BYTES(":method"), s->connect ? BYTES("CONNECT") : m->method);

	if (s->connect)
		n = put(lines, n, BYTES(":protocol"), m->protocol);
	n = put(lines, n, BYTES(":scheme"), s->secure ? BYTES("https") : BYTES("http"));
	if (m->authority.n)
		n = put(lines, n, BYTES(":authority"), m->authority);
	return put(lines, n, BYTES(":path"), s->path);
}

size_t
h2_head_write(const struct msg *m, struct h2_scratch *s, bool info, struct bytes lines[][2])
{
	size_t n, cap = H2_LINES - 4; /* date, te, content-length */
	bool date = m->request || info || fields_get(&m->fields, FIELD_DATE) ||
	    (m->base && fields_get(m->base, FIELD_DATE));

	if (m->request)
		n = request_lines(m, s, lines);
	else
		n = put(lines, 0, BYTES(":status"), digits(s->status, m->status));
	if (m->base) {
		n = put_fields(m->base, OWNED | m->skip, lines, n, cap);
		n = h2_text_lines(m->extra, lines, n, cap);
	}
	n = put_fields(&m->fields, OWNED, lines, n, cap);
	if (n == cap)
		return 0;
	if (!date)
		n = put(lines, n, BYTES("date"), h1_write_date(s->now));
	if (m->request && m->te_trailers)
		n = put(lines, n, BYTES("te"), BYTES("trailers"));
	if (m->framing == MSG_LENGTH && !info && m->status != 204)
		n = put(lines, n, BYTES("content-length"), digits(s->length, m->length));
	return n;
}

bool
h2_head_once(struct bytes name)
{
	return name.n == 12 &&
	    (bytes_eqi(name, BYTES("x-request-id")) || bytes_eqi(name, BYTES("grpc-timeout")));
}
