/*
 * model.h - what resolve hands to build: sockets, listeners, attachments, rules, clusters, with
 * every Gateway API decision already taken. Plain structs in the compile's arena; build only
 * shares, orders and lays out.
 */
#ifndef CONF_RESOLVE_MODEL_H
#define CONF_RESOLVE_MODEL_H

#include "base/arena.h"
#include "conf/resolve/model_policy.h"
#include "shm/spec.h"

struct m_cert {
	struct bytes chain, key, ocsp; /* as im_cert has them; key: DER for the secrets blob */
	struct bytes *names;    /* lower case, "*.a" as ".a" */
	uint32_t nnames;
	uint64_t id[2];
	int64_t not_after;
	uint8_t type;           /* enum pem_key */
	bool staple_bad;        /* there was one, which no client could use */
	uint32_t index;         /* build's own: 1 + number of its key in the secrets */
};
struct m_cas {              /* trust anchors; shared, so that a bundle is laid out once */
	struct bytes *v;        /* DER */
	uint32_t n;
	uint64_t id[2];         /* digest */
	uint32_t index;         /* build's own: 1 + im_ca */
};
struct m_uptls {            /* as im_uptls */
	struct bytes sni, *names;
	uint32_t nnames;
	struct m_cas *cas;      /* NULL: none (insecure) */
	struct bytes ciphers, ciphersuites, curves, sigalgs, alpn; /* absent = default */
	struct m_cert *cert;    /* NULL: the Gateway's, if it has one */
	uint16_t min_version, max_version;
	uint8_t sni_from;       /* enum im_snifrom */
	bool insecure;          /* any certificate is good */
};
struct m_endpoint {
	struct addr addr;
	struct bytes unix_path; /* instead */
	struct bytes host;      /* its own, for health checks and SNI; absent = none */
	uint32_t id, weight;
};
struct m_cluster {
	struct bytes name;      /* "ns/service:port" */
	struct m_endpoint *endpoints;
	uint32_t nendpoints;
	struct bytes dns;       /* name to resolve, or absent */
	uint32_t dns_slot;      /* names slot, IM_NONE if no dns */
	uint16_t port;          /* with dns */
	uint8_t proto;          /* enum im_appproto */
	uint32_t id;
	struct m_uptls *tls;    /* NULL: clear text */
	uint32_t index;         /* build's own */
};

struct m_edit {
	uint8_t op; /* enum im_editop */
	struct bytes name, value;
};
struct m_filter { /* exactly what `type` says */
	uint8_t type; /* enum im_filtertype */
	struct m_edit *edits;
	uint32_t nedits;
	struct {
		struct bytes host, path, prefix; /* absent where not set */
		uint16_t status, port;
		uint8_t scheme, pathop;
	} redirect;
	struct {
		struct bytes host, path, prefix;
		uint8_t pathop;
	} rewrite;
	struct {
		struct m_cluster *cluster;
		uint32_t num, den;
	} mirror;
	struct {
		struct bytes *origins; /* lower case */
		uint32_t norigins;
		struct bytes methods, headers, expose; /* joined; absent = none */
		uint32_t max_age_s;
		bool credentials;
	} cors;
};
struct m_persist {
	uint8_t type; /* enum im_persisttype */
	bool permanent;
	struct bytes name, path;
	uint32_t absolute_s;
};
struct m_retry {
	uint32_t attempts, backoff_ms, backoff_max_ms;
	uint32_t triggers, grpc; /* as in im_retry */
	bool full_jitter;
	uint16_t *codes; /* 400-599 */
	uint32_t ncodes;
};
struct m_backend {
	uint32_t weight;
	struct m_cluster *cluster; /* NULL when error is set */
	enum hg_err error;
	struct m_filter *filters;
	uint32_t nfilters;
	struct m_persist *persist;
	bool fallback;
};

