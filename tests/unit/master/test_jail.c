/* Each role's filter, entered by a forked child that then tries things. */
#include "tests/unit/master/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/jail.h"

/* Exit status of `act` inside the jail, or 128 + the signal that ended it. */
static int
jailed(enum jail_profile profile, int (*act)(void), char *report, size_t cap)
{
	int status, pipefd[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipefd[1], STDERR_FILENO);
		close(pipefd[0]);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || jail_enter(profile, "unit") != 0)
			_exit(99);
		_exit(act());
	}
	close(pipefd[1]);
	n = read(pipefd[0], report, cap - 1);
	report[n > 0 ? n : 0] = '\0';
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int
try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int
try_create(void)
{
	return open("/tmp/unit-jail-made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int
try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st) != 0 ? errno : 0;
}

static int
try_fstat(void)
{
	struct stat st;

	return fstat(0, &st) != 0 ? errno : 0;
}

static int
try_exec_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED ?
	    errno :
	    0;
}

static int
try_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED ?
	    errno :
	    0;
}

static int
try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int
try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int
try_execve(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	execve("/bin/true", argv, NULL);
	return 0;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int
try_kill_parent(void)
{
	return kill(getppid(), 0) != 0 ? errno : 0;
}

static int
try_abort(void)
{
	abort();
}

static int
try_memfd(void)
{
	return memfd_create("x", MFD_CLOEXEC) < 0 ? errno : 0;
}

#ifndef HG_SAN
#define DIES (128 + SIGSYS)

static void
test_table(void **state)
{
	static const struct {
		enum jail_profile profile;
		int (*act)(void);
		int want;
	} rows[] = {
		/* what libraries try: an error */
		{JAIL_WORKER, try_open, EACCES}, {JAIL_WORKER, try_stat, EACCES},
		{JAIL_WORKER, try_exec_map, EPERM},
		{JAIL_COMPILER, try_open, EACCES}, {JAIL_LOGGER, try_open, EACCES},
		{JAIL_HELPER, try_open, EACCES},
		{JAIL_WORKER, try_netlink, EAFNOSUPPORT},
		/* what a role is for */
		{JAIL_WORKER, try_inet, 0}, {JAIL_HELPER, try_inet, 0}, {JAIL_WORKER, try_map, 0},
		{JAIL_WORKER, try_fstat, 0}, {JAIL_READER, try_open, 0}, {JAIL_READER, try_stat, 0},
		{JAIL_COMPILER, try_memfd, 0}, {JAIL_WORKER, try_abort, 128 + SIGABRT},
		/* what it is not */
		{JAIL_READER, try_create, EACCES}, {JAIL_READER, try_inet, DIES},
		{JAIL_COMPILER, try_inet, DIES},
		{JAIL_LOGGER, try_inet, DIES}, {JAIL_WRITER, try_inet, DIES},
		{JAIL_WORKER, try_memfd, DIES},
		{JAIL_WORKER, try_execve, DIES}, {JAIL_COMPILER, try_execve, DIES},
		{JAIL_READER, try_execve, DIES},
		{JAIL_WRITER, try_execve, DIES}, {JAIL_LOGGER, try_execve, DIES},
		{JAIL_HELPER, try_execve, DIES},
		{JAIL_WORKER, try_fork, DIES}, {JAIL_COMPILER, try_fork, DIES},
		{JAIL_WORKER, try_kill_parent, DIES},
	};
	char report[256];

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		int got = jailed(rows[i].profile, rows[i].act, report, sizeof(report));

		if (got != rows[i].want)
			fail_msg("row %u: %d is not %d: %s", i, got, rows[i].want, report);
	}
}

static void
test_report_names_role_and_call(void **state)
{
	char report[256];

	(void)state;
	assert_int_equal(jailed(JAIL_WORKER, try_execve, report, sizeof(report)), DIES);
	assert_non_null(strstr(report, "unit: jail: system call "));
	assert_non_null(strstr(report, "(execve)"));
}
#endif

static void
test_programs_fit(void **state)
{
	struct sock_filter out[JAIL_PROGRAM_MAX];

	(void)state;
	for (enum jail_profile p = JAIL_COMPILER; p <= JAIL_HELPER; p++) {
		unsigned n = jail_program(p, 1, out, JAIL_PROGRAM_MAX);

		assert_in_range(n, 50, JAIL_PROGRAM_MAX);
		/* Whatever is not in the table traps. */
		assert_int_equal(out[n - 1].code, BPF_RET | BPF_K);
		assert_int_not_equal(out[n - 1].k, 0x7fff0000u);
	}
}

static int
try_landlocked(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC), e;

	if (fd < 0)
		return 1;
	e = open("/tmp/unit-jail-made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? errno : 0;
	return e == EACCES ? 0 : 2;
}

static void
test_landlock(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(jail_read_only() ? try_landlocked() : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef HG_SAN /* a sanitizer build has no filter */
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_report_names_role_and_call),
#endif
		cmocka_unit_test(test_programs_fit),
		cmocka_unit_test(test_landlock),
	};

#ifdef HG_SAN
	(void)jailed;
	(void)try_open;
	(void)try_create;
	(void)try_stat;
	(void)try_fstat;
	(void)try_exec_map;
	(void)try_map;
	(void)try_inet;
	(void)try_netlink;
	(void)try_execve;
	(void)try_fork;
	(void)try_kill_parent;
	(void)try_abort; (void)try_memfd;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
