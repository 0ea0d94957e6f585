/*
 * pool.h - a fixed number of equal objects, LIFO, no malloc after the start. Memory is one
 * anonymous mapping that is touched only as far as it was ever used. Worker only.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	char *mem;
	size_t size;       /* of one object, rounded up to 64 */
	uint32_t cap, used, fresh; /* objects in all, handed out, ever touched */
	void *free;        /* LIFO list through the objects' first word */
};

int pool_init(struct pool *, size_t size, uint32_t cap); /* 0, or -1 with errno */
void pool_release(struct pool *);
void *pool_get(struct pool *); /* uninitialised; NULL when all are out */
void pool_put(struct pool *, void *);
uint32_t pool_index(const struct pool *, const void *obj);

#endif
