/*
 * rule.c - what rules have in common (reference/gateway-api.md 5.7-5.9, 5.12): names, conditions on
 * fields, backends with their weights and filters, session persistence, and the note about a rule
 * that was dropped. The kinds have schemas of their own, so lists come as pointer and count.
 */
#include "conf/resolve/rule.h"

#include "base/regex.h"
#include "conf/resolve/backend.h"

static const char NO_REASON[] = "";

const char *
regex_refused(struct scope *sc, struct bytes text)
{
	const char *known = map_get(&sc->regexes, text);
	char msg[160];
	struct regex *re;
	size_t at;

	if (known == NULL) {
		re = regex_new(text, msg, &at);
		known = re != NULL ?
		    NO_REASON :
		    arena_printf(sc->arena, "pattern %.*s: %s at %zu", BYTES_ARG(text), msg, at);
		regex_free(re);
		map_put(&sc->regexes, text, (void *)(uintptr_t)known);
	}
	return known == NO_REASON ? NULL : known;
}

struct bytes
rule_lower(struct scope *sc, struct bytes b)
{
	char *out = NULL;

	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z') {
			if (out == NULL)
				out = arena_dup(sc->arena, b);
			out[i] = (char)(b.p[i] + 32);
		}
	return out == NULL ? b : bytes_of(out, b.n);
}

/* Of equal names only the first counts: headers without regard to case, query parameters with. */
const char *
rule_values(struct scope *sc, const struct k_value_match *v, uint32_t n, bool header,
    struct m_value **out, uint16_t *nout)
{
	*out = n == 0 ? NULL : arena_alloc(sc->arena, n * sizeof(**out));
	*nout = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct m_value m = {header ? rule_lower(sc, v[i].name) : v[i].name, v[i].value,
		    v[i].type == K_VALUE_REGEX};
		bool seen = false;
		const char *why;

		for (uint16_t j = 0; j < *nout; j++)
			seen = seen || bytes_eq((*out)[j].name, m.name);
		if (seen)
			continue;
		why = m.regex ? regex_refused(sc, m.value) : NULL;
		if (why != NULL)
			return why;
		(*out)[(*nout)++] = m;
	}
	return NULL;
}

uint32_t
duration_of(const struct k_duration *d)
{
	if (!d->set)
		return 0;
	return d->ms == 0 ? IM_NONE : (uint32_t)HG_MIN(d->ms, IM_NONE - 1);
}

struct bytes
rule_begin(struct scope *sc, const struct r_route *r, uint32_t index, struct bytes name,
    struct m_rule *m)
{
	const struct object *o = r->obj;
	struct bytes full;

	full = bytes_str(name.n != 0 ?
		arena_printf(sc->arena, "%s %.*s/%.*s %.*s", o->kind->name, BYTES_ARG(o->meta.ns),
		    BYTES_ARG(o->meta.name), BYTES_ARG(name)) :
		arena_printf(sc->arena, "%s %.*s/%.*s %u", o->kind->name, BYTES_ARG(o->meta.ns),
		    BYTES_ARG(o->meta.name), index));
	*m = (struct m_rule){
	    .index = (uint16_t)index, .route = r->m, .id = ids_get(sc->ids, CAT_ID_RULE, full)};
	return full;
}

struct m_persist *
rule_persist(struct scope *sc, const struct k_persistence *k, struct bytes rule)
{
	struct hash128 h;
	struct m_persist *m;

	if (k == NULL)
		return NULL;
	h = hash_content(rule.p, rule.n);
	m = arena_zalloc(sc->arena, sizeof(*m));
	m->type = k->type == K_SP_HEADER ? IM_PERSIST_HEADER : IM_PERSIST_COOKIE;
	if (m->type == IM_PERSIST_HEADER && k->header != NULL)
		m->name = k->header->name;
	if (m->type == IM_PERSIST_COOKIE && k->cookie != NULL) {
		m->name = k->cookie->name;
		m->path = k->cookie->path;
		m->permanent = k->cookie->lifetime == K_LIFE_PERMANENT;
	}
	if (m->name.n == 0) /* two rules never share a session unless they say so */
		m->name =
		    bytes_str(arena_printf(sc->arena, "headgate-%016llx", (unsigned long long)h.a));
	if (m->path.n == 0)
		m->path = BYTES("/");
	m->absolute_s = (uint32_t)HG_MIN(k->absolute.ms / 1000, INT32_MAX);
	return m;
}

