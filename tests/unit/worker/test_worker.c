/*
 * A whole worker as a process of its own, with real sockets on both sides.
 */
#include "tests/unit/worker/fake.h"

#include "tests/unit/worker/client.h"
#include "tests/unit/worker/origin.h"

static struct harness h;
static struct world w;
static struct origin o[3], local;
static char path[64];
static int deaf; /* listens and never accepts */
static uint16_t port, deaf_port;

enum { DEAD = 1 }; /* a port on which nobody listens */

static struct m_retry retry_503 = {
    .attempts = 2, .backoff_ms = 1, .codes = (uint16_t[]){503}, .ncodes = 1};
static struct m_retry retry_none = {.attempts = 0};
static struct m_edit add_resp[] = {{IM_ADD, BYTES("x-resp"), BYTES("yes")}};
static struct m_edit set_req[] = {{IM_SET, BYTES("x-req"), BYTES("set")}};

/* long: one rule after the other, nothing to decide */
static void
make_rules(void)
{
	uint16_t both[] = {o[0].port, o[1].port}, dead_first[] = {DEAD, o[1].port}, dead[] = {DEAD};
	struct m_cluster *c0 = world_cluster(&w, "shop/a:80", &o[0].port, 1),
			 *c1 = world_cluster(&w, "shop/b:80", &o[1].port, 1),
			 *shadow = world_cluster(&w, "shop/s:80", &o[2].port, 1),
			 *pair = world_cluster(&w, "shop/ab:80", both, 2),
			 *half = world_cluster(&w, "shop/half:80", dead_first, 2),
			 *nobody = world_cluster(&w, "shop/none:80", NULL, 0),
			 *gone = world_cluster(&w, "shop/gone:80", dead, 1);
	struct m_rule *r;
	struct m_filter *f;
	struct m_backend *b;

	(void)world_backend(world_rule(&w, "/"), c0, 1);

	r = world_rule(&w, "/split");
	(void)world_backend(r, c0, 70);
	(void)world_backend(r, c1, 20);
	b = world_backend(r, NULL, 10);
	b->error = HG_ERR_NO_BACKEND;

	r = world_rule(&w, "/zero");
	(void)world_backend(r, c0, 0);
	(void)world_backend(r, c1, 0);
	(void)world_backend(world_rule(&w, "/none"), nobody, 1);
	(void)world_backend(world_rule(&w, "/gone"), gone, 1);
	(void)world_backend(world_rule(&w, "/half"), half, 1);
	(void)world_backend(world_rule(&w, "/pair"), pair, 1);
	world_rule(&w, "/broken")->error = HG_ERR_BAD_RULE;

	r = world_rule(&w, "/retry");
	r->retry = &retry_503;
	(void)world_backend(r, c0, 1);
	r = world_rule(&w, "/noretry");
	r->retry = &retry_none;
	(void)world_backend(r, half, 1);
	r = world_rule(&w, "/limit");
	r->request_ms = 150;
	(void)world_backend(r, c0, 1);
	r = world_rule(&w, "/try");
	r->backend_ms = 150;
	(void)world_backend(r, c0, 1);

	r = world_rule(&w, "/edit");
	f = world_filter(r, IM_F_REQUEST_HEADERS);
	f->edits = set_req;
	f->nedits = 1;
	f = world_filter(r, IM_F_RESPONSE_HEADERS);
	f->edits = add_resp;
	f->nedits = 1;
	f = world_filter(r, IM_F_REWRITE);
	f->rewrite.host = BYTES("other.test");
	f->rewrite.path = BYTES("/new");
	f->rewrite.prefix = BYTES("/edit");
	f->rewrite.pathop = IM_PATH_PREFIX;
	(void)world_backend(r, c0, 1);

	r = world_rule(&w, "/redirect");
	f = world_filter(r, IM_F_REDIRECT);
	f->redirect.status = 301;
	f->redirect.host = BYTES("example.org");
	f = world_filter(r, IM_F_RESPONSE_HEADERS);
	f->edits = add_resp;
	f->nedits = 1;

	r = world_rule(&w, "/mirror");
	f = world_filter(r, IM_F_MIRROR);
	f->mirror.cluster = shadow;
	f->mirror.num = f->mirror.den = 1;
	(void)world_backend(r, c0, 1);

	r = world_rule(&w, "/deaf");
	f = world_filter(r, IM_F_MIRROR);
	f->mirror.cluster = world_cluster(&w, "shop/deaf:80", &deaf_port, 1);
	f->mirror.num = f->mirror.den = 1;
	(void)world_backend(r, c0, 1);

	r = world_rule(&w, "/unix");
	gone = world_cluster(&w, "shop/unix:80", dead, 1);
	gone->endpoints[0].addr = (struct addr){0};
	gone->endpoints[0].unix_path = bytes_str(path);
	(void)world_backend(r, gone, 1);

	r = world_rule(&w, "/sticky");
	r->persist = world_zalloc(&w, sizeof(*r->persist));
	*r->persist =
	    (struct m_persist){.type = IM_PERSIST_COOKIE, .name = BYTES("sid"), .path = BYTES("/")};
	(void)world_backend(r, pair, 1);
}

