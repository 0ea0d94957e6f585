/*
 * k_policy.c - tables of BackendTLSPolicy, XBackend, XBackendTrafficPolicy and XTelemetryPolicy,
 * and the rules of their CRDs. XBackend changed most since v1.6: its old spellings are rewritten in
 * the node tree first.
 */
#include "conf/kinds/k_policy.h"
#include "conf/kinds/table.h"

/* ---- backend TLS validation: BackendTLSPolicy, XBackend */
static void
check_san(struct vctx *c, void *bound)
{
	struct k_san *s = bound;
	const struct node *type = rule_child(s->node, "type");

	if (s->type == K_SAN_HOSTNAME && s->hostname.n == 0)
		rule_at(c, type, "hostname must be set when type is Hostname");
	if (s->type != K_SAN_HOSTNAME && s->hostname.n > 0)
		rule_at_key(c, rule_child(s->node, "hostname"),
		    "hostname can only be set when type is Hostname");
	if (s->type == K_SAN_URI && s->uri.n == 0)
		rule_at(c, type, "uri must be set when type is URI");
	if (s->type != K_SAN_URI && s->uri.n > 0)
		rule_at_key(c, rule_child(s->node, "uri"), "uri can only be set when type is URI");
}

static void
check_validation(struct vctx *c, void *bound)
{
	struct k_backend_validation *v = bound;

	if (v->cas.v && v->cas.n == 0 && v->well_known.p) {
		/* the standard channel takes an empty list for none */
		old_at(c, rule_child(v->node, "caCertificateRefs"),
		    "an empty caCertificateRefs beside wellKnownCACertificates is refused since "
		    "v1.7: leave it out");
		v->cas.v = NULL;
	}
	if (v->cas.v && v->well_known.p)
		rule_at_key(c, rule_child(v->node, "wellKnownCACertificates"),
		    "only one of caCertificateRefs and wellKnownCACertificates can be set");
	if (v->cas.v && v->cas.n == 0)
		diag_at(c->d, CODE_ITEMS, rule_child(v->node, "caCertificateRefs"),
		    "must have at least 1 item");
	else if (!v->cas.v && !v->well_known.p)
		rule_at(c, v->node, "one of caCertificateRefs and wellKnownCACertificates must be "
		    "set");
}

#define T k_san
static const struct kfield san_fields[] = {
	ENUM(type, "type", "Which of the two is set.", NAMES("Hostname", "URI"), REQ),
	STR(hostname, "hostname", "A DNS name in the certificate; the first label may be '*'.",
	    HOSTNAME),
	STR(uri, "uri", "A URI in the certificate, such as a SPIFFE id.", .pattern = &pat_uri,
	    CHARS(1, 253)),
};
static KSTRUCT(san, "SubjectAltName", "A name that the backend's certificate must have.", .cel = 4,
    .check = check_san);
#undef T
#define T k_backend_validation
static const struct kfield validation_fields[] = {
	LIST(cas, "caCertificateRefs", "CA bundles (ConfigMap, ClusterTrustBundle) that the "
	    "backend's certificate "
	    "must come from.", ks_local_ref, ITEMS(1, 8), .flags = FF_EXP_MIN_ITEMS),
	STR(well_known, "wellKnownCACertificates", "System: the CA certificates of the machine.",
	    .pattern = &pat_well_known_ca, CHARS(1, 253)),
	STR(hostname, "hostname", "SNI to send, and the name to verify unless subjectAltNames are "
	    "given.", REQ,
	    .pattern = &pat_subdomain, CHARS(1, 253)),
	LIST(sans, "subjectAltNames", "Names of which the certificate must have one.", ks_san,
	    ITEMS(0, 5)),
};
KSTRUCT(validation, "BackendTLSPolicyValidation", "How the backend's certificate is verified.",
    .cel = 1,
    .cel_std = -1, .check = check_validation);
#undef T

/* ---- BackendTLSPolicy */
static bool
same_target(const struct k_object_ref *a, const struct k_object_ref *b)
{
	return bytes_eq(a->name, b->name) && bytes_eq(a->kind, b->kind) &&
	    bytes_eq(a->group, b->group);
}

static void
check_backendtlspolicy(struct vctx *c, void *bound)
{
	struct k_backendtlspolicy *p = bound;

	for (uint32_t j = 1; j < p->targets.n; j++) {
		const struct k_object_ref *b = &p->targets.v[j];

		for (uint32_t i = 0; i < j; i++) {
			const struct k_object_ref *a = &p->targets.v[i];

			if (!same_target(a, b))
				continue;
			if ((a->section.n == 0) != (b->section.n == 0)) {
				rule_at(c, b->node,
				    "sectionName must be set in each of several targetRefs to one "
				    "target");
				break;
			}
			if (bytes_eq(a->section, b->section)) {
				rule_at(c, b->node,
				    "sectionName must differ between targetRefs to one target");
				break;
			}
		}
	}
}

