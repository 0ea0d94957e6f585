/*
 * tls.c - contexts: an SSL_CTX made from settings and DER. Keys are parsed from a buffer that the
 * caller wipes; nothing is read from files. Stateless tickets only: the session cache is off, so a
 * session is as good on any worker as on the one that made it. Ticket keys come from shared memory
 * and are copied under a sequence word.
 */
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/tls_env.h"

/* Up to TLS 1.2, where nobody says otherwise: forward secrecy and AEAD only, which is what HTTP/2
 * asks for too (RFC 9113 9.2.2) and what Envoy Gateway offers. */
#define CIPHERS \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:" \
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define SESSION_S 14400 /* shorter than a ticket key lives */

void
tls_prepare(void)
{
	unsigned char b[1];
	SSL_CTX *c;

	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
		OPENSSL_INIT_NO_LOAD_CONFIG,
	    NULL);
	RAND_bytes(b, 1);
	/* Algorithms are fetched at first use: do it while files may be opened. */
	c = SSL_CTX_new(TLS_method());
	SSL_CTX_free(c);
}

struct tls_env *
tls_env_new(struct tls_keys *keys)
{
	struct tls_env *e = mem_zalloc(sizeof(*e));

	e->keys = keys;
	return e;
}

void
tls_env_free(struct tls_env *e)
{
	mem_free(e);
}

static bool
copy_keys(const struct tls_env *e, struct tls_keys *out)
{
	for (int i = 0; i < 3; i++) {
		uint64_t s = atomic_load_explicit(&e->keys->seq, memory_order_acquire);

		memcpy(out->key, e->keys->key, sizeof(out->key));
		atomic_thread_fence(memory_order_acquire);
		if (!(s & 1) && s != 0 &&
		    atomic_load_explicit(&e->keys->seq, memory_order_relaxed) == s)
			return true;
	}
	return false;
}

/* 1 go on, 2 opened with an older key: make a new ticket, 0 unknown key or none: a full handshake.
 */
static int
ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int enc)
{
	const struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_env *e = t->env;
	struct tls_keys k;
	OSSL_PARAM params[3];
	int i = 0, rc = 0;

	if (!e->keys || !copy_keys(e, &k))
		return 0;
	if (enc) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
		memcpy(name, k.key[0].name, 16);
	} else {
		while (i < TLS_KEYS && memcmp(name, k.key[i].name, 16) != 0)
			i++;
	}
	if (i < TLS_KEYS) {
		params[0] = OSSL_PARAM_construct_octet_string(
		    OSSL_MAC_PARAM_KEY, k.key[i].mac, sizeof(k.key[i].mac));
		params[1] =
		    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"sha256"}, 0);
		params[2] = OSSL_PARAM_construct_end();
		rc = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.key[i].aes, iv, enc) ==
			    1 &&
			EVP_MAC_CTX_set_params(mac, params) == 1 ?
		    (i ? 2 : 1) :
		    -1;
	}
	mem_wipe(&k, sizeof(k));
	return rc;
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
    unsigned in_n, void *arg)
{
	const struct tls_ctx *c = arg;

	(void)ssl;
	if (SSL_select_next_proto((unsigned char **)out, n, c->alpn, c->alpn_n, in, in_n) ==
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no overlap ends the handshake */
}

static int
verify_client(int ok, X509_STORE_CTX *ctx)
{
	const SSL *ssl =
	    X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	return tls_checks_ask(t->checks, ok, ctx);
}

static bool
revoked(X509_STORE *store, const struct tls_conf *conf)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < conf->ncrls; i++) {
		const unsigned char *p = (const unsigned char *)conf->crls[i].p;
		X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)conf->crls[i].n);

		ok = x && X509_STORE_add_crl(store, x) == 1;
		X509_CRL_free(x);
	}
	if (conf->ncrls)
		X509_STORE_set_flags(store,
		    X509_V_FLAG_CRL_CHECK | (conf->crl_leaf ? 0 : X509_V_FLAG_CRL_CHECK_ALL));
	return ok;
}

