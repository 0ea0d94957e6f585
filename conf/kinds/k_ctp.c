/*
 * k_ctp.c - ClientTrafficPolicy and Backend (reference/policies.md 8, 9). TLS settings of the two
 * share a struct: most members are the same.
 */
#include "base/addr.h"
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

/* ---- texts; the CRD's own patterns for addresses let nonsense through, and are not anchored */
static bool
cidr_good(struct bytes b)
{
	struct cidr c;

	return cidr_parse(b, &c) && bytes_chr(b, '/', 0) > 0;
}

static bool
ip_good(struct bytes b)
{
	struct addr a;

	return addr_parse_ip(b, &a);
}

static bool
plain_header_good(struct bytes b)
{
	return bytes_chr(b, '.', 0) < 0 && bytes_chr(b, '_', 0) < 0 && pat_header_name.match(b);
}

static bool
fqdn_good(struct bytes b)
{
	if (b.n > 1 && b.p[b.n - 1] == '.')
		b.n--;
	return pat_subdomain.match(b);
}

static const struct pattern pat_cidr = {NULL, "addresses such as 10.0.0.0/8", cidr_good},
    pat_ip = {NULL, "an IP address", ip_good},
    pat_plain_header = {NULL, "a field name of letters, digits and '-'", plain_header_good},
    pat_fqdn = {NULL, "a DNS name in lower case", fqdn_good};

/* ---- rules */
static void
check_tls(struct vctx *c, void *bound)
{
	struct k_ct_tls *t = bound;
	unsigned lo = t->min ? t->min : K_TLS_12, hi = t->max;

	if (t->min == K_TLS_13 && t->ciphers.v)
		rule_at_key(c, rule_child(t->node, "ciphers"),
		    "ciphers have no effect when minVersion is 1.3");
	if (hi > K_TLS_AUTO && lo > hi)
		rule_at(c, rule_child(t->node, "maxVersion"),
		    "minVersion must not be above maxVersion");
}

static void
check_validation(struct vctx *c, void *bound)
{
	struct k_client_validation *v = bound;

	if (v->expired.v && (v->mode == K_CM_REQUEST || v->mode == K_CM_ANY))
		rule_at_key(c, rule_child(v->node, "allowExpiredCertificate"),
		    "allowExpiredCertificate needs mode VerifyIfGiven or RequireAndVerify");
}

static void
check_xff(struct vctx *c, void *bound)
{
	struct k_xff *x = bound;

	if (x->hops.set == (x->cidrs.v != NULL))
		rule_at(c, x->node, "exactly one of numTrustedHops and trustedCIDRs must be set");
}

static void
check_ip(struct vctx *c, void *bound)
{
	struct k_ip_detection *d = bound;

	if ((d->xff != NULL) + (d->header != NULL) + (d->direct != NULL) != 1)
		rule_at(c, d->node,
		    "exactly one of xForwardedFor, customHeader and directSourceIP must be set");
}

static void
check_limit(struct vctx *c, void *bound)
{
	struct k_connection_limit *l = bound;

	if (l->delay.set && !l->value.set)
		rule_at_key(c, rule_child(l->node, "closeDelay"),
		    "closeDelay can only be set together with value");
}

static void
check_xfcc(struct vctx *c, void *bound)
{
	struct k_xfcc *x = bound;

	if (x->details.n && x->mode != 3 && x->mode != 4)
		rule_at_key(c, rule_child(x->node, "certDetailsToAdd"),
		    "certDetailsToAdd needs mode AppendForward or SanitizeSet");
}

static void
check_headers(struct vctx *c, void *bound)
{
	struct k_ct_headers *h = bound;

	if (h->preserve_id.set && h->request_id)
		rule_at_key(c, rule_child(h->node, "preserveXRequestID"),
		    "preserveXRequestID and requestID exclude each other");
}

static void
check_ctp(struct vctx *c, void *bound)
{
	struct k_clienttrafficpolicy *p = bound;

	check_policy_targets(c, p->node, &p->targets, "Gateway ListenerSet",
	    "ClientTrafficPolicy");
}

