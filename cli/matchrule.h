/*
 * matchrule.h - what a matched rule does to a request, for `match`.
 */
#ifndef CLI_MATCHRULE_H
#define CLI_MATCHRULE_H

#include "cli/view.h"

/* "routes.d/shop/api.yaml:21" of the route's object, or "" */
const char *matchrule_source(struct view *, const struct im_route *);
/* Lines for filters, times, the effective policy and backends with their endpoints. */
void matchrule_print(struct view *, uint32_t rule);

#endif
