/*
 * main.c - one binary, many processes. A process whose argv[0] says "headgate: worker 3" was
 * executed by a master and becomes that role; any other is a person's command. The table of roles
 * is the only place that sees all of them, so that the folders need not see each other.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "conf/compile.h"
#include "helper/helper.h"
#include "logger/logger.h"
#include "master/roles.h"
#include "worker/worker.h"

static int
compiler(struct role_env *env)
{
	return compiler_run(env, compile_run);
}

static const struct role roles[CHILD_KINDS] = {
	[CHILD_READER] = {"reader", NULL, reader_run},
	[CHILD_COMPILER] = {"compiler", NULL, compiler},
	[CHILD_WRITER] = {"writer", NULL, writer_run},
	[CHILD_WORKER] = {"worker", worker_prepare, worker_run},
	[CHILD_LOGGER] = {"logger", NULL, logger_run},
	[CHILD_HELPER] = {"helper", helper_prepare, helper_run},
};

int
main(int argc, char **argv)
{
	unsigned slot;
	enum child_kind kind = argc > 0 ? role_parse(argv[0], &slot) : CHILD_KINDS;

	if (kind != CHILD_KINDS)
		return role_start(&roles[kind], kind, slot);
	return cli_main(argc, argv);
}
