/*
 * hash.c - three hashes, each for a reason. SipHash-1-3 (Aumasson, Bernstein) with a random key
 * where strangers choose the keys; SipHash-2-4 with 128 bits and a fixed key to notice changed
 * content, which needs few collisions but no enemy; FNV-1a by bytes where prefixes of one path are
 * hashed in one go and the table comes from a sealed image. The map is open addressing with linear
 * probing, no deletion: compile-time tables only grow. A cryptographic hash was rejected here: base
 * links no OpenSSL but pem.
 */
#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/mem.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void
sip_rounds(struct sip *s, int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v2 = rotl(s->v2, 32);
	}
}

static inline uint64_t
load_le(const unsigned char *p, size_t n)
{
	uint64_t x = 0;

	memcpy(&x, p, n);
	return le64toh(x);
}

static inline void
sip_start(struct sip *s, const struct hash_key *k)
{
	s->v0 = k->k0 ^ 0x736f6d6570736575ull;
	s->v1 = k->k1 ^ 0x646f72616e646f6dull;
	s->v2 = k->k0 ^ 0x6c7967656e657261ull;
	s->v3 = k->k1 ^ 0x7465646279746573ull;
}

static inline void
sip_feed(struct sip *s, const unsigned char *p, size_t n, int rounds)
{
	uint64_t m;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		m = load_le(p + i, 8);
		s->v3 ^= m;
		sip_rounds(s, rounds);
		s->v0 ^= m;
	}
	m = (uint64_t)n << 56;
	if (i < n)
		m |= load_le(p + i, n - i);
	s->v3 ^= m;
	sip_rounds(s, rounds);
	s->v0 ^= m;
}

static inline uint64_t
sip_out(const struct sip *s)
{
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t
hash_sip(const struct hash_key *k, const void *p, size_t n)
{
	struct sip s;

	sip_start(&s, k);
	sip_feed(&s, p, n, 1);
	s.v2 ^= 0xff;
	sip_rounds(&s, 3);
	return sip_out(&s);
}

struct hash128
hash_content(const void *p, size_t n)
{
	static const struct hash_key key = {0x6865616467617465ull, 0x636f6e74656e7431ull};
	struct hash128 h;
	struct sip s;

	sip_start(&s, &key);
	s.v1 ^= 0xee;
	sip_feed(&s, p, n, 2);
	s.v2 ^= 0xee;
	sip_rounds(&s, 4);
	h.a = sip_out(&s);
	s.v1 ^= 0xdd;
	sip_rounds(&s, 4);
	h.b = sip_out(&s);
	return h;
}

uint64_t
hash_more(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		h = hash_byte(h, c[i]);
	return h;
}

void
map_init(struct map *m)
{
	*m = (struct map){0};
	HG_CHECK(getrandom(&m->key, sizeof(m->key), 0) == (ssize_t)sizeof(m->key));
}

void
map_release(struct map *m)
{
	mem_free(m->slots);
	*m = (struct map){0};
}

/* The slot that holds key, or the free one where it belongs. Needs room. */
static struct map_slot *
find(const struct map *m, struct bytes key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	for (;;) {
		struct map_slot *s = &m->slots[i];

		if (s->value == NULL || (s->hash == hash && bytes_eq(s->key, key)))
			return s;
		i = (i + 1) & (m->cap - 1);
	}
}

void *
map_get(const struct map *m, struct bytes key)
{
	if (m->n == 0)
		return NULL;
	return find(m, key, hash_sip(&m->key, key.p, key.n))->value;
}

static void
grow(struct map *m)
{
	struct map_slot *old = m->slots;
	size_t n = m->cap;

	HG_CHECK(n <= SIZE_MAX / sizeof(*old) / 4);
	m->cap = n ? n * 2 : 16;
	m->slots = mem_zalloc(m->cap * sizeof(*old));
	for (size_t i = 0; i < n; i++)
		if (old[i].value)
			*find(m, old[i].key, old[i].hash) = old[i];
	mem_free(old);
}

void *
map_put(struct map *m, struct bytes key, void *value)
{
	uint64_t hash = hash_sip(&m->key, key.p, key.n);
	struct map_slot *s;
	void *old;

	HG_CHECK(value != NULL);
	if (m->n >= m->cap / 4 * 3)
		grow(m);
	s = find(m, key, hash);
	old = s->value;
	if (old == NULL) {
		s->key = key;
		s->hash = hash;
		m->n++;
	}
	s->value = value;
	return old;
}
