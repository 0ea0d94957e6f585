/*
 * check.c - `headgate check`: the daemon's own compile over files, all findings of one run. Exit 1 if anything is wrong
 * (with --strict also for warnings), 0 otherwise.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
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
		const struct diags *d = &off.out.diags;
		bool json = o->output == OUT_JSON;

		diags_print(d, json ? DIAG_JSON : o->output == OUT_SHORT ? DIAG_SHORT : DIAG_HUMAN, o->color && !json,
		    json || o->output == OUT_SHORT ? stdout : stderr);
		if (!o->quiet && !json && o->output != OUT_SHORT)
			fprintf(stderr, "%u error%s, %u warning%s (checked %u object%s in %llu ms)\n", d->errors,
			    d->errors == 1 ? "" : "s", d->warnings, d->warnings == 1 ? "" : "s", off.out.result.objects,
			    off.out.result.objects == 1 ? "" : "s",
			    (unsigned long long)((clock_mono() - start) / MS_NS));
		if (d->errors || (o->strict && d->warnings))
			rc = EX_FAILED;
	}
	offline_release(&off);
	arena_release(&a);
	return rc;
}
