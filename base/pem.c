/*
 * pem.c - text to DER by our own reader of the armour (OpenSSL's would ask for passwords and skip
 * what it does not know without a word), then OpenSSL for what DER says. The leaf is the first
 * certificate; issuers behind it are put in order, since many files have them the wrong way round
 * and TLS 1.2 clients mind. Keys stay DER: workers parse one when they need it.
 */
#include "base/pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/mem.h"
#include "base/parse.h"

#define BLOCKS 64

struct block {
	struct bytes label; /* "CERTIFICATE" */
	struct bytes der;
};

static ptrdiff_t
find(struct bytes b, size_t from, const char *what)
{
	const char *p =
	    from >= b.n ? NULL : memmem(b.p + from, b.n - from, what, strlen(what));

	return p ? p - b.p : -1;
}

/* The next block, *at behind it. false: none (why NULL) or malformed. */
static bool
next_block(struct arena *a, struct bytes text, size_t *at, struct block *out, const char **why)
{
	ptrdiff_t begin = find(text, *at, "-----BEGIN "), dash, end;
	struct bytes body;
	unsigned char *der;
	char *flat;
	size_t n;

	*why = NULL;
	if (begin < 0)
		return false;
	begin += 11;
	dash = find(text, (size_t)begin, "-----");
	end = dash < 0 ? -1 : find(text, (size_t)dash + 5, "-----END ");
	*why = "a PEM block does not end";
	if (end < 0)
		return false;
	out->label = bytes_of(text.p + begin, (size_t)(dash - begin));
	body = bytes_of(text.p + dash + 5, (size_t)(end - dash - 5));
	*at = (size_t)end + 9;
	*why = "an encrypted key cannot be used";
	if (bytes_starts(out->label, BYTES("ENCRYPTED")) || find(body, 0, "ENCRYPTED") >= 0)
		return false;
	*why = "a PEM block is not base64";
	flat = arena_alloc(a, body.n + 1);
	for (n = 0; body.n; body = bytes_of(body.p + 1, body.n - 1))
		if (body.p[0] != ' ' && body.p[0] != '\t' && body.p[0] != '\n' && body.p[0] != '\r')
			flat[n++] = body.p[0];
	der = arena_alloc(a, n / 4 * 3 + 4);
	if (!parse_base64(bytes_of(flat, n), der, &n) || n < 2 || der[0] != 0x30)
		return false;
	out->der = bytes_of((char *)der, n);
	*why = NULL;
	return true;
}

static uint32_t
blocks(struct arena *a, struct bytes text, const char *label, struct block *v, uint32_t cap,
    const char **why)
{
	uint32_t n = 0;
	size_t at = 0;
	struct block b;

	*why = NULL;
	if (!text.p || text.n > PEM_MAX)
		return 0;
	while (next_block(a, text, &at, &b, why)) {
		if (!bytes_ends(b.label, bytes_str(label)))
			continue;
		if (n == cap) {
			*why = "too many PEM blocks";
			return 0;
		}
		v[n++] = b;
	}
	return *why ? 0 : n;
}

static X509 *
parse_cert(struct bytes der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);

	if (x && p != (const unsigned char *)der.p + der.n) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

void
pem_digest(uint64_t id[2], const struct bytes *v, unsigned n)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	for (unsigned i = 0; i < n; i++) {
		uint64_t len = v[i].n;

		EVP_DigestUpdate(c, &len, sizeof(len));
		EVP_DigestUpdate(c, v[i].p, v[i].n);
	}
	EVP_DigestFinal_ex(c, md, NULL);
	EVP_MD_CTX_free(c);
	memcpy(id, md, 16);
}

