/*
 * forward.c - heads on their way through. What is dropped is a set of field ids that the writer
 * goes by, and what is added is one piece of text: a head that nobody edits is read from the table
 * in which it came and gets no copy. Who edits gets a table of its own first. Nobody is trusted
 * yet: X-Forwarded-*, X-Real-IP and Forwarded of a client never reach a backend, nor do names that
 * differ from these or from framing fields only by "_" (CGI-like backends read them as the same).
 * Content-Length and Transfer-Encoding are not copied, because the adapter on the other side frames
 * anew; Host is written by it from the message's authority.
 */
#include "worker/forward.h"

#include <endian.h>

#include "base/parse.h"
#include "http/fields.h"
#include "worker/filter.h"

#define BIT(id) FIELD_BIT(FIELD_##id)

/* Sets of field ids. */
#define FRAME \
	(BIT(CONNECTION) | BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(TRANSFER_ENCODING) | \
	    BIT(CONTENT_LENGTH) | BIT(UPGRADE) | BIT(HTTP2_SETTINGS) | BIT(TE) | \
	    BIT(PROXY_AUTHENTICATE) | BIT(PROXY_AUTHORIZATION))
#define OURS \
	(BIT(HOST) | BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_PROTO) | BIT(X_FORWARDED_HOST) | \
	    BIT(X_FORWARDED_PORT) | BIT(X_REAL_IP) | BIT(FORWARDED) | BIT(X_REQUEST_ID) | BIT(XFCC))
static const uint64_t drop_response = FRAME;
static const uint64_t drop_request = FRAME | OURS;
static const uint64_t drop_alias = FRAME | OURS; /* also when "_" stands for "-" */

static inline bool
in_set(uint64_t set, unsigned id)
{
	return set >> id & 1;
}

static bool
is_alias(struct bytes name)
{
	char dashed[32];

	if (name.n > sizeof(dashed) || memchr(name.p, '_', name.n) == NULL)
		return false;
	for (size_t i = 0; i < name.n; i++)
		dashed[i] = name.p[i] == '_' ? '-' : name.p[i];
	return in_set(drop_alias, field_id(bytes_of(dashed, name.n)));
}

static void
copy_start(struct msg *out, const struct msg *in)
{
	/* The table of fields is built line by line; the received head keeps the buffer and the
	 * canonical host. */
	memcpy(out, in, offsetof(struct msg, base));
	out->base = NULL;
	out->buf = out->trailer_buf = NULL;
	out->host.len = 0;
	out->trailers.n = out->trailers.cap = 0;
	fields_init(&out->fields, out->store, MSG_FIELDS);
}

static bool
copy_line(struct arena *a, struct msg *out, const struct field *f)
{
	return filter_room(a, &out->fields, 1) &&
	    fields_add(&out->fields, f->name, f->value, (enum field_id)f->id);
}

static bool
add(struct arena *a, struct msg *out, enum field_id id, struct bytes value)
{
	return filter_room(a, &out->fields, 1) &&
	    fields_add(&out->fields, field_name(id), value, id);
}

/* A token of RFC 9110 5.6.2 and a few bytes more that ids are made of. */
static bool
good_id(struct bytes v)
{
	if (v.n == 0 || v.n > FORWARD_ID_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("!#$%&'*+-.^_`|~:/=@", c) != NULL;

		if (c == 0 || !ok)
			return false;
	}
	return true;
}

/* Eight hex digits, as they stand in memory. */
static inline uint64_t
hex8(uint32_t v)
{
	const uint64_t ones = ~0ull / 255;
	uint64_t x = v;

	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
	return htobe64(x + ones * '0' + (((x + ones * 6) >> 4) & ones) * ('a' - '0' - 10));
}

#define ID_LEN 36

