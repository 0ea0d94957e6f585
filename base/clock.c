/*
 * clock.c - clock_gettime and calendar arithmetic. Dates are computed here, not by gmtime(): that
 * one has a hidden static buffer and may open the time zone file, which a jailed process cannot.
 * Days are counted from 1 March in eras of 400 years, so that leap days fall at the end of a year
 * and one linear formula gives the month.
 */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"

#define DAY 86400

struct civil {
	int64_t year;
	unsigned month, day; /* 1.. */
	unsigned hour, min, sec, wday; /* wday 0 = Sunday */
};

static uint64_t
now(clockid_t id)
{
	struct timespec ts;

	HG_CHECK(clock_gettime(id, &ts) == 0);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_mono(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t
clock_real(void)
{
	return now(CLOCK_REALTIME);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static void
to_civil(int64_t t, struct civil *c)
{
	int64_t days = floor_div(t, DAY);
	unsigned rest = (unsigned)(t - days * DAY);
	int64_t era = floor_div(days + 719468, 146097);
	unsigned doe = (unsigned)(days + 719468 - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned m = (5 * doy + 2) / 153;

	c->day = doy - (153 * m + 2) / 5 + 1;
	c->month = m < 10 ? m + 3 : m - 9;
	c->year = era * 400 + yoe + (c->month <= 2);
	c->hour = rest / 3600;
	c->min = rest / 60 % 60;
	c->sec = rest % 60;
	c->wday = (unsigned)(days + 4 - 7 * floor_div(days + 4, 7));
}

static int64_t
days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_div(y, 400);
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

/* Years outside 0..9999 have no spelling in either format. */
static int64_t
clamp(int64_t t)
{
	const int64_t first = -62167219200, last = 253402300799;

	return HG_MAX(first, HG_MIN(t, last));
}

static void
put2(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10 % 10);
	p[1] = (char)('0' + v % 10);
}

void
clock_rfc3339(int64_t unix_sec, char out[21])
{
	struct civil c;

	to_civil(clamp(unix_sec), &c);
	put2(out, (unsigned)c.year / 100);
	put2(out + 2, (unsigned)c.year % 100);
	out[4] = '-';
	put2(out + 5, c.month);
	out[7] = '-';
	put2(out + 8, c.day);
	out[10] = 'T';
	put2(out + 11, c.hour);
	out[13] = ':';
	put2(out + 14, c.min);
	out[16] = ':';
	put2(out + 17, c.sec);
	out[19] = 'Z';
	out[20] = '\0';
}

void
clock_http_date(int64_t unix_sec, char out[30])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct civil c;

	to_civil(clamp(unix_sec), &c);
	snprintf(out, 30, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * c.wday, c.day % 100,
	    months + 3 * (c.month - 1), (unsigned)c.year % 10000, c.hour % 100, c.min % 100,
	    c.sec % 100);
}

/* Reads `n` digits at p into *v. */
static bool
digits(const char *p, unsigned n, unsigned *v)
{
	*v = 0;
	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*v = *v * 10 + (unsigned)(p[i] - '0');
	}
	return true;
}

/* What follows the seconds: [.digits] and Z or +hh:mm. Gives the offset in seconds. */
static bool
zone(const char *p, size_t n, int *offset)
{
	unsigned h, m;
	size_t i = 0;

	if (n > 0 && p[0] == '.') {
		for (i = 1; i < n && p[i] >= '0' && p[i] <= '9'; i++)
			;
		if (i == 1)
			return false;
	}
	*offset = 0;
	if (n - i == 1)
		return p[i] == 'Z';
	if (n - i != 6 || (p[i] != '+' && p[i] != '-') || p[i + 3] != ':' ||
	    !digits(p + i + 1, 2, &h) || !digits(p + i + 4, 2, &m) || h > 23 || m > 59)
		return false;
	*offset = (int)(h * 3600 + m * 60);
	if (p[i] == '-')
		*offset = -*offset;
	return true;
}

int64_t
clock_parse_rfc3339(const char *p, size_t n)
{
	static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned y, mo, d, h, mi, s, last;
	int offset;

	if (n < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':')
		return -1;
	if (!digits(p, 4, &y) || !digits(p + 5, 2, &mo) || !digits(p + 8, 2, &d) ||
	    !digits(p + 11, 2, &h) || !digits(p + 14, 2, &mi) || !digits(p + 17, 2, &s))
		return -1;
	if (mo < 1 || mo > 12 || h > 23 || mi > 59 || s > 59 || !zone(p + 19, n - 19, &offset))
		return -1;
	last = month_days[mo - 1] + (mo == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)));
	if (d < 1 || d > last)
		return -1;
	return days_of(y, mo, d) * DAY + h * 3600 + mi * 60 + s - offset;
}
