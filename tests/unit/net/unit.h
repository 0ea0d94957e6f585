/* unit.h - what every test of net includes, in the order that CMocka wants, and a loop with a pair
 * of sockets. */
#ifndef TESTS_UNIT_NET_UNIT_H
#define TESTS_UNIT_NET_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>

#include "net/chan.h"

static inline void
turns(struct loop *l, int n)
{
	while (n-- > 0)
		loop_turn(l, 0);
}

/* A non-blocking pair. */
static inline void
pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

#endif
