/*
 * traffic_merge.c - mergeType (reference/policies.md 2): the policy of the listener's side is the
 * base, the route's the patch. Specs are merged as node trees, bound anew and judged by the rules
 * again: a merge of two good specs can be a bad one. Rate limits stand apart (traffic_limit.c):
 * each rule keeps the identity of the policy that wrote it.
 */
#include "conf/resolve/traffic.h"

/* Lists that StrategicMerge joins by a key. */
static const struct {
	const char *path, *key;
} keyed[] = {{"compression", "type"}, {"compressor", "type"}, {"httpUpgrade", "type"}};

static const char *
key_of(struct bytes name, bool strategic)
{
	for (size_t i = 0; strategic && i < HG_ARRAY_LEN(keyed); i++)
		if (bytes_eq(name, bytes_str(keyed[i].path)))
			return keyed[i].key;
	return NULL;
}

static struct node *
child_copy(struct scope *sc, struct node *to, const struct node *from)
{
	struct node *n = node_copy(sc->arena, from);

	n->key = from->key;
	n->key_at = from->key_at;
	n->next = NULL;
	node_append(to, n);
	return n;
}

static struct node *
same_item(const struct node *list, const char *key, const struct node *item)
{
	for (struct node *n = list->first; n != NULL; n = n->next)
		if (bytes_eq(node_text(node_get(n, key)), node_text(node_get(item, key))))
			return n;
	return NULL;
}

static void merge_map(struct scope *, struct node *to, const struct node *patch, bool strategic);

static void
merge_list(struct scope *sc, struct node *to, const struct node *patch, const char *key)
{
	for (const struct node *n = patch->first; n != NULL; n = n->next) {
		struct node *same = same_item(to, key, n);

		if (same == NULL)
			child_copy(sc, to, n);
		else
			merge_map(sc, same, n, true);
	}
}

static void
merge_map(struct scope *sc, struct node *to, const struct node *patch, bool strategic)
{
	for (const struct node *n = patch->first; n != NULL; n = n->next) {
		struct node *old = node_getb(to, n->key);
		const char *key = key_of(n->key, strategic);

		if (old == NULL)
			child_copy(sc, to, n);
		else if (old->type == NODE_MAP && n->type == NODE_MAP)
			merge_map(sc, old, n, strategic);
		else if (key != NULL && old->type == NODE_LIST && n->type == NODE_LIST)
			merge_list(sc, old, n, key);
		else
			node_replace(old, node_copy(sc->arena, n));
	}
}

/* Targets, the merge itself and rate limits are the patch's own; a copy without them. */
static struct node *
without(struct scope *sc, const struct node *spec)
{
	static const char *const own[] = {
	    "targetRef", "targetRefs", "targetSelectors", "mergeType", "rateLimit"};
	struct node *copy = node_copy(sc->arena, spec);

	for (struct node *n = copy->first; n != NULL; n = n->next)
		for (size_t i = 0; i < HG_ARRAY_LEN(own); i++)
			if (bytes_eq(n->key, bytes_str(own[i])))
				n->type = NODE_NULL;
	node_prune_nulls(copy);
	return copy;
}

static struct node *
targets(struct scope *sc, struct node *to, const struct node *spec)
{
	static const char *const own[] = {"targetRef", "targetRefs", "targetSelectors"};

	for (size_t i = 0; i < HG_ARRAY_LEN(own); i++)
		if (node_get(spec, own[i]) != NULL)
			child_copy(sc, to, node_get(spec, own[i]));
	return to;
}

struct k_backendtrafficpolicy *
traffic_merge(struct scope *sc, const struct t_policy *base, const struct t_policy *patch,
    const char **why)
{
	const struct k_backendtrafficpolicy *k = patch->obj->spec;
	const struct node *spec = node_get(patch->obj->node, "spec");
	struct node *to = without(sc, node_get(base->obj->node, "spec"));
	struct k_backendtrafficpolicy *out;
	struct diags d;

	merge_map(sc, to, without(sc, spec), bytes_eq(k->merge, BYTES("StrategicMerge")));
	targets(sc, to, spec);
	diags_init(&d, sc->arena);
	out = struct_bind(sc->arena, &d, patch->obj->kind->spec, to);
	*why = out != NULL ? NULL :
	    d.first != NULL ? arena_dup(sc->arena, d.first->message) : "the result is not valid";
	return out;
}
