/*
 * k_traffic.h - BackendTrafficPolicy, ClientTrafficPolicy and Backend as bound structs
 * (gateway.headgate.dev and gateway.envoyproxy.io, v1alpha1; reference/policies.md 6, 8, 9).
 */
#ifndef CONF_KINDS_K_TRAFFIC_H
#define CONF_KINDS_K_TRAFFIC_H

#include "conf/kinds/k_common.h"

/* ---- what all policies have */
enum k_ns_from { K_NSF_SAME = 1, K_NSF_ALL, K_NSF_SELECTOR };
struct k_target_ns {
	struct node *node;
	uint8_t from;
	struct k_selector *selector;
};
struct k_target_selector { /* begins as k_selector does */
	struct node *node;
	k_map labels;
	K_LIST(struct k_selector_expr) exprs;
	struct bytes group, kind;
	struct k_target_ns *namespaces;
};
struct k_targets {
	struct k_object_ref *ref; /* deprecated */
	K_LIST(struct k_object_ref) refs;
	K_LIST(struct k_target_selector) selectors;
};
enum k_string_match { K_SM_EXACT = 1, K_SM_PREFIX, K_SM_SUFFIX, K_SM_REGEX };
struct k_match { /* StringMatch */
	struct node *node;
	uint8_t type;
	struct bytes value, oid;
};
struct k_named { /* { name: … } */
	struct node *node;
	struct bytes name;
};
struct k_keepalive {
	struct node *node;
	struct k_int probes;
	struct k_duration idle, interval;
};
struct k_h2_ping {
	struct node *node;
	struct k_duration interval, timeout, idle;
	struct k_int jitter;
};
struct k_http2 {
	struct node *node;
	struct k_int streams;
	struct k_int_or_string stream_window, connection_window;
	struct bytes on_invalid;
	struct k_h2_ping *ping;
};
struct k_empty {
	struct node *node;
};

/* ---- rate limits */
enum k_limit_match { K_LIM_EXACT = 1, K_LIM_REGEX, K_LIM_DISTINCT };
struct k_limit_value { /* of headers, query parameters, methods, sourceCIDR */
	struct node *node;
	struct bytes name, value;
	uint8_t type;
	struct k_bool invert;
};
enum k_limit_pathtype { K_LIP_EXACT = 1, K_LIP_PREFIX, K_LIP_REGEX };
struct k_limit_selector {
	struct node *node;
	K_LIST(struct k_limit_value) headers, methods, query;
	struct k_limit_value *path, *cidr;
};
struct k_metadata_ref {
	struct node *node;
	struct bytes ns, key;
};
enum k_cost_from { K_COST_NUMBER = 1, K_COST_METADATA };
struct k_limit_cost {
	struct node *node;
	uint8_t from;
	struct k_int number;
	struct k_metadata_ref *metadata;
};
struct k_limit_costs {
	struct node *node;
	struct k_limit_cost *request, *response;
};
enum k_limit_unit {
	K_UNIT_SECOND = 1, K_UNIT_MINUTE, K_UNIT_HOUR, K_UNIT_DAY, K_UNIT_WEEK, K_UNIT_MONTH,
	K_UNIT_YEAR
};
struct k_limit_value_of {
	struct node *node;
	struct k_int requests;
	uint8_t unit;
	struct k_metadata_ref *metadata;
};
enum k_limit_headers { K_LH_OFF = 1, K_LH_DRAFT };
struct k_limit_rule {
	struct node *node;
	K_LIST(struct k_limit_selector) selectors;
	struct k_limit_value_of *limit;
	struct k_limit_costs *cost;
	struct k_bool shared, shadow;
	uint8_t headers;
};
struct k_limits {
	struct node *node;
	K_LIST(struct k_limit_rule) rules;
};
enum k_limit_type { K_LT_GLOBAL = 1, K_LT_LOCAL };
struct k_rate_limit {
	struct node *node;
	uint8_t type;
	struct k_limits *global, *local;
};