static bool
redirects(const struct m_rule *m)
{
	for (uint32_t i = 0; i < m->nfilters; i++)
		if (m->filters[i].type == IM_F_REDIRECT)
			return true;
	return false;
}

const char *
rule_backends(struct scope *sc, struct r_route *r, const struct k_backend_ref *v, uint32_t n,
    const struct k_http_rule *k, struct m_rule *m)
{
	uint64_t sum = 0;
	uint32_t index = m->index;
	const struct r_backend_kind **of = arena_zalloc(sc->arena, (n + 1) * sizeof(*of));

	m->backends = n == 0 ? NULL : arena_zalloc(sc->arena, n * sizeof(*m->backends));
	m->nbackends = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct k_backend_ref *b = &v[i];
		struct m_backend *to = &m->backends[i];
		struct r_backend got;
		char where[96];
		struct filters_in in = {b->filters.v, b->filters.n, k, where};
		const char *why;

		snprintf(where, sizeof(where), "spec.rules[%u].backendRefs[%u]", index, i);
		backend_resolve(sc, r, where, b, &got);
		snprintf(where, sizeof(where), "spec.rules[%u].backendRefs[%u].filters", index, i);
		why = filters_resolve(sc, r, &in, &to->filters, &to->nfilters, &got.error);
		if (why != NULL)
			return why;
		to->weight = b->weight.set ? (uint32_t)b->weight.v : 1;
		to->error = got.error;
		to->cluster = got.error == HG_OK ? got.cluster : NULL;
		m->affinity |= got.affinity;
		if (r->kind == IM_HTTPROUTE || r->kind == IM_GRPCROUTE)
			to->persist = rule_persist(sc, got.persistence,
			    got.cluster == NULL ? BYTES("") : got.cluster->name);
		to->fallback = got.backend != NULL && got.backend->fallback;
		of[i] = got.backend;
		sum += to->weight;
	}
	if (sum == 0 && m->error == HG_OK && !redirects(m))
		m->error = HG_ERR_NO_BACKEND;
	backend_spread(sc, m, of);
	return NULL;
}

const char *
rule_ways(struct scope *sc, struct r_route *r, const struct filters_in *filters,
    const struct k_backend_ref *v, uint32_t n, struct m_rule *m)
{
	struct filters_in in = *filters;
	char where[64];
	const char *why;

	snprintf(where, sizeof(where), "spec.rules[%u].filters", m->index);
	in.where = where;
	why = filters_resolve(sc, r, &in, &m->filters, &m->nfilters, &m->error);
	return why != NULL ? why : rule_backends(sc, r, v, n, in.rule, m);
}

struct m_route *
rule_route(struct scope *sc, struct r_route *r, uint32_t nrules)
{
	struct m_route *m = &sc->model.routes[sc->model.nroutes++];

	*m = (struct m_route){.kind = r->kind,
	    .ns = r->obj->meta.ns,
	    .name = r->obj->meta.name,
	    .created = sc->meta[r->obj->index].created};
	r->m = m;
	m->rules = arena_alloc(sc->arena, (nrules + 1) * sizeof(*m->rules));
	return m;
}

void
rule_done(struct scope *sc, struct r_route *r, uint32_t index, const char *why)
{
	if (why == NULL)
		r->m->nrules++;
	else if (r->partial == NULL)
		r->partial = arena_printf(sc->arena, "Dropped Rule %u: %s", index, why);
	else if (strlen(r->partial) < 4096)
		r->partial =
		    arena_printf(sc->arena, "%s; Dropped Rule %u: %s", r->partial, index, why);
}

void
rule_last(struct r_route *r, uint32_t nrules)
{
	if (r->m->nrules != 0 || nrules == 0)
		return;
	r->invalid = r->partial;
	r->partial = NULL;
}
