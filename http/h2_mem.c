/*
 * h2_mem.c - free lists of powers of two behind nghttp2's allocator. Each piece has a word in front
 * that names its list; what is larger goes to the heap. Pieces are cut from slabs and never given
 * back: there are as many as the busiest moment needed, and that is bounded by the limits on
 * connections and streams. With sanitizers everything goes to the heap, so that they see each piece
 * by itself. Rejected: a list a session, which would keep what idle connections once needed.
 */
#include "http/h2_mem.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define SMALLEST 32u
#define LISTS 6u /* up to 1 KB */
#define SLAB 32768u
#define HEAP LISTS
#define HEAD 16u /* keeps pieces aligned for anything */

static struct {
	void *free[LISTS];
	char *slab;
	size_t left;
} hm;

static unsigned
list_of(size_t n)
{
	unsigned i = 0;

#ifdef HG_SAN
	return HEAP;
#endif
	if (n > SMALLEST)
		i = 32 - (unsigned)__builtin_clz((unsigned)HG_MIN(n - 1, (size_t)UINT32_MAX)) - 5;
	return HG_MIN(i, HEAP);
}

static uint32_t *
head_of(void *p)
{
	return (uint32_t *)(void *)((char *)p - HEAD);
}

static void *
cut(size_t n)
{
	char *p;

	if (hm.left < n) {
		hm.slab = mem_alloc(SLAB);
		hm.left = SLAB;
	}
	p = hm.slab;
	hm.slab += n;
	hm.left -= n;
	return p;
}

void *
h2_mem_get(size_t n, void *arg)
{
	unsigned i = list_of(n);
	char *p;

	(void)arg;
	if (i == HEAP) {
		p = mem_alloc(n + HEAD);
	} else if (hm.free[i]) {
		void *out = hm.free[i];

		memcpy(&hm.free[i], out, sizeof(void *));
		return out;
	} else {
		p = cut((SMALLEST << i) + HEAD);
	}
	p += HEAD;
	*head_of(p) = i;
	return p;
}

void *
h2_mem_get_zero(size_t n, size_t size, void *arg)
{
	size_t all;
	void *p;

	HG_CHECK(!__builtin_mul_overflow(n, size, &all));
	p = h2_mem_get(all, arg);
	memset(p, 0, all);
	return p;
}

void
h2_mem_put(void *p, void *arg)
{
	uint32_t i;

	(void)arg;
	if (p == NULL)
		return;
	i = *head_of(p);
	if (i == HEAP) {
		mem_free(head_of(p));
		return;
	}
	HG_CHECK(i < LISTS);
	memcpy(p, &hm.free[i], sizeof(void *));
	hm.free[i] = p;
}

void *
h2_mem_resize(void *p, size_t n, void *arg)
{
	uint32_t i;
	void *to;

	if (p == NULL)
		return h2_mem_get(n, arg);
	i = *head_of(p);
	if (i == HEAP)
		return (char *)mem_realloc(head_of(p), n + HEAD) + HEAD;
	if (list_of(n) <= i)
		return p;
	to = h2_mem_get(n, arg);
	memcpy(to, p, SMALLEST << i);
	h2_mem_put(p, arg);
	return to;
}
