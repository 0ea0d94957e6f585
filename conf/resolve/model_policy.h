/*
 * model_policy.h - policies in the model. Numbers stand in the image's own records (`rec`), whose
 * texts, ranges and indices build fills from the members beside it.
 */
#ifndef CONF_RESOLVE_MODEL_POLICY_H
#define CONF_RESOLVE_MODEL_POLICY_H

#include "base/addr.h"
#include "base/arena.h"
#include "shm/spec.h"

struct m_edit;
struct m_filter;
struct m_retry;

struct m_limitkey {
	uint8_t kind, match;      /* enum im_limitkeykind, im_limitmatch */
	bool invert;
	struct bytes name, value; /* pattern text for IM_LM_REGEX */
	struct cidr cidr;         /* IM_LK_CIDR */
};
struct m_limit {
	struct im_limit rec;
	struct m_limitkey *keys;
	uint32_t nkeys;
	struct bytes response_header;
};
struct m_health {
	struct im_health rec;
	struct bytes host, path, method, send, receive;
	struct im_statusrange *expected, *retriable;
	uint32_t nexpected, nretriable;
};
struct m_balance {
	struct im_balance rec;
	struct bytes *hash_names, cookie_attrs;
	uint32_t nhash_names;
	struct m_health *health;
};
struct m_override {
	struct im_override rec;
	struct im_statusrange *statuses;
	struct m_limitkey *headers;
	struct m_edit *edits;
	uint32_t nstatuses, nheaders, nedits;
	struct bytes content_type, body;
	struct m_filter *redirect;
};
struct m_policy {
	struct im_policy rec;
	struct bytes name;
	struct m_limit *limits;
	struct m_override *overrides;
	struct bytes *upgrades;
	uint32_t nlimits, noverrides, nupgrades;
	struct m_balance *balance; /* or NULL */
	struct m_retry *retry;     /* where the rule has none */
	uint32_t request_ms, try_ms; /* the same; as in im_rule */
	bool invalid;              /* its rules answer 500 */
	uint32_t index;            /* build's own: 1 + im_policy */
};
struct m_client {
	struct im_client rec;
	struct bytes name, ip_header, http10_host, health_path;
	struct cidr *cidrs;
	struct m_edit *early, *late;
	struct bytes *upgrades;
	uint32_t ncidrs, nearly, nlate, nupgrades;
	bool default_host;         /* http10_host is each listener's own: client_port.c */
	uint32_t index;            /* build's own: 1 + im_client */
};

#endif
