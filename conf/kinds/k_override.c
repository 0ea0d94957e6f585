/*
 * k_override.c - responseOverride of BackendTrafficPolicy (reference/policies.md 6.6).
 */
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

static void
check_range(struct vctx *c, void *bound)
{
	struct k_status_range *r = bound;

	if (r->end.v <= r->start.v)
		rule_at(c, rule_child(r->node, "end"), "end must be greater than start");
}

static void
check_status(struct vctx *c, void *bound)
{
	struct k_status_match *m = bound;
	bool range = bytes_eq(m->type, BYTES("Range"));

	if (range && !m->range)
		rule_at(c, m->node, "range must be set when type is Range");
	if (!range && !m->value.set)
		rule_at(c, m->node, "value must be set when type is Value");
}

static void
check_match(struct vctx *c, void *bound)
{
	struct k_override_match *m = bound;

	if (!m->statuses.v && !m->headers.v)
		rule_at(c, m->node, "one of statusCodes and responseHeaders must be set");
}

static void
check_body(struct vctx *c, void *bound)
{
	struct k_body *b = bound;
	bool ref = bytes_eq(b->type, BYTES("ValueRef"));

	if (ref && !b->ref)
		rule_at(c, b->node, "valueRef must be set when type is ValueRef");
	if (!ref && !b->text.p)
		rule_at(c, b->node, "inline must be set when type is Inline");
	if (b->ref && !bytes_eq(b->ref->kind, BYTES("ConfigMap")))
		rule_at(c, rule_child(b->ref->node, "kind"), "only a ConfigMap can be the body");
}

static void
check_modifier(struct vctx *c, void *bound)
{
	struct k_header_modifier *m = bound;

	if (m->remove.n)
		rule_at_key(c, rule_child(m->node, "remove"), "remove cannot be set here");
}

static void
check_full_path(struct vctx *c, void *bound)
{
	struct k_path_modifier *m = bound;

	if (m->type != K_PM_FULL)
		rule_at(c, rule_child(m->node, "type"), "only ReplaceFullPath can be set here");
	if (m->type == K_PM_FULL && !m->full.p)
		rule_at(c, rule_child(m->node, "type"),
		    "replaceFullPath must be set when type is ReplaceFullPath");
	if (m->prefix.p)
		rule_at_key(c, rule_child(m->node, "replacePrefixMatch"),
		    "replacePrefixMatch cannot be set here");
}

static void
check_override(struct vctx *c, void *bound)
{
	struct k_override *o = bound;

	if ((o->response != NULL) == (o->redirect != NULL))
		rule_at(c, o->node, "exactly one of response and redirect must be set");
}

#define T k_status_range
static const struct kfield status_range_fields[] = {
	INT(start, "start", "First status.", REQ),
	INT(end, "end", "Last status, itself included.", REQ),
};
static KSTRUCT(status_range, "StatusCodeRange", "Statuses.", .cel = 1, .check = check_range);
#undef T
#define T k_status_match
static const struct kfield status_match_fields[] = {
	STR(type, "type", "Which of the two is set.", NAMES("Value", "Range"),
	    .flags = FF_REQUIRED, TEXT("Value")),
	INT(value, "value", "A status."),
	STRUCT(range, "range", "Several statuses.", ks_status_range),
};
static KSTRUCT(status_match, "StatusCodeMatch", "Statuses of answers.", .cel = 2,
    .check = check_status);
#undef T
#define T k_header_match
static const struct kfield header_match_fields[] = {
	STR(name, "name", "Name of the field.", HEADER, REQ),
	STRUCT(value, "value", "What its value must be.", ks_string_match, REQ),
};
static KSTRUCT(header_match, "ResponseHeaderMatch", "A header field of an answer.");
#undef T
#define T k_override_match
static const struct kfield override_match_fields[] = {
	LIST(statuses, "statusCodes", "Statuses; one must match.", ks_status_match, ITEMS(1, 50)),
	LIST(headers, "responseHeaders", "Header fields; all must match.", ks_header_match,
	    ITEMS(1, 16)),
};
static KSTRUCT(override_match, "CustomResponseMatch", "Answers to replace.", .cel = 1,
    .check = check_match);
