/*
 * relay.h - bodies of an exchange on their way through, by credit in both directions.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "net/buf.h"

struct exchange;
struct fields;

void relay_start(struct exchange *);                          /* the client may send its body now */
void relay_request(struct exchange *);                        /* move what the attempt may take */
void relay_response_body(struct exchange *, struct slice);
void relay_response_end(struct exchange *, const struct fields *trailers);
void relay_drained(struct exchange *);                        /* the client took bytes */
void relay_credit(struct exchange *);                         /* what blocking cursors took */

#endif
