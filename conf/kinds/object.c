/*
 * object.c - one resource: which kind and version it is, its metadata, its spec, and a hash of what
 * it says. Kinds of other programs are passed over in silence, but a name that is nearly one of
 * ours is an error: it is a typing mistake, and an object that is silently not there is found last
 * of all.
 */
#include "base/hash.h"
#include "base/parse.h"
#include "conf/kinds/k_core.h"
#include "conf/kinds/table.h"

#define ANNOTATIONS_MAX 262144u /* bytes, keys and values; an API server's bound */

/* ---- metadata */
#define T k_meta
#define OTHERS(nm) {.name = nm, .doc = "Not used.", .type = FT_IGNORED}
static const struct kfield meta_fields[] = {
	STR(name, "name", "Name, unique in namespace and kind.", REQ, CHARS(1, 253)),
	STR(ns, "namespace", "Namespace; absent: that of the folder, or \"default\".",
	    .max_len = 63),
	STR(uid, "uid", "Identity in the cluster that this was exported from."),
	INT(generation, "generation", "Counts changes of the spec."),
	STR(created, "creationTimestamp", "When the object was made; the older one wins conflicts.",
	    .flags = FF_DATE_TIME),
	MAP(labels, "labels", "What selectors see.", .key_pattern = &pat_meta_key,
	    .pattern = &pat_label_value,
	    .max_len = 63),
	MAP(annotations, "annotations", "Remarks."),
	OTHERS("generateName"), OTHERS("selfLink"), OTHERS("resourceVersion"),
	    OTHERS("deletionTimestamp"),
	OTHERS("deletionGracePeriodSeconds"), OTHERS("ownerReferences"), OTHERS("finalizers"),
	OTHERS("managedFields"),
};
KSTRUCT(meta, "ObjectMeta", "Name, namespace, labels, annotations.");
#undef T

/* Keys of labels and annotations: the domain has a bound that the pattern does not say. */
static void
check_domains(struct vctx *c, const k_map *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (bytes_chr(m->v[i].key, '/', 0) > 253)
			diag_at_key(c->d, CODE_METADATA, m->v[i].node,
			    "the domain of a key has at most 253 characters");
}

static void
check_meta(struct vctx *c, const struct k_meta *m)
{
	size_t total = 0;
	bool label = c->kind->id == KIND_NAMESPACE || c->kind->id == KIND_SERVICE;

	if (m->name.p && !(label ? parse_dns_label(m->name) : pat_subdomain.match(m->name)))
		diag_at(c->d, CODE_METADATA, rule_child(m->node, "name"), "name \"%.*s\" is not %s",
		    (int)HG_MIN(m->name.n, 80u), m->name.p, label ? pat_label.what :
		    pat_subdomain.what);
	if (m->ns.p && m->ns.n && !c->kind->cluster && !parse_dns_label(m->ns))
		diag_at(c->d, CODE_METADATA, rule_child(m->node, "namespace"),
		    "namespace \"%.*s\" is not %s",
		    (int)HG_MIN(m->ns.n, 80u), m->ns.p, pat_label.what);
	check_domains(c, &m->labels);
	check_domains(c, &m->annotations);
	for (uint32_t i = 0; i < m->annotations.n; i++) {
		struct bytes key = m->annotations.v[i].key;
		char lower[320];

		/* an API server compares annotation keys in lower case */
		for (size_t k = 0; k < key.n && k < sizeof(lower); k++)
			lower[k] = (char)(key.p[k] >= 'A' && key.p[k] <= 'Z' ? key.p[k] + 32 :
			    key.p[k]);
		if (key.n > sizeof(lower) || !pat_meta_key.match(bytes_of(lower, key.n)))
			diag_at_key(c->d, CODE_METADATA, m->annotations.v[i].node,
			    "annotation key \"%.*s\" is not %s",
			    (int)HG_MIN(key.n, 80u), key.p, pat_meta_key.what);
		total += key.n + m->annotations.v[i].value.n;
	}
	if (total > ANNOTATIONS_MAX)
		diag_at_key(c->d, CODE_METADATA, rule_child(m->node, "annotations"),
		    "annotations have %zu bytes, but can have at most %u", total, ANNOTATIONS_MAX);
}

