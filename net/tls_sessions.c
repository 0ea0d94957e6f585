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
#include "base/list.h"
#include "base/mem.h"
#include "net/tls_env.h"

#define BUCKETS 256u
#define MOST_S 3600
#define MOST_BYTES 65536

struct entry {
	struct list lru;
	struct entry *next; /* of its bucket */
	struct hash128 key;
	unsigned char *der;
	size_t n;
};
struct tls_sessions {
	struct list lru;    /* most recent first */
	struct entry *buckets[BUCKETS];
	unsigned n;
};

struct tls_sessions *
tls_sessions_new(void)
{
	struct tls_sessions *s = mem_zalloc(sizeof(*s));

	list_init(&s->lru);
	return s;
}

static void
drop(struct tls_sessions *s, struct entry *e)
{
	struct entry **at = &s->buckets[e->key.a % BUCKETS];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_del(&e->lru);
	mem_free(e->der);
	mem_free(e);
	s->n--;
}

void
tls_sessions_free(struct tls_sessions *s)
{
	while (!list_empty(&s->lru))
		drop(s, LIST_ENTRY(s->lru.next, struct entry, lru));
	mem_free(s);
}

static struct entry *
find(const struct tls_sessions *s, struct hash128 key)
{
	struct entry *e = s->buckets[key.a % BUCKETS];

	while (e && (e->key.a != key.a || e->key.b != key.b))
		e = e->next;
	return e;
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
	struct entry *e = find(s, key);

	const unsigned char *p = e ? e->der : NULL;
	SSL_SESSION *session = e ? d2i_SSL_SESSION(NULL, &p, (long)e->n) : NULL;

	if (e == NULL)
		return NULL;
	if (session == NULL || !still_good(session)) {
		SSL_SESSION_free(session);
		drop(s, e);
		return NULL;
	}
	list_del(&e->lru);
	list_push(&s->lru, &e->lru);
	return session;
}

void
tls_sessions_put(struct tls_sessions *s, struct hash128 key, SSL_SESSION *session)
{
	struct entry *e = find(s, key);
	int n = i2d_SSL_SESSION(session, NULL);
	unsigned char *p;

	if (n <= 0 || n > MOST_BYTES)
		return;
	if (e) {
		mem_free(e->der);
		list_del(&e->lru);
	} else {
		if (s->n == TLS_SESSIONS)
			drop(s, LIST_ENTRY(s->lru.prev, struct entry, lru));
		e = mem_zalloc(sizeof(*e));
		e->key = key;
		e->next = s->buckets[key.a % BUCKETS];
		s->buckets[key.a % BUCKETS] = e;
		s->n++;
	}
	p = e->der = mem_alloc((size_t)n);
	e->n = (size_t)i2d_SSL_SESSION(session, &p);
	list_push(&s->lru, &e->lru);
}

void
tls_sessions_drop(struct tls_sessions *s, struct hash128 key)
{
	struct entry *e = find(s, key);

	if (e)
		drop(s, e);
}
