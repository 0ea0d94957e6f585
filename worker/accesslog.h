/*
 * accesslog.h - one finished exchange as a line: JSON with flat keys (README, "Access log"), or
 * combined. Pure formatting into a bounded buffer; accesslog_write() puts the line straight into
 * the slot's ring and never waits.
 */
#ifndef WORKER_ACCESSLOG_H
#define WORKER_ACCESSLOG_H

#include "base/addr.h"
#include "base/err.h"
#include "shm/slot.h"
#include "shm/spec.h"

#define ACCESS_LINE 8192 /* longest line; long texts are cut */

struct access {
	uint64_t real_ns;        /* when the request began */
	struct bytes second;     /* RFC 3339 of that second, "2026-11-24T08:02:30Z" */
	uint64_t gen, conn;
	struct bytes gateway_ns, gateway, listener, route_ns, route;
	uint16_t rule;
	bool has_route;
	struct bytes request_id, client_ip;
	uint16_t client_port;
	const char *tls_version, *tls_cipher; /* NULL in clear text */
	struct bytes sni;
	bool tls_resumed;
	uint8_t minor;           /* HTTP/1.x; 2: HTTP/2 */
	struct bytes method, scheme, host, path, query, target;
	struct bytes user_agent, referer;
	uint64_t req_bytes, resp_bytes; /* body bytes */
	uint16_t status, upstream_status;
	uint8_t grpc;            /* 1 + grpc-status, 0: none */
	uint64_t t_total, t_connect, t_first_byte, t_upstream; /* ns; 0 = did not happen */
	struct bytes backend, endpoint;
	unsigned attempts;
	bool reused;
	const char *reason, *error; /* error: text, NULL if none */
	const char *closed_by;   /* of a tunnel: client, backend, idle, limit, drain; NULL: none */
	const char *detail;         /* more of it, NULL if none */
};

struct access_l4 { /* a relayed connection, or a UDP session */
	uint64_t real_ns;        /* when it began */
	struct bytes second;
	uint64_t gen, conn;
	struct bytes gateway_ns, gateway, listener, route_ns, route;
	uint16_t rule, client_port;
	bool has_route;
	const char *protocol;    /* "tcp", "tls", "udp" */
	struct bytes client_ip, sni;
	const char *tls_version, *tls_cipher;
	uint64_t in, out;        /* bytes from and to the client */
	uint64_t packets_in, packets_out; /* udp */
	uint64_t t_total, t_connect;
	struct bytes backend, endpoint;
	unsigned attempts;
	const char *first;       /* who ended it: client, backend, gateway */
	const char *reason, *error, *detail; /* as in struct access */
};

size_t accesslog_json(const struct access *, char *out, size_t cap);
size_t accesslog_combined(const struct access *, char *out, size_t cap);
/* false: the ring was full and the line is gone (count it). */
bool accesslog_write(const struct access *, enum im_log, struct slot_ring *);
size_t accesslog_l4_json(const struct access_l4 *, char *out, size_t cap);
bool accesslog_l4(const struct access_l4 *, enum im_log, struct slot_ring *);

#endif
