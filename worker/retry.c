/*
 * retry.c - the rules of retrying as pure functions. Two kinds of retry are not the route's: a
 * pooled connection that was closed while we wrote to it (one, silent, at once), and, where the
 * route says nothing, one more endpoint after a refused connection. `attempts: 0` switches the
 * second off. Waits grow by two from the base up to ten times the base, with up to half a base of
 * jitter on top, so they are never shorter than the route asks; a policy's are all jitter.
 */
#include "worker/retry.h"

#include "base/check.h"
#include "base/parse.h"

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

static bool
triggers(const struct im_retry *p, uint32_t what)
{
	return p && (p->triggers & what);
}

bool
retry_grpc(const struct im_retry *p, const struct fields *f)
{
	const struct field *status = p && p->grpc ? fields_get(f, FIELD_GRPC_STATUS) : NULL;
	uint64_t n;

	return status && parse_u64(status->value, 31, &n) && (p->grpc >> n & 1);
}

enum retry_verdict
retry_decide(const struct retry_in *in)
{
	unsigned allowed = in->policy ? in->policy->attempts :
					in->what == RETRY_NOT_PROCESSED && in->fresh_endpoint;
	bool more = in->made < allowed;

	if (!in->replayable)
		return RETRY_NO;
	more = more && !in->refused;
	switch (in->what) {
	case RETRY_UNKNOWN:
		if (in->reused && !in->got_bytes && !in->silent_made)
			return RETRY_SILENT;
		return more && triggers(in->policy, IM_RETRY_RESET) ? RETRY_AGAIN : RETRY_NO;
	case RETRY_NOT_PROCESSED:
		return more && (in->policy == NULL || triggers(in->policy, IM_RETRY_CONNECT)) ?
		    RETRY_AGAIN :
		    RETRY_NO;
	case RETRY_TIMEOUT:
		return more && triggers(in->policy, IM_RETRY_TIMEOUT) ? RETRY_AGAIN : RETRY_NO;
	case RETRY_STATUS:
		return more && (in->grpc || retry_status(in->policy, in->status)) ? RETRY_AGAIN :
										    RETRY_NO;
	}
	return RETRY_NO;
}

uint64_t
retry_wait(const struct im_retry *p, unsigned made, enum retry_class what, uint64_t random)
{
	uint64_t base = p && p->backoff_ms ? p->backoff_ms : BASE_MS, wait = base;
	uint64_t cap = p && p->backoff_max_ms ? p->backoff_max_ms : base * CAP;

	if (p && p->full_jitter)
		return random % (HG_MIN(base * ((1ull << HG_MIN(made, 20u)) - 1), cap) + 1);
	/* Another endpoint at once, unless the route asked for a pause. */
	if (what == RETRY_NOT_PROCESSED && made <= 1 && (p == NULL || p->backoff_ms == 0))
		return 0;
	for (unsigned i = 1; i < made && wait < cap; i++)
		wait *= 2;
	if (wait > cap)
		wait = cap;
	return wait + random % (base / 2 + 1);
}
