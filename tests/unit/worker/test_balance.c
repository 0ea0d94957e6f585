/*
 * What a policy says about choosing an endpoint: least request, random, consistent hash, warming
 * up, panic, fallback, bounds of connections; breakers; ejection. On an image made by hand, with a
 * board and in-flight words of our own.
 */
#include "tests/unit/worker/fake.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/hash.h"
#include "worker/upstream/breaker.h"
#include "worker/upstream/lbhash.h"
#include "worker/upstream/outlier.h"

#define N 4
static struct gen gen;
static struct gen_phase rules[1], clusters[2];
static struct im_cluster cl[2];
static struct im_endpoint ep[2 * N];
static struct im_backend be[2];
static struct im_rule rule;
static struct im_balance bal;
static struct im_health health;
static struct im_str strings[2];
static struct board *board;
static struct counts counts;
static struct slot_segment *peer;
static struct pick_in in;
static struct arena arena;

static void *
region(size_t n)
{
	void *p = mmap(
	    NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int
setup(void **state)
{
	(void)state;
	memset(&gen, 0, sizeof(gen));
	memset(rules, 0, sizeof(rules));
	memset(clusters, 0, sizeof(clusters));
	arena_init(&arena, 4096, 0);
	for (unsigned c = 0; c < 2; c++) {
		cl[c] = (struct im_cluster){.id = c + 1,
		    .name = {IM_NONE, 0},
		    .endpoints = {c * N, N},
		    .dns = IM_NONE,
		    .proto = IM_UP_H1};
		for (unsigned i = 0; i < N; i++) {
			ep[c * N + i] = (struct im_endpoint){
			    .id = 10 + c * N + i, .weight = 1, .unix_path = {IM_NONE, 0}};
			assert_true(addr_parse(BYTES("127.0.0.1:80"), &ep[c * N + i].addr));
			ep[c * N + i].addr.port = (uint16_t)(1000 + c * N + i);
		}
		be[c] = (struct im_backend){.weight = 1, .cluster = c};
	}
	rule = (struct im_rule){.id = 5, .backends = {0, 2}};
	bal = (struct im_balance){.type = IM_LB_LEAST_REQUEST,
	    .endpoint_connections = IM_NONE,
	    .max_connections = IM_NONE,
	    .max_pending = IM_NONE,
	    .max_parallel = IM_NONE,
	    .max_retries = IM_NONE,
	    .budget_percent = IM_NONE,
	    .health = IM_NONE};
	health = (struct im_health){.passive = 1,
	    .panic_percent = 50,
	    .consecutive_5xx = 3,
	    .eject_interval_ms = 1000,
	    .eject_base_ms = 30000,
	    .eject_max_percent = 50};
	gen.image = fake_image();
	gen.image.clusters = cl;
	gen.image.endpoints = ep;
	gen.image.backends = be;
	gen.image.rules = &rule;
	gen.image.healths = &health;
	gen.image.strings = strings;
	gen.rules = rules;
	gen.clusters = clusters;
	board = region(sizeof(*board));
	counts = (struct counts){.own = region(sizeof(*counts.own)), .npeers = 1};
	counts.peers[0] = peer = region(sizeof(*peer));
	in = (struct pick_in){
	    .gen = &gen, .board = board, .now = 1000 * SEC_NS, .balance = &bal, .counts = &counts};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	munmap(board, sizeof(*board));
	munmap(counts.own, sizeof(*counts.own));
	munmap(peer, sizeof(*peer));
	return 0;
}

static unsigned got[2 * N];

/* Picks n times with random numbers of a fixed row. */
static enum hg_err
picks(uint32_t cluster, unsigned n)
{
	struct target t;
	enum hg_err e = HG_OK;

	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < n && e == HG_OK; i++) {
		in.random = hash_mix(hash_mix(i * 0x9e3779b97f4a7c15ull + 1));
		e = pick_endpoint(&in, cluster, NULL, &t);
		if (e == HG_OK)
			got[t.id - 10]++;
	}
	return e;
}

static void
test_least_request(void **state)
{
	(void)state;
	assert_int_equal(picks(0, 4000), HG_OK);
	for (unsigned i = 0; i < N; i++)
		assert_in_range(got[i], 800, 1200);
	/* the busiest is only chosen against itself, that is never; words of both slots count */
	counts.own->endpoints[10].inflight = 3;
	peer->endpoints[11].inflight = 4;
	counts.own->endpoints[12].inflight = peer->endpoints[12].inflight = 1;
	assert_int_equal(picks(0, 1000), HG_OK);
	assert_int_equal(got[1], 0);
	assert_true(got[3] > got[2] && got[2] > got[0] && got[0] > 0);
	/* none is out of reach when the idle one goes */
	atomic_store(&board->endpoints[13].active, BOARD_UNHEALTHY);
	assert_int_equal(picks(0, 1000), HG_OK);
	assert_int_equal(got[3], 0);
	assert_true(got[2] > got[0] && got[0] > 0);
}

static void
test_random_weights(void **state)
{
	(void)state;
	bal.type = IM_LB_RANDOM;
	ep[0].weight = 7;
	ep[3].weight = 0;
	assert_int_equal(picks(0, 9000), HG_OK);
	assert_in_range(got[0], 6700, 7300);
	assert_in_range(got[1], 800, 1200);
	assert_int_equal(got[3], 0);
}

static void
test_hash(void **state)
{
	uint32_t where[1000];
	unsigned moved = 0;
	struct target t;

	(void)state;
	bal.type = IM_LB_HASH;
	in.hash_on = true;
	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 1000; i++) {
		in.hash = hash_mix(hash_more(HASH_SEED, &i, sizeof(i)));
		assert_int_equal(pick_endpoint(&in, 0, NULL, &t), HG_OK);
		where[i] = t.id;
		got[t.id - 10]++;
		in.random += 77;
		assert_int_equal(pick_endpoint(&in, 0, NULL, &t), HG_OK);
		assert_int_equal(t.id, where[i]);
	}
	for (unsigned i = 0; i < N; i++)
		assert_in_range(got[i], 200, 300);
	/* one goes: only its own share moves */
	atomic_store(&board->endpoints[11].active, BOARD_UNHEALTHY);
	for (unsigned i = 0; i < 1000; i++) {
		in.hash = hash_mix(hash_more(HASH_SEED, &i, sizeof(i)));
		assert_int_equal(pick_endpoint(&in, 0, NULL, &t), HG_OK);
		moved += t.id != where[i];
		assert_true(t.id == where[i] || where[i] == 11);
	}
	assert_int_equal(moved, got[1]);
	/* backends too; the same hash, the same backend */
	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t b;

		in.hash = hash_mix(hash_more(HASH_SEED, &i, sizeof(i)));
		b = pick_backend(&in, 0);
		assert_int_equal(pick_backend(&in, 0), b);
		got[b]++;
	}
	assert_in_range(got[0], 430, 570);
}

