/*
 * chan_tls.c - OpenSSL behind chan_ops. The client's hello is looked at with MSG_PEEK first, so
 * that the connection is born in the context of its listener: OpenSSL's own switch of contexts in
 * mid-handshake leaves versions, ciphers and client verification of the old one in place. Records
 * are read ahead (one recv for many), writes are gathered into records of up to 16 KB, buffers are
 * given back while a connection idles.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/tls_env.h"

#define RECORD 16384

struct tls_conn {
	struct tls_ctx *ctx;      /* its callbacks live there */
	SSL *ssl;                 /* NULL until the hello is there */
	struct tls_env *env;
	struct tls_accept accept;
	struct bytes *names;      /* client: what the server may be called, in one block */
	unsigned nnames;
	struct tls_sessions *sessions;
	struct hash128 key;
	char why[96];
	bool failed, hold;
};

static void
remember(struct tls_conn *t, const char *fallback)
{
	unsigned long e = ERR_peek_last_error();
	const char *r = e ? ERR_reason_error_string(e) : NULL;

	if (t->ssl && SSL_get_verify_result(t->ssl) != X509_V_OK)
		r = X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
	snprintf(t->why, sizeof(t->why), "%s", r ? r : fallback);
	memcpy(t->env->why, t->why, sizeof(t->env->why));
	ERR_clear_error();
}

/* The result of an SSL call as chan wants it. */
static ssize_t
outcome(struct tls_conn *t, int r)
{
	int e = SSL_get_error(t->ssl, r);

	if (r > 0)
		return r;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	t->failed = true;
	remember(t, "connection reset");
	errno = ECONNRESET;
	return -1;
}

static ssize_t
tls_recv(struct chan *c, void *p, size_t n)
{
	struct tls_conn *t = c->impl;

	if (t->failed) {
		errno = ECONNRESET;
		return -1;
	}
	ERR_clear_error();
	return outcome(t, SSL_read(t->ssl, p, (int)HG_MIN(n, (size_t)INT32_MAX)));
}

/* Where the next record's bytes are: in place if one slice fills it or is all there is, else
 * gathered. Advances the vector by nothing. */
static size_t
gather(struct tls_env *env, const struct iovec *iov, int n, size_t skip, const void **p)
{
	size_t len = 0;

	*p = (const char *)iov->iov_base + skip;
	if (n == 1 || iov->iov_len - skip >= RECORD)
		return HG_MIN(iov->iov_len - skip, (size_t)RECORD);
	*p = env->scratch;
	for (; n > 0 && len < RECORD; n--, iov++, skip = 0) {
		size_t k = HG_MIN(iov->iov_len - skip, (size_t)RECORD - len);

		memcpy(env->scratch + len, (const char *)iov->iov_base + skip, k);
		len += k;
	}
	return len;
}

/* Record by record until the socket is full. A retry offers the same bytes, perhaps with more
 * behind them, which SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER allows. */
static ssize_t
tls_send(struct chan *c, const struct iovec *iov, int n)
{
	struct tls_conn *t = c->impl;
	size_t done = 0, skip = 0;

	while (n > 0 && !t->failed) {
		const void *p;
		size_t len = gather(t->env, iov, n, skip, &p);
		ssize_t r;

		ERR_clear_error();
		r = outcome(t, SSL_write(t->ssl, p, (int)len));
		if (r <= 0)
			break;
		done += (size_t)r;
		skip += (size_t)r;
		while (n > 0 && skip >= iov->iov_len) {
			skip -= iov->iov_len;
			iov++;
			n--;
		}
	}
	if (done)
		return (ssize_t)done;
	errno = t->failed ? ECONNRESET : EAGAIN;
	return -1;
}

static void
tls_shutdown(struct chan *c)
{
	struct tls_conn *t = c->impl;

	if (t->ssl && !t->failed && SSL_is_init_finished(t->ssl)) {
		ERR_clear_error();
		SSL_shutdown(t->ssl);
	}
	ERR_clear_error();
	shutdown(c->watch.fd, SHUT_WR);
}

