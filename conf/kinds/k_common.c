/*
 * k_common.c - tables that several kinds share: references, selectors, session persistence, backend
 * validation, with their CEL rules. Each exists once, so a limit that the Gateway API changes is
 * changed in one line. The v1.6 spellings of session persistence are rewritten in the node tree
 * before anything is bound, so that printing, hashing and the rules know only v1.7.
 */
#include "conf/kinds/table.h"

#define T k_parent_ref
static const struct kfield parent_ref_fields[] = {
	STR(group, "group", "API group of the parent.", GROUP, TEXT("gateway.networking.k8s.io")),
	STR(kind, "kind", "Kind of the parent: Gateway, ListenerSet or Service.", KINDNAME,
	    TEXT("Gateway")),
	STR(ns, "namespace", "Namespace of the parent; absent means that of the route.", NSNAME),
	STR(name, "name", "Name of the parent.", OBJNAME, REQ),
	STR(section, "sectionName", "Listener of the parent; absent means all that fit.", SECTION),
	INT(port, "port", "Port that the listener must have; absent means any.", PORT),
};
KSTRUCT(parent_ref, "ParentReference", "An object, usually a Gateway, that a route wants to be "
    "attached to.");
#undef T

#define BACKEND_OBJECT(d) \
	STR(group, "group", "API group of the backend; empty is the core group.", GROUP, \
	    .def = "\"\""), \
	STR(kind, "kind", "Kind of the backend.", KINDNAME, TEXT("Service")), \
	STR(ns, "namespace", "Namespace of the backend; another one needs a ReferenceGrant " \
	    "there.", NSNAME), \
	STR(name, "name", "Name of the backend.", OBJNAME, REQ), \
	INT(port, "port", "Port of the Service (not the target port). Required for a Service.", \
	    PORT)
#define WEIGHT \
	INT(weight, "weight", "Share of the requests, relative to the sum of all weights; 0 gets " \
	    "none.", \
	    .int32 = true, BETWEEN(0, 1000000), .def = "1")

static void
check_backend(struct vctx *c, void *bound)
{
	struct k_backend_ref *b = bound;

	if (b->group.n == 0 && bytes_eq(b->kind, BYTES("Service")) && !b->port.set)
		rule_at(c, b->node, "a backend of kind Service must have a port");
	if (b->port.set && bytes_eq(b->kind, BYTES("XBackend")) &&
	    bytes_eq(b->group, BYTES("gateway.networking.x-k8s.io")))
		old_at(c, rule_child(b->node, "port"),
		    "a reference to an XBackend has no port: the XBackend itself says which");
}

static void
check_backend_object(struct vctx *c, void *bound)
{
	((struct k_backend_ref *)bound)->weight.v = 1;
	check_backend(c, bound);
}

#define T k_backend_ref
static const struct kfield backend_object_ref_fields[] = {BACKEND_OBJECT("")};
KSTRUCT(backend_object_ref, "BackendObjectReference", "A backend.", .cel = 2, .cel_std = 1,
    .check = check_backend_object);
static const struct kfield l4_backend_ref_fields[] = {BACKEND_OBJECT(""), WEIGHT};
KSTRUCT(l4_backend_ref, "BackendRef", "A backend and its share.", .cel = 2, .cel_std = 1,
    .check = check_backend);
#undef T

#define T k_object_ref
static const struct kfield secret_ref_fields[] = {
	STR(group, "group", "API group; empty is the core group.", GROUP, .def = "\"\""),
	STR(kind, "kind", "Kind of the object.", KINDNAME, TEXT("Secret")),
	STR(name, "name", "Name of the object.", OBJNAME, REQ),
	STR(ns, "namespace", "Namespace; another one needs a ReferenceGrant there.", NSNAME),
};
KSTRUCT(secret_ref, "SecretObjectReference", "A Secret, or what stands for one.");

#define LOCAL_REF \
	STR(group, "group", "API group; empty is the core group.", GROUP, REQ), \
	STR(kind, "kind", "Kind of the object.", KINDNAME, REQ), \
	STR(name, "name", "Name of the object.", OBJNAME, REQ)
static const struct kfield local_ref_fields[] = {LOCAL_REF};
KSTRUCT(local_ref, "LocalObjectReference", "An object in the same namespace.");
static const struct kfield namespaced_ref_fields[] = {
	LOCAL_REF,
	STR(ns, "namespace", "Namespace of the object.", NSNAME),
};
KSTRUCT(namespaced_ref, "ObjectReference", "An object.");
static const struct kfield policy_target_section_fields[] = {
	LOCAL_REF,
	STR(section, "sectionName", "Part of the target: a listener of a Gateway, a port of a "
	    "Service.", SECTION),
};
KSTRUCT(policy_target_section, "LocalPolicyTargetReferenceWithSectionName",
    "What a policy applies to, in the same namespace.");
