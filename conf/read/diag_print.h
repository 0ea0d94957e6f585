/*
 * diag_print.h - diagnostics for people (excerpt with caret), editors (one line) and programs
 * (JSON); shapes in reference/ecosystem.md section 3. Control characters in anything that came from
 * a file are shown as "?", so that a manifest cannot drive a terminal. CLI and compiler child.
 */
#ifndef CONF_READ_DIAG_PRINT_H
#define CONF_READ_DIAG_PRINT_H

#include "base/strbuf.h"
#include "conf/read/diag.h"
#include "shm/catalogue.h"

enum diag_format { DIAG_HUMAN, DIAG_SHORT, DIAG_JSON };

struct diag_totals { /* for the last line; 0 files: that part is left out */
	uint32_t files, objects, ms;
};

/* One, without blank lines around it. */
void diag_print_human(struct strbuf *, const struct diag *, bool colour);
void diag_print_short(struct strbuf *, const struct diag *); /* with line end */
/* A list (diags.first, or one linked from the catalogue). `total` counts all that there were: what
 * is more than the list is told. DIAG_JSON is an array, also of nothing. */
void diag_print_list(
    struct strbuf *, const struct diag *first, uint32_t total, enum diag_format, bool colour);
/* "2 errors, 1 warning in 3 files (checked 12 files, 41 objects in 9 ms)" */
void diag_print_summary(struct strbuf *, const struct diag *first, uint32_t errors,
    uint32_t warnings, const struct diag_totals *);
/* A stored record as a diag that borrows from the catalogue. */
struct diag diag_from_catalogue(const struct catalogue *, const struct cat_diag *);

#endif
