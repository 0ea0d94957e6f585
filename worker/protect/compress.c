/*
 * compress.c - zlib's deflate with a gzip frame, a slice at a time, into pool buffers. zlib asks
 * for memory only at its start, and gets it from the object itself. The types are those of a list;
 * event streams are not among them, so nothing has to be flushed before the end.
 */
#include "worker/protect/compress.h"

#include <zlib.h>

#include "base/parse.h"
#include "http/fields.h"

#define LEVEL 5
#define MEMORY (280u * 1024) /* what deflate takes with the largest window */

struct compressor {
	z_stream z;
	size_t used;
	char memory[MEMORY] __attribute__((aligned(16)));
};

size_t
compress_size(void)
{
	return sizeof(struct compressor);
}

static void *
take(void *arg, unsigned n, unsigned size)
{
	struct compressor *c = arg;
	size_t bytes = ((size_t)n * size + 15) & ~15ul;
	char *p = c->memory + c->used;

	if (bytes > MEMORY - c->used)
		return Z_NULL;
	c->used += bytes;
	return p;
}

static void
give(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

/* ---- whether */

/* "q" of an element in thousandths; 1000 where there is none or it is malformed. */
static unsigned
quality(struct bytes params)
{
	const char *q = params.n ? memmem(params.p, params.n, "q=", 2) : NULL;
	size_t left = q ? (size_t)(params.p + params.n - q) - 2 : 0;

	if (q == NULL || left == 0)
		return 1000;
	q += 2;
	if (*q != '0')
		return 1000;
	for (size_t i = 1; i < left && (q[i] == '.' || q[i] == '0'); i++)
		if (i + 1 == left)
			return 0;
	return left == 1 ? 0 : 500;
}

bool
compress_accepted(const struct fields *f)
{
	const struct field *line = fields_get(f, FIELD_ACCEPT_ENCODING);
	int gzip = -1, any = -1;

	for (; line; line = fields_next(f, line)) {
		struct bytes rest = line->value, item;

		while (fields_list(&rest, &item)) {
			const char *semi = memchr(item.p, ';', item.n);
			size_t n = semi ? (size_t)(semi - item.p) : item.n;
			struct bytes name = bytes_of(item.p, n);
			unsigned q = quality(bytes_of(item.p + n, item.n - n));

			while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
				name.n--;
			if (bytes_eqi(name, BYTES("gzip")) || bytes_eqi(name, BYTES("x-gzip")))
				gzip = q != 0;
			else if (bytes_eq(name, BYTES("*")))
				any = q != 0;
		}
	}
	return gzip >= 0 ? gzip : any > 0;
}

bool
compress_type_ok(struct bytes type)
{
	static const struct bytes types[] = {{"text/html", 9}, {"text/plain", 10}, {"text/css", 8},
	    {"text/xml", 8}, {"text/javascript", 15}, {"text/x-js", 9},
	    {"application/javascript", 22}, {"application/x-javascript", 24},
	    {"text/ecmascript", 15}, {"application/ecmascript", 22}, {"application/json", 16},
	    {"application/x-json", 18}, {"application/xml", 15}, {"application/xhtml+xml", 21},
	    {"image/svg+xml", 13}};
	const char *semi = type.n ? memchr(type.p, ';', type.n) : NULL;

	if (semi)
		type.n = (size_t)(semi - type.p);
	while (type.n && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t'))
		type.n--;
	for (unsigned i = 0; i < HG_ARRAY_LEN(types); i++)
		if (bytes_eqi(type, types[i]))
			return true;
	return false;
}

static bool
suits(const struct exchange *x, const struct im_policy *p, const struct msg *m)
{
	const struct field *type = fields_get(&m->fields, FIELD_CONTENT_TYPE);

	if (m->status < 200 || m->status == 204 || m->status == 206 || m->status == 304 || m->head)
		return false;
	if (m->framing == MSG_NONE || bytes_eq(x->head.method, BYTES("HEAD")))
		return false;
	if (m->framing == MSG_LENGTH && m->length < p->compress_min)
		return false;
	return type && compress_type_ok(type->value) &&
	    fields_get(&m->fields, FIELD_CONTENT_ENCODING) == NULL &&
	    !fields_has_token(&m->fields, FIELD_CACHE_CONTROL, BYTES("no-transform"));
}

static bool
start(struct exchange *x)
{
	struct compressor *c = pool_get(&x->w->compressors);

	if (c == NULL)
		return false;
	memset(&c->z, 0, sizeof(c->z));
	c->used = 0;
	c->z.zalloc = take;
	c->z.zfree = give;
	c->z.opaque = c;
	if (deflateInit2(&c->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		pool_put(&x->w->compressors, c);
		return false;
	}
	x->zip = c;
	return true;
}

bool
compress_begin(struct exchange *x, struct msg *m)
{
	const struct im_policy *p =
	    x->policy == IM_NONE || x->gen == NULL ? NULL : &x->gen->image.policies[x->policy];
	const struct field *etag;

	if (p == NULL || !(p->compression & IM_Z_GZIP) || !suits(x, p, m) ||
	    !filter_room(&x->arena, &m->fields, 2))
		return false;
	/* Also for those who get it plain: a cache must not mix them up. */
	if (!fields_has_token(&m->fields, FIELD_VARY, BYTES("Accept-Encoding")))
		(void)fields_add(
		    &m->fields, field_name(FIELD_VARY), BYTES("Accept-Encoding"), FIELD_VARY);
	if (!compress_accepted(&x->head.fields) || !start(x))
		return false;
	(void)fields_add(
	    &m->fields, field_name(FIELD_CONTENT_ENCODING), BYTES("gzip"), FIELD_CONTENT_ENCODING);
	etag = fields_get(&m->fields, FIELD_ETAG);
	if (etag && !(etag->value.n > 2 && memcmp(etag->value.p, "W/", 2) == 0))
		fields_remove(&m->fields, field_name(FIELD_ETAG));
	fields_remove(&m->fields, BYTES("Accept-Ranges"));
	m->framing = MSG_CHUNKED;
	return true;
}

/* ---- the body */

/* Runs deflate over what is set as input, and sends what comes out. */
static bool
run(struct exchange *x, int flush)
{
	struct compressor *c = x->zip;
	int r;

	do {
		struct buf *b = buf_new(&x->w->bufs, 1024);

		if (b == NULL)
			return false;
		c->z.next_out = (unsigned char *)b->data;
		c->z.avail_out = b->cap;
		r = deflate(&c->z, flush);
		b->len = b->cap - c->z.avail_out;
		if (b->len && x->down) {
			x->resp_bytes += b->len;
			x->down->ops->send_body(x->down, (struct slice){b, b->data, b->len});
		} else {
			buf_unref(b);
		}
		if (r == Z_STREAM_ERROR)
			return false;
	} while (c->z.avail_out == 0 || (flush == Z_FINISH && r != Z_STREAM_END));
	return true;
}

bool
compress_body(struct exchange *x, struct slice s)
{
	bool ok;

	x->zip->z.next_in = (unsigned char *)(uintptr_t)s.p;
	x->zip->z.avail_in = s.n;
	ok = run(x, Z_NO_FLUSH);
	slice_drop(&s);
	return ok;
}

bool
compress_end(struct exchange *x)
{
	x->zip->z.avail_in = 0;
	return run(x, Z_FINISH);
}

void
compress_release(struct exchange *x)
{
	if (x->zip)
		pool_put(&x->w->compressors, x->zip);
	x->zip = NULL;
}
