/*
 * arena.h - memory that is freed together: one compile, one generation, one connection, one
 * exchange. Chunks double up to 256 KB. With a limit, allocation returns NULL past it; without one
 * it never does.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/check.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
	size_t used;  /* bytes handed out */
	size_t limit; /* 0 = none */
	size_t first; /* size of the first chunk */
};

void arena_init(struct arena *, size_t first, size_t limit);
void arena_release(struct arena *);
void arena_reset(struct arena *); /* keeps one chunk of the first size, gives back the rest */
void *arena_alloc(struct arena *, size_t n);  /* aligned to 16, uninitialised */
void *arena_zalloc(struct arena *, size_t n);
char *arena_dup(struct arena *, struct bytes b); /* NUL-terminated copy */
struct bytes arena_bytes(
    struct arena *, struct bytes b); /* the same, as bytes; absent stays absent */
char *arena_printf(struct arena *, const char *fmt, ...) HG_PRINTF(2, 3);
char *arena_vprintf(struct arena *, const char *fmt, va_list);
/* Grow an array inside the arena (the old one stays until release). */
void *arena_grow(struct arena *, void *p, size_t *cap, size_t n, size_t elem);

#endif
