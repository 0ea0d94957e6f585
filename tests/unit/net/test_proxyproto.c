/*
 * test_proxyproto.c - both headers by the protocol's text: what is accepted, cut anywhere, what is
 * refused, and that what we write reads back.
 */
#include "tests/unit/net/unit.h"

#include "base/check.h"
#include "net/proxyproto.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define FF "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static const struct row {
	const char *p;
	size_t n;
	enum proxyproto_result want;
	const char *src, *dst; /* NULL: not said */
	size_t bytes;
} rows[] = {
#define T(s, ...) {s, sizeof(s) - 1, __VA_ARGS__}
#define R(s, result) {s, sizeof(s) - 1, result, NULL, NULL, 0}
#define BAD PROXYPROTO_BAD
#define DONE PROXYPROTO_DONE
    T("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n", DONE, "192.0.2.1:56324", "192.0.2.9:443", 42),
    T("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET /", DONE,
	"255.255.255.255:65535", "255.255.255.255:65535", 56),
    T("PROXY TCP6 2001:DB8::1 ::1 0 1\r\n", DONE, "[2001:db8::1]:0", "[::1]:1", 32),
    T("PROXY TCP6 " FF " " FF " 65535 65535\r\n", DONE, "[" FF "]:65535", "[" FF "]:65535", 104),
    T("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:209 1 2\r\n", DONE, "192.0.2.1:1", "192.0.2.9:2",
	49),
    T("PROXY UNKNOWN\r\n", DONE, NULL, NULL, 15),
    T("PROXY UNKNOWN " FF " " FF " 65535 65535\r\n", DONE, NULL, NULL, 107),
    T("PROXY UNKNOWN what ever\n\0 it is\r\nGET", DONE, NULL, NULL, 33),
    R("PROXY UNKNOWNS\r\n", BAD),
    R("PROXY \r\n", BAD),
    R("PROXY  TCP4 192.0.2.1 192.0.2.9 1 2\r\n", BAD), /* two spaces */
    R("PROXY TCP4  192.0.2.1 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 1 2 \r\n", BAD), /* one at the end */
    R("PROXY TCP4 192.0.2.1 192.0.2.9 1 2 3\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 1\r\n", BAD),
    R("PROXY TCP4 192.0.2.1\t192.0.2.9 1 2\r\n", BAD),
    R("PROXY tcp4 192.0.2.1 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP5 192.0.2.1 192.0.2.9 1 2\r\n", BAD),
    R("PROXY UDP4 192.0.2.1 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 ::1 ::1 1 2\r\n", BAD),
    R("PROXY TCP6 192.0.2.1 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.01 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.256 192.0.2.9 1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 01 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 +1 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 65536 2\r\n", BAD),
    R("PROXY TCP4 192.0.2.1 192.0.2.9 1 2\n\r\n", BAD),
    R("PROXY TCP6 ::1%lo ::1 1 2\r\n", BAD),
    R("PROXY TCP6 1::2::3 ::1 1 2\r\n", BAD),
    R("PROXY UNKNOWN 0" FF " " FF " 65535 65535\r\n", BAD), /* 108 bytes */
    R("GET / HTTP/1.1\r\n", PROXYPROTO_NONE),
    R("PROXX", PROXYPROTO_NONE),
    R("PROXY\r\n", PROXYPROTO_NONE),
    R("\r\n\r\nGET", PROXYPROTO_NONE),
    R("\x16\3\1", PROXYPROTO_NONE),
    R("", PROXYPROTO_MORE),
    T(SIG "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\t\xdc\x04\1\xbbGET", DONE, "192.0.2.1:56324",
	"192.0.2.9:443", 28),
    T(SIG "\x21\x12\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", DONE, "192.0.2.1:1", "192.0.2.9:2", 28),
    T(SIG
	"\x21\x21\0\x24\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2",
	DONE, "[2001:db8::1]:1", "[::1]:2", 52),
    T(SIG
	"\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2",
	DONE, "192.0.2.1:1", "[::1]:2", 52),
    T(SIG "\x20\0\0\0", DONE, NULL, NULL, 16),
    T(SIG "\x20\x11\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", DONE, NULL, NULL, 28),
    T(SIG "\x20\x77\0\3abc", DONE, NULL, NULL, 19), /* LOCAL: the family is ignored */
    T(SIG "\x21\0\0\5abcde", DONE, NULL, NULL, 21),
    /* TLVs: two unknown ones, and a NOOP of no length */
    T(SIG "\x21\x11\0\x17\xc0\0\2\1\xc0\0\2\t\0\1\0\2\1\0\2h2\xee\0\0\4\0\0", DONE, "192.0.2.1:1",
	"192.0.2.9:2", 39),
    R(SIG "\x21\x11\0\x0e\xc0\0\2\1\xc0\0\2\t\0\1\0\2\1\0", BAD),     /* half a TLV */
    R(SIG "\x21\x11\0\x11\xc0\0\2\1\xc0\0\2\t\0\1\0\2\1\0\3h2", BAD), /* longer than the rest */
    R(SIG "\x21\x11\0\x13\xc0\0\2\1\xc0\0\2\t\0\1\0\2\3\0\4\0\0\0\0", BAD), /* checksum */
    R(SIG "\x21\x11\0\x12\xc0\0\2\1\xc0\0\2\t\0\1\0\2\3\0\3\0\0\0", BAD),
    R(SIG "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\t\0\1\0", BAD), /* no room for addresses */
    R(SIG "\x21\x21\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", BAD),
    R(SIG "\x21\x31\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", BAD),
    R(SIG "\x21\x01\0\0", BAD), /* a protocol without a family, and so on */
    R(SIG "\x21\x10\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", BAD),
    R(SIG "\x21\x13\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", BAD),
    R(SIG "\x21\x41\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", BAD),
    R(SIG "\x11\x11\0\x0c", BAD),
    R(SIG "\x31", BAD),
    R(SIG "\x22", BAD),
    R(SIG "\x2f", BAD),
    R(SIG "\x21\x11\x0f\xf1", BAD), /* 4,097 bytes */
    R(SIG "\x21\x11\x0f\xf0", PROXYPROTO_MORE),
#undef T
#undef R
};

