/* test_parse.c - strict readers of single values. */
#include "tests/unit/base/unit.h"

#include "base/parse.h"

static void
numbers(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1a",
	    "18446744073709551616", "99999999999999999999", "1.0"};
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	for (size_t k = 0; k < HG_ARRAY_LEN(bad); k++)
		if (parse_u64(bytes_str(bad[k]), UINT64_MAX, &u))
			fail_msg("%s", bad[k]);
	assert_int_equal(u, 7);
	assert_true(parse_u64(BYTES("18446744073709551615"), UINT64_MAX, &u) && u == UINT64_MAX);
	assert_true(parse_u64(BYTES("0"), 0, &u) && u == 0);
	assert_true(parse_u64(BYTES("0000000000000000000000000012"), 12, &u) && u == 12);
	assert_false(parse_u64(BYTES("13"), 12, &u));
	assert_true(
	    parse_i64(BYTES("-9223372036854775808"), INT64_MIN, INT64_MAX, &i) && i == INT64_MIN);
	assert_true(
	    parse_i64(BYTES("9223372036854775807"), INT64_MIN, INT64_MAX, &i) && i == INT64_MAX);
	assert_false(parse_i64(BYTES("-9223372036854775809"), INT64_MIN, INT64_MAX, &i));
	assert_false(parse_i64(BYTES("9223372036854775808"), INT64_MIN, INT64_MAX, &i));
	assert_false(parse_i64(BYTES("-"), INT64_MIN, INT64_MAX, &i));
	assert_false(parse_i64(BYTES("--1"), INT64_MIN, INT64_MAX, &i));
	assert_false(parse_i64(BYTES("+1"), INT64_MIN, INT64_MAX, &i));
	assert_false(parse_i64(BYTES("-2"), -1, 1, &i));
	assert_true(parse_i64(BYTES("-1"), -1, 1, &i) && i == -1);
	assert_true(parse_hex(BYTES("fFfFfFfFfFfFfFfF"), UINT64_MAX, &u) && u == UINT64_MAX);
	assert_false(parse_hex(BYTES("10000000000000000"), UINT64_MAX, &u));
	assert_false(parse_hex(BYTES("g"), UINT64_MAX, &u));
	assert_false(parse_hex(BYTES(""), UINT64_MAX, &u));
	assert_false(parse_hex(BYTES("0x1"), UINT64_MAX, &u));
	assert_true(parse_hex(BYTES("0000000000000000000a"), 10, &u) && u == 10);
}

static void
durations(void **state)
{
	static const struct {
		const char *text, *canon;
		uint64_t ms;
	} good[] = {
	    {"0s", "0s", 0}, {"0h", "0s", 0}, {"1ms", "1ms", 1}, {"150m", "2h30m", 9000000},
	    {"7230s", "2h30s", 7230000}, {"100ms200ms300ms", "600ms", 600}, {"1h1h", "2h", 7200000},
	    {"99999h", "99999h", 359996400000}, {"1s1m1h1ms", "1h1m1s1ms", 3661001},
	    {"99999h99999h99999h99999h", "399996h", 1439985600000},
	};
	static const char *const bad[] = {"", "0", "1", "h", "1.5h", "1d", "-1s", "1s1s1s1s1s",
	    "100000s", "1S", "1 s", " 1s", "1s ", "1us", "1sm", "1mss", "s1", "1h1"};
	uint64_t ms;
	char out[40];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(good); i++) {
		if (!parse_duration(bytes_str(good[i].text), &ms) || ms != good[i].ms)
			fail_msg("%s", good[i].text);
		parse_print_duration(ms, out);
		assert_string_equal(out, good[i].canon);
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (parse_duration(bytes_str(bad[i]), &ms))
			fail_msg("%s", bad[i]);
	parse_print_duration(UINT64_MAX, out);
	assert_true(strlen(out) < 40);
}

