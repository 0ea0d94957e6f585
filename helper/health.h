/*
 * health.h - active health checks: which endpoints are asked, when, and what the board says of the
 * answers. Helper only. An endpoint is checked once, however many rules use it; where their
 * policies differ, that of the first rule of the image counts. Addresses of DNS names are endpoints
 * like others: they come and go with the answers (shm/board.h).
 */
#ifndef HELPER_HEALTH_H
#define HELPER_HEALTH_H

#include "base/list.h"
#include "helper/check.h"
#include "shm/board.h"
#include "shm/image.h"

#define HEALTH_FLIGHT 128 /* checks under way at once; others wait their turn */
#define HEALTH_TABLE 4096

struct health_state {
	uint8_t verdict; /* enum board_health */
	uint16_t row;    /* results in a row that speak against the verdict */
};
/* true: the verdict has changed. Pure. */
bool health_judge(
    struct health_state *, uint16_t healthy, uint16_t unhealthy, enum health_result);

struct watched;
struct health {
	struct checker checker;
	struct board *board;
	const struct names *names;
	struct watched *table[HEALTH_TABLE]; /* by endpoint id */
	struct list named;                   /* struct named: clusters with a DNS name */
	struct list waiting;
	unsigned flight;
	uint64_t rng;
};

/* names may be NULL: then no name has an address. */
void health_init(struct health *, struct loop *, struct board *, const struct names *);
void health_release(struct health *);
/* The checks of a checked image replace the last ones; those that stay keep what they know. */
void health_adopt(struct health *, const struct image *);
/* The name in this slot may have other addresses now. */
void health_moved(struct health *, uint32_t slot);

#endif
