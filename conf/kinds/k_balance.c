/*
 * k_balance.c - loadBalancer and healthCheck of BackendTrafficPolicy (reference/policies.md 6.4,
 * 6.5).
 */
#include "base/parse.h"
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

/* `has` exactly where `want`. */
static void
only_with(struct vctx *c, const struct node *of, const char *member, bool has, bool want,
    const char *type)
{
	if (has && !want)
		rule_at_key(c, rule_child(of, member), "%s can only be set when type is %s",
		    member, type);
	if (!has && want)
		rule_at(c, rule_child(of, "type"), "%s must be set when type is %s", member, type);
}

/* ---- loadBalancer */
static void
check_hash(struct vctx *c, void *bound)
{
	struct k_hash *h = bound;

	only_with(c, h->node, "header", h->header, h->type == K_HASH_HEADER, "Header");
	only_with(c, h->node, "headers", h->headers.v, h->type == K_HASH_HEADERS, "Headers");
	only_with(c, h->node, "cookie", h->cookie, h->type == K_HASH_COOKIE, "Cookie");
	only_with(c, h->node, "queryParams", h->query.v, h->type == K_HASH_QUERY, "QueryParams");
}

static void
check_lb(struct vctx *c, void *bound)
{
	struct k_lb *l = bound;
	const struct node *local = l->zones && l->zones->local ? l->zones->local->node : NULL;

	only_with(c, l->node, "consistentHash", l->hash, l->type == K_LB_HASH, "ConsistentHash");
	only_with(c, l->node, "backendUtilization", l->utilization, l->type == K_LB_UTIL,
	    "BackendUtilization");
	only_with(c, l->node, "dynamicModule", l->module, l->type == K_LB_MODULE, "DynamicModule");
	if (l->slow &&
	    (l->type == K_LB_RANDOM || l->type == K_LB_HASH || l->type == K_LB_MODULE))
		rule_at_key(c, l->slow->node, "slowStart can only be set with RoundRobin, "
		    "LeastRequest and BackendUtilization");
	if (local && (l->type == K_LB_HASH || l->type == K_LB_UTIL))
		rule_at_key(c, local, "preferLocal cannot be set with ConsistentHash and "
		    "BackendUtilization");
	if (l->zones && l->type == K_LB_MODULE)
		rule_at_key(c, l->zones->node, "zoneAware cannot be set with DynamicModule");
	if (local && l->zones->weighted.v)
		rule_at_key(c, local, "preferLocal and weightedZones exclude each other");
	if (l->override && l->type == K_LB_MODULE)
		rule_at_key(c, l->override->node,
		    "endpointOverride cannot be set with DynamicModule");
}

static void
check_oob(struct vctx *c, void *bound)
{
	struct k_out_of_band *o = bound;

	if (o->period.set && o->period.ms == 0)
		rule_at(c, rule_child(o->node, "reportingPeriod"),
		    "reportingPeriod must be greater than 0");
}

#define T k_named
static const struct kfield hash_header_fields[] = {
	STR(name, "name", "Name of the header field.", REQ),
};
static KSTRUCT(hash_header, "Header", "A header field.");
static const struct kfield hash_query_fields[] = {
	STR(name, "name", "Name of the query parameter.", REQ),
};
static KSTRUCT(hash_query, "QueryParam", "A query parameter.");
#undef T
#define T k_hash_cookie
static const struct kfield hash_cookie_fields[] = {
	STR(name, "name", "Name of the cookie.", REQ),
	DURATION(ttl, "ttl", "Life of a cookie that headgate makes; 0s: of the session; absent: "
	    "none is made."),
	MAP(attributes, "attributes", "Further attributes of a cookie that headgate makes."),
};
static KSTRUCT(hash_cookie, "Cookie", "A cookie.");
#undef T
#define T k_hash
static const struct kfield hash_fields[] = {
	ENUM(type, "type", "What is hashed.",
	    NAMES("SourceIP", "Header", "Headers", "Cookie", "QueryParams"), REQ),
	STRUCT(header, "header", "For type Header (deprecated: Headers).", ks_hash_header),
	LIST(headers, "headers", "For type Headers.", ks_hash_header),
	STRUCT(cookie, "cookie", "For type Cookie.", ks_hash_cookie),
	LIST(query, "queryParams", "For type QueryParams.", ks_hash_query),
	INT(table, "tableSize", "Size of the table, a prime.", .flags = FF_INT64,
	    BETWEEN(2, 5000011), .def = "65537"),
};
static KSTRUCT(hash, "ConsistentHash", "The same client meets the same endpoint.", .cel = 4,
    .check = check_hash);
