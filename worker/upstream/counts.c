/*
 * counts.c - the other slots' segments. A slot's segment outlives its workers, so a mapping is made
 * once and stays good; the master clears the words of a dead worker before its successor starts.
 */
#include "worker/upstream/counts.h"

#include <errno.h>
#include <sys/mman.h>

int
counts_add(struct counts *c, int fd)
{
	void *p;

	if (c->npeers == SLOT_MAX) {
		errno = ENOSPC;
		return -1;
	}
	p = region_map(fd, sizeof(struct slot_segment), 0);
	if (p == NULL)
		return -1;
	(void)madvise(p, sizeof(struct slot_segment), MADV_DONTDUMP);
	c->peers[c->npeers++] = p;
	return 0;
}

void
counts_release(struct counts *c)
{
	while (c->npeers)
		munmap((void *)(uintptr_t)c->peers[--c->npeers], sizeof(struct slot_segment));
}