static void
check(const struct addr *a, const char *want)
{
	char text[56];

	if (!want) {
		assert_int_equal(a->family, 0);
		return;
	}
	addr_print(a, text);
	assert_string_equal(text, want);
}

static void
read_rows(void **state)
{
	struct proxyproto h;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (proxyproto_parse(r->p, r->n, &h) != r->want)
			fail_msg("row %zu: %.*s", i, (int)r->n, r->p);
		if (r->want != DONE)
			continue;
		check(&h.src, r->src);
		check(&h.dst, r->dst);
		assert_int_equal(h.bytes, r->bytes);
		for (size_t k = 0; k < r->bytes; k++)
			if (proxyproto_parse(r->p, k, &h) != PROXYPROTO_MORE)
				fail_msg("row %zu cut at %zu", i, k);
	}
}

static void
facts(void **state)
{
	struct proxyproto h;

	(void)state;
	proxyproto_parse(SIG "\x20\0\0\0", 16, &h);
	assert_true(h.version == 2 && h.local && !h.dgram);
	proxyproto_parse(SIG "\x21\x12\0\x0c\xc0\0\2\1\xc0\0\2\t\0\1\0\2", 28, &h);
	assert_true(h.version == 2 && !h.local && h.dgram);
	proxyproto_parse("PROXY UNKNOWN\r\n", 15, &h);
	assert_true(h.version == 1 && !h.local);
}

