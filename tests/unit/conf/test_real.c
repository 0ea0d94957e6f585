/*
 * test_real.c - the YAML reader against python3-yaml: every manifest that stands beside the
 * repository (../shared: Gateway API conformance and examples, Envoy Gateway, ingress annotations),
 * and random trees in every scalar style. Where the files or PyYAML are missing, that part is
 * skipped, and said so.
 */
#include <dirent.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "conf/read/source.h"
#include "tests/unit/conf/read_help.h"

#define PYTHON "/usr/bin/python3"

extern char **environ;

static const char *const roots[] = {
	"../shared/gateway-api",
	"../shared/envoy-gateway",
	"../shared/ingress-annotations",
	"../shared/ingress2gateway",
};

struct dump {
	FILE *out;
	unsigned files, documents, failed;
};

static int
one(void *arg, struct source_file *f)
{
	struct dump *d = arg;
	struct result r = {0};
	char path[4096];

	assert_int_equal(f->error, 0);
	if (bytes_ends(f->path, BYTES(".conf")))
		return 0;
	snprintf(path, sizeof(path), "%.*s", BYTES_ARG(f->path));
	read_as(&r, path, f->text);
	d->files++;
	if (r.diags.errors) {
		d->failed++;
		print_message("not read: %s", r.text.p);
	} else {
		d->documents += r.n;
		fprintf(d->out, "%s\t[", path);
		for (char *p = r.json.p, *nl; (nl = strchr(p, '\n')) != NULL; p = nl + 1)
			fprintf(d->out, "%s%.*s", p == r.json.p ? "" : ",", (int)(nl - p), p);
		fputs("]\n", d->out);
	}
	result_free(&r);
	return 0;
}

static void
walk_into(struct dump *d, const char *path)
{
	struct source *src;
	struct arena a;

	arena_init(&a, 65536, 0);
	src = source_direct(&a, &path, 1, true, false);
	assert_int_equal(src->walk(src, 0, one, d), 0);
	arena_release(&a);
}

static int
python(char *const argv[])
{
	int status;
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
have_pyyaml(void)
{
	char *argv[] = {PYTHON, "-c", "import yaml", NULL};

	if (access(PYTHON, X_OK) == 0 && python(argv) == 0)
		return;
	print_message("SKIPPED: python3-yaml is not installed\n");
	skip();
}

static void
compare(struct dump *d, char *path)
{
	char *argv[] = {PYTHON, "tests/unit/conf/compare_yaml.py", path, NULL};
	int status;

	assert_int_equal(fclose(d->out), 0);
	print_message("%u files, %u objects, %u not read\n", d->files, d->documents, d->failed);
	status = python(argv);
	if (getenv("HG_KEEP") == NULL)
		unlink(path);
	assert_int_equal(status, 0);
}

static void
test_manifests(void **state)
{
	char path[] = "/tmp/headgate-real-XXXXXX";
	struct dump d = {0};

	(void)state;
	have_pyyaml();
	if (access(roots[0], R_OK) != 0) {
		print_message("SKIPPED: ../shared is not here, no real manifests are read\n");
		skip();
	}
	d.out = fdopen(mkstemp(path), "w");
	for (unsigned i = 0; i < HG_ARRAY_LEN(roots); i++)
		if (access(roots[i], R_OK) == 0)
			walk_into(&d, roots[i]);
	assert_true(d.files > 1000);
	/* Two are logs with YAML behind them, not manifests. */
	assert_int_equal(d.failed, 2);
	compare(&d, path);
}

static void
test_styles(void **state)
{
	char path[] = "/tmp/headgate-real-XXXXXX", folder[] = "/tmp/headgate-styles-XXXXXX",
	     seed[24];
	char *argv[] = {PYTHON, "tests/unit/conf/gen_yaml.py", seed, "300", folder, NULL};
	struct dump d = {0};
	struct timespec now;
	struct dirent *e;
	DIR *dir;

	(void)state;
	have_pyyaml();
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(seed, sizeof(seed), "%s", getenv("HG_SEED") ? getenv("HG_SEED") : "");
	if (*seed == '\0')
		snprintf(seed, sizeof(seed), "%ld", now.tv_nsec);
	print_message("HG_SEED=%s\n", seed);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(python(argv), 0);
	d.out = fdopen(mkstemp(path), "w");
	walk_into(&d, folder);
	assert_int_equal(d.files, 300);
	/* libfyaml 0.7.12 refuses a plain text of several lines that starts with ':' behind an
	 * explicit key; to refuse is safe, to read something else would not be. */
	assert_true(d.failed <= 3);
	compare(&d, path);
	dir = opendir(folder);
	while ((e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifests),
		cmocka_unit_test(test_styles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
