/* Which names are asked, and what the region says of their answers; no network. */
#include "tests/unit/helper/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "helper/names.h"

static struct bench {
	struct loop *loop;
	struct names *region;
	struct asker k;
	unsigned n;            /* questions so far */
	char asked[8][64];
	void (*done[8])(void *, const struct resolve_answer *);
	void *arg[8];
} b;

static void
query(void *arg, const char *name, void (*done)(void *, const struct resolve_answer *),
    void *done_arg)
{
	(void)arg;
	assert_true(b.n < 8);
	(void)snprintf(b.asked[b.n], sizeof(b.asked[0]), "%s", name);
	b.done[b.n] = done;
	b.arg[b.n++] = done_arg;
}

static int
setup(void **state)
{
	(void)state;
	memset(&b, 0, sizeof(b));
	b.loop = loop_new();
	b.region = mmap(NULL, sizeof(*b.region), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	asker_init(&b.k, b.loop, b.region, (struct names_ops){query, NULL, NULL});
	return b.loop && b.region != MAP_FAILED ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	asker_release(&b.k);
	loop_free(b.loop);
	munmap(b.region, sizeof(*b.region));
	return 0;
}

/* An image of clusters with these names; slot = place in the list. */
static void
adopt(const char *const *names, unsigned n)
{
	struct blob_writer *w = blob_writer_new(BLOB_IMAGE, image_layout(), 1);
	struct image im;
	int fd;

	for (unsigned i = 0; i < n; i++) {
		struct im_cluster c = {
		    .id = i, .dns = names[i] ? i : IM_NONE, .tls = IM_NONE, .port = 80};

		c.name = blob_put_text(w, BYTES("ns/x:80"));
		c.dns_name =
		    names[i] ? blob_put_text(w, bytes_str(names[i])) : (struct im_str){IM_NONE, 0};
		(void)blob_add(w, IM_CLUSTER, &c, 1, sizeof(c));
	}
	fd = blob_seal(w, "unit-image");
	blob_writer_free(w);
	assert_true(fd >= 0);
	assert_int_equal(image_open(fd, &im), HG_OK);
	asker_adopt(&b.k, &im);
	image_close(&im);
	close(fd);
}

static struct resolve_answer
good(const char *ip, uint32_t ttl)
{
	struct resolve_answer a = {.ok = true, .n = 1, .ttl_s = ttl};

	assert_true(addr_parse_ip(bytes_str(ip), &a.addrs[0]));
	return a;
}

static void
test_answer_reaches_the_region(void **state)
{
	static const char *const names[] = {NULL, "shop.internal"};
	struct resolve_answer a = good("10.0.0.1", 30);
	struct names_bank bank;

	(void)state;
	adopt(names, 2);
	assert_int_equal(b.n, 1);
	assert_string_equal(b.asked[0], "shop.internal");
	b.done[0](b.arg[0], &a);
	assert_true(names_read(b.region, 1, &bank));
	assert_int_equal(bank.n, 1);
	assert_int_equal(bank.status, 1);
	assert_true(addr_eq_ip(&bank.addrs[0], &a.addrs[0]));
	/* The same name in the next generation is not asked again. */
	adopt(names, 2);
	assert_int_equal(b.n, 1);
}

static void
test_failure_keeps_the_last_good(void **state)
{
	struct resolve_answer a = good("10.0.0.1", 30), bad = {.why = "timeout"};
	struct names_bank bank = {0};

	(void)state;
	asker_bank(&bank, &bad, 5);
	assert_int_equal(bank.status, 3);
	assert_int_equal(bank.n, 0);
	asker_bank(&bank, &a, 5);
	assert_int_equal(bank.status, 1);
	assert_int_equal(bank.expires_ns, 5 + 30 * SEC_NS);
	asker_bank(&bank, &bad, 6);
	assert_int_equal(bank.status, 2);
	assert_int_equal(bank.n, 1);
	/* "Does not exist" is a failure too: a typo at the registrar must not empty a pool. */
	bad = (struct resolve_answer){.ok = true, .none = true};
	asker_bank(&bank, &bad, 7);
	assert_int_equal(bank.status, 2);
	assert_int_equal(bank.n, 1);
}

static struct addr
ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse_ip(bytes_str(text), &a));
	return a;
}

/* Health is kept by position, so an address stays where it is. */
static void
test_positions(void **state)
{
	struct addr v[3] = {ip("10.0.0.1"), ip("10.0.0.2"), ip("10.0.0.3")};
	struct resolve_answer a = good("10.0.0.1", 30);
	struct names_bank bank = {0};

	(void)state;
	memcpy(a.addrs, v, sizeof(v));
	a.n = 3;
	asker_bank(&bank, &a, 5);
	assert_true(bank.n == 3 && addr_eq(&bank.addrs[2], &v[2]));
	a.addrs[0] = v[2]; /* another order, and one is gone */
	a.addrs[1] = v[0];
	a.n = 2;
	asker_bank(&bank, &a, 6);
	assert_true(bank.n == 3 && addr_eq(&bank.addrs[0], &v[0]) &&
	    addr_eq(&bank.addrs[2], &v[2]));
	assert_int_equal(bank.addrs[1].family, 0);
	a.addrs[0] = ip("10.0.0.4"); /* takes the free place; the same twice is one */
	a.addrs[1] = a.addrs[0];
	asker_bank(&bank, &a, 7);
	assert_int_equal(bank.n, 1);
	assert_true(addr_eq(&bank.addrs[0], &a.addrs[0]));
	bank.n = 99; /* what stands in shared memory is not believed */
	asker_bank(&bank, &a, 8);
	assert_true(bank.n >= 1 && bank.n <= NAMES_ADDRS);
}

static void
test_times(void **state)
{
	static const uint64_t row[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct resolve_answer a = good("10.0.0.1", 30), bad = {0};

	(void)state;
	assert_int_equal(asker_next_ms(&a, 0), 30000);
	a.ttl_s = 0;
	assert_int_equal(asker_next_ms(&a, 0), 1000);
	a.ttl_s = UINT32_MAX;
	assert_int_equal(asker_next_ms(&a, 0), NAMES_TTL_MAX_S * 1000);
	for (unsigned i = 0; i < HG_ARRAY_LEN(row); i++)
		assert_int_equal(asker_next_ms(&bad, i + 1), row[i]);
}

static void
test_a_slot_with_another_name(void **state)
{
	static const char *const first[] = {"a.internal"}, *const second[] = {"b.internal"};
	struct resolve_answer a = good("10.0.0.1", 30);
	struct names_bank bank;

	(void)state;
	adopt(first, 1);
	b.done[0](b.arg[0], &a);
	adopt(second, 1);
	assert_int_equal(b.n, 2);
	/* Traffic for b never goes to a's address. */
	assert_true(names_read(b.region, 0, &bank));
	assert_int_equal(bank.n, 0);
}

static void
test_a_name_that_left_while_asked(void **state)
{
	static const char *const names[] = {"a.internal"}, *const none[] = {NULL};
	struct resolve_answer a = good("10.0.0.1", 30);
	struct names_bank bank;

	(void)state;
	adopt(names, 1);
	adopt(none, 1);
	b.done[0](b.arg[0], &a);
	assert_true(names_read(b.region, 0, &bank));
	assert_int_equal(bank.status, 0);
	assert_true(list_empty(&b.k.names));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer_reaches_the_region, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_keeps_the_last_good, setup, teardown),
		cmocka_unit_test(test_positions), cmocka_unit_test(test_times),
		cmocka_unit_test_setup_teardown(test_a_slot_with_another_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_name_that_left_while_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
