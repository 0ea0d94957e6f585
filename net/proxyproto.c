/*
 * proxyproto.c - the PROXY protocol's two headers, read by its text and no more kindly: one space,
 * no leading zeros, known commands and families only, lengths that fit, a checksum that is right
 * where there is one. Whoever may send such a header decides who the client is, so what two readers
 * could take differently is refused. What the text tells a receiver to accept is accepted and gives
 * no address: UNKNOWN, LOCAL, AF_UNSPEC, AF_UNIX.
 *
 * The one liberty: IPv6 text in v1 is read by the C library and so may end in dotted IPv4, because
 * HAProxy writes mapped addresses like that. We write such a pair (one side of each family) in
 * groups of hex, as the text asks.
 */
#include "net/proxyproto.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"

#define V1_MAX 107u /* with its CRLF */
#define V2_HEAD 16u

static const char v2_sig[12] = "\r\n\r\n\0\r\nQUIT\n";

enum tlv { TLV_CRC32C = 3 };
enum cmd { CMD_LOCAL, CMD_PROXY };

/* What the byte of family and protocol may be, and how long its addresses are. */
static const struct fam {
	uint8_t byte, addrs, ip; /* ip: bytes of one address that we understand */
	bool dgram;
} fams[] = {{0x00, 0, 0, false}, {0x11, 12, 4, false}, {0x12, 12, 4, true}, {0x21, 36, 16, false},
    {0x22, 36, 16, true}, {0x31, 216, 0, false}, {0x32, 216, 0, true}};

static bool
port_of(struct bytes text, struct addr *a)
{
	uint64_t v;

	if ((text.n > 1 && text.p[0] == '0') || !parse_u64(text, UINT16_MAX, &v))
		return false;
	a->port = (uint16_t)v;
	return true;
}

/* "TCP4 src dst sport dport", without the CRLF. */
static bool
v1_addresses(struct bytes line, struct proxyproto *out)
{
	struct bytes rest = line, part[5];
	bool six;

	for (unsigned i = 0; i < HG_ARRAY_LEN(part); i++) {
		if (!rest.p)
			return false;
		part[i] = bytes_cut(&rest, ' ');
	}
	if (rest.p || part[0].n != 4 || memcmp(part[0].p, "TCP", 3) != 0)
		return false;
	six = part[0].p[3] == '6';
	if (!six && part[0].p[3] != '4')
		return false;
	for (unsigned i = 1; i <= 2; i++)
		if ((bytes_chr(part[i], ':', 0) >= 0) != six)
			return false;
	return addr_parse_ip(part[1], &out->src) && addr_parse_ip(part[2], &out->dst) &&
	    port_of(part[3], &out->src) && port_of(part[4], &out->dst);
}

static enum proxyproto_result
v1(const char *p, size_t n, struct proxyproto *out)
{
	struct bytes unknown = BYTES("UNKNOWN"), line;
	const char *end = memmem(p, HG_MIN(n, V1_MAX), "\r\n", 2);

	if (!end)
		return n >= V1_MAX ? PROXYPROTO_BAD : PROXYPROTO_MORE;
	line = bytes_of(p + 6, (size_t)(end - p) - 6);
	out->version = 1;
	out->bytes = (uint32_t)(end - p) + 2;
	/* "must ignore anything presented before the CRLF" */
	if (bytes_starts(line, unknown) && (line.n == unknown.n || line.p[unknown.n] == ' '))
		return PROXYPROTO_DONE;
	return v1_addresses(line, out) ? PROXYPROTO_DONE : PROXYPROTO_BAD;
}

