/* test_msg.c - copies share texts and nothing else; references are counted. */
#include "tests/unit/http/unit.h"

static void
copies(void **state)
{
	static struct msg a, b;
	struct bufs bufs;

	(void)state;
	assert_int_equal(bufs_init(&bufs, 1 << 20), 0);
	msg_init(&a, true);
	a.buf = buf_new(&bufs, 1);
	a.method = BYTES("GET");
	a.host.len = 4;
	memcpy(a.host.name, "h.xy", 5);
	fields_add(&a.fields, BYTES("X-A"), BYTES("1"), FIELD_OTHER);
	msg_copy(&b, &a);
	assert_int_equal(a.buf->refs, 2);
	assert_string_equal(b.host.name, "h.xy");
	fields_remove(&b.fields, BYTES("x-a"));
	fields_add(&b.fields, BYTES("X-B"), BYTES("2"), FIELD_OTHER);
	assert_int_equal(a.fields.n, 1);
	assert_non_null(fields_find(&a.fields, BYTES("x-a")));
	assert_null(fields_find(&b.fields, BYTES("x-a")));
	msg_release(&a);
	msg_release(&a);
	msg_release(&b);
	assert_int_equal(bufs.in_use, 0);
	bufs_release(&bufs);
}

static void
phrases(void **state)
{
	(void)state;
	assert_string_equal(msg_reason(404), "Not Found");
	assert_string_equal(msg_reason(299), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(copies), cmocka_unit_test(phrases)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
