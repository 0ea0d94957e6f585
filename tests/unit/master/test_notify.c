/* What arrives at a socket that plays systemd. */
#include "tests/unit/master/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/notify.h"

/* A listener of datagrams at `path` ('@' = abstract). */
static int
listener(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
	    0);
	return fd;
}

static void
expect(int fd, const char *want)
{
	char buf[512];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, want);
}

static void
both(const char *path)
{
	struct notify n;
	int fd = listener(path);
	char buf[512];
	ssize_t len;

	notify_init(&n, path, "30000000", NULL);
	assert_true(n.fd >= 0);
	assert_int_equal(n.watchdog_ms, 10000);
	notify_send(&n, "READY=1\nSTATUS=%s", "ok");
	expect(fd, "READY=1\nSTATUS=ok");
	notify_reloading(&n);
	len = recv(fd, buf, sizeof(buf) - 1, 0);
	assert_true(len > 0);
	buf[len] = '\0';
	assert_non_null(strstr(buf, "RELOADING=1\nMONOTONIC_USEC="));
	notify_release(&n);
	close(fd);
}

static void
test_abstract(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "@headgate-unit-%d", (int)getpid());
	both(path);
}

static void
test_path(void **state)
{
	char dir[] = "/tmp/unit-notify-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/n", dir);
	both(path);
	unlink(path);
	rmdir(dir);
}

static void
test_nobody_listens(void **state)
{
	struct notify n;

	(void)state;
	notify_init(&n, NULL, "1000000", NULL);
	assert_int_equal(n.fd, -1);
	assert_int_equal(n.watchdog_ms, 0);
	notify_send(&n, "READY=1");
	notify_init(&n, "relative/path", NULL, NULL);
	assert_int_equal(n.fd, -1);
	notify_release(&n);
}

static void
test_another_process_watchdog(void **state)
{
	char path[64];
	struct notify n;
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "@headgate-unit-w-%d", (int)getpid());
	fd = listener(path);
	notify_init(&n, path, "30000000", "1");
	assert_true(n.fd >= 0);
	assert_int_equal(n.watchdog_ms, 0);
	notify_release(&n);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_another_process_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
