/*
 * certificate.c - are certificate and CA references right (reference/gateway-api.md 5.3, 5.15), and
 * what do they hold? Kind first, then grant, then existence: a missing object in a namespace that
 * did not permit the reference must not show.
 *
 * Each Secret is judged once a compile. One whose text has not changed since it was last found good
 * is not asked again whether its key fits, which is what costs: with ten thousand of them a reload
 * reads PEM and little more. When a Secret goes bad, the text that the catalogue keeps of its last
 * good state goes on being served and is handed on to the next catalogue.
 */
#include "conf/resolve/certificate.h"

#include "base/parse.h"
#include "base/pem.h"
#include "conf/kinds/k_core.h"
#include "conf/read/codes.h"

static struct bytes
decoded(struct scope *sc, struct bytes v)
{
	struct bytes text;
	size_t n;

	if (v.n > PEM_MAX * 2)
		return BYTES_NONE;
	text.p = arena_alloc(sc->arena, v.n + 4);
	if (!parse_base64(v, (unsigned char *)(uintptr_t)text.p, &n))
		return BYTES_NONE;
	text.n = n;
	return text;
}

static struct bytes
secret_value(struct scope *sc, const struct k_secret *s, struct bytes key)
{
	struct bytes v;

	if (map_pair(&s->string_data, key, &v))
		return v;
	return map_pair(&s->data, key, &v) ? decoded(sc, v) : BYTES_NONE;
}

struct m_cert *
certificate_new(struct scope *sc, struct bytes crt, struct bytes key, struct bytes ocsp, bool known,
    const char **why)
{
	struct pem_cert p;
	struct m_cert *c;

	*why = pem_certificate(sc->arena, crt, key, known, &p);
	if (*why != NULL)
		return NULL;
	c = arena_zalloc(sc->arena, sizeof(*c));
	*c = (struct m_cert){.chain = p.chain, .key = p.key, .names = p.names, .nnames = p.nnames,
	    .id = {p.id[0], p.id[1]}, .not_after = p.not_after, .type = p.type,
	    .ocsp = ocsp.n != 0 && ocsp.n <= 65536 && pem_ocsp(ocsp) ? ocsp : BYTES_NONE};
	c->staple_bad = ocsp.n != 0 && c->ocsp.n == 0;
	if (sc->in.now != 0 && p.not_after < sc->in.now)
		*why = "the certificate has expired";
	else if (sc->in.now != 0 && p.not_before > sc->in.now + 86400) /* clocks differ */
		*why = "the certificate is not valid yet";
	return c;
}

void
certificate_warn(struct scope *sc, const struct m_cert *c, const struct node *at)
{
	if (c != NULL && c->staple_bad && at != NULL && !sc->quiet)
		diag_at(sc->in.diags, CODE_REF_NOT_FOUND, at,
		    "the OCSP response beside the certificate cannot be read: it is not stapled");
}

static struct m_cert *
cert_of(struct scope *sc, const struct k_secret *s, bool known, const char **why)
{
	struct bytes crt = secret_value(sc, s, BYTES("tls.crt"));
	struct bytes key = secret_value(sc, s, BYTES("tls.key"));

	if (crt.p == NULL || key.p == NULL) {
		*why = crt.p == NULL ? "there is no certificate in tls.crt" :
				       "there is no private key in tls.key";
		return NULL;
	}
	return certificate_new(
	    sc, crt, key, secret_value(sc, s, BYTES("tls.ocsp-staple")), known, why);
}

/* What it held when it was last good. */
static void
restore(struct scope *sc, const struct cat_object *old, struct r_secret *r)
{
	struct object *o;
	const char *why;

	if (old == NULL || !(old->flags & CAT_PAIR) || old->good.off == IM_NONE)
		return;
	r->kept = arena_bytes(sc->arena, blob_text(&sc->in.old->blob, old->good));
	o = object_from_json(sc->arena, r->kept, BYTES(""));
	r->cert = o == NULL ? NULL : cert_of(sc, o->spec, true, &why);
	if (r->cert == NULL)
		r->kept = BYTES_NONE;
}

static struct r_secret *
judge(struct scope *sc, const struct object *o)
{
	const struct cat_object *old = sc->meta[o->index].old;
	struct r_secret *r;
	bool known;

	if (sc->secrets == NULL)
		sc->secrets = arena_zalloc(
		    sc->arena, (sc->in.objects->n + 1) * sizeof(struct r_secret *));
	if (sc->secrets[o->index] != NULL)
		return sc->secrets[o->index];
	r = sc->secrets[o->index] = arena_zalloc(sc->arena, sizeof(*r));
	known = old != NULL && (old->flags & (CAT_PAIR | CAT_KEPT)) == CAT_PAIR &&
	    old->hash[0] == o->hash[0] && old->hash[1] == o->hash[1];
	r->cert = cert_of(sc, o->spec, known, &r->why);
	if (r->why == NULL)
		return r;
	if (known) /* it expired while it was served: nobody gains if it is not */
		return r;
	r->cert = NULL;
	restore(sc, old, r);
	return r;
}

const struct r_secret *
certificate_secret(const struct scope *sc, const struct object *o)
{
	return sc->secrets == NULL ? NULL : sc->secrets[o->index];
}

/* ---- references */

