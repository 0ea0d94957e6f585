/*
 * scope.h - the state of one resolve: what was decided about each class, gateway, listener, route and policy,
 * and the indexes that keep every loop linear. Internal to conf/resolve.
 */
#ifndef CONF_RESOLVE_SCOPE_H
#define CONF_RESOLVE_SCOPE_H

#include "base/hash.h"
#include "base/strbuf.h"
#include "conf/kinds/k_gateway.h"
#include "conf/kinds/k_policy.h"
#include "conf/kinds/k_route.h"
#include "conf/resolve/cond.h"
#include "conf/resolve/ids.h"
#include "conf/resolve/resolve.h"

#define GROUP_GATEWAY "gateway.networking.k8s.io"
#define CONTROLLER "headgate.dev/gateway-controller"
#define CLASS_NAME "headgate"

struct meta { /* by object.index */
	struct bytes uid;
	int64_t generation, created;
	const struct cat_object *old; /* of the last generation, or NULL */
};

struct r_class {
	const struct object *obj; /* NULL: the built-in one, without a file */
	bool accepted;
	struct conds conds;
};

/* What is wrong with the references of one object; worst first (gateway-api.md section 6). */
enum ref_fault { REF_OK, REF_PROTOCOL, REF_NOT_FOUND, REF_NOT_PERMITTED, REF_KIND };
struct faults {
	enum ref_fault worst;
	struct strbuf *text;      /* messages, joined; lives until the scope is freed */
};

struct r_gateway;
struct r_set;
struct r_listener {
	const struct k_listener *k;
	struct r_gateway *gw;
	struct r_set *set;        /* NULL: the Gateway's own */
	struct bytes owner_ns;    /* of the Gateway or ListenerSet */
	struct bytes hostname;    /* absent = any */
	uint8_t protocol;         /* enum im_protocol, 0 = unknown */
	uint8_t kinds[5], nkinds; /* supported: enum im_routekind, in the order of the manifest */
	bool accepted, conflicted, blocked; /* blocked: a reference that it cannot do without */
	const char *unserved;     /* what this version lacks, or NULL */
	struct faults refs;
	const char *refs_reason;  /* of ResolvedRefs=False, NULL = all resolved */
	struct conds conds;
	uint32_t attached;
	const void *last;         /* route counted last: one route counts once */
	struct m_attach *attach;  /* HTTPRoutes only */
	size_t nattach, cap;
	uint32_t nsockets, nbound;
	int error;                /* errno of a failed bind */
	struct m_listener *m;
};
struct r_address {
	struct addr addr;
	bool implied;             /* from "all addresses": may fail quietly */
	bool elsewhere;           /* offline: looked at, not an address of this node */
	uint32_t tried, bound, absent; /* sockets; absent: EADDRNOTAVAIL or no such family */
};
struct r_gateway {
	const struct object *obj;
	const struct k_gateway *k;
	struct r_listener *own;
	uint32_t nown;
	struct r_set **sets;      /* accepted by allowedListeners, in precedence order */
	size_t nsets, setcap;
	struct r_address *addrs;
	uint32_t naddrs;
	bool accepted;
	const char *refused, *why; /* reason and message of Accepted=False that listeners cannot mend */
	const char *unmet;        /* entries of spec.addresses that got nothing, or NULL */
	struct conds conds;
	uint32_t attached_sets;
	int32_t index;            /* in model.gateways, -1 = none */
};
struct r_set {
	const struct object *obj;
	const struct k_listenerset *k;
	struct r_gateway *gw;
	struct r_listener *own;
	uint32_t nown;
	bool allowed, accepted;
	struct conds conds;
};

