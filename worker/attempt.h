/*
 * attempt.h - one try at one endpoint, of the request itself or of a mirror of it: its connection,
 * its stream, its cursor on the body, its timer. A mirror has a copy of the head too, since it may
 * outlive changes to the original.
 */
#ifndef WORKER_ATTEMPT_H
#define WORKER_ATTEMPT_H

#include "worker/exchange.h"
#include "worker/retry.h"

struct attempt {
	struct exchange *x;
	struct up *up;
	struct stream *st;         /* once the connection is ours */
	struct list link;          /* of x->mirrors */
	struct target target;
	struct uptls *secure;      /* a reference, or NULL: clear text */
	struct timer timer;
	uint64_t begun;
	uint64_t owed;             /* mirror: credit */
	int cursor;                /* on x->body, or -1 */
	bool mirror, reused, sent, req_ended, head_seen, resp_ended, counted, limited, untouched;
	uint8_t phase;             /* enum attempt_phase: what the timer waits for */
	struct msg req;            /* a mirror's copy of the head */
	struct msg resp;
};
enum attempt_phase { ATTEMPT_CONNECT, ATTEMPT_ANSWER, ATTEMPT_BODY };

/* NULL: no room. */
struct attempt *attempt_new(struct exchange *, const struct target *, bool mirror);
/* Fills target.secure where the target is one of TLS; BACKEND_TLS: it cannot be reached. */
enum hg_err attempt_secure(struct exchange *, struct target *);
/* HG_OK: attempt_send() may follow. HG_ERR_AGAIN: an event will. Else the error; the attempt is
 * still there. */
enum hg_err attempt_connect(struct attempt *);
enum hg_err attempt_send(struct attempt *);
/* Gives the body pieces that wait for it, until its connection has enough. */
void attempt_pump(struct attempt *);
/* Both sides are over: the connection goes back to the pool if it may. Frees it. */
void attempt_done(struct attempt *);
/* Whatever state it is in: cut and free it. */
void attempt_cut(struct attempt *);
/* An attempt of the request failed (it is cut here). Sets x->step for another one, or fails the
 * exchange. */
enum step_result attempt_over(struct exchange *, enum retry_class, enum hg_err);

/* mirrors.c */
void mirrors_begin(struct exchange *);  /* those in fctx.mirrors that have not begun */
void mirrors_pump(struct exchange *);
void mirrors_cut(struct exchange *);
void mirror_open(struct attempt *);     /* connected */
void mirror_over(struct attempt *, bool cut);
extern const struct stream_events mirror_events;

#endif
