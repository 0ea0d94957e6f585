/*
 * chan.h - a byte stream: TCP or UNIX socket now, TLS behind the same calls later.
 * Completion-shaped: bytes arrive in a buffer, sends are queued and go out together at the end of
 * the turn. All of one worker's thread.
 *
 * Reading. `data` is called with the unconsumed bytes, contiguous, in a buffer that the callee may
 * reference (buf_ref) to keep slices of; it returns how many it consumed. What is left comes again
 * with more behind it: after more arrived, or after chan_resume(). If the buffer is full and
 * nothing was consumed, the channel moves the rest into a larger buffer (up to BUF_LARGE) -
 * references to the old one stay good. A paused channel reads nothing. A buffer without unconsumed
 * bytes is given back, so an idle channel holds none; the same for the send queue.
 *
 * Callbacks may close the channel; after chan_close() none comes any more, and its memory may go at
 * once.
 */
#ifndef NET_CHAN_H
#define NET_CHAN_H

#include <sys/uio.h>

#include "base/addr.h"
#include "base/err.h"
#include "net/buf.h"
#include "net/loop.h"

struct chan;
struct chan_events {
	void (*open)(struct chan *);               /* connect (and handshake) done */
	uint32_t (*data)(struct chan *, struct buf *, uint32_t off, uint32_t n); /* consumed */
	void (*eof)(struct chan *);     /* the peer sent FIN; our direction may live on */
	void (*drained)(struct chan *); /* queue fell to chan_low after it was over chan_high */
	/* Close it. EOF: the peer is gone (reset, write failed). CONNECT_FAILED. NOMEM: no buffer.
	 */
	void (*error)(struct chan *, enum hg_err);
	void (*blocked)(
	    struct chan *); /* may be NULL: the kernel took not all; set a stall timer */
};
struct chan_ops { /* what TLS replaces */
	ssize_t (*recv)(struct chan *, void *, size_t);       /* >0, 0 eof, -1 errno (EAGAIN) */
	ssize_t (*send)(struct chan *, const struct iovec *, int);
	void (*shutdown)(struct chan *);
	void (*release)(struct chan *);                       /* frees impl; NULL: nothing */
	/* NULL: none. 1 done, 0 not yet (called again with the next events), -1 failed. */
	int (*handshake)(struct chan *, uint32_t events);
	bool short_read_ends;  /* a read that fills less than asked has emptied the socket */
	bool secure;
};

#define CHAN_HIGH 65536 /* queued bytes above which a sender should wait for `drained` */
#define CHAN_LOW 16384

struct chan_queue; /* slices that wait for the end of the turn; from bufs, only while there are any
                    */

struct chan {
	struct watch watch;
	const struct chan_ops *ops;
	const struct chan_events *ev;
	void *owner;
	struct loop *loop;
	struct bufs *bufs;
	struct buf *in;            /* unconsumed input is in->data[in_off .. in->len) */
	uint32_t in_off;
	bool connecting : 1, handshaking : 1, paused : 1, readable : 1, hangup : 1, writable : 1,
	    got_eof : 1, eof_told : 1, shut : 1, shut_wanted : 1, finish : 1, over_high : 1,
	    closed : 1, lingering : 1, big : 1, full_once : 1, write_failed : 1, failed : 1;
	bool greet : 1;            /* connecting: `in` holds what chan_greet() said */
	bool drain_on_error : 1;   /* owner's: after a failed write, read what the peer has said (up
	                              side) */
	bool drain_lost : 1;       /* owner's, with it: `drained` also when a failed write has
	                              dropped what was queued (who relays has to read on) */
	bool *gone;                /* set while a callback runs */
	struct chan_queue *out, *out_last;
	uint64_t queued;           /* bytes accepted by chan_send and not by the kernel */
	struct task flush, more;
	uint64_t last_progress;    /* loop_now of the last byte that went out, for stall timers */
	void *impl;                /* TLS */
};

/* A connected socket (accepted, or socketpair). Takes fd. Reads at once if `speculate`. */
void chan_init(
    struct chan *, struct loop *, struct bufs *, int fd, const struct chan_events *, void *owner);
/* Other ops than TCP's: between chan_init and chan_start. `open` comes once the handshake is done.
 */
void chan_use(struct chan *, const struct chan_ops *, void *impl);
/* Something to look at before the channel is more than a socket, say a PROXY header: asked with
 * each of its events until it does not say 0. -1: failed. 1: it took what it wanted off
 * chan->watch.fd, and perhaps put TLS under the channel. Between chan_init and chan_start. */
struct chan_look {
	int (*look)(struct chan *, uint32_t events);
};
void chan_first(struct chan *, const struct chan_look *);
void chan_start(struct chan *, bool speculate);   /* registers; may call data() before it returns */
/* Non-blocking connect; `open` or `error` follows from the loop. 0, or -1 with errno (no callback
 * then). */
int chan_connect(struct chan *, struct loop *, struct bufs *, const struct addr *,
    struct bytes unix_path, const struct chan_events *, void *owner);
/* At once after chan_connect(): up to CHAN_GREETING bytes that go out as soon as the connection is
 * there, before TLS too (a PROXY header). false: no memory. */
#define CHAN_GREETING 1024
bool chan_greet(struct chan *, const void *, size_t n);
bool chan_say_greeting(struct chan *); /* chan.c's own, once connected; false: it did not go out */
/* From inside `open`: the connection goes on as `to`, with other events and another owner; `from`
 * is closed and no callback of it follows. false: `from` is as it was. */
bool chan_move(struct chan *to, struct chan *from, const struct chan_events *, void *owner);
/* Takes the slice's reference. Order is kept; nothing is sent before the end of the turn. */
void chan_send(struct chan *, struct slice);
void chan_break(struct chan *); /* our side cannot go on (no memory): `error` follows */
void chan_pause(struct chan *);
void chan_resume(struct chan *);                  /* unconsumed bytes come again, from the loop */
void chan_shutdown(struct chan *);                /* FIN after what is queued */
/* Before a close: what is queued goes out as far as the kernel takes it at once. No callback. */
void chan_push(struct chan *);
/* Gives the descriptor back, no longer watched, and forgets the rest: for a channel that has read
 * and sent nothing. From outside its callbacks. */
int chan_detach(struct chan *);
void chan_close(struct chan *);                   /* drops what is queued; idempotent */
void chan_abort(struct chan *); /* the same with a reset: the peer sees a broken end */
/* Send what is queued, FIN, then read and drop, so that the answer is not lost to a reset. `eof`
 * (or `error`) comes once the peer has closed too; the owner bounds the wait with a timer of its
 * own and closes. */
void chan_linger(struct chan *);
/* Send what is queued, then call `eof` for the owner to close: when the peer owes us no byte. */
void chan_finish(struct chan *);
/* Idle channels in a pool: true if no byte and no EOF is waiting. (Surplus bytes: close, never
 * reuse.) */
bool chan_quiet(const struct chan *);
/* From inside `data`, after the last byte that was expected: true if nothing lies behind it. With
 * TLS only a read can tell. */
bool chan_drained(struct chan *);

extern const struct chan_ops chan_tcp_ops;

#endif