static void
test_slow_start(void **state)
{
	(void)state;
	bal.type = IM_LB_ROUND_ROBIN;
	bal.slow_start_ms = 100000;
	for (unsigned i = 0; i < N; i++)
		atomic_store(&board->endpoints[10 + i].healthy_since, 100 * SEC_NS);
	assert_int_equal(picks(0, 4000), HG_OK);
	assert_int_equal(got[2], 1000);
	atomic_store(&board->endpoints[12].healthy_since, 980 * SEC_NS); /* 20 of 100 s */
	assert_int_equal(picks(0, 4000), HG_OK);
	assert_in_range(got[2], 150, 350);
	bal.type = IM_LB_LEAST_REQUEST;
	assert_int_equal(picks(0, 4000), HG_OK);
	assert_true(got[2] < got[0] / 2);
}

static void
test_panic(void **state)
{
	(void)state;
	bal.health = 0;
	for (int type = IM_LB_ROUND_ROBIN; type <= IM_LB_LEAST_REQUEST; type++) {
		bal.type = (uint8_t)type;
		atomic_store(&board->endpoints[10].active, BOARD_UNHEALTHY);
		atomic_store(&board->endpoints[11].active, BOARD_UNHEALTHY);
		assert_int_equal(picks(0, 400), HG_OK); /* 50 % is not below 50 % */
		assert_int_equal(got[0] + got[1], 0);
		atomic_store(&board->endpoints[12].active, BOARD_UNHEALTHY);
		assert_int_equal(picks(0, 400), HG_OK);
		for (unsigned i = 0; i < N; i++)
			assert_in_range(got[i], 70, 130);
		health.panic_percent = 0;
		atomic_store(&board->endpoints[13].active, BOARD_UNHEALTHY);
		assert_int_equal(picks(0, 1), HG_ERR_NO_ENDPOINT);
		health.panic_percent = 50;
		for (unsigned i = 0; i < N; i++)
			atomic_store(&board->endpoints[10 + i].active, BOARD_HEALTHY);
	}
}

