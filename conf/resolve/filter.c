/*
 * filter.c - HTTPRoute filters (reference/gateway-api.md 5.9) as model records. What is
 * semantically impossible drops the rule (PartiallyInvalid); what cannot be done here but must not
 * be skipped (ExtensionRef, ExternalAuth) makes its requests answer 500.
 */
#include "base/field.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/rule.h"

struct ctx {
	struct scope *sc;
	struct r_route *r;
	const struct filters_in *in;
	uint32_t i; /* of the filter in hand */
	enum hg_err *error;
};

/* Framing and connection fields belong to the two HTTP stacks, Host to URLRewrite. */
static bool
guarded(struct bytes name)
{
	switch (field_id(name)) {
	case FIELD_HOST:
	case FIELD_CONNECTION:
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_TE:
	case FIELD_TRAILER:
	case FIELD_UPGRADE:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
		return true;
	default:
		return false;
	}
}

static const char *
edit(struct ctx *c, struct m_filter *f, uint8_t op, struct bytes name, struct bytes value)
{
	if (guarded(name))
		return arena_printf(c->sc->arena, "%s[%u]: %.*s cannot be edited", c->in->where,
		    c->i, BYTES_ARG(name));
	for (uint32_t i = 0; i < f->nedits; i++)
		if (bytes_eqi(f->edits[i].name, name))
			return arena_printf(c->sc->arena, "%s[%u]: more than one action for %.*s",
			    c->in->where, c->i, BYTES_ARG(name));
	f->edits[f->nedits++] = (struct m_edit){op, name, value};
	return NULL;
}

static const char *
modifier(struct ctx *c, struct m_filter *f, const struct k_header_modifier *k)
{
	const char *why = NULL;

	if (k == NULL)
		return "header modifier without a body";
	f->edits =
	    arena_alloc(c->sc->arena, (k->set.n + k->add.n + k->remove.n + 1) * sizeof(*f->edits));
	for (uint32_t i = 0; i < k->set.n && why == NULL; i++)
		why = edit(c, f, IM_SET, k->set.v[i].name, k->set.v[i].value);
	for (uint32_t i = 0; i < k->add.n && why == NULL; i++)
		why = edit(c, f, IM_ADD, k->add.v[i].name, k->add.v[i].value);
	for (uint32_t i = 0; i < k->remove.n && why == NULL; i++)
		why = edit(c, f, IM_REMOVE, k->remove.v[i], BYTES_NONE);
	return why;
}

/* The path prefix that ReplacePrefixMatch replaces: of the rule's only match. */
static const char *
path(struct ctx *c, const struct k_path_modifier *p, uint8_t *op, struct bytes *to,
    struct bytes *prefix)
{
	const struct k_http_rule *rule = c->in->rule;

	*op = IM_PATH_KEEP;
	if (p == NULL)
		return NULL;
	if (p->type == K_PM_FULL) {
		*op = IM_PATH_FULL;
		*to = p->full.n != 0 ? p->full : BYTES("/");
		return NULL;
	}
	*op = IM_PATH_PREFIX;
	*to = p->prefix.p != NULL ? p->prefix : BYTES("");
	if (rule->matches.n != 1 || rule->matches.v[0].path == NULL ||
	    rule->matches.v[0].path->type != K_PATH_PREFIX)
		return arena_printf(c->sc->arena,
		    "%s[%u]: ReplacePrefixMatch needs exactly one PathPrefix match", c->in->where,
		    c->i);
	*prefix = rule->matches.v[0].path->value;
	if (prefix->n != 0 && prefix->p[prefix->n - 1] == '/')
		prefix->n--;
	return NULL;
}

static const char *
redirect(struct ctx *c, struct m_filter *f, const struct k_redirect *k)
{
	if (k == NULL)
		return "redirect without a body";
	f->redirect.host = k->hostname;
	f->redirect.status = k->status.v != 0 ? (uint16_t)k->status.v : 302;
	f->redirect.port = (uint16_t)k->port.v;
	f->redirect.scheme = k->scheme;
	return path(c, k->path, &f->redirect.pathop, &f->redirect.path, &f->redirect.prefix);
}

static const char *
rewrite(struct ctx *c, struct m_filter *f, const struct k_rewrite *k)
{
	if (k == NULL)
		return "rewrite without a body";
	f->rewrite.host = k->hostname;
	return path(c, k->path, &f->rewrite.pathop, &f->rewrite.path, &f->rewrite.prefix);
}

