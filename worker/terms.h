/*
 * terms.h - what connections of one ClientTrafficPolicy live by: limits, times, HTTP/2's view of
 * them. Made for each policy of the live generation; a connection points at its own, and after a
 * commit at the new ones, before the old are freed.
 */
#ifndef WORKER_TERMS_H
#define WORKER_TERMS_H

#include "worker/core.h"

struct terms {
	struct h1_limits h1;
	struct h2_env h2;
	struct h2_limits h2_limits;
	uint64_t handshake_ms, max_ms; /* max_ms: of a connection */
};

/* Of the live generation's settings; the former ones stay until terms_tidy(). */
void terms_adopt(struct worker *);
void terms_tidy(struct worker *);
void terms_release(struct worker *);
/* client: im_client of the live generation, or IM_NONE: the house's. */
const struct terms *terms_of(const struct worker *, uint32_t client);
/* Those that an HTTP/2 connection points into. */
static inline const struct terms *
terms_of_h2(const struct h2_env *e)
{
	return HG_CONTAINER(e, const struct terms, h2);
}

#endif
