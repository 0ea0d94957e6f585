/*
 * model_gen.h - random resolved models and requests, for the property test, the fuzzers and nothing
 * else. Small alphabets on purpose: hostnames, paths and values meet each other often.
 */
#ifndef TESTS_MODEL_GEN_H
#define TESTS_MODEL_GEN_H

#include <stdio.h>

#include "base/arena.h"
#include "base/field.h"
#include "conf/resolve/model.h"

struct gen {
	struct arena *arena;
	uint64_t state;
};

static inline uint64_t
gen_u64(struct gen *g)
{
	uint64_t x = (g->state += 0x9e3779b97f4a7c15ull);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint32_t
gen_n(struct gen *g, uint32_t n) /* 0 .. n-1 */
{
	return (uint32_t)(gen_u64(g) % n);
}

static inline bool
gen_one_in(struct gen *g, uint32_t n)
{
	return gen_n(g, n) == 0;
}

static const char *const gen_hosts[] = {"a.test", "b.a.test", "c.b.a.test", "x.test", "y.x.test",
    "*.test", "*.a.test", "*.b.a.test", "*.c.b.a.test", "*.x.test", "other", "*.other",
    "deep.x.y.z.w.other", "*.y.z.w.other", ""};
static const char *const gen_patterns[] = {"/a/[a-z]+", "/.*", "/a(/b)?", "/(a|b)/c", "/a/b.*",
    "/a.*", "/a/b/c", "/a/b/", ".*/c", "/a/b/[^/]+/d", "/ab?/c", "/a\\.b/.+", "/a/b|/b/a",
    "/[ab]{1,2}/c/"};
static const char *const gen_segments[] = {"a", "b", "c", "ab", "a.b", "d", ""};
static const char *const gen_methods[] = {"GET", "POST", "PUT", "PURGE"};
static const char *const gen_headers[] = {"x-a", "x-b", "accept", "version", "host", "v"};
static const char *const gen_queries[] = {"q", "Q", "v", "a b", "version"};
static const char *const gen_values[] = {
    "1", "2", "3", "a b", "a, b", "long-value", "t1", "t5", ""};
static const char *const gen_tenants[] = {"t1", "t2", "t3", "t4", "t5", "1", "2"};
static const char *const gen_value_patterns[] = {"[12]", ".*", "a.*", "", "(1|3)", "[0-9]+"};
#define GEN_PICK(g, list) (list)[gen_n(g, (uint32_t)HG_ARRAY_LEN(list))]

static inline struct bytes
gen_path(struct gen *g)
{
	char buf[600];
	size_t n = 0;
	uint32_t depth = gen_one_in(g, 60) ? 60 + gen_n(g, 12) : gen_n(g, 5);

	for (uint32_t i = 0; i < depth; i++) {
		const char *seg = depth > 10 ? "a" : GEN_PICK(g, gen_segments);

		if (*seg == '\0' && !gen_one_in(g, 3))
			seg = "a";
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "/%s", seg);
	}
	if (n == 0 || gen_one_in(g, 5))
		buf[n++] = '/';
	return arena_bytes(g->arena, bytes_of(buf, n));
}

static inline void
gen_conditions(struct gen *g, struct m_match *m, bool query)
{
	struct m_value *v = arena_zalloc(g->arena, 4 * sizeof(*v));
	uint32_t n = gen_one_in(g, 2) ? 0 : gen_n(g, 4);

	for (uint32_t i = 0; i < n; i++) {
		v[i].name = bytes_str(query ? GEN_PICK(g, gen_queries) : GEN_PICK(g, gen_headers));
		v[i].regex = gen_one_in(g, 4);
		v[i].value = bytes_str(
		    v[i].regex ? GEN_PICK(g, gen_value_patterns) : GEN_PICK(g, gen_values));
		if (v[i].value.n == 0)
			v[i].value = BYTES("1");
	}
	if (query) {
		m->query = v;
		m->nquery = (uint16_t)n;
	} else {
		m->headers = v;
		m->nheaders = (uint16_t)n;
	}
}

static inline void
gen_grpc_path(struct gen *g, struct m_match *m)
{
	static const char *const services[] = {"p.S", "p.T", "q.LongName"};
	static const char *const methods[] = {"Get", "List", "G"};
	const char *s = GEN_PICK(g, services), *f = GEN_PICK(g, methods);

	switch (gen_n(g, 5)) {
	case 0:
		m->path_type = M_PATH_EXACT;
		m->path = bytes_str(arena_printf(g->arena, "/%s/%s", s, f));
		m->service_chars = (uint16_t)strlen(s);
		m->method_chars = (uint16_t)strlen(f);
		break;
	case 1:
		m->path_type = M_PATH_PREFIX;
		m->path = bytes_str(arena_printf(g->arena, "/%s", s));
		m->service_chars = (uint16_t)strlen(s);
		break;
	case 2:
		m->path_type = M_PATH_REGEX;
		m->path = bytes_str(arena_printf(g->arena, "/[^/]+/%s", f));
		m->method_chars = (uint16_t)strlen(f);
		break;
	case 3:
		m->path_type = M_PATH_REGEX;
		m->path = bytes_str(arena_printf(g->arena, "/p\\..*/%s", f));
		m->service_chars = 5;
		m->method_chars = (uint16_t)strlen(f);
		break;
	default:
		m->path_type = M_PATH_PREFIX;
		m->path = BYTES("/");
	}
}