/* ---- TLS */
#define TLS_VERSIONS NAMES("Auto", "1.0", "1.1", "1.2", "1.3")
#define TLS_COMMON \
	ENUM(min, "minVersion", "Lowest version; Auto: 1.2.", TLS_VERSIONS), \
	ENUM(max, "maxVersion", "Highest version; Auto: 1.3.", TLS_VERSIONS), \
	STRINGS(ciphers, "ciphers", "Cipher suites up to TLS 1.2, in order of preference."), \
	STRINGS(curves, "ecdhCurves", "Groups for the key exchange."), \
	STRINGS(signatures, "signatureAlgorithms", "Signature algorithms."), \
	STRINGS(alpn, "alpnProtocols", "Protocols to offer."), \
	STRINGS(fingerprints, "fingerprints", "Fingerprints to take of ClientHellos.", \
	    NAMES("JA3", "JA4"), NOT_YET)
#define T k_match
static const struct kfield other_name_fields[] = {
	STR(oid, "oid", "Type of the name.", REQ),
	ENUM(type, "type", "How the value is compared.",
	    NAMES("Exact", "Prefix", "Suffix", "RegularExpression"), TEXT("Exact")),
	STR(value, "value", "The text to compare with.", CHARS(1, 1024), REQ),
};
static KSTRUCT(other_name, "OtherSANMatch", "A name of another type.");
#undef T
#define T k_sans
static const struct kfield sans_fields[] = {
	LIST(dns, "dnsNames", "DNS names.", ks_string_match),
	LIST(email, "emailAddresses", "E-mail addresses.", ks_string_match),
	LIST(ip, "ipAddresses", "Addresses.", ks_string_match),
	LIST(uri, "uris", "URIs.", ks_string_match),
	LIST(other, "otherNames", "Names of other types.", ks_other_name),
};
static KSTRUCT(sans, "SubjectAltNames", "Names of which a certificate must have one.");
#undef T
#define T k_crl
static const struct kfield crl_fields[] = {
	LIST(refs, "refs", "Secrets or ConfigMaps with the key ca.crl.", ks_secret_ref,
	    ITEMS(1, 8), REQ),
	BOOL(leaf, "onlyVerifyLeafCertificate", "Only the client's own certificate is looked "
	    "up."),
};
static KSTRUCT(crl, "CrlContext", "Revoked certificates.");
#undef T
#define T k_client_validation
static const struct kfield client_validation_fields[] = {
	ENUM(mode, "mode", "What is wanted of a client; absent: RequireAndVerify.",
	    NAMES("Request", "RequireAny", "VerifyIfGiven", "RequireAndVerify")),
	BOOL(optional, "optional", "Deprecated: mode VerifyIfGiven."),
	LIST(cas, "caCertificateRefs", "Secrets or ConfigMaps with the key ca.crt.",
	    ks_secret_ref, ITEMS(0, 8)),
	STRINGS(spki, "spkiHashes", "Public keys, of which the certificate must have one."),
	STRINGS(hashes, "certificateHashes", "Certificates, of which it must be one."),
	STRUCT(sans, "subjectAltNames", "Names of which it must have one.", ks_sans),
	STRUCT(crl, "crl", "Revoked certificates.", ks_crl),
	BOOL(expired, "allowExpiredCertificate", "An expired certificate is good."),
};
static KSTRUCT(client_validation, "ClientValidationContext", "Certificates of clients.",
    .cel = 1, .check = check_validation);
#undef T
#define T k_resumption
static const struct kfield resumption_fields[] = {
	STRUCT(stateless, "stateless", "By tickets.", ks_empty),
	STRUCT(stateful, "stateful", "By session ids.", ks_empty),
};
static KSTRUCT(resumption, "SessionResumption", "Short handshakes.");
#undef T
#define T k_tls_session
static const struct kfield tls_session_fields[] = {
	STRUCT(resumption, "resumption", "Short handshakes.", ks_resumption),
};
static KSTRUCT(tls_session, "Session", "TLS sessions.");
#undef T
#define T k_ct_tls
static const struct kfield client_tls_fields[] = {
	TLS_COMMON,
	STRUCT(client, "clientValidation", "Certificates of clients.", ks_client_validation),
	STRUCT(session, "session", "TLS sessions.", ks_tls_session),
};
static KSTRUCT(client_tls, "ClientTLSSettings", "TLS of listeners.", .cel = 2,
    .check = check_tls);
#undef T

