/*
 * Policies on the wire: workers as processes, images whose policy records are put in by hand. The
 * bucket table is common to all workers of a test, as the master hands it over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/worker/client.h"
#include "tests/unit/worker/origin.h"
#include "worker/protect/compress.h"

#define WORKERS 8
static struct world w;
static struct origin origin;
static struct harness hs[WORKERS];
static uint16_t ports[WORKERS];
static unsigned nworkers;
static uint64_t generation;
static struct bucket_table buckets;

/* What the next image says of its one rule. */
static struct im_policy policy;
static struct im_limit limit;
static struct im_limitkey distinct;
static struct im_balance balance;
static struct im_health health;
static struct im_override over; /* .status set: it is in the image */
static struct im_statusrange over_for;
static const char *over_body;
static const struct im_str none = {IM_NONE, 0};

static void
fresh_policy(void)
{
	policy = (struct im_policy){
	    .name = none, .balance = IM_NONE, .request_buffer = IM_NONE, .abort_grpc = 255};
	balance = (struct im_balance){.cookie_attrs = none,
	    .cookie_ttl_s = IM_NONE,
	    .table_size = 65537,
	    .max_connections = IM_NONE,
	    .max_pending = IM_NONE,
	    .max_parallel = IM_NONE,
	    .max_retries = IM_NONE,
	    .max_requests = IM_NONE,
	    .endpoint_connections = IM_NONE,
	    .budget_percent = IM_NONE,
	    .buffer_bytes = IM_NONE,
	    .health = IM_NONE};
	health = (struct im_health){.host = none,
	    .path = none,
	    .method = none,
	    .send = none,
	    .receive = none,
	    .passive = 1};
}

/* All rules get the policy. */
static int
image(void)
{
	struct blob_writer *out = NULL;
	struct build_stats stats;
	int fd;

	world_init(&w, ++generation);
	world_socket(&w, 1, 80);
	(void)world_backend(
	    world_rule(&w, "/"), world_cluster(&w, "shop/o:80", &origin.port, 1), 1);
	HG_CHECK(build_image(&w.m, &out, &stats) == HG_OK);
	if (limit.requests) {
		struct im_limitkey k = distinct;
		struct im_limit l = limit;

		k.name = blob_put_text(out, BYTES("x-user"));
		k.value = none;
		k.regex = k.cidr = IM_NONE;
		l.keys = (struct im_range){0, 1};
		l.response_header = none;
		(void)blob_add(out, IM_LIMITKEY, &k, 1, sizeof(k));
		(void)blob_add(out, IM_LIMIT, &l, 1, sizeof(l));
		policy.limits = (struct im_range){0, 1};
	}
	if (policy.balance != IM_NONE) {
		if (balance.hash) {
			struct im_str name = blob_put_text(out, BYTES("lb"));

			balance.cookie_attrs = blob_put_text(out, BYTES("; Path=/"));
			balance.hash_names.first = blob_add(out, IM_STRING, &name, 1, sizeof(name));
			balance.hash_names.n = 1;
		}
		(void)blob_add(out, IM_BALANCE, &balance, 1, sizeof(balance));
		if (balance.health != IM_NONE)
			(void)blob_add(out, IM_HEALTH, &health, 1, sizeof(health));
	}
	if (over.redirect != 0) {
		over.statuses = (struct im_range){
		    blob_add(out, IM_STATUSRANGE, &over_for, 1, sizeof(over_for)), 1};
		over.content_type = blob_put_text(out, BYTES("application/x-own"));
		over.body = over_body ? blob_put_text(out, bytes_str(over_body)) : none;
		policy.overrides =
		    (struct im_range){blob_add(out, IM_OVERRIDE, &over, 1, sizeof(over)), 1};
	}
	(void)blob_add(out, IM_POLICY, &policy, 1, sizeof(policy));
	for (uint32_t i = 0; i < blob_count(out, IM_RULE); i++)
		((struct im_rule *)blob_at(out, IM_RULE, i))->policy = 0;
	fd = blob_seal(out, "image");
	blob_writer_free(out);
	world_release(&w);
	return fd;
}

static void
serve(unsigned i, int fd)
{
	int copy = dup(fd);

	if (!harness_serve(&hs[i], copy, generation))
		fail_msg("refused: %s", (const char *)hs[i].in.data);
}

