/*
 * grpc.h - what is particular about gRPC calls (the protocol over HTTP/2 as gRPC documents it): the
 * client's deadline, and answers that headgate makes itself as a status instead of an HTTP error.
 * Which calls these are, the exchange knows from its head (x->grpc, base/field.h fields_grpc()).
 */
#ifndef WORKER_GRPC_H
#define WORKER_GRPC_H

#include "worker/exchange.h"

/* ---- pure */
/* "250m": at most eight digits and one of H M S m u n. false: it is none. */
bool grpc_timeout_parse(struct bytes, uint64_t *ns);
#define GRPC_TIMEOUT_TEXT 9
/* The longest that is not more than that, at least "1n"; ns beyond eight digits of hours are cut.
 */
struct bytes grpc_timeout_write(uint64_t ns, char out[GRPC_TIMEOUT_TEXT]);
unsigned grpc_of_http(unsigned status);  /* of an answer without a grpc-status */
unsigned grpc_to_http(unsigned grpc);    /* for those who count HTTP statuses */
/* grpc-message's percent encoding; cut where `cap` ends. Returns bytes written. */
size_t grpc_message(struct bytes text, char *out, size_t cap);
/* grpc-status among these fields, or -1. */
int grpc_status_of(const struct fields *);

/* ---- on an exchange with x->grpc */
/* The rule is known: the client's deadline, if it is the earlier one. */
void grpc_begin(struct exchange *);
/* Before each attempt: the backend is told what is left. false: no room. */
bool grpc_forward(struct exchange *);
/* Own answer: if it is an error it becomes one without body, with a status (trailers-only); *text
 * is gone then, and true is returned. */
bool grpc_answer(struct exchange *, struct msg *, struct bytes *text);
/* The answer has begun and breaks off: trailers with a status, where they can follow. The stream is
 * to be detached then; false: it is to be reset. */
bool grpc_break(struct exchange *, enum hg_err);
/* Head (last: all of it) or trailers of a backend's answer came: remembers the status. Returns what
 * passive health shall count as HTTP status, 0: not known yet. */
unsigned grpc_note(struct exchange *, unsigned http, const struct fields *, bool last);

#endif
