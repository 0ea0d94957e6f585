/* test_addr.c - addresses and CIDR blocks. */
#include "tests/unit/base/unit.h"

#include <netinet/in.h>

#include "base/addr.h"

static struct addr
ip(const char *text)
{
	struct addr a;

	if (!addr_parse_ip(bytes_str(text), &a))
		fail_msg("%s", text);
	return a;
}

static void
canonical_text(void **state)
{
	static const char *const cases[][2] = {
	    {"0.0.0.0", "0.0.0.0"}, {"255.255.255.255", "255.255.255.255"},
	    {"10.0.100.7", "10.0.100.7"},
	    {"::", "::"}, {"::1", "::1"}, {"1::", "1::"}, {"2001:DB8::0:1", "2001:db8::1"},
	    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
	    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	    {"0:0:1:0:0:0:1:0", "0:0:1::1:0"}, {"::ffff:1.2.3.4", "1.2.3.4"},
	    {"::1.2.3.4", "::102:304"},
	    {"fe80:0:0:0:0:0:0:0", "fe80::"}, {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
	    {"1:0:0:2:0:0:0:3", "1:0:0:2::3"}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
	    {"0:0:2:3:4:5:6:7", "::2:3:4:5:6:7"}, {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
	};
	char out[46];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		struct addr a = ip(cases[i][0]);

		assert_int_equal(addr_print_ip(&a, out), strlen(cases[i][1]));
		assert_string_equal(out, cases[i][1]);
	}
}

static void
not_addresses(void **state)
{
	static const char *const cases[] = {
	    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4",
	    "0x1.2.3.4",
	    "1.2.3.-4", ":", ":::", "1::2::3", "[::1]", "fe80::1%eth0", "12345::", "::g",
	    "1:2:3:4:5:6:7",
	    "1.2.3.4:80", "::ffff:1.2.3", "1.2.3.4\n",
	    "1111111111111111111111111111111111111111111111111111111",
	};
	struct addr a = {.family = 9};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		if (addr_parse_ip(bytes_str(cases[i]), &a))
			fail_msg("%s", cases[i]);
	assert_false(addr_parse_ip(bytes_of("1.2.3.4\0", 8), &a));
	assert_int_equal(a.family, 9);
}

static void
with_port(void **state)
{
	static const char *const bad[] = {
	    "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "[::1]", "::1:80", "[1.2.3.4]:80",
	    "[::1:80",
	    ":80", "[]:80", "[::1]x:80", "1.2.3.4:80 ",
	};
	struct addr a;
	char out[56];

	(void)state;
	assert_true(addr_parse(BYTES("1.2.3.4:80"), &a));
	assert_int_equal(a.port, 80);
	assert_int_equal(addr_print(&a, out), 10);
	assert_string_equal(out, "1.2.3.4:80");
	assert_true(addr_parse(BYTES("[2001:db8::1]:65535"), &a));
	assert_int_equal(addr_print(&a, out), 19);
	assert_string_equal(out, "[2001:db8::1]:65535");
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (addr_parse(bytes_str(bad[i]), &a))
			fail_msg("%s", bad[i]);
	a = (struct addr){0};
	assert_int_equal(addr_print(&a, out), 1);
}

static void
comparing(void **state)
{
	struct addr a = ip("10.0.0.1"), b = ip("10.0.0.2"), c = ip("::1"), d = a;

	(void)state;
	d.port = 5;
	assert_true(addr_eq_ip(&a, &d));
	assert_false(addr_eq(&a, &d));
	assert_int_equal(addr_cmp(&a, &b), -1);
	assert_int_equal(addr_cmp(&b, &a), 1);
	assert_int_equal(addr_cmp(&a, &d), -1);
	assert_int_equal(addr_cmp(&a, &a), 0);
	assert_int_equal(addr_cmp(&b, &c), -1);
	a = ip("0.0.0.0");
	c = ip("::");
	d = (struct addr){0};
	assert_true(addr_is_any(&a) && addr_is_any(&c));
	assert_false(addr_is_any(&b) || addr_is_any(&d));
}

static void
sockets(void **state)
{
	static const char *const cases[] = {"1.2.3.4:80", "[2001:db8::1]:443"};
	struct sockaddr_storage ss;
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(7)};
	struct addr a, b;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(addr_parse(bytes_str(cases[i]), &a));
		assert_int_equal(addr_to_sock(&a, &ss),
		    i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_true(addr_from_sock((struct sockaddr *)&ss, &b));
		assert_true(addr_eq(&a, &b));
	}
	mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
	mapped.sin6_addr.s6_addr[12] = 127;
	mapped.sin6_addr.s6_addr[15] = 1;
	assert_true(addr_from_sock((struct sockaddr *)&mapped, &b));
	a = ip("127.0.0.1");
	assert_true(addr_eq_ip(&a, &b) && b.port == 7);
	ss.ss_family = AF_UNIX;
	assert_false(addr_from_sock((struct sockaddr *)&ss, &b));
	a = (struct addr){0};
	assert_int_equal(addr_to_sock(&a, &ss), 0);
}

