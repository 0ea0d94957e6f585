/* test_list.c - the intrusive list. */
#include "tests/unit/base/unit.h"

#include "base/list.h"

struct item {
	int v;
	struct list link;
};

static void
all(void **state)
{
	struct list head;
	struct item items[4] = {{.v = 0}, {.v = 1}, {.v = 2}, {.v = 3}};
	int sum = 0, order = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	list_append(&head, &items[1].link);
	list_append(&head, &items[2].link);
	list_push(&head, &items[0].link);
	list_append(&head, &items[3].link);
	LIST_FOREACH(it, &head)
		order = order * 10 + LIST_ENTRY(it, struct item, link)->v;
	assert_int_equal(order, 123);
	list_del(&items[2].link);
	list_del(&items[2].link);
	LIST_FOREACH_SAFE(it, tmp, &head) {
		sum += LIST_ENTRY(it, struct item, link)->v;
		list_del(it);
	}
	assert_int_equal(sum, 4);
	assert_true(list_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all)};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
