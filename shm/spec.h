/*
 * spec.h - the records of a generation image: what traffic needs and nothing else. Written by
 * conf/build, checked by image_check() in each adopting worker, read by shm/route and the worker.
 * Plain data: indices into sections, texts by im_str, no pointers. Links between records of one
 * section point forward only. Units are in the names: _ms milliseconds, _s seconds, _bytes. 0 means
 * "no limit" or "none" where said.
 *
 * A new option is one member here, one line in a schema table, one line in conf/build, one test.
 */
#ifndef SHM_SPEC_H
#define SHM_SPEC_H

#include "base/addr.h"
#include "shm/blob.h"
#include "shm/spec_policy.h"
#include "shm/spec_tls.h"

/* SEC(NAME, type, member): section number, record, member of struct image. TEXT is section 0. */
#define IM_SECTIONS(SEC) \
	SEC(SETTINGS, struct im_settings, settings) \
	SEC(GATEWAY, struct im_gateway, gateways) \
	SEC(SOCKET, struct im_socket, sockets) \
	SEC(LISTENER, struct im_listener, listeners) \
	SEC(HOST, struct im_host, hosts) \
	SEC(TREE, struct im_tree, trees) \
	SEC(PATH, struct im_path, paths) \
	SEC(REGEXPATH, struct im_regexpath, regexpaths) \
	SEC(GROUP, struct im_group, groups) \
	SEC(SWITCH, struct im_switch, switches) \
	SEC(CASE, struct im_case, cases) \
	SEC(PRED, struct im_pred, preds) \
	SEC(PREDVALUE, struct im_predvalue, predvalues) \
	SEC(ITEM, struct im_item, items) \
	SEC(ROUTE, struct im_route, routes) \
	SEC(RULE, struct im_rule, rules) \
	SEC(BACKEND, struct im_backend, backends) \
	SEC(CLUSTER, struct im_cluster, clusters) \
	SEC(ENDPOINT, struct im_endpoint, endpoints) \
	SEC(FILTER, struct im_filter, filters) \
	SEC(EDIT, struct im_edit, edits) \
	SEC(REDIRECT, struct im_redirect, redirects) \
	SEC(REWRITE, struct im_rewrite, rewrites) \
	SEC(MIRROR, struct im_mirror, mirrors) \
	SEC(CORS, struct im_cors, cors) \
	SEC(RETRY, struct im_retry, retries) \
	SEC(PERSIST, struct im_persist, persists) \
	SEC(STRING, struct im_str, strings) \
	SEC(REGEX, struct im_str, regexes) \
	IM_SECTIONS_POLICY(SEC) \
	IM_SECTIONS_TLS(SEC)

enum im_section {
	IM_TEXT,
#define SEC(name, type, member) IM_##name,
	IM_SECTIONS(SEC)
#undef SEC
	IM_SECTION_COUNT
};

/* ---- one record: settings of headgate.conf that workers need (limits: reference/reliability.md
 * section 4) */
/* LIM(member, default, min, max, unit, doc). The schema of `limits { … }` is made from the same
 * table. */
