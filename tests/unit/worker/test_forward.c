/*
 * Heads on their way through: what goes, what comes, what is replaced.
 */
#include "tests/unit/worker/fake.h"

#include "http/fields.h"
#include "worker/filter.h"
#include "worker/forward.h"

static struct arena arena;
static struct msg in, out, again;
static struct forward_env env;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 1024, 0);
	msg_init(&in, true);
	in.method = BYTES("GET");
	in.authority = BYTES("gw.test:8080");
	env = (struct forward_env){.arena = &arena,
	    .client_ip = BYTES("10.0.0.9"),
	    .port = BYTES("8080"),
	    .via = BYTES("1.1 headgate"),
	    .date = BYTES("Tue, 24 Nov 2026 08:02:30 GMT"),
	    .random = {1, 2}};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void
test_request(void **state)
{
	static const char *const dropped[] = {"Connection", "Keep-Alive", "Proxy-Connection", "TE",
	    "Upgrade", "HTTP2-Settings", "Transfer-Encoding", "Content-Length", "Host", "Forwarded",
	    "X-Real-IP", "X-Hop", "X_Forwarded_For", "x_forwarded-Proto", "Content_Length",
	    "transfer_encoding", "X_REQUEST_ID", "x_real-ip"};
	static const char *const kept[] = {"Accept", "Cookie", "X-Own_Name", "X_Forwarded_Fort",
	    "Trailer", "Expect", "Proxy-Authenticate2", "Date"};

	(void)state;
	fake_field(&in, "Connection", "close, X-Hop");
	for (size_t i = 1; i < HG_ARRAY_LEN(dropped); i++)
		fake_field(&in, dropped[i], "evil");
	for (size_t i = 0; i < HG_ARRAY_LEN(kept); i++)
		fake_field(&in, kept[i], "v");
	fake_field(&in, "X-Forwarded-For", "6.6.6.6");
	fake_field(&in, "x-forwarded-proto", "https");
	fake_field(&in, "X-FORWARDED-HOST", "evil");
	fake_field(&in, "X-Forwarded-Port", "1");
	fake_field(&in, "Via", "1.0 first");
	fields_hop_by_hop(&in.fields);
	assert_int_equal(forward_request(&env, &in, &out), HG_OK);
	for (size_t i = 0; i < HG_ARRAY_LEN(dropped); i++)
		assert_values(&out, dropped[i], NULL);
	for (size_t i = 0; i < HG_ARRAY_LEN(kept); i++)
		assert_values(&out, kept[i], "v");
	assert_values(&out, "x-forwarded-for", "10.0.0.9");
	assert_values(&out, "x-forwarded-proto", "http");
	assert_values(&out, "x-forwarded-host", "gw.test:8080");
	assert_values(&out, "x-forwarded-port", "8080");
	assert_values(&out, "via", "1.0 first|1.1 headgate");
	assert_bytes(out.authority, "gw.test:8080");
	assert_null(out.buf); /* the copy owns nothing */

	/* A mirror's copy leaves out what filters took away. */
	fields_remove(&out.fields, BYTES("cookie"));
	assert_int_equal(forward_copy(&arena, &out, &again), HG_OK);
	assert_values(&again, "cookie", NULL);
	assert_values(&again, "accept", "v");
	assert_int_equal(again.fields.n, out.fields.n - 1);
}

#define ID50 "01234567890123456789012345678901234567890123456789"

