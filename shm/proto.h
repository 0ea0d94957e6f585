/*
 * proto.h - the vocabulary between the master and its children (base/imsg carries it). Every
 * payload is a plain struct of fixed size unless said; the receiver checks length against this
 * table before it looks. seq is the generation for offers, the request number for reads.
 *
 * A role is executed with its channel as descriptor 3; the first message is HELLO with the
 * descriptors of the regions it may see, in the order of enum proto_fd (absent ones are not sent:
 * `fds` says which).
 */
#ifndef SHM_PROTO_H
#define SHM_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define PROTO_CHAN_FD 3

/* P(NAME, from, to, payload type or void) */
#define PROTO_TABLE(P) \
	P(HELLO, master, any, struct proto_hello) \
	P(SOCKET, master, worker, struct proto_socket)      /* + the slot's descriptor */ \
	P(SOCKET_DROP, master, worker, struct proto_socket) /* accept until empty, then close */ \
	P(PEER, master, worker, struct proto_peer)          /* + another slot's segment, read-only */ \
	P(OFFER, master, worker, void)                      /* + image, secrets */ \
	P(COMMIT, master, worker, void)                     /* wake: `published` has the word */ \
	P(ABORT, master, worker, void) \
	P(DRAIN, master, any, struct proto_drain)  /* stop accepting, finish, exit */ \
	P(REOPEN, master, logger, void)            /* + new log descriptor */ \
	P(RING, master, logger, struct proto_ring) /* + slot segment, read-write */ \
	P(NAMES, master, helper, void)             /* + image: adopt, resolve its names */ \
	P(READY, worker, master, void) \
	P(REFUSED, worker, master, struct proto_text) \
	P(ACTIVE, worker, master, void) /* this slot serves `seq` and listens */ \
	P(SOCKET_CLOSED, worker, master, struct proto_socket) \
	P(DRAINED, worker, master, void) \
	P(COMPILE, master, compiler, \
	    struct proto_compile) /* + reader channel, note page, old catalogue if any; \
	                           * to the reader: + its end of that channel */ \
	P(BIND, compiler, master, struct proto_bind) /* sockets of the next generation */ \
	P(BOUND, master, compiler, struct proto_bound) \
	P(RESULT, compiler, master, struct proto_result) /* + image, catalogue, secrets */ \
	P(FAILED, compiler, master, struct proto_text)   /* the whole generation is refused */ \
	P(WALK, compiler, reader, struct proto_path)     /* all files below a root */ \
	P(OPEN, compiler, reader, struct proto_path)     /* one referenced file */ \
	P(FILE_ROOT, compiler, reader, struct proto_path) /* before the first WALK; no answer */ \
	P(FILE, reader, compiler, struct proto_file)     /* + descriptor, unless error is set */ \
	P(WALK_END, reader, compiler, void) \
	P(STORE, master, writer, \
	    struct proto_path) /* + catalogue, state folder: write, fsync, rename */ \
	P(STORED, writer, master, struct proto_text)

enum proto_type {
	PROTO_NONE,
#define P(name, from, to, type) PROTO_##name,
	PROTO_TABLE(P)
#undef P
	PROTO_COUNT
};

/* Regions handed over with HELLO, bit i of proto_hello.fds. */
enum proto_fd {
	PROTO_FD_CONTROL,
	PROTO_FD_SLOT,
	PROTO_FD_BUCKETS,
	PROTO_FD_BOARD,
	PROTO_FD_NAMES,
	PROTO_FD_TICKETS,
	PROTO_FD_ACCESSLOG,
	PROTO_FD_COUNT
};

struct proto_hello {
	uint32_t fds;      /* bits of enum proto_fd */
	uint32_t slot, nslots;
	uint32_t drop;     /* 1: become uid:gid */
	uint32_t uid, gid;
	uint32_t log_level;
	uint32_t parent;   /* the master's pid, to notice its death before prctl */
};

