/* test_field.c - known names, and the table that is read, edited and joined. */
#include "tests/unit/base/unit.h"

#include <ctype.h>

#include "base/field.h"

static struct field lines[8];
static struct fields t;

static int
fresh(void **state)
{
	(void)state;
	fields_init(&t, lines, HG_ARRAY_LEN(lines));
	return 0;
}

static bool
add(const char *name, const char *value)
{
	return fields_add(&t, bytes_str(name), bytes_str(value), field_id(bytes_str(name)));
}

static void
ids(void **state)
{
	char buf[64];

	(void)state;
	for (unsigned i = 1; i < FIELD_COUNT; i++) {
		struct bytes name = field_name(i);

		assert_int_equal(field_id(name), i);
		for (size_t k = 0; k < name.n; k++)
			buf[k] = (char)toupper((unsigned char)name.p[k]);
		assert_int_equal(field_id(bytes_of(buf, name.n)), i);
		for (size_t k = 0; k < name.n; k++)
			buf[k] = (char)tolower((unsigned char)name.p[k]);
		assert_int_equal(field_id(bytes_of(buf, name.n)), i);
		buf[name.n] = 'x';
		assert_int_equal(field_id(bytes_of(buf, name.n + 1)), FIELD_OTHER);
		buf[0] = '!';
		assert_int_equal(field_id(bytes_of(buf, name.n)), FIELD_OTHER);
	}
	assert_int_equal(field_id(BYTES_NONE), FIELD_OTHER);
	assert_int_equal(field_id(BYTES("\rost")), FIELD_OTHER);
	assert_null(field_name(FIELD_OTHER).p);
	assert_null(field_name(FIELD_COUNT).p);
}

static void
find_and_next(void **state)
{
	struct field *f;

	(void)state;
	assert_true(add("Host", "a") && add("X-One", "1") && add("Cookie", "c1") &&
	    add("x-one", "2") && add("X-Two", "3") && add("cookie", "c2"));
	assert_bytes(fields_get(&t, FIELD_HOST)->value, "a");
	assert_null(fields_get(&t, FIELD_VIA));
	assert_null(fields_get(&t, FIELD_OTHER));
	f = fields_find(&t, BYTES("X-ONE"));
	assert_bytes(f->value, "1");
	f = fields_next(&t, f);
	assert_bytes(f->value, "2");
	assert_null(fields_next(&t, f));
	f = fields_get(&t, FIELD_COOKIE);
	assert_bytes(fields_next(&t, f)->value, "c2");
	assert_null(fields_find(&t, BYTES("x-three")));
}

static void
removing(void **state)
{
	(void)state;
	add("Cookie", "c1");
	add("X-One", "1");
	add("Cookie", "c2");
	t.v[0].flags |= FIELD_GONE;
	assert_bytes(fields_get(&t, FIELD_COOKIE)->value, "c2");
	fields_remove(&t, BYTES("COOKIE"));
	assert_null(fields_get(&t, FIELD_COOKIE));
	assert_true(add("Cookie", "c3"));
	assert_bytes(fields_get(&t, FIELD_COOKIE)->value, "c3");
	fields_remove(&t, BYTES("x-one"));
	assert_null(fields_find(&t, BYTES("x-one")));
	fields_remove(&t, BYTES("never"));
	assert_int_equal(t.n, 4);
}

static void
setting(void **state)
{
	(void)state;
	add("X-One", "1");
	add("Via", "v");
	add("x-one", "2");
	assert_true(fields_set(&t, BYTES("X-ONE"), BYTES("9")));
	assert_bytes(fields_find(&t, BYTES("x-one"))->value, "9");
	assert_null(fields_next(&t, fields_find(&t, BYTES("x-one"))));
	assert_true(fields_set(&t, BYTES("x-new"), BYTES("n")));
	assert_bytes(fields_find(&t, BYTES("X-New"))->value, "n");
	while (add("a", "b"))
		;
	assert_int_equal(t.n, t.cap);
	assert_false(fields_set(&t, BYTES("x-newer"), BYTES("n")));
	assert_true(fields_set(&t, BYTES("via"), BYTES("w")));
}

static void
joining(void **state)
{
	char out[16];
	bool too_long;

	(void)state;
	add("Via", "one");
	add("A", "");
	add("a", "");
	add("Via", "two");
	add("B", NULL);
	assert_null(fields_joined(&t, BYTES("c"), out, sizeof(out), &too_long).p);
	assert_false(too_long);
	assert_bytes(fields_joined(&t, BYTES("via"), out, sizeof(out), &too_long), "one, two");
	assert_bytes(fields_joined(&t, BYTES("a"), out, sizeof(out), &too_long), ", ");
	assert_non_null(fields_joined(&t, BYTES("b"), out, sizeof(out), &too_long).p);
	assert_bytes(fields_joined(&t, BYTES("via"), out, 8, &too_long), "one, two");
	assert_null(fields_joined(&t, BYTES("via"), out, 7, &too_long).p);
	assert_true(too_long);
	fields_remove(&t, BYTES("a"));
	add("a", "x");
	assert_ptr_equal(fields_joined(&t, BYTES("a"), out, 0, &too_long).p, lines[5].value.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids), cmocka_unit_test_setup(find_and_next, fresh),
	    cmocka_unit_test_setup(removing, fresh), cmocka_unit_test_setup(setting, fresh),
	    cmocka_unit_test_setup(joining, fresh),
	};

	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