static void
blocks(void **state)
{
	static const struct {
		const char *cidr, *ip;
		bool has;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.0.1", true}, {"10.0.0.0/8", "11.0.0.0", false},
	    {"10.1.2.3/8", "10.9.9.9", true}, {"0.0.0.0/0", "1.2.3.4", true},
	    {"0.0.0.0/0", "::1", false},
	    {"1.2.3.4/32", "1.2.3.4", true}, {"1.2.3.4/32", "1.2.3.5", false},
	    {"10.0.0.128/25", "10.0.0.127", false}, {"10.0.0.128/25", "10.0.0.255", true},
	    {"192.168.4.0/22", "192.168.7.255", true}, {"192.168.4.0/22", "192.168.8.0", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"::/0", "::1", true}, {"::1/128", "::1", true}, {"::1/128", "::2", false},
	    {"::ffff:10.0.0.0/104", "10.1.1.1", true}, {"10.0.0.0/8", "::ffff:10.1.1.1", true},
	};
	static const char *const bad[] = {
	    "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0/8", "/8",
	    "10.0.0.0/8/8",
	    "10.0.0.0/-1", "10.0.0.0/ 8",
	};
	struct cidr c;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++) {
		struct addr a = ip(cases[i].ip);

		assert_true(cidr_parse(bytes_str(cases[i].cidr), &c));
		if (cidr_has(&c, &a) != cases[i].has)
			fail_msg("%s %s", cases[i].cidr, cases[i].ip);
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(bad); i++)
		if (cidr_parse(bytes_str(bad[i]), &c))
			fail_msg("%s", bad[i]);
}

static void
nth(void **state)
{
	struct cidr c;
	struct addr a;
	char out[46];

	(void)state;
	assert_true(cidr_parse(BYTES("127.0.8.0/22"), &c));
	assert_true(cidr_nth(&c, 0, &a));
	assert_true(cidr_nth(&c, 1023, &a));
	addr_print_ip(&a, out);
	assert_string_equal(out, "127.0.11.255");
	assert_false(cidr_nth(&c, 1024, &a));
	assert_true(cidr_parse(BYTES("1.2.3.4/32"), &c));
	assert_true(cidr_nth(&c, 0, &a));
	assert_false(cidr_nth(&c, 1, &a));
	assert_true(cidr_parse(BYTES("fd00::/64"), &c));
	assert_true(cidr_nth(&c, UINT64_MAX, &a));
	addr_print_ip(&a, out);
	assert_string_equal(out, "fd00::ffff:ffff:ffff:ffff");
	assert_true(cidr_parse(BYTES("fd00::/65"), &c));
	assert_false(cidr_nth(&c, UINT64_MAX, &a));
	assert_true(cidr_parse(BYTES("0.0.0.0/0"), &c));
	assert_true(cidr_nth(&c, UINT32_MAX, &a));
	assert_false(cidr_nth(&c, 1ull << 32, &a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(canonical_text),
	    cmocka_unit_test(not_addresses),
	    cmocka_unit_test(with_port),
	    cmocka_unit_test(comparing),
	    cmocka_unit_test(sockets),
	    cmocka_unit_test(blocks),
	    cmocka_unit_test(nth),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
