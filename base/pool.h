/*
 * pool.h - a fixed number of equal objects, LIFO, no malloc after the start. Memory is one
 * anonymous mapping that is touched only as far as it was ever used. Worker only.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct pool {
	char *mem;
	size_t size;       /* of one object, rounded up to 64 */
	uint32_t cap, used, fresh; /* objects in all, handed out, ever touched */
	void *free;        /* LIFO list through the objects' first word */
	uint64_t inverse;  /* of size / 64: finds multiples without a division */
};

int pool_init(struct pool *, size_t size, uint32_t cap); /* 0, or -1 with errno */
void pool_release(struct pool *);
uint32_t pool_index(const struct pool *, const void *obj);

/* Uninitialised; NULL when all are out. */
static inline void *
pool_get(struct pool *p)
{
	void *obj = p->free;

	if (obj) {
		memcpy(&p->free, obj, sizeof(p->free));
		MEM_SHOW(obj, p->size);
	} else if (p->fresh < p->cap) {
		obj = p->mem + p->size * p->fresh++;
	} else {
		return NULL;
	}
	p->used++;
	return obj;
}

/* Is it one that was handed out? n is a multiple of d where n * ceil(2^64 / d) < ceil(2^64 / d),
 * modulo 2^64, for all n and d below 2^32 (Lemire, Kaser, Kurz 2019). */
static inline bool
pool_has(const struct pool *p, const void *obj)
{
	size_t off = (size_t)((const char *)obj - p->mem);

	return off < p->size * p->fresh && (off & 63) == 0 &&
	    (off >> 6) * p->inverse <= p->inverse - 1;
}

static inline void
pool_put(struct pool *p, void *obj)
{
	HG_CHECK(p->used > 0 && pool_has(p, obj));
	memcpy(obj, &p->free, sizeof(p->free));
	p->free = obj;
	p->used--;
	MEM_HIDE((char *)obj + sizeof(p->free), p->size - sizeof(p->free));
}

#endif
