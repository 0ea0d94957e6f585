/*
 * upool_h2.h - the part of the pool that shares connections (HTTP/2): upool.h's calls come here for
 * such targets. A `struct up` is a lease then, and belongs to one attempt.
 */
#ifndef WORKER_UPOOL_H2_H
#define WORKER_UPOOL_H2_H

#include "worker/upstream/upool.h"

#define UPM_CONNECTING 100u /* leases on a connection that is not there yet */

enum hg_err upool_h2_get(
    struct upool *, const struct target *, const struct up_events *, void *owner, struct up **out);
/* The backend chose HTTP/2 in the handshake of a connection of upool.c's: `open` of it. *up becomes
 * a lease; false: no memory. */
bool upool_h2_become(struct up *);
bool upool_h2_shaking(const struct up *);
struct stream *upool_h2_open(
    struct up *, struct msg *storage, const struct stream_events *, void *owner);
void upool_h2_close(struct up *); /* resets its stream */
void upool_h2_done(struct up *);  /* the stream was detached */
bool upool_h2_ready(struct upool *, const struct target *, bool connecting);
void upool_h2_charge(struct up *, uint32_t rule);
bool upool_h2_make_room(struct upool *, uint32_t rule);
void upool_h2_close_idle(struct upool *);
void upool_h2_terms(struct up *); /* u->terms hold for the connection from now on */
int upool_h2_fd(const struct up *);

/* ---- upool.c, for upool_h2.c: a place, which lives as long as there is a connection to it */
struct ubucket {
	struct ubucket *next;
	uint64_t hash;
	struct addr addr;
	char *path;        /* UNIX socket, or NULL */
	size_t npath;
	uint8_t proto;     /* of shared ones IM_UP_H2C, whatever led there */
	struct uptls *secure; /* or NULL */
	char *greeting;    /* PROXY header, or NULL */
	size_t ngreeting;
	uint32_t nconns, nidle;
	struct list idle;
	struct list shared; /* struct upm.link */
};
struct ubucket *upool_place_find(struct upool *, const struct target *, uint8_t proto);
struct ubucket *upool_place(struct upool *, const struct target *, uint8_t proto); /* or made */
void upool_place_leave(struct upool *, struct ubucket *); /* frees it if nothing is left there */

#endif
