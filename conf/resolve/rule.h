/*
 * rule.h - parts of a rule that the kinds of routes share, as model records.
 */
#ifndef CONF_RESOLVE_RULE_H
#define CONF_RESOLVE_RULE_H

#include "conf/resolve/scope.h"

/* A rule with nothing but its id. Returns what that hangs on: "HTTPRoute ns/name rule". */
struct bytes rule_begin(struct scope *, const struct r_route *, uint32_t index, struct bytes name,
    struct m_rule *m);
/* The following return why the rule cannot be built (it is dropped), or NULL. */
const char *rule_values(struct scope *, const struct k_value_match *, uint32_t n, bool header,
    struct m_value **out, uint16_t *nout);
/* Backends of m, whose index and filters are set. `http`: the whole rule, if it is one of HTTP. */
const char *rule_backends(struct scope *, struct r_route *, const struct k_backend_ref *,
    uint32_t n, const struct k_http_rule *http, struct m_rule *m);
struct m_persist *rule_persist(struct scope *, const struct k_persistence *, struct bytes rule);
/* A route of the model, with room for its rules; then each rule in turn, `why` as above, behind
 * those that were kept; then the sum of it: PartiallyInvalid, or nothing is left. */
struct m_route *rule_route(struct scope *, struct r_route *, uint32_t nrules);
void rule_done(struct scope *, struct r_route *, uint32_t index, const char *why);
void rule_last(struct r_route *, uint32_t nrules);

/* One list of filters. Returns why the rule cannot be built (it is dropped), or NULL. *error: what
 * requests get because a filter must not be skipped. */
struct filters_in {
	const struct k_filter *v;
	uint32_t n;
	const struct k_http_rule *rule; /* for ReplacePrefixMatch; NULL: another kind */
	const char *where;
};
const char *filters_resolve(struct scope *, struct r_route *, const struct filters_in *,
    struct m_filter **out, uint32_t *nout, enum hg_err *error);
/* The rule's own filters (without `where`), then its backends. */
const char *rule_ways(struct scope *, struct r_route *, const struct filters_in *,
    const struct k_backend_ref *, uint32_t n, struct m_rule *m);
/* A pattern of a match: why it is refused, or NULL. */
const char *regex_refused(struct scope *, struct bytes text);
struct bytes rule_lower(struct scope *, struct bytes);
uint32_t duration_of(const struct k_duration *); /* as records have them: 0s is IM_NONE */

#endif
