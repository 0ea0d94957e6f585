/*
 * hash.h - SipHash-1-3 for tables that strangers fill, a fast incremental hash for tables that only
 * a sealed image fills, and a map from bytes to pointers for compile-time work.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/bytes.h"

struct hash_key {
	uint64_t k0, k1;
};

uint64_t hash_sip(const struct hash_key *, const void *p, size_t n);

/* Incremental, seeded, not keyed: h = hash_more(h, bytes…); finish with hash_mix before masking. */
uint64_t hash_more(uint64_t h, const void *p, size_t n);
static inline uint64_t
hash_byte(uint64_t h, unsigned char c)
{
	return (h ^ c) * 0x100000001b3ull;
}
static inline uint64_t
hash_mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h;
}
#define HASH_SEED 0xcbf29ce484222325ull

/* SHA-256-like strength is not needed for change detection against oneself: 128 bits of
 * SipHash-2-4. */
struct hash128 {
	uint64_t a, b;
};
struct hash128 hash_content(const void *p, size_t n);

/* Map: borrowed keys, insertion order kept in `order` by the caller if it matters. */
struct map_slot {
	struct bytes key;
	uint64_t hash;
	void *value;
};
struct map {
	struct map_slot *slots;
	size_t n, cap;
	struct hash_key key;
};
void map_init(struct map *);
void map_release(struct map *);
void *map_get(const struct map *, struct bytes key);
/* Keeps `key` (borrowed for the map's life). Returns the old value or NULL. value != NULL. */
void *map_put(struct map *, struct bytes key, void *value);

#endif
