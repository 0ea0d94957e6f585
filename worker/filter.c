/*
 * filter.c - the table of filters and the order in which they run. Lists run as the manifest has
 * them, with one exception: CORS looks first, before the limits, since a preflight must cost
 * nothing and meet no redirect, no edit and no mirror. Responses run the same lists backwards, the
 * backend's before the rule's, over answers that headgate made itself too.
 */
#include "worker/filter.h"

const struct filter_ops filter_table[] = {
	[IM_F_REQUEST_HEADERS] = {"request-headers", headers_request, NULL},
	[IM_F_RESPONSE_HEADERS] = {"response-headers", NULL, headers_response},
	[IM_F_REDIRECT] = {"redirect", redirect_request, NULL},
	[IM_F_REWRITE] = {"rewrite", rewrite_request, NULL},
	[IM_F_MIRROR] = {"mirror", mirror_request, NULL},
	[IM_F_CORS] = {"cors", NULL, NULL}, /* filter_cors() before, cors_response() at the end */
};

static const struct filter_ops *
ops_of(const struct im_filter *f)
{
	return f->type < HG_ARRAY_LEN(filter_table) ? &filter_table[f->type] : NULL;
}

enum filter_verdict
filter_cors(struct filter_ctx *c, struct im_range r)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_filter *f = &c->im->filters[r.first + i];
		enum filter_verdict v =
		    f->type == IM_F_CORS ? cors_request(c, f) : FILTER_NEXT;

		if (v != FILTER_NEXT)
			return v;
	}
	return FILTER_NEXT;
}

enum filter_verdict
filter_requests(struct filter_ctx *c, struct im_range r)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_filter *f = &c->im->filters[r.first + i];
		const struct filter_ops *ops = ops_of(f);
		enum filter_verdict v;

		if (ops == NULL || ops->name == NULL) {
			c->err = HG_ERR_BAD_RULE; /* never skip one that is not known */
			return FILTER_FAIL;
		}
		v = ops->request ? ops->request(c, f) : FILTER_NEXT;
		if (v != FILTER_NEXT)
			return v;
	}
	return FILTER_NEXT;
}

void
filter_responses(struct filter_ctx *c, struct im_range r, struct msg *m)
{
	for (uint32_t i = r.n; i-- > 0;) {
		const struct im_filter *f = &c->im->filters[r.first + i];
		const struct filter_ops *ops = ops_of(f);

		if (ops && ops->response)
			ops->response(c, f, m);
	}
}

bool
filter_protected(enum field_id id)
{
	switch (id) {
	case FIELD_HOST:
	case FIELD_CONNECTION:
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_TE:
	case FIELD_TRAILER:
	case FIELD_UPGRADE:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_HTTP2_SETTINGS:
		return true;
	default:
		return false;
	}
}

bool
filter_room(struct arena *a, struct fields *f, unsigned more)
{
	struct field *v;
	unsigned cap;

	if (f->n + more <= f->cap)
		return true;
	cap = (f->n + more) * 2;
	if (cap > UINT16_MAX)
		return false;
	v = arena_alloc(a, cap * sizeof(*v));
	if (v == NULL)
		return false;
	memcpy(v, f->v, f->n * sizeof(*v));
	f->v = v;
	f->cap = (uint16_t)cap;
	return true;
}
