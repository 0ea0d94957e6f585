/*
 * node.c - the neutral tree. Children are a singly linked list with a tail pointer: readers append
 * in order, the binder walks in order, and maps of manifests are small, so a search by key is a
 * walk. A hash per map was rejected: it would cost more memory than the nodes, and the one place
 * where many keys meet (duplicates while reading) has its own (yaml.c). Depth is bounded by the
 * readers (READ_DEPTH_MAX), so recursion here is bounded too.
 */
#include "conf/read/node.h"

#include "base/check.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define WHERE_MAX 512 /* levels that node_where follows; far more than any reader makes */

struct node *
node_new(struct arena *a, enum node_type type, struct doc *doc)
{
	struct node *n = arena_zalloc(a, sizeof(*n));

	n->type = (uint8_t)type;
	n->doc = doc;
	return n;
}

void
node_append(struct node *parent, struct node *child)
{
	child->parent = parent;
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

struct node *
node_getb(const struct node *map, struct bytes key)
{
	if (map == NULL || map->type != NODE_MAP)
		return NULL;
	for (struct node *c = map->first; c; c = c->next)
		if (bytes_eq(c->key, key))
			return c->type == NODE_NULL ? NULL : c;
	return NULL;
}

struct node *
node_get(const struct node *map, const char *key)
{
	return node_getb(map, bytes_str(key));
}

static struct node *
item(const struct node *list, uint64_t index)
{
	struct node *c;

	if (list == NULL || list->type != NODE_LIST || index >= list->n)
		return NULL;
	for (c = list->first; index > 0; index--)
		c = c->next;
	return c->type == NODE_NULL ? NULL : c;
}

struct node *
node_path(const struct node *map, const char *path)
{
	struct bytes rest = bytes_str(path);
	const struct node *at = map;

	while (at && rest.p && rest.n) {
		struct bytes step = bytes_cut(&rest, '.');
		struct bytes name = bytes_cut(&step, '[');

		if (name.n)
			at = node_getb(at, name);
		while (at && step.p) {
			struct bytes number = bytes_cut(&step, ']');
			uint64_t index;

			if (!parse_u64(number, UINT32_MAX, &index))
				return NULL;
			at = item(at, index);
			if (step.p && step.n == 0)
				step = BYTES_NONE;
			else if (step.p)
				step = bytes_of(step.p + 1, step.n - 1); /* the next '[' */
		}
	}
	return (struct node *)at;
}

struct bytes
node_text(const struct node *scalar)
{
	return scalar ? scalar->text : BYTES_NONE;
}

struct node *
node_copy(struct arena *a, const struct node *from)
{
	struct node *n = arena_alloc(a, sizeof(*n));

	*n = *from;
	n->parent = n->first = n->last = n->next = NULL;
	n->n = 0;
	for (const struct node *c = from->first; c; c = c->next)
		node_append(n, node_copy(a, c));
	return n;
}

void
node_replace(struct node *old, const struct node *with)
{
	struct node *parent = old->parent, *next = old->next;

	*old = *with;
	old->parent = parent;
	old->next = next;
	for (struct node *c = old->first; c; c = c->next)
		c->parent = old;
}

uint32_t
node_count(const struct node *n)
{
	uint32_t sum = 1;

	for (const struct node *c = n->first; c; c = c->next)
		sum += node_count(c);
	return sum;
}

static bool
maps_equal(const struct node *a, const struct node *b)
{
	const struct node *guess = b->first;

	for (const struct node *c = a->first; c; c = c->next) {
		const struct node *d = guess;

		/* Usually both are in the same order. */
		if (d == NULL || !bytes_eq(d->key, c->key))
			for (d = b->first; d && !bytes_eq(d->key, c->key); d = d->next)
				;
		if (d == NULL || !node_equal(c, d))
			return false;
		guess = d->next;
	}
	return true;
}

bool
node_equal(const struct node *a, const struct node *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->type != b->type || a->n != b->n)
		return false;
	switch ((enum node_type)a->type) {
	case NODE_NULL:
		return true;
	case NODE_BOOL:
		return a->boolean == b->boolean;
	case NODE_INT:
		return a->integer == b->integer;
	case NODE_FLOAT:
		return memcmp(&a->real, &b->real, sizeof(a->real)) == 0;
	case NODE_STRING:
		return bytes_eq(a->text, b->text);
	case NODE_LIST:
		for (const struct node *c = a->first, *d = b->first; c; c = c->next, d = d->next)
			if (!node_equal(c, d))
				return false;
		return true;
	case NODE_MAP:
		return maps_equal(a, b);
	}
	return false;
}

static bool
plain_key(struct bytes key)
{
	if (key.n == 0)
		return false;
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '_' || c == '-'))
			return false;
	}
	return true;
}

const char *
node_where(struct arena *a, const struct node *node)
{
	const struct node *chain[WHERE_MAX];
	struct strbuf out = STRBUF_INIT;
	unsigned depth = 0;
	const char *text;

	for (; node && node->parent && depth < WHERE_MAX; node = node->parent)
		chain[depth++] = node;
	while (depth-- > 0) {
		const struct node *n = chain[depth];

		if (n->parent->type == NODE_LIST) {
			unsigned index = 0;

			for (const struct node *c = n->parent->first; c && c != n; c = c->next)
				index++;
			strbuf_printf(&out, "[%u]", index);
		} else if (plain_key(n->key)) {
			strbuf_printf(&out, "%s%.*s", out.n ? "." : "", BYTES_ARG(n->key));
		} else {
			strbuf_printf(&out, "[%.*s]", BYTES_ARG(n->key));
		}
	}
	text = arena_dup(a, out.n ? strbuf_bytes(&out) : BYTES(""));
	strbuf_release(&out);
	return text;
}

void
node_prune_nulls(struct node *n)
{
	struct node **link = &n->first, *last = NULL;
	uint32_t count = 0;

	while (*link) {
		struct node *c = *link;

		if (c->type == NODE_NULL) {
			*link = c->next;
			continue;
		}
		node_prune_nulls(c);
		last = c;
		count++;
		link = &c->next;
	}
	n->last = last;
	n->n = count;
}
