/*
 * core.h - what one worker process owns. One struct, handed around; nothing else is global.
 * Everything here belongs to the worker's single thread.
 */
#ifndef WORKER_CORE_H
#define WORKER_CORE_H

#include "base/imsg.h"
#include "http/h1.h"
#include "http/h2.h"
#include "shm/role.h"
#include "worker/gen.h"
#include "worker/ipcount.h"
#include "worker/upstream/counts.h"
#include "worker/upstream/upool.h"

struct worker {
	struct role_env *env;
	struct control_page *control;
	struct slot_segment *slot;
	struct board *board;
	struct names *names;          /* may be NULL: then no name has an address */
	struct loop *loop;
	struct bufs bufs;

	struct imsg_chan chan;        /* to the master */
	struct watch chan_watch;

	struct gens gens;
	/* Settings of the live generation; connections point at limits (terms.h), so they take
	 * changes over. */
	struct h1_limits limits;      /* of both sides */
	struct terms *terms, *old_terms; /* terms.h: [0] the house's, then of each im_client */
	int64_t connect_ms, response_ms, body_bytes;
	struct h2_limits h2_limits;
	uint64_t tunnel_idle_ms;      /* 0 = no limit */
	uint64_t handshake_ms;        /* TLS of clients */
	uint64_t mirror_bytes, replay_bytes, ip_limit;
	uint32_t nofile;
	enum im_log log_format;
	struct bytes server, via[2];  /* via: "1.1 pseudonym", "2.0 pseudonym" */
	char server_text[128], via_text[2][128];
	struct bytes via_line[2];     /* "Via: 1.1 pseudonym\r\n": via lies in it; 2.0 */

	struct h2_env h2;             /* the house's: backends', and what terms.c begins with */
	struct pool h2_streams;
	struct pool conns, exchanges, attempts, ups, chunks;
	struct list free_exchanges;   /* constructed ones: their arenas keep a chunk */
	struct list listeners;        /* struct listener */
	struct list open_conns;       /* struct conn */
	struct list open_exchanges;   /* struct exchange */
	struct upool upool;
	struct pool compressors;
	uint32_t nbrotli;             /* of them: those on the heap */
	struct counts counts;         /* own and the other slots' in-flight words */
	struct list waiting;          /* struct exchange.waits: for a connection of their rule */
	struct ipcount ips;
	struct secure *secure;        /* TLS contexts */
	struct uptls_store *uptls;    /* the same towards backends */
	uint32_t conn_cap, nconns;
	struct l4 *l4;
	uint32_t l4_extra;            /* descriptors of L4 beyond one a connection */
	int spare_fd;                 /* given up for a moment to answer at the descriptor limit */

	bool busy;                    /* work is left for the next turn: do not sleep */
	bool draining, orphaned, over;
	struct timer grace;
	uint64_t next_conn;
	const struct chan_events *h1_events; /* h1_down's, behind conn.c's first look */
	uint64_t rng;
	struct hash_key seed;         /* common to all workers where the bucket table is mapped */
	struct imsg in;               /* the message being handled */

	/* texts that change once a second */
	int64_t date_at, log_at;
	char date[30], log_sec[21];
	/* text of the last listener's port */
	unsigned port;
	uint8_t port_n;
	char port_text[8];
};

#define METRIC(w, name, n) ((w)->slot->metrics[METRIC_##name] += (uint64_t)(n))

/* Random 64 bits: picks, jitter, request ids. Not for secrets. */
uint64_t worker_random(struct worker *);
/* IMF-fixdate of now, borrowed until the next call. */
struct bytes worker_date(struct worker *);
/* RFC 3339 of a second of clock_real(), for the log: made once a second, borrowed likewise. */
struct bytes worker_second(struct worker *, uint64_t real_ns);
/* Ends the loop when a drain has nothing left to wait for. */
void worker_maybe_over(struct worker *);
/* Stop accepting and finish what runs; grace UINT32_MAX = no deadline. */
void worker_drain(struct worker *, uint32_t grace_ms);

#endif
