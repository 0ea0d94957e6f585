/*
 * routekind.h - the five route kinds: schema id, image id, name. One table.
 */
#ifndef CONF_RESOLVE_ROUTEKIND_H
#define CONF_RESOLVE_ROUTEKIND_H

#include "conf/resolve/scope.h"

/* R(kind id, image id, name, bound struct, what this version lacks or NULL) */
#define ROUTEKIND_TABLE(R) \
	R(KIND_HTTPROUTE, IM_HTTPROUTE, "HTTPRoute", k_httproute, NULL) \
	R(KIND_GRPCROUTE, IM_GRPCROUTE, "GRPCRoute", k_grpcroute, NULL) \
	R(KIND_TLSROUTE, IM_TLSROUTE, "TLSRoute", k_l4route, NULL) \
	R(KIND_TCPROUTE, IM_TCPROUTE, "TCPRoute", k_l4route, NULL) \
	R(KIND_UDPROUTE, IM_UDPROUTE, "UDPRoute", k_l4route, NULL)

struct routekind {
	enum kind_id kind;
	uint8_t image;
	const char *name, *unserved;
};
#define ROUTEKIND_COUNT 5
extern const struct routekind routekind_table[ROUTEKIND_COUNT];

uint8_t routekind_parse(struct bytes group, struct bytes kind); /* enum im_routekind, 0 = none */
const char *routekind_name(uint8_t image);
enum kind_id routekind_of(uint8_t image);

#endif
