/*
 * bytes.c - work on borrowed memory. Case folding is ASCII only and goes eight bytes at a time,
 * because every header name of every request passes through bytes_eqi(); strncasecmp() was rejected
 * for its locale and for stopping at NUL. UTF-8 checking follows the table in RFC 3629 (no
 * surrogates, no overlong forms), as a small range check on the second byte rather than a state
 * machine.
 */
#include "base/bytes.h"

#include "base/check.h"

#define ONES 0x0101010101010101ull

/* Lower-case each ASCII letter of eight bytes at once; other bytes stay as they are. */
static inline uint64_t
lower8(uint64_t x)
{
	uint64_t low = x & (ONES * 0x7f);
	uint64_t from_a = low + ONES * (0x80 - 'A');
	uint64_t past_z = low + ONES * (0x80 - 'Z' - 1);
	uint64_t letter = (from_a ^ past_z) & ~x & (ONES * 0x80);

	return x | (letter >> 2);
}

static inline uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return x;
}

static inline uint64_t
load4(const char *p)
{
	uint32_t x;

	memcpy(&x, p, 4);
	return x;
}

/* 1 to 7 bytes as one word; the loads overlap, which does no harm to a comparison. */
static inline uint64_t
load_short(const char *p, size_t n)
{
	if (n >= 4)
		return load4(p) | load4(p + n - 4) << 32;
	return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 |
	    (uint64_t)(unsigned char)p[n - 1] << 16;
}

bool
bytes_eqi(struct bytes a, struct bytes b)
{
	size_t i = 0;

	if (a.n != b.n)
		return false;
	if (a.n < 8)
		return a.n == 0 ||
		    lower8(load_short(a.p, a.n)) == lower8(load_short(b.p, b.n));
	for (; i + 8 <= a.n; i += 8)
		if (lower8(load8(a.p + i)) != lower8(load8(b.p + i)))
			return false;
	return lower8(load8(a.p + a.n - 8)) == lower8(load8(b.p + b.n - 8));
}

int
bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = HG_MIN(a.n, b.n);
	int d = n ? memcmp(a.p, b.p, n) : 0;

	if (d != 0)
		return d < 0 ? -1 : 1;
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

bool
bytes_starts(struct bytes b, struct bytes pre)
{
	return b.n >= pre.n && (pre.n == 0 || memcmp(b.p, pre.p, pre.n) == 0);
}

bool
bytes_ends(struct bytes b, struct bytes suf)
{
	return b.n >= suf.n && (suf.n == 0 || memcmp(b.p + b.n - suf.n, suf.p, suf.n) == 0);
}

struct bytes
bytes_trim(struct bytes b)
{
	while (b.n > 0 && (b.p[0] == ' ' || b.p[0] == '\t')) {
		b.p++;
		b.n--;
	}
	while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

ptrdiff_t
bytes_chr(struct bytes b, char c, size_t from)
{
	const char *at;

	if (from >= b.n)
		return -1;
	at = memchr(b.p + from, c, b.n - from);
	return at ? at - b.p : -1;
}

ptrdiff_t
bytes_rchr(struct bytes b, char c)
{
	const char *at = b.n ? memrchr(b.p, c, b.n) : NULL;

	return at ? at - b.p : -1;
}

struct bytes
bytes_cut(struct bytes *rest, char c)
{
	struct bytes head = *rest;
	ptrdiff_t at = bytes_chr(head, c, 0);

	if (at < 0) {
		*rest = BYTES_NONE;
		return head;
	}
	*rest = bytes_of(head.p + at + 1, head.n - (size_t)at - 1);
	head.n = (size_t)at;
	return head;
}

/* Length of the well-formed sequence at p, or 0. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
bytes_utf8(struct bytes b, size_t *bad)
{
	const unsigned char *p = (const unsigned char *)b.p;
	size_t i = 0;

	while (i < b.n) {
		size_t len;

		if (i + 8 <= b.n && (load8(b.p + i) & (ONES * 0x80)) == 0) {
			i += 8;
			continue;
		}
		len = utf8_len(p + i, b.n - i);
		if (len == 0) {
			if (bad)
				*bad = i;
			return false;
		}
		i += len;
	}
	return true;
}

uint32_t
bytes_distance(struct bytes a, struct bytes b)
{
	uint32_t row[3][65];
	uint32_t *before = row[0], *prev = row[1], *cur = row[2];

	if (a.n > 64 || b.n > 64)
		return (uint32_t)HG_MIN(HG_MAX(a.n, b.n), UINT32_MAX);
	for (uint32_t j = 0; j <= b.n; j++)
		prev[j] = before[j] = j;
	for (uint32_t i = 1; i <= a.n; i++) {
		uint32_t *spare = before;

		cur[0] = i;
		for (uint32_t j = 1; j <= b.n; j++) {
			bool same = a.p[i - 1] == b.p[j - 1];
			uint32_t d = HG_MIN(prev[j], cur[j - 1]) + 1;

			d = HG_MIN(d, prev[j - 1] + !same);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				d = HG_MIN(d, before[j - 2] + 1);
			cur[j] = d;
		}
		before = prev;
		prev = cur;
		cur = spare;
	}
	return prev[b.n];
}
