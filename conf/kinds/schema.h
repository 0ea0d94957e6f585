/*
 * schema.h - kinds and their fields as data. One table a struct, one line a field; the tables bind,
 * default, validate, print, explain and suggest. CEL rules of the CRDs are `check` functions of
 * their struct.
 */
#ifndef CONF_KINDS_SCHEMA_H
#define CONF_KINDS_SCHEMA_H

#include <stddef.h>

#include "conf/kinds/k_common.h"
#include "conf/read/diag.h"

/* K(ID, group, kind, plural, short names, served versions newest first, cluster-scoped, has a
 * status) */
#define KIND_TABLE(K) \
	K(GATEWAYCLASS, "gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", "gc", \
	    "v1 v1beta1", true, true) \
	K(GATEWAY, "gateway.networking.k8s.io", "Gateway", "gateways", "gtw", "v1 v1beta1", false, \
	    true) \
	K(LISTENERSET, "gateway.networking.k8s.io", "ListenerSet", "listenersets", "lset", "v1", \
	    false, true) \
	K(HTTPROUTE, "gateway.networking.k8s.io", "HTTPRoute", "httproutes", "", "v1 v1beta1", \
	    false, true) \
	K(GRPCROUTE, "gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", "", "v1", false, \
	    true) \
	K(TLSROUTE, "gateway.networking.k8s.io", "TLSRoute", "tlsroutes", "", \
	    "v1 v1alpha3 v1alpha2", false, true) \
	K(TCPROUTE, "gateway.networking.k8s.io", "TCPRoute", "tcproutes", "", "v1 v1alpha2", \
	    false, true) \
	K(UDPROUTE, "gateway.networking.k8s.io", "UDPRoute", "udproutes", "", "v1 v1alpha2", \
	    false, true) \
	K(REFERENCEGRANT, "gateway.networking.k8s.io", "ReferenceGrant", "referencegrants", \
	    "refgrant", "v1 v1beta1", \
	    false, false) \
	K(BACKENDTLSPOLICY, "gateway.networking.k8s.io", "BackendTLSPolicy", "backendtlspolicies", \
	    "btlspolicy", \
	    "v1 v1alpha3", false, true) \
	K(XBACKEND, "gateway.networking.x-k8s.io", "XBackend", "xbackends", "xbackend", \
	    "v1alpha1", false, true) \
	K(XBACKENDTRAFFICPOLICY, "gateway.networking.x-k8s.io", "XBackendTrafficPolicy", \
	    "xbackendtrafficpolicies", \
	    "xbtrafficpolicy", "v1alpha1", false, true) \
	K(XTELEMETRYPOLICY, "gateway.networking.x-k8s.io", "XTelemetryPolicy", \
	    "xtelemetrypolicies", \
	    "xtelemetrypolicy", "v1alpha1", false, true) \
	K(NAMESPACE, "", "Namespace", "namespaces", "ns", "v1", true, false) \
	K(SERVICE, "", "Service", "services", "svc", "v1", false, true) \
	K(ENDPOINTSLICE, "discovery.k8s.io", "EndpointSlice", "endpointslices", "", "v1", false, \
	    false) \
	K(ENDPOINTS, "", "Endpoints", "endpoints", "ep", "v1", false, false) \
	K(SECRET, "", "Secret", "secrets", "", "v1", false, false) \
	K(CONFIGMAP, "", "ConfigMap", "configmaps", "cm", "v1", false, false) \
	K(BACKENDTRAFFICPOLICY, "gateway.headgate.dev", "BackendTrafficPolicy", \
	    "backendtrafficpolicies", "btp", "v1alpha1", false, true) \
	K(CLIENTTRAFFICPOLICY, "gateway.headgate.dev", "ClientTrafficPolicy", \
	    "clienttrafficpolicies", "ctp", "v1alpha1", false, true) \
	K(BACKEND, "gateway.headgate.dev", "Backend", "backends", "be", "v1alpha1", false, true) \
	K(WORKLOAD, "gateway.headgate.dev", "Workload", "workloads", "wl", "v1alpha1", false, false)

enum kind_id {
#define K(id, group, kind, plural, shorts, versions, cluster, status) KIND_##id,
	KIND_TABLE(K)
#undef K
	KIND_COUNT
};

