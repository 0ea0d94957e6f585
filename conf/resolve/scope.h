/*
 * scope.h - the state of one resolve: all verdicts and the indexes that keep every loop linear, and
 * the steps that fill it. Internal to conf/resolve.
 */
#ifndef CONF_RESOLVE_SCOPE_H
#define CONF_RESOLVE_SCOPE_H

#include "base/hash.h"
#include "conf/resolve/ids.h"
#include "conf/resolve/verdict.h"

#define GROUP_GATEWAY "gateway.networking.k8s.io"
#define CONTROLLER "headgate.dev/gateway-controller"
#define CLASS_NAME "headgate"

struct scope {
	struct arena *arena;
	struct resolve_in in;
	struct ids *ids;
	struct meta *meta;
	struct r_secret **secrets; /* by object.index, or NULL: certificate.h */
	struct r_file *certfiles;  /* certfile.c */
	/* by object.index: r_class, r_gateway, r_set, r_route, r_policy, t_policy, r_backend_kind
	 */
	void **slot;
	struct traffic *traffic;   /* traffic.h */
	struct r_class builtin, **classes;
	uint32_t nclasses;
	struct r_gateway **gateways; /* by age, then namespace/name */
	uint32_t ngateways;
	struct r_route *routes;
	uint32_t nroutes;
	struct r_socket **sockets;
	size_t nsockets, socketcap;
	struct proto_sockkey *keys; /* of those to bind */
	struct r_socket **bind;
	uint32_t nbind;
	struct map by_socket, by_hostname;       /* sockets, and hostnames on them */
	struct map grants, slices, workloads;    /* indexes over objects */
	struct map services, btls; /* (ns, name, port) -> r_service_port; (ns, name) -> r_target */
	struct m_cas *system_cas;  /* uptls.c; NULL: not read, or why there are none */
	const char *no_system_cas;
	struct map files, old_files;             /* certfile.c: path -> r_file, cat_file */
	struct map regexes;                      /* pattern -> why it is refused, or "" */
	struct r_service_port **touched; /* by the route in hand, with policies on them */
	size_t ntouched, touchedcap;
	struct strbuf **texts;     /* of faults */
	size_t ntexts, textcap;
	struct cat_address *pool;  /* what the catalogue shall remember */
	struct bytes *poolnames;
	size_t npool, poolcap, poolnamecap;
	struct model model;
	bool quiet;                /* the object in hand is stale: its positions mean nothing */
	uint32_t ids_lost;         /* objects that share id 0 */
	bool affinity;             /* some rule has a Service with sessionAffinity */
};

/* A composite key, parts separated by NUL, in the caller's buffer (cut: never, names are bounded).
 */
struct keybuf {
	char text[1536];
};
struct bytes scope_key(struct keybuf *, unsigned n, const struct bytes *parts);
#define KEY(kb, ...) \
	scope_key((kb), sizeof((struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes), \
	    (struct bytes[]){__VA_ARGS__})
bool selector_matches(const struct k_selector *, const k_map *labels, struct bytes ns_name);
bool namespace_selected(const struct scope *, const struct k_selector *, struct bytes ns);
bool map_pair(const k_map *, struct bytes key, struct bytes *value);
/* Older first, then namespace/name (gateway-api.md section 4). */
int object_cmp_age(const struct scope *, const struct object *, const struct object *);
bool kind_is(const struct object *, enum kind_id);
/* A fault in the reference at `node` (may be NULL): into the status text with its position, and as
 * a warning for `headgate check`. */
void fault_add(struct scope *, struct faults *, enum ref_fault, const struct node *,
    const char *fmt, ...) HG_PRINTF(5, 6);
/* " (web.yaml:14:7)", or "". */
const char *node_position(struct scope *, const struct node *);

/* The steps, in order; each file says what it decides. */
void meta_resolve(struct scope *);
void class_resolve(struct scope *);
bool class_ours(const struct scope *, struct bytes class);
void gateway_resolve(struct scope *);
void gateway_programmed(struct scope *);
void address_resolve(struct scope *);
/* What is said of an address in statuses: for all addresses, the one of that family by which the
 * machine is reached. NULL: nothing. */
const struct addr *address_shown(const struct scope *, const struct r_address *);
/* The member "ingress" of status.loadBalancer, or nothing if no address is bound. */
void address_ingress(const struct scope *, const struct r_gateway *, struct strbuf *);
void listener_resolve(struct scope *, struct r_gateway *, struct r_set *);
void listener_conflicts(struct scope *, struct r_gateway *);
void listener_programmed(struct scope *, struct r_listener *);
void listenerset_resolve(struct scope *);
void listenerset_programmed(struct scope *);
void socket_resolve(struct scope *);
void socket_bound(struct scope *, const int32_t *err);
void grant_index(struct scope *);
bool grant_allows(const struct scope *, enum kind_id from, struct bytes from_ns,
    struct bytes to_group, struct bytes to_kind, struct bytes to_ns, struct bytes to_name);
void policy_index(struct scope *);
void policy_ancestor(struct scope *, struct r_policy *, const struct object *);
void policy_resolve(struct scope *);
void model_finish(struct scope *);
void attach_resolve(struct scope *);
bool hostname_meets(struct bytes listener, struct bytes route); /* absent = any */
void unreachable_warn(struct scope *);

#endif
