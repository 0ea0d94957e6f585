/*
 * forward.c - heads on their way through, in one pass each. What is dropped is a table by field id,
 * so the common case costs one array read a line. Nobody is trusted yet: X-Forwarded-*, X-Real-IP
 * and Forwarded of a client never reach a backend, nor do names that differ from these or from
 * framing fields only by "_" (CGI-like backends read them as the same). Content-Length and
 * Transfer-Encoding are not copied, because the adapter on the other side frames anew; Host is
 * written by it from the message's authority.
 */
#include "worker/forward.h"

#include "base/parse.h"
#include "worker/filter.h"

#define DROP_REQUEST 0x01u
#define DROP_RESPONSE 0x02u
#define DROP_TRAILER 0x04u
#define DROP_ALIAS 0x08u /* also when "_" stands for "-" */
#define DROP_FRAME (DROP_REQUEST | DROP_RESPONSE | DROP_TRAILER | DROP_ALIAS)

static const uint8_t drops[FIELD_COUNT] = {
	[FIELD_CONNECTION] = DROP_FRAME,
	[FIELD_KEEP_ALIVE] = DROP_FRAME,
	[FIELD_PROXY_CONNECTION] = DROP_FRAME,
	[FIELD_TRANSFER_ENCODING] = DROP_FRAME,
	[FIELD_CONTENT_LENGTH] = DROP_FRAME,
	[FIELD_UPGRADE] = DROP_FRAME,
	[FIELD_HTTP2_SETTINGS] = DROP_FRAME,
	[FIELD_TE] = DROP_FRAME,
	[FIELD_PROXY_AUTHENTICATE] = DROP_FRAME,
	[FIELD_PROXY_AUTHORIZATION] = DROP_FRAME,
	[FIELD_HOST] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_TRAILER] = DROP_TRAILER,
	[FIELD_X_FORWARDED_FOR] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_X_FORWARDED_PROTO] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_X_FORWARDED_HOST] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_X_FORWARDED_PORT] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_X_REAL_IP] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_FORWARDED] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_X_REQUEST_ID] = DROP_REQUEST | DROP_TRAILER | DROP_ALIAS,
	[FIELD_AUTHORIZATION] = DROP_TRAILER,
	[FIELD_COOKIE] = DROP_TRAILER,
	[FIELD_SET_COOKIE] = DROP_TRAILER,
	[FIELD_EXPECT] = DROP_TRAILER,
	[FIELD_CONTENT_TYPE] = DROP_TRAILER,
	[FIELD_CONTENT_ENCODING] = DROP_TRAILER,
	[FIELD_LOCATION] = DROP_TRAILER,
	[FIELD_CACHE_CONTROL] = DROP_TRAILER,
	[FIELD_VIA] = DROP_TRAILER,
	[FIELD_DATE] = DROP_TRAILER,
};

static bool
is_alias(struct bytes name)
{
	char dashed[32];

	if (name.n > sizeof(dashed) || memchr(name.p, '_', name.n) == NULL)
		return false;
	for (size_t i = 0; i < name.n; i++)
		dashed[i] = name.p[i] == '_' ? '-' : name.p[i];
	return drops[field_id(bytes_of(dashed, name.n))] & DROP_ALIAS;
}

static void
copy_start(struct msg *out, const struct msg *in)
{
	/* The table of fields is built line by line; the received head keeps the buffer and the
	 * canonical host. */
	memcpy(out, in, offsetof(struct msg, buf));
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

static struct bytes
new_id(struct forward_env *e)
{
	static const char hex[] = "0123456789abcdef";
	char *p = arena_alloc(e->arena, 36), *o = p;

	if (p == NULL)
		return BYTES_NONE;
	/* The layout of a random UUID (RFC 9562, version 4). */
	e->random[0] = (e->random[0] & ~0xf000ull) | 0x4000;
	e->random[1] = (e->random[1] & ~(3ull << 62)) | 1ull << 63;
	for (unsigned i = 0; i < 16; i++) {
		unsigned c = (unsigned)(e->random[i / 8] >> (56 - 8 * (i % 8))) & 255;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			*o++ = '-';
		*o++ = hex[c >> 4];
		*o++ = hex[c & 15];
	}
	return bytes_of(p, 36);
}

enum hg_err
forward_request(struct forward_env *e, const struct msg *in, struct msg *work)
{
	struct arena *a = e->arena;
	const struct field *id = fields_get(&in->fields, FIELD_X_REQUEST_ID);
	bool ok = true;

	copy_start(work, in);
	for (unsigned i = 0; i < in->fields.n; i++) {
		const struct field *f = &in->fields.v[i];

		if ((f->flags & (FIELD_GONE | FIELD_HOP)) || (drops[f->id] & DROP_REQUEST))
			continue;
		if (f->id == FIELD_OTHER && is_alias(f->name))
			continue;
		if (!copy_line(a, work, f))
			return HG_ERR_NOMEM;
	}
	e->request_id =
	    id && good_id(id->value) && !fields_next(&in->fields, id) ? id->value : new_id(e);
	ok = e->request_id.p && add(a, work, FIELD_X_REQUEST_ID, e->request_id) &&
	    add(a, work, FIELD_X_FORWARDED_FOR, e->client_ip) &&
	    add(a, work, FIELD_X_FORWARDED_PROTO, e->tls ? BYTES("https") : BYTES("http")) &&
	    add(a, work, FIELD_X_FORWARDED_PORT, e->port) &&
	    (in->authority.n == 0 || add(a, work, FIELD_X_FORWARDED_HOST, in->authority)) &&
	    add(a, work, FIELD_VIA, e->via);
	return ok ? HG_OK : HG_ERR_NOMEM;
}

static enum hg_err
copy_live(struct arena *a, const struct msg *in, struct msg *out, unsigned drop)
{
	copy_start(out, in);
	for (unsigned i = 0; i < in->fields.n; i++) {
		const struct field *f = &in->fields.v[i];

		if (!(f->flags & (FIELD_GONE | FIELD_HOP)) && !(drops[f->id] & drop) &&
		    !copy_line(a, out, f))
			return HG_ERR_NOMEM;
	}
	return HG_OK;
}

enum hg_err
forward_copy(struct arena *a, const struct msg *work, struct msg *out)
{
	return copy_live(a, work, out, 0);
}

enum hg_err
forward_info(struct arena *a, const struct msg *in, struct msg *out)
{
	return copy_live(a, in, out, DROP_RESPONSE);
}

enum hg_err
forward_response(struct forward_env *e, const struct msg *in, struct msg *out)
{
	enum hg_err err = copy_live(e->arena, in, out, DROP_RESPONSE);

	if (err != HG_OK)
		return err;
	if (!add(e->arena, out, FIELD_VIA, e->via))
		return HG_ERR_NOMEM;
	if (fields_get(&out->fields, FIELD_DATE) == NULL &&
	    !add(e->arena, out, FIELD_DATE, e->date))
		return HG_ERR_NOMEM;
	return HG_OK;
}

void
forward_trailers(struct fields *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (drops[t->v[i].id] & DROP_TRAILER)
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
