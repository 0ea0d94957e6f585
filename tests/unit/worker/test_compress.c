/* Who takes which coding, and what is worth it. */
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
		if (compress_choice(&m.fields, IM_Z_GZIP, IM_Z_GZIP) !=
		    (rows[i].yes ? IM_Z_GZIP : 0))
			fail_msg("\"%s\"", rows[i].value);
	}
	msg_init(&m, true);
	assert_int_equal(compress_choice(&m.fields, IM_Z_GZIP, IM_Z_GZIP), 0);
}

static void
test_choice(void **state)
{
	static const struct {
		const char *value;
		uint8_t first, choice;
	} rows[] = {{"gzip, br", IM_Z_GZIP, IM_Z_GZIP}, {"gzip, br", IM_Z_BROTLI, IM_Z_BROTLI},
	    {"br, gzip", IM_Z_GZIP, IM_Z_GZIP}, {"*", IM_Z_BROTLI, IM_Z_BROTLI},
	    {"gzip;q=0.8, br;q=0.81", IM_Z_GZIP, IM_Z_BROTLI},
	    {"gzip;q=0.801, br;q=0.8", IM_Z_BROTLI, IM_Z_GZIP}, {"br", IM_Z_GZIP, IM_Z_BROTLI},
	    {"gzip;q=0.1, *;q=0.2", IM_Z_GZIP, IM_Z_BROTLI}, {"br;q=0, *", IM_Z_BROTLI, IM_Z_GZIP},
	    {"*;q=0", IM_Z_GZIP, 0}, {"zstd", IM_Z_GZIP, 0}};
	struct msg m;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		msg_init(&m, true);
		fake_field(&m, "Accept-Encoding", rows[i].value);
		if (compress_choice(&m.fields, IM_Z_GZIP | IM_Z_BROTLI, rows[i].first) !=
		    rows[i].choice)
			fail_msg("\"%s\"", rows[i].value);
	}
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
	    cmocka_unit_test(test_accepted), cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_types)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
