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

/* Under the address sanitizer: bytes that arenas and pools hold but have not handed out. */
#ifdef HG_SAN
#include <sanitizer/asan_interface.h>
#define MEM_HIDE(p, n) __asan_poison_memory_region((p), (n))
#define MEM_SHOW(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define MEM_HIDE(p, n) ((void)(p), (void)(n))
#define MEM_SHOW(p, n) ((void)(p), (void)(n))
#endif

#endif
