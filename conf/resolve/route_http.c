/*
 * route_http.c - HTTPRoute rules (reference/gateway-api.md 5.6-5.12, gateway-api-1.7.md section 2).
 * A rule that cannot be built is dropped and the others live (PartiallyInvalid); a reference that
 * does not resolve costs only its share of the traffic (ResolvedRefs=False).
 */
#include "conf/resolve/route_http.h"

#include "base/regex.h"
#include "base/uri.h"
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

static struct bytes
lower(struct scope *sc, struct bytes b)
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
static const char *
values(struct scope *sc, const struct k_value_match *v, uint32_t n, bool header,
    struct m_value **out, uint16_t *nout)
{
	*out = n == 0 ? NULL : arena_alloc(sc->arena, n * sizeof(**out));
	*nout = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct m_value m = {header ? lower(sc, v[i].name) : v[i].name, v[i].value,
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
		why = values(sc, k->headers.v, k->headers.n, true, &m->headers, &m->nheaders);
	if (why == NULL)
		why = values(sc, k->query.v, k->query.n, false, &m->query, &m->nquery);
	return why;
}

static uint32_t
timeout(const struct k_duration *d)
{
	if (!d->set)
		return 0;
	return d->ms == 0 ? IM_NONE : (uint32_t)HG_MIN(d->ms, IM_NONE - 1);
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

static struct m_persist *
persist(struct scope *sc, const struct k_persistence *k, struct bytes rule)
{
	struct hash128 h = hash_content(rule.p, rule.n);
	struct m_persist *m;

	if (k == NULL)
		return NULL;
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

static const char *
backends(struct scope *sc, struct r_route *r, uint32_t index, const struct k_http_rule *k,
    struct m_rule *m)
{
	uint64_t sum = 0;
	const struct r_backend_kind **of =
	    arena_zalloc(sc->arena, (k->backends.n + 1) * sizeof(*of));

	m->backends = k->backends.n == 0 ?
	    NULL :
	    arena_zalloc(sc->arena, k->backends.n * sizeof(*m->backends));
	m->nbackends = k->backends.n;
	for (uint32_t i = 0; i < k->backends.n; i++) {
		const struct k_backend_ref *b = &k->backends.v[i];
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
		to->fallback = got.backend != NULL && got.backend->fallback;
		of[i] = got.backend;
		sum += to->weight;
	}
	if (sum == 0 && m->error == HG_OK && !redirects(m))
		m->error = HG_ERR_NO_BACKEND;
	backend_spread(sc, m, of);
	return NULL;
}

/* Why the rule is dropped, or NULL. */
static const char *
rule(struct scope *sc, struct r_route *r, uint32_t index, const struct k_http_rule *k,
    struct m_rule *m)
{
	const struct object *o = r->obj;
	struct bytes name = bytes_str(k->name.n != 0 ?
		arena_printf(sc->arena, "HTTPRoute %.*s/%.*s %.*s", BYTES_ARG(o->meta.ns),
		    BYTES_ARG(o->meta.name), BYTES_ARG(k->name)) :
		arena_printf(sc->arena, "HTTPRoute %.*s/%.*s %u", BYTES_ARG(o->meta.ns),
		    BYTES_ARG(o->meta.name), index));
	char where[64];
	struct filters_in in = {k->filters.v, k->filters.n, k, where};
	const char *why = NULL;

	*m = (struct m_rule){
	    .index = (uint16_t)index, .route = r->m, .id = ids_get(sc->ids, CAT_ID_RULE, name)};
	m->nmatches = k->matches.n;
	m->matches = arena_alloc(sc->arena, (k->matches.n + 1) * sizeof(*m->matches));
	for (uint32_t i = 0; i < k->matches.n && why == NULL; i++)
		why = match(sc, &k->matches.v[i], i, &m->matches[i]);
	snprintf(where, sizeof(where), "spec.rules[%u].filters", index);
	if (why == NULL)
		why = filters_resolve(sc, r, &in, &m->filters, &m->nfilters, &m->error);
	if (why == NULL)
		why = backends(sc, r, index, k, m);
	if (k->timeouts != NULL) {
		m->request_ms = timeout(&k->timeouts->request);
		m->backend_ms = timeout(&k->timeouts->backend);
	}
	m->retry = retry(sc, k->retry);
	m->persist = persist(sc, k->persistence, name);
	return why;
}

static void
dropped(struct scope *sc, struct r_route *r, uint32_t index, const char *why)
{
	if (r->partial == NULL)
		r->partial = arena_printf(sc->arena, "Dropped Rule %u: %s", index, why);
	else if (strlen(r->partial) < 4096)
		r->partial =
		    arena_printf(sc->arena, "%s; Dropped Rule %u: %s", r->partial, index, why);
}

void
route_http_resolve(struct scope *sc, struct r_route *r)
{
	const struct k_httproute *k = r->obj->spec;
	struct m_route *m = &sc->model.routes[sc->model.nroutes++];

	*m = (struct m_route){.kind = IM_HTTPROUTE,
	    .ns = r->obj->meta.ns,
	    .name = r->obj->meta.name,
	    .created = sc->meta[r->obj->index].created};
	r->m = m;
	m->rules = arena_alloc(sc->arena, (k->rules.n + 1) * sizeof(*m->rules));
	for (uint32_t i = 0; i < k->rules.n; i++) {
		const char *why = rule(sc, r, i, &k->rules.v[i], &m->rules[m->nrules]);

		if (why != NULL)
			dropped(sc, r, i, why);
		else
			m->nrules++;
	}
	if (m->nrules == 0 && k->rules.n != 0) {
		r->invalid = r->partial;
		r->partial = NULL;
	}
}
