/*
 * cors.c - cross-origin rules of the Gateway API. A preflight (OPTIONS with Origin and
 * Access-Control-Request-Method) is answered here and never reaches a backend; a request from an
 * origin that is not allowed is forwarded as usual and only its answer lacks the permission, since
 * it is the browser that enforces it. A backend's own fields of this family are taken out: two sets
 * of permissions contradict each other, and the route's owner has the last word. Everything is
 * decided on the request, so the response needs no image.
 */
#include "worker/filter.h"

struct origin {
	struct bytes scheme, host, port;
};

static bool
split_origin(struct bytes text, struct origin *o)
{
	ptrdiff_t at = -1, colon;

	for (size_t i = 0; i + 3 <= text.n && at < 0; i++)
		if (memcmp(text.p + i, "://", 3) == 0)
			at = (ptrdiff_t)i;
	if (at <= 0)
		return false;
	o->scheme = bytes_of(text.p, (size_t)at);
	text = bytes_of(text.p + at + 3, text.n - (size_t)at - 3);
	colon = bytes_rchr(text, ':');
	if (colon >= 0 && bytes_chr(text, ']', (size_t)colon) >= 0)
		colon = -1;
	o->host = colon < 0 ? text : bytes_of(text.p, (size_t)colon);
	if (colon >= 0)
		o->port = bytes_of(text.p + colon + 1, text.n - (size_t)colon - 1);
	else if (bytes_eq(o->scheme, BYTES("https")))
		o->port = BYTES("443");
	else
		o->port = bytes_eq(o->scheme, BYTES("http")) ? BYTES("80") : BYTES("");
	return o->host.n > 0;
}

bool
cors_origin_match(struct bytes pattern, struct bytes origin)
{
	struct origin p, o;
	struct bytes tail;

	if (bytes_eq(pattern, BYTES("*")) || bytes_eq(pattern, origin))
		return true;
	if (!split_origin(pattern, &p) || !split_origin(origin, &o))
		return false;
	if (!bytes_eq(p.scheme, o.scheme) ||
	    (!bytes_eq(p.port, o.port) && !bytes_eq(p.port, BYTES("*"))))
		return false;
	if (p.host.p[0] != '*')
		return bytes_eq(p.host, o.host);
	/* "*.bar.com": one or more labels to the left, any depth; "*": any host. */
	tail = bytes_of(p.host.p + 1, p.host.n - 1);
	return o.host.n > tail.n && o.host.p[0] != '.' && bytes_ends(o.host, tail);
}

static struct bytes
lower(struct arena *a, struct bytes b)
{
	char *p = arena_dup(a, b);

	for (size_t i = 0; p && i < b.n; i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] |= 0x20;
	return p ? bytes_of(p, b.n) : BYTES_NONE;
}

static bool
is_star(struct bytes b)
{
	return bytes_eq(b, BYTES("*"));
}

/* A list for the client. "*" means nothing together with credentials, so then what was asked for is
 * named. */
static struct bytes
permit(struct filter_ctx *c, struct bytes list, struct bytes asked, bool credentials)
{
	if (!is_star(list))
		return arena_bytes(c->arena, list);
	if (asked.n == 0)
		return BYTES_NONE;
	return credentials ? asked : BYTES("*");
}

static void
decide(struct filter_ctx *c, const struct im_cors *r, struct bytes origin, bool any)
{
	struct filter_cors *d = &c->cors;
	const struct field *m = fields_get(&c->head->fields, FIELD_ACRM),
			   *h = fields_get(&c->head->fields, FIELD_ACRH);
	struct bytes expose = image_text(c->im, r->expose), methods = image_text(c->im, r->methods);

	d->allowed = true;
	d->credentials = r->credentials;
	d->origin = any && !r->credentials ? BYTES("*") : origin;
	d->expose = is_star(expose) && r->credentials ? BYTES_NONE : arena_bytes(c->arena, expose);
	if (!d->preflight)
		return;
	d->methods =
	    permit(c, methods.n ? methods : BYTES("GET, HEAD, POST"), m->value, r->credentials);
	d->headers =
	    permit(c, image_text(c->im, r->headers), h ? h->value : BYTES_NONE, r->credentials);
	d->max_age = bytes_str(arena_printf(c->arena, "%u", r->max_age_s));
}

enum filter_verdict
cors_request(struct filter_ctx *c, const struct im_filter *f)
{
	const struct im_cors *r = &c->im->cors[f->arg.first];
	const struct field *origin = fields_get(&c->head->fields, FIELD_ORIGIN);
	struct filter_cors *d = &c->cors;
	struct bytes low = origin ? lower(c->arena, origin->value) : BYTES_NONE;
	bool any = false;

	*d = (struct filter_cors){.on = true};
	for (uint32_t i = 0; i < r->origins.n; i++)
		any |= is_star(image_text(c->im, c->im->strings[r->origins.first + i]));
	d->vary = !any || r->credentials;
	if (low.n == 0)
		return FILTER_NEXT;
	d->preflight =
	    bytes_eq(c->head->method, BYTES("OPTIONS")) && fields_get(&c->head->fields, FIELD_ACRM);
	for (uint32_t i = 0; i < r->origins.n && !d->allowed; i++)
		if (cors_origin_match(image_text(c->im, c->im->strings[r->origins.first + i]), low))
			decide(c, r, origin->value, any);
	return d->preflight ? FILTER_ANSWER : FILTER_NEXT;
}

static void
put(struct msg *m, enum field_id id, struct bytes value)
{
	if (value.p)
		(void)fields_set(&m->fields, field_name(id), value);
}

void
cors_response(struct filter_ctx *c, struct msg *m)
{
	static const enum field_id family[] = {
	    FIELD_ACAO, FIELD_ACAC, FIELD_ACAM, FIELD_ACAH, FIELD_ACEH, FIELD_ACMA};
	const struct filter_cors *d = &c->cors;

	if (!d->on)
		return;
	for (unsigned i = 0; i < HG_ARRAY_LEN(family); i++)
		fields_remove(&m->fields, field_name(family[i]));
	if (!filter_room(c->arena, &m->fields, 8))
		return;
	if (d->vary)
		(void)fields_add(&m->fields, field_name(FIELD_VARY), BYTES("Origin"), FIELD_VARY);
	if (!d->allowed)
		return;
	put(m, FIELD_ACAO, d->origin);
	if (d->credentials)
		put(m, FIELD_ACAC, BYTES("true"));
	put(m, FIELD_ACEH, d->expose);
	put(m, FIELD_ACAM, d->methods);
	put(m, FIELD_ACAH, d->headers);
	put(m, FIELD_ACMA, d->max_age);
}
