/*
 * h2_gather.c - frames on their way out: copied one behind the other into buffers of the pool and
 * handed to the chan a buffer at a time, so that a turn's output is one piece, but for payload that
 * is large enough to go by reference.
 */
#include "http/h2_core.h"

void
h2_gather_over(struct h2 *c)
{
	struct buf *b = c->gather;

	if (b == NULL || b->len == c->gathered)
		return;
	chan_send(&c->chan, slice_of(b, b->data + c->gathered, b->len - c->gathered));
	c->gathered = b->len;
}

bool
h2_gather(struct h2 *c, const void *p, uint32_t n)
{
	const char *from = p;

	while (n) {
		struct buf *b = c->gather;
		uint32_t k;

		if (b == NULL || b->len == b->cap) {
			h2_gather_over(c);
			if (b)
				buf_unref(b);
			c->gathered = 0;
			c->gather = b = buf_new(c->env->bufs, 1);
			if (b == NULL)
				return false;
		}
		k = HG_MIN(n, b->cap - b->len);
		memcpy(b->data + b->len, from, k);
		b->len += k;
		from += k;
		n -= k;
	}
	return true;
}

void
h2_gather_end(struct h2 *c)
{
	h2_gather_over(c);
	if (c->gather)
		buf_unref(c->gather);
	c->gather = NULL;
	c->gathered = 0;
}
