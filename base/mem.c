/*
 * mem.c - the heap behind one door. Running out ends the process on purpose: everything that
 * strangers can make grow is bounded by an arena or a pool before it gets here, so a failing malloc
 * means that the bounds are wrong or the machine is, and the master's restart is the better answer.
 * The count of live blocks lets a test say "nothing leaked" without a sanitizer.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static size_t live;

void *
mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	HG_CHECK(p != NULL);
	live++;
	return p;
}

void *
mem_zalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	HG_CHECK(p != NULL);
	live++;
	return p;
}

void *
mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	HG_CHECK(q != NULL);
	live += p == NULL;
	return q;
}

char *
mem_dup(struct bytes b)
{
	char *p;

	HG_CHECK(b.n < SIZE_MAX);
	p = mem_alloc(b.n + 1);
	if (b.n)
		memcpy(p, b.p, b.n);
	p[b.n] = '\0';
	return p;
}

void
mem_free(void *p)
{
	if (p == NULL)
		return;
	HG_CHECK(live > 0);
	live--;
	free(p);
}

void
mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

void *
mem_grow(void *p, size_t *cap, size_t n, size_t elem)
{
	size_t want = *cap ? *cap : 8;
	size_t size;

	if (n < *cap)
		return p;
	while (want <= n) {
		HG_CHECK(want <= SIZE_MAX / 2);
		want *= 2;
	}
	HG_CHECK(!__builtin_mul_overflow(want, elem, &size));
	*cap = want;
	return mem_realloc(p, size);
}

size_t
mem_live(void)
{
	return live;
}
