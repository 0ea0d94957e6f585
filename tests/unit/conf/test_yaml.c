/* test_yaml.c - conf/read/yaml*.c and scalar.c. */
#include "tests/unit/conf/read_help.h"

#include <math.h>

#include "conf/read/scalar.h"

static void
test_documents(void **state)
{
	(void)state;
	assert_yaml("a: 1\n", "{\"a\":1}");
	assert_yaml("---\na: 1\n---\nb: x\n...\n---\n# nothing\n---\nc: []\n",
	    "{\"a\":1}\n{\"b\":\"x\"}\n{\"c\":[]}");
	assert_yaml("\xef\xbb\xbf" "a: 1\r\nb:\r\n- x\r\n", "{\"a\":1,\"b\":[\"x\"]}");
	assert_yaml("%YAML 1.1\n---\na: 1\n", "{\"a\":1}");
	assert_yaml("{\n\t\"a\": 1,\n\t\"b\": [true, null, \"x\\u00e9\\n\"]\n}\n",
	    "{\"a\":1,\"b\":[true,null,\"x\xc3\xa9\\n\"]}");
	assert_yaml("a: [\n1\n]\nb: {\nx: 1\n}\n", "{\"a\":[1],\"b\":{\"x\":1}}");
	assert_yaml("a: |\n  x\n   y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\n y\\n\",\"b\":\"x y\"}");
	assert_yaml("a:\nb: ~\nc: ''\n", "{\"a\":null,\"b\":null,\"c\":\"\"}");
	assert_yaml("a: x # c\nb: \"#\"\n", "{\"a\":\"x\",\"b\":\"#\"}");
}

/* What libfyaml 0.7.12 decodes wrongly, and what must come out. */
static void
test_texts(void **state)
{
	(void)state;
	assert_yaml("a: '''''''x'''''\n", "{\"a\":\"'''x''\"}");
	assert_yaml(
	    "a: 'p == ''''\n  || q == ''''\n\n  r'\n", "{\"a\":\"p == '' || q == ''\\nr\"}");
	assert_yaml("a: \"x  \n   y \\\n  \\  z\\\n\n  w \"\n", "{\"a\":\"x y   z\\nw \"}");
	assert_yaml("a: \"\\t\\x41\\u00e9\\U0001F600\\ud83d\\ude00\\/\\_\"\n",
	    "{\"a\":\"\\tA\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80/\xc2\xa0\"}");
	assert_yaml("a: x\n  y\n\n  z  # c\nb: 1\n", "{\"a\":\"x y\\nz\",\"b\":1}");
	assert_yaml("a:\r\n  k: >-\r\n     ,\r\n\r\n      #:\r\n     x\r\nb: |\r\n  l1\r\n  l2\r\n",
	    "{\"a\":{\"k\":\",\\n\\n #:\\nx\"},\"b\":\"l1\\nl2\\n\"}");
	assert_yaml("a: |+\n  x\n\n---\nb: >\n\n  x\n  y\n\n  z\n",
	    "{\"a\":\"x\\n\\n\"}\n{\"b\":\"\\nx y\\nz\\n\"}");
	assert_yaml("'it''s': 1\n\"a\\tb\": 2\n", "{\"it's\":1,\"a\\tb\":2}");
}

static void
test_empty(void **state)
{
	(void)state;
	assert_bad("t.yaml", "", "t.yaml: warning[HG2000]: file defines nothing\n");
	assert_bad("t.yaml", "---\n# x\n---\n", "t.yaml: warning[HG2000]: file defines nothing\n");
	assert_bad("t.yaml", "- a\n",
	    "t.yaml:1:1: error[HG0012]: document is not a mapping of keys to values\n");
}

