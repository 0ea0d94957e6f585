/*
 * regex.h - PCRE2's interpreter with bounds, for patterns that application teams write and the
 * world feeds. Only what RE2 can do is accepted (no look-around, back-references, atomic or
 * possessive groups, recursion, callouts, verbs). Always anchored at both ends. No JIT (W^X). One
 * match block a process.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define REGEX_SUBJECT_MAX 8192
#define REGEX_TEXT_MAX 1024 /* of a pattern */
#define REGEX_MATCH_LIMIT 20000

struct regex; /* heap; regex_free */

/* NULL if the text is refused: *at = offset in text, msg = why (static or in msgbuf). */
struct regex *regex_new(struct bytes text, char msgbuf[160], size_t *at);
void regex_free(struct regex *);
/* 1 match, 0 none, -1 a limit was hit (match steps, heap, subject length). */
int regex_match(const struct regex *, struct bytes subject);
/* The literal text that every match starts with (may be empty): `/api/` of `/api/v[0-9]+`. Pure. */
struct bytes regex_literal_prefix(struct bytes text, char *out, size_t cap);

/* A set, one per adopted image: id -> compiled. Equal texts share one compiled pattern per process.
 */
struct regex_set {
	struct regex **v;
	uint32_t n;
};

#endif
