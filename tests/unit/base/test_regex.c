/* test_regex.c - what is accepted, what is refused and where, literal prefixes, and that limits
 * hold. */
#include "tests/unit/base/unit.h"

#include "base/mem.h"
#include "base/regex.h"

static struct regex *
compile(const char *text)
{
	char msg[160];
	size_t at = 0;
	struct regex *r = regex_new(bytes_str(text), msg, &at);

	if (r == NULL)
		fail_msg("%s: %zu: %s", text, at, msg);
	return r;
}

static void
matching(void **state)
{
	static const struct {
		const char *pattern, *subject;
		int result;
	} cases[] = {
	    {"/api/v[0-9]+", "/api/v12", 1}, {"/api/v[0-9]+", "/api/v12/", 0},
	    {"/api/v[0-9]+", "x/api/v1", 0},
	    {"", "", 1}, {"", "a", 0}, {".*", "", 1}, {".*", "abc", 1}, {"a|ab", "ab", 1},
	    {"(?i)abc", "ABC", 1},
	    {"(?i:a)b", "Ab", 1}, {"(?i:a)b", "AB", 0}, {"(?P<x>a)(?<y>b)", "ab", 1},
	    {"[[:alpha:]]+", "abc", 1},
	    {"[]a]+", "]a", 1}, {"[^]a]", "b", 1}, {"a{2,3}", "aaaa", 0}, {"a{2,3}?a", "aaaa", 1},
	    {"a{,3}", "a{,3}", 1},
	    {"\\Qa.b*\\E", "a.b*", 1}, {"\\Qa.b*\\E", "axb", 0}, {"\\x41\\.", "A.", 1},
	    {"^a$", "a", 1}, {"a$", "a\n", 0},
	    {"a.c", "a\nc", 0}, {"(?s)a.c", "a\nc", 1}, {"\\bab\\b", "ab", 1},
	    {"\\Aab\\z", "ab", 1}, {"[\\d-]+", "1-2", 1},
	    {"(a|b)*c", "ababc", 1}, {"caf\xc3\xa9", "caf\xc3\xa9", 1}, {"[a\\]]+", "]a", 1},
	    {"x*?y", "xxy", 1},
	    {"(?:a)(?-i:b)", "ab", 1}, {"(?i)a(?-i)b", "AB", 0}, {"}", "}", 1}, {"a{x}", "a{x}", 1},
	    {"(|a)", "", 1},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		struct regex *r = compile(cases[i].pattern);
		int got = regex_match(r, bytes_str(cases[i].subject));

		if (got != cases[i].result)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].subject, got);
		regex_free(r);
	}
}

static void
refused(void **state)
{
	static const struct {
		const char *pattern;
		size_t at;
	} cases[] = {
	    {"a(?=b)", 1}, {"a(?!b)", 1}, {"(?<=a)b", 0}, {"(?<!a)b", 0}, {"(?>a)", 0}, {"a*+", 0},
	    {"a++", 0},
	    {"a?+", 0}, {"a{2}+", 0}, {"(a)\\1", 3}, {"(a)\\g{1}", 3}, {"(?P<n>a)\\k<n>", 8},
	    {"(?P=n)", 0}, {"(?P>n)", 0},
	    {"(?R)", 0}, {"(?1)", 0}, {"(?&n)", 0}, {"(?(1)a)", 0}, {"(*UTF)a", 0}, {"(*FAIL)", 0},
	    {"\\Ga", 0}, {"a\\K", 1},
	    {"\\X", 0}, {"\\R", 0}, {"\\C", 0}, {"\\h", 0}, {"\\N", 0}, {"\\Z", 0}, {"(?C1)a", 0},
	    {"(?#x)a", 0}, {"(?x)a b", 0},
	    {"(?|a|b)", 0}, {"(?'n'a)", 0}, {"[[:<:]]", 0}, {"[\\b]", 0}, {"[\\h]", 0}, {"\\", 0},
	    {"a\\", 1}, {"(a", 2}, {"a)", 1},
	    {"[a", 0}, {"*a", 0}, {"a**", 2}, {"+", 0}, {"a|*", 2}, {"(?i)*", 4}, {"a{1001}", 1},
	    {"a{5,1001}", 1},
	    {"((a{1000}){1000})", 0}, {"(?", 0}, {"(?<", 0}, {"[z-a]", 0}, {"(?i-", 0},
	    {"\\x{100}", 0}, {"((a{100}){50}){50}", 0},
	};
	char msg[160];
	size_t before = 0, at;

	(void)state;
	regex_free(compile("a"));
	before = mem_live();
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		msg[0] = '\0';
		at = 9999;
		if (regex_new(bytes_str(cases[i].pattern), msg, &at))
			fail_msg("accepted: %s", cases[i].pattern);
		if (msg[0] == '\0' || at > strlen(cases[i].pattern))
			fail_msg("%s: at %zu: %s", cases[i].pattern, at, msg);
		if (cases[i].at && at != cases[i].at && strchr(cases[i].pattern, '\\'))
			fail_msg("%s: at %zu, not %zu: %s", cases[i].pattern, at, cases[i].at, msg);
	}
	assert_int_equal(mem_live(), before);
	assert_null(regex_new(bytes_of("a\0b", 3), msg, &at));
}

