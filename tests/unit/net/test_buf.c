/* test_buf.c - two classes, references, and the limit over both. */
#include "tests/unit/net/unit.h"

static void
classes_and_limit(void **state)
{
	struct bufs s;
	struct buf *a, *b, *c;

	(void)state;
	assert_int_equal(bufs_init(&s, BUF_LARGE + BUF_SMALL), 0);
	a = buf_new(&s, 1);
	assert_true(a->cap >= 4000 && a->cap < BUF_SMALL);
	b = buf_new(&s, a->cap + 1);
	assert_true(b->cap >= 65000 && b->cap < BUF_LARGE);
	assert_null(buf_new(&s, 1));
	assert_null(buf_new(&s, BUF_LARGE));
	buf_ref(a);
	buf_unref(a);
	assert_int_equal(s.in_use, BUF_LARGE + BUF_SMALL);
	buf_unref(a);
	c = buf_new(&s, 10);
	assert_ptr_equal(c, a); /* last in, first out */
	buf_unref(c);
	buf_unref(b);
	assert_int_equal(s.in_use, 0);
	bufs_release(&s);
}

static void
slices(void **state)
{
	struct bufs s;
	struct buf *a;
	struct slice x, text = {NULL, "abc", 3};

	(void)state;
	assert_int_equal(bufs_init(&s, 1 << 20), 0);
	a = buf_new(&s, 1);
	x = slice_of(a, a->data, 3);
	assert_int_equal(a->refs, 2);
	slice_drop(&x);
	slice_drop(&x);
	slice_drop(&text);
	assert_int_equal(a->refs, 1);
	buf_unref(a);
	bufs_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(classes_and_limit),
	    cmocka_unit_test(slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
