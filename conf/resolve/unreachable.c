/*
 * unreachable.c - HG2701: a rule that no request can reach, because an earlier rule of the same
 * route takes everything that it would. Only equal matches without predicates are compared (a hash
 * of path and method): cheap, and never wrong. Coverage by prefix is what `headgate match` shows.
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

void
unreachable_warn(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->nroutes; i++)
		if (sc->routes[i].m != NULL && sc->routes[i].m->nrules > 1 &&
		    !sc->routes[i].obj->stale)
			route(sc, &sc->routes[i]);
}
