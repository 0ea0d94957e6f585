/*
 * backend.h - from a backendRef to a cluster with endpoints, or to a fault.
 */
#ifndef CONF_RESOLVE_BACKEND_H
#define CONF_RESOLVE_BACKEND_H

#include "conf/resolve/scope.h"

struct r_backend {
	struct m_cluster *cluster; /* NULL when error is set */
	enum hg_err error;
	bool affinity;             /* sessionAffinity: ClientIP of the Service */
	bool fault;                /* the reference is wrong (not just unserved) */
	/* A Backend of several names: its clusters share the reference's weight; the first is
	 * `cluster`. */
	const struct r_backend_kind *backend;
	const struct k_persistence *persistence; /* of the backend itself, or NULL */
};

/* `where` names the field in messages. Faults are added to the route. */
void backend_resolve(struct scope *, struct r_route *, const char *where,
    const struct k_backend_ref *, struct r_backend *out);
/* A Backend of several names stands as one entry a name; of[i] is the Backend of backends[i], or
 * NULL. All weights grow together, so that shares stay exact where numbers allow it. */
void backend_spread(struct scope *, struct m_rule *, const struct r_backend_kind *const *of);
/* A cluster without endpoints. */
struct m_cluster *backend_cluster(struct scope *, const char *name, uint8_t proto);
uint8_t backend_proto(struct bytes app); /* "h2c", "ws", "wss"; else HTTP/1.1 */
/* The Service's port as bytes, for what comes in by a port that it opens. */
struct k_service_port;
struct m_cluster *backend_service(
    struct scope *, const struct object *service, const struct k_service_port *);
/* Ancestors of the policies that the route's backends met. */
void backend_policies(struct scope *, struct r_route *);

/* extern.c: the kind Backend (gateway.headgate.dev, gateway.envoyproxy.io). Each fqdn is a cluster
 * of its own, since a cluster has one name; else there is one. */
struct r_backend_kind {
	const struct object *obj;
	const char *refused;       /* why it is not accepted, or NULL */
	struct m_cluster **clusters;
	uint32_t nclusters;
	bool fallback;
	struct bytes app;          /* "h2c", "ws", "wss" or absent */
	bool tls, barred;          /* barred: its BackendTLSPolicy cannot be served, so 500 */
	struct r_target *targets;  /* BackendTLSPolicies */
	struct r_service_port *port; /* that they are known by to backend.c */
	const struct k_persistence *persistence; /* XBackend's own, or NULL */
	bool raw;                  /* TCP: no HTTP is spoken to it */
	struct conds conds;
};
void extern_resolve(struct scope *);
bool extern_is(const struct k_backend_ref *);

/* xbackend.c: XBackend as a Backend, with one cluster. */
void xbackend_resolve(struct scope *);
bool xbackend_is(const struct k_backend_ref *);
struct r_backend_kind *xbackend_kind(const struct scope *, const struct object *);
void xbackend_ancestor(struct scope *, const struct object *, const struct object *gateway);

/* endpoint.c: fills endpoints or dns of a cluster. */
struct k_service;
struct k_service_port;
/* A cluster with a DNS name: a record for each position in the name's bank (shm/board.h). */
void endpoint_positions(struct scope *, struct m_cluster *, struct bytes host);
void endpoint_index(struct scope *);
/* Workloads of the namespace with these labels; a host by name or address. */
void endpoint_select(
    struct scope *, struct bytes ns, const k_map *labels, uint16_t port, struct m_cluster *);
void endpoint_name(struct scope *, struct bytes host, uint16_t port, struct m_cluster *);
void endpoint_resolve(struct scope *, const struct object *service, const struct k_service_port *,
    uint16_t ref_port, struct m_cluster *);

#endif
