/*
 * retry.c - the rules of retrying as pure functions. Two kinds of retry are not the route's: a
 * pooled connection that was closed while we wrote to it (one, silent, at once), and, where the
 * route says nothing, one more endpoint after a refused connection. `attempts: 0` switches the
 * second off. Waits grow by two from the base up to ten times the base, with up to half a base of
 * jitter on top, so they are never shorter than the route asks.
 */
#include "worker/retry.h"

#define BASE_MS 25 /* where the route gives none */
#define CAP 10

bool
retry_status(const struct im_retry *p, uint16_t status)
{
	unsigned bit;

	if (p == NULL || status < 400 || status >= 400 + 32 * 7)
		return false;
	bit = status - 400u;
	return p->codes[bit / 32] >> (bit % 32) & 1;
}

enum retry_verdict
retry_decide(const struct retry_in *in)
{
	unsigned allowed = in->policy ? in->policy->attempts :
					in->what == RETRY_NOT_PROCESSED && in->fresh_endpoint;
	bool more = in->made < allowed;

	if (!in->replayable)
		return RETRY_NO;
	switch (in->what) {
	case RETRY_UNKNOWN:
		return in->reused && !in->got_bytes && !in->silent_made ? RETRY_SILENT : RETRY_NO;
	case RETRY_NOT_PROCESSED:
	case RETRY_TIMEOUT:
		return more ? RETRY_AGAIN : RETRY_NO;
	case RETRY_STATUS:
		return more && retry_status(in->policy, in->status) ? RETRY_AGAIN : RETRY_NO;
	}
	return RETRY_NO;
}

uint64_t
retry_wait(const struct im_retry *p, unsigned made, enum retry_class what, uint64_t random)
{
	uint64_t base = p && p->backoff_ms ? p->backoff_ms : BASE_MS, wait = base;

	/* Another endpoint at once, unless the route asked for a pause. */
	if (what == RETRY_NOT_PROCESSED && made <= 1 && (p == NULL || p->backoff_ms == 0))
		return 0;
	for (unsigned i = 1; i < made && wait < base * CAP; i++)
		wait *= 2;
	if (wait > base * CAP)
		wait = base * CAP;
	return wait + random % (base / 2 + 1);
}
