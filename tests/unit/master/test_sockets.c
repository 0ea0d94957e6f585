/* Plans over the table of sockets, on loopback ports that the kernel picks. */
#include "tests/unit/master/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/sockets.h"
#include "net/sock.h"
#include "shm/spec.h"

/* A port of loopback that nobody has at the moment. */
static struct proto_sockkey
free_port(void)
{
	struct proto_sockkey k = {.transport = IM_TCP, .id = 7};
	int fd;

	assert_true(addr_parse(BYTES("127.0.0.1:0"), &k.addr));
	fd = sock_bind(&k.addr, false, true);
	assert_true(fd >= 0);
	assert_true(sock_local(fd, &k.addr));
	close(fd);
	return k;
}

static unsigned
count(const struct sockets *s)
{
	unsigned n = 0;

	LIST_FOREACH (it, &s->listeners)
		n++;
	return n;
}

static void
test_plan_commit_and_leave(void **state)
{
	struct proto_sockkey a = free_port(), b = free_port();
	struct sockets s;
	struct listener *l;
	int fd;

	(void)state;
	sockets_init(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 1), 0);
	assert_int_equal(sockets_bind(&s, &b, 1), 0);
	assert_int_equal(sockets_bind(&s, &a, 1), 0);
	assert_int_equal(count(&s), 2);
	assert_int_equal(sockets_fill(&s, 4), 0);
	assert_int_equal(sockets_commit(&s), 0);
	l = sockets_find(&s, &a);
	assert_non_null(l);
	assert_int_equal(l->nfds, 4);
	fd = l->fds[3];
	assert_false(sockets_listening(l, 3));
	assert_int_equal(sock_listen(fd, 1), 0);
	assert_true(sockets_listening(l, 3));
	assert_false(sockets_listening(l, 2));
	/* The next generation keeps a, as it is, and drops b. */
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 1), 0);
	assert_int_equal(sockets_commit(&s), 1);
	assert_int_equal(sockets_find(&s, &a)->fds[3], fd);
	assert_null(sockets_find(&s, &b));
	l = sockets_find_leaving(&s, &b);
	assert_non_null(l);
	sockets_wait(l, 0);
	sockets_wait(l, 200);
	assert_false(sockets_closed(l, 1));
	assert_false(sockets_closed(l, 200));
	assert_false(sockets_closed(l, 200));
	assert_true(sockets_closed(l, 0));
	assert_false(sockets_closed(l, 0));
	sockets_remove(l);
	assert_int_equal(count(&s), 1);
	sockets_release(&s);
}

static void
test_abort_takes_new_ones_back(void **state)
{
	struct proto_sockkey a = free_port(), b = free_port();
	struct sockets s;
	int fd;

	(void)state;
	sockets_init(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 1), 0);
	assert_int_equal(sockets_fill(&s, 2), 0);
	(void)sockets_commit(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &b, 1), 0);
	sockets_abort(&s);
	assert_non_null(sockets_find(&s, &a));
	assert_null(sockets_find(&s, &b));
	/* The address is free again. */
	fd = sock_bind(&b.addr, false, true);
	assert_true(fd >= 0);
	close(fd);
	sockets_release(&s);
}

static void
test_a_taken_address_is_tried_again(void **state)
{
	struct proto_sockkey a = free_port();
	struct sockets s;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	uint64_t due;

	(void)state;
	assert_int_equal(bind(other, (struct sockaddr *)&ss, addr_to_sock(&a.addr, &ss)), 0);
	assert_int_equal(listen(other, 1), 0);
	sockets_init(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 1000), EADDRINUSE);
	assert_int_equal(sockets_fill(&s, 2), 0);
	(void)sockets_commit(&s);
	due = sockets_due(&s);
	assert_int_equal(due, 1000 + SEC_NS);
	/* Another reload meanwhile does not make it wait longer. */
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 2000), EADDRINUSE);
	(void)sockets_commit(&s);
	assert_int_equal(sockets_due(&s), due);
	assert_false(sockets_retry(&s, due - 1));
	assert_false(sockets_retry(&s, due));
	assert_int_equal(sockets_due(&s), due + 2 * SEC_NS);
	close(other);
	assert_true(sockets_retry(&s, due + 2 * SEC_NS));
	assert_int_equal(sockets_due(&s), 0);
	/* The reload that follows finds it bound. */
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, due), 0);
	(void)sockets_commit(&s);
	assert_non_null(sockets_find(&s, &a));
	sockets_release(&s);
}

static void
test_a_won_address_that_nobody_wants_is_closed(void **state)
{
	struct proto_sockkey a = free_port();
	struct sockets s;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;

	(void)state;
	assert_int_equal(bind(other, (struct sockaddr *)&ss, addr_to_sock(&a.addr, &ss)), 0);
	assert_int_equal(listen(other, 1), 0);
	sockets_init(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &a, 0), EADDRINUSE);
	(void)sockets_commit(&s);
	close(other);
	assert_true(sockets_retry(&s, 10 * SEC_NS));
	sockets_plan(&s);
	assert_int_equal(sockets_commit(&s), 0);
	assert_int_equal(count(&s), 0);
	sockets_release(&s);
}

static void
test_one_address_beside_all(void **state)
{
	struct proto_sockkey a = free_port(), all = a;
	struct sockets s;

	(void)state;
	memset(all.addr.ip, 0, sizeof(all.addr.ip));
	sockets_init(&s);
	sockets_plan(&s);
	assert_int_equal(sockets_bind(&s, &all, 1), 0);
	assert_int_equal(sock_listen(sockets_find(&s, &all)->fds[0], 1), 0);
	/* Ours listens already: it must not be in its own way. */
	assert_int_equal(sockets_bind(&s, &a, 1), 0);
	sockets_release(&s);
}

static void
test_nonsense(void **state)
{
	struct proto_sockkey a = free_port();
	struct sockets s;

	(void)state;
	sockets_init(&s);
	sockets_plan(&s);
	a.addr.port = 0;
	assert_int_equal(sockets_bind(&s, &a, 1), EINVAL);
	a.addr.port = 1;
	a.transport = 9;
	assert_int_equal(sockets_bind(&s, &a, 1), EINVAL);
	assert_int_equal(sockets_due(&s), 0);
	sockets_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_commit_and_leave),
		cmocka_unit_test(test_abort_takes_new_ones_back),
		cmocka_unit_test(test_a_taken_address_is_tried_again),
		cmocka_unit_test(test_a_won_address_that_nobody_wants_is_closed),
		cmocka_unit_test(test_one_address_beside_all),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
