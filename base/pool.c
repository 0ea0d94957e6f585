/*
 * pool.c - equal objects out of one mapping. The kernel backs pages when they are first touched,
 * and the free list is LIFO with a high-water mark (`fresh`), so a pool for 100,000 connections
 * that ever saw ten costs ten objects of memory. Building the whole list at the start was rejected
 * for that reason. Under the address sanitizer, objects that are not handed out are poisoned behind
 * their link word.
 */
#include "base/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"

int
pool_init(struct pool *p, size_t size, uint32_t cap)
{
	size_t all;
	void *mem;

	*p = (struct pool){.size = (HG_MAX(size, (size_t)1) + 63) & ~(size_t)63, .cap = cap};
	if (cap == 0 || __builtin_mul_overflow(p->size, (size_t)cap, &all) || all >> 38) {
		errno = EINVAL;
		return -1;
	}
	mem = mmap(
	    NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	p->mem = mem;
	p->inverse = UINT64_MAX / (p->size >> 6) + 1; /* 0 for size 64: all are multiples */
	return 0;
}

void
pool_release(struct pool *p)
{
	if (p->mem) {
		MEM_SHOW(p->mem, p->size * p->fresh);
		munmap(p->mem, p->size * p->cap);
	}
	*p = (struct pool){0};
}

uint32_t
pool_index(const struct pool *p, const void *obj)
{
	size_t off = (size_t)((const char *)obj - p->mem);

	HG_CHECK((const char *)obj >= p->mem && off % p->size == 0 && off / p->size < p->cap);
	return (uint32_t)(off / p->size);
}