#define T k_backendtlspolicy
static const struct kfield backendtlspolicy_fields[] = {
	LIST(targets, "targetRefs", "Services (or ports of them) that are reached by TLS.",
	    ks_policy_target_section,
	    ITEMS(1, 16), REQ, .cel = 2),
	STRUCT(validation, "validation", "How the backend's certificate is verified.",
	    ks_validation, REQ),
	MAP(options, "options", "Settings of the implementation.", CHARS(0, 4096), ITEMS(0, 16)),
};
KSTRUCT(backendtlspolicy, "BackendTLSPolicySpec", "TLS towards backends.",
    .check = check_backendtlspolicy);
#undef T

/* ---- XBackend */
static void
check_external_hostname(struct vctx *c, void *bound)
{
	struct k_xbackend_external *e = bound;

	if (bytes_ends(e->hostname, BYTES(".cluster.local")))
		rule_at(c, rule_child(e->node, "hostname"),
		    "hostname must not end with .cluster.local");
}

static void
check_endpoint_selector(struct vctx *c, void *bound)
{
	struct k_xbackend_selector *s = bound;

	for (uint32_t i = 0; i < s->labels.n; i++)
		if (!pat_meta_key.match(s->labels.v[i].key))
			rule_at_key(c, s->labels.v[i].node, "label keys must be %s",
			    pat_meta_key.what);
}

static void
check_xbackend_tls(struct vctx *c, void *bound)
{
	struct k_xbackend_tls *t = bound;
	const struct node *mode = rule_child(t->node, "mode");

	if (t->mode == K_XB_CLIENT_AND_SERVER && !t->certificate)
		rule_at(c, mode, "clientCertificateRef must be set when mode is ClientAndServer");
	if (t->mode != K_XB_CLIENT_AND_SERVER && t->certificate)
		rule_at_key(c, t->certificate->node,
		    "clientCertificateRef can only be set when mode is ClientAndServer");
	if (t->mode != K_XB_NONE && !t->validation)
		rule_at(c, mode, "validation must be set unless mode is None");
	if (t->mode == K_XB_NONE && t->validation)
		rule_at_key(c, t->validation->node,
		    "validation can only be set unless mode is None");
}

static void
check_xbackend(struct vctx *c, void *bound)
{
	struct k_xbackend *b = bound;
	const struct node *type = rule_child(b->node, "type"),
	    *proto = rule_child(b->node, "protocol");
	bool tls = b->tls && b->tls->mode != K_XB_NONE;

	if (b->type == K_XB_EXTERNAL && !b->external)
		rule_at(c, type, "externalHostname must be set when type is ExternalHostname");
	if (b->type != K_XB_EXTERNAL && b->external)
		rule_at_key(c, b->external->node,
		    "externalHostname can only be set when type is ExternalHostname");
	if (b->type == K_XB_SELECTOR && !b->selector)
		rule_at(c, type, "endpointSelector must be set when type is EndpointSelector");
	if (b->type != K_XB_SELECTOR && b->selector)
		rule_at_key(c, b->selector->node,
		    "endpointSelector can only be set when type is EndpointSelector");
	if (b->protocol == K_XB_H2C && tls)
		rule_at(c, proto, "protocol H2C cannot be used with TLS: that is HTTP2");
	if (b->protocol == K_XB_HTTP2 && !tls)
		rule_at(c, proto, "protocol HTTP2 needs TLS: without it is H2C");
	if (b->protocol == K_XB_WSS && !tls)
		rule_at(c, proto, "protocol WSS needs TLS");
	if (b->persistence && b->type != K_XB_SELECTOR)
		rule_at_key(c, b->persistence->node,
		    "sessionPersistence can only be set when type is EndpointSelector");
}

static void
drop_child(struct node *map, struct node *child)
{
	child->type = NODE_NULL;
	node_prune_nulls(map);
}

