/*
 * k_filter.c - tables of route and listener filters. HTTPRoute, GRPCRoute and listeners have the
 * same filter structs under different lists of types, so all three bind into struct k_filter; "this
 * member if and only if that type" is one rule over a table of members instead of sixteen.
 */
#include "conf/kinds/table.h"

/* ---- header modifiers */
#define T k_header
static const struct kfield header_fields[] = {
	STR(name, "name", "Name of the header field, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", .pattern = &pat_header_value, CHARS(1, 4096),
	    .flags = FF_REQUIRED | FF_EXP_PATTERN),
};
KSTRUCT(header, "HTTPHeader", "A header field.");
#undef T
#define T k_header_modifier
static const struct kfield header_modifier_fields[] = {
	LIST(set, "set", "Replace the field, or add it.", ks_header, ITEMS(0, 16), MAP_BY("name")),
	LIST(add, "add", "Add to the values that are there.", ks_header, ITEMS(0, 16),
	    MAP_BY("name")),
	STRINGS(remove, "remove", "Names of fields to remove.", ITEMS(0, 16), SET_OF),
};
static KSTRUCT(header_modifier, "HTTPHeaderFilter",
    "Changes header fields; the same name only once.");
#undef T

/* ---- path of redirects and rewrites */
static void
check_path_modifier(struct vctx *c, void *bound)
{
	struct k_path_modifier *m = bound;
	const struct node *type = rule_child(m->node, "type");

	if (m->type == K_PM_FULL && !m->full.p)
		rule_at(c, type, "replaceFullPath must be set when type is ReplaceFullPath");
	if (m->type != K_PM_FULL && m->full.p)
		rule_at_key(c, rule_child(m->node, "replaceFullPath"),
		    "type must be ReplaceFullPath when replaceFullPath is set");
	if (m->type == K_PM_PREFIX && !m->prefix.p)
		rule_at(c, type, "replacePrefixMatch must be set when type is ReplacePrefixMatch");
	if (m->type != K_PM_PREFIX && m->prefix.p)
		rule_at_key(c, rule_child(m->node, "replacePrefixMatch"),
		    "type must be ReplacePrefixMatch when replacePrefixMatch is set");
}

#define T k_path_modifier
static const struct kfield path_modifier_fields[] = {
	ENUM(type, "type", "Replace the whole path, or the prefix that matched.",
	    NAMES("ReplaceFullPath", "ReplacePrefixMatch"), REQ),
	STR(full, "replaceFullPath", "The new path.", .max_len = 1024),
	STR(prefix, "replacePrefixMatch", "The new prefix.", .max_len = 1024),
};
static KSTRUCT(path_modifier, "HTTPPathModifier", "A new path.", .cel = 4,
    .check = check_path_modifier);
#undef T
#define T k_redirect
static const struct kfield redirect_fields[] = {
	ENUM(scheme, "scheme", "Scheme of the Location; absent means that of the request.",
	    NAMES("http", "https")),
	STR(hostname, "hostname", "Host of the Location; absent means that of the request.",
	    .pattern = &pat_subdomain, CHARS(1, 253)),
	STRUCT(path, "path", "Path of the Location; absent means that of the request.",
	    ks_path_modifier),
	INT(port, "port", "Port of the Location; absent means that of the scheme or the listener.",
	    PORT),
	INT(status, "statusCode", "Status of the answer.", NAMES("301", "302", "303", "307", "308"),
	    .def = "302"),
};
static KSTRUCT(redirect, "HTTPRequestRedirectFilter", "Answers with a redirect.");
#undef T
#define T k_rewrite
static const struct kfield rewrite_fields[] = {
	STR(hostname, "hostname", "New Host for the backend.", .pattern = &pat_subdomain,
	    CHARS(1, 253)),
	STRUCT(path, "path", "New path for the backend.", ks_path_modifier),
};
static KSTRUCT(rewrite, "HTTPURLRewriteFilter", "Changes what the backend sees as URL.");
#undef T

/* ---- mirror, CORS, external authorization */
static void
check_mirror(struct vctx *c, void *bound)
{
	struct k_mirror *m = bound;

	if (m->percent.set && m->fraction)
		rule_at_key(c, m->fraction->node, "only one of percent and fraction can be set");
}

#define T k_mirror
static const struct kfield mirror_fields[] = {
	STRUCT(backend, "backendRef", "Where the copies go; their answers are ignored.",
	    ks_backend_object_ref, REQ),
	INT(percent, "percent", "Share of the requests to copy, in percent; absent means all.",
	    .int32 = true,
	    BETWEEN(0, 100)),
	STRUCT(fraction, "fraction", "Share of the requests to copy, as a fraction.", ks_fraction),
};
static KSTRUCT(mirror, "HTTPRequestMirrorFilter", "Sends a copy of the request to another backend.",
    .cel = 1,
    .check = check_mirror);