/* A mirror that cannot be is left out: the request itself is fine. */
static bool
mirror(struct ctx *c, struct m_filter *f, const struct k_mirror *k)
{
	struct r_backend b;
	char where[128];

	if (k == NULL || k->backend == NULL)
		return false;
	snprintf(where, sizeof(where), "%s[%u].requestMirror.backendRef", c->in->where, c->i);
	backend_resolve(c->sc, c->r, where, k->backend, &b);
	f->mirror.cluster = b.cluster;
	f->mirror.num = f->mirror.den = 100;
	if (k->percent.set) {
		f->mirror.num = (uint32_t)k->percent.v;
	} else if (k->fraction != NULL) {
		f->mirror.num = (uint32_t)k->fraction->num.v;
		f->mirror.den = k->fraction->den.v > 0 ? (uint32_t)k->fraction->den.v : 100;
	}
	return b.cluster != NULL && f->mirror.num != 0;
}

static struct bytes
joined(struct scope *sc, const k_strings *s)
{
	size_t n = 0;
	char *out, *at;

	if (s->n == 0)
		return BYTES_NONE;
	for (uint32_t i = 0; i < s->n; i++)
		n += s->v[i].n + 2;
	at = out = arena_alloc(sc->arena, n);
	for (uint32_t i = 0; i < s->n; i++) {
		if (i != 0) {
			*at++ = ',';
			*at++ = ' ';
		}
		memcpy(at, s->v[i].p, s->v[i].n);
		at += s->v[i].n;
	}
	return bytes_of(out, (size_t)(at - out));
}

static const char *
cors(struct ctx *c, struct m_filter *f, const struct k_cors *k)
{
	if (k == NULL)
		return "CORS without a body";
	f->cors.origins = arena_alloc(c->sc->arena, (k->origins.n + 1) * sizeof(struct bytes));
	f->cors.norigins = k->origins.n;
	for (uint32_t i = 0; i < k->origins.n; i++)
		f->cors.origins[i] = rule_lower(c->sc, k->origins.v[i]);
	f->cors.methods = joined(c->sc, &k->methods);
	f->cors.headers = joined(c->sc, &k->headers);
	f->cors.expose = joined(c->sc, &k->expose);
	f->cors.max_age_s = k->max_age.v > 0 ? (uint32_t)HG_MIN(k->max_age.v, INT32_MAX) : 5;
	f->cors.credentials = k->credentials.v;
	return NULL;
}

static void
refuse(struct ctx *c, const struct k_filter *k)
{
	*c->error = HG_ERR_BAD_RULE;
	if (k->type == K_F_AUTH) {
		struct r_backend b;

		if (k->auth != NULL && k->auth->backend != NULL)
			backend_resolve(c->sc, c->r, c->in->where, k->auth->backend, &b);
		c->r->unserved = arena_printf(c->sc->arena,
		    "%s[%u]: filter ExternalAuth is not served by this version: "
		    "500",
		    c->in->where, c->i);
	} else {
		const struct k_object_ref *e = k->extension;

		fault_add(c->sc, &c->r->refs, REF_KIND, k->node,
		    "%s[%u].extensionRef: %.*s %.*s is not a filter that headgate "
		    "knows",
		    c->in->where, c->i, BYTES_ARG(e == NULL ? BYTES("?") : e->kind),
		    BYTES_ARG(e == NULL ? BYTES("?") : e->name));
	}
}

static const char *
one(struct ctx *c, const struct k_filter *k, struct m_filter *f, bool *keep)
{
	*keep = true;
	switch (k->type) {
	case K_F_REQUEST_HEADERS:
		f->type = IM_F_REQUEST_HEADERS;
		return modifier(c, f, k->request);
	case K_F_RESPONSE_HEADERS:
		f->type = IM_F_RESPONSE_HEADERS;
		return modifier(c, f, k->response);
	case K_F_REDIRECT:
		f->type = IM_F_REDIRECT;
		return redirect(c, f, k->redirect);
	case K_F_REWRITE:
		f->type = IM_F_REWRITE;
		return rewrite(c, f, k->rewrite);
	case K_F_CORS:
		f->type = IM_F_CORS;
		return cors(c, f, k->cors);
	case K_F_MIRROR:
		f->type = IM_F_MIRROR;
		*keep = mirror(c, f, k->mirror);
		return NULL;
	default:
		*keep = false;
		refuse(c, k);
		return NULL;
	}
}

const char *
filters_resolve(struct scope *sc, struct r_route *r, const struct filters_in *in,
    struct m_filter **out, uint32_t *nout, enum hg_err *error)
{
	struct ctx c = {sc, r, in, 0, error};

	*out = in->n == 0 ? NULL : arena_zalloc(sc->arena, in->n * sizeof(**out));
	*nout = 0;
	for (; c.i < in->n; c.i++) {
		struct m_filter *f = &(*out)[*nout];
		bool keep;
		const char *why;

		memset(f, 0, sizeof(*f));
		why = one(&c, &in->v[c.i], f, &keep);
		if (why != NULL)
			return why;
		*nout += keep;
	}
	return NULL;
}