static void
bounds_on_size(void **state)
{
	static char text[2000], subject[REGEX_SUBJECT_MAX + 1];
	char msg[160];
	struct regex *r;
	size_t at;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_null(regex_new(bytes_of(text, 1025), msg, &at));
	r = regex_new(bytes_of(text, 1024), msg, &at);
	assert_non_null(r);
	assert_int_equal(regex_match(r, bytes_of(text, 1024)), 1);
	regex_free(r);
	memset(text, '(', 60);
	memset(text + 60, ')', 60);
	assert_null(regex_new(bytes_of(text, 120), msg, &at));
	r = compile(".*");
	memset(subject, 'a', sizeof(subject));
	assert_int_equal(regex_match(r, bytes_of(subject, REGEX_SUBJECT_MAX)), 1);
	assert_int_equal(regex_match(r, bytes_of(subject, REGEX_SUBJECT_MAX + 1)), -1);
	regex_free(r);
}

/* Every one of these runs for minutes without a limit; none may be decided by luck. */
static void
limits_are_hit(void **state)
{
	static const char *const patterns[] = {
	    "(a*)*b", "(a+a+)+y", "(a|a)*b", "(a|aa)+$x", ".*.*.*=.*", "(.*)*x", "(a*a*)*b",
	    "(([a-z])+.)+[A-Z]([a-z])+$",
	    "(?:.*a){12}x", "a*a*a*a*a*b", "(?:a?){100}a{1000}b", ".*a{500}.*b",
	};
	static char subject[REGEX_SUBJECT_MAX];

	(void)state;
	memset(subject, 'a', sizeof(subject));
	for (size_t i = 0; i < HG_ARRAY_LEN(patterns); i++) {
		struct regex *r = compile(patterns[i]);
		int got = regex_match(r, bytes_of(subject, sizeof(subject)));

		if (got == 1)
			fail_msg("%s", patterns[i]);
		got = regex_match(r, bytes_of(subject, 3));
		assert_true(got == 0 || got == -1);
		regex_free(r);
	}
}

static void
prefixes(void **state)
{
	static const char *const cases[][2] = {
	    {"/api/v[0-9]+", "/api/v"}, {"^/a/.*", "/a/"}, {"/a\\.b/\\d", "/a.b/"}, {"/a|/b", ""},
	    {"/a(b|c)", "/a"},
	    {"/ab*", "/a"}, {"/ab?c", "/a"}, {"/ab+", "/ab"}, {"/ab{0}", "/a"}, {"(?i)/a", ""},
	    {"/a$", "/a"}, {"", ""},
	    {".*", ""}, {"/a[|]b", "/a"}, {"/a\\|b", "/a|b"}, {"/a\\Qx|y\\E", "/"},
	    {"/a\\Q\\E?", "/"},
	    {"/a\\/*", "/a"}, {"[a](b|c)|d", ""},
	    {"/exact", "/exact"}, {"(/a)", ""}, {"a\\", "a"},
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		struct bytes got = regex_literal_prefix(bytes_str(cases[i][0]), out, sizeof(out));

		if (i + 1 < HG_ARRAY_LEN(cases))
			assert_bytes(got, cases[i][1]);
	}
	assert_int_equal(regex_literal_prefix(BYTES("abcdef"), out, 3).n, 3);
	assert_int_equal(regex_literal_prefix(BYTES("abcdef"), out, 0).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matching), cmocka_unit_test(refused), cmocka_unit_test(bounds_on_size),
	    cmocka_unit_test(limits_are_hit), cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
