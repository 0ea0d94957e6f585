/*
 * tls.c - TLS records of the image, and the secrets that they point to. A certificate is written
 * once, however many listeners name it. DER goes into the text section, keys only into the blob of
 * secrets.
 */
#include "base/pem.h"
#include "conf/build/parts.h"
#include "shm/image.h"
#include "shm/secrets.h"

static struct im_range
names_add(struct build *b, const struct m_cert *c)
{
	struct im_str *v = arena_alloc(&b->tmp, (c->nnames + 1) * sizeof(*v));
	struct im_range r = {0, 0};

	for (uint32_t i = 0; i < c->nnames; i++)
		if (c->names[i].n != 0 && image_plain_ok(c->names[i], 255, true))
			v[r.n++] = blob_put_text(b->w, c->names[i]);
	r.first = SHARE(b, IM_STRING, v, r.n);
	arena_reset(&b->tmp);
	return r;
}

static struct im_cert
cert_record(struct build *b, struct m_cert *c)
{
	CLEARED(struct im_cert, r);

	if (b->secrets == NULL)
		b->secrets = secrets_new(b->m->generation);
	r.chain = blob_put_text(b->w, c->chain);
	r.ocsp = blob_put_text(b->w, c->ocsp);
	r.names = names_add(b, c);
	r.id[0] = c->id[0];
	r.id[1] = c->id[1];
	if (c->index == 0)
		c->index = 1 + secrets_add(b->secrets, SECRET_KEY, c->key);
	r.secret = c->index - 1;
	r.type = c->type;
	r.not_after = c->not_after;
	return r;
}

static struct im_range
certs_add(struct build *b, const struct m_tls *t)
{
	struct im_cert *v = arena_alloc(&b->arena, (t->ncerts + 1) * sizeof(*v));

	for (uint32_t i = 0; i < t->ncerts; i++)
		v[i] = cert_record(b, t->certs[i]);
	return (struct im_range){SHARE(b, IM_CERT, v, t->ncerts), t->ncerts};
}

static struct im_range
cas_add(struct build *b, const struct bytes *ders, uint32_t n)
{
	struct im_ca *v = arena_zalloc(&b->tmp, (n + 1) * sizeof(*v));
	struct im_range r = {0, n};

	for (uint32_t i = 0; i < n; i++) {
		struct hash128 h = hash_content(ders[i].p, ders[i].n);

		v[i].der = blob_put_text(b->w, ders[i]);
		v[i].id[0] = h.a;
		v[i].id[1] = h.b;
	}
	r.first = SHARE(b, IM_CA, v, n);
	arena_reset(&b->tmp);
	return r;
}

static struct im_range
checks_add(struct build *b, const struct m_tls *t)
{
	struct im_certcheck *v = arena_zalloc(&b->tmp, (t->nchecks + 1) * sizeof(*v));
	struct im_range r = {0, t->nchecks};

	for (uint32_t i = 0; i < t->nchecks; i++) {
		v[i].kind = t->checks[i].kind;
		v[i].match = t->checks[i].match;
		v[i].value = blob_put_text(b->w, t->checks[i].value);
		v[i].oid = blob_put_text(b->w, t->checks[i].oid);
	}
	r.first = SHARE(b, IM_CERTCHECK, v, r.n);
	arena_reset(&b->tmp);
	return r;
}

static struct im_range
bundle_add(struct build *b, struct m_cas *c)
{
	struct im_range r = {0, 0};

	if (c == NULL)
		return r;
	if (c->index == 0)
		c->index = 1 + cas_add(b, c->v, c->n).first;
	return (struct im_range){c->index - 1, c->n};
}

static struct bytes
present(struct bytes b)
{
	return b.p ? b : BYTES("");
}

