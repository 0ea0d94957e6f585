/* test_diag.c - conf/read/diag.c, diag_print.c, codes.c, read_file_error(). */
#include "tests/unit/conf/read_help.h"

#include <errno.h>

#include "shm/proto.h"

struct fixture {
	struct arena a;
	struct diags ds;
	struct strbuf out;
};

static void
start(struct fixture *f)
{
	*f = (struct fixture){0};
	arena_init(&f->a, 65536, 0);
	diags_init(&f->ds, &f->a);
}

static void
end(struct fixture *f)
{
	strbuf_release(&f->out);
	arena_release(&f->a);
}

static void
test_the_shape(void **state)
{
	static const char text[] =
	    "kind: HTTPRoute\nmetadata:\n  name: web\nspec:\n  rules:\n  -\n    x: 1\n\n\n\n\n\n\n"
	    "    backendRef: 1\n";
	struct result r = {0};
	struct strbuf out = STRBUF_INIT;
	struct diag *d;
	struct node *n;

	(void)state;
	read_as(&r, "/etc/headgate/routes.d/shop/web.yaml", BYTES(text));
	n = node_path(r.first, "spec.rules[0].backendRef");
	n->doc->ns = BYTES("shop");
	d = diag_at_key(&r.diags, 103, n, "unknown field \"%s\" in HTTPRoute rule", "backendRef");
	d->field = BYTES("spec.rules[0]");
	d->label = BYTES("unknown field");
	d->effect = BYTES("namespace \"shop\" keeps its last good configuration (generation 41)");
	diag_help(&r.diags, d, "did you mean \"backendRefs\"?");
	diag_print_human(&out, d, false);
	assert_string_equal(out.p,
	    "error[HG0103]: unknown field \"backendRef\" in HTTPRoute rule\n"
	    "  --> /etc/headgate/routes.d/shop/web.yaml:14:5\n"
	    "   |\n"
	    "14 |     backendRef: 1\n"
	    "   |     ^^^^^^^^^^ unknown field\n"
	    "   |\n"
	    "   = help: did you mean \"backendRefs\"?\n"
	    "   = object: HTTPRoute shop/web  spec.rules[0]\n"
	    "   = effect: namespace \"shop\" keeps its last good configuration (generation 41)\n"
	    "   = more: headgate explain HG0103\n");
	strbuf_reset(&out);
	diag_print_short(&out, d);
	assert_string_equal(out.p,
	    "/etc/headgate/routes.d/shop/web.yaml:14:5: error[HG0103]: unknown field "
	    "\"backendRef\" in HTTPRoute rule (did you mean \"backendRefs\"?)\n");
	strbuf_reset(&out);
	diag_print_human(&out, d, true);
	assert_non_null(strstr(out.p, "\033[1;31merror[HG0103]"));
	strbuf_reset(&out);
	diag_print_list(&out, d, 1, DIAG_JSON, false);
	assert_non_null(strstr(out.p, "\"code\": \"HG0103\""));
	assert_non_null(strstr(out.p, "\"endColumn\": 15"));
	assert_non_null(strstr(out.p, "\"fieldPath\": \"spec.rules[0]\""));
	assert_non_null(strstr(out.p, "\"namespace\": \"shop\""));
	assert_non_null(strstr(out.p, "\"kind\": \"HTTPRoute\""));
	strbuf_release(&out);
	result_free(&r);
}

static void
test_no_excerpt_and_summary(void **state)
{
	struct fixture f;
	struct diag *d;
	struct diag_totals t = {12, 41, 9};

	(void)state;
	start(&f);
	d = diag_file(&f.ds, 2107, BYTES("a.crt"), (struct mark){0}, BYTES_NONE,
	    "certificate expires in %d days", 6);
	assert_int_equal(d->severity, DIAG_WARNING);
	diag_file(&f.ds, 1, BYTES("b"), (struct mark){0}, BYTES_NONE, "x");
	diag_file(&f.ds, 1, BYTES("b"), (struct mark){0}, BYTES_NONE, "y");
	diag_print_human(&f.out, d, false);
	assert_string_equal(f.out.p, "warning[HG2107]: certificate expires in 6 days\n  --> a.crt\n"
	    "   = more: headgate explain HG2107\n");
	strbuf_reset(&f.out);
	diag_print_summary(&f.out, f.ds.first, f.ds.errors, f.ds.warnings, &t);
	assert_string_equal(
	    f.out.p, "2 errors, 1 warning in 2 files (checked 12 files, 41 objects in 9 ms)\n");
	strbuf_reset(&f.out);
	diag_print_summary(&f.out, NULL, 0, 0, NULL);
	assert_string_equal(f.out.p, "no errors\n");
	end(&f);
}

