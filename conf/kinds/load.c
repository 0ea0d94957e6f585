/*
 * load.c - from files to objects: reads each file, binds what is in it, applies the rules of the
 * role directories, and settles who wins where an object is defined twice. Everything that cannot
 * be taken leaves a `load_bad` with as much of its name as could be read, so that the object keeps
 * its last good content and nobody else notices.
 *
 * Duplicates are found by sorting: the lists have to be sorted anyway, and the order of files then
 * cannot matter by construction. Lookups are binary searches in the same array; a hash index was
 * rejected as a second truth.
 */
#include "conf/kinds/load.h"

#include "conf/kinds/bind.h"
#include "conf/read/read.h"

struct loader {
	struct arena *arena;
	struct diags *d;
	struct load *out;
	struct object **v;
	size_t n, cap, names_cap;
	struct load_bad **bad_tail;
	int (*before)(void *arg, struct bytes path);
	void *arg;
	struct bytes file;
	struct doccache *cache;
	bool flat;
};

/* ---- roles (DESIGN section 2) */
static const struct role_row {
	const char *kind;
	bool security, routes;
} role_table[] = {
	{"SecurityPolicy", true, false}, {"ClientTrafficPolicy", true, false},
	    {"BackendTLSPolicy", true, false},
	{"ReferenceGrant", true, true}, {"Secret", true, true}, {"ConfigMap", true, true},
	{"HTTPRoute", false, true}, {"GRPCRoute", false, true}, {"TLSRoute", false, true},
	    {"TCPRoute", false, true},
	{"UDPRoute", false, true}, {"Service", false, true}, {"EndpointSlice", false, true},
	{"Endpoints", false, true}, {"Workload", false, true}, {"Backend", false, true},
	    {"XBackend", false, true},
	{"BackendTrafficPolicy", false, true}, {"XBackendTrafficPolicy", false, true},
	{"HTTPRouteFilter", false, true}, {"Ingress", false, true},
};

bool
role_allows(uint8_t role, struct bytes kind)
{
	if (role != PROTO_ROLE_SECURITY && role != PROTO_ROLE_ROUTES)
		return true;
	for (size_t i = 0; i < HG_ARRAY_LEN(role_table); i++)
		if (bytes_eq(kind, bytes_str(role_table[i].kind)))
			return role == PROTO_ROLE_SECURITY ? role_table[i].security :
			    role_table[i].routes;
	return false;
}

static const char *
role_folder(uint8_t role)
{
	return role == PROTO_ROLE_SECURITY ? "security.d" : role == PROTO_ROLE_ROUTES ? "routes.d" :
	    "infra.d";
}

/* ---- what could not be taken */
static struct bytes
first_error(struct loader *l, const struct diag *after)
{
	const struct diag *e = after ? after->next : l->d->first;

	while (e && e->severity != DIAG_ERROR)
		e = e->next;
	if (!e)
		return BYTES("it has errors");
	return bytes_str(arena_printf(l->arena, "%.*s:%u:%u: %.*s", BYTES_ARG(e->file), e->at.line,
	    e->at.col,
	    BYTES_ARG(e->message)));
}

static void
add_bad(struct loader *l, const struct bind_id *id, const struct node *node, struct bytes file,
    struct bytes why)
{
	struct load_bad *b = arena_zalloc(l->arena, sizeof(*b));

	b->node = node;
	b->file = file;
	b->why = why;
	if (id && id->known) {
		b->kind = id->kind;
		b->ns = id->ns;
		b->name = id->name;
	}
	*l->bad_tail = b;
	l->bad_tail = &b->next;
}

/* ---- one resource */
static bool
good_role(struct loader *l, const struct node *root, const struct bind_id *id)
{
	const struct doc *doc = root->doc;
	const struct node *ns = node_path(root, "metadata.namespace");
	const struct node *kind = node_get(root, "kind");
	struct bytes name = node_text(kind);

	if (l->flat || !doc || !kind || kind->type != NODE_STRING)
		return true;
	if (!role_allows(doc->role, id->kind ? bytes_str(id->kind->name) : name)) {
		diag_at(l->d, CODE_KIND_NOT_ALLOWED, kind, "kind %.*s may not be defined in %s",
		    BYTES_ARG(name),
		    role_folder(doc->role));
		return false;
	}
	if (doc->role == PROTO_ROLE_ROUTES && ns && !bytes_eq(ns->text, doc->ns)) {
		diag_at(l->d, CODE_NAMESPACE_NOT_ALLOWED, ns,
		    "files in routes.d/%.*s may only define objects of namespace "
		    "\"%.*s\"", BYTES_ARG(doc->ns), BYTES_ARG(doc->ns));
		return false;
	}
	return true;
}

