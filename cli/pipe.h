/*
 * pipe.h - a client's connection and one to a place that serves it, bytes both ways until both have
 * ended. The ends come one by one (half-close), a slow side stops the other.
 */
#ifndef CLI_PIPE_H
#define CLI_PIPE_H

#include "cli/reach.h"
#include "net/chan.h"

struct pipe;
struct pipe_env {
	struct loop *loop;
	struct bufs *bufs;
	struct list open;      /* struct pipe */
	unsigned n;
	/* Nowhere to go: err is the last errno, 0 = the time is over. Then the client is cut off.
	 */
	void (*failed)(void *owner, const struct reach_place *last, int err);
};
#define PIPE_CONNECT_MS 5000
#define PIPE_LAST_MS 2000 /* for the end of one whose other side has closed */

/* Takes fd. The places are tried in order, from `first` on, once each. */
void pipe_start(struct pipe_env *, int fd, const struct reach *, unsigned first, void *owner);
void pipe_close_all(struct pipe_env *);

#endif
