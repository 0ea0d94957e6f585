/*
 * ws.h - where WebSocket frames end (RFC 6455 section 5.2), and nothing else of them: a tunnel that
 * is to end says so between two frames, in words that the client understands. Pure.
 */
#ifndef HTTP_WS_H
#define HTTP_WS_H

#include <stdbool.h>
#include <stdint.h>

struct ws { /* one direction; zero is the start */
	uint64_t left;    /* payload of the current frame still to come */
	uint8_t have, need;
	uint8_t head[10]; /* up to the length; the mask counts as payload */
	bool lost;        /* that was no frame: no boundary any more */
};

/* Goes over p[0..n) up to and with the next end of a frame; returns how many bytes that are, n if
 * there is none. */
uint32_t ws_step(struct ws *, const char *p, uint32_t n);
/* Between two frames? */
static inline bool
ws_between(const struct ws *w)
{
	return !w->lost && w->have == 0 && w->left == 0;
}

/* Close with status 1001, "going away", as a server sends it. */
#define WS_GOING_AWAY "\x88\x02\x03\xe9"

#endif