/* ---- addresses, headers, paths */
#define T k_xff
static const struct kfield xff_fields[] = {
	INT(hops, "numTrustedHops", "Proxies in front that are trusted.", .int32 = true),
	STRINGS(cidrs, "trustedCIDRs", "Their addresses.", .pattern = &pat_cidr, ITEMS(1, 0)),
	BOOL(no_append, "disableXForwardedForAppend", "X-Forwarded-For goes on as it came."),
};
static KSTRUCT(xff, "XForwardedForSettings", "The client's address from X-Forwarded-For.",
    .cel = 1, .check = check_xff);
#undef T
#define T k_ip_header
static const struct kfield ip_header_fields[] = {
	STR(name, "name", "Name of the field.", .pattern = &pat_plain_header, CHARS(1, 255), REQ),
	BOOL(fail_closed, "failClosed", "Without it: 403."),
};
static KSTRUCT(ip_header, "CustomHeaderExtensionSettings",
    "The client's address from a header field.");
#undef T
#define T k_ip_detection
static const struct kfield ip_detection_fields[] = {
	STRUCT(xff, "xForwardedFor", "From X-Forwarded-For.", ks_xff),
	STRUCT(header, "customHeader", "From another header field.", ks_ip_header),
	STRUCT(direct, "directSourceIP", "Of the connection.", ks_empty),
};
static KSTRUCT(ip_detection, "ClientIPDetectionSettings", "How the client's address is found.",
    .cel = 1, .check = check_ip);
#undef T
#define T k_ct_proxy
static const struct kfield ct_proxy_fields[] = {
	BOOL(optional, "optional", "Connections without it are good too."),
};
static KSTRUCT(ct_proxy, "ProxyProtocolSettings", "The PROXY protocol, v1 and v2.");
#undef T
#define T k_header
static const struct kfield early_header_fields[] = {
	STR(name, "name", "Name of the header field, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", CHARS(1, 4096), REQ),
};
static KSTRUCT(early_header, "HTTPHeader", "A header field.");
#undef T
#define T k_edits
static const struct kfield edits_fields[] = {
	LIST(add, "add", "Add to the values that are there.", ks_early_header, ITEMS(1, 64),
	    MAP_BY("name")),
	LIST(set, "set", "Replace the field, or add it.", ks_early_header, ITEMS(1, 64),
	    MAP_BY("name")),
	LIST(absent, "addIfAbsent", "Add where the field is not there.", ks_early_header,
	    ITEMS(1, 64), MAP_BY("name")),
	STRINGS(remove, "remove", "Names of fields to remove.", SET_OF, ITEMS(1, 64)),
	LIST(remove_match, "removeOnMatch", "Fields to remove, by their names.",
	    ks_string_match, ITEMS(1, 64)),
};
static KSTRUCT(edits, "HTTPHeaderFilter", "Changes header fields.");
#undef T
#define T k_xfcc
static const struct kfield xfcc_fields[] = {
	ENUM(mode, "mode", "What becomes of the field.", NAMES("Sanitize", "ForwardOnly",
	    "AppendForward", "SanitizeSet", "AlwaysForwardOnly")),
	STRINGS(details, "certDetailsToAdd", "What is written into it.", NAMES("Subject", "Cert",
	    "Chain", "DNS", "URI"), ITEMS(0, 5)),
};
static KSTRUCT(xfcc, "XForwardedClientCert", "X-Forwarded-Client-Cert.", .cel = 1,
    .check = check_xfcc);
#undef T
#define T k_ct_host
static const struct kfield ct_host_fields[] = {
	BOOL(strip_dot, "stripTrailingHostDot", "a.com. is a.com."),
};
static KSTRUCT(ct_host, "HostHeaderSettings", "Host.");
#undef T
#define T k_ct_headers
static const struct kfield ct_headers_fields[] = {
	BOOL(envoy, "enableEnvoyHeaders", "X-Envoy-* fields.", NOT_YET),
	BOOL(no_limits, "disableRateLimitHeaders", "No x-ratelimit-* fields."),
	STRUCT(xfcc, "xForwardedClientCert", "X-Forwarded-Client-Cert.", ks_xfcc),
	ENUM(underscores, "withUnderscoresAction", "Names with underscores; absent: "
	    "RejectRequest.", NAMES("Allow", "RejectRequest", "DropHeader")),
	BOOL(preserve_id, "preserveXRequestID", "Deprecated: requestID."),
	ENUM(request_id, "requestID", "X-Request-Id; absent: Generate.",
	    NAMES("PreserveOrGenerate", "Preserve", "Generate", "Disable")),
	STRUCT(early, "earlyRequestHeaders", "Before routing.", ks_edits),
	STRUCT(late, "lateResponseHeaders", "After all else.", ks_edits),
	STRUCT(host, "host", "Host.", ks_ct_host),
};
static KSTRUCT(ct_headers, "HeaderSettings", "Header fields.", .cel = 1,
    .check = check_headers);