static void
quantities(void **state)
{
	static const struct {
		const char *text;
		int64_t milli;
	} good[] = {
	    {"0", 0}, {"1", 1000}, {"100m", 100}, {"64Ki", 65536000}, {"1.5M", 1500000000},
	    {".5", 500},
	    {"5.", 5000}, {"+1", 1000}, {"-1", -1000}, {"1.5Ki", 1536000}, {"1e3", 1000000},
	    {"1E3", 1000000},
	    {"1e-3", 1}, {"1u", 1}, {"1n", 1}, {"1000u", 1}, {"1001u", 2},
	    {"-1u", -1}, {"1Gi", 1073741824000}, {"2e+2", 200000}, {"0.0001", 1}, {"1k", 1000000},
	    {"1T", 1000000000000000}, {"8Pi", 9007199254740992000},
	};
	static const char *const bad[] = {"", " 1", "1 ", "1K", "1ki", "1mi", "1b", "Ki", "1KiB",
	    "--1", "1e", "1e+", "1e-", "e3", ".", "+", "1.2.3", "1e3Ki", "9Pi", "1Ei", "1E",
	    "10000000000000000", "1e99", "99999999999999999999999999999999999999999", "1,5", "0x10",
	    "1e1.5"};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(good); i++) {
		if (!parse_quantity(bytes_str(good[i].text), &v) || v != good[i].milli)
			fail_msg("%s", good[i].text);
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (parse_quantity(bytes_str(bad[i]), &v))
			fail_msg("%s gave %lld", bad[i], (long long)v);
	assert_true(
	    parse_quantity(BYTES("0.00000000000000000000000000000000000000000000000000001"), &v));
	assert_int_equal(v, 1);
	assert_true(parse_quantity(BYTES("0e99"), &v));
	assert_int_equal(v, 0);
}

static void
base64(void **state)
{
	static const char *const good[][2] = {
	    {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
	    {"Zm9vYmE=", "fooba"},
	    {"Zm9vYmFy", "foobar"}, {"Zm9v\nYmFy\r\n", "foobar"}, {"+/+/", "\xfb\xff\xbf"},
	    {"Zg=\n=", "f"},
	};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zm8",
	    "Zm8==", "Zm9v=", "====", "=", "Zg==Zg==", "Zm9v ", "Zm-_", "Z===", "Zm9vY"};
	unsigned char out[32];
	size_t n;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(good); i++) {
		if (!parse_base64(bytes_str(good[i][0]), out, &n))
			fail_msg("%s", good[i][0]);
		assert_int_equal(n, strlen(good[i][1]));
		assert_memory_equal(out, good[i][1], n);
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (parse_base64(bytes_str(bad[i]), out, &n))
			fail_msg("%s", bad[i]);
}

static void
names(void **state)
{
	char text[300];
	struct bytes b = bytes_of(text, 63);

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(parse_dns_label(b));
	b.n = 64;
	assert_false(parse_dns_label(b));
	assert_true(parse_dns_subdomain(b));
	b.n = 253;
	assert_true(parse_dns_subdomain(b));
	b.n = 254;
	assert_false(parse_dns_subdomain(b));
	assert_true(parse_dns_label(BYTES("a-1")));
	assert_true(parse_dns_label(BYTES("0")));
	assert_false(parse_dns_label(BYTES("")));
	assert_false(parse_dns_label(BYTES("-a")));
	assert_false(parse_dns_label(BYTES("a-")));
	assert_false(parse_dns_label(BYTES("A")));
	assert_false(parse_dns_label(BYTES("a.b")));
	assert_false(parse_dns_label(BYTES("a_b")));
	assert_true(parse_dns_subdomain(BYTES("a.b-c.d1")));
	assert_false(parse_dns_subdomain(BYTES("a..b")));
	assert_false(parse_dns_subdomain(BYTES(".a")));
	assert_false(parse_dns_subdomain(BYTES("a.")));
	assert_false(parse_dns_subdomain(BYTES("")));
}

static void
hostnames(void **state)
{
	static const struct {
		const char *text;
		bool any, precise;
	} cases[] = {
	    {"example.com", true, true}, {"*.example.com", true, false}, {"*.com", true, false},
	    {"*", false, false},
	    {"*.", false, false}, {"a.*.com", false, false}, {"*a.com", false, false},
	    {"**.com", false, false},
	    {"Example.com", false, false}, {"1.2.3.4", true, true}, {"a_b.c", false, false},
	    {"*.*.com", false, false}, {"a.com.", false, false}, {"", false, false},
	    {"localhost", true, true},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		if (parse_hostname(bytes_str(cases[i].text), true) != cases[i].any ||
		    parse_hostname(bytes_str(cases[i].text), false) != cases[i].precise)
			fail_msg("%s", cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers), cmocka_unit_test(durations), cmocka_unit_test(quantities),
	    cmocka_unit_test(base64), cmocka_unit_test(names), cmocka_unit_test(hostnames),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
