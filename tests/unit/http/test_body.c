/* test_body.c - cursors over a body: credit, replay and its bound, mirrors that fall behind,
 * collectors. */
#include "tests/unit/http/unit.h"

#include "http/body.h"

static struct bufs bufs;
static struct pool chunks;
static struct body b;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(bufs_init(&bufs, 1 << 20), 0);
	assert_int_equal(pool_init(&chunks, body_chunk_size(), 16), 0);
	body_init(&b, &chunks);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	body_release(&b);
	assert_int_equal(chunks.used, 0);
	assert_int_equal(bufs.in_use, 0);
	pool_release(&chunks);
	bufs_release(&bufs);
	return 0;
}

static bool
push(const char *text)
{
	struct buf *buf = buf_new(&bufs, 1);
	uint32_t n = (uint32_t)strlen(text);

	memcpy(buf->data, text, n);
	return body_push(&b, (struct slice){buf, buf->data, n});
}

/* Everything that the cursor has now. */
static const char *
all(int cursor, int *end)
{
	static char got[200];
	size_t n = 0;
	struct slice s;

	while ((*end = body_next(&b, cursor, &s)) == 1) {
		memcpy(got + n, s.p, s.n);
		n += s.n;
		slice_drop(&s);
	}
	got[n] = '\0';
	return got;
}

static void
one_reader(void **state)
{
	int a = body_cursor(&b, BODY_ATTEMPT, 0), end;

	(void)state;
	assert_true(push("abc") && push("") && push("de"));
	assert_int_equal(body_credit(&b), 0);
	assert_string_equal(all(a, &end), "abcde");
	assert_int_equal(end, 0);
	assert_int_equal(body_credit(&b), 5);
	assert_int_equal(body_credit(&b), 0);
	assert_int_equal(chunks.used, 0);
	push("f");
	body_end(&b, NULL);
	assert_string_equal(all(a, &end), "f");
	assert_int_equal(end, -1);
	assert_int_equal(body_credit(&b), 1);
}

static void
replay(void **state)
{
	int a = body_cursor(&b, BODY_ATTEMPT, 0), r = body_cursor(&b, BODY_REPLAY, 8), end;

	(void)state;
	push("abc");
	assert_string_equal(all(a, &end), "abc");
	push("de");
	assert_string_equal(all(a, &end), "de");
	assert_int_equal(body_credit(&b), 5);
	assert_int_equal(chunks.used, 2);
	assert_true(body_can_replay(&b, r));
	body_rewind(&b, a, r);
	assert_int_equal(body_credit(&b), 0);
	push("f");
	assert_string_equal(all(a, &end), "abcdef");
	assert_int_equal(body_credit(&b), 1);
	push("ghi"); /* nine bytes: past the bound */
	assert_false(body_can_replay(&b, r));
	assert_string_equal(all(a, &end), "ghi");
	assert_int_equal(chunks.used, 0);
	assert_int_equal(body_cursor(&b, BODY_REPLAY, 100), 2); /* too late: born cut */
	assert_false(body_can_replay(&b, 2));
}

static void
mirror_never_blocks(void **state)
{
	int a = body_cursor(&b, BODY_ATTEMPT, 0), m = body_cursor(&b, BODY_MIRROR, 4), end;

	(void)state;
	push("abc");
	assert_string_equal(all(m, &end), "abc");
	assert_int_equal(body_credit(&b), 0);
	assert_string_equal(all(a, &end), "abc");
	assert_int_equal(body_credit(&b), 3);
	push("defg");
	assert_string_equal(all(a, &end), "defg");
	assert_int_equal(chunks.used, 1);
	push("h");
	assert_string_equal(all(m, &end), "");
	assert_int_equal(end, -2);
	assert_string_equal(all(a, &end), "h");
	assert_int_equal(chunks.used, 0);
}

static void
collector(void **state)
{
	int c = body_cursor(&b, BODY_COLLECT, 5), a = body_cursor(&b, BODY_ATTEMPT, 0), end;

	(void)state;
	body_drop(&b, a);
	push("abc");
	assert_int_equal(body_credit(&b), 3);
	assert_string_equal(all(c, &end), "");
	push("de");
	body_end(&b, NULL);
	assert_string_equal(all(c, &end), "abcde");
	assert_int_equal(end, -1);
	body_release(&b);
	body_init(&b, &chunks);
	c = body_cursor(&b, BODY_COLLECT, 5);
	push("abcdef");
	assert_int_equal(body_next(&b, c, &(struct slice){0}), -2);
	assert_int_equal(body_credit(&b), 0);
}

static void
waits_between_attempts(void **state)
{
	int a = body_cursor(&b, BODY_ATTEMPT, 0), r = body_cursor(&b, BODY_REPLAY, 100), end;

	(void)state;
	push("abc");
	all(a, &end);
	assert_int_equal(body_credit(&b), 3);
	body_drop(&b, a);
	push("d");
	assert_int_equal(body_credit(&b), 0);
	a = body_cursor(&b, BODY_ATTEMPT, 0);
	body_rewind(&b, a, r);
	assert_string_equal(all(a, &end), "abcd");
	assert_int_equal(body_credit(&b), 1);
}

static void
no_records(void **state)
{
	int a = body_cursor(&b, BODY_ATTEMPT, 0), end;

	(void)state;
	for (int i = 0; i < 16; i++)
		assert_true(push("x"));
	assert_false(push("y"));
	assert_int_equal(strlen(all(a, &end)), 16);
	for (int i = 1; i < BODY_CURSORS; i++)
		assert_true(body_cursor(&b, BODY_MIRROR, 1) > 0);
	assert_int_equal(body_cursor(&b, BODY_MIRROR, 1), -1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(one_reader),
	    T(replay),
	    T(mirror_never_blocks),
	    T(collector),
	    T(waits_between_attempts),
	    T(no_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
