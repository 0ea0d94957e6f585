/*
 * tls_env.h - what net/tls.c and net/chan_tls.c share; nobody else includes this.
 */
#ifndef NET_TLS_ENV_H
#define NET_TLS_ENV_H

#include "net/tls.h"

struct tls_env {
	struct tls_keys *keys;
	unsigned char scratch[HELLO_MAX]; /* gathered writes, joined hellos: never both at once */
	unsigned char peek[HELLO_MAX];
	char why[96]; /* of the last handshake that failed */
};
struct ssl_ctx_st; /* OpenSSL's SSL_CTX: its headers stay out of ours */
struct x509_store_ctx_st;
struct tls_checks;       /* tls_checks.c: the server's demands on a client's certificate */
struct tls_checks *tls_checks_new(const struct tls_conf *, char why[160]); /* NULL with why */
void tls_checks_free(struct tls_checks *);
/* Like a verify callback's; asked for every certificate of a chain. */
int tls_checks_ask(const struct tls_checks *, int ok, struct x509_store_ctx_st *);

struct ssl_st;
struct ssl_st *tls_ssl(const struct chan *); /* NULL: no TLS, or no hello yet */

struct tls_ctx {
	struct ssl_ctx_st *ssl_ctx;
	struct tls_env *env;
	unsigned refs;
	unsigned char *alpn; /* wire format, server */
	unsigned alpn_n;
	struct bytes *ocsp;  /* staple, in one block with its bytes */
	unsigned char id[TLS_ID];  /* of its settings */
	struct tls_checks *checks; /* server that asks for certificates */
	bool insecure;       /* client: any certificate is good */
};

void tls_client_sessions(struct ssl_ctx_st *); /* chan_tls.c: its callbacks */

struct ssl_session_st; /* OpenSSL's SSL_SESSION */
/* The caller frees it; NULL: none that is still good. */
struct ssl_session_st *tls_sessions_get(struct tls_sessions *, struct hash128 key);
/* Copies. */
void tls_sessions_put(struct tls_sessions *, struct hash128 key, struct ssl_session_st *);
void tls_sessions_drop(struct tls_sessions *, struct hash128 key); /* it did not work out */

#endif
