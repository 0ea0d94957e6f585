/*
 * share.c - one copy of equal record arrays. A table of (section, first, n) by the hash of the
 * bytes; the bytes themselves are compared where they already lie, in the writer. Callers clear
 * padding, so that equal records are equal bytes. Keyed, because what is hashed comes from
 * manifests. Rejected: sharing overlapping runs (suffix arrays of records): little to gain, and the
 * build would not stay linear.
 */
#include <sys/random.h>

#include "base/mem.h"
#include "conf/build/parts.h"

struct share_slot {
	uint64_t hash; /* 0 = empty */
	uint32_t first, n;
	uint32_t section;
};

void
share_init(struct share *s)
{
	*s = (struct share){.mask = 1023};
	s->slots = mem_zalloc((s->mask + 1) * sizeof(*s->slots));
	if (getrandom(&s->key, sizeof(s->key), GRND_NONBLOCK) != (ssize_t)sizeof(s->key))
		s->key = (struct hash_key){HASH_SEED, 0};
}

void
share_release(struct share *s)
{
	mem_free(s->slots);
	*s = (struct share){0};
}

static void
share_grow(struct share *s)
{
	uint32_t mask = s->mask * 2 + 1;
	struct share_slot *to = mem_zalloc(((size_t)mask + 1) * sizeof(*to));

	for (uint32_t i = 0; i <= s->mask; i++) {
		uint32_t at = (uint32_t)s->slots[i].hash & mask;

		if (s->slots[i].hash == 0)
			continue;
		while (to[at].hash != 0)
			at = (at + 1) & mask;
		to[at] = s->slots[i];
	}
	mem_free(s->slots);
	s->slots = to;
	s->mask = mask;
}

uint32_t
share_add(struct share *s, struct blob_writer *w, unsigned section, const void *recs, uint32_t n,
    size_t elem)
{
	uint64_t hash;
	uint32_t at, first;

	if (n == 0)
		return 0;
	hash = (hash_sip(&s->key, recs, (size_t)n * elem) + section) | 1;
	for (at = (uint32_t)hash & s->mask; s->slots[at].hash != 0; at = (at + 1) & s->mask) {
		const struct share_slot *x = &s->slots[at];

		if (x->hash == hash && x->section == section && x->n == n &&
		    memcmp(blob_at(w, section, x->first), recs, (size_t)n * elem) == 0)
			return x->first;
	}
	first = blob_add(w, section, recs, n, elem);
	s->slots[at] = (struct share_slot){hash, first, n, section};
	if (++s->n > s->mask / 4 * 3)
		share_grow(s);
	return first;
}