static inline void
gen_match(struct gen *g, struct m_match *m, bool grpc, struct bytes same)
{
	if (grpc) {
		gen_grpc_path(g, m);
	} else {
		m->path_type = (uint8_t)(gen_one_in(g, 4) ? M_PATH_REGEX : 1 + gen_n(g, 2));
		m->path = m->path_type == M_PATH_REGEX ? bytes_str(GEN_PICK(g, gen_patterns)) :
							 gen_path(g);
		if (same.p) {
			m->path_type = M_PATH_PREFIX;
			m->path = same;
		}
		if (gen_one_in(g, 3))
			m->method = bytes_str(GEN_PICK(g, gen_methods));
		gen_conditions(g, m, true);
	}
	gen_conditions(g, m, false);
}

static inline void
gen_rule(
    struct gen *g, struct model *m, struct m_route *route, struct m_rule *rule, struct bytes same)
{
	static struct m_edit edits[] = {
	    {IM_SET, BYTES("X-Set"), BYTES("v")}, {IM_REMOVE, BYTES("X-Gone"), {NULL, 0}}};
	bool grpc = route->kind == IM_GRPCROUTE;

	rule->route = route;
	rule->nmatches = same.p ? 1 + gen_n(g, 200) : gen_n(g, 4);
	rule->matches = arena_zalloc(g->arena, (rule->nmatches + 1) * sizeof(*rule->matches));
	for (uint32_t i = 0; i < rule->nmatches; i++) {
		rule->matches[i].index = (uint16_t)i;
		gen_match(g, &rule->matches[i], grpc, same);
		/* Many values of one key, now and then a match that does not ask for it. */
		if (same.p && rule->id % 2 && i % 16 != 0) {
			struct m_value *v = rule->matches[i].headers;

			v[0] = (struct m_value){
			    .name = BYTES("x-b"), .value = bytes_str(GEN_PICK(g, gen_tenants))};
			if (i % 16 == 8) {
				v[0].value = BYTES("t[0-9]");
				v[0].regex = true;
			}
			rule->matches[i].nheaders = HG_MAX(rule->matches[i].nheaders, (uint16_t)1);
			continue;
		}
		/* Long chains of groups must be walked to their end: ask for what few requests
		 * have. */
		if (same.p && i % 8 != 0 && rule->matches[i].nheaders != 0)
			rule->matches[i].headers[0].value = BYTES("long-value");
		else if (same.p && i % 64 != 0)
			rule->matches[i].method = BYTES("DELETE");
	}
	rule->nbackends = gen_n(g, 3);
	rule->backends = arena_zalloc(g->arena, 3 * sizeof(*rule->backends));
	for (uint32_t i = 0; i < rule->nbackends; i++) {
		rule->backends[i].weight = gen_n(g, 100);
		rule->backends[i].cluster =
		    gen_one_in(g, 4) ? NULL : m->clusters[gen_n(g, m->nclusters)];
	}
	if (gen_one_in(g, 3)) {
		rule->filters = arena_zalloc(g->arena, 2 * sizeof(*rule->filters));
		rule->nfilters = 2;
		rule->filters[0].type = IM_F_REQUEST_HEADERS;
		rule->filters[0].edits = edits;
		rule->filters[0].nedits = gen_n(g, 3);
		rule->filters[1].type = IM_F_REDIRECT;
		rule->filters[1].redirect.status = 302;
		rule->filters[1].redirect.pathop = IM_PATH_PREFIX;
		rule->filters[1].redirect.path = BYTES("/to");
		rule->filters[1].redirect.prefix = BYTES("/a");
	}
}

