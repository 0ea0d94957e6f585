/*
 * breaker.h - bounds of what one rule may have under way, over all workers (policies guide 6.3).
 * Pure decisions on the in-flight words; whoever acts on them raises and lowers his own word.
 */
#ifndef WORKER_BREAKER_H
#define WORKER_BREAKER_H

#include "shm/image.h"
#include "worker/upstream/counts.h"

enum breaker_verdict { BREAKER_GO, BREAKER_WAIT, BREAKER_OPEN };

/* One more request? */
bool breaker_request(const struct counts *, const struct im_balance *, uint32_t rule);
/* One more attempt beyond the first? The budget, where there is one, beats max_retries. */
bool breaker_retry(const struct counts *, const struct im_balance *, uint32_t rule);
/* A new connection? WAIT: one of ours must become free. `queued`: it waits already. */
enum breaker_verdict breaker_connect(
    const struct counts *, const struct im_balance *, uint32_t rule, bool queued);

/* The own words of a rule. */
static inline struct slot_breaker *
breaker_words(const struct counts *c, uint32_t rule)
{
	return &c->own->breakers[rule < SLOT_IDS ? rule : 0];
}

#endif
