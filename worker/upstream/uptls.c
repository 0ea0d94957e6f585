/*
 * uptls.c - contexts and expectations towards backends. A context (CAs, versions, certificate) is
 * shared by all names that are reached with it; what is expected of one name is an object of its
 * own, small, found by the digest of its content. Both are made at the first connection that needs
 * them: a reload costs nothing here, and one that changes nothing keeps connections and sessions.
 * Names may come from requests (Backend.tls without an SNI), so objects that nothing uses are
 * bounded.
 */
#include "worker/upstream/uptls.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/lru.h"
#include "base/mem.h"
#include "shm/secrets.h"

#define BUCKETS 512u
#define LEARNED 16u
#define LOG_EVERY_NS (10 * SEC_NS)

struct context {
	struct lru_item lru;
	struct tls_ctx *ctx;    /* NULL: could not be made */
	char why[160];
};
struct uptls {
	struct list lru;        /* of the store's idle ones, or alone */
	struct uptls *next;     /* of its bucket */
	struct uptls_store *store;
	struct hash128 key;
	unsigned refs;
	struct tls_ctx *ctx;
	enum uptls_speak speak;
	bool alpn;              /* h2 is among the offers */
	char *sni;              /* or NULL */
	struct bytes *names;    /* in one block with their text */
	unsigned nnames;
	uint64_t h2[LEARNED];   /* addresses that spoke it, by hash */
	uint64_t logged;
};
struct uptls_store {
	struct tls_env *env;
	struct tls_sessions *sessions;
	struct lru contexts;    /* struct context.lru */
	struct list idle;       /* most recent first */
	struct uptls *buckets[BUCKETS];
	unsigned nidle;
};

struct uptls_store *
uptls_store_new(struct tls_env *env)
{
	struct uptls_store *s = mem_zalloc(sizeof(*s));

	s->env = env;
	s->sessions = tls_sessions_new();
	lru_init(&s->contexts, UPTLS_CONTEXTS);
	list_init(&s->idle);
	return s;
}

static void
drop_context(struct uptls_store *s, struct lru_item *it)
{
	struct context *c = HG_CONTAINER(it, struct context, lru);

	lru_remove(&s->contexts, it);
	if (c->ctx)
		tls_ctx_unref(c->ctx);
	mem_free(c);
}

static void
drop(struct uptls *u)
{
	struct uptls **at = &u->store->buckets[u->key.a % BUCKETS];

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	list_del(&u->lru);
	u->store->nidle--;
	tls_ctx_unref(u->ctx);
	mem_free(u->sni);
	mem_free(u->names);
	mem_free(u);
}

void
uptls_store_free(struct uptls_store *s)
{
	while (!list_empty(&s->idle))
		drop(LIST_ENTRY(s->idle.next, struct uptls, lru));
	for (struct lru_item *it; (it = lru_last(&s->contexts));)
		drop_context(s, it);
	lru_release(&s->contexts);
	tls_sessions_free(s->sessions);
	mem_free(s);
}

/* ---- contexts */

static struct bytes
offers(const struct image *im, const struct im_uptls *t, enum uptls_speak speak)
{
	struct bytes said = image_text(im, t->alpn);

	switch (speak) {
	case UPTLS_H1:
		return BYTES("\x08http/1.1");
	case UPTLS_H2:
		return BYTES("\x02h2");
	case UPTLS_OPEN:
		return said.p ? said : BYTES("\x02h2\x08http/1.1");
	case UPTLS_RAW:
		break;
	}
	return said;
}

static bool
has_h2(struct bytes alpn)
{
	for (size_t i = 0; i < alpn.n; i += 1u + (unsigned char)alpn.p[i])
		if (bytes_starts(bytes_of(alpn.p + i, alpn.n - i), BYTES("\x02h2")))
			return true;
	return false;
}

