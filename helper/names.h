/*
 * names.h - which DNS names the generation needs and when each is asked again; results go to the
 * shared names region. Helper only. The resolver comes in as a function, so that tests need no
 * network.
 */
#ifndef HELPER_NAMES_H
#define HELPER_NAMES_H

#include "base/list.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "shm/board.h"
#include "shm/image.h"

#define NAMES_FLIGHT 64        /* questions under way at once */
#define NAMES_TTL_MIN_S 1u     /* also for TTL 0: one question a second, not one a request */
#define NAMES_TTL_MAX_S 3600u
#define NAMES_RETRY_MAX_S 30u  /* 1, 2, 4 ... after failures */

struct names_ops {
	void (*query)(void *arg, const char *name,
	    void (*done)(void *, const struct resolve_answer *), void *done_arg);
	void *arg;
	/* A slot was written and may have other addresses now; or NULL. */
	void (*moved)(void *arg, uint32_t slot);
};

struct asker {
	struct loop *loop;
	struct names *region;
	struct names_ops ops;
	struct list names;     /* struct asked */
	struct list waiting;   /* due, but too many are under way */
	unsigned flight;
};

void asker_init(struct asker *, struct loop *, struct names *region, struct names_ops);
void asker_release(struct asker *);
/* The names of a checked image replace the last ones; those that stay keep their addresses and
 * their time. */
void asker_adopt(struct asker *, const struct image *);
/* When to ask again after this answer, in ms; fails = failures in a row including this one. Pure.
 */
uint64_t asker_next_ms(const struct resolve_answer *, uint32_t fails);
/* What the region says after an answer, given what it said before: an address keeps its position.
 * Pure. */
void asker_bank(struct names_bank *bank, const struct resolve_answer *, uint64_t now_ns);

#endif
