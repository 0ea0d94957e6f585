/*
 * offline.c - compile_run() with a direct source and no sockets.
 */
#include "cli/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "conf/read/diag_print.h"

#define CONF_MAX (1u << 20)

/* headgate.conf, whole. Absent if there is none to read; `rc` is set if it should have been there.
 */
static struct bytes
slurp_conf(const char *path, struct arena *a, int *rc)
{
	int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;
	char *text;
	ssize_t n;

	if (!path[0])
		return BYTES_NONE;
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size > CONF_MAX) {
		fprintf(stderr, "headgate: %s: %s\n", path,
		    fd == -1 ? strerror(errno) : "not a regular file of at most 1 MB");
		if (fd != -1)
			close(fd);
		*rc = EX_FAILED;
		return BYTES_NONE;
	}
	text = arena_alloc(a, (size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	close(fd);
	return bytes_of(text, n > 0 ? (size_t)n : 0);
}

static int
add_root(struct proto_compile *p, const char *path)
{
	if (p->nroots == PROTO_ROOTS || strlen(path) >= sizeof(p->roots[0])) {
		fprintf(stderr, "headgate: too many paths, or too long: %s\n", path);
		return EX_USAGE_;
	}
	snprintf(p->roots[p->nroots++], sizeof(p->roots[0]), "%s", path);
	return 0;
}

static const char *
root_of(const struct opts *o, struct arena *a, struct bytes conf_text)
{
	struct diags d;
	struct k_headgate *k;

	diags_init(&d, a);
	k = load_conf(a, &d, bytes_str(o->conf), conf_text);
	return k && k->resources.p ? arena_dup(a, k->resources) : "/etc/headgate";
}

const char *
offline_root(const struct opts *o, struct arena *a)
{
	int rc = 0;
	struct bytes text = slurp_conf(o->conf, a, &rc);

	return rc ? NULL : root_of(o, a, text);
}

static int
roots(const struct opts *o, struct offline *off, struct bytes conf_text)
{
	struct proto_compile *p = off->params;
	int rc = 0;

	for (int i = 0; i < o->nfiles && rc == 0; i++)
		rc = add_root(p, o->files[i]);
	if (strcmp(o->verb, "check") == 0)
		for (int i = 0; i < o->nargs && rc == 0; i++)
			rc = add_root(p, o->args[i]);
	p->flat = p->nroots > 0;
	if (p->flat || rc)
		return rc;
	p->service = geteuid() == 0;
	return add_root(p, root_of(o, &off->arena, conf_text));
}

int
offline_compile(const struct opts *o, struct arena *keep, struct offline *off)
{
	const char *list[PROTO_ROOTS];
	struct compile_in in = {
	    .conf_file = bytes_str(o->conf), .now = (int64_t)(clock_real() / SEC_NS)};
	enum hg_err err;
	int rc = 0;

	(void)keep;
	*off = (struct offline){0};
	arena_init(&off->arena, 262144, 0);
	off->params = arena_zalloc(&off->arena, sizeof(*off->params));
	off->params->generation = 1;
	in.params = off->params;
	in.conf_text = slurp_conf(o->conf, &off->arena, &rc);
	if (rc == 0)
		rc = roots(o, off, in.conf_text);
	if (rc)
		return rc;
	for (unsigned i = 0; i < off->params->nroots; i++)
		list[i] = off->params->roots[i];
	in.source = source_direct(
	    &off->arena, list, off->params->nroots, off->params->flat, off->params->service);
	err = compile_run(&off->arena, &in, &off->out);
	if (err != HG_OK) {
		offline_print(&off->out.diags, DIAG_HUMAN, o->color);
		fprintf(stderr, "headgate: the configuration as a whole is refused: %s\n",
		    err_text(err));
		rc = EX_FAILED;
	}
	return rc;
}

void
offline_print(const struct diags *d, enum diag_format format, bool color)
{
	struct strbuf b = STRBUF_INIT;

	diag_print_list(
	    &b, d->first, d->errors + d->warnings, format, color && format == DIAG_HUMAN);
	if (b.n)
		fwrite(b.p, 1, b.n, format == DIAG_HUMAN ? stderr : stdout);
	strbuf_release(&b);
}

void
offline_release(struct offline *off)
{
	blob_writer_free(off->out.image);
	blob_writer_free(off->out.catalogue);
	blob_writer_free(off->out.secrets);
	arena_release(&off->arena);
}
