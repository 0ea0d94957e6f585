/*
 * Rate limits of a policy: which rules a request meets, which bucket is its own, what the answer
 * says. Numbers and names are those of reference/policies.md section 15.
 */
#include "tests/unit/worker/fake.h"

#include <stdlib.h>

#include "base/clock.h"
#include "worker/protect/limit.h"

struct world {
	struct arena arena;
	struct image im;
	struct im_limit limits[8];
	struct im_limitkey keys[16];
	struct cidr cidrs[2];
	struct regex_set regexes;
	struct regex *compiled[2];
	struct bucket_table buckets;
	void *region;
	struct msg head;
	struct addr client;
	struct limit_state state;
	uint32_t nlimits, nkeys;
	uint64_t now, route, listener;
};
static struct world w;

static int
setup(void **state)
{
	size_t n = bucket_size(1024);

	(void)state;
	memset(&w, 0, sizeof(w));
	arena_init(&w.arena, 4096, 0);
	w.im = fake_image();
	w.im.limits = w.limits;
	w.im.limitkeys = w.keys;
	w.im.cidrs = w.cidrs;
	w.im.n_cidrs = 2;
	w.regexes = (struct regex_set){w.compiled, 2};
	w.region = aligned_alloc(64, (n + 63) & ~63ul);
	memset(w.region, 0, n);
	bucket_init(w.region);
	assert_true(bucket_open(&w.buckets, w.region, n));
	msg_init(&w.head, true);
	w.head.method = BYTES("GET");
	assert_true(addr_parse_ip(BYTES("192.0.2.7"), &w.client));
	w.now = 5000 * SEC_NS;
	w.route = 1;
	w.listener = 1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&w.arena);
	free(w.region);
	regex_free(w.compiled[0]);
	return 0;
}

static struct im_limit *
rule(uint64_t requests, uint64_t window_s)
{
	struct im_limit *l = &w.limits[w.nlimits];

	*l = (struct im_limit){.base = {77, ++w.nlimits},
	    .interval_ns = window_s * SEC_NS / (requests ? requests : 1),
	    .burst = requests,
	    .requests = requests,
	    .window_s = window_s,
	    .keys = {w.nkeys, 0},
	    .cost = 1,
	    .response_header = fake_str(NULL)};
	return l;
}

static struct im_limitkey *
key(struct im_limit *l, uint8_t kind, uint8_t match, const char *name, const char *value)
{
	struct im_limitkey *k = &w.keys[w.nkeys++];

	l->keys.n++;
	*k = (struct im_limitkey){.kind = kind,
	    .match = match,
	    .name = fake_str(name),
	    .value = fake_str(value),
	    .regex = IM_NONE,
	    .cidr = IM_NONE};
	return k;
}

static enum hg_err
ask(const char *path)
{
	struct limit_in in = {.im = &w.im,
	    .regexes = &w.regexes,
	    .buckets = &w.buckets,
	    .arena = &w.arena,
	    .head = &w.head,
	    .path = bytes_str(path),
	    .client = &w.client,
	    .route_key = w.route,
	    .listener_key = w.listener,
	    .now = w.now};

	w.state = (struct limit_state){0};
	return limit_take(&in, (struct im_range){0, w.nlimits}, &w.state);
}

static enum hg_err
ask_as(const char *name, const char *value, const char *path)
{
	msg_init(&w.head, true);
	w.head.method = BYTES("GET");
	if (name)
		fake_field(&w.head, name, value);
	return ask(path);
}

/* How many of n pass. */
static int
passing(const char *name, const char *value, const char *path, int n)
{
	int ok = 0;

	for (int i = 0; i < n; i++)
		ok += ask_as(name, value, path) == HG_OK;
	return ok;
}

static const char *
answered(uint16_t status, const char *name)
{
	static struct msg m;

	msg_init(&m, false);
	m.status = status;
	limit_fields(&w.state, &w.arena, true, &m);
	return fake_values(&m, name);
}