static void
test_fallback(void **state)
{
	unsigned second = 0;

	(void)state;
	be[1].fallback = 1;
	for (unsigned i = 0; i < 200; i++) {
		in.random = i;
		assert_int_equal(pick_backend(&in, 0), 0);
	}
	/* half of the primaries: 1.4 x 50 % stay */
	atomic_store(&board->endpoints[10].active, BOARD_UNHEALTHY);
	atomic_store(&board->endpoints[11].active, BOARD_UNHEALTHY);
	for (unsigned i = 0; i < 1000; i++) {
		in.random = i;
		second += pick_backend(&in, 0) == 1;
	}
	assert_int_equal(second, 300);
	for (unsigned i = N; i < 2 * N; i++)
		atomic_store(&board->endpoints[10 + i].active, BOARD_UNHEALTHY);
	in.random = 99;
	assert_int_equal(pick_backend(&in, 0), 0);
}

static void
test_endpoint_connections(void **state)
{
	(void)state;
	bal.endpoint_connections = 2;
	for (unsigned i = 0; i < 3; i++) {
		peer->endpoints[10 + i].connections = 1;
		counts.own->endpoints[10 + i].connections = 1;
		counts.own->endpoints[10 + i].inflight = 1;
	}
	assert_int_equal(picks(0, 100), HG_OK);
	assert_int_equal(got[3], 100);
	counts.own->endpoints[11].inflight = 0; /* ours is idle */
	assert_int_equal(picks(0, 100), HG_OK);
	assert_true(got[1] > 0);
}

static void
test_breaker(void **state)
{
	struct slot_breaker *own = breaker_words(&counts, 5);

	(void)state;
	assert_true(breaker_request(&counts, &bal, 5));
	bal.max_parallel = 3;
	own->active = 1;
	peer->breakers[5].active = 1;
	assert_true(breaker_request(&counts, &bal, 5));
	peer->breakers[5].active = 2;
	assert_false(breaker_request(&counts, &bal, 5));
	bal.max_parallel = 0;
	own->active = peer->breakers[5].active = 0;
	assert_false(breaker_request(&counts, &bal, 5));

	bal.max_connections = 2;
	bal.max_pending = 1;
	peer->breakers[5].connections = 7;
	assert_int_equal(breaker_connect(&counts, &bal, 5, false), BREAKER_GO); /* own first one */
	own->connections = 1;
	assert_int_equal(breaker_connect(&counts, &bal, 5, false), BREAKER_WAIT);
	peer->breakers[5].pending = 1;
	assert_int_equal(breaker_connect(&counts, &bal, 5, false), BREAKER_OPEN);
	assert_int_equal(breaker_connect(&counts, &bal, 5, true), BREAKER_WAIT);

	assert_true(breaker_retry(&counts, &bal, 5));
	bal.max_retries = 1;
	own->retries = 1;
	assert_false(breaker_retry(&counts, &bal, 5));
	bal.budget_percent = 2000; /* 20 % */
	bal.budget_min = 0;
	own->active = 10;
	assert_true(breaker_retry(&counts, &bal, 5));
	own->retries = 2;
	assert_false(breaker_retry(&counts, &bal, 5));
	bal.budget_min = 3;
	assert_true(breaker_retry(&counts, &bal, 5));
	bal.budget_percent = bal.budget_min = 0;
	own->retries = 0;
	assert_false(breaker_retry(&counts, &bal, 5));
}

