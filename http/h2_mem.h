/*
 * h2_mem.h - memory for nghttp2: small pieces from free lists by size, since it takes and returns a
 * dozen for each request. The last argument is nghttp2's and not looked at. Never NULL; one thread.
 */
#ifndef HTTP_H2_MEM_H
#define HTTP_H2_MEM_H

#include <stddef.h>

void *h2_mem_get(size_t, void *);
void *h2_mem_get_zero(size_t n, size_t size, void *);
void *h2_mem_resize(void *, size_t, void *);
void h2_mem_put(void *, void *);

#endif