#define IM_LIMITS(LIM) \
	LIM(request_line_bytes, 8192, 64, 65536, BYTES, "Longest request line; 414 beyond.") \
	LIM(field_bytes, 16384, 64, 65536, BYTES, "Longest field line; 431 beyond.") \
	LIM(header_bytes, 32768, 256, 262144, BYTES, "Whole head; 431 beyond.") \
	LIM(fields, 100, 8, 1000, COUNT, "Field lines in a head; 431 beyond.") \
	LIM(trailer_bytes, 8192, 64, 65536, BYTES, "Trailer section; 431 beyond.") \
	LIM(trailer_fields, 32, 1, 256, COUNT, "Trailer field lines.") \
	LIM(leading_crlf, 2, 0, 16, COUNT, "Empty lines before a request line.") \
	LIM(chunk_line_bytes, 256, 16, 4096, BYTES, "One chunk-size line with extensions.") \
	LIM(chunk_overhead_bytes, 16384, 1024, 1048576, BYTES, \
	    "Chunk framing beyond 2 x payload.") \
	LIM(body_bytes, 0, 0, INT64_MAX, BYTES, "Longest request body, 0 = no limit; 413 beyond.") \
	LIM(header_timeout_ms, 10000, 10, 3600000, MS, \
	    "From the first byte to the whole head; 408.") \
	LIM(body_rate_bytes, 200, 0, INT64_MAX, BYTES, \
	    "Least body bytes a second after the grace; 0 = off.") \
	LIM(body_grace_ms, 10000, 100, 3600000, MS, "Before body_rate counts.") \
	LIM(idle_timeout_ms, 60000, 10, 86400000, MS, "Idle keep-alive connection of a client.") \
	LIM(tunnel_idle_timeout_ms, 3600000, 0, 86400000, MS, \
	    "WebSocket and other upgrades without a byte; 0 = no limit.") \
	LIM(write_timeout_ms, 30000, 10, 3600000, MS, "A client that takes no byte.") \
	LIM(tls_handshake_timeout_ms, 10000, 10, 3600000, MS, "TLS handshake.") \
	LIM(requests_per_connection, 1000, 0, INT64_MAX, COUNT, "Then close; 0 = no limit.") \
	LIM(connections_per_ip, 1000, 0, INT64_MAX, COUNT, \
	    "Per worker and address; 0 = no limit.") \
	LIM(connections, 0, 0, 4194304, COUNT, \
	    "Client connections of a worker; 0 = from the descriptor limit.") \
	LIM(buffer_bytes, 262144, 16384, 16777216, BYTES, \
	    "Buffered body bytes of one connection.") \
	LIM(worker_buffer_bytes, 268435456, 1048576, INT64_MAX, BYTES, \
	    "Buffered bytes of one worker; 503 beyond.") \
	LIM(mirror_buffer_bytes, 65536, 0, 16777216, BYTES, "Body bytes waiting for one mirror.") \
	LIM(replay_buffer_bytes, 65536, 0, 16777216, BYTES, "Request body kept for a retry.") \
	LIM(connect_timeout_ms, 5000, 10, 3600000, MS, "Connecting to an endpoint.") \
	LIM(response_timeout_ms, 60000, 0, 86400000, MS, \
	    "First byte of an answer where no route timeout is set; 0 = off.") \
	LIM(upstream_idle_timeout_ms, 30000, 10, 86400000, MS, "Idle connection in the pool.") \
	LIM(upstream_idle_per_endpoint, 256, 0, 65536, COUNT, \
	    "Idle connections kept for one endpoint.") \
	LIM(upstream_connections_per_endpoint, 1024, 1, 1048576, COUNT, \
	    "Connections of a worker to one endpoint.") \
	LIM(informational, 16, 0, 1000, COUNT, "1xx answers before the final one.") \
	LIM(h2_streams, 100, 1, 10000, COUNT, "Streams of one HTTP/2 connection at a time.") \
	LIM(h2_window_bytes, 65536, 1024, 16777216, BYTES, "Window of a stream of HTTP/2.") \
	LIM(h2_connection_window_bytes, 1048576, 65535, 268435456, BYTES, \
	    "Window of a connection of HTTP/2.") \
	LIM(h2_table_bytes, 4096, 0, 65536, BYTES, "Table of field lines (HPACK), each direction.") \
	LIM(h2_continuations, 8, 1, 64, COUNT, "CONTINUATION frames behind one HEADERS.") \
	LIM(h2_glitches, 100, 0, 1000000, COUNT, \
	    "What is legal but costs us (resets, PING, empty frames): at once; 0 = not counted.") \
	LIM(h2_glitch_rate, 10, 0, 1000000, COUNT, "The same, more each second.") \
	LIM(spare_descriptors, 64, 8, 4096, COUNT, "Kept free: at the limit, accept, 503, close.") \
	LIM(heartbeat_ms, 2000, 0, 3600000, MS, \
	    "A worker silent for so long is replaced; 0 = never.")

struct im_settings {
#define LIM(m, def, lo, hi, unit, doc) int64_t m;
	IM_LIMITS(LIM)
#undef LIM
	uint32_t shutdown_grace_ms;
	uint8_t access_log;     /* enum im_log */
	uint8_t pad[3];
	struct im_str server;   /* Server field of answers; absent = none */
	struct im_str via;      /* pseudonym in Via, "headgate" */
};
enum im_log { IM_LOG_OFF, IM_LOG_JSON, IM_LOG_COMBINED };

