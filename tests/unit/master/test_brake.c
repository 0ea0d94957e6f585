/* The row of waits, and who is spared it. */
#include "tests/unit/master/unit.h"

#include "master/brake.h"

static void
test_row(void **state)
{
	static const uint32_t want[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(want); i++)
		assert_int_equal(brake_backoff_ms(i + 1), want[i]);
	assert_int_equal(brake_backoff_ms(UINT32_MAX), 30000);
}

static void
test_first_crashes_cost_nothing(void **state)
{
	struct brake b = {0};

	(void)state;
	for (unsigned i = 0; i < BRAKE_FREE; i++)
		assert_int_equal(brake_death(&b, 1), 0);
	assert_int_equal(brake_death(&b, 1), 1000);
	assert_int_equal(brake_death(&b, 1), 2000);
}

static void
test_a_long_life_forgives(void **state)
{
	struct brake b = {0};

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		(void)brake_death(&b, 1);
	assert_int_equal(brake_death(&b, 1), BRAKE_MAX_MS);
	assert_int_equal(brake_death(&b, BRAKE_SHORT_NS), 0);
	assert_int_equal(brake_death(&b, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_first_crashes_cost_nothing),
		cmocka_unit_test(test_a_long_life_forgives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
