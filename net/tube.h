/*
 * tube.h - bytes from one plain socket to another that never come into this process (splice through
 * a pipe), under a chan that goes on to be a chan: pausing, ends and errors are told as always. For
 * long bodies of bytes only; short ones are cheaper copied.
 */
#ifndef NET_TUBE_H
#define NET_TUBE_H

#include "net/chan.h"

#define PIPES_MAX 128 /* of a worker; beyond, bytes are copied */

struct pipe_pair {
	int in, out;
};
struct pipes { /* empty ones, kept for the next */
	unsigned made, n;
	struct pipe_pair v[PIPES_MAX];
};
void pipes_trim(struct pipes *);    /* closes those that nobody uses now */
void pipes_release(struct pipes *); /* all tubes must be off */

struct tube {
	struct chan *from, *to;
	struct pipes *pipes;
	struct pipe_pair pipe; /* held while bytes are in it */
	uint32_t have;
	uint64_t *bytes;       /* counts what went in */
	uint64_t *moved;       /* loop_now of it */
	struct task again;
	bool on;
};

/* A direction may become a tube, now that its chan has read n bytes in one go: both sides are plain
 * TCP and there is much. Order is kept with what `to` has queued. It ends by itself. */
bool tube_pays(const struct chan *from, const struct chan *to, uint32_t n);
void tube_init(struct tube *, struct chan *from, struct chan *to, struct pipes *, uint64_t *bytes,
    uint64_t *moved);
void tube_on(struct tube *);
void tube_wake(struct tube *); /* on or not: `to` drained, as its owner is told; resumes `from` */

#endif
