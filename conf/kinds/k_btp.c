/*
 * k_btp.c - BackendTrafficPolicy but for its larger parts: rate limits (k_limit.c), balancing and
 * health (k_balance.c), answers replaced (k_override.c).
 */
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

#define ROUTES "HTTPRoute GRPCRoute UDPRoute TCPRoute TLSRoute"

static void
check_percent(struct vctx *c, void *bound)
{
	struct k_budget_percent *p = bound;

	if (p->num.v > p->den.v)
		rule_at(c, rule_child(p->node, "numerator"),
		    "numerator must be less than or equal to denominator (%lld)",
		    (long long)p->den.v);
}

static void
check_upgrade(struct vctx *c, void *bound)
{
	struct k_upgrade *u = bound;

	if (u->connect && !bytes_eq(u->type, BYTES("CONNECT")))
		rule_at_key(c, u->connect->node, "connect can only be set when type is CONNECT");
}

static void
check_abort(struct vctx *c, void *bound)
{
	struct k_abort *a = bound;

	if (a->http.set == a->grpc.set)
		rule_at(c, a->node, "exactly one of httpStatus and grpcStatus must be set");
}

static void
check_fault(struct vctx *c, void *bound)
{
	struct k_fault *f = bound;

	if (!f->delay && !f->abort)
		rule_at(c, f->node, "one of delay and abort must be set");
}

static void
check_bandwidth(struct vctx *c, void *bound)
{
	struct k_bandwidth *b = bound;

	if (!b->request && !b->response)
		rule_at(c, b->node, "one of request and response must be set");
}

static void
check_admission(struct vctx *c, void *bound)
{
	struct k_admission *a = bound;

	if (a->window.set && a->window.ms < 1000)
		rule_at(c, rule_child(a->node, "samplingWindow"),
		    "samplingWindow must be at least 1s");
}

static void
check_btp(struct vctx *c, void *bound)
{
	struct k_backendtrafficpolicy *p = bound;
	const struct node *n = p->node;

	check_policy_targets(c, n, &p->targets, "Gateway ListenerSet " ROUTES,
	    "BackendTrafficPolicy");
	if (bytes_eq(p->merge, BYTES("Replace")))
		rule_at(c, rule_child(n, "mergeType"), "Replace is not possible here");
	if (p->merge.p && !policy_targets_are(&p->targets, ROUTES))
		rule_at_key(c, rule_child(n, "mergeType"),
		    "mergeType can only be set where all targets are routes");
	if (p->compression.v && p->compressor.v)
		rule_at_key(c, rule_child(n, "compression"),
		    "only one of compression and compressor can be set");
	if (p->buffer && p->upgrades.n)
		rule_at_key(c, p->buffer->node,
		    "requestBuffer and httpUpgrade exclude each other");
	if (p->admission &&
	    !policy_targets_are(&p->targets, "Gateway ListenerSet HTTPRoute GRPCRoute"))
		rule_at_key(c, p->admission->node,
		    "admissionControl is for Gateway, ListenerSet, HTTPRoute and GRPCRoute");
	if (p->connection && p->connection->preconnect &&
	    p->connection->preconnect->predictive.set &&
	    !(p->lb && (p->lb->type == K_LB_RANDOM || p->lb->type == K_LB_ROUND)))
		rule_at_key(c, rule_child(p->connection->preconnect->node, "predictivePercent"),
		    "predictivePercent needs a loadBalancer of type RoundRobin or Random");
}

/* ---- circuitBreaker, retry, timeout, connection */
#define BOUND(m, nm, dc, ...) INT(m, nm, dc, BETWEEN(0, 4294967295), .flags = FF_INT64, \
    __VA_ARGS__)
