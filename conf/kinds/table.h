/*
 * table.h - inside conf/kinds: how the schema tables are written, and the structs that several
 * kinds share. A table begins with `#define T k_something` and ends with `#undef T`; a line is one
 * field: type (member of the bound struct, "name in the manifest", "doc", limits…). Limits that
 * come in the same company everywhere have a name (GROUP, PORT, …).
 */
#ifndef CONF_KINDS_TABLE_H
#define CONF_KINDS_TABLE_H

#include "conf/kinds/bind.h"
#include "conf/kinds/pattern.h"

#define FIELD(ty, m, nm, dc, ...) {.name = nm, .doc = dc, .off = offsetof(struct T, m), \
    .type = ty, __VA_ARGS__}
#define STR(m, nm, dc, ...) FIELD(FT_STRING, m, nm, dc, __VA_ARGS__)
#define INT(m, nm, dc, ...) FIELD(FT_INT, m, nm, dc, __VA_ARGS__)
#define BOOL(m, nm, dc, ...) FIELD(FT_BOOL, m, nm, dc, __VA_ARGS__)
#define ENUM(m, nm, dc, ...) FIELD(FT_ENUM, m, nm, dc, __VA_ARGS__)
#define DURATION(m, nm, dc, ...) FIELD(FT_DURATION, m, nm, dc, .pattern = &pat_duration, \
    __VA_ARGS__)
#define NUMBER(m, nm, dc, ...) FIELD(FT_NUMBER, m, nm, dc, __VA_ARGS__)
#define QUANTITY(m, nm, dc, ...) FIELD(FT_INT_OR_STRING, m, nm, dc, .flags = FF_QUANTITY, \
    __VA_ARGS__)
#define STRUCT(m, nm, dc, s, ...) FIELD(FT_STRUCT, m, nm, dc, .sub = &s, __VA_ARGS__)
#define LIST(m, nm, dc, s, ...) FIELD(FT_LIST, m, nm, dc, .sub = &s, __VA_ARGS__)
#define STRINGS(m, nm, dc, ...) FIELD(FT_STRINGS, m, nm, dc, __VA_ARGS__)
#define INTS(m, nm, dc, ...) FIELD(FT_INTS, m, nm, dc, __VA_ARGS__)
#define MAP(m, nm, dc, ...) FIELD(FT_MAP, m, nm, dc, __VA_ARGS__)

#define NAMES(...) .names = (const char *const[]){__VA_ARGS__, NULL}
#define VALUES(...) .values = (const uint8_t[]){__VA_ARGS__}
#define CHARS(lo, hi) .min_len = lo, .max_len = hi
#define ITEMS(lo, hi) .min_items = lo, .max_items = hi
#define AT_LEAST(x) .has_min = true, .min = x
#define BETWEEN(lo, hi) .has_min = true, .has_max = true, .min = lo, .max = hi
#define SET_OF .list = LIST_SET
#define MAP_BY(k) .list = LIST_MAP, .keys = k
#define REQ .flags = FF_REQUIRED
#define NOT_YET .flags = FF_NOT_SERVED
#define REQ_NOT_YET .flags = FF_REQUIRED | FF_NOT_SERVED
#define EXP .flags = FF_EXPERIMENTAL
#define TEXT(t) .def = "\"" t "\""

#define GROUP .pattern = &pat_group, .max_len = 253
#define KINDNAME .pattern = &pat_kind, CHARS(1, 63)
#define OBJNAME CHARS(1, 253)
#define NSNAME .pattern = &pat_label, CHARS(1, 63)
#define SECTION .pattern = &pat_subdomain, CHARS(1, 253)
#define HOSTNAME .pattern = &pat_hostname, CHARS(1, 253)
#define HEADER .pattern = &pat_header_name, CHARS(1, 256)
#define PORT .int32 = true, BETWEEN(1, 65535)