/* ---- load balancing and health */
enum k_lb_type { K_LB_HASH = 1, K_LB_LEAST, K_LB_RANDOM, K_LB_ROUND, K_LB_UTIL, K_LB_MODULE };
enum k_hash_type { K_HASH_IP = 1, K_HASH_HEADER, K_HASH_HEADERS, K_HASH_COOKIE, K_HASH_QUERY };
struct k_hash_cookie {
	struct node *node;
	struct bytes name;
	struct k_duration ttl;
	k_map attributes;
};
struct k_hash {
	struct node *node;
	uint8_t type;
	struct k_named *header;
	K_LIST(struct k_named) headers, query;
	struct k_hash_cookie *cookie;
	struct k_int table;
};
struct k_slow_start {
	struct node *node;
	struct k_duration window;
};
struct k_zone {
	struct node *node;
	struct bytes zone;
	struct k_int weight;
};
struct k_zone_force {
	struct node *node;
	struct k_int least;
};
struct k_zone_local {
	struct node *node;
	struct k_zone_force *force;
	struct k_int least, percent;
};
struct k_zones {
	struct node *node;
	struct k_zone_local *local;
	K_LIST(struct k_zone) weighted;
};
struct k_extract {
	struct node *node;
	struct bytes header;
};
struct k_endpoint_override {
	struct node *node;
	K_LIST(struct k_extract) from;
};
struct k_out_of_band {
	struct node *node;
	struct bytes authority;
	struct k_int port;
	struct k_duration period;
};
struct k_utilization {
	struct node *node;
	struct k_duration blackout, expiry, update;
	struct k_int penalty;
	struct k_bool keep;
	k_strings names;
	struct k_out_of_band *oob;
};
struct k_lb_module {
	struct node *node;
	struct bytes name, policy;
	struct node *config;
};
struct k_lb {
	struct node *node;
	uint8_t type;
	struct k_hash *hash;
	struct k_slow_start *slow;
	struct k_zones *zones;
	struct k_endpoint_override *override;
	struct k_utilization *utilization;
	struct k_lb_module *module;
};
struct k_payload {
	struct node *node;
	struct bytes type, text, binary;
};
struct k_check_http {
	struct node *node;
	struct bytes path, method, hostname;
	K_LIST(struct k_int) expected, retriable;
	struct k_payload *response, *request;
};
struct k_check_tcp {
	struct node *node;
	struct k_payload *send, *receive;
};
struct k_check_grpc {
	struct node *node;
	struct bytes service;
};
struct k_check_port {
	struct node *node;
	struct k_int port;
};
struct k_log_file {
	struct node *node;
	struct bytes path;
};
struct k_log_sink {
	struct node *node;
	struct bytes type;
	struct k_log_file *file;
};
struct k_check_log {
	struct node *node;
	k_strings matches;
	K_LIST(struct k_log_sink) sinks;
};
struct k_active {
	struct node *node;
	struct bytes type; /* HTTP, TCP, GRPC */
	struct k_duration timeout, interval, jitter;
	struct k_int unhealthy, healthy;
	struct k_check_http *http;
	struct k_check_tcp *tcp;
	struct k_check_grpc *grpc;
	struct k_check_port *overrides;
	struct k_check_log *log;
};
struct k_passive {
	struct node *node;
	struct k_bool split, always;
	struct k_int c5xx, cgateway, clocal, failures, most;
	struct k_duration interval, base;
};
struct k_health {
	struct node *node;
	struct k_active *active;
	struct k_passive *passive;
	struct k_int panic;
};