enum field_type {
	FT_STRING,        /* struct bytes */
	FT_INT,           /* struct k_int */
	FT_BOOL,          /* struct k_bool */
	FT_NUMBER,        /* struct k_number */
	FT_ENUM,          /* uint8_t */
	FT_DURATION,      /* struct k_duration */
	FT_STRUCT,        /* pointer to sub */
	FT_LIST,          /* K_LIST(sub), elements in place */
	FT_STRINGS,       /* k_strings */
	FT_INTS,          /* K_LIST(struct k_int) */
	FT_MAP,           /* k_map; with FF_INT_VALUES the values are numbers, kept as text */
	FT_INT_OR_STRING, /* struct k_int_or_string */
	FT_ANY,           /* struct node *, not looked into */
	/* sub's fields lie in the same bound struct: a group that exists only in the text */
	FT_INLINE,
	FT_LIMIT,         /* int64_t: number, duration or quantity by `unit` (headgate.conf) */
	FT_IGNORED        /* known, not looked into, not kept */
};
enum list_kind { LIST_ATOMIC, LIST_SET, LIST_MAP };
enum field_unit { UNIT_NONE, UNIT_COUNT, UNIT_BYTES, UNIT_MS };

#define FF_REQUIRED 0x01u
#define FF_EXPERIMENTAL 0x02u  /* only in the experimental channel */
#define FF_SECRET 0x04u        /* printed as <redacted> */
#define FF_IMMUTABLE 0x08u
#define FF_NOT_SERVED 0x10u    /* known, not implemented yet: a condition names it */
#define FF_IGNORE_UNKNOWN 0x20u /* struct: unknown members are fine (core kinds) */
#define FF_INT_VALUES 0x40u    /* FT_MAP of numbers */
#define FF_EXP_PATTERN 0x80u   /* the pattern is in the experimental channel only */
/* so is the least number of items; an empty list is taken with a warning */
#define FF_EXP_MIN_ITEMS 0x100u
#define FF_BASE64 0x200u       /* FT_MAP: values are base64 */
#define FF_DATE_TIME 0x400u    /* FT_STRING: RFC 3339 */
#define FF_NO_NODE 0x800u      /* struct: does not begin with its node (a record of the image) */
/* FT_INT_OR_STRING: a Kubernetes quantity (64Ki); whole numbers up to int64 */
#define FF_QUANTITY 0x2000u
#define FF_INT64 0x1000u       /* FT_INT: the CRD says int64 (no difference here) */

/* A text that must match: the CRD's own words, and a reader by hand (tests hold the two against
 * each other). */
struct pattern {
	const char *text;              /* PCRE2/RE2, as in the CRD */
	const char *what;              /* for people: "a lower-case DNS label" */
	bool (*match)(struct bytes);
};

struct vctx; /* validation in progress: conf/kinds/bind.h */

struct kstruct;
struct kfield {
	const char *name;              /* as in the manifest */
	const char *doc;               /* one line for `explain` */
	size_t off;                    /* in the bound struct */
	uint8_t type;                  /* enum field_type */
	uint8_t list;                  /* enum list_kind of FT_LIST, FT_STRINGS, FT_INTS */
	uint16_t flags;
	uint8_t unit;                  /* enum field_unit of FT_LIMIT */
	uint8_t cel;                   /* CEL rules of the CRD at this node */
	int8_t cel_std;                /* in the standard channel there are so many fewer */
	uint8_t names_exp;             /* so many of the last names[] are experimental */
	bool has_min, has_max, int32;  /* of FT_INT(S) */
	const struct kstruct *sub;     /* FT_STRUCT, FT_LIST, FT_INLINE */
	/* FT_ENUM, or allowed texts of FT_STRING(S) and FT_INT; NULL-terminated */
	const char *const *names;
	const uint8_t *values;         /* FT_ENUM: bound value of each name; NULL: 1 + index */
	const struct pattern *pattern; /* FT_STRING(S), FT_DURATION, map values */
	const struct pattern *key_pattern; /* FT_MAP */
	const char *keys;              /* LIST_MAP: "name" or "group,kind,name" */
	const char *def;               /* default as JSON text, as in the CRD */
	/* the same, bound: the struct, or a K_LIST (FT_STRUCT and FT_LIST) */
	const void *prebuilt;
	int64_t min, max;
	/* characters of strings, or of strings of a list/map; 0 = none */
	uint32_t min_len, max_len;
	uint32_t min_items, max_items; /* lists; for maps and structs properties */
};
struct kstruct {
	const char *name;              /* for explain: "HTTPRouteRule" */
	const char *doc;
	size_t size;                   /* 0: nothing is bound, only checked (status) */
	const struct kfield *fields;
	unsigned n;
	uint16_t flags;                /* FF_IGNORE_UNKNOWN */
	uint8_t cel;
	int8_t cel_std;
	void (*upgrade)(struct vctx *, struct node *); /* v1.6 spellings, before binding */
	/* the struct's CEL rules, after its fields are good */
	void (*check)(struct vctx *, void *bound);
};
struct kind {
	enum kind_id id;
	const char *group, *name, *plural, *shorts, *versions, *doc;
	/* spec_at_root: no `spec` member (Secret, EndpointSlice, …) */
	bool cluster, status, spec_at_root;
	const struct kstruct *spec;
	const struct kstruct *spec_alpha;  /* of v1alpha2 where it differs, or NULL */
	const struct kstruct *status_schema; /* or NULL: not in the CRD, or a core kind */
	const char *status_def;            /* default of the status as JSON text, or NULL */
};

