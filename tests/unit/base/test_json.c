/* test_json.c - the writer, the escaper, and the flat reader. */
#include "tests/unit/base/unit.h"

#include <math.h>

#include "base/json.h"

static void
sample(struct json *j)
{
	json_object(j);
	json_key(j, "a");
	json_int(j, -5);
	json_key(j, "list");
	json_array(j);
	json_strz(j, "x\"\n\x01\x7f\\");
	json_bool(j, true);
	json_null(j);
	json_double(j, 0.1);
	json_object(j);
	json_end(j, '}');
	json_end(j, ']');
	json_keyb(j, BYTES("e"));
	json_array(j);
	json_end(j, ']');
	json_key(j, "r");
	json_raw(j, BYTES("[1]"));
	json_end(j, '}');
}

static void
writing(void **state)
{
	struct strbuf s = STRBUF_INIT;
	struct json j;

	(void)state;
	json_init(&j, &s, false);
	sample(&j);
	assert_string_equal(s.p,
	    "{\"a\":-5,\"list\":[\"x\\\"\\n\\u0001\\u007f\\\\\",true,null,0.1,{}],"
	    "\"e\":[],\"r\":[1]}");
	strbuf_reset(&s);
	json_init(&j, &s, true);
	sample(&j);
	assert_string_equal(s.p,
	    "{\n  \"a\": -5,\n  \"list\": [\n    \"x\\\"\\n\\u0001\\u007f\\\\\",\n    true,\n"
	    "    null,\n    0.1,\n    {}\n  ],\n  \"e\": [],\n  \"r\": [1]\n}");
	strbuf_release(&s);
}

static void
numbers(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {{0, "0"}, {1.5, "1.5"}, {1e300, "1e+300"}, {1.0 / 3, "0.3333333333333333"},
	    {NAN, "null"}, {INFINITY, "null"}, {123456789, "123456789"}};
	struct strbuf s = STRBUF_INIT;
	struct json j;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		strbuf_reset(&s);
		json_init(&j, &s, false);
		json_double(&j, cases[i].v);
		assert_string_equal(s.p, cases[i].text);
	}
	strbuf_release(&s);
}

static void
escaping(void **state)
{
	static const char *const cases[][2] = {
	    {"plain", "plain"}, {"\xc3\xa9", "\xc3\xa9"}, {"\xff", "\xef\xbf\xbd"},
	    {"a\xc3", "a\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, {"\t\r\b\f", "\\t\\r\\b\\f"},
	    {"\x1b[31m", "\\u001b[31m"}, {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}, {"/", "/"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		size_t n = json_escape(bytes_str(cases[i][0]), out, sizeof(out));

		assert_bytes(bytes_of(out, n), cases[i][1]);
		/* cut at every place: a prefix, and still whole characters */
		for (size_t cap = 0; cap < n; cap++) {
			size_t k = json_escape(bytes_str(cases[i][0]), out, cap);

			assert_true(k <= cap && bytes_utf8(bytes_of(out, k), NULL));
			assert_memory_equal(out, cases[i][1], k);
			assert_true(k == 0 || out[k - 1] != '\\');
		}
	}
	assert_int_equal(json_escape(BYTES("a\0b"), out, sizeof(out)), 8);
}

static int
flat(const char *text, struct json_pair *out, unsigned cap)
{
	static char buf[512];
	size_t n = strlen(text);

	memcpy(buf, text, n + 1);
	return json_flat(buf, n, out, cap);
}

static void
reading(void **state)
{
	struct json_pair p[3];

	(void)state;
	assert_int_equal(flat("{}", p, 3), 0);
	assert_int_equal(flat(" { } \n", p, 0), 0);
	assert_int_equal(flat("{\"verb\":\"reload\", \"a b\" : \"\"}", p, 3), 2);
	assert_bytes(p[0].key, "verb");
	assert_bytes(p[0].value, "reload");
	assert_bytes(p[1].key, "a b");
	assert_bytes(p[1].value, "");
	assert_int_equal(
	    flat("{\"k\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}", p, 3),
	    1);
	assert_bytes(p[0].value, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void
not_flat(void **state)
{
	static const char *const cases[] = {
	    "", "[]", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1}", "{\"a\":null}", "{\"a\":{}}",
	    "{\"a\":[\"b\"]}",
	    "{\"a\":\"b\",}", "{,}", "{\"a\":\"b\"}x", "{\"a\":\"b\"}{}",
	    "{\"a\":\"b\" \"c\":\"d\"}", "{a:\"b\"}",
	    "{\"a\":\"b}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u00\"}", "{\"a\":\"\\u0000\"}",
	    "{\"a\":\"\\ud800\"}",
	    "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\n\"}",
	    "{\"a\":\"\xff\"}", "{\"a\":\"b\",\"a\":\"c\"}",
	    "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"}", "{\"a\":\"\\",
	    "{\"a\":\"\\ud800\\", "{'a':'b'}",
	};
	struct json_pair p[3];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		if (flat(cases[i], p, 3) != -1)
			fail_msg("%s", cases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writing), cmocka_unit_test(numbers), cmocka_unit_test(escaping),
	    cmocka_unit_test(reading), cmocka_unit_test(not_flat),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
