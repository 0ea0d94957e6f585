/*
 * traffic_answer.c - responseOverride as records (reference/policies.md 6.6). Bodies come from the
 * manifest or a ConfigMap of the namespace of the policy that wrote them; their format operators
 * are checked here, so that a worker meets none that it does not know.
 */
#include "base/strbuf.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/rule.h"
#include "conf/resolve/traffic.h"
#include "shm/image.h"

#define BODY_MAX 65536u

/* The operator at `at` (a '%'): its end, or 0 if it is none that headgate knows. */
static size_t
operator_end(struct bytes b, size_t at)
{
	static const char *const plain[] = {"RESPONSE_CODE", "PROTOCOL", "START_TIME",
	    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"};
	static const char *const named[] = {"REQ(", "RESP("};
	ptrdiff_t end = bytes_chr(b, '%', at + 1);
	struct bytes word;

	if (end < 0)
		return 0;
	word = bytes_of(b.p + at + 1, (size_t)end - at - 1);
	if (word.n == 0)
		return (size_t)end + 1;
	for (size_t i = 0; i < HG_ARRAY_LEN(plain); i++)
		if (bytes_eq(word, bytes_str(plain[i])))
			return (size_t)end + 1;
	for (size_t i = 0; i < HG_ARRAY_LEN(named); i++)
		if (bytes_starts(word, bytes_str(named[i])) && word.p[word.n - 1] == ')' &&
		    word.n > strlen(named[i]) + 1)
			return (size_t)end + 1;
	return 0;
}

static const char *
format_bad(struct scope *sc, struct bytes b)
{
	if (b.n > BODY_MAX)
		return arena_printf(sc->arena, "body is longer than %u bytes", BODY_MAX);
	for (size_t i = 0; i < b.n;) {
		size_t end;

		if (b.p[i] != '%') {
			i++;
			continue;
		}
		if ((end = operator_end(b, i)) == 0)
			return arena_printf(sc->arena, "format operator at byte %zu of the body is "
			    "not known", i);
		i = end;
	}
	return NULL;
}

/* Whose namespace a body's ConfigMap lies in: the policy that wrote responseOverride. */
static struct bytes
owner_ns(const struct t_compile *c)
{
	const struct k_backendtrafficpolicy *own = c->patch->obj->spec;

	return own->overrides.v == NULL && c->base != NULL ? c->base->obj->meta.ns :
							     c->patch->obj->meta.ns;
}

static const char *
body(struct t_compile *c, const struct k_body *k, struct bytes *out)
{
	struct bytes ns = owner_ns(c);
	const struct object *o;
	const struct k_configmap *m;

	if (k == NULL)
		return NULL;
	*out = k->text;
	if (k->ref != NULL) {
		o = objects_find(c->sc->in.objects, KIND_CONFIGMAP, ns, k->ref->name);
		if (o == NULL)
			return arena_printf(c->sc->arena,
			    "can't find the referenced configmap %.*s/%.*s", BYTES_ARG(ns),
			    BYTES_ARG(k->ref->name));
		m = o->spec;
		if (!map_pair(&m->data, BYTES("response.body"), out)) {
			if (m->data.n == 0)
				return arena_printf(c->sc->arena,
				    "can't find the key response.body in the referenced configmap "
				    "%.*s/%.*s", BYTES_ARG(ns), BYTES_ARG(k->ref->name));
			*out = m->data.v[0].value;
		}
	}
	return format_bad(c->sc, *out);
}

static const char *
match(struct t_compile *c, struct m_override *m, const struct k_override_match *k)
{
	m->statuses = arena_alloc(c->sc->arena, (k->statuses.n + 1) * sizeof(*m->statuses));
	m->headers = arena_zalloc(c->sc->arena, (k->headers.n + 1) * sizeof(*m->headers));
	for (uint32_t i = 0; i < k->statuses.n; i++) {
		const struct k_status_match *s = &k->statuses.v[i];
		bool range = s->range != NULL && bytes_eq(s->type, BYTES("Range"));
		int64_t lo = range ? s->range->start.v : s->value.v;
		int64_t hi = range ? s->range->end.v : s->value.v;

		if (lo < 100 || hi > 999)
			return arena_printf(c->sc->arena, "status %lld is not possible",
			    (long long)(lo < 100 ? lo : hi));
		m->statuses[m->nstatuses++] =
		    (struct im_statusrange){(uint16_t)lo, (uint16_t)hi};
	}
	for (uint32_t i = 0; i < k->headers.n; i++) {
		static const uint8_t how[] = {0, IM_LM_EXACT, IM_LM_PREFIX, IM_LM_SUFFIX,
		    IM_LM_REGEX};
		const struct k_header_match *h = &k->headers.v[i];
		struct m_limitkey *to = &m->headers[m->nheaders++];
		const char *why;

		*to = (struct m_limitkey){.kind = IM_LK_HEADER, .name = h->name,
		    .value = h->value->value, .match = how[h->value->type]};
		why = to->match == IM_LM_REGEX ? regex_refused(c->sc, to->value) : NULL;
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
edits(struct t_compile *c, struct m_override *m, const struct k_header_modifier *k)
{
	if (k == NULL)
		return NULL;
	m->edits = arena_alloc(c->sc->arena, (k->set.n + k->add.n + 1) * sizeof(*m->edits));
	for (uint32_t i = 0; i < k->set.n + k->add.n; i++) {
		bool set = i < k->set.n;
		const struct k_header *h = set ? &k->set.v[i] : &k->add.v[i - k->set.n];

		if (!image_plain_ok(h->value, IMAGE_VALUE_BYTES, false))
			return arena_printf(c->sc->arena, "value of %.*s is not possible",
			    BYTES_ARG(h->name));
		m->edits[m->nedits++] =
		    (struct m_edit){set ? IM_SET : IM_ADD, h->name, h->value};
	}
	return NULL;
}

static void
redirect(struct t_compile *c, struct m_override *m, const struct k_redirect *k)
{
	struct m_filter *f = arena_zalloc(c->sc->arena, sizeof(*f));

	f->type = IM_F_REDIRECT;
	f->redirect.host = k->hostname;
	f->redirect.status = (uint16_t)k->status.v;
	f->redirect.port = (uint16_t)k->port.v;
	f->redirect.scheme = k->scheme;
	if (k->path != NULL && k->path->full.p != NULL) {
		f->redirect.pathop = IM_PATH_FULL;
		f->redirect.path = k->path->full.n != 0 ? k->path->full : BYTES("/");
	}
	m->redirect = f;
}

static const char *
one(struct t_compile *c, const struct k_override *k, struct m_override *m)
{
	const struct k_override_response *r = k->response;
	const char *why = match(c, m, k->match);

	m->rec.source = k->source == K_OS_LOCAL ? IM_SOURCE_LOCAL :
	    k->source == K_OS_BACKEND           ? IM_SOURCE_BACKEND :
						  IM_SOURCE_ALL;
	if (k->redirect != NULL)
		redirect(c, m, k->redirect);
	if (why != NULL || r == NULL)
		return why;
	if (r->status.set && (r->status.v < 200 || r->status.v > 599))
		return arena_printf(c->sc->arena, "status %lld is not possible",
		    (long long)r->status.v);
	m->rec.status = (uint16_t)r->status.v;
	m->content_type = r->content_type;
	if (!image_plain_ok(m->content_type, IMAGE_VALUE_BYTES, false))
		return "contentType is not possible";
	why = body(c, r->body, &m->body);
	return why != NULL ? why : edits(c, m, r->header);
}

void
traffic_overrides(struct t_compile *c)
{
	const struct k_backendtrafficpolicy *k = c->k;

	if (k->overrides.n == 0)
		return;
	c->m->overrides = arena_zalloc(c->sc->arena, k->overrides.n * sizeof(*c->m->overrides));
	for (uint32_t i = 0; i < k->overrides.n; i++) {
		const char *why = one(c, &k->overrides.v[i], &c->m->overrides[c->m->noverrides++]);

		if (why != NULL)
			words_addf(c->sc, c->errors, "ResponseOverride: %s.", why);
	}
}
