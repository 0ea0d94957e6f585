/* test_h1_chunks.c - the chunked coding, whole and byte by byte, trailers, and the bounds on
 * framing. */
#include "tests/unit/http/unit.h"

#include "base/mem.h"

static const struct h1_limits limits = TEST_LIMITS;
static struct field store[MSG_TRAILERS];
static struct fields trailers;

#define B(lit) {lit, sizeof(lit) - 1}
#define BAD HG_ERR_BAD_REQUEST

static const struct {
	struct bytes raw;
	enum hg_err e;
	const char *payload;
} cases[] = {
	{B("0\r\n\r\n"), HG_OK, ""},
	{B("3\r\nabc\r\n0\r\n\r\n"), HG_OK, "abc"},
	{B("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), HG_OK, "abcde"},
	{B("A\r\n0123456789\r\n0\r\n\r\n"), HG_OK, "0123456789"},
	{B("0000000000000003\r\nabc\r\n000\r\n\r\n"), HG_OK, "abc"},
	{B("7\r\na\r\n0\r\nb\r\n0\r\n\r\n"), HG_OK, "a\r\n0\r\nb"},
	{B("3;a\r\nabc\r\n0;b=c\r\n\r\n"), HG_OK, "abc"},
	{B("3;a=\"x;\\\"y\"\r\nabc\r\n0\r\n\r\n"), HG_OK, "abc"},
	{B("3 ; a = b;c\r\nabc\r\n0\r\n\r\n"), HG_OK, "abc"},
	{B("0\r\nX-T: v\r\nHost: evil\r\n\r\n"), HG_OK, ""},
	{B("00000000000000003\r\nabc\r\n0\r\n\r\n"), BAD, ""},
	{B("8000000000000000\r\n"), BAD, ""},
	{B("3\nabc\r\n0\r\n\r\n"), BAD, ""},
	{B("3\r\nabc\n0\r\n\r\n"), BAD, "abc"},
	{B("3\r\nabcXX0\r\n\r\n"), BAD, "abc"},
	{B("3\r\nabcd\r\n0\r\n\r\n"), BAD, "abc"},
	{B("3\rXabc\r\n0\r\n\r\n"), BAD, ""},
	{B("0x3\r\nabc\r\n"), BAD, ""},
	{B("+3\r\nabc\r\n"), BAD, ""},
	{B(" 3\r\nabc\r\n"), BAD, ""},
	{B("3 \r\nabc\r\n"), BAD, ""},
	{B("3 zzz\r\nabc\r\n"), BAD, ""},
	{B("\r\nabc\r\n"), BAD, ""},
	{B(";a\r\nabc\r\n"), BAD, ""},
	{B("3;\r\nabc\r\n"), BAD, ""},
	{B("3;a\nb\r\nabc\r\n"), BAD, ""},
	{B("3;a=\"x\r\ny\"\r\nabc\r\n"), BAD, ""},
	{B("3;a\0\r\nabc\r\n"), BAD, ""},
	{B("0\r\n\n"), BAD, ""},
	{B("0\r\n\rX"), BAD, ""},
	{B("0\r\nX-T : v\r\n\r\n"), BAD, ""},
	{B("0\r\nX-T: v\r\n w\r\n\r\n"), BAD, ""},
	{B("0\r\nGET / HTTP/1.1\r\n\r\n"), BAD, ""},
};

/* Feeds in pieces of `step`; the bytes not consumed come again with more behind them. */
static enum hg_err
feed(struct bytes raw, uint32_t step, char *out, size_t *out_n, uint32_t *consumed)
{
	struct h1_chunks c;
	uint32_t at = 0;

	h1_chunks_init(&c);
	fields_init(&trailers, store, MSG_TRAILERS);
	*out_n = 0;
	for (uint32_t have = HG_MIN(step, (uint32_t)raw.n);;
	     have = HG_MIN(have + step, (uint32_t)raw.n)) {
		while (c.state != H1_CHUNK_DONE) {
			uint32_t used = 0, off, n;
			char *p = mem_alloc(have - at + 1);
			enum hg_err e;

			memcpy(p, raw.p + at, have - at);
			e = h1_chunks_step(&c, p, have - at, &limits, &used, &off, &n, &trailers);
			if (e == HG_OK) {
				memcpy(out + *out_n, p + off, n);
				*out_n += n;
			}
			mem_free(p);
			if (e == HG_ERR_AGAIN)
				break;
			if (e != HG_OK)
				return e;
			assert_true(used > 0);
			at += used;
		}
		*consumed = at;
		if (c.state == H1_CHUNK_DONE)
			return HG_OK;
		if (have == raw.n)
			return HG_ERR_AGAIN;
	}
}

static void
grammar(void **state)
{
	char out[100];
	size_t n;
	uint32_t used;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		for (uint32_t step = 1; step <= cases[i].raw.n; step++) {
			enum hg_err e = feed(cases[i].raw, step, out, &n, &used);

			if (e != cases[i].e)
				fail_msg("%s by %u for: %.*s", err_name(e), step,
				    BYTES_ARG(cases[i].raw));
			assert_int_equal(n, strlen(cases[i].payload));
			assert_memory_equal(out, cases[i].payload, n);
			if (e == HG_OK)
				assert_int_equal(used, cases[i].raw.n);
		}
}

static void
forbidden_trailers_are_gone(void **state)
{
	struct bytes raw =
	    BYTES("0\r\nX-T: v\r\nContent-Length: 9\r\nauthorization: x\r\ngrpc-status: 0\r\n\r\n");
	struct h1_chunks c;
	uint32_t used, off, n;

	(void)state;
	h1_chunks_init(&c);
	fields_init(&trailers, store, MSG_TRAILERS);
	assert_int_equal(
	    h1_chunks_step(&c, raw.p, (uint32_t)raw.n, &limits, &used, &off, &n, &trailers), HG_OK);
	raw = bytes_of(raw.p + used, raw.n - used);
	assert_int_equal(
	    h1_chunks_step(&c, raw.p, (uint32_t)raw.n, &limits, &used, &off, &n, &trailers), HG_OK);
	assert_int_equal(c.state, H1_CHUNK_DONE);
	assert_int_equal(used, raw.n);
	assert_int_equal(trailers.n, 4);
	assert_non_null(fields_find(&trailers, BYTES("x-t")));
	assert_non_null(fields_get(&trailers, FIELD_GRPC_STATUS));
	assert_null(fields_get(&trailers, FIELD_CONTENT_LENGTH));
	assert_null(fields_get(&trailers, FIELD_AUTHORIZATION));
}

static void
bounds(void **state)
{
	static char big[400000];
	size_t n = 0, out_n;
	char *out = mem_alloc(sizeof(big));
	uint32_t used;

	(void)state;
	memset(big, 'a', sizeof(big));
	memcpy(big, "3;", 2);
	assert_int_equal(
	    feed(bytes_of(big, 1000), 1000, out, &out_n, &used), BAD); /* line too long */
	/* one byte a chunk with a long extension each: framing outgrows its bound */
	for (; n + 60 < sizeof(big); n += 56) {
		memcpy(big + n, "1;", 2);
		memset(big + n + 2, 'e', 49);
		memcpy(big + n + 51, "\r\nx\r\n", 5);
	}
	assert_int_equal(feed(bytes_of(big, n), (uint32_t)n, out, &out_n, &used), BAD);
	/* plain one-byte chunks are legal but costly: 5 bytes of framing each */
	for (n = 0; n + 6 < sizeof(big); n += 6)
		memcpy(big + n, "1\r\nx\r\n", 6);
	assert_int_equal(feed(bytes_of(big, n), (uint32_t)n, out, &out_n, &used), BAD);
	/* trailers */
	memcpy(big, "0\r\n", 3);
	for (n = 3; n < 9000; n += 40) {
		memset(big + n, 'v', 38);
		memcpy(big + n, "A: ", 3);
		memcpy(big + n + 38, "\r\n", 2);
	}
	assert_int_equal(
	    feed(bytes_of(big, n), (uint32_t)n, out, &out_n, &used), HG_ERR_HEADER_TOO_LARGE);
	mem_free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar),
		cmocka_unit_test(forbidden_trailers_are_gone),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
