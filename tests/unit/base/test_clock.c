/* test_clock.c - dates there and back, over the edges of the calendar. */
#include "tests/unit/base/unit.h"

#include "base/clock.h"

static const struct {
	int64_t t;
	const char *rfc3339, *http;
} dates[] = {
    {0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT"},
    {1709251199, "2024-02-29T23:59:59Z", "Thu, 29 Feb 2024 23:59:59 GMT"},
    {1709251200, "2024-03-01T00:00:00Z", "Fri, 01 Mar 2024 00:00:00 GMT"},
    {4107542399, "2100-02-28T23:59:59Z", "Sun, 28 Feb 2100 23:59:59 GMT"},
    {4107542400, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT"},
    {-2, "1969-12-31T23:59:58Z", "Wed, 31 Dec 1969 23:59:58 GMT"},
    {253402300799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void
known(void **state)
{
	char a[21], b[30];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(dates); i++) {
		clock_rfc3339(dates[i].t, a);
		clock_http_date(dates[i].t, b);
		assert_string_equal(a, dates[i].rfc3339);
		assert_string_equal(b, dates[i].http);
		assert_int_equal(clock_parse_rfc3339(a, 20), dates[i].t);
	}
	clock_rfc3339(INT64_MAX, a);
	assert_string_equal(a, "9999-12-31T23:59:59Z");
	clock_rfc3339(INT64_MIN, a);
	assert_string_equal(a, "0000-01-01T00:00:00Z");
}

static void
every_day(void **state)
{
	char a[21];

	(void)state;
	for (int64_t t = -30000; t < 60000; t += 13) {
		clock_rfc3339(t * 86400 + 5, a);
		assert_int_equal(clock_parse_rfc3339(a, 20), t * 86400 + 5);
	}
}

static void
spellings(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} cases[] = {
	    {"1970-01-01T00:00:10.999Z", 10}, {"1970-01-01T01:00:00+01:00", 0},
	    {"1969-12-31T23:30:00-00:30", 0}, {"1970-01-01T00:00:00.5+00:00", 0},
	    {"1970-01-01T00:00:00", -1}, {"1970-01-01t00:00:00z", -1}, {"1970-01-01 00:00:00Z", -1},
	    {"1970-13-01T00:00:00Z", -1}, {"1970-00-01T00:00:00Z", -1},
	    {"1970-02-29T00:00:00Z", -1},
	    {"1970-01-00T00:00:00Z", -1}, {"1970-01-01T24:00:00Z", -1},
	    {"1970-01-01T00:60:00Z", -1},
	    {"1970-01-01T00:00:60Z", -1}, {"1970-01-01T00:00:00.Z", -1},
	    {"1970-01-01T00:00:00Zx", -1},
	    {"1970-01-01T00:00:00+1:00", -1}, {"1970-01-01T00:00:00+24:00", -1}, {"", -1},
	    {"1900-02-29T00:00:00Z", -1}, {"x970-01-01T00:00:00Z", -1},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		if (clock_parse_rfc3339(cases[i].text, strlen(cases[i].text)) != cases[i].t)
			fail_msg("%s", cases[i].text);
}

static void
forward(void **state)
{
	uint64_t a = clock_mono(), b = clock_mono();

	(void)state;
	assert_true(b >= a && a > 0);
	assert_true(clock_real() > 1600000000 * SEC_NS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known), cmocka_unit_test(every_day), cmocka_unit_test(spellings),
	    cmocka_unit_test(forward),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
