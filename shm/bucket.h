/*
 * bucket.h - rate-limit slots (GCRA) in one shared table: {64-bit key fingerprint, 64-bit
 * theoretical arrival time}, 64-byte sets of four, two candidate sets a key, 16-byte
 * compare-and-swap. A slot whose time has passed is worth nothing and is free: no sweeper, no lock,
 * nothing to repair after a kill. Times are clock_mono nanoseconds, common to all processes.
 * Workers write; anyone reads.
 *
 * Exact: in any time t at most burst + rate*t for a key that keeps its slot. Forced evictions are
 * counted. The number of sets is derived from the region's sealed size by each process, never read
 * from the region.
 */
#ifndef SHM_BUCKET_H
#define SHM_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct bucket_slot {
	uint64_t key, tat;
} __attribute__((aligned(16)));
struct bucket_set {
	struct bucket_slot slot[4];
} __attribute__((aligned(64)));

struct bucket_region {           /* header page, then the sets */
	struct hash_key seed;
	_Atomic uint64_t evictions;  /* live slots that had to give way */
	char pad[4096 - 24];
	struct bucket_set sets[];
};

struct bucket_table {            /* a process's handle */
	struct bucket_region *region;
	uint64_t mask;               /* sets - 1 */
	struct hash_key seed;
};

struct bucket_rate {
	uint64_t interval_ns;        /* per token: 1e9 / rate */
	uint64_t burst;              /* tokens at once, >= 1 */
};

struct bucket_verdict {
	bool ok;
	uint64_t remaining;          /* whole tokens left at once */
	uint64_t retry_ns;           /* if refused: when `cost` would fit; UINT64_MAX: never */
	uint64_t reset_ns;           /* until full again */
	bool evicted;                /* another key that was worth something had to give way */
};

size_t bucket_size(uint64_t slots); /* bytes of a region for at least that many slots */
void bucket_init(void *region);                  /* master, once, on a fresh region */
bool bucket_open(struct bucket_table *, void *region, size_t size); /* false: no such size */
uint64_t bucket_key(const struct bucket_table *, const void *p, size_t n); /* never 0 */
/* Take `cost` tokens or none. cost 0 only looks: ok if a token is left. */
struct bucket_verdict bucket_take(
    const struct bucket_table *, uint64_t key, struct bucket_rate, uint64_t cost, uint64_t now_ns);
/* Charge afterwards, without asking (response cost): may drive the bucket into debt, at most 2 x
 * burst. true: another key had to give way. */
bool bucket_charge(const struct bucket_table *, uint64_t key, struct bucket_rate, uint64_t cost,
    uint64_t now_ns);
uint64_t bucket_evictions(const struct bucket_table *);

#endif
