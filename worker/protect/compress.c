/*
 * compress.c - codings of answers, a slice at a time, into pool buffers: gzip by zlib and, where
 * the build found it, brotli. Each asks for memory only at its start: zlib gets it from the object
 * itself, brotli (twice as much and more, by the content) from the heap, so fewer of them run at
 * once. The types are those of a list; event streams are not among them, so nothing has to be
 * flushed before the end.
 */
#include "worker/protect/compress.h"

#include <zlib.h>
#ifdef HG_BROTLI
#include <brotli/encode.h>
#endif

#include "http/fields.h"
#include "worker/protect/protect.h"

#define LEVEL 5
#define MEMORY (280u * 1024) /* what deflate takes with the largest window */
#define BROTLI_LEVEL 4
#define BROTLI_WINDOW 18

struct compressor {
	z_stream z;
	void *brotli; /* BrotliEncoderState, or NULL: gzip */
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

/* ---- brotli, with the same face as deflate's stream */

#ifdef HG_BROTLI
static void *
heap_take(void *arg, size_t n)
{
	(void)arg;
	return mem_alloc(n);
}

static void
heap_give(void *arg, void *p)
{
	(void)arg;
	mem_free(p);
}

static bool
brotli_start(struct exchange *x, struct compressor *c)
{
	BrotliEncoderState *b = NULL;

	if (x->w->nbrotli < BROTLIS)
		b = BrotliEncoderCreateInstance(heap_take, heap_give, NULL);
	if (b == NULL)
		return false;
	(void)BrotliEncoderSetParameter(b, BROTLI_PARAM_QUALITY, BROTLI_LEVEL);
	(void)BrotliEncoderSetParameter(b, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
	c->brotli = b;
	x->w->nbrotli++;
	return true;
}

/* Z_OK, Z_STREAM_END or Z_STREAM_ERROR. */
static int
brotli_run(struct compressor *c, bool finish)
{
	size_t in = c->z.avail_in, out = c->z.avail_out;
	const uint8_t *next_in = c->z.next_in;
	uint8_t *next_out = c->z.next_out;
	BROTLI_BOOL ok = BrotliEncoderCompressStream(c->brotli,
	    finish ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS, &in, &next_in, &out,
	    &next_out, NULL);

	c->z.avail_in = (unsigned)in;
	c->z.next_in = (unsigned char *)(uintptr_t)next_in;
	c->z.avail_out = (unsigned)out;
	if (!ok)
		return Z_STREAM_ERROR;
	return BrotliEncoderIsFinished(c->brotli) ? Z_STREAM_END : Z_OK;
}

static void
brotli_end(struct exchange *x)
{
	if (x->zip->brotli == NULL)
		return;
	BrotliEncoderDestroyInstance(x->zip->brotli);
	x->w->nbrotli--;
}
#else
static bool
brotli_start(struct exchange *x, struct compressor *c)
{
	(void)x;
	(void)c;
	return false;
}

static int
brotli_run(struct compressor *c, bool finish)
{
	(void)c;
	(void)finish;
	return Z_STREAM_ERROR;
}

static void
brotli_end(struct exchange *x)
{
	(void)x;
}
#endif

/* ---- whether */

/* "q" of an element in thousandths (RFC 9110 12.4.2); 1000 where there is none or it is
 * malformed. */
static unsigned
quality(struct bytes params)
{
	const char *at = params.n ? memmem(params.p, params.n, "q=", 2) : NULL;
	size_t left = at ? (size_t)(params.p + params.n - at) - 2 : 0;
	unsigned v = 0, unit = 100;

	if (left == 0 || at[2] != '0')
		return 1000;
	at += 2; /* "0.123" */
	for (size_t i = 2; i < left && unit && at[i] >= '0' && at[i] <= '9'; i++, unit /= 10)
		v += (unsigned)(at[i] - '0') * unit;
	return v;
}

static const struct {
	struct bytes name;
	uint8_t coding;
} codings[] = {{{"gzip", 4}, IM_Z_GZIP}, {{"x-gzip", 6}, IM_Z_GZIP}, {{"br", 2}, IM_Z_BROTLI}};
#define BITS 3

/* What the client says of each coding; -1: nothing. */
static void
wishes(const struct fields *f, int q[BITS], int *any)
{
	const struct field *line = fields_get(f, FIELD_ACCEPT_ENCODING);

	for (; line; line = fields_next(f, line)) {
		struct bytes rest = line->value, item;

		while (fields_list(&rest, &item)) {
			struct bytes name = bytes_trim(bytes_cut(&item, ';'));
			int v = (int)quality(item);

			for (unsigned i = 0; i < HG_ARRAY_LEN(codings); i++)
				if (bytes_eqi(name, codings[i].name))
					q[__builtin_ctz(codings[i].coding)] = v;
			if (bytes_eq(name, BYTES("*")))
				*any = v;
		}
	}
}

uint8_t
compress_choice(const struct fields *f, uint8_t offered, uint8_t first)
{
	int q[BITS] = {-1, -1, -1}, any = -1, best = 0;
	uint8_t found = 0;

	wishes(f, q, &any);
	for (unsigned i = 0; i < BITS; i++) {
		uint8_t bit = (uint8_t)(1u << i);
		int v = q[i] >= 0 ? q[i] : any;

		if ((offered & bit) && (v > best || (v == best && v > 0 && bit == first))) {
			best = v;
			found = bit;
		}
	}
	return found;
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

	type = bytes_trim(bytes_cut(&type, ';'));
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
start(struct exchange *x, uint8_t coding)
{
	struct compressor *c = pool_get(&x->w->compressors);
	bool ok;

	if (c == NULL)
		return false;
	memset(&c->z, 0, sizeof(c->z));
	c->brotli = NULL;
	c->used = 0;
	c->z.zalloc = take;
	c->z.zfree = give;
	c->z.opaque = c;
	if (coding == IM_Z_BROTLI)
		ok = brotli_start(x, c);
	else
		ok = deflateInit2(&c->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (ok)
		x->zip = c;
	else
		pool_put(&x->w->compressors, c);
	return ok;
}

bool
compress_begin(struct exchange *x, struct msg *m)
{
	const struct im_policy *p = protect_policy(x);
	const struct field *etag;
	uint8_t coding;

	if (p == NULL || !(p->compression & IM_Z_SERVED) || !suits(x, p, m) ||
	    !filter_room(&x->arena, &m->fields, 2))
		return false;
	/* Also for those who get it plain: a cache must not mix them up. */
	if (!fields_has_token(&m->fields, FIELD_VARY, BYTES("Accept-Encoding")))
		(void)fields_add(
		    &m->fields, field_name(FIELD_VARY), BYTES("Accept-Encoding"), FIELD_VARY);
	coding = compress_choice(&x->head.fields, p->compression, p->compress_first);
	if (coding == 0 || !start(x, coding))
		return false;
	(void)fields_add(&m->fields, field_name(FIELD_CONTENT_ENCODING),
	    coding == IM_Z_BROTLI ? BYTES("br") : BYTES("gzip"), FIELD_CONTENT_ENCODING);
	etag = fields_get(&m->fields, FIELD_ETAG);
	if (etag && !(etag->value.n > 2 && memcmp(etag->value.p, "W/", 2) == 0))
		fields_remove(&m->fields, field_name(FIELD_ETAG));
	fields_remove(&m->fields, BYTES("Accept-Ranges"));
	m->framing = MSG_CHUNKED;
	return true;
}

/* ---- the body */

/* Codes what is set as input, and sends what comes out. */
static bool
run(struct exchange *x, bool finish)
{
	struct compressor *c = x->zip;
	int r;

	do {
		struct buf *b = buf_new(&x->w->bufs, 1024);

		if (b == NULL)
			return false;
		c->z.next_out = (unsigned char *)b->data;
		c->z.avail_out = b->cap;
		r = c->brotli ? brotli_run(c, finish) :
				deflate(&c->z, finish ? Z_FINISH : Z_NO_FLUSH);
		b->len = b->cap - c->z.avail_out;
		if (b->len && x->down) {
			x->resp_bytes += b->len;
			x->down->ops->send_body(x->down, (struct slice){b, b->data, b->len});
		} else {
			buf_unref(b);
		}
		if (r == Z_STREAM_ERROR)
			return false;
	} while (c->z.avail_out == 0 || c->z.avail_in || (finish && r != Z_STREAM_END));
	return true;
}

bool
compress_body(struct exchange *x, struct slice s)
{
	bool ok;

	x->zip->z.next_in = (unsigned char *)(uintptr_t)s.p;
	x->zip->z.avail_in = s.n;
	ok = run(x, false);
	slice_drop(&s);
	return ok;
}

bool
compress_end(struct exchange *x)
{
	x->zip->z.avail_in = 0;
	return run(x, true);
}

void
compress_release(struct exchange *x)
{
	if (x->zip == NULL)
		return;
	brotli_end(x);
	pool_put(&x->w->compressors, x->zip);
	x->zip = NULL;
}
