/*
 * h2.h - HTTP/2 over a chan, both roles: many streams, each a `stream` (stream.h). nghttp2 frames
 * and keeps the windows; what it lets through or does not bound is done here (reference:
 * RFC 9113). The connection's window returns on arrival, a stream's when its owner has given credit
 * and the bytes were handed over, so a slow reader never stops its neighbours.
 *
 * Connections are embedded in the owner's memory; streams come from a pool. `closed` comes from the
 * loop, never from inside a call, and is the last one: then the memory may go.
 */
#ifndef HTTP_H2_H
#define HTTP_H2_H

#include "http/h1_guard.h"
#include "http/stream.h"
#include "net/chan.h"

struct h2_limits {
	uint32_t streams;       /* open at a time */
	uint32_t window;        /* of a stream, bytes */
	uint32_t conn_window;   /* of the connection */
	uint32_t table;         /* HPACK, bytes */
	uint32_t continuations; /* frames behind one HEADERS */
	uint32_t glitches, glitch_rate; /* burst, and more a second: what is legal but costs us */
};
extern const struct h2_limits h2_defaults;

/* What both roles of a worker share; the caller keeps it alive. */
struct h2_env {
	struct loop *loop;
	struct bufs *bufs;
	struct pool *streams;           /* objects of h2_stream_size() */
	const struct h1_limits *limits; /* heads and times: the same for both protocols */
	const struct h2_limits *h2;
};
size_t h2_stream_size(void);

/* The chan of a connection must be the first member: the owner may overlay it with h1's. */
struct h2 {
	struct chan chan;
	const struct h2_env *env;
	const struct h2_role *role; /* h2_core.h */
	void *session;              /* nghttp2's */
	struct list streams;        /* struct h2_stream.link */
	struct task write, more, over;
	struct timer timer;
	struct buf *head;           /* field texts of heads being read */
	struct buf *feeding;        /* the buffer that is being fed */
	struct buf *gather;         /* frames on their way out */
	uint32_t gathered;          /* from here on in `gather` nothing was handed to the chan */
	uint32_t payload_left;      /* of a frame whose header was fed */
	uint32_t nopen;             /* streams whose owner still holds them */
	uint32_t nstreams;
	uint64_t glitch_at;
	uint64_t quiet_since;       /* no stream since then */
	uint64_t block_since;       /* a header block began and has not ended; 0: none */
	uint32_t opened;            /* streams in all */
	float glitch_left;
	int32_t last_reset;         /* highest stream that was reset from here */
	uint8_t verdict;            /* code that the connection ends with, or 0 */
	uint16_t nudges;          /* small window updates and PINGs that are free */
	bool dead : 1, ending : 1, draining : 1, goaway_sent : 1, goaway_got : 1,
	    calm : 1, short_of : 1, settings_got : 1;
};

/* ---- the client's side */
struct h2_down;
struct h2_down_events {
	/* A request begins: set st->ev, st->owner and *storage. false: no room (REFUSED_STREAM). */
	bool (*open)(struct h2_down *, struct stream *st, struct msg **storage);
	void (*closed)(struct h2_down *);
	/* Counts for metrics; may be NULL. The connection ends: the budget is spent; for another
	 * error of the client. */
	void (*glitches)(struct h2_down *);
	void (*fault)(struct h2_down *);
	/* Asked once a second while there are streams: has it lived long enough? Then it drains; or
	 * NULL. */
	bool (*old)(struct h2_down *);
};
struct h2_down {
	struct h2 h2;
	const struct h2_down_events *ev;
	void *owner;
};
/* fd is taken. */
void h2_down_start(struct h2_down *, const struct h2_env *, int fd, const struct h2_down_events *,
    void *owner);
/* Takes over a chan that runs already, with its unread input (the owner has set nothing else of
 * it). May be called from the chan's own `data`, which then returns 0. */
void h2_down_adopt(
    struct h2_down *, const struct h2_env *, const struct h2_down_events *, void *owner);
void h2_down_drain(struct h2_down *); /* GOAWAY in two steps; ends with the last stream */
void h2_down_close(struct h2_down *, enum hg_err); /* at once; open streams are reset with this */
bool h2_down_idle(const struct h2_down *);
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN 24u

/* ---- the backend's side: many requests on one connection */
struct h2_up;
struct h2_up_events {
	void (*open)(struct h2_up *);                /* connected: h2_up_open() may be called */
	void (*failed)(struct h2_up *, enum hg_err); /* connect failed; `closed` follows */
	/* No stream is left, or the backend says GOAWAY: look at nstreams and h2_up_usable(). Not
	 * from inside a call. */
	void (*quiet)(struct h2_up *);
	void (*closed)(struct h2_up *);
};
struct h2_up {
	struct h2 h2;
	const struct h2_up_events *ev;
	void *owner;
	bool connected;
};
int h2_up_connect(struct h2_up *, const struct h2_env *, const struct addr *,
    struct bytes unix_path, const struct h2_up_events *, void *owner); /* 0, -1 errno */
/* From inside `open` of another channel (chan_move): it is connected, no `open` follows. false: no
 * memory; close `from`, there is nothing else. */
bool h2_up_adopt(struct h2_up *, const struct h2_env *, struct chan *from,
    const struct h2_up_events *, void *owner);
/* One more exchange. A reset with HG_ERR_AGAIN means that the backend did not look at the request
 * (REFUSED_STREAM, GOAWAY): it may be sent again elsewhere. NULL: no room. */
struct stream *h2_up_open(
    struct h2_up *, struct msg *storage, const struct stream_events *, void *owner);
void h2_up_close(struct h2_up *); /* at once; streams get no event */
bool h2_up_usable(const struct h2_up *); /* may take one more stream */

#endif
