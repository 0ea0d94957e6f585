/*
 * spec_policy.h - records of policies in a generation image (BackendTrafficPolicy and
 * ClientTrafficPolicy, both groups). An im_policy is the effective policy of one rule on one
 * listener, after override and merge; it names neither, so that equal ones are shared by all.
 * Durations: 0 = not set (house default), IM_NONE = set to "no limit".
 *
 * What a rule and its policy both may say is decided by the build: im_rule.request_ms, .backend_ms
 * and .retry are the ones to use.
 */
#ifndef SHM_SPEC_POLICY_H
#define SHM_SPEC_POLICY_H

#include "base/addr.h"
#include "shm/blob.h"

/* SEC(NAME, type, member), part of IM_SECTIONS. */
#define IM_SECTIONS_POLICY(SEC) \
	SEC(POLICY, struct im_policy, policies) \
	SEC(LIMIT, struct im_limit, limits) \
	SEC(LIMITKEY, struct im_limitkey, limitkeys) \
	SEC(BALANCE, struct im_balance, balances) \
	SEC(HEALTH, struct im_health, healths) \
	SEC(OVERRIDE, struct im_override, overrides) \
	SEC(STATUSRANGE, struct im_statusrange, statusranges) \
	SEC(CLIENT, struct im_client, clients) \
	SEC(CIDR, struct cidr, cidrs)

/* ---- rate limits: rules of one policy in order. A rule applies if all its keys match; none = the
 * default bucket of local rules, which is charged only when no other local rule of the policy
 * matched (reference/policies.md 6.1). */
enum im_limitkeykind {
	IM_LK_HEADER = 1,
	IM_LK_QUERY,
	IM_LK_METHOD,
	IM_LK_PATH_EXACT, /* paths are matched with their query */
	IM_LK_PATH_PREFIX,
	IM_LK_PATH_REGEX,
	IM_LK_CIDR
};
/* PREFIX and SUFFIX only in im_override.headers. */
enum im_limitmatch { IM_LM_EXACT = 1, IM_LM_REGEX, IM_LM_DISTINCT, IM_LM_PREFIX, IM_LM_SUFFIX };
struct im_limitkey {
	uint8_t kind, match, field; /* enums above; enum field_id for headers */
	uint8_t invert;
	uint32_t regex;             /* im_regex (whole value) or IM_NONE */
	/* header names lower case; method keys: consecutive ones of a rule are alternatives */
	struct im_str name, value;
	uint32_t cidr;              /* im_cidr or IM_NONE */
	uint32_t pad;
};
struct im_limit {
	/* Of policy and rule content without its numbers. The bucket's key is the hash of this,
	 * unless `shared` of im_route.key and im_listener.key, and of the values of the rule's
	 * DISTINCT keys, in order. */
	uint64_t base[2];
	uint64_t interval_ns;       /* a token */
	uint64_t burst;             /* 0: always refuse */
	uint64_t requests;          /* as written, for headers */
	uint64_t window_s;
	struct im_range keys;       /* im_limitkey; n == 0 and not global: the default bucket */
	uint64_t cost;              /* of a request; 0 = look only */
	uint64_t response_cost;     /* charged at the end, where `response_header` is absent */
	/* response header with the number to charge, e.g. tokens used; absent = none */
	struct im_str response_header;
	uint32_t id;                /* stable; counters; of the rule, all routes together */
	uint8_t shadow, headers;    /* headers: 1 on, 2 off, 0 by listener */
	uint8_t global;             /* of rateLimit.global: every one that matches is charged */
	uint8_t shared;             /* one bucket for all routes and listeners */
};

/* ---- load balancing, connections, breakers, health: of a rule's clusters together. Breaker counts
 * are per rule: im_rule.id. */
