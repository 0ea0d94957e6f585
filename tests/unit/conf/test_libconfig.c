/* test_libconfig.c - conf/read/libconfig*.c. */
#include "tests/unit/conf/read_help.h"

static void
assert_conf(const char *text, const char *expect)
{
	struct arena a;
	struct diags ds;
	struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
	struct node *n;
	struct json j;

	arena_init(&a, 4096, 0);
	diags_init(&ds, &a);
	n = read_conf(&a, &ds, BYTES("h.conf"), bytes_str(text));
	for (const struct diag *d = ds.first; d; d = d->next)
		diag_print_short(&errors, d);
	if (n) {
		check_tree(n, NULL, 1);
		json_init(&j, &out, false);
		print_node(n, &j);
	}
	assert_string_equal(errors.p ? errors.p : out.p ? out.p : "", expect);
	assert_int_equal(n == NULL, ds.errors > 0);
	strbuf_release(&out);
	strbuf_release(&errors);
	arena_release(&a);
}

static void
test_values(void **state)
{
	(void)state;
	assert_conf("", "{}");
	assert_conf("# x\n// y\n/* z\n */\n", "{}");
	assert_conf("a = 1; b : 2, c = 3\nd = true; e = FALSE;",
	    "{\"a\":1,\"b\":2,\"c\":3,\"d\":true,\"e\":false}");
	assert_conf("\xef\xbb\xbf" "a = -5;\r\nb = +7;\r\n", "{\"a\":-5,\"b\":7}");
	assert_conf(
	    "a = 0x1F; b = 0XfL; c = 5000000000L; d = -9223372036854775808LL; e = 2147483647;",
	    "{\"a\":31,\"b\":15,\"c\":5000000000,\"d\":-9223372036854775808,\"e\":2147483647}");
	assert_conf(
	    "a = 1.5; b = .5; c = 1e3; d = 2.;", "{\"a\":1.5,\"b\":0.5,\"c\":1000,\"d\":2}");
	assert_conf("a = \"x\" \"y\"\n \"z\"; b = \"\\n\\t\\r\\f\\\\\\\"\\x41\\d\"; c = \"\";",
	    "{\"a\":\"xyz\",\"b\":\"\\n\\t\\r\\f\\\\\\\"A\\\\d\",\"c\":\"\"}");
	assert_conf("a = \"x # y // z /* w */ @include\"; # @include \"x\"",
	    "{\"a\":\"x # y // z /* w */ @include\"}");
	assert_conf(
	    "g = { x = 1; h : { y = 2; } }; l = ( 1, \"a\", ( ), { z = [ 1, 2 ]; } ); r = [ ];",
	    "{\"g\":{\"x\":1,\"h\":{\"y\":2}},\"l\":[1,\"a\",[],{\"z\":[1,2]}],\"r\":[]}");
	assert_conf("a-b_c* = 1; *x = 2;", "{\"a-b_c*\":1,\"*x\":2}");
	assert_conf("a = \"\xc3\xa4\";", "{\"a\":\"\xc3\xa4\"}");
}

static void
test_silent_traps(void **state)
{
	(void)state;
	assert_conf("a = 1;\nb = 5000000000;\n",
	    "h.conf:2:5: error[HG0015]: 5000000000 does not fit in 32 bits\n");
	assert_conf("a = -2147483649; b = 0xFFFFFFFF;",
	    "h.conf:1:5: error[HG0015]: -2147483649 does not fit in 32 bits\n"
	    "h.conf:1:22: error[HG0015]: 0xFFFFFFFF does not fit in 32 bits\n");
	assert_conf(
	    "a = 9223372036854775808L; b = -9223372036854775808L; c = 99999999999999999999;",
	    "h.conf:1:5: error[HG0015]: 9223372036854775808 does not fit in 64 bits\n"
	    "h.conf:1:58: error[HG0015]: 99999999999999999999 does not fit in 64 bits\n");
	assert_conf("a = 010; b = 0; c = -007;",
	    "h.conf:1:5: error[HG0016]: 010 has a leading zero\n"
	    "h.conf:1:21: error[HG0016]: -007 has a leading zero\n");
	assert_conf("a = 1;\n  @include \"/etc/passwd\"\n",
	    "h.conf:2:3: error[HG0014]: @include is not allowed\n");
	assert_conf("a = 1;\ng = { b = 1;\n  b = 2; };\na = 3;",
	    "h.conf:3:3: error[HG0005]: \"b\" is given twice\n"
	    "h.conf:4:1: error[HG0005]: \"a\" is given twice\n");
	assert_conf("a = \"x\\x00y\";", "h.conf:1:7: error[HG0018]: text holds a zero byte\n");
	assert_conf("a = \"x\\xff\";",
	    "h.conf:1:5: error[HG0002]: escapes make byte 0xff at offset 1, which is not UTF-8\n");
	assert_conf(
	    "a = \"\xff\";", "h.conf:1:6: error[HG0002]: byte 0xff at offset 5 is not UTF-8\n");
}

