/*
 * route_l4.h - TLSRoute, TCPRoute and UDPRoute as model records.
 */
#ifndef CONF_RESOLVE_ROUTE_L4_H
#define CONF_RESOLVE_ROUTE_L4_H

#include "conf/resolve/scope.h"

void route_l4_resolve(struct scope *, struct r_route *);

#endif