#undef T
#define T k_ct_path
static const struct kfield ct_path_fields[] = {
	BOOL(no_merge, "disableMergeSlashes", "// stays as it is."),
	ENUM(slashes, "escapedSlashesAction", "%2F and %5C; absent: UnescapeAndRedirect.",
	    NAMES("KeepUnchanged", "RejectRequest", "UnescapeAndForward",
	    "UnescapeAndRedirect")),
};
static KSTRUCT(ct_path, "PathSettings", "Paths.");
#undef T
#define T k_http10
static const struct kfield http10_fields[] = {
	BOOL(default_host, "useDefaultHost", "A request without Host gets the listener's."),
};
static KSTRUCT(http10, "HTTP10Settings", "HTTP/1.0 is taken.");
#undef T
#define T k_ct_http1
static const struct kfield ct_http1_fields[] = {
	BOOL(trailers, "enableTrailers", "Trailers go through."),
	BOOL(header_case, "preserveHeaderCase", "Names keep their case.", NOT_YET),
	STRUCT(http10, "http10", "HTTP/1.0 is taken.", ks_http10),
	BOOL(unsafe_duration, "disableSafeMaxConnectionDuration", "maxConnectionDuration closes "
	    "without waiting for a next request.", NOT_YET),
	LIST(upgrades, "ignoredUpgradeTypes", "Upgrades that are ignored.", ks_string_match),
};
static KSTRUCT(ct_http1, "HTTP1Settings", "HTTP/1.");
#undef T

/* ---- times and connections */
#define T k_ct_timeout_tcp
static const struct kfield ct_timeout_tcp_fields[] = {
	DURATION(idle, "idleTimeout", "Silence on TCP and TLS listeners."),
	DURATION(handshake, "tlsHandshakeTimeout", "TLS handshake."),
	DURATION(inspection, "connectionInspectionTimeout", "The first bytes.", NOT_YET),
};
static KSTRUCT(ct_timeout_tcp, "TCPClientTimeout", "Times of connections.");
#undef T
#define T k_ct_timeout_http
static const struct kfield ct_timeout_http_fields[] = {
	DURATION(request, "requestReceivedTimeout", "The whole request."),
	DURATION(headers, "requestHeadersReceivedTimeout", "Its head."),
	DURATION(idle, "idleTimeout", "A connection without a request."),
	DURATION(stream_idle, "streamIdleTimeout", "No byte in either direction."),
};
static KSTRUCT(ct_timeout_http, "HTTPClientTimeout", "Times of requests.");
#undef T
#define T k_ct_timeout
static const struct kfield ct_timeout_fields[] = {
	STRUCT(tcp, "tcp", "Times of connections.", ks_ct_timeout_tcp),
	STRUCT(http, "http", "Times of requests.", ks_ct_timeout_http),
};
static KSTRUCT(ct_timeout, "ClientTimeout", "Times towards clients.");
#undef T
#define T k_connection_limit
static const struct kfield connection_limit_fields[] = {
	INT(value, "value", "Connections at once.", AT_LEAST(1), .flags = FF_INT64),
	DURATION(delay, "closeDelay", "One too many is closed so long after."),
	DURATION(duration, "maxConnectionDuration", "Life of a connection."),
	INT(requests, "maxRequestsPerConnection", "Requests on one connection.", .int32 = true),
	DURATION(stream, "maxStreamDuration", "Life of a request."),
};
static KSTRUCT(connection_limit, "ConnectionLimit", "Bounds of connections.", .cel = 1,
    .check = check_limit);