struct im_gateway {
	struct im_str ns, name;
	uint32_t cert; /* im_cert that backends are shown over TLS, or IM_NONE */
};

/* ---- sockets and listeners */
enum im_transport { IM_TCP = 1, IM_UDP };
enum im_protocol { IM_HTTP = 1, IM_HTTPS, IM_TLS, IM_RAW_TCP, IM_RAW_UDP };

/* Hostname -> value. Exact names and wildcards in one open-addressed table of `mask + 1` im_host
 * records from `first`; a wildcard `*.a.b` is stored as ".a.b". `depths` bit d: some wildcard has d
 * labels (63 = or more). `any`: value for no hostname. mask == IM_NONE: no table. */
struct im_hosttab {
	uint64_t depths;
	uint32_t first, mask, any, pad;
};
struct im_host {
	uint32_t
	    hash; /* low half of hash_mix(hash_more(HASH_SEED, name)); slot = hash & mask, linear */
	uint32_t value; /* IM_NONE: empty slot */
	struct im_str name;
};

struct im_socket {
	struct im_hosttab listeners; /* hostname -> im_listener; by Host or SNI */
	struct addr addr;            /* what to bind */
	uint32_t id;                 /* stable */
	uint8_t transport,
	    protocol; /* protocol of its listeners; IM_HTTPS also where IM_TLS shares it */
	uint8_t proxy;               /* enum im_proxy: what its connections begin with */
	uint8_t pad;
	/* IM_HTTP: by what its connections live, and the im_listener that they count for. A policy
	 * on one of several listeners of the socket is refused (reference/policies.md 8), so there
	 * is one answer. Else IM_NONE: the hello decides. */
	uint32_t client, listener;
};
enum im_proxy { IM_PROXY_OFF, IM_PROXY_REQUIRED, IM_PROXY_OPTIONAL };

struct im_listener {
	struct im_hosttab http; /* original route hostname -> im_tree (HTTPRoute) */
	struct im_hosttab
	    grpc; /* the same for GRPCRoute; used when content-type is application/grpc* */
	/* L4. IM_TLS: original route hostname -> im_rule, by SNI; `any`: also without one.
	 * IM_RAW_TCP, IM_RAW_UDP: `any` is its only rule. */
	struct im_hosttab l4;
	uint32_t id;            /* stable; counters, connections */
	uint32_t gateway;       /* im_gateway */
	struct im_str name;     /* section name; of a ListenerSet: "set/name" */
	struct im_str hostname; /* absent = any */
	uint16_t port;          /* as in the manifest: redirects use it */
	uint8_t protocol;
	uint8_t flags;          /* IM_L_* */
	uint32_t tls;           /* im_tls: IM_HTTPS, terminating IM_TLS; else IM_NONE */
	uint32_t client;        /* im_client or IM_NONE: house defaults */
	uint64_t key;           /* of what it is (kind, namespace, name); part of a bucket's key */
	struct im_range sources; /* im_cidr: raw listeners, clients that are served; none: all */
};
#define IM_L_BROKEN 0x01u /* failed closed: everything answers 500, no handshake succeeds */

/* ---- paths: one open-addressed sub-table a tree, keyed by path without trailing slash ("" is "/")
 */
struct im_tree {
	uint64_t prefix_depths; /* bit d: some prefix has d segments (63 = or more) */
	uint64_t regex_depths;  /* the same for literal prefixes of patterns */
	uint32_t first, mask;   /* im_path records; mask == IM_NONE: empty */
	uint32_t pad[2];
};
/* Path hash: h = HASH_SEED; each byte by hash_byte; hash_mix() at the end; low half. Key of an
 * exact path is the path as written ("/a/" and "/a" differ), of a prefix the path without one
 * trailing slash, of a pattern the whole segments of its literal prefix (what stands before the
 * last slash of it). */
#define IM_PATH_MAX \
	2304u /* bytes of any path in an image: "/service/method" of GRPCRoute is the longest */
