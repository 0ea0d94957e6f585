/*
 * ws.c - fuzzes the search for the ends of WebSocket frames. The first byte says how the rest is
 * cut; the ends must be the same as in one piece, each step goes forward, and what is no frame ends
 * the search for good. A frame of known length is counted to its last byte.
 */
#include "http/ws.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Where the next end is, from `at`; 0: none in sight. */
static size_t
next_end(struct ws *w, const char *p, size_t at, size_t n, size_t piece)
{
	while (at < n) {
		uint32_t k = (uint32_t)HG_MIN(n - at, piece), done = ws_step(w, p + at, k);

		HG_CHECK(done >= 1 && done <= k && w->have < sizeof(w->head));
		at += done;
		if (ws_between(w))
			return at;
		HG_CHECK(done == k);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data;
	struct ws whole = {0}, cut = {0};
	size_t at = 1;

	if (n < 1)
		return 0;
	do {
		size_t end = next_end(&whole, p, at, n, n);

		HG_CHECK(end == next_end(&cut, p, at, n, 1 + data[0] % 16));
		HG_CHECK(whole.lost == cut.lost && whole.left == cut.left &&
		    whole.have == cut.have);
		if (end && n - at > 1 && (data[at + 1] & 127) < 126)
			HG_CHECK(end - at ==
			    2u + (data[at + 1] & 128 ? 4 : 0) + (data[at + 1] & 127));
		at = end;
	} while (at);
	if (whole.lost) {
		HG_CHECK(ws_step(&whole, p, (uint32_t)n) == n && !ws_between(&whole));
	}
	return 0;
}
