/*
 * route_http.c - HTTPRoute rules (reference/gateway-api.md 5.6-5.12, gateway-api-1.7.md section 2).
 * A rule that cannot be built is dropped and the others live (PartiallyInvalid); a reference that
 * does not resolve costs only its share of the traffic (ResolvedRefs=False).
 */
#include "conf/resolve/route_http.h"

#include "base/uri.h"
#include "conf/resolve/rule.h"

static const char *
match(struct scope *sc, const struct k_http_match *k, uint32_t index, struct m_match *m)
{
	const char *why = NULL;

	*m = (struct m_match){.path_type = M_PATH_PREFIX,
	    .path = BYTES("/"),
	    .method = k->method,
	    .index = (uint16_t)index};
	if (k->path != NULL && k->path->value.n != 0) {
		m->path_type = k->path->type == K_PATH_EXACT ? M_PATH_EXACT :
		    k->path->type == K_PATH_REGEX            ? M_PATH_REGEX :
							       M_PATH_PREFIX;
		m->path = k->path->value;
	}
	if (m->path_type == M_PATH_REGEX) {
		why = regex_refused(sc, m->path);
	} else if (m->path.n != 1) {
		/* Requests are matched in canonical form, so patterns must be canonical too. */
		char *buf = arena_alloc(sc->arena, m->path.n + 1);

		if (uri_path(m->path, buf, m->path.n, &m->path) != HG_OK)
			why = arena_printf(sc->arena, "path %.*s can never be asked for",
			    BYTES_ARG(k->path->value));
	}
	if (why == NULL)
		why = rule_values(sc, k->headers.v, k->headers.n, true, &m->headers, &m->nheaders);
	if (why == NULL)
		why = rule_values(sc, k->query.v, k->query.n, false, &m->query, &m->nquery);
	return why;
}

static struct m_retry *
retry(struct scope *sc, const struct k_retry *k)
{
	struct m_retry *m;

	if (k == NULL)
		return NULL;
	m = arena_zalloc(sc->arena, sizeof(*m));
	m->attempts = (uint32_t)HG_MIN(k->attempts.v, INT32_MAX);
	m->triggers = IM_RETRY_ROUTE;
	m->backoff_ms = (uint32_t)HG_MIN(k->backoff.ms, INT32_MAX);
	m->codes = arena_alloc(sc->arena, (k->codes.n + 1) * sizeof(*m->codes));
	for (uint32_t i = 0; i < k->codes.n; i++)
		m->codes[m->ncodes++] = (uint16_t)k->codes.v[i].v;
	return m;
}

/* Why the rule is dropped, or NULL. */
static const char *
rule(struct scope *sc, struct r_route *r, uint32_t index, const struct k_http_rule *k,
    struct m_rule *m)
{
	struct bytes name = rule_begin(sc, r, index, k->name, m);
	struct filters_in in = {k->filters.v, k->filters.n, k, NULL};
	const char *why = NULL;

	m->nmatches = k->matches.n;
	m->matches = arena_alloc(sc->arena, (k->matches.n + 1) * sizeof(*m->matches));
	for (uint32_t i = 0; i < k->matches.n && why == NULL; i++)
		why = match(sc, &k->matches.v[i], i, &m->matches[i]);
	if (why == NULL)
		why = rule_ways(sc, r, &in, k->backends.v, k->backends.n, m);
	if (k->timeouts != NULL) {
		m->request_ms = duration_of(&k->timeouts->request);
		m->backend_ms = duration_of(&k->timeouts->backend);
	}
	m->retry = retry(sc, k->retry);
	m->persist = rule_persist(sc, k->persistence, name);
	return why;
}

void
route_http_resolve(struct scope *sc, struct r_route *r)
{
	const struct k_httproute *k = r->obj->spec;
	struct m_route *m = rule_route(sc, r, k->rules.n);

	for (uint32_t i = 0; i < k->rules.n; i++)
		rule_done(sc, r, i, rule(sc, r, i, &k->rules.v[i], &m->rules[m->nrules]));
	rule_last(r, k->rules.n);
}
