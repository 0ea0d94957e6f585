/*
 * k_gateway.c - tables of GatewayClass, Gateway, ListenerSet and ReferenceGrant, and the rules of
 * their CRDs. A Gateway's listener and a ListenerSet's are one struct under two tables: only the
 * Gateway's CRD says that filters need HTTP or HTTPS, but the text says it for both, so both check
 * it.
 */
#include "conf/kinds/k_gateway.h"
#include "conf/kinds/table.h"

/* ---- GatewayClass */
#define T k_gatewayclass
static const struct kfield gatewayclass_fields[] = {
	STR(controller, "controllerName", "Who serves Gateways of this class; "
	    "headgate.dev/gateway-controller is headgate.",
	    .pattern = &pat_controller, CHARS(1, 253), .flags = FF_REQUIRED | FF_IMMUTABLE,
	    .cel = 1),
	STRUCT(parameters, "parametersRef", "Settings of the class, in another object.",
	    ks_namespaced_ref),
	STR(description, "description", "A word to people.", .max_len = 64),
};
KSTRUCT(gatewayclass, "GatewayClassSpec", "A class of Gateways.");
#undef T

/* ---- listeners */
static const struct k_namespaces from_same = {.from = K_FROM_SAME},
    from_none = {.from = K_FROM_NONE};
static const struct k_allowed_routes allowed_default = {
    .namespaces = (struct k_namespaces *)&from_same};

#define T k_namespaces
static const struct kfield route_namespaces_fields[] = {
	ENUM(from, "from", "All, those that the selector picks, or the Gateway's own.",
	    NAMES("All", "Selector", "Same"),
	    VALUES(K_FROM_ALL, K_FROM_SELECTOR, K_FROM_SAME), TEXT("Same")),
	STRUCT(selector, "selector", "For from: Selector.", ks_selector),
};
static KSTRUCT(route_namespaces, "RouteNamespaces", "Namespaces from which routes may attach.");
static const struct kfield listener_namespaces_fields[] = {
	ENUM(from, "from", "All, those that the selector picks, the Gateway's own, or none.",
	    NAMES("All", "Selector", "Same", "None"), TEXT("None")),
	STRUCT(selector, "selector", "For from: Selector.", ks_selector),
};
static KSTRUCT(listener_namespaces, "ListenerNamespaces",
    "Namespaces from which ListenerSets may attach.");
#undef T
#define T k_route_kind
static const struct kfield route_kind_fields[] = {
	STR(group, "group", "API group of the route kind.", GROUP,
	    TEXT("gateway.networking.k8s.io")),
	STR(kind, "kind", "A route kind, such as HTTPRoute.", KINDNAME, REQ),
};
static KSTRUCT(route_kind, "RouteGroupKind", "A kind of route.");
#undef T
#define T k_allowed_routes
static const struct kfield allowed_routes_fields[] = {
	STRUCT(namespaces, "namespaces", "Namespaces from which routes may attach.",
	    ks_route_namespaces,
	    .def = "{\"from\":\"Same\"}", .prebuilt = &from_same),
	LIST(kinds, "kinds", "Kinds of routes that may attach; absent means all that fit the "
	    "protocol.", ks_route_kind,
	    ITEMS(0, 8)),
};
static KSTRUCT(allowed_routes, "AllowedRoutes", "Which routes may attach.");
#undef T

static void
check_listener_tls(struct vctx *c, void *bound)
{
	struct k_listener_tls *t = bound;

	if (t->mode == K_TLS_TERMINATE && t->certificates.n == 0 && t->options.n == 0)
		rule_at_key(c, t->node, "certificateRefs or options must be given when mode is "
		    "Terminate");
}