static int
take_resource(void *arg, struct node *root)
{
	struct loader *l = arg;
	const struct diag *last = l->d->last;
	uint32_t before = l->d->errors;
	struct bind_id id;
	struct object *o = object_bind(l->arena, l->d, root, &id);

	l->out->documents++;
	/* Pods and the like are not ours to forbid */
	if ((!id.ignored || l->d->last != last) && !good_role(l, root, &id))
		o = NULL;
	if (o) {
		l->v = arena_grow(l->arena, l->v, &l->cap, l->n, sizeof(*l->v));
		l->v[l->n++] = o;
	} else if (l->d->errors != before) {
		add_bad(l, &id, root, l->file, first_error(l, last));
	}
	return 0;
}

static int
take_file(void *arg, struct source_file *f)
{
	struct loader *l = arg;
	const struct diag *last = l->d->last;

	l->out->file_names = arena_grow(l->arena, l->out->file_names, &l->names_cap, l->out->nfiles,
	    sizeof(*l->out->file_names));
	l->out->file_names[l->out->nfiles++] = f->path;
	l->out->files++;
	l->file = f->path;
	if (l->before && l->before(l->arg, f->path) != 0) {
		add_bad(l, NULL, NULL, f->path, BYTES("the file is skipped: reading it did not end "
		    "well"));
		return 0;
	}
	if (f->error) {
		read_file_error(l->d, f->path, f->error);
		add_bad(l, NULL, NULL, f->path, first_error(l, last));
		return 0;
	}
	if (read_text_cached(l->arena, l->d, f->path, f->text, f->role, f->ns, l->cache,
		take_resource, l) != 0)
		add_bad(l, NULL, NULL, f->path, first_error(l, last));
	return 0;
}

/* ---- order, duplicates */
static int
same_or_cmp(const struct object *a, const struct object *b)
{
	int d = a->kind->id < b->kind->id ? -1 : a->kind->id > b->kind->id;

	if (d == 0)
		d = bytes_cmp(a->meta.ns, b->meta.ns);
	return d ? d : bytes_cmp(a->meta.name, b->meta.name);
}

static uint8_t
role_of(const struct object *o)
{
	return o->node->doc ? o->node->doc->role : PROTO_ROLE_FLAT;
}

static int
by_order(const void *x, const void *y)
{
	const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;
	int d = same_or_cmp(a, b);

	if (d == 0)
		d = role_of(a) < role_of(b) ? -1 : role_of(a) > role_of(b);
	return d ? d : bytes_cmp(a->source, b->source);
}

/* All definitions of one object, the highest role first. Returns the one that counts, or NULL. */
static struct object *
settle(struct loader *l, struct object **v, size_t n)
{
	size_t equal = 1;

	while (equal < n && role_of(v[equal]) == role_of(v[0]))
		equal++;
	for (size_t i = 0; i < equal && equal > 1; i++) {
		const struct diag *last = l->d->last;
		const struct object *o = v[i], *other = v[i == 0 ? 1 : 0];
		struct bind_id id = {.kind = o->kind, .ns = o->meta.ns, .name = o->meta.name,
		    .known = true};

		diag_at(l->d, CODE_DUPLICATE_OBJECT, node_path(o->node, "metadata.name"),
		    "%s \"%.*s\" is defined twice: also in %.*s", o->kind->name,
		    BYTES_ARG(o->meta.name),
		    BYTES_ARG(other->source));
		add_bad(l, &id, o->node, o->node->doc ? o->node->doc->file : BYTES(""),
		    first_error(l, last));
	}
	for (size_t i = equal; i < n; i++)
		diag_at(l->d, CODE_SHADOWED, node_path(v[i]->node, "metadata.name"),
		    "%s \"%.*s\" has no effect: it is defined in %s too (%.*s)", v[i]->kind->name,
		    BYTES_ARG(v[i]->meta.name), role_folder(role_of(v[0])),
		    BYTES_ARG(v[0]->source));
	return equal == 1 ? v[0] : NULL;
}

