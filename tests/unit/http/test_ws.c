/*
 * Where frames end, however the bytes are cut: known lengths of each size of header, masked or not,
 * and what is no frame.
 */
#include "tests/unit/http/unit.h"

#include <string.h>

#include "http/ws.h"

#define MOST 70000u

static char frame[MOST + 20];

/* A frame with that payload; returns its length. */
static uint32_t
make(uint32_t payload, bool masked)
{
	uint32_t n = 2, extra = payload < 126 ? 0 : payload < 65536 ? 2 : 8;
	uint8_t mask = masked ? 128 : 0;

	memset(frame, 0xff, sizeof(frame)); /* bytes that would be a bad header */
	frame[0] = (char)0x82;
	frame[1] = (char)(mask | (extra == 0 ? payload : extra == 2 ? 126 : 127));
	for (uint32_t i = 0; i < extra; i++)
		frame[n++] = (char)((uint64_t)payload >> 8 * (extra - 1 - i));
	return n + (masked ? 4 : 0) + payload;
}

static void
ends(void **state)
{
	static const uint32_t payloads[] = {0, 1, 125, 126, 127, 65535, 65536, MOST};
	static const uint32_t cuts[] = {1, 2, 3, 7, 4096, MOST + 20};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(payloads) * HG_ARRAY_LEN(cuts) * 2; i++) {
		uint32_t cut = cuts[i / 2 % HG_ARRAY_LEN(cuts)], at = 0;
		uint32_t n = make(payloads[i / 2 / HG_ARRAY_LEN(cuts)], i & 1);
		struct ws w = {0};

		assert_true(ws_between(&w));
		while (at < n) {
			uint32_t k = HG_MIN(cut, (uint32_t)sizeof(frame) - at);
			uint32_t took = ws_step(&w, frame + at, k);

			assert_true(took > 0 && took <= k);
			at += took;
			assert_true(at <= n && !w.lost);
			assert_int_equal(ws_between(&w), at == n);
		}
	}
}

/* Two in one piece: each end is told, since a close may only go between them. */
static void
one_after_the_other(void **state)
{
	static const char two[] = "\x81\x02hi\x89\x00\x82\x03" "ab";
	struct ws w = {0};

	(void)state;
	assert_int_equal(ws_step(&w, two, 10), 4);
	assert_int_equal(ws_step(&w, two + 4, 6), 2);
	assert_int_equal(ws_step(&w, two + 6, 4), 4);
	assert_false(ws_between(&w));
	assert_int_equal(ws_step(&w, "c", 1), 1);
	assert_true(ws_between(&w));
}

static void
no_frames(void **state)
{
	static const struct {
		const char *p;
		uint32_t n;
	} rows[] = {
	    {"\x82\x7e\x00\x7d", 4},                         /* 125 in two bytes */
	    {"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10}, /* 65535 in eight */
	    {"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10}, /* the highest bit */
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct ws w = {0};

		assert_int_equal(ws_step(&w, rows[i].p, rows[i].n), rows[i].n);
		assert_true(w.lost && !ws_between(&w));
		assert_int_equal(ws_step(&w, frame, 100), 100); /* all passes, for good */
		assert_false(ws_between(&w));
	}
	/* Nor is a frame of nothing, written too long, one that ends here. */
	assert_int_equal(ws_step(&(struct ws){0}, "\x82\x7e\x00\x00xyz", 7), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ends),
	    cmocka_unit_test(one_after_the_other), cmocka_unit_test(no_frames)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