#define T k_budget_percent
static const struct kfield budget_percent_fields[] = {
	INT(num, "numerator", "Share.", .int32 = true, AT_LEAST(0), REQ),
	INT(den, "denominator", "Of so many.", .int32 = true, AT_LEAST(1), .def = "100"),
};
static KSTRUCT(budget_percent, "Fraction", "A share.", .cel = 1, .check = check_percent);
#undef T
#define T k_breaker_budget
static const struct kfield breaker_budget_fields[] = {
	STRUCT(percent, "percent", "Retries may be this share of the requests in flight.",
	    ks_budget_percent, REQ),
	INT(least, "minRetryConcurrency", "Retries at once that are always possible.",
	    .int32 = true),
};
static KSTRUCT(breaker_budget, "RetryBudget", "How many retries there may be at once.");
#undef T
#define T k_breaker_endpoint
static const struct kfield breaker_endpoint_fields[] = {
	BOUND(connections, "maxConnections", "Connections to one endpoint.", .def = "1024"),
};
static KSTRUCT(breaker_endpoint, "PerEndpointCircuitBreakers", "Bounds of one endpoint.");
#undef T
#define T k_breaker
static const struct kfield breaker_fields[] = {
	BOUND(connections, "maxConnections", "Connections to all endpoints of a rule.",
	    .def = "1024"),
	BOUND(pending, "maxPendingRequests", "Requests that wait for a connection.",
	    .def = "1024"),
	BOUND(parallel, "maxParallelRequests", "Requests at once.", .def = "1024"),
	BOUND(retries, "maxParallelRetries", "Retries at once.", .def = "1024"),
	BOUND(per_connection, "maxRequestsPerConnection",
	    "Requests on one connection, which is then closed."),
	STRUCT(endpoint, "perEndpoint", "Bounds of one endpoint.", ks_breaker_endpoint),
	STRUCT(budget, "retryBudget", "How many retries there may be at once.",
	    ks_breaker_budget),
};
static KSTRUCT(breaker, "CircuitBreaker", "Bounds beyond which requests are refused at once.");
#undef T
#define T k_retry_on
static const struct kfield retry_on_fields[] = {
	STRINGS(triggers, "triggers", "What is tried again.", NAMES("5xx", "gateway-error",
	    "reset", "reset-before-request", "connect-failure", "retriable-4xx",
	    "refused-stream", "retriable-status-codes", "cancelled", "deadline-exceeded",
	    "internal", "resource-exhausted", "unavailable")),
	INTS(codes, "httpStatusCodes", "Statuses that are tried again.", BETWEEN(100, 599)),
};
static KSTRUCT(retry_on, "RetryOn", "What is tried again.");
#undef T
#define T k_backoff
static const struct kfield backoff_fields[] = {
	DURATION(base, "baseInterval", "The pause before the first retry is at most so long, and "
	    "doubles."),
	DURATION(most, "maxInterval", "The longest pause; absent: ten times the base."),
};
static KSTRUCT(backoff, "BackOffPolicy", "Pauses between tries.");
#undef T
#define T k_per_retry
static const struct kfield per_retry_fields[] = {
	DURATION(timeout, "timeout", "Time for one try."),
	STRUCT(backoff, "backOff", "Pauses between tries.", ks_backoff),
};
static KSTRUCT(per_retry, "PerRetryPolicy", "Each try.");
#undef T
#define T k_bt_retry
static const struct kfield bt_retry_fields[] = {
	INT(retries, "numRetries", "Tries beyond the first.", .int32 = true, AT_LEAST(0),
	    .def = "2"),
	INT(per_priority, "numAttemptsPerPriority",
	    "Tries before fallback backends are asked.", .int32 = true, NOT_YET),
	STRUCT(on, "retryOn", "What is tried again.", ks_retry_on),
	STRUCT(per, "perRetry", "Each try.", ks_per_retry),
};
static KSTRUCT(bt_retry, "Retry", "Failed requests are tried again.");
#undef T
#define T k_bt_timeout_tcp
static const struct kfield bt_timeout_tcp_fields[] = {
	DURATION(connect, "connectTimeout", "Connecting to an endpoint, TLS included."),
};
static KSTRUCT(bt_timeout_tcp, "TCPTimeout", "Times of connections.");
#undef T
#define T k_bt_timeout_http
static const struct kfield bt_timeout_http_fields[] = {
	DURATION(idle, "connectionIdleTimeout", "An idle connection in the pool."),
	DURATION(connection, "maxConnectionDuration", "Life of a connection."),
	DURATION(request, "requestTimeout", "From the end of the request to the end of the "
	    "answer; 0s: none."),
	DURATION(stream, "maxStreamDuration", "Life of a request; 0s: none."),
	DURATION(stream_idle, "streamIdleTimeout", "No byte in either direction."),
};
static KSTRUCT(bt_timeout_http, "HTTPTimeout", "Times of requests.");
#undef T
#define T k_bt_timeout
static const struct kfield bt_timeout_fields[] = {
	STRUCT(tcp, "tcp", "Times of connections.", ks_bt_timeout_tcp),
	STRUCT(http, "http", "Times of requests.", ks_bt_timeout_http),
};
static KSTRUCT(bt_timeout, "Timeout", "Times towards backends.");
#undef T
#define T k_preconnect
static const struct kfield preconnect_fields[] = {
	INT(per_endpoint, "perEndpointPercent", "Connections kept for each endpoint, in per cent "
	    "of those in use.", .int32 = true, BETWEEN(100, 300)),
	INT(predictive, "predictivePercent", "The same over all endpoints.", .int32 = true,
	    AT_LEAST(100)),
};
static KSTRUCT(preconnect, "PreconnectPolicy", "Connections made ahead of need.");
#undef T
#define T k_bt_connection
static const struct kfield bt_connection_fields[] = {
	QUANTITY(buffer, "bufferLimit", "Bytes kept of one connection: a body that fits can be "
	    "sent again."),
	FIELD(FT_INT_OR_STRING, socket_buffer, "socketBufferLimit", "The socket's buffers.",
	    .flags = FF_QUANTITY | FF_NOT_SERVED),
	STRUCT(preconnect, "preconnect", "Connections made ahead of need.", ks_preconnect,
	    NOT_YET),
};
static KSTRUCT(bt_connection, "BackendConnection", "Connections to backends.");
#undef T
#define T k_bt_proxy
static const struct kfield bt_proxy_fields[] = {
	ENUM(version, "version", "Version of the PROXY protocol to send.", NAMES("V1", "V2"),
	    REQ),
};
static KSTRUCT(bt_proxy, "ProxyProtocol", "The client's address goes first.");
#undef T
#define T k_bt_dns
static const struct kfield bt_dns_fields[] = {
	DURATION(refresh, "dnsRefreshRate", "Time between look-ups."),
	BOOL(ttl, "respectDnsTtl", "The answer's own time to live counts."),
	ENUM(family, "lookupFamily", "Which addresses.", NAMES("IPv4", "IPv6", "IPv4Preferred",
	    "IPv6Preferred", "IPv4AndIPv6")),
};
static KSTRUCT(bt_dns, "DNS", "Names of backends.");
#undef T

