/*
 * chan_idle.c - is a channel between two uses as good as new? An idle connection must hold nothing
 * that nobody asked for. For TCP the flags of the last read say it; TLS reads records, so only
 * another read can tell, which costs the call that the end of reading would have cost anyway.
 */
#include <errno.h>

#include "net/chan.h"

bool
chan_quiet(const struct chan *c)
{
	return c->in == NULL && !c->readable && !c->hangup && !c->got_eof && !c->failed &&
	    !c->closed;
}

bool
chan_drained(struct chan *c)
{
	char surplus;
	ssize_t n;

	if (c->readable && c->ops->secure && !c->hangup && !c->got_eof && !c->failed) {
		n = c->ops->recv(c, &surplus, 1);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			c->readable = false;
		else
			c->failed = true; /* a byte, or the end: no use to anyone */
	}
	return !c->queued && !c->hangup && !c->readable && !c->failed;
}