/* `strict`: unknown and missing members of the root have been told. */
static void
bind_meta(struct vctx *c, struct node *root, bool strict, struct k_meta *m)
{
	struct node *n = node_get(root, "metadata");
	uint32_t before = c->d->errors;

	if (!n || n->type != NODE_MAP) {
		if (n)
			diag_at(c->d, CODE_WRONG_TYPE, n, "must be a map");
		else if (!strict)
			diag_at(c->d, CODE_REQUIRED, root,
			    "required field \"metadata\" is missing");
		return;
	}
	bind_fields(c, &ks_meta, n, m);
	if (c->d->errors == before)
		check_meta(c, m);
	if (m->ns.n == 0 || c->kind->cluster)
		m->ns = c->kind->cluster ? BYTES_NONE : n->doc && n->doc->ns.n ? n->doc->ns :
		    BYTES("default");
}

/* ---- kinds that are not ours */
static const struct foreign {
	const char *group, *kinds;
} not_served[] = { /* known, not served by this version: a warning */
	{"gateway.headgate.dev", "SecurityPolicy HTTPRouteFilter"},
	{"gateway.envoyproxy.io", "SecurityPolicy HTTPRouteFilter EnvoyProxy EnvoyPatchPolicy "
	    "EnvoyExtensionPolicy"},
	{"networking.k8s.io", "Ingress IngressClass"},
	{"gateway.networking.x-k8s.io", "XMesh"},
	{"certificates.k8s.io", "ClusterTrustBundle"},
};
/* Of the core group; passed over. */
static const char core_kinds[] = "Binding ComponentStatus Event LimitRange Node PersistentVolume "
    "PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota ServiceAccount";
static const char *const own_groups[] = {"gateway.networking.k8s.io", "gateway.networking.x-k8s.io",
    "gateway.headgate.dev"};

static bool
listed(struct bytes word, const char *list)
{
	struct bytes rest = bytes_str(list);

	while (rest.p)
		if (bytes_eq(bytes_cut(&rest, ' '), word))
			return true;
	return false;
}

static bool
is_own_group(struct bytes group)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(own_groups); i++)
		if (bytes_eq(group, bytes_str(own_groups[i])))
			return true;
	return false;
}

static void
unknown_kind(struct vctx *c, struct bind_id *id, struct node *root, struct bytes group,
    struct bytes name)
{
	const struct node *kind = node_get(root, "kind"), *api = node_get(root, "apiVersion");
	const char *names[KIND_COUNT], *near;
	struct diag *d;
	unsigned n = 0;

	for (size_t i = 0; i < HG_ARRAY_LEN(not_served); i++) {
		if (!bytes_eq(group, bytes_str(not_served[i].group)) ||
		    !listed(name, not_served[i].kinds))
			continue;
		id->ignored = true;
		diag_at(c->d, CODE_NOT_SERVED, kind,
		    "kind %.*s of %.*s is not served by this version", BYTES_ARG(name),
		    BYTES_ARG(group));
		return;
	}
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		const struct kind *k = &kind_table[i];

		if (kind_in_group(k, group))
			names[n++] = k->name;
		/* gateway.networking.k8.io/v1 HTTPRoute: the kind is right and the group nearly */
		if (bytes_eq(name, bytes_str(k->name)) && group.n && group.n <= 64 && k->group[0] &&
		    bytes_distance(group, bytes_str(k->group)) <= 2) {
			d = diag_at(c->d, CODE_UNKNOWN_KIND, api, "unknown API group \"%.*s\"",
			    BYTES_ARG(group));
			diag_help(c->d, d, "did you mean \"%s\"?", k->group);
			return;
		}
	}
	near = n && !(group.n == 0 && listed(name, core_kinds)) ? diag_nearest(name, names, n) :
	    NULL;
	if (!near && !is_own_group(group)) {
		id->ignored = true;
		return;
	}
	d = diag_at(c->d, CODE_UNKNOWN_KIND, kind, "unknown kind \"%.*s\" in group \"%.*s\"",
	    BYTES_ARG(name),
	    BYTES_ARG(group));
	if (near)
		diag_help(c->d, d, "did you mean \"%s\"?", near);
	/* kinds that were experimental once: XListenerSet */
	if (name.n > 1 && name.p[0] == 'X' && !kind_by_name(group, name))
		name = bytes_of(name.p + 1, name.n - 1);
	for (unsigned i = 0; !near && i < KIND_COUNT; i++)
		if (bytes_eq(name, bytes_str(kind_table[i].name)) && kind_table[i].group[0])
			diag_help(c->d, d, "%s is a kind of %s", kind_table[i].name,
			    kind_table[i].group);
}

