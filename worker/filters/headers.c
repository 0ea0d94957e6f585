/*
 * headers.c - RequestHeaderModifier, ResponseHeaderModifier and the edits of policies, which may
 * also add only what is absent and remove by the beginning or the end of a name. Set replaces all
 * lines or makes one, add puts a line behind those there are, remove takes all. `add` never joins:
 * for Set-Cookie that would be wrong, and receivers read both the same way. Framing and connection
 * fields are left alone, whatever the manifest says. Texts are copied into the arena, because a
 * mirror or a later answer may use them when the image is gone.
 */
#include "worker/filter.h"

static void
remove_like(struct fields *f, struct bytes part, bool suffix)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct field *line = &f->v[i];
		const char *at = line->name.p;

		if (line->name.n < part.n || filter_protected((enum field_id)line->id))
			continue;
		if (suffix)
			at += line->name.n - part.n;
		if (bytes_eqi(bytes_of(at, part.n), part))
			line->flags |= FIELD_GONE;
	}
}

static bool
apply_one(struct arena *a, struct fields *f, struct bytes name, struct bytes value, uint8_t op,
    uint8_t id)
{
	if (name.p == NULL) /* no memory for its copy */
		return false;
	if (filter_protected(id))
		return true;
	switch ((enum im_editop)op) {
	case IM_SET:
		return filter_room(a, f, 1) && fields_set(f, name, value);
	case IM_ADD_ABSENT:
		if (fields_find(f, name))
			return true;
		/* fall through */
	case IM_ADD:
		return filter_room(a, f, 1) && fields_add(f, name, value, id);
	case IM_REMOVE:
		fields_remove(f, name);
		return true;
	case IM_REMOVE_PREFIX:
	case IM_REMOVE_SUFFIX:
		remove_like(f, name, op == IM_REMOVE_SUFFIX);
		return true;
	}
	return true;
}

/* Texts copied. */
static struct filter_edit
keep_one(struct arena *a, const struct image *im, const struct im_edit *e)
{
	return (struct filter_edit){.name = arena_bytes(a, image_text(im, e->name)),
	    .value = arena_bytes(a, image_text(im, e->value)),
	    .op = e->op,
	    .field = e->field};
}

enum filter_verdict
headers_request(struct filter_ctx *c, const struct im_filter *flt)
{
	for (uint32_t i = 0; i < flt->arg.n; i++) {
		const struct im_edit *e = &c->im->edits[flt->arg.first + i];
		struct bytes name = image_text(c->im, e->name), value = image_text(c->im, e->value);

		if (e->op != IM_REMOVE) {
			name = arena_bytes(c->arena, name);
			value = arena_bytes(c->arena, value);
		}
		if (!apply_one(c->arena, &c->req->fields, name, value, e->op, e->field)) {
			c->err = HG_ERR_NOMEM;
			return FILTER_FAIL;
		}
	}
	return FILTER_NEXT;
}

void
headers_now(struct arena *a, const struct image *im, struct im_range r, struct fields *f)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_edit *e = &im->edits[r.first + i];

		(void)apply_one(
		    a, f, image_text(im, e->name), image_text(im, e->value), e->op, e->field);
	}
}

void
headers_response(struct filter_ctx *c, const struct im_filter *flt, struct msg *m)
{
	headers_now(c->arena, c->im, flt->arg, &m->fields);
}

bool
headers_apply(struct arena *a, struct fields *f, const struct filter_edit *v, uint32_t n)
{
	bool ok = true;

	for (uint32_t i = 0; i < n; i++)
		ok &= apply_one(a, f, v[i].name, v[i].value, v[i].op, v[i].field);
	return ok;
}

struct filter_edit *
headers_edits(struct arena *a, const struct image *im, struct im_range r, uint32_t *n)
{
	struct filter_edit *v = arena_alloc(a, (r.n + 1ul) * sizeof(*v));

	*n = v ? r.n : 0;
	for (uint32_t i = 0; i < *n; i++)
		v[i] = keep_one(a, im, &im->edits[r.first + i]);
	return v;
}

struct filter_edit *
headers_keep(struct filter_ctx *c, const struct im_range *ranges, unsigned nranges, uint32_t *n)
{
	struct filter_edit *v = NULL;
	size_t cap = 0;

	*n = 0;
	for (unsigned r = 0; r < nranges; r++)
		for (uint32_t i = ranges[r].n; i-- > 0;) {
			const struct im_filter *f = &c->im->filters[ranges[r].first + i];

			if (f->type != IM_F_RESPONSE_HEADERS)
				continue;
			for (uint32_t k = 0; k < f->arg.n; k++) {
				const struct im_edit *e = &c->im->edits[f->arg.first + k];
				struct filter_edit *more =
				    arena_grow(c->arena, v, &cap, *n, sizeof(*v));

				if (more == NULL)
					return v;
				v = more;
				v[(*n)++] = keep_one(c->arena, c->im, e);
			}
		}
	return v;
}
