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

static bool
granted(const struct scope *sc, const struct k_grant_from *from, const struct k_grant_to *to,
    struct bytes to_ns, struct bytes to_name)
{
	struct k_grant_from f = *from;
	struct k_grant_to t = *to;
	struct keybuf kb;

	return map_get(&sc->grants, grant_key(&kb, to_ns, &f, &t, BYTES(""))) != NULL ||
	    map_get(&sc->grants, grant_key(&kb, to_ns, &f, &t, to_name)) != NULL;
}

/* Kinds of two groups are granted under either. */
bool
grant_allows(const struct scope *sc, enum kind_id from, struct bytes from_ns, struct bytes to_group,
    struct bytes to_kind, struct bytes to_ns, struct bytes to_name)
{
	const struct kind *k = kind_by_id(from), *other = kind_by_name(to_group, to_kind);
	struct bytes envoy = BYTES(GROUP_ENVOY);
	bool from_two = kind_in_group(k, envoy), to_two = other && kind_in_group(other, envoy);
	struct k_grant_from f = {
	    .group = bytes_str(k->group), .kind = bytes_str(k->name), .ns = from_ns};
	struct k_grant_to t = {
	    .group = to_two ? bytes_str(other->group) : to_group, .kind = to_kind};

	if (bytes_eq(from_ns, to_ns))
		return true;
	for (unsigned i = 0; i < 4; i++) {
		struct k_grant_from f2 = f;
		struct k_grant_to t2 = t;

		if ((i & 1 && !from_two) || (i & 2 && !to_two))
			continue;
		if (i & 1)
			f2.group = envoy;
		if (i & 2)
			t2.group = envoy;
		if (granted(sc, &f2, &t2, to_ns, to_name))
			return true;
	}
	return false;
}
