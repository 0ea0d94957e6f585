/*
 * stream.h - THE seam: one request/response pair on one side. HTTP/1 and HTTP/2, client side and
 * backend side, are four adapters under it; the exchange is its only user (and the tests'
 * recorder). Ops go down to the adapter, events come up to the owner. `down` streams receive
 * requests and send responses, `up` streams the other way round.
 *
 * Order of events: head (for `up`: any number of informational heads first), body*, end - or at any
 * point reset, after which nothing comes. Instead of a head, `refuse` may come (down only): the
 * peer's message is not acceptable; the owner answers with that error (the adapter closes the
 * connection after the answer) and gets nothing more. It may also come behind the head, while the
 * request's body is still coming (bad chunk, 413, 408) and the response's head is not sent: stop
 * what runs upstream (its request stays incomplete) and answer. After the response's head the same
 * is a reset. A head with STREAM_END is the end: no `end` event follows, and no send_end is wanted.
 * Body bytes come only against credit. A stream that both sides have ended is finished by the owner
 * with `detach`. No op calls an event before it returns; events may call any op.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "http/msg.h"

struct stream;

#define STREAM_END 0x01u   /* head without body or trailers behind it */
#define STREAM_INFO 0x02u  /* informational head (1xx, not 101) */
#define STREAM_CLOSE 0x04u /* down, send_head: close the connection after this response */
#define STREAM_UPGRADE 0x08u /* see `tunnel` */

struct stream_ops {
	/* Framing is the adapter's work: it looks at msg->framing and length and at its own version
	 * (h1 down to a 1.0 client, HEAD, 204, 304, chunked). Errors: HG_ERR_NOMEM,
	 * HG_ERR_HEADER_TOO_LARGE, HG_ERR_BACKEND_UPGRADE (the peer cannot do what STREAM_UPGRADE
	 * asks); nothing was sent. */
	enum hg_err (*send_head)(struct stream *, const struct msg *, unsigned flags);
	void (*send_body)(struct stream *, struct slice);          /* takes the reference */
	void (*send_end)(struct stream *, const struct fields *trailers); /* NULL: none */
	uint64_t (*backlog)(const struct stream *); /* accepted, not yet in the kernel */
	void (*credit)(struct stream *, uint64_t n);               /* n more body bytes may come */
	/* Give up: h1 closes the connection (an unfinished response visibly so), h2 sends
	 * RST_STREAM. */
	void (*reset)(struct stream *, enum hg_err);
	/* Another protocol. A request that asks for one says so in msg.upgrade and msg.protocol and
	 * has STREAM_END. Up: send_head with STREAM_UPGRADE asks; the message must live until the
	 * answer's head, whose event has STREAM_UPGRADE if the backend has switched (101, or 2xx
	 * to an extended CONNECT). Down: send_head with STREAM_UPGRADE says that we have. Then the
	 * owner calls this on both sides, and both directions are raw bytes: body events, send_body
	 * and send_end (= FIN), by new credit. Nothing of them comes before. */
	void (*tunnel)(struct stream *);
	/* The owner lets go. Down h1: the connection reads the next request if all was well. Up h1:
	 * the adapter's `idle` callback offers the connection to the pool, or it is closed. */
	void (*detach)(struct stream *);
};

struct stream_events {
	/* msg is valid until detach, an informational one only during the call */
	void (*head)(struct stream *, struct msg *, unsigned flags);
	void (*body)(struct stream *, struct slice);                 /* gives the reference */
	void (*end)(struct stream *,
	    const struct fields *trailers);  /* NULL: none; else msg->trailers, until detach */
	void (*drained)(struct stream *);    /* backlog is low again after it was over CHAN_HIGH */
	void (*refuse)(struct stream *, enum hg_err);
	void (*reset)(struct stream *, enum hg_err);
};

struct stream {
	const struct stream_ops *ops;
	const struct stream_events *ev; /* set by the owner when the stream opens */
	void *owner;
};

#endif
