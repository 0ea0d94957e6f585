/*
 * test_grpc.c - gRPC's texts: timeouts, statuses, messages.
 */
#include "tests/unit/http/unit.h"

#include "base/clock.h"
#include "http/grpc.h"

static void
timeouts(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t ns;
		const char *again;
	} rows[] = {
	    {"1n", true, 1, "1n"}, {"0m", true, 0, "1n"}, {"250m", true, 250000000, "250000u"},
	    {"10S", true, 10 * SEC_NS, "10000000u"}, {"99999999n", true, 99999999, "99999999n"},
	    {"99999999u", true, 99999999000, "99999999u"}, {"2M", true, 120ull * SEC_NS, "120000m"},
	    {"3H", true, 10800 * SEC_NS, "10800000m"}, {"00000001S", true, SEC_NS, "1000000u"},
	    {"99999999M", true, 99999999ull * 60 * SEC_NS, "99999999M"},
	    {"5124095H", true, 5124095ull * 3600 * SEC_NS, "5124095H"},
	    {"5124096H", false, 0, ""}, {"99999999H", false, 0, ""}, {"100000000n", false, 0, ""},
	    {"", false, 0, ""}, {"m", false, 0, ""}, {"1", false, 0, ""}, {"1s", false, 0, ""},
	    {"-1m", false, 0, ""}, {"+1m", false, 0, ""}, {"1.5S", false, 0, ""},
	    {" 1m", false, 0, ""}, {"1 m", false, 0, ""}, {"1m ", false, 0, ""},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		char out[GRPC_TIMEOUT_TEXT];
		uint64_t ns = 0;
		struct bytes again;

		if (grpc_timeout_parse(bytes_str(rows[i].text), &ns) != rows[i].ok)
			fail_msg("%s: not as expected", rows[i].text);
		if (!rows[i].ok)
			continue;
		assert_int_equal(ns, rows[i].ns);
		again = grpc_timeout_write(ns, out);
		if (!bytes_eq(again, bytes_str(rows[i].again)))
			fail_msg("%s is written as %.*s", rows[i].text, BYTES_ARG(again));
	}
}

static void
statuses(void **state)
{
	(void)state;
	assert_int_equal(grpc_of_http(200), 0);
	assert_int_equal(grpc_of_http(401), 16);
	assert_int_equal(grpc_of_http(403), 7);
	assert_int_equal(grpc_of_http(404), 12);
	assert_int_equal(grpc_of_http(429), 14);
	assert_int_equal(grpc_of_http(503), 14);
	assert_int_equal(grpc_of_http(500), 2);
	assert_int_equal(grpc_to_http(0), 200);
	assert_int_equal(grpc_to_http(14), 503);
	assert_int_equal(grpc_to_http(4), 504);
	assert_int_equal(grpc_to_http(17), 500);
	assert_int_equal(grpc_to_http(UINT32_MAX), 500);
}

static void
status_fields(void **state)
{
	static const struct {
		const char *value;
		int want;
	} rows[] = {{"0", 0}, {"14", 14}, {"99", 99}, {"", -1}, {"x", -1}, {"-1", -1}, {"1 ", -1},
	    {"99999", -1}};
	struct field store[1];
	struct fields f;

	(void)state;
	assert_int_equal(grpc_status_of(NULL), -1);
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		fields_init(&f, store, 1);
		assert_int_equal(grpc_status_of(&f), -1);
		fields_add(&f, BYTES("Grpc-Status"), bytes_str(rows[i].value), FIELD_GRPC_STATUS);
		assert_int_equal(grpc_status_of(&f), rows[i].want);
	}
}

static void
messages(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(grpc_message(BYTES("ok 1"), out, sizeof(out)), 4);
	assert_memory_equal(out, "ok 1", 4);
	assert_int_equal(grpc_message(BYTES("100%\n\303\244"), out, sizeof(out)), 15);
	assert_memory_equal(out, "100%25%0A%C3%A4", 15);
	assert_int_equal(grpc_message(BYTES("ab\n"), out, 4), 2); /* nothing is cut in two */
	assert_int_equal(grpc_message(BYTES("abcde"), out, 3), 3);
	assert_int_equal(grpc_message(BYTES(""), out, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(timeouts), cmocka_unit_test(statuses),
	    cmocka_unit_test(status_fields), cmocka_unit_test(messages)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
