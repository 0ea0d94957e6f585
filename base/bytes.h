/*
 * bytes.h - borrowed memory: a pointer and a length. Never NUL-terminated by promise, never owned.
 * p == NULL means absent; p != NULL with n == 0 is empty. Pure; any process.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const char *p;
	size_t n;
};

#define BYTES(lit) ((struct bytes){(lit), sizeof(lit) - 1})
#define BYTES_NONE ((struct bytes){NULL, 0})
#define BYTES_ARG(b) (int)(b).n, (b).p /* for "%.*s" */

static inline struct bytes
bytes_of(const char *p, size_t n)
{
	return (struct bytes){p, n};
}

static inline struct bytes
bytes_str(const char *s)
{
	return (struct bytes){s, s ? strlen(s) : 0};
}

static inline bool
bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool bytes_eqi(struct bytes a, struct bytes b);     /* ASCII case-insensitive */
int bytes_cmp(struct bytes a, struct bytes b);      /* byte order, shorter first */
bool bytes_starts(struct bytes b, struct bytes pre);
bool bytes_ends(struct bytes b, struct bytes suf);
struct bytes bytes_trim(struct bytes b);            /* SP and HTAB at both ends */
/* Offset of c in b at or after `from`, or -1. */
ptrdiff_t bytes_chr(struct bytes b, char c, size_t from);
ptrdiff_t bytes_rchr(struct bytes b, char c);
/* Take the part before the first c; *rest becomes what follows (absent when there is no more). */
struct bytes bytes_cut(struct bytes *rest, char c);
bool bytes_utf8(struct bytes b, size_t *bad);       /* well-formed UTF-8; *bad = first bad offset */
uint32_t bytes_distance(struct bytes a, struct bytes b); /* Damerau-Levenshtein, n <= 64 each */

#endif