/* The layout of a random UUID (RFC 9562, version 4). */
static void
write_id(const struct forward_env *e, char *p)
{
	uint64_t a = (e->random[0] & ~0xf000ull) | 0x4000;
	uint64_t b = (e->random[1] & ~(3ull << 62)) | 1ull << 63;
	char digits[16];
	uint64_t x;

	x = hex8((uint32_t)(a >> 32));
	memcpy(p, &x, 8);
	x = hex8((uint32_t)a);
	memcpy(digits, &x, 8);
	x = hex8((uint32_t)(b >> 32));
	memcpy(digits + 8, &x, 8);
	x = hex8((uint32_t)b);
	memcpy(p + 28, &x, 8);
	p[8] = p[13] = p[18] = p[23] = '-';
	memcpy(p + 9, digits, 4);
	memcpy(p + 14, digits + 4, 4);
	memcpy(p + 19, digits + 8, 4);
	memcpy(p + 24, digits + 12, 4);
}

/* The client's id, if it may be kept. */
static struct bytes
client_id(const struct forward_env *e, const struct msg *in)
{
	const struct field *id = fields_get(&in->fields, FIELD_X_REQUEST_ID);

	if (e->id_dropped)
		return BYTES_NONE;
	return id && good_id(id->value) && !fields_next(&in->fields, id) ? id->value : BYTES_NONE;
}

enum hg_err
forward_id(struct forward_env *e, const struct msg *in)
{
	struct bytes id = client_id(e, in);
	char *p;

	if (e->request_id.p || (id.p == NULL && e->id_unmade))
		return HG_OK;
	if (id.p == NULL && (p = arena_alloc(e->arena, ID_LEN)) != NULL) {
		write_id(e, p);
		id = bytes_of(p, ID_LEN);
	}
	e->request_id = id;
	return id.p ? HG_OK : HG_ERR_NOMEM;
}

static void
mark_aliases(struct fields *t)
{
	if (!in_set(t->seen, FIELD_OTHER))
		return;
	for (unsigned i = 0; i < t->n; i++)
		if (t->v[i].id == FIELD_OTHER && is_alias(t->v[i].name))
			t->v[i].flags |= FIELD_HOP;
}

static enum hg_err
copy_live(struct arena *a, const struct fields *t, struct msg *out, uint64_t drop)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct field *f = &t->v[i];

		if (!(f->flags & (FIELD_GONE | FIELD_HOP)) && !in_set(drop, f->id) &&
		    !copy_line(a, out, f))
			return HG_ERR_NOMEM;
	}
	return HG_OK;
}

/* Our own lines, as fields. */
static bool
add_own(struct forward_env *e, const struct msg *in, struct msg *work)
{
	struct arena *a = e->arena;

	return (e->request_id.n == 0 || add(a, work, FIELD_X_REQUEST_ID, e->request_id)) &&
	    add(a, work, FIELD_X_FORWARDED_FOR, e->client_ip) &&
	    add(a, work, FIELD_X_FORWARDED_PROTO, e->tls ? BYTES("https") : BYTES("http")) &&
	    add(a, work, FIELD_X_FORWARDED_PORT, e->port) &&
	    (e->xfcc.n == 0 || add(a, work, FIELD_XFCC, e->xfcc)) &&
	    (in->authority.n == 0 || add(a, work, FIELD_X_FORWARDED_HOST, in->authority)) &&
	    add(a, work, FIELD_VIA, e->via);
}

enum hg_err
forward_own(struct forward_env *e, const struct msg *in, struct msg *work)
{
	const struct fields *base = work->base;

	if (base == NULL)
		return HG_OK;
	work->base = NULL;
	work->extra = BYTES_NONE;
	fields_init(&work->fields, work->store, MSG_FIELDS);
	if (copy_live(e->arena, base, work, work->skip) != HG_OK)
		return HG_ERR_NOMEM;
	if (work->request)
		return add_own(e, in, work) ? HG_OK : HG_ERR_NOMEM;
	return add(e->arena, work, FIELD_VIA, e->via) ? HG_OK : HG_ERR_NOMEM;
}

static inline char *
write_line(char *p, struct bytes name, struct bytes value)
{
	memcpy(p, name.p, name.n);
	p += name.n;
	memcpy(p, value.p, value.n);
	p += value.n;
	memcpy(p, "\r\n", 2);
	return p + 2;
}