static void
test_cap(void **state)
{
	struct fixture f;
	struct diag *d = NULL;

	(void)state;
	start(&f);
	for (int i = 0; i < 1000; i++) {
		d = diag_file(
		    &f.ds, 2000, BYTES("f"), (struct mark){1, 1, 2}, BYTES("x"), "warning %d", i);
		diag_help(&f.ds, d, "help");
	}
	d->effect = BYTES("the record can be written to");
	for (int i = 0; i < 150; i++)
		diag_file(&f.ds, 1, BYTES("f"), (struct mark){1, 1, 2}, BYTES("x"), "error %d", i);
	assert_int_equal(f.ds.kept, 200);
	assert_int_equal(f.ds.errors, 150);
	assert_int_equal(f.ds.warnings, 1000);
	diag_print_list(&f.out, f.ds.first, f.ds.errors + f.ds.warnings, DIAG_SHORT, false);
	assert_non_null(strstr(f.out.p, "error 99\n… and 950 more\n"));
	end(&f);
}

static void
human(struct fixture *f, const char *line, unsigned col, unsigned endcol)
{
	struct diag *d = diag_file(&f->ds, 1, BYTES("f"),
	    (struct mark){1, (uint16_t)col, (uint16_t)endcol}, bytes_str(line), "m");
	const char *from;
	char *second;

	strbuf_reset(&f->out);
	diag_print_human(&f->out, d, false);
	/* Only the excerpt and caret lines. */
	from = strstr(f->out.p, " 1 |");
	second = strstr(from, "   |\n");
	assert_non_null(second);
	*second = '\0';
	memmove(f->out.p, from, strlen(from) + 1);
}

static void
test_excerpts(void **state)
{
	struct fixture f;
	struct strbuf longline = STRBUF_INIT;

	(void)state;
	start(&f);
	human(&f, "\ta: x", 2, 3);
	assert_string_equal(f.out.p, " 1 |     a: x\n   |     ^\n");
	human(&f, "\xc3\xa4\xc3\xb6: x", 5, 6);
	assert_string_equal(f.out.p, " 1 | \xc3\xa4\xc3\xb6: x\n   |     ^\n");
	human(&f, "ab", 3, 4);
	assert_string_equal(f.out.p, " 1 | ab\n   |   ^\n");
	human(&f, "", 1, 2);
	assert_string_equal(f.out.p, " 1 |\n   | ^\n");
	human(&f, "a\033[31mb\xe2\x80\xae", 1, 2);
	assert_string_equal(f.out.p, " 1 | a?[31mb???\n   | ^\n");
	strbuf_pad(&longline, 'x', 300);
	strbuf_addz(&longline, "BAD");
	strbuf_pad(&longline, 'y', 300);
	human(&f, longline.p, 301, 304);
	assert_true(strlen(f.out.p) < 400);
	{
		char *caret = strstr(f.out.p, "^^^"), *bad = strstr(f.out.p, "BAD"),
		     *nl = strchr(f.out.p, '\n');

		assert_non_null(caret);
		assert_non_null(bad);
		assert_null(strstr(f.out.p, "^^^^"));
		/* The ellipsis before it is three bytes and one column. */
		assert_int_equal(caret - (nl + 1), bad - f.out.p - 2);
	}
	human(&f, longline.p, 1, 2);
	assert_non_null(strstr(f.out.p, "\n   | ^\n"));
	end(&f);
	strbuf_release(&longline);
}

