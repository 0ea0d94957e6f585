/*
 * catalogue.c - opening a catalogue and making it safe to read. It may come from disk, where
 * anything may have happened to it: after the check every text, range and number in it is in
 * bounds. What its texts mean is checked by whoever uses them; a row that makes no sense is skipped
 * there.
 */
#include "shm/catalogue.h"

#include "base/check.h"
#include "base/hash.h"

#define CAT_IDS 16u /* kinds of ids, at most */

/* One more whenever a record keeps its size and changes its meaning: stored catalogues outlive
 * builds. */
#define CAT_VERSION 2u

uint64_t
catalogue_layout(void)
{
	static const uint32_t sizes[] = {
#define SEC(name, type, member) (uint32_t)sizeof(type),
		CAT_SECTIONS(SEC)
#undef SEC
	};

	return hash_mix(hash_more(HASH_SEED + CAT_VERSION, sizes, sizeof(sizes)));
}

static bool
texts_ok(const struct blob *b, const struct im_str *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!blob_text_ok(b, v[i]))
			return false;
	return true;
}

static bool
addr_ok(const struct addr *a)
{
	return a->family == 4 || a->family == 6;
}

static bool
object_ok(const struct catalogue *c, const struct cat_object *o)
{
	const struct im_str texts[] = {o->group, o->kind, o->ns, o->name, o->json, o->status,
	    o->source, o->uid, o->stale, o->good};

	if (o->group.off == IM_NONE || o->kind.off == IM_NONE || o->ns.off == IM_NONE ||
	    o->name.off == IM_NONE)
		return false;
	return texts_ok(&c->blob, texts, HG_ARRAY_LEN(texts)) &&
	    o->conditions.first <= c->n_conditions &&
	    o->conditions.n <= c->n_conditions - o->conditions.first;
}

static bool
diag_ok(const struct catalogue *c, const struct cat_diag *d)
{
	const struct im_str texts[] = {
	    d->file, d->message, d->label, d->excerpt, d->object, d->field, d->effect};

	return texts_ok(&c->blob, texts, HG_ARRAY_LEN(texts)) &&
	    texts_ok(&c->blob, d->help, HG_ARRAY_LEN(d->help)) && d->nhelp <= HG_ARRAY_LEN(d->help);
}

static bool
rows_ok(const struct catalogue *c)
{
	bool ok = c->n_info == 1 && blob_text_ok(&c->blob, c->info[0].node);

	for (uint32_t i = 0; ok && i < c->n_objects; i++)
		ok = object_ok(c, &c->objects[i]);
	for (uint32_t i = 0; ok && i < c->n_conditions; i++) {
		const struct im_str texts[] = {
		    c->conditions[i].where, c->conditions[i].type, c->conditions[i].status};

		ok = texts_ok(&c->blob, texts, HG_ARRAY_LEN(texts));
	}
	for (uint32_t i = 0; ok && i < c->n_diags; i++)
		ok = diag_ok(c, &c->diags[i]);
	for (uint32_t i = 0; ok && i < c->n_ids; i++)
		ok = blob_text_ok(&c->blob, c->ids[i].name) && c->ids[i].kind < CAT_IDS;
	for (uint32_t i = 0; ok && i < c->n_addresses; i++)
		ok = blob_text_ok(&c->blob, c->addresses[i].gateway) &&
		    addr_ok(&c->addresses[i].addr);
	for (uint32_t i = 0; ok && i < c->n_documents; i++)
		ok = c->documents[i].shape < c->n_shapes;
	for (uint32_t i = 0; ok && i < c->n_shapes; i++)
		ok = c->shapes[i].tree.off != IM_NONE && blob_text_ok(&c->blob, c->shapes[i].tree);
	for (uint32_t i = 0; ok && i < c->n_certfiles; i++) {
		const struct cat_file *f = &c->certfiles[i];
		const struct im_str texts[] = {f->path, f->crt, f->key, f->ocsp};

		ok = f->path.off != IM_NONE && texts_ok(&c->blob, texts, HG_ARRAY_LEN(texts));
	}
	return ok;
}

enum hg_err
catalogue_open(int fd, bool stored, struct catalogue *out)
{
	enum hg_err e;

	*out = (struct catalogue){.n_info = 0};
	e = blob_open(fd, BLOB_CATALOGUE, catalogue_layout(), &out->blob);
	if (e != HG_OK && stored)
		e = blob_open_file(fd, BLOB_CATALOGUE, catalogue_layout(), &out->blob);
	if (e != HG_OK)
		return e;
#define SEC(name, type, member) \
	out->member = blob_records(&out->blob, CAT_##name, sizeof(type), &out->n_##member);
	CAT_SECTIONS(SEC)
#undef SEC
	if (!rows_ok(out)) {
		catalogue_close(out);
		return HG_ERR_INVALID;
	}
	return HG_OK;
}

void
catalogue_close(struct catalogue *c)
{
	blob_close(&c->blob);
	*c = (struct catalogue){.n_info = 0};
}

static int
compare(const struct catalogue *c, const struct cat_object *o, const struct bytes key[4])
{
	const struct im_str have[] = {o->group, o->kind, o->ns, o->name};

	for (unsigned i = 0; i < 4; i++) {
		int r = bytes_cmp(key[i], blob_text(&c->blob, have[i]));

		if (r != 0)
			return r;
	}
	return 0;
}

const struct cat_object *
catalogue_find(const struct catalogue *c, struct bytes group, struct bytes kind, struct bytes ns,
    struct bytes name)
{
	const struct bytes key[4] = {group, kind, ns.p == NULL ? BYTES("") : ns, name};
	uint32_t lo = 0, hi = c->n_objects;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int r = compare(c, &c->objects[mid], key);

		if (r == 0)
			return &c->objects[mid];
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
