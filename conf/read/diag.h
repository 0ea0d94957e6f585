/*
 * diag.h - everything that is wrong with the input, collected: file:line:col, stable code, field
 * path, suggestion. All errors of one run; of each severity 100 are kept in full, the rest counted.
 * Which severity a code has says conf/read/codes.h: 2xxx are warnings. Columns count code points.
 */
#ifndef CONF_READ_DIAG_H
#define CONF_READ_DIAG_H

#include "base/arena.h"
#include "conf/read/node.h"

enum diag_severity { DIAG_WARNING, DIAG_ERROR };

struct diag {
	struct diag *next;
	uint16_t code;              /* HGnnnn */
	uint8_t severity;
	struct bytes file, message, label; /* label: beside the caret, may be absent */
	struct mark at;             /* line 0: the file as a whole */
	struct bytes excerpt;       /* the source line, without line end; absent if none */
	struct bytes object;        /* "HTTPRoute shop/web", or absent */
	struct bytes field;         /* spec.rules[0], or absent */
	struct bytes effect;        /* what happens because of it, or absent */
	struct bytes help[4];       /* suggestions */
	uint8_t nhelp;
};

#define DIAG_KEEP 100
struct diags {
	struct arena *arena;
	struct diag *first, *last;
	uint32_t kept, errors, warnings;
	uint32_t room[2];           /* by severity: warnings never push errors out */
	struct diag spare;          /* handed out past the cap */
};

void diags_init(struct diags *, struct arena *);
/* At a node's value (or its key with diag_at_key). Object, field path and excerpt are filled from
 * the node. The returned record can be extended; never NULL (past the cap: a scratch one). */
struct diag *diag_at(struct diags *, uint16_t code, const struct node *, const char *fmt, ...)
    HG_PRINTF(4, 5);
struct diag *diag_at_key(struct diags *, uint16_t code, const struct node *, const char *fmt, ...)
    HG_PRINTF(4, 5);
struct diag *diag_file(struct diags *, uint16_t code, struct bytes file, struct mark,
    struct bytes text, const char *fmt, ...) HG_PRINTF(6, 7);
/* What a diagnostic's `object` looks like. */
struct bytes diag_object(struct arena *, struct bytes kind, struct bytes ns, struct bytes name);
void diag_help(struct diags *, struct diag *, const char *fmt, ...) HG_PRINTF(3, 4);
/* "did you mean": the nearest of names[] within the distance rule of reference/ecosystem.md
 * section 3. */
const char *diag_nearest(struct bytes wrong, const char *const *names, unsigned n);

#endif