static inline void
gen_route(struct gen *g, struct model *m, struct m_route *r, uint32_t n)
{
	static const char *const names[] = {"a", "a-b", "b", "a.b"};

	r->kind = gen_one_in(g, 4) ? IM_GRPCROUTE : IM_HTTPROUTE;
	r->ns = bytes_str(GEN_PICK(g, names));
	r->name = bytes_str(arena_printf(g->arena, "%s%u", GEN_PICK(g, names), n));
	r->created = gen_n(g, 3);
	r->nrules = 1 + gen_n(g, 3);
	r->rules = arena_zalloc(g->arena, r->nrules * sizeof(*r->rules));
	for (uint32_t i = 0; i < r->nrules; i++) {
		struct bytes same = gen_one_in(g, 40) ? gen_path(g) : BYTES_NONE;

		r->rules[i].id = n * 8 + i + 1;
		r->rules[i].index = (uint16_t)i;
		gen_rule(g, m, r, &r->rules[i], same);
	}
}

static inline struct bytes
gen_suffix(struct bytes h) /* ".a.test" of "*.a.test" */
{
	return bytes_of(h.p + 1, h.n - 1);
}

static inline bool
gen_meets(struct bytes a, struct bytes b) /* hostnames intersect */
{
	bool wa = a.n && a.p[0] == '*', wb = b.n && b.p[0] == '*';

	if (a.n == 0 || b.n == 0)
		return true;
	if (wa && wb)
		return bytes_ends(a, gen_suffix(b)) || bytes_ends(b, gen_suffix(a));
	if (wa)
		return bytes_ends(b, gen_suffix(a));
	return wb ? bytes_ends(a, gen_suffix(b)) : bytes_eq(a, b);
}

static inline void
gen_attach(struct gen *g, struct m_listener *l, struct m_route *r, struct bytes *hosts, uint32_t n)
{
	struct m_attach *a = &l->attach[l->nattach];

	*a = (struct m_attach){
	    .route = r, .hostnames = arena_zalloc(g->arena, (n + 1) * sizeof(*hosts))};
	for (uint32_t i = 0; i < n; i++)
		if (gen_meets(hosts[i], l->hostname))
			a->hostnames[a->nhostnames++] = hosts[i];
	if (n == 0 || a->nhostnames != 0)
		l->nattach++;
}

static inline void
gen_sockets(struct gen *g, struct model *m)
{
	m->nsockets = 1 + gen_n(g, 2);
	m->sockets = arena_zalloc(g->arena, m->nsockets * sizeof(*m->sockets));
	m->listeners = arena_zalloc(g->arena, 8 * sizeof(*m->listeners));
	for (uint32_t i = 0; i < m->nsockets; i++) {
		struct m_socket *s = &m->sockets[i];
		uint32_t want = 1 + gen_n(g, 4);

		s->id = i + 1;
		s->addr =
		    (struct addr){.family = 4, .port = (uint16_t)(8080 + i), .ip = {127, 0, 0, 1}};
		s->transport = IM_TCP;
		s->protocol = IM_HTTP;
		s->listeners = arena_zalloc(g->arena, 4 * sizeof(*s->listeners));
		for (uint32_t k = 0; k < want; k++) {
			struct m_listener *l = &m->listeners[m->nlisteners];
			struct bytes host = bytes_str(GEN_PICK(g, gen_hosts));
			bool twice = false;

			for (uint32_t j = 0; j < s->nlisteners; j++)
				twice |= bytes_eq(s->listeners[j]->hostname, host);
			if (twice)
				continue;
			*l = (struct m_listener){.id = m->nlisteners + 1,
			    .name = BYTES("http"),
			    .port = 80,
			    .protocol = IM_HTTP,
			    .hostname = host.n ? host : BYTES_NONE,
			    .attach = arena_zalloc(g->arena, 64 * sizeof(struct m_attach))};
			s->listeners[s->nlisteners++] = l;
			m->nlisteners++;
		}
	}
}

static inline void
gen_clusters(struct gen *g, struct model *m)
{
	static struct m_endpoint ends[] = {
	    {.addr = {.family = 4, .port = 81, .ip = {127, 0, 0, 2}}, .id = 1},
	    {.unix_path = BYTES("/run/x.sock"), .id = 2, .weight = 1}};

	m->nclusters = 3;
	m->clusters = arena_zalloc(g->arena, 3 * sizeof(*m->clusters));
	for (uint32_t i = 0; i < 3; i++) {
		m->clusters[i] = arena_zalloc(g->arena, sizeof(struct m_cluster));
		m->clusters[i]->name = bytes_str(arena_printf(g->arena, "ns/svc%u:80", i));
		m->clusters[i]->id = i + 1;
		m->clusters[i]->proto = IM_UP_H1;
		m->clusters[i]->endpoints = ends;
		m->clusters[i]->nendpoints = i;
	}
}