#undef T
#define T k_body
static const struct kfield body_fields[] = {
	STR(type, "type", "Which of the two is set.", NAMES("Inline", "ValueRef"),
	    .flags = FF_REQUIRED, TEXT("Inline")),
	STR(text, "inline", "The text; %RESPONSE_CODE% and some other operators are replaced."),
	STRUCT(ref, "valueRef", "A ConfigMap: key response.body, else its first.", ks_local_ref),
};
static KSTRUCT(body, "CustomResponseBody", "Body of an answer.", .cel = 3, .check = check_body);
#undef T
#define T k_header
static const struct kfield plain_header_fields[] = {
	STR(name, "name", "Name of the header field, not case-sensitive.", HEADER, REQ),
	STR(value, "value", "Its value.", CHARS(1, 4096), REQ),
};
static KSTRUCT(plain_header, "HTTPHeader", "A header field.");
#undef T
#define T k_header_modifier
static const struct kfield plain_modifier_fields[] = {
	LIST(set, "set", "Replace the field, or add it.", ks_plain_header, ITEMS(0, 16),
	    MAP_BY("name")),
	LIST(add, "add", "Add to the values that are there.", ks_plain_header, ITEMS(0, 16),
	    MAP_BY("name")),
	STRINGS(remove, "remove", "Not possible here.", ITEMS(0, 16), SET_OF),
};
static KSTRUCT(plain_modifier, "HTTPHeaderFilter", "Changes header fields.", .cel = 1,
    .check = check_modifier);
#undef T
#define T k_override_response
static const struct kfield override_response_fields[] = {
	STR(content_type, "contentType", "Content-Type of the answer."),
	STRUCT(body, "body", "Its body.", ks_body),
	INT(status, "statusCode", "Its status; absent: unchanged."),
	STRUCT(header, "header", "Header fields to set or add.", ks_plain_modifier),
};
static KSTRUCT(override_response, "CustomResponse", "An answer.");
#undef T
#define T k_path_modifier
static const struct kfield full_path_fields[] = {
	ENUM(type, "type", "ReplaceFullPath.", NAMES("ReplaceFullPath", "ReplacePrefixMatch"),
	    REQ),
	STR(full, "replaceFullPath", "The path.", .max_len = 1024),
	STR(prefix, "replacePrefixMatch", "Not possible here.", .max_len = 1024),
};
static KSTRUCT(full_path, "HTTPPathModifier", "A path.", .cel = 5, .check = check_full_path);
#undef T
#define T k_redirect
static const struct kfield override_redirect_fields[] = {
	ENUM(scheme, "scheme", "Scheme of the Location; absent: that of the request.",
	    NAMES("http", "https")),
	STR(hostname, "hostname", "Host of the Location; absent: that of the request.",
	    .pattern = &pat_subdomain, CHARS(1, 253)),
	STRUCT(path, "path", "Path of the Location; absent: that of the request.", ks_full_path),
	INT(port, "port", "Port of the Location.", PORT),
	INT(status, "statusCode", "301 or 302.", NAMES("301", "302"), .def = "302"),
};
static KSTRUCT(override_redirect, "CustomRedirect", "A redirect.");
#undef T
#define T k_override
static const struct kfield response_override_fields[] = {
	STRUCT(match, "match", "Which answers.", ks_override_match, REQ),
	ENUM(source, "source", "Answers of headgate itself, of backends, or both.",
	    NAMES("All", "Local", "Backend")),
	STRUCT(response, "response", "What is sent instead.", ks_override_response),
	STRUCT(redirect, "redirect", "A redirect instead.", ks_override_redirect),
};
KSTRUCT(response_override, "ResponseOverride", "Answers that are replaced; the first match "
    "counts.", .cel = 1, .check = check_override);
#undef T