static void
start_one(unsigned i)
{
	struct addr a;
	int fd = harness_bind(&a, 0);

	ports[i] = a.port;
	harness_start(&hs[i]);
	harness_socket(&hs[i], 1, &a, fd, 1);
}

static void
start(unsigned n)
{
	int fd = image();

	for (nworkers = 0; nworkers < n; nworkers++) {
		start_one(nworkers);
		serve(nworkers, fd);
	}
	close(fd);
}

static int
setup(void **state)
{
	size_t n = bucket_size(4096);
	void *region = harness_region(n);

	(void)state;
	bucket_init(region);
	assert_true(bucket_open(&buckets, region, n));
	harness_buckets = &buckets;
	limit = (struct im_limit){0};
	over = (struct im_override){0};
	distinct = (struct im_limitkey){.kind = IM_LK_HEADER, .match = IM_LM_DISTINCT};
	fresh_policy();
	origin_start(&origin, "o");
	generation = 0;
	nworkers = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < nworkers; i++)
		assert_int_equal(harness_stop(&hs[i], 0), 0);
	origin_stop(&origin);
	munmap(buckets.region, bucket_size(4096));
	return 0;
}

static void
hundred_an_hour(void)
{
	limit = (struct im_limit){.base = {1, 2},
	    .interval_ns = 36000000000ull,
	    .burst = 100,
	    .requests = 100,
	    .window_s = 3600,
	    .cost = 1};
}

/* 300 requests over n workers, 20 reloads and the death of a worker: 100 pass. */
static void
exact(unsigned n)
{
	unsigned passed = 0, refused = 0;

	hundred_an_hour();
	start(n);
	for (unsigned i = 0; i < 300; i++) {
		unsigned status;

		if (i % 15 == 14) {
			int fd = image();

			for (unsigned k = 0; k < n; k++)
				serve(k, fd);
			close(fd);
		}
		if (i == 80 && n > 1) {
			int fd = image();

			HG_CHECK(kill(hs[1].pid, SIGKILL) == 0);
			(void)harness_reap(&hs[1]);
			start_one(1);
			for (unsigned k = 0; k < n; k++)
				serve(k, fd);
			close(fd);
		}
		status = client_ask(ports[i % n], "GET", "/x", "X-User: joe\r\n");
		passed += status == 200;
		refused += status == 429;
	}
	assert_int_equal(passed, 100);
	assert_int_equal(refused, 200);
	assert_true(client_has("\r\nx-ratelimit-limit: 100\r\n"));
	assert_true(client_has("\r\nx-ratelimit-remaining: 0\r\n"));
	assert_true(client_has("\r\nRetry-After: "));
	assert_true(client_has("\r\nRateLimit: \"r0\";r=0;t="));
	assert_int_equal(client_ask(ports[0], "GET", "/x", "X-User: ann\r\n"), 200);
	assert_true(client_has("\r\nx-ratelimit-remaining: 99\r\n"));
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 200);
	assert_false(client_has("ratelimit"));
}

static void
test_exact_1(void **state)
{
	(void)state;
	exact(1);
}

static void
test_exact_2(void **state)
{
	(void)state;
	exact(2);
}

static void
test_exact_8(void **state)
{
	(void)state;
	exact(8);
}

static void
test_faults(void **state)
{
	(void)state;
	policy.abort_status = 418;
	policy.abort_ppm = 1000000;
	policy.delay_ms = 20;
	policy.delay_ppm = 1000000;
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 418);
	assert_true(client_has("fault filter abort"));
	assert_int_equal(hs[0].env.slot->metrics[METRIC_faults], 2);
	assert_int_equal(atomic_load(&origin.seen->requests), 0);
	policy.abort_status = 0;
	policy.abort_ppm = 0;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 200);
}

static void
test_all_refused(void **state)
{
	(void)state;
	policy.balance = 0;
	balance.max_parallel = balance.max_connections = balance.max_pending = 0;
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 503);
	assert_true(client_has("\r\nx-envoy-overloaded: true\r\n"));
	balance.max_parallel = IM_NONE;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 503);
	assert_true(client_has("\r\nx-envoy-overloaded: true\r\n"));
}

