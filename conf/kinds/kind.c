/*
 * kind.c - the kinds: KIND_TABLE (names, versions) with the schema of each, and the ways to find
 * one. Twenty kinds are searched by walking; nothing here is on a path that runs more than once an
 * object.
 */
#include "conf/kinds/schema.h"
#include "conf/kinds/table.h"

#define SCHEMA_GATEWAYCLASS .doc = "A class of Gateways, and who serves them.", \
	.spec = &ks_gatewayclass, .status_schema = &ks_status_gatewayclass, \
	    .status_def = STATUS_DEF_ACCEPTED
#define SCHEMA_GATEWAY .doc = "Where traffic enters: addresses, ports, host names, TLS.", \
	.spec = &ks_gateway, .status_schema = &ks_status_gateway, \
	    .status_def = STATUS_DEF_PROGRAMMED
#define SCHEMA_LISTENERSET .doc = "Further listeners for a Gateway, from another team.", \
	.spec = &ks_listenerset, .status_schema = &ks_status_listenerset, \
	    .status_def = STATUS_DEF_PROGRAMMED
#define SCHEMA_HTTPROUTE .doc = "Which HTTP requests go where, and what is done with them.", \
	.spec = &ks_httproute, .status_schema = &ks_status_route
#define SCHEMA_GRPCROUTE .doc = "Which gRPC calls go where.", \
	.spec = &ks_grpcroute, .status_schema = &ks_status_route
#define SCHEMA_TLSROUTE .doc = "Where TLS connections go, by server name.", \
	.spec = &ks_tlsroute, .spec_alpha = &ks_tlsroute_alpha, .status_schema = &ks_status_route
#define SCHEMA_TCPROUTE .doc = "Where TCP connections go.", \
	.spec = &ks_tcproute, .spec_alpha = &ks_tcproute_alpha, .status_schema = &ks_status_route
#define SCHEMA_UDPROUTE .doc = "Where UDP datagrams go.", \
	.spec = &ks_udproute, .spec_alpha = &ks_udproute_alpha, .status_schema = &ks_status_route
#define SCHEMA_REFERENCEGRANT .doc = "Consent of a namespace to references from others.", \
	.spec = &ks_referencegrant
#define SCHEMA_BACKENDTLSPOLICY .doc = "TLS towards the endpoints of a Service.", \
	.spec = &ks_backendtlspolicy, .status_schema = &ks_status_policy
#define SCHEMA_XBACKEND .doc = "A backend that is not a Service (experimental).", \
	.spec = &ks_xbackend, .status_schema = &ks_status_xbackend
#define SCHEMA_XBACKENDTRAFFICPOLICY .doc = "Retry budgets for a backend (experimental).", \
	.spec = &ks_xbackendtrafficpolicy, .status_schema = &ks_status_policy
#define SCHEMA_XTELEMETRYPOLICY .doc = "Traces of a Gateway's traffic (experimental).", \
	.spec = &ks_xtelemetrypolicy, .status_schema = &ks_status_policy
#define SCHEMA_NAMESPACE .doc = "A namespace; its labels are what selectors see.", \
	.spec = &ks_namespace, .spec_at_root = true
#define SCHEMA_SERVICE .doc = "A name for endpoints: an EndpointSlice's, or Workloads by label.", \
	.spec = &ks_service
#define SCHEMA_ENDPOINTSLICE .doc = "Addresses and ports of a Service's endpoints.", \
	.spec = &ks_endpointslice, .spec_at_root = true
#define SCHEMA_ENDPOINTS .doc = "The older form of EndpointSlice.", \
	.spec = &ks_endpoints, .spec_at_root = true
#define SCHEMA_SECRET .doc = "Certificates, keys, credentials.", \
	.spec = &ks_secret, .spec_at_root = true
#define SCHEMA_CONFIGMAP .doc = "Texts: CA bundles, pages, lists.", \
	.spec = &ks_configmap, .spec_at_root = true
#define SCHEMA_BACKENDTRAFFICPOLICY \
	.doc = "How requests go to backends: limits, balancing, health, time-outs, retries.", \
	.spec = &ks_backendtrafficpolicy, .status_schema = &ks_status_policy
#define SCHEMA_CLIENTTRAFFICPOLICY \
	.doc = "How clients are met: addresses, TLS, headers, paths, time-outs, connections.", \
	.spec = &ks_clienttrafficpolicy, .status_schema = &ks_status_policy
#define SCHEMA_BACKEND .doc = "Addresses, names or sockets as a backend of routes.", \
	.spec = &ks_backend, .status_schema = &ks_status_backend
