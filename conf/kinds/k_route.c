/*
 * k_route.c - tables of the five route kinds, and the rules of their CRDs over several fields.
 * TLSRoute, TCPRoute and UDPRoute share one rule struct; their v1alpha2 differs in list bounds
 * only, so it has small tables of its own over the same members.
 */
#include "base/addr.h"
#include "conf/kinds/k_route.h"
#include "conf/kinds/table.h"

/* CEL rules over one list of filters. */
enum { HTTP_FILTER_RULES = 6, GRPC_FILTER_RULES = 2 };

/* ---- HTTPRoute: matches */
/* Most paths: segments of letters, digits, '-' and '_', of which none is empty. */
static bool
plain_path(struct bytes v)
{
	bool slash = false;

	for (size_t i = 0; i < v.n; i++) {
		char ch = v.p[i];

		if (ch == '/' ? slash : !((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		    (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
			return false;
		slash = ch == '/';
	}
	return v.n > 0 && v.p[0] == '/';
}

static void
check_path_match(struct vctx *c, void *bound)
{
	static const char *const bad[] = {"//", "/./", "/../", "%2f", "%2F", "#"};
	struct k_path_match *m = bound;
	const struct node *at = rule_child(m->node, "value");
	struct bytes v = m->value;

	if (m->type == K_PATH_REGEX || plain_path(v))
		return;
	if (v.n == 0 || v.p[0] != '/')
		rule_at(c, at, "a path of type Exact or PathPrefix must start with '/'");
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (v.n && memmem(v.p, v.n, bad[i], strlen(bad[i])))
			rule_at(c, at, "a path of type Exact or PathPrefix must not contain '%s'",
			    bad[i]);
	if (bytes_ends(v, BYTES("/..")) || bytes_ends(v, BYTES("/.")))
		rule_at(c, at, "a path of type Exact or PathPrefix must not end with '/.' or "
		    "'/..'");
	if (!pat_path.match(v) && !memchr(v.p ? v.p : "", '#', v.n) && v.n)
		rule_at(c, at, "a path of type Exact or PathPrefix must only have %s; write others "
		    "as %%XX",
		    pat_path.what);
}

#define T k_path_match
static const struct kfield path_match_fields[] = {
	ENUM(type, "type", "Exact; PathPrefix, by whole segments; or RegularExpression over the "
	    "whole path.",
	    NAMES("Exact", "PathPrefix", "RegularExpression"), TEXT("PathPrefix")),
	STR(value, "value", "The path to compare with.", .max_len = 1024, TEXT("/")),
};
static KSTRUCT(path_match, "HTTPPathMatch", "A condition on the path.", .cel = 11,
    .check = check_path_match);
#undef T

#define T k_value_match
#define VALUE_TYPE(what) \
	ENUM(type, "type", what, NAMES("Exact", "RegularExpression"), TEXT("Exact"))
static const struct kfield header_match_fields[] = {
	VALUE_TYPE("Exact, or RegularExpression over the whole value."),
	STR(name, "name", "Name of the header field, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", .pattern = &pat_header_value, CHARS(1, 4096),
	    .flags = FF_REQUIRED | FF_EXP_PATTERN),
};
static KSTRUCT(header_match, "HTTPHeaderMatch", "A condition on a header field.");
static const struct kfield grpc_header_match_fields[] = {
	VALUE_TYPE("Exact, or RegularExpression over the whole value."),
	STR(name, "name", "Name of the metadata entry, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", CHARS(1, 4096), REQ),
};
static KSTRUCT(grpc_header_match, "GRPCHeaderMatch", "A condition on a metadata entry.");
static const struct kfield query_match_fields[] = {
	VALUE_TYPE("Exact, or RegularExpression over the whole value."),
	STR(name, "name", "Name of the query parameter, case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", CHARS(1, 1024), REQ),
};
static KSTRUCT(query_match, "HTTPQueryParamMatch", "A condition on a query parameter.");
#undef T

static const struct k_path_match path_default = {.type = K_PATH_PREFIX, .value = {"/", 1}};
static const struct k_http_match match_default = {.path = (struct k_path_match *)&path_default};
static const struct klist matches_default = {&match_default, 1};
static const struct k_http_rule rule_default = {.matches = {(struct k_http_match *)&match_default,
    1}};
static const struct klist rules_default = {&rule_default, 1};

#define DEF_PATH "{\"type\":\"PathPrefix\",\"value\":\"/\"}"
#define DEF_MATCHES "[{\"path\":" DEF_PATH "}]"
#define DEF_RULES "[{\"matches\":" DEF_MATCHES "}]"

#define T k_http_match
static const struct kfield http_match_fields[] = {
	STRUCT(path, "path", "Condition on the path.", ks_path_match, .def = DEF_PATH,
	    .prebuilt = &path_default),
	LIST(headers, "headers", "Conditions on header fields; all must hold.", ks_header_match,
	    ITEMS(0, 16),
	    MAP_BY("name")),
	LIST(query, "queryParams", "Conditions on query parameters; all must hold.", ks_query_match,
	    ITEMS(0, 16),
	    MAP_BY("name")),
	STR(method, "method", "The method; absent means any.",
	    NAMES("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")),
};
static KSTRUCT(http_match, "HTTPRouteMatch", "What a request must look like; all conditions must "
    "hold.");
#undef T

/* ---- HTTPRoute: rules */
static void
check_timeouts(struct vctx *c, void *bound)
{
	struct k_timeouts *t = bound;

	if (t->request.set && t->backend.set && t->request.ms != 0 && t->backend.ms > t->request.ms)
		rule_at(c, rule_child(t->node, "backendRequest"),
		    "backendRequest must not be longer than request");
}

#define T k_timeouts
static const struct kfield timeouts_fields[] = {
	DURATION(request, "request", "From the request's arrival to the end of the answer; 0s "
	    "means no limit."),
	DURATION(backend, "backendRequest", "For each attempt at a backend; 0s means no limit."),
};
static KSTRUCT(timeouts, "HTTPRouteTimeouts", "Time limits; 504 when one is passed.", .cel = 1,
    .check = check_timeouts);
#undef T
#define T k_retry
static const struct kfield retry_fields[] = {
	INTS(codes, "codes", "Statuses that are tried again; connection errors always are.", SET_OF,
	    BETWEEN(400, 599)),
	INT(attempts, "attempts", "Retries on top of the first request; 0 switches them off.",
	    AT_LEAST(0),
	    .def = "1"),
	DURATION(backoff, "backoff", "Base wait between attempts."),
};
static KSTRUCT(retry, "HTTPRouteRetry", "When and how often a failed attempt is repeated.");
#undef T

/* The rules over one list of filters: what may not be there twice, or together. */
static void
check_filters(struct vctx *c, const struct k_filter *v, uint32_t n)
{
	static const struct {
		uint8_t type;
		const char *name;
	} once[] = {{K_F_CORS, "CORS"}, {K_F_REQUEST_HEADERS, "RequestHeaderModifier"},
	    {K_F_RESPONSE_HEADERS, "ResponseHeaderModifier"}, {K_F_REDIRECT, "RequestRedirect"},
	    {K_F_REWRITE, "URLRewrite"}};
	uint32_t count[K_F_AUTH + 1] = {0};
	bool told = false;

	for (uint32_t i = 0; i < n; i++) {
		count[v[i].type]++;
		for (size_t k = 0; k < HG_ARRAY_LEN(once); k++)
			if (v[i].type == once[k].type && count[v[i].type] == 2)
				rule_at(c, v[i].node, "a %s filter cannot be repeated",
				    once[k].name);
		if (count[K_F_REDIRECT] && count[K_F_REWRITE] && !told) {
			rule_at(c, v[i].node,
			    "RequestRedirect and URLRewrite cannot be used together");
			told = true;
		}
	}
}

static bool
by_prefix(const struct k_path_modifier *p)
{
	return p && p->type == K_PM_PREFIX && p->prefix.p;
}

/* exists_one of the CRD: exactly one filter replaces the matched prefix. */
static const struct k_filter *
one_prefix(const struct k_filter *v, uint32_t n, uint8_t type)
{
	const struct k_filter *found = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const struct k_path_modifier *p = type == K_F_REDIRECT ?
		    (v[i].redirect ? v[i].redirect->path : NULL) :
		    (v[i].rewrite ? v[i].rewrite->path : NULL);

		if (!by_prefix(p))
			continue;
		if (found)
			return NULL;
		found = &v[i];
	}
	return found;
}

static void
check_prefix_use(struct vctx *c, const struct k_http_rule *r, const struct k_filter *f,
    uint8_t type)
{
	const struct k_path_modifier *p;

	if (!f || (r->matches.n == 1 && r->matches.v[0].path &&
	    r->matches.v[0].path->type == K_PATH_PREFIX))
		return;
	p = type == K_F_REDIRECT ? f->redirect->path : f->rewrite->path;
	rule_at_key(c, rule_child(p->node, "replacePrefixMatch"),
	    "replacePrefixMatch needs exactly one match in the rule, of type PathPrefix");
}

static void
check_http_rule(struct vctx *c, void *bound)
{
	static const uint8_t types[] = {K_F_REDIRECT, K_F_REWRITE};
	struct k_http_rule *r = bound;

	check_filters(c, r->filters.v, r->filters.n);
	for (uint32_t i = 0; r->backends.n > 0 && i < r->filters.n; i++)
		if (r->filters.v[i].redirect)
			rule_at(c, r->filters.v[i].node,
			    "RequestRedirect cannot be used together with backendRefs");
	for (size_t t = 0; t < HG_ARRAY_LEN(types); t++) {
		const struct k_filter *in_backend = NULL;
		uint32_t backends = 0;

		check_prefix_use(c, r, one_prefix(r->filters.v, r->filters.n, types[t]), types[t]);
		for (uint32_t i = 0; i < r->backends.n; i++) {
			const struct k_filter *f =
			    one_prefix(r->backends.v[i].filters.v, r->backends.v[i].filters.n,
			    types[t]);

			backends += f != NULL;
			in_backend = f ? f : in_backend;
		}
		if (backends == 1)
			check_prefix_use(c, r, in_backend, types[t]);
	}
	if (r->persistence)
		diag_at_key(c->d, CODE_DEPRECATED, r->persistence->node,
		    "sessionPersistence of a route is deprecated: its place is XBackend");
}

static void
check_http_backend(struct vctx *c, void *bound)
{
	struct k_backend_ref *b = bound;

	ks_l4_backend_ref.check(c, bound);
	check_filters(c, b->filters.v, b->filters.n);
}

#define T k_backend_ref
#define BACKEND_REF(filter, rules) \
	STR(group, "group", "API group of the backend; empty is the core group.", GROUP, \
	    .def = "\"\""), \
	STR(kind, "kind", "Kind of the backend.", KINDNAME, TEXT("Service")), \
	STR(ns, "namespace", "Namespace of the backend; another one needs a ReferenceGrant " \
	    "there.", NSNAME), \
	STR(name, "name", "Name of the backend.", OBJNAME, REQ), \
	INT(port, "port", "Port of the Service (not the target port). Required for a Service.", \
	    PORT), \
	INT(weight, "weight", "Share of the requests, relative to the sum of all weights; 0 gets " \
	    "none.", \
	    .int32 = true, BETWEEN(0, 1000000), .def = "1"), \
	LIST(filters, "filters", "Filters for requests that go to this backend.", filter, \
	    ITEMS(0, 16), \
	    .cel = rules)
static const struct kfield http_backend_ref_fields[] = {BACKEND_REF(ks_http_filter,
    HTTP_FILTER_RULES)};
KSTRUCT(http_backend_ref, "HTTPBackendRef", "A backend and its share.", .cel = 2, .cel_std = 1,
    .check = check_http_backend);
static const struct kfield grpc_backend_ref_fields[] = {BACKEND_REF(ks_grpc_filter,
    GRPC_FILTER_RULES)};
KSTRUCT(grpc_backend_ref, "GRPCBackendRef", "A backend and its share.", .cel = 2, .cel_std = 1,
    .check = check_http_backend);
#undef T

#define RULE_NAME STR(name, "name", "Name of the rule, unique in the route.", SECTION)
#define PERSISTENCE \
	STRUCT(persistence, "sessionPersistence", \
	    "Keeps clients on their backend (deprecated here: see XBackend).", \
	    ks_persistence, EXP)
#define T k_http_rule
static const struct kfield http_rule_fields[] = {
	RULE_NAME,
	LIST(matches, "matches", "Conditions on requests; one of them must hold.", ks_http_match,
	    ITEMS(0, 64),
	    .def = DEF_MATCHES, .prebuilt = &matches_default),
	LIST(filters, "filters", "What is done with matching requests.", ks_http_filter,
	    ITEMS(0, 16),
	    .cel = HTTP_FILTER_RULES),
	LIST(backends, "backendRefs", "Where matching requests go; none answers 500.",
	    ks_http_backend_ref,
	    ITEMS(0, 16)),
	STRUCT(timeouts, "timeouts", "Time limits.", ks_timeouts),
	STRUCT(retry, "retry", "Repeating failed attempts.", ks_retry),
	PERSISTENCE,
};
static KSTRUCT(http_rule, "HTTPRouteRule", "Matches, filters and backends.", .cel = 5,
    .check = check_http_rule);
#undef T

static void
check_httproute(struct vctx *c, void *bound)
{
	struct k_httproute *r = bound;
	uint32_t matches = 0;

	check_parent_refs(c, r->node, r->parents.v, r->parents.n);
	for (uint32_t i = 0; i < r->rules.n; i++)
		matches += r->rules.v[i].matches.n;
	if (matches > 128)
		rule_at(c, rule_child(r->node, "rules"),
		    "a route can have at most 128 matches over all rules, not %u",
		    matches);
	check_rule_names(c, r->rules.v, r->rules.n, sizeof(*r->rules.v),
	    offsetof(struct k_http_rule, name));
}

#define PARENTS \
	LIST(parents, "parentRefs", "The Gateways (or ListenerSets) to be attached to.", \
	    ks_parent_ref, \
	    ITEMS(0, 32), .cel = 2)
#define HOSTNAMES \
	STRINGS(hostnames, "hostnames", "Host names that the route serves; none means all of the " \
	    "listener's.", \
	    HOSTNAME, ITEMS(0, 16))
#define DEFAULT_GATEWAYS \
	ENUM(use_default_gateways, "useDefaultGateways", "Attach to the default Gateways too.", \
	    NAMES("All", "None"), EXP)
#define T k_httproute
static const struct kfield httproute_fields[] = {
	PARENTS, HOSTNAMES,
	LIST(rules, "rules", "Matches, filters and backends.", ks_http_rule, ITEMS(1, 16), .cel = 2,
	    .def = DEF_RULES, .prebuilt = &rules_default),
	DEFAULT_GATEWAYS,
};
KSTRUCT(httproute, "HTTPRouteSpec", "How HTTP requests are routed.", .check = check_httproute);
#undef T

/* ---- GRPCRoute */
static void
check_grpc_method(struct vctx *c, void *bound)
{
	struct k_grpc_method *m = bound;

	if (!m->service.p && !m->method.p)
		rule_at(c, m->node, "one or both of service and method must be set");
	if (m->type != K_VALUE_EXACT)
		return;
	if (m->service.p && !pat_grpc_service.match(m->service))
		rule_at(c, rule_child(m->node, "service"), "must be %s", pat_grpc_service.what);
	if (m->method.p && !pat_grpc_method.match(m->method))
		rule_at(c, rule_child(m->node, "method"), "must be %s", pat_grpc_method.what);
}

#define T k_grpc_method
static const struct kfield grpc_method_fields[] = {
	VALUE_TYPE("Exact, or RegularExpression over the whole text."),
	STR(service, "service", "The service, with its package; absent means any.",
	    .max_len = 1024),
	STR(method, "method", "The method; absent means any.", .max_len = 1024),
};
static KSTRUCT(grpc_method, "GRPCMethodMatch", "A condition on service and method.", .cel = 3,
    .check = check_grpc_method);
#undef T
#define T k_grpc_match
static const struct kfield grpc_match_fields[] = {
	STRUCT(method, "method", "Condition on service and method.", ks_grpc_method),
	LIST(headers, "headers", "Conditions on metadata; all must hold.", ks_grpc_header_match,
	    ITEMS(0, 16),
	    MAP_BY("name")),
};
static KSTRUCT(grpc_match, "GRPCRouteMatch", "What a call must look like; all conditions must "
    "hold.");
#undef T

static void
check_grpc_rule(struct vctx *c, void *bound)
{
	struct k_grpc_rule *r = bound;

	check_filters(c, r->filters.v, r->filters.n);
	if (r->persistence)
		diag_at_key(c->d, CODE_DEPRECATED, r->persistence->node,
		    "sessionPersistence of a route is deprecated: its place is XBackend");
}

#define T k_grpc_rule
static const struct kfield grpc_rule_fields[] = {
	RULE_NAME,
	LIST(matches, "matches", "Conditions on calls; one of them must hold; none means every "
	    "call.", ks_grpc_match,
	    ITEMS(0, 64)),
	LIST(filters, "filters", "What is done with matching calls.", ks_grpc_filter, ITEMS(0, 16),
	    .cel = GRPC_FILTER_RULES),
	LIST(backends, "backendRefs", "Where matching calls go; none answers UNAVAILABLE.",
	    ks_grpc_backend_ref,
	    ITEMS(0, 16)),
	PERSISTENCE,
};
static KSTRUCT(grpc_rule, "GRPCRouteRule", "Matches, filters and backends.",
    .check = check_grpc_rule);
#undef T

static void
check_grpcroute(struct vctx *c, void *bound)
{
	struct k_grpcroute *r = bound;
	uint32_t matches = 0;

	check_parent_refs(c, r->node, r->parents.v, r->parents.n);
	for (uint32_t i = 0; i < r->rules.n; i++)
		matches += r->rules.v[i].matches.n;
	if (matches > 128)
		rule_at(c, rule_child(r->node, "rules"),
		    "a route can have at most 128 matches over all rules, not %u",
		    matches);
	check_rule_names(c, r->rules.v, r->rules.n, sizeof(*r->rules.v),
	    offsetof(struct k_grpc_rule, name));
}

#define T k_grpcroute
static const struct kfield grpcroute_fields[] = {
	PARENTS, HOSTNAMES,
	LIST(rules, "rules", "Matches, filters and backends.", ks_grpc_rule, ITEMS(0, 16),
	    .cel = 2),
	DEFAULT_GATEWAYS,
};
KSTRUCT(grpcroute, "GRPCRouteSpec", "How gRPC calls are routed.", .check = check_grpcroute);
#undef T

/* ---- TLSRoute, TCPRoute, UDPRoute */
#define T k_l4_rule
static const struct kfield l4_rule_fields[] = {
	RULE_NAME,
	LIST(backends, "backendRefs", "Where connections go.", ks_l4_backend_ref, ITEMS(1, 16),
	    REQ),
};
static KSTRUCT(l4_rule, "RouteRule", "Backends.");
#undef T

static void
check_l4route(struct vctx *c, void *bound)
{
	struct k_l4route *r = bound;

	check_parent_refs(c, r->node, r->parents.v, r->parents.n);
	check_rule_names(c, r->rules.v, r->rules.n, sizeof(*r->rules.v),
	    offsetof(struct k_l4_rule, name));
}

static void
check_tlsroute(struct vctx *c, void *bound)
{
	struct k_l4route *r = bound;
	const struct node *at = r->hostnames.n ? rule_child(r->node, "hostnames")->first : NULL;
	struct addr ip;

	check_l4route(c, bound);
	for (uint32_t i = 0; i < r->hostnames.n; i++, at = at->next)
		if (addr_parse_ip(r->hostnames.v[i], &ip))
			rule_at(c, at, "hostnames cannot contain an IP address");
}

#define T k_l4route
#define L4_RULES(max, ...) \
	LIST(rules, "rules", "Where connections go; the first rule is used.", ks_l4_rule, \
	    ITEMS(1, max), REQ, __VA_ARGS__)
#define TLS_HOSTNAMES(...) \
	STRINGS(hostnames, "hostnames", "Server names (SNI) that the route serves.", HOSTNAME, \
	    __VA_ARGS__)
static const struct kfield tlsroute_fields[] = {
	PARENTS, TLS_HOSTNAMES(ITEMS(1, 1024), REQ, .cel = 3), L4_RULES(1), DEFAULT_GATEWAYS,
};
KSTRUCT(tlsroute, "TLSRouteSpec", "How TLS connections are routed, by server name.",
    .check = check_tlsroute);
static const struct kfield tlsroute_alpha_fields[] = {
	PARENTS, TLS_HOSTNAMES(ITEMS(0, 1024)), L4_RULES(16, .cel = 1, .cel_std = 1),
	    DEFAULT_GATEWAYS,
};
KSTRUCT(tlsroute_alpha, "TLSRouteSpec", "How TLS connections are routed, by server name.",
    .check = check_l4route);
static const struct kfield tcproute_fields[] = {PARENTS, L4_RULES(1), DEFAULT_GATEWAYS};
KSTRUCT(tcproute, "TCPRouteSpec", "Where TCP connections go.", .check = check_l4route);
static const struct kfield tcproute_alpha_fields[] = {
	PARENTS, L4_RULES(16, .cel = 1, .cel_std = 1), DEFAULT_GATEWAYS,
};
KSTRUCT(tcproute_alpha, "TCPRouteSpec", "Where TCP connections go.", .check = check_l4route);
static const struct kfield udproute_fields[] = {PARENTS, L4_RULES(1), DEFAULT_GATEWAYS};
KSTRUCT(udproute, "UDPRouteSpec", "Where UDP datagrams go.", .check = check_l4route);
static const struct kfield udproute_alpha_fields[] = {
	PARENTS, L4_RULES(16, .cel = 1, .cel_std = 1), DEFAULT_GATEWAYS,
};
KSTRUCT(udproute_alpha, "UDPRouteSpec", "Where UDP datagrams go.", .check = check_l4route);
#undef T