static void
begin_generation(uint64_t gen)
{
	world_init(&w, gen);
	w.m.settings.idle_timeout_ms = 5000;
	w.listener.port = port;
	world_socket(&w, 1, port);
}

static int
setup(void **state)
{
	struct addr a;
	int fd;

	(void)state;
	for (int i = 0; i < 3; i++)
		origin_start(&o[i], i == 0 ? "a" : i == 1 ? "b" : "s");
	(void)snprintf(path, sizeof(path), "/tmp/headgate-test-%d.sock", (int)getpid());
	origin_start_unix(&local, "unix", path);
	deaf = harness_bind(&a, 0);
	assert_int_equal(sock_listen(deaf, 16), 0);
	deaf_port = a.port;
	fd = harness_bind(&a, 0);
	port = a.port;
	begin_generation(1);
	make_rules();
	harness_start(&h);
	harness_socket(&h, 1, &a, fd, 1);
	assert_true(harness_serve(&h, world_seal(&w), 1));
	world_release(&w);
	return 0;
}

static int
teardown(void **state)
{
	int rc;

	(void)state;
	rc = harness_stop(&h, 3000);
	for (int i = 0; i < 3; i++)
		origin_stop(&o[i]);
	origin_stop(&local);
	(void)unlink(path);
	close(deaf);
	assert_int_equal(rc, 0);
	return 0;
}

static uint64_t
metric(enum metric m)
{
	return h.env.slot->metrics[m];
}

/* A condition on what other processes do; they are not far behind. */
#define assert_soon(c) \
	do { \
		int n_ = 0; \
		while (!(c) && n_++ < 1000) \
			(void)poll(NULL, 0, 10); \
		assert_true(c); \
	} while (0)

static char line[8192];
/* The next line that says this. A line is written behind the answer, so those of requests before
 * may still come. */
static bool
log_has(const char *text)
{
	enum slot_ringkind kind;
	struct bytes b;
	bool found = false;

	while (!found && ring_get(&h.env.slot->ring, &kind, &b) == 1) {
		(void)snprintf(line, sizeof(line), "%.*s", BYTES_ARG(b));
		found = kind == SLOT_RING_ACCESS && strstr(line, text) != NULL;
		ring_done(&h.env.slot->ring, b);
	}
	return found;
}

static void
log_drop(void)
{
	while (log_has(""))
		;
}

static void
assert_logged(const char *text)
{
	bool found = false;

	assert_soon((found = found || log_has(text)));
}

