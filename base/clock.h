/*
 * clock.h - the only source of time. Monotonic nanoseconds are common to all processes; real time
 * is for logs, certificates and statuses only. vDSO calls, no system call.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define MS_NS 1000000ull
#define SEC_NS 1000000000ull

uint64_t clock_mono(void); /* ns */
uint64_t clock_real(void); /* ns since 1970 */
/* "2026-11-24T08:02:30Z" (21 bytes with NUL) and back; -1 if it is not RFC 3339. Fractions are cut.
 */
void clock_rfc3339(int64_t unix_sec, char out[21]);
int64_t clock_parse_rfc3339(const char *p, size_t n);
/* IMF-fixdate for Date (RFC 9110 5.6.7), 30 bytes with NUL. */
void clock_http_date(int64_t unix_sec, char out[30]);

#endif
