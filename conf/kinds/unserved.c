/*
 * unserved.c - which fields of an object are known but not served: a walk over the written node
 * tree by the tables. It looks at what was written and not at what was bound, so that the flag in
 * the table is all that a field needs.
 */
#include "conf/kinds/schema.h"

struct walk {
	struct arena *arena;
	void (*cb)(void *, const struct node *, const char *path);
	void *arg;
};

static void
fields(struct walk *w, const struct kstruct *s, const struct node *map, const char *path)
{
	for (const struct node *n = map->first; n != NULL; n = n->next) {
		const struct kfield *f = NULL;
		const char *at;

		for (unsigned i = 0; i < s->n && f == NULL; i++)
			if (bytes_eq(n->key, bytes_str(s->fields[i].name)))
				f = &s->fields[i];
		if (f == NULL || n->type == NODE_NULL)
			continue;
		at = arena_printf(w->arena, "%s%s%.*s", path, path[0] != '\0' ? "." : "",
		    BYTES_ARG(n->key));
		if (f->flags & FF_NOT_SERVED) {
			w->cb(w->arg, n, at);
			continue;
		}
		if (f->sub != NULL && n->type == NODE_MAP)
			fields(w, f->sub, n, at);
		else if (f->sub != NULL && n->type == NODE_LIST) {
			unsigned i = 0;

			for (const struct node *e = n->first; e != NULL; e = e->next, i++)
				if (e->type == NODE_MAP)
					fields(w, f->sub, e,
					    arena_printf(w->arena, "%s[%u]", at, i));
		}
	}
}

void
schema_unserved(struct arena *a, const struct kstruct *s, const struct node *map,
    void (*cb)(void *, const struct node *, const char *path), void *arg)
{
	struct walk w = {a, cb, arg};

	if (map != NULL && map->type == NODE_MAP)
		fields(&w, s, map, "");
}
