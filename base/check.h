/*
 * check.h - assertions that are always on.
 *
 * HG_CHECK is for our own mistakes only: a failed check prints file:line and aborts, the master
 * replaces the process. A peer's nonsense or a full disk is never a HG_CHECK.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

_Noreturn void check_failed(const char *expr, const char *file, int line);

#define HG_CHECK(c) (__builtin_expect(!!(c), 1) ? (void)0 : check_failed(#c, __FILE__, __LINE__))

#define HG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define HG_CONTAINER(p, type, member) \
	((type *)(void *)((char *)(p) - __builtin_offsetof(type, member)))
#define HG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HG_MAX(a, b) ((a) > (b) ? (a) : (b))
#define HG_PRINTF(f, a) __attribute__((format(printf, f, a)))

#endif
