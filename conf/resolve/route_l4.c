/*
 * route_l4.c - TLSRoute, TCPRoute and UDPRoute rules (reference/gateway-api.md 5.16, 5.17): no
 * matches, no filters, only weighted backends. A rule has nothing to tell it from a second one, so
 * the first is the route; the served alpha versions allow more, and those are told as dropped.
 * Which route of several has a listener, or a server name of it, is decided where the tables are
 * built, in the order of age.
 */
#include "conf/resolve/route_l4.h"

#include "conf/resolve/rule.h"

void
route_l4_resolve(struct scope *sc, struct r_route *r)
{
	const struct k_l4route *k = r->obj->spec;
	struct m_route *m = rule_route(sc, r, 1);
	struct m_rule *rule = m->rules;

	if (k->rules.n == 0)
		return;
	(void)rule_begin(sc, r, 0, k->rules.v[0].name, rule);
	/* There are no filters that could be refused. */
	(void)rule_backends(sc, r, k->rules.v[0].backends.v, k->rules.v[0].backends.n, NULL, rule);
	m->nrules = 1;
	if (k->rules.n > 1)
		r->partial = arena_printf(sc->arena,
		    "Dropped Rule 1%s: a %s has no matches, so its first rule takes everything",
		    k->rules.n > 2 ? " and later" : "", r->obj->kind->name);
}
