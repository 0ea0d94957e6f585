/* response.c - the guard on responses, with the same second opinion and the same promise about
 * pieces. */
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct msg m;
	char *p = mem_alloc(n), *half;
	uint32_t scan = 0, used = 0, cut = n ? (uint32_t)(data[n / 2] % n) : 0;
	bool head = n & 1;
	enum hg_err e, first;

	memcpy(p, data, n);
	half = mem_alloc(cut);
	memcpy(half, data, cut);
	first = h1_guard_response(half, cut, &limits, &scan, head, &m, &used);
	mem_free(half);
	e = h1_guard_response(p, (uint32_t)n, &limits,
	    first == HG_ERR_AGAIN ? &scan : &(uint32_t){0}, head, &m, &used);
	if (first == HG_OK)
		HG_CHECK(e == HG_OK);
	else if (first != HG_ERR_AGAIN)
		HG_CHECK(e == HG_ERR_BACKEND_BAD);
	if (e == HG_OK) {
		HG_CHECK(used <= n && m.status >= 100 && m.status <= 599);
		HG_CHECK(h1_parser_agrees(p, used, &m));
	} else {
		HG_CHECK(e == HG_ERR_AGAIN || e == HG_ERR_BACKEND_BAD);
	}
	mem_free(p);
	return 0;
}
