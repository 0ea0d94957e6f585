/* Folders, locks, and a socket below a long path. */
#include "tests/unit/master/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/dirs.h"

static char root[64], said[2048];

static void
listen_in(void *arg, enum log_level level, struct bytes line)
{
	(void)arg;
	(void)level;
	(void)snprintf(said, sizeof(said), "%.*s", BYTES_ARG(line));
}

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/unit-dirs-XXXXXX");
	log_to(listen_in, NULL);
	return mkdtemp(root) ? 0 : -1;
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static int
teardown(void **state)
{
	(void)state;
	log_to(NULL, NULL);
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
path(char out[256], const char *name)
{
	(void)snprintf(out, 256, "%s/%s", root, name);
}

static void
test_made_locked_named(void **state)
{
	char run[256], st[256], want[64];
	struct dirs d, e;
	struct stat sb;

	(void)state;
	path(run, "a/b/run");
	path(st, "a/state");
	assert_int_equal(dirs_open(&d, run, st, 0700), 0);
	assert_int_equal(stat(st, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0700);
	assert_int_equal(dirs_open(&e, run, st, 0700), -1);
	(void)snprintf(want, sizeof(want), "already running: pid %d", (int)getpid());
	assert_non_null(strstr(said, want));
	dirs_close(&e);
	dirs_close(&d);
	assert_int_equal(dirs_open(&d, run, st, 0700), 0);
	dirs_close(&d);
}

static void
test_one_state_folder_one_master(void **state)
{
	char a[256], b[256], st[256];
	struct dirs d, e;

	(void)state;
	path(a, "run-a");
	path(b, "run-b");
	path(st, "shared");
	assert_int_equal(dirs_open(&d, a, st, 0700), 0);
	assert_int_equal(dirs_open(&e, b, st, 0700), -1);
	dirs_close(&e);
	dirs_close(&d);
	/* One folder for both is fine. */
	assert_int_equal(dirs_open(&d, a, a, 0700), 0);
	dirs_close(&d);
}

static void
test_a_folder_of_others_is_refused(void **state)
{
	char run[256], st[256];
	struct dirs d;

	(void)state;
	path(run, "open");
	path(st, "state2");
	assert_int_equal(mkdir(run, 0700), 0);
	assert_int_equal(chmod(run, 0777), 0);
	assert_int_equal(dirs_open(&d, run, st, 0700), -1);
	assert_non_null(strstr(said, "writable by nobody else"));
	dirs_close(&d);
}

static void
test_socket_below_a_long_path(void **state)
{
	char run[512];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat sb;
	struct dirs d;
	size_t n;
	int l, c;

	(void)state;
	path(run, "");
	n = strlen(run);
	memset(run + n, 'x', 200);
	run[n + 200] = '\0';
	assert_int_equal(dirs_open(&d, run, run, 0700), 0);
	l = dirs_listen(d.runtime, "control.sock", 0600);
	assert_true(l >= 0);
	assert_int_equal(fstatat(d.runtime, "control.sock", &sb, 0), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	(void)snprintf(
	    sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/control.sock", d.runtime);
	c = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(c);
	close(l);
	/* A dead instance's socket is in nobody's way. */
	l = dirs_listen(d.runtime, "control.sock", 0600);
	assert_true(l >= 0);
	close(l);
	assert_int_equal(dirs_put(d.runtime, "reload.json", BYTES("{}\n"), 0644), 0);
	assert_int_equal(fstatat(d.runtime, "reload.json", &sb, 0), 0);
	assert_int_equal(sb.st_size, 3);
	assert_int_equal(sb.st_mode & 0777, 0644);
	dirs_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_made_locked_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_state_folder_one_master, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_folder_of_others_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_socket_below_a_long_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
