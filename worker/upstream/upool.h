/*
 * upool.h - connections to backends of one worker, kept alive and given out again, LIFO, by what
 * they connect to: address or UNIX path, protocol, TLS (SNI, names, CA set, client certificate,
 * ALPN: one struct uptls), and the PROXY header that it begins with: that names a client and the
 * port it came from, so a connection with one serves the requests of that client's connection and
 * no others. (Not to keep those was rejected: each request would cost a connection.) Nobody else
 * can use them, so they are kept for a short while only, and they give way where their endpoint is
 * full. Where ALPN leaves it to the backend, a connection is HTTP/2 or not once its handshake is
 * done. They survive reloads; bounds and the idle time are those of the live generation.
 */
#ifndef WORKER_UPOOL_H
#define WORKER_UPOOL_H

#include "base/hash.h"
#include "http/h1.h"
#include "http/h2.h"
#include "worker/upstream/pick.h"
#include "worker/upstream/uptls.h"

struct up;
struct up_events {
	void (*open)(struct up *);                /* connected: up_open_stream() may be called */
	void (*failed)(struct up *, enum hg_err); /* the up is gone after this */
};

#define UPOOL_FOREVER_MS (1ull << 40)
struct up_terms {       /* what a policy says about a connection; 0: house default */
	uint32_t max_requests;
	uint64_t idle_ms, max_ms;
};

#define UPOOL_GREETED_MS 4000 /* idle ones with a PROXY header are kept at most so long */

struct ubucket; /* all connections to one place */
struct up {
	struct h1_up h1;
	struct upool *pool;
	struct ubucket *bucket;
	struct list link;       /* of the bucket's idle ones, or alone */
	struct list lru;        /* of the pool's idle ones by time, or alone */
	const struct up_events *ev; /* while connecting */
	void *owner;            /* the attempt */
	uint64_t idle_since;
	uint32_t endpoint;      /* id, for gauges */
	uint32_t breaker;       /* rule that it counts for, 0 = none */
	struct up_terms terms;  /* of the rule that used it last */
	uint64_t born;
	bool idle, connected;
	struct upm *m;          /* a lease on a shared connection (upool_h2.c); h1 is unused */
	struct stream *st;      /* of the lease */
};

struct upool {
	struct loop *loop;
	struct bufs *bufs;
	const struct h1_limits *limits;
	struct pool *ups;
	struct slot_segment *slot;
	struct ubucket **table;
	struct ubucket *recent[16]; /* by endpoint id: the place it was last, or NULL */
	uint32_t mask, nbuckets, nidle, nconns;
	bool freed;             /* a connection became idle or went away; the owner clears it */
	struct list lru;
	struct list own;        /* idle ones whose policy has an idle time of its own, unordered */
	struct list greeted;    /* the same for those with a PROXY header */
	struct list ending;     /* struct up.lru: their last bytes are on the way */
	struct list shared;     /* struct upm.all */
	const struct h2_env *h2;
	struct timer sweep;
	struct hash_key seed;
	/* of the live generation */
	uint64_t idle_ms;
	uint32_t idle_per_endpoint, conns_per_endpoint;
};

void upool_init(struct upool *, struct loop *, struct bufs *, struct pool *ups,
    const struct h1_limits *, struct slot_segment *, const struct hash_key *);
void upool_release(struct upool *); /* closes idle ones; busy ones must be gone */
/* A target with `tls` must have `secure`. HG_OK: *out is connected (reused; never if `fresh`).
 * HG_ERR_AGAIN: *out connects, `ev` follows. Else CONNECT_FAILED or QUEUE_FULL. */
enum hg_err upool_get(struct upool *, const struct target *, bool fresh, const struct up_events *,
    void *owner, struct up **out);
/* Give up a connection that has not opened yet, or must not be used again. */
void upool_close(struct up *);
/* Take the connected connection for one exchange. NULL: it went away meanwhile. */
struct stream *upool_open(
    struct up *, struct msg *storage, const struct stream_events *, void *owner);
/* The exchange is over in order and its stream detached by this. */
void upool_done(struct up *, struct stream *);
/* Is it connected, and TLS is not done? */
bool upool_shaking(const struct up *);
/* Did any byte of the answer come? Unknown counts as yes. */
bool upool_got_bytes(const struct up *);
void upool_close_idle(struct upool *);
void upool_close_ending(struct upool *);
bool upool_ready(struct upool *, const struct target *); /* a connection is there and has room */
/* One that connects will have room: it is shared. */
bool upool_coming(struct upool *, const struct target *);
/* What the policy of who has it now says; and its socket. */
void upool_terms(struct up *, const struct up_terms *);
int upool_fd(const struct up *);
/* Counts the (fresh) connection for a rule's breaker, until it is closed. */
void upool_charge(struct up *, uint32_t rule);
/* Closes an idle connection that counts for this rule. false: there is none. */
bool upool_make_room(struct upool *, uint32_t rule);

#endif
