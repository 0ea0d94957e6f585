/* test_log.c - the line's shape, cleaning, levels and the limit of each call site. */
#include "tests/unit/base/unit.h"

#include <stdio.h>

#include "base/log.h"

static char last[4096];
static size_t last_n;
static unsigned lines;

static void
catch(void *arg, enum log_level level, struct bytes line)
{
	(void)level;
	assert_ptr_equal(arg, &lines);
	assert_true(line.n < sizeof(last));
	memcpy(last, line.p, line.n);
	last[line.n] = '\0';
	last_n = line.n;
	lines++;
}

static int
set_up(void **state)
{
	(void)state;
	log_init("test");
	log_level(LOG_DEBUG);
	log_to(catch, &lines);
	lines = 0;
	return 0;
}

static void
shape(void **state)
{
	(void)state;
	log_info("generation %d applied gen=%d", 2, 2);
	assert_int_equal(lines, 1);
	assert_string_equal(last + 24, " info test: generation 2 applied gen=2\n");
	assert_true(last[4] == '-' && last[10] == 'T' && last[19] == '.' && last[23] == 'Z');
	log_warn("name=%s", "a\nb\x1b[0m\x7f");
	assert_string_equal(last + 24, " warn test: name=a?b?[0m?\n");
}

static void
long_lines(void **state)
{
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_error("%s", text);
	assert_true(last_n <= 2048);
	assert_int_equal(last[last_n - 1], '\n');
	assert_int_equal(last[last_n - 2], 'x');
}

static void
levels(void **state)
{
	(void)state;
	log_level(LOG_WARN);
	log_info("not seen");
	log_debug("not seen either");
	assert_int_equal(lines, 0);
	log_error("seen");
	assert_int_equal(lines, 1);
}

static void
limit(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		log_info("flood %d", i);
	assert_int_equal(lines, 10);
	log_info("another site");
	assert_int_equal(lines, 11);
	for (int i = 0; i < 100; i++)
		log_debug("debug %d", i);
	assert_int_equal(lines, 111);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(shape, set_up), cmocka_unit_test_setup(long_lines, set_up),
	    cmocka_unit_test_setup(levels, set_up), cmocka_unit_test_setup(limit, set_up),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