#undef T
#define T k_slow_start
static const struct kfield slow_start_fields[] = {
	DURATION(window, "window", "Time in which a new endpoint's share grows to its own.", REQ),
};
static KSTRUCT(slow_start, "SlowStart", "New endpoints get less at first.");
#undef T
#define T k_zone_force
static const struct kfield zone_force_fields[] = {
	INT(least, "minEndpointsInZoneThreshold", "Endpoints that the zone must have.",
	    .int32 = true),
};
static KSTRUCT(zone_force, "ForceLocalZone", "All traffic stays in the zone.");
#undef T
#define T k_zone_local
static const struct kfield zone_local_fields[] = {
	STRUCT(force, "force", "All of it stays.", ks_zone_force),
	INT(least, "minEndpointsThreshold", "Endpoints that there must be.", .flags = FF_INT64),
	INT(percent, "percentageEnabled", "Share of the requests.", .int32 = true,
	    BETWEEN(0, 100)),
};
static KSTRUCT(zone_local, "PreferLocalZone", "Traffic stays in its zone where it can.");
#undef T
#define T k_zone
static const struct kfield zone_fields[] = {
	STR(zone, "zone", "Name of the zone.", REQ),
	INT(weight, "weight", "Its share.", .int32 = true, REQ),
};
static KSTRUCT(zone, "WeightedZoneConfig", "Share of a zone.");
#undef T
#define T k_zones
static const struct kfield zones_fields[] = {
	STRUCT(local, "preferLocal", "Traffic stays in its zone where it can.", ks_zone_local),
	LIST(weighted, "weightedZones", "Shares of zones.", ks_zone, MAP_BY("zone")),
};
static KSTRUCT(zones, "ZoneAware", "Zones in balancing.");
#undef T
#define T k_extract
static const struct kfield extract_fields[] = {
	STR(header, "header", "A header field with ip:port."),
};
static KSTRUCT(extract, "EndpointOverrideExtractFrom", "Where the endpoint is named.");
#undef T
#define T k_endpoint_override
static const struct kfield endpoint_override_fields[] = {
	LIST(from, "extractFrom", "Where the endpoint is named; the first that is there counts.",
	    ks_extract, ITEMS(1, 10), REQ),
};
static KSTRUCT(endpoint_override, "EndpointOverride", "The request names its endpoint.");
#undef T
#define T k_out_of_band
static const struct kfield out_of_band_fields[] = {
	STR(authority, "authority", "Host of the report call.", CHARS(1, 259)),
	INT(port, "port", "Port of the report call.", PORT),
	DURATION(period, "reportingPeriod", "Time between reports.", .cel = 1),
};
static KSTRUCT(out_of_band, "OutOfBandReporting", "Load reports by a call of their own.",
    .check = check_oob);
#undef T
#define T k_utilization
static const struct kfield utilization_fields[] = {
	DURATION(blackout, "blackoutPeriod", "Time before an endpoint's reports count."),
	DURATION(expiry, "weightExpirationPeriod", "Time after which a report is forgotten."),
	DURATION(update, "weightUpdatePeriod", "Time between recomputations."),
	INT(penalty, "errorUtilizationPenaltyPercent", "Weight of errors.", .int32 = true,
	    AT_LEAST(0)),
	STRINGS(names, "metricNamesForComputingUtilization", "Metrics that make the load."),
	BOOL(keep, "keepResponseHeaders", "Leave the reports in answers.", .def = "false"),
	STRUCT(oob, "outOfBand", "Load reports by a call of their own.", ks_out_of_band),
};
static KSTRUCT(utilization, "BackendUtilization", "Balancing by reported load.");
#undef T
#define T k_lb_module
static const struct kfield lb_module_fields[] = {
	STR(name, "name", "Name of the module.", CHARS(1, 253), REQ),
	STR(policy, "lbPolicyName", "Name of the policy in it.", CHARS(1, 253), REQ),
	FIELD(FT_ANY, config, "config", "Settings of the module."),
};
static KSTRUCT(lb_module, "LoadBalancerDynamicModule", "A module of Envoy.");
#undef T
#define T k_lb
static const struct kfield load_balancer_fields[] = {
	ENUM(type, "type", "How an endpoint is chosen.", NAMES("ConsistentHash", "LeastRequest",
	    "Random", "RoundRobin", "BackendUtilization", "DynamicModule"), REQ),
	STRUCT(hash, "consistentHash", "For type ConsistentHash.", ks_hash),
	STRUCT(slow, "slowStart", "New endpoints get less at first.", ks_slow_start),
	STRUCT(zones, "zoneAware", "Zones in balancing.", ks_zones, NOT_YET),
	STRUCT(override, "endpointOverride", "The request names its endpoint.",
	    ks_endpoint_override, NOT_YET),
	STRUCT(utilization, "backendUtilization", "For type BackendUtilization.",
	    ks_utilization, NOT_YET),
	STRUCT(module, "dynamicModule", "For type DynamicModule.", ks_lb_module, NOT_YET),
};
KSTRUCT(load_balancer, "LoadBalancer", "How endpoints are chosen.", .cel = 9,
    .check = check_lb);
