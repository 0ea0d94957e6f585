/*
 * lru.h - a table of at most so many objects, by 128 bits that stand for what they are made of; the
 * least recently used is known. Intrusive: the objects are the owner's, who makes room before it
 * adds one. No locking.
 */
#ifndef BASE_LRU_H
#define BASE_LRU_H

#include "base/hash.h"
#include "base/list.h"

struct lru_item {
	struct list order;
	struct lru_item *next; /* of its bucket */
	struct hash128 key;
};
struct lru {
	struct list order;     /* most recent first */
	struct lru_item **buckets;
	uint32_t mask, n, most;
};

void lru_init(struct lru *, uint32_t most);
void lru_release(struct lru *); /* empty by now */
/* Borrowed, and the most recent one from now on. NULL: not there. */
struct lru_item *lru_get(struct lru *, struct hash128 key);
/* The one to be removed before another is added. NULL: there is room. */
struct lru_item *lru_surplus(const struct lru *);
void lru_add(struct lru *, struct lru_item *, struct hash128 key); /* not there yet, and has room */
void lru_remove(struct lru *, struct lru_item *);
struct lru_item *lru_last(const struct lru *); /* least recently used; NULL: empty */

#endif