#undef T

static void
star_alone(struct vctx *c, const struct node *n, const char *name, const k_strings *l)
{
	for (uint32_t i = 0; l->n > 1 && i < l->n; i++) {
		if (!bytes_eq(l->v[i], BYTES("*")))
			continue;
		n = rule_child(n, name)->first;
		while (i--)
			n = n->next;
		rule_at(c, n, "%s cannot have '*' beside other values", name);
		return;
	}
}

static void
check_cors(struct vctx *c, void *bound)
{
	struct k_cors *k = bound;

	star_alone(c, k->node, "allowOrigins", &k->origins);
	star_alone(c, k->node, "allowMethods", &k->methods);
	star_alone(c, k->node, "allowHeaders", &k->headers);
}

#define T k_cors
static const struct kfield cors_fields[] = {
	STRINGS(origins, "allowOrigins", "Origins that may ask: scheme://host[:port], host may "
	    "begin with '*.'; or '*'.",
	    .pattern = &pat_origin, CHARS(1, 253), ITEMS(0, 64), SET_OF, .cel = 1),
	BOOL(credentials, "allowCredentials", "Whether credentials may be sent."),
	STRINGS(methods, "allowMethods", "Methods that may be used, or '*'.", ITEMS(0, 9), SET_OF,
	    .cel = 1,
	    NAMES("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
	    "*")),
	STRINGS(headers, "allowHeaders", "Request fields that may be sent, or '*'.", HEADER,
	    ITEMS(0, 64), SET_OF,
	    .cel = 1),
	STRINGS(expose, "exposeHeaders", "Response fields that scripts may read.", HEADER,
	    ITEMS(0, 64), SET_OF),
	INT(max_age, "maxAge", "Seconds for which a browser may keep the answer to a preflight.",
	    .int32 = true,
	    AT_LEAST(1), .def = "5"),
};
static KSTRUCT(cors, "HTTPCORSFilter", "Answers preflight requests and adds the CORS fields.",
    .check = check_cors);
#undef T

static void
check_external_auth(struct vctx *c, void *bound)
{
	struct k_external_auth *a = bound;
	const struct node *proto = rule_child(a->node, "protocol");

	if (a->protocol == K_AUTH_GRPC && !a->grpc)
		rule_at(c, proto, "grpc must be set when protocol is GRPC");
	if (a->protocol != K_AUTH_GRPC && a->grpc)
		rule_at_key(c, a->grpc->node, "protocol must be GRPC when grpc is set");
	if (a->protocol == K_AUTH_HTTP && !a->http)
		rule_at(c, proto, "http must be set when protocol is HTTP");
	if (a->protocol != K_AUTH_HTTP && a->http)
		rule_at_key(c, a->http->node, "protocol must be HTTP when http is set");
}

#define T k_auth_http
static const struct kfield auth_http_fields[] = {
	STR(path, "path", "Prefix put before the request's path on the way to the server.",
	    .pattern = &pat_path,
	    .max_len = 1024),
	STRINGS(allowed, "allowedHeaders", "Request fields sent to the server besides the core "
	    "ones.", ITEMS(0, 64),
	    SET_OF),
	STRINGS(allowed_response, "allowedResponseHeaders",
	    "Fields of its answer copied into the request.",
	    ITEMS(0, 64), SET_OF),
};
static KSTRUCT(auth_http, "HTTPAuthConfig", "An HTTP authorization server.");
#undef T
#define T k_auth_grpc
static const struct kfield auth_grpc_fields[] = {
	STRINGS(allowed, "allowedHeaders", "Request fields sent to the server; absent means all.",
	    ITEMS(0, 64),
	    SET_OF),
};
static KSTRUCT(auth_grpc, "GRPCAuthConfig", "An authorization server of Envoy's ext_authz "
    "protocol.");
#undef T
#define T k_auth_body
static const struct kfield auth_body_fields[] = {
	INT(max_size, "maxSize", "Bytes of the body sent at most; 0 sends none.", .int32 = true,
	    AT_LEAST(0)),
};
static KSTRUCT(auth_body, "ForwardBodyConfig", "Whether the request's body goes to the server.");
#undef T
#define T k_external_auth
static const struct kfield external_auth_fields[] = {
	ENUM(protocol, "protocol", "Protocol of the authorization server.", NAMES("HTTP", "GRPC"),
	    REQ),
	STRUCT(backend, "backendRef", "The authorization server.", ks_backend_object_ref, REQ),
	STRUCT(grpc, "grpc", "Settings for protocol GRPC.", ks_auth_grpc),
	STRUCT(http, "http", "Settings for protocol HTTP.", ks_auth_http),
	STRUCT(body, "forwardBody", "Send the body too.", ks_auth_body),
};
static KSTRUCT(external_auth, "HTTPExternalAuthFilter",
    "Asks another server whether the request may pass.",
    .cel = 4, .check = check_external_auth);
