/*
 * health.h - active health checks: which endpoints are asked, how, when, and what the board says of
 * the answers. Helper only. An endpoint is checked once, however many rules use it; the first
 * rule's policy counts.
 */
#ifndef HELPER_HEALTH_H
#define HELPER_HEALTH_H

#include "net/buf.h"
#include "net/loop.h"
#include "shm/board.h"
#include "shm/image.h"

#define HEALTH_FLIGHT 128 /* checks under way at once; others wait their turn */
#define HEALTH_TABLE 4096

enum health_result {
	HEALTH_GOOD,
	HEALTH_FAIL, /* no answer in time, not connected, a status that may be tried again */
	HEALTH_BAD   /* an answer that says no: unhealthy at once */
};
struct health_state {
	uint8_t verdict; /* enum board_health */
	uint16_t row;    /* results in a row that speak against the verdict */
};
struct health_terms { /* im_health without texts */
	uint16_t healthy, unhealthy;
};
/* true: the verdict has changed. Pure. */
bool health_judge(struct health_state *, struct health_terms, enum health_result);
/* What an answer's status means. Pure. */
enum health_result health_status(const struct im_statusrange *expected, uint32_t n,
    const struct im_statusrange *retriable, uint32_t nretriable, unsigned status);

struct check;
struct health {
	struct loop *loop;
	struct board *board;
	struct bufs bufs;
	struct check *table[HEALTH_TABLE]; /* by endpoint id */
	struct list waiting;
	unsigned flight;
	uint64_t rng;
};

void health_init(struct health *, struct loop *, struct board *);
void health_release(struct health *);
/* The checks of a checked image replace the last ones; those that stay keep what they know. */
void health_adopt(struct health *, const struct image *);

#endif
