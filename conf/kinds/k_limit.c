/*
 * k_limit.c - rateLimit of BackendTrafficPolicy (reference/policies.md 6.1). Local and global rules
 * have one shape; what only global ones may have is a rule of the list, as in the CRD.
 */
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

static void
check_selector(struct vctx *c, void *bound)
{
	struct k_limit_selector *s = bound;

	if (!s->headers.v && !s->methods.v && !s->path && !s->cidr && !s->query.v)
		rule_at(c, s->node, "one of headers, methods, path, sourceCIDR and queryParams "
		    "must be set");
}

static void
check_cost(struct vctx *c, void *bound)
{
	struct k_limit_cost *k = bound;

	if (k->number.set && k->metadata)
		rule_at(c, k->node, "only one of number and metadata can be set");
}

static void
check_local(struct vctx *c, void *bound)
{
	struct k_limits *l = bound;

	for (uint32_t i = 0; i < l->rules.n; i++) {
		const struct k_limit_rule *r = &l->rules.v[i];

		if (r->cost && r->cost->response)
			rule_at_key(c, r->cost->response->node,
			    "a local limit has no response cost");
		if (r->limit && r->limit->metadata)
			rule_at_key(c, r->limit->metadata->node,
			    "a local limit cannot come from metadata");
	}
}

#define MATCH_NAMES NAMES("Exact", "RegularExpression", "Distinct")
#define INVERT BOOL(invert, "invert", "The selector holds where this does not match.", \
    .def = "false")
#define T k_limit_value
static const struct kfield limit_header_fields[] = {
	ENUM(type, "type", "Distinct: every value has a limit of its own.", MATCH_NAMES,
	    TEXT("Exact")),
	STR(name, "name", "Name of the header field.", CHARS(1, 256), REQ),
	STR(value, "value", "What the value must be; not with Distinct.", .max_len = 1024),
	INVERT,
};
static KSTRUCT(limit_header, "HeaderMatch", "A header field of the request.");
static const struct kfield limit_query_fields[] = {
	ENUM(type, "type", "Distinct: every value has a limit of its own.", MATCH_NAMES,
	    TEXT("Exact")),
	STR(name, "name", "Name of the query parameter.", CHARS(1, 256), REQ),
	STR(value, "value", "What the value must be; not with Distinct.", .max_len = 1024),
	INVERT,
};
static KSTRUCT(limit_query, "QueryParamMatch", "A query parameter of the request.");
static const struct kfield limit_method_fields[] = {
	STR(value, "value", "The method.", NAMES("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT",
	    "OPTIONS", "TRACE", "PATCH"), REQ),
	BOOL(invert, "invert", "The selector holds where this does not match.", .def = "false"),
};
static KSTRUCT(limit_method, "MethodMatch", "A request method.");
static const struct kfield limit_path_fields[] = {
	ENUM(type, "type", "How the path, with its query, is compared.",
	    NAMES("Exact", "PathPrefix", "RegularExpression"), TEXT("PathPrefix")),
	STR(value, "value", "The path.", .max_len = 1024, .flags = FF_REQUIRED, TEXT("/")),
	INVERT,
};
static KSTRUCT(limit_path, "PathMatch", "The path of the request.");
static const struct kfield limit_cidr_fields[] = {
	ENUM(type, "type", "Distinct: every address has a limit of its own.",
	    NAMES("Exact", "Distinct"), VALUES(K_LIM_EXACT, K_LIM_DISTINCT), TEXT("Exact")),
	STR(value, "value", "Addresses, as 10.0.0.0/8.", CHARS(1, 256), REQ),
	INVERT,
};
static KSTRUCT(limit_cidr, "SourceMatch", "The client's address.");
#undef T
#define T k_limit_selector
static const struct kfield limit_selector_fields[] = {
	LIST(headers, "headers", "Header fields; all must match.", ks_limit_header, ITEMS(0, 128)),
	LIST(methods, "methods", "Methods; one must match.", ks_limit_method),
	STRUCT(path, "path", "The path.", ks_limit_path),
	STRUCT(cidr, "sourceCIDR", "The client's address.", ks_limit_cidr),
	LIST(query, "queryParams", "Query parameters; all must match.", ks_limit_query,
	    ITEMS(0, 16)),
};
static KSTRUCT(limit_selector, "RateLimitSelectCondition", "Requests that a rule counts.",
    .cel = 1, .check = check_selector);
