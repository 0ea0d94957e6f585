/*
 * cli.c - the table of verbs and what happens before each: flags are read, help is given, an
 * unknown verb gets the nearest known one. A new verb is one line here and one file.
 */
#include "cli/cli.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/opts.h"
#include "cli/verbs.h"
#include "conf/read/diag.h"

#define TABLE (1u << OUT_TABLE)
#define JSON (1u << OUT_JSON)
#define SHORT (1u << OUT_SHORT)
#define EVERY 0xffu
static const struct verb {
	const char *name;
	int (*run)(struct opts *);
	const char *args, *doc;
	uint8_t outputs; /* bits of enum opts_output that it knows */
} verbs[] = {
    {"run", run_verb, "[-f PATH…] [-c FILE]", "serve; in the foreground", TABLE},
    {"check", check_verb, "[PATH…]", "validate files; changes nothing", TABLE | JSON | SHORT},
    {"reload", reload_verb, "[--wait]", "take over what is on disk now", TABLE | JSON},
    {"status", status_verb, "", "one screen about the running instance, or files with -f",
	TABLE | JSON},
    {"get", get_verb, "KIND|all [NAME]", "list objects", EVERY},
    {"describe", describe_verb, "KIND NAME", "one object: spec, conditions, what is wrong with it",
	TABLE},
    {"match", match_verb, "[METHOD] URL",
	"which listener, route, rule and backend a request gets, and why", TABLE},
    {"backends", backends_verb, "[NAME]", "endpoints: which are used, which are out, and why",
	TABLE | 1u << OUT_WIDE | JSON},
    {"port-forward", portforward_verb, "TYPE/NAME [LOCAL:]PORT…",
	"from loopback to healthy endpoints of a service or backend", TABLE},
    {"workload", workload_verb, "add|drain|remove|list [NAME]",
	"the programs that Services select by label", EVERY},
    {"explain", explain_verb, "KIND[.field…]|HGnnnn", "a field or an error code", TABLE},
    {"echo", echo_verb, "[--listen ADDR:PORT]", "a small backend for trying things", TABLE},
    {"version", version_verb, "", "version and build", TABLE | JSON},
};

static void
usage(FILE *out)
{
	fprintf(out, "headgate %s - the Gateway API for machines that are not in Kubernetes\n\n",
	    version_text());
	fprintf(out, "usage: headgate VERB [arguments] [flags]\n\nverbs:\n");
	for (unsigned i = 0; i < HG_ARRAY_LEN(verbs); i++)
		fprintf(out, "  %-12s %-24s %s\n", verbs[i].name, verbs[i].args, verbs[i].doc);
	fprintf(out, "\nflags:\n");
	opts_usage(out);
	fprintf(out,
	    "\nexit status: 0 ok, 1 failed or invalid, 2 applied with errors,\n"
	    "             3 unhealthy or timed out, 64 usage, 69 not reachable,\n"
	    "             77 not permitted\n");
}

static int
unknown(const char *word)
{
	const char *names[HG_ARRAY_LEN(verbs)];
	const char *near;

	for (unsigned i = 0; i < HG_ARRAY_LEN(verbs); i++)
		names[i] = verbs[i].name;
	near = diag_nearest(bytes_str(word), names, HG_ARRAY_LEN(verbs));
	fprintf(stderr, "headgate: unknown verb '%s'", word);
	if (near)
		fprintf(stderr, "; did you mean '%s'?", near);
	fprintf(stderr, "\nheadgate --help lists them.\n");
	return EX_USAGE_;
}

int
cli_main(int argc, char **argv)
{
	struct opts o;
	int rc;

	log_init("headgate");
	if (argc < 2) {
		usage(stderr);
		return EX_USAGE_;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = (char[]){"version"};
	for (unsigned i = 0; i < HG_ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		rc = opts_parse(argc, argv, &o);
		if (rc)
			return rc;
		if (o.help) {
			printf("usage: headgate %s %s\n%s\n\nflags:\n", verbs[i].name,
			    verbs[i].args, verbs[i].doc);
			opts_usage(stdout);
		} else if (!(verbs[i].outputs & 1u << o.output)) {
			fprintf(stderr, "headgate: %s does not know that output format\n", argv[1]);
			rc = EX_USAGE_;
		} else {
			rc = verbs[i].run(&o);
		}
		opts_release(&o);
		return rc;
	}
	return unknown(argv[1]);
}