#define T k_listener_tls
static const struct kfield listener_tls_fields[] = {
	ENUM(mode, "mode", "Terminate TLS here, or pass it through to the backend.",
	    NAMES("Terminate", "Passthrough"),
	    TEXT("Terminate")),
	LIST(certificates, "certificateRefs", "Secrets with certificate and key.", ks_secret_ref,
	    ITEMS(0, 64)),
	MAP(options, "options", "Settings of the implementation.", CHARS(0, 4096), ITEMS(0, 16)),
};
static KSTRUCT(listener_tls, "ListenerTLSConfig", "TLS of a listener.", .cel = 1,
    .check = check_listener_tls);
#undef T
#define T k_listener_filters
static const struct kfield listener_filters_fields[] = {
	LIST(requests, "requests", "Filters for each request, in this order, before a route is "
	    "chosen.",
	    ks_listener_filter, ITEMS(0, 16)),
};
static KSTRUCT(listener_filters, "ListenerFilters", "Filters of a listener.");
#undef T

static void
check_listener(struct vctx *c, void *bound)
{
	struct k_listener *l = bound;

	if (l->filters && !bytes_eq(l->protocol, BYTES("HTTP")) &&
	    !bytes_eq(l->protocol, BYTES("HTTPS")))
		rule_at_key(c, l->filters->node,
		    "filters can only be set with protocol HTTP or HTTPS");
}

#define T k_listener
static const struct kfield listener_fields[] = {
	STR(name, "name", "Name of the listener, unique in its object.", SECTION, REQ),
	STR(hostname, "hostname", "Host name that the listener serves; absent means all.",
	    HOSTNAME),
	INT(port, "port", "Port to listen on.", PORT, REQ),
	STR(protocol, "protocol", "HTTP, HTTPS, TLS, TCP or UDP.", .pattern = &pat_protocol,
	    CHARS(1, 255), REQ),
	STRUCT(tls, "tls", "TLS settings; required for TLS, forbidden for HTTP, TCP and UDP.",
	    ks_listener_tls),
	STRUCT(allowed, "allowedRoutes", "Which routes may attach.", ks_allowed_routes,
	    .def = "{\"namespaces\":{\"from\":\"Same\"}}", .prebuilt = &allowed_default),
	STRUCT(filters, "filters", "Filters that run before a route is chosen.",
	    ks_listener_filters, EXP),
};
static KSTRUCT(listener, "Listener", "A port, protocol and host name of a Gateway.", .cel = 1,
    .cel_std = 1,
    .check = check_listener);
#define set_listener_fields listener_fields
static KSTRUCT(set_listener, "ListenerEntry",
    "A port, protocol and host name that is added to a Gateway.",
    .check = check_listener);
#undef T

static bool
one_of(struct bytes b, const char *x, const char *y, const char *z)
{
	return bytes_eq(b, bytes_str(x)) || bytes_eq(b, bytes_str(y)) || bytes_eq(b, bytes_str(z));
}

static bool
same_listener(const struct k_listener *a, const struct k_listener *b)
{
	return a->port.v == b->port.v && bytes_eq(a->protocol, b->protocol) &&
	    (a->hostname.p != NULL) == (b->hostname.p != NULL) &&
	    bytes_eq(a->hostname, b->hostname);
}

static void
check_listeners(struct vctx *c, const struct k_listener *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct k_listener *l = &v[i];

		if (l->tls && one_of(l->protocol, "HTTP", "TCP", "UDP"))
			rule_at_key(c, l->tls->node, "tls must not be set for protocol %.*s",
			    BYTES_ARG(l->protocol));
		if (l->tls && bytes_eq(l->protocol, BYTES("HTTPS")) &&
		    l->tls->mode != K_TLS_TERMINATE)
			rule_at(c, rule_child(l->tls->node, "mode"),
			    "tls mode must be Terminate for protocol HTTPS");
		if (!l->tls && bytes_eq(l->protocol, BYTES("TLS")))
			rule_at(c, rule_child(l->node, "protocol"),
			    "tls must be set for protocol TLS");
		if (l->hostname.n && one_of(l->protocol, "TCP", "UDP", ""))
			rule_at_key(c, rule_child(l->node, "hostname"),
			    "hostname must not be set for protocol %.*s", BYTES_ARG(l->protocol));
		for (uint32_t k = 0; k < i; k++) {
			if (!same_listener(&v[k], l))
				continue;
			rule_at(c, l->node, "the combination of port, protocol and hostname must "
			    "be unique; it is that "
			    "of listener \"%.*s\" in line %u", BYTES_ARG(v[k].name),
			    v[k].node->at.line);
			break;
		}
	}
}

