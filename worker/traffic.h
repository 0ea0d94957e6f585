/*
 * traffic.h - what a rule's policy says about the way to the backend, applied to an exchange: its
 * hash, breaker, health notes, timers, terms of connections. Calls are for exchanges with a policy;
 * those without one keep away by one compare (x->policy).
 */
#ifndef WORKER_TRAFFIC_H
#define WORKER_TRAFFIC_H

#include "worker/exchange.h"

/* NULL: none, or the generation was let go. */
static inline const struct im_balance *
traffic_balance(const struct exchange *x)
{
	return x->gen == NULL ? NULL : image_balance(&x->gen->image, x->policy);
}

/* A byte moved, in either direction. */
static inline void
traffic_moved(struct exchange *x)
{
	x->moved = loop_now(x->w->loop);
}

void traffic_idle_over(struct timer *);         /* of x->idle */
void traffic_begin(struct exchange *); /* the rule is known: timers */
uint64_t traffic_replay(const struct exchange *); /* bytes of the body kept for another attempt */
struct pick_in traffic_pick_in(struct exchange *);
enum hg_err traffic_admit(struct exchange *); /* before the first pick: hash, bound on requests */
/* The PROXY header that connections for this exchange begin with, if the policy wants one. false:
 * no memory. Never for mirrors: they are no policy's. */
bool traffic_greet(struct exchange *, struct target *);
/* Before an attempt: STEP_NEXT, or it waits for a connection, or it is refused. */
enum step_result traffic_connect(struct exchange *);
void traffic_connection(struct exchange *, struct up *, bool fresh); /* it was given this one */
void traffic_connected(struct exchange *);                           /* no longer pending */
bool traffic_may_retry(struct exchange *);
void traffic_retries(struct exchange *);
/* Outcome of an attempt; status 0: no answer. */
void traffic_result(struct exchange *, const struct target *, unsigned status);
/* The same of whatever used the endpoint: for its health; the balance may be NULL. */
void traffic_note(struct worker *, struct gen *, const struct im_balance *, const struct target *,
    unsigned status);
void traffic_unqueue(struct exchange *);
void traffic_over(struct exchange *);
void traffic_wake(struct worker *);         /* once a turn: those that wait try again */
void traffic_queue_over(struct exchange *); /* it has waited long enough */
void traffic_warm(struct worker *);         /* a generation was adopted: stamps new endpoints */

#endif
