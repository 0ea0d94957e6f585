/*
 * opts.h - the flags that verbs share, kubectl's names where kubectl has them. One table in opts.c.
 */
#ifndef CLI_OPTS_H
#define CLI_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTS_FILES 16
#define OPTS_LIST 64

struct opts_list {
	const char *v[OPTS_LIST];
	int n;
};

enum opts_output { OUT_TABLE, OUT_WIDE, OUT_JSON, OUT_YAML, OUT_NAME, OUT_SHORT };

struct opts {
	const char *verb;
	char **args;              /* positional, after the verb */
	int nargs;
	const char *ns;           /* -n; NULL = default */
	bool all_ns;              /* -A */
	uint8_t output;           /* enum opts_output */
	const char *files[OPTS_FILES];
	int nfiles;
	struct opts_list headers; /* -H "name: value" */
	struct opts_list labels, ports; /* workload add: KEY=VALUE, NAME=NUMBER */
	int64_t weight;           /* workload add; -1 = not given */
	const char *runtime_dir, *state_dir,
	    *conf;                           /* never NULL after opts_parse, conf may be "" */
	char *owned[2];                          /* the two folders where they are defaults */
	const char *address, *listen, *name; /* match, workload --address; echo --listen, --name */
	const char *method;       /* -X */
	uint64_t delay_ms, timeout_ms, size, stream, interval_ms;
	int64_t status;
	bool wait, strict, quiet, color, conf_given, help;
};

/* 0, or an exit status after it has said what is wrong. argv[1] is the verb. */
int opts_parse(int argc, char **argv, struct opts *);
void opts_usage(FILE *);                     /* the list of flags */
void opts_release(struct opts *);            /* after an opts_parse that returned 0 */

#endif
