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
bool upool_h2_become(struct up *, const struct addr *, struct bytes unix_path, struct uptls *,
    struct bytes greeting);
bool upool_h2_shaking(const struct up *);
struct stream *upool_h2_open(
    struct up *, struct msg *storage, const struct stream_events *, void *owner);
void upool_h2_close(struct up *); /* resets its stream */
void upool_h2_done(struct up *);  /* the stream was detached */
bool upool_h2_ready(const struct upool *, const struct target *, bool connecting);
void upool_h2_charge(struct up *, uint32_t rule);
bool upool_h2_make_room(struct upool *, uint32_t rule);
void upool_h2_close_idle(struct upool *);
void upool_h2_terms(struct up *); /* u->terms hold for the connection from now on */
int upool_h2_fd(const struct up *);

#endif
