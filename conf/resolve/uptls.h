/*
 * uptls.h - TLS towards backends, as BackendTLSPolicy and Backend.tls say it
 * (reference/gateway-api.md 5.15, policies.md 9).
 */
#ifndef CONF_RESOLVE_UPTLS_H
#define CONF_RESOLVE_UPTLS_H

#include "conf/resolve/scope.h"

/* What connections under the policy are made with; judged once. NULL: they cannot be made, and
 * never are in clear text. */
struct m_uptls *uptls_policy(struct scope *, struct r_policy *);
/* The same of an XBackend, which says it itself. NULL: policy->reason and why say why. */
struct k_backend_validation;
struct m_uptls *uptls_validated(
    struct scope *, struct r_policy *, const struct k_backend_validation *);
/* Of a Backend: a policy on it (one that can be served) wins field by field. NULL with
 * *why. */
struct k_ct_tls;
struct m_uptls *uptls_backend(struct scope *, const struct object *, const struct k_ct_tls *,
    struct r_policy *, const char **why);

/* One that a policy of the list has on a port of the Service; `port` absent: the Backend. NULL:
 * none, or an older one has the target. */
struct r_policy *uptls_find(const struct r_target *, struct bytes port);

#endif
