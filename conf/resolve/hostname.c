/*
 * hostname.c - which route hostnames a listener serves (reference/gateway-api.md 5.5). Both sides
 * are canonical (lower case) by their schema. What is kept for the image is the route's original
 * hostname, because v1.7 orders by it; the listener is chosen first, so the intersection needs no
 * text of its own.
 */
#include "conf/resolve/scope.h"

static bool
wild(struct bytes h)
{
	return h.n > 2 && h.p[0] == '*' && h.p[1] == '.';
}

/* `*.a.b` covers x.a.b, x.y.a.b and `*.c.a.b`, not a.b. */
static bool
covers(struct bytes pattern, struct bytes name)
{
	struct bytes tail = bytes_of(pattern.p + 1, pattern.n - 1);

	return name.n > tail.n && bytes_ends(name, tail);
}

bool
hostname_meets(struct bytes listener, struct bytes route)
{
	if (listener.p == NULL || listener.n == 0 || route.p == NULL || route.n == 0)
		return true;
	if (bytes_eq(listener, route))
		return true;
	if (wild(listener) && covers(listener, route))
		return true;
	return wild(route) && covers(route, listener);
}
