/*
 * k_core.h - what headgate uses of Namespace, Service, EndpointSlice, Endpoints, Secret, ConfigMap;
 * Workload; and headgate.conf. Core kinds keep fields that headgate does not use: unknown fields in
 * them are ignored, as an older API server would (they are exported whole from clusters).
 */
#ifndef CONF_KINDS_K_CORE_H
#define CONF_KINDS_K_CORE_H

#include "conf/kinds/k_common.h"

struct k_namespace {
	struct node *node;
};

struct k_service_port {
	struct node *node;
	struct bytes name, protocol, app_protocol; /* protocol defaulted: TCP */
	struct k_int port, node_port;
	struct k_int_or_string target;
};
struct k_service {
	struct node *node;
	struct bytes type, cluster_ip, external_name; /* type defaulted: ClusterIP */
	struct bytes session_affinity, external_traffic_policy, load_balancer_ip;
	K_LIST(struct k_service_port) ports;
	k_strings source_ranges, external_ips;
	k_map selector;
};

struct k_slice_conditions {
	struct node *node;
	struct k_bool ready, serving, terminating;
};
struct k_slice_endpoint {
	struct node *node;
	k_strings addresses;
	struct k_slice_conditions *conditions;
};
struct k_slice_port {
	struct node *node;
	struct bytes name, protocol, app_protocol;
	struct k_int port;
};
struct k_endpointslice { /* not under spec: the object's own members */
	struct node *node;
	struct bytes address_type;
	K_LIST(struct k_slice_endpoint) endpoints;
	K_LIST(struct k_slice_port) ports;
};
struct k_endpoint_address {
	struct node *node;
	struct bytes ip;
};
struct k_endpoint_subset {
	struct node *node;
	K_LIST(struct k_endpoint_address) ready, not_ready;
	K_LIST(struct k_slice_port) ports;
};
struct k_endpoints {
	struct node *node;
	K_LIST(struct k_endpoint_subset) subsets;
};

struct k_secret {
	struct node *node;
	struct bytes type;
	k_map data, string_data; /* data is base64 as written */
};
struct k_configmap {
	struct node *node;
	k_map data, binary_data;
};

struct k_workload { /* gateway.headgate.dev/v1alpha1 */
	struct node *node;
	struct bytes address;
	k_map ports;             /* name -> number as text */
	struct k_int weight;     /* 0 = drain */
	k_map labels;            /* WorkloadEntry has them here; they are in meta.labels too */
	struct bytes network, locality, service_account; /* WorkloadEntry; no use is made of them */
};

struct k_log_conf {
	struct node *node;
	struct bytes format, path;
};
struct k_shutdown_conf {
	struct node *node;
	struct k_duration grace;
};
struct k_headgate { /* headgate.conf; limits: see IM_LIMITS in shm/spec.h */
	struct node *node;
	struct bytes resources, user, group, admin_address, state_dir, runtime_dir;
	struct k_int workers;
	k_strings addresses, gateway_classes, file_roots, unix_roots;
	struct bytes address_pool;
	struct k_log_conf *access_log;
	struct k_shutdown_conf *shutdown;
	struct im_settings *settings; /* limits bound into the image's record, defaults filled */
};

#endif