static void
test_plain_types(void **state)
{
	(void)state;
	assert_yaml("a: [true, True, TRUE, yes, Yes, YES, on, On, ON, y, Y]\n",
	    "{\"a\":[true,true,true,true,true,true,true,true,true,true,true]}");
	assert_yaml("a: [false, no, off, n, N, NO, OFF]\n",
	    "{\"a\":[false,false,false,false,false,false,false]}");
	assert_yaml("a: [tRue, yES, nul, nULL, oN]\n",
	    "{\"a\":[\"tRue\",\"yES\",\"nul\",\"nULL\",\"oN\"]}");
	assert_yaml("a: [null, Null, NULL, ~]\n", "{\"a\":[null,null,null,null]}");
	assert_yaml("a: [0, 1, -1, +7, 0x1F, 0777, 0o17, 0b101, 1_000, 08, 00, 010, -0x10]\n",
	    "{\"a\":[0,1,-1,7,31,511,15,5,1000,8,0,8,-16]}");
	assert_yaml("a: [9223372036854775807, -9223372036854775808]\n",
	    "{\"a\":[9223372036854775807,-9223372036854775808]}");
	assert_yaml("a: [80.0, 1e3, .5, 5., 1.5e-1, -2.5]\n", "{\"a\":[80,1000,0.5,5,0.15,-2.5]}");
	assert_yaml(
	    "a: [0x, 1a, 1e, e5, \"1\", '1', 1.2.3, 0xZ, +, ., .., 1:30, 2001-01-01, _1, 1e999]\n",
	    "{\"a\":[\"0x\",\"1a\",\"1e\",\"e5\",\"1\",\"1\",\"1.2.3\",\"0xZ\",\"+\",\".\","
	    "\"..\",\"1:30\","
	    "\"2001-01-01\",\"_1\",\"1e999\"]}");
	assert_yaml(
	    "a: [!!str 1, !!int \"7\", !!bool 'yes', !!float 3, !!null '', !!seq [], !!map {}]\n",
	    "{\"a\":[\"1\",7,true,3,null,[],{}]}");
	assert_bad("t.yaml", "a: .inf\nb: -.Inf\nc: .nan\n",
	    "t.yaml:1:4: error[HG0013]: .inf is not a number that an object can hold\n"
	    "t.yaml:2:4: error[HG0013]: -.Inf is not a number that an object can hold\n"
	    "t.yaml:3:4: error[HG0013]: .nan is not a number that an object can hold\n");
}

static void
test_big_integers(void **state)
{
	struct result r = {0};

	(void)state;
	read_as(&r, "t.yaml",
	    BYTES("a: 18446744073709551615\nb: 9223372036854775808\nc: -9223372036854775809\n"));
	assert_int_equal(r.diags.errors, 0);
	assert_int_equal(node_get(r.first, "a")->type, NODE_FLOAT);
	assert_true(node_get(r.first, "a")->real == 0x1p64);
	assert_int_equal(node_get(r.first, "b")->type, NODE_FLOAT);
	assert_int_equal(node_get(r.first, "c")->type, NODE_FLOAT);
	assert_true(node_get(r.first, "c")->real == -0x1p63);
	result_free(&r);
}

static void
test_keys(void **state)
{
	(void)state;
	assert_yaml("1: a\n0x10: b\n1.5: c\n100.0: d\ntrue: e\n\"on\": f\n",
	    "{\"1\":\"a\",\"16\":\"b\",\"1.5\":\"c\",\"100\":\"d\",\"true\":\"e\",\"on\":\"f\"}");
	assert_bad(
	    "t.yaml", "on: x\n", "t.yaml:1:1: warning[HG2002]: key on is read as \"true\"\n");
	assert_bad("t.yaml", "~: x\n", "t.yaml:1:1: error[HG0010]: null cannot be a key\n");
	assert_bad(
	    "t.yaml", "? [a, b]\n: x\n", "t.yaml:1:3: error[HG0010]: a list cannot be a key\n");
	assert_bad("t.yaml", "a: 1\nb: {c: 1, c: 2}\n\"a\": 3\n",
	    "t.yaml:2:11: error[HG0005]: key \"c\" is given twice\n"
	    "t.yaml:3:1: error[HG0005]: key \"a\" is given twice\n");
	assert_bad(
	    "t.yaml", "1: x\n\"1\": y\n", "t.yaml:2:1: error[HG0005]: key \"1\" is given twice\n");
}

static void
test_duplicate_in_big_map(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	for (int i = 0; i < 5000; i++)
		strbuf_printf(&b, "k%d: %d\n", i, i);
	strbuf_addz(&b, "k4000: x\nk3: x\n");
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_int_equal(r.n, 0);
	assert_string_equal(r.text.p, "t.yaml:5001:1: error[HG0005]: key \"k4000\" is given twice\n"
	    "t.yaml:5002:1: error[HG0005]: key \"k3\" is given twice\n");
	assert_string_equal(r.diags.first->help[0].p, "the first one is at line 4001, column 1");
	result_free(&r);
	strbuf_release(&b);
}

