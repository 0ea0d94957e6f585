/* test_strbuf.c - growing text. */
#include "tests/unit/base/unit.h"

#include "base/mem.h"
#include "base/strbuf.h"

static void
all(void **state)
{
	size_t before = mem_live();
	struct strbuf s = STRBUF_INIT;
	char *taken;

	(void)state;
	assert_bytes(strbuf_bytes(&s), "");
	assert_non_null(strbuf_bytes(&s).p);
	strbuf_addz(&s, "a");
	strbuf_addc(&s, 'b');
	strbuf_add(&s, BYTES("cd"));
	strbuf_add(&s, BYTES_NONE);
	strbuf_pad(&s, '.', 3);
	strbuf_printf(&s, "%04d", 42);
	assert_string_equal(s.p, "abcd...0042");
	strbuf_reset(&s);
	assert_bytes(strbuf_bytes(&s), "");
	for (int i = 0; i < 10000; i++)
		strbuf_printf(&s, "%d,", i % 10);
	assert_int_equal(s.n, 20000);
	assert_int_equal(s.p[s.n], 0);
	taken = strbuf_take(&s);
	assert_int_equal(strlen(taken), 20000);
	mem_free(taken);
	assert_null(s.p);
	taken = strbuf_take(&s);
	assert_string_equal(taken, "");
	mem_free(taken);
	strbuf_release(&s);
	assert_int_equal(mem_live(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all)};

	return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
