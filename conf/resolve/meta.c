/*
 * meta.c - uid, generation and age of every object (DESIGN section 2, "Metadata"). What the file
 * says wins; else generation counts changes of content and age is the first time this node saw the
 * object, both remembered by the catalogue. Never the file's mtime: an edit or a checkout must not
 * change which route wins.
 */
#include "base/clock.h"
#include "conf/resolve/scope.h"

static struct bytes
uid_make(struct scope *sc, const struct object *o, int64_t created)
{
	struct keybuf kb;
	struct bytes key = KEY(&kb, bytes_str(o->kind->group), bytes_str(o->kind->name), o->meta.ns,
	    o->meta.name, bytes_of((const char *)&created, sizeof(created)));
	struct hash128 h = hash_content(key.p, key.n);

	return bytes_str(arena_printf(sc->arena, "%08x-%04x-8%03x-%04x-%012llx",
	    (unsigned)(h.a >> 32), (unsigned)(h.a >> 16 & 0xffff), (unsigned)(h.a & 0xfff),
	    (unsigned)(0x8000 | (h.b >> 48 & 0x3fff)),
	    (unsigned long long)(h.b & 0xffffffffffffull)));
}

static bool
is_row(const struct catalogue *c, const struct cat_object *r, const struct object *o)
{
	return bytes_eq(blob_text(&c->blob, r->name), o->meta.name) &&
	    bytes_eq(blob_text(&c->blob, r->ns), o->meta.ns) &&
	    bytes_eq(blob_text(&c->blob, r->kind), bytes_str(o->kind->name)) &&
	    bytes_eq(blob_text(&c->blob, r->group), bytes_str(o->kind->group));
}

/* Rows and the objects of a kind are in the same order, so it is mostly the row behind the last. */
static const struct cat_object *
find_old(const struct catalogue *c, const struct object *o, uint32_t *next)
{
	const struct cat_object *r = NULL;

	if (c == NULL)
		return NULL;
	if (*next < c->n_objects && is_row(c, &c->objects[*next], o))
		r = &c->objects[*next];
	else
		r = catalogue_find(c, bytes_str(o->kind->group), bytes_str(o->kind->name),
		    o->meta.ns, o->meta.name);
	if (r != NULL)
		*next = (uint32_t)(r - c->objects) + 1;
	return r;
}

static void
one(struct scope *sc, const struct object *o, uint32_t *next)
{
	struct meta *m = &sc->meta[o->index];
	const struct cat_object *old = find_old(sc->in.old, o, next);
	int64_t created = -1;

	m->old = old;
	if (o->meta.created.p != NULL)
		created = clock_parse_rfc3339(o->meta.created.p, o->meta.created.n);
	m->created = created >= 0 ? created : old != NULL ? old->created : sc->in.now;
	if (o->meta.generation.set)
		m->generation = o->meta.generation.v;
	else if (old == NULL || old->generation <= 0)
		m->generation = 1;
	else
		m->generation =
		    old->generation + (old->hash[0] != o->hash[0] || old->hash[1] != o->hash[1]);
	if (o->meta.uid.n != 0)
		m->uid = o->meta.uid;
	else if (old != NULL && old->uid.off != IM_NONE && old->uid.len != 0)
		m->uid = blob_text(&sc->in.old->blob, old->uid);
	else
		m->uid = uid_make(sc, o, m->created);
}

void
meta_resolve(struct scope *sc)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < sc->in.objects->n; i++)
		one(sc, sc->in.objects->all[i], &next);
	for (uint32_t i = 0; i < sc->in.nstale; i++)
		sc->meta[sc->in.stale[i].object->index].stale = sc->in.stale[i].why;
}