#undef T

/* ---- healthCheck */
static void
check_payload(struct vctx *c, void *bound)
{
	struct k_payload *p = bound;
	size_t len = p->binary.n / 4 * 3 + 3;

	only_with(c, p->node, "text", p->text.p, bytes_eq(p->type, BYTES("Text")), "Text");
	only_with(c, p->node, "binary", p->binary.p, bytes_eq(p->type, BYTES("Binary")), "Binary");
	if (p->binary.p && !parse_base64(p->binary, arena_alloc(c->arena, len), &len))
		diag_at(c->d, CODE_FORMAT, rule_child(p->node, "binary"), "is not base64");
}

static void
check_http(struct vctx *c, void *bound)
{
	struct k_check_http *h = bound;

	if (h->request && !bytes_eqi(h->method, BYTES("POST")) &&
	    !bytes_eqi(h->method, BYTES("PUT")))
		rule_at_key(c, h->request->node,
		    "requestBody can only be set when method is POST or PUT");
}

static void
check_active(struct vctx *c, void *bound)
{
	struct k_active *a = bound;

	only_with(c, a->node, "http", a->http, bytes_eq(a->type, BYTES("HTTP")), "HTTP");
	only_with(c, a->node, "tcp", a->tcp, bytes_eq(a->type, BYTES("TCP")), "TCP");
	if (a->grpc && !bytes_eq(a->type, BYTES("GRPC")))
		rule_at_key(c, a->grpc->node, "grpc can only be set when type is GRPC");
}

static void
check_check_log(struct vctx *c, void *bound)
{
	struct k_check_log *l = bound;
	bool bad = false, good = false;

	for (uint32_t i = 0; i < l->matches.n; i++) {
		bool failure = bytes_starts(l->matches.v[i], BYTES("Failure"));

		bad |= failure;
		good |= !failure;
	}
	if (bad != good)
		rule_at(c, rule_child(l->node, "matches"),
		    "a kind of failure and a kind of success go together");
}

static void
check_sink(struct vctx *c, void *bound)
{
	struct k_log_sink *s = bound;

	only_with(c, s->node, "file", s->file, bytes_eq(s->type, BYTES("File")), "File");
}

#define STATUSES(m, nm, dc) INTS(m, nm, dc, BETWEEN(100, 599))
#define T k_payload
static const struct kfield payload_fields[] = {
	STR(type, "type", "Which of the two is set.", NAMES("Text", "Binary"), REQ),
	STR(text, "text", "As text."),
	STR(binary, "binary", "As base64."),
};
static KSTRUCT(payload, "ActiveHealthCheckPayload", "Bytes of a check.", .cel = 2,
    .check = check_payload);
#undef T
#define T k_check_http
static const struct kfield check_http_fields[] = {
	STR(hostname, "hostname", "Host of the request; absent: the endpoint's, else the route's.",
	    .pattern = &pat_subdomain, CHARS(1, 253)),
	STR(path, "path", "Path of the request.", CHARS(1, 1024), REQ),
	STR(method, "method", "Method of the request; absent: GET.", .max_len = 16),
	STATUSES(expected, "expectedStatuses", "Good statuses; absent: 200."),
	STATUSES(retriable, "retriableStatuses", "Statuses that count towards the threshold; "
	    "others are bad at once."),
	STRUCT(response, "expectedResponse", "What the body must contain.", ks_payload),
	STRUCT(request, "requestBody", "Body of a POST or PUT.", ks_payload),
};
static KSTRUCT(check_http, "HTTPActiveHealthChecker", "A check by HTTP.", .cel = 1,
    .check = check_http);
