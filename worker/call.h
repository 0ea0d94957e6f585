/*
 * call.h - what is particular about gRPC calls (the protocol over HTTP/2 as gRPC documents it): the
 * client's deadline, and answers that headgate makes itself as a status instead of an HTTP error.
 * Which calls these are, the exchange knows from its head (x->grpc); all of this is for them.
 */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include "worker/exchange.h"

/* The rule is known: the client's deadline, if it is the earlier one. */
void call_begin(struct exchange *);
/* Before each attempt: the backend is told what is left. false: no room. */
bool call_forward(struct exchange *);
/* Own answer: if it is an error it becomes one without body, with a status (trailers-only); *text
 * is gone then, and true is returned. */
bool call_answer(struct exchange *, struct msg *, struct bytes *text);
/* The answer has begun and breaks off: trailers with a status, where they can follow. The stream is
 * to be detached then; false: it is to be reset. */
bool call_break(struct exchange *, enum hg_err);
/* Head (last: all of it) or trailers of a backend's answer came: remembers the status. Returns what
 * passive health shall count as HTTP status, 0: not known yet. */
unsigned call_note(struct exchange *, unsigned http, const struct fields *, bool last);

#endif