static void
test_forward(void **state)
{
	(void)state;
	log_drop();
	assert_int_equal(
	    client_ask(port, "GET", "/a%7eb/./c?x=%20",
		"X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 7.7.7.7\r\n"
		"Keep-Alive: 5\r\nX-Mine: 1\r\nForwarded: for=evil\r\nX-Request-Id: id-1\r\n"),
	    200);
	assert_true(client_has("GET /a~b/c?x=%20 HTTP/1.1\r\nHost: gw.test\r\n"));
	assert_true(client_has("X-Forwarded-For: 127.0.0.1\r\n"));
	assert_true(client_has("X-Forwarded-Proto: http\r\n"));
	assert_true(client_has("X-Forwarded-Host: gw.test\r\n"));
	assert_true(client_has("X-Mine: 1\r\n"));
	assert_true(client_has("X-Request-Id: id-1\r\n"));
	assert_false(client_has("6.6.6.6") || client_has("7.7.7.7") || client_has("evil"));
	assert_false(client_has("eep-Alive: 5")); /* neither way */
	assert_false(client_has("timeout=5"));
	assert_true(client_has("Via: 1.1 headgate\r\n"));
	assert_logged("\"path\":\"/a~b/c\",\"query\":\"x=%20\"");
	assert_non_null(strstr(line, "\"req_id\":\"id-1\""));
	assert_non_null(strstr(line, "\"reason\":\"ok\""));
}

static void
test_methods(void **state)
{
	(void)state;
	assert_int_equal(client_ask(port, "PURGE", "/", NULL), 200);
	assert_true(client_has("\r\n\r\nPURGE / HTTP/1.1"));
	assert_int_equal(client_ask(port, "HEAD", "/", NULL), 200);
	assert_true(strcmp(client_in + client_n - 4, "\r\n\r\n") == 0); /* no body */
	assert_int_equal(client_ask(port, "TRACE", "/", NULL), 501);
	assert_int_equal(client_ask(port, "OPTIONS", "*", NULL), 200);
	assert_false(client_has("X-Backend"));
	assert_int_equal(client_ask(port, "OPTIONS", "/", "Max-Forwards: 0\r\n"), 200);
	assert_false(client_has("X-Backend"));
	assert_int_equal(client_ask(port, "OPTIONS", "/", "Max-Forwards: 3\r\n"), 200);
	assert_true(client_has("Max-Forwards: 2\r\n"));
	assert_int_equal(client_ask(port, "GET", "/a%2fb", NULL), 400);
	assert_int_equal(client_ask(port, "HEAD", "/none", NULL), 503);
	assert_true(strcmp(client_in + client_n - 4, "\r\n\r\n") == 0);
	assert_true(client_has("Retry-After: 1\r\n"));
}