/* A header with a right checksum (made with another implementation), then with any bit wrong. */
static void
checksum(void **state)
{
	unsigned char p[] =
	    SIG "\x21\x11\0\x18\xc0\0\2\1\xc0\0\2\t\xdc\x04\1\xbb\3\0\4CRC!\1\0\2h2";
	size_t n = sizeof(p) - 1;
	struct proxyproto h;

	(void)state;
	memcpy(p + 31, "\xff\x31\xfc\x82", 4);
	assert_int_equal(proxyproto_parse(p, n, &h), DONE);
	check(&h.src, "192.0.2.1:56324");
	for (size_t bit = 16 * 8; bit < n * 8; bit++) {
		enum proxyproto_result r;

		p[bit / 8] ^= (unsigned char)(1u << bit % 8);
		r = proxyproto_parse(p, n, &h);
		/* The type of the checksum's own TLV is the one thing it cannot protect. */
		if (r != BAD && bit / 8 != 28)
			fail_msg("bit %zu", bit);
		p[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}

static void
unix_sockets(void **state)
{
	unsigned char p[PROXYPROTO_MAX] = SIG "\x21\x31\x0f\xf0/a/path";
	struct proxyproto h;
	unsigned left = PROXYPROTO_MAX - 16 - 216 - 3;

	(void)state;
	p[16 + 216] = 0xee; /* one TLV to the very end */
	p[16 + 217] = (unsigned char)(left >> 8);
	p[16 + 218] = (unsigned char)left;
	assert_int_equal(proxyproto_parse(p, sizeof(p), &h), DONE);
	assert_int_equal(h.bytes, PROXYPROTO_MAX);
	check(&h.src, NULL);
	assert_int_equal(proxyproto_parse(p, sizeof(p) - 1, &h), PROXYPROTO_MORE);
	p[16 + 218]--;
	assert_int_equal(proxyproto_parse(p, sizeof(p), &h), BAD);
}

static void
write_rows(void **state)
{
	static const struct {
		const char *src, *dst, *v1;
	} r[] = {
	    {"192.0.2.1:65535", "192.0.2.9:443", "PROXY TCP4 192.0.2.1 192.0.2.9 65535 443\r\n"},
	    {"[2001:db8::1]:1", "[::1]:2", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n"},
	    {"192.0.2.1:1", "[::1]:2", "PROXY TCP6 ::ffff:c000:201 ::1 1 2\r\n"},
	    {"[::1]:1", "192.0.2.9:2", "PROXY TCP6 ::1 ::ffff:c000:209 1 2\r\n"},
	    {"[" FF "]:65535", "[" FF "]:65535", "PROXY TCP6 " FF " " FF " 65535 65535\r\n"},
	    {"", "", "PROXY UNKNOWN\r\n"},
	};
	char out[PROXYPROTO_WRITE];
	struct proxyproto h;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(r); i++) {
		struct addr s = {0}, d = {0};
		size_t n;

		addr_parse(bytes_str(r[i].src), &s);
		addr_parse(bytes_str(r[i].dst), &d);
		n = proxyproto_write(out, 1, false, &s, &d);
		assert_int_equal(n, strlen(r[i].v1));
		assert_memory_equal(out, r[i].v1, n);
		for (unsigned v = 1; v <= 2; v++) {
			n = proxyproto_write(out, v, false, &s, &d);
			assert_int_equal(proxyproto_parse(out, n, &h), DONE);
			assert_int_equal(h.bytes, n);
			assert_true(addr_eq(&h.src, &s) && addr_eq(&h.dst, &d));
			assert_true(v == 1 || h.local == !s.family);
		}
		n = proxyproto_write(out, 2, true, &s, &d);
		assert_int_equal(proxyproto_parse(out, n, &h), DONE);
		assert_int_equal(h.dgram, s.family != 0);
		n = proxyproto_write(out, 1, true, &s, &d);
		assert_int_equal(n, 15);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(read_rows), cmocka_unit_test(facts),
	    cmocka_unit_test(checksum), cmocka_unit_test(unix_sockets),
	    cmocka_unit_test(write_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
