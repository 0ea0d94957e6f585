/*
 * h1_write.c - rendering. The bound of a head is computed by writing it: the cursor counts past its
 * end, and a head that did not fit the small class is written again into the large one. Field lines
 * that lie one behind the other in the message's buffer, as received, are copied as one run, which
 * is nearly all of them nearly always. A table of iovecs pointing into the received head was
 * rejected: an iovec costs the kernel more than copying the line costs us.
 */
#include "http/h1_write.h"

#include <sys/uio.h>

#include "base/check.h"
#include "base/clock.h"

#define BIT(id) (1ull << FIELD_##id)
#define OWNED \
	(BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING) | BIT(CONNECTION) | BIT(KEEP_ALIVE) | \
	    BIT(PROXY_CONNECTION))
#define SMALL_BODY 1024 /* copied behind the head; above, a slice of its own is cheaper */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define SPARE 64        /* room for a chunk line, its CRLF and the last chunk */

/* Full when p == end, and stays so. Handed around by value where calls are not inlined: then it
 * lives in registers. */
struct cursor {
	char *p, *end;
};

static ALWAYS_INLINE void
put(struct cursor *c, const char *p, size_t n)
{
	if (__builtin_expect(n >= (size_t)(c->end - c->p), 0)) {
		c->p = n ? c->end : c->p;
		return;
	}
	memcpy(c->p, p, n);
	c->p += n;
}

#define PUT(c, lit) put((c), (lit), sizeof(lit) - 1)

static const char two_digits[100][2] = {
#define D(t) {t, '0'}, {t, '1'}, {t, '2'}, {t, '3'}, {t, '4'}, {t, '5'}, {t, '6'}, {t, '7'}, \
	{t, '8'}, {t, '9'}
	D('0'), D('1'), D('2'), D('3'), D('4'), D('5'), D('6'), D('7'), D('8'), D('9'),
#undef D
};

static ALWAYS_INLINE void
put_bytes(struct cursor *c, struct bytes b)
{
	if (b.n)
		put(c, b.p, b.n);
}

static ALWAYS_INLINE void
put_u64(struct cursor *c, uint64_t v)
{
	char text[20];
	size_t i = sizeof(text);

	for (; v >= 100; v /= 100) {
		i -= 2;
		memcpy(text + i, two_digits[v % 100], 2);
	}
	if (v >= 10) {
		i -= 2;
		memcpy(text + i, two_digits[v], 2);
	} else {
		text[--i] = (char)('0' + v);
	}
	put(c, text + i, sizeof(text) - i);
}

/*
 * Does b lie right behind a with exactly these two bytes between them? For texts of one buffer
 * that is the line as it came. Two texts of an arena may by chance lie two bytes apart, with its
 * padding between: that is looked at too (hence the attribute), and compared before it counts.
 */
__attribute__((no_sanitize_address)) static bool
touches(struct bytes a, const char *b, const char two[2])
{
	const char *gap = a.p + a.n;

	return gap + 2 == b && gap[0] == two[0] && gap[1] == two[1];
}

/* Lines whose id is not in `skip` and that are neither gone nor hop-by-hop. */
static struct cursor
put_fields(struct cursor c, const struct fields *t, uint64_t skip)
{
	for (uint32_t i = 0; i < t->n;) {
		const struct field *f = &t->v[i++], *last = f;

		if ((f->flags & (FIELD_GONE | FIELD_HOP)) || (skip >> f->id & 1))
			continue;
		if (!touches(f->name, f->value.p, ": ")) {
			put_bytes(&c, f->name);
			PUT(&c, ": ");
			put_bytes(&c, f->value);
			PUT(&c, "\r\n");
			continue;
		}
		for (; i < t->n; i++) {
			const struct field *g = &t->v[i];

			if ((g->flags & (FIELD_GONE | FIELD_HOP)) || (skip >> g->id & 1) ||
			    !touches(last->value, g->name.p, "\r\n") ||
			    !touches(g->name, g->value.p, ": "))
				break;
			last = g;
		}
		put(&c, f->name.p, (size_t)(last->value.p + last->value.n - f->name.p));
		PUT(&c, "\r\n");
	}
	return c;
}

/* All lines of a head. */
static struct cursor
put_lines(struct cursor c, const struct msg *m, uint64_t skip)
{
	if (m->base) {
		c = put_fields(c, m->base, skip | m->skip);
		put_bytes(&c, m->extra);
	}
	if (m->fields.n)
		c = put_fields(c, &m->fields, skip);
	return c;
}

static struct {
	uint64_t second;
	char text[32];
} date;

struct bytes
h1_write_date(uint64_t now)
{
	if (date.second != now / SEC_NS + 1) {
		date.second = now / SEC_NS + 1;
		clock_http_date((int64_t)(clock_real() / SEC_NS), date.text);
	}
	return bytes_of(date.text, 29);
}