static void
test_keep_alive(void **state)
{
	uint32_t before = atomic_load(&o[0].seen->connections);
	uint64_t reused = metric(METRIC_upstream_reused);
	int fd = client_open(port);

	(void)state;
	for (int i = 0; i < 20; i++) {
		char end[64];

		(void)snprintf(end, sizeof(end), "x-n: %d\r\n", i);
		client_n = 0;
		client_in[0] = '\0';
		assert_true(client_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n") &&
		    client_send(fd, end) && client_send(fd, "\r\n"));
		assert_true(client_read(fd, end));
		assert_int_equal(client_status(), 200);
	}
	/* Pipelined, in order. */
	client_n = 0;
	client_in[0] = '\0';
	assert_true(client_send(fd,
	    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
	assert_true(client_read(fd, NULL));
	assert_true(strstr(client_in, "GET /1") < strstr(client_in, "GET /2"));
	assert_true(strstr(client_in, "GET /2") < strstr(client_in, "GET /3"));
	close(fd);
	assert_true(atomic_load(&o[0].seen->connections) <= before + 1);
	assert_true(metric(METRIC_upstream_reused) >= reused + 22);
}

static void
test_bodies(void **state)
{
	static char big[300000];
	uint64_t before;
	int fd;

	(void)state;
	assert_int_equal(client_ask(port, "POST", "/", "Content-Length: 5\r\n\r\nhello"), 200);
	assert_true(client_has("\r\n\r\nhello"));
	assert_int_equal(client_ask(port, "GET", "/?chunk", NULL), 200);
	assert_true(client_has("5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: end\r\n\r\n"));

	before = atomic_load(&o[0].seen->body);
	memset(big, 'x', sizeof(big) - 1);
	fd = client_open(port);
	(void)client_send(fd,
	    "PUT /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 299999\r\n\r\n");
	assert_true(client_send(fd, big) && client_read(fd, NULL));
	assert_int_equal(client_status(), 200);
	assert_int_equal(atomic_load(&o[0].seen->body) - before, 299999);
	close(fd);

	before = atomic_load(&o[0].seen->body);
	fd = client_open(port);
	(void)client_send(fd,
	    "PUT /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 20; i++)
		assert_true(client_send(fd, "3e8\r\n") &&
		    client_send(fd, big + sizeof(big) - 1001) && client_send(fd, "\r\n"));
	assert_true(client_send(fd, "0\r\n\r\n") && client_read(fd, NULL));
	assert_int_equal(client_status(), 200);
	assert_int_equal(atomic_load(&o[0].seen->body) - before, 20000);
	close(fd);

	assert_int_equal(client_ask(port, "GET", "/?big", NULL), 200);
	assert_true(client_n > 1048576);
	assert_true(client_has("0001023") && !client_has("X-Nothing"));
}

static void
test_expect(void **state)
{
	int fd = client_open(port);

	(void)state;
	(void)client_send(fd,
	    "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
	    "Content-Length: 4\r\n\r\n");
	assert_true(client_read(fd, "HTTP/1.1 100 Continue\r\n\r\n"));
	assert_true(client_send(fd, "body") && client_read(fd, NULL));
	assert_true(client_has("HTTP/1.1 200 ") && client_has("\r\n\r\nbody"));
	close(fd);

	/* The backend decides first: no 100, and the body never comes. */
	fd = client_open(port);
	(void)client_send(fd,
	    "POST /?early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Content-Length: 4\r\n\r\n");
	assert_true(client_read(fd, NULL));
	assert_int_equal(client_status(), 401);
	close(fd);

	/* A backend that does not know of it gets the body after a moment. */
	fd = client_open(port);
	(void)client_send(fd,
	    "POST /?nocont HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n"
	    "Content-Length: 4\r\n\r\n");
	assert_true(client_read(fd, "HTTP/1.1 100 Continue\r\n\r\n"));
	assert_true(client_send(fd, "body") && client_read(fd, NULL) && client_has("\r\n\r\nbody"));
	close(fd);

	assert_int_equal(client_ask(port, "GET", "/?interim", NULL), 103);
	assert_true(client_has("Link: </a>\r\n") && client_has("HTTP/1.1 200 "));
}

static void
test_early(void **state)
{
	static char big[200001];
	int fd = client_open(port);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	(void)client_send(
	    fd, "POST /?early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
	(void)client_send(fd, big);
	assert_true(client_read(fd, "\r\n\r\nno"));
	assert_int_equal(client_status(), 401);
	assert_true(client_has("Connection: close\r\n"));
	close(fd);
}

static void
test_weights(void **state)
{
	unsigned a = 0, b = 0, bad = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		unsigned s = client_ask(port, "GET", "/split", NULL);

		a += client_has("X-Backend: a\r\n");
		b += client_has("X-Backend: b\r\n");
		bad += s == 500;
	}
	assert_int_equal(a, 140);
	assert_int_equal(b, 40);
	assert_int_equal(bad, 20);
	assert_int_equal(client_ask(port, "GET", "/zero", NULL), 500);
	assert_int_equal(client_ask(port, "GET", "/none", NULL), 503);
	assert_int_equal(client_ask(port, "GET", "/broken", NULL), 500);
	a = b = 0;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(client_ask(port, "GET", "/pair", NULL), 200);
		a += client_has("X-Backend: a\r\n");
		b += client_has("X-Backend: b\r\n");
	}
	assert_int_equal(a, 5);
	assert_int_equal(b, 5);
}

static void
test_health(void **state)
{
	uint32_t ids[2], n = 0;
	unsigned a = 0;

	(void)state;
	for (uint32_t i = 0; i < 400 && n < 2;
	     i++) /* endpoints of /pair: the only two with equal counts of 5 */
		if (h.env.slot->endpoints[i].requests == 5)
			ids[n++] = i;
	if (n < 2)
		return; /* the tests before were not run */
	atomic_store(&h.env.board->endpoints[ids[1]].active, BOARD_UNHEALTHY);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(client_ask(port, "GET", "/pair", NULL), 200);
		a += client_has("X-Backend: a\r\n");
	}
	assert_int_equal(a, 10);
	atomic_store(&h.env.board->endpoints[ids[0]].active, BOARD_UNHEALTHY);
	assert_int_equal(client_ask(port, "GET", "/pair", NULL), 200); /* panic: all are used */
	atomic_store(&h.env.board->endpoints[ids[0]].active, BOARD_HEALTHY);
	atomic_store(&h.env.board->endpoints[ids[1]].active, BOARD_HEALTHY);
}

static void
test_connect(void **state)
{
	(void)state;
	log_drop();
	assert_int_equal(client_ask(port, "GET", "/gone", NULL), 503);
	assert_logged("\"reason\":\"connect_failed\"");
	for (int i = 0; i < 10; i++) { /* the dead one of two is passed over */
		assert_int_equal(
		    client_ask(port, "POST", "/half", "Content-Length: 5\r\n\r\nhello"), 200);
		assert_true(client_has("X-Backend: b\r\n") && client_has("\r\n\r\nhello"));
	}
	{
		unsigned bad = 0;

		for (int i = 0; i < 10; i++)
			bad += client_ask(port, "GET", "/noretry", NULL) == 503;
		assert_int_equal(bad, 5); /* attempts: 0 means what it says */
	}
}

static void
test_retry(void **state)
{
	char target[64];

	(void)state;
	log_drop();
	(void)snprintf(
	    target, sizeof(target), "/retry?fail=%u", atomic_load(&o[0].seen->requests) + 2);
	assert_int_equal(client_ask(port, "POST", target, "Content-Length: 5\r\n\r\nhello"), 200);
	assert_true(client_has("\r\n\r\nhello"));
	assert_logged("\"attempts\":3");
	(void)snprintf(
	    target, sizeof(target), "/retry?fail=%u", atomic_load(&o[0].seen->requests) + 3);
	assert_int_equal(
	    client_ask(port, "GET", target, NULL), 503); /* the last answer, as it is */
	assert_true(client_has("X-Backend: a\r\n"));
	assert_int_equal(client_ask(port, "GET", "/retry?status=500", NULL), 500); /* not listed */
	assert_int_equal(client_ask(port, "GET", "/retry?die", NULL), 502); /* perhaps processed */
}

/* The backend closes idle connections without a word: the next request must not notice. */
static void
test_dead_pool(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++)
		assert_int_equal(
		    client_ask(port, "POST", "/?once", "Content-Length: 5\r\n\r\nhello"), 200);
}

