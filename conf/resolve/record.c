/*
 * record.c - the catalogue of a generation: every object as JSON with its status, and what the next
 * compile has to remember (first-seen times, generations, transitions, ids, addresses, last good
 * content). Rows are sorted by group, kind, namespace, name: readers search by halves, and equal
 * inputs give equal bytes.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/version.h"
#include "conf/read/doccache.h"
#include "conf/resolve/certificate.h"
#include "conf/resolve/infra.h"
#include "conf/resolve/service.h"
#include "conf/resolve/status.h"

#define GONE_KEEP 20000u       /* rows */
#define GONE_GENERATIONS 1000u

struct rows {
	struct scope *sc;
	struct blob_writer *w;
	struct cat_object *v;
	struct strbuf buf;
	struct constants constants;
	struct bytes ns;    /* the last one */
	struct im_str ns_at;
	size_t n, cap;
};

static struct cat_object *
row_new(struct rows *rs)
{
	static const struct im_str none = {IM_NONE, 0};
	struct cat_object *r;

	rs->v = mem_grow(rs->v, &rs->cap, rs->n, sizeof(*rs->v));
	r = &rs->v[rs->n++];
	*r = (struct cat_object){
	    .json = none, .status = none, .source = none, .uid = none, .stale = none, .good = none};
	return r;
}

/* Texts that hardly ever are equal: nothing is looked for. */
static struct im_str
put_unique(struct rows *rs, struct bytes b)
{
	struct im_str s = {b.p ? 0 : IM_NONE, (uint32_t)b.n};

	if (b.n != 0)
		s.off = blob_add(rs->w, CAT_TEXT, b.p, s.len, 1);
	return s;
}

static void
name_row(struct rows *rs, struct cat_object *r, const char *group, const char *kind,
    struct bytes ns, struct bytes name)
{
	if (ns.p == NULL)
		ns = BYTES("");
	if (rs->ns.p == NULL || !bytes_eq(rs->ns, ns)) {
		rs->ns = ns;
		rs->ns_at = blob_put_text(rs->w, ns);
	}
	r->group = constant_put(&rs->constants, rs->w, group);
	r->kind = constant_put(&rs->constants, rs->w, kind);
	r->ns = rs->ns_at;
	r->name = put_unique(rs, name);
}

/* Where the object stands in which document, in one number. */
static uint64_t
origin_of(const struct object *o)
{
	const struct doc *doc = o->node->doc;
	uint32_t place[2];

	if (doc == NULL || doc->origin == 0 || o->stale)
		return 0;
	place[0] = o->node->at.line - doc->first_line;
	place[1] = o->node->at.col;
	return hash_mix(hash_more(doc->origin, place, sizeof(place))) | 1;
}

/* The object's text of the last generation, if nothing that it shows has changed since; only of
 * this build, since another may print (or redact) in another way. */
static const struct cat_object *
same_text(const struct rows *rs, const struct meta *m, uint64_t origin)
{
	const struct cat_object *old = m->old;
	const struct blob *b;

	if (old == NULL || origin == 0 || old->origin != origin || old->created != m->created ||
	    old->generation != m->generation)
		return NULL;
	b = &rs->sc->in.old->blob;
	if (b->head->build != version_build_id() || old->json.off == IM_NONE ||
	    !bytes_eq(blob_text(b, old->uid), m->uid) || (old->flags & (CAT_STALE | CAT_GONE)))
		return NULL;
	return old;
}

static void
put_json(struct rows *rs, struct cat_object *r, const struct object *o, const struct meta *m)
{
	const struct cat_object *old = NULL;
	char created[21];

	r->origin = origin_of(o);
	if (o->kind->id == KIND_SERVICE && rs->sc->slot[o->index] != NULL)
		service_show(rs->sc, o);
	else
		old = same_text(rs, m, r->origin);
	if (old != NULL) {
		r->json = put_unique(rs, blob_text(&rs->sc->in.old->blob, old->json));
		return;
	}
	clock_rfc3339(m->created, created);
	object_print_json(o, arena_dup(rs->sc->arena, m->uid), m->generation, created, &rs->buf);
	r->json = put_unique(rs, strbuf_bytes(&rs->buf));
	strbuf_reset(&rs->buf);
}

/* Statuses are equal for most routes and stored once; objects never are. */
static struct im_str
buffered(struct rows *rs, bool unique)
{
	struct bytes b = strbuf_bytes(&rs->buf);
	struct im_str s = unique ? put_unique(rs, b) : blob_put_text(rs->w, b);

	strbuf_reset(&rs->buf);
	return s;
}

/* What `json` redacts; the catalogue is 0600. */
static void
secret_row(struct rows *rs, const struct object *o, struct cat_object *r)
{
	const struct r_secret *s = certificate_secret(rs->sc, o);

	if (s != NULL && s->kept.p != NULL) {
		r->flags |= CAT_PAIR | CAT_KEPT;
		r->good = blob_put_text(rs->w, s->kept);
		return;
	}
	if (s != NULL && s->cert != NULL)
		r->flags |= CAT_PAIR;
	object_to_json(o, &rs->buf);
	r->good = buffered(rs, true);
}