static void
test_request_id(void **state)
{
	static const struct {
		const char *sent, *second;
		bool kept;
	} rows[] = {
	    {"abc-123_X.y", NULL, true},
	    {NULL, NULL, false},
	    {"", NULL, false},
	    {"with space", NULL, false},
	    {"semi;colon", NULL, false},
	    {"quote\"", NULL, false},
	    {"one", "two", false},
	    {ID50 ID50
	     "0123456789012345678901234567",
		NULL, true},
	    {ID50 ID50
	     "01234567890123456789012345678",
		NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		const char *got;

		msg_init(&in, true);
		if (rows[i].sent)
			fake_field(&in, "X-Request-Id", rows[i].sent);
		if (rows[i].second)
			fake_field(&in, "X-Request-Id", rows[i].second);
		env.random[0] = 0x0123456789abcdefull + i;
		env.random[1] = 0xfedcba9876543210ull;
		env.request_id = BYTES_NONE;
		if (i & 1) /* asked for before the head is made */
			assert_int_equal(forward_id(&env, &in), HG_OK);
		assert_int_equal(forward_request(&env, &in, &out), HG_OK);
		got = fake_values(&out, "x-request-id");
		assert_bytes(env.request_id, got);
		if (rows[i].kept) {
			assert_string_equal(got, rows[i].sent);
			continue;
		}
		assert_int_equal(strlen(got), 36);
		assert_true(got[8] == '-' && got[13] == '-' && got[14] == '4' && got[18] == '-' &&
		    got[23] == '-');
		assert_true(strchr("89ab", got[19]) != NULL);
	}
}

static void
test_response(void **state)
{
	(void)state;
	msg_init(&in, false);
	in.status = 200;
	fake_field(&in, "Connection", "x-hop");
	fake_field(&in, "X-Hop", "1");
	fake_field(&in, "Keep-Alive", "timeout=5");
	fake_field(&in, "Content-Length", "5");
	fake_field(&in, "Server", "origin");
	fake_field(&in, "Set-Cookie", "a");
	fake_field(&in, "Set-Cookie", "b");
	fields_hop_by_hop(&in.fields);
	assert_int_equal(forward_response(&env, &in, &out), HG_OK);
	assert_values(&out, "x-hop", NULL);
	assert_values(&out, "keep-alive", NULL);
	assert_values(&out, "content-length", NULL);
	assert_values(&out, "server", "origin");
	assert_values(&out, "set-cookie", "a|b");
	assert_values(&out, "via", "1.1 headgate");
	assert_values(&out, "date", "Tue, 24 Nov 2026 08:02:30 GMT");
	fake_field(&in, "Date", "yesterday");
	assert_int_equal(forward_response(&env, &in, &out), HG_OK);
	assert_values(&out, "date", "yesterday");
	assert_int_equal(forward_info(&arena, &in, &out), HG_OK);
	assert_values(&out, "via", NULL);
}

/* Without a table the same lines go out as with one. */
static void
test_lean(void **state)
{
	static struct msg lean;
	struct msg_lines l = {.m = &lean};
	struct field f;
	unsigned n = 0;

	(void)state;
	fake_field(&in, "Connection", "X-Hop");
	fake_field(&in, "X-Hop", "1");
	fake_field(&in, "Accept", "a");
	fake_field(&in, "X_Forwarded_For", "6.6.6.6");
	fake_field(&in, "X-Forwarded-Proto", "https");
	fake_field(&in, "Expect", "100-continue");
	fake_field(&in, "X-Other", "v");
	fields_hop_by_hop(&in.fields);
	assert_int_equal(forward_request(&env, &in, &out), HG_OK);
	forward_drop(&out, FIELD_EXPECT);
	assert_int_equal(forward_request_lean(&env, &in, &lean), HG_OK);
	forward_drop(&lean, FIELD_EXPECT);
	while (msg_lines_next(&l, &f)) {
		const struct field *g = fields_find(&out.fields, f.name);

		assert_non_null(g);
		assert_true(bytes_eq(f.value, g->value) && f.id == g->id);
		n++;
	}
	assert_int_equal(n, 8);
	assert_int_equal(out.fields.n, 9);
	/* Who wants to edit gets the table, without what was dropped before. */
	assert_int_equal(forward_own(&env, &in, &lean), HG_OK);
	assert_null(lean.base);
	assert_int_equal(lean.fields.n, 8);
	assert_values(&lean, "expect", NULL);
	assert_values(&lean, "via", "1.1 headgate");
	assert_int_equal(forward_copy(&arena, &lean, &again), HG_OK);
	assert_int_equal(again.fields.n, 8);
}

static void
test_max_forwards(void **state)
{
	static const struct {
		const char *value, *left;
		bool here;
	} rows[] = {{"0", "0", true}, {"1", "0", false}, {"10", "9", false}, {"x", "x", false},
	    {"-1", "-1", false}, {NULL, NULL, false}};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		msg_init(&in, true);
		if (rows[i].value)
			fake_field(&in, "Max-Forwards", rows[i].value);
		assert_int_equal(forward_max(&arena, &in), rows[i].here);
		assert_values(&in, "max-forwards", rows[i].left);
	}
}

static void
test_trailers(void **state)
{
	(void)state;
	msg_init(&in, true);
	fake_field(&in, "X-Sum", "1");
	fake_field(&in, "Authorization", "x");
	fake_field(&in, "Host", "x");
	fake_field(&in, "X-Forwarded-For", "x");
	fake_field(&in, "grpc-status", "0");
	forward_trailers(&in.fields);
	assert_values(&in, "x-sum", "1");
	assert_values(&in, "grpc-status", "0");
	assert_values(&in, "authorization", NULL);
	assert_values(&in, "host", NULL);
	assert_values(&in, "x-forwarded-for", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_request), T(test_request_id), T(test_response), T(test_lean),
	    T(test_max_forwards), T(test_trailers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
