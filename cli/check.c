/*
 * check.c - `headgate check`: the daemon's own compile over files, all findings of one run. Exit 1
 * if anything is wrong (with --strict also for warnings), 0 otherwise.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/findings.h"
#include "cli/offline.h"
#include "cli/verbs.h"
#include "conf/read/diag_print.h"

int
check_verb(struct opts *o)
{
	struct offline off;
	struct arena a;
	uint64_t start = clock_mono();
	int rc;

	arena_init(&a, 4096, 0);
	rc = offline_compile(o, &a, &off);
	if (rc == 0) {
		findings_add(&off);
		const struct diags *d = &off.out.diags;
		struct diag_totals totals = {0, off.out.result.objects,
		    (uint32_t)((clock_mono() - start) / MS_NS)};
		enum diag_format format = o->output == OUT_JSON ? DIAG_JSON :
		    o->output == OUT_SHORT                      ? DIAG_SHORT :
								  DIAG_HUMAN;

		offline_print(d, format, o->color);
		if (format == DIAG_HUMAN && !o->quiet) {
			struct strbuf b = STRBUF_INIT;

			diag_print_summary(&b, d->first, d->errors, d->warnings, &totals);
			fputs(b.p, stderr);
			strbuf_release(&b);
		}
		if (d->errors || (o->strict && d->warnings))
			rc = EX_FAILED;
	}
	offline_release(&off);
	arena_release(&a);
	return rc;
}
