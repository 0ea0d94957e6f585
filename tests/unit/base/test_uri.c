/* test_uri.c - request targets, hosts, paths, queries: what passes, in which form, and what is
 * refused. */
#include "tests/unit/base/unit.h"

#include "base/uri.h"

static const struct {
	const char *method, *target;
	int form; /* -1 = bad request */
	const char *scheme, *authority, *path, *query;
} forms[] = {
    {"GET", "/", URI_ORIGIN, 0, 0, "/", 0},
    {"GET", "/a?b=c", URI_ORIGIN, 0, 0, "/a", "b=c"},
    {"GET", "/a?", URI_ORIGIN, 0, 0, "/a", ""},
    {"GET", "/a?b?c", URI_ORIGIN, 0, 0, "/a", "b?c"},
    {"GET", "//h/x", URI_ORIGIN, 0, 0, "//h/x", 0},
    {"GET", "/c/a:b@c", URI_ORIGIN, 0, 0, "/c/a:b@c", 0},
    {"GET", "/a\"<>`{|}[]^", URI_ORIGIN, 0, 0, "/a\"<>`{|}[]^", 0},
    {"GET", "/a?x=\\", URI_ORIGIN, 0, 0, "/a", "x=\\"},
    {"get", "/%41", URI_ORIGIN, 0, 0, "/%41", 0},
    {"GET", "HTTP://GW.test:80/c?d", URI_ABSOLUTE, "HTTP", "GW.test:80", "/c", "d"},
    {"GET", "http://gw.test", URI_ABSOLUTE, "http", "gw.test", "/", 0},
    {"GET", "http://gw.test?x=1", URI_ABSOLUTE, "http", "gw.test", "/", "x=1"},
    {"GET", "https://[::1]:8/", URI_ABSOLUTE, "https", "[::1]:8", "/", 0},
    {"OPTIONS", "http://gw.test", URI_ABSOLUTE, "http", "gw.test", "*", 0},
    {"OPTIONS", "http://gw.test?", URI_ABSOLUTE, "http", "gw.test", "/", ""},
    {"OPTIONS", "*", URI_ASTERISK, 0, 0, "*", 0},
    {"CONNECT", "h:443", URI_AUTHORITY, 0, "h:443", 0, 0},
    {"CONNECT", "[::1]:443", URI_AUTHORITY, 0, "[::1]:443", 0, 0},
    {"GET", "", -1, 0, 0, 0, 0}, {"GET", "*", -1, 0, 0, 0, 0},
    {"POST", "*", -1, 0, 0, 0, 0},
    {"OPTIONS", "*x", -1, 0, 0, 0, 0}, {"GET", "c", -1, 0, 0, 0, 0},
    {"GET", "?x", -1, 0, 0, 0, 0},
    {"GET", "\\x", -1, 0, 0, 0, 0}, {"GET", "%2fc", -1, 0, 0, 0, 0},
    {"GET", "/a#b", -1, 0, 0, 0, 0},
    {"GET", "/a?b#c", -1, 0, 0, 0, 0}, {"GET", "/a b", -1, 0, 0, 0, 0},
    {"GET", "/a\tb", -1, 0, 0, 0, 0},
    {"GET", "/a\x7f", -1, 0, 0, 0, 0}, {"GET", "/\xc3\xa9", -1, 0, 0, 0, 0},
    {"GET", "/\\", -1, 0, 0, 0, 0},
    {"GET", "/%zz", -1, 0, 0, 0, 0}, {"GET", "/%u0041", -1, 0, 0, 0, 0},
    {"GET", "/%4", -1, 0, 0, 0, 0},
    {"GET", "/%", -1, 0, 0, 0, 0}, {"GET", "/a?%zz", -1, 0, 0, 0, 0},
    {"GET", "/a?%4", -1, 0, 0, 0, 0},
    {"GET", "/a?\xff", -1, 0, 0, 0, 0}, {"GET", "http:/c", -1, 0, 0, 0, 0},
    {"GET", "http:///c", -1, 0, 0, 0, 0}, {"GET", "http://", -1, 0, 0, 0, 0},
    {"GET", "http://[::1/c", -1, 0, 0, 0, 0},
    {"GET", "http://gw.test:8x/c", -1, 0, 0, 0, 0},
    {"GET", "http://gw.test\\@other/c", -1, 0, 0, 0, 0},
    {"GET", "http://a@b@gw/c", -1, 0, 0, 0, 0},
    {"GET", "http://u:p@gw/c", -1, 0, 0, 0, 0},
    {"GET", "http://gw\xe9.test/c", -1, 0, 0, 0, 0},
    {"GET", "http://gw.test/c#x", -1, 0, 0, 0, 0},
    {"GET", "http://gw.test#x", -1, 0, 0, 0, 0},
    {"GET", "ftp://h/", -1, 0, 0, 0, 0}, {"GET", "httpx://h/", -1, 0, 0, 0, 0},
    {"GET", "h:443", -1, 0, 0, 0, 0},
    {"CONNECT", "h", -1, 0, 0, 0, 0}, {"CONNECT", "/x", -1, 0, 0, 0, 0},
    {"CONNECT", "h:", -1, 0, 0, 0, 0},
    {"CONNECT", "h:x", -1, 0, 0, 0, 0}, {"CONNECT", "h:0", -1, 0, 0, 0, 0},
    {"CONNECT", "http://h/", -1, 0, 0, 0, 0}, {"CONNECT", "*", -1, 0, 0, 0, 0},
};