static void
link_objects(struct objects *os)
{
	struct object *last[KIND_COUNT] = {NULL};

	for (uint32_t i = 0; i < os->n; i++) {
		struct object *o = os->all[i];
		enum kind_id k = o->kind->id;

		o->index = i;
		o->next = NULL;
		if (last[k])
			last[k]->next = o;
		else
			os->first[k] = o;
		last[k] = o;
		os->count[k]++;
	}
}

static void
drop_bad_refs(struct loader *l)
{
	struct objects *os = &l->out->objects;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < os->n; i++) {
		const struct diag *last = l->d->last;
		struct object *o = os->all[i];
		struct bind_id id = {.kind = o->kind, .ns = o->meta.ns, .name = o->meta.name,
		    .known = true};

		if (refs_good(os, o, l->d))
			os->all[kept++] = o;
		else
			add_bad(l, &id, o->node, o->node->doc ? o->node->doc->file : BYTES(""),
			    first_error(l, last));
	}
	if (kept == os->n)
		return;
	os->n = kept;
	memset(os->first, 0, sizeof(os->first));
	memset(os->count, 0, sizeof(os->count));
	link_objects(os);
}

static void
settle_all(struct loader *l)
{
	struct objects *os = &l->out->objects;

	os->arena = l->arena;
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_order);
	os->all = l->v;
	for (size_t i = 0, end; i < l->n; i = end) {
		struct object *o;

		for (end = i + 1; end < l->n && same_or_cmp(l->v[i], l->v[end]) == 0; end++)
			;
		o = end == i + 1 ? l->v[i] : settle(l, l->v + i, end - i);
		if (o)
			os->all[os->n++] = o;
	}
	link_objects(os);
	drop_bad_refs(l);
}

struct object *
objects_find(const struct objects *os, enum kind_id kind, struct bytes ns, struct bytes name)
{
	uint32_t lo = 0, hi;

	for (unsigned k = 0; k < (unsigned)kind; k++)
		lo += os->count[k];
	hi = lo + os->count[kind];
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int d = bytes_cmp(os->all[mid]->meta.ns, ns);

		if (d == 0)
			d = bytes_cmp(os->all[mid]->meta.name, name);
		if (d == 0)
			return os->all[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int
load_objects(struct arena *a, struct diags *d, struct source *src, unsigned nroots, bool flat,
    int (*before_file)(void *arg, struct bytes path), void *arg, struct load *out)
{
	return load_objects_cached(a, d, src, nroots, flat, before_file, arg, NULL, out);
}

int
load_objects_cached(struct arena *a, struct diags *d, struct source *src, unsigned nroots,
    bool flat, int (*before_file)(void *arg, struct bytes path), void *arg,
    struct doccache *cache, struct load *out)
{
	struct loader l = {.arena = a, .d = d, .out = out, .before = before_file, .arg = arg,
	    .cache = cache, .flat = flat};
	int rc = 0;

	*out = (struct load){0};
	l.bad_tail = &out->bad;
	for (unsigned i = 0; i < nroots && rc == 0; i++)
		rc = src->walk(src, i, take_file, &l);
	settle_all(&l);
	return rc;
}

/* ---- last good content */
struct from_json {
	struct arena *arena;
	struct diags *d;
	struct object *object;
};

static int
take_one(void *arg, struct node *root)
{
	struct from_json *j = arg;
	struct bind_id id;

	j->object = object_bind(j->arena, j->d, root, &id);
	return 1;
}

struct object *
object_from_json(struct arena *a, struct bytes json, struct bytes source)
{
	struct diags d;
	struct from_json j = {.arena = a, .d = &d};

	diags_init(&d, a);
	/* not the source's name: that may say libconfig */
	read_text(a, &d, BYTES("last-good.json"), json, PROTO_ROLE_FLAT, BYTES_NONE, take_one, &j);
	if (j.object)
		j.object->source = source;
	return j.object;
}
