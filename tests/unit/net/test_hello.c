/*
 * test_hello.c - real hellos, whole, cut anywhere, over several records; and what makes no sense.
 */
#include "tests/unit/net/tls_help.h"

#include "net/hello.h"

static unsigned char scratch[HELLO_MAX], raw[8192], cut[32768];

static void
real(void **state)
{
	struct hello h;
	size_t n = make_hello(raw, sizeof(raw), "Www.Example.ORG", "\2h2\10http/1.1", 0);

	(void)state;
	assert_int_equal(hello_parse(raw, n, scratch, &h), HG_OK);
	assert_string_equal(h.sni, "www.example.org");
	assert_int_equal(h.sni_len, 15);
	assert_int_equal(h.version, 0x0304);
	assert_true(h.h2 && h.http11 && h.alpn);
	for (size_t k = 0; k < n; k++)
		assert_int_equal(hello_parse(raw, k, scratch, &h), HG_ERR_AGAIN);
	n = make_hello(raw, sizeof(raw), NULL, NULL, TLS1_2_VERSION);
	assert_int_equal(hello_parse(raw, n, scratch, &h), HG_OK);
	assert_int_equal(h.sni_len, 0);
	assert_int_equal(h.version, 0x0303);
	assert_false(h.alpn);
	n = make_hello(raw, sizeof(raw), "a.test.", "\10http/1.1", 0);
	assert_int_equal(hello_parse(raw, n, scratch, &h), HG_OK);
	assert_string_equal(h.sni, "a.test");
	assert_true(h.http11 && !h.h2);
}

/* The same message in records of k bytes. */
static void
records(void **state)
{
	size_t n = make_hello(raw, sizeof(raw), "a.test", NULL, 0);

	(void)state;
	for (size_t k = 1; k < 300; k += 13) {
		size_t to = 0;
		struct hello h;

		for (size_t at = 5; at < n; at += k) {
			size_t len = HG_MIN(k, n - at);

			memcpy(cut + to, "\x16\3\1\0\0", 5);
			cut[to + 3] = (unsigned char)(len >> 8);
			cut[to + 4] = (unsigned char)len;
			memcpy(cut + to + 5, raw + at, len);
			to += 5 + len;
		}
		assert_int_equal(hello_parse(cut, to, scratch, &h), HG_OK);
		assert_string_equal(h.sni, "a.test");
		assert_int_equal(hello_parse(cut, to - 1, scratch, &h), HG_ERR_AGAIN);
	}
}

static void
nonsense(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		enum hg_err e;
	} rows[] = {
	    {"GET / HTTP/1.1\r\n\r\n", 18, HG_ERR_BAD_REQUEST},
	    {"G", 1, HG_ERR_BAD_REQUEST},
	    {"\x16", 1, HG_ERR_AGAIN},
	    {"\x16\3\1\0\0", 5, HG_ERR_BAD_REQUEST},      /* an empty record */
	    {"\x16\2\1\0\4xxxx", 9, HG_ERR_BAD_REQUEST},  /* no such version */
	    {"\x16\3\1\x41\0", 5, HG_ERR_BAD_REQUEST},    /* too long a record */
	    {"\x16\3\1\0\4\2\0\0\0", 9, HG_ERR_BAD_REQUEST}, /* not a hello */
	    {"\x16\3\1\0\4\1\2\0\0", 9, HG_ERR_RANGE},    /* longer than we look at */
	    {"\x15\3\1\0\2\1\0", 7, HG_ERR_BAD_REQUEST},  /* an alert */
	    {"", 0, HG_ERR_AGAIN},
	};
	struct hello h;
	size_t n;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		if (hello_parse(rows[i].p, rows[i].n, scratch, &h) != rows[i].e)
			fail_msg("row %zu", i);
	/* Names that are none: an address, odd bytes. */
	n = make_hello(raw, sizeof(raw), "127.0.0.1", NULL, 0);
	assert_int_equal(hello_parse(raw, n, scratch, &h), HG_ERR_BAD_REQUEST);
	n = make_hello(raw, sizeof(raw), "a/b", NULL, 0);
	assert_int_equal(hello_parse(raw, n, scratch, &h), HG_ERR_BAD_REQUEST);
	/* Any single byte wrong: an answer, never a crash, never a name with odd bytes. */
	n = make_hello(raw, sizeof(raw), "a.test", "\2h2", 0);
	for (size_t i = 0; i < n; i++) {
		raw[i] ^= 0x5a;
		hello_parse(raw, n, scratch, &h);
		raw[i] ^= 0x5a;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(real), cmocka_unit_test(records), cmocka_unit_test(nonsense)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
