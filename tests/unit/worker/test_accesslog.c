/*
 * Access lines: every one valid JSON on one line, whatever the request was made of.
 */
#include "tests/unit/worker/fake.h"

#include <jansson.h>

#include "base/mem.h"
#include "worker/accesslog.h"

static struct access
sample(void)
{
	return (struct access){.real_ns = 1764057750123456789ull,
	    .second = BYTES("2025-11-25T08:02:30Z"),
	    .gen = 4,
	    .conn = 77,
	    .gateway_ns = BYTES("infra"),
	    .gateway = BYTES("gw"),
	    .listener = BYTES("http"),
	    .route_ns = BYTES("shop"),
	    .route = BYTES("web"),
	    .rule = 2,
	    .has_route = true,
	    .request_id = BYTES("id-1"),
	    .client_ip = BYTES("10.1.2.3"),
	    .client_port = 4711,
	    .minor = 1,
	    .method = BYTES("GET"),
	    .scheme = BYTES("http"),
	    .host = BYTES("example.com"),
	    .path = BYTES("/a/b"),
	    .query = BYTES("x=1&y=2"),
	    .target = BYTES("/a/b?x=1&y=2"),
	    .user_agent = BYTES("curl/7"),
	    .referer = BYTES_NONE,
	    .req_bytes = 5,
	    .resp_bytes = 1234567,
	    .status = 200,
	    .upstream_status = 200,
	    .t_total = 1500000000,
	    .t_connect = 1000,
	    .t_first_byte = 20000000,
	    .t_upstream = 0,
	    .backend = BYTES("shop/web:80"),
	    .endpoint = BYTES("10.0.0.1:80"),
	    .attempts = 1,
	    .reused = true,
	    .reason = "ok"};
}

static json_t *
parse(const struct access *a)
{
	static char out[ACCESS_LINE];
	size_t n = accesslog_json(a, out, sizeof(out));
	json_error_t e;
	json_t *j;

	assert_true(n <= sizeof(out));
	assert_int_equal(out[n - 1], '\n');
	assert_null(memchr(out, '\n', n - 1));
	j = json_loadb(out, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (j == NULL)
		fail_msg("%s in %.*s", e.text, (int)n, out);
	return j;
}

static const char *
text(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void
test_json(void **state)
{
	struct access a = sample();
	json_t *j = parse(&a);

	(void)state;
	assert_string_equal(text(j, "ts"), "2025-11-25T08:02:30.123456Z");
	assert_int_equal(json_integer_value(json_object_get(j, "v")), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "gen")), 4);
	assert_string_equal(text(j, "gateway"), "infra/gw");
	assert_string_equal(text(j, "route"), "shop/web");
	assert_int_equal(json_integer_value(json_object_get(j, "rule")), 2);
	assert_string_equal(text(j, "query"), "x=1&y=2");
	assert_int_equal(json_integer_value(json_object_get(j, "resp_bytes")), 1234567);
	assert_true(json_real_value(json_object_get(j, "t_total")) == 1.5);
	assert_true(json_real_value(json_object_get(j, "t_first_byte")) == 0.02);
	assert_null(json_object_get(j, "t_upstream")); /* did not happen */
	assert_null(json_object_get(j, "referer"));
	assert_null(json_object_get(j, "error"));
	assert_true(json_is_true(json_object_get(j, "reused")));
	assert_string_equal(text(j, "reason"), "ok");
	json_decref(j);
}

/* The longest of everything, made of bytes that grow when they are escaped: still one valid line.
 */
static void
test_worst(void **state)
{
	static char nasty[20000];
	struct access a = sample();
	struct bytes b = bytes_of(nasty, sizeof(nasty));
	json_t *j;

	(void)state;
	for (size_t i = 0; i < sizeof(nasty); i++)
		nasty[i] = (char)(i * 37 + i / 256);
	a.gateway_ns = a.gateway = a.listener = a.route_ns = a.route = a.request_id = a.client_ip =
	    a.method = a.host = a.path = a.query = a.user_agent = a.referer = a.backend =
		a.endpoint = a.target = b;
	a.real_ns = a.gen = a.conn = a.req_bytes = a.resp_bytes = a.t_total = a.t_connect =
	    a.t_first_byte = a.t_upstream = UINT64_MAX / 2;
	a.status = a.upstream_status = a.rule = a.client_port = UINT16_MAX;
	a.error = "something of some length that is at most this long, as texts of errors are";
	a.reason = "config_invalid_rule";
	j = parse(&a);
	assert_string_equal(text(j, "reason"), "config_invalid_rule");
	json_decref(j);
	memset(nasty, 0x01, sizeof(nasty)); /* six bytes each */
	j = parse(&a);
	assert_string_equal(text(j, "reason"), "config_invalid_rule");
	json_decref(j);
	{
		char out[ACCESS_LINE];
		size_t n = accesslog_combined(&a, out, sizeof(out));

		assert_true(n <= sizeof(out));
		assert_memory_equal(out + n - 2, "\"\n", 2);
	}
}