/* ---- what is done with bodies and answers */
#define T k_connect
static const struct kfield connect_fields[] = {
	BOOL(terminate, "terminate", "The tunnel ends here; the backend gets plain TCP."),
};
static KSTRUCT(connect, "ConnectConfig", "CONNECT requests.");
#undef T
#define T k_upgrade
static const struct kfield upgrade_fields[] = {
	STR(type, "type", "A protocol name, or CONNECT.", REQ),
	STRUCT(connect, "connect", "For type CONNECT.", ks_connect),
};
static KSTRUCT(upgrade, "ProtocolUpgradeConfig", "An upgrade.", .cel = 1,
    .check = check_upgrade);
#undef T
#define T k_buffer
static const struct kfield buffer_fields[] = {
	QUANTITY(limit, "limit", "Bytes of the body; 413 beyond."),
};
static KSTRUCT(buffer, "RequestBuffer", "The whole body is read before it is sent on.");
#undef T
#define T k_compressor
static const struct kfield compressor_fields[] = {
	ENUM(type, "type", "The coding.", NAMES("Gzip", "Brotli", "Zstd"), REQ),
	STRUCT(gzip, "gzip", "For type Gzip.", ks_empty),
	STRUCT(brotli, "brotli", "For type Brotli.", ks_empty),
	STRUCT(zstd, "zstd", "For type Zstd.", ks_empty),
	QUANTITY(least, "minContentLength", "Shorter bodies stay as they are; absent: 30."),
};
static KSTRUCT(compressor, "Compression", "A coding of answers.");
#undef T
#define T k_delay
static const struct kfield delay_fields[] = {
	DURATION(fixed, "fixedDelay", "How long.", REQ),
	NUMBER(percent, "percentage", "Share of the requests.", .def = "100"),
};
static KSTRUCT(delay, "FaultInjectionDelay", "Requests are held back.");
#undef T
#define T k_abort
static const struct kfield abort_fields[] = {
	INT(http, "httpStatus", "Status of the answer.", .int32 = true, BETWEEN(200, 600)),
	INT(grpc, "grpcStatus", "grpc-status of the answer.", .int32 = true, BETWEEN(0, 16)),
	NUMBER(percent, "percentage", "Share of the requests.", .def = "100"),
};
static KSTRUCT(abort, "FaultInjectionAbort", "Requests are answered here.", .cel = 2,
    .check = check_abort);