#undef T
#define T k_ct_connection
static const struct kfield ct_connection_fields[] = {
	STRUCT(limit, "connectionLimit", "Bounds of connections.", ks_connection_limit),
	QUANTITY(buffer, "bufferLimit", "Bytes kept of one connection."),
	FIELD(FT_INT_OR_STRING, socket_buffer, "socketBufferLimit", "The socket's buffers.",
	    .flags = FF_QUANTITY | FF_NOT_SERVED),
	INT(accepts, "maxAcceptPerSocketEvent", "Connections taken at once.", .int32 = true,
	    .def = "1", NOT_YET),
};
static KSTRUCT(ct_connection, "ClientConnection", "Connections of clients.");
#undef T
#define T k_ct_health
static const struct kfield ct_health_fields[] = {
	STR(path, "path", "Path that is answered here: 200, or 503 while draining.",
	    CHARS(1, 1024), REQ),
};
static KSTRUCT(ct_health, "HealthCheckSettings", "A check of the gateway itself.");
#undef T
#define T k_ct_grpc
static const struct kfield ct_grpc_fields[] = {
	BOOL(web, "enableWeb", "grpc-web is translated."),
};
static KSTRUCT(ct_grpc, "GRPCSettings", "gRPC.");
#undef T
#define T k_clienttrafficpolicy
static const struct kfield clienttrafficpolicy_fields[] = {
	TARGETS,
	STRUCT(tls, "tls", "TLS of listeners.", ks_client_tls),
	STRUCT(ip, "clientIPDetection", "How the client's address is found.", ks_ip_detection),
	STRUCT(proxy, "proxyProtocol", "Connections begin with the PROXY protocol.",
	    ks_ct_proxy),
	BOOL(enable_proxy, "enableProxyProtocol", "Deprecated: proxyProtocol."),
	STRUCT(keepalive, "tcpKeepalive", "Probes on silent connections of clients.",
	    ks_tcp_keepalive),
	STRUCT(timeout, "timeout", "Times towards clients.", ks_ct_timeout),
	STRUCT(connection, "connection", "Connections of clients.", ks_ct_connection),
	STRUCT(headers, "headers", "Header fields.", ks_ct_headers),
	STRUCT(path, "path", "Paths.", ks_ct_path),
	STRUCT(http1, "http1", "HTTP/1.", ks_ct_http1),
	STRUCT(http2, "http2", "HTTP/2.", ks_h2_settings),
	STRUCT(http3, "http3", "HTTP/3.", ks_empty, NOT_YET),
	STRUCT(grpc, "grpc", "gRPC.", ks_ct_grpc, NOT_YET),
	STRUCT(health, "healthCheck", "A check of the gateway itself.", ks_ct_health),
	ENUM(scheme, "scheme", "Scheme that backends see.", NAMES("Preserve", "MatchBackend")),
};
KSTRUCT(clienttrafficpolicy, "ClientTrafficPolicySpec", "How clients are met.", .cel = 5,
    .check = check_ctp);
#undef T

/* ---- Backend */
static void
check_endpoint(struct vctx *c, void *bound)
{
	struct k_be_endpoint *e = bound;

	if ((e->fqdn != NULL) + (e->ip != NULL) + (e->unix_ != NULL) != 1)
		rule_at(c, e->node, "exactly one of fqdn, ip and unix must be set");
}

static void
check_backend_tls(struct vctx *c, void *bound)
{
	struct k_ct_tls *t = bound;
	bool known = t->well_known.n != 0;

	check_tls(c, bound);
	if (t->cas.n && known)
		rule_at_key(c, rule_child(t->node, "wellKnownCACertificates"),
		    "only one of caCertificateRefs and wellKnownCACertificates can be set");
	if (t->skip_verify.v && (t->cas.n || known))
		rule_at_key(c, rule_child(t->node, "insecureSkipVerify"),
		    "no CA certificates can be set beside insecureSkipVerify");
	if (t->sni.p && t->auto_sni.v)
		rule_at_key(c, rule_child(t->node, "autoSNIFromEndpointHostname"),
		    "sni and autoSNIFromEndpointHostname exclude each other");
}

static void
check_be(struct vctx *c, void *bound)
{
	struct k_backend *b = bound;
	bool autosni = b->tls && b->tls->auto_sni.v, name = false, other = false, bare = false;

	for (uint32_t i = 0; i < b->endpoints.n; i++) {
		const struct k_be_endpoint *e = &b->endpoints.v[i];

		name |= e->fqdn != NULL;
		other |= e->fqdn == NULL;
		bare |= e->fqdn == NULL && !e->hostname.p;
	}
	if (name && other)
		rule_at_key(c, rule_child(b->node, "endpoints"),
		    "fqdn endpoints cannot stand beside others");
	if (b->type == K_BACKEND_DYNAMIC && b->endpoints.v)
		rule_at_key(c, rule_child(b->node, "endpoints"),
		    "a DynamicResolver has no endpoints");
	if (b->type == K_BACKEND_DYNAMIC && autosni)
		rule_at_key(c, b->tls->node,
		    "a DynamicResolver cannot have autoSNIFromEndpointHostname");
	if (autosni && bare)
		rule_at_key(c, b->tls->node, "with autoSNIFromEndpointHostname, ip and unix "
		    "endpoints need a hostname");
}

