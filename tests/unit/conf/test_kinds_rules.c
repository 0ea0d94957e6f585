/*
 * test_kinds_rules.c - the CEL rules of the CRDs, one by one: what breaks a rule is told at its own
 * line and column, and what only just keeps it is taken. Line 5 is the first line below spec.
 */
#include "tests/unit/conf/kinds_help.h"

#define OBJ(api, kind) "apiVersion: " api "\nkind: " kind "\nmetadata: {name: x}\nspec:\n"
#define GW "gateway.networking.k8s.io/v1"
#define HTTP(spec) OBJ(GW, "HTTPRoute") spec
#define GRPC(spec) OBJ(GW, "GRPCRoute") spec
#define GATE(spec) OBJ(GW, "Gateway") "  gatewayClassName: headgate\n" spec
#define L1 "  listeners:\n"
#define XB(spec) OBJ("gateway.networking.x-k8s.io/v1alpha1", "XBackend") spec
#define RULE "  rules:\n  - "

static const struct {
	const char *yaml, *said;
} rows[] = {
	/* parentRefs */
	{HTTP("  parentRefs:\n  - {name: a}\n  - {name: a, sectionName: s}\n"),
	    "7:5: HG0110 sectionName or port must be set in each of several parentRefs to the same "
	    "parent\n"},
	{HTTP("  parentRefs:\n  - {name: a}\n  - {name: a}\n"),
	    "7:5: HG0110 sectionName or port must differ between parentRefs to the same parent\n"},
	{HTTP("  parentRefs:\n  - {name: a, port: 80}\n  - {name: a, port: 81}\n  - {name: a, "
	    "port: 80, namespace: b}\n"),
	    ""},
	{HTTP("  parentRefs:\n  - {name: a, sectionName: s}\n  - {name: a, sectionName: t}\n"), ""},
	{HTTP("  parentRefs:\n  - {name: a, sectionName: s}\n  - {name: a, port: 80}\n"),
	    "7:5: HG0110 sectionName or port must be set in each of several parentRefs to the same "
	    "parent\n"},
	/* HTTPRoute: rule names */
	{HTTP("  rules:\n  - {name: a}\n  - {name: b}\n  - {name: a}\n"),
	    "8:12: HG0110 rule name \"a\" must be unique in the route; the first one is in line "
	    "6\n"},
	{HTTP("  rules:\n  - {name: a}\n  - {}\n  - {}\n"), ""},
	/* paths */
	{HTTP(RULE "matches:\n    - path: {value: a}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must start with '/'\n"},
	{HTTP(RULE "matches:\n    - path: {value: //a}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '//'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /./a}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '/./'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a/../b}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '/../'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a%2Fb}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '%2F'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a%2fb}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '%2f'\n"},
	{HTTP(RULE "matches:\n    - path: {value: '/a#b'}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not contain '#'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a/..}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not end with '/.' or '/..'\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a/., type: Exact}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must not end with '/.' or '/..'\n"},
	{HTTP(RULE "matches:\n    - path: {value: '/a b'}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must only have characters of a URL "
	    "path; write others as %XX\n"},
	{HTTP(RULE "matches:\n    - path: {value: /a%20b/.x/..y}\n"), ""},
	{HTTP(RULE "matches:\n    - path: {value: '', type: Exact}\n"),
	    "7:21: HG0110 a path of type Exact or PathPrefix must start with '/'\n"},
	{HTTP(RULE "matches:\n    - path: {value: 'a//b#[', type: RegularExpression}\n"), ""},
	/* filters: member and type */
	{HTTP(RULE "filters:\n    - type: CORS\n"),
	    "7:13: HG0110 cors must be set in a filter of type CORS\n"},
	{HTTP(RULE "filters:\n    - type: CORS\n      cors: {}\n      urlRewrite: {}\n"),
	    "9:7: HG0110 urlRewrite can only be set in a filter of type URLRewrite\n"},
	{HTTP(RULE "filters:\n    - {type: RequestMirror, requestRedirect: {}}\n"),
	    "7:14: HG0110 requestMirror must be set in a filter of type RequestMirror\n"
	    "7:29: HG0110 requestRedirect can only be set in a filter of type RequestRedirect\n"},
	{HTTP(RULE "filters:\n    - {type: ExternalAuth}\n"),
	    "7:14: HG0110 externalAuth must be set in a filter of type ExternalAuth\n"},
	{HTTP(RULE "filters:\n    - {type: RequestHeaderModifier}\n    - {type: "
	    "ResponseHeaderModifier}\n    - {type: URLRewrite}\n"
	    "    - {type: ExtensionRef}\n"),
	    "7:14: HG0110 requestHeaderModifier must be set in a filter of type "
	    "RequestHeaderModifier\n"
	    "8:14: HG0110 responseHeaderModifier must be set in a filter of type "
	    "ResponseHeaderModifier\n"
	    "9:14: HG0110 urlRewrite must be set in a filter of type URLRewrite\n"
	    "10:14: HG0110 extensionRef must be set in a filter of type ExtensionRef\n"},
	/* filters: lists */
	{HTTP(RULE "filters:\n    - {type: CORS, cors: {}}\n    - {type: CORS, cors: {}}\n"),
	    "8:7: HG0110 a CORS filter cannot be repeated\n"},
	{HTTP(RULE "filters:\n    - {type: URLRewrite, urlRewrite: {}}\n    - {type: "
	    "RequestRedirect, requestRedirect: {}}\n"),
	    "8:7: HG0110 RequestRedirect and URLRewrite cannot be used together\n"},
	{HTTP(RULE "backendRefs:\n    - name: a\n      port: 1\n      filters:\n      - {type: "
	    "URLRewrite, urlRewrite: {}}\n"
	    "      - {type: URLRewrite, urlRewrite: {}}\n"),
	    "11:9: HG0110 a URLRewrite filter cannot be repeated\n"},
	{HTTP(RULE "filters:\n    - {type: RequestHeaderModifier, requestHeaderModifier: {}}\n"
	    "    - {type: RequestHeaderModifier, requestHeaderModifier: {}}\n"),
	    "8:7: HG0110 a RequestHeaderModifier filter cannot be repeated\n"},
	/* redirect and backends */
	{HTTP(RULE "filters:\n    - {type: RequestRedirect, requestRedirect: {}}\n    backendRefs: "
	    "[{name: a, port: 1}]\n"),
	    "7:7: HG0110 RequestRedirect cannot be used together with backendRefs\n"},
	{HTTP(RULE "filters:\n    - {type: RequestRedirect, requestRedirect: {}}\n    backendRefs: "
	    "[]\n"), ""},
	/* prefix replacement */
	{HTTP(RULE "matches: [{path: {type: Exact, value: /a}}]\n    filters:\n    - type: "
	    "URLRewrite\n      urlRewrite:\n"
	    "        path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}\n"),
	    "10:42: HG0110 replacePrefixMatch needs exactly one match in the rule, of type "
	    "PathPrefix\n"},
	{HTTP(RULE "matches: [{path: {value: /a}}, {path: {value: /b}}]\n    filters:\n    - type: "
	    "RequestRedirect\n      requestRedirect:\n"
	    "        path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}\n"),
	    "10:42: HG0110 replacePrefixMatch needs exactly one match in the rule, of type "
	    "PathPrefix\n"},
	{HTTP(RULE "filters:\n    - type: URLRewrite\n      urlRewrite:\n"
	    /* the default match */
	    "        path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}\n"), ""},
	{HTTP(RULE "matches: [{path: {type: Exact, value: /a}}]\n    backendRefs:\n    - name: a\n "
	    "     port: 1\n      filters:\n"
	    "      - type: URLRewrite\n        urlRewrite: {path: {type: ReplacePrefixMatch, "
	    "replacePrefixMatch: /b}}\n"),
	    "12:55: HG0110 replacePrefixMatch needs exactly one match in the rule, of type "
	    "PathPrefix\n"},
	/* path modifiers */
	{HTTP(RULE "filters:\n    - type: URLRewrite\n      urlRewrite: {path: {type: "
	    "ReplaceFullPath}}\n"),
	    "8:33: HG0110 replaceFullPath must be set when type is ReplaceFullPath\n"},
	{HTTP(RULE "filters:\n    - type: URLRewrite\n      urlRewrite: {path: {type: "
	    "ReplacePrefixMatch, replaceFullPath: /}}\n"),
	    "8:53: HG0110 type must be ReplaceFullPath when replaceFullPath is set\n"
	    "8:33: HG0110 replacePrefixMatch must be set when type is ReplacePrefixMatch\n"},
	{HTTP(RULE "filters:\n    - type: URLRewrite\n      urlRewrite: {path: {type: "
	    "ReplaceFullPath, replaceFullPath: ''}}\n"), ""},
	/* mirror */
	{HTTP(RULE "filters:\n    - type: RequestMirror\n      requestMirror: {backendRef: {name: "
	    "a, port: 1}, percent: 1, fraction: {numerator: 1}}\n"),
	    "8:67: HG0110 only one of percent and fraction can be set\n"},
	{HTTP(RULE "filters:\n    - type: RequestMirror\n      requestMirror: {backendRef: {name: "
	    "a, port: 1}, fraction: {numerator: 101}}\n"),
	    "8:77: HG0110 numerator must be less than or equal to denominator (100)\n"},
	{HTTP(RULE "filters:\n    - type: RequestMirror\n      requestMirror: {backendRef: {name: "
	    "a}}\n"),
	    "8:35: HG0110 a backend of kind Service must have a port\n"},
	/* CORS */
	{HTTP(RULE "filters:\n    - type: CORS\n      cors: {allowOrigins: ['http://a', '*'], "
	    "allowMethods: [GET, '*'], allowHeaders: ['*', A]}\n"),
	    "8:41: HG0110 allowOrigins cannot have '*' beside other values\n"
	    "8:67: HG0110 allowMethods cannot have '*' beside other values\n"
	    "8:88: HG0110 allowHeaders cannot have '*' beside other values\n"},
	{HTTP(RULE "filters:\n    - type: CORS\n      cors: {allowOrigins: ['*'], exposeHeaders: "
	    "[A, '*']}\n"), ""},
	/* external authorization */
	{HTTP(RULE "filters:\n    - type: ExternalAuth\n      externalAuth: {protocol: GRPC, "
	    "backendRef: {name: a, port: 1}, http: {}}\n"),
	    "8:32: HG0110 grpc must be set when protocol is GRPC\n8:70: HG0110 protocol must be "
	    "HTTP when http is set\n"},
	{HTTP(RULE "filters:\n    - type: ExternalAuth\n      externalAuth: {protocol: HTTP, "
	    "backendRef: {name: a, port: 1}, http: {}}\n"), ""},
	/* backends */
	{HTTP(RULE "backendRefs: [{name: a}]\n"),
	    "6:19: HG0110 a backend of kind Service must have a port\n"},
	{HTTP(RULE "backendRefs: [{name: a, kind: Thing, group: x.io}]\n"), ""},
	{HTTP(RULE "backendRefs: [{name: a, kind: XBackend, group: "
	    "gateway.networking.x-k8s.io}]\n"), ""},
	/* timeouts */
	{HTTP(RULE "timeouts: {request: 1s, backendRequest: 1001ms}\n"),
	    "6:45: HG0110 backendRequest must not be longer than request\n"},
	{HTTP(RULE "timeouts: {request: 0s, backendRequest: 1h}\n"), ""},
	/* session persistence */
	{HTTP(RULE "sessionPersistence: {cookie: {lifetimeType: Permanent}}\n"),
	    "6:49: HG0110 absoluteTimeout must be set when the cookie's lifetimeType is "
	    "Permanent\n"},
	{HTTP(RULE "sessionPersistence: {cookie: {lifetimeType: Permanent}, absoluteTimeout: "
	    "1h}\n"),
	    "6:5: HG2104 sessionPersistence of a route is deprecated: its place is XBackend\n"},
	{HTTP(RULE "sessionPersistence: {type: Header, cookie: {}}\n"),
	    "6:40: HG0110 cookie can only be set when type is Cookie\n6:32: HG0110 header must be "
	    "set when type is Header\n"},
	{HTTP(RULE "sessionPersistence: {type: Cookie, header: {name: a}, cookie: {}}\n"),
	    "6:40: HG0110 header can only be set when type is Header\n"},
	/* GRPCRoute */
	{GRPC(RULE "matches: [{method: {}}]\n"),
	    "6:24: HG0110 one or both of service and method must be set\n"},
	{GRPC(RULE "matches: [{method: {service: a-b, method: 1x}}]\n"),
	    "6:34: HG0110 must be a service, such as pkg.Service\n6:47: HG0110 must be a method "
	    "name\n"},
	{GRPC(RULE "matches: [{method: {service: 'a-b', type: RegularExpression}}]\n"), ""},
	{GRPC(RULE "filters: [{type: RequestMirror}]\n"),
	    "6:22: HG0110 requestMirror must be set in a filter of type RequestMirror\n"},
	{GRPC(RULE "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {}}, {type: "
	    "ResponseHeaderModifier, responseHeaderModifier: {}}]\n"),
	    "6:75: HG0110 a ResponseHeaderModifier filter cannot be repeated\n"},
	{GRPC(RULE "filters: [{type: CORS}]\n"), "6:22: HG0104 unsupported value \"CORS\"\n"},
	{GRPC("  rules: [{name: a}, {name: a}]\n"),
	    "5:29: HG0110 rule name \"a\" must be unique in the route; the first one is in line "
	    "5\n"},
	/* Gateway listeners */
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: s}]}}\n"),
	    "7:41: HG0110 tls must not be set for protocol HTTP\n"},
	{GATE(L1 "  - {name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}\n"),
	    "7:55: HG0110 tls mode must be Terminate for protocol HTTPS\n"},
	{GATE(L1 "  - {name: a, port: 443, protocol: TLS}\n"),
	    "7:36: HG0110 tls must be set for protocol TLS\n"},
	{GATE(L1 "  - {name: a, port: 443, protocol: HTTPS}\n"), ""},
	{GATE(L1 "  - {name: a, port: 80, protocol: TCP, hostname: a}\n"),
	    "7:40: HG0110 hostname must not be set for protocol TCP\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  - {name: a, port: 81, protocol: "
	    "HTTP}\n"),
	    "8:12: HG0109 \"a\" is there twice; the first one is in line 7\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 80, protocol: "
	    "HTTP}\n"),
	    "8:5: HG0110 the combination of port, protocol and hostname must be unique; it is that "
	    "of listener \"a\" in line 7\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 80, protocol: HTTP, "
	    "hostname: b}\n"), ""},
	{GATE(L1 "  - {name: a, port: 443, protocol: HTTPS, tls: {}}\n"),
	    "7:43: HG0110 certificateRefs or options must be given when mode is Terminate\n"},
	{GATE(L1 "  - {name: a, port: 443, protocol: HTTPS, tls: {options: {a: b}}}\n"), ""},
	{GATE(L1 "  - {name: a, port: 80, protocol: TCP, filters: {}}\n"),
	    "7:40: HG0110 filters can only be set with protocol HTTP or HTTPS\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP, filters: {requests: [{type: "
	    "ExternalAuth}]}}\n"),
	    "7:69: HG0110 externalAuth must be set in a filter of type ExternalAuth\n"},
	/* Gateway addresses */
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses:\n  - {value: 1.2.3.4}\n  - "
	    "{value: 1.2.3.4}\n"),
	    "10:13: HG0110 IPAddress values must be unique\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses:\n  - {value: a.b, type: "
	    "Hostname}\n  - {value: a.b, type: Hostname}\n"),
	    "10:13: HG0110 Hostname values must be unique\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses:\n  - {}\n  - {}\n  - "
	    "{type: x.io/y, value: q}\n  - {type: x.io/y, value: q}\n"), ""},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses: [{type: Hostname, value: "
	    "A_}]\n"),
	    "8:39: HG0110 the value of a Hostname address must be empty or a DNS name in lower "
	    "case; the first label may be '*'\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses: [{routability: x}, "
	    "{routability: a.k8s.io/b}, {routability: k8s.io/b}, {routability: 'a.io/'}]\n"),
	    "8:29: HG0110 routability must be empty, Cluster, or domain/path\n8:47: HG0110 domains "
	    "under k8s.io are reserved\n"
	    "8:74: HG0110 domains under k8s.io are reserved\n8:99: HG0110 routability must be "
	    "empty, Cluster, or domain/path\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  addresses: [{routability: ''}, "
	    "{routability: Cluster}, {routability: testing.x-k8s.io/b/c}]\n"), ""},
	/* infrastructure */
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  infrastructure: {labels: {-a: b}, "
	    "annotations: {a/b/c: d}}\n"),
	    "8:29: HG0110 label keys must be an optional DNS name and '/', then at most 63 "
	    "letters, digits, '-', '_', '.'\n"
	    "8:51: HG0110 annotation keys must be an optional DNS name and '/', then at most 63 "
	    "letters, digits, '-', '_', '.'\n"},
	/* frontend TLS */
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  tls:\n    frontend:\n      default:\n "
	    "       validation:\n          caCertificateRefs:\n"
	    "          - {group: certificates.k8s.io, kind: ClusterTrustBundle, name: a, "
	    "namespace: b}\n"),
	    "13:77: HG0110 a ClusterTrustBundle has no namespace\n"},
	{GATE(L1 "  - {name: a, port: 80, protocol: HTTP}\n  tls:\n    frontend:\n      default: "
	    "{}\n      perPort: [{port: 1, tls: {}}, {port: 1, tls: {}}]\n"),
	    "11:44: HG0109 \"1\" is there twice; the first one is in line 11\n"},
	/* ListenerSet */
	{OBJ(GW, "ListenerSet") "  parentRef: {name: g}\n  listeners:\n  - {name: a, port: 80, "
	    "protocol: UDP, hostname: a}\n",
	    "7:40: HG0110 hostname must not be set for protocol UDP\n"},
	{OBJ(GW, "ListenerSet") "  parentRef: {name: g, sectionName: a}\n  listeners:\n  - {name: "
	    "a, port: 80, protocol: TCP, filters: {}}\n",
	    "5:24: HG0103 unknown field \"sectionName\" in ParentGatewayReference\n"
	    "7:40: HG0110 filters can only be set with protocol HTTP or HTTPS\n"},
	/* TLSRoute, TCPRoute */
	{OBJ(GW, "TLSRoute") "  hostnames: [a.b, 1.2.3.4]\n  rules: [{backendRefs: [{name: a, "
	    "port: 1}]}]\n", "5:20: HG0110 hostnames cannot contain an IP address\n"},
	{OBJ(GW, "TLSRoute") "  rules: [{backendRefs: [{name: a, port: 1}]}]\n",
	    "4:1: HG0102 required field \"hostnames\" is missing\n"},
	{OBJ("gateway.networking.k8s.io/v1alpha2",
	    "TLSRoute") "  rules:\n  - {backendRefs: [{name: a, port: 1}], name: a}\n  - "
	    "{backendRefs: [{name: a, port: 1}], name: a}\n",
	    "7:47: HG0110 rule name \"a\" must be unique in the route; the first one is in line "
	    "6\n"},
	{OBJ(GW, "TCPRoute") "  rules:\n  - {backendRefs: [{name: a, port: 1}]}\n  - {backendRefs: "
	    "[{name: a, port: 1}]}\n",
	    "6:3: HG0108 has 2 items, but can have at most 1\n"},
	{OBJ("gateway.networking.k8s.io/v1alpha2",
	    "UDPRoute") "  rules:\n  - {backendRefs: [{name: a, port: 1}]}\n  - {backendRefs: "
	    "[{name: a, port: 1}]}\n", ""},
	/* BackendTLSPolicy */
