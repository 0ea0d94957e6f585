/*
 * brake.c - the crash brake. A worker that dies once is replaced at once, since each moment without
 * it costs its share of new connections; one that dies again and again within seconds waits, which
 * keeps a poison request from filling the log and stops an attacker from guessing an address layout
 * by crashing it in a loop.
 *
 * A life of ten seconds clears the count. Rejected: a window that counts deaths in the last N
 * seconds; it needs a ring of times and, because of the waiting itself, forgets the loop that it is
 * in.
 */
#include "master/brake.h"

#include "base/check.h"

uint32_t
brake_backoff_ms(uint32_t n)
{
	HG_CHECK(n > 0);
	return n > 5 ? BRAKE_MAX_MS : 1000u << (n - 1);
}

uint32_t
brake_death(struct brake *b, uint64_t lived_ns)
{
	if (lived_ns >= BRAKE_SHORT_NS) {
		b->shorts = 0;
		return 0;
	}
	if (b->shorts < UINT32_MAX)
		b->shorts++;
	return b->shorts <= BRAKE_FREE ? 0 : brake_backoff_ms(b->shorts - BRAKE_FREE);
}
