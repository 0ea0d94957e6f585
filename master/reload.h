/*
 * reload.h - the reload transaction as a state machine without a system call in it (DESIGN section
 * 5):
 *
 *   IDLE -> COMPILING -> BINDING -> OFFERED -> COMMITTED -> DRAINING -> IDLE
 *
 * Events come in by the functions below, acts go out by reload_ops. Any failure before COMMITTED
 * goes back to IDLE with the old generation untouched. One request may wait behind a running
 * transaction, never two.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/proto.h"
#include "shm/slot.h"

#define RELOAD_STATES(S) \
	S(IDLE, "idle") S(COMPILING, "compiling") S(BINDING, "binding") S(OFFERED, "offered") \
	S(COMMITTED, "committed") S(DRAINING, "draining")
enum reload_state {
#define S(name, text) RELOAD_##name,
	RELOAD_STATES(S)
#undef S
	RELOAD_STATE_COUNT
};

#define RELOAD_COMPILE_MS 60000u
#define RELOAD_OFFER_MS 10000u
#define RELOAD_COMMIT_MS \
	10000u /* until every live slot is active; later ones are the heartbeat's business */
#define RELOAD_DRAIN_MS 5000u    /* for removed sockets; then they are closed whatever is queued */

/* What happened to a live slot's vote. */
enum reload_vote { VOTE_NONE, VOTE_ASKED, VOTE_AGAIN, VOTE_READY, VOTE_ACTIVE };

struct reload_record {
	uint64_t id, generation;
	bool ok;
	uint8_t phase;               /* enum reload_state in which it ended; IDLE = all the way */
	int64_t started_ns, finished_ns; /* clock_real */
	uint64_t ms;                 /* by clock_mono */
	struct proto_result result;  /* numbers; of the compile, where it came so far */
	char message[1024];          /* why it was rejected, or the first error */
};

struct reload_ops {
	/* Start reader and compiler. -1: why is in `why`. */
	int (*compile)(void *arg, uint64_t generation, char why[256]);
	/* Before the offer: check memfds, complete the sockets, at boot start the workers. -1 with
	 * why. */
	int (*stage)(void *arg, char why[256]);
	bool (*live)(void *arg, unsigned slot);          /* has a process that can vote */
	void (*offer)(void *arg, unsigned slot, uint64_t generation);
	/* At the commit: whoever has started since the offer and was not asked gets it now.
	 * False: nobody there. */
	bool (*late)(void *arg, unsigned slot, uint64_t generation);
	void (*commit)(
	    void *arg, uint64_t generation); /* store, messages, close what was of the old one */
	void (*cancel)(void *arg, uint64_t generation, bool offered); /* back to the old one */
	bool (*settle)(void *arg); /* begin to remove old sockets; false: there are none */
	void (*settle_now)(void *arg);                   /* the deadline: close them */
	void (*deadline)(void *arg, uint32_t ms);        /* 0 = none; calls reload_deadline() */
	void (*done)(void *arg, const struct reload_record *);
};

struct reload {
	const struct reload_ops *ops;
	void *arg;
	enum reload_state state;
	uint64_t next_id, next_generation;
	uint64_t id, queued_id;      /* 0 = none */
	uint64_t generation;         /* candidate */
	uint64_t published;          /* 0 = nothing yet */
	uint64_t started;            /* clock_mono */
	unsigned nslots;
	uint8_t vote[SLOT_MAX];      /* enum reload_vote */
	bool again[SLOT_MAX];        /* its offer was repeated once */
	struct reload_record record; /* of the running one */
	struct reload_record last;   /* of the last finished one; id 0 = none */
};

const char *reload_state_name(enum reload_state);
/* `generation`: the last one ever given out (kept over restarts). */
void reload_init(struct reload *, const struct reload_ops *, void *arg, uint64_t generation);
/* Somebody wants the state of the files. Returns the id under which the result will appear. */
uint64_t reload_request(struct reload *);
void reload_binding(struct reload *);                            /* BIND has come */
void reload_result(struct reload *, const struct proto_result *);
void reload_failed(struct reload *, const char *why); /* the compiler said no, or died for good */
void reload_ready(struct reload *, unsigned slot, uint64_t generation);
void reload_refused(struct reload *, unsigned slot, uint64_t generation, const char *why);
/* The slot's process is gone. adopting: it had begun to look at the candidate. */
void reload_died(struct reload *, unsigned slot, bool adopting);
void reload_active(struct reload *, unsigned slot, uint64_t generation);
void reload_settled(struct reload *); /* all removed sockets are closed */
void reload_deadline(struct reload *);
/* Give up (we are stopping): back to IDLE, nothing queued. */
void reload_stop(struct reload *);

#endif
