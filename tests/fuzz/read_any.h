/*
 * read_any.h - any bytes through a reader of conf/read, for the fuzz targets of both syntaxes. What
 * must hold: no crash, bounded memory, a result that fits the diagnostics, trees whose links and
 * counts and marks are right and whose text is UTF-8, every diagnostic printable in every form.
 */
#ifndef TESTS_FUZZ_READ_ANY_H
#define TESTS_FUZZ_READ_ANY_H

#include "base/check.h"
#include "base/strbuf.h"
#include "conf/read/codes.h"
#include "conf/read/diag_print.h"
#include "conf/read/read.h"

static void
check(const struct node *n, const struct node *parent, unsigned depth)
{
	uint32_t children = 0;

	HG_CHECK(n->parent == parent && depth <= READ_DEPTH_MAX + 1);
	HG_CHECK(n->at.line > 0 && n->at.col > 0 && n->at.endcol > n->at.col);
	HG_CHECK(n->text.p == NULL || bytes_utf8(n->text, NULL));
	HG_CHECK(n->type < NODE_LIST ? n->first == NULL : true);
	for (const struct node *c = n->first; c; c = c->next, children++) {
		HG_CHECK(n->type != NODE_MAP ||
		    (c->key.p && c->key_at.line > 0 && bytes_utf8(c->key, NULL)));
		if (n->type == NODE_MAP && n->n < 100)
			for (const struct node *d = c->next; d; d = d->next)
				HG_CHECK(!bytes_eq(c->key, d->key));
		check(c, n, depth + 1);
	}
	HG_CHECK(children == n->n);
}

static int
resource(void *arg, struct node *n)
{
	struct arena *a = arg;

	check(n, NULL, 1);
	HG_CHECK(node_equal(n, node_copy(a, n)));
	node_prune_nulls(n);
	check(n, NULL, 1);
	return 0;
}

/* One input as a file of that name; `never` is the finding that would be our own mistake. */
static int
read_any(const char *name, const uint8_t *data, size_t size, unsigned never)
{
	struct strbuf out = STRBUF_INIT;
	struct arena a;
	struct diags ds;
	int result;

	arena_init(&a, 4096, 0);
	diags_init(&ds, &a);
	result = read_text(&a, &ds, bytes_str(name), bytes_of((const char *)data, size), 0,
	    BYTES_NONE, resource, &a);
	HG_CHECK(result == (ds.errors > 0));
	for (const struct diag *d = ds.first; d; d = d->next)
		HG_CHECK(d->code != never);
	for (int form = DIAG_HUMAN; form <= DIAG_JSON; form++)
		diag_print_list(
		    &out, ds.first, ds.errors + ds.warnings, (enum diag_format)form, false);
	HG_CHECK(bytes_utf8(strbuf_bytes(&out), NULL));
	strbuf_release(&out);
	HG_CHECK(a.used < (64u << 20));
	arena_release(&a);
	return 0;
}

#endif
