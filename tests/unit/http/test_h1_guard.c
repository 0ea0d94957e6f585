/*
 * test_h1_guard.c - each rule of the guard with what it takes and what it refuses, in one table;
 * then: feeding byte by byte gives the same verdict as feeding at once, and whatever is taken
 * http-parser reads the same way.
 */
#include "tests/unit/http/unit.h"

#include <stdio.h>

#include "base/mem.h"

static const struct h1_limits limits = TEST_LIMITS;

#define REQ(line) line " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET(fields) "GET / HTTP/1.1\r\nHost: h\r\n" fields "\r\n"
#define POST(fields) "POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n"
#define B(lit) {lit, sizeof(lit) - 1}
#define BAD HG_ERR_BAD_REQUEST

static const struct {
	struct bytes raw;
	enum hg_err e;
} requests[] = {
	/* 1: the end of a head */
	{B(GET("")), HG_OK},
	{B("\r\n\r\n" GET("")), HG_OK},
	{B("\r\n\r\n\r\n" GET("")), BAD},
	{B("\n" GET("")), BAD},
	{B("\r" GET("")), BAD},
	{B("GET / HTTP/1.1\r\nHost: h\r\n\rX"), BAD},
	{B("GET / HTTP/1.1\r\nHost: h\r\n\n"), BAD},
	/* 2: line ends and control bytes */
	{B("GET / HTTP/1.1\nHost: h\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\rHost: h\r\n\r\n"), BAD},
	{B(GET("X: a\rb\r\n")), BAD},
	{B(GET("X: a\nY: b\r\n")), BAD},
	{B(GET("X: a\0b\r\n")), BAD},
	{B(GET("X: \0\r\n")), BAD},
	{B(GET("X: \x7f\r\n")), BAD},
	{B(GET("X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x1b" "aaaaaaaaaaaaaaaaaaaaaa\r\n")), BAD},
	{B(GET("X: a\tb\r\n")), HG_OK},
	{B(GET("X: \xc3\xa9\xff\r\n")), HG_OK},
	/* 3: the request line */
	{B("GET / HTTP/1.0\r\n\r\n"), HG_OK},
	{B("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), HG_ERR_BAD_VERSION},
	{B("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), HG_ERR_BAD_VERSION},
	{B("GET / HTTP/0.9\r\n\r\n"), HG_ERR_BAD_VERSION},
	{B("GET / http/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"), BAD},
	{B("GET / HTTP/1.11\r\nHost: h\r\n\r\n"), BAD},
	{B("GET /\r\nHost: h\r\n\r\n"), BAD},
	{B("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("GET /  HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B(" GET / HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("G(T / HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("SOURCE / ICE/1.0\r\nHost: h\r\n\r\n"), BAD},
	{B(REQ("M-SEARCH /x")), HG_OK},
	{B(REQ("frob /x")), HG_OK},
	/* 4: targets */
	{B(REQ("GET /a?b=c")), HG_OK},
	{B(REQ("GET http://h/x")), HG_OK},
	{B(REQ("GET HTTP://H:80/x")), HG_OK},
	{B(REQ("GET http://other/x")), BAD},
	{B(REQ("GET http://h:81/x")), BAD},
	{B(REQ("GET ftp://h/x")), BAD},
	{B(REQ("GET http://u:p@h/x")), BAD},
	{B(REQ("GET /a#b")), BAD},
	{B(REQ("GET /%zz")), BAD},
	{B(REQ("GET /\xff")), BAD},
	{B(REQ("GET /\x7f")), BAD},
	{B(REQ("GET *")), BAD},
	{B(REQ("OPTIONS *")), HG_OK},
	{B("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), HG_OK},
	{B("CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n"), BAD},
	{B("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nContent-Length: 3\r\n\r\n"), BAD},
	/* 5: field lines */
	{B(GET("X : a\r\n")), BAD},
	{B(GET("X\t: a\r\n")), BAD},
	{B(GET(" X: a\r\n")), BAD},
	{B(GET("X: a\r\n b\r\n")), BAD},
	{B(GET("X: a\r\n\tb\r\n")), BAD},
	{B(GET(": a\r\n")), BAD},
	{B(GET("X\r\n")), BAD},
	{B(GET("X(Y: a\r\n")), BAD},
	{B(GET("X\xe9: a\r\n")), BAD},
	{B(GET("X!#$%&'*+-.^_`|~9: a\r\n")), HG_OK},
	{B(GET("X:\r\n")), HG_OK},
	/* 6: Host */
	{B("GET / HTTP/1.1\r\n\r\n"), BAD},
	{B(GET("Host: h\r\n")), BAD},
	{B(GET("hOsT: i\r\n")), BAD},
	{B("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost:\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost: h:0x50\r\n\r\n"), BAD},
	{B("GET / HTTP/1.1\r\nHost: \t h:80 \t\r\n\r\n"), HG_OK},
	{B("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), HG_OK},
	{B("GET http://h/ HTTP/1.1\r\n\r\n"), BAD},
	/* 7: framing */
	{B(POST("Content-Length: 3\r\n")), HG_OK},
	{B(POST("Content-Length: 3\t\r\n")), HG_OK},
	{B(POST("Content-Length: 9223372036854775807\r\n")), HG_OK},
	{B(POST("Content-Length: 9223372036854775808\r\n")), BAD},
	{B(POST("Content-Length: 18446744073709551617\r\n")), BAD},
	{B(POST("Content-Length: +3\r\n")), BAD},
	{B(POST("Content-Length: 3, 3\r\n")), BAD},
	{B(POST("Content-Length:\r\n")), BAD},
	{B(POST("Content-Length: 0x3\r\n")), BAD},
	{B(POST("Content-Length: 3\r\nContent-Length: 3\r\n")), BAD},
	{B(POST("Transfer-Encoding: chunked\r\n")), HG_OK},
	{B(POST("Transfer-Encoding: CHUNKED \t\r\n")), HG_OK},
	{B(POST("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")), BAD},
	{B(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), BAD},
	{B(POST("Transfer-Encoding: chunked, chunked\r\n")), BAD},
	{B(POST("Transfer-Encoding: gzip, chunked\r\n")), HG_ERR_BAD_CODING},
	{B(POST("Transfer-Encoding: chunked, gzip\r\n")), BAD},
	{B(POST("Transfer-Encoding: gzip\r\n")), BAD},
	{B(POST("Transfer-Encoding: ,chunked\r\n")), BAD},
	{B(POST("Transfer-Encoding: \"chunked\"\r\n")), BAD},
	{B(POST("Transfer-Encoding:\r\n")), BAD},
	{B("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD},
	/* 8: expectations */
	{B(POST("Expect: 100-Continue\r\nContent-Length: 3\r\n")), HG_OK},
	{B(POST("Expect: 200-ok\r\nContent-Length: 3\r\n")), HG_ERR_BAD_EXPECT},
	{B("POST / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n"), HG_OK},
	/* other protocols */
	{B("\x16\x03\x01\x00\xc4\x01"), BAD},
	{B("SSH-2.0-OpenSSH_9.2\r\n"), BAD},
	{B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HG_ERR_BAD_VERSION},
};

static const struct {
	struct bytes raw;
	enum hg_err e;
	uint8_t framing;
	uint64_t length;
	bool head, keep;
} responses[] = {
    {B("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), HG_OK, MSG_LENGTH, 3, false, true},
    {B("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n"), HG_OK, MSG_LENGTH, 3, false, true},
    {B("HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n"), HG_OK, MSG_LENGTH, 3, false, true},
    {B("HTTP/1.1 200 OK\r\n\r\n"), HG_OK, MSG_CLOSE, 0, false, false},
    {B("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), HG_OK, MSG_LENGTH, 0, false, false},
    {B("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"), HG_OK, MSG_LENGTH,
	0, false, true},
    {B("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HG_OK, MSG_CHUNKED, 0, false,
	true},
    {B("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"), HG_OK, MSG_NONE, 0, false, true},
    {B("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), HG_OK, MSG_NONE, 0, false, true},
    {B("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"), HG_OK, MSG_LENGTH, 3, true, true},
    {B("HTTP/1.1 304 Not Modified\r\n\r\n"), HG_OK, MSG_NONE, 0, true, true},
    {B("HTTP/1.1 200 \xc3\xa9\r\nConnection: foo,\tclose\r\nContent-Length: 3\r\n\r\n"), HG_OK,
	MSG_LENGTH, 3, false, false},
    {B("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"), HG_ERR_BACKEND_BAD, 0,
	0, false, false},
    {B("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
	HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false,
	false},
    {B("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false,
	false},
    {B("HTTP/1.1 20 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 0200 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 099 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 600 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1  200 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 200 O\rSet-Cookie: a\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 200 O\0K\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HXYZ/1.1 200 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/2.0 200 OK\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 200 OK\nA: b\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
    {B("garbage\r\n\r\n"), HG_ERR_BACKEND_BAD, 0, 0, false, false},
};

static struct msg m;

static enum hg_err
whole(struct bytes raw, uint32_t *used)
{
	uint32_t scan = 0;
	char *p = mem_dup(raw); /* exact size: the sanitizer sees a read past the end */
	enum hg_err e = h1_guard_request(p, (uint32_t)raw.n, &limits, &scan, &m, used);

	if (e == HG_OK && !h1_parser_agrees(p, *used, &m))
		fail_msg("http-parser disagrees: %s", p);
	mem_free(p);
	return e;
}

static void
request_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(requests); i++) {
		uint32_t used = 0;
		enum hg_err e = whole(requests[i].raw, &used);

		if (e != requests[i].e)
			fail_msg("%s instead of %s for: %.*s", err_name(e), err_name(requests[i].e),
			    BYTES_ARG(requests[i].raw));
		if (e == HG_OK)
			assert_int_equal(used, requests[i].raw.n);
	}
}

/* Each prefix is either not enough, or has the verdict of the whole already. */
static void
byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(requests); i++) {
		struct bytes raw = requests[i].raw;
		uint32_t scan = 0, used = 0;
		enum hg_err e = HG_ERR_AGAIN;

		for (uint32_t n = 1; n <= raw.n && e == HG_ERR_AGAIN; n++) {
			char *p = mem_alloc(n); /* moves every time */

			memcpy(p, raw.p, n);
			e = h1_guard_request(p, n, &limits, &scan, &m, &used);
			mem_free(p);
		}
		if (e != requests[i].e)
			fail_msg("%s instead of %s for: %.*s", err_name(e), err_name(requests[i].e),
			    BYTES_ARG(raw));
	}
}

static void
response_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(responses); i++) {
		struct bytes raw = responses[i].raw;
		uint32_t scan = 0, used = 0;
		enum hg_err e = HG_ERR_AGAIN;
		char *p = mem_dup(raw);

		for (uint32_t n = 1; n <= raw.n && e == HG_ERR_AGAIN; n++)
			e = h1_guard_response(p, n, &limits, &scan, false, &m, &used);
		if (e != responses[i].e)
			fail_msg("%s for: %.*s", err_name(e), BYTES_ARG(raw));
		if (e == HG_OK) {
			assert_int_equal(used, raw.n);
			assert_int_equal(m.framing, responses[i].framing);
			assert_int_equal(m.length, responses[i].length);
			assert_int_equal(m.head, responses[i].head);
			assert_int_equal(m.keep_alive, responses[i].keep);
			assert_true(h1_parser_agrees(p, used, &m));
		}
		mem_free(p);
	}
}

static void
what_a_head_says(void **state)
{
	uint32_t used, scan = 0;
	struct bytes raw = BYTES(
	    "GET /p/q?a=b HTTP/1.1\r\nhost: EXAMPLE.test:8080\r\n"
	    "X-A:  v w \t\r\nConnection: Upgrade, te\r\n"
	    "Upgrade: websocket\r\nTE: trailers\r\nX-a: second\r\n\r\nrest");

	(void)state;
	assert_int_equal(
	    h1_guard_request(raw.p, (uint32_t)raw.n, &limits, &scan, &m, &used), HG_OK);
	assert_int_equal(used, raw.n - 4);
	assert_bytes(m.method, "GET");
	assert_bytes(m.path, "/p/q");
	assert_bytes(m.query, "a=b");
	assert_bytes(m.authority, "EXAMPLE.test:8080");
	assert_bytes(bytes_of(m.host.name, m.host.len), "example.test");
	assert_int_equal(m.host.port, 8080);
	assert_true(m.upgrade && m.te_trailers && m.keep_alive);
	assert_bytes(fields_find(&m.fields, BYTES("x-a"))->value, "v w");
	assert_int_equal(m.framing, MSG_NONE);
	/* an upgrade is a GET without body */
	raw = BYTES("POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	assert_int_equal(
	    h1_guard_request(raw.p, (uint32_t)raw.n, &limits, &scan, &m, &used), HG_OK);
	assert_false(m.upgrade);
	raw = BYTES("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n");
	assert_int_equal(
	    h1_guard_request(raw.p, (uint32_t)raw.n, &limits, &scan, &m, &used), HG_OK);
	assert_false(m.keep_alive);
	raw = BYTES("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
	assert_int_equal(
	    h1_guard_response(raw.p, (uint32_t)raw.n, &limits, &scan, true, &m, &used), HG_OK);
	assert_true(m.head);
	assert_int_equal(m.length, 7);
}

/* A head of `n` bytes in one line, or in `lines` of them: exactly the limit passes, one more does
 * not. */
static void
limits_hold(void **state)
{
	static char big[70000];
	struct h1_limits l = TEST_LIMITS;
	uint32_t used, scan = 0;
	int n;

	(void)state;
	l.request_line = 40;
	n = snprintf(big, sizeof(big), "GET /%024d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
	assert_int_equal(h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_OK);
	n = snprintf(big, sizeof(big), "GET /%025d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
	assert_int_equal(
	    h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_ERR_URI_TOO_LONG);
	l.field = 20;
	n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: h\r\nX: %015d\r\n\r\n", 0);
	assert_int_equal(h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_OK);
	n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: h\r\nX: %016d\r\n\r\n", 0);
	assert_int_equal(
	    h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_ERR_HEADER_TOO_LARGE);
	l.fields = 3;
	n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: b\r\n\r\n");
	assert_int_equal(h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_OK);
	l.header = (uint32_t)n;
	assert_int_equal(h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_OK);
	l.header--;
	assert_int_equal(
	    h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_ERR_HEADER_TOO_LARGE);
	n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: b\r\nA: b\r\n\r\n");
	l.header = 32768;
	assert_int_equal(
	    h1_guard_request(big, (uint32_t)n, &l, &scan, &m, &used), HG_ERR_HEADER_TOO_LARGE);
	/* endless things end */
	memset(big, 'a', sizeof(big));
	assert_int_equal(
	    h1_guard_request(big, sizeof(big), &limits, &scan, &m, &used), HG_ERR_URI_TOO_LONG);
	memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
	assert_int_equal(
	    h1_guard_request(big, sizeof(big), &limits, &scan, &m, &used), HG_ERR_HEADER_TOO_LARGE);
	scan = 0;
	for (uint32_t k = 1; k <= sizeof(big); k += 1000) {
		enum hg_err e = h1_guard_request(big, k, &limits, &scan, &m, &used);

		if (k > limits.header)
			assert_int_equal(e, HG_ERR_HEADER_TOO_LARGE);
	}
	memcpy(big, "HTTP/1.1 200 ", 13);
	scan = 0;
	assert_int_equal(h1_guard_response(big, sizeof(big), &limits, &scan, false, &m, &used),
	    HG_ERR_BACKEND_BAD);
}

/* Whatever two bytes are put into a valid head: no crash, and no disagreement with http-parser. */
static void
mutations(void **state)
{
	static const char seed[] =
	    POST("Content-Length: 3\r\nX-Y: abc\r\nConnection: close, x\r\n");
	static const char interesting[] = "\r\n\t :/\0\x7f\xff" "aZ09,;\"#?%@[";
	char buf[sizeof(seed)];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(seed); i++)
		for (size_t a = 0; a < sizeof(interesting); a++)
			for (size_t b = 0; b < sizeof(interesting); b++) {
				uint32_t used;

				memcpy(buf, seed, sizeof(seed));
				buf[i] = interesting[a];
				buf[i + 1] = interesting[b];
				whole(bytes_of(buf, sizeof(seed) - 1), &used);
			}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_rules),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(response_rules),
	    cmocka_unit_test(what_a_head_says),
	    cmocka_unit_test(limits_hold),
	    cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
