/* Who takes gzip, and what is worth it. */
#include "tests/unit/worker/fake.h"

#include "worker/protect/compress.h"

static void
test_accepted(void **state)
{
	static const struct {
		const char *value;
		bool yes;
	} rows[] = {{"gzip", true}, {"GZIP, br", true}, {"br", false}, {"*", true},
	    {"gzip;q=0", false}, {"gzip; q=0.000", false}, {"gzip;q=0.5", true}, {"*;q=0", false},
	    {"gzip;q=0, *", false}, {"identity, gzip;q=1.0", true}, {"x-gzip", true},
	    {"gzipped", false}, {"", false}, {"br;q=1.0,gzip;q=0.1", true}};
	struct msg m;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		msg_init(&m, true);
		fake_field(&m, "Accept-Encoding", rows[i].value);
		if (compress_accepted(&m.fields) != rows[i].yes)
			fail_msg("\"%s\"", rows[i].value);
	}
	msg_init(&m, true);
	assert_false(compress_accepted(&m.fields));
}

static void
test_types(void **state)
{
	(void)state;
	assert_true(compress_type_ok(BYTES("text/html")));
	assert_true(compress_type_ok(BYTES("Application/JSON ; charset=utf-8")));
	assert_false(compress_type_ok(BYTES("image/png")));
	assert_false(compress_type_ok(BYTES("text/event-stream")));
	assert_false(compress_type_ok(BYTES("application/grpc")));
	assert_false(compress_type_ok(BYTES("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted), cmocka_unit_test(test_types)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