#define BTLS(targets, val) OBJ(GW, "BackendTLSPolicy") "  targetRefs:\n" targets "  validation: " \
    "{hostname: a" val "}\n"
#define T1 "  - {group: '', kind: Service, name: a}\n"
#define T2 "  - {group: '', kind: Service, name: a, sectionName: b}\n"
	{BTLS(T1 T1, ", wellKnownCACertificates: System"),
	    "7:5: HG0110 sectionName must differ between targetRefs to one target\n"},
	{BTLS(T1 T2, ", wellKnownCACertificates: System"),
	    "7:5: HG0110 sectionName must be set in each of several targetRefs to one target\n"},
	{BTLS(T1, ""), "7:15: HG0110 one of caCertificateRefs and wellKnownCACertificates must be "
	    "set\n"},
	{BTLS(T1, ", wellKnownCACertificates: System, caCertificateRefs: [{group: '', kind: "
	    "ConfigMap, name: a}]"),
	    "7:29: HG0110 only one of caCertificateRefs and wellKnownCACertificates can be set\n"},
	{BTLS(T1, ", wellKnownCACertificates: System, caCertificateRefs: []"),
	    "7:62: HG2101 an empty caCertificateRefs beside wellKnownCACertificates is refused "
	    "since v1.7: leave it out\n"},
	{BTLS(T1, ", caCertificateRefs: []"), "7:48: HG0108 must have at least 1 item\n"},
	{BTLS(T1, ", wellKnownCACertificates: System, subjectAltNames: [{type: Hostname}, {type: "
	    "URI, hostname: a}]"),
	    "7:87: HG0110 hostname must be set when type is Hostname\n7:110: HG0110 hostname can "
	    "only be set when type is Hostname\n"
	    "7:105: HG0110 uri must be set when type is URI\n"},
	/* XBackend */
	{XB("  type: ExternalHostname\n  port: {number: 1}\n"),
	    "5:9: HG0110 externalHostname must be set when type is ExternalHostname\n"},
	{XB("  type: EndpointSelector\n  port: {number: 1}\n  externalHostname: {hostname: a}\n"),
	    "7:3: HG0110 externalHostname can only be set when type is ExternalHostname\n5:9: "
	    "HG0110 endpointSelector must be set when type is EndpointSelector\n"},
	{XB("  type: ExternalHostname\n  port: {number: 1}\n  externalHostname: {hostname: "
	    "a.cluster.local}\n"),
	    "7:32: HG0110 hostname must not end with .cluster.local\n"},
	{XB("  type: ExternalHostname\n  port: {}\n  externalHostname: {hostname: a}\n"),
	    "6:9: HG0108 must have at least 1 member\n"},
	{XB("  type: EndpointSelector\n  port: {number: 1}\n  endpointSelector: {matchLabels: "
	    "{}}\n"), "7:35: HG0108 must have at least 1 entry\n"},
	{XB("  type: EndpointSelector\n  port: {number: 1}\n  endpointSelector: {matchLabels: {-a: "
	    "b}}\n"),
	    "7:36: HG0110 label keys must be an optional DNS name and '/', then at most 63 "
	    "letters, digits, '-', '_', '.'\n"},
