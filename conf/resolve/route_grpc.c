/*
 * route_grpc.c - GRPCRoute rules (reference/gateway-api.md 5.13). A call's path is
 * "/service/method", so a condition on both is an exact path, one on the service alone a prefix of
 * one segment, and all others are patterns; build orders them by characters of service and method.
 * A call that no GRPCRoute takes is looked for among the HTTPRoutes of the listener: the two kinds
 * may share a hostname and both are served, but their rules are never merged into one order (v1.7
 * allows to refuse the younger; nobody gains by it).
 */
#include "conf/resolve/route_grpc.h"

#include "base/regex.h"
#include "conf/resolve/rule.h"

#define ESCAPES 16 /* room that "(/.*)?" and the like need beside a name */

/* By name and method of a fixed text. */
static const char *
exact(struct scope *sc, const struct k_grpc_method *k, struct m_match *m)
{
	size_t dots = 0;

	if (k->service.n == 0) {
		m->path_type = M_PATH_REGEX;
		m->path =
		    bytes_str(arena_printf(sc->arena, "/[^/]+/%.*s", BYTES_ARG(k->method)));
		return regex_refused(sc, m->path);
	}
	if (k->method.n != 0) {
		m->path_type = M_PATH_EXACT;
		m->path = bytes_str(arena_printf(
		    sc->arena, "/%.*s/%.*s", BYTES_ARG(k->service), BYTES_ARG(k->method)));
		return NULL;
	}
	m->path = bytes_str(arena_printf(sc->arena, "/%.*s", BYTES_ARG(k->service)));
	/* Beside patterns it becomes one itself (build/tree.c). */
	for (size_t i = 0; i < k->service.n; i++)
		dots += k->service.p[i] == '.';
	return m->path.n + dots + ESCAPES > REGEX_TEXT_MAX ? "method.service is too long" : NULL;
}

/* Each part must be a pattern by itself: "a)(b" would be one only in the whole. */
static const char *
pattern(struct scope *sc, const struct k_grpc_method *k, struct m_match *m)
{
	static const struct bytes any = {"[^/]+", 5};
	struct bytes service = k->service.n != 0 ? k->service : any;
	struct bytes method = k->method.n != 0 ? k->method : any;
	const char *why = regex_refused(sc, service);

	if (why == NULL)
		why = regex_refused(sc, method);
	if (why != NULL)
		return why;
	m->path_type = M_PATH_REGEX;
	m->path = bytes_str(arena_printf(
	    sc->arena, "/(?:%.*s)/(?:%.*s)", BYTES_ARG(service), BYTES_ARG(method)));
	return regex_refused(sc, m->path);
}

static const char *
match(struct scope *sc, const struct k_grpc_match *k, uint32_t index, struct m_match *m)
{
	const struct k_grpc_method *method = k->method;
	const char *why = NULL;

	*m = (struct m_match){
	    .path_type = M_PATH_PREFIX, .path = BYTES("/"), .index = (uint16_t)index};
	if (method != NULL && (method->service.n != 0 || method->method.n != 0)) {
		m->service_chars = (uint16_t)method->service.n;
		m->method_chars = (uint16_t)method->method.n;
		why = method->type == K_VALUE_REGEX ? pattern(sc, method, m) :
						      exact(sc, method, m);
	}
	if (why == NULL)
		why = rule_values(sc, k->headers.v, k->headers.n, true, &m->headers, &m->nheaders);
	return why;
}

/* Why the rule is dropped, or NULL. */
static const char *
rule(struct scope *sc, struct r_route *r, uint32_t index, const struct k_grpc_rule *k,
    struct m_rule *m)
{
	struct bytes name = rule_begin(sc, r, index, k->name, m);
	struct filters_in in = {k->filters.v, k->filters.n, NULL, NULL};
	const char *why = NULL;

	m->nmatches = k->matches.n;
	m->matches = arena_alloc(sc->arena, (k->matches.n + 1) * sizeof(*m->matches));
	for (uint32_t i = 0; i < k->matches.n && why == NULL; i++)
		why = match(sc, &k->matches.v[i], i, &m->matches[i]);
	if (why == NULL)
		why = rule_ways(sc, r, &in, k->backends.v, k->backends.n, m);
	m->persist = rule_persist(sc, k->persistence, name);
	return why;
}

void
route_grpc_resolve(struct scope *sc, struct r_route *r)
{
	const struct k_grpcroute *k = r->obj->spec;
	struct m_route *m = rule_route(sc, r, k->rules.n);

	for (uint32_t i = 0; i < k->rules.n; i++)
		rule_done(sc, r, i, rule(sc, r, i, &k->rules.v[i], &m->rules[m->nrules]));
	rule_last(r, k->rules.n);
}