static void
object_row(struct rows *rs, const struct object *o)
{
	const struct meta *m = &rs->sc->meta[o->index];
	struct status st = {.sc = rs->sc,
	    .w = rs->w,
	    .constants = &rs->constants,
	    .obj = o,
	    .old = m->old,
	    .generation = m->generation};
	struct cat_object *r = row_new(rs);
	uint32_t first = blob_count(rs->w, CAT_CONDITION);

	name_row(rs, r, o->kind->group, o->kind->name, o->meta.ns, o->meta.name);
	put_json(rs, r, o, m);
	st.out = rs->buf;
	if (status_print(&st)) {
		rs->buf = st.out;
		r->status = buffered(rs, false);
	}
	rs->buf = st.out;
	strbuf_reset(&rs->buf);
	r->conditions = (struct im_range){first, st.nconds};
	r->source = put_unique(rs, o->source);
	r->uid = put_unique(rs, m->uid);
	r->created = m->created;
	r->generation = m->generation;
	r->hash[0] = o->hash[0];
	r->hash[1] = o->hash[1];
	if (o->stale) {
		r->flags |= CAT_STALE;
		r->stale = blob_put_text(rs->w, bytes_str(stale_why(rs->sc, o)));
	}
	if (o->kind->id == KIND_SECRET)
		secret_row(rs, o, r);
}

/* An object without a file: the built-in class, a Gateway's Service. */
static void
own_row(struct rows *rs, const struct infra *in)
{
	struct cat_object *r = row_new(rs);

	name_row(rs, r, in->group, in->kind, in->ns, in->name);
	r->json = blob_put_text(rs->w, in->json);
	r->status = blob_put_text(rs->w, in->status);
	r->uid = blob_put_text(rs->w, in->uid);
	r->created = in->created;
	r->generation = in->generation;
	r->flags = in->flags;
	r->conditions = in->conditions;
}

static const struct cat_object *
present(const struct rows *rs, const struct cat_object *c)
{
	const struct catalogue *old = rs->sc->in.old;
	const struct kind *k =
	    kind_by_name(blob_text(&old->blob, c->group), blob_text(&old->blob, c->kind));

	if (k == NULL ||
	    objects_find(rs->sc->in.objects, k->id,
		k->cluster ? BYTES_NONE : blob_text(&old->blob, c->ns),
		blob_text(&old->blob, c->name)) != NULL)
		return NULL;
	return c;
}

/* First-seen times outlive a deletion for a while: a file that moves away and back keeps its age.
 */
static void
gone_rows(struct rows *rs)
{
	const struct catalogue *old = rs->sc->in.old;
	uint32_t kept = 0, now = (uint32_t)rs->sc->in.generation;
	bool *known = old == NULL ? NULL : arena_zalloc(rs->sc->arena, old->n_objects + 1);

	/* Most rows are found without a search. */
	for (uint32_t i = 0; old != NULL && i < rs->sc->in.objects->n; i++)
		if (rs->sc->meta[i].old != NULL)
			known[rs->sc->meta[i].old - old->objects] = true;
	for (uint32_t i = 0; old != NULL && i < old->n_objects && kept < GONE_KEEP; i++) {
		const struct cat_object *c = &old->objects[i];
		uint32_t gone = c->flags & CAT_GONE ? c->gone : now;
		struct cat_object *r;

		if (known[i] || (c->flags & (CAT_OWN | CAT_BUILTIN)) ||
		    now - gone > GONE_GENERATIONS || present(rs, c) == NULL)
			continue;
		kept++;
		r = row_new(rs);
		r->group = blob_put_text(rs->w, blob_text(&old->blob, c->group));
		r->kind = blob_put_text(rs->w, blob_text(&old->blob, c->kind));
		r->ns = blob_put_text(rs->w, blob_text(&old->blob, c->ns));
		r->name = blob_put_text(rs->w, blob_text(&old->blob, c->name));
		r->uid = blob_put_text(rs->w, blob_text(&old->blob, c->uid));
		r->created = c->created;
		r->generation = c->generation;
		r->hash[0] = c->hash[0];
		r->hash[1] = c->hash[1];
		r->flags = CAT_GONE;
		r->gone = gone;
	}
}

static struct bytes
text_at(struct blob_writer *w, struct im_str s)
{
	return s.len == 0 ? BYTES("") : bytes_of((const char *)blob_at(w, CAT_TEXT, s.off), s.len);
}

static int
by_name(const void *a, const void *b, void *arg)
{
	const struct cat_object *x = a, *y = b;
	const struct im_str *p[] = {&x->group, &x->kind, &x->ns, &x->name},
			    *q[] = {&y->group, &y->kind, &y->ns, &y->name};

	for (unsigned i = 0; i < HG_ARRAY_LEN(p); i++) {
		int c;

		if (p[i]->off == q[i]->off &&
		    p[i]->len == q[i]->len) /* equal texts are stored once */
			continue;
		c = bytes_cmp(text_at(arg, *p[i]), text_at(arg, *q[i]));
		if (c != 0)
			return c;
	}
	return 0;
}

