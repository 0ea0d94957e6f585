/*
 * route_http.h - HTTPRoute rules, matches and filters as model records; what is wrong with them
 * goes to the route.
 */
#ifndef CONF_RESOLVE_ROUTE_HTTP_H
#define CONF_RESOLVE_ROUTE_HTTP_H

#include "conf/resolve/scope.h"

void route_http_resolve(struct scope *, struct r_route *);

/* One list of filters. Returns why the rule cannot be built (it is dropped), or NULL. *error: what
 * requests get because a filter must not be skipped. */
struct filters_in {
	const struct k_filter *v;
	uint32_t n;
	const struct k_http_rule *rule; /* for ReplacePrefixMatch */
	const char *where;
};
const char *filters_resolve(struct scope *, struct r_route *, const struct filters_in *,
    struct m_filter **out, uint32_t *nout, enum hg_err *error);
/* A pattern of a match: why it is refused, or NULL. */
const char *regex_refused(struct scope *, struct bytes text);

#endif