/* Of everything but the certificates: a new one must not end the sessions of the old. */
static void
identify(struct build *b, const struct m_tls *t, struct im_tls *r)
{
	uint16_t numbers[] = {r->min_version, r->max_version, r->client, r->tickets, r->crl_leaf,
	    r->expired};
	struct bytes *v = arena_alloc(
	    &b->tmp, (t->ncas + t->ncrls + 3ul * t->nchecks + 7u) * sizeof(*v));
	unsigned n = 0;

	v[n++] = bytes_of((const char *)t->id, sizeof(t->id));
	v[n++] = bytes_of((const char *)numbers, sizeof(numbers));
	v[n++] = present(t->ciphers);
	v[n++] = present(t->ciphersuites);
	v[n++] = present(t->curves);
	v[n++] = present(t->sigalgs);
	v[n++] = present(t->alpn);
	for (uint32_t i = 0; i < t->ncas; i++)
		v[n++] = t->cas[i];
	for (uint32_t i = 0; i < t->ncrls; i++)
		v[n++] = t->crls[i];
	for (uint32_t i = 0; i < t->nchecks; i++) {
		v[n++] = bytes_of((const char *)&t->checks[i].kind, 2);
		v[n++] = t->checks[i].value;
		v[n++] = present(t->checks[i].oid);
	}
	pem_digest(r->id, v, n);
	arena_reset(&b->tmp);
}

uint32_t
tls_record(struct build *b, const struct m_tls *t)
{
	CLEARED(struct im_tls, r);

	if (t == NULL)
		return IM_NONE;
	r.certs = certs_add(b, t);
	r.ciphers = blob_put_text(b->w, t->ciphers);
	r.ciphersuites = blob_put_text(b->w, t->ciphersuites);
	r.curves = blob_put_text(b->w, t->curves);
	r.sigalgs = blob_put_text(b->w, t->sigalgs);
	r.alpn = blob_put_text(b->w, t->alpn);
	r.cas = cas_add(b, t->cas, t->ncas);
	r.min_version = t->min_version;
	r.max_version = t->max_version;
	r.client = t->client;
	r.tickets = t->tickets;
	r.crl_leaf = t->crl_leaf;
	r.expired = t->expired;
	r.crls = cas_add(b, t->crls, t->ncrls);
	r.checks = checks_add(b, t);
	identify(b, t, &r);
	return SHARE(b, IM_TLSCONF, &r, 1);
}

uint32_t
tls_cert_record(struct build *b, struct m_cert *c)
{
	struct im_cert r;

	if (c == NULL)
		return IM_NONE;
	r = cert_record(b, c);
	return SHARE(b, IM_CERT, &r, 1);
}

/* What a context is made of, but for the client certificate: that has a digest of its own. */
static void
identify_up(struct build *b, const struct m_uptls *t, struct im_uptls *r)
{
	uint16_t numbers[] = {r->min_version, r->max_version, r->verify};
	struct bytes *v = arena_alloc(&b->tmp, (t->nnames + 8u) * sizeof(*v));
	unsigned n = 0;

	v[n++] = bytes_of((const char *)numbers, sizeof(numbers));
	v[n++] = present(t->ciphers);
	v[n++] = present(t->ciphersuites);
	v[n++] = present(t->curves);
	v[n++] = present(t->sigalgs);
	v[n++] = present(t->alpn);
	if (t->cas)
		v[n++] = bytes_of((const char *)t->cas->id, sizeof(t->cas->id));
	pem_digest(r->id, v, n);
	v[0] = bytes_of((const char *)&r->sni_from, 1);
	v[1] = present(t->sni);
	for (uint32_t i = 0; i < t->nnames; i++)
		v[2 + i] = t->names[i];
	pem_digest(r->who, v, 2 + t->nnames);
	arena_reset(&b->tmp);
}

uint32_t
tls_up_record(struct build *b, const struct m_uptls *t)
{
	CLEARED(struct im_uptls, r);

	if (t == NULL)
		return IM_NONE;
	r.cert = tls_cert_record(b, t->cert);
	r.cas = bundle_add(b, t->cas);
	r.names = records_strings(b, t->names, t->nnames);
	r.sni = blob_put_text(b->w, t->sni);
	r.ciphers = blob_put_text(b->w, t->ciphers);
	r.ciphersuites = blob_put_text(b->w, t->ciphersuites);
	r.curves = blob_put_text(b->w, t->curves);
	r.sigalgs = blob_put_text(b->w, t->sigalgs);
	r.alpn = blob_put_text(b->w, t->alpn);
	r.min_version = t->min_version;
	r.max_version = t->max_version;
	r.sni_from = t->sni_from;
	r.verify = !t->insecure;
	identify_up(b, t, &r);
	return SHARE(b, IM_UPTLS, &r, 1);
}
