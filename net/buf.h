/*
 * buf.h - reference-counted buffers in two classes, per process, LIFO, from one mapping; counts are
 * plain ints. A body chunk goes receive buffer -> iovec of the other side's send -> back to the
 * pool, never copied.
 */
#ifndef NET_BUF_H
#define NET_BUF_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/pool.h"

#define BUF_SMALL 4096   /* heads, most messages; payload a little less */
#define BUF_LARGE 65536
#define BUF_QUEUE 512    /* a record of queued slices (net/chan.c) */

struct bufs;
struct buf {
	struct bufs *owner;
	uint32_t refs;
	uint32_t cap, len; /* of data; len = filled */
	char data[];
};
struct bufs {
	struct pool small, large, queues;
	uint64_t in_use, limit; /* bytes; past the limit buf_new gives NULL */
};
struct slice { /* owns one reference of buf; buf NULL = static text */
	struct buf *buf;
	const char *p;
	uint32_t n;
};

int bufs_init(struct bufs *, uint64_t limit_bytes);
void bufs_release(struct bufs *);
struct buf *buf_new(
    struct bufs *, uint32_t at_least); /* refs 1, len 0; NULL: out of memory or too large */
static inline struct buf *
buf_ref(struct buf *b)
{
	b->refs++;
	return b;
}
void buf_free(struct buf *); /* buf_unref's own */
static inline void
buf_unref(struct buf *b)
{
	HG_CHECK(b->refs > 0);
	if (--b->refs == 0)
		buf_free(b);
}
static inline struct slice
slice_of(struct buf *b, const char *p, uint32_t n) /* takes a new reference */
{
	return (struct slice){b ? buf_ref(b) : NULL, p, n};
}
static inline void
slice_drop(struct slice *s)
{
	if (s->buf)
		buf_unref(s->buf);
	s->buf = NULL;
}

#endif
