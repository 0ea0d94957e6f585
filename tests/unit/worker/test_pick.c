/*
 * Shares by weight and turns of endpoints, counted exactly.
 */
#include "tests/unit/worker/fake.h"

#include "base/mem.h"
#include "tests/unit/worker/harness.h"
#include "worker/upstream/dns.h"
#include "worker/upstream/pick.h"

static uint32_t
weight_of(const void *arg, uint32_t i)
{
	return ((const uint32_t *)arg)[i];
}

/* Exactly its share in every period, from any start, and never a long run of a small one. */
static void
test_exact(void **state)
{
	static const uint32_t rows[][5] = {{70, 30, 0, 0, 0}, {90, 10, 0, 0, 0}, {1, 1, 1, 1, 1},
	    {1, 0, 0, 0, 0}, {1000000, 1, 0, 0, 0}, {3, 2, 5, 7, 11}, {100, 100, 100, 1, 0},
	    {999983, 999979, 0, 0, 0}, {6, 3, 3, 0, 0}};

	(void)state;
	for (size_t r = 0; r < HG_ARRAY_LEN(rows); r++) {
		for (uint64_t start = 0; start < 5; start++) {
			struct gen_phase ph = {0};
			uint64_t sum = 0;
			uint32_t got[5] = {0}, unit = 0, period;

			for (int i = 0; i < 5; i++)
				sum += rows[r][i];
			(void)pick_weighted(
			    &ph, 5, weight_of, rows[r], start * 0x9e3779b97f4a7c15ull);
			unit = ph.unit;
			period = (uint32_t)(sum / unit);
			if (period > 2100000)
				continue;
			for (uint32_t i = 0; i < period; i++) {
				uint32_t k = pick_weighted(&ph, 5, weight_of, rows[r], 0);

				assert_true(k < 5);
				got[k]++;
			}
			for (int i = 0; i < 5; i++)
				assert_int_equal(got[i], rows[r][i] / unit);
		}
	}
}

static void
test_smooth(void **state)
{
	static const uint32_t w[] = {90, 10};
	struct gen_phase ph = {0};
	unsigned since = 0, picks = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		since++;
		if (pick_weighted(&ph, 2, weight_of, w, 3) == 1) {
			if (picks++)
				assert_int_equal(since, 10);
			since = 0;
		}
	}
	assert_int_equal(picks, 1000);
}

static void
test_zero(void **state)
{
	static const uint32_t w[] = {0, 0};
	struct gen_phase ph = {0};

	(void)state;
	assert_int_equal(pick_weighted(&ph, 2, weight_of, w, 3), IM_NONE);
	assert_int_equal(pick_weighted(&ph, 0, weight_of, w, 3), IM_NONE);
}

/* ---- endpoints, on an image of conf/build */

static struct world w;
static struct gens gens;
static struct board *board;
static struct names *names;
static struct pick_in in;

