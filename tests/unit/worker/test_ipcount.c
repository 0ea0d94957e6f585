/*
 * Connections counted by address, against a plain array.
 */
#include "tests/unit/worker/fake.h"

#include "worker/ipcount.h"

static struct addr
ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse_ip(bytes_str(text), &a));
	return a;
}

static void
test_limit(void **state)
{
	struct hash_key seed = {1, 2};
	struct ipcount c;
	struct addr a = ip("10.0.0.1"), b = ip("10.0.0.2"), v6 = ip("2001:db8::1"),
		    same = ip("2001:db8::ffff"), other = ip("2001:db8:0:1::1");

	(void)state;
	ipcount_init(&c, 100, &seed);
	for (int i = 0; i < 3; i++)
		assert_true(ipcount_add(&c, &a, 3));
	assert_false(ipcount_add(&c, &a, 3));
	assert_true(ipcount_add(&c, &b, 3));
	assert_true(ipcount_add(&c, &v6, 2) && ipcount_add(&c, &same, 2));
	assert_false(ipcount_add(&c, &v6, 2)); /* one /64 is one client */
	assert_true(ipcount_add(&c, &other, 2));
	ipcount_sub(&c, &a);
	assert_true(ipcount_add(&c, &a, 3));
	assert_int_equal(ipcount_get(&c, &a), 3);
	ipcount_release(&c);
}

/* Against a plain array: what is added is found, what is taken is gone, and nothing else moves. */
static void
test_random(void **state)
{
	struct hash_key seed = {3, 4};
	struct ipcount c;
	uint32_t want[200] = {0}, open = 0;
	uint64_t r = 12345;

	(void)state;
	ipcount_init(&c, 400, &seed);
	for (int step = 0; step < 50000; step++) {
		struct addr a = {.family = 4};
		uint32_t k;

		r = r * 6364136223846793005ull + 1442695040888963407ull;
		k = (uint32_t)(r >> 33) % 200;
		a.ip[2] = (uint8_t)(k / 16);
		a.ip[3] = (uint8_t)k;
		if ((r >> 20 & 1) && open < 400) {
			assert_true(ipcount_add(&c, &a, 0));
			want[k]++;
			open++;
		} else if (want[k]) {
			ipcount_sub(&c, &a);
			want[k]--;
			open--;
		}
		assert_int_equal(ipcount_get(&c, &a), want[k]);
	}
	for (uint32_t k = 0; k < 200; k++) {
		struct addr a = {.family = 4, .ip = {0, 0, (uint8_t)(k / 16), (uint8_t)k}};

		assert_int_equal(ipcount_get(&c, &a), want[k]);
	}
	ipcount_release(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limit), cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
