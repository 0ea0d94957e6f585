/*
 * sink.h - one place that log lines go to, with a batch in front of it. Logger only.
 */
#ifndef LOGGER_SINK_H
#define LOGGER_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define SINK_BATCH (256 * 1024)

struct sink {
	int fd;              /* -1: off, lines vanish */
	bool socket;         /* MSG_DONTWAIT instead of O_NONBLOCK */
	bool shared;         /* not non-blocking: asked with poll before, written in small pieces */
	bool blocked;        /* takes nothing at the moment */
	size_t n, at;        /* waiting in batch: [at, n) */
	char *batch;
};

void sink_init(struct sink *, int fd, bool shared);
void sink_release(struct sink *);   /* closes fd unless shared */
void sink_replace(struct sink *, int fd); /* takes fd; what waits goes to the new one */
/* Room for a whole line? If not, sink_flush first. */
bool sink_fits(const struct sink *, size_t n);
void sink_put(struct sink *, struct bytes line); /* it fits */
/* Writes what it can. True: all is out. */
bool sink_flush(struct sink *);

#endif