static void
test_default_and_rule(void **state)
{
	(void)state;
	rule(10, 3600);
	key(rule(3, 3600), IM_LK_HEADER, IM_LM_EXACT, "x-user-id", "john");
	assert_int_equal(passing("x-user-id", "john", "/", 4), 3);
	assert_string_equal(answered(429, "x-ratelimit-limit"), "3");
	assert_string_equal(answered(429, "Retry-After"), "1200");
	assert_string_equal(answered(429, "RateLimit-Policy"), "\"r1\";q=3;w=3600");
	assert_int_equal(ask_as("x-user-id", "mike", "/"), HG_OK);
	assert_string_equal(answered(200, "x-ratelimit-limit"), "10");
	assert_string_equal(answered(200, "x-ratelimit-remaining"), "9");
	assert_string_equal(answered(200, "RateLimit"), "\"r0\";r=9;t=360");
	assert_int_equal(passing("x-user-id", "mike", "/", 10), 9);
}

static void
test_distinct(void **state)
{
	struct im_limit *l;

	(void)state;
	rule(10, 3600);
	l = rule(3, 3600);
	key(l, IM_LK_HEADER, IM_LM_DISTINCT, "x-user-id", NULL);
	assert_int_equal(passing("x-user-id", "john", "/", 4), 3);
	assert_string_equal(answered(429, "x-ratelimit-remaining"), "0");
	assert_int_equal(passing("x-user-id", "alice", "/", 1), 1);
	/* absent: not this rule */
	assert_int_equal(passing(NULL, NULL, "/", 1), 1);
	assert_string_equal(answered(200, "x-ratelimit-limit"), "10");
	/* several lines are one value */
	msg_init(&w.head, true);
	fake_field(&w.head, "X-User-Id", "a");
	fake_field(&w.head, "x-user-id", "b");
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask("/"), HG_OK);
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
	assert_int_equal(passing("x-user-id", "a", "/", 1), 1);
}

static void
test_invert_and_methods(void **state)
{
	struct im_limit *l;

	(void)state;
	l = rule(3, 60);
	key(l, IM_LK_HEADER, IM_LM_EXACT, "org", "test")->invert = 1;
	key(l, IM_LK_METHOD, IM_LM_EXACT, NULL, "GET");
	key(l, IM_LK_METHOD, IM_LM_EXACT, NULL, "POST");
	assert_int_equal(passing("org", "test", "/", 9), 9);
	assert_int_equal(passing("org", "other", "/", 9), 3);
	assert_int_equal(passing(NULL, NULL, "/", 2), 0); /* absent is not "test" either */
	w.head.method = BYTES("POST");
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED); /* one bucket for both */
	w.head.method = BYTES("PUT");
	assert_int_equal(ask("/"), HG_OK);
	assert_int_equal(w.state.n, 0);
}

static void
test_paths(void **state)
{
	static const struct {
		uint8_t kind;
		const char *value, *path, *query;
		bool yes;
	} rows[] = {
	    {IM_LK_PATH_EXACT, "/p/foo", "/p/foo", NULL, true},
	    {IM_LK_PATH_EXACT, "/p/foo", "/p/bar", NULL, false},
	    {IM_LK_PATH_EXACT, "/a", "/a", "x=1", false},
	    {IM_LK_PATH_EXACT, "/a?x=1", "/a", "x=1", true},
	    {IM_LK_PATH_PREFIX, "/a", "/a/b", NULL, true},
	    {IM_LK_PATH_PREFIX, "/a", "/ab", NULL, false},
	    {IM_LK_PATH_PREFIX, "/a", "/a", "q", true},
	    {IM_LK_PATH_PREFIX, "/a", "/a;v=1", NULL, true},
	    {IM_LK_PATH_PREFIX, "/", "/anything", NULL, true},
	    {IM_LK_PATH_PREFIX, "/a/", "/a/b", NULL, true},
	    {IM_LK_PATH_REGEX, NULL, "/v12", NULL, true},
	    {IM_LK_PATH_REGEX, NULL, "/v12", "q=1", false},
	    {IM_LK_PATH_REGEX, NULL, "/w", NULL, false},
	};
	char why[160];
	size_t at;

	(void)state;
	w.compiled[0] = regex_new(BYTES("/v[0-9]+"), why, &at);
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		w.nlimits = w.nkeys = 0;
		key(rule(9, 60), rows[i].kind, IM_LM_EXACT, NULL, rows[i].value)->regex = 0;
		w.head.query = bytes_str(rows[i].query);
		if (rows[i].query == NULL)
			w.head.query = BYTES_NONE;
		assert_int_equal(ask(rows[i].path), HG_OK);
		if ((w.state.n == 1) != rows[i].yes)
			fail_msg("row %zu", i);
	}
}

