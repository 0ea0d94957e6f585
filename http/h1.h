/*
 * h1.h - HTTP/1.1 and 1.0 over a chan, both roles. Framing is decided by h1_guard on the raw bytes; http-parser runs
 * behind it on heads as a second opinion (h1_parser). Timers of the connection live here: header, idle, body rate,
 * write stall. All limits come from one struct that the caller keeps alive (h1_limits, filled from the image).
 */
#ifndef HTTP_H1_H
#define HTTP_H1_H

#include "http/stream.h"
#include "net/chan.h"

struct h1_limits {
	uint32_t request_line, field, header, fields, trailer, trailer_fields, leading_crlf;
	uint32_t chunk_line, chunk_overhead, informational, requests_per_connection;
	uint64_t header_ms, idle_ms, write_ms, body_grace_ms, body_rate;
};

/* ---- the client's side: a connection that receives requests, one stream at a time (pipelined ones wait) */
struct h1_down;
struct h1_down_events {
	/* A request line has begun: make an exchange, set st->ev and st->owner. false: no room -> 503 and close. */
	bool (*open)(struct h1_down *, struct stream *st);
	void (*closed)(struct h1_down *);  /* connection is over, chan closed; free the memory after this */
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
	struct msg *msg;                   /* storage for the head, from the caller, valid while a stream is open */
	struct h1_down_state {             /* adapter's own */
		uint64_t deadline_kind, head_started, body_started, body_bytes, credit, chunk_left, chunk_meta,
		    payload, requests;
		uint32_t scan;
		uint8_t in, out, chunk, leading;
		bool stream_open, keep_alive, close_after, refused, draining, detached, peer_eof, chunked_out,
		    head_method, http10, sent_head, expects_100, told_reset, over_high, tunnel, lingering;
	} s;
};
/* fd is taken. `msg` is called for to get storage when a request begins. */
void h1_down_start(struct h1_down *, struct loop *, struct bufs *, int fd, const struct h1_limits *,
    const struct h1_down_events *, void *owner, struct msg *storage);
void h1_down_drain(struct h1_down *); /* finish what runs with Connection: close, close idle ones now */
void h1_down_close(struct h1_down *); /* at once; `closed` is called */
bool h1_down_idle(const struct h1_down *);

/* ---- the backend's side: a connection that carries one exchange at a time */
struct h1_up;
struct h1_up_events {
	void (*open)(struct h1_up *);                 /* connected */
	void (*failed)(struct h1_up *, enum hg_err);  /* connect failed */
	void (*idle)(struct h1_up *);                 /* after detach: may serve another request */
	void (*closed)(struct h1_up *);               /* over (also while idle); free the memory after this */
};
struct h1_up {
	struct chan chan;
	struct stream stream;
	const struct h1_up_events *ev;
	const struct h1_limits *limits;
	void *owner;
	struct msg *msg;                   /* storage for the response head, given with h1_up_open */
	struct h1_up_state {
		uint64_t credit, left, chunk_left, chunk_meta, payload, requests;
		uint32_t scan, informational;
		uint8_t in, out, chunk;
		bool busy, keep_alive, request_done, response_done, chunked_out, head_method, connect_method,
		    connected, got_bytes, tunnel, detached, told;
	} s;
};
int h1_up_connect(struct h1_up *, struct loop *, struct bufs *, const struct addr *, struct bytes unix_path,
    const struct h1_limits *, const struct h1_up_events *, void *owner); /* 0, -1 errno */
/* Take the (connected, idle) connection for one exchange. */
struct stream *h1_up_open(struct h1_up *, struct msg *storage, const struct stream_events *, void *owner);
void h1_up_close(struct h1_up *);
/* Did any response byte arrive for the current request? (a dead pooled connection may be retried silently) */
bool h1_up_got_bytes(const struct h1_up *);

#endif