static void
test_hostile(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(client_ask(port, "GET", "/?die", NULL), 502);
	assert_int_equal(client_ask(port, "GET", "/?garbage", NULL), 502);
	log_drop();
	fd = client_open(port);
	(void)client_send(fd, "GET /?cut HTTP/1.1\r\nHost: a\r\n\r\n");
	(void)client_read(fd, NULL);
	/* Visibly short; nothing at all where head and break came together. */
	assert_true((client_n == 0 || client_has("Content-Length: 1000\r\n")) && client_n < 1000);
	close(fd);
	assert_logged("\"reason\":\"backend_reset\"");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(client_ask(port, "GET", "/?surplus", NULL), 200);
		assert_int_equal(client_ask(port, "GET", "/", NULL), 200);
		assert_true(client_has("GET / HTTP/1.1")); /* nobody else's answer */
	}
}

static void
test_timeouts(void **state)
{
	(void)state;
	log_drop();
	assert_int_equal(client_ask(port, "GET", "/limit?hang", NULL), 504);
	assert_logged("\"reason\":\"backend_timeout\"");
	assert_int_equal(client_ask(port, "GET", "/try?hang", NULL), 504);
	assert_int_equal(client_ask(port, "GET", "/limit", NULL), 200);
	assert_soon(h.env.slot->exchanges == 0);
}

