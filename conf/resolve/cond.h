/*
 * cond.h - typed conditions of one object, listener or parent, before they are printed. Texts are
 * borrowed (constants or the compile's arena).
 */
#ifndef CONF_RESOLVE_COND_H
#define CONF_RESOLVE_COND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define COND_MAX 8 /* of the CRDs */

enum cond_status { COND_FALSE, COND_TRUE, COND_UNKNOWN };
struct cond {
	const char *type, *reason, *message;
	uint8_t status; /* enum cond_status */
};
struct conds {
	struct cond v[COND_MAX];
	uint32_t n;
};

void cond_set(
    struct conds *, const char *type, enum cond_status, const char *reason, const char *message);
const struct cond *cond_get(const struct conds *, const char *type);
bool cond_true(const struct conds *, const char *type);

/* Every type and reason that headgate writes: misspelling one does not compile. */
#define COND_ACCEPTED "Accepted"
#define COND_PROGRAMMED "Programmed"
#define COND_RESOLVED "ResolvedRefs"
#define COND_CONFLICTED "Conflicted"
#define COND_OVERLAPPING "OverlappingTLSConfig"
#define COND_PARTIAL "PartiallyInvalid"
#define COND_SUPPORTED "SupportedVersion"
#define COND_ADDRESSES "AddressesAssigned"
#define COND_INSECURE "InsecureFrontendValidationMode"
#define COND_STALE "headgate.dev/Stale"
#define COND_NOT_SERVED "headgate.dev/NotServed"
#define COND_IDS "headgate.dev/SharedCounters"

#endif