struct proto_sockkey {
	struct addr addr;
	uint32_t id;        /* im_socket.id */
	uint8_t transport;  /* enum im_transport */
	uint8_t pad[3];
};
struct proto_socket {
	struct proto_sockkey key;
	uint32_t listen;    /* 1: listen() when `active` reaches seq; 0: already listening */
	uint32_t slot; /* whose socket. Not the worker's own: lent while that slot waits; the same
	                  key twice */
};
struct proto_peer {
	uint32_t slot;
};
struct proto_drain {
	uint32_t grace_ms;  /* UINT32_MAX: none */
};
struct proto_ring {
	uint32_t slot;
};
struct proto_text {
	char text[1024];    /* NUL-terminated, checked */
};
struct proto_path {
	char path[4096];
};

#define PROTO_ROOTS 16
struct proto_compile {
	uint64_t generation;
	uint32_t flat;              /* 1: -f, no roles */
	uint32_t nroots;
	uint32_t service;           /* 1: ownership rules hold */
	uint32_t pad;
	struct addr node[2];        /* IPv4, IPv6 by which others reach it; family 0: none */
	char conf[4096];            /* headgate.conf, "" = none */
	char roots[PROTO_ROOTS][1024]; /* resource root, or the -f paths */
};

#define PROTO_BIND_MAX 512 /* sockets a message; more messages follow while `more` */
struct proto_bind {
	uint32_t n, more;
	struct proto_sockkey v[PROTO_BIND_MAX];
};
struct proto_bound {
	uint32_t n, pad;
	int32_t err[PROTO_BIND_MAX]; /* 0 or errno */
};
/* What the master itself needs of headgate.conf. All but access_log apply at its start. */
struct proto_settings {
	uint32_t workers;            /* 0 = one an allowed CPU */
	uint32_t log_off;            /* access log switched off */
	char user[64], group[64];    /* "" = default */
	char access_log[1024];       /* file; "" or "stdout" = descriptor 1 */
	char admin[108];             /* later */
};
struct proto_result {
	uint32_t errors, warnings, objects, stale;
	uint32_t gateways, listeners, routes, rules;
	uint32_t workers_conf;       /* settings that apply at restart: count of changed ones */
	uint32_t heartbeat_ms, grace_ms;
	struct proto_settings settings;
	char summary[512];           /* first error, one line */
};

enum proto_role { PROTO_ROLE_FLAT, PROTO_ROLE_INFRA, PROTO_ROLE_SECURITY, PROTO_ROLE_ROUTES };
struct proto_file {
	uint32_t role;              /* enum proto_role */
	int32_t error;              /* 0; errno; or enum proto_fileerr as negative */
	uint64_t size;
	uint64_t mtime_ns;
	uint32_t root;              /* index into roots */
	char ns[64];                /* routes.d/<namespace>, else "" */
	char path[4096];            /* as shown to people */
};
enum proto_fileerr {
	PROTO_FILE_OK,
	PROTO_FILE_NOT_REGULAR = -1,
	PROTO_FILE_TOO_BIG = -2,
	PROTO_FILE_LINK = -3,
	PROTO_FILE_WRITABLE = -4,
	PROTO_FILE_TOO_MANY = -5,
	PROTO_FILE_DEPTH = -6,
	PROTO_FILE_NAME = -7
};

/* The compiler's note page (a shared anonymous page that the master reads if the compiler dies). */
struct proto_note {
	char file[4096];            /* being read now; "" = none */
	uint32_t nskip, pad;
	char skip[8][4096];         /* files that killed a compiler: keep their last good content */
};

/* A payload may be cut behind its last used element: a text or path behind its NUL, BIND and BOUND
 * behind v[n] or err[n], COMPILE behind roots[nroots]. proto_len() is what to send, proto_ok()
 * knows which lengths can be, proto_take() looks inside too (texts end, counts are covered by the
 * length) and zeroes what was cut off, so that `data` (room for IMSG_MAX bytes) may then be read as
 * the whole struct. A message that fails is the peer's fault: the channel is closed. */
const char *proto_name(uint32_t type); /* "HELLO"; "?" if unknown */
uint32_t proto_len(uint32_t type, const void *payload);
bool proto_ok(uint32_t type, uint32_t len);
bool proto_take(uint32_t type, void *data, uint32_t len);

#endif
