/*
 * route_grpc.h - GRPCRoute rules as model records; what is wrong with them goes to the route.
 */
#ifndef CONF_RESOLVE_ROUTE_GRPC_H
#define CONF_RESOLVE_ROUTE_GRPC_H

#include "conf/resolve/scope.h"

void route_grpc_resolve(struct scope *, struct r_route *);

#endif