#undef T
#define T k_metadata_ref
static const struct kfield cost_metadata_fields[] = {
	STR(ns, "namespace", "headgate.dev: a response header.", REQ),
	STR(key, "key", "Name of the response header with the number to charge.", REQ),
};
static KSTRUCT(cost_metadata, "RateLimitCostMetadata", "Where the number comes from.");
static const struct kfield limit_metadata_fields[] = {
	STR(ns, "namespace", "Metadata namespace.", .min_len = 1, REQ),
	STR(key, "key", "Metadata key.", .min_len = 1, REQ),
};
static KSTRUCT(limit_metadata, "RateLimitMetadata", "Where the limit comes from.");
#undef T
#define T k_limit_cost
static const struct kfield limit_cost_fields[] = {
	ENUM(from, "from", "Where the number comes from.", NAMES("Number", "Metadata"), REQ),
	INT(number, "number", "The number; 0 only looks.", .flags = FF_INT64),
	STRUCT(metadata, "metadata", "For from: Metadata.", ks_cost_metadata),
};
static KSTRUCT(limit_cost, "RateLimitCostSpecifier", "What a request costs.", .cel = 1,
    .check = check_cost);
#undef T
#define T k_limit_costs
static const struct kfield limit_costs_fields[] = {
	STRUCT(request, "request", "Taken before the request is forwarded; absent: 1.",
	    ks_limit_cost),
	STRUCT(response, "response", "Charged when the answer has ended.", ks_limit_cost),
};
static KSTRUCT(limit_costs, "RateLimitCost", "What requests cost.");
#undef T
#define T k_limit_value_of
static const struct kfield limit_value_fields[] = {
	INT(requests, "requests", "Requests in each unit; 0 refuses all.",
	    .flags = FF_REQUIRED | FF_INT64, BETWEEN(0, 4294967295)),
	ENUM(unit, "unit", "The span of time.",
	    NAMES("Second", "Minute", "Hour", "Day", "Week", "Month", "Year"), REQ),
	STRUCT(metadata, "fromMetadata", "Takes the limit from metadata.", ks_limit_metadata,
	    NOT_YET),
};
static KSTRUCT(limit_value, "RateLimitValue", "Requests in a span of time.");
#undef T
#define T k_limit_rule
static const struct kfield limit_rule_fields[] = {
	LIST(selectors, "clientSelectors", "Requests that the rule counts: all selectors must "
	    "hold; none: every request.", ks_limit_selector, ITEMS(0, 8)),
	STRUCT(limit, "limit", "How many.", ks_limit_value, REQ),
	STRUCT(cost, "cost", "What a request costs.", ks_limit_costs),
	BOOL(shared, "shared", "One bucket for all routes and listeners of the policy."),
	BOOL(shadow, "shadowMode", "Count, but never refuse."),
	ENUM(headers, "xRateLimitHeaders", "Whether answers carry x-ratelimit fields.",
	    NAMES("Off", "DraftVersion03")),
};
static KSTRUCT(limit_rule, "RateLimitRule", "One limit.");
#undef T
#define T k_limits
static const struct kfield global_limits_fields[] = {
	LIST(rules, "rules", "Limits; all that match are counted.", ks_limit_rule, ITEMS(0, 256),
	    REQ),
};
static KSTRUCT(global_limits, "GlobalRateLimit", "Limits over all nodes.");
static const struct kfield local_limits_fields[] = {
	LIST(rules, "rules", "Limits; the one without clientSelectors is for what no other "
	    "matches.", ks_limit_rule, ITEMS(0, 16), .cel = 2),
};
static KSTRUCT(local_limits, "LocalRateLimit", "Limits of this node, over all its workers.",
    .check = check_local);
#undef T
#define T k_rate_limit
static const struct kfield rate_limit_fields[] = {
	ENUM(type, "type", "Deprecated: only this one counts.", NAMES("Global", "Local")),
	STRUCT(global, "global", "Limits over all nodes; kept by each node for itself.",
	    ks_global_limits),
	STRUCT(local, "local", "Limits of this node.", ks_local_limits),
};
KSTRUCT(rate_limit, "RateLimitSpec", "How many requests.");
#undef T
