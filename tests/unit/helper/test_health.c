/* Verdicts as arithmetic, and whole checks against sockets of this process. */
#include "tests/unit/helper/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "helper/health.h"
#include "net/sock.h"

static void
test_judge(void **state)
{
	struct health_state s = {0};

	(void)state;
	assert_true(health_judge(&s, 2, 3, HEALTH_GOOD)); /* the first is enough */
	assert_int_equal(s.verdict, BOARD_HEALTHY);
	assert_false(health_judge(&s, 2, 3, HEALTH_FAIL));
	assert_false(health_judge(&s, 2, 3, HEALTH_FAIL));
	assert_false(health_judge(&s, 2, 3, HEALTH_GOOD)); /* a row begins anew */
	assert_false(health_judge(&s, 2, 3, HEALTH_FAIL));
	assert_false(health_judge(&s, 2, 3, HEALTH_FAIL));
	assert_true(health_judge(&s, 2, 3, HEALTH_FAIL));
	assert_int_equal(s.verdict, BOARD_UNHEALTHY);
	assert_false(health_judge(&s, 2, 3, HEALTH_GOOD));
	assert_true(health_judge(&s, 2, 3, HEALTH_GOOD));
	assert_true(health_judge(&s, 2, 3, HEALTH_BAD)); /* at once */
	assert_int_equal(s.verdict, BOARD_UNHEALTHY);
}

static void
test_status(void **state)
{
	static const struct im_statusrange want[] = {{200, 200}, {300, 399}},
					   again[] = {{300, 503}};

	(void)state;
	assert_int_equal(health_status(NULL, 0, NULL, 0, 200), HEALTH_GOOD);
	assert_int_equal(health_status(NULL, 0, NULL, 0, 204), HEALTH_BAD);
	assert_int_equal(health_status(want, 2, again, 1, 302), HEALTH_GOOD); /* expected wins */
	assert_int_equal(health_status(want, 2, again, 1, 503), HEALTH_FAIL);
	assert_int_equal(health_status(want, 2, again, 1, 504), HEALTH_BAD);
}

static void
test_grpc_status(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		int status;
	} rows[] = {{"\0\0\0\0\2\010\1", 7, 1}, {"\0\0\0\0\2\010\2", 7, 2},
	    {"\0\0\0\0\0", 5, 0}, /* proto3 leaves out what is 0 */
	    {"\0\0\0\0\2\010\1 more", 12, 1},
	    {"\0\0\0\0\5\022\1x\010\1", 10, 1}, /* another field before it */
	    {"\0\0\0\0\6\035abcd\010", 11, -1}, {"\0\0\0\0\7\035abcd\010\1", 12, 1},
	    {"\0\0\0\0\3\010\201\2", 8, 255}, {"\0\0\0\0\2\010\200", 7, -1},
	    {"\0\0\0\0\3\022\7x", 8, -1}, {"\0\0\0\0\2\031\1", 7, -1},
	    {"\0\0\0\0\1\013", 6, -1}, {"\1\0\0\0\2\010\1", 7, -1}, /* compressed */
	    {"\0\0\0\0\3\010\1", 7, -1}, {"\0\0", 2, -1}, {"\0\377\377\377\377", 5, -1}};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		if (check_grpc_status((const unsigned char *)rows[i].p, rows[i].n) !=
		    rows[i].status)
			fail_msg("row %zu", i);
}

/* ---- whole checks */

static struct bench {
	struct loop *loop;
	struct board *board;
	struct names *names;
	struct health h;
	int listener;
	struct watch accepting;
	struct peer {
		struct watch watch;
		bool used;
	} peers[64];
	unsigned asked;
	const char *answer; /* of the backend; NULL: none */
	char request[2048];
	struct addr addr;
	/* the image */
	struct image im;
	char text[512];
	uint32_t ntext;
	struct im_rule rule;
	struct im_policy policy;
	struct im_balance balance;
	struct im_health health;
	struct im_backend backend;
	struct im_cluster cluster;
	struct im_endpoint endpoint, byname[NAMES_ADDRS];
	struct im_statusrange statuses[2];
} b;

static void
peer_ready(struct watch *w, uint32_t events)
{
	struct peer *p = HG_CONTAINER(w, struct peer, watch);
	ssize_t n = recv(w->fd, b.request, sizeof(b.request) - 1, MSG_DONTWAIT);

	(void)events;
	if (n > 0) {
		b.request[n] = '\0';
		b.asked++;
		if (b.answer)
			(void)!send(w->fd, b.answer, strlen(b.answer), MSG_NOSIGNAL);
	} else if (n == 0) {
		loop_unwatch(b.loop, w);
		close(w->fd);
		p->used = false;
	}
}

