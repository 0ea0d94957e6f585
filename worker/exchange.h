/*
 * exchange.h - one request and its answer, from the first byte of the one to the last byte of the
 * other. It owns both streams, the working copies, the body queue and the attempts, and is driven
 * by a table of steps. It may outlive its client's side while mirrors still read the body.
 */
#ifndef WORKER_EXCHANGE_H
#define WORKER_EXCHANGE_H

#include "http/body.h"
#include "http/stream.h"
#include "shm/route.h"
#include "worker/core.h"
#include "worker/filter.h"
#include "worker/filters/persist.h"
#include "worker/forward.h"
#include "worker/protect/limit.h"
#include "worker/relay.h"
#include "worker/step.h"
#include "worker/upstream/lbhash.h"

#define EXCHANGE_WINDOW 65536  /* body bytes under way in one direction: the house's */
#define EXCHANGE_EXPECT_MS 500 /* how long a backend may think about a 100 before we say it */

struct attempt;
struct compressor;
struct conn;
struct exchange {
	/* ---- set to zero for each request, up to `arena` */
	struct worker *w;
	struct conn *conn;             /* NULL once the client's side is over */
	struct stream *down;           /* the same */
	struct gen *gen;               /* pinned, or NULL before routing and after letting go */
	struct list pin, link;
	struct list waits;             /* of worker.waiting */
	uint8_t step;                  /* enum step_id */
	bool running;
	bool retired;                  /* counted and logged; waits for mirrors only */
	bool head_seen;                /* the request's head is complete */
	bool req_ended;
	bool own;                      /* the answer is made here */
	bool head_sent, resp_ended;
	bool shaped, picked;           /* rule filters ran; a backend was chosen */
	bool silent_made, close, credited;
	bool counted, pending, retrying; /* words of the breaker that this exchange has raised */
	bool queued;                   /* waits for a connection, or did a moment ago */
	bool delayed;                  /* a fault's pause was made */
	bool limit_fields;             /* the listener wants them */
	bool grpc, grpc_timeout;       /* a gRPC call; with a deadline of the client's */
	uint8_t own_grpc, grpc_said;   /* 1 + grpc-status: asked of an own answer; of the answer */
	uint32_t grpc_extra;           /* of work.extra without a timeout; 0: not asked yet */
	char *grpc_room;               /* work.extra with one */
	bool upgrade, switched;        /* another protocol is asked for, and may be; was granted */
	int8_t collector;              /* 1 + cursor of what holds the body back, 0 = none */
	uint8_t row;                   /* of protect: the next */
	enum hg_err err; /* why the answer is not the backend's, or why it broke off */
	const char *reason;            /* of the log, where it is not err's */
	const char *detail;            /* more of the same in words, or NULL */

	struct route_hit hit;
	struct im_range rule_filters, backend_filters;
	uint32_t rule_id, listener_id, backend;
	uint32_t policy;               /* im_policy of the rule, or IM_NONE */
	struct limit_state limit;
	struct lbhash lb;
	uint32_t connect_ms, idle_ms;  /* of the policy; 0 = none */
	uint64_t moved;                /* when a byte last went either way */
	uint32_t client;               /* im_client of the listener, or IM_NONE */
	struct bytes greeting;         /* PROXY header for backends, made when first wanted */
	uint32_t receive_ms, window;   /* of its policy; 0 = none; body bytes under way */
	bool keep_slashes, no_trailers; /* of it too: %2F stays; HTTP/1 has no trailers */
	bool stream_due;               /* the deadline is the client's, not the backend's */
	uint32_t nlate;
	struct filter_edit *late;      /* its edits of answers, after letting go */
	struct bytes xff;              /* X-Forwarded-For of trusted proxies; absent = none */
	struct compressor *zip;        /* of the answer's body, or NULL */
	struct tunnel *tunnel;         /* or NULL */
	struct bytes own_text;         /* body of an own answer that is no error */
	uint64_t deadline;             /* of the whole, clock_mono; 0 = none */
	uint64_t backend_ms;           /* each attempt; 0 = none */
	bool timeout_set;              /* the route says something about time */
	struct im_retry retry;
	bool has_retry;
	struct filter_edit *kept;      /* response edits, after letting go */
	uint32_t nkept;
	struct persist_use persist;
	struct target target;
	unsigned made;                 /* attempts beyond the first */
	struct attempt *attempt;
	struct list mirrors;           /* struct attempt.link */
	unsigned mirrors_begun;        /* of fctx.mirrors */

	uint64_t req_bytes, resp_bytes, owed; /* owed: credit that the backend waits for */
	uint64_t begun, begun_real, t_connect, t_first, t_upstream;
	uint16_t up_status;
	bool reused;
	struct { /* texts of the image, copied when it is let go */
		struct bytes gateway_ns, gateway, listener, route_ns, route, cluster;
		uint16_t rule;
		uint64_t gen;
	} names;
	struct forward_env fenv;
	struct filter_ctx fctx;
	int cursor, replay;            /* on the body: the attempt's, what a retry needs; or -1 */
	struct bytes path, sni;        /* path: canonical */
	uint32_t socket;               /* index in gen */
	uint32_t listener_fixed;       /* the same, of the handshake; IM_NONE: by Host */
	const char *tls_version, *tls_cipher; /* of the log; NULL in clear text */
	struct timer timer, pause, idle;
	struct timer receive;          /* the request must be here; only if receive_ms */
	struct addr peer;
	uint8_t ip_n;                  /* of ip[]; 0: not made yet */
	uint64_t conn_id;
	bool tls, tls_resumed;

	/* ---- kept from one use to the next, or initialised by itself */
	struct arena arena;
	struct body body;
	struct pick_tried tried;
	char port[8], ip[46], endpoint[56];
	struct msg head;               /* as received; the adapter's storage */
	struct msg work;               /* what filters edit */
	struct msg answer;             /* on its way to the client */
};

struct exchange *exchange_new(struct worker *, struct conn *, struct stream *); /* NULL: no room */
void exchange_run(struct exchange *);
/* From an event: answer with this error, or break off if the answer has begun. Runs on. */
void exchange_fail(struct exchange *, enum hg_err);
/* The same from inside a step. */
enum step_result exchange_refuse(struct exchange *, enum hg_err);
/* From inside a step: answered here, by x->err or x->answer; by this status, without fields yet. */
enum step_result exchange_own(struct exchange *);
enum step_result exchange_answer(struct exchange *, uint16_t status);
void exchange_lost(struct exchange *, enum hg_err); /* the client's side is gone */
/* The whole must be over at `at`, or earlier. `client`: its policy says so. */
void exchange_due(struct exchange *, uint64_t at, bool client);
void exchange_let_go(struct exchange *); /* copy what the tail needs and unpin */
struct bytes exchange_ip(struct exchange *);
/* A mirror ended: frees an exchange that only waited for it. */
void exchange_mirror_over(struct exchange *);
void exchange_free_pools(struct worker *); /* at the end: arenas of the constructed ones */

extern const struct stream_events exchange_down_events;

/* reply.c. Own: from x->err, or from what a filter put into x->answer. */
void reply_own(struct exchange *);
enum hg_err reply_backend(struct exchange *, const struct msg *resp, bool end);
void finish_account(struct exchange *); /* finish.c: counters and the log line */

#endif
