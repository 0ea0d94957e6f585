/*
 * k_route.h - the five route kinds as bound structs (Gateway API v1.7.0).
 */
#ifndef CONF_KINDS_K_ROUTE_H
#define CONF_KINDS_K_ROUTE_H

#include "conf/kinds/k_common.h"

enum k_path_type { K_PATH_EXACT = 1, K_PATH_PREFIX, K_PATH_REGEX };
enum k_value_type { K_VALUE_EXACT = 1, K_VALUE_REGEX };
struct k_path_match {
	struct node *node;
	uint8_t type;
	struct bytes value;
};
struct k_value_match { /* header or query parameter */
	struct node *node;
	uint8_t type;
	struct bytes name, value;
};
struct k_http_match {
	struct node *node;
	struct k_path_match *path;  /* defaulted: PathPrefix / */
	K_LIST(struct k_value_match) headers, query;
	struct bytes method;        /* absent = any */
};
struct k_timeouts {
	struct node *node;
	struct k_duration request, backend;
};
struct k_retry {
	struct node *node;
	K_LIST(struct k_int) codes;
	struct k_int attempts;      /* defaulted: 1 */
	struct k_duration backoff;
};
struct k_http_rule {
	struct node *node;
	struct bytes name;
	K_LIST(struct k_http_match) matches; /* defaulted: one, PathPrefix / */
	K_LIST(struct k_filter) filters;
	K_LIST(struct k_backend_ref) backends;
	struct k_timeouts *timeouts;
	struct k_retry *retry;
	struct k_persistence *persistence;
};
struct k_httproute {
	struct node *node;
	K_LIST(struct k_parent_ref) parents;
	k_strings hostnames;
	K_LIST(struct k_http_rule) rules;    /* defaulted: one */
	uint8_t use_default_gateways;        /* enum k_scope */
};

struct k_grpc_method {
	struct node *node;
	uint8_t type;               /* enum k_value_type */
	struct bytes service, method;
};
struct k_grpc_match {
	struct node *node;
	struct k_grpc_method *method;
	K_LIST(struct k_value_match) headers;
};
struct k_grpc_rule {
	struct node *node;
	struct bytes name;
	K_LIST(struct k_grpc_match) matches; /* absent = every request */
	K_LIST(struct k_filter) filters;
	K_LIST(struct k_backend_ref) backends;
	struct k_persistence *persistence;
};
struct k_grpcroute {
	struct node *node;
	K_LIST(struct k_parent_ref) parents;
	k_strings hostnames;
	K_LIST(struct k_grpc_rule) rules;
	uint8_t use_default_gateways;
};

struct k_l4_rule {
	struct node *node;
	struct bytes name;
	K_LIST(struct k_backend_ref) backends;
};
struct k_l4route { /* TLSRoute (hostnames), TCPRoute, UDPRoute */
	struct node *node;
	K_LIST(struct k_parent_ref) parents;
	k_strings hostnames;
	K_LIST(struct k_l4_rule) rules;
	uint8_t use_default_gateways;
};

#endif
