/*
 * mirror.c - RequestMirror only notes who is to get a copy. The copies are made when all filters of
 * the rule have run, so that a mirror sees the edited and rewritten request, and whether this
 * request is in its share is decided then, for each mirror by itself.
 */
#include "worker/filter.h"

enum filter_verdict
mirror_request(struct filter_ctx *c, const struct im_filter *f)
{
	if (c->mirrors.n < FILTER_MIRRORS)
		c->mirrors.v[c->mirrors.n++] = &c->im->mirrors[f->arg.first];
	return FILTER_NEXT;
}
