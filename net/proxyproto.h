/*
 * proxyproto.h - the PROXY protocol, versions 1 and 2 (haproxy.org proxy-protocol.txt, 2020):
 * what a load balancer in front says about the client, and what we say to a backend. Pure.
 */
#ifndef NET_PROXYPROTO_H
#define NET_PROXYPROTO_H

#include <stddef.h>

#include "base/addr.h"

/* Longest header that is read, v2 with its TLVs (v1: 107). The text asks for 536 at least; names of
 * certificates and authorities that load balancers add can need more. */
#define PROXYPROTO_MAX 4096
#define PROXYPROTO_WRITE 108 /* longest that is written */

enum proxyproto_result {
	PROXYPROTO_MORE, /* so far it may be one */
	PROXYPROTO_DONE, /* *out is set */
	PROXYPROTO_NONE, /* the bytes are something else */
	PROXYPROTO_BAD   /* it is one, and wrong: close */
};
struct proxyproto {
	/* family 0: not said (LOCAL, UNKNOWN, AF_UNIX, UNSPEC): use the socket's */
	struct addr src, dst;
	uint32_t bytes;       /* of the header: what to skip */
	uint8_t version;      /* 1, 2 */
	bool local;           /* a health check of the proxy itself */
	bool dgram;           /* v2: UDP */
};

/* n may be more than the header. A mapped IPv6 address comes out as IPv4. */
enum proxyproto_result proxyproto_parse(const void *p, size_t n, struct proxyproto *out);
/* Bytes in out. A pair of two families is written as IPv6, the IPv4 one mapped; one of family 0:
 * UNKNOWN / LOCAL, and so is UDP in v1, which has no word for it. */
size_t proxyproto_write(char out[PROXYPROTO_WRITE], unsigned version, bool dgram,
    const struct addr *src, const struct addr *dst);

#endif
