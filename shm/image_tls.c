/*
 * image_tls.c - the checkers of TLS records: lengths inside a chain, names as host tables hold
 * them, versions and enums in range, ALPN in wire format. What the DER says is OpenSSL's to judge
 * when a context is made; a chain that it refuses costs its listener a handshake.
 */
#include "shm/image_parts.h"

#define CHECK(member) const char *image_check_##member(const struct image *im, uint32_t i)
#define CHAIN_BYTES (1u << 20)
#define DER_BYTES 65536u
#define LIST_BYTES 1024u /* ciphers, curves */
#define NAMES_MAX 4096u
#define CAS_MAX 4096u
#define CHECKS_MAX 4096u

static bool
versions_ok(uint16_t lo, uint16_t hi)
{
	return (lo == 0 || (lo >= 0x0301 && lo <= 0x0304)) &&
	    (hi == 0 || (hi >= 0x0301 && hi <= 0x0304));
}

static bool
alpn_ok(const struct image *im, struct im_str s)
{
	struct bytes b;

	if (!text_ok(im, s, 255))
		return false;
	b = image_text(im, s);
	for (size_t i = 0; i < b.n;) {
		size_t n = (unsigned char)b.p[i];

		if (n == 0 || n >= b.n - i)
			return false;
		i += n + 1;
	}
	return s.off == IM_NONE || b.n != 0;
}

/* At least one, each behind its length. */
static bool
chain_ok(const struct image *im, struct im_str s)
{
	struct bytes b;

	if (s.off == IM_NONE || !text_ok(im, s, CHAIN_BYTES))
		return false;
	b = image_text(im, s);
	for (size_t i = 0; i < b.n;) {
		const unsigned char *p = (const unsigned char *)b.p + i;
		size_t n;

		if (b.n - i < 5)
			return false;
		n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
		if (n == 0 || n > b.n - i - 4)
			return false;
		i += n + 4;
	}
	return b.n != 0;
}

CHECK(tls)
{
	const struct im_tls *t = &im->tls[i];

	NEED(range_ok(t->certs, im->n_certs) && t->certs.n <= 4096, "certs");
	NEED(plain_ok(im, t->ciphers, LIST_BYTES, true), "ciphers");
	NEED(plain_ok(im, t->ciphersuites, LIST_BYTES, true), "ciphersuites");
	NEED(plain_ok(im, t->curves, LIST_BYTES, true), "curves");
	NEED(plain_ok(im, t->sigalgs, LIST_BYTES, true), "sigalgs");
	NEED(alpn_ok(im, t->alpn), "alpn");
	NEED(range_ok(t->cas, im->n_cas) && t->cas.n <= CAS_MAX, "cas");
	NEED(versions_ok(t->min_version, t->max_version), "version");
	NEED(t->client <= IM_CA_REQUIRE && t->tickets <= 1, "client");
	NEED(t->client < IM_CA_VERIFY_IF_GIVEN || t->cas.n != 0, "client without cas");
	NEED(t->crl_leaf <= 1 && t->expired <= 1, "flags");
	NEED(range_ok(t->crls, im->n_cas) && t->crls.n <= CAS_MAX, "crls");
	NEED(range_ok(t->checks, im->n_certchecks) && t->checks.n <= CHECKS_MAX, "checks");
	return NULL;
}

CHECK(certchecks)
{
	const struct im_certcheck *c = &im->certchecks[i];
	bool pin = c->kind == IM_CC_SPKI || c->kind == IM_CC_HASH;

	NEED(c->kind >= IM_CC_SPKI && c->kind <= IM_CC_OTHER, "kind");
	NEED(c->match >= IM_CM_EXACT && c->match <= IM_CM_REGEX, "match");
	NEED(c->value.off != IM_NONE && text_ok(im, c->value, 1024), "value");
	NEED(!pin || c->value.len == 32, "pin");
	NEED(plain_ok(im, c->oid, 255, true) &&
	    (c->kind != IM_CC_OTHER || c->oid.off != IM_NONE), "oid");
	return NULL;
}

CHECK(certs)
{
	const struct im_cert *c = &im->certs[i];

	NEED(chain_ok(im, c->chain), "chain");
	NEED(text_ok(im, c->ocsp, DER_BYTES), "ocsp");
	NEED(range_ok(c->names, im->n_strings) && c->names.n <= NAMES_MAX, "names");
	return NULL;
}

CHECK(cas)
{
	const struct im_ca *c = &im->cas[i];

	NEED(c->der.off != IM_NONE && c->der.len != 0 && text_ok(im, c->der, DER_BYTES), "der");
	return NULL;
}

CHECK(uptls)
{
	const struct im_uptls *u = &im->uptls[i];

	NEED(plain_ok(im, u->sni, 255, true), "sni");
	NEED(range_ok(u->names, im->n_strings) && u->names.n <= NAMES_MAX, "names");
	NEED(range_ok(u->cas, im->n_cas) && u->cas.n <= CAS_MAX, "cas");
	NEED(index_ok(u->cert, im->n_certs), "cert");
	NEED(versions_ok(u->min_version, u->max_version), "version");
	NEED(alpn_ok(im, u->alpn), "alpn");
	NEED(plain_ok(im, u->ciphers, LIST_BYTES, true), "ciphers");
	NEED(plain_ok(im, u->ciphersuites, LIST_BYTES, true), "ciphersuites");
	NEED(plain_ok(im, u->curves, LIST_BYTES, true), "curves");
	NEED(plain_ok(im, u->sigalgs, LIST_BYTES, true), "sigalgs");
	NEED(u->sni_from <= IM_SNI_HOST, "sni_from");
	NEED(u->verify <= 1, "verify");
	return NULL;
}