static bool
note(uint32_t i, unsigned status, uint32_t *ms)
{
	struct target t = {.id = 10 + i, .cluster = 0};

	return outlier_note(board, &in, &t, status, ms);
}

static void
test_ejection(void **state)
{
	uint32_t ms = 0;

	(void)state;
	bal.health = 0;
	assert_false(note(0, 500, &ms));
	assert_false(note(0, 0, &ms)); /* no answer counts as one */
	assert_false(note(0, 404, &ms));
	assert_false(note(0, 500, &ms));
	assert_false(note(0, 503, &ms));
	assert_true(note(0, 500, &ms));
	assert_int_equal(ms, 30000);
	assert_false(board_usable(board, 10, in.now));
	assert_true(board_usable(board, 10, in.now + 30 * SEC_NS));
	/* the second half of the endpoints may not go: 2 of 4 is 50 %, 3 is more */
	for (unsigned i = 1; i < N; i++)
		for (unsigned k = 0; k < 3; k++)
			(void)note(i, 500, &ms);
	assert_false(board_usable(board, 11, in.now));
	assert_true(board_usable(board, 12, in.now) && board_usable(board, 13, in.now));
	/* again: longer; after a quiet time: as at first */
	in.now += 30 * SEC_NS;
	for (unsigned k = 0; k < 3; k++)
		(void)note(0, 500, &ms);
	assert_int_equal(ms, 60000);
	in.now += 100 * SEC_NS;
	for (unsigned k = 0; k < 3; k++)
		(void)note(0, 500, &ms);
	assert_int_equal(ms, 30000);
}

static void
test_ejection_kinds(void **state)
{
	uint32_t ms = 0;

	(void)state;
	bal.health = 0;
	health.consecutive_5xx = 0;
	health.consecutive_gateway = 2;
	health.consecutive_local = 2;
	health.split_local = 1;
	health.eject_max_percent = 10;
	assert_false(note(0, 502, &ms));
	assert_false(note(0, 500, &ms)); /* a 5xx, but no gateway's */
	assert_false(note(0, 502, &ms));
	assert_false(note(0, 503, &ms)); /* 1 of 4 is more than 10 % */
	assert_true(board_usable(board, 10, in.now));
	health.always_one = 1;
	assert_false(note(1, 0, &ms));
	assert_true(note(1, 0, &ms));
	assert_false(note(2, 0, &ms));
	assert_false(note(2, 0, &ms)); /* one only */
}

/* n outcomes of each of these endpoints, so many of endpoint `bad` are failures. */
static bool
interval(uint32_t endpoints, unsigned n, uint32_t bad, unsigned failures)
{
	uint32_t ms = 0;
	bool out = false;

	for (unsigned k = 0; k < n; k++)
		for (uint32_t i = 0; i < endpoints; i++)
			out |= note(i, i == bad && k < failures ? 503 : 200, &ms);
	in.now += SEC_NS;
	return out;
}

