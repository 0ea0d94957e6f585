/*
 * buf.c - buffers in two size classes from base/pool. A buffer is one object of its pool with the
 * header in front, so a class of 4096 gives a little less payload and pages stay whole. The limit
 * counts bytes handed out over both classes, because that is what "memory of one worker" means;
 * each pool's capacity is the whole limit, and untouched pages cost nothing. The records of send
 * queues (net/chan.c) come from a third pool here, so that an idle channel holds neither buffer nor
 * queue. A size class between the two was rejected: heads fit the small one, bodies that fill it
 * twice want the large one.
 */
#include "net/buf.h"

#include "base/check.h"

#define SMALL_CAP (uint32_t)(BUF_SMALL - offsetof(struct buf, data))
#define LARGE_CAP (uint32_t)(BUF_LARGE - offsetof(struct buf, data))

int
bufs_init(struct bufs *s, uint64_t limit)
{
	uint64_t n = HG_MAX(limit / BUF_SMALL, 16u);

	*s = (struct bufs){.limit = limit};
	n = HG_MIN(n, UINT32_MAX);
	if (pool_init(&s->small, BUF_SMALL, (uint32_t)n) != 0)
		return -1;
	if (pool_init(&s->large, BUF_LARGE, (uint32_t)HG_MAX(n / (BUF_LARGE / BUF_SMALL), 4u)) !=
		0 ||
	    pool_init(&s->queues, BUF_QUEUE, (uint32_t)HG_MAX(n, 1024u)) != 0) {
		bufs_release(s);
		return -1;
	}
	return 0;
}

void
bufs_release(struct bufs *s)
{
	pool_release(&s->small);
	pool_release(&s->large);
	pool_release(&s->queues);
}

struct buf *
buf_new(struct bufs *s, uint32_t at_least)
{
	bool small = at_least <= SMALL_CAP;
	uint32_t size = small ? BUF_SMALL : BUF_LARGE;
	struct buf *b;

	if (at_least > LARGE_CAP || s->in_use + size > s->limit)
		return NULL;
	b = pool_get(small ? &s->small : &s->large);
	if (b == NULL)
		return NULL;
	s->in_use += size;
	b->owner = s;
	b->refs = 1;
	b->cap = small ? SMALL_CAP : LARGE_CAP;
	b->len = 0;
	return b;
}

void
buf_free(struct buf *b)
{
	struct bufs *s = b->owner;
	bool small = b->cap == SMALL_CAP;

	s->in_use -= small ? BUF_SMALL : BUF_LARGE;
	pool_put(small ? &s->small : &s->large, b);
}