#undef T
#define T k_check_tcp
static const struct kfield check_tcp_fields[] = {
	STRUCT(send, "send", "What is sent; absent: connecting is enough.", ks_payload),
	STRUCT(receive, "receive", "What must come back.", ks_payload),
};
static KSTRUCT(check_tcp, "TCPActiveHealthChecker", "A check by TCP.");
#undef T
#define T k_check_grpc
static const struct kfield check_grpc_fields[] = {
	STR(service, "service", "Name of the service to ask for."),
};
static KSTRUCT(check_grpc, "GRPCActiveHealthChecker", "A check by grpc.health.v1.");
#undef T
#define T k_check_port
static const struct kfield check_port_fields[] = {
	INT(port, "port", "Port to check instead of the endpoint's.", PORT),
};
static KSTRUCT(check_port, "HealthCheckOverrides", "Where to check.");
#undef T
#define T k_log_file
static const struct kfield log_file_fields[] = {
	STR(path, "path", "The file.", .min_len = 1, REQ),
};
static KSTRUCT(log_file, "ProxyHealthCheckLogFile", "A file.");
#undef T
#define T k_log_sink
static const struct kfield log_sink_fields[] = {
	STR(type, "type", "Kind of sink.", NAMES("File"), REQ),
	STRUCT(file, "file", "For type File.", ks_log_file),
};
static KSTRUCT(log_sink, "ProxyHealthCheckLogSink", "Where checks are logged.", .cel = 1,
    .check = check_sink);
#undef T
#define T k_check_log
static const struct kfield check_log_fields[] = {
	STRINGS(matches, "matches", "Which results.", NAMES("Failure", "FailureSeriesStart",
	    "Success", "HealthyTransition"), SET_OF, ITEMS(0, 4), .cel = 1),
	LIST(sinks, "sinks", "Where to.", ks_log_sink, ITEMS(0, 1)),
};
static KSTRUCT(check_log, "HealthCheckLog", "A log of checks.", .check = check_check_log);
#undef T
#define T k_active
static const struct kfield active_fields[] = {
	STR(type, "type", "Protocol of the check.", NAMES("HTTP", "TCP", "GRPC"), REQ),
	DURATION(timeout, "timeout", "Time for one check.", TEXT("1s")),
	DURATION(interval, "interval", "Time between checks.", TEXT("3s")),
	DURATION(jitter, "initialJitter", "The first check comes at random within this time."),
	INT(unhealthy, "unhealthyThreshold", "Bad results in a row that take an endpoint out.",
	    .int32 = true, AT_LEAST(1), .def = "3"),
	INT(healthy, "healthyThreshold", "Good results in a row that bring it back.",
	    .int32 = true, AT_LEAST(1), .def = "1"),
	STRUCT(http, "http", "For type HTTP.", ks_check_http),
	STRUCT(tcp, "tcp", "For type TCP.", ks_check_tcp),
	STRUCT(grpc, "grpc", "For type GRPC.", ks_check_grpc),
	STRUCT(overrides, "overrides", "Where to check.", ks_check_port),
	STRUCT(log, "healthCheckLog", "A log of checks.", ks_check_log, NOT_YET),
};
static KSTRUCT(active, "ActiveHealthCheck", "Endpoints are asked.", .cel = 3,
    .check = check_active);
#undef T
#define T k_passive
static const struct kfield passive_fields[] = {
	BOOL(split, "splitExternalLocalOriginErrors",
	    "Count failures to connect apart from bad answers.", .def = "false"),
	DURATION(interval, "interval", "Time between looks at the counts.", TEXT("3s")),
	INT(clocal, "consecutiveLocalOriginFailures", "Failures to connect in a row.",
	    .int32 = true, .def = "5"),
	INT(cgateway, "consecutiveGatewayErrors", "Answers 502, 503, 504 in a row.",
	    .int32 = true),
	INT(c5xx, "consecutive5XxErrors", "Answers 5xx in a row.", .int32 = true, .def = "5"),
	DURATION(base, "baseEjectionTime", "An endpoint is out so long, times the number of "
	    "ejections.", TEXT("30s")),
	INT(most, "maxEjectionPercent", "Share of the endpoints that may be out.", .int32 = true,
	    BETWEEN(0, 100), .def = "10"),
	INT(failures, "failurePercentageThreshold", "Share of failures in an interval.",
	    .int32 = true, BETWEEN(0, 100)),
	BOOL(always, "alwaysEjectOneEndpoint", "One may be out whatever the share.",
	    .def = "false"),
};
static KSTRUCT(passive, "PassiveHealthCheck", "Endpoints are judged by their answers.");
#undef T
#define T k_health
static const struct kfield health_check_fields[] = {
	STRUCT(active, "active", "Endpoints are asked.", ks_active),
	STRUCT(passive, "passive", "Endpoints are judged by their answers.", ks_passive),
	INT(panic, "panicThreshold", "Below this share of healthy endpoints all are used; 0: "
	    "never. Absent: 50.", .int32 = true, BETWEEN(0, 100)),
};
KSTRUCT(health_check, "HealthCheck", "Which endpoints are used.");
#undef T