/* reference/gateway-api-1.7.md section 5. */
static void
upgrade_xbackend(struct vctx *c, struct node *spec)
{
	struct node *port = node_get(spec, "port"), *tls = node_get(spec, "tls"), *old;
	struct node *proto = node_get(spec, "protocol");
	struct bytes mode = node_text(node_get(tls, "mode"));
	bool with_tls = mode.p && !bytes_eq(mode, BYTES("None"));

	if ((old = node_get(port, "port")) && node_get(port, "number")) {
		diag_at_key(c->d, CODE_BOTH_SPELLINGS, old,
		    "\"port\" is the v1.6 spelling and cannot stand beside \"number\"");
	} else if (old) {
		old_at(c, old, "\"port.port\" is called \"port.number\" since v1.7");
		old->key = BYTES("number");
	}
	if ((old = node_get(port, "name"))) {
		old_at(c, old, "\"port.name\" has no meaning since v1.7");
		drop_child(port, old);
	}
	if (proto && !with_tls && bytes_eq(node_text(proto), BYTES("HTTP2"))) {
		old_at(c, proto, "protocol HTTP2 without TLS is called H2C since v1.7");
		proto->text = BYTES("H2C");
	} else if (proto && with_tls && bytes_eq(node_text(proto), BYTES("H2C"))) {
		old_at(c, proto, "protocol H2C with TLS is called HTTP2 since v1.7");
		proto->text = BYTES("HTTP2");
	}
	if (tls && bytes_eq(mode, BYTES("None")) && (old = node_get(tls, "validation"))) {
		old_at(c, old, "\"validation\" has no meaning with mode None since v1.7");
		drop_child(tls, old);
	}
}

#define T k_xbackend_port
static const struct kfield xbackend_port_fields[] = {
	INT(number, "number", "Port of the endpoints.", PORT),
};
static KSTRUCT(xbackend_port, "BackendPort", "Port of the endpoints.");
#undef T
#define T k_xbackend_external
static const struct kfield xbackend_external_fields[] = {
	STR(hostname, "hostname", "A DNS name outside.", .pattern = &pat_subdomain, CHARS(1, 253),
	    REQ, .cel = 1),
};
static KSTRUCT(xbackend_external, "ExternalHostnameBackend", "A backend by DNS name.",
    .check = check_external_hostname);
#undef T
#define T k_xbackend_selector
static const struct kfield xbackend_selector_fields[] = {
	MAP(labels, "matchLabels", "Labels that Workloads must have.", .pattern = &pat_label_value,
	    CHARS(0, 63),
	    ITEMS(1, 64), REQ, .cel = 1),
};
static KSTRUCT(xbackend_selector, "EndpointSelector", "Workloads by label.",
    .check = check_endpoint_selector);
#undef T
#define T k_xbackend_tls
static const struct kfield xbackend_tls_fields[] = {
	ENUM(mode, "mode", "Whether the backend is reached by TLS, and whether it asks for a "
	    "certificate.",
	    NAMES("None", "ServerOnly", "ClientAndServer"), REQ),
	STRUCT(validation, "validation", "How the backend's certificate is verified; for all modes "
	    "but None.",
	    ks_validation),
	STRUCT(certificate, "clientCertificateRef",
	    "Certificate and key to show; for ClientAndServer.", ks_secret_ref),
};
static KSTRUCT(xbackend_tls, "BackendTLS", "TLS towards the backend.", .cel = 2,
    .check = check_xbackend_tls);
#undef T

static const struct k_xbackend_tls no_tls = {.mode = K_XB_NONE};

#define T k_xbackend
static const struct kfield xbackend_fields[] = {
	ENUM(type, "type", "A DNS name outside, or Workloads by label.",
	    NAMES("ExternalHostname", "EndpointSelector"),
	    REQ),
	STRUCT(port, "port", "Port of the endpoints.", ks_xbackend_port, REQ, ITEMS(1, 0)),
	STRUCT(external, "externalHostname", "For type ExternalHostname.", ks_xbackend_external),
	STRUCT(selector, "endpointSelector", "For type EndpointSelector.", ks_xbackend_selector),
	ENUM(protocol, "protocol", "Protocol of the backend; absent: decided by route and "
	    "listener.",
	    NAMES("TCP", "HTTP", "HTTP2", "HTTP11", "H2C", "MCP", "GRPC", "WSS")),
	STRUCT(tls, "tls", "TLS towards the backend.", ks_xbackend_tls,
	    .def = "{\"mode\":\"None\"}", .prebuilt = &no_tls),
	STRUCT(persistence, "sessionPersistence",
	    "Keeps clients on their endpoint; for EndpointSelector.",
	    ks_persistence),
};
KSTRUCT(xbackend, "BackendSpec", "A backend that is not a Service.", .cel = 6,
    .check = check_xbackend,
    .upgrade = upgrade_xbackend);
#undef T

/* ---- XBackendTrafficPolicy */
#define HOUR_MS 3600000u

static void
check_budget(struct vctx *c, void *bound)
{
	struct k_retry_budget *b = bound;

	if (b->interval.ms < 1000 || b->interval.ms > HOUR_MS)
		rule_at(c, rule_child(b->node, "interval"), "interval must be between 1s and 1h");
}