#define EXT "  type: ExternalHostname\n  port: {number: 1}\n  externalHostname: {hostname: a}\n"
#define VALID "validation: {hostname: a, wellKnownCACertificates: System}"
	{XB(EXT "  protocol: WSS\n"), "8:13: HG0110 protocol WSS needs TLS\n"},
	{XB(EXT "  tls: {mode: ServerOnly}\n"),
	    "8:15: HG0110 validation must be set unless mode is None\n"},
	{XB(EXT "  tls: {mode: ClientAndServer, " VALID "}\n"),
	    "8:15: HG0110 clientCertificateRef must be set when mode is ClientAndServer\n"},
	{XB(EXT "  tls: {mode: ServerOnly, clientCertificateRef: {name: a}, " VALID "}\n  "
	    "protocol: HTTP2\n"),
	    "8:27: HG0110 clientCertificateRef can only be set when mode is ClientAndServer\n"},
	{XB(EXT "  sessionPersistence: {cookie: {}}\n"),
	    "8:3: HG0110 sessionPersistence can only be set when type is EndpointSelector\n"},
	{XB(EXT "  tls: {mode: ServerOnly, " VALID "}\n  protocol: WSS\n"), ""},
	/* XBackendTrafficPolicy */
#define XBTP(spec) OBJ("gateway.networking.x-k8s.io/v1alpha1", "XBackendTrafficPolicy") \
	"  targetRefs: [{group: '', kind: Service, name: a}]\n" spec
	{XBTP("  retryConstraint: {budget: {interval: 999ms}}\n"),
	    "6:40: HG0110 interval must be between 1s and 1h\n"},
	{XBTP("  retryConstraint: {budget: {interval: 1h1s}}\n"),
	    "6:40: HG0110 interval must be between 1s and 1h\n"},
	{XBTP("  retryConstraint: {minRetryRate: {interval: 0s}}\n"),
	    "6:46: HG0110 interval must not be zero or longer than 1h\n"},
	{XBTP("  retryConstraint: {minRetryRate: {interval: 1ms}, budget: {interval: 1h}}\n"), ""},
	{XBTP("  retryConstraint: {}\n"), ""},
	/* XTelemetryPolicy */
