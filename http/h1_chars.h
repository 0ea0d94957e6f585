/*
 * h1_chars.h - byte classes of RFC 9110 section 5.6 and a fast search for the first byte that ends
 * a text. Only the guard and the writers use this.
 */
#ifndef HTTP_H1_CHARS_H
#define HTTP_H1_CHARS_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

extern const uint8_t h1_tchar[256]; /* 1: may stand in a token */

#ifdef __SSE2__
/* Bit k: byte k at p is not what h1_span goes over. */
static inline unsigned
h1_odd16(const char *p, unsigned char low, bool ascii)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i ok = _mm_cmpeq_epi8(_mm_max_epu8(x, _mm_set1_epi8((char)low)), x);

	if (ascii)
		ok = _mm_and_si128(ok, _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x7e)), x));
	else
		ok = _mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)), ok);
	return (unsigned)_mm_movemask_epi8(ok) ^ 0xffff;
}

/* Bit k: byte k at p is no letter, digit or '-'. */
static inline unsigned
h1_other16(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i a = _mm_sub_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i d = _mm_sub_epi8(x, _mm_set1_epi8('0'));
	__m128i ok = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(a, _mm_set1_epi8(25)), a),
	    _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(9)), d),
		_mm_cmpeq_epi8(x, _mm_set1_epi8('-'))));

	return (unsigned)_mm_movemask_epi8(ok) ^ 0xffff;
}
#endif

/* First index in [i, end) whose byte is below `low` or 0x7f, or, with `ascii`, above 0x7e; `end` if
 * there is none. The last bytes are looked at in a piece that overlaps what lies before them. */
static inline uint32_t
h1_span(const char *p, uint32_t i, uint32_t end, unsigned char low, bool ascii)
{
#ifdef __SSE2__
	unsigned odd;

	for (; i + 16 <= end; i += 16) {
		odd = h1_odd16(p + i, low, ascii);
		if (odd)
			return i + (uint32_t)__builtin_ctz(odd);
	}
	if (i < end && end >= 16) {
		odd = h1_odd16(p + end - 16, low, ascii) >> (i - (end - 16));
		return odd ? i + (uint32_t)__builtin_ctz(odd) : end;
	}
#endif
	for (; i < end; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < low || c == 0x7f || (ascii && c > 0x7e))
			break;
	}
	return i;
}

/* End of the token at i. Letters, digits and '-' go 16 at a time, the rarer ones by the table. */
static inline uint32_t
h1_token_end(const char *p, uint32_t i, uint32_t end)
{
#ifdef __SSE2__
	unsigned odd = 0;

	for (; i + 16 <= end && (odd = h1_other16(p + i)) == 0; i += 16)
		;
	if (odd == 0 && i < end && end >= 16) {
		odd = h1_other16(p + end - 16) >> (i - (end - 16));
		if (odd == 0)
			return end;
	}
	if (odd)
		i += (uint32_t)__builtin_ctz(odd);
#endif
	while (i < end && h1_tchar[(unsigned char)p[i]])
		i++;
	return i;
}

#endif
