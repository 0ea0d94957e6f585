/* test_bytes.c - borrowed memory: comparing, cutting, UTF-8, distance. */
#include "tests/unit/base/unit.h"

static void
eqi(void **state)
{
	char a[40], b[40];

	(void)state;
	assert_true(bytes_eqi(BYTES(""), BYTES_NONE));
	assert_true(bytes_eqi(BYTES("Content-Length"), BYTES("cONTENT-lENGTH")));
	assert_false(bytes_eqi(BYTES("Content-Length"), BYTES("content-lengtH ")));
	assert_false(bytes_eqi(BYTES("@abc"), BYTES("`abc")));
	assert_false(bytes_eqi(BYTES("[[[[[[[[["), BYTES("{{{{{{{{{")));
	assert_false(bytes_eqi(BYTES("\xc1zzzzzzz"), BYTES("\xe1zzzzzzz")));
	/* every pair of bytes at every place against the plain definition */
	for (size_t n = 1; n <= 17; n++) {
		for (unsigned c = 0; c < 256; c++) {
			memset(a, 'q', n);
			memset(b, 'Q', n);
			a[n - 1] = (char)c;
			b[n - 1] = (char)(c ^ 0x20);
			unsigned low = c | 0x20;

			assert_int_equal(
			    bytes_eqi(bytes_of(a, n), bytes_of(b, n)), low >= 'a' && low <= 'z');
		}
	}
}

static void
order(void **state)
{
	(void)state;
	assert_int_equal(bytes_cmp(BYTES("a"), BYTES("b")), -1);
	assert_int_equal(bytes_cmp(BYTES("b"), BYTES("a")), 1);
	assert_int_equal(bytes_cmp(BYTES("a"), BYTES("aa")), -1);
	assert_int_equal(bytes_cmp(BYTES_NONE, BYTES("")), 0);
	assert_int_equal(bytes_cmp(BYTES("\xff"), BYTES("a")), 1);
	assert_true(bytes_starts(BYTES("abc"), BYTES("ab")));
	assert_true(bytes_starts(BYTES("abc"), BYTES_NONE));
	assert_false(bytes_starts(BYTES("a"), BYTES("ab")));
	assert_true(bytes_ends(BYTES("abc"), BYTES("bc")));
	assert_false(bytes_ends(BYTES("c"), BYTES("bc")));
}

static void
cutting(void **state)
{
	struct bytes rest = BYTES("a,,b"), none = BYTES_NONE;

	(void)state;
	assert_bytes(bytes_cut(&rest, ','), "a");
	assert_bytes(bytes_cut(&rest, ','), "");
	assert_non_null(rest.p);
	assert_bytes(bytes_cut(&rest, ','), "b");
	assert_null(rest.p);
	assert_null(bytes_cut(&none, ',').p);
	rest = BYTES("a,");
	assert_bytes(bytes_cut(&rest, ','), "a");
	assert_non_null(rest.p);
	assert_int_equal(rest.n, 0);
	assert_bytes(bytes_trim(BYTES(" \t x y\t ")), "x y");
	assert_bytes(bytes_trim(BYTES("\t")), "");
	assert_int_equal(bytes_chr(BYTES("abca"), 'a', 1), 3);
	assert_int_equal(bytes_chr(BYTES("abca"), 'a', 4), -1);
	assert_int_equal(bytes_chr(BYTES_NONE, 'a', 0), -1);
	assert_int_equal(bytes_rchr(BYTES("abca"), 'a'), 3);
	assert_int_equal(bytes_rchr(BYTES_NONE, 'a'), -1);
}

static void
utf8(void **state)
{
	static const struct {
		const char *text;
		int bad; /* -1 = fine */
	} cases[] = {
	    {"", -1}, {"plain text that is long", -1}, {"\xc3\xa9", -1}, {"\xe2\x82\xac", -1},
	    {"\xf0\x9f\x98\x80", -1}, {"\xf4\x8f\xbf\xbf", -1}, {"\xef\xbf\xbf", -1},
	    {"12345678\xc3\xa9", -1},
	    {"\x80", 0}, {"a\xc3", 1}, {"\xc0\x80", 0}, {"\xc1\xbf", 0}, {"\xe0\x9f\xbf", 0},
	    {"\xed\xa0\x80", 0}, {"\xf0\x8f\xbf\xbf", 0}, {"\xf4\x90\x80\x80", 0},
	    {"\xf5\x80\x80\x80", 0},
	    {"ab\xe2\x82", 2}, {"\xe2\x82g", 0}, {"12345678\xff", 8}, {"\xfe", 0},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		size_t bad = 99;

		assert_int_equal(bytes_utf8(bytes_str(cases[i].text), &bad), cases[i].bad < 0);
		assert_int_equal(bad, cases[i].bad < 0 ? 99 : cases[i].bad);
	}
}

static void
distance(void **state)
{
	char long_text[70] = {0};

	(void)state;
	memset(long_text, 'a', 69);
	assert_int_equal(bytes_distance(BYTES(""), BYTES("")), 0);
	assert_int_equal(bytes_distance(BYTES("abc"), BYTES("")), 3);
	assert_int_equal(bytes_distance(BYTES("kitten"), BYTES("sitting")), 3);
	assert_int_equal(bytes_distance(BYTES("hostname"), BYTES("hostnmae")), 1);
	assert_int_equal(bytes_distance(BYTES("ca"), BYTES("abc")), 3);
	assert_int_equal(bytes_distance(bytes_of(long_text, 64), BYTES("aaaa")), 60);
	assert_int_equal(bytes_distance(bytes_of(long_text, 65), BYTES("aaaa")), 65);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eqi), cmocka_unit_test(order), cmocka_unit_test(cutting),
	    cmocka_unit_test(utf8), cmocka_unit_test(distance),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
