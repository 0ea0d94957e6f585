/*
 * resolve.h - names to addresses by c-ares on a loop; only the helper process uses it. One channel
 * a process, made before the jail (it opens its sources of randomness then).
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "net/loop.h"

#define RESOLVE_ADDRS 32
struct resolve_answer {
	bool ok;              /* false: NXDOMAIN, timeout, garbage */
	bool none;            /* the name exists without addresses, or does not exist */
	uint32_t n, ttl_s;
	struct addr addrs[RESOLVE_ADDRS];
	const char *why;      /* static text when !ok */
};

struct resolver;
/* servers: "ip[:port],…" or NULL for the system's; hosts: text of /etc/hosts or absent. NULL with a
 * log line. */
struct resolver *resolver_new(const char *servers, struct bytes hosts);
void resolver_attach(struct resolver *, struct loop *); /* after the jail */
void resolver_free(struct resolver *);
/* Looks up A and AAAA. `done` is called once, from the loop. */
void resolver_query(struct resolver *, const char *name,
    void (*done)(void *arg, const struct resolve_answer *), void *arg);

#endif
