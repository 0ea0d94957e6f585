/*
 * brake.h - how long a slot's next process has to wait: not at all after a first crash, 1, 2, 4 ...
 * 30 s in a crash loop. Pure arithmetic; the times are clock_mono.
 */
#ifndef MASTER_BRAKE_H
#define MASTER_BRAKE_H

#include <stdint.h>

#define BRAKE_FREE 3           /* short lives in a row that are replaced at once */
#define BRAKE_SHORT_NS (10 * 1000000000ull)
#define BRAKE_MAX_MS 30000u

struct brake {
	uint32_t shorts;       /* lives shorter than BRAKE_SHORT_NS, one after the other */
};

/* A process that lived for `lived_ns` is gone. Milliseconds to wait before the next. */
uint32_t brake_death(struct brake *, uint64_t lived_ns);
/* The same row 1, 2, 4 ... 30 s for anything that is tried again; n = failures so far, at least 1.
 */
uint32_t brake_backoff_ms(uint32_t n);

#endif
