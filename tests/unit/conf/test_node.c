/* test_node.c - conf/read/node.c. */
#include "tests/unit/conf/read_help.h"

static struct node *
one(struct result *r, const char *text)
{
	read_as(r, "t.yaml", bytes_str(text));
	assert_string_equal(r->text.p, "");
	return r->first;
}

static void
test_get_and_path(void **state)
{
	struct result r = {0};
	struct node *n =
	    one(&r, "metadata: {name: web}\nspec:\n  a:\n  - b: 1\n  - [x, y]\nnone: null\n");

	(void)state;
	assert_true(bytes_eq(node_text(node_path(n, "metadata.name")), BYTES("web")));
	assert_int_equal(node_path(n, "spec.a[0].b")->integer, 1);
	assert_true(bytes_eq(node_path(n, "spec.a[1][1]")->text, BYTES("y")));
	assert_null(node_path(n, "spec.a[2]"));
	assert_null(node_path(n, "spec.a[x]"));
	assert_null(node_path(n, "spec.a[0].c.d"));
	assert_null(node_path(n, "metadata.name.x"));
	assert_null(node_get(n, "none"));
	assert_null(node_get(NULL, "x"));
	assert_null(node_text(NULL).p);
	assert_ptr_equal(node_path(n, ""), n);
	result_free(&r);
}

static void
test_where(void **state)
{
	struct result r = {0};
	struct node *n = one(&r,
	    "metadata:\n  annotations: {a.b/c: x, plain-1: y}\nspec: {rules: [{}, {ports: [[1, "
	    "2]]}]}\n");

	(void)state;
	assert_string_equal(node_where(&r.arena, n), "");
	n = node_path(r.first, "metadata.annotations");
	assert_string_equal(node_where(&r.arena, n->first), "metadata.annotations[a.b/c]");
	assert_string_equal(node_where(&r.arena, n->last), "metadata.annotations.plain-1");
	assert_string_equal(node_where(&r.arena, node_path(r.first, "spec.rules[1].ports[0][1]")),
	    "spec.rules[1].ports[0][1]");
	result_free(&r);
}

static void
test_copy_and_equal(void **state)
{
	struct result r = {0}, s = {0};
	struct node *a = one(&r, "a: 1\nb: [x, {c: true, d: 1.5}]\n");
	struct node *b = one(&s, "b:\n- x\n- d: 1.5\n  c: true\na: 1\n");
	struct node *c = node_copy(&s.arena, a);

	(void)state;
	assert_true(node_equal(a, b));
	assert_true(node_equal(a, c));
	check_tree(c, NULL, 1);
	assert_int_equal(node_get(c, "b")->at.line, 2);
	node_path(c, "b[1].c")->boolean = false;
	assert_false(node_equal(a, c));
	node_path(b, "b[1].d")->real = 2;
	assert_false(node_equal(a, b));
	assert_true(node_equal(NULL, NULL));
	assert_false(node_equal(a, NULL));
	result_free(&r);
	result_free(&s);
}

static void
test_equal_needs_type(void **state)
{
	struct result r = {0};
	struct node *n = one(&r, "a: [1, \"1\", {}, []]\nb: {x: 1}\nc: {z: 1}\n");

	(void)state;
	assert_false(node_equal(node_path(n, "a[0]"), node_path(n, "a[1]")));
	assert_false(node_equal(node_path(n, "a[2]"), node_path(n, "a[3]")));
	assert_false(node_equal(node_get(n, "b"), node_get(n, "c")));
	result_free(&r);
}

static void
test_prune(void **state)
{
	struct result r = {0};
	struct node *n = one(&r, "a: null\nb: {c: ~, d: {e: }}\nf: [1, null]\ng:\n");
	struct strbuf out = STRBUF_INIT;
	struct json j;

	(void)state;
	node_prune_nulls(n);
	check_tree(n, NULL, 1);
	json_init(&j, &out, false);
	print_node(n, &j);
	assert_string_equal(out.p, "{\"b\":{\"d\":{}},\"f\":[1]}");
	strbuf_release(&out);
	result_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_and_path),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_copy_and_equal),
		cmocka_unit_test(test_equal_needs_type),
		cmocka_unit_test(test_prune),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