static void
tls_release(struct chan *c)
{
	struct tls_conn *t = c->impl;

	if (!t)
		return;
	if (t->ssl) {
		if (!t->failed && SSL_is_init_finished(t->ssl))
			SSL_set_shutdown(t->ssl,
			    SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* keep the session */
		SSL_free(t->ssl);
	}
	if (t->ctx)
		tls_ctx_unref(t->ctx);
	ERR_clear_error();
	mem_free(t->names);
	mem_free(t);
	c->impl = NULL;
}

/* A session is resumed by the listener's settings that it was made with and for the same name only
 * (RFC 6066 section 3), whichever certificate shows it. */
static bool
bind_sessions(struct tls_conn *t, const struct hello *h)
{
	struct hash128 name = hash_content(h->sni, h->sni_len);
	unsigned char id[TLS_ID + sizeof(name)];

	_Static_assert(sizeof(id) <= SSL_MAX_SID_CTX_LENGTH, "what OpenSSL compares");
	memcpy(id, t->ctx->id, TLS_ID);
	memcpy(id + TLS_ID, &name, sizeof(name));
	return SSL_set_session_id_context(t->ssl, id, sizeof(id)) == 1;
}

/* 1 a context was chosen, 0 more of the hello is to come, -1 refused. */
static int
choose(struct chan *c, struct tls_conn *t)
{
	struct tls_env *env = t->env;
	struct hello h;
	struct tls_ctx *ctx;
	enum hg_err e;
	ssize_t n = recv(c->watch.fd, env->peek, HELLO_MAX, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	e = n > 0 ? hello_parse(env->peek, (size_t)n, env->scratch, &h) : HG_ERR_EOF;
	if (e == HG_ERR_AGAIN)
		return 0;
	ctx = e == HG_OK ? t->accept.choose(t->accept.arg, &h, &t->hold) : NULL;
	if (t->hold)
		return 0;
	if (ctx) {
		t->ctx = tls_ctx_ref(ctx);
		t->ssl = SSL_new(ctx->ssl_ctx);
	}
	if (!t->ssl || SSL_set_fd(t->ssl, c->watch.fd) != 1 || !bind_sessions(t, &h)) {
		snprintf(t->why, sizeof(t->why), "%s",
		    e != HG_OK ? "not a TLS client" :
			ctx    ? "no memory" :
				 "no listener for the name");
		return -1;
	}
	SSL_set_accept_state(t->ssl);
	return 1;
}

static int
tls_handshake(struct chan *c, uint32_t events)
{
	struct tls_conn *t = c->impl;
	int r, e;

	(void)events;
	if (t->hold)
		return 0;
	if (!t->ssl) {
		r = choose(c, t);
		if (r <= 0)
			return r;
	}
	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return 1;
	e = SSL_get_error(t->ssl, r);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	t->failed = true;
	remember(t, "the peer ended the handshake");
	if (t->sessions) /* a full handshake next time */
		tls_sessions_drop(t->sessions, t->key);
	return -1;
}

static const struct chan_ops tls_ops = {
	.recv = tls_recv,
	.send = tls_send,
	.shutdown = tls_shutdown,
	.release = tls_release,
	.handshake = tls_handshake,
	.short_read_ends = false,
	.secure = true,
};

bool
tls_accept(struct chan *c, struct tls_env *env, struct tls_accept a)
{
	struct tls_conn *t = mem_zalloc(sizeof(*t));

	t->env = env;
	t->accept = a;
	chan_use(c, &tls_ops, t);
	return true;
}

/* ---- the client: is the server who it should be? OpenSSL's own check of hosts knows no URIs, and
 * two checks side by side would have to hold both, so the names are all looked at here. */

/* A wanted "*.a.test" is met by the same wildcard and by any name one label below a.test. */
static bool
below(struct bytes want, struct bytes have)
{
	ptrdiff_t dot = bytes_chr(have, '.', 0);

	return dot > 0 && bytes_eqi(bytes_of(want.p + 1, want.n - 1),
	    bytes_of(have.p + dot, have.n - (size_t)dot));
}

static bool
has_san(X509 *x, int type, struct bytes want)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);
		struct bytes have;

		if (g->type != type)
			continue;
		have = bytes_of((const char *)ASN1_STRING_get0_data(g->d.ia5),
		    (size_t)ASN1_STRING_length(g->d.ia5));
		if (memchr(have.p, '\0', have.n) == NULL)
			found = type == GEN_URI ? bytes_eq(want, have) : below(want, have);
	}
	GENERAL_NAMES_free(sans);
	return found;
}

static bool
is_named(X509 *leaf, struct bytes n)
{
	struct addr ip;
	char text[64];

	if (bytes_starts(n, BYTES("uri:")))
		return has_san(leaf, GEN_URI, bytes_of(n.p + 4, n.n - 4));
	if (bytes_starts(n, BYTES("*.")))
		return has_san(leaf, GEN_DNS, n);
	if (n.n < sizeof(text) && addr_parse_ip(n, &ip)) {
		snprintf(text, sizeof(text), "%.*s", BYTES_ARG(n));
		return X509_check_ip_asc(leaf, text, 0) == 1;
	}
	return n.n != 0 &&
	    X509_check_host(leaf, n.p, n.n,
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
		NULL) == 1;
}

static bool
named(const struct tls_conn *t, X509 *leaf)
{
	for (unsigned i = 0; i < t->nnames; i++)
		if (is_named(leaf, t->names[i]))
			return true;
	return false;
}

