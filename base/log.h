/*
 * log.h - what headgate says about itself: one line an event,
 *     2026-11-24T08:02:30.123Z info master: generation 2 applied gen=2 ms=38
 * Default sink: one write(2) to descriptor 2. A worker sets a sink that puts the line into its log
 * ring, so that a full pipe never blocks it; a sink gets the whole line with its line end. Secrets
 * never go in here. Each call site (format) but debug's is limited to 10 lines a minute, then
 * counted (dropped=N).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/bytes.h"
#include "base/check.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

typedef void log_sink(void *arg, enum log_level, struct bytes line);

void log_init(const char *process); /* "master", "worker 3"; keeps the pointer */
void log_level(enum log_level min);
void log_to(log_sink *, void *arg); /* NULL: back to descriptor 2 */
void log_at(enum log_level, const char *fmt, ...) HG_PRINTF(2, 3);

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

#endif
