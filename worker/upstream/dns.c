/*
 * dns.c - a bank of addresses read under its sequence word. Addresses stay in use after their time
 * has passed: it is the helper's work to renew them, and an old address is better than a refusal
 * while a resolver is away. Only a bank that never had an address means "no endpoint".
 */
#include "worker/upstream/dns.h"

#include "base/check.h"

uint32_t
dns_members(const struct names *names, const struct im_cluster *c,
    struct dns_member out[NAMES_ADDRS])
{
	struct names_bank bank;
	uint32_t n = 0;

	if (names == NULL || c->dns == IM_NONE || !names_read(names, c->dns, &bank))
		return 0;
	for (uint32_t i = 0; i < HG_MIN(bank.n, (uint32_t)NAMES_ADDRS); i++) {
		struct addr a = bank.addrs[i];

		/* Another process wrote this: only what is an address is used. */
		if (a.family != 4 && a.family != 6)
			continue;
		a.port = c->port;
		out[n++] = (struct dns_member){a, i};
	}
	return n;
}