static void
test_vanish(void **state)
{
	uint32_t aborted = atomic_load(&o[0].seen->aborted);
	int fd = client_open(port);
	struct linger l = {1, 0};

	(void)state;
	(void)client_send(fd, "GET /?hang HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_soon(h.env.slot->exchanges == 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	log_drop();
	close(fd); /* a reset */
	assert_soon(h.env.slot->exchanges == 0);
	/* More, if the backend learns only now of those that a timeout cut before. */
	assert_soon(atomic_load(&o[0].seen->aborted) > aborted);
	assert_logged("\"reason\":\"client_closed\"");
	for (uint32_t i = 0; i < 400; i++)
		assert_int_equal(h.env.slot->endpoints[i].inflight, 0);
}

static void
test_filters(void **state)
{
	(void)state;
	assert_int_equal(client_ask(port, "GET", "/edit/x?q", "X-Req: client\r\n"), 200);
	assert_true(client_has("GET /new/x?q HTTP/1.1\r\nHost: other.test\r\n"));
	assert_true(client_has("x-req: set\r\n") || client_has("X-Req: set\r\n"));
	assert_true(client_has("x-resp: yes\r\n"));
	assert_int_equal(client_ask(port, "GET", "/edit?status=204", NULL), 204);
	log_drop();
	assert_int_equal(
	    client_ask(port, "POST", "/redirect/x?q", "Content-Length: 5\r\n\r\nhello"), 301);
	assert_true(client_has("Location: http://example.org:") && client_has("/redirect/x?q\r\n"));
	assert_true(client_has("x-resp: yes\r\n")); /* own answers pass the filters too */
	assert_logged("\"reason\":\"redirect\"");
}

static void
test_mirror(void **state)
{
	uint32_t before = atomic_load(&o[2].seen->requests);
	uint64_t body = atomic_load(&o[2].seen->body);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(
		    client_ask(port, "POST", "/mirror", "Content-Length: 5\r\n\r\nhello"), 200);
	assert_soon(atomic_load(&o[2].seen->requests) == before + 10);
	assert_soon(atomic_load(&o[2].seen->body) == body + 50);
	assert_soon(h.env.slot->exchanges == 0);
	/* One that does not answer holds up nobody. */
	assert_int_equal(client_ask(port, "GET", "/mirror?x", NULL), 200);
}

/* A mirror that takes nothing is cut at its bound; the request does not notice. */
static void
test_deaf_mirror(void **state)
{
	static char piece[1 << 20];
	uint64_t cut = metric(METRIC_mirrors_dropped), body = atomic_load(&o[0].seen->body);
	int fd = client_open(port);

	(void)state;
	memset(piece, 'x', sizeof(piece) - 1);
	(void)client_send(fd, "PUT /deaf HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	    "Content-Length: 16777200\r\n\r\n");
	for (int i = 0; i < 16; i++)
		assert_true(client_send(fd, piece));
	assert_true(client_read(fd, NULL));
	assert_int_equal(client_status(), 200);
	close(fd);
	assert_int_equal(atomic_load(&o[0].seen->body) - body, 16777200);
	assert_int_equal(metric(METRIC_mirrors_dropped), cut + 1);
	assert_soon(h.env.slot->exchanges == 0);
}

static void
test_unix(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(client_ask(port, "GET", "/unix", NULL), 200);
		assert_true(client_has("X-Backend: unix\r\n"));
	}
	assert_int_equal(atomic_load(&local.seen->connections), 1);
}

static void
test_sticky(void **state)
{
	char cookie[256], more[400];
	const char *at;
	bool a;

	(void)state;
	assert_int_equal(client_ask(port, "GET", "/sticky", NULL), 200);
	at = strstr(client_in, "Set-Cookie: ");
	assert_non_null(at);
	(void)snprintf(cookie, sizeof(cookie), "%.*s", (int)strcspn(at + 12, ";"), at + 12);
	a = client_has("X-Backend: a\r\n");
	(void)snprintf(more, sizeof(more), "Cookie: x=1; %s\r\n", cookie);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(client_ask(port, "GET", "/sticky", more), 200);
		assert_true(client_has("X-Backend: a\r\n") == a);
		assert_false(client_has("Set-Cookie"));
		assert_true(client_has("Cookie: x=1\r\n")); /* ours does not reach the backend */
	}
}