/* Our own lines, as text. */
static bool
write_own(struct forward_env *e, const struct msg *in, struct msg *work)
{
	struct bytes id = e->request_id.p ? e->request_id : client_id(e, in);
	char *start, *p;

	p = start = arena_alloc(e->arena,
	    HG_MAX(id.n, (size_t)ID_LEN) + e->client_ip.n + e->port.n + in->authority.n + e->via.n +
		e->xfcc.n + 160);
	if (p == NULL)
		return false;
	e->request_id = BYTES_NONE;
	if (id.p != NULL || !e->id_unmade) {
		memcpy(p, "X-Request-Id: ", 14);
		p += 14;
		if (id.p == NULL) {
			write_id(e, p);
			id = bytes_of(p, ID_LEN);
		} else {
			memcpy(p, id.p, id.n);
		}
		e->request_id = bytes_of(p, id.n);
		memcpy(p + id.n, "\r\n", 2);
		p += id.n + 2;
	}
	p = write_line(p, BYTES("X-Forwarded-For: "), e->client_ip);
	p = write_line(p, BYTES("X-Forwarded-Port: "), e->port);
	if (in->authority.n)
		p = write_line(p, BYTES("X-Forwarded-Host: "), in->authority);
	p = write_line(
	    p, BYTES("X-Forwarded-Proto: "), e->tls ? BYTES("https") : BYTES("http"));
	if (e->xfcc.n)
		p = write_line(p, BYTES("X-Forwarded-Client-Cert: "), e->xfcc);
	p = write_line(p, BYTES("Via: "), e->via);
	work->extra = bytes_of(start, (size_t)(p - start));
	return true;
}

enum hg_err
forward_request_lean(struct forward_env *e, struct msg *in, struct msg *work)
{
	mark_aliases(&in->fields);
	copy_start(work, in);
	work->base = &in->fields;
	work->skip = drop_request;
	return write_own(e, in, work) ? HG_OK : HG_ERR_NOMEM;
}

enum hg_err
forward_request(struct forward_env *e, struct msg *in, struct msg *work)
{
	enum hg_err err = forward_request_lean(e, in, work);

	return err != HG_OK ? err : forward_own(e, in, work);
}

void
forward_drop(struct msg *work, enum field_id id)
{
	if (work->base)
		work->skip |= FIELD_BIT(id);
	else
		fields_remove(&work->fields, field_name(id));
}

enum hg_err
forward_copy(struct arena *a, const struct msg *work, struct msg *out)
{
	copy_start(out, work);
	out->base = work->base;
	out->skip = work->skip;
	out->extra = work->extra;
	return copy_live(a, &work->fields, out, 0);
}

enum hg_err
forward_info(struct arena *a, const struct msg *in, struct msg *out)
{
	copy_start(out, in);
	return copy_live(a, &in->fields, out, drop_response);
}

enum hg_err
forward_response(struct forward_env *e, const struct msg *in, struct msg *out)
{
	forward_response_lean(BYTES_NONE, in, out);
	if (forward_own(e, in, out) != HG_OK)
		return HG_ERR_NOMEM;
	if (fields_get(&out->fields, FIELD_DATE) == NULL &&
	    !add(e->arena, out, FIELD_DATE, e->date))
		return HG_ERR_NOMEM;
	return HG_OK;
}

void
forward_response_lean(struct bytes via_line, const struct msg *in, struct msg *out)
{
	copy_start(out, in);
	out->base = &in->fields;
	out->skip = drop_response;
	out->extra = via_line;
}

void
forward_trailers(struct fields *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (in_set(OURS, t->v[i].id) ||
		    !fields_trailer_ok((enum field_id)t->v[i].id, t->v[i].name))
			t->v[i].flags |= FIELD_GONE;
}

bool
forward_max(struct arena *a, struct msg *work)
{
	struct field *f = fields_find(&work->fields, BYTES("Max-Forwards"));
	uint64_t n;
	char *text;

	if (f == NULL || !parse_u64(f->value, 1000000, &n))
		return false;
	if (n == 0)
		return true;
	text = arena_printf(a, "%u", (unsigned)(n - 1));
	if (text)
		f->value = bytes_str(text);
	return false;
}