enum m_pathtype { M_PATH_EXACT = 1, M_PATH_PREFIX, M_PATH_REGEX };
struct m_value {
	struct bytes name, value; /* header names lower case */
	bool regex;
};
struct m_match {
	uint8_t path_type;   /* enum m_pathtype; GRPC methods are paths here */
	struct bytes path;
	struct bytes method; /* absent = any */
	struct m_value *headers, *query;
	uint16_t nheaders, nquery;
	/* GRPC precedence (5.13): characters of service and method in the match; 0 for HTTP. */
	uint16_t service_chars, method_chars;
	uint16_t index;      /* in the rule, as written */
};
struct m_rule {
	uint32_t id;
	uint16_t index;
	enum hg_err error;   /* every request gets it; HG_OK = serve */
	struct m_match *matches;
	uint32_t nmatches;
	struct m_filter *filters;
	uint32_t nfilters;
	struct m_backend *backends;
	uint32_t nbackends;
	uint32_t request_ms, backend_ms; /* as in im_rule */
	struct m_retry *retry;
	struct m_persist *persist;
	struct m_route *route;
	bool affinity;       /* a Service of it keeps clients on their endpoint, by address */
};
struct m_route {
	uint8_t kind;        /* enum im_routekind */
	struct bytes ns, name;
	int64_t created;     /* unix seconds; precedence */
	struct m_rule *rules;
	uint32_t nrules;
	uint32_t index;      /* build's own */
};

/* A route on a listener, with those of its original hostnames that intersect; none = any host. */
struct m_attach {
	struct m_route *route;
	struct bytes *hostnames;
	uint32_t nhostnames;
	struct m_policy **policies; /* of each rule, NULL for none; or NULL: none at all */
	uint32_t rank;              /* build's own */
};
struct m_certcheck { /* as im_certcheck */
	uint8_t kind, match;
	struct bytes value, oid;
};
struct m_tls {
	uint64_t id[2];         /* of the listener; im_tls.id is made of it and what follows */
	struct m_cert **certs;  /* the first is the default */
	uint32_t ncerts;
	struct bytes *cas;      /* DER */
	uint32_t ncas;
	struct bytes ciphers, ciphersuites, curves, sigalgs, alpn; /* as im_tls; absent = default */
	uint16_t min_version, max_version;
	uint8_t client;         /* enum im_clientauth */
	bool tickets, crl_leaf, expired;
	struct bytes *crls;     /* DER */
	struct m_certcheck *checks;
	uint32_t ncrls, nchecks;
};
struct m_listener {
	uint32_t id;
	uint32_t gateway;       /* index in model.gateways */
	struct bytes name, hostname; /* hostname absent = any */
	uint16_t port;
	uint8_t protocol, flags;
	struct m_attach *attach;
	uint32_t nattach;
	const struct cidr *sources; /* raw listeners: clients that are served; none: all */
	uint32_t nsources;
	struct m_client *client; /* NULL: house defaults */
	struct m_tls *tls;      /* HTTPS; NULL there: broken, every handshake is refused */
	uint32_t index;         /* build's own */
};
struct m_socket {
	uint32_t id;
	struct addr addr;
	uint8_t transport, protocol, proxy; /* proxy: enum im_proxy */
	struct m_listener **listeners; /* distinct hostnames; conflicts are resolved already */
	uint32_t nlisteners;
};
struct m_gateway {
	struct bytes ns, name;
	struct m_cert *cert;    /* that backends are shown, or NULL */
};
struct model {
	struct arena *arena;
	uint64_t generation;
	struct im_settings settings; /* its im_str members are filled by build from the two below */
	struct bytes server, via;
	struct m_gateway *gateways;
	uint32_t ngateways;
	struct m_socket *sockets;
	uint32_t nsockets;
	struct m_listener *listeners;
	uint32_t nlisteners;
	struct m_route *routes;
	uint32_t nroutes;
	struct m_cluster **clusters;
	uint32_t nclusters;
};

#endif
