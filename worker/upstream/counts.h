/*
 * counts.h - in-flight words over all workers: each slot writes its own, everyone sums. The others'
 * segments are mapped read-only as the master hands them over, and what they say is clamped: a wild
 * writer can make a bound wrong, not more. Between reading a sum and raising one's own word another
 * worker may do the same, so a bound can be passed by as many as there are workers, less one.
 */
#ifndef WORKER_COUNTS_H
#define WORKER_COUNTS_H

#include "shm/slot.h"

#define COUNTS_MAX (1u << 24) /* no word is believed beyond */

struct counts {
	struct slot_segment *own;
	uint32_t npeers;
	const struct slot_segment *peers[SLOT_MAX];
};

int counts_add(struct counts *, int fd); /* maps; fd stays the caller's. 0, -1 errno */
void counts_release(struct counts *);

static inline uint64_t
counts_clamp(uint32_t v)
{
	return v < COUNTS_MAX ? v : COUNTS_MAX;
}

/* One of our own words; never below 0. */
static inline void
counts_lower(uint32_t *word)
{
	if (*word)
		--*word;
}

/* Sum of one word of an id's record, all slots. Id 0 stands for many: nothing is known of it. */
#define COUNTS_SUM(c, array, id, word) \
	__extension__({ \
		uint64_t sum_ = 0; \
		if ((id) != 0 && (id) < SLOT_IDS) { \
			sum_ = counts_clamp((c)->own->array[id].word); \
			for (uint32_t i_ = 0; i_ < (c)->npeers; i_++) \
				sum_ += counts_clamp( \
				    *(const volatile uint32_t *)&(c)->peers[i_]->array[id].word); \
		} \
		sum_; \
	})

#endif
