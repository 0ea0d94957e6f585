/*
 * breaker.c - the five bounds. A first connection of a worker is always possible, so whoever waits
 * for one waits for one of its own process and no worker needs to wake another. A request without
 * a connection that is ready counts as pending, also while its own connects.
 */
#include "worker/upstream/breaker.h"

bool
breaker_request(const struct counts *c, const struct im_balance *b, uint32_t rule)
{
	return b->max_parallel == IM_NONE ||
	    COUNTS_SUM(c, breakers, rule, active) < b->max_parallel;
}

bool
breaker_retry(const struct counts *c, const struct im_balance *b, uint32_t rule)
{
	uint64_t limit = b->max_retries, active;

	if (b->budget_percent != IM_NONE) {
		active = COUNTS_SUM(c, breakers, rule, active);
		limit = active * b->budget_percent / 10000;
		if (limit < b->budget_min)
			limit = b->budget_min;
	} else if (b->max_retries == IM_NONE) {
		return true;
	}
	return COUNTS_SUM(c, breakers, rule, retries) < limit;
}

enum breaker_verdict
breaker_connect(const struct counts *c, const struct im_balance *b, uint32_t rule, bool queued)
{
	bool full = b->max_connections != IM_NONE && breaker_words(c, rule)->connections > 0 &&
	    COUNTS_SUM(c, breakers, rule, connections) >= b->max_connections;

	if (!queued && b->max_pending != IM_NONE &&
	    COUNTS_SUM(c, breakers, rule, pending) >= b->max_pending)
		return BREAKER_OPEN;
	return full ? BREAKER_WAIT : BREAKER_GO;
}