static void
check_rate(struct vctx *c, void *bound)
{
	struct k_retry_rate *r = bound;

	if (r->interval.set && (r->interval.ms == 0 || r->interval.ms > HOUR_MS))
		rule_at(c, rule_child(r->node, "interval"),
		    "interval must not be zero or longer than 1h");
}

#define T k_retry_budget
static const struct kfield retry_budget_fields[] = {
	INT(percent, "percent", "Retries may be this share of the active requests.",
	    BETWEEN(0, 100), .def = "20"),
	DURATION(interval, "interval", "Over which the share is counted.", TEXT("10s"), .cel = 1),
};
static KSTRUCT(retry_budget, "BudgetDetails", "How many retries there may be.",
    .check = check_budget);
#undef T
#define T k_retry_rate
static const struct kfield retry_rate_fields[] = {
	INT(count, "count", "Retries that are always possible in the interval.",
	    BETWEEN(1, 1000000)),
	DURATION(interval, "interval", "Over which they are counted.", .cel = 1),
};
static KSTRUCT(retry_rate, "RequestRate", "Retries that are always possible.", .check = check_rate);
#undef T

static const struct k_retry_budget budget_default = {.percent = {.v = 20},
    .interval = {.ms = 10000}};
/* Inside this default the two values are as good as written. */
static const struct k_retry_rate rate_default = {.count = {10, true}, .interval = {1000, true}};

#define T k_retry_constraint
static const struct kfield retry_constraint_fields[] = {
	STRUCT(budget, "budget", "How many retries there may be.", ks_retry_budget,
	    .def = "{\"interval\":\"10s\",\"percent\":20}", .prebuilt = &budget_default),
	STRUCT(min_rate, "minRetryRate", "Retries that are always possible.", ks_retry_rate,
	    .def = "{\"count\":10,\"interval\":\"1s\"}", .prebuilt = &rate_default),
};
static KSTRUCT(retry_constraint, "RetryConstraint",
    "Bounds retries, so that they cannot multiply an overload.");
#undef T

static void
check_xbtp(struct vctx *c, void *bound)
{
	struct k_xbackendtrafficpolicy *p = bound;

	if (p->persistence)
		diag_at_key(c->d, CODE_DEPRECATED, p->persistence->node,
		    "sessionPersistence of XBackendTrafficPolicy is deprecated: its place is "
		    "XBackend");
}

#define T k_xbackendtrafficpolicy
static const struct kfield xbackendtrafficpolicy_fields[] = {
	LIST(targets, "targetRefs", "Services that the policy is for.", ks_local_ref, ITEMS(1, 16),
	    MAP_BY("group,kind,name"), REQ),
	STRUCT(retry, "retryConstraint", "Bounds retries.", ks_retry_constraint),
	STRUCT(persistence, "sessionPersistence",
	    "Keeps clients on their endpoint (deprecated here: see XBackend).",
	    ks_persistence),
};
KSTRUCT(xbackendtrafficpolicy, "BackendTrafficPolicySpec", "How a backend is used.",
    .check = check_xbtp);
#undef T

/* ---- XTelemetryPolicy */
static void
check_attribute(struct vctx *c, void *bound)
{
	static const char *const name[] = {NULL, "headerName", "literalValue", "attributeKey"};
	static const char *const type[] = {NULL, "Header", "Literal", "Attribute"};
	struct k_telemetry_attr *a = bound;
	bool has[] = {false, a->header.p != NULL, a->literal.p != NULL, a->key.p != NULL};

	for (unsigned i = 1; i < HG_ARRAY_LEN(has); i++) {
		if (has[i] && a->source != i)
			rule_at_key(c, rule_child(a->node, name[i]),
			    "%s can only be set when sourceType is %s", name[i],
			    type[i]);
		if (!has[i] && a->source == i)
			rule_at(c, rule_child(a->node, "sourceType"),
			    "%s must be set when sourceType is %s", name[i],
			    type[i]);
	}
}

static void
check_parent_sampling(struct vctx *c, void *bound)
{
	struct k_parent_sampling *p = bound;

	if (p->rate && p->mode != K_TM_ENABLED)
		rule_at_key(c, p->rate->node, "samplingRate can only be set when mode is Enabled");
}

