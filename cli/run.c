/*
 * run.c - `headgate run`: becomes the master. Everything it needs to know is in its arguments; what
 * is in files is read by the children.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/verbs.h"
#include "master/master.h"

int
run_verb(struct opts *o)
{
	struct master_opts m = {.files = o->files, .nfiles = (unsigned)o->nfiles, .conf = o->conf,
	    .runtime_dir = o->runtime_dir, .state_dir = o->state_dir};

	if (o->nargs) {
		fprintf(stderr, "usage: headgate run [-f PATH…] [-c FILE] (unexpected '%s')\n",
		    o->args[0]);
		return EX_USAGE_;
	}
	return master_run(&m);
}