/* ---- connections, retries, answers */
struct k_budget_percent {
	struct node *node;
	struct k_int num, den;
};
struct k_breaker_budget {
	struct node *node;
	struct k_budget_percent *percent;
	struct k_int least;
};
struct k_breaker_endpoint {
	struct node *node;
	struct k_int connections;
};
struct k_breaker {
	struct node *node;
	struct k_int connections, pending, parallel, retries, per_connection;
	struct k_breaker_endpoint *endpoint;
	struct k_breaker_budget *budget;
};
struct k_retry_on {
	struct node *node;
	k_strings triggers;
	K_LIST(struct k_int) codes;
};
struct k_backoff {
	struct node *node;
	struct k_duration base, most;
};
struct k_per_retry {
	struct node *node;
	struct k_duration timeout;
	struct k_backoff *backoff;
};
struct k_bt_retry {
	struct node *node;
	struct k_int retries, per_priority;
	struct k_retry_on *on;
	struct k_per_retry *per;
};
struct k_bt_timeout_tcp {
	struct node *node;
	struct k_duration connect;
};
struct k_bt_timeout_http {
	struct node *node;
	struct k_duration idle, connection, stream, request, stream_idle;
};
struct k_bt_timeout {
	struct node *node;
	struct k_bt_timeout_tcp *tcp;
	struct k_bt_timeout_http *http;
};
struct k_preconnect {
	struct node *node;
	struct k_int per_endpoint, predictive;
};
struct k_bt_connection {
	struct node *node;
	struct k_int_or_string buffer, socket_buffer;
	struct k_preconnect *preconnect;
};
struct k_bt_proxy {
	struct node *node;
	uint8_t version; /* 1, 2 */
};
struct k_bt_dns {
	struct node *node;
	struct k_duration refresh;
	struct k_bool ttl;
	uint8_t family;
};
struct k_connect {
	struct node *node;
	struct k_bool terminate;
};
struct k_upgrade {
	struct node *node;
	struct bytes type;
	struct k_connect *connect;
};
struct k_buffer {
	struct node *node;
	struct k_int_or_string limit;
};
enum k_compressor_type { K_Z_GZIP = 1, K_Z_BROTLI, K_Z_ZSTD };
struct k_compressor {
	struct node *node;
	uint8_t type;
	struct k_empty *gzip, *brotli, *zstd;
	struct k_int_or_string least;
};
struct k_delay {
	struct node *node;
	struct k_duration fixed;
	struct k_number percent;
};
struct k_abort {
	struct node *node;
	struct k_int http, grpc;
	struct k_number percent;
};
struct k_fault {
	struct node *node;
	struct k_delay *delay;
	struct k_abort *abort;
};
struct k_status_range {
	struct node *node;
	struct k_int start, end;
};
struct k_status_match {
	struct node *node;
	struct bytes type;
	struct k_int value;
	struct k_status_range *range;
};
struct k_header_match {
	struct node *node;
	struct bytes name;
	struct k_match *value;
};
struct k_override_match {
	struct node *node;
	K_LIST(struct k_status_match) statuses;
	K_LIST(struct k_header_match) headers;
};
struct k_body {
	struct node *node;
	struct bytes type, text;
	struct k_object_ref *ref;
};
struct k_override_response {
	struct node *node;
	struct k_int status;
	struct bytes content_type;
	struct k_body *body;
	struct k_header_modifier *header;
};
enum k_override_source { K_OS_ALL = 1, K_OS_LOCAL, K_OS_BACKEND };
struct k_override {
	struct node *node;
	struct k_override_match *match;
	uint8_t source;
	struct k_override_response *response;
	struct k_redirect *redirect;
};
struct k_bandwidth_value {
	struct node *node;
	struct k_int_or_string value;
	uint8_t unit;
};
struct k_trailers {
	struct node *node;
	struct bytes prefix;
};
struct k_bandwidth_side {
	struct node *node;
	struct k_bandwidth_value *limit;
	struct k_trailers *trailers;
};
struct k_bandwidth {
	struct node *node;
	struct k_bandwidth_side *request, *response;
};
struct k_success {
	struct node *node;
	k_strings names;
	K_LIST(struct k_int) codes;
};
struct k_criteria {
	struct node *node;
	struct k_success *http, *grpc;
};
struct k_admission {
	struct node *node;
	struct k_duration window;
	struct k_int success, aggression, rate, rejection;
	struct k_criteria *criteria;
};
struct k_span_name {
	struct node *node;
	struct bytes client, server;
};
struct k_bt_tracing {
	struct node *node;
	struct k_fraction *sampling, *client, *overall;
	struct node *custom_tags;
	k_map tags;
	struct k_span_name *span;
};
struct k_bt_metrics {
	struct node *node;
	struct bytes route_stat;
};
struct k_bt_telemetry {
	struct node *node;
	struct k_bt_tracing *tracing;
	struct k_bt_metrics *metrics;
};
enum k_merge { K_MERGE_STRATEGIC = 1, K_MERGE_JSON };
struct k_backendtrafficpolicy {
	struct node *node;
	struct k_targets targets;
	struct bytes merge; /* StrategicMerge, JSONMerge, or another word: not accepted */
	struct k_rate_limit *rate_limit;
	struct k_lb *lb;
	struct k_health *health;
	struct k_breaker *breaker;
	struct k_bt_retry *retry;
	struct k_bt_timeout *timeout;
	struct k_bt_connection *connection;
	struct k_keepalive *keepalive;
	struct k_bt_proxy *proxy;
	struct k_bt_dns *dns;
	struct k_http2 *http2;
	struct k_bool use_client;
	K_LIST(struct k_upgrade) upgrades;
	struct k_buffer *buffer;
	K_LIST(struct k_compressor) compression, compressor;
	struct k_fault *fault;
	K_LIST(struct k_override) overrides;
	struct k_bandwidth *bandwidth;
	struct k_admission *admission;
	struct k_bt_telemetry *telemetry;
	struct bytes routing;
};