/* One connection, one who waits for it. */
static void
test_pending(void **state)
{
	struct linger hard = {.l_onoff = 1};
	int a, b;

	(void)state;
	policy.balance = 0;
	balance.max_connections = balance.max_pending = 1;
	start(1);
	a = client_open(ports[0]);
	assert_true(client_send(a, "GET /hang HTTP/1.1\r\nHost: gw.test\r\n\r\n"));
	while (atomic_load(&origin.seen->requests) == 0)
		assert_int_equal(poll(NULL, 0, 1), 0);
	b = client_open(ports[0]);
	assert_true(
	    client_send(b, "GET /second HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n"));
	/* it waits: the word is not the rule's connection's, whose request is under way */
	while (*(volatile uint32_t *)&hs[0].env.slot->breakers[101].pending == 0 &&
	    *(volatile uint32_t *)&hs[0].env.slot->breakers[100].pending == 0 &&
	    *(volatile uint32_t *)&hs[0].env.slot->breakers[102].pending == 0)
		assert_int_equal(poll(NULL, 0, 1), 0);
	assert_int_equal(client_ask(ports[0], "GET", "/third", NULL), 503);
	assert_true(client_has("x-envoy-overloaded: true"));
	assert_int_equal(setsockopt(a, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(a); /* its connection goes, and the second has one */
	client_n = 0;
	client_in[0] = '\0';
	assert_true(client_read(b, NULL));
	assert_int_equal(client_status(), 200);
	assert_true(client_has("GET /second"));
	close(b);
	for (unsigned i = 100; i < 103; i++) {
		assert_int_equal(hs[0].env.slot->breakers[i].pending, 0);
		assert_int_equal(hs[0].env.slot->breakers[i].active, 0);
	}
}

static void
test_ejected(void **state)
{
	(void)state;
	policy.balance = 0;
	balance.health = 0;
	health.consecutive_5xx = 2;
	health.eject_base_ms = 60000;
	health.eject_interval_ms = 1000;
	health.always_one = 1;
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/status=500", NULL), 500);
	assert_int_equal(client_ask(ports[0], "GET", "/status=404", NULL), 404);
	assert_int_equal(client_ask(ports[0], "GET", "/status=500", NULL), 500);
	assert_int_equal(client_ask(ports[0], "GET", "/status=502", NULL), 502);
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 503);
	assert_int_equal(hs[0].env.slot->metrics[METRIC_ejections], 1);
	health.panic_percent = 50;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 200);
}

static void
test_cookie(void **state)
{
	(void)state;
	policy.balance = 0;
	balance.type = IM_LB_HASH;
	balance.hash = IM_HASH_COOKIE;
	balance.cookie_ttl_s = 60;
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 200);
	assert_true(client_has("Set-Cookie: lb=\""));
	assert_true(client_has("\"; Max-Age=60; Path=/; HttpOnly"));
	assert_int_equal(client_ask(ports[0], "GET", "/x", "Cookie: lb=abc\r\n"), 200);
	assert_false(client_has("Set-Cookie"));
}

static void
test_times(void **state)
{
	(void)state;
	policy.balance = 0;
	balance.stream_idle_ms = 50;
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/hang", NULL), 504);
	balance.stream_idle_ms = 0;
	balance.stream_max_ms = 50;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/hang", NULL), 504);
	/* one request a connection */
	balance.stream_max_ms = 0;
	balance.max_requests = 1;
	serve(0, image());
	for (int i = 0; i < 3; i++)
		assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 200);
	assert_int_equal(hs[0].env.slot->metrics[METRIC_upstream_reused], 0);
}

static void
test_override(void **state)
{
	(void)state;
	over = (struct im_override){.redirect = IM_NONE, .status = 410};
	over_for = (struct im_statusrange){404, 418};
	over_body = "was %RESPONSE_CODE%, %REQ(:METHOD)% %REQ(x-one)% %RESP(none)% 100%%";
	start(1);
	assert_int_equal(client_ask(ports[0], "GET", "/status=404", "X-One: 1\r\n"), 410);
	assert_true(client_has("\r\n\r\nwas 404, GET 1 - 100%"));
	assert_true(client_has("Content-Type: application/x-own"));
	assert_int_equal(client_ask(ports[0], "GET", "/status=500", NULL), 500);
	assert_int_equal(client_ask(ports[0], "HEAD", "/status=404", NULL), 410);
	/* made here; and only what is made here */
	policy.abort_status = 418;
	policy.abort_ppm = 1000000;
	over.source = IM_SOURCE_LOCAL;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/x", NULL), 410);
	assert_true(client_has("\r\n\r\nwas 418, GET - - 100%"));
	policy.abort_ppm = policy.abort_status = 0;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/status=404", NULL), 404);
	/* status only: the body stays */
	over.source = IM_SOURCE_ALL;
	over_body = NULL;
	serve(0, image());
	assert_int_equal(client_ask(ports[0], "GET", "/status=404", NULL), 410);
	assert_true(client_has("GET /status=404"));
}