#define XTEL(spec) OBJ("gateway.networking.x-k8s.io/v1alpha1", "XTelemetryPolicy") \
	"  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]\n" spec
#define PROV "provider: {backendRef: {name: a, port: 1}}"
	{XTEL(""), "4:1: HG0110 tracing must be set\n"},
	{XTEL("  tracing: {mode: Enabled}\n"),
	    "6:19: HG0110 provider must be set when mode is Enabled\n"},
	{XTEL("  tracing: {" PROV "}\n"), "6:13: HG0110 provider can only be set when mode is "
	    "Enabled\n"},
	{XTEL("  tracing: {samplingRate: {numerator: 1}, parentBasedSampling: {}, serviceName: a, "
	    "spanName: a, attributes: []}\n"),
	    "6:13: HG0110 samplingRate can only be set when mode is Enabled\n6:43: HG0110 "
	    "parentBasedSampling can only be set when mode is Enabled\n"
	    "6:68: HG0110 serviceName can only be set when mode is Enabled\n6:84: HG0110 spanName "
	    "can only be set when mode is Enabled\n"
	    "6:97: HG0110 attributes can only be set when mode is Enabled\n"},
	{XTEL("  tracing: {mode: Enabled, " PROV ", parentBasedSampling: {samplingRate: "
	    "{numerator: 1}}}\n"),
	    "6:94: HG0110 samplingRate can only be set when mode is Enabled\n"},
	{XTEL("  tracing: {mode: Enabled, " PROV ", samplingRate: {numerator: 2, denominator: "
	    "1}}\n"),
	    "6:98: HG0110 numerator must be less than or equal to denominator (1)\n"},
	{XTEL("  tracing:\n    mode: Enabled\n    " PROV "\n    attributes:\n    - {name: a, "
	    "sourceType: Header}\n    - {name: b, sourceType: Literal, literalValue: a, "
	    "attributeKey: b}\n"),
	    "10:29: HG0110 headerName must be set when sourceType is Header\n11:55: HG0110 "
	    "attributeKey can only be set when sourceType is Attribute\n"},
	/* Service, Secret, ConfigMap: what an API server checks beyond types */
	{OBJ("v1", "Service") "  ports: [{port: 1}, {port: 2}]\n",
	    "5:11: HG0110 each of several ports must have a name\n5:22: HG0110 each of several "
	    "ports must have a name\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, name: a}, {port: 1, name: b}]\n",
	    "5:38: HG0110 TCP port 1 is there twice\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, name: a}, {port: 2, name: a}]\n",
	    "5:47: HG0110 the name \"a\" is there twice\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, name: a}, {port: 1, name: b, protocol: UDP}]\n",
	    ""},
	{OBJ("v1", "Service") "  selector: {a: b}\n", "4:1: HG0110 ports must be given\n"},
	{OBJ("v1", "Service") "  clusterIP: None\n", ""},
	{OBJ("v1", "Service") "  type: ExternalName\n",
	    "5:9: HG0110 externalName must be set when type is ExternalName\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, nodePort: 30000}]\n",
	    "5:31: HG0110 nodePort can only be set for types NodePort and LoadBalancer\n"},
	{OBJ("v1", "Service") "  type: NodePort\n  clusterIP: None\n  ports: [{port: 1, nodePort: "
	    "30000}]\n",
	    "6:14: HG0110 clusterIP cannot be None for type NodePort\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, targetPort: \"80\"}]\n",
	    "5:33: HG0110 \"80\" is not a port name: lower-case letters, digits and single '-', "
	    "with at "
	    "least one letter\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, targetPort: a--b}]\n",
	    "5:33: HG0110 \"a--b\" is not a port name: lower-case letters, digits and single '-', "
	    "with at "
	    "least one letter\n"},
	{OBJ("v1", "Service") "  ports: [{port: 1, targetPort: http-1}]\n  selector: {a: '-'}\n",
	    "6:17: HG0105 \"-\" is not a label value: letters, digits, '-', '_', '.', not at its "
	    "ends\n"},
	{"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: "
	    "IPv4\n"
	    "endpoints: [{addresses: [1.2.3.4, '::1', a]}]\n",
	    "5:35: HG0110 \"::1\" is not an address of type IPv4\n5:42: HG0110 \"a\" is not an "
	    "address of "
	    "type IPv4\n"},
	{"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: "
	    "FQDN\n"
	    "endpoints: [{addresses: [a.b]}]\n", ""},
	{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {..a: b}\n",
	    "4:8: HG0110 a key has at most 253 characters and is not '.' and does not begin with "
	    "'..'\n"},
	{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\ndata: "
	    "{tls.crt: YQ==}\n",
	    "5:1: HG0110 a Secret of type kubernetes.io/tls must have \"tls.key\"\n"},
	{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\nstringData: "
	    "{tls.crt: a, tls.key: b}\n", ""},
	{"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '%%%', '/': YQ==}\n",
	    "4:11: HG0105 is not base64\n4:18: HG0105 key \"/\" is not letters, digits, '-', '_', "
	    "'.'\n"},
	{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\nbinaryData: {a: "
	    "YQ==}\n", "5:14: HG0110 the key is in data too\n"},
};