/* ---- root */
static const struct kfield root_fields[] = {
	{.name = "apiVersion", .doc = "Group and version of the kind.", .type = FT_IGNORED},
	{.name = "kind", .doc = "The kind.", .type = FT_IGNORED},
	{.name = "metadata", .doc = "Name, namespace, labels, annotations.", .type = FT_IGNORED,
	    .flags = FF_REQUIRED},
	{.name = "spec", .doc = "What is wanted.", .type = FT_IGNORED, .flags = FF_REQUIRED},
	{.name = "status", .doc = "What is.", .type = FT_IGNORED},
};
static const struct kstruct ks_root = {.name = "object", .fields = root_fields,
    .n = HG_ARRAY_LEN(root_fields)};

/* No apiVersion or kind: at what is wrong, or at what was probably meant. */
static void
not_an_object(struct vctx *c, const struct node *root)
{
	static const char *const names[] = {"apiVersion", "kind"};
	static const char text[] = "an object needs apiVersion and kind, both strings";

	for (const struct node *n = root->first; n; n = n->next) {
		const char *near = diag_nearest(n->key, names, 2);

		if (!near || (node_get(root, near) && !bytes_eq(n->key, bytes_str(near))))
			continue;
		if (bytes_eq(n->key, bytes_str(near)) && n->type == NODE_STRING)
			continue;
		if (bytes_eq(n->key, bytes_str(near)))
			diag_at(c->d, CODE_NOT_AN_OBJECT, n, text);
		else
			diag_help(c->d, diag_at_key(c->d, CODE_NOT_AN_OBJECT, n, text),
			    "did you mean \"%s\"?", near);
		return;
	}
	diag_at(c->d, CODE_NOT_AN_OBJECT, root, text);
}

/* Kind and version. NULL: told, or ignored. */
static const struct kind *
find_kind(struct vctx *c, struct node *root, struct bind_id *id, struct bytes *version)
{
	const struct node *api = node_get(root, "apiVersion"), *kind = node_get(root, "kind");
	const struct kind *k;
	struct bytes group;
	ptrdiff_t slash;

	if (!api || api->type != NODE_STRING || !kind || kind->type != NODE_STRING) {
		not_an_object(c, root);
		return NULL;
	}
	slash = bytes_chr(api->text, '/', 0);
	group = bytes_of(api->text.p, slash < 0 ? 0 : (size_t)slash);
	*version = slash < 0 ? api->text : bytes_of(api->text.p + slash + 1,
	    api->text.n - (size_t)slash - 1);
	k = kind_by_name(group, kind->text);
	if (!k) {
		unknown_kind(c, id, root, group, kind->text);
		return NULL;
	}
	id->kind = k;
	return k;
}

static bool
served(struct vctx *c, const struct kind *k, const struct node *api, struct bytes version)
{
	struct bytes rest = bytes_str(k->versions);

	while (rest.p)
		if (bytes_eq(bytes_cut(&rest, ' '), version))
			return true;
	/* v1, v1beta1, v1alpha3: the same fields */
	if (bytes_starts(api->text, BYTES("networking.istio.io/")))
		return true;
	diag_help(c->d, diag_at(c->d, CODE_API_VERSION, api, "%s has no version \"%.*s\"", k->name,
	    BYTES_ARG(version)),
	    "versions: %s", k->versions);
	return false;
}

/* For last good content: what the object is, even if the rest is nonsense. */
static void
identify(const struct kind *k, const struct node *root, struct bind_id *id)
{
	const struct node *name = node_path(root, "metadata.name"),
	    *ns = node_path(root, "metadata.namespace");

	if (!name || name->type != NODE_STRING || !name->text.n)
		return;
	id->name = name->text;
	if (!k->cluster)
		id->ns = ns && ns->type == NODE_STRING && ns->text.n ? ns->text :
		    root->doc && root->doc->ns.n ? root->doc->ns : BYTES("default");
	id->known = true;
}

static void
bind_spec(struct vctx *c, struct object *o, const struct kstruct *s, struct node *root)
{
	struct node *spec = o->kind->spec_at_root ? root : node_get(root, "spec");
	bool core = (s->flags & FF_IGNORE_UNKNOWN) != 0;

	if (!spec && !core)
		return; /* told */
	if (!spec)
		spec = node_new(c->arena, NODE_MAP, root->doc), spec->at = root->at,
		    spec->parent = root;
	if (spec->type != NODE_MAP) {
		diag_at(c->d, CODE_WRONG_TYPE, spec, "must be a map");
		return;
	}
	c->root = s;
	o->spec = arena_zalloc(c->arena, s->size);
	bind_fields(c, s, spec, o->spec);
}

