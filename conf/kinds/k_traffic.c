/*
 * k_traffic.c - what BackendTrafficPolicy and ClientTrafficPolicy share: targets and the rules on
 * them, string matches, keep-alive, HTTP/2 settings. Limits are those of Envoy Gateway's CRDs
 * (tests hold the tables against them); a field that headgate does not serve yet is flagged, and
 * conf/resolve names it in a Warning condition.
 */
#include "conf/kinds/k_traffic.h"
#include "conf/kinds/table.h"

static bool
word_of(struct bytes word, const char *list)
{
	struct bytes rest = bytes_str(list);

	while (rest.p)
		if (bytes_eq(bytes_cut(&rest, ' '), word))
			return true;
	return false;
}

bool
policy_targets_are(const struct k_targets *t, const char *kinds)
{
	if (t->ref && !word_of(t->ref->kind, kinds))
		return false;
	for (uint32_t i = 0; i < t->refs.n; i++)
		if (!word_of(t->refs.v[i].kind, kinds))
			return false;
	for (uint32_t i = 0; i < t->selectors.n; i++)
		if (!word_of(t->selectors.v[i].kind, kinds))
			return false;
	return true;
}

static void
check_target(struct vctx *c, const struct k_object_ref *r, const char *kinds, const char *whose)
{
	if (!bytes_eq(r->group, BYTES("gateway.networking.k8s.io")))
		rule_at(c, rule_child(r->node, "group"),
		    "targets of a %s are of group gateway.networking.k8s.io", whose);
	if (!word_of(r->kind, kinds))
		rule_at(c, rule_child(r->node, "kind"), "a %s can only target: %s", whose, kinds);
}

void
check_policy_targets(struct vctx *c, const struct node *spec, const struct k_targets *t,
    const char *kinds, const char *whose)
{
	if ((t->ref != NULL) == (t->refs.v != NULL) && t->selectors.n == 0)
		rule_at_key(c, spec, "either targetRef or targetRefs must be set");
	if (t->ref)
		check_target(c, t->ref, kinds, whose);
	for (uint32_t i = 0; i < t->refs.n; i++)
		check_target(c, &t->refs.v[i], kinds, whose);
}

static void
check_target_selector(struct vctx *c, void *bound)
{
	struct k_target_selector *s = bound;

	if (!bytes_eq(s->group, BYTES("gateway.networking.k8s.io")))
		rule_at(c, rule_child(s->node, "group"),
		    "group must be gateway.networking.k8s.io");
}

static void
check_target_ns(struct vctx *c, void *bound)
{
	struct k_target_ns *n = bound;

	if (n->from == K_NSF_SELECTOR && !n->selector)
		rule_at(c, rule_child(n->node, "from"),
		    "selector must be set when from is Selector");
}

#define T k_target_ns
static const struct kfield target_ns_fields[] = {
	ENUM(from, "from", "The policy's own namespace, all, or those that a selector picks.",
	    NAMES("Same", "All", "Selector"), .flags = FF_REQUIRED, TEXT("Same")),
	STRUCT(selector, "selector", "For from: Selector.", ks_selector),
};
static KSTRUCT(target_ns, "TargetSelectorNamespaces",
    "Namespaces of the targets; others than the policy's need a ReferenceGrant there.", .cel = 1,
    .check = check_target_ns);
#undef T
#define T k_selector_expr
static const struct kfield target_expr_fields[] = {
	STR(key, "key", "Label name.", REQ),
	STR(op, "operator", "In, NotIn, Exists or DoesNotExist.", REQ),
	STRINGS(values, "values", "Values for In and NotIn."),
};
static KSTRUCT(target_expr, "LabelSelectorRequirement", "One condition on labels.");
#undef T
#define T k_target_selector
static const struct kfield policy_target_selector_fields[] = {
	STR(group, "group", "API group of the targets.", GROUP, TEXT("gateway.networking.k8s.io")),
	STR(kind, "kind", "Kind of the targets.", KINDNAME, REQ),
	MAP(labels, "matchLabels", "Labels that must be there with these values."),
	LIST(exprs, "matchExpressions", "Further conditions; all must hold.", ks_target_expr),
	STRUCT(namespaces, "namespaces", "Where to look; absent: the policy's namespace.",
	    ks_target_ns),
};
KSTRUCT(policy_target_selector, "TargetSelector", "Objects that a policy is for, by labels.",
    .cel = 1, .check = check_target_selector);
#undef T

#define T k_match
static const struct kfield string_match_fields[] = {
	ENUM(type, "type", "How the value is compared.",
	    NAMES("Exact", "Prefix", "Suffix", "RegularExpression"), TEXT("Exact")),
	STR(value, "value", "The text to compare with.", CHARS(1, 1024), REQ),
};
KSTRUCT(string_match, "StringMatch", "A text to match.");
#undef T

#define T k_keepalive
static const struct kfield tcp_keepalive_fields[] = {
	INT(probes, "probes", "Probes without an answer before the connection is given up.",
	    .int32 = true),
	DURATION(idle, "idleTime", "Silence before the first probe."),
	DURATION(interval, "interval", "Time between probes."),
};
KSTRUCT(tcp_keepalive, "TCPKeepalive", "Probes on silent TCP connections.");
#undef T

static void
check_ping(struct vctx *c, void *bound)
{
	struct k_h2_ping *p = bound;

	if (p->timeout.set && p->interval.set && p->timeout.ms >= p->interval.ms)
		rule_at(c, rule_child(p->node, "timeout"), "timeout must be less than interval");
}

#define T k_h2_ping
static const struct kfield h2_ping_fields[] = {
	DURATION(interval, "interval", "Time between PING frames."),
	DURATION(timeout, "timeout", "Time for the answer to a PING."),
	DURATION(idle, "idleInterval", "Silence before the first PING."),
	INT(jitter, "intervalJitter", "Random share added to the interval, in per cent.",
	    .int32 = true, BETWEEN(0, 100)),
};
static KSTRUCT(h2_ping, "HTTP2ConnectionKeepalive", "PING frames.", .cel = 1, .check = check_ping);
#undef T
#define T k_http2
static const struct kfield h2_settings_fields[] = {
	INT(streams, "maxConcurrentStreams", "Requests at once on one connection.", .int32 = true,
	    BETWEEN(1, 2147483647)),
	QUANTITY(stream_window, "initialStreamWindowSize", "Flow-control window of a stream."),
	QUANTITY(connection_window, "initialConnectionWindowSize",
	    "Flow-control window of a connection."),
	STR(on_invalid, "onInvalidMessage", "What ends at a malformed message: the stream or the "
	    "connection.", NAMES("TerminateConnection", "TerminateStream"), NOT_YET),
	STRUCT(ping, "connectionKeepalive", "PING frames.", ks_h2_ping, NOT_YET),
};
KSTRUCT(h2_settings, "HTTP2Settings", "HTTP/2 of a connection.");
#undef T
static const struct kfield empty_fields[] = {
	{.name = "", .doc = "", .type = FT_IGNORED},
};
const struct kstruct ks_empty = {.name = "Empty", .doc = "Present or absent.",
    .size = sizeof(struct k_empty), .fields = empty_fields, .n = 0};
