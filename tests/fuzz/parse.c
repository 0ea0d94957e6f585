/*
 * parse.c - fuzzes the readers of single values: numbers, durations, quantities, base64, names,
 * addresses, dates. What has a printed form must read back as the same value.
 */
#include "base/parse.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
addresses(struct bytes b)
{
	struct addr a, again;
	struct cidr c;
	char out[56];

	if (addr_parse(b, &a)) {
		HG_CHECK(addr_parse(bytes_of(out, addr_print(&a, out)), &again));
		HG_CHECK(addr_eq(&a, &again));
	}
	if (addr_parse_ip(b, &a)) {
		HG_CHECK(addr_parse_ip(bytes_of(out, addr_print_ip(&a, out)), &again));
		HG_CHECK(addr_eq(&a, &again));
	}
	if (cidr_parse(b, &c))
		HG_CHECK(cidr_has(&c, &c.base) && cidr_nth(&c, 0, &a) && addr_eq(&a, &c.base));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes b = bytes_of((const char *)data, n);
	unsigned char *bin = malloc(n / 4 * 3 + 1);
	uint64_t u, v;
	int64_t i;
	char text[40];
	size_t k;

	if (parse_u64(b, UINT64_MAX, &u))
		HG_CHECK(parse_hex(b, UINT64_MAX, &v) || n > 16);
	(void)parse_i64(b, INT64_MIN, INT64_MAX, &i);
	if (parse_duration(b, &u)) {
		parse_print_duration(u, text);
		HG_CHECK(u / 3600000 > 99999 || (parse_duration(bytes_str(text), &v) && v == u));
	}
	(void)parse_quantity(b, &i);
	if (parse_base64(b, bin, &k))
		HG_CHECK(k <= n / 4 * 3);
	if (parse_dns_label(b))
		HG_CHECK(parse_dns_subdomain(b));
	if (parse_hostname(b, false))
		HG_CHECK(parse_hostname(b, true));
	addresses(b);
	i = clock_parse_rfc3339((const char *)data, n);
	if (i >= 0) {
		clock_rfc3339(i, text);
		HG_CHECK(i > 253402300799 || clock_parse_rfc3339(text, 20) == i);
	}
	free(bin);
	return 0;
}
