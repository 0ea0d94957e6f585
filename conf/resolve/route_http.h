/*
 * route_http.h - HTTPRoute rules as model records; what is wrong with them goes to the route.
 */
#ifndef CONF_RESOLVE_ROUTE_HTTP_H
#define CONF_RESOLVE_ROUTE_HTTP_H

#include "conf/resolve/scope.h"

void route_http_resolve(struct scope *, struct r_route *);

#endif