#define SCHEMA_WORKLOAD .doc = "A program on a machine: what a pod is to a cluster.", \
	.spec = &ks_workload

const struct kind kind_table[KIND_COUNT] = {
#define K(i, g, k, p, s, v, c, st) [KIND_##i] = {.id = KIND_##i, .group = g, .name = k, \
    .plural = p, .shorts = s, \
    .versions = v, .cluster = c, .status = st, SCHEMA_##i},
	KIND_TABLE(K)
#undef K
};

/* The same kinds under other groups. */
static const struct {
	const char *group, *kind;
	enum kind_id id;
} aliases[] = {
	{"networking.istio.io", "WorkloadEntry", KIND_WORKLOAD},
	{GROUP_ENVOY, "BackendTrafficPolicy", KIND_BACKENDTRAFFICPOLICY},
	{GROUP_ENVOY, "ClientTrafficPolicy", KIND_CLIENTTRAFFICPOLICY},
	{GROUP_ENVOY, "Backend", KIND_BACKEND},
};

const struct kind *
kind_by_id(enum kind_id id)
{
	return (unsigned)id < KIND_COUNT ? &kind_table[id] : NULL;
}

const struct kind *
kind_by_name(struct bytes group, struct bytes name)
{
	for (unsigned i = 0; i < KIND_COUNT; i++)
		if (bytes_eq(name, bytes_str(kind_table[i].name)) &&
		    bytes_eq(group, bytes_str(kind_table[i].group)))
			return &kind_table[i];
	for (size_t i = 0; i < HG_ARRAY_LEN(aliases); i++)
		if (bytes_eq(name, bytes_str(aliases[i].kind)) &&
		    bytes_eq(group, bytes_str(aliases[i].group)))
			return &kind_table[aliases[i].id];
	return NULL;
}

bool
kind_in_group(const struct kind *k, struct bytes group)
{
	if (bytes_eq(group, bytes_str(k->group)))
		return true;
	for (size_t i = 0; i < HG_ARRAY_LEN(aliases); i++)
		if (aliases[i].id == k->id && bytes_eq(group, bytes_str(aliases[i].group)))
			return true;
	return false;
}

static bool
word_in(struct bytes word, const char *list)
{
	struct bytes rest = bytes_str(list);

	while (rest.p && word.n) {
		if (bytes_eqi(bytes_cut(&rest, ' '), word))
			return true;
	}
	return false;
}

const struct kind *
kind_by_noun(struct bytes noun)
{
	ptrdiff_t dot = bytes_chr(noun, '.', 0);
	struct bytes word = bytes_of(noun.p, dot < 0 ? noun.n : (size_t)dot);
	struct bytes group = dot < 0 ? BYTES_NONE : bytes_of(noun.p + dot + 1,
	    noun.n - (size_t)dot - 1);

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		const struct kind *k = &kind_table[i];

		if (group.p && !bytes_eqi(group, bytes_str(k->group)) && !kind_in_group(k, group))
			continue;
		if (bytes_eqi(word, bytes_str(k->name)) || bytes_eqi(word, bytes_str(k->plural)) ||
		    word_in(word, k->shorts))
			return k;
	}
	return NULL;
}

const struct kstruct *
kind_spec(const struct kind *k, struct bytes version)
{
	return k->spec_alpha && bytes_eq(version, BYTES("v1alpha2")) ? k->spec_alpha : k->spec;
}

/* ---- where else a field of that name is */
static bool
find_field(const struct kstruct *s, struct bytes name, const struct kstruct *not_in, char *path,
    size_t cap,
    unsigned depth)
{
	size_t len = strlen(path);

	if (s != not_in && s->size && schema_field(s, name))
		return true;
	for (unsigned i = 0; i < s->n && depth < 8; i++) {
		const struct kfield *f = &s->fields[i];

		if (!f->sub)
			continue;
		snprintf(path + len, cap - len, "%s%s%s", len ? "." : "", f->name,
		    f->type == FT_LIST ? "[]" : "");
		if (find_field(f->sub, name, not_in, path, cap, depth + 1))
			return true;
		path[len] = '\0';
	}
	return false;
}

const char *
schema_where(struct arena *a, const struct kstruct *root, struct bytes name,
    const struct kstruct *not_in)
{
	char path[512] = "";

	if (!find_field(root, name, not_in, path, sizeof(path), 0))
		return NULL;
	return path[0] ? arena_dup(a, bytes_str(path)) : root->name;
}