#undef T
#define T k_fault
static const struct kfield fault_fields[] = {
	STRUCT(delay, "delay", "Requests are held back.", ks_delay),
	STRUCT(abort, "abort", "Requests are answered here.", ks_abort),
};
static KSTRUCT(fault, "FaultInjection", "Faults on purpose, for tests.", .cel = 1,
    .check = check_fault);
#undef T

/* ---- known, not served */
#define T k_bandwidth_value
static const struct kfield bandwidth_value_fields[] = {
	FIELD(FT_INT_OR_STRING, value, "value", "Bytes.", .flags = FF_QUANTITY | FF_REQUIRED),
	ENUM(unit, "unit", "The span of time.", NAMES("Second", "Minute", "Hour"), REQ),
};
static KSTRUCT(bandwidth_value, "BandwidthLimitValue", "Bytes in a span of time.");
#undef T
#define T k_trailers
static const struct kfield trailers_fields[] = {
	STR(prefix, "prefix", "Prefix of the trailers' names."),
};
static KSTRUCT(trailers, "BandwidthLimitResponseTrailers", "Trailers that tell the delay.");
#undef T
#define T k_bandwidth_side
static const struct kfield bandwidth_request_fields[] = {
	STRUCT(limit, "limit", "How much.", ks_bandwidth_value, REQ),
};
static KSTRUCT(bandwidth_request, "BandwidthLimitRequest", "Request bodies.");
static const struct kfield bandwidth_response_fields[] = {
	STRUCT(limit, "limit", "How much.", ks_bandwidth_value, REQ),
	STRUCT(trailers, "responseTrailers", "Trailers that tell the delay.", ks_trailers),
};
static KSTRUCT(bandwidth_response, "BandwidthLimitResponse", "Bodies of answers.");
#undef T
#define T k_bandwidth
static const struct kfield bandwidth_fields[] = {
	STRUCT(request, "request", "Request bodies.", ks_bandwidth_request),
	STRUCT(response, "response", "Bodies of answers.", ks_bandwidth_response),
};
static KSTRUCT(bandwidth, "BandwidthLimit", "Bytes in a span of time.", .cel = 1,
    .check = check_bandwidth);
#undef T
#define T k_success
static const struct kfield success_http_fields[] = {
	INTS(codes, "statusCodes", "Good statuses.", BETWEEN(100, 599)),
};
static KSTRUCT(success_http, "HTTPSuccessCriteria", "Good answers.");
static const struct kfield success_grpc_fields[] = {
	STRINGS(names, "statusCodes", "Good grpc-statuses.", NAMES("Ok", "Cancelled", "Unknown",
	    "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
	    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",
	    "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
	    "Unauthenticated")),
};
static KSTRUCT(success_grpc, "GRPCSuccessCriteria", "Good gRPC answers.");
#undef T
#define T k_criteria
static const struct kfield criteria_fields[] = {
	STRUCT(http, "http", "Good answers.", ks_success_http),
	STRUCT(grpc, "grpc", "Good gRPC answers.", ks_success_grpc),
};
static KSTRUCT(criteria, "SuccessCriteria", "What counts as good.");
#undef T
#define T k_admission
static const struct kfield admission_fields[] = {
	DURATION(window, "samplingWindow", "Over which answers are counted."),
	INT(success, "minSuccessRate", "Share of good answers below which requests are refused.",
	    .int32 = true, BETWEEN(1, 100)),
	INT(aggression, "rejectionAggression", "How steeply.", .int32 = true, AT_LEAST(1)),
	INT(rate, "minRequestRate", "Requests a second below which none is refused.",
	    .int32 = true, AT_LEAST(0)),
	INT(rejection, "maxRejectionPercent", "Largest share refused.", .int32 = true,
	    BETWEEN(0, 100)),
	STRUCT(criteria, "successCriteria", "What counts as good.", ks_criteria),
};
static KSTRUCT(admission, "AdmissionControl", "Requests are refused by the share of failures.",
    .cel = 3, .check = check_admission);