static struct tls_ctx *
settings(struct uptls_store *s, const struct uptls_in *in, char why[160])
{
	const struct image *im = in->im;
	const struct im_uptls *t = &im->uptls[in->tls];
	struct bytes *cas = mem_alloc((t->cas.n + 1) * sizeof(*cas));
	char ciphers[IMAGE_CSTR], suites[IMAGE_CSTR];
	char curves[IMAGE_CSTR], sigalgs[IMAGE_CSTR];
	struct tls_conf conf = {.min_version = t->min_version, .max_version = t->max_version,
	    .ciphers = image_cstr(im, t->ciphers, ciphers),
	    .ciphersuites = image_cstr(im, t->ciphersuites, suites),
	    .curves = image_cstr(im, t->curves, curves),
	    .sigalgs = image_cstr(im, t->sigalgs, sigalgs),
	    .alpn = offers(im, t, in->speak), .cas = cas, .ncas = t->cas.n,
	    .insecure = t->verify == 0,
	    /* A relayed protocol knows its own ends, and what came before must not be lost. */
	    .lax_end = in->speak == UPTLS_RAW};
	struct tls_ctx *ctx;

	memcpy(conf.id, t->id, sizeof(conf.id));
	for (uint32_t i = 0; i < t->cas.n; i++)
		cas[i] = image_text(im, im->cas[t->cas.first + i].der);
	ctx = tls_ctx_new(s->env, false, &conf, why);
	mem_free(cas);
	return ctx;
}

static struct tls_ctx *
make(struct uptls_store *s, const struct uptls_in *in, uint32_t cert, char why[160])
{
	const struct image *im = in->im;
	struct tls_ctx *ctx = settings(s, in, why);
	struct secret key;
	bool good;

	if (ctx == NULL || cert == IM_NONE)
		return ctx;
	if (!secret_read(in->secrets, im->certs[cert].secret, SECRET_KEY, &key)) {
		(void)snprintf(why, 160, "the key of the client certificate cannot be read");
		tls_ctx_unref(ctx);
		return NULL;
	}
	good = tls_ctx_add(ctx, image_text(im, im->certs[cert].chain),
	    bytes_of((const char *)key.der, key.n), BYTES_NONE, why);
	secret_free(&key);
	if (good)
		return ctx;
	tls_ctx_unref(ctx);
	return NULL;
}

static uint32_t
cert_of(const struct uptls_in *in)
{
	uint32_t own = in->im->uptls[in->tls].cert;

	return own != IM_NONE ? own : in->cert;
}

static struct hash128
context_key(const struct uptls_in *in)
{
	const struct im_uptls *t = &in->im->uptls[in->tls];
	uint32_t cert = cert_of(in);
	uint64_t v[5] = {t->id[0], t->id[1], in->speak, 0, 0};

	if (cert != IM_NONE) {
		v[3] = in->im->certs[cert].id[0];
		v[4] = in->im->certs[cert].id[1];
	}
	return hash_content(v, sizeof(v));
}

static struct context *
context_get(struct uptls_store *s, const struct uptls_in *in, struct hash128 key)
{
	struct lru_item *it = lru_get(&s->contexts, key);
	struct context *c;

	if (it)
		return HG_CONTAINER(it, struct context, lru);
	it = lru_surplus(&s->contexts);
	if (it)
		drop_context(s, it);
	c = mem_zalloc(sizeof(*c));
	c->ctx = make(s, in, cert_of(in), c->why);
	lru_add(&s->contexts, &c->lru, key);
	return c;
}

/* ---- expectations */

static struct bytes
name_of(const struct uptls_in *in)
{
	const struct im_uptls *t = &in->im->uptls[in->tls];

	switch (t->sni_from) {
	case IM_SNI_ENDPOINT:
		return in->endpoint;
	case IM_SNI_HOST:
		return in->host;
	default:
		return image_text(in->im, t->sni);
	}
}

static void
keep_names(struct uptls *u, const struct uptls_in *in, struct bytes name)
{
	const struct image *im = in->im;
	const struct im_uptls *t = &im->uptls[in->tls];
	unsigned n = t->names.n ? t->names.n : 1;
	size_t len = 1;
	char *p;

	for (unsigned i = 0; i < n; i++)
		len += t->names.n ? image_text(im, im->strings[t->names.first + i]).n : name.n;
	u->names = mem_alloc(n * sizeof(*u->names) + len);
	u->nnames = n;
	p = (char *)(u->names + n);
	for (unsigned i = 0; i < n; i++) {
		struct bytes b =
		    t->names.n ? image_text(im, im->strings[t->names.first + i]) : name;

		if (b.n)
			memcpy(p, b.p, b.n);
		u->names[i] = bytes_of(p, b.n);
		p += b.n;
	}
	if (name.n)
		u->sni = mem_dup(name);
}

static struct uptls *
add(struct uptls_store *s, const struct uptls_in *in, struct hash128 key, struct bytes name,
    struct tls_ctx *ctx)
{
	struct uptls *u;