static void
test_combined(void **state)
{
	struct access a = sample();
	char out[ACCESS_LINE];
	size_t n;

	(void)state;
	n = accesslog_combined(&a, out, sizeof(out));
	assert_bytes(bytes_of(out, n),
	    "10.1.2.3 - - [25/Nov/2025:08:02:30 +0000] \"GET /a/b?x=1&y=2 HTTP/1.1\" 200 1234567 "
	    "\"-\" \"curl/7\"\n");
	a.user_agent = BYTES("a\"b\\c\n");
	n = accesslog_combined(&a, out, sizeof(out));
	assert_bytes(bytes_of(out + n - 18, 18), "\"a\\x22b\\x5cc\\x0a\"\n");
}

/* A request that had no head to speak of. */
static void
test_empty(void **state)
{
	struct access a = {.real_ns = 1,
	    .second = BYTES("1970-01-01T00:00:00Z"),
	    .status = 400,
	    .reason = "bad_request"};
	char out[ACCESS_LINE];
	json_t *j = parse(&a);
	size_t n;

	(void)state;
	assert_null(json_object_get(j, "route"));
	assert_null(json_object_get(j, "method"));
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 400);
	json_decref(j);
	n = accesslog_combined(&a, out, sizeof(out));
	assert_bytes(bytes_of(out, n),
	    "- - - [01/Jan/1970:00:00:00 +0000] \"- - HTTP/1.0\" 400 0 \"-\" \"-\"\n");
}

static void
test_l4(void **state)
{
	static char out[ACCESS_LINE], nasty[4000];
	struct access_l4 a = {.real_ns = 1764057750123456789ull,
	    .second = BYTES("2025-11-25T08:02:30Z"),
	    .gen = 4,
	    .conn = 9,
	    .gateway_ns = BYTES("infra"),
	    .gateway = BYTES("gw"),
	    .listener = BYTES("tls"),
	    .route_ns = BYTES("shop"),
	    .route = BYTES("db"),
	    .has_route = true,
	    .protocol = "tls",
	    .client_ip = BYTES("10.1.2.3"),
	    .client_port = 4711,
	    .sni = BYTES("a.test"),
	    .in = 5,
	    .out = 1234567890123,
	    .t_total = 1500000000,
	    .t_connect = 1000,
	    .backend = BYTES("shop/db:5432"),
	    .endpoint = BYTES("10.0.0.1:5432"),
	    .attempts = 2,
	    .first = "client",
	    .reason = "ok"};
	json_error_t e;
	json_t *j;

	(void)state;
	for (int round = 0; round < 2; round++) {
		j = json_loadb(out, accesslog_l4_json(&a, out, sizeof(out)), 0, &e);
		if (j == NULL)
			fail_msg("%s in %s", e.text, out);
		assert_int_equal(
		    json_integer_value(json_object_get(j, "bytes_out")), 1234567890123);
		assert_string_equal(json_string_value(json_object_get(j, "closed_by")), "client");
		assert_string_equal(json_string_value(json_object_get(j, "reason")), "ok");
		assert_null(json_object_get(j, "packets_in"));
		json_decref(j);
		memset(nasty, '"', sizeof(nasty));
		a.sni = a.listener = a.route = a.gateway = a.backend = a.endpoint =
		    bytes_of(nasty, sizeof(nasty));
	}
}

static void
test_ring(void **state)
{
	struct slot_ring *ring = mem_zalloc(sizeof(*ring));
	struct access a = sample();
	enum slot_ringkind kind;
	struct bytes line;
	unsigned put = 0, got = 0;

	(void)state;
	assert_true(accesslog_write(&a, IM_LOG_OFF, ring));
	assert_int_equal(ring_get(ring, &kind, &line), 0);
	while (accesslog_write(&a, put & 1 ? IM_LOG_JSON : IM_LOG_COMBINED, ring))
		put++;
	assert_true(put > 1000); /* full: said, never waited for */
	while (ring_get(ring, &kind, &line) == 1) {
		assert_int_equal(kind, SLOT_RING_ACCESS);
		assert_int_equal(line.p[line.n - 1], '\n');
		ring_done(ring, line);
		got++;
	}
	assert_int_equal(got, put);
	mem_free(ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_json),
	    cmocka_unit_test(test_worst), cmocka_unit_test(test_combined),
	    cmocka_unit_test(test_empty), cmocka_unit_test(test_l4),
	    cmocka_unit_test(test_ring)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
