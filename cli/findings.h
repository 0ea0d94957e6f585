/*
 * findings.h - what `check` tells beyond diagnostics: what statuses say.
 */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include "cli/offline.h"

/* Conditions of the compile's objects that say that something is not as written are added to its
 * diagnostics, unless one of those says the same. */
void findings_add(struct offline *);

#endif
