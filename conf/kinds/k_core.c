/*
 * k_core.c - tables of what is used of the core kinds, and of Workload. Members that are not used
 * are let through unread, as manifests exported from clusters are full of them; what is used is
 * checked as an API server does, names and ports of a Service included.
 */
#include "base/addr.h"
#include "base/hash.h"
#include "conf/kinds/k_core.h"
#include "conf/kinds/table.h"

#define IGNORE .flags = FF_IGNORE_UNKNOWN

#define T k_namespace
static const struct kfield namespace_fields[] = {
	{.name = "spec", .doc = "Not used.", .type = FT_IGNORED},
};
KSTRUCT(namespace, "Namespace", "A namespace.", IGNORE);
#undef T

/* ---- Service */
#define PROTOCOL(m) \
	STR(m, "protocol", "TCP, UDP or SCTP.", NAMES("TCP", "UDP", "SCTP"), TEXT("TCP"))
#define T k_service_port
static const struct kfield service_port_fields[] = {
	STR(name, "name", "Name of the port; required if there are several.", .pattern = &pat_label,
	    .max_len = 63),
	PROTOCOL(protocol),
	STR(app_protocol, "appProtocol", "What is spoken: kubernetes.io/h2c, kubernetes.io/ws, …"),
	INT(port, "port", "Port of the Service.", PORT, REQ),
	FIELD(FT_INT_OR_STRING, target, "targetPort",
	    "Port of the endpoints, by number or name; absent means port.", BETWEEN(1, 65535),
	    .max_len = 15),
	INT(node_port, "nodePort",
	    "Port on the node, 30000 to 32767, for types NodePort (absent: one is handed out) "
	    "and LoadBalancer.",
	    .int32 = true, BETWEEN(0, 65535)),
};
static KSTRUCT(service_port, "ServicePort", "A port of a Service.", IGNORE);
#undef T

/* IANA service name: a label with a letter in it and no two '-' in a row. */
static bool
port_name(struct bytes b)
{
	bool letter = false;

	for (size_t i = 0; i < b.n; i++) {
		letter |= b.p[i] >= 'a' && b.p[i] <= 'z';
		if (b.p[i] == '-' && i + 1 < b.n && b.p[i + 1] == '-')
			return false;
	}
	return letter && pat_label.match(b);
}

static void
check_service_type(struct vctx *c, const struct k_service *s)
{
	bool none = bytes_eq(s->cluster_ip, BYTES("None"));
	bool node = bytes_eq(s->type, BYTES("NodePort")) || bytes_eq(s->type,
	    BYTES("LoadBalancer"));

	if (none && node)
		rule_at(c, rule_child(s->node, "clusterIP"),
		    "clusterIP cannot be None for type %.*s", BYTES_ARG(s->type));
	for (uint32_t i = 0; i < s->ports.n; i++) {
		const struct k_service_port *p = &s->ports.v[i];

		if (p->node_port.v && !node)
			rule_at(c, rule_child(p->node, "nodePort"),
			    "nodePort can only be set for types NodePort and LoadBalancer");
		if (p->target.s.p && !port_name(p->target.s))
			rule_at(c, rule_child(p->node, "targetPort"),
			    "\"%.*s\" is not a port name: lower-case letters, digits and single "
			    "'-', with "
			    "at least one letter", BYTES_ARG(p->target.s));
	}
}

/* What narrows who is served must not be passed over. */
static void
check_source_ranges(struct vctx *c, const struct k_service *s)
{
	const struct node *list = rule_child(s->node, "loadBalancerSourceRanges");
	const struct node *at = list == NULL ? NULL : list->first;
	struct cidr net;

	if (s->source_ranges.n != 0 && !bytes_eq(s->type, BYTES("LoadBalancer")))
		rule_at(c, list, "loadBalancerSourceRanges can only be set for type LoadBalancer");
	for (uint32_t i = 0; i < s->source_ranges.n && at != NULL; i++, at = at->next)
		if (!cidr_parse(bytes_trim(s->source_ranges.v[i]), &net))
			rule_at(c, at, "\"%.*s\" is not a network such as 10.0.0.0/8",
			    BYTES_ARG(s->source_ranges.v[i]));
}

