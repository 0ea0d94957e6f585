/* Titles, signals, and what a child's end is called. */
#include "tests/unit/master/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "master/child.h"
#include "master/sig.h"

static void
test_titles(void **state)
{
	static const char *const none[] = {"headgate", "headgate run",
	    "headgate: ", "headgate: nobody", "headgate: worker x", "headgate: worker 256",
	    "headgate: worker -1", "headgate: worker 1 2", "/usr/bin/headgate", ""};
	unsigned slot;

	(void)state;
	assert_int_equal(role_parse("headgate: worker 3", &slot), CHILD_WORKER);
	assert_int_equal(slot, 3);
	assert_int_equal(role_parse("headgate: worker 255", &slot), CHILD_WORKER);
	assert_int_equal(role_parse("headgate: logger", &slot), CHILD_LOGGER);
	assert_int_equal(slot, 0);
	assert_int_equal(role_parse("headgate: compiler", &slot), CHILD_COMPILER);
	for (unsigned i = 0; i < HG_ARRAY_LEN(none); i++)
		assert_int_equal(role_parse(none[i], &slot), CHILD_KINDS);
}

static void
test_title_and_back(void **state)
{
	(void)state;
	for (unsigned k = 0; k < CHILD_KINDS; k++) {
		struct child c = {.kind = (enum child_kind)k, .slot = k == CHILD_WORKER ? 12 : 0};
		char name[32], title[64];
		unsigned slot;

		(void)snprintf(title, sizeof(title), "headgate: %s", child_name(&c, name));
		assert_int_equal(role_parse(title, &slot), k);
		assert_int_equal(slot, c.slot);
	}
}

static void
test_signals(void **state)
{
	(void)state;
	assert_int_equal(sig_intent(SIGUSR2), SIG_RELOAD);
	assert_int_equal(sig_intent(SIGHUP), SIG_RELOAD);
	assert_int_equal(sig_intent(SIGTERM), SIG_STOP);
	assert_int_equal(sig_intent(SIGINT), SIG_STOP);
	assert_int_equal(sig_intent(SIGQUIT), SIG_QUIT);
	assert_int_equal(sig_intent(SIGUSR1), SIG_REOPEN);
	assert_int_equal(sig_intent(SIGPIPE), SIG_NONE);
	assert_int_equal(sig_intent(0), SIG_NONE);
}

static void
test_ends(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(child_end_text(1 << 8, buf), "exit status 1");
	assert_string_equal(child_end_text(SIGSEGV, buf), "killed by SIGSEGV");
	assert_string_equal(child_end_text(SIGSYS, buf), "killed by SIGSYS (jail)");
	assert_string_equal(child_end_text(SIGRTMIN, buf), "killed by signal 34");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_title_and_back),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