/* A buffer with this much room; the one at hand if it has it. */
static bool
room(struct chan *c, struct h1_out *o, uint32_t n)
{
	struct buf *b = o->buf;

	if (b && b->cap - b->len >= n)
		return true;
	b = buf_new(c->bufs, n);
	if (b == NULL)
		return false;
	h1_write_done(o);
	o->buf = b;
	return true;
}

static struct cursor
cursor_of(struct h1_out *o)
{
	return (struct cursor){o->buf->data + o->buf->len, o->buf->data + o->buf->cap};
}

/* Queues what the cursor has written. */
static void
commit(struct chan *c, struct h1_out *o, const struct cursor *at)
{
	char *from = o->buf->data + o->buf->len;
	uint32_t n = (uint32_t)(at->p - from);

	o->buf->len += n;
	chan_send(c, slice_of(o->buf, from, n));
}

struct head {
	const struct msg *m;
	unsigned flags;
	uint64_t now;
	bool no_body, http10, info;
	enum h1_persist persist;
};

/* Runs `render` on the buffer at hand, then on fresh ones of growing size. */
static enum hg_err
write_head(struct chan *c, struct h1_out *o, const struct head *h,
    struct cursor (*render)(struct cursor, struct h1_out *, const struct head *))
{
	static const uint32_t sizes[] = {512, BUF_SMALL / 2 + 1024, BUF_LARGE - 64};

	for (size_t i = 0; i < HG_ARRAY_LEN(sizes); i++) {
		struct cursor at;

		if (!room(c, o, sizes[i]))
			return HG_ERR_NOMEM;
		at = cursor_of(o);
		at = render(at, o, h);
		if (at.p != at.end) {
			commit(c, o, &at);
			return HG_OK;
		}
		h1_write_done(o);
	}
	return HG_ERR_HEADER_TOO_LARGE;
}

static ALWAYS_INLINE void
put_length(struct cursor *c, uint64_t n)
{
	PUT(c, "Content-Length: ");
	put_u64(c, n);
	PUT(c, "\r\n");
}

static ALWAYS_INLINE void
put_framing(struct cursor *c, struct h1_out *o, const struct head *h)
{
	const struct msg *m = h->m;

	o->chunked = o->length = false;
	o->none = false;
	o->left = 0;
	if (m->framing == MSG_LENGTH) {
		o->length = true;
		o->left = m->length;
		put_length(c, m->length);
	} else if (m->framing != MSG_NONE && !(h->flags & STREAM_END)) {
		o->chunked = true;
		PUT(c, "Transfer-Encoding: chunked\r\n");
	} else {
		o->none = true;
	}
}

static ALWAYS_INLINE void
put_upgrade(struct cursor *c, const struct msg *m)
{
	PUT(c, "Connection: Upgrade\r\nUpgrade: ");
	put_bytes(c, m->protocol);
	PUT(c, "\r\n");
}

static struct cursor
render_request(struct cursor at, struct h1_out *o, const struct head *h)
{
	const struct msg *m = h->m;
	bool connect = m->method.n == 7 && bytes_eq(m->method, BYTES("CONNECT"));
	bool upgrade = h->flags & STREAM_UPGRADE;

	put_bytes(&at, m->method);
	PUT(&at, " ");
	put_bytes(&at, connect ? m->authority : m->path);
	if (m->query.p && !connect) {
		PUT(&at, "?");
		put_bytes(&at, m->query);
	}
	PUT(&at, " HTTP/1.1\r\nHost: ");
	put_bytes(&at, m->authority);
	PUT(&at, "\r\n");
	at = put_lines(at, m, OWNED | BIT(HOST) | BIT(TE) | BIT(HTTP2_SETTINGS) | BIT(UPGRADE));
	if (m->te_trailers)
		PUT(&at, "TE: trailers\r\n");
	if (upgrade)
		put_upgrade(&at, m);
	else if (m->te_trailers)
		PUT(&at, "Connection: TE\r\n");
	put_framing(&at, o, h);
	PUT(&at, "\r\n");
	return at;
}

enum hg_err
h1_write_request(struct chan *c, struct h1_out *o, const struct msg *m, unsigned flags)
{
	struct head h = {.m = m, .flags = flags};

	return write_head(c, o, &h, render_request);
}

static ALWAYS_INLINE void
put_status(struct cursor *c, const struct msg *m)
{
	char code[3] = {(char)('0' + m->status / 100 % 10), (char)('0' + m->status / 10 % 10),
	    (char)('0' + m->status % 10)};

	if (m->status == 200 && (m->reason.p == NULL || bytes_eq(m->reason, BYTES("OK")))) {
		PUT(c, "HTTP/1.1 200 OK\r\n");
		return;
	}
	PUT(c, "HTTP/1.1 ");
	put(c, code, 3);
	PUT(c, " ");
	put_bytes(c, m->reason.p ? m->reason : bytes_str(msg_reason(m->status)));
	PUT(c, "\r\n");
}