/* ---- Gateway */
static void
check_address(struct vctx *c, void *bound)
{
	struct k_gateway_address *a = bound;
	struct bytes r = a->routability;
	ptrdiff_t slash = bytes_chr(r, '/', 0);
	struct bytes prefix = bytes_of(r.p, slash > 0 ? (size_t)slash : 0);

	if (bytes_eq(a->type, BYTES("Hostname")) && a->value.p && !pat_hostname.match(a->value))
		rule_at(c, rule_child(a->node, "value"),
		    "the value of a Hostname address must be empty or %s",
		    pat_hostname.what);
	if (r.n == 0 || bytes_eq(r, BYTES("Cluster")))
		return;
	if (slash <= 0 || (size_t)slash + 1 == r.n || !pat_subdomain.match(prefix))
		rule_at(c, rule_child(a->node, "routability"),
		    "routability must be empty, Cluster, or domain/path");
	else if (bytes_eq(prefix, BYTES("k8s.io")) || bytes_ends(prefix, BYTES(".k8s.io")))
		rule_at(c, rule_child(a->node, "routability"), "domains under k8s.io are reserved");
}

#define T k_gateway_address
static const struct kfield gateway_address_fields[] = {
	STR(type, "type", "IPAddress, Hostname, NamedAddress, or domain/path.",
	    .pattern = &pat_address_type,
	    CHARS(1, 253), TEXT("IPAddress")),
	STR(value, "value", "The address; absent means any of that type.", .max_len = 253),
	STR(routability, "routability", "From where the address must be reachable.", .max_len = 253,
	    .cel = 1, EXP),
};
static KSTRUCT(gateway_address, "GatewaySpecAddress", "An address to listen on.", .cel = 1,
    .check = check_address);
#undef T

static void
check_meta_keys(struct vctx *c, const k_map *m, const char *what)
{
	for (uint32_t i = 0; i < m->n; i++) {
		ptrdiff_t slash = bytes_chr(m->v[i].key, '/', 0);

		if (!pat_meta_key.match(m->v[i].key))
			rule_at_key(c, m->v[i].node, "%s keys must be %s", what, pat_meta_key.what);
		else if (slash >= 253)
			rule_at_key(c, m->v[i].node,
			    "the domain of %s keys must be shorter than 253 characters", what);
	}
}

static void
check_infrastructure(struct vctx *c, void *bound)
{
	struct k_infrastructure *i = bound;

	check_meta_keys(c, &i->labels, "label");
	check_meta_keys(c, &i->annotations, "annotation");
}

#define T k_infrastructure
static const struct kfield infrastructure_fields[] = {
	MAP(labels, "labels", "Labels for objects that are made for the Gateway.",
	    .pattern = &pat_label_value,
	    CHARS(0, 63), ITEMS(0, 8), .cel = 2),
	MAP(annotations, "annotations", "Annotations for objects that are made for the Gateway.",
	    CHARS(0, 4096),
	    ITEMS(0, 16), .cel = 2),
	STRUCT(parameters, "parametersRef", "Further settings, in another object.", ks_local_ref),
};
static KSTRUCT(infrastructure, "GatewayInfrastructure", "What is made for the Gateway.",
    .check = check_infrastructure);
#undef T
#define T k_allowed_listeners
static const struct kfield allowed_listeners_fields[] = {
	STRUCT(namespaces, "namespaces", "Namespaces from which ListenerSets may attach.",
	    ks_listener_namespaces,
	    .def = "{\"from\":\"None\"}", .prebuilt = &from_none),
};
static KSTRUCT(allowed_listeners, "AllowedListeners", "Which ListenerSets may attach.");
#undef T

