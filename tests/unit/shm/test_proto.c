/* test_proto.c - lengths that can be, contents that must hold, tails that may be cut. */
#include "tests/unit/base/unit.h"

#include <stddef.h>

#include "base/imsg.h"
#include "shm/proto.h"

static unsigned char buf[IMSG_MAX] __attribute__((aligned(16)));

static void
lengths(void **state)
{
	(void)state;
	assert_string_equal(proto_name(PROTO_HELLO), "HELLO");
	assert_string_equal(proto_name(PROTO_STORED), "STORED");
	assert_string_equal(proto_name(0), "?");
	assert_string_equal(proto_name(PROTO_COUNT), "?");
	assert_true(proto_ok(PROTO_OFFER, 0));
	assert_false(proto_ok(PROTO_OFFER, 1));
	assert_true(proto_ok(PROTO_HELLO, sizeof(struct proto_hello)));
	assert_false(proto_ok(PROTO_HELLO, sizeof(struct proto_hello) - 1));
	assert_false(proto_ok(PROTO_NONE, 0));
	assert_false(proto_ok(PROTO_COUNT, 0));
	assert_true(proto_ok(PROTO_OPEN, 1));
	assert_false(proto_ok(PROTO_OPEN, 0));
	assert_true(proto_ok(PROTO_OPEN, 4096));
	assert_false(proto_ok(PROTO_OPEN, 4097));
	assert_true(proto_ok(PROTO_BIND, offsetof(struct proto_bind, v)));
	assert_true(proto_ok(PROTO_BIND, offsetof(struct proto_bind, v[3])));
	assert_false(proto_ok(PROTO_BIND, offsetof(struct proto_bind, v[3]) + 1));
	assert_true(proto_ok(PROTO_BIND, sizeof(struct proto_bind)));
	assert_false(
	    proto_ok(PROTO_BIND, sizeof(struct proto_bind) + sizeof(struct proto_sockkey)));
	assert_true(proto_ok(PROTO_RESULT, sizeof(struct proto_result)));
	assert_false(proto_ok(PROTO_RESULT, sizeof(struct proto_result) - 8));
}

static void
texts(void **state)
{
	struct proto_path *p = (void *)buf;
	uint32_t n;

	(void)state;
	memset(buf, 0x5a, sizeof(buf));
	memcpy(p->path, "/etc/x", 7);
	n = proto_len(PROTO_OPEN, p);
	assert_int_equal(n, 7);
	assert_true(proto_take(PROTO_OPEN, p, n));
	assert_string_equal(p->path, "/etc/x");
	assert_int_equal(p->path[4095], 0); /* what was cut off is zero */
	assert_false(proto_take(PROTO_OPEN, p, 6)); /* without its end */
	memset(buf, 'x', sizeof(buf));
	assert_false(proto_take(PROTO_OPEN, p, 4096));
	memset(buf, 0, sizeof(buf));
	memset(((struct proto_file *)(void *)buf)->ns, 'n', 64);
	assert_false(proto_take(PROTO_FILE, buf, sizeof(struct proto_file)));
	memset(buf, 0, sizeof(buf));
	memset(((struct proto_result *)(void *)buf)->settings.user, 'n', 64);
	assert_false(proto_take(PROTO_RESULT, buf, sizeof(struct proto_result)));
}

static void
lists(void **state)
{
	struct proto_bind *b = (void *)buf;
	struct proto_compile *c = (void *)buf;
	uint32_t n;

	(void)state;
	memset(buf, 0, sizeof(buf));
	b->n = 2;
	n = proto_len(PROTO_BIND, b);
	assert_int_equal(n, offsetof(struct proto_bind, v[2]));
	assert_true(proto_take(PROTO_BIND, b, n));
	b->n = 3; /* more than came */
	assert_false(proto_take(PROTO_BIND, b, n));
	b->n = UINT32_MAX;
	assert_false(proto_take(PROTO_BIND, b, sizeof(*b)));
	memset(buf, 0, sizeof(buf));
	c->nroots = 1;
	memcpy(c->roots[0], "/srv", 5);
	n = proto_len(PROTO_COMPILE, c);
	assert_int_equal(n, offsetof(struct proto_compile, roots[1]));
	assert_true(proto_take(PROTO_COMPILE, c, n));
	memset(c->roots[0], 'x', sizeof(c->roots[0]));
	assert_false(proto_take(PROTO_COMPILE, c, n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
