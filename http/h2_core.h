/*
 * h2_core.h - what the files of HTTP/2 share and nobody else includes: the session glue (h2.c, the
 * only one that knows nghttp2), streams (h2_stream.c), heads (h2_head.c) and what differs between
 * the two roles.
 */
#ifndef HTTP_H2_CORE_H
#define HTTP_H2_CORE_H

#include "http/h2.h"

/* Codes of RFC 9113 section 7 that are named here. */
enum {
	H2_NO_ERROR = 0,
	H2_PROTOCOL_ERROR = 1,
	H2_INTERNAL_ERROR = 2,
	H2_STREAM_CLOSED = 5,
	H2_REFUSED_STREAM = 7,
	H2_CANCEL = 8,
	H2_CALM = 11
};
#define H2_LINES (MSG_FIELDS + 16) /* lines of a head on its way out */

struct h2_chunk;
struct h2_queue { /* slices in order; small ones are joined */
	struct h2_chunk *first, *last;
	uint64_t n; /* bytes */
};
bool h2_queue_push(struct h2_queue *, struct bufs *, struct slice); /* takes the reference */
/* At most `most` bytes from the front, with a reference of its own. n 0: empty. */
struct slice h2_queue_take(struct h2_queue *, struct bufs *, uint32_t most);
void h2_queue_drop(struct h2_queue *, struct bufs *);

struct h2_stream {
	struct stream stream;
	struct h2 *c;
	struct list link;
	struct msg *msg;          /* the owner's; NULL once it has let go */
	struct h2_queue in, out;
	struct buf *trailers;     /* to be sent, as text lines */
	const struct msg *held;   /* a CONNECT that waits for the backend's settings */
	uint64_t credit;
	uint64_t got, left;       /* body bytes that came; MSG_LENGTH: still promised to the peer */
	uint64_t born, since, moved;    /* waiting for body since; last time that output moved */
	uint32_t informational;
	uint32_t list, extra;     /* size of the field section so far; fields beyond its bound */
	uint32_t mark;            /* where this section begins in c->head */
	int32_t id;
	bool open;                /* the owner holds it */
	bool head_seen, in_end, end_told, trailing, collecting, regular;
	bool head_sent, out_end, sent_end, length, no_body, over_high, deferred;
	bool begun;               /* client: its head went out */
	bool said, refused, too_large, expects_100, head_method, pending, gone, waiting, patient;
	bool connect, tunnel;     /* extended CONNECT (RFC 8441): asked for, granted */
	enum hg_err why;          /* reset by us: what to tell nobody; else HG_OK */
};

struct h2_role {
	bool server;
	bool (*begin)(struct h2_stream *);  /* server: a request begins */
	/* A head is complete: fill the rest of msg, tell the owner. */
	void (*head)(struct h2_stream *, bool end);
	void (*closed)(struct h2 *);        /* from the loop, the last */
	void (*calm)(struct h2 *);          /* glitch budget spent */
	void (*fault)(struct h2 *);         /* it ends for another error of the peer */
	void (*quiet)(struct h2 *);         /* the last open stream went, or the peer said GOAWAY */
	enum hg_err reset;                  /* what a reset by the peer means to the owner */
};

/* ---- h2.c */
/* The chan is set up by the role. */
bool h2_init(struct h2 *, const struct h2_env *, const struct h2_role *);
uint32_t h2_data(struct chan *, struct buf *, uint32_t off, uint32_t n); /* chan_events.data */
uint32_t h2_peer_streams(const struct h2 *);    /* how many the peer allows */
bool h2_peer_connects(const struct h2 *);       /* it takes extended CONNECT; once settings_got */
void h2_kick(struct h2 *);                      /* output at the end of the turn */
void h2_die(struct h2 *, enum hg_err);          /* now; owners get a reset unless HG_OK */
void h2_end(struct h2 *, uint32_t code);        /* GOAWAY, then the connection ends */
void h2_notice(struct h2 *);                    /* first step of a drain */
void h2_goaway(struct h2 *);                    /* second */
void h2_finish(struct h2 *);                    /* all is said: send it and close */
void h2_submit_reset(struct h2_stream *, uint32_t code);
/* Lines are copied. `body`: DATA follows from st->out. */
bool h2_submit_head(struct h2_stream *, const struct bytes lines[][2], size_t n, bool body);
bool h2_submit_info(struct h2_stream *, const struct bytes lines[][2], size_t n);
bool h2_submit_trailers(struct h2_stream *, const struct bytes lines[][2], size_t n);
void h2_resume(struct h2_stream *);             /* there is something to send again */
void h2_consume(struct h2_stream *, uint32_t n); /* of the stream's window */

/* ---- h2_gather.c */
bool h2_gather(struct h2 *, const void *, uint32_t n); /* false: no memory */
void h2_gather_over(struct h2 *);               /* what there is so far goes to the chan */
void h2_gather_end(struct h2 *);

/* ---- h2_flood.c */
void h2_glitch(struct h2 *, unsigned cost);
void h2_enough(struct h2 *);                    /* end it: ENHANCE_YOUR_CALM */
void h2_nudge(struct h2 *);                     /* the peer said what it may say to answers */
void h2_nudges(struct h2 *, unsigned more);
/* Is the peer's reset of this stream (NULL: there is none) a glitch? */
bool h2_rapid(const struct h2 *, const struct h2_stream *);

/* ---- h2_stream.c */
extern const struct stream_ops h2_stream_ops;
struct h2_stream *h2_stream_new(struct h2 *, int32_t id); /* NULL: no room */
void h2_stream_free(struct h2_stream *);
void h2_stream_data(struct h2_stream *, const char *, uint32_t n);
void h2_stream_end(struct h2_stream *);
void h2_stream_closed(struct h2_stream *, uint32_t code); /* nghttp2 lets go */
void h2_stream_reset(struct h2_stream *, enum hg_err);    /* tells the owner */
void h2_stream_deliver(struct h2_stream *);
void h2_stream_refuse(struct h2_stream *, enum hg_err);
void h2_stream_moved(struct h2_stream *);                 /* output went to the chan */
void h2_stream_settings(struct h2 *);                     /* the peer's first ones are there */
size_t h2_text_lines(struct bytes text, struct bytes lines[][2], size_t n, size_t cap);

/* ---- h2_head.c */
/* One field of a section: 0, or -1: malformed. */
int h2_head_field(struct h2_stream *, struct bytes name, struct bytes value);
enum hg_err h2_head_request(struct h2_stream *, bool end);  /* what it means; msg is complete */
enum hg_err h2_head_response(struct h2_stream *, bool end);
enum hg_err h2_head_trailers(struct h2_stream *);
bool h2_head_start(struct h2_stream *);                     /* a section begins; false: no memory */
struct h2_scratch { /* texts that lines of a head on its way out borrow */
	char status[20], length[20];
	struct bytes path; /* in */
	bool connect;      /* in: ask for m->protocol */
	uint64_t now;
	bool secure;
};
/* Number of lines (at most H2_LINES); 0: too many. */
size_t h2_head_write(const struct msg *, struct h2_scratch *, bool info, struct bytes lines[][2]);
/* Its value never comes again: it must not push what does out of the peer's table. */
bool h2_head_once(struct bytes name);

#endif