static void
test_hostile_text(void **state)
{
	struct fixture f;
	struct diag *d;

	(void)state;
	start(&f);
	d = diag_file(&f.ds, 1, BYTES("f\n\033]0;x"), (struct mark){1, 1, 2}, BYTES("a"),
	    "bad \"%s\"", "x\ny\033[2J\x7f\xff");
	d->object = BYTES("K a\tb");
	diag_help(&f.ds, d, "one\ntwo\033");
	diag_print_human(&f.out, d, false);
	assert_null(strchr(f.out.p, '\033'));
	assert_non_null(strstr(f.out.p, "bad \"x y?[2J??\"\n  --> f ?]0;x:1:1\n"));
	assert_non_null(strstr(f.out.p, "   = help: one\n           two?\n"));
	end(&f);
}

static void
test_nearest(void **state)
{
	static const char *const names[] = {
	    "backendRefs", "matches", "filters", "timeouts", "name", "to"};

	(void)state;
	assert_string_equal(diag_nearest(BYTES("backendRef"), names, 6), "backendRefs");
	assert_string_equal(diag_nearest(BYTES("BACKENDREFS"), names, 6), "backendRefs");
	assert_string_equal(diag_nearest(BYTES("mathces"), names, 6), "matches");
	assert_string_equal(diag_nearest(BYTES("nmae"), names, 6), "name");
	assert_null(diag_nearest(BYTES("ip"), names, 6));
	assert_null(diag_nearest(BYTES("sectionName"), names, 6));
	assert_null(diag_nearest(BYTES(""), names, 6));
}

static void
test_codes(void **state)
{
	unsigned before = 0, n = 0;

	(void)state;
	for (unsigned c; (c = code_at(n)) != 0; n++) {
		assert_true(c > before); /* sorted, so none is there twice */
		before = c;
		assert_true(strlen(code_title(c)) > 5);
		assert_true(strlen(code_explanation(c)) > 20);
	}
	assert_true(n > 40);
	assert_null(code_title(9999));
	assert_null(code_explanation(0));
	assert_int_equal(code_parse("HG0103"), 103);
	assert_int_equal(code_parse("hg103"), 103);
	assert_int_equal(code_parse("103"), 103);
	assert_int_equal(code_parse("HG9999"), 0);
	assert_int_equal(code_parse("HG"), 0);
	assert_int_equal(code_parse("HG0103x"), 0);
	assert_int_equal(code_parse("HG00000103"), 0);
}

static void
test_file_errors(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	for (int e = PROTO_FILE_NAME; e < 0; e++)
		assert_int_not_equal(read_file_error(&f.ds, BYTES("x"), e)->code, CODE_UNREADABLE);
	assert_int_equal(read_file_error(&f.ds, BYTES("x"), EACCES)->code, CODE_UNREADABLE);
	assert_int_equal(read_file_error(&f.ds, BYTES("x"), ENOENT)->code, CODE_PATTERN_EMPTY);
	assert_int_equal(
	    read_file_error(&f.ds, BYTES("x"), PROTO_FILE_WRITABLE)->code, CODE_WRITABLE);
	end(&f);
}

static void
test_empty_json(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	diag_print_list(&f.out, NULL, 0, DIAG_JSON, false);
	assert_string_equal(f.out.p, "[]\n");
	end(&f);
}

static void
test_from_catalogue(void **state)
{
	static const char text[] = "fmsg";
	struct catalogue cat = {0};
	struct im_str none = {IM_NONE, 0};
	struct cat_diag c = {.file = {0, 1},
	    .message = {1, 3},
	    .label = none,
	    .excerpt = none,
	    .object = none,
	    .field = none,
	    .effect = none,
	    .help = {none, none, none, none},
	    .line = 7,
	    .col = 70000,
	    .endcol = 2,
	    .code = 101,
	    .severity = DIAG_ERROR,
	    .nhelp = 200};
	struct diag d;

	(void)state;
	cat.blob.text = text;
	cat.blob.ntext = 4;
	d = diag_from_catalogue(&cat, &c);
	assert_int_equal(d.at.line, 7);
	assert_int_equal(d.nhelp, 4);
	assert_true(bytes_eq(d.message, BYTES("msg")));
	assert_null(d.label.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_shape),
		cmocka_unit_test(test_no_excerpt_and_summary),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_excerpts),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_file_errors),
		cmocka_unit_test(test_empty_json),
		cmocka_unit_test(test_from_catalogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