static void
test_addresses(void **state)
{
	struct im_limitkey *k;

	(void)state;
	assert_true(cidr_parse(BYTES("192.0.2.0/24"), &w.cidrs[0]));
	k = key(rule(2, 60), IM_LK_CIDR, IM_LM_DISTINCT, NULL, NULL);
	k->cidr = 0;
	assert_int_equal(passing(NULL, NULL, "/", 5), 2);
	assert_true(addr_parse_ip(BYTES("192.0.2.8"), &w.client));
	assert_int_equal(passing(NULL, NULL, "/", 5), 2);
	assert_true(addr_parse_ip(BYTES("198.51.100.1"), &w.client));
	assert_int_equal(passing(NULL, NULL, "/", 5), 5);
	k->match = IM_LM_EXACT;
	k->invert = 1;
	assert_int_equal(passing(NULL, NULL, "/", 5), 2);
	assert_true(addr_parse_ip(BYTES("192.0.2.8"), &w.client));
	assert_int_equal(passing(NULL, NULL, "/", 5), 5);
}

static void
test_query(void **state)
{
	(void)state;
	key(rule(1, 60), IM_LK_QUERY, IM_LM_DISTINCT, "user", NULL);
	w.head.query = BYTES("a=1&user=%41");
	assert_int_equal(ask("/"), HG_OK);
	w.head.query = BYTES("user=A");
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
	w.head.query = BYTES("user=B");
	assert_int_equal(ask("/"), HG_OK);
}

static void
test_shadow_and_zero(void **state)
{
	(void)state;
	rule(1, 60)->shadow = 1;
	assert_int_equal(passing(NULL, NULL, "/", 5), 5);
	w.limits[0].shadow = 0;
	w.limits[0].burst = 0;
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
	assert_string_equal(answered(429, "Retry-After"), "60");
}

/* Limit 21, each answer costs 10: 21, 11, 1, then none. */
static void
test_response_cost(void **state)
{
	struct im_limit *l = rule(21, 3600);
	struct msg resp;

	(void)state;
	l->cost = 0;
	l->global = 1;
	l->response_header = fake_str("x-tokens");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask("/"), HG_OK);
		msg_init(&resp, false);
		fake_field(&resp, "X-Tokens", "10");
		limit_note(&w.state, &resp);
		limit_settle(&w.state, &w.buckets, w.now);
		limit_settle(&w.state, &w.buckets, w.now); /* once only */
	}
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
	assert_string_equal(answered(429, "x-ratelimit-limit"), "21, 21;w=3600");
}

static void
test_global_counts_all(void **state)
{
	struct im_limit *one = rule(1, 3600), *five = rule(5, 3600);

	(void)state;
	one->global = five->global = 1;
	for (int i = 0; i < 5; i++)
		(void)ask("/");
	assert_int_equal(w.state.v[1].remaining, 0);
}

static void
test_identity(void **state)
{
	(void)state;
	rule(1, 3600);
	assert_int_equal(ask("/"), HG_OK);
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
	w.listener = 2;
	assert_int_equal(ask("/"), HG_OK);
	w.route = 2;
	assert_int_equal(ask("/"), HG_OK);
	w.limits[0].shared = 1;
	assert_int_equal(ask("/"), HG_OK);
	w.route = w.listener = 3;
	assert_int_equal(ask("/"), HG_ERR_RATE_LIMITED);
}

static void
test_headers_switch(void **state)
{
	struct msg m;

	(void)state;
	rule(5, 60);
	assert_int_equal(ask("/"), HG_OK);
	for (unsigned i = 0; i < 6; i++) {
		w.state.v[0].headers = (uint8_t)(i % 3);
		msg_init(&m, false);
		limit_fields(&w.state, &w.arena, i >= 3, &m);
		assert_int_equal(fake_values(&m, "x-ratelimit-limit") != NULL,
		    i % 3 == 1 || (i % 3 == 0 && i >= 3));
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_default_and_rule),
	    T(test_distinct),
	    T(test_invert_and_methods),
	    T(test_paths),
	    T(test_addresses),
	    T(test_query),
	    T(test_shadow_and_zero),
	    T(test_response_cost),
	    T(test_global_counts_all),
	    T(test_identity),
	    T(test_headers_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
