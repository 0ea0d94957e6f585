/* test_h1_down_limits.c - time, counts and memory of a client's connection. */
#include "tests/unit/http/down_rig.h"

/* Time is moved by moving what the connection remembers of it. */
static void
pass(uint64_t ms)
{
	uint64_t ns = ms * MS_NS;

	d.s.due = d.s.due > ns ? d.s.due - ns : 0;
	d.s.since = d.s.since > ns ? d.s.since - ns : 0;
	d.chan.last_progress = d.chan.last_progress > ns ? d.chan.last_progress - ns : 0;
	d.timer.fire(&d.timer);
	turns(l, 3);
}

static void
header_timeout(void **state)
{
	(void)state;
	put("GET / HTTP/1.1\r\nHost: h\r\nX-");
	assert_true(d.timer.deadline != 0);
	pass(9000);
	assert_string_equal(seen.p, "");
	put("A: b\r\n"); /* a byte now and then does not help */
	pass(1100);
	assert_string_equal(seen.p, "refuse-REQUEST_TIMEOUT ");
	assert_non_null(strstr(got(NULL), "HTTP/1.1 408 "));
	pass(2100); /* lingering ends too */
	assert_true(closed);
}

static void
idle_timeout_is_silent(void **state)
{
	(void)state;
	auto_answer = true;
	put(RQ("GET /a", ""));
	got(NULL);
	pass(59000);
	assert_false(closed);
	pass(1500);
	assert_true(closed);
	assert_true(ended());
}

static void
slow_body(void **state)
{
	(void)state;
	limits.body_rate = 2;
	put(RQ("POST /a", "Content-Length: 100\r\n"));
	pass(9000);
	put("0123456789"); /* five seconds' worth */
	pass(5900);
	assert_string_equal(seen.p, "POST /a <0123456789>");
	pass(200);
	assert_string_equal(seen.p, "POST /a <0123456789>refuse-REQUEST_TIMEOUT ");
	assert_non_null(strstr(got(NULL), "408"));
}

static void
our_slowness_is_not_the_clients(void **state)
{
	(void)state;
	window = 0;
	put(RQ("POST /a", "Content-Length: 100\r\n"));
	pass(60000);
	assert_string_equal(seen.p, "POST /a ");
	st->ops->credit(st, 100);
	pass(9000);
	assert_string_equal(seen.p, "POST /a ");
	pass(1100);
	assert_string_equal(seen.p, "POST /a refuse-REQUEST_TIMEOUT ");
}

static void
write_stall(void **state)
{
	static char block[60000];

	(void)state;
	put(RQ("GET /a", ""));
	msg_init(&resp, false);
	resp.status = 200;
	resp.framing = MSG_CHUNKED;
	st->ops->send_head(st, &resp, 0);
	for (int i = 0; i < 20; i++)
		st->ops->send_body(st, (struct slice){NULL, block, sizeof(block)});
	turns(l, 2);
	assert_true(st->ops->backlog(st) > 0);
	pass(29000);
	assert_string_equal(seen.p, "GET /a. ");
	for (int i = 0; i < 3; i++) { /* reads are progress */
		got(NULL);
		turns(l, 2);
	}
	pass(29000);
	assert_string_equal(seen.p, "GET /a. ");
	pass(1500);
	assert_string_equal(seen.p, "GET /a. reset-CLIENT_SLOW closed");
}

static void
request_count(void **state)
{
	(void)state;
	limits.requests_per_connection = 2;
	auto_answer = true;
	put(RQ("GET /a", "") RQ("GET /b", "") RQ("GET /c", ""));
	assert_string_equal(got(NULL), OK2 OK2_CLOSE);
	assert_string_equal(seen.p, "GET /a. GET /b. ");
}

static void
drain(void **state)
{
	(void)state;
	put(RQ("GET /a", ""));
	h1_down_drain(&d);
	answer(200, "ok");
	done();
	turns(l, 2);
	assert_string_equal(got(NULL), OK2_CLOSE);
	finish();
	begin();
	h1_down_drain(&d);
	turns(l, 1);
	assert_true(closed);
}

static void
no_room_is_503(void **state)
{
	(void)state;
	no_room = true;
	put(RQ("GET /a", ""));
	assert_non_null(strstr(got(NULL), "HTTP/1.1 503 Service Unavailable\r\n"));
	assert_true(ended());
}

/* What an idle connection costs, with the two buffers that it does not hold. */
static void
idle_memory(void **state)
{
	(void)state;
	assert_true(sizeof(struct h1_down) <= 448);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(header_timeout), T(idle_timeout_is_silent), T(slow_body),
	    T(our_slowness_is_not_the_clients), T(write_stall), T(request_count), T(drain),
	    T(no_room_is_503), T(idle_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
