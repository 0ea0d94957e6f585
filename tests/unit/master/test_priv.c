/* Accounts as text, and a forked child that gives its privileges up. */
#include "tests/unit/master/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "master/priv.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "headgate:x:990:980::/:/usr/sbin/nologin\n"
			     "bad:x:abc:1::/:/\n"
			     "cut:x:5\n";
static const char group[] = "root:x:0:\nweb:x:33:a,b\nheadgate:x:980:";

#define PASSWD BYTES(passwd)
#define GROUP BYTES(group)

static void
test_lookup(void **state)
{
	struct priv_user u;

	(void)state;
	assert_true(priv_lookup(PASSWD, GROUP, "headgate", "", &u));
	assert_int_equal(u.uid, 990);
	assert_int_equal(u.gid, 980);
	assert_true(priv_lookup(PASSWD, GROUP, "headgate", "web", &u));
	assert_int_equal(u.gid, 33);
	assert_true(priv_lookup(PASSWD, GROUP, "1234", "55", &u));
	assert_int_equal(u.uid, 1234);
	assert_int_equal(u.gid, 55);
	assert_false(priv_lookup(PASSWD, GROUP, "head", "", &u));
	assert_false(priv_lookup(PASSWD, GROUP, "bad", "", &u));
	assert_false(priv_lookup(PASSWD, GROUP, "cut", "", &u));
	assert_false(priv_lookup(PASSWD, GROUP, "headgate", "nogroup", &u));
	assert_false(priv_lookup(BYTES_NONE, BYTES_NONE, "headgate", "", &u));
	assert_false(priv_lookup(BYTES_NONE, BYTES_NONE, "4294967295", "", &u));
}

static int
dropped(void)
{
	bool root = geteuid() == 0;

	if (priv_drop(root, 65534, 65534, 0) != 0)
		return 1;
	if (root &&
	    (getuid() != 65534 || geteuid() != 65534 || getgid() != 65534 ||
		getgroups(0, NULL) != 0))
		return 2;
	return root && setuid(0) == 0 ? 3 : 0;
}

static void
test_drop(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(dropped());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
