/*
 * limit.h - rate limits of one policy on the bucket table that all workers share. Local rules are
 * tried in the order of the image; the first that refuses stops the search, so what comes behind it
 * is not charged. The local rule without keys is the default bucket: charged only when no other
 * local rule matched. Global rules are all charged, and one that is over refuses. What the answer's
 * fields and the charge at the end need is copied, so an exchange can let go of its generation.
 */
#ifndef WORKER_LIMIT_H
#define WORKER_LIMIT_H

#include "base/arena.h"
#include "base/regex.h"
#include "http/msg.h"
#include "shm/bucket.h"
#include "shm/image.h"

#define LIMIT_FIELDS 6 /* field lines that limit_fields() adds at most */

struct limit_charge { /* one bucket that this request met */
	uint64_t bucket;
	struct bucket_rate rate;
	uint64_t requests, window_s;
	uint64_t remaining, reset_ns, retry_ns;
	uint64_t response_cost;
	struct bytes response_header; /* in the arena; absent = none */
	uint32_t number;              /* of the rule in its policy */
	bool shadow, refused, global;
	uint8_t headers; /* as im_limit.headers */
};

struct limit_state { /* zero: nothing was limited */
	struct limit_charge *v;
	uint32_t n;
	uint32_t evictions; /* buckets of others that had to give way */
	bool settled;
};

struct limit_in {
	const struct image *im;
	const struct regex_set *regexes;
	const struct bucket_table *buckets;
	struct arena *arena;
	const struct msg *head;           /* NULL: a connection; only keys of its address match */
	struct bytes path;                /* canonical */
	const struct addr *client;        /* detected */
	uint64_t route_key, listener_key; /* of what they are */
	uint64_t now;                     /* clock_mono */
};

/* HG_OK, HG_ERR_RATE_LIMITED, HG_ERR_REGEX_LIMIT, HG_ERR_NOMEM. */
enum hg_err limit_take(const struct limit_in *, struct im_range limits, struct limit_state *);
/* Fields of the answer, over what is there. `on`: the listener wants them where a rule says
 * nothing. */
void limit_fields(const struct limit_state *, struct arena *, bool on, struct msg *answer);
/* Notes what the answer's head says that it cost. */
void limit_note(struct limit_state *, const struct msg *resp);
/* The end: charges response costs, once. */
void limit_settle(struct limit_state *, const struct bucket_table *, uint64_t now);

#endif
