/*
 * uptls.c - what a connection to a backend is made with. A reference that does not resolve costs
 * the policy that reference; when no CA certificate is left the policy is not accepted and its
 * targets answer 5xx, because clear text instead of TLS would be the worst answer. The machine's
 * own CA certificates are read once a compile, and only if something asks for them.
 */
#include "conf/resolve/uptls.h"

#include "base/pem.h"
#include "conf/kinds/k_traffic.h"
#include "conf/read/source.h"
#include "conf/resolve/certificate.h"

struct r_policy *
uptls_find(const struct r_target *list, struct bytes port)
{
	struct r_policy *all = NULL;

	for (const struct r_target *t = list; t != NULL; t = t->next) {
		if (t->loser || (t->section.n != 0 && !bytes_eq(t->section, port)))
			continue;
		if (t->section.n != 0)
			return t->policy;
		all = all != NULL ? all : t->policy;
	}
	return all;
}

/* ---- CA certificates */

static struct m_cas *
bundle(struct scope *sc, struct bytes *ders, uint32_t n)
{
	struct m_cas *c = arena_zalloc(sc->arena, sizeof(*c));

	c->v = ders;
	c->n = n;
	pem_digest(c->id, ders, n);
	return c;
}

/* NULL with *why. */
static struct m_cas *
system_cas(struct scope *sc, const char **why)
{
	struct source *src = sc->in.source;
	struct source_file f = {0};
	struct bytes *ders;
	uint32_t n = 0;

	if (sc->system_cas != NULL || sc->no_system_cas != NULL) {
		*why = sc->no_system_cas;
		return sc->system_cas;
	}
	*why = "the machine has no CA certificates";
	if (src != NULL && src->open != NULL &&
	    src->open(src, BYTES(SOURCE_SYSTEM_CA), sc->arena, &f) == 0 && f.error == 0)
		n = pem_bundle(sc->arena, f.text, &ders, why);
	if (n != 0)
		sc->system_cas = bundle(sc, ders, n);
	else
		sc->no_system_cas = *why;
	return sc->system_cas;
}

/* From ConfigMaps and Secrets. NULL: none of them has any. */
static struct m_cas *
named_cas(struct scope *sc, const struct object *o, const struct k_object_ref *v, uint32_t n,
    struct faults *f)
{
	struct cas all = {0};

	for (uint32_t i = 0; i < n; i++)
		(void)ca_get(sc, o->kind->id, o->meta.ns, &v[i], f, &all);
	return all.n == 0 ? NULL : bundle(sc, all.v, (uint32_t)all.n);
}

/* ---- BackendTLSPolicy */

static void
names(struct scope *sc, const struct k_backend_validation *v, struct m_uptls *m)
{
	m->sni = v->hostname;
	m->sni_from = IM_SNI_FIXED;
	m->names = arena_alloc(sc->arena, (v->sans.n + 1) * sizeof(*m->names));
	m->nnames = 0;
	for (uint32_t i = 0; i < v->sans.n; i++) {
		const struct k_san *s = &v->sans.v[i];

		m->names[m->nnames++] = s->type == K_SAN_URI ?
		    bytes_str(arena_printf(sc->arena, "uri:%.*s", BYTES_ARG(s->uri))) :
		    s->hostname;
	}
	if (m->nnames == 0) /* else the hostname is for SNI only */
		m->names[m->nnames++] = v->hostname;
}

static struct m_cas *
policy_cas(struct scope *sc, struct r_policy *p, const struct k_backend_validation *v)
{
	struct m_cas *cas;
	const char *why;

	if (v->cas.n != 0) {
		cas = named_cas(sc, p->obj, v->cas.v, v->cas.n, &p->refs);
		if (cas == NULL) {
			p->reason = "NoValidCACertificate";
			p->why = "no CA certificate can be used";
		}
		return cas;
	}
	p->reason = "Invalid";
	if (!bytes_eq(v->well_known, BYTES("System"))) {
		p->why = arena_printf(sc->arena,
		    "spec.validation.wellKnownCACertificates: %.*s is not known, only System is",
		    BYTES_ARG(v->well_known));
		return NULL;
	}
	cas = system_cas(sc, &why);
	if (cas != NULL) {
		p->reason = NULL;
		return cas;
	}
	p->reason = "NoValidCACertificate";
	p->why = why;
	return NULL;
}

struct m_uptls *
uptls_validated(struct scope *sc, struct r_policy *p, const struct k_backend_validation *v)
{
	bool quiet = sc->quiet;
	struct m_cas *cas;

	p->judged = true;
	if (v == NULL) {
		p->reason = "Invalid";
		p->why = "spec.validation is missing";
		return NULL;
	}
	sc->quiet = p->obj->stale;
	cas = policy_cas(sc, p, v);
	sc->quiet = quiet;
	if (cas == NULL)
		return NULL;
	p->tls = arena_zalloc(sc->arena, sizeof(*p->tls));
	p->tls->cas = cas;
	names(sc, v, p->tls);
	return p->tls;
}

