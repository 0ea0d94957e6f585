/*
 * arena.c - bump allocation in a list of chunks, newest first. Chunks double, so a compile of
 * 100,000 routes takes a handful of mallocs and a connection's arena stays at one. A request bigger
 * than the next chunk gets one of its own behind the head, so that the room left in the head is not
 * lost. Single blocks cannot be freed: that is the point. The limit counts bytes handed out
 * (rounded to 16), not chunks, so that a bound in the configuration means what it says.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK_MAX (256 * 1024)
#define ALIGN 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used; /* of data[] */
	_Alignas(ALIGN) char data[];
};

void
arena_init(struct arena *a, size_t first, size_t limit)
{
	*a = (struct arena){.first = HG_MAX(first, (size_t)64), .limit = limit};
}

static void
free_chunks(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *next = c->next;

		MEM_SHOW(c->data, c->size);
		mem_free(c);
		c = next;
	}
}

void
arena_release(struct arena *a)
{
	free_chunks(a->head);
	a->head = NULL;
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk **link = &a->head, *keep = NULL;

	while (*link) {
		struct arena_chunk *c = *link;

		if (keep == NULL && c->size == a->first) {
			keep = c;
			*link = c->next;
		} else {
			link = &c->next;
		}
	}
	free_chunks(a->head);
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
		MEM_HIDE(keep->data, keep->size);
	}
	a->head = keep;
	a->used = 0;
}

static void *
alloc_slow(struct arena *a, size_t n)
{
	size_t size = a->head ? HG_MIN(a->head->size * 2, (size_t)CHUNK_MAX) : a->first;
	bool own = a->head && n > size / 2;
	struct arena_chunk *c;

	if (own || n > size)
		size = n;
	HG_CHECK(size < SIZE_MAX - sizeof(*c));
	c = mem_alloc(sizeof(*c) + size);
	c->size = size;
	c->used = n;
	MEM_HIDE(c->data, size);
	if (own) {
		c->next = a->head->next;
		a->head->next = c;
	} else {
		c->next = a->head;
		a->head = c;
	}
	return c->data;
}

void *
arena_alloc(struct arena *a, size_t asked)
{
	struct arena_chunk *c = a->head;
	size_t n = asked;
	void *p;

	HG_CHECK(n <= SIZE_MAX / 2);
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (n == 0)
		n = ALIGN;
	if (a->limit && (a->used > a->limit || n > a->limit - a->used))
		return NULL;
	a->used += n;
	if (c == NULL || n > c->size - c->used) {
		p = alloc_slow(a, n);
	} else {
		p = c->data + c->used;
		c->used += n;
	}
	MEM_SHOW(p, asked); /* not what was rounded up: an overrun by one byte shows */
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	return p ? memset(p, 0, n) : NULL;
}

char *
arena_dup(struct arena *a, struct bytes b)
{
	char *p = arena_alloc(a, b.n + 1);

	if (p == NULL)
		return NULL;
	if (b.n)
		memcpy(p, b.p, b.n);
	p[b.n] = '\0';
	return p;
}

struct bytes
arena_bytes(struct arena *a, struct bytes b)
{
	char *p = b.p ? arena_dup(a, b) : NULL;

	return p ? bytes_of(p, b.n) : BYTES_NONE;
}

char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char room[256], *p; /* most are short: formatted once */
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room, sizeof(room), fmt, again);
	va_end(again);
	HG_CHECK(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	if (p && (size_t)n < sizeof(room))
		memcpy(p, room, (size_t)n + 1);
	else if (p)
		vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void *
arena_grow(struct arena *a, void *p, size_t *cap, size_t n, size_t elem)
{
	size_t want = *cap ? *cap : 8, size;
	void *q;

	if (n < *cap)
		return p;
	while (want <= n) {
		HG_CHECK(want <= SIZE_MAX / 2);
		want *= 2;
	}
	HG_CHECK(!__builtin_mul_overflow(want, elem, &size));
	q = arena_alloc(a, size);
	if (q == NULL)
		return NULL;
	if (*cap)
		memcpy(q, p, *cap * elem);
	*cap = want;
	return q;
}
