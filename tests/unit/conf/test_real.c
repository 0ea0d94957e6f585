/*
 * test_real.c - every manifest that stands beside the repository (../shared: Gateway API
 * conformance and examples, Envoy Gateway, ingress annotations) through the YAML reader, and its
 * trees against what python3-yaml sees. Skipped, and said so, where those files are not.
 */
#include "tests/unit/conf/read_help.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "conf/read/source.h"

extern char **environ;

static const char *const roots[] = {
	"../shared/gateway-api", "../shared/envoy-gateway", "../shared/ingress-annotations",
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
	struct result r;

	assert_int_equal(f->error, 0);
	if (bytes_ends(f->path, BYTES(".conf")))
		return 0;
	memset(&r, 0, sizeof(r));
	read_as(&r, arena_dup(&r.arena, f->path), f->text);
	d->files++;
	if (r.diags.errors) {
		/* Templates and deliberately broken test files are not manifests. */
		d->failed++;
		print_message("not read: %s", r.text.p);
	} else {
		d->documents += r.n;
		fprintf(d->out, "%.*s\t[", BYTES_ARG(f->path));
		for (char *p = r.json.p, *nl; (nl = strchr(p, '\n')) != NULL; p = nl + 1)
			fprintf(d->out, "%s%.*s", p == r.json.p ? "" : ",", (int)(nl - p), p);
		fputs("]\n", d->out);
	}
	result_free(&r);
	return 0;
}

static void
test_manifests(void **state)
{
	char path[] = "/tmp/headgate-real-XXXXXX";
	int fd = mkstemp(path), status = -1;
	char *argv[] = {"/usr/bin/python3", "tests/unit/conf/compare_yaml.py", path, NULL};
	struct dump d = {.out = fdopen(fd, "w")};
	struct source *src;
	struct arena a;
	pid_t pid;

	(void)state;
	if (access(roots[0], R_OK) != 0) {
		print_message("SKIPPED: ../shared is not here, no real manifests are read\n");
		fclose(d.out);
		unlink(path);
		skip();
	}
	for (unsigned i = 0; i < HG_ARRAY_LEN(roots); i++) {
		arena_init(&a, 65536, 0);
		src = source_direct(&a, roots + i, 1, true, false);
		if (access(roots[i], R_OK) == 0)
			assert_int_equal(src->walk(src, 0, one, &d), 0);
		arena_release(&a);
	}
	assert_int_equal(fclose(d.out), 0);
	print_message("%u files, %u objects, %u not read\n", d.files, d.documents, d.failed);
	assert_true(d.files > 1000);
	assert_true(d.failed * 20 < d.files);
	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (getenv("HG_KEEP") == NULL)
		unlink(path);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_manifests)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
