/*
 * guard.c - the guard on requests, with http-parser as second opinion: what the guard accepts, the
 * parser must read the same way (the cases in which the parser is known to be wrong are listed in
 * http/h1_parser.c). Bytes that come in two pieces have the verdict of the whole; borrowed parts
 * lie inside the bytes.
 */
#include "base/check.h"
#include "base/mem.h"
#include "http/h1_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct h1_limits limits = {.request_line = 300,
    .field = 200,
    .header = 1000,
    .fields = 20,
    .trailer = 300,
    .trailer_fields = 5,
    .leading_crlf = 2,
    .chunk_line = 64,
    .chunk_overhead = 256};

static bool
inside(struct bytes part, const char *p, size_t n)
{
	return part.p == NULL || (part.p >= p && part.p + part.n <= p + n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct msg m;
	char *p = mem_alloc(n), *half;
	uint32_t scan = 0, used = 0, cut = n ? (uint32_t)(data[n / 2] % n) : 0;
	enum hg_err e, first;

	memcpy(p, data, n);
	half = mem_alloc(cut);
	memcpy(half, data, cut);
	first = h1_guard_request(half, cut, &limits, &scan, &m, &used);
	mem_free(half);
	e = h1_guard_request(
	    p, (uint32_t)n, &limits, first == HG_ERR_AGAIN ? &scan : &(uint32_t){0}, &m, &used);
	if (first == HG_OK)
		HG_CHECK(e == HG_OK);
	else if (first != HG_ERR_AGAIN)
		HG_CHECK(e != HG_OK && e != HG_ERR_AGAIN);
	if (e == HG_OK) {
		HG_CHECK(used <= n);
		HG_CHECK(h1_parser_agrees(p, used, &m));
		HG_CHECK(inside(m.method, p, used) && inside(m.target, p, used));
		HG_CHECK(m.fields.n <= limits.fields);
		for (uint32_t i = 0; i < m.fields.n; i++)
			HG_CHECK(inside(m.fields.v[i].name, p, used) &&
			    inside(m.fields.v[i].value, p, used));
	}
	mem_free(p);
	return 0;
}
