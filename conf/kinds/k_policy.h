/*
 * k_policy.h - BackendTLSPolicy, XBackend, XBackendTrafficPolicy, XTelemetryPolicy as bound structs
 * (v1.7.0).
 */
#ifndef CONF_KINDS_K_POLICY_H
#define CONF_KINDS_K_POLICY_H

#include "conf/kinds/k_common.h"

enum k_san_type { K_SAN_HOSTNAME = 1, K_SAN_URI };
struct k_san {
	struct node *node;
	uint8_t type;
	struct bytes hostname, uri;
};
struct k_backend_validation {
	struct node *node;
	K_LIST(struct k_object_ref) cas;
	struct bytes well_known, hostname;
	K_LIST(struct k_san) sans;
};
struct k_backendtlspolicy {
	struct node *node;
	K_LIST(struct k_object_ref) targets;
	struct k_backend_validation *validation;
	k_map options;
};

enum k_xbackend_type { K_XB_EXTERNAL = 1, K_XB_SELECTOR };
enum k_xbackend_proto {
	K_XB_TCP = 1, K_XB_HTTP, K_XB_HTTP2, K_XB_HTTP11, K_XB_H2C, K_XB_MCP, K_XB_GRPC, K_XB_WSS
};
enum k_xbackend_tlsmode { K_XB_NONE = 1, K_XB_SERVER_ONLY, K_XB_CLIENT_AND_SERVER };
struct k_xbackend_port {
	struct node *node;
	struct k_int number;
};
struct k_xbackend_external {
	struct node *node;
	struct bytes hostname;
};
struct k_xbackend_selector {
	struct node *node;
	k_map labels;
};
struct k_xbackend_tls {
	struct node *node;
	uint8_t mode;
	struct k_backend_validation *validation;
	struct k_object_ref *certificate;
};
struct k_xbackend {
	struct node *node;
	uint8_t type, protocol;
	struct k_xbackend_port *port;
	struct k_xbackend_external *external;
	struct k_xbackend_selector *selector;
	struct k_xbackend_tls *tls;
	struct k_persistence *persistence;
};

struct k_retry_budget {
	struct node *node;
	struct k_int percent;
	struct k_duration interval;
};
struct k_retry_rate {
	struct node *node;
	struct k_int count;
	struct k_duration interval;
};
struct k_retry_constraint {
	struct node *node;
	struct k_retry_budget *budget;
	struct k_retry_rate *min_rate;
};
struct k_xbackendtrafficpolicy {
	struct node *node;
	K_LIST(struct k_object_ref) targets;
	struct k_retry_constraint *retry;
	struct k_persistence *persistence;
};

enum k_telemetry_mode { K_TM_ENABLED = 1, K_TM_DISABLED, K_TM_DEFAULT };
enum k_attr_source { K_ATTR_HEADER = 1, K_ATTR_LITERAL, K_ATTR_ATTRIBUTE };
struct k_telemetry_attr {
	struct node *node;
	struct bytes name, header, literal, key;
	uint8_t source;
};
struct k_telemetry_provider {
	struct node *node;
	struct k_backend_ref *backend;
	K_LIST(struct k_header) headers;
};
struct k_parent_sampling {
	struct node *node;
	uint8_t mode;
	struct k_fraction *rate;
};
struct k_tracing {
	struct node *node;
	uint8_t mode;
	struct k_telemetry_provider *provider;
	struct k_fraction *rate;
	struct k_parent_sampling *parent;
	struct bytes service_name, span_name;
	K_LIST(struct k_telemetry_attr) attributes;
};
struct k_xtelemetrypolicy {
	struct node *node;
	K_LIST(struct k_object_ref) targets;
	struct k_tracing *tracing;
};

#endif
