/*
 * Every condition and reason of reference/gateway-api.md section 6 and gateway-api-1.7.md
     section 3 that this version
 * sets, as a table: small manifests, and what the statuses must say.
 */
#include "tests/unit/conf/pem.h"
#include "tests/unit/conf/world.h"

#define GW(name, spec) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " name ", " \
	    "namespace: infra}\n" \
	"spec:\n  gatewayClassName: headgate\n" spec "---\n"
#define HTTP80 "  listeners: [{name: http, port: 80, protocol: HTTP}]\n"
#define HTTP80ALL "  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: " \
	"{namespaces: {from: All}}}]\n"
#define ROUTE(name, ns, spec) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " name ", " \
	    "namespace: " ns "}\n" \
	"spec:\n" spec "---\n"
#define PARENT "  parentRefs: [{name: edge}]\n"
#define SVC(name, ns, more) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: " ns "}\n" \
	"spec: {ports: [{port: 80, targetPort: 8080" more "}]}\n---\n"
#define GRANT(ns, fkind, fns, tkind) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, " \
	    "namespace: " ns "}\n" \
	"spec:\n  from: [{group: gateway.networking.k8s.io, kind: " fkind ", namespace: " fns \
	    "}]\n" \
	"  to: [{group: \"\", kind: " tkind "}]\n---\n"
#define CERT B64_CRT
#define PKEY B64_KEY
#define TLS_SECRET(name, ns, crt, key) \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: " name ", namespace: " ns "}\ntype: " \
	    "kubernetes.io/tls\n" \
	"data: {tls.crt: " crt ", tls.key: " key "}\n---\n"
#define SECRET(name, ns) TLS_SECRET(name, ns, CERT, PKEY)
#define HTTPS(refs) \
	"  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [" refs \
	    "]}}]\n"
#define CA "{group: \"\", kind: ConfigMap, name: ca}"
#define CACM \
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: infra}\ndata:\n  " \
	    "ca.crt: \"" YAML_ROOT "\"\n---\n"

#define BTLS(name, targets, validation) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: " name \
	    ", namespace: infra}\nspec: {targetRefs: [" targets "], validation: {hostname: " \
	    "a.com, " validation "}}\n---\n"
#define AT(kind, name, more) "{group: \"\", kind: " kind ", name: " name more "}"
#define ROUTED ROUTE("r", "infra", PARENT "  rules: [{backendRefs: [{name: web, port: 80}]}]\n")

