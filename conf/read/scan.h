/*
 * scan.h - our own reader of libconfig text, with columns. conf/read only.
 */
#ifndef CONF_READ_SCAN_H
#define CONF_READ_SCAN_H

#include "conf/read/read.h"

/* The root map, or NULL: it has errors, all of them in job->diags (a syntax error is the last one).
 */
struct node *scan_libconfig(struct read_job *job, struct doc *doc);

#endif