/* ---- ClientTrafficPolicy */
struct k_sans {
	struct node *node;
	K_LIST(struct k_match) dns, email, ip, uri, other;
};
struct k_crl {
	struct node *node;
	K_LIST(struct k_object_ref) refs;
	struct k_bool leaf;
};
enum k_client_mode { K_CM_REQUEST = 1, K_CM_ANY, K_CM_IF_GIVEN, K_CM_VERIFY };
struct k_client_validation {
	struct node *node;
	uint8_t mode;
	struct k_bool optional, expired;
	K_LIST(struct k_object_ref) cas;
	k_strings spki, hashes;
	struct k_sans *sans;
	struct k_crl *crl;
};
struct k_resumption {
	struct node *node;
	struct k_empty *stateless, *stateful;
};
struct k_tls_session {
	struct node *node;
	struct k_resumption *resumption;
};
enum k_tls_version { K_TLS_AUTO = 1, K_TLS_10, K_TLS_11, K_TLS_12, K_TLS_13 };
struct k_ct_tls { /* also of Backend */
	struct node *node;
	uint8_t min, max;
	k_strings ciphers, curves, signatures, alpn, fingerprints;
	struct k_client_validation *client;
	struct k_tls_session *session;
	/* of Backend only */
	K_LIST(struct k_object_ref) cas;
	struct bytes well_known, sni;
	struct k_bool skip_verify, auto_sni;
	struct k_object_ref *certificate;
};
struct k_xff {
	struct node *node;
	struct k_int hops;
	k_strings cidrs;
	struct k_bool no_append;
};
struct k_ip_header {
	struct node *node;
	struct bytes name;
	struct k_bool fail_closed;
};
struct k_ip_detection {
	struct node *node;
	struct k_xff *xff;
	struct k_ip_header *header;
	struct k_empty *direct;
};
struct k_ct_proxy {
	struct node *node;
	struct k_bool optional;
};
struct k_edits {
	struct node *node;
	K_LIST(struct k_header) add, set, absent;
	k_strings remove;
	K_LIST(struct k_match) remove_match;
};
struct k_xfcc {
	struct node *node;
	uint8_t mode;
	k_strings details;
};
struct k_ct_host {
	struct node *node;
	struct k_bool strip_dot;
};
enum k_underscores { K_US_ALLOW = 1, K_US_REJECT, K_US_DROP };
enum k_request_id { K_RID_PRESERVE_OR = 1, K_RID_PRESERVE, K_RID_GENERATE, K_RID_DISABLE };
struct k_ct_headers {
	struct node *node;
	struct k_bool envoy, no_limits, preserve_id;
	uint8_t underscores, request_id;
	struct k_xfcc *xfcc;
	struct k_edits *early, *late;
	struct k_ct_host *host;
};
enum k_slashes { K_SL_KEEP = 1, K_SL_REJECT, K_SL_FORWARD, K_SL_REDIRECT };
struct k_ct_path {
	struct node *node;
	struct k_bool no_merge;
	uint8_t slashes;
};
struct k_http10 {
	struct node *node;
	struct k_bool default_host;
};
struct k_ct_http1 {
	struct node *node;
	struct k_bool trailers, header_case, unsafe_duration;
	struct k_http10 *http10;
	K_LIST(struct k_match) upgrades;
};
struct k_ct_timeout_tcp {
	struct node *node;
	struct k_duration idle, handshake, inspection;
};
struct k_ct_timeout_http {
	struct node *node;
	struct k_duration request, headers, idle, stream_idle;
};
struct k_ct_timeout {
	struct node *node;
	struct k_ct_timeout_tcp *tcp;
	struct k_ct_timeout_http *http;
};
struct k_connection_limit {
	struct node *node;
	struct k_int value, requests;
	struct k_duration delay, duration, stream;
};
struct k_ct_connection {
	struct node *node;
	struct k_connection_limit *limit;
	struct k_int_or_string buffer, socket_buffer;
	struct k_int accepts;
};
struct k_ct_health {
	struct node *node;
	struct bytes path;
};
struct k_ct_grpc {
	struct node *node;
	struct k_bool web;
};
struct k_clienttrafficpolicy {
	struct node *node;
	struct k_targets targets;
	struct k_ct_tls *tls;
	struct k_ip_detection *ip;
	struct k_ct_proxy *proxy;
	struct k_bool enable_proxy;
	struct k_keepalive *keepalive;
	struct k_ct_timeout *timeout;
	struct k_ct_connection *connection;
	struct k_ct_headers *headers;
	struct k_ct_path *path;
	struct k_ct_http1 *http1;
	struct k_http2 *http2;
	struct k_empty *http3;
	struct k_ct_grpc *grpc;
	struct k_ct_health *health;
	uint8_t scheme; /* 1 Preserve, 2 MatchBackend */
};

/* ---- Backend */
enum k_backend_type { K_BACKEND_ENDPOINTS = 1, K_BACKEND_DYNAMIC };
struct k_be_host { /* fqdn, ip */
	struct node *node;
	struct bytes host;
	struct k_int port;
};
struct k_be_unix {
	struct node *node;
	struct bytes path;
};
struct k_be_endpoint {
	struct node *node;
	struct k_be_host *fqdn, *ip;
	struct k_be_unix *unix_;
	struct bytes hostname, zone;
};
struct k_backend {
	struct node *node;
	uint8_t type;
	K_LIST(struct k_be_endpoint) endpoints;
	k_strings protocols;
	struct k_bool fallback;
	struct k_ct_tls *tls;
};

#endif