static void
check_tracing(struct vctx *c, void *bound)
{
	static const char *const only[] = {"samplingRate", "parentBasedSampling", "serviceName",
	    "spanName",
	    "attributes"};
	struct k_tracing *t = bound;
	bool has[] = {t->rate != NULL, t->parent != NULL, t->service_name.p != NULL,
	    t->span_name.p != NULL,
	    t->attributes.v != NULL};

	if (t->mode == K_TM_ENABLED && !t->provider)
		rule_at(c, rule_child(t->node, "mode"),
		    "provider must be set when mode is Enabled");
	if (t->mode == K_TM_ENABLED)
		return;
	if (t->provider)
		rule_at_key(c, t->provider->node, "provider can only be set when mode is Enabled");
	for (unsigned i = 0; i < HG_ARRAY_LEN(only); i++)
		if (has[i])
			rule_at_key(c, rule_child(t->node, only[i]),
			    "%s can only be set when mode is Enabled", only[i]);
}

static void
check_xtelemetrypolicy(struct vctx *c, void *bound)
{
	struct k_xtelemetrypolicy *p = bound;

	if (!p->tracing)
		rule_at_key(c, p->node, "tracing must be set");
}

#define TELEMETRY_MODE \
	ENUM(mode, "mode", "On, off, or as the implementation does.", \
	    NAMES("Enabled", "Disabled", "ImplementationDefault"), TEXT("ImplementationDefault"))
#define T k_telemetry_attr
static const struct kfield telemetry_attr_fields[] = {
	STR(name, "name", "Name of the attribute in the span.", .pattern = &pat_attribute_name,
	    CHARS(1, 256), REQ),
	ENUM(source, "sourceType", "Where its value comes from.",
	    NAMES("Header", "Literal", "Attribute"), REQ),
	STR(header, "headerName", "A request header field; for sourceType Header.", HEADER),
	STR(literal, "literalValue", "A fixed text; for sourceType Literal.", CHARS(1, 1024)),
	STR(key, "attributeKey", "An attribute by OpenTelemetry's name; for sourceType Attribute.",
	    .pattern = &pat_attribute_key, CHARS(1, 256)),
};
static KSTRUCT(telemetry_attr, "TracingAttribute", "Something to write into each span.", .cel = 3,
    .check = check_attribute);
#undef T
#define T k_header
static const struct kfield telemetry_header_fields[] = {
	STR(name, "name", "Name of the header field, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", .pattern = &pat_header_value, CHARS(1, 4096), REQ),
};
static KSTRUCT(telemetry_header, "HTTPHeader", "A header field.");
#undef T
#define T k_telemetry_provider
static const struct kfield telemetry_provider_fields[] = {
	STRUCT(backend, "backendRef", "The OTLP receiver.", ks_backend_object_ref, REQ),
	LIST(headers, "headers", "Header fields to send with each export.", ks_telemetry_header,
	    ITEMS(0, 16),
	    MAP_BY("name")),
};
static KSTRUCT(telemetry_provider, "TracingProvider", "Where traces go.");
#undef T
#define T k_parent_sampling
static const struct kfield parent_sampling_fields[] = {
	TELEMETRY_MODE,
	STRUCT(rate, "samplingRate", "Share of what the parent sampled; for mode Enabled.",
	    ks_fraction),
};
static KSTRUCT(parent_sampling, "ParentBasedSampling", "Whether the caller's decision counts.",
    .cel = 1,
    .check = check_parent_sampling);
#undef T
#define T k_tracing
static const struct kfield tracing_fields[] = {
	TELEMETRY_MODE,
	STRUCT(provider, "provider", "Where traces go; for mode Enabled.", ks_telemetry_provider),
	STRUCT(rate, "samplingRate", "Share of the requests that are traced.", ks_fraction),
	STRUCT(parent, "parentBasedSampling", "Whether the caller's decision counts.",
	    ks_parent_sampling),
	STR(service_name, "serviceName", "service.name of the spans.",
	    .pattern = &pat_attribute_name, CHARS(1, 253)),
	STR(span_name, "spanName", "Name of the spans.", .pattern = &pat_span_name, CHARS(1, 256)),
	LIST(attributes, "attributes", "What to write into each span.", ks_telemetry_attr,
	    MAP_BY("name")),
};
static KSTRUCT(tracing, "Tracing", "Distributed traces.", .cel = 6, .check = check_tracing);
#undef T
#define T k_xtelemetrypolicy
static const struct kfield xtelemetrypolicy_fields[] = {
	LIST(targets, "targetRefs", "Gateways that the policy is for.", ks_local_ref, ITEMS(1, 16),
	    REQ),
	STRUCT(tracing, "tracing", "Distributed traces.", ks_tracing),
};
KSTRUCT(xtelemetrypolicy, "TelemetryPolicySpec", "What is told about the traffic.", .cel = 1,
    .check = check_xtelemetrypolicy);
#undef T