static void
check_service(struct vctx *c, void *bound)
{
	struct k_service *s = bound;
	const struct node *ports = rule_child(s->node, "ports");
	bool external = bytes_eq(s->type, BYTES("ExternalName"));

	if (external && s->external_name.n == 0)
		rule_at(c, rule_child(s->node, "type"),
		    "externalName must be set when type is ExternalName");
	check_service_type(c, s);
	check_source_ranges(c, s);
	if (s->ports.n == 0 && !external && !bytes_eq(s->cluster_ip, BYTES("None")))
		rule_at_key(c, ports, "ports must be given");
	for (uint32_t i = 0; i < s->ports.n; i++) {
		const struct k_service_port *p = &s->ports.v[i];

		if (s->ports.n > 1 && p->name.n == 0)
			rule_at(c, p->node, "each of several ports must have a name");
		for (uint32_t k = 0; k < i; k++) {
			const struct k_service_port *q = &s->ports.v[k];

			if (p->name.n && bytes_eq(p->name, q->name))
				rule_at(c, rule_child(p->node, "name"),
				    "the name \"%.*s\" is there twice",
				    BYTES_ARG(p->name));
			else if (p->port.v == q->port.v && bytes_eq(p->protocol, q->protocol))
				rule_at(c, rule_child(p->node, "port"),
				    "%.*s port %lld is there twice",
				    BYTES_ARG(p->protocol), (long long)p->port.v);
			else
				continue;
			break;
		}
	}
}

#define T k_service
static const struct kfield service_fields[] = {
	STR(type, "type",
	    "ClusterIP (only ever a backend), NodePort and LoadBalancer (open ports), "
	    "ExternalName (a DNS name).",
	    NAMES("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"), TEXT("ClusterIP")),
	LIST(ports, "ports", "Ports of the Service.", ks_service_port, ITEMS(0, 4096)),
	MAP(selector, "selector", "Labels of the Workloads behind the Service.",
	    .key_pattern = &pat_meta_key, .pattern = &pat_label_value, .max_len = 63),
	STR(cluster_ip, "clusterIP", "None for a headless Service; other values are not used."),
	STR(external_name, "externalName", "DNS name, for type ExternalName."),
	STR(session_affinity, "sessionAffinity",
	    "None, or ClientIP: a client keeps its endpoint, by address.",
	    NAMES("None", "ClientIP")),
	STR(external_traffic_policy, "externalTrafficPolicy",
	    "Cluster, or Local, which is read as Cluster.", NAMES("Cluster", "Local", "")),
	STR(load_balancer_ip, "loadBalancerIP",
	    "Address for type LoadBalancer; absent: those of the node."),
	STRINGS(source_ranges, "loadBalancerSourceRanges",
	    "For type LoadBalancer: networks of clients that it serves, on all its ports; the "
	    "connections of others are closed. Absent: everybody.", ITEMS(0, 64)),
	STRINGS(external_ips, "externalIPs", "Further addresses of the Service; not opened.",
	    ITEMS(0, 64)),
};
KSTRUCT(service, "ServiceSpec", "A name for endpoints.", .check = check_service, IGNORE);
#undef T

