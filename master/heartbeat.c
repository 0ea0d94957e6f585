/*
 * heartbeat.c - staleness in the master's own ticks. Counting ticks and not seconds is what
 * forgives a stopped virtual machine, a laptop's sleep or a debugger on the master: then the tick
 * itself is late, and a late tick proves nothing about the workers, so it clears all counts. When
 * all slots are silent together the machine is the likelier culprit (swap, a frozen cgroup), and
 * killing everything would make it worse: ten seconds of patience then.
 *
 * Rejected: clock differences per worker (a jump of the VM condemns all), and a watchdog thread in
 * each worker (it beats happily while the loop hangs).
 */
#include "master/heartbeat.h"

#include "base/check.h"
#include "base/clock.h"

void
heartbeat_init(struct heartbeat *h, uint32_t heartbeat_ms)
{
	*h = (struct heartbeat){0};
	if (heartbeat_ms != 0)
		h->limit = HG_MAX(2u, (heartbeat_ms + HEARTBEAT_TICK_MS - 1) / HEARTBEAT_TICK_MS);
}

void
heartbeat_forget(struct heartbeat *h, unsigned slot)
{
	h->beat[slot] = 0;
	h->stale[slot] = 0;
}

unsigned
heartbeat_tick(struct heartbeat *h, uint64_t now_ns, unsigned nslots, const bool *live,
    const uint64_t *beats, bool *condemned)
{
	bool late = h->last_tick != 0 && now_ns - h->last_tick > HEARTBEAT_LATE_MS * MS_NS;
	unsigned nlive = 0, nstale = 0, n = 0;
	uint32_t limit = h->limit;

	h->last_tick = now_ns;
	for (unsigned i = 0; i < nslots; i++) {
		condemned[i] = false;
		if (!live[i] || late || beats[i] != h->beat[i])
			h->stale[i] = 0;
		else if (h->stale[i] < UINT16_MAX)
			h->stale[i]++;
		h->beat[i] = beats[i];
		nlive += live[i];
		nstale += live[i] && h->stale[i] >= limit;
	}
	if (limit == 0 || nstale == 0)
		return 0;
	if (nstale == nlive)
		limit = HG_MAX(limit, HEARTBEAT_ALL_MS / HEARTBEAT_TICK_MS);
	for (unsigned i = 0; i < nslots; i++) {
		if (!live[i] || h->stale[i] < limit)
			continue;
		condemned[i] = true;
		h->stale[i] = 0;
		n++;
	}
	return n;
}