static void
test_syntax(void **state)
{
	(void)state;
	assert_conf("a = ;", "h.conf:1:5: error[HG0001]: value expected\n");
	assert_conf("a 1;", "h.conf:1:3: error[HG0001]: `=` expected after the name\n");
	assert_conf("a.b = 1;", "h.conf:1:2: error[HG0001]: `=` expected after the name\n");
	assert_conf("\"a\" = 1;", "h.conf:1:1: error[HG0001]: name of a setting expected\n");
	assert_conf("a = x;", "h.conf:1:5: error[HG0001]: value is no number, true or false\n");
	assert_conf("a = 1x;", "h.conf:1:5: error[HG0001]: value is no number, true or false\n");
	assert_conf("a = \"x;\n", "h.conf:1:5: error[HG0001]: text in quotes does not end\n");
	assert_conf("/* x", "h.conf:1:1: error[HG0001]: comment does not end\n");
	assert_conf("a = {\n b = 1;\n", "h.conf:1:5: error[HG0001]: `{` without its `}`\n");
	assert_conf("a = ( 1 2 );", "h.conf:1:9: error[HG0001]: `,` or `)` expected\n");
	assert_conf("a = ( 1, );", "h.conf:1:10: error[HG0001]: value expected after `,`\n");
	assert_conf("a = [ 1", "h.conf:1:8: error[HG0001]: `,` or `]` expected\n");
	assert_conf(
	    "a = [ { } ];", "h.conf:1:7: error[HG0001]: an array [ … ] holds only single values\n");
	assert_conf("a = [ 1, \"x\" ];",
	    "h.conf:1:10: error[HG0001]: values of an array [ … ] must be of one type\n");
	assert_conf("a = 1; }", "h.conf:1:8: error[HG0001]: name of a setting expected\n");
	assert_conf("a = 1;;", "h.conf:1:7: error[HG0001]: name of a setting expected\n");
	assert_conf("a =", "h.conf:1:4: error[HG0001]: value expected, but the file ends\n");
}

static void
test_marks(void **state)
{
	struct arena a;
	struct diags ds;
	struct node *n;

	(void)state;
	arena_init(&a, 4096, 0);
	diags_init(&ds, &a);
	n = read_conf(&a, &ds, BYTES("h.conf"),
	    BYTES("# \xc3\xa4\nlimits = {\n  /* \xc3\xa4 */ big = 12L;\n};\n"));
	assert_non_null(n);
	n = node_path(n, "limits.big");
	assert_int_equal(n->key_at.line, 3);
	assert_int_equal(n->key_at.col, 11);
	assert_int_equal(n->key_at.endcol, 14);
	assert_int_equal(n->at.col, 17);
	assert_int_equal(n->at.endcol, 20);
	assert_string_equal(node_where(&a, n), "limits.big");
	n = n->parent;
	assert_int_equal(n->at.line, 2);
	assert_int_equal(n->at.col, 10);
	arena_release(&a);
}

static void
test_resources(void **state)
{
	struct result r = {0};

	(void)state;
	read_as(&r, "t.conf",
	    BYTES(
		"resources = (\n { kind = \"A\"; },\n { kind = \"List\"; items = ( { kind = "
		"\"B\"; } ); }\n);\n"));
	assert_string_equal(r.text.p, "");
	assert_string_equal(r.json.p, "{\"kind\":\"A\"}\n{\"kind\":\"B\"}\n");
	assert_int_equal(r.code, 0);
	assert_int_equal(r.first->doc->syntax, DOC_LIBCONFIG);
	result_free(&r);
	assert_bad("t.conf", "resource = ();\n",
	    "t.conf:1:1: error[HG0017]: unexpected setting \"resource\"\n");
	assert_bad("t.conf", "resources = { };\n",
	    "t.conf:1:13: error[HG0017]: resources is not a list\n");
	assert_bad("t.conf", "resources = ( 1, { } );\n",
	    "t.conf:1:15: error[HG0115]: resource is not a mapping of keys to values\n");
	assert_bad("t.conf", "", "t.conf: warning[HG2000]: file defines nothing\n");
	assert_bad("t.conf", "resources = ();", "t.conf: warning[HG2000]: file defines nothing\n");
}

static void
test_limits(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	strbuf_addz(&b, "resources = ");
	strbuf_pad(&b, '(', 100000);
	read_as(&r, "t.conf", strbuf_bytes(&b));
	assert_string_equal(
	    r.text.p, "t.conf:1:77: error[HG0011]: settings are nested more than 64 deep\n");
	result_free(&r);
	strbuf_reset(&b);
	for (int i = 0; i < 1001; i++)
		strbuf_printf(&b, "k%d = 1;\n", i);
	read_as(&r, "t.conf", strbuf_bytes(&b));
	assert_string_equal(r.text.p, "t.conf:1001:1: error[HG0011]: group has too many members\n");
	result_free(&r);
	strbuf_reset(&b);
	strbuf_addz(&b, "resources = ( ");
	for (int i = 0; i < 1000000; i++)
		strbuf_addz(&b, "1,");
	read_as(&r, "t.conf", strbuf_bytes(&b));
	assert_non_null(strstr(r.text.p, "too many settings"));
	result_free(&r);
	strbuf_release(&b);
}

static void
test_many_resources(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct result r = {0};

	(void)state;
	strbuf_addz(&b, "resources = (");
	for (int i = 0; i < 10000; i++)
		strbuf_printf(&b,
		    "%s{ kind = \"HTTPRoute\"; metadata = { name = \"r%d\"; }; spec = { port = "
		    "%d; }; }",
		    i ? ",\n" : "", i, i);
	strbuf_addz(&b, ");\n");
	read_as(&r, "t.conf", strbuf_bytes(&b));
	assert_string_equal(r.text.p, "");
	assert_int_equal(r.n, 10000);
	result_free(&r);
	strbuf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_silent_traps),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