static void
test_failure_share(void **state)
{
	uint32_t ms = 0;

	(void)state;
	bal.health = 0;
	health.consecutive_5xx = 0;
	health.failure_percent = 40;
	health.eject_max_percent = 100;
	cl[0].endpoints.n = 2 * N;
	for (unsigned i = 0; i < 2 * N; i++)
		ep[i].id = 10 + i;
	assert_false(interval(5, 49, 1, 49)); /* too few requests */
	assert_false(interval(4, 50, 1, 50)); /* too few endpoints that had enough */
	assert_false(interval(5, 50, 1, 19)); /* less than the share */
	assert_false(interval(5, 50, 1, 21)); /* judged when its interval is over */
	assert_false(note(0, 200, &ms));
	in.now -= SEC_NS; /* a worker whose turn began earlier */
	assert_false(note(1, 200, &ms));
	in.now += SEC_NS;
	assert_true(note(1, 200, &ms));
	assert_false(note(1, 200, &ms)); /* once */
	assert_false(board_usable(board, 11, in.now));
	assert_true(board_usable(board, 10, in.now));
	/* a pause of many intervals: what was before it still counts, once */
	in.now += 100 * SEC_NS;
	(void)interval(5, 50, 2, 50);
	in.now += 100 * SEC_NS;
	assert_true(note(2, 200, &ms));
	assert_false(note(2, 200, &ms));
	/* failures to connect apart: they are not answers */
	health.split_local = 1;
	in.now += 100 * SEC_NS;
	for (unsigned k = 0; k < 60; k++)
		for (uint32_t i = 0; i < 5; i++)
			assert_false(note(i, i == 3 ? 0 : 200, &ms));
	in.now += SEC_NS;
	assert_false(note(3, 200, &ms));
}

static struct lbhash
hashed(struct msg *m)
{
	static const uint64_t random[2] = {0xabc, 0xdef};
	struct lbhash h;
	struct addr a;

	assert_true(addr_parse_ip(BYTES("192.0.2.7"), &a));
	lbhash_make(&h, &arena, &gen.image, &bal, m, &a, random);
	return h;
}

static void
test_what_is_hashed(void **state)
{
	struct lbhash a, b;
	struct msg m;

	(void)state;
	bal.cookie_attrs = fake_str("; Path=/; SameSite=Strict");
	bal.cookie_ttl_s = 60;
	bal.hash = IM_HASH_SOURCE_IP;
	msg_init(&m, true);
	assert_true(hashed(&m).on);
	bal.hash = IM_HASH_HEADER;
	bal.hash_names = (struct im_range){0, 2};
	strings[0] = fake_str("x-user");
	strings[1] = fake_str("x-shop");
	assert_false(hashed(&m).on);
	fake_field(&m, "X-Shop", "a");
	a = hashed(&m);
	fake_field(&m, "X-User", "a");
	b = hashed(&m);
	assert_true(a.on && b.on && a.hash != b.hash);
	bal.hash = IM_HASH_QUERY;
	strings[0] = fake_str("u");
	m.query = BYTES("x=1&u=%41");
	a = hashed(&m);
	m.query = BYTES("u=A");
	assert_true(a.on && a.hash == hashed(&m).hash);
	bal.hash = IM_HASH_COOKIE;
	bal.hash_names.n = 1;
	strings[0] = fake_str("lb");
	a = hashed(&m);
	assert_bytes(a.set_cookie,
	    "lb=\"0000000000000abc0000000000000def\"; Max-Age=60; "
	    "Path=/; SameSite=Strict; HttpOnly");
	fake_field(&m, "Cookie", "a=b; lb=\"0000000000000abc0000000000000def\"; c");
	b = hashed(&m);
	assert_int_equal(a.hash, b.hash);
	assert_null(b.set_cookie.p);
	msg_init(&m, true);
	bal.cookie_ttl_s = IM_NONE;
	assert_false(hashed(&m).on);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_least_request), T(test_random_weights),
	    T(test_hash), T(test_slow_start), T(test_panic), T(test_fallback),
	    T(test_endpoint_connections), T(test_breaker), T(test_ejection), T(test_ejection_kinds),
	    T(test_failure_share),
	    T(test_what_is_hashed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
