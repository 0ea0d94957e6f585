/* read_help.h - for the tests of conf/read: texts to nodes to JSON, diagnostics as text. */
#ifndef TESTS_UNIT_CONF_READ_HELP_H
#define TESTS_UNIT_CONF_READ_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "conf/read/codes.h"
#include "conf/read/diag_print.h"
#include "conf/read/read.h"

/* A second printer on purpose: what the product prints must not test itself. */
static inline void
print_node(const struct node *n, struct json *j)
{
	switch ((enum node_type)n->type) {
	case NODE_NULL:
		json_null(j);
		break;
	case NODE_BOOL:
		json_bool(j, n->boolean);
		break;
	case NODE_INT:
		json_int(j, n->integer);
		break;
	case NODE_FLOAT:
		json_double(j, n->real);
		break;
	case NODE_STRING:
		json_str(j, n->text);
		break;
	case NODE_LIST:
		json_array(j);
		for (const struct node *c = n->first; c; c = c->next)
			print_node(c, j);
		json_end(j, ']');
		break;
	case NODE_MAP:
		json_object(j);
		for (const struct node *c = n->first; c; c = c->next) {
			json_keyb(j, c->key);
			print_node(c, j);
		}
		json_end(j, '}');
		break;
	}
}

/* What a tree must always be: parents, counts, marks, keys, UTF-8. Its number of nodes. */
static inline unsigned
check_tree(const struct node *n, const struct node *parent, unsigned depth)
{
	unsigned sum = 1, children = 0;

	assert_ptr_equal(n->parent, parent);
	assert_true(depth <= READ_DEPTH_MAX + 1);
	assert_true(n->at.line > 0 && n->at.col > 0 && n->at.endcol >= n->at.col);
	if (n->text.p)
		assert_true(bytes_utf8(n->text, NULL));
	if (parent && parent->type == NODE_MAP)
		assert_true(n->key.p != NULL && n->key_at.line > 0);
	for (const struct node *c = n->first; c; c = c->next, children++) {
		sum += check_tree(c, n, depth + 1);
		if (c->next == NULL)
			assert_ptr_equal(n->last, c);
	}
	assert_int_equal(children, n->n);
	return sum;
}

struct result {
	struct arena arena;
	struct diags diags;
	struct strbuf json; /* one line a resource */
	struct node *first, *roots[8];
	unsigned n;
	int stop_at;        /* the callback returns non-zero for this one */
	int code;
	struct strbuf text; /* diagnostics, short */
};

static inline int
take_resource(void *arg, struct node *n)
{
	struct result *r = arg;
	struct json j;

	check_tree(n, NULL, 1);
	json_init(&j, &r->json, false);
	print_node(n, &j);
	strbuf_addc(&r->json, '\n');
	if (r->n < HG_ARRAY_LEN(r->roots))
		r->roots[r->n] = n;
	if (r->n++ == 0)
		r->first = n;
	return r->stop_at && (int)r->n == r->stop_at;
}

static inline void
read_as(struct result *r, const char *file, struct bytes text)
{
	int stop_at = r->stop_at;

	*r = (struct result){.stop_at = stop_at};
	arena_init(&r->arena, 65536, 0);
	diags_init(&r->diags, &r->arena);
	r->code =
	    read_text(&r->arena, &r->diags, bytes_str(file), text, 0, BYTES_NONE, take_resource, r);
	for (const struct diag *d = r->diags.first; d; d = d->next)
		diag_print_short(&r->text, d);
	if (r->text.p == NULL)
		strbuf_addz(&r->text, "");
	if (r->json.p == NULL)
		strbuf_addz(&r->json, "");
}

static inline void
result_free(struct result *r)
{
	strbuf_release(&r->json);
	strbuf_release(&r->text);
	arena_release(&r->arena);
	*r = (struct result){0};
}

/* The text as the value of k reads as this JSON (yaml) without a diagnostic. */
#define assert_yaml(yaml, expect) \
	do { \
		struct result r_ = {0}; \
		read_as(&r_, "t.yaml", bytes_str(yaml)); \
		assert_string_equal(r_.text.p, ""); \
		assert_string_equal(r_.json.p, expect "\n"); \
		assert_int_equal(r_.code, 0); \
		result_free(&r_); \
	} while (0)

#define assert_bad(file, body, expect) \
	do { \
		struct result r_ = {0}; \
		read_as(&r_, file, bytes_str(body)); \
		assert_string_equal(r_.text.p, expect); \
		result_free(&r_); \
	} while (0)

#endif
