/*
 * addr.c - addresses as plain values. Reading goes through inet_pton, which is strict (no octal, no
 * shortened IPv4); writing is by hand, because glibc's inet_ntop prints ::/96 in mixed notation and
 * the access log prints an address per line. One address has one form: ::ffff:a.b.c.d is always
 * turned into IPv4, so that an allow-list of IPv4 blocks cannot be passed by spelling.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* IPv4-mapped IPv6 becomes IPv4. */
static void
unmap(struct addr *a)
{
	if (a->family != 6 || memcmp(a->ip, mapped, sizeof(mapped)) != 0)
		return;
	a->family = 4;
	memmove(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
}

static bool
parse_raw(struct bytes text, struct addr *out)
{
	char buf[INET6_ADDRSTRLEN];
	struct addr a = {0};

	if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, '\0', text.n))
		return false;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	a.family = memchr(buf, ':', text.n) ? 6 : 4;
	if (inet_pton(a.family == 6 ? AF_INET6 : AF_INET, buf, a.ip) != 1)
		return false;
	*out = a;
	return true;
}

bool
addr_parse_ip(struct bytes text, struct addr *out)
{
	if (!parse_raw(text, out))
		return false;
	unmap(out);
	return true;
}

bool
addr_parse(struct bytes text, struct addr *out)
{
	ptrdiff_t colon = bytes_rchr(text, ':');
	struct bytes host, port;
	struct addr a;
	uint64_t n;

	if (colon < 1)
		return false;
	host = bytes_of(text.p, (size_t)colon);
	port = bytes_of(text.p + colon + 1, text.n - (size_t)colon - 1);
	if (!parse_u64(port, UINT16_MAX, &n))
		return false;
	if (host.p[0] == '[') {
		if (host.n < 2 || host.p[host.n - 1] != ']')
			return false;
		host = bytes_of(host.p + 1, host.n - 2);
		if (bytes_chr(host, ':', 0) < 0)
			return false;
	} else if (bytes_chr(host, ':', 0) >= 0) {
		return false;
	}
	if (!addr_parse_ip(host, &a))
		return false;
	a.port = (uint16_t)n;
	*out = a;
	return true;
}

static char *
put_dec(char *p, unsigned v)
{
	if (v >= 10000)
		*p++ = (char)('0' + v / 10000);
	if (v >= 1000)
		*p++ = (char)('0' + v / 1000 % 10);
	if (v >= 100)
		*p++ = (char)('0' + v / 100 % 10);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

static char *
put_hex(char *p, unsigned v)
{
	static const char hex[] = "0123456789abcdef";

	for (int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0; shift >= 0; shift -= 4)
		*p++ = hex[v >> shift & 15];
	return p;
}

/* Three digits of each byte, as far as it has them, and how many; made at first use. */
static struct {
	bool ready;
	char text[256][4];
} decimal;

static void
decimal_build(void)
{
	for (unsigned v = 0; v < 256; v++)
		decimal.text[v][3] = (char)(put_dec(decimal.text[v], v) - decimal.text[v]);
	decimal.ready = true;
}

static char *
put_v4(char *p, const uint8_t *ip)
{
	if (!decimal.ready)
		decimal_build();
	for (int i = 0; i < 4; i++) {
		const char *d = decimal.text[ip[i]];

		memcpy(p, d, 4); /* the fourth is written over, or lies in out[46] */
		p += d[3];
		*p++ = '.';
	}
	return p - 1;
}

static char *
put_v6(char *p, const uint8_t *ip)
{
	unsigned word[8], best = 8, best_n = 1;

	for (unsigned i = 0; i < 8; i++)
		word[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	/* The first longest run of two or more zero words is "::" (RFC 5952 section 4.2). */
	for (unsigned i = 0, n; i < 8; i += n ? n : 1) {
		for (n = 0; i + n < 8 && word[i + n] == 0; n++)
			;
		if (n > best_n) {
			best = i;
			best_n = n;
		}
	}
	for (unsigned i = 0; i < 8;) {
		if (i == best) {
			*p++ = ':';
			*p++ = ':';
			i += best_n;
			continue;
		}
		if (i && i != best + best_n)
			*p++ = ':';
		p = put_hex(p, word[i++]);
	}
	return p;
}

size_t
addr_print_ip(const struct addr *a, char out[46])
{
	char *p = out;

	if (a->family == 4)
		p = put_v4(p, a->ip);
	else if (a->family == 6)
		p = put_v6(p, a->ip);
	else
		*p++ = '-';
	*p = '\0';
	return (size_t)(p - out);
}

size_t
addr_print(const struct addr *a, char out[56])
{
	char *p = out;

	if (a->family == 6)
		*p++ = '[';
	p += addr_print_ip(a, p);
	if (a->family == 6)
		*p++ = ']';
	if (a->family != 0) {
		*p++ = ':';
		p = put_dec(p, a->port);
	}
	*p = '\0';
	return (size_t)(p - out);
}

static size_t
ip_len(const struct addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

bool
addr_eq_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, ip_len(a)) == 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_eq_ip(a, b);
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	int d;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	d = memcmp(a->ip, b->ip, ip_len(a));
	if (d != 0)
		return d < 0 ? -1 : 1;
	return a->port == b->port ? 0 : a->port < b->port ? -1 : 1;
}

bool
addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family != 0 && memcmp(a->ip, zero, ip_len(a)) == 0;
}

