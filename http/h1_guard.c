/*
 * h1_guard.c - what a message is, decided on the raw bytes. One pass over the lines checks every
 * byte, cuts names and values and knows the framing fields when it ends; only then is the meaning
 * looked at (target, Host, framing, Connection), on the few fields that have it. Lines end with
 * CRLF and nothing else, a name touches its colon, nothing is folded, framing is at most one field
 * with one value. Where RFC 9112 lets a recipient repair, we refuse: two parsers in a row repair
 * differently, and that difference is the attack.
 *
 * A head that is not complete is read again from its start, but only when something new can be
 * learned (a control byte came, or the head is still short): the number of passes is bounded by the
 * number of lines. Keeping the state of a half-read line was rejected: the bytes may move between
 * two calls.
 */
#include "http/h1_guard.h"

#include "base/check.h"
#include "base/parse.h"
#include "http/fields.h"
#include "http/h1_chars.h"

#define BAD HG_ERR_BAD_REQUEST
#define SHORT_HEAD 1024 /* below this a look at everything is cheap */

const uint8_t h1_tchar[256] = {
	['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
	['%'] = 1,
	['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1,
	['`'] = 1,
	['|'] = 1, ['~'] = 1,
};

static inline bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* CRLF at i? OK, AGAIN at the end of the bytes, BAD. */
static enum hg_err
line_end(const char *p, uint32_t i, uint32_t n)
{
	if (i >= n)
		return HG_ERR_AGAIN;
	if (p[i] != '\r')
		return BAD;
	if (i + 1 >= n)
		return HG_ERR_AGAIN;
	return p[i + 1] == '\n' ? HG_OK : BAD;
}

/* One field line at p[off..end), end being where bytes or the line limit stop. *next = behind its
 * CRLF. */
static inline enum hg_err
field_line(const char *p, uint32_t off, uint32_t end, struct fields *t, uint32_t *next)
{
	uint32_t colon = h1_token_end(p, off, end), v, j, z;
	struct field *f;

	if (colon == end)
		return HG_ERR_AGAIN;
	if (p[colon] != ':' || colon == off)
		return BAD;
	v = colon + 1;
	if (v < end && p[v] == ' ')
		v++;
	while (v < end && blank(p[v]))
		v++;
	for (j = h1_span(p, v, end, 0x20, false); j < end && p[j] == '\t';)
		j = h1_span(p, j + 1, end, 0x20, false);
	if (end - j < 2 || memcmp(p + j, "\r\n", 2) != 0)
		return line_end(p, j, end);
	for (z = j; z > v && blank(p[z - 1]); z--)
		;
	if (t->n >= t->cap)
		return HG_ERR_HEADER_TOO_LARGE;
	f = &t->v[t->n++]; /* fields_add, in place: this is the hottest line of all */
	f->name = bytes_of(p + off, colon - off);
	f->value = bytes_of(p + v, z - v);
	f->id = (uint8_t)field_id(f->name);
	f->flags = 0;
	fields_note(t, (enum field_id)f->id);
	*next = j + 2;
	return HG_OK;
}

static inline bool
pair_is(const char *p, const char two[2])
{
	return memcmp(p, two, 2) == 0;
}

/* h1_token_end() and h1_span(), with one look where that is enough: p <= s < end. */
static inline const char *
name_end(const char *p, const char *s, const char *end)
{
#ifdef __SSE2__
	unsigned odd = 0;

	if (end - s >= 16)
		odd = h1_other16(s);
	else if (end - p >= 16)
		odd = h1_other16(end - 16) >> (16 - (end - s));
	if (odd && s[__builtin_ctz(odd)] == ':')
		return s + __builtin_ctz(odd);
#endif
	return p + h1_token_end(p, (uint32_t)(s - p), (uint32_t)(end - p));
}

static inline const char *
value_end(const char *p, const char *s, const char *end)
{
#ifdef __SSE2__
	unsigned odd = 0;

	if (end - s >= 16)
		odd = h1_odd16(s, 0x20, false);
	else if (end - p >= 16)
		odd = h1_odd16(end - 16, 0x20, false) >> (16 - (end - s));
	if (odd)
		return s + __builtin_ctz(odd);
#endif
	return p + h1_span(p, (uint32_t)(s - p), (uint32_t)(end - p), 0x20, false);
}

/*
 * Takes lines that are as most are - name, ": ", value without blanks around it, CRLF - as far as
 * they go, and stops before the first that is not, which field_line() then reads. Nothing is
 * accepted here that it would not take the same way.
 */
static uint32_t
plain_lines(
    const char *p, uint32_t off, uint32_t stop, uint32_t max_line, uint32_t most, struct fields *t)
{
	struct field *f = t->v + t->n, *last = t->v + HG_MIN(most, (uint32_t)t->cap);
	const char *s = p + off, *end = p + stop;

	for (; f < last && s < end && *s != '\r'; f++) {
		const char *colon = name_end(p, s, end), *v = colon + 2, *z;
		enum field_id id;

		if (end - colon < 4 || colon == s || !pair_is(colon, ": "))
			break;
		z = value_end(p, v, end);
		if (end - z < 2 || !pair_is(z, "\r\n") || *v == ' ' || z[-1] == ' ' ||
		    z + 2 - s > max_line)
			break;
		id = field_id(bytes_of(s, (size_t)(colon - s)));
		f->name = bytes_of(s, (size_t)(colon - s));
		f->value = bytes_of(v, (size_t)(z - v));
		f->id = (uint8_t)id;
		f->flags = 0;
		fields_note(t, id);
		s = z + 2;
	}
	t->n = (uint16_t)(f - t->v);
	return (uint32_t)(s - p);
}

enum hg_err
h1_guard_fields(const char *p, uint32_t off, uint32_t n, uint32_t max, uint32_t max_line,
    uint32_t max_lines, struct fields *t, uint32_t *used)
{
	uint32_t stop = n - off > max ? off + max : n, start = off;

	for (;;) {
		uint32_t end;
		enum hg_err e;

		off = plain_lines(p, off, stop, max_line, max_lines, t);
		end = stop - off > max_line ? off + max_line : stop;
		if (off < end && p[off] == '\r') {
			e = line_end(p, off, end);
			if (e == HG_OK) {
				*used = off + 2 - start;
				return HG_OK;
			}
		} else {
			e = t->n >= max_lines && off < end ? HG_ERR_HEADER_TOO_LARGE :
							     field_line(p, off, end, t, &off);
			if (e == HG_OK)
				continue;
		}
		if (e == HG_ERR_AGAIN && (end < n || end - off >= max_line || end - start >= max))
			return HG_ERR_HEADER_TOO_LARGE;
		return e;
	}
}

/* "HTTP/1.x" at i. Tells bad bytes as early as they are there. */
static enum hg_err
version(const char *p, uint32_t i, uint32_t n, uint8_t *minor)
{
	static const char want[] = "HTTP/";

	if (n - i >= 8 && n > i && memcmp(p + i, "HTTP/1.", 7) == 0 &&
	    (p[i + 7] == '0' || p[i + 7] == '1')) {
		*minor = (uint8_t)(p[i + 7] - '0');
		return HG_OK;
	}
	for (uint32_t k = 0; k < 5; k++, i++) {
		if (i >= n)
			return HG_ERR_AGAIN;
		if (p[i] != want[k])
			return BAD;
	}
	for (uint32_t k = 0; k < 3; k++) {
		if (i + k >= n)
			return HG_ERR_AGAIN;
		if (k == 1 ? p[i + k] != '.' : p[i + k] < '0' || p[i + k] > '9')
			return BAD;
	}
	*minor = (uint8_t)(p[i + 2] - '0');
	return p[i] != '1' || *minor > 1 ? HG_ERR_BAD_VERSION : HG_OK;
}

/* Is it worth to look again at an incomplete head? */
static bool
news(const char *p, uint32_t n, uint32_t scan, uint32_t max)
{
	return scan == 0 || n <= SHORT_HEAD || n > max || h1_span(p, scan, n, 0x20, false) < n;
}

/* method SP target SP version CRLF, from p[off..n). */
static enum hg_err
request_line(const char *p, uint32_t off, uint32_t n, const struct h1_limits *l, struct msg *m,
    uint32_t *next)
{
	uint32_t end = n - off > l->request_line ? off + l->request_line : n;
	uint32_t sp = h1_token_end(p, off, end), sp2;
	enum hg_err e = HG_ERR_AGAIN;

	if (sp < end) {
		if (p[sp] != ' ' || sp == off)
			return BAD;
		sp2 = h1_span(p, sp + 1, end, 0x21, true);
		if (sp2 < end) {
			if (p[sp2] != ' ' || sp2 == sp + 1)
				return BAD;
			m->method = bytes_of(p + off, sp - off);
			m->target = bytes_of(p + sp + 1, sp2 - sp - 1);
			e = version(p, sp2 + 1, end, &m->minor);
			if (e == HG_OK)
				e = line_end(p, sp2 + 9, end);
			*next = sp2 + 11;
		}
	}
	if (e == HG_ERR_AGAIN && (end < n || end - off >= l->request_line))
		return HG_ERR_URI_TOO_LONG;
	return e;
}

/* The field's one value; false when there are several lines. Absent when there is none. */
static bool
single(const struct fields *t, enum field_id id, struct bytes *value)
{
	const struct field *f = fields_get(t, id);

	*value = f ? f->value : BYTES_NONE;
	return !(t->twice & FIELD_BIT(id));
}

/* A list of codings that ends with the one and only "chunked": valid, but not what we undo. */
static bool
foreign_coding(struct bytes v)
{
	bool last = false;

	while (v.p) {
		struct bytes part = bytes_trim(bytes_cut(&v, ','));

		if (last || part.n == 0 || h1_token_end(part.p, 0, (uint32_t)part.n) != part.n)
			return false;
		last = bytes_eqi(part, BYTES("chunked"));
	}
	return last;
}

/* RFC 9112 section 6.3, without its repairs. */
static enum hg_err
framing(struct msg *m)
{
	struct bytes te, cl;

	m->framing = MSG_NONE;
	m->length = 0;
	if (!single(&m->fields, FIELD_TRANSFER_ENCODING, &te) ||
	    !single(&m->fields, FIELD_CONTENT_LENGTH, &cl) || (te.p && cl.p))
		return BAD;
	if (te.p) {
		if (m->minor == 0)
			return BAD;
		if (!bytes_eqi(te, BYTES("chunked")))
			return foreign_coding(te) ? HG_ERR_BAD_CODING : BAD;
		m->framing = MSG_CHUNKED;
	} else if (cl.p) {
		if (!parse_u64(cl, INT64_MAX, &m->length))
			return BAD;
		m->framing = MSG_LENGTH;
	}
	return HG_OK;
}

/* One line with one token: a list leaves the choice to the backend. */
static bool
one_protocol(const struct fields *f, struct bytes *out)
{
	const struct field *u = fields_get(f, FIELD_UPGRADE);
	uint32_t n = u ? (uint32_t)u->value.n : 0, name;

	if (n == 0 || fields_next(f, u))
		return false;
	name = h1_token_end(u->value.p, 0, n);
	if (name > 0 && name + 1 < n && u->value.p[name] == '/')
		name = h1_token_end(u->value.p, name + 1, n);
	*out = u->value;
	return name == n;
}

static void
connection(struct msg *m)
{
	const struct field *f = fields_get(&m->fields, FIELD_CONNECTION);
	bool close = false, keep = false, upgrade = false, te = false;

	m->keep_alive = m->minor > 0;
	if (f == NULL)
		return;
	for (; f; f = fields_next(&m->fields, f)) {
		struct bytes rest = f->value, item;

		while (fields_list(&rest, &item)) {
			close |= bytes_eqi(item, BYTES("close"));
			keep |= bytes_eqi(item, BYTES("keep-alive"));
			upgrade |= bytes_eqi(item, BYTES("upgrade"));
			te |= bytes_eqi(item, BYTES("te"));
		}
	}
	m->keep_alive = !close && (m->minor > 0 || keep);
	if (upgrade && m->minor > 0 &&
	    (!m->request || (bytes_eq(m->method, BYTES("GET")) && m->framing == MSG_NONE)))
		m->upgrade = one_protocol(&m->fields, &m->protocol);
	m->te_trailers = te && m->request && fields_te_trailers(&m->fields);
}

/* Host against the target: exactly one in 1.1, valid, and no other name than an absolute target's.
 */
static enum hg_err
host(struct msg *m, const struct uri_target *t)
{
	struct uri_host other;
	struct bytes v;
	uint16_t port, other_port;

	if (!single(&m->fields, FIELD_HOST, &v) || (v.p == NULL && m->minor > 0))
		return BAD;
	m->authority = v;
	if (v.p && uri_host(v, &m->host) != HG_OK)
		return BAD;
	if (t->authority.p == NULL)
		return HG_OK;
	if (uri_host(t->authority, &other) != HG_OK)
		return BAD;
	if (v.p) {
		uint16_t def = t->form == URI_AUTHORITY  ? other.port :
		    bytes_eqi(t->scheme, BYTES("https")) ? 443 :
							   80;

		port = m->host.port ? m->host.port : def;
		other_port = other.port ? other.port : def;
		if (!bytes_eq(
			bytes_of(m->host.name, m->host.len), bytes_of(other.name, other.len)) ||
		    port != other_port)
			return BAD;
	}
	m->authority = t->authority;
	m->host = other;
	return HG_OK;
}

static enum hg_err
expect(struct msg *m)
{
	const struct field *f = m->minor > 0 ? fields_get(&m->fields, FIELD_EXPECT) : NULL;

	for (; f; f = fields_next(&m->fields, f)) {
		if (!bytes_eqi(f->value, BYTES("100-continue")))
			return HG_ERR_BAD_EXPECT;
		m->expect_continue =
		    m->framing == MSG_CHUNKED || (m->framing == MSG_LENGTH && m->length > 0);
	}
	return HG_OK;
}

/* What the lines mean together. */
static enum hg_err
request_meaning(struct msg *m)
{
	struct uri_target t;
	enum hg_err e = uri_target(m->method, m->target, &t);

	if (e != HG_OK)
		return e;
	m->path = t.path;
	m->query = t.query;
	m->scheme = t.scheme;
	e = host(m, &t);
	if (e == HG_OK)
		e = framing(m);
	if (e != HG_OK)
		return e;
	/* A tunnel has no body, and a Content-Length on CONNECT is read in two ways. */
	if (t.form == URI_AUTHORITY && (m->framing == MSG_CHUNKED || m->length > 0))
		return BAD;
	connection(m);
	return expect(m);
}

enum hg_err
h1_guard_request(const char *p, uint32_t n, const struct h1_limits *l, uint32_t *scan,
    struct msg *m, uint32_t *used)
{
	uint32_t off = 0, next = 0, part = 0;
	enum hg_err e = HG_OK;

	if (!news(p, n, *scan, l->header))
		return HG_ERR_AGAIN;
	msg_init(m, true);
	for (uint32_t crlf = 0; off < n && (p[off] == '\r' || p[off] == '\n'); off += 2) {
		e = line_end(p, off, n);
		if (e == HG_OK && ++crlf > l->leading_crlf)
			e = BAD;
		if (e != HG_OK)
			break;
	}
	if (e == HG_OK)
		e = request_line(p, off, n, l, m, &next);
	if (e == HG_OK)
		e = next - off >= l->header ? HG_ERR_HEADER_TOO_LARGE :
					      h1_guard_fields(p, next, n, l->header - (next - off),
						  l->field, l->fields, &m->fields, &part);
	if (e == HG_ERR_AGAIN)
		*scan = n;
	if (e != HG_OK)
		return e;
	*scan = 0;
	*used = next + part;
	return request_meaning(m);
}

/* "HTTP/1.x" SP 3DIGIT [SP reason] CRLF */
static enum hg_err
status_line(const char *p, uint32_t n, const struct h1_limits *l, struct msg *m, uint32_t *next)
{
	static const char usual[] = "HTTP/1.1 200 OK\r\n";
	uint32_t end = HG_MIN(n, l->request_line), i;
	enum hg_err e;

	if (end >= sizeof(usual) - 1 && memcmp(p, usual, sizeof(usual) - 1) == 0) {
		m->minor = 1;
		m->status = 200;
		m->reason = bytes_of(p + 13, 2);
		*next = sizeof(usual) - 1;
		return HG_OK;
	}
	e = version(p, 0, end, &m->minor);
	for (i = 8; e == HG_OK && i < 12; i++) {
		if (i >= end)
			e = HG_ERR_AGAIN;
		else if (i == 8 ? p[i] != ' ' : p[i] < '0' || p[i] > '9')
			e = BAD;
	}
	if (e == HG_OK) {
		m->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
		if (m->status < 100 || m->status > 599)
			return BAD;
		m->reason = BYTES_NONE;
		if (i < end && p[i] == ' ') {
			uint32_t from = ++i;

			for (i = h1_span(p, i, end, 0x20, false); i < end && p[i] == '\t';)
				i = h1_span(p, i + 1, end, 0x20, false);
			m->reason = bytes_of(p + from, i - from);
		}
		e = line_end(p, i, end);
		*next = i + 2;
	}
	return e == HG_ERR_AGAIN && end < n ? BAD : e;
}

/* RFC 9112 section 6.3 for a response: who has a body, and what then ends it. */
static enum hg_err
response_meaning(struct msg *m, bool head_request)
{
	if (framing(m) != HG_OK)
		return HG_ERR_BACKEND_BAD;
	connection(m);
	if (m->status < 200 || m->status == 204) {
		m->framing = MSG_NONE;
		m->length = 0;
	} else if (head_request || m->status == 304) {
		m->head = true;
	} else if (m->framing == MSG_NONE) {
		m->framing = MSG_CLOSE;
		m->keep_alive = false;
	}
	return HG_OK;
}

enum hg_err
h1_guard_response(const char *p, uint32_t n, const struct h1_limits *l, uint32_t *scan,
    bool head_request, struct msg *m, uint32_t *used)
{
	uint32_t next = 0, part = 0;
	enum hg_err e;

	if (!news(p, n, *scan, l->header))
		return HG_ERR_AGAIN;
	msg_init(m, false);
	e = status_line(p, n, l, m, &next);
	if (e == HG_OK)
		e = next >= l->header ? BAD :
					h1_guard_fields(p, next, n, l->header - next, l->field,
					    l->fields, &m->fields, &part);
	if (e == HG_ERR_AGAIN)
		*scan = n;
	if (e != HG_OK)
		return e == HG_ERR_AGAIN ? e : HG_ERR_BACKEND_BAD;
	*scan = 0;
	*used = next + part;
	return response_meaning(m, head_request);
}
