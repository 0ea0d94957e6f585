/*
 * k_common.h - bound values shared by all kinds, and what every object has.
 *
 * Presence is in the type: an absent string has p == NULL ("" has not), an absent list has v ==
 * NULL (an empty one has not), an absent struct is a NULL pointer, numbers and booleans carry
 * `set`. After binding, defaults of the CRDs are filled in (set stays false for a defaulted number:
 * `set` says what the user wrote). Every struct starts with the node it came from, for positions;
 * the node is NULL for a defaulted struct. Enums are 0 when absent, else 1 + index in the schema's
 * list of names. Memory: the compile's arena.
 */
#ifndef CONF_KINDS_K_COMMON_H
#define CONF_KINDS_K_COMMON_H

#include "conf/read/node.h"

#define K_LIST(T) struct { T *v; uint32_t n; }

struct k_int {
	int64_t v;
	bool set;
};
struct k_bool {
	bool v, set;
};
struct k_duration { /* GEP-2257 */
	uint64_t ms;
	bool set;
};
struct k_number { /* of the CRDs' type number */
	double v;
	bool set;
};
struct k_pair {
	struct bytes key, value;
	struct node *node;
};
/* the two typedefs of the house: anonymous list types need a name */
typedef K_LIST(struct bytes) k_strings;
typedef K_LIST(struct k_pair) k_map;
struct k_int_or_string {
	int64_t i;
	struct bytes s; /* p == NULL: it is the integer */
	bool set;
};

struct k_meta {
	struct node *node;
	/* ns filled in: folder, else "default"; absent for cluster-scoped kinds */
	struct bytes name, ns;
	struct bytes uid;       /* from the file, or absent */
	struct k_int generation;
	struct bytes created;   /* creationTimestamp as written, or absent */
	k_map labels, annotations;
};

struct kind; /* conf/kinds/schema.h */

struct object {
	const struct kind *kind;
	struct bytes api_version; /* as written */
	struct k_meta meta;
	void *spec;               /* the kind's struct, e.g. struct k_httproute */
	struct node *node;        /* whole document item, defaults not applied */
	struct node *status;      /* as in the file, or NULL: foreign entries are carried over */
	struct object *next;      /* of the same kind, sorted by namespace, name */
	struct bytes source;      /* "file:line" */
	uint64_t hash[2];         /* of the normalised content: spec, labels, annotations */
	bool stale;               /* last good content, not what is on disk */
	uint32_t index;           /* in objects.all */
};

/* ---- references, selectors, filters: used by several kinds */
struct k_parent_ref {
	struct node *node;
	struct bytes group, kind, ns, name, section; /* group and kind defaulted */
	struct k_int port;
};
struct k_backend_ref { /* BackendRef; BackendObjectReference has weight 1 */
	struct node *node;
	struct bytes group, kind, ns, name;
	struct k_int port, weight;
	K_LIST(struct k_filter) filters;
};
struct k_object_ref { /* Object-, SecretObject-, LocalObject-, PolicyTargetReference */
	struct node *node;
	struct bytes group, kind, ns, name, section;
};
struct k_selector_expr {
	struct node *node;
	struct bytes key, op;
	k_strings values;
};
struct k_selector {
	struct node *node;
	k_map labels;
	K_LIST(struct k_selector_expr) exprs;
};
struct k_fraction {
	struct node *node;
	struct k_int num, den;
};
struct k_header { /* name/value in modifiers and telemetry */
	struct node *node;
	struct bytes name, value;
};
struct k_header_modifier {
	struct node *node;
	K_LIST(struct k_header) set, add;
	k_strings remove;
};
enum k_path_modifier_type { K_PM_FULL = 1, K_PM_PREFIX };
struct k_path_modifier {
	struct node *node;
	uint8_t type;
	struct bytes full, prefix;
};
enum k_scheme { K_SCHEME_HTTP = 1, K_SCHEME_HTTPS };
struct k_redirect {
	struct node *node;
	uint8_t scheme;
	struct bytes hostname;
	struct k_path_modifier *path;
	struct k_int port, status;
};
struct k_rewrite {
	struct node *node;
	struct bytes hostname;
	struct k_path_modifier *path;
};
struct k_mirror {
	struct node *node;
	struct k_backend_ref *backend;
	struct k_int percent;
	struct k_fraction *fraction;
};
struct k_cors {
	struct node *node;
	k_strings origins, methods, headers, expose;
	struct k_bool credentials;
	struct k_int max_age;
};
enum k_auth_protocol { K_AUTH_HTTP = 1, K_AUTH_GRPC };
struct k_auth_http {
	struct node *node;
	struct bytes path;
	k_strings allowed, allowed_response;
};
struct k_auth_grpc {
	struct node *node;
	k_strings allowed;
};
struct k_auth_body {
	struct node *node;
	struct k_int max_size;
};
struct k_external_auth {
	struct node *node;
	uint8_t protocol;
	struct k_backend_ref *backend;
	struct k_auth_http *http;
	struct k_auth_grpc *grpc;
	struct k_auth_body *body;
};
/* order of HTTPRoute's enum; GRPCRoute's and listener filters' names map onto it */
enum k_filter_type {
	K_F_REQUEST_HEADERS = 1, K_F_RESPONSE_HEADERS, K_F_MIRROR, K_F_REDIRECT, K_F_REWRITE,
	    K_F_EXTENSION,
	K_F_CORS, K_F_AUTH
};
struct k_filter {
	struct node *node;
	uint8_t type;
	struct k_header_modifier *request, *response;
	struct k_mirror *mirror;
	struct k_redirect *redirect;
	struct k_rewrite *rewrite;
	struct k_object_ref *extension;
	struct k_cors *cors;
	struct k_external_auth *auth;
};
enum k_persistence_type { K_SP_COOKIE = 1, K_SP_HEADER };
enum k_lifetime { K_LIFE_PERMANENT = 1, K_LIFE_SESSION };
struct k_persistence_cookie {
	struct node *node;
	struct bytes name, path;
	uint8_t lifetime;
};
struct k_persistence_header {
	struct node *node;
	struct bytes name;
};
struct k_persistence {
	struct node *node;
	uint8_t type;
	struct k_duration absolute;
	struct k_persistence_cookie *cookie;
	struct k_persistence_header *header;
};

#endif
