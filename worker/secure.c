/*
 * secure.c - certificates of a listener by name: an exact name, then a wildcard, then the first of
 * the manifest; of each kind of key the best, so that ECDSA and RSA stand side by side and the
 * client's offer decides. The key bytes are read from the secrets descriptor, parsed and wiped.
 *
 * A context is found by the digests of its listener's settings and of its certificates. With ten
 * thousand certificates only those in use cost memory; the least recently used one makes room.
 * Connections keep theirs alive for themselves. Rejected: contexts at adoption (start and reload
 * would wait for thousands of key parsings that may never be asked for).
 */
#include "worker/secure.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/lru.h"
#include "base/mem.h"
#include "shm/route.h"
#include "shm/secrets.h"

#define PICKS 3 /* RSA, ECDSA, Ed25519 */

_Static_assert((int)IM_CA_REQUEST == (int)TLS_CLIENT_REQUEST &&
	(int)IM_CA_REQUIRE == (int)TLS_CLIENT_REQUIRE &&
	(int)IM_CA_VERIFY_IF_GIVEN == (int)TLS_CLIENT_VERIFY_IF_GIVEN,
    "one order in image and net");
_Static_assert((int)IM_CC_SPKI == (int)TLS_CHECK_SPKI && (int)IM_CC_OTHER == (int)TLS_CHECK_OTHER &&
	(int)IM_CM_EXACT == (int)TLS_MATCH_EXACT && (int)IM_CM_REGEX == (int)TLS_MATCH_REGEX,
    "the same for what a certificate must have");

struct entry {
	struct lru_item lru;
	struct tls_ctx *ctx; /* NULL: could not be made */
};
struct secure {
	struct tls_env *env;
	struct lru contexts; /* struct entry.lru */
};

struct secure *
secure_new(struct tls_keys *keys)
{
	struct secure *s = mem_zalloc(sizeof(*s));

	s->env = tls_env_new(keys);
	lru_init(&s->contexts, SECURE_CONTEXTS);
	return s;
}

static void
drop(struct secure *s, struct lru_item *it)
{
	struct entry *e = HG_CONTAINER(it, struct entry, lru);

	lru_remove(&s->contexts, it);
	if (e->ctx)
		tls_ctx_unref(e->ctx);
	mem_free(e);
}

void
secure_free(struct secure *s)
{
	for (struct lru_item *it; (it = lru_last(&s->contexts));)
		drop(s, it);
	lru_release(&s->contexts);
	tls_env_free(s->env);
	mem_free(s);
}

struct tls_env *
secure_env(struct secure *s)
{
	return s->env;
}

uint32_t
secure_listener(const struct gen *gen, uint32_t socket, struct bytes sni)
{
	const struct image *im = &gen->image;
	uint32_t l;

	if (socket == IM_NONE)
		return IM_NONE;
	l = route_listener(im, socket, sni);
	if (l == IM_NONE || im->listeners[l].protocol != IM_HTTPS ||
	    im->listeners[l].tls == IM_NONE)
		return IM_NONE;
	return l;
}

bool
secure_same(const struct gen *gen, uint32_t listener, uint64_t mark)
{
	const struct image *im = &gen->image;

	if (listener == IM_NONE || im->listeners[listener].tls == IM_NONE)
		return false;
	return secure_mark(&im->tls[im->listeners[listener].tls]) == mark;
}

uint64_t
secure_mark(const struct im_tls *t)
{
	return t->id[0] ^ hash_mix(t->id[1]);
}

/* ---- certificates by name */

/* 2 the very name, 1 by a wildcard (one label, RFC 6125 6.4.3), 0 not. */
static unsigned
fits(const struct image *im, const struct im_cert *c, struct bytes sni)
{
	ptrdiff_t dot = bytes_chr(sni, '.', 0);
	struct bytes rest =
	    dot > 0 ? bytes_of(sni.p + dot, sni.n - (size_t)dot) : BYTES_NONE;
	unsigned best = 0;

	for (uint32_t i = 0; i < c->names.n; i++) {
		struct bytes name = image_text(im, im->strings[c->names.first + i]);

		if (bytes_eq(name, sni))
			return 2;
		if (name.n > 1 && name.p[0] == '.' && rest.p && bytes_eq(name, rest))
			best = 1;
	}
	return best;
}

static void
take(uint32_t pick[PICKS + 1], const struct image *im, uint32_t cert)
{
	uint32_t type = im->certs[cert].type;

	if (type >= 1 && type <= PICKS && pick[type] == IM_NONE)
		pick[type] = cert;
}

/* By type of key; IM_NONE where there is none. */
static void
choose(const struct image *im, const struct im_tls *t, struct bytes sni, uint32_t pick[PICKS + 1])
{
	uint32_t first = t->certs.first;
	bool some = false;

	for (unsigned i = 0; i <= PICKS; i++)
		pick[i] = IM_NONE;
	for (unsigned quality = 2; sni.n && quality >= 1; quality--)
		for (uint32_t i = first; i < first + t->certs.n; i++)
			if (fits(im, &im->certs[i], sni) == quality) {
				take(pick, im, i);
				some = true;
			}
	/* The default: the first, and others for the same names. */
	for (uint32_t i = first; !some && i < first + t->certs.n; i++)
		if (im->certs[i].names.n == im->certs[first].names.n &&
		    im->certs[i].names.first == im->certs[first].names.first)
			take(pick, im, i);
}