static void
accept_ready(struct watch *w, uint32_t events)
{
	struct addr from;
	int fd;

	(void)events;
	while ((fd = sock_accept(w->fd, &from)) >= 0) {
		unsigned i = 0;

		while (b.peers[i].used)
			i++;
		b.peers[i].used = true;
		b.peers[i].watch = (struct watch){.fd = fd, .ready = peer_ready};
		assert_int_equal(loop_watch(b.loop, &b.peers[i].watch, 1 /* EPOLLIN */), 0);
		peer_ready(&b.peers[i].watch, 1);
	}
}

static struct im_str
str(const char *s)
{
	struct im_str r = {b.ntext, (uint32_t)strlen(s)};

	memcpy(b.text + b.ntext, s, r.len);
	b.ntext += r.len;
	return r;
}

static int
setup(void **state)
{
	const struct im_str none = {IM_NONE, 0};

	(void)state;
	memset(&b, 0, sizeof(b));
	b.loop = loop_new();
	b.board = mmap(NULL, sizeof(*b.board), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	b.names = mmap(NULL, sizeof(*b.names), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(b.board != MAP_FAILED && b.names != MAP_FAILED);
	assert_true(addr_parse(BYTES("127.0.0.1:1"), &b.addr));
	b.addr.port = 0;
	b.listener = sock_bind(&b.addr, false, true);
	assert_true(b.listener >= 0 && sock_local(b.listener, &b.addr));
	assert_int_equal(sock_listen(b.listener, 64), 0);
	b.accepting = (struct watch){.fd = b.listener, .ready = accept_ready};
	assert_int_equal(loop_watch(b.loop, &b.accepting, 1), 0);
	health_init(&b.h, b.loop, b.board, b.names);
	b.im.blob.text = b.text;
	b.im.blob.ntext = sizeof(b.text);
	b.health = (struct im_health){.type = IM_HC_HTTP,
	    .host = str("shop.example"),
	    .path = str("/ready?x=1"),
	    .method = none,
	    .send = none,
	    .receive = none,
	    .timeout_ms = 2000,
	    .interval_ms = 10,
	    .jitter_ms = 1,
	    .healthy = 1,
	    .unhealthy = 2};
	b.balance = (struct im_balance){.health = 0};
	b.policy = (struct im_policy){.balance = 0};
	b.rule = (struct im_rule){.policy = 0, .backends = {0, 1}};
	b.backend = (struct im_backend){.cluster = 0, .weight = 1};
	b.cluster =
	    (struct im_cluster){.name = str("a/web:80"), .endpoints = {0, 1}, .dns = IM_NONE,
		.tls = IM_NONE};
	b.endpoint = (struct im_endpoint){
	    .addr = b.addr, .id = 9, .weight = 1, .unix_path = none, .host = none};
	b.im.rules = &b.rule;
	b.im.n_rules = b.im.n_healths = b.im.n_balances = 1;
	b.im.policies = &b.policy;
	b.im.balances = &b.balance;
	b.im.healths = &b.health;
	b.im.backends = &b.backend;
	b.im.clusters = &b.cluster;
	b.im.endpoints = &b.endpoint;
	b.im.statusranges = b.statuses;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	health_release(&b.h);
	for (unsigned i = 0; i < 64; i++)
		if (b.peers[i].used) {
			loop_unwatch(b.loop, &b.peers[i].watch);
			close(b.peers[i].watch.fd);
		}
	loop_unwatch(b.loop, &b.accepting);
	close(b.listener);
	loop_free(b.loop);
	munmap(b.board, sizeof(*b.board));
	munmap(b.names, sizeof(*b.names));
	return 0;
}

/* Turns the loop until the board says this. */
static void
until_of(uint32_t id, uint64_t verdict)
{
	for (int i = 0; i < 2000; i++) {
		if (atomic_load(&b.board->endpoints[id].active) == verdict)
			return;
		loop_turn(b.loop, 1000);
	}
	fail_msg("the board never said %u", (unsigned)verdict);
}

static void
until(uint64_t verdict)
{
	until_of(9, verdict);
}

static void
test_http(void **state)
{
	(void)state;
	b.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	health_adopt(&b.h, &b.im);
	until(BOARD_HEALTHY);
	assert_non_null(strstr(b.request, "GET /ready?x=1 HTTP/1.1\r\nHost: shop.example\r\n"));
	b.answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
	until(BOARD_UNHEALTHY);
	b.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	until(BOARD_HEALTHY);
	assert_true(atomic_load(&b.board->endpoints[9].healthy_since) != 0);
	b.answer = "no HTTP\r\n\r\n";
	until(BOARD_UNHEALTHY);
	/* a body that must be there */
	b.health.receive = str("ready");
	b.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nI'm ready";
	health_adopt(&b.h, &b.im);
	until(BOARD_HEALTHY);
	/* a range of statuses */
	b.health.receive = (struct im_str){IM_NONE, 0};
	b.statuses[0] = (struct im_statusrange){300, 399};
	b.health.expected.n = 1;
	b.answer = "HTTP/1.1 302 There\r\nContent-Length: 0\r\n\r\n";
	health_adopt(&b.h, &b.im);
	until(BOARD_HEALTHY);
	/* not in the configuration any more: nothing is known */
	b.rule.policy = IM_NONE;
	health_adopt(&b.h, &b.im);
	until(BOARD_UNKNOWN);
}

static void
test_tcp(void **state)
{
	(void)state;
	b.health.type = IM_HC_TCP;
	health_adopt(&b.h, &b.im);
	until(BOARD_HEALTHY);
	b.health.send = str("PING");
	b.health.receive = str("PONG");
	b.answer = "what";
	b.health.timeout_ms = 20;
	health_adopt(&b.h, &b.im);
	until(BOARD_UNHEALTHY);
	assert_string_equal(b.request, "PING");
	b.health.timeout_ms = 2000;
	b.answer = "+PONG";
	health_adopt(&b.h, &b.im);
	until(BOARD_HEALTHY);
}

static void
test_nobody_listens(void **state)
{
	(void)state;
	b.health.port = 1; /* and another port than traffic's */
	health_adopt(&b.h, &b.im);
	until(BOARD_UNHEALTHY);
	assert_int_equal(b.asked, 0);
}

/* A cluster with a DNS name: id 20 + k is whoever stands at position k. */
static void
test_named(void **state)
{
	struct names_bank bank = {.n = 2, .status = 1};

	(void)state;
	for (uint32_t k = 0; k < NAMES_ADDRS; k++)
		b.byname[k] = (struct im_endpoint){
		    .id = 20 + k, .weight = 1, .unix_path = {IM_NONE, 0}, .host = {IM_NONE, 0}};
	b.im.endpoints = b.byname;
	b.im.n_clusters = 1;
	b.cluster.endpoints.n = NAMES_ADDRS;
	b.cluster.dns = 3;
	b.cluster.dns_name = str("web.example");
	b.cluster.port = b.addr.port;
	b.health.host = (struct im_str){IM_NONE, 0};
	b.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	health_adopt(&b.h, &b.im); /* no address yet */
	assert_true(addr_parse_ip(BYTES("127.0.0.1"), &bank.addrs[0]));
	assert_true(addr_parse_ip(BYTES("127.0.0.2"), &bank.addrs[1])); /* nobody listens there */
	names_write(b.names, 3, &bank);
	health_moved(&b.h, 3);
	until_of(20, BOARD_HEALTHY);
	until_of(21, BOARD_UNHEALTHY);
	assert_non_null(strstr(b.request, "Host: web.example\r\n"));
	assert_true(atomic_load(&b.board->endpoints[20].checked_at) != 0);
	/* an adoption changes nothing */
	health_adopt(&b.h, &b.im);
	assert_int_equal(atomic_load(&b.board->endpoints[21].active), BOARD_UNHEALTHY);
	/* another takes the place of the one that is out, and one goes */
	atomic_store(&b.board->endpoints[21].ejected_until, 77);
	bank.addrs[1] = bank.addrs[0];
	bank.addrs[0] = (struct addr){0};
	names_write(b.names, 3, &bank);
	health_moved(&b.h, 3);
	assert_int_equal(atomic_load(&b.board->endpoints[21].ejected_until), 0);
	assert_true(atomic_load(&b.board->endpoints[21].healthy_since) != 0);
	until_of(20, BOARD_UNKNOWN);
	until_of(21, BOARD_HEALTHY);
	/* the words of names that nobody checks are cleared too */
	b.rule.policy = IM_NONE;
	health_adopt(&b.h, &b.im);
	atomic_store(&b.board->endpoints[20].failures, 5);
	bank.addrs[0] = bank.addrs[1];
	names_write(b.names, 3, &bank);
	health_moved(&b.h, 3);
	assert_int_equal(atomic_load(&b.board->endpoints[20].failures), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_grpc_status), T(test_http), T(test_tcp), T(test_nobody_listens),
	    T(test_named)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
