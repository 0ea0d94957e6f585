/* test_check.c - a failed check says where and ends the process by SIGABRT. */
#include "tests/unit/base/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

static void
failed_check(void **state)
{
	char text[512];
	ssize_t n;
	int p[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(p[1], 2);
		HG_CHECK(1 + 1 == 2);
		HG_CHECK(pid == 1);
		_exit(0);
	}
	close(p[1]);
	n = read(p[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "check failed: pid == 1 (tests/unit/base/test_check.c:"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	close(p[0]);
}

static void
macros(void **state)
{
	struct {
		int a;
		short b;
	} s = {1, 2};
	short *p = &s.b;

	(void)state;
	assert_ptr_equal(HG_CONTAINER(p, __typeof__(s), b), &s);
	assert_int_equal(HG_MIN(1, 2) + HG_MAX(1, 2), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failed_check), cmocka_unit_test(macros),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