static void
test_aliases(void **state)
{
	(void)state;
	assert_yaml("a: &x {b: [1, 2]}\nc: *x\nd: &y z\ne: [*y, *y]\n",
	    "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]},\"d\":\"z\",\"e\":[\"z\",\"z\"]}");
	assert_yaml("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
	assert_yaml("a: &x k\n*x : v\n", "{\"a\":\"k\",\"k\":\"v\"}");
	assert_bad("t.yaml", "a: *x\nb: &x 1\n",
	    "t.yaml:1:4: error[HG0008]: alias refers to an anchor \"x\" that is not defined "
	    "before it\n");
	assert_bad("t.yaml", "a: &x [*x]\n",
	    "t.yaml:1:8: error[HG0008]: alias \"x\" stands inside the node that it refers to\n");
	/* Anchors end with their document. */
	assert_bad("t.yaml", "a: &x 1\n---\nb: *x\n",
	    "t.yaml:3:4: error[HG0008]: alias refers to an anchor \"x\" that is not defined "
	    "before it\n");
}

static void
test_merge(void **state)
{
	(void)state;
	assert_yaml("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
	    "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}");
	/* The first of a list wins. */
	assert_yaml("a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc:\n  <<: [*x, *y]\n",
	    "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"r\":3},\"c\":{\"p\":1,\"r\":3}}");
	assert_yaml("a:\n  <<: {p: 1}\n  q: 2\n", "{\"a\":{\"p\":1,\"q\":2}}");
	assert_yaml("\"<<\": 1\n", "{\"<<\":1}");
	assert_yaml("a: <<\n", "{\"a\":\"<<\"}");
	assert_bad("t.yaml", "<<: 1\n",
	    "t.yaml:1:5: error[HG0009]: merge key << takes a mapping or a list of mappings\n");
	assert_bad("t.yaml", "<<: [{a: 1}, 2]\n",
	    "t.yaml:1:5: error[HG0009]: merge key << takes a mapping or a list of mappings\n");
	assert_bad("t.yaml", "a: &x {p: 1}\nb:\n  p: 2\n  <<: *x\n",
	    "t.yaml:4:3: warning[HG2001]: merge key replaces \"p\" of line 3\n");
	/* A key after << may replace, once. */
	assert_bad("t.yaml", "<<: {p: 1}\np: 2\np: 3\n",
	    "t.yaml:3:1: error[HG0005]: key \"p\" is given twice\n");
}

static void
test_tags(void **state)
{
	(void)state;
	assert_bad("t.yaml", "a: !Ref x\nb: !!binary eA==\nc: !<tag:x,2020:y> {}\nd: !!map [1]\n",
	    "t.yaml:1:4: error[HG0006]: tag !Ref cannot be used here\n"
	    "t.yaml:2:4: error[HG0006]: tag tag:yaml.org,2002:binary cannot be used here\n"
	    "t.yaml:3:4: error[HG0006]: tag tag:x,2020:y cannot be used here\n"
	    "t.yaml:4:4: error[HG0006]: tag tag:yaml.org,2002:map cannot be used here\n");
	assert_bad(
	    "t.yaml", "a: !!int x\n", "t.yaml:1:10: error[HG0007]: \"x\" does not fit its tag\n");
}

static void
test_text(void **state)
{
	struct result r = {0};

	(void)state;
	assert_bad("t.yaml", "a: 1\nb: \xc3\xa4\xff\n",
	    "t.yaml:2:5: error[HG0002]: byte 0xff at offset 10 is not UTF-8\n");
	assert_bad("t.yaml", "a: \x01\n",
	    "t.yaml:1:4: error[HG0003]: control character 0x01 at offset 3\n");
	assert_bad("t.yaml", "a: \xc2\x9f\n",
	    "t.yaml:1:4: error[HG0003]: control character 0xc2 at offset 3\n");
	read_as(&r, "t.yaml", BYTES("a: 1\0b: 2\n"));
	assert_string_equal(
	    r.text.p, "t.yaml:1:5: error[HG0003]: control character 0x00 at offset 4\n");
	result_free(&r);
	read_as(&r, "t.yaml", BYTES("\xff\xfe" "a\0:\0"));
	assert_int_equal(r.diags.first->code, CODE_NOT_UTF8);
	assert_non_null(strstr(r.diags.first->help[0].p, "UTF-16"));
	result_free(&r);
	assert_bad(
	    "t.yaml", "a: \"x\\0y\"\n", "t.yaml:1:4: error[HG0018]: text holds a zero byte\n");
}

static void
test_syntax(void **state)
{
	(void)state;
	assert_bad(
	    "t.yaml", "a: 1\n\tb: 2\n", "t.yaml:2:1: error[HG0004]: tab used as indentation\n");
	assert_bad("t.yaml", "a:\n\t- b\n", "t.yaml:2:1: error[HG0004]: tab used as indentation\n");
	assert_bad("t.yaml", "a:\n  b: 1\n c: 2\n",
	    "t.yaml:3:2: error[HG0001]: key does not line up with the keys above it\n");
	assert_bad("t.yaml", "a: b: c\n", "t.yaml:1:5: error[HG0001]: second `: ` on one line\n");
	assert_bad(
	    "t.yaml", "a: @x\n", "t.yaml:1:4: error[HG0001]: plain scalar cannot start with '@'\n");
	assert_bad(
	    "t.yaml", "a: \"x\n", "t.yaml:1:4: error[HG0001]: text in quotes does not end\n");
	assert_bad(
	    "t.yaml", "a:b\nc: d\n", "t.yaml:1:1: error[HG0001]: text where a key is expected\n");
}

static void
test_documents_before_an_error(void **state)
{
	struct result r = {0};

	(void)state;
	read_as(&r, "t.yaml", BYTES("a: 1\n---\nb: 2\n---\nc: [\n---\nd: 1\n"));
	assert_int_equal(r.code, 1);
	assert_string_equal(r.json.p, "{\"a\":1}\n{\"b\":2}\n");
	assert_int_equal(r.diags.errors, 1);
	assert_non_null(strstr(r.diags.first->effect.p, "rest of this file"));
	result_free(&r);
	/* A content error costs its document only. */
	read_as(&r, "t.yaml", BYTES("a: 1\n---\nb: 2\nb: 3\n---\nc: 1\n"));
	assert_int_equal(r.code, 1);
	assert_string_equal(r.json.p, "{\"a\":1}\n{\"c\":1}\n");
	result_free(&r);
	r.stop_at = 2;
	read_as(&r, "t.yaml", BYTES("a: 1\n---\nb: 2\n---\nc: 1\n"));
	assert_int_equal(r.code, -1);
	assert_int_equal(r.n, 2);
	result_free(&r);
}

static void
assert_mark(struct mark m, unsigned line, unsigned col, unsigned endcol)
{
	assert_int_equal(m.line, line);
	assert_int_equal(m.col, col);
	assert_int_equal(m.endcol, endcol);
}

static void
test_marks(void **state)
{
	struct result r = {0};
	struct node *n;

	(void)state;
	read_as(&r, "t.yaml",
	    BYTES(
		"# c\nkind: X\n---\nmeta:\n  \"name\": 'ab'\n  \xc3\xa4: [x, {k: z}]\nlast: |\n  "
		"text\nnone:\n"));
	assert_string_equal(r.text.p, "");
	n = r.roots[1];
	assert_int_equal(n->doc->index, 1);
	assert_int_equal(n->doc->first_line, 3);
	assert_int_equal(n->doc->last_line, 9);
	assert_mark(n->at, 4, 1, 5);
	n = node_path(r.roots[1], "meta.name");
	assert_mark(n->key_at, 5, 3, 9);
	assert_mark(n->at, 5, 11, 15);
	n = node_path(r.roots[1], "meta.\xc3\xa4");
	assert_mark(n->key_at, 6, 3, 4);
	assert_mark(n->at, 6, 6, 7);
	n = node_path(r.roots[1], "meta.\xc3\xa4[1].k");
	assert_mark(n->key_at, 6, 11, 12);
	assert_mark(n->at, 6, 14, 15);
	assert_mark(node_get(r.roots[1], "last")->at, 8, 3, 7);
	n = r.roots[1]->last;
	assert_int_equal(n->type, NODE_NULL);
	assert_mark(n->at, 9, 5, 6);
	result_free(&r);
}

static void
test_lists(void **state)
{
	struct result r = {0};

	(void)state;
	read_as(&r, "t.yaml",
	    BYTES(
		"apiVersion: v1\nkind: List\nitems:\n- kind: A\n  x: [1]\n- kind: List\n  items:\n"
		"  - kind: B\n- 7\n"));
	assert_int_equal(r.code, 1);
	assert_string_equal(r.json.p, "{\"kind\":\"A\",\"x\":[1]}\n{\"kind\":\"B\"}\n");
	assert_string_equal(
	    r.text.p, "t.yaml:9:3: error[HG0115]: resource is not a mapping of keys to values\n");
	assert_string_equal(node_where(&r.arena, node_path(r.roots[0], "x[0]")), "x[0]");
	result_free(&r);
	assert_yaml(
	    "apiVersion: g/v1\nkind: HTTPRouteList\nitems:\n- x: 1\n- kind: Q\n  apiVersion: z\n",
	    "{\"x\":1,\"kind\":\"HTTPRoute\",\"apiVersion\":\"g/v1\"}\n"
	    "{\"kind\":\"Q\",\"apiVersion\":\"z\"}");
	/* A null counts as left out, and is filled in once. */
	assert_yaml("kind: AList\nitems:\n- kind:\n  x: 1\n", "{\"kind\":\"A\",\"x\":1}");
	assert_bad(
	    "t.yaml", "kind: List\nitems: []\n", "t.yaml: warning[HG2000]: file defines nothing\n");
}

static void
test_depth(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	strbuf_addz(&b, "a: ");
	strbuf_pad(&b, '[', 63);
	strbuf_pad(&b, ']', 63);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_string_equal(r.text.p, "");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_addz(&b, "a: ");
	strbuf_pad(&b, '[', 64);
	strbuf_pad(&b, ']', 64);
	strbuf_addz(&b, "\n---\nb: 1\n");
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_string_equal(r.text.p,
	    "t.yaml:1:67: error[HG0011]: document is too large: more than 64 levels of nesting\n");
	assert_string_equal(r.json.p, "{\"b\":1}\n");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_pad(&b, '[', 500000);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_int_equal(r.diags.first->code, CODE_LIMIT);
	result_free(&r);
	strbuf_release(&b);
}

static void
test_bombs(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	strbuf_addz(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 12; i++)
		strbuf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i,
		    i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_string_equal(r.text.p,
	    "t.yaml:5:10: error[HG0011]: document is too large: more than 10000 nodes made by "
	    "aliases\n");
	assert_true(r.arena.used < 4u << 20);
	result_free(&r);
	/* The same through merge keys. */
	strbuf_reset(&b);
	strbuf_addz(&b, "a0: &a0 {x: 1}\n");
	for (int i = 1; i < 40; i++)
		strbuf_printf(&b, "a%d: &a%d {<<: *a%d, p%d: *a%d, q%d: *a%d}\n", i, i, i - 1, i,
		    i - 1, i, i - 1);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_int_equal(r.diags.first->code, CODE_LIMIT);
	result_free(&r);
	/* Depth through aliases. */
	strbuf_reset(&b);
	strbuf_addz(&b, "a0: &a0 []\n");
	for (int i = 1; i < 70; i++)
		strbuf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "64 levels"));
	result_free(&r);
	strbuf_release(&b);
}