static void
targets(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(forms); i++) {
		struct uri_target t;
		enum hg_err e =
		    uri_target(bytes_str(forms[i].method), bytes_str(forms[i].target), &t);

		if (e != (forms[i].form < 0 ? HG_ERR_BAD_REQUEST : HG_OK))
			fail_msg("%s: %s", forms[i].target, err_name(e));
		if (e)
			continue;
		assert_int_equal((int)t.form, forms[i].form);
		assert_true(bytes_eq(t.scheme, bytes_str(forms[i].scheme)));
		assert_true(bytes_eq(t.authority, bytes_str(forms[i].authority)));
		assert_true(bytes_eq(t.path, bytes_str(forms[i].path)));
		assert_true(bytes_eq(t.query, bytes_str(forms[i].query)));
		assert_int_equal(t.query.p != NULL, forms[i].query != NULL);
	}
	assert_int_equal(
	    uri_target(BYTES("GET"), BYTES("/a\0b"), &(struct uri_target){0}), HG_ERR_BAD_REQUEST);
}

static void
hosts(void **state)
{
	static const struct {
		const char *in, *name; /* NULL = bad */
		uint16_t port;
		bool ip;
	} cases[] = {
	    {"gw.test", "gw.test", 0, false}, {"GW.Test", "gw.test", 0, false},
	    {"gw.test:80", "gw.test", 80, false},
	    {"gw.test:", "gw.test", 0, false}, {"gw.test.", "gw.test", 0, false},
	    {"gw.test.:8", "gw.test", 8, false},
	    {"a_b.test", "a_b.test", 0, false}, {"127.0.0.1", "127.0.0.1", 0, true},
	    {"1.2.3", "1.2.3", 0, false},
	    {"1.2.3.4:65535", "1.2.3.4", 65535, true}, {"[::1]:80", "[::1]", 80, true},
	    {"[::1]", "[::1]", 0, true},
	    {"[2001:DB8:0:0::1]", "[2001:db8::1]", 0, true},
	    {"[::ffff:1.2.3.4]", "1.2.3.4", 0, true},
	    {"h:00080", "h", 80, false}, {"-a-", "-a-", 0, false},
	    {"999.1.1.1", "999.1.1.1", 0, false},
	    {"", 0, 0, 0}, {".", 0, 0, 0}, {"..", 0, 0, 0}, {".gw.test", 0, 0, 0},
	    {"gw..test", 0, 0, 0},
	    {"gw.test..", 0, 0, 0}, {":80", 0, 0, 0}, {"gw test", 0, 0, 0}, {"gw\ttest", 0, 0, 0},
	    {"gw.test/evil", 0, 0, 0}, {"gw.test?x", 0, 0, 0}, {"gw.test#x", 0, 0, 0},
	    {"a@b", 0, 0, 0},
	    {"a\\b", 0, 0, 0}, {"gw\xe9", 0, 0, 0}, {"\"gw\"", 0, 0, 0}, {"<gw>", 0, 0, 0},
	    {"gw^", 0, 0, 0},
	    {"gw|", 0, 0, 0}, {"{gw}", 0, 0, 0}, {"gw:-1", 0, 0, 0}, {"gw:80:80", 0, 0, 0},
	    {"gw:+80", 0, 0, 0},
	    {"gw: 80", 0, 0, 0}, {"gw:0", 0, 0, 0}, {"gw:65536", 0, 0, 0},
	    {"gw:99999999999999999999", 0, 0, 0},
	    {"[::1", 0, 0, 0}, {"::1", 0, 0, 0}, {"[::1]x", 0, 0, 0}, {"[::1]x:80", 0, 0, 0},
	    {"[zz::1]", 0, 0, 0},
	    {"[]", 0, 0, 0}, {"[1.2.3.4]", 0, 0, 0}, {"[fe80::1%25lo]", 0, 0, 0},
	    {"[v1.x]", 0, 0, 0},
	    {"gw%zz", 0, 0, 0}, {"gw%41", 0, 0, 0}, {"a,b", 0, 0, 0}, {"gw.test, x", 0, 0, 0},
	    {"*", 0, 0, 0},
	    {"a;b", 0, 0, 0}, {"gw\rX", 0, 0, 0}, {"~", 0, 0, 0}, {"::1]", 0, 0, 0}, {"]", 0, 0, 0},
	    {"[", 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		struct uri_host h;
		enum hg_err e = uri_host(bytes_str(cases[i].in), &h);

		if (e != (cases[i].name ? HG_OK : HG_ERR_BAD_REQUEST))
			fail_msg("\"%s\": %s", cases[i].in, err_name(e));
		if (e)
			continue;
		assert_string_equal(h.name, cases[i].name);
		assert_int_equal(h.len, strlen(h.name));
		assert_int_equal(h.port, cases[i].port);
		assert_int_equal(h.ip, cases[i].ip);
	}
}

static void
long_hosts(void **state)
{
	struct uri_host h;
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	assert_int_equal(uri_host(bytes_of(text, 253), &h), HG_OK);
	assert_int_equal(uri_host(bytes_of(text, 255), &h), HG_ERR_BAD_REQUEST);
	assert_int_equal(uri_host(bytes_of(text, 400), &h), HG_ERR_BAD_REQUEST);
	memset(text, 'a', sizeof(text));
	assert_int_equal(uri_host(bytes_of(text, 63), &h), HG_OK);
	assert_int_equal(uri_host(bytes_of(text, 64), &h), HG_ERR_BAD_REQUEST);
	assert_int_equal(uri_host(bytes_of("a\0b", 3), &h), HG_ERR_BAD_REQUEST);
}

static const struct {
	const char *in, *out; /* NULL = bad */
	bool borrowed;
} paths[] = {
    {"/", "/", true}, {"/a/b", "/a/b", true}, {"/a.b/.c/..d/...", "/a.b/.c/..d/...", true},
    {"*", "*", true},
    {"//c///x", "//c///x", true}, {"/a%20b", "/a%20b", true}, {"/%C3%A9", "/%C3%A9", true},
    {"/a;b=c", "/a;b=c", true},
    {"/%c3%a9", "/%C3%A9", false}, {"/%41%7e%2D%5f", "/A~-_", false}, {"/%3b%3D", "/%3B%3D", false},
    {"/a/../b", "/b", false}, {"/a/./b", "/a/b", false}, {"/../c", "/c", false},
    {"/../../", "/", false},
    {"/a/..", "/", false}, {"/a/b/..", "/a/", false}, {"/a/.", "/a/", false}, {"/.", "/", false},
    {"/..", "/", false},
    {"/a//../b", "/a/b", false}, {"/a/%2e%2e/b", "/b", false}, {"/a/.%2E/b", "/b", false},
    {"/%2e", "/", false},
    {"/a/b/c/./../../g", "/a/g", false}, {"/a/..//b", "//b", false}, {"/%25zz", "/%25zz", true},
    {"/%2e%2e%2e/x", "/.../x", false}, {"/a/.b/%2e.", "/a/", false}, {"/.;/a/../b", NULL, false},
    {"", NULL, false}, {"a", NULL, false}, {"**", NULL, false}, {"/a\\b", NULL, false},
    {"/a%5cb", NULL, false},
    {"/a%5Cb", NULL, false}, {"/a%2fb", NULL, false}, {"/a%2Fb", NULL, false},
    {"/a%00b", NULL, false},
    {"/a%0d%0aX", NULL, false}, {"/a%1F", NULL, false}, {"/a%7f", NULL, false},
    {"/%zz", NULL, false},
    {"/%", NULL, false}, {"/%4", NULL, false}, {"/a?b", NULL, false}, {"/a#b", NULL, false},
    {"/a b", NULL, false},
    {"/\xc3\xa9", NULL, false}, {"/..;/x", NULL, false}, {"/a/.;x", NULL, false},
    {"/%2e%2e;a=b/x", NULL, false},
    {"/%ff", "/%FF", false}, {"/...;x", "/...;x", true}, {"/a/.../b", "/a/.../b", true},
};

static void
canonical_paths(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(paths); i++) {
		struct bytes in = bytes_str(paths[i].in), got = BYTES_NONE;
		enum hg_err e = uri_path(in, out, in.n, &got);

		if (e != (paths[i].out ? HG_OK : HG_ERR_BAD_REQUEST))
			fail_msg("\"%s\": %s", paths[i].in, err_name(e));
		if (e)
			continue;
		assert_bytes(got, paths[i].out);
		if ((got.p == in.p) != paths[i].borrowed)
			fail_msg("\"%s\" borrowed: %d", paths[i].in, got.p == in.p);
	}
	assert_int_equal(
	    uri_path(BYTES("/a/../b"), out, 3, &(struct bytes){0}), HG_ERR_URI_TOO_LONG);
}

