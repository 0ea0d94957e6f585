/*
 * way.h - the way of one L4 connection or UDP session to its endpoint: which rule, may it, which
 * endpoint, and what it raised in the shared words meanwhile. Listener, rule and endpoint are kept
 * as stable ids; each look at the configuration is one at the live generation, so none is pinned.
 */
#ifndef WORKER_WAY_H
#define WORKER_WAY_H

#include "worker/core.h"
#include "worker/l4/label.h"

#define WAY_IDLE_MS 3600000u    /* TCP: no byte either way (policies guide 8.4) */
#define WAY_UDP_IDLE_MS 60000u  /* UDP: no datagram either way */

struct way_terms { /* what the policy says, copied; ms, UINT64_MAX: no limit */
	uint64_t connect_ms, idle_ms, max_ms;
	uint32_t probes, keep_idle_s, keep_interval_s;
	bool keepalive;
	uint8_t proxy; /* PROXY version to send, 0 = none */
};

struct way {
	struct label *label;       /* NULL until a listener is known */
	uint32_t listener, rule;   /* stable ids; 0: not known yet, or "other" */
	uint32_t endpoint;         /* stable id of the one in use, or 0 */
	uint32_t backend_cluster;  /* index in generation label->gen: retries stay with it */
	struct addr to;            /* the endpoint's address */
	bool is_unix, named;       /* named: the endpoint comes from a name's addresses */
	bool charged;              /* counts for its rule's breaker */
	bool pending, inflight;    /* words of rule and endpoint that are raised */
	uint8_t attempts;
	struct pick_tried tried;
	struct way_terms terms;
};

/* A time of the image: 0 leaves the house's, IM_NONE is none. */
static inline uint64_t
way_ms(uint32_t own, uint64_t house)
{
	return own == 0 ? house : own == IM_NONE ? UINT64_MAX : own;
}

/* im_rule of a listener (index) for a name, empty = none. IM_NONE: no route. */
uint32_t way_route(const struct gen *, uint32_t listener, struct bytes sni);
/* The listener is known, perhaps nothing more: names for the log. */
void way_set(struct way *, struct worker *, const struct gen *, uint32_t listener, uint32_t rule);
/* May one more begin? Connection limits and rates of the rule. HG_OK, or why not. */
enum hg_err way_admit(struct way *, struct worker *, const struct gen *, uint32_t listener,
    uint32_t rule, const struct addr *client);
/* The (next) endpoint, by the rule that serves listener id and name now. *t is borrowed from the
 * generation. HG_OK: its words are raised; way_connected(), way_failed() or way_over() follows. */
enum hg_err way_pick(struct way *, struct worker *, struct bytes sni, const struct addr *client,
    bool udp, struct target *t);
void way_connected(struct way *, struct worker *);
void way_failed(struct way *, struct worker *); /* it could not be reached: noted for its health */
void way_leave(struct way *, struct worker *);  /* it is left, and may be picked again */
void way_over(struct way *, struct worker *);   /* lowers what is raised, lets the label go */

/* Rules that L4 listeners of a generation can reach, by stable id; for "is it gone?". */
struct way_rules {
	uint64_t bits[SLOT_IDS / 64];
};
void way_rules_of(const struct gen *, struct way_rules *);
/* Its endpoint is no longer one of its rule's (which the listener still serves). */
bool way_endpoint_gone(const struct way *, const struct gen *);
bool way_gone(const struct way *, const struct gen *, const struct way_rules *);

#endif
