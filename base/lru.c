/*
 * lru.c - chains in at least as many buckets as there may be objects, and a list in order of use.
 * Keys are digests of content: their bits are spread already.
 */
#include "base/lru.h"

#include "base/mem.h"

void
lru_init(struct lru *l, uint32_t most)
{
	uint32_t size = 1;

	while (size < most)
		size *= 2;
	*l = (struct lru){.mask = size - 1, .most = most};
	l->buckets = mem_zalloc(size * sizeof(struct lru_item *));
	list_init(&l->order);
}

void
lru_release(struct lru *l)
{
	HG_CHECK(l->n == 0);
	mem_free(l->buckets);
	l->buckets = NULL;
}

struct lru_item *
lru_get(struct lru *l, struct hash128 key)
{
	struct lru_item *it = l->buckets[key.a & l->mask];

	while (it && (it->key.a != key.a || it->key.b != key.b))
		it = it->next;
	if (it) {
		list_del(&it->order);
		list_push(&l->order, &it->order);
	}
	return it;
}

struct lru_item *
lru_last(const struct lru *l)
{
	return l->n ? LIST_ENTRY(l->order.prev, struct lru_item, order) : NULL;
}

struct lru_item *
lru_surplus(const struct lru *l)
{
	return l->n == l->most ? lru_last(l) : NULL;
}

void
lru_add(struct lru *l, struct lru_item *it, struct hash128 key)
{
	struct lru_item **bucket = &l->buckets[key.a & l->mask];

	HG_CHECK(l->n < l->most);
	it->key = key;
	it->next = *bucket;
	*bucket = it;
	list_push(&l->order, &it->order);
	l->n++;
}

void
lru_remove(struct lru *l, struct lru_item *it)
{
	struct lru_item **at = &l->buckets[it->key.a & l->mask];

	while (*at != it)
		at = &(*at)->next;
	*at = it->next;
	list_del(&it->order);
	l->n--;
}
