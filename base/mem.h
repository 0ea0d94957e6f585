/*
 * mem.h - the only caller of malloc, realloc and free. Fails by HG_CHECK: bounds are set by arenas
 * and pools, which do return NULL. Not for a hot path. Any process.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/bytes.h"

void *mem_alloc(size_t n);                /* uninitialised */
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *mem_dup(struct bytes b);            /* NUL-terminated copy */
void mem_free(void *p);
void mem_wipe(void *p, size_t n);         /* not optimised away */
/* Grow an array so that *cap > n; returns the (moved) array. Doubling. */
void *mem_grow(void *p, size_t *cap, size_t n, size_t elem);
size_t mem_live(void);                    /* blocks allocated and not freed, for tests */

#endif
