/*
 * test_errors.c - golden outputs: each file in tests/errors/syntax has beside it NAME.short, what
 * `-o short` says of it, and NAME.human, the form for people. HG_UPDATE=1 writes them anew; look at
 * the difference before committing.
 */
#include "tests/unit/conf/read_help.h"

#include <dirent.h>

#define FOLDER "tests/errors/syntax"

static struct bytes
slurp(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "rbe");
	char *p = arena_alloc(a, 1 << 16);
	size_t n;

	if (f == NULL)
		return BYTES_NONE;
	n = fread(p, 1, 1 << 16, f);
	fclose(f);
	return bytes_of(p, n);
}

static int
ignore(void *arg, struct node *n)
{
	(void)arg;
	(void)n;
	return 0;
}

static unsigned
compare(struct arena *a, const char *name, const char *form, const struct strbuf *got)
{
	char path[512];
	struct bytes want;

	snprintf(path, sizeof(path), FOLDER "/%s.%s", name, form);
	if (getenv("HG_UPDATE")) {
		FILE *f = fopen(path, "wbe");

		assert_non_null(f);
		fwrite(got->p, 1, got->n, f);
		fclose(f);
		return 0;
	}
	want = slurp(a, path);
	if (want.p && bytes_eq(want, strbuf_bytes(got)))
		return 0;
	print_error("%s: expected\n%.*sgot\n%s\n", path, BYTES_ARG(want), got->p);
	return 1;
}

static unsigned
one(const char *name)
{
	struct strbuf brief = STRBUF_INIT, human = STRBUF_INIT;
	char path[512];
	struct arena a;
	struct diags ds;
	unsigned bad;

	arena_init(&a, 65536, 0);
	diags_init(&ds, &a);
	snprintf(path, sizeof(path), FOLDER "/%s", name);
	read_text(&a, &ds, bytes_str(name), slurp(&a, path), 0, BYTES_NONE, ignore, NULL);
	strbuf_addz(&brief, "");
	diag_print_list(&brief, ds.first, ds.errors + ds.warnings, DIAG_SHORT, false);
	diag_print_list(&human, ds.first, ds.errors + ds.warnings, DIAG_HUMAN, false);
	diag_print_summary(&human, ds.first, ds.errors, ds.warnings, NULL);
	bad = compare(&a, name, "short", &brief) + compare(&a, name, "human", &human);
	strbuf_release(&brief);
	strbuf_release(&human);
	arena_release(&a);
	return bad;
}

static void
test_golden(void **state)
{
	DIR *d = opendir(FOLDER);
	struct dirent *e;
	unsigned files = 0, bad = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		struct bytes name = bytes_str(e->d_name);

		if (bytes_ends(name, BYTES(".yaml")) || bytes_ends(name, BYTES(".conf")) ||
		    bytes_ends(name, BYTES(".json"))) {
			bad += one(e->d_name);
			files++;
		}
	}
	closedir(d);
	assert_true(files >= 38);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