static unsigned
post(const char *head, const char *body)
{
	int fd = client_open(ports[0]);
	char text[512];

	(void)snprintf(text, sizeof(text),
	    "POST /x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n%s\r\n", head);
	assert_true(client_send(fd, text));
	assert_true(client_send(fd, body));
	(void)client_read(fd, NULL);
	close(fd);
	return client_status();
}

static void
test_request_buffer(void **state)
{
	(void)state;
	policy.request_buffer = 10;
	start(1);
	assert_int_equal(post("Content-Length: 10\r\n", "0123456789"), 200);
	assert_true(client_has("0123456789"));
	assert_int_equal(post("Content-Length: 11\r\n", ""), 413);
	assert_int_equal(
	    post("Transfer-Encoding: chunked\r\n", "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"), 200);
	assert_int_equal(
	    post("Transfer-Encoding: chunked\r\n", "8\r\nabcdefgh\r\n3\r\nijk\r\n"), 413);
	assert_int_equal(atomic_load(&origin.seen->requests), 2);
}

/* The body of the last answer, through zlib. Returns its length. */
static size_t
unzipped(void)
{
	static unsigned char out[2 * 1024 * 1024];
	char *body = strstr(client_in, "\r\n\r\n");
	z_stream z = {.next_out = out, .avail_out = sizeof(out)};

	assert_non_null(body);
	z.next_in = (unsigned char *)body + 4;
	z.avail_in = (unsigned)(client_n - (size_t)(body + 4 - client_in));
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(inflateEnd(&z), Z_OK);
	return z.total_out;
}

static void
old_client(const char *target, const char *more)
{
	int fd = client_open(ports[0]);
	char text[512];

	/* HTTP/1.0: no chunks around the body */
	(void)snprintf(
	    text, sizeof(text), "GET %s HTTP/1.0\r\nHost: gw.test\r\n%s\r\n", target, more);
	assert_true(client_send(fd, text));
	assert_true(client_read(fd, NULL));
	close(fd);
}

static void
test_compression(void **state)
{
	(void)state;
	policy.compression = IM_Z_GZIP;
	policy.compress_min = 100;
	start(1);
	old_client("/big-html", "Accept-Encoding: br, gzip\r\n");
	assert_true(client_has("\r\nContent-Encoding: gzip\r\n"));
	assert_true(client_has("\r\nVary: Accept-Encoding\r\n"));
	assert_false(client_has("ETag"));
	assert_int_equal(unzipped(), 1048576);
	assert_true(client_n < 60000);
	old_client("/html-of-some-length-so-that-it-is-worth-it-and-the-echo-is-long",
	    "Accept-Encoding: gzip\r\n");
	assert_true(unzipped() > 100);
	/* the backend was not asked for it */
	assert_int_equal(client_ask(ports[0], "GET", "/html", NULL), 200);
	assert_false(client_has("Content-Encoding"));
	assert_true(client_has("\r\nVary: Accept-Encoding\r\n"));
	assert_int_equal(client_ask(ports[0], "GET", "/x", "Accept-Encoding: gzip\r\n"), 200);
	assert_false(client_has("Content-Encoding: gzip"));
	assert_false(client_has("Accept-Encoding: gzip"));
	/* many at once, and clients that leave: the pool is whole afterwards */
	for (int i = 0; i < 2 * COMPRESSORS; i++) {
		int fd = client_open(ports[0]);

		assert_true(client_send(
		    fd, "GET /big-html HTTP/1.0\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"));
		assert_true(client_read(fd, "\r\n\r\n"));
		assert_true(client_has("Content-Encoding: gzip"));
		close(fd);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_exact_1), T(test_exact_2), T(test_exact_8),
	    T(test_faults), T(test_all_refused), T(test_pending), T(test_ejected), T(test_cookie),
	    T(test_times), T(test_override), T(test_request_buffer), T(test_compression)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