/* A WorkloadEntry has its labels in the spec; selectors look at those of the metadata. */
static void
merge_labels(struct vctx *c, struct k_meta *m, const k_map *more)
{
	struct k_pair *v;

	if (more->n == 0)
		return;
	v = arena_alloc(c->arena, sizeof(*v) * (m->labels.n + more->n));
	if (m->labels.n)
		memcpy(v, m->labels.v, sizeof(*v) * m->labels.n);
	m->labels.v = v;
	for (uint32_t i = 0, own = m->labels.n; i < more->n; i++) {
		uint32_t k = 0;

		while (k < own && !bytes_eq(v[k].key, more->v[i].key))
			k++;
		if (k == own)
			v[m->labels.n++] = more->v[i];
	}
}

static void
hash_object(struct object *o, const struct kstruct *s)
{
	struct k_meta said = {.labels = o->meta.labels, .annotations = o->meta.annotations};
	char room[2048];
	struct canon text = {.p = room, .cap = sizeof(room)};
	struct hash128 h;

	schema_canon(s, o->spec, &text);
	schema_canon(&ks_meta, &said, &text);
	h = hash_content(text.p, text.n);
	o->hash[0] = h.a;
	o->hash[1] = h.b;
	canon_release(&text);
}

/* file:line; by hand, since printf is a tenth of all binding. */
static struct bytes
source_of(struct arena *a, const struct node *root)
{
	struct bytes file = root->doc->file;
	char *p = arena_alloc(a, file.n + 12), digits[11];
	size_t n = file.n, k = 0;
	uint32_t line = root->at.line;

	memcpy(p, file.p, n);
	p[n++] = ':';
	do
		digits[k++] = (char)('0' + line % 10);
	while (line /= 10);
	while (k > 0)
		p[n++] = digits[--k];
	return bytes_of(p, n);
}

struct object *
object_bind(struct arena *a, struct diags *d, struct node *root, struct bind_id *id)
{
	struct vctx c = {.arena = a, .d = d};
	uint32_t before = d->errors;
	const struct kstruct *s;
	struct bytes version;
	struct object *o;
	bool strict;

	*id = (struct bind_id){0};
	if (root->type != NODE_MAP) {
		diag_at(d, CODE_NOT_AN_OBJECT, root,
		    "an object must be a map with apiVersion and kind");
		return NULL;
	}
	c.kind = find_kind(&c, root, id, &version);
	if (!c.kind)
		return NULL;
	identify(c.kind, root, id);
	if (!served(&c, c.kind, node_get(root, "apiVersion"), version))
		return NULL;
	s = kind_spec(c.kind, version);
	c.root = s;
	strict = !c.kind->spec_at_root && !(s->flags & FF_IGNORE_UNKNOWN);
	if (strict)
		bind_fields(&c, &ks_root, root, NULL);
	o = arena_zalloc(a, sizeof(*o));
	o->kind = c.kind;
	o->api_version = node_text(node_get(root, "apiVersion"));
	o->node = root;
	bind_meta(&c, root, strict, &o->meta);
	bind_spec(&c, o, s, root);
	if (d->errors != before)
		return NULL;
	o->status = node_get(root, "status");
	if (o->status && o->status->type != NODE_MAP)
		o->status = NULL;
	if (o->kind->id == KIND_WORKLOAD)
		merge_labels(&c, &o->meta, &((struct k_workload *)o->spec)->labels);
	if (root->doc)
		o->source = source_of(a, root);
	hash_object(o, s);
	return o;
}

bool
object_may_replace(struct diags *d, const struct object *old, const struct object *now)
{
	bool good = true;

	for (unsigned i = 0; old->kind == now->kind && i < now->kind->spec->n; i++) {
		const struct kfield *f = &now->kind->spec->fields[i];
		const void *was = (const char *)old->spec + f->off;
		const void *is = (const char *)now->spec + f->off;
		const struct bytes *a = was, *b = is;

		if (!(f->flags & FF_IMMUTABLE) || bytes_eq(*a, *b))
			continue;
		HG_CHECK(f->type == FT_STRING);
		diag_at(d, CODE_IMMUTABLE, rule_child(node_get(now->node, "spec"), f->name),
		    "%s cannot be changed: it was \"%.*s\"", f->name, BYTES_ARG(*a));
		good = false;
	}
	return good;
}
