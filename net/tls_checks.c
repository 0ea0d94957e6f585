/*
 * tls_checks.c - what is asked of a client's certificate besides its chain: pins, names, and
 * whether a chain or a date that is wrong matters. OpenSSL asks once or more for each certificate
 * of a chain, the leaf last, also where the chain is broken and that is to be overlooked, so the
 * leaf is judged at every question about it. A resumed session is not asked again: its ticket is
 * bound to the digest of these demands.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/regex.h"
#include "net/tls_env.h"

struct want {
	uint8_t kind, match;
	struct bytes value;
	ASN1_OBJECT *oid;
	struct regex *regex;
};
struct tls_checks {
	bool any;     /* whatever the chain is */
	bool expired; /* whatever its dates are */
	bool pins, names;
	unsigned n;
	struct want v[];
};

static bool
fill(struct want *w, const struct tls_check *c, char why[160])
{
	char oid[256];
	size_t at;

	w->kind = (uint8_t)c->kind;
	w->match = (uint8_t)c->match;
	w->value = bytes_of(mem_dup(c->value), c->value.n);
	if (c->match == TLS_MATCH_REGEX && (w->regex = regex_new(c->value, why, &at)) == NULL)
		return false;
	if (c->kind != TLS_CHECK_OTHER)
		return true;
	snprintf(oid, sizeof(oid), "%.*s", BYTES_ARG(c->oid));
	w->oid = OBJ_txt2obj(oid, 1);
	ERR_clear_error();
	snprintf(why, 160, "the type of a name is not an OID");
	return w->oid != NULL;
}

struct tls_checks *
tls_checks_new(const struct tls_conf *conf, char why[160])
{
	struct tls_checks *t = mem_zalloc(sizeof(*t) + conf->nchecks * sizeof(t->v[0]));

	t->any = conf->client == TLS_CLIENT_REQUEST || conf->client == TLS_CLIENT_REQUIRE_ANY;
	t->expired = conf->expired;
	for (unsigned i = 0; i < conf->nchecks; i++) {
		const struct tls_check *c = &conf->checks[i];

		t->n++;
		if (!fill(&t->v[i], c, why)) {
			tls_checks_free(t);
			return NULL;
		}
		t->pins |= c->kind == TLS_CHECK_SPKI || c->kind == TLS_CHECK_HASH;
		t->names |= c->kind >= TLS_CHECK_DNS;
	}
	return t;
}

void
tls_checks_free(struct tls_checks *t)
{
	for (unsigned i = 0; t && i < t->n; i++) {
		mem_free((void *)(uintptr_t)t->v[i].value.p);
		ASN1_OBJECT_free(t->v[i].oid);
		if (t->v[i].regex)
			regex_free(t->v[i].regex);
	}
	mem_free(t);
}

static bool
pinned(const struct tls_checks *t, const X509 *leaf)
{
	unsigned char md[2][EVP_MAX_MD_SIZE];
	unsigned n;
	unsigned char *der = NULL;
	bool have[2];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);

	/* Of the whole SubjectPublicKeyInfo, not of the key bits alone. */
	have[0] = len > 0 &&
	    EVP_Digest(der, (size_t)len, md[0], &n, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	have[1] = X509_digest(leaf, EVP_sha256(), md[1], &n) == 1;
	for (unsigned i = 0; i < t->n; i++) {
		unsigned k = t->v[i].kind == TLS_CHECK_SPKI ? 0 : 1;

		if (t->v[i].kind <= TLS_CHECK_HASH && have[k] && t->v[i].value.n == 32 &&
		    memcmp(t->v[i].value.p, md[k], 32) == 0)
			return true;
	}
	return false;
}

static bool
fits(const struct want *w, struct bytes name)
{
	bool fold = w->kind == TLS_CHECK_DNS;
	struct bytes v = w->value, part = name;

	if (w->match == TLS_MATCH_REGEX)
		return regex_match(w->regex, name) == 1;
	if (w->match != TLS_MATCH_EXACT) {
		if (name.n < v.n)
			return false;
		part = bytes_of(
		    name.p + (w->match == TLS_MATCH_SUFFIX ? name.n - v.n : 0), v.n);
	}
	return fold ? bytes_eqi(part, v) : bytes_eq(part, v);
}

static struct bytes
text_of(const ASN1_STRING *s)
{
	return bytes_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* A name as text; its kind, or 0 for what nobody asks about. */
static unsigned
name_of(const GENERAL_NAME *g, char room[46], struct bytes *out)
{
	struct addr a = {0};

	switch (g->type) {
	case GEN_DNS:
		*out = text_of(g->d.dNSName);
		return TLS_CHECK_DNS;
	case GEN_EMAIL:
		*out = text_of(g->d.rfc822Name);
		return TLS_CHECK_EMAIL;
	case GEN_URI:
		*out = text_of(g->d.uniformResourceIdentifier);
		return TLS_CHECK_URI;
	case GEN_IPADD:
		*out = text_of(g->d.iPAddress);
		if (out->n != 4 && out->n != 16)
			return 0;
		a.family = out->n == 4 ? 4 : 6;
		memcpy(a.ip, out->p, out->n);
		*out = bytes_of(room, addr_print_ip(&a, room));
		return TLS_CHECK_IP;
	case GEN_OTHERNAME:
		switch (g->d.otherName->value->type) {
		case V_ASN1_UTF8STRING:
		case V_ASN1_IA5STRING:
		case V_ASN1_PRINTABLESTRING:
			*out = text_of(g->d.otherName->value->value.asn1_string);
			return TLS_CHECK_OTHER;
		default:
			return 0;
		}
	default:
		return 0;
	}
}

static bool
named(const struct tls_checks *t, const X509 *leaf)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);
		char room[46];
		struct bytes name = BYTES_NONE;
		unsigned kind = name_of(g, room, &name);

		/* An embedded NUL would be the end to others. */
		if (kind == 0 || (name.n && memchr(name.p, 0, name.n)))
			continue;
		for (unsigned k = 0; k < t->n && !found; k++)
			found = t->v[k].kind == kind && fits(&t->v[k], name) &&
			    (kind != TLS_CHECK_OTHER ||
				OBJ_cmp(t->v[k].oid, g->d.otherName->type_id) == 0);
	}
	GENERAL_NAMES_free(sans);
	ERR_clear_error();
	return found;
}

int
tls_checks_ask(const struct tls_checks *t, int ok, X509_STORE_CTX *ctx)
{
	int e = X509_STORE_CTX_get_error(ctx);
	const X509 *leaf;

	if (!ok && t->expired && (e == X509_V_ERR_CERT_HAS_EXPIRED)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		ok = 1;
	}
	if (!ok && !t->any)
		return 0;
	leaf = X509_STORE_CTX_get_error_depth(ctx) == 0 ? X509_STORE_CTX_get_current_cert(ctx) :
							  NULL;
	if (leaf && ((t->pins && !pinned(t, leaf)) || (t->names && !named(t, leaf)))) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return 1;
}
