/*
 * What is retried, as a table of Gateway API v1.7.
 */
#include "tests/unit/worker/fake.h"

#include "worker/retry.h"

static const struct im_retry three = {.attempts = 3,
    .triggers = IM_RETRY_ROUTE,
    .backoff_ms = 100,
    .codes = {[100 / 32] = 1u << (100 % 32)}};
static const struct im_retry none = {.attempts = 0};
static const struct im_retry one = {.attempts = 1, .triggers = IM_RETRY_ROUTE};

static const struct im_retry reset = {.attempts = 2,
    .triggers = IM_RETRY_RESET,
    .backoff_ms = 100,
    .backoff_max_ms = 250,
    .full_jitter = 1};

/* Gateway API v1.7: what is retried and what is not. */
/* long: mostly its table */
static void
test_table(void **state)
{
	static const struct {
		const char *why;
		struct retry_in in;
		enum retry_verdict want;
	} rows[] = {
	    {"refused, retry set",
		{&three, RETRY_NOT_PROCESSED, 0, 0, true, false, false, false, false, false, false},
		RETRY_AGAIN},
	    {"refused, all used",
		{&three, RETRY_NOT_PROCESSED, 0, 3, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"refused, attempts 0",
		{&none, RETRY_NOT_PROCESSED, 0, 0, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"refused, no stanza, another endpoint",
		{NULL, RETRY_NOT_PROCESSED, 0, 0, true, false, false, false, true, false, false},
		RETRY_AGAIN},
	    {"the same a second time",
		{NULL, RETRY_NOT_PROCESSED, 0, 1, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"refused, no stanza, single endpoint",
		{NULL, RETRY_NOT_PROCESSED, 0, 0, true, false, false, false, false, false, false},
		RETRY_NO},
	    {"refused, body gone",
		{&three, RETRY_NOT_PROCESSED, 0, 0, false, false, false, false, true, false, false},
		RETRY_NO},
	    {"reset after sending",
		{&three, RETRY_UNKNOWN, 0, 0, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"pooled one was dead",
		{NULL, RETRY_UNKNOWN, 0, 0, true, true, false, false, false, false, false},
		RETRY_SILENT},
	    {"pooled one was dead, attempts 0",
		{&none, RETRY_UNKNOWN, 0, 0, true, true, false, false, false, false, false},
		RETRY_SILENT},
	    {"a second time",
		{NULL, RETRY_UNKNOWN, 0, 0, true, true, false, true, false, false, false},
		RETRY_NO},
	    {"pooled, but it had begun to answer",
		{NULL, RETRY_UNKNOWN, 0, 0, true, true, true, false, false, false, false},
		RETRY_NO},
	    {"pooled, body gone",
		{NULL, RETRY_UNKNOWN, 0, 0, false, true, false, false, false, false, false},
		RETRY_NO},
	    {"own time limit",
		{&one, RETRY_TIMEOUT, 0, 0, true, false, false, false, false, false, false},
		RETRY_AGAIN},
	    {"own time limit, no stanza",
		{NULL, RETRY_TIMEOUT, 0, 0, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"a bound on retries",
		{&three, RETRY_STATUS, 500, 0, true, false, true, false, false, false, true},
		RETRY_NO},
	    {"grpc-status",
		{&three, RETRY_STATUS, 200, 0, true, false, true, false, false, true, false},
		RETRY_AGAIN},
	    {"reset, policy wants it",
		{&reset, RETRY_UNKNOWN, 0, 0, true, false, true, false, false, false, false},
		RETRY_AGAIN},
	    {"connect, policy has not",
		{&reset, RETRY_NOT_PROCESSED, 0, 0, true, false, false, false, true, false, false},
		RETRY_NO},
	    {"listed status",
		{&three, RETRY_STATUS, 500, 0, true, false, true, false, false, false, false},
		RETRY_AGAIN},
	    {"status that is not listed",
		{&three, RETRY_STATUS, 503, 0, true, false, true, false, false, false, false},
		RETRY_NO},
	    {"no codes",
		{&one, RETRY_STATUS, 500, 0, true, false, true, false, false, false, false},
		RETRY_NO},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		if (retry_decide(&rows[i].in) != rows[i].want)
			fail_msg("%s", rows[i].why);
}

static void
test_codes(void **state)
{
	struct im_retry p = {.attempts = 1};

	(void)state;
	p.codes[0] = 1; /* 400 */
	p.codes[(599 - 400) / 32] |= 1u << ((599 - 400) % 32);
	assert_true(retry_status(&p, 400));
	assert_true(retry_status(&p, 599));
	assert_false(retry_status(&p, 500));
	assert_false(retry_status(&p, 399));
	assert_false(retry_status(&p, 65535));
	assert_false(retry_status(NULL, 500));
}

static void
test_wait(void **state)
{
	(void)state;
	assert_int_equal(retry_wait(NULL, 1, RETRY_NOT_PROCESSED, 7), 0);
	assert_int_equal(retry_wait(&one, 1, RETRY_NOT_PROCESSED, 7), 0);
	for (uint64_t r = 0; r < 1000; r++)
		for (unsigned made = 1; made < 80; made++) {
			uint64_t base = made > 4 ? 1000 : 100ull << (made - 1), w;

			w = retry_wait(&three, made, RETRY_STATUS, r * 77777);
			base = HG_MIN(base, 1000ull);
			assert_true(w >= base && w <= base + 50);
		}
}

/* All jitter: up to base * (2^n - 1), or the greatest. */
static void
test_full_jitter(void **state)
{
	(void)state;
	assert_int_equal(retry_wait(&reset, 1, RETRY_STATUS, 100), 100);
	assert_int_equal(retry_wait(&reset, 1, RETRY_STATUS, 101), 0);
	assert_int_equal(retry_wait(&reset, 2, RETRY_NOT_PROCESSED, 250), 250);
	assert_int_equal(retry_wait(&reset, 60, RETRY_STATUS, 251), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
	    cmocka_unit_test(test_codes), cmocka_unit_test(test_full_jitter),
	    cmocka_unit_test(test_wait)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
