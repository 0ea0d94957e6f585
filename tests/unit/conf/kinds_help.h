/* kinds_help.h - for the tests of conf/kinds: texts to bound objects, and where the shared data
 * lies. */
#ifndef TESTS_UNIT_CONF_KINDS_HELP_H
#define TESTS_UNIT_CONF_KINDS_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "conf/kinds/bind.h"
#include "conf/kinds/load.h"
#include "conf/read/diag_print.h"
#include "conf/read/read.h"

/* The folder shared/ beside the repository: $HG_SHARED, or found by walking up. False: say so
 * and skip. */
static inline bool
shared_path(const char *rel, char out[1024])
{
	const char *env = getenv("HG_SHARED");
	char up[256] = "";
	struct stat st;

	if (env) {
		snprintf(out, 1024, "%s/%s", env, rel);
		return stat(out, &st) == 0;
	}
	for (int i = 0; i < 12; i++) {
		snprintf(out, 1024, "%s./shared/%s", up, rel);
		if (stat(out, &st) == 0)
			return true;
		snprintf(up + strlen(up), sizeof(up) - strlen(up), "../");
	}
	fprintf(stderr, "SKIPPED: shared/%s is not here (set HG_SHARED)\n", rel);
	return false;
}

static inline char *
read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	char *p;

	if (!f || fstat(fileno(f), &st) != 0)
		fail_msg("cannot read %s", path);
	p = mem_alloc((size_t)st.st_size + 1);
	*n = fread(p, 1, (size_t)st.st_size, f);
	p[*n] = '\0';
	fclose(f);
	return p;
}

/* ---- one text bound */
struct bound {
	struct arena arena;
	struct diags diags;
	struct object *v[64];
	struct bind_id id[64];
	unsigned n;            /* resources */
	struct strbuf text;    /* diagnostics, short, without the file */
};

static inline int
bound_take(void *arg, struct node *root)
{
	struct bound *b = arg;

	if (b->n < HG_ARRAY_LEN(b->v)) {
		b->v[b->n] = object_bind(&b->arena, &b->diags, root, &b->id[b->n]);
		b->n++;
	}
	return 0;
}

static inline void
bound_read(struct bound *b, const char *file, struct bytes text)
{
	*b = (struct bound){0};
	arena_init(&b->arena, 65536, 0);
	diags_init(&b->diags, &b->arena);
	read_text(&b->arena, &b->diags, bytes_str(file), text, 0, BYTES_NONE, bound_take, b);
	strbuf_addz(&b->text, "");
	for (const struct diag *d = b->diags.first; d; d = d->next)
		strbuf_printf(&b->text, "%u:%u: HG%04u %.*s\n", d->at.line, d->at.col, d->code,
		    BYTES_ARG(d->message));
}

static inline void
bound_free(struct bound *b)
{
	strbuf_release(&b->text);
	arena_release(&b->arena);
}

/* Everything that is said about a text, exactly. */
#define assert_said(yaml, expect) \
	do { \
		struct bound b_; \
		bound_read(&b_, "t.yaml", bytes_str(yaml)); \
		assert_string_equal(b_.text.p, expect); \
		bound_free(&b_); \
	} while (0)

#endif
