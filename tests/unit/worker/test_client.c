/* ClientTrafficPolicy: who asks, edits of heads, paths. */
#include "tests/unit/worker/fake.h"

#include "worker/client.h"
#include "worker/clientip.h"

static struct cidr cidrs[2];
static struct im_edit edits[8];
static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void
test_addresses(void **state)
{
	static const struct {
		uint8_t how;
		uint32_t hops;
		const char *peer, *xff, *xff2, *want;
	} rows[] = {
	    {IM_IP_PEER, 0, "10.0.0.1", "1.2.3.4", NULL, "10.0.0.1"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", "6.6.6.6, 1.2.3.4", NULL, "1.2.3.4"},
	    {IM_IP_XFF_HOPS, 2, "10.0.0.1", "6.6.6.6, 1.2.3.4", "5.6.7.8", "1.2.3.4"},
	    {IM_IP_XFF_HOPS, 3, "10.0.0.1", "1.2.3.4, 5.6.7.8", NULL, "10.0.0.1"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", NULL, NULL, "10.0.0.1"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", "unknown", NULL, "10.0.0.1"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", "1.2.3.4:5", NULL, "1.2.3.4"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", "[2001:db8::1]:5", NULL, "2001:db8::1"},
	    {IM_IP_XFF_HOPS, 1, "10.0.0.1", "[2001:db8::1]", NULL, "2001:db8::1"},
	    {IM_IP_XFF_CIDRS, 0, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9", NULL, "1.2.3.4"},
	    {IM_IP_XFF_CIDRS, 0, "10.0.0.1", "10.1.1.1, 10.9.9.9", NULL, "10.1.1.1"},
	    {IM_IP_XFF_CIDRS, 0, "11.0.0.1", "1.2.3.4", NULL, "11.0.0.1"},
	    {IM_IP_XFF_CIDRS, 0, "10.0.0.1", "1.2.3.4, x, 10.9.9.9", NULL, "10.9.9.9"},
	};
	struct image im = fake_image();

	(void)state;
	im.cidrs = cidrs;
	im.n_cidrs = 1;
	assert_true(cidr_parse(BYTES("10.0.0.0/8"), &cidrs[0]));
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct im_client c = {
		    .ipdetect = rows[i].how, .hops = rows[i].hops, .cidrs = {0, 1}};
		struct addr peer, got;
		char text[46];
		struct msg m;
		size_t n;

		msg_init(&m, true);
		if (rows[i].xff)
			fake_field(&m, "X-Forwarded-For", rows[i].xff);
		if (rows[i].xff2)
			fake_field(&m, "X-Forwarded-For", rows[i].xff2);
		assert_true(addr_parse_ip(bytes_str(rows[i].peer), &peer));
		assert_true(clientip_detect(&im, &c, &m.fields, &peer, &got));
		n = addr_print_ip(&got, text);
		if (!bytes_eq(bytes_of(text, n), bytes_str(rows[i].want)))
			fail_msg("row %zu: %.*s", i, (int)n, text);
	}
}

static void
test_address_header(void **state)
{
	struct im_client c = {.ipdetect = IM_IP_HEADER, .ip_fail_closed = 1};
	struct image im = fake_image();
	struct addr peer, got;
	struct msg m;

	(void)state;
	c.ip_header = fake_str("x-real");
	assert_true(addr_parse_ip(BYTES("10.0.0.1"), &peer));
	msg_init(&m, true);
	assert_false(clientip_detect(&im, &c, &m.fields, &peer, &got));
	c.ip_fail_closed = 0;
	assert_true(clientip_detect(&im, &c, &m.fields, &peer, &got));
	assert_true(addr_eq(&got, &peer));
	c.ip_fail_closed = 1;
	fake_field(&m, "X-Real", "1.2.3.4");
	assert_true(clientip_detect(&im, &c, &m.fields, &peer, &got));
	assert_int_equal(got.ip[0], 1);
}

static void
edit(uint32_t i, uint8_t op, const char *name, const char *value)
{
	edits[i] = (struct im_edit){.name = fake_str(name),
	    .value = fake_str(value),
	    .op = op,
	    .field = (uint8_t)field_id(bytes_str(name))};
}

static void
test_edits(void **state)
{
	struct image im = fake_image();
	struct filter_edit *v;
	struct msg m;
	uint32_t n;

	(void)state;
	im.edits = edits;
	edit(0, IM_ADD, "x-a", "2");
	edit(1, IM_SET, "x-b", "new");
	edit(2, IM_ADD_ABSENT, "x-a", "no");
	edit(3, IM_ADD_ABSENT, "x-c", "yes");
	edit(4, IM_REMOVE, "x-d", NULL);
	edit(5, IM_REMOVE_PREFIX, "x-secret-", NULL);
	edit(6, IM_REMOVE_SUFFIX, "-debug", NULL);
	edit(7, IM_SET, "Content-Length", "0");
	v = headers_edits(&arena, &im, (struct im_range){0, 8}, &n);
	assert_int_equal(n, 8);
	msg_init(&m, false);
	fake_field(&m, "X-A", "1");
	fake_field(&m, "X-B", "old");
	fake_field(&m, "X-D", "gone");
	fake_field(&m, "X-Secret-1", "gone");
	fake_field(&m, "x-my-Debug", "gone");
	fake_field(&m, "Content-Length", "5");
	assert_true(headers_apply(&arena, &m.fields, v, n));
	assert_values(&m, "x-a", "1|2");
	assert_values(&m, "x-b", "new");
	assert_values(&m, "x-c", "yes");
	assert_values(&m, "x-d", NULL);
	assert_values(&m, "x-secret-1", NULL);
	assert_values(&m, "x-my-debug", NULL);
	assert_values(&m, "content-length", "5"); /* frames the message: nobody's to change */
}

/* A name that could not be copied is no name that fits all. */
static void
test_edits_no_room(void **state)
{
	struct image im = fake_image();
	unsigned whole = 0, short_of = 0;

	(void)state;
	im.edits = edits;
	for (uint32_t i = 0; i < 8; i++)
		edit(i, IM_REMOVE_PREFIX, "x-secret-and-long-enough-to-need-some-room", NULL);
	for (size_t room = 64; room < 4096; room += 64) {
		struct arena small;
		struct filter_edit *v;
		struct msg m;
		uint32_t n;

		arena_init(&small, 64, room);
		msg_init(&m, false);
		fake_field(&m, "X-Kept", "1");
		v = headers_edits(&small, &im, (struct im_range){0, 8}, &n);
		if (v && headers_apply(&small, &m.fields, v, n))
			whole++;
		else
			short_of++;
		assert_values(&m, "x-kept", "1");
		arena_release(&small);
	}
	assert_true(whole && short_of);
}

static void
test_paths(void **state)
{
	static const struct {
		uint8_t slashes, merge;
		const char *in, *out;
		bool decoded;
	} rows[] = {
	    {IM_SL_REJECT, 1, "//a///b/", "/a/b/", false},
	    {IM_SL_REJECT, 0, "//a", "//a", false},
	    {IM_SL_REJECT, 1, "/a%2Fb", "/a%2Fb", false},
	    {IM_SL_UNESCAPE, 0, "/a%2fb%5Cc%2", "/a/b/c%2", true},
	    {IM_SL_REDIRECT, 1, "/a%2F/b", "/a/b", true},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct im_client c = {.slashes = rows[i].slashes, .merge_slashes = rows[i].merge};
		bool decoded;

		assert_bytes(client_path(&arena, &c, bytes_str(rows[i].in), &decoded), rows[i].out);
		assert_int_equal(decoded, rows[i].decoded);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_addresses), T(test_address_header), T(test_edits), T(test_edits_no_room),
	    T(test_paths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