#undef T

#define T k_selector_expr
static const struct kfield selector_expr_fields[] = {
	STR(key, "key", "Label name.", REQ),
	STR(op, "operator", "In, NotIn, Exists or DoesNotExist.", REQ),
	STRINGS(values, "values", "Values for In and NotIn."),
};
static KSTRUCT(selector_expr, "LabelSelectorRequirement", "One condition on labels.");
#undef T
#define T k_selector
static const struct kfield selector_fields[] = {
	MAP(labels, "matchLabels", "Labels that must be there with these values."),
	LIST(exprs, "matchExpressions", "Further conditions; all must hold.", ks_selector_expr),
};
KSTRUCT(selector, "LabelSelector", "Which namespaces, by their labels.");
#undef T

static void
check_fraction(struct vctx *c, void *bound)
{
	struct k_fraction *f = bound;

	if (f->num.v > f->den.v)
		rule_at(c, rule_child(f->node, "numerator"),
		    "numerator must be less than or equal to denominator (%lld)",
		    (long long)f->den.v);
}

#define T k_fraction
static const struct kfield fraction_fields[] = {
	INT(num, "numerator", "Upper part of the fraction.", .int32 = true, AT_LEAST(0), REQ),
	INT(den, "denominator", "Lower part of the fraction.", .int32 = true, AT_LEAST(1),
	    .def = "100"),
};
KSTRUCT(fraction, "Fraction", "A share, numerator/denominator.", .cel = 1, .check = check_fraction);
#undef T

/* ---- session persistence */
#define T k_persistence_cookie
static const struct kfield persistence_cookie_fields[] = {
	STR(name, "name", "Name of the cookie; absent means one is made.", HEADER),
	STR(path, "path", "Path attribute of the cookie.", .max_len = 1024, TEXT("/")),
	ENUM(lifetime, "lifetimeType", "Session: ends with the browser; Permanent: lives until "
	    "absoluteTimeout.",
	    NAMES("Permanent", "Session"), TEXT("Session")),
};
static KSTRUCT(persistence_cookie, "CookieConfig", "How a cookie keeps a client on its backend.");
#undef T
#define T k_persistence_header
static const struct kfield persistence_header_fields[] = {
	STR(name, "name", "Name of the header field.", HEADER, REQ),
};
static KSTRUCT(persistence_header, "HeaderConfig",
    "How a header field keeps a client on its backend.");
#undef T

static void
check_persistence(struct vctx *c, void *bound)
{
	struct k_persistence *p = bound;
	const struct node *type = rule_child(p->node, "type");

	if (p->cookie && p->type != K_SP_COOKIE)
		rule_at_key(c, p->cookie->node, "cookie can only be set when type is Cookie");
	if (!p->cookie && p->type == K_SP_COOKIE)
		rule_at(c, type, "cookie must be set when type is Cookie");
	if (p->header && p->type != K_SP_HEADER)
		rule_at_key(c, p->header->node, "header can only be set when type is Header");
	if (!p->header && p->type == K_SP_HEADER)
		rule_at(c, type, "header must be set when type is Header");
	if (p->cookie && p->cookie->lifetime == K_LIFE_PERMANENT && !p->absolute.set)
		rule_at(c, rule_child(p->cookie->node, "lifetimeType"),
		    "absoluteTimeout must be set when the cookie's lifetimeType is Permanent");
}

/* Moves `child` of `from` into the map `to` under another name; the mark stays that of the text. */
static void
move_to(struct node *from, struct node *child, struct node *to, const char *name)
{
	struct node **at = &from->first, *last = NULL;

	while (*at && *at != child) {
		last = *at;
		at = &(*at)->next;
	}
	HG_CHECK(*at == child);
	*at = child->next;
	if (from->last == child)
		from->last = last;
	from->n--;
	child->next = NULL;
	child->key = bytes_str(name);
	node_append(to, child);
}

static struct node *
add_map(struct vctx *c, struct node *parent, const char *name, const struct node *like)
{
	struct node *m = node_new(c->arena, NODE_MAP, parent->doc);

	m->key = bytes_str(name);
	m->at = like->at;
	m->key_at = like->key.p ? like->key_at : like->at;
	node_append(parent, m);
	return m;
}

static struct node *
add_text(struct vctx *c, struct node *parent, const char *name, const char *text)
{
	struct node *s = node_new(c->arena, NODE_STRING, parent->doc);

	s->key = bytes_str(name);
	s->text = bytes_str(text);
	s->at = parent->at;
	s->key_at = parent->key_at;
	node_append(parent, s);
	return s;
}

