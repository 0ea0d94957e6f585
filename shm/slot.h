/*
 * slot.h - the control page (the master's words) and one segment a worker slot (that worker's
 * words). Each word has one writer; readers copy, clamp and sum. Segments outlive their workers, so
 * counters never go back. memfds, sized at boot, sealed against shrinking and growing, sparse.
 */
#ifndef SHM_SLOT_H
#define SHM_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"

#define SLOT_MAX 256             /* worker slots */
#define SLOT_IDS (1u << 20)      /* ids of rules, listeners, clusters, endpoints; id 0 = "other" */
#define SLOT_RING (1u << 20)     /* bytes of a log ring, a power of two */

struct control_page {
	_Atomic uint64_t published;  /* generation that serves */
	_Atomic uint64_t draining;   /* 1: stop accepting */
	_Atomic uint64_t started;    /* clock_real ns */
	_Atomic uint64_t nslots;
	_Atomic uint64_t reloads, reloads_failed;
};

/* M(name, help): counters of a worker that belong to no object. Names become headgate_<name>_total.
 */
#define METRIC_TABLE(M) \
	M(connections_accepted, "Client connections accepted") \
	M(connections_closed, "Client connections closed") \
	M(connections_rejected, "Client connections refused by a limit") \
	M(proxy_refused, "Connections closed for a missing or bad PROXY header") \
	M(tls_refused, "TLS handshakes refused: no listener or certificate for the name") \
	M(requests, "Requests read") \
	M(responses_1xx, "Informational answers") \
	M(responses_2xx, "Answers 2xx") \
	M(responses_3xx, "Answers 3xx") \
	M(responses_4xx, "Answers 4xx") \
	M(responses_5xx, "Answers 5xx") \
	M(grpc_calls, "gRPC calls") \
	M(grpc_failed, "gRPC calls that ended without status OK") \
	M(responses_own, "Answers that headgate made itself") \
	M(bytes_in, "Bytes from clients") \
	M(bytes_out, "Bytes to clients") \
	M(upstream_connections, "Connections opened to backends") \
	M(upstream_reused, "Requests sent on a pooled connection") \
	M(upstream_errors, "Connections to backends that failed") \
	M(upstream_tls_handshakes, "TLS handshakes with backends") \
	M(upstream_tls_resumed, "Those that resumed a session") \
	M(upstream_tls_failed, "Those that failed: certificate, name, protocol") \
	M(upstream_surplus, "Backend connections closed for surplus bytes") \
	M(retries, "Attempts beyond the first") \
	M(mirrors, "Mirrored requests") \
	M(mirrors_dropped, "Mirrors cut by their bound") \
	M(guard_rejected, "Requests refused by the guard") \
	M(parser_disagreed, "Messages on which guard and parser disagreed") \
	M(log_dropped, "Log lines dropped, ring full") \
	M(client_resets, "Client connections reset by the client") \
	M(timeouts, "Exchanges ended by a timeout") \
	M(generations, "Generations adopted") \
	M(rate_limited, "Requests refused by a rate limit") \
	M(limit_evictions, "Buckets of limits that were worth something and had to give way") \
	M(circuit_open, "Requests refused by a circuit breaker") \
	M(faults, "Faults injected") \
	M(ejections, "Endpoints taken out by passive checks") \
	M(l4_connections, "TCP and TLS connections relayed to a backend") \
	M(l4_failed, "TCP and TLS connections that reached no backend") \
	M(l4_bytes_in, "Bytes relayed from clients") \
	M(l4_bytes_out, "Bytes relayed to clients") \
	M(udp_sessions, "UDP sessions begun") \
	M(udp_evicted, "UDP sessions that made room for others") \
	M(udp_in, "Datagrams from clients sent on") \
	M(udp_out, "Datagrams to clients sent on") \
	M(udp_dropped, "Datagrams dropped: no route, backend, room, or the kernel took it not") \
	M(tunnels, "Connections switched to another protocol") \
	M(h2_errors, "HTTP/2 connections ended for an error of the client") \
	M(h2_floods, "HTTP/2 connections ended for what they made us do")

enum metric {
#define M(name, help) METRIC_##name,
	METRIC_TABLE(M)
#undef M
	METRIC_COUNT
};

/* Counters of one rule; one cache line, written on use only, so idle ids cost no memory. */
struct slot_rule {
	uint64_t requests, by_class[5], bytes_in, bytes_out;
};
struct slot_endpoint {
	uint32_t inflight; /* exchanges under way; zeroed by the master before a successor starts */
	uint32_t connections;
	uint64_t requests;
	uint64_t failures;
	uint64_t pad;
};

/* What one rule has under way, for its circuit breaker; by rule id. In-flight words like the above.
 */
struct slot_breaker {
	uint32_t active, pending, retries, connections;
};

/* Client connections of one listener; an in-flight word too. */
struct slot_listener {
	uint32_t connections;
};

struct slot_ring { /* single producer (worker), single consumer (logger) */
	_Atomic uint64_t head;      /* written by the worker: bytes ever put */
	char pad0[56];
	_Atomic uint64_t tail;      /* written by the logger: bytes ever taken */
	char pad1[56];
	char data[SLOT_RING]; /* records: u32 length, u32 kind, bytes, padded to 8; clamped by the
	                         reader */
};
enum slot_ringkind { SLOT_RING_ACCESS = 1, SLOT_RING_LOG, SLOT_RING_PAD };

struct slot_segment {
	_Atomic uint64_t ready, active, oldest; /* generations */
	_Atomic uint64_t heartbeat;  /* one more each loop turn or 250 ms */
	_Atomic uint64_t pid;
	_Atomic uint64_t connections, exchanges, idle_upstream, tunnels; /* gauges */
	_Atomic uint64_t adopting; /* generation whose image is being looked at: a death with it set
	                              aborts the offer */
	char pad[48];
	uint64_t metrics[METRIC_COUNT];
	struct slot_ring ring __attribute__((aligned(4096)));
	struct slot_rule rules[SLOT_IDS] __attribute__((aligned(4096)));
	struct slot_rule listeners[SLOT_IDS];
	struct slot_endpoint endpoints[SLOT_IDS];
	struct slot_breaker breakers[SLOT_IDS] __attribute__((aligned(4096)));
	struct slot_listener admitted[SLOT_IDS] __attribute__((aligned(4096)));
};

/* Regions: create (master, once), map (any). -1/NULL with errno. */
int region_create(const char *name, size_t size);           /* sealed GROW|SHRINK, mode 0400 */
int region_reopen_ro(int fd);                               /* a read-only descriptor of it */
void *region_map(int fd, size_t size, int writable);        /* MAP_SHARED; checks the size */

/* Log ring. Producer: 0, or -1 when full. Consumer: next record into out (borrowed until the next
 * call), 0 none. */
int ring_put(struct slot_ring *, enum slot_ringkind, struct bytes line);
int ring_get(struct slot_ring *, enum slot_ringkind *, struct bytes *line); /* 1, 0 */
void ring_done(struct slot_ring *, struct bytes line);      /* frees what ring_get lent */
/* Room for one record of up to n bytes in place; ring_commit(len) publishes. NULL when full. */
char *ring_reserve(struct slot_ring *, size_t n);
void ring_commit(struct slot_ring *, enum slot_ringkind, size_t len);

#endif