static bool
trust(SSL_CTX *c, const struct tls_conf *conf, bool server)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	bool ok = true;

	for (unsigned i = 0; ok && i < conf->ncas; i++) {
		const unsigned char *p = (const unsigned char *)conf->cas[i].p;
		X509 *x = d2i_X509(NULL, &p, (long)conf->cas[i].n);

		ok = x && X509_STORE_add_cert(store, x) == 1 &&
		    (!server || SSL_CTX_add_client_CA(c, x) == 1);
		X509_free(x);
	}
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return ok && revoked(store, conf);
}

static bool
verify(struct tls_ctx *t, const struct tls_conf *conf, bool server, char why[160])
{
	static const int modes[] = {[TLS_CLIENT_NONE] = SSL_VERIFY_NONE,
	    [TLS_CLIENT_REQUEST] = SSL_VERIFY_PEER,
	    [TLS_CLIENT_REQUIRE_ANY] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	    [TLS_CLIENT_VERIFY_IF_GIVEN] = SSL_VERIFY_PEER,
	    [TLS_CLIENT_REQUIRE] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};

	if (!server) {
		SSL_CTX_set_verify(
		    t->ssl_ctx, conf->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
		return true;
	}
	if (conf->client == TLS_CLIENT_NONE)
		return true;
	t->checks = tls_checks_new(conf, why);
	SSL_CTX_set_verify(t->ssl_ctx, modes[conf->client], verify_client);
	return t->checks != NULL;
}

static bool
settings(SSL_CTX *c, const struct tls_conf *conf, bool server)
{
	const char *ciphers = conf->ciphers ? conf->ciphers : server ? CIPHERS : NULL;

	SSL_CTX_set_options(c,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
		SSL_OP_PRIORITIZE_CHACHA |
		(server || conf->lax_end ? SSL_OP_IGNORE_UNEXPECTED_EOF : 0u));
	SSL_CTX_set_mode(c,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(c, 1);
	SSL_CTX_set_timeout(c, SESSION_S);
	return SSL_CTX_set_min_proto_version(
		   c, conf->min_version ? conf->min_version : TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(c, conf->max_version) == 1 &&
	    (!ciphers || SSL_CTX_set_cipher_list(c, ciphers) == 1) &&
	    (!conf->ciphersuites || SSL_CTX_set_ciphersuites(c, conf->ciphersuites) == 1) &&
	    (!conf->sigalgs || SSL_CTX_set1_sigalgs_list(c, conf->sigalgs) == 1) &&
	    SSL_CTX_set1_groups_list(c, conf->curves ? conf->curves : "X25519:P-256:P-384") == 1 &&
	    SSL_CTX_set_session_id_context(c, conf->id, TLS_ID) == 1;
}

static void
server_side(struct tls_ctx *t, const struct tls_conf *conf)
{
	SSL_CTX *c = t->ssl_ctx;

	if (conf->alpn.n) {
		t->alpn = (unsigned char *)mem_dup(conf->alpn);
		t->alpn_n = (unsigned)conf->alpn.n;
		SSL_CTX_set_alpn_select_cb(c, choose_alpn, t);
	}
	if (conf->tickets && t->env->keys)
		SSL_CTX_set_tlsext_ticket_key_evp_cb(c, ticket_key);
	else
		SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
	if (!conf->tickets)
		SSL_CTX_set_num_tickets(c, 0);
}

static void
explain(char why[160], const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *r = e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, 160, "%s%s%s", what, r ? ": " : "", r ? r : "");
	ERR_clear_error();
}

struct tls_ctx *
tls_ctx_new(struct tls_env *env, bool server, const struct tls_conf *conf, char why[160])
{
	struct tls_ctx *t = mem_zalloc(sizeof(*t));

	ERR_clear_error();
	t->env = env;
	t->refs = 1;
	memcpy(t->id, conf->id, sizeof(t->id));
	t->ssl_ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!t->ssl_ctx || !settings(t->ssl_ctx, conf, server)) {
		explain(why, "TLS settings");
		goto bad;
	}
	SSL_CTX_set_app_data(t->ssl_ctx, t);
	if (!verify(t, conf, server, why))
		goto bad;
	if (!trust(t->ssl_ctx, conf, server)) {
		explain(why, "CA certificate");
		goto bad;
	}
	t->insecure = !server && conf->insecure;
	if (server)
		server_side(t, conf);
	else
		tls_client_sessions(t->ssl_ctx);
	if (!server && conf->alpn.n)
		SSL_CTX_set_alpn_protos(
		    t->ssl_ctx, (const unsigned char *)conf->alpn.p, (unsigned)conf->alpn.n);
	return t;
bad:
	tls_ctx_unref(t);
	return NULL;
}

static X509 *
next_cert(struct bytes *chain)
{
	const unsigned char *p = (const unsigned char *)chain->p;
	size_t n;
	X509 *x;

	if (chain->n < 4)
		return NULL;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (n > chain->n - 4)
		return NULL;
	p += 4;
	x = d2i_X509(NULL, &p, (long)n);
	*chain = bytes_of(chain->p + 4 + n, chain->n - 4 - n);
	return x;
}

static int
staple(SSL *ssl, void *arg)
{
	const struct bytes *ocsp = arg;
	unsigned char *copy = OPENSSL_memdup(ocsp->p, ocsp->n);

	if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)ocsp->n) != 1)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_staple(struct tls_ctx *t, struct bytes ocsp)
{
	struct bytes *copy = mem_alloc(sizeof(*copy) + ocsp.n);

	memcpy(copy + 1, ocsp.p, ocsp.n);
	*copy = bytes_of((char *)(copy + 1), ocsp.n);
	t->ocsp = copy;
	SSL_CTX_set_tlsext_status_cb(t->ssl_ctx, staple);
	SSL_CTX_set_tlsext_status_arg(t->ssl_ctx, copy);
}

