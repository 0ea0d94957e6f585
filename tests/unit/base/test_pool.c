/* test_pool.c - fixed pools: bounds, LIFO, indexes. */
#include "tests/unit/base/unit.h"

#include "base/pool.h"

static void
all_and_back(void **state)
{
	struct pool p;
	void *obj[100];

	(void)state;
	assert_int_equal(pool_init(&p, 100, 100), 0);
	assert_int_equal(p.size, 128);
	for (unsigned i = 0; i < 100; i++) {
		obj[i] = pool_get(&p);
		assert_non_null(obj[i]);
		memset(obj[i], (int)i, 100);
		assert_int_equal(pool_index(&p, obj[i]), i);
	}
	assert_null(pool_get(&p));
	assert_int_equal(p.used, 100);
	pool_put(&p, obj[3]);
	pool_put(&p, obj[50]);
	assert_ptr_equal(pool_get(&p), obj[50]);
	assert_ptr_equal(pool_get(&p), obj[3]);
	assert_null(pool_get(&p));
	for (unsigned i = 0; i < 100; i++)
		pool_put(&p, obj[i]);
	assert_int_equal(p.used, 0);
	pool_release(&p);
	pool_release(&p);
}

static void
touches_only_what_is_used(void **state)
{
	struct pool p;
	void *a;

	(void)state;
	assert_int_equal(pool_init(&p, 64, 1000000), 0);
	for (int i = 0; i < 1000; i++) {
		a = pool_get(&p);
		pool_put(&p, a);
	}
	assert_int_equal(p.fresh, 1);
	pool_release(&p);
	assert_int_equal(pool_init(&p, 64, 0), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_and_back), cmocka_unit_test(touches_only_what_is_used),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