static int
setup(void **state)
{
	uint16_t ports[] = {1001, 1002, 1003, 1004};
	struct m_cluster *even, *odd, *dns, *sock;
	struct m_rule *r;
	char why[128];
	int fd;

	(void)state;
	world_init(&w, 7);
	world_socket(&w, 1, 80);
	even = world_cluster(&w, "a/even:80", ports, 4);
	odd = world_cluster(&w, "a/odd:80", ports, 3);
	odd->endpoints[0].weight = 5;
	odd->endpoints[1].weight = 0;
	odd->endpoints[2].weight = 1;
	dns = world_cluster(&w, "a/dns:80", NULL, 0);
	dns->dns = BYTES("name.test");
	dns->dns_slot = 3;
	dns->port = 8081;
	sock = world_cluster(&w, "a/unix:80", ports, 1);
	sock->endpoints[0].unix_path = BYTES("/run/x.sock");
	sock->endpoints[0].id = 0;
	sock->endpoints[0].addr = (struct addr){0};
	r = world_rule(&w, "/");
	(void)world_backend(r, even, 70);
	(void)world_backend(r, odd, 0);
	(void)world_backend(r, dns, 20);
	world_backend(r, NULL, 10)->error = HG_ERR_NO_BACKEND;
	(void)world_backend(world_rule(&w, "/u"), sock, 1);
	fd = world_seal(&w);
	assert_true(fd >= 0);
	gens_init(&gens);
	assert_int_equal(gens_offer(&gens, 7, fd, -1, why), HG_OK);
	while (gens_check(&gens, why) == HG_ERR_AGAIN)
		;
	assert_int_equal(gens.offer->state, GEN_READY);
	(void)gens_adopt(&gens);
	board = harness_region(sizeof(*board));
	names = harness_region(sizeof(*names));
	in = (struct pick_in){
	    .gen = gens.live, .board = board, .names = names, .now = 100, .random = 12345};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	gens_release(&gens);
	munmap(board, sizeof(*board));
	munmap(names, sizeof(*names));
	world_release(&w);
	return 0;
}

static uint32_t
cluster(const char *name)
{
	for (uint32_t i = 0; i < gens.live->image.n_clusters; i++)
		if (bytes_eq(image_text(&gens.live->image, gens.live->image.clusters[i].name),
			bytes_str(name)))
			return i;
	fail_msg("no cluster %s", name);
	return 0;
}

static void
test_backends(void **state)
{
	const struct image *im = &gens.live->image;
	unsigned a = 0, d = 0, bad = 0;
	uint32_t rule = IM_NONE;

	(void)state;
	for (uint32_t i = 0; i < im->n_rules; i++)
		if (im->rules[i].backends.n == 4)
			rule = i;
	assert_int_not_equal(rule, IM_NONE);
	for (int i = 0; i < 10000; i++) {
		const struct im_backend *b = &im->backends[pick_backend(&in, rule)];

		bad += b->error != HG_OK;
		a += b->error == HG_OK && b->cluster == cluster("a/even:80");
		d += b->error == HG_OK && b->cluster == cluster("a/dns:80");
	}
	assert_int_equal(a, 7000);
	assert_int_equal(d, 2000);
	assert_int_equal(bad, 1000); /* an invalid backend keeps its share */
}

static void
count(uint32_t c, unsigned picks, unsigned got[4])
{
	struct target t;

	memset(got, 0, 4 * sizeof(*got));
	for (unsigned i = 0; i < picks; i++) {
		assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
		assert_true(t.addr.port >= 1001 && t.addr.port <= 1004);
		got[t.addr.port - 1001]++;
	}
}

static void
test_turns(void **state)
{
	uint32_t c = cluster("a/even:80");
	struct target t, last;
	unsigned got[4];

	(void)state;
	assert_int_equal(pick_endpoint(&in, c, NULL, &last), HG_OK);
	for (int i = 0; i < 8; i++) { /* one after the other */
		assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
		assert_int_equal(t.addr.port, last.addr.port == 1004 ? 1001 : last.addr.port + 1);
		last = t;
	}
	count(c, 10000, got);
	for (int i = 0; i < 4; i++)
		assert_int_equal(got[i], 2500);
}

static void
test_weighted_endpoints(void **state)
{
	unsigned got[4];

	(void)state;
	count(cluster("a/odd:80"), 6000, got);
	assert_int_equal(got[0], 5000);
	assert_int_equal(got[1], 0);
	assert_int_equal(got[2], 1000);
}