static void
test_refusals(void **state)
{
	(void)state;
	assert_int_equal(client_ask(port, "GET", "/", "Content-Length: x\r\n"), 400);
	assert_int_equal(client_ask(port, "GET", "/", "A: b\r\nbad line\r\n"), 400);
	assert_int_equal(client_ask(port, "GET", "/", "Transfer-Encoding: gzip\r\n"), 400);
}

/* A long answer goes on over reloads and pins nothing; new requests see the new rules. */
static void
test_reload(void **state)
{
	int fd = client_open(port), refused;
	struct pollfd p = {fd, POLLIN, 0};

	(void)state;
	(void)client_send(fd, "GET /?big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_int_equal(poll(&p, 1, CLIENT_MS), 1);
	for (uint64_t gen = 2; gen < 12; gen++) {
		begin_generation(gen);
		(void)world_backend(
		    world_rule(&w, "/"), world_cluster(&w, "shop/b:80", &o[1].port, 1), 1);
		assert_true(harness_serve(&h, world_seal(&w), gen));
		world_release(&w);
		assert_int_equal(atomic_load(&h.env.slot->active), gen);
	}
	assert_soon(atomic_load(&h.env.slot->oldest) == 11);
	assert_true(client_read(fd, NULL));
	assert_true(client_n > 1048576);
	close(fd);
	assert_int_equal(client_ask(port, "GET", "/split", NULL), 200);
	assert_true(client_has("X-Backend: b\r\n"));
	/* What is no image is refused, and what runs stays. */
	refused = memfd_create("x", MFD_CLOEXEC);
	assert_false(harness_serve(&h, refused, 12));
	assert_int_equal(h.in.type, PROTO_REFUSED);
	assert_int_equal(client_ask(port, "GET", "/", NULL), 200);
}

/* More generations than can be mapped, while requests wait for their answer's head in each. */
static void
test_reload_pinned(void **state)
{
	int fds[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct m_rule *r;
		struct m_filter *f;

		begin_generation(20 + i);
		r = world_rule(&w, "/");
		f = world_filter(r, IM_F_RESPONSE_HEADERS);
		f->edits = add_resp;
		f->nedits = 1;
		r->request_ms = 700;
		(void)world_backend(r, world_cluster(&w, "shop/b:80", &o[1].port, 1), 1);
		assert_true(harness_serve(&h, world_seal(&w), 20 + i));
		world_release(&w);
		fds[i] = client_open(port);
		(void)client_send(
		    fds[i], "GET /?hang HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		assert_soon(h.env.slot->exchanges == i + 1);
	}
	for (unsigned i = 0; i < 6; i++) {
		client_n = 0;
		client_in[0] = '\0';
		assert_true(client_read(fds[i], NULL));
		assert_int_equal(client_status(), 504);
		assert_true(client_has("x-resp: yes\r\n")); /* the edits were copied */
		close(fds[i]);
	}
	assert_soon(atomic_load(&h.env.slot->oldest) == 25);
}

static void
test_sockets(void **state)
{
	struct addr a;
	struct proto_socket s = {0};
	int fd = harness_bind(&a, 0), idle, busy;
	uint16_t second = a.port;

	(void)state;
	begin_generation(30);
	world_socket(&w, 2, second);
	(void)world_backend(world_rule(&w, "/"), world_cluster(&w, "shop/b:80", &o[1].port, 1), 1);
	harness_socket(&h, 2, &a, fd, 30);
	assert_int_equal(client_open(second), -1); /* not listening before its generation */
	assert_true(harness_serve(&h, world_seal(&w), 30));
	world_release(&w);
	assert_int_equal(client_ask(second, "GET", "/", NULL), 200);

	busy = client_open(second);
	(void)client_send(busy, "GET /?interim HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(client_read(busy, "HTTP/1.1 200 "));
	idle = client_open(second);
	(void)client_send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(client_read(idle, "HTTP/1.1 200 "));
	begin_generation(31);
	(void)world_backend(world_rule(&w, "/"), world_cluster(&w, "shop/b:80", &o[1].port, 1), 1);
	assert_true(harness_serve(&h, world_seal(&w), 31));
	world_release(&w);
	assert_true(client_read(idle, NULL)); /* idle ones of a removed socket are closed */
	close(idle);
	close(busy);
	s.key = (struct proto_sockkey){.addr = a, .id = 2, .transport = IM_TCP};
	assert_int_equal(imsg_send(&h.chan, PROTO_SOCKET_DROP, 31, &s, sizeof(s), NULL, 0), 0);
	assert_true(harness_wait(&h, PROTO_SOCKET_CLOSED));
	assert_int_equal(client_open(second), -1);
	assert_int_equal(client_ask(port, "GET", "/", NULL), 200);
}

/* Drain: what runs is finished, who is idle is closed, and nobody new comes in. */
static void
test_drain(void **state)
{
	struct proto_drain d = {5000};
	int busy = client_open(port), idle;
	struct pollfd p = {busy, POLLIN, 0};

	(void)state;
	(void)client_send(busy, "GET /?big HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(poll(&p, 1, CLIENT_MS), 1);
	idle = client_open(port);
	(void)client_send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(client_read(idle, "HTTP/1.1 200 "));
	assert_int_equal(imsg_send(&h.chan, PROTO_DRAIN, 0, &d, sizeof(d), NULL, 0), 0);
	client_n = 0;
	assert_true(client_read(idle, NULL));
	close(idle);
	client_n = 0;
	assert_true(client_read(busy, NULL));
	assert_true(client_n > 1048576);
	close(busy);
	assert_true(harness_wait(&h, PROTO_DRAINED));
	assert_int_equal(metric(METRIC_connections_accepted), metric(METRIC_connections_closed));
	assert_int_equal(metric(METRIC_parser_disagreed), 0);
	assert_int_equal(metric(METRIC_log_dropped), 0);
	assert_int_equal(h.env.slot->idle_upstream, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_forward),
	    cmocka_unit_test(test_methods), cmocka_unit_test(test_keep_alive),
	    cmocka_unit_test(test_bodies), cmocka_unit_test(test_expect),
	    cmocka_unit_test(test_early), cmocka_unit_test(test_weights),
	    cmocka_unit_test(test_health), cmocka_unit_test(test_connect),
	    cmocka_unit_test(test_retry), cmocka_unit_test(test_dead_pool),
	    cmocka_unit_test(test_hostile), cmocka_unit_test(test_timeouts),
	    cmocka_unit_test(test_vanish), cmocka_unit_test(test_filters),
	    cmocka_unit_test(test_mirror), cmocka_unit_test(test_deaf_mirror),
	    cmocka_unit_test(test_unix), cmocka_unit_test(test_sticky),
	    cmocka_unit_test(test_refusals), cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_reload_pinned), cmocka_unit_test(test_sockets),
	    cmocka_unit_test(test_drain)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
