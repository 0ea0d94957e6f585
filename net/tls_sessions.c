/*
 * tls_sessions.c - sessions of client handshakes, so that a further connection to a backend costs
 * no certificate and no signature. One a key, the last one that the server gave; the least recently
 * used makes room. A key stands for everything that was verified (who, by which CAs, with which
 * certificate of ours), so a session is as good as the handshake that it came from, until it is an
 * hour old or the certificate behind it expires. Kept as DER, which is small, and free of what
 * OpenSSL notes in a session while it is used: it calls one spoilt after its first use with TLS 1.3
 * and after an end without close_notify, and its successor with it. Rejected: OpenSSL's own cache
 * (keyed by session id, which a client cannot look up, and bounded a context only).
 */
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/lru.h"
#include "base/mem.h"
#include "net/tls_env.h"

#define MOST_S 3600
#define MOST_BYTES 65536

struct entry {
	struct lru_item lru;
	unsigned char *der;
	size_t n;
};
struct tls_sessions {
	struct lru table; /* struct entry.lru */
};

struct tls_sessions *
tls_sessions_new(void)
{
	struct tls_sessions *s = mem_zalloc(sizeof(*s));

	lru_init(&s->table, TLS_SESSIONS);
	return s;
}

static void
drop(struct tls_sessions *s, struct entry *e)
{
	lru_remove(&s->table, &e->lru);
	mem_free(e->der);
	mem_free(e);
}

static struct entry *
entry_of(struct lru_item *it)
{
	return it ? HG_CONTAINER(it, struct entry, lru) : NULL;
}

void
tls_sessions_free(struct tls_sessions *s)
{
	for (struct entry *e; (e = entry_of(lru_last(&s->table)));)
		drop(s, e);
	lru_release(&s->table);
	mem_free(s);
}

static bool
still_good(SSL_SESSION *session)
{
	int64_t age = (int64_t)(clock_real() / SEC_NS) - SSL_SESSION_get_time(session);
	X509 *peer = SSL_SESSION_get0_peer(session);

	return age >= 0 && age <= MOST_S &&
	    (peer == NULL || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0);
}

SSL_SESSION *
tls_sessions_get(struct tls_sessions *s, struct hash128 key)
{
	struct entry *e = entry_of(lru_get(&s->table, key));
	const unsigned char *p = e ? e->der : NULL;
	SSL_SESSION *session = e ? d2i_SSL_SESSION(NULL, &p, (long)e->n) : NULL;

	if (e == NULL)
		return NULL;
	if (session == NULL || !still_good(session)) {
		SSL_SESSION_free(session);
		drop(s, e);
		return NULL;
	}
	return session;
}

void
tls_sessions_put(struct tls_sessions *s, struct hash128 key, SSL_SESSION *session)
{
	struct entry *e = entry_of(lru_get(&s->table, key)), *old;
	int n = i2d_SSL_SESSION(session, NULL);
	unsigned char *p;

	if (n <= 0 || n > MOST_BYTES)
		return;
	if (e) {
		mem_free(e->der);
	} else {
		old = entry_of(lru_surplus(&s->table));
		if (old)
			drop(s, old);
		e = mem_zalloc(sizeof(*e));
		lru_add(&s->table, &e->lru, key);
	}
	p = e->der = mem_alloc((size_t)n);
	e->n = (size_t)i2d_SSL_SESSION(session, &p);
}

void
tls_sessions_drop(struct tls_sessions *s, struct hash128 key)
{
	struct entry *e = entry_of(lru_get(&s->table, key));

	if (e)
		drop(s, e);
}