static void
test_sizes(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	strbuf_addz(&b, "a: [");
	for (int i = 0; i < 200000; i++)
		strbuf_addz(&b, "x,");
	strbuf_addz(&b, "]\n---\nb: 1\n");
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "more than 200000 nodes"));
	assert_string_equal(r.json.p, "{\"b\":1}\n");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_addz(&b, "a: ");
	strbuf_pad(&b, 'x', READ_SCALAR_MAX + 1);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "more than 1 MB"));
	result_free(&r);
	strbuf_reset(&b);
	strbuf_pad(&b, ' ', READ_FILE_MAX + 1);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "error[HG0308]"));
	result_free(&r);
	strbuf_reset(&b);
	for (int i = 0; i < 200001; i++)
		strbuf_addz(&b, "---\na: 1\n");
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_int_equal(r.n, 200000);
	assert_string_equal(r.text.p, "t.yaml:400001:1: error[HG0011]: file holds too much\n");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_pad(&b, '[', 3000000);
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_string_equal(r.text.p,
	    "t.yaml:1:65: error[HG0011]: document is too large: more than 64 levels of nesting\n"
	    "t.yaml:1:65535: error[HG0011]: file holds too much\n");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_addz(&b, "a: [");
	for (int i = 0; i < 1001; i++)
		strbuf_printf(&b, "&a%d x,", i);
	strbuf_addz(&b, "]\n");
	read_as(&r, "t.yaml", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "more than 1000 anchors"));
	result_free(&r);
	strbuf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_plain_types),
		cmocka_unit_test(test_big_integers),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_duplicate_in_big_map),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_documents_before_an_error),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