/* Kinds in the order of the rows. */
static int
by_kind(const void *a, const void *b)
{
	const struct kind *x = kind_by_id(*(const enum kind_id *)a),
			  *y = kind_by_id(*(const enum kind_id *)b);
	int c = bytes_cmp(bytes_str(x->group), bytes_str(y->group));

	return c != 0 ? c : bytes_cmp(bytes_str(x->name), bytes_str(y->name));
}

static void
object_rows(struct rows *rs)
{
	enum kind_id order[KIND_COUNT];

	for (unsigned k = 0; k < KIND_COUNT; k++)
		order[k] = (enum kind_id)k;
	qsort(order, KIND_COUNT, sizeof(order[0]), by_kind);
	for (unsigned k = 0; k < KIND_COUNT; k++)
		for (const struct object *o = rs->sc->in.objects->first[order[k]]; o != NULL;
		     o = o->next)
			object_row(rs, o);
}

/* Rows of objects come sorted, the `extra` last ones do not. */
static void
put_rows(struct rows *rs, size_t extra)
{
	struct cat_object *a = rs->v, *b, *mid = rs->v + rs->n - extra, *end = rs->v + rs->n;

	b = mid;
	if (extra != 0)
		qsort_r(mid, extra, sizeof(*mid), by_name, rs->w);
	while (a < mid || b < end) {
		bool first = b == end || (a < mid && by_name(a, b, rs->w) <= 0);

		blob_add(rs->w, CAT_OBJECT, first ? a++ : b++, 1, sizeof(*a));
	}
}

static void
diag_rows(struct rows *rs, const struct diags *d)
{
	for (const struct diag *g = d == NULL ? NULL : d->first; g != NULL; g = g->next) {
		struct cat_diag r = {.line = g->at.line,
		    .col = g->at.col,
		    .endcol = g->at.endcol,
		    .code = g->code,
		    .severity = g->severity,
		    .nhelp = g->nhelp};

		r.file = blob_put_text(rs->w, g->file);
		r.message = blob_put_text(rs->w, g->message);
		r.label = blob_put_text(rs->w, g->label);
		r.excerpt = blob_put_text(rs->w, g->excerpt);
		r.object = blob_put_text(rs->w, g->object);
		r.field = blob_put_text(rs->w, g->field);
		r.effect = blob_put_text(rs->w, g->effect);
		for (unsigned i = 0; i < HG_ARRAY_LEN(r.help); i++)
			r.help[i] = blob_put_text(rs->w, i < g->nhelp ? g->help[i] : BYTES_NONE);
		blob_add(rs->w, CAT_DIAG, &r, 1, sizeof(r));
	}
}

static void
info_row(struct rows *rs, const struct resolve_info *info)
{
	struct cat_info r = {.generation = rs->sc->in.generation,
	    .built = rs->sc->in.now,
	    .files = info->files,
	    .compile_ms = info->compile_ms,
	    .conf_hash = {info->conf_hash[0], info->conf_hash[1]}};
	char node[256] = "";

	gethostname(node, sizeof(node) - 1);
	r.node = blob_put_text(rs->w, bytes_str(node));
	if (info->diags != NULL) {
		r.errors = info->diags->errors;
		r.warnings = info->diags->warnings;
	}
	for (size_t i = 0; i < rs->n; i++)
		r.stale += (rs->v[i].flags & CAT_STALE) != 0;
	blob_add(rs->w, CAT_INFO, &r, 1, sizeof(r));
}

static void
address_rows(struct rows *rs)
{
	for (size_t i = 0; i < rs->sc->npool; i++) {
		struct cat_address r = rs->sc->pool[i];

		r.gateway = blob_put_text(rs->w, rs->sc->poolnames[i]);
		blob_add(rs->w, CAT_ADDRESS, &r, 1, sizeof(r));
	}
}

struct blob_writer *
resolve_record(struct scope *sc, const struct resolve_info *info)
{
	struct rows rs = {
	    .sc = sc, .w = blob_writer_new(BLOB_CATALOGUE, catalogue_layout(), sc->in.generation)};
	const struct infra *own;

	blob_put_text(rs.w, BYTES(" ")); /* so that no section of text is empty */
	object_rows(&rs);
	own = infra_list(sc, rs.w, &rs.constants);
	for (; own != NULL; own = own->next)
		own_row(&rs, own);
	gone_rows(&rs);
	put_rows(&rs, rs.n - sc->in.objects->n);
	diag_rows(&rs, info->diags);
	address_rows(&rs);
	ids_record(sc->ids, rs.w);
	certfile_record(sc, rs.w);
	if (info->documents != NULL)
		doccache_record(info->documents, rs.w);
	info_row(&rs, info);
	strbuf_release(&rs.buf);
	mem_free(rs.v);
	return rs.w;
}
