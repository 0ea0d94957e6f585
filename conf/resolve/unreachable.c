/*
 * unreachable.c - HG2701: a rule that no request can reach, because an earlier rule of the same
 * route takes everything that it would. Only equal matches without predicates are compared (a hash
 * of path and method): cheap, and never wrong. Coverage by prefix is what `headgate match` shows.
 *
 * Of TLSRoutes, TCPRoutes and UDPRoutes the oldest has the listener, or the name on it. The others
 * are accepted and attached all the same (Gateway API has no condition for it), so only a warning
 * tells why they get nothing.
 */
#include "conf/read/codes.h"
#include "conf/resolve/scope.h"

static bool
bare(const struct m_match *m)
{
	return m->nheaders == 0 && m->nquery == 0;
}

static bool
covered(const struct m_rule *r, struct map *seen, struct scope *sc, uint32_t *by)
{
	uint32_t hidden = 0;

	for (uint32_t i = 0; i < r->nmatches; i++) {
		const struct m_match *m = &r->matches[i];
		char type = (char)('0' + m->path_type);
		struct keybuf kb;
		struct bytes key;
		uintptr_t first;

		if (!bare(m) || m->path.n > 1024)
			continue;
		key = KEY(&kb, bytes_of(&type, 1), m->path, m->method);
		first = (uintptr_t)map_get(seen, key);
		if (first == 0) {
			map_put(
			    seen, arena_bytes(sc->arena, key), (void *)((uintptr_t)r->index + 1));
		} else if (first - 1 != r->index) {
			*by = (uint32_t)first - 1;
			hidden++;
		}
	}
	return r->nmatches != 0 && hidden == r->nmatches;
}

static const struct node *
rule_node(const struct r_route *r, uint32_t index)
{
	const struct k_httproute *h = r->obj->spec;
	const struct k_grpcroute *g = r->obj->spec;

	return r->kind == IM_GRPCROUTE ? g->rules.v[index].node : h->rules.v[index].node;
}

/* HTTPRoute or GRPCRoute: others have one rule. */
static void
route(struct scope *sc, const struct r_route *r)
{
	struct map seen;
	uint32_t by = 0;

	map_init(&seen);
	for (uint32_t i = 0; i < r->m->nrules; i++) {
		const struct m_rule *m = &r->m->rules[i];

		const struct node *at = rule_node(r, m->index);

		if (covered(m, &seen, sc, &by) && at != NULL)
			diag_at(sc->in.diags, CODE_UNREACHABLE_RULE, at,
			    "rule %u is never reached: rule %u "
			    "has the same matches and comes first",
			    m->index, by);
	}
	map_release(&seen);
}

/* ---- connections */

struct l4 {
	struct scope *sc;
	struct map routes; /* m_route -> r_route */
	struct map first;  /* a name, "" for none, of the listener in hand -> r_route */
};

static struct bytes
name_of(const struct m_attach *a, uint32_t i)
{
	return a->nhostnames != 0 ? a->hostnames[i] : BYTES("");
}

static struct r_route *
of_model(const struct l4 *x, const struct m_attach *a)
{
	return map_get(&x->routes, bytes_of((const char *)&a->route, sizeof(a->route)));
}

static void
enter(struct l4 *x, const struct m_attach *a)
{
	struct r_route *r = of_model(x, a), *other;

	for (uint32_t i = 0; r != NULL && i < HG_MAX(a->nhostnames, 1u); i++) {
		other = map_get(&x->first, name_of(a, i));
		if (other == NULL || object_cmp_age(x->sc, r->obj, other->obj) < 0)
			map_put(&x->first, name_of(a, i), r);
	}
}

static void
judge(struct l4 *x, const struct r_listener *l, const struct m_attach *a)
{
	const struct r_route *r = of_model(x, a), *other = r;
	const struct k_l4route *k;

	for (uint32_t i = 0; r != NULL && i < HG_MAX(a->nhostnames, 1u); i++) {
		other = map_get(&x->first, name_of(a, i));
		if (other == r)
			return; /* it has something */
	}
	k = r == NULL || r->obj->stale ? NULL : r->obj->spec;
	if (k == NULL || other == NULL || k->rules.n == 0 || k->rules.v[0].node == NULL)
		return;
	diag_at(x->sc->in.diags, CODE_UNREACHABLE_RULE, k->rules.v[0].node,
	    "nothing of listener %.*s reaches this %s: %.*s/%.*s is older and has it",
	    BYTES_ARG(l->k->name), r->obj->kind->name, BYTES_ARG(other->obj->meta.ns),
	    BYTES_ARG(other->obj->meta.name));
}

static void
listeners(struct l4 *x, const struct r_listener *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (v[i].nattach < 2 || v[i].protocol == IM_HTTP || v[i].protocol == IM_HTTPS)
			continue;
		map_init(&x->first);
		for (uint32_t j = 0; j < v[i].nattach; j++)
			enter(x, &v[i].attach[j]);
		for (uint32_t j = 0; j < v[i].nattach; j++)
			judge(x, &v[i], &v[i].attach[j]);
		map_release(&x->first);
	}
}

static void
connections(struct scope *sc)
{
	struct l4 x = {.sc = sc};

	map_init(&x.routes);
	for (uint32_t i = 0; i < sc->nroutes; i++) {
		struct r_route *r = &sc->routes[i];

		if (r->m != NULL && r->kind >= IM_TLSROUTE)
			map_put(&x.routes, bytes_of((const char *)&r->m, sizeof(r->m)), r);
	}
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		const struct r_gateway *gw = sc->gateways[i];

		listeners(&x, gw->own, gw->nown);
		for (size_t k = 0; k < gw->nsets; k++)
			listeners(&x, gw->sets[k]->own, gw->sets[k]->nown);
	}
	map_release(&x.routes);
}

void
unreachable_warn(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->nroutes; i++) {
		const struct r_route *r = &sc->routes[i];

		if (r->m != NULL && r->m->nrules > 1 && !r->obj->stale)
			route(sc, r);
	}
	connections(sc);
}
