/*
 * inbox.h - messages of the master (shm/proto.h), one table of handlers; and the other direction.
 */
#ifndef WORKER_INBOX_H
#define WORKER_INBOX_H

#include "worker/core.h"

void inbox_start(struct worker *);   /* watches the channel */
void inbox_read(struct worker *);
/* Each turn: a slice of checking an offer; then adopts what is published. true: more to do at once.
 */
bool inbox_turn(struct worker *);
void inbox_send(struct worker *, uint32_t type, uint64_t seq, const void *data, size_t n);
void inbox_stop(struct worker *);

#endif