static void
add_name(struct arena *a, struct pem_cert *c, size_t *cap, const unsigned char *p, int n)
{
	struct bytes b = bytes_of((const char *)p, (size_t)n);
	char *low;

	if (n <= 0 || n > 253 || memchr(p, 0, (size_t)n) || c->nnames >= 1024)
		return;
	if (bytes_starts(b, BYTES("*.")))
		b = bytes_of(b.p + 1, b.n - 1);
	low = arena_dup(a, b);
	for (size_t i = 0; i < b.n; i++) {
		if (low[i] >= 'A' && low[i] <= 'Z')
			low[i] = (char)(low[i] | 0x20);
		if ((unsigned char)low[i] <= ' ' || (unsigned char)low[i] >= 0x7f)
			return;
	}
	c->names = arena_grow(a, c->names, cap, c->nnames, sizeof(*c->names));
	c->names[c->nnames++] = bytes_of(low, b.n);
}

static void
names_of(struct arena *a, X509 *leaf, struct pem_cert *c)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	size_t cap = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);

		if (g->type == GEN_DNS)
			add_name(a, c, &cap, ASN1_STRING_get0_data(g->d.dNSName),
			    ASN1_STRING_length(g->d.dNSName));
	}
	if (!sans) {
		const X509_NAME *n = X509_get_subject_name(leaf);
		int at = X509_NAME_get_index_by_NID(n, NID_commonName, -1);
		const ASN1_STRING *s =
		    at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at));

		if (s)
			add_name(a, c, &cap, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
	}
	GENERAL_NAMES_free(sans);
	ERR_clear_error();
}

/* Certificates behind the leaf, each the issuer of the one before it as far as there is one. */
static void
order(X509 **x, struct block *v, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		for (uint32_t k = i + 1; k < n; k++) {
			X509 *t = x[i + 1];
			struct block b = v[i + 1];

			if (X509_NAME_cmp(X509_get_issuer_name(x[i]),
				X509_get_subject_name(x[k])) != 0)
				continue;
			x[i + 1] = x[k];
			v[i + 1] = v[k];
			x[k] = t;
			v[k] = b;
			break;
		}
}

static struct bytes
chain_of(struct arena *a, const struct block *v, uint32_t n)
{
	size_t len = 0;
	unsigned char *to, *p;

	for (uint32_t i = 0; i < n; i++)
		len += 4 + v[i].der.n;
	to = p = arena_alloc(a, len + 1);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)v[i].der.n;

		*p++ = (unsigned char)(k >> 24);
		*p++ = (unsigned char)(k >> 16);
		*p++ = (unsigned char)(k >> 8);
		*p++ = (unsigned char)k;
		memcpy(p, v[i].der.p, k);
		p += k;
	}
	return bytes_of((char *)to, len);
}

/* OpenSSL's number, 0 for a public key that it cannot read: it does not take NULL for an answer. */
static int
base_id(const X509 *leaf)
{
	const EVP_PKEY *k = X509_get0_pubkey(leaf);

	return k ? EVP_PKEY_get_base_id(k) : 0;
}

static uint8_t
key_type(X509 *leaf)
{
	switch (base_id(leaf)) {
	case EVP_PKEY_RSA:
		return PEM_RSA;
	case EVP_PKEY_EC:
		return PEM_EC;
	case EVP_PKEY_ED25519:
		return PEM_ED25519;
	default:
		return PEM_OTHER;
	}
}

/* With a hint of its type: without one OpenSSL asks all its decoders, which takes four times as
 * long. */
static const char *
key_fits(X509 *leaf, struct bytes key)
{
	const unsigned char *p = (const unsigned char *)key.p, *q = p;
	int type = base_id(leaf);
	EVP_PKEY *k = type > 0 ? d2i_PrivateKey(type, NULL, &p, (long)key.n) : NULL;
	const char *why = NULL;

	if (!k) /* of another type, perhaps: that is another thing to say */
		k = d2i_AutoPrivateKey(NULL, &q, (long)key.n);
	if (!k)
		why = "the private key cannot be read";
	else if (X509_check_private_key(leaf, k) != 1)
		why = "the private key does not belong to the first certificate";
	EVP_PKEY_free(k);
	ERR_clear_error();
	return why;
}