#undef T
#define T k_span_name
static const struct kfield span_name_fields[] = {
	STR(client, "client", "Name of client spans.", REQ),
	STR(server, "server", "Name of server spans.", REQ),
};
static KSTRUCT(span_name, "SpanName", "Names of spans.");
#undef T
#define T k_bt_tracing
static const struct kfield bt_tracing_fields[] = {
	STRUCT(sampling, "samplingFraction", "Share of the requests.", ks_fraction),
	STRUCT(client, "clientSamplingFraction", "Share of what clients ask to trace.",
	    ks_fraction),
	STRUCT(overall, "overallSamplingFraction", "Upper bound.", ks_fraction),
	FIELD(FT_ANY, custom_tags, "customTags", "Tags from the request."),
	MAP(tags, "tags", "Tags with format operators."),
	STRUCT(span, "spanName", "Names of spans.", ks_span_name),
};
static KSTRUCT(bt_tracing, "Tracing", "Traces.");
#undef T
#define T k_bt_metrics
static const struct kfield bt_metrics_fields[] = {
	STR(route_stat, "routeStatName", "Name of the route in counters."),
};
static KSTRUCT(bt_metrics, "BackendMetrics", "Counters.");
#undef T
#define T k_bt_telemetry
static const struct kfield bt_telemetry_fields[] = {
	STRUCT(tracing, "tracing", "Traces.", ks_bt_tracing),
	STRUCT(metrics, "metrics", "Counters.", ks_bt_metrics),
};
static KSTRUCT(bt_telemetry, "BackendTelemetry", "What is told about the traffic.");
#undef T

#define T k_backendtrafficpolicy
static const struct kfield backendtrafficpolicy_fields[] = {
	TARGETS,
	STR(merge, "mergeType", "Merge with the policy of the Gateway or listener instead of "
	    "taking its place.", NAMES("Replace", "StrategicMerge", "JSONMerge"), .cel = 1),
	STRUCT(rate_limit, "rateLimit", "How many requests.", ks_rate_limit),
	STRUCT(lb, "loadBalancer", "How endpoints are chosen.", ks_load_balancer),
	STRUCT(health, "healthCheck", "Which endpoints are used.", ks_health_check),
	STRUCT(breaker, "circuitBreaker", "Bounds beyond which requests are refused at once.",
	    ks_breaker),
	STRUCT(retry, "retry", "Failed requests are tried again.", ks_bt_retry),
	STRUCT(timeout, "timeout", "Times towards backends.", ks_bt_timeout),
	STRUCT(connection, "connection", "Connections to backends.", ks_bt_connection),
	STRUCT(keepalive, "tcpKeepalive", "Probes on silent connections to backends.",
	    ks_tcp_keepalive),
	STRUCT(proxy, "proxyProtocol", "The client's address goes first on each connection.",
	    ks_bt_proxy),
	STRUCT(dns, "dns", "Names of backends.", ks_bt_dns, NOT_YET),
	STRUCT(http2, "http2", "HTTP/2 to backends.", ks_h2_settings, NOT_YET),
	BOOL(use_client, "useClientProtocol", "Backends get the HTTP version of the client.",
	    NOT_YET),
	LIST(upgrades, "httpUpgrade", "Upgrades that are let through; absent: websocket.",
	    ks_upgrade),
	STRUCT(buffer, "requestBuffer", "The whole body is read before it is sent on.",
	    ks_buffer),
	LIST(compression, "compression", "Codings of answers (deprecated: compressor).",
	    ks_compressor),
	LIST(compressor, "compressor", "Codings of answers, in order of preference.",
	    ks_compressor),
	STRUCT(fault, "faultInjection", "Faults on purpose, for tests.", ks_fault),
	LIST(overrides, "responseOverride", "Answers that are replaced; the first match counts.",
	    ks_response_override),
	STRUCT(bandwidth, "bandwidthLimit", "Bytes in a span of time.", ks_bandwidth, NOT_YET),
	STRUCT(admission, "admissionControl", "Requests are refused by the share of failures.",
	    ks_admission, NOT_YET),
	STRUCT(telemetry, "telemetry", "What is told about the traffic.", ks_bt_telemetry,
	    NOT_YET),
	STR(routing, "routingType", "Service or Endpoint; no meaning outside a cluster.",
	    NAMES("Endpoint", "Service")),
};
KSTRUCT(backendtrafficpolicy, "BackendTrafficPolicySpec", "How requests go to backends.",
    .cel = 10, .check = check_btp);
#undef T
