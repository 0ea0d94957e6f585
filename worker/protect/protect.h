/*
 * protect.h - what stands between routing and the rule's filters: policies, as one table of rows in
 * the order of reference/policies.md section 5. A row answers STEP_NEXT, or what the runner is to
 * do; a row that waits (STEP_WAIT) is over, and the next one goes on. Exchanges without policy come
 * here for CORS only.
 */
#ifndef WORKER_PROTECT_H
#define WORKER_PROTECT_H

#include "worker/exchange.h"

enum step_result protect_run(struct exchange *);
/* The answer's head, backwards. `resp`: the backend's, NULL where it is ours. */
void protect_reply(struct exchange *, const struct msg *resp, struct msg *answer);
void protect_over(struct exchange *); /* the answer is complete, or broke off */

/* CORS filters of a list: answers a preflight. Exchanges without policy pass this row too. */
enum step_result cors_run(struct exchange *, struct im_range filters);

/* Rows. */
enum step_result fault_run(struct exchange *); /* delay, then abort */

/* Policy of the rule; only while the generation is pinned. */
static inline const struct im_policy *
protect_policy(const struct exchange *x)
{
	return x->policy == IM_NONE || x->gen == NULL ? NULL : &x->gen->image.policies[x->policy];
}

#endif