enum im_lbtype { IM_LB_ROUND_ROBIN = 1, IM_LB_RANDOM, IM_LB_LEAST_REQUEST, IM_LB_HASH };
enum im_hashtype { IM_HASH_SOURCE_IP = 1, IM_HASH_HEADER, IM_HASH_COOKIE, IM_HASH_QUERY };
struct im_balance {
	uint8_t type, hash;         /* enums above; type 0: not set; hash 0: no IM_LB_HASH */
	uint8_t tcp_keepalive, proxy_protocol; /* PROXY version to send, 0 = none */
	struct im_range hash_names; /* im_string */
	struct im_str cookie_attrs; /* "; Path=/; SameSite=Strict", ready to append */
	uint32_t cookie_ttl_s;      /* IM_NONE: do not make one; 0: session cookie */
	uint32_t table_size;        /* Maglev; prime */
	uint32_t slow_start_ms;
	uint32_t connect_ms, idle_ms, stream_idle_ms, stream_max_ms, connection_max_ms;
	/* IM_NONE = not set; 0 refuses all */
	uint32_t max_connections, max_pending, max_parallel, max_retries,
	    max_requests; /* of a connection */
	uint32_t endpoint_connections; /* IM_NONE = not set */
	uint32_t budget_percent;    /* retry budget in 1/100 %, IM_NONE = none */
	uint32_t budget_min;
	uint32_t keepalive_probes, keepalive_idle_s, keepalive_interval_s; /* 0 = the system's */
	uint32_t buffer_bytes;      /* IM_NONE = not set */
	uint32_t health;            /* im_health or IM_NONE */
};
enum im_healthtype { IM_HC_NONE, IM_HC_HTTP, IM_HC_TCP, IM_HC_GRPC };
struct im_health {
	struct im_str host, path, method; /* path: of HTTP; service name of gRPC */
	struct im_str send, receive; /* receive: must be contained; absent = any; may be binary */
	struct im_range expected, retriable; /* im_statusrange */
	uint32_t timeout_ms, interval_ms, jitter_ms;
	uint16_t unhealthy, healthy, port, panic_percent;
	uint8_t type;               /* active: enum im_healthtype */
	uint8_t split_local, always_one, pad;
	/* passive; 0 = off */
	uint32_t consecutive_5xx, consecutive_gateway, consecutive_local, failure_percent;
	uint32_t eject_interval_ms, eject_base_ms, eject_max_percent;
	uint32_t passive;           /* 1: there is passive checking */
};
struct im_statusrange {
	uint16_t first, last;
};

/* ---- answers rewritten */
enum im_source { IM_SOURCE_ALL, IM_SOURCE_LOCAL, IM_SOURCE_BACKEND };
struct im_override {
	struct im_range statuses;   /* im_statusrange; n == 0: any */
	struct im_range headers;    /* im_limitkey IM_LK_HEADER: of the answer, all must match */
	struct im_range edits;      /* im_edit: set, add */
	struct im_str content_type; /* absent: unchanged */
	/* A format: %% is %, then %RESPONSE_CODE%, %PROTOCOL%, %START_TIME%, %REQ(name)%,
	 * %RESP(name)%, %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%; build lets no other pass. */
	struct im_str body;         /* absent: unchanged */
	uint32_t redirect;          /* im_redirect or IM_NONE */
	uint16_t status;            /* 0: unchanged */
	uint8_t source, pad;
};

enum im_compression { IM_Z_GZIP = 1, IM_Z_BROTLI = 2, IM_Z_ZSTD = 4 };
/* Codings that the workers have; others are named in a Warning. */
#ifdef HG_BROTLI
#define IM_Z_SERVED (IM_Z_GZIP | IM_Z_BROTLI)
#else
#define IM_Z_SERVED IM_Z_GZIP
#endif
struct im_policy {
	struct im_str name;         /* "ns/name" for logs; "ns/name+ns/name" if merged */
	struct im_range limits;     /* im_limit: local ones first */
	struct im_range overrides;
	struct im_range upgrades;   /* im_string: the only ones let through, if only_upgrades */
	uint32_t balance;           /* im_balance or IM_NONE */
	uint32_t request_buffer;    /* bytes, IM_NONE = none */
	uint32_t delay_ms, delay_ppm, abort_ppm; /* fault injection; parts in a million */
	uint32_t compress_min;
	uint16_t abort_status;      /* 0 = none */
	uint8_t abort_grpc;         /* 255 = none */
	uint8_t compression;        /* bits of enum im_compression */
	uint8_t compress_first;     /* the bit that wins among equals */
	uint8_t only_upgrades;      /* 1: another one is refused; 0: WebSocket, others ignored */
	uint8_t pad[2];
};