#define PORT0 .int32 = true, BETWEEN(0, 65535)
#define T k_be_host
static const struct kfield be_fqdn_fields[] = {
	STR(host, "hostname", "A DNS name.", .pattern = &pat_fqdn, CHARS(1, 253), REQ),
	INT(port, "port", "Its port.", PORT0, REQ),
};
static KSTRUCT(be_fqdn, "FQDNEndpoint", "An endpoint by name.");
static const struct kfield be_ip_fields[] = {
	STR(host, "address", "An IPv4 or IPv6 address.", .pattern = &pat_ip, CHARS(3, 45), REQ),
	INT(port, "port", "Its port.", PORT0, REQ),
};
static KSTRUCT(be_ip, "IPEndpoint", "An endpoint by address.");
#undef T
#define T k_be_unix
static const struct kfield be_unix_fields[] = {
	STR(path, "path", "A socket in the file system, under unix_roots.", .max_len = 108,
	    .flags = FF_REQUIRED, .cel = 1),
};
static KSTRUCT(be_unix, "UnixSocket", "An endpoint by file name.");
#undef T
#define T k_be_endpoint
static const struct kfield be_endpoint_fields[] = {
	STRUCT(fqdn, "fqdn", "By name.", ks_be_fqdn),
	STRUCT(ip, "ip", "By address.", ks_be_ip),
	STRUCT(unix_, "unix", "By file name.", ks_be_unix),
	STR(hostname, "hostname", "Host of health checks, SNI.", .pattern = &pat_subdomain,
	    CHARS(1, 253)),
	STR(zone, "zone", "Its zone.", NOT_YET),
};
static KSTRUCT(be_endpoint, "BackendEndpoint", "An endpoint.", .cel = 2,
    .check = check_endpoint);
#undef T
#define T k_ct_tls
static const struct kfield be_tls_fields[] = {
	TLS_COMMON,
	LIST(cas, "caCertificateRefs", "CA bundles that the backend's certificate must come "
	    "from.", ks_local_ref, ITEMS(0, 8)),
	STR(well_known, "wellKnownCACertificates", "System: the CA certificates of the machine.",
	    .pattern = &pat_well_known_ca, CHARS(1, 253)),
	BOOL(skip_verify, "insecureSkipVerify", "Any certificate is good.", .def = "false"),
	STRUCT(certificate, "clientCertificateRef", "Certificate and key to show.",
	    ks_secret_ref),
	STR(sni, "sni", "Name to ask for and to verify.", .pattern = &pat_subdomain,
	    CHARS(1, 253)),
	BOOL(auto_sni, "autoSNIFromEndpointHostname", "Each endpoint's hostname is its SNI."),
};
static KSTRUCT(be_tls, "BackendTLSSettings", "TLS towards the backend.", .cel = 5,
    .check = check_backend_tls);
#undef T
#define T k_backend
static const struct kfield backend_fields[] = {
	ENUM(type, "type", "Endpoints that are listed, or the request's Host.",
	    NAMES("Endpoints", "DynamicResolver"), TEXT("Endpoints")),
	LIST(endpoints, "endpoints", "The endpoints.", ks_be_endpoint, ITEMS(1, 256), .cel = 1),
	STRINGS(protocols, "appProtocols", "Protocol of the backend; absent: HTTP/1.1.",
	    NAMES("gateway.envoyproxy.io/h2c", "gateway.envoyproxy.io/ws",
	    "gateway.envoyproxy.io/wss")),
	BOOL(fallback, "fallback", "Gets only what healthy backends of the rule cannot take."),
	STRUCT(tls, "tls", "TLS towards the backend.", ks_be_tls),
};
KSTRUCT(backend, "BackendSpec", "Endpoints outside of Services.", .cel = 3, .check = check_be);
#undef T
