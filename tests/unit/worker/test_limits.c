/*
 * What a worker does when there is too much of something, or when it has to go.
 */
#include "tests/unit/worker/fake.h"

#include "tests/unit/worker/client.h"
#include "tests/unit/worker/origin.h"

static struct harness h;
static struct world w;
static struct origin o;
static uint16_t port;

static void
begin(void (*set)(struct im_settings *), unsigned nofile)
{
	struct addr a;
	int fd;

	origin_start(&o, "a");
	fd = harness_bind(&a, 0);
	port = a.port;
	harness_nofile = nofile;
	harness_start(&h);
	harness_nofile = 0;
	world_init(&w, 1);
	if (set)
		set(&w.m.settings);
	w.listener.port = port;
	world_socket(&w, 1, port);
	(void)world_backend(world_rule(&w, "/"), world_cluster(&w, "shop/a:80", &o.port, 1), 1);
	harness_socket(&h, 1, &a, fd, 1);
	assert_true(harness_serve(&h, world_seal(&w), 1));
	world_release(&w);
}

static int
clean(void **state)
{
	(void)state;
	origin_stop(&o);
	return 0;
}

/* One request on a new connection, kept open. */
static int
hold(void)
{
	int fd = client_open(port);

	assert_true(fd >= 0);
	(void)client_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	(void)client_read(fd, "\r\n\r\n");
	return fd;
}

static void
test_descriptors(void **state)
{
	int fds[120];
	unsigned ok = 0, away = 0;

	(void)state;
	begin(NULL, 100);
	for (unsigned i = 0; i < 120; i++) {
		fds[i] = hold();
		ok += client_status() == 200;
		away += client_status() == 503;
	}
	assert_int_equal(ok + away, 120); /* nobody is left without an answer */
	assert_true(ok >= 2 && away > 0);
	for (unsigned i = 0; i < 120; i++)
		close(fds[i]);
	for (int i = 0; i < 500 && atomic_load(&h.env.slot->connections); i++)
		(void)poll(NULL, 0, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(client_ask(port, "GET", "/", NULL), 200); /* and it recovers */
	assert_int_equal(harness_stop(&h, 1000), 0);
}

/* No margin at all: accept() itself fails, and the spare descriptor answers. */
static void
test_emfile(void **state)
{
	int fds[60];
	unsigned ok = 0, away = 0;

	(void)state;
	harness_waste = 110;
	begin(NULL, 160);
	harness_waste = 0;
	for (unsigned i = 0; i < 60; i++) {
		fds[i] = hold();
		ok += client_status() == 200;
		away += client_status() == 503;
	}
	assert_int_equal(ok + away, 60);
	assert_true(ok >= 2 && away > 0);
	for (unsigned i = 0; i < 60; i++)
		close(fds[i]);
	for (int i = 0; i < 500 && atomic_load(&h.env.slot->connections); i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(client_ask(port, "GET", "/", NULL), 200);
	assert_int_equal(harness_stop(&h, 1000), 0);
}

static void
small(struct im_settings *s)
{
	s->connections_per_ip = 3;
	s->body_bytes = 10;
	s->header_timeout_ms = 100;
}

static void
test_small(void **state)
{
	int fds[3], fd;

	(void)state;
	begin(small, 0);
	for (int i = 0; i < 3; i++) {
		fds[i] = hold();
		assert_int_equal(client_status(), 200);
	}
	fd = hold();
	assert_int_equal(client_status(), 503);
	close(fd);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	for (int i = 0; i < 500 && atomic_load(&h.env.slot->connections); i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(
	    client_ask(port, "POST", "/", "Content-Length: 10\r\n\r\n0123456789"), 200);
	assert_int_equal(
	    client_ask(port, "POST", "/", "Content-Length: 11\r\n\r\n0123456789a"), 413);
	assert_int_equal(client_ask(port, "POST", "/",
			     "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n"),
	    413);
	fd = client_open(port);
	(void)client_send(fd, "GET / HTTP/1.1\r\nHost");
	assert_true(client_read(fd, NULL));
	assert_int_equal(client_status(), 408);
	close(fd);
	assert_int_equal(harness_stop(&h, 1000), 0);
}

static void
test_grace(void **state)
{
	int fd;

	(void)state;
	begin(NULL, 0);
	fd = client_open(port);
	(void)client_send(fd, "GET /?hang HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 500 && atomic_load(&h.env.slot->exchanges) == 0; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(
	    harness_stop(&h, 100), 0); /* the time is over: it goes, and the client sees an end */
	(void)client_read(fd, NULL);
	assert_int_equal(client_n, 0);
	close(fd);
}

static void
test_orphan(void **state)
{
	(void)state;
	begin(NULL, 0);
	assert_int_equal(client_ask(port, "GET", "/", NULL), 200);
	(void)shutdown(h.chan.fd, SHUT_RDWR); /* the master is gone */
	assert_int_equal(harness_reap(&h), 0);
}

/* Connections that were queued but not accepted when the drain came are answered. */
static void
test_queued(void **state)
{
	struct proto_drain d = {5000};
	int fds[20];
	unsigned ok = 0;

	(void)state;
	begin(NULL, 0);
	kill(h.pid, SIGSTOP);
	for (int i = 0; i < 20; i++) {
		fds[i] = client_open(port);
		(void)client_send(fds[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	assert_int_equal(imsg_send(&h.chan, PROTO_DRAIN, 0, &d, sizeof(d), NULL, 0), 0);
	kill(h.pid, SIGCONT);
	for (int i = 0; i < 20; i++) {
		client_n = 0;
		client_in[0] = '\0';
		(void)client_read(fds[i], NULL);
		ok += client_status() == 200 && client_has("Connection: close\r\n");
		close(fds[i]);
	}
	assert_int_equal(ok, 20);
	assert_int_equal(harness_reap(&h), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, clean)
	    T(test_descriptors), T(test_emfile), T(test_small), T(test_grace), T(test_orphan),
	    T(test_queued)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
