/*
 * grant.c - ReferenceGrants (reference/gateway-api.md 5.1). A set of what is
 * allowed: each grant's `from` x `to`, the whole pair in one key, so that a look-up costs the same
 * with ten thousand grants and parts of two grants never combine.
 */
#include "conf/resolve/scope.h"

static struct bytes
grant_key(struct keybuf *kb, struct bytes to_ns, const struct k_grant_from *f,
    const struct k_grant_to *t, struct bytes name)
{
	return KEY(kb, to_ns, f->group, f->kind, f->ns, t->group, t->kind, name);
}

void
grant_index(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_REFERENCEGRANT]; o != NULL;
	     o = o->next) {
		const struct k_referencegrant *g = o->spec;

		for (uint32_t i = 0; i < g->from.n * g->to.n; i++) {
			const struct k_grant_to *t = &g->to.v[i % g->to.n];
			struct keybuf kb;
			struct bytes key =
			    grant_key(&kb, o->meta.ns, &g->from.v[i / g->to.n], t, t->name);

			if (map_get(&sc->grants, key) == NULL)
				map_put(&sc->grants, arena_bytes(sc->arena, key), sc);
		}
	}
}

bool
grant_allows(const struct scope *sc, enum kind_id from, struct bytes from_ns, struct bytes to_group,
    struct bytes to_kind, struct bytes to_ns, struct bytes to_name)
{
	const struct kind *k = kind_by_id(from);
	struct k_grant_from f = {
	    .group = bytes_str(k->group), .kind = bytes_str(k->name), .ns = from_ns};
	struct k_grant_to t = {.group = to_group, .kind = to_kind};
	struct keybuf kb;

	if (bytes_eq(from_ns, to_ns))
		return true;
	return map_get(&sc->grants, grant_key(&kb, to_ns, &f, &t, BYTES(""))) != NULL ||
	    map_get(&sc->grants, grant_key(&kb, to_ns, &f, &t, to_name)) != NULL;
}