/* ---- contexts */

static void
demands(const struct image *im, const struct im_tls *t, struct tls_conf *conf,
    struct tls_check *checks, struct bytes *crls)
{
	for (uint32_t i = 0; i < t->crls.n; i++)
		crls[i] = image_text(im, im->cas[t->crls.first + i].der);
	for (uint32_t i = 0; i < t->checks.n; i++) {
		const struct im_certcheck *c = &im->certchecks[t->checks.first + i];

		checks[i] = (struct tls_check){(enum tls_checkkind)c->kind,
		    (enum tls_checkmatch)c->match, image_text(im, c->value),
		    image_text(im, c->oid)};
	}
	conf->crls = crls;
	conf->ncrls = t->crls.n;
	conf->checks = checks;
	conf->nchecks = t->checks.n;
	conf->crl_leaf = t->crl_leaf;
	conf->expired = t->expired;
}

static struct tls_ctx *
settings(struct secure *s, const struct image *im, const struct im_tls *t, char why[160])
{
	struct bytes *cas = mem_alloc((t->cas.n + t->crls.n + 1ul) * sizeof(*cas));
	struct tls_check *checks = mem_alloc((t->checks.n + 1ul) * sizeof(*checks));
	char ciphers[IMAGE_CSTR], suites[IMAGE_CSTR];
	char curves[IMAGE_CSTR], sigalgs[IMAGE_CSTR];
	struct tls_conf conf = {.min_version = t->min_version,
	    .max_version = t->max_version,
	    .ciphers = image_cstr(im, t->ciphers, ciphers),
	    .ciphersuites = image_cstr(im, t->ciphersuites, suites),
	    .curves = image_cstr(im, t->curves, curves),
	    .sigalgs = image_cstr(im, t->sigalgs, sigalgs),
	    .alpn = image_text(im, t->alpn),
	    .cas = cas,
	    .ncas = t->cas.n,
	    .client = (enum tls_client)t->client,
	    .tickets = t->tickets != 0};
	struct tls_ctx *ctx;

	_Static_assert(sizeof(conf.id) == sizeof(t->id), "a digest");
	memcpy(conf.id, t->id, sizeof(conf.id));
	for (uint32_t i = 0; i < t->cas.n; i++)
		cas[i] = image_text(im, im->cas[t->cas.first + i].der);
	demands(im, t, &conf, checks, cas + t->cas.n);
	ctx = tls_ctx_new(s->env, true, &conf, why);
	mem_free(checks);
	mem_free(cas);
	return ctx;
}

static struct tls_ctx *
make(struct secure *s, const struct gen *gen, const struct im_tls *t,
    const uint32_t pick[PICKS + 1], char why[160])
{
	const struct image *im = &gen->image;
	struct tls_ctx *ctx = settings(s, im, t, why);
	unsigned good = 0;

	for (unsigned i = 1; ctx && i <= PICKS; i++) {
		const struct im_cert *c = &im->certs[pick[i]];
		struct secret key;

		if (pick[i] == IM_NONE)
			continue;
		if (!secret_read(gen->secrets, c->secret, SECRET_KEY, &key)) {
			(void)snprintf(why, 160, "its key cannot be read");
			continue;
		}
		good += tls_ctx_add(ctx, image_text(im, c->chain),
		    bytes_of((const char *)key.der, key.n), image_text(im, c->ocsp), why);
		secret_free(&key);
	}
	if (!ctx || good)
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}

static struct hash128
key_of(const struct image *im, const struct im_tls *t, const uint32_t pick[PICKS + 1])
{
	struct {
		uint64_t tls[2], certs[PICKS + 1][2], ocsp;
	} v;

	memset(&v, 0, sizeof(v));
	v.tls[0] = t->id[0];
	v.tls[1] = t->id[1];
	for (unsigned i = 1; i <= PICKS; i++)
		if (pick[i] != IM_NONE) {
			const struct im_cert *c = &im->certs[pick[i]];
			struct bytes o = image_text(im, c->ocsp);

			v.certs[i][0] = c->id[0];
			v.certs[i][1] = c->id[1];
			v.ocsp ^= o.n ? hash_content(o.p, o.n).a + i : 0;
		}
	return hash_content(&v, sizeof(v));
}

struct tls_ctx *
secure_context(struct secure *s, const struct gen *gen, uint32_t listener, struct bytes sni)
{
	const struct image *im = &gen->image;
	const struct im_tls *t = &im->tls[im->listeners[listener].tls];
	uint32_t pick[PICKS + 1];
	struct hash128 key;
	struct lru_item *it;
	struct entry *e;
	char why[160] = "there is no certificate";

	choose(im, t, sni, pick);
	key = key_of(im, t, pick);
	it = lru_get(&s->contexts, key);
	if (it)
		return HG_CONTAINER(it, struct entry, lru)->ctx;
	it = lru_surplus(&s->contexts);
	if (it)
		drop(s, it);
	e = mem_zalloc(sizeof(*e));
	e->ctx = make(s, gen, t, pick, why);
	lru_add(&s->contexts, &e->lru, key);
	if (!e->ctx)
		log_error("listener %.*s: TLS cannot be served: %s",
		    BYTES_ARG(image_text(im, im->listeners[listener].name)), why);
	return e->ctx;
}