struct m_cert *
certificate_get(struct scope *sc, enum kind_id from, struct bytes from_ns,
    const struct k_object_ref *r, struct faults *f)
{
	struct bytes ns = r->ns.n != 0 ? r->ns : from_ns;
	const struct object *o;
	struct r_secret *s;

	if (bytes_eq(r->group, BYTES(CERTIFICATE_GROUP)) &&
	    bytes_eq(r->kind, BYTES(CERTIFICATE_FILE)) && bytes_eq(ns, from_ns))
		return certfile_get(sc, from, ns, r, f);
	if (r->group.n != 0 || !bytes_eq(r->kind, BYTES("Secret"))) {
		fault_add(sc, f, REF_NOT_FOUND, r->node,
		    "%.*s %.*s cannot be a certificate, only a Secret can", BYTES_ARG(r->kind),
		    BYTES_ARG(r->name));
		return NULL;
	}
	if (!grant_allows(sc, from, from_ns, r->group, r->kind, ns, r->name)) {
		fault_add(sc, f, REF_NOT_PERMITTED, r->node,
		    "no ReferenceGrant in %.*s permits Secret %.*s", BYTES_ARG(ns),
		    BYTES_ARG(r->name));
		return NULL;
	}
	o = objects_find(sc->in.objects, KIND_SECRET, ns, r->name);
	if (o == NULL) {
		fault_add(sc, f, REF_NOT_FOUND, r->node, "Secret %.*s/%.*s does not exist",
		    BYTES_ARG(ns), BYTES_ARG(r->name));
		return NULL;
	}
	s = judge(sc, o);
	if (s->why != NULL)
		fault_add(sc, f, REF_NOT_FOUND, r->node, "Secret %.*s/%.*s: %s%s", BYTES_ARG(ns),
		    BYTES_ARG(r->name), s->why,
		    s->cert != NULL ? "; its last good certificate is served" : "");
	certificate_warn(sc, s->cert, r->node);
	return s->cert;
}

/* The text under a key, or why there is none. `lax`: a Secret of one entry may call it what it
 * likes. */
static const char *
key_text(struct scope *sc, const struct k_object_ref *r, struct bytes ns, const char *key, bool lax,
    struct bytes *text)
{
	bool secret = bytes_eq(r->kind, BYTES("Secret"));
	const struct object *o =
	    objects_find(sc->in.objects, secret ? KIND_SECRET : KIND_CONFIGMAP, ns, r->name);
	const struct k_secret *s = secret && o != NULL ? o->spec : NULL;

	*text = BYTES_NONE;
	if (o == NULL)
		return "it does not exist";
	if (!secret)
		map_pair(&((const struct k_configmap *)o->spec)->data, bytes_str(key), text);
	else if (lax && s->string_data.n + s->data.n == 1)
		*text = secret_value(
		    sc, s, s->data.n != 0 ? s->data.v[0].key : s->string_data.v[0].key);
	else
		*text = secret_value(sc, s, bytes_str(key));
	return text->p == NULL ? arena_printf(sc->arena, "it has no %s", key) : NULL;
}

static void
ca_put(struct scope *sc, struct cas *out, const struct bytes *ders, uint32_t n)
{
	for (uint32_t i = 0; out != NULL && i < n && out->n < 4096; i++) {
		out->v = arena_grow(sc->arena, out->v, &out->cap, out->n, sizeof(*out->v));
		out->v[out->n++] = ders[i];
	}
}

static bool
ca_kind(struct bytes kind)
{
	return bytes_eq(kind, BYTES("ConfigMap")) || bytes_eq(kind, BYTES("Secret"));
}

static bool
bundle_get(struct scope *sc, enum kind_id from, struct bytes from_ns, const struct k_object_ref *r,
    bool crl, struct faults *f, struct cas *out)
{
	struct bytes ns = r->ns.n != 0 ? r->ns : from_ns, text, *ders;
	const char *why;
	uint32_t n;

	if (r->group.n != 0 || !ca_kind(r->kind)) {
		fault_add(sc, f, REF_KIND, r->node,
		    "%.*s %.*s cannot be a CA bundle, only a ConfigMap or a Secret can",
		    BYTES_ARG(r->kind), BYTES_ARG(r->name));
		return false;
	}
	if (!grant_allows(sc, from, from_ns, r->group, r->kind, ns, r->name)) {
		fault_add(sc, f, REF_NOT_PERMITTED, r->node,
		    "no ReferenceGrant in %.*s permits %.*s %.*s", BYTES_ARG(ns),
		    BYTES_ARG(r->kind), BYTES_ARG(r->name));
		return false;
	}
	why = key_text(sc, r, ns, crl ? "ca.crl" : "ca.crt", from != KIND_GATEWAY, &text);
	if (why == NULL) {
		n = (crl ? pem_crls : pem_bundle)(sc->arena, text, &ders, &why);
		if (n != 0) {
			ca_put(sc, out, ders, n);
			return true;
		}
	}
	fault_add(sc, f, REF_NOT_FOUND, r->node, "%.*s %.*s/%.*s: %s", BYTES_ARG(r->kind),
	    BYTES_ARG(ns), BYTES_ARG(r->name), why);
	return false;
}

bool
ca_get(struct scope *sc, enum kind_id from, struct bytes from_ns, const struct k_object_ref *r,
    struct faults *f, struct cas *out)
{
	return bundle_get(sc, from, from_ns, r, false, f, out);
}

bool
crl_get(struct scope *sc, enum kind_id from, struct bytes from_ns, const struct k_object_ref *r,
    struct faults *f, struct cas *out)
{
	return bundle_get(sc, from, from_ns, r, true, f, out);
}