struct im_path {
	uint32_t hash;
	uint32_t exact;              /* enum of groups, below; IM_NONE: none */
	uint32_t prefix;
	struct im_str path;          /* off == IM_NONE: empty slot */
	struct im_range regexes;     /* im_regexpath, in precedence order */
};
struct im_regexpath {
	uint32_t regex;              /* im_regex, over the whole path */
	uint32_t order;              /* precedence within the tree: lower first */
	uint32_t group;
	uint32_t pad;
};

/* A group reference: with IM_DIRECT set, the rest is an im_item index and there is nothing to test;
 * with IM_VIA_SWITCH set it is an im_switch. */
#define IM_DIRECT 0x80000000u
#define IM_VIA_SWITCH 0x40000000u

/* Up to 64 matches that share a path, in precedence order, bit 0 first. A predicate tests one key
 * (method, one header, one query parameter): bits of `involves` survive only if their value
 * matches. */
struct im_group {
	uint64_t all;             /* bits in use */
	uint32_t items;           /* im_item of bit 0; consecutive */
	struct im_range preds;
	uint32_t next;            /* further group of the same path, or IM_NONE; forward */
};
enum im_predkind { IM_P_METHOD = 1, IM_P_HEADER, IM_P_QUERY };
/* Many matches of one path that ask for different values of one key: a table of values, instead of
 * a long chain. Each case has the matches of its value, and those that do not ask for the key;
 * `rest` only the latter. */
struct im_switch {
	struct im_str name;       /* of the key, as in im_pred */
	uint32_t first, mask;     /* im_case records, open-addressed by hash */
	uint32_t rest; /* group reference or IM_NONE; switches point to later ones only */
	uint8_t kind, field;      /* enum im_predkind, enum field_id */
	uint8_t pad[2];
};
struct im_case {
	struct im_str text;
	uint32_t hash;            /* of text, as in im_predvalue */
	uint32_t group;           /* IM_NONE: empty slot */
};
struct im_pred {
	uint64_t involves;        /* matches that ask for this key */
	struct im_str name;       /* header: lower case; query: as is; method: absent */
	struct im_range values;   /* exact values sorted by (hash, text), then the patterns */
	uint32_t nexact;
	uint8_t kind, field;      /* enum im_predkind; enum field_id of a header */
	uint8_t pad[2];
};
struct im_predvalue {
	uint64_t mask;            /* bits that this value satisfies */
	struct im_str text;       /* exact */
	uint32_t hash;
	uint32_t regex;           /* pattern, or IM_NONE */
};
struct im_item {
	uint32_t rule;
	uint16_t match;           /* index in the rule */
	uint16_t pad;
};

/* ---- routes, rules, backends */
enum im_routekind { IM_HTTPROUTE = 1, IM_GRPCROUTE, IM_TLSROUTE, IM_TCPROUTE, IM_UDPROUTE };
struct im_route {
	struct im_str ns, name;
	uint8_t kind;
	uint8_t pad[7];
	uint64_t key;              /* of what it is; part of a bucket's key */
};
/* One for each distinct (rule, policy): what a policy says and the rule does not is merged in. */
struct im_rule {
	uint32_t id;               /* stable; counters */
	uint32_t route;
	struct im_range filters;   /* im_filter, in the order of the manifest */
	struct im_range backends;
	uint32_t weight;           /* sum over backends, invalid ones too */
	uint32_t request_ms;       /* 0 = not set; IM_NONE = set to 0s: no timeout */
	uint32_t backend_ms;       /* each attempt; the same */
	uint32_t retry, persist;   /* or IM_NONE; the retry may be the policy's */
	uint32_t policy;           /* im_policy or IM_NONE */
	uint16_t index;            /* in the route */
	uint16_t error;            /* enum hg_err that every request gets, HG_OK = serve */
};
struct im_backend {
	uint32_t weight;
	uint32_t cluster;          /* IM_NONE when error is set */
	struct im_range filters;
	uint32_t persist;
	uint16_t error;            /* enum hg_err for its share of the weight */
	uint8_t fallback; /* 1: only for what the others, by health, cannot take */
	uint8_t pad;
};
enum im_appproto { IM_UP_H1 = 1, IM_UP_H2C, IM_UP_H2, IM_UP_WS, IM_UP_TCP, IM_UP_UDP };
struct im_cluster {
	uint32_t id;               /* stable */
	struct im_str name;        /* "ns/service:port", for logs */
	struct im_range endpoints; /* with a DNS name: by position in the bank (shm/board.h) */
	uint32_t dns; /* slot in the names region, or IM_NONE; then `port` is the port */
	struct im_str dns_name;
	uint32_t tls;              /* im_uptls; IM_NONE = clear text */
	uint16_t port;
	uint8_t proto;             /* enum im_appproto */
	uint8_t pad;
};
struct im_endpoint {
	struct addr addr;
	uint32_t id;               /* stable: health, in-flight */
	uint32_t weight;
	struct im_str unix_path;   /* instead of addr */
	struct im_str host;        /* Host of health checks, SNI; absent = none of its own */
};

