/*
 * redirect.c - RequestRedirect: an absolute Location from what the filter sets and what the request
 * has. The port is the filter's; else the well-known one of a scheme that the filter sets; else the
 * listener's, which need not be the one that the client wrote. A port that the scheme implies is
 * left out.
 */
#include "worker/filter.h"

static const struct {
	struct bytes text;
	uint16_t port;
} schemes[] = {
	[0] = {{NULL, 0}, 0},
	[1] = {{"http", 4}, 80},
	[2] = {{"https", 5}, 443},
};

enum filter_verdict
redirect_request(struct filter_ctx *c, const struct im_filter *f)
{
	const struct im_redirect *r = &c->im->redirects[f->arg.first];
	unsigned scheme = r->scheme == 1 || r->scheme == 2 ? r->scheme : c->tls ? 2 : 1;
	struct bytes host = image_text(c->im, r->host), query = c->req->query, path;
	uint16_t port = r->port ? r->port : r->scheme ? schemes[scheme].port : c->listener_port;
	char colon[8] = "", *text;

	if (host.p == NULL)
		host = c->host;
	path = rewrite_path(c->arena, r->pathop, c->req->path, image_text(c->im, r->prefix),
	    image_text(c->im, r->path));
	if (port != schemes[scheme].port)
		(void)snprintf(colon, sizeof(colon), ":%u", port);
	text = path.p ?
	    arena_printf(c->arena, "%.*s://%.*s%s%.*s%s%.*s", BYTES_ARG(schemes[scheme].text),
		BYTES_ARG(host), colon, BYTES_ARG(path), query.p ? "?" : "",
		query.p ? (int)query.n : 0, query.p ? query.p : "") :
	    NULL;
	if (text == NULL || !filter_room(c->arena, &c->answer->fields, 1)) {
		c->err = HG_ERR_NOMEM;
		return FILTER_FAIL;
	}
	c->answer->status = r->status ? r->status : 302;
	(void)fields_set(&c->answer->fields, field_name(FIELD_LOCATION), bytes_str(text));
	return FILTER_ANSWER;
}