/* Framing of a response, once it is known who reads it (RFC 9112 section 6.3). */
static ALWAYS_INLINE void
put_response_framing(struct cursor *c, struct h1_out *o, const struct head *h)
{
	const struct msg *m = h->m;

	*o = (struct h1_out){.buf = o->buf};
	if (m->status < 200 || m->status == 204) {
		o->none = true;
	} else if (h->no_body) {
		/* HEAD and 304 tell what a GET would have had, where that is known. */
		o->none = true;
		if (m->framing == MSG_LENGTH)
			put_length(c, m->length);
		else if (m->framing == MSG_CHUNKED && !h->http10 && m->status != 304)
			PUT(c, "Transfer-Encoding: chunked\r\n");
	} else if (m->framing == MSG_LENGTH) {
		o->length = true;
		o->left = m->length;
		put_length(c, m->length);
	} else if (m->framing == MSG_NONE || (h->flags & STREAM_END)) {
		o->none = true;
		put_length(c, 0);
	} else if (!h->http10) {
		o->chunked = true;
		PUT(c, "Transfer-Encoding: chunked\r\n");
	}
}

static struct cursor
render_response(struct cursor at, struct h1_out *o, const struct head *h)
{
	const struct msg *m = h->m;
	bool upgrade = h->flags & STREAM_UPGRADE;
	/* RFC 9110 15.5.22: says what to come back with. */
	bool old = m->status == 426 && fields_get(&m->fields, FIELD_UPGRADE) != NULL;

	put_status(&at, m);
	at = put_lines(at, m, OWNED | (old ? 0 : BIT(UPGRADE)));
	if (h->info) {
		PUT(&at, "\r\n");
		return at;
	}
	if (fields_get(&m->fields, FIELD_DATE) == NULL &&
	    (m->base == NULL || fields_get(m->base, FIELD_DATE) == NULL)) {
		PUT(&at, "Date: ");
		put_bytes(&at, h1_write_date(h->now));
		PUT(&at, "\r\n");
	}
	if (upgrade)
		put_upgrade(&at, m);
	else if (old)
		PUT(&at, "Connection: Upgrade, close\r\n");
	else if (h->persist == H1_PERSIST_CLOSE)
		PUT(&at, "Connection: close\r\n");
	else if (h->persist == H1_PERSIST_KEEP)
		PUT(&at, "Connection: keep-alive\r\n");
	put_response_framing(&at, o, h);
	PUT(&at, "\r\n");
	return at;
}

enum hg_err
h1_write_response(struct chan *c, struct h1_out *o, const struct msg *m, unsigned flags,
    bool no_body, bool http10, enum h1_persist persist)
{
	struct head h = {.m = m,
	    .flags = flags,
	    .now = loop_now(c->loop),
	    .no_body = no_body,
	    .http10 = http10,
	    .persist = persist};

	return write_head(c, o, &h, render_response);
}

enum hg_err
h1_write_info(struct chan *c, struct h1_out *o, const struct msg *m)
{
	struct head h = {.m = m, .info = true};

	return write_head(c, o, &h, render_response);
}

bool
h1_write_body(struct chan *c, struct h1_out *o, struct slice s)
{
	struct cursor at;

	if (o->length && s.n > o->left)
		s.n = (uint32_t)o->left;
	if (o->length)
		o->left -= s.n;
	if (o->none || s.n == 0) {
		slice_drop(&s);
		return true;
	}
	if (!o->chunked && (s.n > SMALL_BODY || !room(c, o, s.n))) {
		chan_send(c, s);
		return true;
	}
	if (!room(c, o, SPARE + (s.n <= SMALL_BODY ? s.n : 0))) {
		slice_drop(&s);
		return false;
	}
	at = cursor_of(o);
	if (o->chunked) {
		char text[16];
		size_t i = sizeof(text);

		for (uint32_t v = s.n; v; v >>= 4)
			text[--i] = "0123456789abcdef"[v & 15];
		put(&at, text + i, sizeof(text) - i);
		PUT(&at, "\r\n");
	}
	if (s.n <= SMALL_BODY) {
		put(&at, s.p, s.n);
		slice_drop(&s);
	} else {
		commit(c, o, &at);
		chan_send(c, s);
		at = cursor_of(o);
	}
	if (o->chunked)
		PUT(&at, "\r\n");
	commit(c, o, &at);
	return true;
}

bool
h1_write_end(struct chan *c, struct h1_out *o, const struct fields *trailers)
{
	struct cursor at;

	if (!o->chunked)
		return true;
	for (uint32_t need = SPARE; need <= BUF_LARGE;
	     need = need == SPARE ? BUF_SMALL / 2 : need * 4) {
		if (!room(c, o, need))
			return false;
		at = cursor_of(o);
		PUT(&at, "0\r\n");
		if (trailers)
			at = put_fields(at, trailers, OWNED);
		PUT(&at, "\r\n");
		if (at.p != at.end) {
			commit(c, o, &at);
			o->chunked = false;
			o->none = true;
			return true;
		}
		h1_write_done(o);
	}
	return false;
}

void
h1_write_done(struct h1_out *o)
{
	if (o->buf)
		buf_unref(o->buf);
	o->buf = NULL;
}