/* v1.6's sessionName and cookieConfig; reference/gateway-api-1.7.md section 5. */
void
upgrade_persistence(struct vctx *c, struct node *p)
{
	struct node *name = node_get(p, "sessionName"), *conf = node_get(p, "cookieConfig");
	struct node *cookie = node_get(p, "cookie"), *header = node_get(p, "header");
	bool by_header = bytes_eq(node_text(node_get(p, "type")), BYTES("Header"));
	struct node *into;

	if ((name || conf) && (cookie || header)) {
		diag_at_key(c->d, CODE_BOTH_SPELLINGS, name ? name : conf,
		    "\"%.*s\" is the v1.6 spelling and cannot stand beside cookie or header",
		    BYTES_ARG((name ? name : conf)->key));
		/* told: as if it were not there */
		if (name)
			name->type = NODE_NULL;
		if (conf)
			conf->type = NODE_NULL;
		return;
	}
	if (conf && conf->type == NODE_MAP) {
		old_at(c, conf, "\"cookieConfig\" is called \"cookie\" since v1.7");
		cookie = conf;
		cookie->key = BYTES("cookie");
	}
	if (name) {
		into = by_header ? header : cookie;
		old_at(c, name, "\"sessionName\" is called \"%s.name\" since v1.7", by_header ?
		    "header" : "cookie");
		if (!into)
			into = add_map(c, p, by_header ? "header" : "cookie", name);
		move_to(p, name, into, "name");
		if (by_header)
			header = into;
		else
			cookie = into;
	}
	if (!cookie && !header && by_header) {
		old_at(c, node_get(p, "type"), "type Header needs header.name since v1.7; "
		    "\"x-headgate-session\" is used");
		add_text(c, add_map(c, p, "header", p), "name", "x-headgate-session");
	} else if (!cookie && !header && (!node_get(p, "type") ||
	    bytes_eq(node_text(node_get(p, "type")), BYTES("Cookie")))) {
		old_at(c, p, "type Cookie needs \"cookie: {}\" since v1.7 (its path is \"/\")");
		add_map(c, p, "cookie", p);
	}
}

#define T k_persistence
static const struct kfield persistence_fields[] = {
	ENUM(type, "type", "By a cookie or by a header field.", NAMES("Cookie", "Header"),
	    TEXT("Cookie")),
	DURATION(absolute, "absoluteTimeout", "A session ends after this long, however busy."),
	STRUCT(cookie, "cookie", "Settings of the cookie; required for type Cookie.",
	    ks_persistence_cookie),
	STRUCT(header, "header", "Settings of the header field; required for type Header.",
	    ks_persistence_header),
};
KSTRUCT(persistence, "SessionPersistence", "Keeps a client on the backend endpoint that it had "
    "first.",
    .cel = 5, .check = check_persistence, .upgrade = upgrade_persistence);
#undef T

/* ---- rules over lists */
static bool
same_parent(const struct k_parent_ref *a, const struct k_parent_ref *b)
{
	return bytes_eq(a->name, b->name) && bytes_eq(a->kind, b->kind) &&
	    bytes_eq(a->group, b->group) &&
	    bytes_eq(a->ns, b->ns);
}

void
check_parent_refs(struct vctx *c, const struct node *spec, const struct k_parent_ref *v, uint32_t n)
{
	for (uint32_t j = 1; j < n; j++) {
		for (uint32_t i = 0; i < j; i++) {
			bool port;

			if (!same_parent(&v[i], &v[j]))
				continue;
			port = v[i].port.v == v[j].port.v;
			if ((v[i].section.n == 0) != (v[j].section.n == 0) ||
			    (v[i].port.v == 0) != (v[j].port.v == 0)) {
				rule_at(c, rule_node(v[j].node, spec),
				    "sectionName or port must be set in each of "
				    "several parentRefs to the same parent");
				break;
			}
			if (port && bytes_eq(v[i].section, v[j].section)) {
				rule_at(c, rule_node(v[j].node, spec),
				    "sectionName or port must differ between "
				    "parentRefs to the same parent");
				break;
			}
		}
	}
}

void
check_rule_names(struct vctx *c, const void *rules, uint32_t n, size_t stride, size_t name_off)
{
	const char *at = rules;

	for (uint32_t j = 1; j < n; j++) {
		const struct bytes *b = (const struct bytes *)(const void *)(at + j * stride +
		    name_off);

		for (uint32_t i = 0; b->p && i < j; i++) {
			const struct bytes *a = (const struct bytes *)(const void *)(at +
			    i * stride + name_off);
			struct node *const *first = (struct node *const *)(const void *)(at +
			    i * stride);
			struct node *const *node = (struct node *const *)(const void *)(at +
			    j * stride);

			if (!a->p || !bytes_eq(*a, *b))
				continue;
			rule_at(c, rule_child(*node, "name"),
			    "rule name \"%.*s\" must be unique in the route; the "
			    "first one is in line %u", BYTES_ARG(*b),
			    rule_child(*first, "name")->at.line);
			break;
		}
	}
}
