/*
 * h1.h - HTTP/1.1 and 1.0 over a chan, both roles. Framing is decided by h1_guard on the raw bytes;
 * http-parser runs behind it on heads as a second opinion (h1_parser). Timers of the connection
 * live here: header, idle, body rate, write stall. All limits come from one struct that the caller
 * keeps alive (h1_limits, filled from the image).
 *
 * Both kinds of connection are embedded in the owner's memory. `closed` comes from the loop, never
 * from inside a call, and is the last one: then the memory may go.
 */
#ifndef HTTP_H1_H
#define HTTP_H1_H

#include "http/h1_guard.h"
#include "http/stream.h"
#include "net/chan.h"

/* What the writer of one direction keeps between head and end. */
struct h1_out {
	struct buf *buf;    /* heads, chunk lines and small bodies are written here */
	uint64_t left;      /* MSG_LENGTH: bytes still promised */
	bool chunked, length, none; /* how the body goes; none: no body at all */
};

/* ---- the client's side: a connection that receives requests, one stream at a time (pipelined ones
 * wait) */
struct h1_down;
struct h1_down_events {
	/* A request line has begun: make an exchange, set st->ev, st->owner and, unless given to
	 * h1_down_start, d->msg. false: no room -> 503 and close. */
	bool (*open)(struct h1_down *, struct stream *st);
	void (*closed)(
	    struct h1_down *); /* connection is over, chan closed; free the memory after this */
	/* Counts for metrics; may be NULL. */
	void (*disagree)(struct h1_down *);
};
struct h1_down {
	struct chan chan;
	struct stream stream;              /* the current one */
	const struct h1_down_events *ev;
	const struct h1_limits *limits;
	void *owner;
	struct timer timer;
	struct msg *msg; /* storage for the head, from the caller, valid while a stream is open */
	struct h1_down_state {             /* adapter's own */
		uint64_t credit, left;             /* left: MSG_LENGTH bytes still to come */
		uint64_t since, body_bytes;        /* header and body timers */
		uint64_t due; /* header, idle, body or linger: what `in` says; 0 none */
		struct h1_chunks chunks;
		struct h1_out out;
		uint32_t scan, requests;
		uint8_t in, sent, framing;         /* enum in h1_down.c */
		bool stream_open, own_msg, keep_alive, client_close, refused, draining, peer_eof,
		    head_method, http10, expects_100, surplus, waiting, lingering, raw, dead;
	} s;
};
/* fd is taken. storage: for every head of this connection, or NULL (then `open` sets d->msg each
 * time). */
void h1_down_start(struct h1_down *, struct loop *, struct bufs *, int fd, const struct h1_limits *,
    const struct h1_down_events *, void *owner, struct msg *storage);
/* The same in two steps: in between, TLS may be put under the channel. The first request line, or
 * the end of a handshake, is due in `ms`. */
void h1_down_init(struct h1_down *, struct loop *, struct bufs *, int fd, const struct h1_limits *,
    const struct h1_down_events *, void *owner, struct msg *storage);
void h1_down_run(struct h1_down *, uint64_t ms);
/* During a handshake: how long it may still take. */
void h1_down_due(struct h1_down *, uint64_t ms);
/* Before h1_down_run(), or in a handshake: nothing is read, and when it is due it is over. */
void h1_down_hold(struct h1_down *);
void h1_down_drain(
    struct h1_down *); /* finish what runs with Connection: close, close idle ones now */
/* Another protocol takes over the chan, before any request began: only that is left as it is. */
void h1_down_leave(struct h1_down *);
void h1_down_close(
    struct h1_down *); /* at once; an open stream gets no event; `closed` follows from the loop */
bool h1_down_idle(const struct h1_down *);

/* ---- the backend's side: a connection that carries one exchange at a time */
struct h1_up;
struct h1_up_events {
	void (*open)(struct h1_up *);                 /* connected */
	void (*failed)(struct h1_up *, enum hg_err);  /* connect failed; `closed` follows */
	void (*idle)(struct h1_up *);   /* from detach: may serve another request at once */
	void (*closed)(struct h1_up *); /* over (also while idle); free the memory after this */
};
struct h1_up {
	struct chan chan;
	struct stream stream;
	const struct h1_up_events *ev;
	const struct h1_limits *limits;
	void *owner;
	struct msg *msg; /* storage for the response head, given with h1_up_open */
	struct timer timer; /* of the end of a tunnel */
	struct h1_up_state {
		uint64_t credit, left;
		struct h1_chunks chunks;
		struct h1_out out;
		uint32_t scan, informational, requests;
		uint8_t in, framing;
		bool busy, keep_alive, request_done, response_done, head_method, upgrade, connected,
		    got_bytes, raw, surplus, ending, dead;
	} s;
};
int h1_up_connect(struct h1_up *, struct loop *, struct bufs *, const struct addr *,
    struct bytes unix_path, const struct h1_limits *, const struct h1_up_events *,
    void *owner); /* 0, -1 errno */
/* Take the (connected, idle) connection for one exchange. */
struct stream *h1_up_open(
    struct h1_up *, struct msg *storage, const struct stream_events *, void *owner);
/* From `open`: its channel has moved away (chan_move); the memory may go, nothing follows. */
void h1_up_left(struct h1_up *);
void h1_up_close(
    struct h1_up *); /* at once; a stream gets no event; `closed` follows from the loop */
/* Did any response byte arrive for the current request? (a dead pooled connection may be retried
 * silently) */
bool h1_up_got_bytes(const struct h1_up *);
/* Is this idle connection still good as far as we know? Ask before h1_up_open. */
bool h1_up_usable(const struct h1_up *);

#endif