static const struct row {
	const char *what, *yaml, *expect; /* KIND NS NAME WHERE TYPE STATUS/Reason, one a line */
} rows[] = {
	{"built-in class", "", "GatewayClass - headgate - Accepted True/Accepted\n"
	    "GatewayClass - headgate - SupportedVersion True/SupportedVersion"},
	{"class defined again", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "GatewayClass\nmetadata: {name: headgate}\n"
	    "spec: {controllerName: headgate.dev/gateway-controller}\n",
	    "GatewayClass - headgate - Accepted True/Accepted"},
	{"class with parameters", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "GatewayClass\nmetadata: {name: mine}\n"
	    "spec: {controllerName: headgate.dev/gateway-controller, parametersRef: {group: "
	    "a.b, kind: C, name: d}}\n",
	    "GatewayClass - mine - Accepted False/InvalidParameters"},
	{"class of another", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "GatewayClass\nmetadata: {name: other}\n"
	    "spec: {controllerName: example.com/x}\n", "GatewayClass - other - Accepted no "
	    "conditions"},
	{"gateway of another class", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
	    "metadata: {name: edge, namespace: infra}\nspec: {gatewayClassName: other, "
	    "listeners: [{name: a, port: 80, "
	    "protocol: HTTP}]}\n", "Gateway infra edge - Accepted no conditions"},
	{"good gateway", GW("edge", HTTP80), "Gateway infra edge - Accepted True/Accepted\n"
	    "Gateway infra edge - Programmed True/Programmed\nGateway infra edge - "
	    "ResolvedRefs True/ResolvedRefs\n"
	    "Gateway infra edge - AddressesAssigned True/AddressesAssigned\n"
	    "Gateway infra edge l:http Accepted True/Accepted\nGateway infra edge l:http "
	    "Programmed True/Programmed\n"
	    "Gateway infra edge l:http ResolvedRefs True/ResolvedRefs"},
	{"gateway parameters", GW("edge", HTTP80 "  infrastructure: {parametersRef: {group: "
	    "a.b, kind: C, name: d}}\n"),
	    "Gateway infra edge - Accepted False/InvalidParameters\nGateway infra edge - "
	    "Programmed False/Invalid"},
	{"address type", GW("edge", HTTP80 "  addresses: [{type: a.b/c, value: x}]\n"),
	    "Gateway infra edge - Accepted False/UnsupportedAddress\nGateway infra edge - "
	    "Programmed False/Invalid\n"
	    "Gateway infra edge l:http Accepted True/Accepted"},
	{"address elsewhere", GW("edge", HTTP80 "  addresses: [{value: 192.0.2.1}]\n"),
	    "Gateway infra edge - Accepted True/Accepted\nGateway infra edge - Programmed "
	    "False/AddressNotUsable"},
	{"address here", GW("edge", HTTP80 "  addresses: [{value: 127.3.0.1}]\n"),
	    "Gateway infra edge - Programmed True/Programmed"},
	{"routability", GW("edge", HTTP80 "  addresses: [{value: 127.3.0.1, routability: "
	    "Cluster}]\n"),
	    "Gateway infra edge - AddressesAssigned False/NotAssigned\n"
	    "Gateway infra edge - Programmed False/AddressNotAssigned"},
	{"routability of one", GW("edge", HTTP80 "  addresses: [{value: 127.3.0.1, "
	    "routability: Cluster}, "
	    "{value: 127.3.0.2}]\n"), "Gateway infra edge - AddressesAssigned "
	    "False/PartiallyAssigned\n"
	    "Gateway infra edge - Programmed True/Programmed"},
	{"port taken", GW("edge", "  listeners: [{name: http, port: 80, protocol: HTTP}, "
	    "{name: busy, port: 99, protocol: "
	    "HTTP}]\n"), "Gateway infra edge l:busy Programmed False/PortUnavailable\n"
	    "Gateway infra edge l:busy Accepted True/Accepted\nGateway infra edge l:http "
	    "Programmed True/Programmed\n"
	    "Gateway infra edge - Programmed True/Programmed"},
	{"all ports taken", GW("edge", "  listeners: [{name: busy, port: 99, protocol: HTTP}]\n"),
	    "Gateway infra edge - Programmed False/Invalid"},
	{"unknown protocol", GW("edge", "  listeners: [{name: http, port: 80, protocol: HTTP}, "
	    "{name: x, port: 81, "
	    "protocol: example.com/QUIC}]\n"), "Gateway infra edge - Accepted "
	    "True/ListenersNotValid\n"
	    "Gateway infra edge l:x Accepted False/UnsupportedProtocol\nGateway infra edge l:x "
	    "Programmed False/Invalid"},
	{"only unknown protocol", GW("edge", "  listeners: [{name: x, port: 81, protocol: "
	    "example.com/QUIC}]\n"),
	    "Gateway infra edge - Accepted False/ListenersNotValid"},
	{"route kinds", GW("edge", "  listeners: [{name: http, port: 80, protocol: HTTP, "
	    "allowedRoutes: {kinds: [{kind: "
	    "TLSRoute}, {kind: HTTPRoute}]}}]\n"), "Gateway infra edge l:http ResolvedRefs "
	    "False/InvalidRouteKinds\n"
	    "Gateway infra edge l:http Accepted True/Accepted\nGateway infra edge l:http "
	    "Programmed True/Programmed"},
	{"port conflict of protocols", GW("edge", "  listeners: [{name: a, port: 80, protocol: "
	    "HTTP}, {name: b, port: 80, "
	    "protocol: TCP}, {name: c, port: 81, protocol: HTTP}]\n"),
	    "Gateway infra edge l:a Conflicted True/ProtocolConflict\nGateway infra edge l:a "
	    "Accepted "
	    "False/ProtocolConflict\nGateway infra edge l:b Programmed False/ProtocolConflict\n"
	    "Gateway infra edge l:c Programmed True/Programmed\nGateway infra edge l:c "
	    "Conflicted \n"
	    "Gateway infra edge - Accepted True/ListenersNotValid"},
	{"udp beside tcp", GW("edge", "  listeners: [{name: a, port: 80, protocol: HTTP}, "
	    "{name: b, port: 80, protocol: "
	    "UDP}]\n"), "Gateway infra edge l:a Conflicted \nGateway infra edge l:b Accepted "
	    "True/Accepted"},
	{"two gateways, one socket", GW("edge", HTTP80) GW("later", HTTP80),
	    "Gateway infra edge l:http Programmed True/Programmed\nGateway infra later l:http "
	    "Conflicted "
	    "True/HostnameConflict\nGateway infra later - Accepted False/ListenersNotValid"},
	{"two gateways, two names", GW("edge", "  listeners: [{name: http, port: 80, protocol: "
	    "HTTP, hostname: a.com}]\n")
	    GW("later", "  listeners: [{name: http, port: 80, protocol: HTTP, hostname: b.com}]\n"),
	    "Gateway infra edge l:http Programmed True/Programmed\nGateway infra later l:http "
	    "Programmed True/Programmed"},
	{"tls served", GW("edge", HTTPS("{name: s}")) SECRET("s", "infra"),
	    "Gateway infra edge l:https Accepted True/Accepted\nGateway infra edge l:https "
	    "ResolvedRefs True/ResolvedRefs\n"
	    "Gateway infra edge l:https Programmed True/Programmed\nGateway infra edge - "
	    "Programmed True/Programmed"},
	{"secret expired", GW("edge", HTTPS("{name: s}"))
	    TLS_SECRET("s", "infra", B64_OLD_CRT, B64_OLD_KEY),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef\n"
	    "Gateway infra edge l:https Programmed False/Invalid"},
	{"secret mismatched", GW("edge", HTTPS("{name: s}"))
	    TLS_SECRET("s", "infra", B64_CRT, B64_OLD_KEY),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef\n"
	    "Gateway infra edge l:https Programmed False/Invalid"},
	{"one broken, one good", GW("edge", "  listeners:\n"
	    "  - {name: a, port: 443, protocol: HTTPS, hostname: a.org, tls: {certificateRefs: "
	    "[{name: s}]}}\n"
	    "  - {name: b, port: 443, protocol: HTTPS, hostname: b.org, tls: {certificateRefs: "
	    "[{name: missing}]}}\n") SECRET("s", "infra"),
	    "Gateway infra edge l:a Programmed True/Programmed\n"
	    "Gateway infra edge l:b Programmed False/Invalid\n"
	    "Gateway infra edge - Programmed True/Programmed"},
	{"secret missing", GW("edge", HTTPS("{name: s}")),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef\n"
	    "Gateway infra edge l:https Programmed False/Invalid"},
	{"secret kind", GW("edge", HTTPS("{kind: Thing, name: s}")),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef"},
	{"secret group", GW("edge", HTTPS("{group: a.b, name: s}")),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef"},
	{"secret malformed", GW("edge", HTTPS("{name: s}")) "apiVersion: v1\nkind: "
	    "Secret\nmetadata: {name: s, namespace: "
	    "infra}\ndata: {tls.crt: SGVsbG8=, tls.key: SGVsbG8=}\n",
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCertificateRef"},
	{"secret not permitted", GW("edge", HTTPS("{name: s, namespace: vault}")) SECRET("s",
	    "vault"),
	    "Gateway infra edge l:https ResolvedRefs False/RefNotPermitted"},
	{"missing secret not permitted", GW("edge", HTTPS("{name: s, namespace: vault}")),
	    "Gateway infra edge l:https ResolvedRefs False/RefNotPermitted"},
	{"secret permitted", GW("edge", HTTPS("{name: s, namespace: vault}")) SECRET("s", "vault")
	    GRANT("vault", "Gateway", "infra", "Secret"), "Gateway infra edge l:https "
	    "ResolvedRefs True/ResolvedRefs"},
	{"https without tls", GW("edge", "  listeners: [{name: https, port: 443, protocol: "
	    "HTTPS}]\n"),
	    "Gateway infra edge l:https Programmed False/InvalidTLSConfig"},
	{"overlapping names", GW("edge", "  listeners: [{name: a, port: 443, protocol: HTTPS, "
	    "hostname: \"*.a.com\", tls: "
	    "{certificateRefs: [{name: s}]}}, {name: b, port: 443, protocol: HTTPS, hostname: "
	    "x.a.com, tls: "
	    "{certificateRefs: [{name: s}]}}, {name: c, port: 443, protocol: HTTPS, hostname: "
	    "c.com, tls: "
	    "{certificateRefs: [{name: s}]}}]\n") SECRET("s", "infra"),
	    "Gateway infra edge l:a OverlappingTLSConfig True/OverlappingHostnames\n"
	    "Gateway infra edge l:b OverlappingTLSConfig True/OverlappingHostnames\n"
	    "Gateway infra edge l:c OverlappingTLSConfig "},
	{"frontend CA missing", GW("edge", "  listeners: [{name: http, port: 80, protocol: "
	    "HTTP}, {name: https, port: 443, "
	    "protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}]\n"
	    "  tls: {frontend: {default: {validation: {caCertificateRefs: [" CA "]}}}}\n")
	    SECRET("s", "infra"),
	    "Gateway infra edge l:https ResolvedRefs False/InvalidCACertificateRef\n"
	    "Gateway infra edge l:https Accepted False/NoValidCACertificate\n"
	    "Gateway infra edge l:https Programmed False/Invalid\nGateway infra edge l:http "
	    "Accepted True/Accepted"},
	{"frontend CA kind", GW("edge", HTTPS("{name: s}")
	    "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: \"\", kind: "
	    "Thing, name: s}]}}}}\n")
	    SECRET("s", "infra"), "Gateway infra edge l:https ResolvedRefs "
	    "False/InvalidCACertificateKind"},
	{"frontend CA not permitted", GW("edge", HTTPS("{name: s}") "  tls: {frontend: "
	    "{default: {validation: "
	    "{caCertificateRefs: [{group: \"\", kind: ConfigMap, name: s, namespace: "
	    "x}]}}}}\n") SECRET("s", "infra"),
	    "Gateway infra edge l:https ResolvedRefs False/RefNotPermitted"},
	{"frontend CA good, insecure", GW("edge", HTTPS("{name: s}") "  tls: {frontend: "
	    "{default: {validation: {mode: "
	    "AllowInsecureFallback, caCertificateRefs: [" CA "]}}}}\n") SECRET("s", "infra") CACM,
	    "Gateway infra edge - InsecureFrontendValidationMode True/ConfigurationChanged\n"
	    "Gateway infra edge l:https Programmed True/Programmed\n"
	    "Gateway infra edge l:https ResolvedRefs True/ResolvedRefs"},
	{"client certificate", GW("edge", HTTP80 "  tls: {backend: {clientCertificateRef: "
	    "{name: s}}}\n"),
	    "Gateway infra edge - ResolvedRefs False/InvalidClientCertificateRef\n"
	    "Gateway infra edge - Accepted True/Accepted"},
	{"client certificate elsewhere", GW("edge", HTTP80 "  tls: {backend: "
	    "{clientCertificateRef: {name: s, namespace: "
	    "x}}}\n"), "Gateway infra edge - ResolvedRefs False/RefNotPermitted"},
	{"listener filter", GW("edge", "  listeners: [{name: http, port: 80, protocol: HTTP, "
	    "filters: {requests: [{type: "
	    "ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}]}}]\n"),
	    "Gateway infra edge l:http Accepted False/UnsupportedValue"},
	/* ---- routes */
	{"route", GW("edge", HTTP80) SVC("web", "infra", "") ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n"), "HTTPRoute infra r p:0 "
	    "Accepted True/Accepted\n"
	    "HTTPRoute infra r p:0 ResolvedRefs True/ResolvedRefs\nHTTPRoute infra r p:0 "
	    "PartiallyInvalid "},
	{"parent unknown", ROUTE("r", "infra", PARENT), "HTTPRoute infra r p:0 Accepted no "
	    "conditions"},
	{"section", GW("edge", HTTP80) ROUTE("r", "infra", "  parentRefs: [{name: edge, "
	    "sectionName: x}]\n"),
	    "HTTPRoute infra r p:0 Accepted False/NoMatchingParent\nHTTPRoute infra r p:0 "
	    "ResolvedRefs True/ResolvedRefs"},
	{"port", GW("edge", HTTP80) ROUTE("r", "infra", "  parentRefs: [{name: edge, port: 81}]\n"),
	    "HTTPRoute infra r p:0 Accepted False/NoMatchingParent"},
	{"namespace", GW("edge", HTTP80) ROUTE("r", "shop", "  parentRefs: [{name: edge, "
	    "namespace: infra}]\n"),
	    "HTTPRoute shop r p:0 Accepted False/NotAllowedByListeners"},
	{"all namespaces", GW("edge", HTTP80ALL) ROUTE("r", "shop", "  parentRefs: [{name: "
	    "edge, namespace: infra}]\n"),
	    "HTTPRoute shop r p:0 Accepted True/Accepted"},
	{"selected namespace", GW("edge", "  listeners: [{name: http, port: 80, protocol: "
	    "HTTP, allowedRoutes: {namespaces: "
	    "{from: Selector, selector: {matchLabels: {team: shop}}}}}]\n")
	    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: shop}}\n---\n"
	    ROUTE("r", "shop", "  parentRefs: [{name: edge, namespace: infra}]\n")
	    ROUTE("r", "other", "  parentRefs: [{name: edge, namespace: infra}]\n"),
	    "HTTPRoute shop r p:0 Accepted True/Accepted\nHTTPRoute other r p:0 Accepted "
	    "False/NotAllowedByListeners"},
	{"namespace name label", GW("edge", "  listeners: [{name: http, port: 80, protocol: "
	    "HTTP, allowedRoutes: {namespaces: "
	    "{from: Selector, selector: {matchExpressions: [{key: kubernetes.io/metadata.name, "
	    "operator: In, values: "
	    "[shop]}]}}}}]\n") ROUTE("r", "shop", "  parentRefs: [{name: edge, namespace: "
	    "infra}]\n"),
	    "HTTPRoute shop r p:0 Accepted True/Accepted"},
	{"kind not allowed", GW("edge", "  listeners: [{name: tls, port: 80, protocol: HTTP, "
	    "allowedRoutes: {kinds: [{kind: "
	    "GRPCRoute}]}}]\n") ROUTE("r", "infra", PARENT), "HTTPRoute infra r p:0 Accepted "
	    "False/NotAllowedByListeners"},
	{"hostname", GW("edge", "  listeners: [{name: http, port: 80, protocol: HTTP, "
	    "hostname: \"*.a.com\"}]\n")
	    ROUTE("r", "infra", PARENT "  hostnames: [a.com]\n"),
	    "HTTPRoute infra r p:0 Accepted False/NoMatchingListenerHostname"},
	{"furthest step", GW("edge", "  listeners: [{name: a, port: 80, protocol: HTTP, "
	    "hostname: a.com}, {name: b, port: 80, "
	    "protocol: HTTP, hostname: b.com, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]\n")
	    ROUTE("r", "infra", PARENT "  hostnames: [c.com]\n"),
	    "HTTPRoute infra r p:0 Accepted False/NoMatchingListenerHostname"},
	{"statuses do not leak", GW("edge", "  listeners: [{name: a, port: 80, protocol: HTTP, "
	    "hostname: a.com}]\n")
	    GW("two", "  listeners: [{name: a, port: 81, protocol: HTTP}]\n")
	    ROUTE("r", "infra", "  parentRefs: [{name: edge}, {name: two}]\n  hostnames: "
	    "[c.com]\n"),
	    "HTTPRoute infra r p:0 Accepted False/NoMatchingListenerHostname\nHTTPRoute infra "
	    "r p:1 Accepted True/Accepted"},
	{"backend missing", GW("edge", HTTP80) ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n"), "HTTPRoute infra r p:0 "
	    "Accepted True/Accepted\n"
	    "HTTPRoute infra r p:0 ResolvedRefs False/BackendNotFound"},
	{"backend port", GW("edge", HTTP80) SVC("web", "infra", "") ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 81}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs False/BackendNotFound"},
	{"backend kind", GW("edge", HTTP80) ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{kind: Thing, name: web, port: 80}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs False/InvalidKind"},
	{"backend not permitted", GW("edge", HTTP80) SVC("web", "shop", "") ROUTE("r", "infra",
	    PARENT
	    "  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs False/RefNotPermitted"},
	{"backend permitted", GW("edge", HTTP80) SVC("web", "shop", "") GRANT("shop",
	    "HTTPRoute", "infra", "Service")
	    ROUTE("r", "infra", PARENT "  rules: [{backendRefs: [{name: web, namespace: shop, "
	    "port: 80}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs True/ResolvedRefs"},
	{"grant for another kind", GW("edge", HTTP80) SVC("web", "shop", "") GRANT("shop",
	    "GRPCRoute", "infra", "Service")
	    ROUTE("r", "infra", PARENT "  rules: [{backendRefs: [{name: web, namespace: shop, "
	    "port: 80}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs False/RefNotPermitted"},
	{"worst fault", GW("edge", HTTP80) ROUTE("r", "infra", PARENT "  rules: [{backendRefs: "
	    "[{name: web, port: 80}, "
	    "{name: web, namespace: shop, port: 80}, {kind: Thing, name: x, port: 1}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs False/InvalidKind"},
	{"h2c", GW("edge", HTTP80) SVC("web", "infra", ", appProtocol: kubernetes.io/h2c")
	    ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n"),
	    "HTTPRoute infra r p:0 ResolvedRefs True/ResolvedRefs"},
	{"unknown appProtocol", GW("edge", HTTP80) SVC("web", "infra", ", appProtocol: HTTPS")
	    ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n"), "HTTPRoute infra r p:0 "
	    "ResolvedRefs True/ResolvedRefs"},
	{"mirror missing", GW("edge", HTTP80) SVC("web", "infra", "") ROUTE("r", "infra", PARENT
	    "  rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: "
	    "nil, port: 80}}}], "
	    "backendRefs: [{name: web, port: 80}]}]\n"), "HTTPRoute infra r p:0 ResolvedRefs "
	    "False/BackendNotFound\n"
	    "HTTPRoute infra r p:0 Accepted True/Accepted"},
	{"bad pattern in one rule", GW("edge", HTTP80) ROUTE("r", "infra", PARENT
	    "  rules: [{matches: [{path: {type: RegularExpression, value: \"/a(?=b)\"}}]}, "
	    "{matches: [{path: {value: /b}}]}]\n"),
	    "HTTPRoute infra r p:0 Accepted True/Accepted\nHTTPRoute infra r p:0 "
	    "PartiallyInvalid True/UnsupportedValue"},
	{"bad pattern in the only rule", GW("edge", HTTP80) ROUTE("r", "infra", PARENT
	    "  rules: [{matches: [{headers: [{type: RegularExpression, name: x, value: "
	    "\"(\"}]}]}]\n"),
	    "HTTPRoute infra r p:0 Accepted False/UnsupportedValue\nHTTPRoute infra r p:0 "
	    "PartiallyInvalid "},
	{"two actions for one header", GW("edge", HTTP80) ROUTE("r", "infra", PARENT "  rules: "
	    "[{filters: [{type: "
	    "RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: b}], "
	    "remove: [x-a]}}]}]\n"),
	    "HTTPRoute infra r p:0 Accepted False/UnsupportedValue"},
	{"framing header", GW("edge", HTTP80) ROUTE("r", "infra", PARENT "  rules: [{filters: "
	    "[{type: "
	    "ResponseHeaderModifier, responseHeaderModifier: {set: [{name: Transfer-Encoding, "
	    "value: chunked}]}}]}, {}]\n"),
	    "HTTPRoute infra r p:0 PartiallyInvalid True/UnsupportedValue"},
	{"extension", GW("edge", HTTP80) ROUTE("r", "infra", PARENT "  rules: [{filters: "
	    "[{type: ExtensionRef, "
	    "extensionRef: {group: a.b, kind: C, name: d}}]}]\n"), "HTTPRoute infra r p:0 "
	    "Accepted True/Accepted\n"
	    "HTTPRoute infra r p:0 ResolvedRefs False/InvalidKind"},
	{"external auth", GW("edge", HTTP80) SVC("a", "infra", "") ROUTE("r", "infra", PARENT
	    "  rules: [{filters: [{type: "
	    "ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: a, "
	    "port: 80}}}]}]\n"),
	    "HTTPRoute infra r p:0 Accepted True/Accepted\nHTTPRoute infra r p:0 "
	    "headgate.dev/NotServed True/FieldNotServed"},
	{"backend TLS", GW("edge", HTTP80) SVC("web", "infra", "") CACM ROUTE("r", "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: "
	    "{name: p, namespace: infra}\n"
	    "spec: {targetRefs: [{group: \"\", kind: Service, name: web}], validation: "
	    "{hostname: a.com, "
	    "caCertificateRefs: [" CA "]}}\n", "BackendTLSPolicy infra p a:0 Accepted "
	    "True/Accepted\n"
	    "BackendTLSPolicy infra p a:0 ResolvedRefs True/ResolvedRefs\n"
	    "HTTPRoute infra r p:0 ResolvedRefs True/ResolvedRefs"},
	{"backend TLS without CA", GW("edge", HTTP80) SVC("web", "infra", "") ROUTE("r",
	    "infra", PARENT
	    "  rules: [{backendRefs: [{name: web, port: 80}]}]\n")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: "
	    "{name: p, namespace: infra}\n"
	    "spec: {targetRefs: [{group: \"\", kind: Service, name: web}], validation: "
	    "{hostname: a.com, "
	    "caCertificateRefs: [" CA "]}}\n", "BackendTLSPolicy infra p a:0 Accepted "
	    "False/NoValidCACertificate\n"
	    "BackendTLSPolicy infra p a:0 ResolvedRefs False/InvalidCACertificateRef"},
	{"backend TLS by a kind of CA that is none", GW("edge", HTTP80) SVC("web", "infra", "")
	    ROUTED BTLS("p", AT("Service", "web", ""),
	    "caCertificateRefs: [{group: x.io, kind: Bundle, name: ca}]"),
	    "BackendTLSPolicy infra p a:0 Accepted False/NoValidCACertificate\n"
	    "BackendTLSPolicy infra p a:0 ResolvedRefs False/InvalidKind"},
	{"backend TLS by one good CA of two", GW("edge", HTTP80) SVC("web", "infra", "") CACM
	    ROUTED BTLS("p", AT("Service", "web", ""), "caCertificateRefs: [" CA
	    ", {group: \"\", kind: Secret, name: none}]"),
	    "BackendTLSPolicy infra p a:0 Accepted True/Accepted\n"
	    "BackendTLSPolicy infra p a:0 ResolvedRefs False/InvalidCACertificateRef"},
	{"backend TLS by unknown authorities", GW("edge", HTTP80) SVC("web", "infra", "") ROUTED
	    BTLS("p", AT("Service", "web", ""), "wellKnownCACertificates: x.io/own"),
	    "BackendTLSPolicy infra p a:0 Accepted False/Invalid\n"
	    "BackendTLSPolicy infra p a:0 ResolvedRefs True/ResolvedRefs"},
	{"backend TLS on no such port", GW("edge", HTTP80) SVC("web", "infra", "") CACM ROUTED
	    BTLS("p", AT("Service", "web", ", sectionName: tls"), "caCertificateRefs: [" CA "]"),
	    "BackendTLSPolicy infra p a:0 Accepted False/TargetNotFound"},
	{"backend TLS twice", GW("edge", HTTP80) SVC("web", "infra", "") SVC("two", "infra", "")
	    CACM ROUTED BTLS("p", AT("Service", "web", ""), "caCertificateRefs: [" CA "]")
	    BTLS("q", AT("Service", "web", ""), "caCertificateRefs: [" CA "]")
	    BTLS("s", AT("Service", "web", "") ", " AT("Service", "two", ""),
	    "caCertificateRefs: [" CA "]"),
	    "BackendTLSPolicy infra p a:0 Accepted True/Accepted\n"
	    "BackendTLSPolicy infra q a:0 Accepted False/Conflicted\n"
	    /* the other target is still its own: never in clear text */
	    "BackendTLSPolicy infra s a:0 Accepted True/Accepted"},
	{"backend TLS of a port and of all", GW("edge", HTTP80)
	    SVC("web", "infra", ", name: tls") CACM ROUTED
	    BTLS("p", AT("Service", "web", ""), "caCertificateRefs: [" CA "]")
	    BTLS("q", AT("Service", "web", ", sectionName: tls"), "caCertificateRefs: [" CA "]"),
	    "BackendTLSPolicy infra p a:0 Accepted True/Accepted\n"
	    "BackendTLSPolicy infra q a:0 Accepted True/Accepted"},
	{"grpc route", GW("edge", HTTP80) SVC("web", "infra", "")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: g, "
	    "namespace: infra}\n"
	    "spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}\n",
	    "GRPCRoute infra g p:0 Accepted True/Accepted\nGRPCRoute infra g p:0 ResolvedRefs "
	    "True/ResolvedRefs"},
	{"udp route at an http listener", GW("edge", HTTP80)
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: UDPRoute\nmetadata: {name: u, "
	    "namespace: infra}\n"
	    "spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}\n",
	    "UDPRoute infra u p:0 Accepted False/NotAllowedByListeners\n"
	    "UDPRoute infra u p:0 ResolvedRefs False/BackendNotFound"},
	/* ---- listener sets */
	{"set not allowed", GW("edge", HTTP80)
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: s, "
	    "namespace: infra}\n"
	    "spec: {parentRef: {name: edge}, listeners: [{name: a, port: 81, protocol: HTTP}]}\n",
	    "ListenerSet infra s - Accepted False/NotAllowed\nListenerSet infra s - Programmed "
	    "False/NotAllowed"},
	{"set", GW("edge", HTTP80 "  allowedListeners: {namespaces: {from: Same}}\n")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: s, "
	    "namespace: infra}\n"
	    "spec: {parentRef: {name: edge}, listeners: [{name: a, port: 81, protocol: HTTP}]}\n",
	    "ListenerSet infra s - Accepted True/Accepted\nListenerSet infra s - Programmed "
	    "True/Programmed\n"
	    "ListenerSet infra s l:a Programmed True/Programmed\nListenerSet infra s l:a "
	    "ResolvedRefs True/ResolvedRefs"},
	{"set against gateway", GW("edge", HTTP80 "  allowedListeners: {namespaces: {from: All}}\n")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: s, "
	    "namespace: infra}\n"
	    "spec: {parentRef: {name: edge}, listeners: [{name: a, port: 80, protocol: HTTP}]}\n",
	    "ListenerSet infra s - Accepted False/ListenersNotValid\n"
	    "ListenerSet infra s - Programmed False/ListenersNotValid\n"
	    "ListenerSet infra s l:a Accepted False/HostnameConflict\n"
	    "ListenerSet infra s l:a Conflicted True/HostnameConflict\n"
	    "ListenerSet infra s l:a Programmed False/HostnameConflict\nGateway infra edge "
	    "l:http Conflicted "},
	{"set of two protocols", GW("edge", HTTP80 "  allowedListeners: {namespaces: {from: "
	    "All}}\n")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n"
	    "metadata: {name: s, namespace: infra}\nspec:\n  parentRef: {name: edge}\n"
	    "  listeners: [{name: a, port: 80, protocol: HTTP, hostname: a.com}, {name: b, "
	    "port: 80, "
	    "protocol: TCP}]\n",
	    "ListenerSet infra s - Accepted True/Accepted\n"
	    "ListenerSet infra s l:a Accepted True/Accepted\n"
	    "ListenerSet infra s l:b Conflicted True/ProtocolConflict"},
	{"three on a port", GW("edge", "  listeners: [{name: a, port: 80, protocol: HTTP, "
	    "hostname: "
	    "a.com}, {name: b, port: 80, protocol: TCP}, {name: c, port: 80, protocol: HTTP}]\n"),
	    "Gateway infra edge l:a Conflicted True/ProtocolConflict\n"
	    "Gateway infra edge l:b Conflicted True/ProtocolConflict\n"
	    "Gateway infra edge l:c Conflicted True/ProtocolConflict"},
	{"xbackend that no route uses", "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: "
	    "XBackend\nmetadata: {name: x, namespace: infra}\n"
	    "spec: {type: ExternalHostname, port: {number: 80}, externalHostname: {hostname: "
	    "a.com}}\n",
	    "XBackend infra x a:0 Accepted no conditions"},
};

static void
table(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct bytes rest = bytes_str(rows[i].expect);
		struct world w;

		world_init(&w);
		w.bad_port = 99;
		w.bad_ip = "192.0.2.1";
		w.bad_errno = EADDRNOTAVAIL;
		if (strstr(rows[i].what, "taken") != NULL)
			w.bad_errno = EADDRINUSE;
		world_file(&w, "a.yaml", rows[i].yaml);
		world_compile(&w);
		assert_int_equal(w.err, HG_OK);
		if (w.out.diags.errors != 0) {
			print_message("%s:\n", rows[i].what);
			world_dump(&w);
			bad++;
		}
		while (w.out.diags.errors == 0 && rest.p != NULL) {
			struct bytes line = bytes_cut(&rest, '\n');

			bad += !world_expect(&w, rows[i].what, line);
		}
		world_release(&w);
	}
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
