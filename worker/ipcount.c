/*
 * ipcount.c - open addressing over a keyed 64-bit fingerprint of the address. Deletion moves later
 * entries back, so there are no tombstones and the table never degrades. Two addresses with one
 * fingerprint would share a count: with a keyed hash nobody can aim at that. The table is at most
 * half full, because its size comes from the cap on connections.
 */
#include "worker/ipcount.h"

#include "base/check.h"
#include "base/mem.h"

void
ipcount_init(struct ipcount *c, uint32_t connections, const struct hash_key *seed)
{
	uint32_t n = 64;

	HG_CHECK(connections <= 1u << 29);
	while (n < connections * 2)
		n *= 2;
	*c = (struct ipcount){.mask = n - 1, .seed = *seed};
	c->slots = mem_zalloc(n * sizeof(*c->slots));
}

void
ipcount_release(struct ipcount *c)
{
	mem_free(c->slots);
	c->slots = NULL;
}

static uint64_t
key_of(const struct ipcount *c, const struct addr *a)
{
	unsigned char text[9] = {a->family};
	uint64_t h;

	memcpy(text + 1, a->ip, a->family == 4 ? 4 : 8);
	h = hash_sip(&c->seed, text, sizeof(text));
	return h ? h : 1;
}

static struct ipcount_slot *
find(const struct ipcount *c, uint64_t key)
{
	uint32_t i = (uint32_t)key & c->mask;

	while (c->slots[i].key != 0 && c->slots[i].key != key)
		i = (i + 1) & c->mask;
	return &c->slots[i];
}

bool
ipcount_add(struct ipcount *c, const struct addr *a, uint64_t limit)
{
	uint64_t key = key_of(c, a);
	struct ipcount_slot *s = find(c, key);

	if (s->key == 0) {
		if (c->used > c->mask / 4 * 3)
			return false;
		s->key = key;
		c->used++;
	} else if (limit && s->n >= limit) {
		return false;
	}
	s->n++;
	return true;
}

void
ipcount_sub(struct ipcount *c, const struct addr *a)
{
	struct ipcount_slot *s = find(c, key_of(c, a));
	uint32_t hole, i;

	HG_CHECK(s->key != 0 && s->n > 0);
	if (--s->n)
		return;
	hole = i = (uint32_t)(s - c->slots);
	for (;;) {
		uint32_t home;

		i = (i + 1) & c->mask;
		if (c->slots[i].key == 0)
			break;
		home = (uint32_t)c->slots[i].key & c->mask;
		/* Stays if its home lies behind the hole, cyclically. */
		if (((i - home) & c->mask) < ((i - hole) & c->mask))
			continue;
		c->slots[hole] = c->slots[i];
		hole = i;
	}
	c->slots[hole] = (struct ipcount_slot){0};
	c->used--;
}

uint32_t
ipcount_get(const struct ipcount *c, const struct addr *a)
{
	const struct ipcount_slot *s = find(c, key_of(c, a));

	return s->key ? s->n : 0;
}