/* ---- ClientTrafficPolicy, of one listener */
enum im_ipdetect { IM_IP_PEER, IM_IP_XFF_HOPS, IM_IP_XFF_CIDRS, IM_IP_HEADER };
enum im_underscores { IM_US_REJECT, IM_US_ALLOW, IM_US_DROP };
enum im_slashes { IM_SL_REJECT, IM_SL_KEEP, IM_SL_UNESCAPE, IM_SL_REDIRECT };
/* X-Forwarded-Client-Cert: dropped; the client's, if it gave a certificate; that and ours behind
 * it; ours; the client's. */
enum im_xfcc { IM_XFCC_SANITIZE, IM_XFCC_FORWARD, IM_XFCC_APPEND, IM_XFCC_SET, IM_XFCC_ALWAYS };
/* What ours says besides the hash; bits. */
enum im_xfccdetail {
	IM_XFCC_SUBJECT = 1, IM_XFCC_CERT = 2, IM_XFCC_CHAIN = 4, IM_XFCC_DNS = 8, IM_XFCC_URI = 16
};
enum im_requestid { IM_RID_GENERATE, IM_RID_PRESERVE_OR_GENERATE, IM_RID_PRESERVE, IM_RID_DISABLE };
/* Body bytes of one client under way in one direction: bounds of what bufferLimit may ask for. */
#define IM_WINDOW_LEAST 1024u
#define IM_WINDOW_MOST (1024u * 1024)
struct im_client {
	struct im_str name;         /* "ns/name" */
	struct im_range cidrs;      /* im_cidr: trusted, for IM_IP_XFF_CIDRS */
	struct im_range early, late; /* im_edit: add, set, addIfAbsent, remove…, in that order */
	struct im_range upgrades;   /* im_string, lower case: Upgrade values to ignore */
	struct im_str ip_header;
	struct im_str http10_host;  /* Host of HTTP/1.0 without one; absent = none */
	struct im_str health_path;  /* exact, with query: answered here */
	uint32_t hops;
	uint32_t idle_ms, request_ms, header_ms, stream_idle_ms,
	    tls_handshake_ms; /* 0 = house default */
	uint32_t tcp_idle_ms;       /* of L4 listeners; 0 = house default */
	uint32_t max_connections;   /* 0 = no limit */
	uint32_t connection_delay_ms; /* one too many is closed so long after its accept */
	uint32_t connection_max_ms, stream_max_ms; /* 0 = no limit */
	uint32_t max_requests;      /* of a connection; 0 = house default */
	uint32_t buffer_bytes;      /* IM_NONE = not set; served within IM_WINDOW_… */
	uint32_t keepalive_probes, keepalive_idle_s, keepalive_interval_s;
	uint32_t h2_streams, h2_window, h2_conn_window; /* 0 = house default */
	uint8_t ipdetect, underscores, slashes, merge_slashes; /* merge_slashes: 1 = yes */
	uint8_t request_id, proxy_protocol, proxy_optional, tcp_keepalive; /* 1 = yes */
	uint8_t xff_append, http10, trailers, ratelimit_headers; /* 1 = yes */
	uint8_t ip_fail_closed, strip_dot;
	uint8_t xfcc, xfcc_details; /* enum im_xfcc; bits of enum im_xfccdetail */
};

#endif
