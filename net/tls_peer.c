/*
 * tls_peer.c - what a client's certificate says, as the text of X-Forwarded-Client-Cert (Envoy's
 * format: By, Hash, Cert, Chain, Subject, URI, DNS, in that order). Every value is one that cannot
 * end its own quotes or the element: names with such bytes are left out, PEM is percent-encoded,
 * quotes in a subject are escaped. In a resumed session there is the certificate, but no chain.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "net/tls_env.h"

struct out {
	char *p;
	size_t n, cap;
	bool full;
};

static void
put(struct out *o, const char *p, size_t n)
{
	o->full = o->full || n > o->cap - o->n;
	if (o->full)
		return;
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void
word(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void
key(struct out *o, const char *name)
{
	if (o->n)
		word(o, ";");
	word(o, name);
	word(o, "=");
}

static bool
plain(const unsigned char *p, int n)
{
	for (int i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || strchr("\";,=\\", p[i]))
			return false;
	return n > 0;
}

static void
sans(struct out *o, X509 *x, int type, const char *name, bool first)
{
	GENERAL_NAMES *v = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(v); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(v, i);
		const unsigned char *p;
		int n;

		if (g->type != type)
			continue;
		p = ASN1_STRING_get0_data(g->d.ia5);
		n = ASN1_STRING_length(g->d.ia5);
		if (!plain(p, n))
			continue;
		key(o, name);
		put(o, (const char *)p, (size_t)n);
		if (first)
			break;
	}
	GENERAL_NAMES_free(v);
}

static void
hash(struct out *o, const X509 *x)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char hex[3];

	key(o, "Hash");
	if (X509_digest(x, EVP_sha256(), md, &n) != 1)
		o->full = true;
	for (unsigned i = 0; i < n; i++) {
		snprintf(hex, sizeof(hex), "%02x", md[i]);
		put(o, hex, 2);
	}
}

static void
encoded(struct out *o, X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (!b || PEM_write_bio_X509(b, x) != 1)
		o->full = true;
	n = b ? BIO_get_mem_data(b, &p) : 0;
	for (long i = 0; i < n; i++) {
		char hex[4];

		if ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z') || p[i] == '-' || p[i] == '.' || p[i] == '_') {
			put(o, &p[i], 1);
			continue;
		}
		snprintf(hex, sizeof(hex), "%%%02X", (unsigned)(unsigned char)p[i]);
		put(o, hex, 3);
	}
	BIO_free(b);
}

static void
subject(struct out *o, const X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	key(o, "Subject");
	word(o, "\"");
	if (!b || X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) < 0)
		o->full = true;
	n = b ? BIO_get_mem_data(b, &p) : 0;
	for (long i = 0; i < n; i++) {
		if (p[i] == '"')
			word(o, "\\");
		if ((unsigned char)p[i] < ' ' || (unsigned char)p[i] >= 0x7f)
			o->full = true; /* RFC 2253 has escaped those already */
		put(o, &p[i], 1);
	}
	word(o, "\"");
	BIO_free(b);
}

size_t
tls_peer_text(const struct chan *c, unsigned what, char *text, size_t cap)
{
	SSL *ssl = tls_ssl(c);
	X509 *x = ssl ? SSL_get0_peer_certificate(ssl) : NULL, *own;
	STACK_OF(X509) *chain;
	struct out o = {text, 0, cap, false};

	if (!x)
		return 0;
	own = SSL_get_certificate(ssl);
	if (own)
		sans(&o, own, GEN_URI, "By", true);
	hash(&o, x);
	if (what & TLS_PEER_CERT) {
		key(&o, "Cert");
		word(&o, "\"");
		encoded(&o, x);
		word(&o, "\"");
	}
	chain = what & TLS_PEER_CHAIN ? SSL_get_peer_cert_chain(ssl) : NULL;
	if (what & TLS_PEER_CHAIN) {
		key(&o, "Chain");
		word(&o, "\"");
		encoded(&o, x);
		for (int i = 0; i < sk_X509_num(chain) && !o.full; i++)
			encoded(&o, sk_X509_value(chain, i));
		word(&o, "\"");
	}
	if (what & TLS_PEER_SUBJECT)
		subject(&o, x);
	if (what & TLS_PEER_URI)
		sans(&o, x, GEN_URI, "URI", false);
	if (what & TLS_PEER_DNS)
		sans(&o, x, GEN_DNS, "DNS", false);
	ERR_clear_error();
	return o.full ? 0 : o.n;
}