	if (s->nidle >= UPTLS_IDLE)
		drop(LIST_ENTRY(s->idle.prev, struct uptls, lru));
	u = mem_zalloc(sizeof(*u));
	u->store = s;
	u->key = key;
	u->ctx = tls_ctx_ref(ctx);
	u->speak = in->speak;
	u->alpn = has_h2(offers(in->im, &in->im->uptls[in->tls], in->speak));
	keep_names(u, in, name);
	u->next = s->buckets[key.a % BUCKETS];
	s->buckets[key.a % BUCKETS] = u;
	list_push(&s->idle, &u->lru);
	s->nidle++;
	return u;
}

static struct hash128
object_key(const struct im_uptls *t, struct hash128 context, struct bytes name)
{
	struct hash128 h = {0, 0};
	uint64_t v[6] = {context.a, context.b, t->who[0], t->who[1], 0, 0};

	if (t->sni_from != IM_SNI_FIXED && name.n)
		h = hash_content(name.p, name.n);
	v[4] = h.a;
	v[5] = h.b;
	return hash_content(v, sizeof(v));
}

struct uptls *
uptls_get(struct uptls_store *s, const struct uptls_in *in)
{
	const struct im_uptls *t = &in->im->uptls[in->tls];
	struct hash128 ck = context_key(in), key;
	struct bytes name = name_of(in);
	struct context *c;
	struct uptls *u;

	if (name.n > 255 || (t->names.n == 0 && name.n == 0 && t->verify)) {
		tls_set_error(s->env, "there is no name to verify the certificate by");
		return NULL;
	}
	key = object_key(t, ck, name);
	for (u = s->buckets[key.a % BUCKETS]; u; u = u->next)
		if (u->key.a == key.a && u->key.b == key.b && bytes_eq(bytes_str(u->sni), name)) {
			if (u->refs == 0) {
				list_del(&u->lru);
				list_push(&s->idle, &u->lru);
			}
			return u;
		}
	c = context_get(s, in, ck);
	if (c->ctx == NULL) {
		tls_set_error(s->env, c->why);
		return NULL;
	}
	return add(s, in, key, name, c->ctx);
}

struct uptls *
uptls_ref(struct uptls *u)
{
	if (u->refs++ == 0) {
		list_del(&u->lru);
		u->store->nidle--;
	}
	return u;
}

void
uptls_unref(struct uptls *u)
{
	struct uptls_store *s = u->store;

	if (--u->refs)
		return;
	list_push(&s->idle, &u->lru);
	s->nidle++;
	if (s->nidle > UPTLS_IDLE)
		drop(LIST_ENTRY(s->idle.prev, struct uptls, lru));
}

/* ---- connections */

static struct hash128
peer_hash(const struct addr *a, struct bytes path)
{
	return path.p ? hash_content(path.p, path.n) : hash_content(a, sizeof(*a));
}

bool
uptls_start(struct uptls *u, struct chan *c, const struct addr *a, struct bytes path)
{
	struct hash128 peer = peer_hash(a, path);
	uint64_t v[4] = {u->key.a, u->key.b, peer.a, peer.b};
	struct tls_server server = {.sni = u->sni, .names = u->names, .n = u->nnames,
	    .sessions = u->store->sessions, .key = hash_content(v, sizeof(v))};

	return tls_connect(c, u->store->env, u->ctx, &server);
}

enum uptls_speak
uptls_spoken(const struct uptls *u, const struct chan *c)
{
	struct tls_info info;

	if (u->speak == UPTLS_H2)
		return UPTLS_H2;
	tls_info(c, &info);
	return strcmp(info.alpn, "h2") == 0 ? UPTLS_H2 : UPTLS_H1;
}

bool
uptls_expects_h2(const struct uptls *u, const struct addr *a, struct bytes path)
{
	uint64_t h;

	if (u->speak != UPTLS_OPEN || !u->alpn)
		return u->speak == UPTLS_H2;
	h = peer_hash(a, path).a | 1;
	return u->h2[h / 2 % LEARNED] == h;
}

void
uptls_learn(struct uptls *u, const struct addr *a, struct bytes path, bool h2)
{
	uint64_t h = peer_hash(a, path).a | 1, *at = &u->h2[h / 2 % LEARNED];

	if (h2)
		*at = h;
	else if (*at == h)
		*at = 0;
}

const char *
uptls_failed(struct uptls *u, uint64_t now, const char *where)
{
	const char *why = tls_last_error(u->store->env);

	if (u->logged == 0 || now - u->logged >= LOG_EVERY_NS) {
		u->logged = now;
		log_warn("backend %s: TLS failed: %s (name %s)", where, why,
		    u->sni ? u->sni : "none");
	}
	return why;
}