/* ---- EndpointSlice, Endpoints */
#define T k_slice_conditions
static const struct kfield slice_conditions_fields[] = {
	BOOL(ready, "ready", "Whether it takes traffic; absent means yes."),
	BOOL(serving, "serving", "As ready, also while it ends."),
	BOOL(terminating, "terminating", "Whether it ends."),
};
static KSTRUCT(slice_conditions, "EndpointConditions", "State of an endpoint.", IGNORE);
#undef T
#define T k_slice_endpoint
static const struct kfield slice_endpoint_fields[] = {
	STRINGS(addresses, "addresses", "Addresses of the endpoint; the first is used.",
	    ITEMS(1, 100), SET_OF, REQ),
	STRUCT(conditions, "conditions", "State of the endpoint.", ks_slice_conditions),
};
static KSTRUCT(slice_endpoint, "Endpoint", "An endpoint.", IGNORE);
#undef T
#define T k_slice_port
#define SLICE_PORT(...) \
	STR(name, "name", "Name of the Service's port.", .max_len = 63), \
	PROTOCOL(protocol), \
	STR(app_protocol, "appProtocol", "What is spoken."), \
	INT(port, "port", "Port number.", .int32 = true, BETWEEN(1, 65535), __VA_ARGS__)
static const struct kfield slice_port_fields[] = {SLICE_PORT()};
static KSTRUCT(slice_port, "EndpointPort", "A port of the endpoints.", IGNORE);
static const struct kfield endpoints_port_fields[] = {SLICE_PORT(REQ)};
static KSTRUCT(endpoints_port, "EndpointPort", "A port of the endpoints.", IGNORE);
#undef T
static void
check_endpointslice(struct vctx *c, void *bound)
{
	struct k_endpointslice *e = bound;
	uint8_t family = bytes_eq(e->address_type, BYTES("IPv4")) ? 4 :
	    bytes_eq(e->address_type, BYTES("IPv6")) ? 6 : 0;

	for (uint32_t i = 0; i < e->endpoints.n; i++) {
		const k_strings *l = &e->endpoints.v[i].addresses;
		const struct node *at = rule_child(e->endpoints.v[i].node, "addresses")->first;
		struct addr ip;

		for (uint32_t k = 0; k < l->n; k++, at = at->next)
			if (family ? !addr_parse_ip(l->v[k], &ip) || ip.family != family :
			    !pat_subdomain.match(l->v[k]))
				rule_at(c, at, "\"%.*s\" is not an address of type %.*s",
				    BYTES_ARG(l->v[k]), BYTES_ARG(e->address_type));
	}
}

#define T k_endpointslice
static const struct kfield endpointslice_fields[] = {
	STR(address_type, "addressType", "IPv4, IPv6 or FQDN.", NAMES("IPv4", "IPv6", "FQDN"), REQ),
	LIST(endpoints, "endpoints", "The endpoints.", ks_slice_endpoint, ITEMS(0, 1000)),
	LIST(ports, "ports", "Their ports.", ks_slice_port, ITEMS(0, 20000)),
};
KSTRUCT(endpointslice, "EndpointSlice", "Endpoints of the Service that the label "
    "kubernetes.io/service-name names.",
    .check = check_endpointslice, IGNORE);
#undef T
#define T k_endpoint_address
static const struct kfield endpoint_address_fields[] = {
	STR(ip, "ip", "The address.", REQ),
};
static KSTRUCT(endpoint_address, "EndpointAddress", "An address.", IGNORE);
#undef T
#define T k_endpoint_subset
static const struct kfield endpoint_subset_fields[] = {
	LIST(ready, "addresses", "Endpoints that take traffic.", ks_endpoint_address),
	LIST(not_ready, "notReadyAddresses", "Endpoints that do not.", ks_endpoint_address),
	LIST(ports, "ports", "Their ports.", ks_endpoints_port),
};
static KSTRUCT(endpoint_subset, "EndpointSubset", "Endpoints with the same ports.", IGNORE);
#undef T
#define T k_endpoints
static const struct kfield endpoints_fields[] = {
	LIST(subsets, "subsets", "The endpoints.", ks_endpoint_subset),
};
KSTRUCT(endpoints, "Endpoints", "Endpoints of the Service of the same name.", IGNORE);
#undef T

/* ---- Secret, ConfigMap */
static bool
has_key(const k_map *m, const char *key)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (bytes_eq(m->v[i].key, bytes_str(key)))
			return true;
	return false;
}

