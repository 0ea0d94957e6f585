/*
 * addr.h - IP and UNIX socket addresses and CIDR blocks as plain values (20 + bytes, no pointers),
 * so that they can lie in shared memory. ::ffff:a.b.c.d is IPv4 wherever it comes from. Pure; any
 * process.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"

struct addr {
	uint8_t family; /* 0 none, 4, 6 */
	uint8_t pad;
	uint16_t port;  /* host order */
	uint8_t ip[16]; /* network order; IPv4 in the first four */
};

struct cidr {
	struct addr base;
	uint8_t bits;
	uint8_t pad[3];
};

bool addr_parse_ip(struct bytes text, struct addr *out);        /* no port, no zone, no brackets */
bool addr_parse(struct bytes text, struct addr *out);           /* 1.2.3.4:80, [::1]:80 */
size_t addr_print_ip(const struct addr *, char out[46]);        /* RFC 5952; returns length */
size_t addr_print(const struct addr *, char out[56]);           /* with port */
bool addr_eq(const struct addr *, const struct addr *);         /* port too */
bool addr_eq_ip(const struct addr *, const struct addr *);
int addr_cmp(const struct addr *, const struct addr *);         /* a total order */
bool addr_is_any(const struct addr *);
socklen_t addr_to_sock(const struct addr *, struct sockaddr_storage *out);
bool addr_from_sock(const struct sockaddr *, struct addr *out); /* ::ffff:a.b.c.d becomes IPv4 */
bool cidr_parse(struct bytes text, struct cidr *out);
bool cidr_has(const struct cidr *, const struct addr *);
bool cidr_nth(const struct cidr *, uint64_t n, struct addr *out); /* false past the end */

#endif