bool
tls_ctx_add(
    struct tls_ctx *t, struct bytes chain, struct bytes key, struct bytes ocsp, char why[160])
{
	const unsigned char *p = (const unsigned char *)key.p;
	X509 *leaf = next_cert(&chain), *x;
	const EVP_PKEY *public = leaf ? X509_get0_pubkey(leaf) : NULL;
	int type = public ? EVP_PKEY_get_base_id(public) : 0;
	/* It fits, so its type is the certificate's; to find that out takes four times as long. */
	EVP_PKEY *pkey = type > 0 ? d2i_PrivateKey(type, NULL, &p, (long)key.n) : NULL;
	STACK_OF(X509) *rest = sk_X509_new_null();
	bool ok = leaf && pkey && rest;

	while (ok && chain.n) {
		x = next_cert(&chain);
		ok = x && sk_X509_push(rest, x) > 0;
		if (!ok)
			X509_free(x);
	}
	ok = ok && SSL_CTX_use_cert_and_key(t->ssl_ctx, leaf, pkey, rest, 1) == 1;
	if (!ok)
		explain(why, "certificate");
	else if (ocsp.n && !t->ocsp)
		set_staple(t, ocsp);
	sk_X509_pop_free(rest, X509_free);
	X509_free(leaf);
	EVP_PKEY_free(pkey);
	return ok;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *t)
{
	t->refs++;
	return t;
}

void
tls_ctx_unref(struct tls_ctx *t)
{
	if (--t->refs)
		return;
	SSL_CTX_free(t->ssl_ctx); /* connections hold it on their own */
	tls_checks_free(t->checks);
	mem_free(t->alpn);
	mem_free(t->ocsp);
	mem_free(t);
}
