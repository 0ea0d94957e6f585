/* test_lru.c - the bounded table. */
#include "tests/unit/base/unit.h"

#include "base/lru.h"

struct item {
	struct lru_item lru;
	int v;
};

static struct hash128
key(uint64_t a, uint64_t b)
{
	return (struct hash128){a, b};
}

static int
value(struct lru_item *it)
{
	return it ? HG_CONTAINER(it, struct item, lru)->v : -1;
}

static void
bound(void **state)
{
	struct item items[4] = {{.v = 0}, {.v = 1}, {.v = 2}, {.v = 3}};
	struct lru l;

	(void)state;
	lru_init(&l, 3);
	assert_int_equal(value(lru_last(&l)), -1);
	for (unsigned i = 0; i < 3; i++) {
		assert_null(lru_surplus(&l));
		lru_add(&l, &items[i].lru, key(i, i));
	}
	assert_int_equal(value(lru_surplus(&l)), 0);
	assert_int_equal(value(lru_get(&l, key(0, 0))), 0);
	assert_int_equal(value(lru_surplus(&l)), 1);
	lru_remove(&l, &items[1].lru);
	assert_null(lru_surplus(&l));
	assert_null(lru_get(&l, key(1, 1)));
	lru_add(&l, &items[3].lru, key(3, 3));
	assert_int_equal(value(lru_surplus(&l)), 2);
	for (struct lru_item *it; (it = lru_last(&l));)
		lru_remove(&l, it);
	lru_release(&l);
}

/* One bucket, and halves of keys that are the same. */
static void
chain(void **state)
{
	struct item items[3] = {{.v = 0}, {.v = 1}, {.v = 2}};
	struct lru l;

	(void)state;
	lru_init(&l, 3);
	lru_add(&l, &items[0].lru, key(8, 1));
	lru_add(&l, &items[1].lru, key(8, 2));
	lru_add(&l, &items[2].lru, key(16, 1));
	assert_int_equal(value(lru_get(&l, key(8, 1))), 0);
	assert_int_equal(value(lru_get(&l, key(16, 1))), 2);
	assert_null(lru_get(&l, key(16, 2)));
	lru_remove(&l, &items[1].lru); /* in the middle of its chain */
	assert_null(lru_get(&l, key(8, 2)));
	assert_int_equal(value(lru_get(&l, key(8, 1))), 0);
	assert_int_equal(value(lru_get(&l, key(16, 1))), 2);
	lru_remove(&l, &items[0].lru);
	lru_remove(&l, &items[2].lru);
	lru_release(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bound), cmocka_unit_test(chain)};

	return cmocka_run_group_tests_name("lru", tests, NULL, NULL);
}
