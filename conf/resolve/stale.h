/*
 * stale.h - last good content (DESIGN section 2, "Bad input never spreads"): an object whose file
 * exists but no longer yields it, and that no other file defines, is served as it was.
 */
#ifndef CONF_RESOLVE_STALE_H
#define CONF_RESOLVE_STALE_H

#include "conf/resolve/resolve.h"

/* Adds what can be kept to load->objects. The notes (arena) say why, for statuses. */
const struct stale_note *stale_restore(
    struct arena *, struct load *, const struct catalogue *old, uint32_t *n);

#endif
