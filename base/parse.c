/*
 * parse.c - strict readers of single values, by hand rather than by strtoul: that one skips blanks,
 * takes signs, stops where it likes and needs a NUL. Each reader works on a borrowed range,
 * consumes all of it or fails, and leaves the result alone when it fails. What a Kubernetes API
 * server takes for a Quantity, a Duration or base64 is taken here, and nothing else.
 */
#include "base/parse.h"

#include <stdio.h>

#include "base/check.h"

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_lower_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

bool
parse_u64(struct bytes b, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (b.n == 0)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		if (!is_digit(b.p[i]) || __builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(b.p[i] - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

bool
parse_i64(struct bytes b, int64_t min, int64_t max, int64_t *out)
{
	bool neg = b.n > 0 && b.p[0] == '-';
	uint64_t u;
	int64_t v;

	if (neg)
		b = bytes_of(b.p + 1, b.n - 1);
	if (!parse_u64(b, neg ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &u))
		return false;
	v = neg ? (int64_t)(0 - u) : (int64_t)u;
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
parse_hex(struct bytes b, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (b.n == 0)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		int d = hex_value(b.p[i]);

		if (d < 0 || v >> 60)
			return false;
		v = v << 4 | (unsigned)d;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

static const struct {
	const char *name;
	uint32_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* One digits+unit part off the front of *b. */
static bool
duration_part(struct bytes *b, uint64_t *ms)
{
	size_t n = 0, u = 0;
	uint64_t v;

	while (n < b->n && is_digit(b->p[n]))
		n++;
	while (n + u < b->n && !is_digit(b->p[n + u]))
		u++;
	if (n < 1 || n > 5 || !parse_u64(bytes_of(b->p, n), 99999, &v))
		return false;
	for (size_t i = 0; i < HG_ARRAY_LEN(units); i++) {
		if (!bytes_eq(bytes_of(b->p + n, u), bytes_str(units[i].name)))
			continue;
		*ms += v * units[i].ms;
		*b = bytes_of(b->p + n + u, b->n - n - u);
		return true;
	}
	return false;
}

bool
parse_duration(struct bytes b, uint64_t *ms)
{
	uint64_t sum = 0;
	int parts = 0;

	do {
		if (parts++ == 4 || !duration_part(&b, &sum))
			return false;
	} while (b.n > 0);
	*ms = sum;
	return true;
}

void
parse_print_duration(uint64_t ms, char out[40])
{
	size_t n = 0;

	for (size_t i = 0; i < HG_ARRAY_LEN(units); i++) {
		uint64_t v = ms / units[i].ms;

		ms %= units[i].ms;
		if (v && n < 40)
			n += (size_t)snprintf(
			    out + n, 40 - n, "%llu%s", (unsigned long long)v, units[i].name);
	}
	if (n == 0)
		snprintf(out, 40, "0s");
}

struct number {
	unsigned __int128 mant; /* digits without the point */
	int scale;              /* minus the count of digits behind the point */
	bool neg, inexact;      /* digits were cut that were not zero */
};

/* [+-]digits[.digits] off the front of *b; at least one digit. */
static bool
take_number(struct bytes *b, struct number *num)
{
	bool point = false, any = false;
	size_t i = 0;

	*num = (struct number){0};
	if (i < b->n && (b->p[i] == '+' || b->p[i] == '-'))
		num->neg = b->p[i++] == '-';
	for (; i < b->n; i++) {
		char c = b->p[i];

		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (!is_digit(c))
			break;
		any = true;
		if (num->mant > (unsigned __int128)1 << 96) {
			if (!point)
				return false; /* far beyond int64 already */
			num->inexact |= c != '0';
			continue;
		}
		num->mant = num->mant * 10 + (unsigned)(c - '0');
		num->scale -= point;
	}
	*b = bytes_of(b->p + i, b->n - i);
	return any;
}

/* The suffix as powers of two and ten. */
static bool
quantity_suffix(struct bytes s, int *two, int *ten)
{
	static const struct {
		const char *name;
		int8_t two, ten;
	} suffixes[] = {
	    {"", 0, 0}, {"n", 0, -9}, {"u", 0, -6}, {"m", 0, -3}, {"k", 0, 3}, {"M", 0, 6},
	    {"G", 0, 9},
	    {"T", 0, 12}, {"P", 0, 15}, {"E", 0, 18}, {"Ki", 10, 0}, {"Mi", 20, 0}, {"Gi", 30, 0},
	    {"Ti", 40, 0}, {"Pi", 50, 0}, {"Ei", 60, 0},
	};
	int64_t e;

	for (size_t i = 0; i < HG_ARRAY_LEN(suffixes); i++) {
		if (bytes_eq(s, bytes_str(suffixes[i].name))) {
			*two = suffixes[i].two;
			*ten = suffixes[i].ten;
			return true;
		}
	}
	if (s.n < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
		return false;
	s = bytes_of(s.p + 1, s.n - 1);
	if (s.p[0] == '+')
		s = bytes_of(s.p + 1, s.n - 1);
	if ((s.n > 0 && s.p[0] == '-' && s.n == 1) || !parse_i64(s, -99, 99, &e))
		return false;
	*two = 0;
	*ten = (int)e;
	return true;
}

bool
parse_quantity(struct bytes b, int64_t *milli)
{
	const unsigned __int128 top = (unsigned __int128)1 << 120;
	unsigned __int128 v;
	struct number num;
	int two, ten;

	if (!take_number(&b, &num) || !quantity_suffix(b, &two, &ten))
		return false;
	v = num.mant;
	ten += num.scale + 3;
	for (; two > 0 && v; two--) {
		if (v >= top >> 1)
			return false;
		v <<= 1;
	}
	for (; ten > 0 && v; ten--) {
		if (v >= top >> 4)
			return false;
		v *= 10;
	}
	for (; ten < 0 && v; ten++) {
		num.inexact |= v % 10 != 0;
		v /= 10;
	}
	if (num.inexact) /* Kubernetes rounds away from zero */
		v++;
	if (v > INT64_MAX)
		return false;
	*milli = num.neg ? -(int64_t)v : (int64_t)v;
	return true;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
parse_base64(struct bytes b, unsigned char *out, size_t *n)
{
	unsigned in_group = 0, pads = 0;
	uint32_t acc = 0;
	size_t o = 0;

	/* Bytes go out by whole groups of four, so that never more than n/4*3 are written. */
	for (size_t i = 0; i < b.n; i++) {
		int v = base64_value(b.p[i]);

		if (b.p[i] == '\n' || b.p[i] == '\r')
			continue; /* as an API server does */
		if (b.p[i] == '=') {
			if (in_group < 2)
				return false;
			pads++;
			v = 0;
		} else if (v < 0 || pads) {
			return false;
		}
		acc = acc << 6 | (unsigned)v;
		if (++in_group < 4)
			continue;
		for (unsigned k = 0; k < 3 - pads; k++)
			out[o++] = (unsigned char)(acc >> (16 - 8 * k));
		in_group = 0;
	}
	if (in_group)
		return false;
	*n = o;
	return true;
}

static bool
label_ok(struct bytes b)
{
	if (b.n == 0 || !is_lower_alnum(b.p[0]) || !is_lower_alnum(b.p[b.n - 1]))
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (!is_lower_alnum(b.p[i]) && b.p[i] != '-')
			return false;
	return true;
}

bool
parse_dns_label(struct bytes b)
{
	return b.n <= 63 && label_ok(b);
}

/* Labels of any length up to the whole's: neither the CRD's pattern nor Kubernetes' bounds each. */
bool
parse_dns_subdomain(struct bytes b)
{
	if (b.n == 0 || b.n > 253)
		return false;
	while (b.p)
		if (!label_ok(bytes_cut(&b, '.')))
			return false;
	return true;
}

bool
parse_hostname(struct bytes b, bool wildcard)
{
	if (b.n == 0 || b.n > 253)
		return false;
	if (wildcard && bytes_starts(b, BYTES("*.")))
		b = bytes_of(b.p + 2, b.n - 2);
	return parse_dns_subdomain(b);
}