extern const struct kind kind_table[KIND_COUNT];
const struct kind *kind_by_id(enum kind_id);
/* group "" with NULL version = any; NULL if unknown. Envoy Gateway's and Istio's groups are
 * aliases. */
const struct kind *kind_by_name(struct bytes group, struct bytes kind);
/* Is it the kind's own group, or one of its aliases? */
bool kind_in_group(const struct kind *, struct bytes group);
#define GROUP_ENVOY "gateway.envoyproxy.io"
/* CLI nouns: kind, plural, short name, with or without ".group"; case-insensitive. */
const struct kind *kind_by_noun(struct bytes noun);

/* All objects of one compile. */
struct objects {
	struct arena *arena;
	struct object *first[KIND_COUNT]; /* sorted by namespace, name in byte order */
	uint32_t count[KIND_COUNT];
	struct object **all;
	uint32_t n;
};
struct object *objects_find(const struct objects *, enum kind_id, struct bytes ns,
    struct bytes name);

/* Bind one resource (a map with apiVersion and kind) with defaults and validation. NULL: it is not
 * valid, and diags say why; *known tells whether kind, namespace and name could be read all the
 * same (for last good content). Kinds that headgate does not know (Deployment, …) return NULL
 * without an error: *ignored is set. */
struct bind_id {
	const struct kind *kind;
	struct bytes ns, name;
	bool known, ignored;
};
struct object *object_bind(struct arena *, struct diags *, struct node *, struct bind_id *out);
/* Immutable fields: may `now` take the place of `old` (the last good content)? False: told in
 * diags. */
bool object_may_replace(struct diags *, const struct object *old, const struct object *now);
/* The values of one struct by its table alone: defaults from JSON text, policies after merging. */
void *struct_bind(struct arena *, struct diags *, const struct kstruct *, struct node *);
/* The same without a result: a struct of size 0, such as a status. true: no error. */
bool struct_valid(struct arena *, struct diags *, const struct kstruct *, struct node *);
/* kind_table's spec for a version ("v1alpha2" may differ). */
const struct kstruct *kind_spec(const struct kind *, struct bytes version);
/* Fields that are there and flagged FF_NOT_SERVED, as paths from `node` on ("a.b[0].c"), through
 * `cb`; not looked into further. */
void schema_unserved(struct arena *, const struct kstruct *, const struct node *,
    void (*cb)(void *, const struct node *, const char *path), void *arg);
/* headgate.conf as a table: explain, load_conf. */
extern const struct kstruct ks_headgate, ks_meta;

/* JSON of the whole object as the user wrote it, with metadata completed (namespace, uid,
 * generation, creationTimestamp as given), without status; secrets redacted. Appends to `out`. */
struct strbuf;
void object_print_json(const struct object *, const char *uid, int64_t generation,
    const char *created,
    struct strbuf *out);
/* YAML of any node tree; `headgate get -o yaml`. */
void node_print_yaml(const struct node *, unsigned indent, struct strbuf *out);
void node_print_json(const struct node *, struct strbuf *out);

/* `headgate explain KIND[.field…]`: 0, or -1 unknown with a suggestion in out. */
int schema_explain(struct bytes path, struct strbuf *out);

#endif