static void
check_frontend_validation(struct vctx *c, void *bound)
{
	struct k_frontend_validation *v = bound;

	for (uint32_t i = 0; i < v->cas.n; i++)
		if (v->cas.v[i].ns.p && bytes_eq(v->cas.v[i].kind, BYTES("ClusterTrustBundle")) &&
		    bytes_eq(v->cas.v[i].group, BYTES("certificates.k8s.io")))
			rule_at_key(c, rule_child(v->cas.v[i].node, "namespace"),
			    "a ClusterTrustBundle has no namespace");
}

#define T k_frontend_validation
static const struct kfield frontend_validation_fields[] = {
	LIST(cas, "caCertificateRefs", "CA bundles that client certificates must come from.",
	    ks_namespaced_ref,
	    ITEMS(1, 16), REQ, .cel = 1, .cel_std = 1),
	ENUM(mode, "mode", "Refuse clients without a valid certificate, or let them in all the "
	    "same.",
	    NAMES("AllowValidOnly", "AllowInsecureFallback"), TEXT("AllowValidOnly")),
};
static KSTRUCT(frontend_validation, "FrontendTLSValidation", "Verification of client certificates.",
    .check = check_frontend_validation);
#undef T
#define T k_frontend_tls
static const struct kfield frontend_tls_fields[] = {
	STRUCT(validation, "validation", "Verification of client certificates.",
	    ks_frontend_validation),
};
static KSTRUCT(frontend_tls, "TLSConfig", "TLS towards clients.");
#undef T
#define T k_frontend_port
static const struct kfield frontend_port_fields[] = {
	INT(port, "port", "Listeners on this port.", PORT, REQ),
	STRUCT(tls, "tls", "TLS settings for them.", ks_frontend_tls, REQ),
};
static KSTRUCT(frontend_port, "TLSPortConfig", "TLS towards clients of one port.");
#undef T
#define T k_gateway_frontend
static const struct kfield gateway_frontend_fields[] = {
	STRUCT(def, "default", "TLS settings for all ports without own ones.", ks_frontend_tls,
	    REQ),
	LIST(ports, "perPort", "TLS settings of single ports.", ks_frontend_port, ITEMS(0, 64),
	    MAP_BY("port"),
	    .cel = 1),
};
static KSTRUCT(gateway_frontend, "FrontendTLSConfig", "TLS towards clients.");
#undef T
#define T k_gateway_backend
static const struct kfield gateway_backend_fields[] = {
	STRUCT(certificate, "clientCertificateRef", "Certificate and key that backends are shown.",
	    ks_secret_ref),
};
static KSTRUCT(gateway_backend, "GatewayBackendTLS", "TLS towards backends.");
#undef T
#define T k_gateway_tls
static const struct kfield gateway_tls_fields[] = {
	STRUCT(frontend, "frontend", "TLS towards clients.", ks_gateway_frontend),
	STRUCT(backend, "backend", "TLS towards backends.", ks_gateway_backend),
};
static KSTRUCT(gateway_tls, "GatewayTLSConfig", "TLS of the whole Gateway.");
#undef T

static void
check_gateway(struct vctx *c, void *bound)
{
	struct k_gateway *g = bound;

	check_listeners(c, g->listeners.v, g->listeners.n);
	for (uint32_t i = 1; i < g->addresses.n; i++) {
		const struct k_gateway_address *a = &g->addresses.v[i];

		if (!a->value.p || !one_of(a->type, "IPAddress", "Hostname", ""))
			continue;
		for (uint32_t k = 0; k < i; k++) {
			const struct k_gateway_address *b = &g->addresses.v[k];

			if (!b->value.p || !bytes_eq(a->type, b->type) ||
			    !bytes_eq(a->value, b->value))
				continue;
			rule_at(c, rule_child(a->node, "value"), "%.*s values must be unique",
			    BYTES_ARG(a->type));
			break;
		}
	}
}