static inline void
gen_model(struct gen *g, struct model *m)
{
	static const struct m_gateway gateway = {.ns = BYTES("ns"), .name = BYTES("gw")};
	static const struct im_settings settings = {
#define LIM(member, def, lo, hi, unit, doc) .member = (def),
	    IM_LIMITS(LIM)
#undef LIM
	};

	*m = (struct model){.arena = g->arena,
	    .generation = 1,
	    .settings = settings,
	    .via = BYTES("headgate"),
	    .ngateways = 1};
	m->gateways = arena_alloc(g->arena, sizeof(gateway));
	*m->gateways = gateway;
	gen_clusters(g, m);
	gen_sockets(g, m);
	m->nroutes = 1 + gen_n(g, 14);
	m->routes = arena_zalloc(g->arena, m->nroutes * sizeof(*m->routes));
	for (uint32_t i = 0; i < m->nroutes; i++) {
		struct bytes hosts[3];
		uint32_t n = gen_n(g, 4);

		gen_route(g, m, &m->routes[i], i);
		for (uint32_t k = 0; k < n; k++) {
			hosts[k] = bytes_str(gen_hosts[gen_n(g, HG_ARRAY_LEN(gen_hosts) - 1)]);
		}
		for (uint32_t k = 0; k < m->nlisteners; k++)
			if (!gen_one_in(g, 4))
				gen_attach(g, &m->listeners[k], &m->routes[i], hosts, n);
	}
}

/* ---- requests */

struct gen_request {
	struct bytes host, path, query, method;
	struct field v[12];
	struct fields fields;
	bool grpc;
};

static inline void
gen_request_query(struct gen *g, struct gen_request *r)
{
	static const char *const names[] = {"q", "Q", "v", "a+b", "a%20b", "%71", "z", "version"};
	static const char *const values[] = {
	    "1", "2", "3", "a+b", "a%20b", "%31", "long-value", "", "a%2C+b"};
	uint32_t n = gen_n(g, 4);
	char buf[256];
	size_t len = 0;

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s=%s", i ? "&" : "",
		    GEN_PICK(g, names), GEN_PICK(g, values));
	r->query = arena_bytes(g->arena, bytes_of(buf, len));
}

static inline void
gen_request(struct gen *g, const struct model *m, struct gen_request *r)
{
	static const char *const names[] = {
	    "X-A", "x-b", "Accept", "accept", "VERSION", "Host", "x-z", "V"};
	const char *host = GEN_PICK(g, gen_hosts);
	const struct m_route *route = &m->routes[gen_n(g, m->nroutes)];
	const struct m_rule *rule = &route->rules[gen_n(g, route->nrules)];

	*r = (struct gen_request){
	    .method = bytes_str(GEN_PICK(g, gen_methods)), .grpc = gen_one_in(g, 3)};
	fields_init(&r->fields, r->v, 12);
	if (gen_n(g, 3) && m->sockets[0].nlisteners && m->nlisteners) {
		const struct m_listener *l = &m->listeners[gen_n(g, m->nlisteners)];
		const struct m_attach *a = l->nattach ? &l->attach[gen_n(g, l->nattach)] : NULL;

		/* A name that some route serves, rather than any. */
		if (a && a->nhostnames) {
			host = arena_dup(g->arena, a->hostnames[gen_n(g, a->nhostnames)]);
			route = a->route;
			rule = &route->rules[gen_n(g, route->nrules)];
		}
	}
	r->host = *host == '*' ?
	    bytes_str(arena_printf(g->arena, "%s%s", gen_one_in(g, 2) ? "b" : "p.q", host + 1)) :
	    bytes_str(host);
	r->path = gen_path(g);
	if (rule->nmatches && gen_n(g, 3)) {
		const struct m_match *match = &rule->matches[gen_n(g, rule->nmatches)];

		if (match->path_type != M_PATH_REGEX)
			r->path = match->path;
		if (match->method.p && gen_n(g, 4))
			r->method = match->method;
		for (uint16_t i = 0; i < match->nheaders && gen_n(g, 4); i++)
			(void)fields_add(&r->fields, match->headers[i].name,
			    match->headers[i].regex ? BYTES("1") : match->headers[i].value,
			    field_id(match->headers[i].name));
		if (gen_one_in(g, 4))
			r->path = bytes_str(arena_printf(g->arena, "%.*s%s", BYTES_ARG(r->path),
			    GEN_PICK(g, ((const char *const[]){"/", "x", "/a", "/b/c", "//"}))));
	}
	if (gen_one_in(g, 4))
		r->path = bytes_str(GEN_PICK(g,
		    ((const char *const[]){"/p.S/Get", "/p.S/List", "/q.LongName/G", "/p.T/Get",
			"/p.S", "/a/b/c/d", "/a.b/c"})));
	gen_request_query(g, r);
	for (uint32_t i = gen_n(g, 6); i > 0; i--) {
		struct bytes name = bytes_str(GEN_PICK(g, names));

		(void)fields_add(
		    &r->fields, name, bytes_str(GEN_PICK(g, gen_values)), field_id(name));
	}
}

#endif
