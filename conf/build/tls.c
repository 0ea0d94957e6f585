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
	r.first = share_add(&b->share, b->w, IM_STRING, v, r.n, sizeof(*v));
	arena_reset(&b->tmp);
	return r;
}

static struct im_cert
cert_record(struct build *b, struct m_cert *c)
{
	struct im_cert r;

	memset(&r, 0, sizeof(r));
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
	return (struct im_range){
	    share_add(&b->share, b->w, IM_CERT, v, t->ncerts, sizeof(*v)), t->ncerts};
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
	r.first = share_add(&b->share, b->w, IM_CA, v, n, sizeof(*v));
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
	r.first = share_add(&b->share, b->w, IM_CERTCHECK, v, r.n, sizeof(*v));
	arena_reset(&b->tmp);
	return r;
}

/* Of everything but the certificates: a new one must not end the sessions of the old. */
static void
identify(struct build *b, const struct m_tls *t, struct im_tls *r)
{
	uint16_t numbers[] = {r->min_version, r->max_version, r->client, r->tickets, r->crl_leaf,
	    r->expired};
	struct bytes *v = arena_alloc(
	    &b->tmp, (t->ncas + t->ncrls + 3ul * t->nchecks + 6u) * sizeof(*v));
	unsigned n = 0;

	v[n++] = bytes_of((const char *)t->id, sizeof(t->id));
	v[n++] = bytes_of((const char *)numbers, sizeof(numbers));
	v[n++] = t->ciphers.p ? t->ciphers : BYTES("");
	v[n++] = t->ciphersuites.p ? t->ciphersuites : BYTES("");
	v[n++] = t->curves.p ? t->curves : BYTES("");
	v[n++] = t->alpn.p ? t->alpn : BYTES("");
	for (uint32_t i = 0; i < t->ncas; i++)
		v[n++] = t->cas[i];
	for (uint32_t i = 0; i < t->ncrls; i++)
		v[n++] = t->crls[i];
	for (uint32_t i = 0; i < t->nchecks; i++) {
		v[n++] = bytes_of((const char *)&t->checks[i].kind, 2);
		v[n++] = t->checks[i].value;
		v[n++] = t->checks[i].oid.p ? t->checks[i].oid : BYTES("");
	}
	pem_digest(r->id, v, n);
	arena_reset(&b->tmp);
}

uint32_t
tls_record(struct build *b, const struct m_tls *t)
{
	struct im_tls r;

	if (t == NULL)
		return IM_NONE;
	memset(&r, 0, sizeof(r));
	r.certs = certs_add(b, t);
	r.ciphers = blob_put_text(b->w, t->ciphers);
	r.ciphersuites = blob_put_text(b->w, t->ciphersuites);
	r.curves = blob_put_text(b->w, t->curves);
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
	return share_add(&b->share, b->w, IM_TLSCONF, &r, 1, sizeof(r));
}
