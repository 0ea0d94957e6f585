/* The tables of reference/gateway-api.md 5.9, as data. */
#include "tests/unit/worker/fake.h"

#include "worker/filter.h"

static struct arena arena;
static struct image im;
static struct msg head, req, answer, resp;
static struct filter_ctx ctx;

static int
setup(void **state)
{
	(void)state;
	fake_ntext = 0;
	arena_init(&arena, 1024, 0);
	im = fake_image();
	msg_init(&head, true);
	msg_init(&req, true);
	msg_init(&answer, false);
	msg_init(&resp, false);
	head.method = req.method = BYTES("GET");
	ctx = (struct filter_ctx){.im = &im,
	    .arena = &arena,
	    .head = &head,
	    .req = &req,
	    .answer = &answer,
	    .host = BYTES("example.com"),
	    .listener_port = 80};
	req.authority = BYTES("example.com");
	req.path = BYTES("/foo/bar");
	req.query = BYTES_NONE;
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
test_prefix(void **state)
{
	static const struct {
		uint8_t op;
		const char *path, *prefix, *with, *want;
	} rows[] = {
		{IM_PATH_PREFIX, "/foo/bar", "/foo", "/xyz", "/xyz/bar"},
		{IM_PATH_PREFIX, "/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
		{IM_PATH_PREFIX, "/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
		{IM_PATH_PREFIX, "/foo", "/foo", "/xyz", "/xyz"},
		{IM_PATH_PREFIX, "/foo/", "/foo", "/xyz", "/xyz/"},
		{IM_PATH_PREFIX, "/foo/bar", "/foo", "", "/bar"},
		{IM_PATH_PREFIX, "/foo/bar", "/foo", "/", "/bar"},
		{IM_PATH_PREFIX, "/foo/", "/foo", "", "/"},
		{IM_PATH_PREFIX, "/foo", "/foo", "", "/"},
		{IM_PATH_PREFIX, "/foo/", "/foo", "/", "/"},
		{IM_PATH_PREFIX, "/foo", "/foo", "/", "/"},
		{IM_PATH_PREFIX, "/foo/bar", "/", "/xyz", "/xyz/foo/bar"},
		{IM_PATH_PREFIX, "/foo//bar", "/foo", "/a/b", "/a/b//bar"},
		{IM_PATH_FULL, "/foo/bar", NULL, "/one", "/one"},
		{IM_PATH_FULL, "/foo/bar", NULL, "/one/", "/one/"},
		{IM_PATH_FULL, "/foo/bar", NULL, "", "/"},
		{IM_PATH_FULL, "/foo/bar", NULL, "one", "/one"},
		{IM_PATH_KEEP, "/foo/bar", NULL, NULL, "/foo/bar"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		assert_bytes(rewrite_path(&arena, rows[i].op, bytes_str(rows[i].path),
				 bytes_str(rows[i].prefix), bytes_str(rows[i].with)),
		    rows[i].want);
}

static void
test_redirect(void **state)
{
	static const struct {
		uint16_t listener;
		bool tls;
		const char *host;
		uint8_t scheme;
		uint16_t port, status;
		const char *want;
	} rows[] = {
		{8080, false, "example.org", 0, 0, 0, "http://example.org:8080/foo/bar?q=1"},
		{443, true, "example.org", 1, 0, 301, "http://example.org/foo/bar?q=1"},
		{80, false, NULL, 0, 8080, 302, "http://example.com:8080/foo/bar?q=1"},
		{80, false, NULL, 2, 0, 301, "https://example.com/foo/bar?q=1"},
		{80, false, NULL, 2, 8443, 301, "https://example.com:8443/foo/bar?q=1"},
		{80, false, NULL, 0, 80, 302, "http://example.com/foo/bar?q=1"},
		{443, true, NULL, 0, 0, 303, "https://example.com/foo/bar?q=1"},
		{443, true, NULL, 0, 443, 307, "https://example.com/foo/bar?q=1"},
		{8443, true, NULL, 0, 0, 308, "https://example.com:8443/foo/bar?q=1"},
		{443, false, NULL, 0, 0, 302, "http://example.com:443/foo/bar?q=1"},
		{80, false, NULL, 2, 80, 302, "https://example.com:80/foo/bar?q=1"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct im_redirect r = {.host = fake_str(rows[i].host),
		    .path = fake_str(NULL),
		    .prefix = fake_str(NULL),
		    .status = rows[i].status,
		    .port = rows[i].port,
		    .scheme = rows[i].scheme};
		struct im_filter f = {.type = IM_F_REDIRECT, .arg = {0, 1}};

		im.redirects = &r;
		msg_init(&answer, false);
		req.query = BYTES("q=1");
		ctx.listener_port = rows[i].listener;
		ctx.tls = rows[i].tls;
		assert_int_equal(redirect_request(&ctx, &f), FILTER_ANSWER);
		assert_int_equal(answer.status, rows[i].status ? rows[i].status : 302);
		assert_values(&answer, "location", rows[i].want);
	}
}

static void
test_rewrite(void **state)
{
	struct im_rewrite r = {.host = fake_str("one.example"),
	    .path = fake_str("/xyz"),
	    .prefix = fake_str("/foo"),
	    .pathop = IM_PATH_PREFIX};
	struct im_filter f = {.type = IM_F_REWRITE, .arg = {0, 1}};

	(void)state;
	im.rewrites = &r;
	req.query = BYTES("a=b");
	assert_int_equal(rewrite_request(&ctx, &f), FILTER_NEXT);
	assert_bytes(req.path, "/xyz/bar");
	assert_bytes(req.query, "a=b");
	assert_bytes(req.authority, "one.example");
	r.host = fake_str(NULL);
	r.pathop = IM_PATH_KEEP;
	req.authority = BYTES("Example.com:8080");
	assert_int_equal(rewrite_request(&ctx, &f), FILTER_NEXT);
	assert_bytes(req.authority, "Example.com:8080"); /* unmodified, port included */
}

static struct im_edit
edit(uint8_t op, const char *name, const char *value)
{
	return (struct im_edit){.name = fake_str(name), .value = fake_str(value), .op = op,
	    .field = (uint8_t)field_id(bytes_str(name))};
}

static void
test_headers(void **state)
{
	struct im_edit edits[] = {edit(IM_SET, "x-set", "new"), edit(IM_SET, "X-Fresh", "made"),
	    edit(IM_ADD, "x-add", "more"), edit(IM_ADD, "X-First", "one"),
	    edit(IM_REMOVE, "x-gone", NULL), edit(IM_SET, "host", "evil"),
	    edit(IM_REMOVE, "content-length", NULL), edit(IM_SET, "user-agent", "us")};
	struct im_filter f[] = {{.type = IM_F_REQUEST_HEADERS, .arg = {0, 8}},
	    {.type = IM_F_RESPONSE_HEADERS, .arg = {0, 8}}};
	struct msg *both[] = {&req, &resp};

	(void)state;
	im.edits = edits;
	im.filters = f;
	for (int i = 0; i < 2; i++) {
		fake_field(both[i], "X-Set", "a");
		fake_field(both[i], "X-SET", "b");
		fake_field(both[i], "X-Add", "old");
		fake_field(both[i], "x-gone", "1");
		fake_field(both[i], "X-Gone", "2");
		fake_field(both[i], "Content-Length", "5");
		fake_field(both[i], "User-Agent", "them");
	}
	assert_int_equal(filter_requests(&ctx, (struct im_range){0, 1}), FILTER_NEXT);
	filter_responses(&ctx, (struct im_range){1, 1}, &resp);
	for (int i = 0; i < 2; i++) {
		assert_values(both[i], "x-set", "new");
		assert_values(both[i], "x-fresh", "made");
		assert_values(both[i], "x-add", "old|more");
		assert_values(both[i], "x-first", "one");
		assert_values(both[i], "x-gone", NULL);
		assert_values(both[i], "host", NULL);
		assert_values(both[i], "content-length", "5");
		assert_values(both[i], "user-agent", "us");
	}
}

/* The copy that is made when a generation goes does what the lists did: backwards, the backend's
 * first. */
static void
test_kept(void **state)
{
	struct im_edit edits[] = {edit(IM_ADD, "x-order", "rule1"),
	    edit(IM_ADD, "x-order", "rule2"), edit(IM_ADD, "x-order", "backend")};
	struct im_filter f[] = {{.type = IM_F_RESPONSE_HEADERS, .arg = {0, 1}},
	    {.type = IM_F_RESPONSE_HEADERS, .arg = {1, 1}},
	    {.type = IM_F_RESPONSE_HEADERS, .arg = {2, 1}}};
	struct im_range ranges[] = {{2, 1}, {0, 2}};
	struct filter_edit *kept;
	uint32_t n;

	(void)state;
	im.edits = edits;
	im.filters = f;
	kept = headers_keep(&ctx, ranges, 2, &n);
	assert_int_equal(n, 3);
	headers_apply(&arena, &req.fields, kept, n);
	filter_responses(&ctx, ranges[0], &resp);
	filter_responses(&ctx, ranges[1], &resp);
	assert_values(&resp, "x-order", "backend|rule2|rule1");
	assert_values(&req, "x-order", "backend|rule2|rule1");
}

/* More lines than a head has room for go on in the arena. */
static void
test_room(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		assert_true(filter_room(&arena, &req.fields, 1));
		assert_true(fields_add(&req.fields, BYTES("x"), BYTES("y"), FIELD_OTHER));
	}
	assert_int_equal(req.fields.n, 300);
}

static void
test_order(void **state)
{
	struct im_edit edits[] = {edit(IM_SET, "x", "1")};
	struct im_redirect red = {
	    .host = fake_str("r"), .path = fake_str(NULL), .prefix = fake_str(NULL)};
	struct im_mirror mir = {.cluster = 0, .num = 1, .den = 1};
	struct im_str star = fake_str("*");
	struct im_cors cors = {.origins = {0, 1},
	    .methods = fake_str("*"),
	    .headers = fake_str(NULL),
	    .expose = fake_str(NULL)};
	struct im_filter f[] = {{.type = IM_F_MIRROR, .arg = {0, 1}},
	    {.type = IM_F_REQUEST_HEADERS, .arg = {0, 1}}, {.type = IM_F_REDIRECT, .arg = {0, 1}},
	    {.type = IM_F_CORS, .arg = {0, 1}}, {.type = 77}};

	(void)state;
	im.edits = edits;
	im.redirects = &red;
	im.mirrors = &mir;
	im.strings = &star;
	im.cors = &cors;
	im.filters = f;
	head.method = BYTES("OPTIONS");
	fake_field(&head, "Origin", "http://a");
	fake_field(&head, "Access-Control-Request-Method", "PUT");
	assert_int_equal(filter_cors(&ctx, (struct im_range){0, 4}), FILTER_ANSWER);
	assert_int_equal(ctx.mirrors.n, 0); /* a preflight meets no redirect and no mirror */
	head.method = BYTES("GET");
	assert_int_equal(filter_cors(&ctx, (struct im_range){0, 4}), FILTER_NEXT);
	assert_int_equal(filter_requests(&ctx, (struct im_range){0, 4}), FILTER_ANSWER);
	assert_int_equal(answer.status, 302);
	assert_int_equal(ctx.mirrors.n, 1);
	assert_int_equal(
	    filter_requests(&ctx, (struct im_range){4, 1}), FILTER_FAIL); /* never skipped */
	assert_int_equal(ctx.err, HG_ERR_BAD_RULE);
}

static void
test_origins(void **state)
{
	static const struct {
		const char *pattern, *origin;
		bool want;
	} rows[] = {
		{"*", "https://a.com:9999", true},
		{"*", "null", true},
		{"https://foo.com", "https://foo.com", true},
		{"https://foo.com", "https://foo.com:443", true},
		{"https://foo.com:443", "https://foo.com", true},
		{"http://foo.com:80", "http://foo.com", true},
		{"https://foo.com", "http://foo.com", false},
		{"https://foo.com", "https://foo.com:8443", false},
		{"https://foo.com:8443", "https://foo.com:8443", true},
		{"https://*.bar.com", "https://a.bar.com", true},
		{"https://*.bar.com", "https://a.b.bar.com", true},
		{"https://*.bar.com", "https://bar.com", false},
		{"https://*.bar.com", "https://.bar.com", false},
		{"https://*.bar.com", "https://abar.com", false},
		{"https://*.bar.com", "https://a.bar.com:444", false},
		{"https://*.bar.com", "https://a.bar.com.evil", false},
		{"https://*", "https://anything.example", true},
		{"https://*", "http://anything.example", false},
		{"https://foo.com", "null", false},
		{"https://foo.com", "foo.com", false},
		{"http://[::1]:8080", "http://[::1]:8080", true},
		{"http://[::1]", "http://[::1]:80", true},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		if (cors_origin_match(bytes_str(rows[i].pattern), bytes_str(rows[i].origin)) !=
		    rows[i].want)
			fail_msg("%s %s", rows[i].pattern, rows[i].origin);
}

/* long: mostly its table */
static void
test_cors(void **state)
{
	static const struct {
		const char *why, *list, *methods, *headers, *expose;
		bool credentials;
		const char *method, *origin, *acrm, *acrh;
		const char *want[6]; /* origin, credentials, methods, headers, expose, max age */
	} rows[] = {
	    {"preflight", "https://a.com", "GET, PUT", "x-a, x-b", "x-e", true, "OPTIONS",
		"https://a.com", "PUT", "x-a",
		{"https://a.com", "true", "GET, PUT", "x-a, x-b", "x-e", "5"}},
	    {"case of the origin is kept", "https://a.com", "GET", NULL, NULL, false, "OPTIONS",
		"https://A.com", "GET", NULL, {"https://A.com", NULL, "GET", NULL, NULL, "5"}},
	    {"preflight, not allowed", "https://a.com", "GET", "x-a", "x-e", true, "OPTIONS",
		"https://b.com", "PUT", "x-a", {NULL, NULL, NULL, NULL, NULL, NULL}},
	    {"any, no credentials", "*", "*", "*", "*", false, "OPTIONS", "https://b.com", "PUT",
		"x-q", {"*", NULL, "*", "*", "*", "5"}},
	    {"any with credentials names what was asked", "*", "*", "*", "*", true, "OPTIONS",
		"https://b.com", "PUT", "x-q", {"https://b.com", "true", "PUT", "x-q", NULL, "5"}},
	    {"any headers, none asked", "*", "*", "*", NULL, false, "OPTIONS", "https://b.com",
		"PUT", NULL, {"*", NULL, "*", NULL, NULL, "5"}},
	    {"no methods given", "*", NULL, NULL, NULL, false, "OPTIONS", "https://b.com", "PUT",
		NULL, {"*", NULL, "GET, HEAD, POST", NULL, NULL, "5"}},
	    {"actual", "https://a.com", "GET", "x-a", "x-e", true, "GET", "https://a.com", NULL,
		NULL, {"https://a.com", "true", NULL, NULL, "x-e", NULL}},
	    {"actual, not allowed", "https://a.com", "GET", "x-a", "x-e", true, "GET",
		"https://b.com", NULL, NULL, {NULL, NULL, NULL, NULL, NULL, NULL}},
	    {"OPTIONS that is no preflight", "https://a.com", "GET", NULL, NULL, false, "OPTIONS",
		"https://a.com", NULL, NULL, {"https://a.com", NULL, NULL, NULL, NULL, NULL}},
	};
	static const char *const names[] = {"Access-Control-Allow-Origin",
	    "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods",
	    "Access-Control-Allow-Headers", "Access-Control-Expose-Headers",
	    "Access-Control-Max-Age"};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct im_str origin = fake_str(rows[i].list);
		struct im_cors c = {.origins = {0, 1},
		    .methods = fake_str(rows[i].methods),
		    .headers = fake_str(rows[i].headers),
		    .expose = fake_str(rows[i].expose),
		    .max_age_s = 5,
		    .credentials = rows[i].credentials};
		struct im_filter f = {.type = IM_F_CORS, .arg = {0, 1}};
		bool preflight = strcmp(rows[i].method, "OPTIONS") == 0 && rows[i].acrm;

		im.cors = &c;
		im.strings = &origin;
		msg_init(&head, true);
		msg_init(&resp, false);
		head.method = bytes_str(rows[i].method);
		fake_field(&head, "Origin", rows[i].origin);
		if (rows[i].acrm)
			fake_field(&head, "Access-Control-Request-Method", rows[i].acrm);
		if (rows[i].acrh)
			fake_field(&head, "Access-Control-Request-Headers", rows[i].acrh);
		if (cors_request(&ctx, &f) != (preflight ? FILTER_ANSWER : FILTER_NEXT))
			fail_msg("%s", rows[i].why);
		fake_field(
		    &resp, "Access-Control-Allow-Origin", "backend's"); /* replaced or taken away */
		fake_field(&resp, "access-control-allow-methods", "backend's");
		cors_response(&ctx, &resp);
		for (int k = 0; k < 6; k++) {
			const char *got = fake_values(&resp, names[k]);

			if ((got == NULL) != (rows[i].want[k] == NULL) ||
			    (got && strcmp(got, rows[i].want[k]) != 0))
				fail_msg(
				    "%s: %s is %s", rows[i].why, names[k], got ? got : "(none)");
		}
		/* One answer for all may be cached for all; any other depends on who asks. */
		assert_values(&resp, "vary",
		    strcmp(rows[i].list, "*") == 0 && !rows[i].credentials ? NULL : "Origin");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_prefix), T(test_redirect), T(test_rewrite), T(test_headers), T(test_kept),
	    T(test_room), T(test_order), T(test_origins), T(test_cors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
