/*
 * settings.h - process settings of the live generation, copied to where the hot path reads them.
 * Open connections point at the same limits, so they take changes over with their next message.
 */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include "worker/core.h"

void settings_adopt(struct worker *, const struct gen *);
/* Connections that fit beside backends' and spare descriptors. */
uint32_t settings_conn_cap(uint64_t nofile, int64_t spare, int64_t limit);

#endif
