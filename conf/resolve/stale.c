/*
 * stale.c - bringing back last good content from the old catalogue. Two cases: one object of a file
 * is bad (its identity could be read), or a whole file is (syntax, permissions, a compiler that
 * died in it): then every object that came from that file last time and from no other now. A file
 * that is gone is a deletion: its objects go too. Secrets have their full text in `good`,
 * everything else in `json`.
 */
#include "conf/resolve/stale.h"

#include "base/hash.h"

struct keep {
	struct arena *arena;
	struct load *load;
	const struct catalogue *old;
	struct stale_note *notes;
	struct object **objects; /* in step */
	size_t n, cap, ocap;
	struct map seen;         /* catalogue rows that were brought back */
	struct map files;        /* file -> 1 + its last row */
	uint32_t *next;          /* 1 + the row before it of the same file, 0 = none */
};

static int
by_order(const void *x, const void *y)
{
	const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;
	int c = (int)a->kind->id - (int)b->kind->id;

	if (c == 0)
		c = bytes_cmp(a->meta.ns, b->meta.ns);
	return c != 0 ? c : bytes_cmp(a->meta.name, b->meta.name);
}

/* The same order and links that load_objects made: objects_find searches in them. */
static void
link_all(struct objects *os)
{
	struct object **at[KIND_COUNT];

	qsort(os->all, os->n, sizeof(struct object *), by_order);
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		at[k] = &os->first[k];
		os->count[k] = 0;
	}
	for (uint32_t i = 0; i < os->n; i++) {
		struct object *o = os->all[i];

		o->index = i;
		o->next = NULL;
		*at[o->kind->id] = o;
		at[o->kind->id] = &o->next;
		os->count[o->kind->id]++;
	}
}

static void
add_all(struct keep *k)
{
	struct objects *os = &k->load->objects;
	struct object **all = arena_alloc(k->arena, (os->n + k->n + 1) * sizeof(struct object *));
	uint32_t n = os->n;

	if (k->n == 0)
		return;
	if (os->n != 0)
		memcpy(all, os->all, os->n * sizeof(struct object *));
	for (size_t i = 0; i < k->n; i++)
		all[n++] = k->objects[i];
	os->all = all;
	os->n = n;
	link_all(os);
}

static void
restore(struct keep *k, const struct cat_object *c, struct bytes why)
{
	struct bytes json = blob_text(&k->old->blob, c->good.off != IM_NONE ? c->good : c->json);
	struct bytes source = blob_text(&k->old->blob, c->source);
	uint32_t index = (uint32_t)(c - k->old->objects);
	struct bytes row = bytes_of((const char *)&index, sizeof(index));
	struct object *o;

	if ((c->flags & (CAT_GONE | CAT_OWN | CAT_BUILTIN)) || json.n == 0 ||
	    map_get(&k->seen, row) != NULL)
		return;
	o = object_from_json(k->arena, arena_bytes(k->arena, json), arena_bytes(k->arena, source));
	if (o == NULL ||
	    objects_find(&k->load->objects, o->kind->id, o->meta.ns, o->meta.name) != NULL)
		return;
	o->stale = true;
	o->hash[0] = c->hash[0];
	o->hash[1] = c->hash[1];
	map_put(&k->seen, arena_bytes(k->arena, row), o);
	k->objects = arena_grow(k->arena, k->objects, &k->ocap, k->n, sizeof(struct object *));
	k->objects[k->n] = o;
	k->notes = arena_grow(k->arena, k->notes, &k->cap, k->n, sizeof(*k->notes));
	k->notes[k->n++] = (struct stale_note){o, why};
}

/* Rows by the file that they came from; made only when a whole file is bad. */
static void
index_files(struct keep *k)
{
	k->next = arena_alloc(k->arena, (k->old->n_objects + 1) * sizeof(*k->next));
	for (uint32_t i = 0; i < k->old->n_objects; i++) {
		struct bytes source = blob_text(&k->old->blob, k->old->objects[i].source);
		ptrdiff_t colon = bytes_rchr(source, ':');
		struct bytes file = colon > 0 ? bytes_of(source.p, (size_t)colon) : BYTES("");

		k->next[i] = (uint32_t)(uintptr_t)map_get(&k->files, file);
		map_put(&k->files, file, (void *)(uintptr_t)(i + 1));
	}
}

static void
whole_file(struct keep *k, const struct load_bad *b)
{
	if (k->next == NULL)
		index_files(k);
	for (uint32_t i = (uint32_t)(uintptr_t)map_get(&k->files, b->file); i != 0;
	     i = k->next[i - 1])
		restore(k, &k->old->objects[i - 1], b->why);
}

const struct stale_note *
stale_restore(struct arena *a, struct load *load, const struct catalogue *old, uint32_t *n)
{
	struct keep k = {.arena = a, .load = load, .old = old};

	map_init(&k.seen);
	map_init(&k.files);
	for (const struct load_bad *b = old == NULL ? NULL : load->bad; b != NULL; b = b->next) {
		const struct cat_object *c;

		if (b->kind == NULL) {
			whole_file(&k, b);
			continue;
		}
		if (objects_find(&load->objects, b->kind->id, b->ns, b->name) != NULL)
			continue;
		c = catalogue_find(
		    old, bytes_str(b->kind->group), bytes_str(b->kind->name), b->ns, b->name);
		if (c != NULL)
			restore(&k, c, b->why);
	}
	map_release(&k.seen);
	map_release(&k.files);
	add_all(&k);
	*n = (uint32_t)k.n;
	return k.notes;
}