static unsigned
be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
crc32c(uint32_t crc, const unsigned char *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

/* The checksum is over the whole header with its own four bytes as zeros. */
static bool
crc_right(const unsigned char *p, size_t n, size_t at)
{
	static const unsigned char zero[4];
	const unsigned char *c = p + at;
	uint32_t crc = crc32c(0xffffffffu, p, at);

	crc = crc32c(crc, zero, sizeof(zero));
	crc = ~crc32c(crc, p + at + 4, n - at - 4);
	return crc == ((uint32_t)be16(c) << 16 | be16(c + 2));
}

static bool
tlvs(const unsigned char *p, size_t n, size_t at)
{
	bool seen = false;

	while (at < n) {
		size_t len;

		if (n - at < 3)
			return false;
		len = be16(p + at + 1);
		if (len > n - at - 3)
			return false;
		if (p[at] == TLV_CRC32C) {
			if (seen || len != 4 || !crc_right(p, n, at + 3))
				return false;
			seen = true;
		}
		at += 3 + len;
	}
	return true;
}

static void
v2_addr(const unsigned char *ip, unsigned n, const unsigned char *port, struct addr *out)
{
	struct addr a = {.family = n == 4 ? 4 : 6, .port = (uint16_t)be16(port)};
	struct sockaddr_storage ss;

	memcpy(a.ip, ip, n);
	addr_to_sock(&a, &ss); /* there and back: a mapped address becomes IPv4 */
	HG_CHECK(addr_from_sock((struct sockaddr *)&ss, out));
}

static enum proxyproto_result
v2(const unsigned char *p, size_t n, struct proxyproto *out)
{
	const struct fam *f = NULL;
	size_t all;

	if (n > 12 && (p[12] >> 4 != 2 || (p[12] & 15) > CMD_PROXY))
		return PROXYPROTO_BAD;
	if (n < V2_HEAD)
		return PROXYPROTO_MORE;
	all = V2_HEAD + be16(p + 14);
	out->version = 2;
	out->local = (p[12] & 15) == CMD_LOCAL;
	out->bytes = (uint32_t)all;
	if (all > PROXYPROTO_MAX)
		return PROXYPROTO_BAD;
	for (unsigned i = 0; i < HG_ARRAY_LEN(fams) && !out->local; i++)
		if (fams[i].byte == p[13])
			f = &fams[i];
	if (!out->local && (!f || all < V2_HEAD + f->addrs))
		return PROXYPROTO_BAD;
	if (n < all)
		return PROXYPROTO_MORE;
	if (!f || !f->addrs) /* LOCAL, UNSPEC: the block is to be skipped, whatever is in it */
		return PROXYPROTO_DONE;
	out->dgram = f->dgram;
	if (!tlvs(p, all, V2_HEAD + f->addrs))
		return PROXYPROTO_BAD;
	if (f->ip) {
		const unsigned char *ports = p + V2_HEAD + 2 * f->ip;

		v2_addr(p + V2_HEAD, f->ip, ports, &out->src);
		v2_addr(p + V2_HEAD + f->ip, f->ip, ports + 2, &out->dst);
	}
	return PROXYPROTO_DONE;
}

enum proxyproto_result
proxyproto_parse(const void *p, size_t n, struct proxyproto *out)
{
	*out = (struct proxyproto){0};
	if (memcmp(p, "PROXY ", HG_MIN(n, 6u)) == 0)
		return n < 6 ? PROXYPROTO_MORE : v1(p, n, out);
	if (memcmp(p, v2_sig, HG_MIN(n, sizeof(v2_sig))) == 0)
		return n < sizeof(v2_sig) ? PROXYPROTO_MORE : v2(p, n, out);
	return PROXYPROTO_NONE;
}

/* Both as IPv6 where they differ: the protocol has one family for the pair. */
static void
ip16(const struct addr *a, unsigned char out[16])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->family == 6) {
		memcpy(out, a->ip, 16);
		return;
	}
	memcpy(out, mapped, 12);
	memcpy(out + 12, a->ip, 4);
}

static size_t
print_ip(const struct addr *a, bool six, char out[46])
{
	if (six && a->family == 4)
		return (size_t)snprintf(out, 46, "::ffff:%x:%x", be16(a->ip), be16(a->ip + 2));
	return addr_print_ip(a, out);
}

static size_t
write1(char *out, bool dgram, const struct addr *src, const struct addr *dst)
{
	bool six = src->family == 6 || dst->family == 6;
	char s[46], d[46];

	if (!src->family || !dst->family || dgram)
		return (size_t)snprintf(out, PROXYPROTO_WRITE, "PROXY UNKNOWN\r\n");
	print_ip(src, six, s);
	print_ip(dst, six, d);
	return (size_t)snprintf(out, PROXYPROTO_WRITE, "PROXY TCP%c %s %s %u %u\r\n",
	    six ? '6' : '4', s, d, src->port, dst->port);
}

static size_t
write2(unsigned char *out, bool dgram, const struct addr *src, const struct addr *dst)
{
	bool none = !src->family || !dst->family, six = src->family == 6 || dst->family == 6;
	unsigned n = none ? 0 : six ? 16 : 4, at = V2_HEAD;

	memcpy(out, v2_sig, sizeof(v2_sig));
	out[12] = 0x20 | (none ? CMD_LOCAL : CMD_PROXY);
	out[13] = none ? 0 : (unsigned char)((six ? 0x20 : 0x10) | (dgram ? 2 : 1));
	out[14] = 0;
	out[15] = (unsigned char)(none ? 0 : 2 * n + 4);
	if (none)
		return at;
	for (unsigned i = 0; i < 2; i++, at += n) {
		const struct addr *a = i ? dst : src;

		if (six)
			ip16(a, out + at);
		else
			memcpy(out + at, a->ip, 4);
	}
	for (unsigned i = 0; i < 2; i++) {
		out[at++] = (unsigned char)((i ? dst : src)->port >> 8);
		out[at++] = (unsigned char)(i ? dst : src)->port;
	}
	return at;
}

size_t
proxyproto_write(char out[PROXYPROTO_WRITE], unsigned version, bool dgram, const struct addr *src,
    const struct addr *dst)
{
	HG_CHECK(version == 1 || version == 2);
	return version == 1 ? write1(out, dgram, src, dst)
			    : write2((unsigned char *)out, dgram, src, dst);
}
