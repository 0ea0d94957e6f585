/*
 * route_l4.c - TLSRoute, TCPRoute and UDPRoute rules (reference/gateway-api.md 5.16, 5.17): no
 * matches, no filters, only weighted backends. A rule has nothing to tell it from a second one, so
 * the first is the route; the served alpha versions allow more, and those are told as dropped.
 * Which route of several has a listener, or a server name of it, is decided where the tables are
 * built, in the order of age.
 */
#include "conf/resolve/route_l4.h"

#include "conf/resolve/backend.h"

static void
backends(struct scope *sc, struct r_route *r, const struct k_l4_rule *k, struct m_rule *m)
{
	const struct r_backend_kind **of =
	    arena_zalloc(sc->arena, (k->backends.n + 1) * sizeof(*of));
	uint64_t sum = 0;

	m->backends = arena_zalloc(sc->arena, (k->backends.n + 1) * sizeof(*m->backends));
	m->nbackends = k->backends.n;
	for (uint32_t i = 0; i < k->backends.n; i++) {
		const struct k_backend_ref *b = &k->backends.v[i];
		struct m_backend *to = &m->backends[i];
		struct r_backend got;
		char where[64];

		snprintf(where, sizeof(where), "spec.rules[0].backendRefs[%u]", i);
		backend_resolve(sc, r, where, b, &got);
		to->weight = b->weight.set ? (uint32_t)b->weight.v : 1;
		to->error = got.error;
		to->cluster = got.error == HG_OK ? got.cluster : NULL;
		m->affinity |= got.affinity;
		to->fallback = got.backend != NULL && got.backend->fallback;
		of[i] = got.backend;
		sum += to->weight;
	}
	if (sum == 0)
		m->error = HG_ERR_NO_BACKEND;
	backend_spread(sc, m, of);
}

void
route_l4_resolve(struct scope *sc, struct r_route *r)
{
	const struct object *o = r->obj;
	const struct k_l4route *k = o->spec;
	struct m_route *m = &sc->model.routes[sc->model.nroutes++];
	struct m_rule *rule = arena_zalloc(sc->arena, sizeof(*rule));
	const char *name;

	*m = (struct m_route){.kind = r->kind,
	    .ns = o->meta.ns,
	    .name = o->meta.name,
	    .created = sc->meta[o->index].created,
	    .rules = rule};
	r->m = m;
	if (k->rules.n == 0)
		return;
	name = k->rules.v[0].name.n == 0 ? "0" :
	    arena_printf(sc->arena, "%.*s", BYTES_ARG(k->rules.v[0].name));
	rule->route = m;
	rule->id = ids_get(sc->ids, CAT_ID_RULE, bytes_str(arena_printf(sc->arena,
	    "%s %.*s/%.*s %s", o->kind->name, BYTES_ARG(o->meta.ns), BYTES_ARG(o->meta.name),
	    name)));
	backends(sc, r, &k->rules.v[0], rule);
	m->nrules = 1;
	if (k->rules.n > 1)
		r->partial = arena_printf(sc->arena,
		    "Dropped Rule 1%s: a %s has no matches, so its first rule takes everything",
		    k->rules.n > 2 ? " and later" : "", o->kind->name);
}
