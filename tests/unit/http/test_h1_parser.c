/*
 * test_h1_parser.c - the second opinion: it does object where guard and parser would differ, and
 * its known mistakes about valid heads are excused.
 */
#include "tests/unit/http/unit.h"

static const struct h1_limits limits = TEST_LIMITS;
static struct msg m;

static bool
agrees(const char *raw)
{
	uint32_t scan = 0, used;

	assert_int_equal(
	    h1_guard_request(raw, (uint32_t)strlen(raw), &limits, &scan, &m, &used), HG_OK);
	return h1_parser_agrees(raw, used, &m);
}

static void
known_mistakes(void **state)
{
	(void)state;
	assert_true(agrees("FROB / HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(agrees("get / HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(agrees("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\t\r\n\r\n"));
	assert_true(agrees("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\t\r\n\r\n"));
	assert_true(agrees("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encodings: x\r\n\r\n"));
	assert_true(agrees(
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encodings: x\r\nContent-Length: 3\r\n\r\n"));
}

/* A guard that had read something else would be caught. */
static void
differences_are_seen(void **state)
{
	const char *post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
	const char *ok = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	uint32_t n = (uint32_t)strlen(post), scan = 0, used;

	(void)state;
	assert_true(agrees(post));
	m.length = 4;
	assert_false(h1_parser_agrees(post, n, &m));
	m.length = 3;
	m.method = BYTES("PUT");
	assert_false(h1_parser_agrees(post, n, &m));
	m.method = BYTES("POST");
	m.minor = 0;
	assert_false(h1_parser_agrees(post, n, &m));
	m.minor = 1;
	m.fields.seen &= ~FIELD_BIT(FIELD_CONTENT_LENGTH);
	assert_false(h1_parser_agrees(post, n, &m));
	assert_false(h1_parser_agrees("POST / HTTP/1.1\r\nX(: h\r\n\r\n", 24, &m));
	n = (uint32_t)strlen(ok);
	assert_int_equal(h1_guard_response(ok, n, &limits, &scan, false, &m, &used), HG_OK);
	assert_true(h1_parser_agrees(ok, n, &m));
	m.status = 201;
	assert_false(h1_parser_agrees(ok, n, &m));
	m.status = 200;
	m.fields.seen &= ~FIELD_BIT(FIELD_TRANSFER_ENCODING);
	assert_false(h1_parser_agrees(ok, n, &m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_mistakes),
	    cmocka_unit_test(differences_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