#undef T

/* ---- the filter itself */
static const struct {
	uint8_t type;
	const char *type_name, *name;
	size_t off;
} members[] = {
	{K_F_REQUEST_HEADERS, "RequestHeaderModifier", "requestHeaderModifier",
	    offsetof(struct k_filter, request)},
	{K_F_RESPONSE_HEADERS, "ResponseHeaderModifier", "responseHeaderModifier",
	    offsetof(struct k_filter, response)},
	{K_F_MIRROR, "RequestMirror", "requestMirror", offsetof(struct k_filter, mirror)},
	{K_F_REDIRECT, "RequestRedirect", "requestRedirect", offsetof(struct k_filter, redirect)},
	{K_F_REWRITE, "URLRewrite", "urlRewrite", offsetof(struct k_filter, rewrite)},
	{K_F_EXTENSION, "ExtensionRef", "extensionRef", offsetof(struct k_filter, extension)},
	{K_F_CORS, "CORS", "cors", offsetof(struct k_filter, cors)},
	{K_F_AUTH, "ExternalAuth", "externalAuth", offsetof(struct k_filter, auth)},
};

static void
check_filter(struct vctx *c, void *bound)
{
	struct k_filter *f = bound;

	for (size_t i = 0; i < HG_ARRAY_LEN(members); i++) {
		const void *p;

		memcpy(&p, (const char *)bound + members[i].off, sizeof(p));
		if (p && f->type != members[i].type)
			rule_at_key(c, rule_child(f->node, members[i].name),
			    "%s can only be set in a filter of type %s", members[i].name,
			    members[i].type_name);
		if (!p && f->type == members[i].type)
			rule_at(c, rule_child(f->node, "type"),
			    "%s must be set in a filter of type %s",
			    members[i].name, members[i].type_name);
	}
}

#define T k_filter
#define F_REQUEST STRUCT(request, "requestHeaderModifier", "For type RequestHeaderModifier.", \
    ks_header_modifier)
#define F_RESPONSE STRUCT(response, "responseHeaderModifier", "For type ResponseHeaderModifier.", \
    ks_header_modifier)
#define F_MIRROR STRUCT(mirror, "requestMirror", "For type RequestMirror.", ks_mirror)
#define F_EXTENSION STRUCT(extension, "extensionRef", \
    "For type ExtensionRef: a filter of another kind.", ks_local_ref)
#define F_AUTH(...) STRUCT(auth, "externalAuth", "For type ExternalAuth.", ks_external_auth, \
    __VA_ARGS__)

static const struct kfield http_filter_fields[] = {
	ENUM(type, "type", "What the filter does; the member of the same name holds its settings.",
	    REQ,
	    NAMES("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror",
	    "RequestRedirect", "URLRewrite",
	    "ExtensionRef", "CORS", "ExternalAuth"), .names_exp = 1),
	F_REQUEST, F_RESPONSE, F_MIRROR,
	STRUCT(redirect, "requestRedirect", "For type RequestRedirect.", ks_redirect),
	STRUCT(rewrite, "urlRewrite", "For type URLRewrite.", ks_rewrite),
	STRUCT(cors, "cors", "For type CORS.", ks_cors),
	F_AUTH(EXP), F_EXTENSION,
};
KSTRUCT(http_filter, "HTTPRouteFilter", "A step in the processing of requests.", .cel = 16,
    .cel_std = 2,
    .check = check_filter);

static const struct kfield grpc_filter_fields[] = {
	ENUM(type, "type", "What the filter does; the member of the same name holds its settings.",
	    REQ,
	    NAMES("ResponseHeaderModifier", "RequestHeaderModifier", "RequestMirror",
	    "ExtensionRef"),
	    VALUES(K_F_RESPONSE_HEADERS, K_F_REQUEST_HEADERS, K_F_MIRROR, K_F_EXTENSION)),
	F_REQUEST, F_RESPONSE, F_MIRROR, F_EXTENSION,
};
KSTRUCT(grpc_filter, "GRPCRouteFilter", "A step in the processing of calls.", .cel = 8,
    .check = check_filter);

static const struct kfield listener_filter_fields[] = {
	ENUM(type, "type", "What the filter does; the member of the same name holds its settings.",
	    REQ,
	    NAMES("ExternalAuth", "ExtensionRef"), VALUES(K_F_AUTH, K_F_EXTENSION)),
	F_AUTH(), F_EXTENSION,
};
KSTRUCT(listener_filter, "ListenerFilter", "A step before a route is chosen.", .cel = 4,
    .check = check_filter);
#undef T
