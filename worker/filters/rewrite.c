/*
 * rewrite.c - URLRewrite: host and path toward the backend. A prefix is replaced by whole elements:
 * it is taken off without its trailing slash, the replacement goes in without its own, and nothing
 * left is "/". The query stays as it is. Path and prefix are canonical, so the result is.
 */
#include "worker/filter.h"

static struct bytes
cut_slash(struct bytes b)
{
	if (b.n && b.p[b.n - 1] == '/')
		b.n--;
	return b;
}

struct bytes
rewrite_path(struct arena *a, uint8_t op, struct bytes path, struct bytes prefix, struct bytes with)
{
	struct bytes rest;
	char *out;

	if (op == IM_PATH_KEEP)
		return path;
	if (op == IM_PATH_FULL) {
		if (with.n && with.p[0] == '/')
			return arena_bytes(a, with);
		rest = BYTES("");
	} else {
		prefix = cut_slash(prefix);
		if (!bytes_starts(path, prefix))
			return path;
		rest = bytes_of(path.p + prefix.n, path.n - prefix.n);
		with = cut_slash(with);
	}
	out = arena_alloc(a, with.n + rest.n + 2);
	if (out == NULL)
		return BYTES_NONE;
	/* A replacement without its leading slash still makes a path. */
	out[0] = '/';
	if (with.n && with.p[0] == '/')
		with = bytes_of(with.p + 1, with.n - 1);
	else if (with.n == 0 && rest.n && rest.p[0] == '/')
		rest = bytes_of(rest.p + 1, rest.n - 1);
	if (with.n)
		memcpy(out + 1, with.p, with.n);
	if (rest.n)
		memcpy(out + 1 + with.n, rest.p, rest.n);
	return bytes_of(out, 1 + with.n + rest.n);
}

enum filter_verdict
rewrite_request(struct filter_ctx *c, const struct im_filter *f)
{
	const struct im_rewrite *r = &c->im->rewrites[f->arg.first];

	c->req->path = rewrite_path(c->arena, r->pathop, c->req->path, image_text(c->im, r->prefix),
	    image_text(c->im, r->path));
	if (image_text(c->im, r->host).p)
		c->req->authority = arena_bytes(c->arena, image_text(c->im, r->host));
	if (c->req->path.p && c->req->authority.p)
		return FILTER_NEXT;
	c->err = HG_ERR_NOMEM;
	return FILTER_FAIL;
}