socklen_t
addr_to_sock(const struct addr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	if (a->family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

bool
addr_from_sock(const struct sockaddr *sa, struct addr *out)
{
	*out = (struct addr){0};
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		out->family = 4;
		out->port = ntohs(in->sin_port);
		memcpy(out->ip, &in->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

		out->family = 6;
		out->port = ntohs(in6->sin6_port);
		memcpy(out->ip, &in6->sin6_addr, 16);
		unmap(out);
		return true;
	}
	return false;
}

/* Clear the bits of a behind the first `bits`. */
static void
mask(struct addr *a, unsigned bits)
{
	size_t i = bits / 8;

	if (i < ip_len(a)) {
		a->ip[i] &= (uint8_t)(0xff00u >> bits % 8);
		memset(a->ip + i + 1, 0, ip_len(a) - i - 1);
	}
}

bool
cidr_parse(struct bytes text, struct cidr *out)
{
	ptrdiff_t slash = bytes_chr(text, '/', 0);
	struct cidr c = {0};
	uint64_t bits;

	if (slash < 1 || !parse_raw(bytes_of(text.p, (size_t)slash), &c.base) ||
	    !parse_u64(bytes_of(text.p + slash + 1, text.n - (size_t)slash - 1),
	        8 * ip_len(&c.base), &bits))
		return false;
	if (text.n - (size_t)slash > 2 && text.p[slash + 1] == '0')
		return false; /* "/08" is not a prefix length that anybody else reads */
	mask(&c.base, (unsigned)bits);
	if (c.base.family == 6 && bits >= 96) {
		unmap(&c.base);
		bits -= c.base.family == 4 ? 96 : 0;
	}
	c.bits = (uint8_t)bits;
	*out = c;
	return true;
}

bool
cidr_has(const struct cidr *c, const struct addr *a)
{
	size_t whole = c->bits / 8;
	unsigned rest = c->bits % 8;

	if (c->base.family != a->family || c->bits > 8 * ip_len(a) ||
	    memcmp(c->base.ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || ((c->base.ip[whole] ^ a->ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool
cidr_nth(const struct cidr *c, uint64_t n, struct addr *out)
{
	size_t len = ip_len(&c->base);
	struct addr a = c->base;
	unsigned host_bits;
	uint64_t carry = n;

	if (len == 0 || c->bits > 8 * len)
		return false;
	host_bits = (unsigned)(8 * len) - c->bits;
	if (host_bits < 64 && n >> host_bits != 0)
		return false;
	for (size_t i = len; i-- > 0 && carry;) {
		/* The base has zero host bits, so adding is or-ing and never carries over. */
		a.ip[i] |= (uint8_t)carry;
		carry >>= 8;
	}
	*out = a;
	return true;
}