struct r_parent {
	const struct k_parent_ref *ref;
	struct r_gateway *gw;     /* always set; of the set, if it is one */
	struct r_set *set;
	const char *reason, *message; /* of Accepted */
	bool accepted;
};
struct r_route {
	const struct object *obj;
	uint8_t kind;             /* enum im_routekind */
	struct r_parent *parents;
	uint32_t nparents;
	struct faults refs;
	const char *partial;      /* message of PartiallyInvalid, or NULL */
	const char *invalid;      /* every rule is invalid: message of Accepted=False UnsupportedValue */
	const char *unserved;     /* message of headgate.dev/NotServed, or NULL */
	struct m_route *m;        /* NULL: not in the model */
};
struct r_policy {
	const struct object *obj;
	bool loser;               /* an older one has its target */
	struct k_object_ref *ancestors;
	size_t nancestors, cap;
	struct conds conds;
};
struct r_target { /* a BackendTLSPolicy on a Service, oldest first */
	struct r_target *next;
	struct r_policy *policy;
	struct bytes section;     /* port name, absent = all */
};

struct r_service_port;
struct r_socket {
	struct proto_sockkey key;
	struct r_listener **listeners;
	struct r_address **addrs;  /* of the same gateways, in step */
	size_t n, cap, acap;
	uint8_t class;             /* what may share it */
	uint32_t served;           /* listeners that this version serves: bound only if there are any */
	int error;
};

struct scope {
	struct arena *arena;
	struct resolve_in in;
	struct ids *ids;
	struct meta *meta;
	void **slot;               /* by object.index: r_class, r_gateway, r_set, r_route, r_policy */
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
	struct map services, btls;               /* (ns, name, port) -> r_service_port; (ns, name) -> r_target */
	struct map regexes;                      /* pattern -> why it is refused, or "" */
	struct r_policy **touched; /* policies of the route in hand */
	size_t ntouched, touchedcap;
	struct strbuf **texts;     /* of faults */
	size_t ntexts, textcap;
	struct cat_address *pool;  /* what the catalogue shall remember */
	struct bytes *poolnames;
	size_t npool, poolcap, poolnamecap;
	struct model model;
	uint32_t ids_lost;         /* objects that share id 0 */
};

/* A composite key, parts separated by NUL, in the caller's buffer (cut: never, names are bounded). */
struct keybuf {
	char text[1536];
};
struct bytes scope_key(struct keybuf *, unsigned n, const struct bytes *parts);
#define KEY(kb, ...) \
	scope_key((kb), sizeof((struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes), (struct bytes[]){__VA_ARGS__})
bool selector_matches(const struct k_selector *, const k_map *labels, struct bytes ns_name);
bool namespace_selected(const struct scope *, const struct k_selector *, struct bytes ns);
bool map_pair(const k_map *, struct bytes key, struct bytes *value);
/* Older first, then namespace/name (gateway-api.md section 4). */
int object_cmp_age(const struct scope *, const struct object *, const struct object *);
bool kind_is(const struct object *, enum kind_id);
void fault_add(struct scope *, struct faults *, enum ref_fault, const char *fmt, ...) HG_PRINTF(4, 5);

/* The steps, in order; each file says what it decides. */
void meta_resolve(struct scope *);
void class_resolve(struct scope *);
bool class_ours(const struct scope *, struct bytes class);
void gateway_resolve(struct scope *);
void gateway_programmed(struct scope *);
void address_resolve(struct scope *);
void listener_resolve(struct scope *, struct r_gateway *, struct r_set *);
void listener_conflicts(struct scope *, struct r_gateway *);
void listener_programmed(struct scope *, struct r_listener *);
void listenerset_resolve(struct scope *);
void listenerset_programmed(struct scope *);
void socket_resolve(struct scope *);
void socket_bound(struct scope *, const int32_t *err);
void grant_index(struct scope *);
bool grant_allows(const struct scope *, enum kind_id from, struct bytes from_ns, struct bytes to_group,
    struct bytes to_kind, struct bytes to_ns, struct bytes to_name);
void policy_index(struct scope *);
void policy_ancestor(struct scope *, struct r_policy *, const struct object *);
void policy_resolve(struct scope *);
void model_finish(struct scope *);
void attach_resolve(struct scope *);
bool hostname_meets(struct bytes listener, struct bytes route); /* absent = any */
void unreachable_warn(struct scope *);

#endif