struct m_uptls *
uptls_policy(struct scope *sc, struct r_policy *p)
{
	const struct k_backendtlspolicy *k = p->obj->spec;

	if (!p->judged)
		(void)uptls_validated(sc, p, k->validation);
	return p->tls;
}

/* ---- Backend */

static struct bytes
joined(struct scope *sc, const k_strings *v)
{
	const char *text = "";

	for (uint32_t i = 0; i < v->n; i++)
		text = arena_printf(sc->arena, "%s%s%.*s", text, i != 0 ? ":" : "",
		    BYTES_ARG(v->v[i]));
	return v->n != 0 ? bytes_str(text) : BYTES_NONE;
}

/* In wire format; names of no or too many bytes are left out. */
static struct bytes
alpn(struct scope *sc, const k_strings *v)
{
	char *out = arena_alloc(sc->arena, 256);
	size_t n = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		struct bytes b = v->v[i];

		if (b.n == 0 || b.n > 64 || n + b.n + 1 > 255)
			continue;
		out[n++] = (char)b.n;
		memcpy(out + n, b.p, b.n);
		n += b.n;
	}
	return n != 0 ? bytes_of(out, n) : BYTES_NONE;
}

static const char *
versions(const struct k_ct_tls *k, struct m_uptls *m)
{
	static const uint16_t numbers[] = {0, 0, 0x0301, 0x0302, 0x0303, 0x0304};

	if (k->max == K_TLS_10 || k->max == K_TLS_11)
		return "tls: versions below 1.2 are not served";
	/* A lower minimum is one of 1.2: the Warning says so. */
	m->min_version = numbers[k->min] >= 0x0303 ? numbers[k->min] : 0;
	m->max_version = numbers[k->max];
	return NULL;
}

/* Whom it trusts. false: nobody. */
static const char *
trust(struct scope *sc, const struct object *o, const struct k_ct_tls *k, struct m_uptls *m)
{
	struct faults f = {REF_OK, NULL};
	const char *why = NULL;

	m->insecure = k->skip_verify.v;
	if (m->insecure)
		return NULL;
	if (k->cas.n != 0) {
		m->cas = named_cas(sc, o, k->cas.v, k->cas.n, &f);
		why = f.worst == REF_OK ? NULL : f.text->p;
	} else if (bytes_eq(k->well_known, BYTES("System"))) {
		m->cas = system_cas(sc, &why);
	} else if (k->well_known.n != 0) {
		why = arena_printf(sc->arena, "tls.wellKnownCACertificates: %.*s is not known, "
		    "only System is", BYTES_ARG(k->well_known));
	} else {
		why = "must specify either CACertificateRefs or WellKnownCACertificates "
		      "when InsecureSkipVerify is unset or false";
	}
	return m->cas == NULL ? why : NULL;
}

static const char *
settings(struct scope *sc, const struct object *o, const struct k_ct_tls *k, struct m_uptls *m)
{
	struct faults f = {REF_OK, NULL};

	m->ciphers = joined(sc, &k->ciphers);
	m->curves = joined(sc, &k->curves);
	m->sigalgs = joined(sc, &k->signatures);
	m->alpn = alpn(sc, &k->alpn);
	m->sni = k->sni;
	m->sni_from = k->sni.n != 0 ? IM_SNI_FIXED :
	    k->auto_sni.v           ? IM_SNI_ENDPOINT :
				      IM_SNI_HOST;
	if (k->certificate != NULL) {
		m->cert = certificate_get(sc, KIND_BACKEND, o->meta.ns, k->certificate, &f);
		if (m->cert == NULL)
			return f.text->p;
	}
	return versions(k, m);
}

struct m_uptls *
uptls_backend(struct scope *sc, const struct object *o, const struct k_ct_tls *k,
    struct r_policy *p, const char **why)
{
	struct m_uptls *m, *by = p == NULL ? NULL : uptls_policy(sc, p);

	*why = NULL;
	if (k == NULL)
		return by;
	m = arena_zalloc(sc->arena, sizeof(*m));
	sc->quiet = o->stale;
	*why = settings(sc, o, k, m);
	if (*why == NULL && by == NULL)
		*why = trust(sc, o, k, m);
	sc->quiet = false;
	if (by != NULL) {
		m->cas = by->cas;
		m->sni = by->sni;
		m->sni_from = by->sni_from;
		m->names = by->names;
		m->nnames = by->nnames;
	}
	return *why == NULL ? m : NULL;
}
