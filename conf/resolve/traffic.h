/*
 * traffic.h - BackendTrafficPolicy and ClientTrafficPolicy being resolved: who targets what, who
 * wins, and what is said about it (reference/policies.md 2-4). Internal to conf/resolve.
 */
#ifndef CONF_RESOLVE_TRAFFIC_H
#define CONF_RESOLVE_TRAFFIC_H

#include "conf/kinds/k_traffic.h"
#include "conf/resolve/model_policy.h"
#include "conf/resolve/scope.h"

struct t_words { /* a list of texts for a message, sorted and each once when printed */
	struct bytes *v;
	size_t n, cap;
};
struct t_ancestor {
	struct k_parent_ref ref;
	struct conds conds;
	/* less specific policies: by whom they are overridden or merged here */
	struct t_words listeners, sets, set_listeners, routes, rules, merged;
};
struct t_policy {
	const struct object *obj;
	const struct k_targets *targets;
	struct t_ancestor *anc;
	size_t nanc, cap;
	struct t_words errors;   /* "RateLimit: …." */
	struct t_words unserved; /* "spec.x (file:1:2)" */
	struct t_words deprecated, notes; /* notes: what a port shared with others means for it */
	struct t_words adjusted; /* what is served otherwise than it says, and how */
	struct t_words http_only; /* fields without effect on an L4 route that is its target */
	bool per_node;           /* global limits that only this node keeps */
	bool merge;              /* mergeType is set */
	struct m_policy *own;    /* as it stands, without a merge; made at first use */
	struct m_client *client;
	struct m_tls *tls;       /* what spec.tls says; client_tls.c */
};

struct traffic {
	struct map claims;       /* (kind, target object, section) -> t_policy */
	struct map merged;       /* (base, patch) -> m_policy */
	struct map closed;       /* (kind, target object, section): of a policy that has errors */
	struct t_policy **all;   /* oldest first */
	size_t n, cap, nclosed;
};

void words_add(struct scope *, struct t_words *, struct bytes);
void words_addf(struct scope *, struct t_words *, const char *fmt, ...) HG_PRINTF(3, 4);
/* Sorted, each once, with `between`. */
const char *words_join(struct scope *, struct t_words *, const char *between);

/* Whose policy of the kind is on (object, section); NULL: nobody's. */
struct t_policy *traffic_on(struct scope *, enum kind_id, const struct object *,
    struct bytes section);
/* As an ancestor is named. */
struct k_parent_ref traffic_ref(const struct object *, struct bytes section);
struct t_ancestor *traffic_ancestor(struct scope *, struct t_policy *, const struct k_parent_ref *,
    bool make);
/* Of a route, perhaps empty; false: it has no such rule. */
bool traffic_rule_name(const struct object *, uint32_t index, struct bytes *name);
/* Does a policy that could not be read stand on it? */
bool traffic_closed(struct scope *, enum kind_id, const struct object *, struct bytes section);
void traffic_resolve(struct scope *);
void traffic_release(struct scope *);
struct status;
void traffic_status(struct status *, struct t_policy *);

/* traffic_rules.c: for each listener, route and rule the effective policy. */
void traffic_rules(struct scope *);

/* traffic_fields.c, traffic_limit.c: a bound spec as records. `patch`: the policy whose spec it is;
 * `base`: the other one of a merge, or NULL. Errors go to `errors`. */
struct t_compile {
	struct scope *sc;
	const struct t_policy *patch, *base;
	const struct k_backendtrafficpolicy *k;
	struct m_policy *m;
	struct t_words *errors;
	struct t_policy *warn; /* whose notes; NULL after a merge */
};
void traffic_compile(struct t_compile *);
void traffic_limits(struct t_compile *);
void traffic_balance(struct t_compile *);
void traffic_balance_init(struct m_balance *); /* one that says nothing */
void traffic_overrides(struct t_compile *);
/* The spec of a merge, or NULL with `*why`. */
struct k_backendtrafficpolicy *traffic_merge(struct scope *, const struct t_policy *base,
    const struct t_policy *patch, const char **why);
/* proxy.c: after traffic_rules(), which of the sockets begin with a PROXY header. */
void proxy_resolve(struct scope *);
/* client_port.c. What a ClientTrafficPolicy is attached to, for one listener. */
enum client_level { CLIENT_OF_SECTION, CLIENT_OF_SET, CLIENT_OF_GATEWAY };
void client_ports(struct scope *);                     /* clear-text listeners of one socket */
void client_host(struct scope *, struct r_listener *); /* http10.useDefaultHost */
/* Its policy is Invalid at that target; the listener answers 500. */
void client_fault(struct scope *, struct r_listener *, const char *text);
/* client.c */
void client_compile(struct scope *, struct t_policy *);
/* client_tls.c */
void client_tls_compile(struct scope *, struct t_policy *);
void client_tls(const struct t_policy *, struct m_tls *);
bool quantity_of(const struct k_int_or_string *, uint64_t most, uint64_t *out);
const char *quantity_text(struct scope *, const struct k_int_or_string *); /* as written */

#endif
