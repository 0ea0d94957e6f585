/* test_err.c - the error table and the version strings. */
#include "tests/unit/base/unit.h"

#include "base/err.h"
#include "base/version.h"

static void
rows(void **state)
{
	(void)state;
	for (unsigned e = 0; e < HG_ERR_COUNT; e++) {
		assert_true(err_name(e)[0] && err_text(e)[0] && err_reason(e)[0]);
		assert_true(err_http(e) == 0 || (err_http(e) >= 400 && err_http(e) <= 599));
		assert_true(err_grpc(e) <= 16);
		assert_true(err_h2(e) <= 13);
		for (const char *c = err_reason(e); *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
	}
	assert_string_equal(err_name(HG_ERR_NO_ROUTE), "NO_ROUTE");
	assert_int_equal(err_http(HG_ERR_HEADER_TOO_LARGE), 431);
	assert_int_equal(err_grpc(HG_ERR_NO_ROUTE), 12);
	assert_string_equal(err_name((enum hg_err)9999), "INTERNAL");
}

static void
version(void **state)
{
	(void)state;
	assert_true(version_text()[0] >= '0' && version_text()[0] <= '9');
	assert_true(version_build()[0] != '\0');
	assert_true(version_build_id() != 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows), cmocka_unit_test(version)};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