static const char *
judge(struct arena *a, X509 **x, struct block *v, uint32_t n, bool known, struct pem_cert *out)
{
	const char *why = known ? NULL : key_fits(x[0], out->key);

	if (why)
		return why;
	order(x, v, n);
	out->chain = chain_of(a, v, n);
	out->type = key_type(x[0]);
	if (out->type == PEM_OTHER)
		return "only RSA, ECDSA and Ed25519 keys can be used";
	out->not_before = seconds(X509_get0_notBefore(x[0]));
	out->not_after = seconds(X509_get0_notAfter(x[0]));
	names_of(a, x[0], out);
	pem_digest(out->id, (struct bytes[]){out->chain, out->key}, 2);
	return NULL;
}

const char *
pem_certificate(
    struct arena *a, struct bytes certs, struct bytes key, bool known, struct pem_cert *out)
{
	struct block *v = arena_alloc(a, BLOCKS * sizeof(*v)), k[4];
	X509 *x[BLOCKS] = {NULL};
	const char *why;
	uint32_t n = blocks(a, certs, "CERTIFICATE", v, BLOCKS, &why), got;

	*out = (struct pem_cert){0};
	if (n == 0)
		return why ? why : "there is no certificate";
	if (blocks(a, key, "PRIVATE KEY", k, HG_ARRAY_LEN(k), &why) == 0)
		return why ? why : "there is no private key";
	out->key = k[0].der;
	for (got = 0; got < n && (x[got] = parse_cert(v[got].der)) != NULL; got++)
		;
	why = got == n ? judge(a, x, v, n, known, out) : "a certificate cannot be read";
	while (got > 0)
		X509_free(x[--got]);
	return why;
}

static bool
cert_good(struct bytes der)
{
	X509 *x = parse_cert(der);

	X509_free(x);
	return x != NULL;
}

static bool
crl_good(struct bytes der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.n);

	X509_CRL_free(x);
	ERR_clear_error();
	return x != NULL && p == (const unsigned char *)der.p + der.n;
}

static uint32_t
bundle(struct arena *a, struct bytes text, bool crls, struct bytes **ders, const char **why)
{
	struct block *v;
	uint32_t cap = 1, n;

	for (ptrdiff_t at = 0; text.p && (at = find(text, (size_t)at, "-----BEGIN ")) >= 0; at++)
		cap++;
	v = arena_alloc(a, cap * sizeof(*v));
	n = blocks(a, text, crls ? "X509 CRL" : "CERTIFICATE", v, cap, why);
	if (n == 0 && *why == NULL)
		*why = crls ? "there is no list of revoked certificates" :
			      "there is no certificate";
	*ders = arena_alloc(a, (n + 1) * sizeof(**ders));
	for (uint32_t i = 0; i < n; i++) {
		if (!(crls ? crl_good : cert_good)(v[i].der)) {
			*why = crls ? "a list of revoked certificates cannot be read" :
				      "a certificate cannot be read";
			return 0;
		}
		(*ders)[i] = v[i].der;
	}
	return n;
}

uint32_t
pem_bundle(struct arena *a, struct bytes text, struct bytes **ders, const char **why)
{
	return bundle(a, text, false, ders, why);
}

uint32_t
pem_crls(struct arena *a, struct bytes text, struct bytes **ders, const char **why)
{
	return bundle(a, text, true, ders, why);
}

bool
pem_ocsp(struct bytes der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	OCSP_RESPONSE *r = der.n == 0 ? NULL : d2i_OCSP_RESPONSE(NULL, &p, (long)der.n);
	OCSP_BASICRESP *basic = NULL;
	bool good = r != NULL && p == (const unsigned char *)der.p + der.n &&
	    OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL;

	if (good)
		basic = OCSP_response_get1_basic(r);
	good = basic != NULL && OCSP_resp_count(basic) > 0;
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
	return good;
}
