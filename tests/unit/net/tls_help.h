/*
 * tls_help.h - certificates made at test time, and raw hellos.
 */
#ifndef TESTS_UNIT_NET_TLS_HELP_H
#define TESTS_UNIT_NET_TLS_HELP_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "tests/unit/net/unit.h"

struct made {
	EVP_PKEY *key;
	X509 *cert;
	unsigned char chain[4096], der[2048]; /* as tls_ctx_add() wants them */
	size_t chain_n, der_n;
};

/* By `by`, or by itself. san: "DNS:a.test,URI:spiffe://x", NULL = a CA. */
static inline void
make_cert(struct made *m, const struct made *by, const char *cn, const char *san)
{
	unsigned char *p;
	X509_EXTENSION *e;
	X509V3_CTX v;
	X509 *x = X509_new();
	int n;

	m->key = EVP_EC_gen("P-256");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1 + (long)(strlen(cn) * 7));
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(by ? by->cert : x));
	X509_set_pubkey(x, m->key);
	X509V3_set_ctx(&v, by ? by->cert : x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &v, san ? NID_subject_alt_name : NID_basic_constraints,
	    san ? san : "critical,CA:TRUE");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, by ? by->key : m->key, EVP_sha256()) > 0);
	m->cert = x;
	p = m->chain + 4;
	n = i2d_X509(x, &p);
	m->chain_n = (size_t)n + 4;
	m->chain[0] = m->chain[1] = 0;
	m->chain[2] = (unsigned char)(n >> 8);
	m->chain[3] = (unsigned char)n;
	p = m->der;
	m->der_n = (size_t)i2d_PrivateKey(m->key, &p);
}

static inline void
drop_cert(struct made *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->cert);
}

/* What a client says first. alpn in wire format, or NULL. */
static inline size_t
make_hello(unsigned char *out, size_t cap, const char *sni, const char *alpn, int max_version)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(c);
	BIO *in = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, in, to);
	SSL_set_connect_state(ssl);
	if (sni)
		SSL_set_tlsext_host_name(ssl, sni);
	if (alpn)
		SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	SSL_set_max_proto_version(ssl, max_version);
	SSL_do_handshake(ssl);
	n = BIO_read(to, out, (int)cap);
	assert_true(n > 0);
	SSL_free(ssl);
	SSL_CTX_free(c);
	return (size_t)n;
}

#endif
