/*
 * outlier.h - passive health (policies guide 6.5): outcomes of attempts are counted on the board,
 * by endpoint, all workers together; a row of failures takes the endpoint out for a time.
 */
#ifndef WORKER_OUTLIER_H
#define WORKER_OUTLIER_H

#include "worker/upstream/members.h"

/* `status`: of the answer, 0 = none came (connect error, timeout, reset). true: the endpoint was
 * taken out by this; *ms says for how long. */
bool outlier_note(
    struct board *, const struct pick_in *, const struct target *, unsigned status, uint32_t *ms);

#endif
