/*
 * yaml_tree.c - the node tree while YAML events come in: keys, duplicates, anchors, merge keys,
 * bounds. Aliases are expanded by copying, within a budget, so that a tree is a tree and nobody
 * downstream need know of aliases. Merging happens where << stands, as go-yaml v2 (kubectl) does
 * it: earlier keys are replaced, later ones replace. An error in the document's content marks it
 * bad and reading goes on, so that all errors come in one run; a bound that is passed makes the
 * rest of the document be skipped. A collection is attached when it is complete, so that merging
 * sees it whole. Duplicate keys are found by a walk in small maps and a hash in big ones.
 */
#include "conf/read/yaml.h"

#include <stdarg.h>

#include "base/check.h"
#include "conf/read/codes.h"
#include "conf/read/scalar.h"

#define WALK_MAX 16 /* keys of a map up to which a walk is quicker than a hash */

struct diag *
yaml_bad(struct yaml *y, unsigned code, struct mark at, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	y->bad = y->failed = true;
	return diag_file(
	    y->job->diags, (uint16_t)code, y->job->proto.file, at, y->job->proto.text, "%s", msg);
}

static void
limit(struct yaml *y, struct mark at, const char *what, unsigned max)
{
	struct diag *d;

	if (y->skip)
		return;
	y->skip = true;
	d = yaml_bad(y, CODE_LIMIT, at, "document is too large: more than %u %s", max, what);
	d->label = BYTES("the rest of this document is not read");
}

struct node *
yaml_node(struct yaml *y, enum node_type type, struct mark at)
{
	struct node *n;

	if (y->skip)
		return NULL;
	y->all++;
	if (++y->nodes > READ_NODES_MAX) {
		limit(y, at, "nodes", READ_NODES_MAX);
		return NULL;
	}
	n = node_new(y->job->arena, type, y->doc);
	n->at = at;
	return n;
}

static struct node *
find_key(struct yaml_frame *f, struct bytes key)
{
	if (f->index.cap)
		return map_get(&f->index, key);
	for (struct node *c = f->node->first; c; c = c->next)
		if (bytes_eq(c->key, key))
			return c;
	return NULL;
}

static void
add_key(struct yaml_frame *f, struct node *n)
{
	node_append(f->node, n);
	if (f->index.cap) {
		map_put(&f->index, n->key, n);
	} else if (f->node->n > WALK_MAX) {
		map_init(&f->index);
		for (struct node *c = f->node->first; c; c = c->next)
			map_put(&f->index, c->key, c);
	}
}

static unsigned
height(const struct node *n)
{
	unsigned max = 0;

	for (const struct node *c = n->first; c; c = c->next) {
		unsigned h = height(c); /* not inside HG_MAX, which would ask twice */

		max = HG_MAX(max, h);
	}
	return max + 1;
}

/* A copy within the budget of aliases, or NULL. */
static struct node *
expand(struct yaml *y, const struct node *from, struct mark at)
{
	uint32_t n = node_count(from);

	if (n > READ_ALIAS_MAX - y->aliased) {
		limit(y, at, "nodes made by aliases", READ_ALIAS_MAX);
		return NULL;
	}
	if (y->depth + height(from) > READ_DEPTH_MAX) {
		limit(y, at, "levels of nesting", READ_DEPTH_MAX);
		return NULL;
	}
	y->aliased += n;
	y->nodes += n;
	y->all += n;
	return node_copy(y->job->arena, from);
}

static void
merge_map(struct yaml *y, struct yaml_frame *f, const struct node *from)
{
	struct node *copy = expand(y, from, f->key_at), *next;

	for (struct node *c = copy ? copy->first : NULL; c; c = next) {
		struct node *old = find_key(f, c->key);

		next = c->next;
		c->merged = true;
		if (old == NULL) {
			add_key(f, c);
			continue;
		}
		if (!old->merged) {
			struct diag *d = diag_file(y->job->diags, CODE_MERGE_OVERRIDES,
			    y->job->proto.file, f->key_at, y->job->proto.text,
			    "merge key replaces \"%.*s\" of line %u",
			    (int)HG_MIN(c->key.n, (size_t)100), c->key.p, old->key_at.line);

			diag_help(y->job->diags, d, "put << before the keys that shall win");
		}
		node_replace(old, c);
	}
}

static void
merge(struct yaml *y, struct yaml_frame *f, const struct node *value)
{
	const struct node *items[64];
	unsigned n = 0;
	bool good = value->type == NODE_MAP ||
	    (value->type == NODE_LIST && value->n <= HG_ARRAY_LEN(items));

	if (good && value->type == NODE_LIST)
		for (const struct node *c = value->first; c; c = c->next) {
			good = good && c->type == NODE_MAP;
			items[n++] = c;
		}
	if (!good) {
		yaml_bad(
		    y, CODE_MERGE, value->at, "merge key << takes a mapping or a list of mappings");
		return;
	}
	if (value->type == NODE_MAP) {
		merge_map(y, f, value);
		return;
	}
	/* The first of a list wins, so it comes last. */
	while (n > 0 && !y->skip)
		merge_map(y, f, items[--n]);
}

static const char *
quote_word(struct bytes text)
{
	static const char *const list[] = {"y", "n", "yes", "no", "on", "off"};

	for (size_t i = 0; i < HG_ARRAY_LEN(list); i++)
		if (bytes_eqi(text, bytes_str(list[i])))
			return list[i];
	return NULL;
}

