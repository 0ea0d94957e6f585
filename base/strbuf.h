/*
 * strbuf.h - text that grows, owned. Always NUL-terminated. Not for a hot path.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/check.h"

struct strbuf {
	char *p;
	size_t n, cap;
};

#define STRBUF_INIT ((struct strbuf){0})

void strbuf_release(struct strbuf *);
void strbuf_reset(struct strbuf *);
void strbuf_add(struct strbuf *, struct bytes);
void strbuf_addz(struct strbuf *, const char *);
void strbuf_addc(struct strbuf *, char);
void strbuf_pad(struct strbuf *, char, size_t n);
void strbuf_printf(struct strbuf *, const char *fmt, ...) HG_PRINTF(2, 3);
void strbuf_vprintf(struct strbuf *, const char *fmt, va_list);
struct bytes strbuf_bytes(const struct strbuf *);
char *strbuf_take(struct strbuf *); /* the caller mem_free()s it; the buffer is empty again */

#endif
