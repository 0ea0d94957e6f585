/*
 * service.h - Services that open ports: type NodePort on the node's addresses, type LoadBalancer on
 * loadBalancerIP, an address of the pool, or the node's. Such a Service is an internal Gateway of
 * raw listeners with an internal route each, so that sockets, conflicts and workers know nothing of
 * Services.
 * ClusterIP and ExternalName are only ever backends.
 */
#ifndef CONF_RESOLVE_SERVICE_H
#define CONF_RESOLVE_SERVICE_H

#include "conf/resolve/scope.h"

struct r_open { /* a port of the Service, opened or not */
	const struct k_service_port *k;
	uint16_t node_port;       /* 0 = none */
	bool allocated;           /* by us, not written */
	const char *reason, *message; /* why it is not opened, or NULL */
	uint32_t listener[2];     /* in gw[0] for the node port, in gw[1]; UINT32_MAX = none */
};
struct r_service {
	const struct object *obj;
	struct r_open *ports;
	uint32_t nports;
	struct cidr *sources;     /* of the clients that are served; none: all */
	uint32_t nsources;
	struct r_gateway *gw[2];  /* node ports, load balancer; or NULL */
};

/* After the Gateways and ListenerSets, whose ports are not handed out: slot and gateways. */
void service_resolve(struct scope *);
uint32_t service_routes(const struct scope *); /* how many routes service_attach adds */
void service_attach(struct scope *);
/* The condition Programmed. */
void service_conditions(struct scope *, const struct r_service *, struct conds *);
/* Puts the node ports that were handed out into the object's node tree, as an API server would. */
void service_show(struct scope *, const struct object *);
/* `base` (may be NULL) with clients kept on their endpoint by address. */
struct m_policy *service_affinity(struct scope *, struct m_policy *base);

#endif
