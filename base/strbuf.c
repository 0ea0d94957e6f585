/*
 * strbuf.c - text that grows on the heap, for people-facing output, diagnostics and the control
 * socket. The empty buffer owns nothing and still reads as "" (strbuf_bytes), so STRBUF_INIT needs
 * no call. Growth doubles; the bound on what may be appended is the caller's.
 */
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void
reserve(struct strbuf *s, size_t more)
{
	HG_CHECK(more < SIZE_MAX / 4 && s->n < SIZE_MAX / 4);
	s->p = mem_grow(s->p, &s->cap, s->n + more, 1);
}

void
strbuf_release(struct strbuf *s)
{
	mem_free(s->p);
	*s = STRBUF_INIT;
}

void
strbuf_reset(struct strbuf *s)
{
	s->n = 0;
	if (s->p)
		s->p[0] = '\0';
}

void
strbuf_add(struct strbuf *s, struct bytes b)
{
	reserve(s, b.n);
	if (b.n)
		memcpy(s->p + s->n, b.p, b.n);
	s->n += b.n;
	s->p[s->n] = '\0';
}

void
strbuf_addz(struct strbuf *s, const char *z)
{
	strbuf_add(s, bytes_str(z));
}

void
strbuf_addc(struct strbuf *s, char c)
{
	strbuf_add(s, bytes_of(&c, 1));
}

void
strbuf_pad(struct strbuf *s, char c, size_t n)
{
	reserve(s, n);
	memset(s->p + s->n, c, n);
	s->n += n;
	s->p[s->n] = '\0';
}

void
strbuf_vprintf(struct strbuf *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	HG_CHECK(n >= 0);
	reserve(s, (size_t)n);
	vsnprintf(s->p + s->n, (size_t)n + 1, fmt, ap);
	s->n += (size_t)n;
}

void
strbuf_printf(struct strbuf *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(s, fmt, ap);
	va_end(ap);
}

struct bytes
strbuf_bytes(const struct strbuf *s)
{
	return bytes_of(s->p ? s->p : "", s->n);
}

char *
strbuf_take(struct strbuf *s)
{
	char *p;

	reserve(s, 0);
	s->p[s->n] = '\0';
	p = s->p;
	*s = STRBUF_INIT;
	return p;
}
