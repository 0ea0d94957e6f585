/*
 * ws.c - a frame's header is collected until its length is known, the rest is only counted. Bytes
 * that cannot be a frame (a length of 64 bits with the highest one set, or written longer than need
 * be) end the counting, not the tunnel: what passes there is between the two ends.
 */
#include "http/ws.h"

#include "base/check.h"

static uint64_t
number(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* The header is there. */
static void
begin(struct ws *w)
{
	uint8_t len = w->head[1] & 127;
	uint64_t v = len;

	if (len == 126)
		v = number(w->head + 2, 2);
	else if (len == 127)
		v = number(w->head + 2, 8);
	w->lost = v >> 63 || (len == 126 && v < 126) || (len == 127 && v >> 16 == 0);
	w->left = v + (w->head[1] & 128 ? 4 : 0);
	w->have = 0;
}

/* true: a frame has ended. */
static bool
header_byte(struct ws *w, char c)
{
	w->head[w->have++] = (uint8_t)c;
	if (w->have == 1)
		return false;
	if (w->have == 2) {
		uint8_t len = w->head[1] & 127;

		w->need = len == 126 ? 4 : len == 127 ? 10 : 2;
	}
	if (w->have < w->need)
		return false;
	begin(w);
	return !w->lost && w->left == 0;
}

uint32_t
ws_step(struct ws *w, const char *p, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && !w->lost) {
		if (w->left) {
			uint32_t k = (uint32_t)HG_MIN(w->left, (uint64_t)(n - i));

			w->left -= k;
			i += k;
			if (w->left == 0)
				return i;
		} else if (header_byte(w, p[i++])) {
			return i;
		}
	}
	return n;
}
