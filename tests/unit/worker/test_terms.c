/*
 * ClientTrafficPolicy on the wire: each field of the record against raw bytes of a client. The
 * origin answers with the request as it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/client.h"
#include "tests/unit/worker/origin.h"

static struct world w;
static struct harness h;
static struct origin origin;
static uint16_t port;
static uint64_t generation;
static struct m_client policy;

/* The policy as it stands, from the next request on. */
static void
serve(void)
{
	world_init(&w, ++generation);
	world_socket(&w, 1, 80);
	w.listener.client = &policy;
	(void)world_backend(
	    world_rule(&w, "/"), world_cluster(&w, "shop/o:80", &origin.port, 1), 1);
	policy.index = 0;
	if (!harness_serve(&h, world_seal(&w), generation))
		fail_msg("refused: %s", (const char *)h.in.data);
	world_release(&w);
}

static int
setup(void **state)
{
	struct addr a;
	int fd = harness_bind(&a, 0);

	(void)state;
	policy = (struct m_client){
	    .rec = {.buffer_bytes = IM_NONE, .http10 = 1, .trailers = 1, .merge_slashes = 1},
	    .name = BYTES("infra/p")};
	generation = 0;
	origin_start(&origin, "o");
	port = a.port;
	harness_start(&h);
	harness_socket(&h, 1, &a, fd, 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(harness_stop(&h, 0), 0);
	origin_stop(&origin);
	return 0;
}

/* Says it, and reads until the end of the connection. */
static unsigned
say(const char *text)
{
	int fd = client_open(port);

	assert_true(fd >= 0);
	(void)client_send(fd, text);
	(void)client_read(fd, NULL);
	close(fd);
	return client_status();
}

static void
gone(int fd)
{
	char c;

	client_n = 0;
	client_in[0] = '\0';
	if (!client_read(fd, NULL) && recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
		fail_msg("the connection lives on: %s", client_in);
	close(fd);
}

static void
ask_on(int fd, const char *target)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
	client_n = 0;
	client_in[0] = '\0';
	assert_true(client_send(fd, text));
	assert_true(client_read(fd, "Host: a\r\n"));
	assert_true(client_read(fd, "\r\n\r\n"));
	assert_int_equal(client_status(), 200);
}

#define HALF "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"

static void
test_times(void **state)
{
	int fd;

	(void)state;
	policy.rec.idle_ms = 80;
	serve();
	gone(client_open(port));
	fd = client_open(port);
	ask_on(fd, "/x");
	gone(fd);
	policy.rec.idle_ms = 0;
	policy.rec.header_ms = 80;
	serve();
	assert_int_equal(say("GET /x HTTP/1.1\r\nHo"), 408);
	policy.rec.header_ms = 0;
	policy.rec.request_ms = 80;
	serve();
	assert_int_equal(say("GET /x HTTP/1.1\r\nHo"), 408);
	assert_int_equal(say(HALF), 408);
	assert_int_equal(client_ask(port, "GET", "/x", NULL), 200);
	policy.rec.request_ms = 0;
	policy.rec.stream_max_ms = 80;
	serve();
	assert_int_equal(say(HALF), 408);
	assert_int_equal(client_ask(port, "GET", "/hang", NULL), 408);
	policy.rec.stream_max_ms = 0;
	policy.rec.stream_idle_ms = 80;
	serve();
	assert_int_equal(say(HALF), 408);
	assert_int_equal(client_ask(port, "GET", "/hang", NULL), 504);
}

/* Open connections live by the new terms after a reload, and by none when the policy is gone. */
static void
test_reload(void **state)
{
	int a, b;

	(void)state;
	serve();
	a = client_open(port);
	ask_on(a, "/x");
	policy.rec.idle_ms = 60;
	serve();
	ask_on(a, "/x");
	gone(a);
	policy.rec.idle_ms = IM_NONE;
	serve();
	b = client_open(port);
	ask_on(b, "/x");
	world_init(&w, ++generation);
	world_socket(&w, 1, 80);
	(void)world_backend(
	    world_rule(&w, "/"), world_cluster(&w, "shop/o:80", &origin.port, 1), 1);
	assert_true(harness_serve(&h, world_seal(&w), generation));
	world_release(&w);
	ask_on(b, "/x");
	close(b);
}

static void
wait_connections(uint64_t n)
{
	while (atomic_load(&h.env.slot->connections) != n)
		assert_int_equal(poll(NULL, 0, 1), 0);
}

static void
test_connections(void **state)
{
	int a, b;

	(void)state;
	policy.rec.max_connections = 2;
	serve();
	a = client_open(port);
	b = client_open(port);
	ask_on(a, "/a");
	ask_on(b, "/b");
	gone(client_open(port));
	policy.rec.connection_delay_ms = 50; /* kept a while, and never read */
	serve();
	assert_int_equal(say("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	assert_int_equal(h.env.slot->metrics[METRIC_connections_rejected], 2);
	close(a);
	wait_connections(1);
	assert_int_equal(client_ask(port, "GET", "/x", NULL), 200);
	close(b);
	wait_connections(0);
	assert_int_equal(h.env.slot->admitted[1].connections, 0);
}

static void
test_requests(void **state)
{
	int fd;

	(void)state;
	policy.rec.max_requests = 2;
	serve();
	fd = client_open(port);
	ask_on(fd, "/1");
	assert_false(client_has("Connection: close"));
	ask_on(fd, "/2");
	assert_true(client_has("Connection: close"));
	gone(fd);
	/* and by age: the next request is the last */
	policy.rec.max_requests = 0;
	policy.rec.connection_max_ms = 1;
	serve();
	fd = client_open(port);
	do
		ask_on(fd, "/x");
	while (!client_has("Connection: close"));
	gone(fd);
}

static void
test_http10(void **state)
{
	(void)state;
	serve();
	assert_int_equal(say("GET /x HTTP/1.0\r\nHost: gw.test\r\n\r\n"), 200);
	assert_int_equal(say("GET /x HTTP/1.0\r\n\r\n"), 200);
	policy.http10_host = BYTES("www.test:81");
	serve();
	assert_int_equal(say("GET /x HTTP/1.0\r\n\r\n"), 200);
	assert_true(client_has("\r\nHost: www.test:81\r\n"));
	assert_int_equal(say("GET /x HTTP/1.0\r\nHost: own\r\n\r\n"), 200);
	assert_true(client_has("\r\nHost: own\r\n"));
	policy.rec.http10 = 0;
	serve();
	assert_int_equal(say("GET /x HTTP/1.0\r\nHost: a\r\n\r\n"), 426);
	assert_true(client_has("\r\nUpgrade: HTTP/1.1\r\n"));
	assert_true(client_has("\r\nConnection: Upgrade, close\r\n"));
	assert_int_equal(client_ask(port, "GET", "/x", NULL), 200);
}

static void
test_upgrades(void **state)
{
	static struct bytes names[] = {BYTES("h2c"), BYTES("websocket")};

	(void)state;
	policy.upgrades = names;
	policy.nupgrades = 2;
	serve();
	assert_int_equal(client_ask(port, "GET", "/x",
	    "Upgrade: foo/1, WebSocket\r\nConnection: Upgrade\r\n"), 200);
	assert_false(client_has("foo/1"));
}

static void
test_trailers(void **state)
{
	static const char post[] =
	    "POST /chunk HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Up: 1\r\n\r\n";

	(void)state;
	serve();
	assert_int_equal(say(post), 200);
	assert_true(client_has("\r\nX-T: end\r\n"));
	policy.rec.trailers = 0;
	serve();
	assert_int_equal(say(post), 200);
	assert_false(client_has("X-T: end"));
	assert_true(client_has("\r\n0\r\n\r\n"));
}

static void
test_request_id(void **state)
{
	static const struct {
		uint8_t how;
		bool kept, made;
	} rows[] = {{IM_RID_GENERATE, false, true}, {IM_RID_PRESERVE_OR_GENERATE, true, true},
	    {IM_RID_PRESERVE, true, false}, {IM_RID_DISABLE, false, false}};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		policy.rec.request_id = rows[i].how;
		serve();
		assert_int_equal(client_ask(port, "GET", "/x", "X-Request-Id: mine\r\n"), 200);
		assert_int_equal(client_has("X-Request-Id: mine"), rows[i].kept);
		assert_int_equal(client_has("X-Request-Id: "), rows[i].kept || rows[i].made);
		assert_int_equal(client_ask(port, "GET", "/x", NULL), 200);
		assert_int_equal(client_has("X-Request-Id: "), rows[i].made);
	}
}

static void
test_edits(void **state)
{
	static struct m_edit early[] = {{IM_SET, BYTES("X-Early"), BYTES("1")},
	    {IM_REMOVE, BYTES("X-Gone"), {0}}},
	    late[] = {{IM_SET, BYTES("X-Late"), BYTES("1")}, {IM_REMOVE, BYTES("X-Backend"), {0}}};

	(void)state;
	policy.early = early;
	policy.late = late;
	policy.nearly = policy.nlate = 2;
	serve();
	assert_int_equal(client_ask(port, "GET", "/x", "X-Gone: 1\r\n"), 200);
	assert_true(client_has("\r\nX-Early: 1\r\n") && client_has("\r\nX-Late: 1\r\n"));
	assert_false(client_has("X-Gone") || client_has("X-Backend"));
	assert_int_equal(client_ask(port, "TRACE", "/x", NULL), 501); /* an own answer */
	policy.rec.request_ms = 50;
	serve();
	assert_int_equal(say(HALF), 408);
	assert_true(client_has("\r\nX-Late: 1\r\n"));
}

static void
test_paths(void **state)
{
	static const struct {
		uint8_t slashes, merge;
		const char *in;
		unsigned status;
		const char *seen;
	} rows[] = {
	    {IM_SL_KEEP, 1, "/a%2fb/%5c", 200, "GET /a%2Fb/%5C HTTP"},
	    {IM_SL_KEEP, 1, "/a/..%2Fb", 400, NULL},
	    {IM_SL_KEEP, 1, "/a/%5C..;x/b", 400, NULL},
	    {IM_SL_REJECT, 1, "/a%2Fb", 400, NULL},
	    {IM_SL_UNESCAPE, 1, "/a%2Fb", 200, "GET /a/b HTTP"},
	    {IM_SL_UNESCAPE, 1, "/a%2F..%2Fb", 200, "GET /b HTTP"},
	    {IM_SL_REDIRECT, 1, "/a%2Fb?q=%2F", 307, "\r\nLocation: /a/b?q=%2F\r\n"},
	    {IM_SL_REDIRECT, 0, "/%2Fevil.test/x", 400, NULL},
	    {IM_SL_REJECT, 1, "/a//b///c", 200, "GET /a/b/c HTTP"},
	    {IM_SL_REJECT, 0, "/a//b", 200, "GET /a//b HTTP"},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		policy.rec.slashes = rows[i].slashes;
		policy.rec.merge_slashes = rows[i].merge;
		serve();
		assert_int_equal(client_ask(port, "GET", rows[i].in, NULL), rows[i].status);
		if (rows[i].seen && !client_has(rows[i].seen))
			fail_msg("%s: no %s in %s", rows[i].in, rows[i].seen, client_in);
	}
}

static void
test_health(void **state)
{
	(void)state;
	policy.health_path = BYTES("/healthz?deep");
	serve();
	assert_int_equal(client_ask(port, "GET", "/healthz?deep", NULL), 200);
	assert_int_equal(atomic_load(&origin.seen->requests), 0);
	assert_int_equal(client_ask(port, "GET", "/healthz", NULL), 200);
	assert_int_equal(atomic_load(&origin.seen->requests), 1);
}

#define DOT "GET /x HTTP/1.1\r\nHost: a.test.:81\r\nConnection: close\r\n\r\n"

static void
test_host_dot(void **state)
{
	(void)state;
	serve();
	assert_int_equal(say(DOT), 200);
	assert_true(client_has("\r\nHost: a.test.:81\r\n"));
	policy.rec.strip_dot = 1;
	serve();
	assert_int_equal(say(DOT), 200);
	assert_true(client_has("\r\nHost: a.test:81\r\n"));
	assert_int_equal(
	    say("GET /x HTTP/1.1\r\nHost: a.test.\r\nConnection: close\r\n\r\n"), 200);
	assert_true(client_has("\r\nHost: a.test\r\n"));
}

static void
test_underscores(void **state)
{
	(void)state;
	serve();
	assert_int_equal(client_ask(port, "GET", "/x", "X_A: 1\r\n"), 400);
	policy.rec.underscores = IM_US_DROP;
	serve();
	assert_int_equal(client_ask(port, "GET", "/x", "X_A: 1\r\n"), 200);
	assert_false(client_has("X_A"));
	policy.rec.underscores = IM_US_ALLOW;
	serve();
	assert_int_equal(client_ask(port, "GET", "/x", "X_A: 1\r\n"), 200);
	assert_true(client_has("X_A: 1"));
}

/* A small window: large bodies pass all the same. */
static void
test_buffer(void **state)
{
	static char body[300000];
	char head[128];
	int fd;

	(void)state;
	policy.rec.buffer_bytes = 0;
	serve();
	memset(body, 'x', sizeof(body) - 1);
	fd = client_open(port);
	(void)snprintf(head, sizeof(head),
	    "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
	    sizeof(body) - 1);
	assert_true(client_send(fd, head) && client_send(fd, body));
	assert_true(client_read(fd, NULL));
	assert_int_equal(client_status(), 200);
	assert_int_equal(atomic_load(&origin.seen->body), sizeof(body) - 1);
	close(fd);
	assert_int_equal(client_ask(port, "GET", "/big", NULL), 200);
	assert_true(client_n > 1048576);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_times), T(test_reload), T(test_connections),
	    T(test_requests), T(test_http10), T(test_upgrades), T(test_trailers),
	    T(test_request_id), T(test_edits), T(test_paths), T(test_health),
	    T(test_underscores), T(test_host_dot), T(test_buffer)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
