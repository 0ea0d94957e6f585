/*
 * grpc.h - gRPC's texts in HTTP fields: timeouts, statuses, messages (the protocol over HTTP/2 as
 * gRPC documents it). Pure.
 */
#ifndef HTTP_GRPC_H
#define HTTP_GRPC_H

#include "base/field.h"

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

#endif