/* What the pattern of keys does not say. */
static void
check_data_keys(struct vctx *c, const k_map *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->v[i].key.n > 253 || bytes_starts(m->v[i].key, BYTES("..")) ||
		    bytes_eq(m->v[i].key, BYTES(".")))
			rule_at_key(c, m->v[i].node,
			    "a key has at most 253 characters and is not '.' and does not begin "
			    "with '..'");
}

static void
check_secret(struct vctx *c, void *bound)
{
	static const char *const tls[] = {"tls.crt", "tls.key"};
	struct k_secret *s = bound;

	check_data_keys(c, &s->data);
	check_data_keys(c, &s->string_data);
	for (size_t i = 0; bytes_eq(s->type, BYTES("kubernetes.io/tls")) && i < HG_ARRAY_LEN(tls);
	    i++)
		if (!has_key(&s->data, tls[i]) && !has_key(&s->string_data, tls[i]))
			rule_at_key(c, rule_child(s->node, s->data.v ? "data" : "type"),
			    "a Secret of type kubernetes.io/tls must have \"%s\"", tls[i]);
}

#define DATA_KEY .key_pattern = &pat_data_key
#define T k_secret
static const struct kfield secret_fields[] = {
	STR(type, "type", "kubernetes.io/tls, Opaque, …", TEXT("Opaque")),
	MAP(data, "data", "Content, base64.", DATA_KEY, .flags = FF_SECRET | FF_BASE64),
	MAP(string_data, "stringData", "Content as text; wins over data.", DATA_KEY,
	    .flags = FF_SECRET),
	{.name = "immutable", .doc = "Not used.", .type = FT_IGNORED},
};
KSTRUCT(secret, "Secret", "Certificates, keys, credentials.", .check = check_secret, IGNORE);
#undef T

static void
check_configmap(struct vctx *c, void *bound)
{
	struct k_configmap *m = bound;
	struct map keys;

	check_data_keys(c, &m->data);
	check_data_keys(c, &m->binary_data);
	if (m->data.n == 0 || m->binary_data.n == 0)
		return;
	map_init(&keys);
	for (uint32_t i = 0; i < m->data.n; i++)
		map_put(&keys, m->data.v[i].key, &m->data.v[i]);
	for (uint32_t i = 0; i < m->binary_data.n; i++)
		if (map_get(&keys, m->binary_data.v[i].key))
			rule_at_key(c, m->binary_data.v[i].node, "the key is in data too");
	map_release(&keys);
}

#define T k_configmap
static const struct kfield configmap_fields[] = {
	MAP(data, "data", "Content as text.", DATA_KEY),
	MAP(binary_data, "binaryData", "Content, base64.", DATA_KEY, .flags = FF_BASE64),
	{.name = "immutable", .doc = "Not used.", .type = FT_IGNORED},
};
KSTRUCT(configmap, "ConfigMap", "Texts: CA bundles, pages, lists.", .check = check_configmap,
    IGNORE);
#undef T

/* ---- Workload */
#define T k_workload
static const struct kfield workload_fields[] = {
	STR(address, "address", "IP address (or DNS name) of the workload.", CHARS(1, 253), REQ),
	MAP(ports, "ports", "Port numbers by name, for Services whose targetPort is a name.",
	    .key_pattern = &pat_label,
	    .flags = FF_INT_VALUES, BETWEEN(1, 65535)),
	INT(weight, "weight", "Share of the traffic, relative to the other workloads; 0 takes "
	    "none.", .int32 = true,
	    BETWEEN(0, 1000000), .def = "1"),
	MAP(labels, "labels", "Further labels, beside those of metadata.",
	    .key_pattern = &pat_meta_key, .pattern = &pat_label_value, .max_len = 63,
	    ITEMS(0, 256)),
	STR(network, "network", "Istio's; not used."),
	STR(locality, "locality", "Istio's; not used."),
	STR(service_account, "serviceAccount", "Istio's; not used."),
};
KSTRUCT(workload, "WorkloadSpec", "A program on a machine: what a pod is to a cluster. Services "
    "select it by label.");
#undef T
