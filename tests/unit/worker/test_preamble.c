/*
 * test_preamble.c - a header comes off a socket to the byte, whole or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "worker/preamble.h"

static int fd[2];

static int
open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
}

static int
close_pair(void **state)
{
	(void)state;
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static void
say(const char *text)
{
	assert_int_equal(write(fd[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void
rest(const char *want)
{
	char text[256];
	ssize_t n = read(fd[0], text, sizeof(text));

	assert_int_equal(n, strlen(want));
	assert_memory_equal(text, want, (size_t)n);
}

static void
whole(void **state)
{
	struct proxyproto h;

	(void)state;
	assert_int_equal(preamble_read(fd[0], IM_PROXY_REQUIRED, &h), PREAMBLE_MORE);
	say("PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r");
	assert_int_equal(preamble_read(fd[0], IM_PROXY_REQUIRED, &h), PREAMBLE_MORE);
	say("\nPROXY TCP4");
	assert_int_equal(preamble_read(fd[0], IM_PROXY_REQUIRED, &h), PREAMBLE_DONE);
	assert_int_equal(h.src.ip[3], 1);
	rest("PROXY TCP4");
}

static void
none(void **state)
{
	struct proxyproto h;

	(void)state;
	say("GET /");
	assert_int_equal(preamble_read(fd[0], IM_PROXY_REQUIRED, &h), PREAMBLE_BAD);
	assert_int_equal(preamble_read(fd[0], IM_PROXY_OPTIONAL, &h), PREAMBLE_NONE);
	rest("GET /");
	say("PROXY TCP4 x\r\n");
	assert_int_equal(preamble_read(fd[0], IM_PROXY_OPTIONAL, &h), PREAMBLE_BAD);
	rest("PROXY TCP4 x\r\n");
	shutdown(fd[1], SHUT_WR);
	assert_int_equal(preamble_read(fd[0], IM_PROXY_OPTIONAL, &h), PREAMBLE_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whole, open_pair, close_pair),
	    cmocka_unit_test_setup_teardown(none, open_pair, close_pair)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