#define LISTENERS(sub, m) \
	LIST(listeners, "listeners", "Ports, protocols and host names.", sub, ITEMS(1, m), \
	    MAP_BY("name"), REQ, .cel = 6)
#define T k_gateway
static const struct kfield gateway_fields[] = {
	STR(class, "gatewayClassName", "The class; headgate serves \"headgate\" and those in "
	    "gateway_classes.", OBJNAME,
	    REQ),
	LISTENERS(ks_listener, 64),
	LIST(addresses, "addresses", "Addresses to listen on; absent means the node's.",
	    ks_gateway_address,
	    ITEMS(0, 16), .cel = 2),
	STRUCT(infrastructure, "infrastructure", "What is made for the Gateway.",
	    ks_infrastructure),
	STRUCT(allowed_listeners, "allowedListeners", "Which ListenerSets may attach.",
	    ks_allowed_listeners),
	STRUCT(tls, "tls", "TLS of the whole Gateway.", ks_gateway_tls),
	ENUM(default_scope, "defaultScope", "Whether routes with useDefaultGateways attach.",
	    NAMES("All", "None"), EXP),
};
KSTRUCT(gateway, "GatewaySpec", "Where traffic enters.", .check = check_gateway);
#undef T

/* ---- ListenerSet */
static void
check_listenerset(struct vctx *c, void *bound)
{
	struct k_listenerset *l = bound;

	check_listeners(c, l->listeners.v, l->listeners.n);
}

#define T k_parent_ref
static const struct kfield parent_gateway_fields[] = {
	STR(group, "group", "API group of the parent.", GROUP, TEXT("gateway.networking.k8s.io")),
	STR(kind, "kind", "Kind of the parent.", KINDNAME, TEXT("Gateway")),
	STR(name, "name", "Name of the parent.", OBJNAME, REQ),
	STR(ns, "namespace", "Namespace of the parent; absent means that of the ListenerSet.",
	    NSNAME),
};
static KSTRUCT(parent_gateway, "ParentGatewayReference", "The Gateway to add listeners to.");
#undef T
#define T k_listenerset
static const struct kfield listenerset_fields[] = {
	STRUCT(parent, "parentRef", "The Gateway to add listeners to.", ks_parent_gateway, REQ),
	LISTENERS(ks_set_listener, 64),
};
KSTRUCT(listenerset, "ListenerSetSpec", "Listeners that are added to a Gateway.",
    .check = check_listenerset);
#undef T

/* ---- ReferenceGrant */
#define T k_grant_from
static const struct kfield grant_from_fields[] = {
	STR(group, "group", "API group of the referring kind.", GROUP, REQ),
	STR(kind, "kind", "The referring kind.", KINDNAME, REQ),
	STR(ns, "namespace", "Namespace of the referring object.", NSNAME, REQ),
};
static KSTRUCT(grant_from, "ReferenceGrantFrom", "Who may refer.");
#undef T
#define T k_grant_to
static const struct kfield grant_to_fields[] = {
	STR(group, "group", "API group of the target's kind; empty is the core group.", GROUP, REQ),
	STR(kind, "kind", "The target's kind.", KINDNAME, REQ),
	STR(name, "name", "The target; absent means all of that kind.", OBJNAME),
};
static KSTRUCT(grant_to, "ReferenceGrantTo", "What may be referred to.");
#undef T
#define T k_referencegrant
static const struct kfield referencegrant_fields[] = {
	LIST(from, "from", "Who may refer.", ks_grant_from, ITEMS(1, 16), REQ),
	LIST(to, "to", "What in this namespace may be referred to.", ks_grant_to, ITEMS(1, 16),
	    REQ),
};
KSTRUCT(referencegrant, "ReferenceGrantSpec",
    "Lets objects of other namespaces refer to objects of this one.");
#undef T
