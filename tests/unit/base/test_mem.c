/* test_mem.c - the heap, arenas, pools and growing text. */
#include "tests/unit/base/unit.h"

#include "base/mem.h"

static void
blocks_are_counted(void **state)
{
	size_t before = mem_live();
	char *p = mem_alloc(0), *q = mem_dup(BYTES("x\0y"));
	int *z = mem_zalloc(4 * sizeof(*z));

	(void)state;
	assert_int_equal(mem_live(), before + 3);
	assert_memory_equal(q, "x\0y", 4);
	assert_int_equal(z[3], 0);
	p = mem_realloc(p, 100);
	assert_int_equal(mem_live(), before + 3);
	mem_free(p);
	mem_free(q);
	mem_free(z);
	mem_free(NULL);
	assert_int_equal(mem_live(), before);
	p = mem_realloc(NULL, 3);
	assert_int_equal(mem_live(), before + 1);
	mem_free(p);
}

static void
grow_doubles(void **state)
{
	size_t cap = 0;
	int *v = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		v = mem_grow(v, &cap, (size_t)i, sizeof(*v));
		v[i] = i;
	}
	assert_int_equal(cap, 1024);
	assert_int_equal(v[999], 999);
	mem_free(v);
	mem_wipe(&cap, sizeof(cap));
	assert_int_equal(cap, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_are_counted), cmocka_unit_test(grow_doubles),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