/* KSTRUCT(name, bound struct, "Name", "doc", more…): ks_<name> over <name>_fields. */
#define KSTRUCT_(nm, sz, label, dc, ...) \
	const struct kstruct ks_##nm = {.name = label, .doc = dc, .size = sz, \
	    .fields = nm##_fields, \
	    .n = HG_ARRAY_LEN(nm##_fields), __VA_ARGS__}
#define KSTRUCT(nm, label, dc, ...) KSTRUCT_(nm, sizeof(struct T), label, dc, __VA_ARGS__)

/* A K_LIST of constants, for prebuilt defaults. */
struct klist {
	const void *v;
	uint32_t n;
};

extern const struct kstruct ks_parent_ref, ks_backend_object_ref, ks_secret_ref, ks_local_ref,
    ks_namespaced_ref, ks_policy_target_section, ks_selector, ks_fraction, ks_header,
    ks_http_filter, ks_grpc_filter, ks_listener_filter, ks_http_backend_ref, ks_grpc_backend_ref,
    ks_l4_backend_ref, ks_persistence, ks_validation;
extern const struct kstruct ks_gatewayclass, ks_gateway, ks_listenerset, ks_referencegrant;
extern const struct kstruct ks_httproute, ks_grpcroute, ks_tlsroute, ks_tcproute, ks_udproute,
    ks_tlsroute_alpha, ks_tcproute_alpha, ks_udproute_alpha;
extern const struct kstruct ks_backendtlspolicy, ks_xbackend, ks_xbackendtrafficpolicy,
    ks_xtelemetrypolicy;
extern const struct kstruct ks_namespace, ks_service, ks_endpointslice, ks_endpoints, ks_secret,
    ks_configmap,
    ks_workload;
extern const struct kstruct ks_status_gatewayclass, ks_status_gateway, ks_status_listenerset,
    ks_status_route,
    ks_status_policy, ks_status_xbackend, ks_status_backend;
extern const struct kstruct ks_backendtrafficpolicy, ks_clienttrafficpolicy, ks_backend;
extern const struct kstruct ks_policy_target_selector, ks_string_match, ks_tcp_keepalive,
    ks_h2_settings, ks_empty, ks_rate_limit, ks_load_balancer, ks_health_check,
    ks_response_override;
#define STATUS_DEF_ACCEPTED \
	"{\"conditions\":[{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting " \
	    "for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Accepted\"}]}"
#define STATUS_DEF_PROGRAMMED \
	"{\"conditions\":[{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting " \
	    "for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Accepted\"}," \
	"{\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"Waiting for controller\"," \
	"\"reason\":\"Pending\",\"status\":\"Unknown\",\"type\":\"Programmed\"}]}"

/* targetRef, targetRefs, targetSelectors of T's `targets`. */
#define TARGETS \
	STRUCT(targets.ref, "targetRef", "What the policy is for (deprecated: targetRefs).", \
	    ks_policy_target_section), \
	LIST(targets.refs, "targetRefs", "What the policy is for, in its namespace.", \
	    ks_policy_target_section), \
	LIST(targets.selectors, "targetSelectors", "What the policy is for, by labels.", \
	    ks_policy_target_selector)

/* Rules that several kinds share. */
struct k_targets;
void check_policy_targets(struct vctx *, const struct node *spec, const struct k_targets *,
    const char *kinds, const char *whose);
/* Is each target of one of these kinds ("HTTPRoute GRPCRoute")? */
bool policy_targets_are(const struct k_targets *, const char *kinds);
void check_parent_refs(struct vctx *, const struct node *spec, const struct k_parent_ref *v,
    uint32_t n);
/* Names of rules that are set occur once. `stride`: size of the rule struct; node and name lie
 * first in each. */
void check_rule_names(struct vctx *, const void *rules, uint32_t n, size_t stride, size_t name_off);
void upgrade_persistence(struct vctx *, struct node *);

#endif
