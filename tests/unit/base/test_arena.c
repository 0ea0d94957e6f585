/* test_arena.c - bump allocation: alignment, limit, big blocks, reset. */
#include "tests/unit/base/unit.h"

#include "base/arena.h"
#include "base/mem.h"

static void
aligned_and_apart(void **state)
{
	size_t before = mem_live();
	struct arena a;
	unsigned char *seen[500];

	(void)state;
	arena_init(&a, 100, 0);
	for (unsigned i = 0; i < 500; i++) {
		seen[i] = arena_alloc(&a, i);
		assert_int_equal((uintptr_t)seen[i] % 16, 0);
		memset(seen[i], (int)(i & 255), i);
	}
	for (unsigned i = 1; i < 500; i++) {
		assert_int_equal(seen[i][0], i & 255);
		assert_int_equal(seen[i][i - 1], i & 255);
	}
	arena_release(&a);
	assert_int_equal(mem_live(), before);
	arena_release(&a);
}

static void
limit_holds(void **state)
{
	struct arena a;
	unsigned n = 0;

	(void)state;
	arena_init(&a, 64, 1024);
	assert_null(arena_alloc(&a, 1025));
	while (arena_alloc(&a, 16))
		n++;
	assert_int_equal(n, 64);
	assert_int_equal(a.used, 1024);
	assert_null(arena_dup(&a, BYTES("x")));
	assert_null(arena_zalloc(&a, 1));
	assert_null(arena_printf(&a, "%d", 1));
	assert_null(arena_bytes(&a, BYTES("x")).p);
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 1024));
	arena_release(&a);
}

static void
reset_keeps_one_chunk(void **state)
{
	size_t before = mem_live();
	struct arena a;
	void *first;

	(void)state;
	arena_init(&a, 128, 0);
	first = arena_alloc(&a, 64);
	arena_alloc(&a, 10000);
	for (int i = 0; i < 100; i++)
		arena_alloc(&a, 200);
	arena_reset(&a);
	assert_int_equal(mem_live(), before + 1);
	assert_ptr_equal(arena_alloc(&a, 64), first);
	arena_release(&a);
	arena_init(&a, 128, 0);
	arena_alloc(&a, 5000);
	arena_reset(&a);
	assert_int_equal(mem_live(), before);
	arena_release(&a);
}

static void
big_block_leaves_room(void **state)
{
	struct arena a;
	char *p, *q;

	(void)state;
	arena_init(&a, 1024, 0);
	p = arena_alloc(&a, 16);
	arena_alloc(&a, 1 << 20);
	q = arena_alloc(&a, 16);
	assert_ptr_equal(q, p + 16);
	arena_release(&a);
}

static void
texts(void **state)
{
	struct arena a;
	size_t cap = 0;
	short *v = NULL;

	(void)state;
	arena_init(&a, 64, 0);
	assert_string_equal(arena_dup(&a, BYTES("abc")), "abc");
	assert_string_equal(arena_dup(&a, BYTES_NONE), "");
	assert_null(arena_bytes(&a, BYTES_NONE).p);
	assert_bytes(arena_bytes(&a, BYTES("ab")), "ab");
	assert_non_null(arena_bytes(&a, BYTES("")).p);
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	for (short i = 0; i < 100; i++) {
		v = arena_grow(&a, v, &cap, (size_t)i, sizeof(*v));
		v[i] = i;
	}
	for (short i = 0; i < 100; i++)
		assert_int_equal(v[i], i);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(aligned_and_apart), cmocka_unit_test(limit_holds),
	    cmocka_unit_test(reset_keeps_one_chunk), cmocka_unit_test(big_block_leaves_room),
	    cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