static void
test_rules(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct bound b;

		bound_read(&b, "t.yaml", bytes_str(rows[i].yaml));
		if (strcmp(b.text.p, rows[i].said) != 0) {
			fprintf(stderr, "--- row %zu\n%s=== said\n%s=== expected\n%s", i,
			    rows[i].yaml, b.text.p, rows[i].said);
			bad++;
		}
		bound_free(&b);
	}
	assert_int_equal(bad, 0);
}

/* 128 matches over all rules, 64 in one. */
static void
test_match_count(void **state)
{
	static const char *const kinds[] = {"HTTPRoute", "GRPCRoute"};

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned last = 0; last <= 1; last++) {
			struct strbuf s = STRBUF_INIT;
			struct bound b;

			strbuf_printf(&s, "apiVersion: " GW "\nkind: %s\nmetadata: {name: x}\n"
			    "spec:\n  rules:\n", kinds[k]);
			for (unsigned r = 0; r < 2 + last; r++) {
				strbuf_addz(&s, "  - matches:\n");
				for (unsigned m = 0; m < (r == 2 ? 1 : 64); m++)
					strbuf_addz(&s, "    - {}\n");
			}
			bound_read(&b, "t.yaml", strbuf_bytes(&s));
			assert_string_equal(b.text.p, last ?
			    "6:3: HG0110 a route can have at most 128 matches over all rules, not "
			    "129\n" : "");
			bound_free(&b);
			strbuf_release(&s);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_match_count)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