/* What comes out is canonical: a second pass borrows it. Random texts over the bytes that matter.
 */
static void
paths_are_stable(void **state)
{
	static const char *const parts[] = {
	    "/", ".", "..", "%2e", "%2F", "a", ";", "%41", "%c3", "//", "%25", "~"};
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char in[64] = "/", out[64], again[64];
		struct bytes a, b;
		size_t n = 1;

		for (int k = 0; k < 9; k++) {
			const char *p;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p = parts[x % HG_ARRAY_LEN(parts)];
			memcpy(in + n, p, strlen(p));
			n += strlen(p);
		}
		if (uri_path(bytes_of(in, n), out, sizeof(out), &a) != HG_OK)
			continue;
		if (uri_path(a, again, sizeof(again), &b) != HG_OK || b.p != a.p)
			fail_msg("%.*s -> %.*s", (int)n, in, (int)a.n, a.p);
		assert_true(a.n > 0 && a.p[0] == '/' && a.n <= n);
	}
}

static void
queries(void **state)
{
	struct bytes rest = BYTES("a=1&&b&=x&c=&d=1=2"), name, value, res;
	char out[32];

	(void)state;
	assert_true(uri_query_next(&rest, &name, &value));
	assert_bytes(name, "a");
	assert_bytes(value, "1");
	assert_true(uri_query_next(&rest, &name, &value));
	assert_bytes(name, "b");
	assert_bytes(value, "");
	assert_non_null(value.p);
	assert_true(uri_query_next(&rest, &name, &value));
	assert_bytes(name, "");
	assert_bytes(value, "x");
	assert_true(uri_query_next(&rest, &name, &value));
	assert_bytes(name, "c");
	assert_true(uri_query_next(&rest, &name, &value));
	assert_bytes(value, "1=2");
	assert_false(uri_query_next(&rest, &name, &value));
	rest = BYTES_NONE;
	assert_false(uri_query_next(&rest, &name, &value));

	assert_true(uri_query_decode(BYTES("a+b%20%26%c3%A9"), out, sizeof(out), &res));
	assert_bytes(res, "a b &\xc3\xa9");
	assert_false(uri_query_decode(BYTES("100%"), out, sizeof(out), &res));
	assert_false(uri_query_decode(BYTES("%4"), out, sizeof(out), &res));
	assert_false(uri_query_decode(BYTES("abc"), out, 2, &res));

	res = BYTES("v=1&%76ersion=2%2B&x=100%25&y=100%&z%zz=7&v=3");
	assert_bytes(uri_query_get(res, BYTES("v"), out, sizeof(out)), "1");
	assert_bytes(uri_query_get(res, BYTES("version"), out, sizeof(out)), "2+");
	assert_bytes(uri_query_get(res, BYTES("x"), out, sizeof(out)), "100%");
	assert_bytes(uri_query_get(res, BYTES("y"), out, sizeof(out)), "100%");
	assert_bytes(uri_query_get(res, BYTES("z%zz"), out, sizeof(out)), "7");
	assert_null(uri_query_get(res, BYTES("V"), out, sizeof(out)).p);
	assert_null(uri_query_get(BYTES_NONE, BYTES("v"), out, sizeof(out)).p);
	assert_null(uri_query_get(BYTES("a+b=1"), BYTES("a+b"), out, sizeof(out)).p);
	assert_bytes(uri_query_get(BYTES("a+b=1"), BYTES("a b"), out, sizeof(out)), "1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(targets),
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(long_hosts),
	    cmocka_unit_test(canonical_paths),
	    cmocka_unit_test(paths_are_stable),
	    cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
