/*
 * k_gateway.h - GatewayClass, Gateway, ListenerSet, ReferenceGrant as bound structs (Gateway API
 * v1.7.0).
 */
#ifndef CONF_KINDS_K_GATEWAY_H
#define CONF_KINDS_K_GATEWAY_H

#include "conf/kinds/k_common.h"

struct k_gatewayclass {
	struct node *node;
	struct bytes controller, description;
	struct k_object_ref *parameters;
};

enum k_from { K_FROM_ALL = 1, K_FROM_SELECTOR, K_FROM_SAME, K_FROM_NONE };
struct k_namespaces {
	struct node *node;
	uint8_t from;
	struct k_selector *selector;
};
struct k_route_kind {
	struct node *node;
	struct bytes group, kind;
};
struct k_allowed_routes {
	struct node *node;
	struct k_namespaces *namespaces; /* defaulted: Same */
	K_LIST(struct k_route_kind) kinds;
};
enum k_tls_mode { K_TLS_TERMINATE = 1, K_TLS_PASSTHROUGH };
struct k_listener_tls {
	struct node *node;
	uint8_t mode;
	K_LIST(struct k_object_ref) certificates;
	k_map options;
};
struct k_listener_filters {
	struct node *node;
	K_LIST(struct k_filter) requests; /* types K_F_AUTH, K_F_EXTENSION */
};
struct k_listener {
	struct node *node;
	struct bytes name, hostname, protocol;
	struct k_int port;
	struct k_listener_tls *tls;
	struct k_allowed_routes *allowed; /* defaulted */
	struct k_listener_filters *filters;
};
struct k_gateway_address {
	struct node *node;
	struct bytes type, value, routability;
};
struct k_infrastructure {
	struct node *node;
	k_map labels, annotations;
	struct k_object_ref *parameters;
};
struct k_allowed_listeners {
	struct node *node;
	struct k_namespaces *namespaces; /* defaulted: None */
};
enum k_validation_mode { K_VALID_ONLY = 1, K_INSECURE_FALLBACK };
struct k_frontend_validation {
	struct node *node;
	K_LIST(struct k_object_ref) cas;
	uint8_t mode;
};
struct k_frontend_tls {
	struct node *node;
	struct k_frontend_validation *validation;
};
struct k_frontend_port {
	struct node *node;
	struct k_int port;
	struct k_frontend_tls *tls;
};
struct k_gateway_frontend {
	struct node *node;
	struct k_frontend_tls *def;
	K_LIST(struct k_frontend_port) ports;
};
struct k_gateway_backend {
	struct node *node;
	struct k_object_ref *certificate;
};
struct k_gateway_tls {
	struct node *node;
	struct k_gateway_frontend *frontend;
	struct k_gateway_backend *backend;
};
enum k_scope { K_SCOPE_ALL = 1, K_SCOPE_NONE };
struct k_gateway {
	struct node *node;
	struct bytes class;
	K_LIST(struct k_listener) listeners;
	K_LIST(struct k_gateway_address) addresses;
	struct k_infrastructure *infrastructure;
	struct k_allowed_listeners *allowed_listeners;
	struct k_gateway_tls *tls;
	uint8_t default_scope;
};

struct k_listenerset {
	struct node *node;
	struct k_parent_ref *parent;
	K_LIST(struct k_listener) listeners;
};

struct k_grant_from {
	struct node *node;
	struct bytes group, kind, ns;
};
struct k_grant_to {
	struct node *node;
	struct bytes group, kind, name;
};
struct k_referencegrant {
	struct node *node;
	K_LIST(struct k_grant_from) from;
	K_LIST(struct k_grant_to) to;
};

#endif
