/*
 * route.h - the only matcher: socket -> listener -> original route hostname -> path -> predicates
 * -> rule. Gateway API precedence (reference/gateway-api.md 5.3, 5.6; v1.7 hostname order). Pure
 * and read-only; the worker calls it without a trace, `headgate match` with one.
 */
#ifndef SHM_ROUTE_H
#define SHM_ROUTE_H

#include "base/err.h"
#include "base/field.h"
#include "base/regex.h"
#include "shm/image.h"

struct route_query {
	uint32_t socket;             /* im_socket index */
	uint32_t listener;           /* fixed by SNI, or IM_NONE: choose by host */
	struct bytes host;           /* canonical, no port; may be empty */
	struct bytes path;           /* canonical */
	struct bytes query;          /* raw; absent if none */
	struct bytes method;
	const struct fields *fields;
	bool grpc;                   /* content-type application/grpc* */
};

struct route_hit {
	uint32_t listener;           /* im_listener, IM_NONE if none */
	uint32_t rule;               /* im_rule */
	uint16_t match;
};

/* What `headgate match` prints: called for each candidate looked at. */
struct route_trace {
	void (*step)(
	    void *arg, const char *what, struct bytes key, uint32_t rule, uint16_t match, bool won);
	void *arg;
};

/* HG_OK, HG_ERR_NO_LISTENER, HG_ERR_NO_ROUTE, HG_ERR_REGEX_LIMIT, HG_ERR_MISDIRECTED (a fixed
 * listener, and the host's best listener on this socket is another). hit->listener is set whenever
 * one was chosen. */
enum hg_err route_find(const struct image *, const struct route_query *, const struct regex_set *,
    const struct route_trace *, struct route_hit *hit);

/* Listener for a name on a socket: exact, longest wildcard, any. IM_NONE if none. */
uint32_t route_listener(const struct image *, uint32_t socket, struct bytes host);
uint32_t route_hosttab(const struct image *, const struct im_hosttab *, struct bytes host);

#endif