static void
test_unusable(void **state)
{
	static const struct im_health health = {.panic_percent = 0};
	static const struct im_balance bal = {.endpoint_connections = IM_NONE};
	uint32_t c = cluster("a/even:80"), id[4];
	struct target t;
	unsigned got[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
		id[t.addr.port - 1001] = t.id;
	}
	board->endpoints[id[1]].active = BOARD_UNHEALTHY;
	count(c, 12000, got);
	assert_int_equal(got[1], 0);
	for (int i = 0; i < 4; i++) /* its share is everybody's, not its neighbour's */
		if (i != 1)
			assert_true(got[i] >= 3990 && got[i] <= 4010);
	board->endpoints[id[0]].ejected_until = 101;
	count(c, 1000, got);
	assert_int_equal(got[0] + got[1], 0);
	in.now = 101;
	count(c, 1000, got);
	assert_true(got[0] > 300);
	/* less than half are left: health says nothing, but where the policy says never */
	for (int i = 0; i < 4; i++)
		board->endpoints[id[i]].active = BOARD_UNHEALTHY;
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
	in.gen->image.healths = &health;
	in.balance = &bal;
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_ERR_NO_ENDPOINT);
	in.balance = NULL;
}

static void
test_tried(void **state)
{
	uint32_t c = cluster("a/even:80");
	struct pick_tried tried = {0};
	unsigned seen = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct target t;

		assert_int_equal(pick_endpoint(&in, c, &tried, &t), HG_OK);
		seen |= 1u << (t.addr.port - 1001);
		pick_note(&tried, &t);
	}
	assert_int_equal(seen, 15); /* another one each time */
	assert_int_equal(
	    pick_endpoint(&in, c, &tried, &(struct target){0}), HG_OK); /* then from the start */
}

static void
test_tags(void **state)
{
	uint32_t c = cluster("a/even:80"), u = cluster("a/unix:80"), o = cluster("a/odd:80");
	struct target t, again;

	(void)state;
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
	assert_true(pick_tagged(&in, c, pick_tag(&t), &again));
	assert_true(addr_eq(&t.addr, &again.addr));
	assert_false(pick_tagged(&in, c, 999999, &again));
	board->endpoints[t.id].active = BOARD_UNHEALTHY;
	assert_false(pick_tagged(&in, c, pick_tag(&t), &again));
	assert_int_equal(pick_endpoint(&in, u, NULL, &t), HG_OK);
	assert_bytes(t.unix_path, "/run/x.sock");
	assert_true(pick_tagged(&in, u, pick_tag(&t), &again));
	/* A session stays with an endpoint whose weight is now 0. */
	t = (struct target){
	    .id = gens.live->image.endpoints[gens.live->image.clusters[o].endpoints.first + 1].id};
	assert_true(pick_tagged(&in, o, pick_tag(&t), &again));
	assert_int_equal(again.addr.port, 1002);
}

static void
test_dns(void **state)
{
	uint32_t c = cluster("a/dns:80");
	struct names_bank bank = {.n = 2, .status = 1, .expires_ns = 1};
	struct target t;
	unsigned first = 0;

	(void)state;
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_ERR_NO_ENDPOINT); /* never resolved */
	assert_true(addr_parse_ip(BYTES("10.0.0.1"), &bank.addrs[0]) &&
	    addr_parse_ip(BYTES("2001:db8::1"), &bank.addrs[1]));
	names_write(names, 3, &bank);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
		assert_int_equal(t.addr.port, 8081);
		first += t.addr.family == 4;
	}
	assert_int_equal(first, 5); /* also when their time is over: old is better than none */
	assert_true(pick_tagged(&in, c, pick_tag(&t), &t));
	bank.n = 1;
	names_write(names, 3, &bank);
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_OK);
	bank.addrs[0].family = 77;
	names_write(names, 3, &bank);
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_ERR_NO_ENDPOINT);
	bank.n = 0;
	names_write(names, 3, &bank);
	assert_int_equal(pick_endpoint(&in, c, NULL, &t), HG_ERR_NO_ENDPOINT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    cmocka_unit_test(test_exact), cmocka_unit_test(test_smooth),
	    cmocka_unit_test(test_zero), T(test_backends), T(test_turns),
	    T(test_weighted_endpoints), T(test_unusable), T(test_tried), T(test_tags), T(test_dns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