static void
take_key(struct yaml *y, struct yaml_frame *f, struct node *n)
{
	f->have_key = true;
	f->key_at = n->at;
	f->key = BYTES("");
	f->merge = n->type == NODE_STRING && n->merged; /* set by yaml.c for a plain << */
	if (f->node->first == NULL && !f->flow)
		f->node->at = n->at;
	if (n->type == NODE_LIST || n->type == NODE_MAP) {
		yaml_bad(y, CODE_KEY_TYPE, n->at, "a %s cannot be a key",
		    n->type == NODE_LIST ? "list" : "mapping");
		return;
	}
	f->key = scalar_key(y->job->arena, n);
	if (f->key.p == NULL) {
		f->key = BYTES("");
		yaml_bad(y, CODE_KEY_TYPE, n->at, "null cannot be a key");
	} else if (n->type == NODE_BOOL && quote_word(n->text)) {
		struct diag *d = diag_file(y->job->diags, CODE_BOOLEAN_KEY, y->job->proto.file,
		    n->at, y->job->proto.text, "key %.*s is read as \"%.*s\"", BYTES_ARG(n->text),
		    BYTES_ARG(f->key));

		diag_help(y->job->diags, d, "write \"%.*s\" with quotes if the word is meant",
		    BYTES_ARG(n->text));
	}
}

static void
take_value(struct yaml *y, struct yaml_frame *f, struct node *n)
{
	struct node *old;

	f->have_key = false;
	n->key = f->key;
	n->key_at = f->key_at;
	n->merged = false;
	if (f->merge) {
		merge(y, f, n);
		return;
	}
	old = find_key(f, f->key);
	if (old && old->merged) {
		node_replace(old, n);
		return;
	}
	if (old) {
		struct diag *d = yaml_bad(y, CODE_DUPLICATE_KEY, f->key_at,
		    "key \"%.*s\" is given twice", (int)HG_MIN(f->key.n, (size_t)100), f->key.p);

		diag_help(y->job->diags, d, "the first one is at line %u, column %u",
		    old->key_at.line, old->key_at.col);
		return;
	}
	add_key(f, n);
}

void
yaml_attach(struct yaml *y, struct node *n)
{
	struct yaml_frame *f;

	if (y->skip)
		return;
	if (y->depth == 0) {
		y->root = n;
		return;
	}
	f = &y->frames[y->depth - 1];
	if (f->node->type == NODE_LIST) {
		n->merged = false;
		node_append(f->node, n);
	} else if (!f->have_key) {
		take_key(y, f, n);
	} else {
		take_value(y, f, n);
	}
}

void
yaml_push(struct yaml *y, struct node *n, bool flow, int indent)
{
	if (y->skip)
		return;
	if (y->depth == READ_DEPTH_MAX) {
		limit(y, n->at, "levels of nesting", READ_DEPTH_MAX);
		return;
	}
	y->frames[y->depth++] = (struct yaml_frame){.node = n, .flow = flow, .indent = indent};
}

void
yaml_pop(struct yaml *y)
{
	struct yaml_frame *f;

	if (y->skip || y->depth == 0)
		return;
	f = &y->frames[--y->depth];
	map_release(&f->index);
	yaml_attach(y, f->node);
}

void
yaml_anchor(struct yaml *y, struct bytes name, struct node *n)
{
	if (y->skip)
		return;
	if (y->nanchors == YAML_ANCHORS_MAX) {
		limit(y, n->at, "anchors", YAML_ANCHORS_MAX);
		return;
	}
	y->anchors = arena_grow(
	    y->job->arena, y->anchors, &y->cap_anchors, y->nanchors, sizeof(*y->anchors));
	y->anchors[y->nanchors++] = (struct yaml_anchor){arena_bytes(y->job->arena, name), n};
}

void
yaml_alias(struct yaml *y, struct bytes name, struct mark at)
{
	struct node *from = NULL, *n;

	if (y->skip)
		return;
	for (size_t i = y->nanchors; i > 0 && from == NULL; i--)
		if (bytes_eq(y->anchors[i - 1].name, name))
			from = y->anchors[i - 1].node;
	for (unsigned i = 0; i < y->depth && from; i++) {
		if (y->frames[i].node != from)
			continue;
		yaml_bad(y, CODE_ALIAS, at,
		    "alias \"%.*s\" stands inside the node that it refers to",
		    (int)HG_MIN(name.n, (size_t)100), name.p);
		from = NULL;
		name = BYTES_NONE;
	}
	if (from == NULL && name.p) {
		struct diag *d = yaml_bad(y, CODE_ALIAS, at,
		    "alias refers to an anchor \"%.*s\" that is not defined before it",
		    (int)HG_MIN(name.n, (size_t)100), name.p);

		diag_help(y->job->diags, d,
		    "if the value shall start with *, write \"*%.*s\" with quotes",
		    (int)HG_MIN(name.n, (size_t)100), name.p);
	}
	n = from ? expand(y, from, at) : yaml_node(y, NODE_STRING, at);
	if (n == NULL)
		return;
	if (from == NULL)
		n->text = BYTES("");
	n->merged = false;
	n->key = BYTES_NONE;
	n->key_at = (struct mark){0};
	yaml_attach(y, n);
}

void
yaml_reset(struct yaml *y)
{
	for (unsigned i = 0; i < y->depth; i++)
		map_release(&y->frames[i].index);
	y->depth = 0;
	y->root = NULL;
	y->nodes = y->aliased = 0;
	y->nanchors = 0;
	y->bad = y->skip = false;
}