/* Called for each certificate of a chain that is good so far, the leaf last. */
static int
verify_server(int ok, X509_STORE_CTX *ctx)
{
	const SSL *ssl =
	    X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!ok || X509_STORE_CTX_get_error_depth(ctx) != 0)
		return ok;
	if (named(SSL_get_app_data(ssl), X509_STORE_CTX_get_current_cert(ctx)))
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static void
keep_names(struct tls_conn *t, const struct bytes *names, unsigned n)
{
	size_t len = 0;
	char *p;

	for (unsigned i = 0; i < n; i++)
		len += names[i].n;
	t->names = mem_alloc(n * sizeof(*names) + len + 1);
	t->nnames = n;
	p = (char *)(t->names + n);
	for (unsigned i = 0; i < n; p += names[i++].n) {
		if (names[i].n)
			memcpy(p, names[i].p, names[i].n);
		t->names[i] = bytes_of(p, names[i].n);
	}
}

/* A session that the server gave: with TLS 1.3 that is any time after the handshake. */
static int
new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *t = SSL_get_app_data(ssl);

	if (t && t->sessions && !t->failed)
		tls_sessions_put(t->sessions, t->key, session);
	return 0;
}

void
tls_client_sessions(SSL_CTX *c)
{
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, new_session);
}

static bool
wants_sni(const char *sni)
{
	struct addr ip;

	return sni && *sni && !addr_parse_ip(bytes_str(sni), &ip); /* RFC 6066 3 */
}

bool
tls_connect(
    struct chan *c, struct tls_env *env, struct tls_ctx *ctx, const struct tls_server *server)
{
	struct tls_conn *t = mem_zalloc(sizeof(*t));
	SSL_SESSION *session = NULL;

	t->env = env;
	t->ctx = tls_ctx_ref(ctx);
	t->ssl = SSL_new(ctx->ssl_ctx);
	keep_names(t, server->names, server->n);
	t->sessions = server->sessions;
	t->key = server->key;
	chan_use(c, &tls_ops, t);
	if (!t->ssl || SSL_set_fd(t->ssl, c->watch.fd) != 1 ||
	    (wants_sni(server->sni) && SSL_set_tlsext_host_name(t->ssl, server->sni) != 1)) {
		remember(t, "no memory");
		return false;
	}
	SSL_set_app_data(t->ssl, t);
	if (!ctx->insecure)
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, verify_server);
	if (t->sessions)
		session = tls_sessions_get(t->sessions, t->key);
	if (session)
		SSL_set_session(t->ssl, session); /* one it cannot use: a full handshake */
	SSL_SESSION_free(session);
	SSL_set_connect_state(t->ssl);
	return true;
}

void
tls_set_error(struct tls_env *env, const char *why)
{
	snprintf(env->why, sizeof(env->why), "%s", why);
}

const char *
tls_last_error(const struct tls_env *env)
{
	return env->why;
}

void
tls_info(const struct chan *c, struct tls_info *out)
{
	const struct tls_conn *t = c->impl;
	const unsigned char *alpn = NULL;
	unsigned n = 0;
	X509 *peer;

	*out = (struct tls_info){.version = "", .cipher = ""};
	if (!c->ops->secure || !t || !t->ssl)
		return;
	out->version = SSL_get_version(t->ssl);
	out->cipher = SSL_get_cipher_name(t->ssl);
	out->sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
	out->resumed = SSL_session_reused(t->ssl) == 1;
	SSL_get0_alpn_selected(t->ssl, &alpn, &n);
	if (n < sizeof(out->alpn))
		snprintf(out->alpn, sizeof(out->alpn), "%.*s", (int)n, (const char *)alpn);
	peer = SSL_get0_peer_certificate(t->ssl);
	out->client_given = peer != NULL;
	out->client_verified = peer && SSL_get_verify_result(t->ssl) == X509_V_OK;
}

const char *
tls_error(const struct chan *c)
{
	const struct tls_conn *t = c->impl;

	return c->ops->secure && t ? t->why : "";
}

SSL *
tls_ssl(const struct chan *c)
{
	const struct tls_conn *t = c->impl;

	return c->ops->secure && t ? t->ssl : NULL;
}

bool
tls_peer(const struct chan *c, char subject[256], unsigned char sha256[32])
{
	const struct tls_conn *t = c->impl;
	X509 *x = c->ops->secure && t && t->ssl ? SSL_get0_peer_certificate(t->ssl) : NULL;
	unsigned n = 32;

	if (!x)
		return false;
	X509_NAME_oneline(X509_get_subject_name(x), subject, 256);
	return X509_digest(x, EVP_sha256(), sha256, &n) == 1;
}