/* ---- filters */
enum im_filtertype {
	IM_F_REQUEST_HEADERS = 1,
	IM_F_RESPONSE_HEADERS,
	IM_F_REDIRECT,
	IM_F_REWRITE,
	IM_F_MIRROR,
	IM_F_CORS
};
struct im_filter {
	uint8_t type;
	uint8_t pad[3];
	struct im_range arg; /* edits; else one record of the type's section */
};
/* The last three only in im_client: ADD_ABSENT adds where the field is not there; the others remove
 * fields whose name begins or ends with `name`. */
enum im_editop {
	IM_SET = 1,
	IM_ADD,
	IM_REMOVE,
	IM_ADD_ABSENT,
	IM_REMOVE_PREFIX,
	IM_REMOVE_SUFFIX
};
struct im_edit {
	struct im_str name, value;
	uint8_t op, field; /* enum im_editop, enum field_id */
	uint8_t pad[2];
};
enum im_pathop { IM_PATH_KEEP, IM_PATH_FULL, IM_PATH_PREFIX };
struct im_redirect {
	struct im_str host;       /* absent = of the request */
	struct im_str path;       /* replacement */
	struct im_str prefix;     /* IM_PATH_PREFIX: what is replaced, without trailing slash */
	uint16_t status, port;    /* port 0 = derive (gateway-api.md 5.9) */
	uint8_t scheme;           /* 0 keep, 1 http, 2 https */
	uint8_t pathop;
	uint8_t pad[2];
};
struct im_rewrite {
	struct im_str host, path, prefix;
	uint8_t pathop;
	uint8_t pad[3];
};
struct im_mirror {
	uint32_t cluster;
	uint32_t num, den; /* share of the requests */
};
struct im_cors {
	struct im_range origins;  /* im_string, lower case; "*" alone = any */
	struct im_str methods, headers,
	    expose; /* joined with ", "; "*" alone = any; absent = none */
	uint32_t max_age_s;
	uint8_t credentials;
	uint8_t pad[3];
};
#define IM_RETRY_CONNECT 0x01u /* not connected */
#define IM_RETRY_REFUSED 0x02u /* refused before processing (h2 REFUSED_STREAM, GOAWAY) */
#define IM_RETRY_BEFORE 0x04u  /* broken before the head was sent */
#define IM_RETRY_RESET 0x08u   /* broken without an answer, whatever was sent */
#define IM_RETRY_TIMEOUT 0x10u /* over the limit of one attempt */
#define IM_RETRY_ROUTE 0x17u   /* what a retry of HTTPRoute means besides its codes */
struct im_retry {
	uint32_t attempts;        /* beyond the first */
	uint32_t backoff_ms;      /* 0 = house default */
	uint32_t backoff_max_ms;  /* 0 = 10 times the base */
	uint32_t triggers;        /* IM_RETRY_* */
	uint32_t grpc;            /* bit grpc-status, of an answer's head */
	uint32_t codes[7];        /* bit (status - 400) */
	/* 1: full jitter, random up to min(base * (2^n - 1), max); 0: base * 2^n and some more */
	uint8_t full_jitter;
	uint8_t pad[3];
};
enum im_persisttype { IM_PERSIST_COOKIE = 1, IM_PERSIST_HEADER };
struct im_persist {
	struct im_str name, path; /* cookie path */
	uint32_t absolute_s;      /* 0 = none */
	uint8_t type, permanent;
	uint8_t pad[2];
};

#endif
