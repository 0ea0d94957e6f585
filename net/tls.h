/*
 * tls.h - TLS under a chan, by OpenSSL: contexts (settings and certificates), the handshake of a
 * server with the choice of a context by what the client says first, the handshake of a client with
 * verification. Worker only. OpenSSL's own initialisation (tls_prepare) is done before the jail.
 *
 * Renegotiation, compression and early data are off. Tickets are made with keys that all workers
 * share (struct tls_keys, written by the master); a session is bound to the content digest of its
 * context, so a resumption never crosses a listener's policy.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/hash.h"
#include "net/chan.h"
#include "net/hello.h"

#define TLS_ID 16
#define TLS_KEYS 3
struct tls_keys { /* shared memory; one writer, readers copy under seq (odd: being written) */
	_Atomic uint64_t seq;
	struct {
		unsigned char name[16], aes[32], mac[32];
	} key[TLS_KEYS];  /* [0] makes tickets, all open them */
};

struct tls_env;       /* one a process */
struct tls_ctx;       /* reference-counted */

enum tls_client {
	TLS_CLIENT_NONE,
	TLS_CLIENT_REQUEST,
	TLS_CLIENT_REQUIRE_ANY,
	TLS_CLIENT_VERIFY_IF_GIVEN,
	TLS_CLIENT_REQUIRE
};

/* What a client's certificate must have besides its chain: one of the pins, if there are any, and
 * one of the names, if there are any. */
enum tls_checkkind {
	TLS_CHECK_SPKI = 1, /* SHA-256 of the public key, 32 bytes */
	TLS_CHECK_HASH,     /* of the certificate */
	TLS_CHECK_DNS,      /* subject alternative names */
	TLS_CHECK_EMAIL,
	TLS_CHECK_IP,
	TLS_CHECK_URI,
	TLS_CHECK_OTHER     /* otherName with a text, type `oid` */
};
enum tls_checkmatch { TLS_MATCH_EXACT = 1, TLS_MATCH_PREFIX, TLS_MATCH_SUFFIX, TLS_MATCH_REGEX };
struct tls_check {
	enum tls_checkkind kind;
	enum tls_checkmatch match;
	struct bytes value, oid;
};

struct tls_conf { /* borrowed during the call */
	unsigned char id[TLS_ID];       /* content digest */
	uint16_t min_version, max_version;
	const char *ciphers, *ciphersuites, *curves, *sigalgs; /* NULL = default */
	struct bytes alpn; /* wire format; absent = none. Server: order of preference */
	const struct bytes *cas;        /* DER trust anchors */
	unsigned ncas;
	enum tls_client client;         /* server */
	bool tickets, crl_leaf, expired; /* crl_leaf: the chain is not looked up; server */
	const struct bytes *crls;       /* DER; none: nothing is looked up */
	const struct tls_check *checks;
	unsigned ncrls, nchecks;
	bool insecure;                  /* client: any certificate is good */
	bool lax_end;                   /* client: an end without close_notify is one (L4) */
};

void tls_prepare(void);
struct tls_env *tls_env_new(struct tls_keys *keys); /* keys may be NULL: no tickets */
void tls_env_free(struct tls_env *);

/* NULL with why (static or in why[]). */
struct tls_ctx *tls_ctx_new(struct tls_env *, bool server, const struct tls_conf *, char why[160]);
/* A certificate chain (DER, each behind a 32-bit big-endian length, leaf first) with its key (DER,
 * PKCS#8 or traditional). May be called for an RSA and an ECDSA one. The key's bytes are not kept.
 */
bool tls_ctx_add(
    struct tls_ctx *, struct bytes chain, struct bytes key, struct bytes ocsp, char why[160]);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *);
void tls_ctx_unref(struct tls_ctx *);

/* ---- server: between chan_init and chan_start */
struct tls_accept {
	/* Called once with the parsed hello: which context? NULL refuses (the connection ends
	 * without a word), with *hold it stays as it is until the owner closes it. */
	struct tls_ctx *(*choose)(void *arg, const struct hello *, bool *hold);
	void *arg;
};
bool tls_accept(struct chan *, struct tls_env *, struct tls_accept); /* false: no memory */

/* ---- client: after chan_connect. Verifies the chain, and that one of `names` is the
 * certificate's: a DNS name, "*.name" (any one label, or the same wildcard), an IP address,
 * "uri:…". Subject names never count (RFC 9110 4.3.4). No CAs: nothing is trusted, every handshake
 * fails. An end without close_notify is an error (but for lax_end): an answer that lasts until the
 * end must not look whole when it was cut. */
struct tls_server { /* borrowed during the call, but for the sessions */
	const char *sni;        /* NULL or an IP address: none is sent */
	const struct bytes *names;
	unsigned n;
	struct tls_sessions *sessions; /* NULL: no resumption */
	struct hash128 key;     /* of all that a session of this server was verified by */
};
bool tls_connect(struct chan *, struct tls_env *, struct tls_ctx *, const struct tls_server *);
/* Why the last handshake of this process failed, also after its channel was closed; or what was set
 * since, where there was not even one. */
const char *tls_last_error(const struct tls_env *);
void tls_set_error(struct tls_env *, const char *why);

#define TLS_SESSIONS 512 /* kept at most; 1 to 3 KB each */
struct tls_sessions *tls_sessions_new(void);
void tls_sessions_free(struct tls_sessions *); /* after the last channel that uses it */

/* ---- after `open` */
struct tls_info {
	const char *version, *cipher;   /* static */
	char alpn[16];
	const char *sni;                /* NULL: none was sent; lives as long as the channel */
	bool resumed, client_verified, client_given;
};
void tls_info(const struct chan *, struct tls_info *);
const char *tls_error(const struct chan *); /* why a handshake failed; "" if it did not */
/* Subject and SHA-256 of the peer's certificate; false if it gave none. */
bool tls_peer(const struct chan *, char subject[256], unsigned char sha256[32]);
/* The same as an element of X-Forwarded-Client-Cert: By (where our own certificate has a URI),
 * Hash, and what is asked for. How long it is; 0: no certificate, or it does not fit. */
#define TLS_PEER_SUBJECT 0x01u
#define TLS_PEER_CERT 0x02u
#define TLS_PEER_CHAIN 0x04u
#define TLS_PEER_DNS 0x08u
#define TLS_PEER_URI 0x10u
size_t tls_peer_text(const struct chan *, unsigned what, char *out, size_t cap);

#endif
