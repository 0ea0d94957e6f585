/*
 * verdict.h - what was decided about each class, gateway, listener, socket, route and policy.
 * Internal to conf/resolve; filled step by step (scope.h), printed by status.c, handed on by
 * model.c.
 */
#ifndef CONF_RESOLVE_VERDICT_H
#define CONF_RESOLVE_VERDICT_H

#include "base/strbuf.h"
#include "conf/kinds/k_gateway.h"
#include "conf/kinds/k_policy.h"
#include "conf/kinds/k_route.h"
#include "conf/resolve/cond.h"
#include "conf/resolve/resolve.h"

struct meta { /* by object.index */
	struct bytes uid;
	int64_t generation, created;
	const struct cat_object *old; /* of the last generation, or NULL */
	struct bytes stale;       /* why it is stale */
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
	struct m_tls *tls;        /* HTTPS with a usable certificate, or NULL */
	bool shadow; /* keeps its name on its sockets, to refuse it: a wider listener must not have
	                it */
	bool accepted, conflicted, blocked; /* blocked: a reference that it cannot do without */
	const char *unserved;     /* what this version lacks, or NULL */
	struct faults refs;
	const char *refs_reason;  /* of ResolvedRefs=False, NULL = all resolved */
	struct conds conds;
	uint32_t attached;
	const void *last;         /* route counted last: one route counts once */
	struct m_client *client;  /* of its ClientTrafficPolicy */
	struct t_policy *client_of; /* that policy */
	bool client_invalid;      /* which is in error: 500 */
	uint8_t client_level;     /* enum client_level */
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
	/* reason and message of Accepted=False that listeners cannot mend */
	const char *refused, *why;
	const char *unmet;        /* entries of spec.addresses that got nothing, or NULL */
	struct conds conds;
	uint32_t attached_sets;
	struct m_cert *shown;     /* to backends over TLS, or NULL */
	int32_t index;            /* in model.gateways, -1 = none */
	const struct r_service *service; /* whose ports these are, or NULL: service.h */
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
	const char *invalid; /* every rule is invalid: message of Accepted=False UnsupportedValue */
	const char *unserved;     /* message of headgate.dev/NotServed, or NULL */
	struct m_route *m;        /* NULL: not in the model */
};
struct r_policy {
	const struct object *obj;
	bool loser, judged; /* older ones have its targets; uptls.c has filled what follows */
	struct m_uptls *tls;      /* NULL: connections under it cannot be made */
	struct faults refs;
	const char *reason, *why; /* of Accepted=False */
	const char *absent;       /* what is not there of its targets, or NULL */
	uint32_t ntargets, nabsent, nlost;
	struct k_object_ref *ancestors;
	size_t nancestors, cap;
	struct conds conds;
};
struct r_target { /* a BackendTLSPolicy on a Service or Backend, oldest first */
	struct r_target *next;
	struct r_policy *policy;
	struct bytes section;     /* port name, absent = all */
	bool loser, absent; /* an older one has it; there is no such port */
};

struct r_service_port;
struct r_socket {
	struct proto_sockkey key;
	struct r_listener **listeners;
	struct r_address **addrs;  /* of the same gateways, in step */
	size_t n, cap, acap;
	uint8_t class;             /* what may share it */
	uint8_t proxy;             /* enum im_proxy */
	uint32_t served; /* listeners that this version serves: bound only if there are any */
	int error;
};

#endif
