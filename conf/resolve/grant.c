/*
 * grant.c - ReferenceGrants (reference/gateway-api.md 5.1). Indexed by target namespace and the
 * whole of `from`, so a look-up walks only grants that name the referrer. Parts of two grants never
 * combine: `from` and `to` are tested within one object.
 */
#include "conf/resolve/scope.h"

struct grant_entry {
	struct grant_entry *next;
	const struct k_referencegrant *grant;
};

void
grant_index(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_REFERENCEGRANT]; o != NULL;
	     o = o->next) {
		const struct k_referencegrant *g = o->spec;

		for (uint32_t i = 0; i < g->from.n; i++) {
			const struct k_grant_from *f = &g->from.v[i];
			struct keybuf kb;
			struct bytes key = KEY(&kb, o->meta.ns, f->group, f->kind, f->ns);
			struct grant_entry *e = arena_zalloc(sc->arena, sizeof(*e));

			e->grant = g;
			e->next = map_get(&sc->grants, key);
			map_put(
			    &sc->grants, e->next != NULL ? key : arena_bytes(sc->arena, key), e);
		}
	}
}

bool
grant_allows(const struct scope *sc, enum kind_id from, struct bytes from_ns, struct bytes to_group,
    struct bytes to_kind, struct bytes to_ns, struct bytes to_name)
{
	const struct kind *k = kind_by_id(from);
	struct keybuf kb;
	struct bytes key;

	if (bytes_eq(from_ns, to_ns))
		return true;
	key = KEY(&kb, to_ns, bytes_str(k->group), bytes_str(k->name), from_ns);
	for (const struct grant_entry *e = map_get(&sc->grants, key); e != NULL; e = e->next)
		for (uint32_t i = 0; i < e->grant->to.n; i++) {
			const struct k_grant_to *t = &e->grant->to.v[i];

			if (bytes_eq(t->group, to_group) && bytes_eq(t->kind, to_kind) &&
			    (t->name.n == 0 || bytes_eq(t->name, to_name)))
				return true;
		}
	return false;
}
