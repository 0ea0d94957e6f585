/*
 * test_h2_mem.c - sizes around the lists' bounds: pieces keep what was written, come back, move.
 */
#include "tests/unit/http/unit.h"

#include "http/h2_mem.h"

static void
sizes(void **state)
{
	static const size_t of[] = {0, 1, 31, 32, 33, 64, 65, 500, 1023, 1024, 1025, 5000, 70000};
	void *p[HG_ARRAY_LEN(of)];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < HG_ARRAY_LEN(of); i++) {
			p[i] = h2_mem_get(of[i], NULL);
			assert_int_equal((uintptr_t)p[i] % 16, 0);
			memset(p[i], (int)i + 1, of[i]);
		}
		for (unsigned i = 0; i < HG_ARRAY_LEN(of); i++) {
			for (size_t k = 0; k < of[i]; k++)
				assert_int_equal(((unsigned char *)p[i])[k], i + 1);
			h2_mem_put(p[i], NULL);
		}
	}
	h2_mem_put(NULL, NULL);
}

static void
resized(void **state)
{
	char *p = h2_mem_resize(NULL, 10, NULL);

	(void)state;
	memcpy(p, "0123456789", 10);
	for (size_t n = 20; n < 40000; n = n * 3 / 2) {
		p = h2_mem_resize(p, n, NULL);
		assert_memory_equal(p, "0123456789", 10);
		memset(p + 10, 'x', n - 10);
	}
	p = h2_mem_resize(p, 12, NULL);
	assert_memory_equal(p, "0123456789xx", 12);
	h2_mem_put(p, NULL);
}

static void
zeroed(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		unsigned char *p = h2_mem_get_zero(7, 30, NULL);

		for (unsigned i = 0; i < 210; i++)
			assert_int_equal(p[i], 0);
		memset(p, 255, 210);
		h2_mem_put(p, NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes), cmocka_unit_test(resized), cmocka_unit_test(zeroed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
