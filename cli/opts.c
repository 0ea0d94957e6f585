/*
 * opts.c - one table of flags for all verbs, so that -n means the same everywhere and a misspelt
 * flag gets the same answer. Flags and arguments may be mixed, "--" ends flags. getopt_long was
 * rejected: it cannot say "did you mean", and its abbreviations make tomorrow's flags ambiguous.
 */
#include "cli/opts.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "conf/read/diag.h"

enum flag_type {
	FLAG_BOOL,
	FLAG_STR,
	FLAG_FILES,
	FLAG_LIST,
	FLAG_OUTPUT,
	FLAG_DURATION,
	FLAG_INT
};

#define OFF(m) offsetof(struct opts, m)
static const struct flag {
	const char *longname, *shortname;
	enum flag_type type;
	size_t off;
	const char *arg, *doc;
} flags[] = {
    {"--filename", "-f", FLAG_FILES, OFF(files), "PATH",
	"file or folder (flat mode, or offline); may repeat"},
    {"--namespace", "-n", FLAG_STR, OFF(ns), "NS", "namespace (default: default)"},
    {"--all-namespaces", "-A", FLAG_BOOL, OFF(all_ns), NULL, "every namespace"},
    {"--output", "-o", FLAG_OUTPUT, OFF(output), "FORMAT", "table, wide, json, yaml, name, short"},
    {"--config", "-c", FLAG_STR, OFF(conf), "FILE", "headgate.conf"},
    {"--runtime-dir", NULL, FLAG_STR, OFF(runtime_dir), "DIR",
	"control socket and lock of the instance"},
    {"--state-dir", NULL, FLAG_STR, OFF(state_dir), "DIR",
	"what an instance remembers over restarts"},
    {"--wait", "-w", FLAG_BOOL, OFF(wait), NULL, "reload: return when the new state is served"},
    {"--timeout", NULL, FLAG_DURATION, OFF(timeout_ms), "DUR", "give up after this (default 90s)"},
    {"--strict", NULL, FLAG_BOOL, OFF(strict), NULL, "check: warnings count as errors"},
    {"--quiet", "-q", FLAG_BOOL, OFF(quiet), NULL, "less output"},
    {"--header", "-H", FLAG_LIST, OFF(headers), "'NAME: VALUE'",
	"match: a request header; may repeat"},
    {"--request", "-X", FLAG_STR, OFF(method), "METHOD", "match: request method (default GET)"},
    {"--address", NULL, FLAG_STR, OFF(address), "IP",
	"match: local address; port-forward: where to listen; workload: its own"},
    {"--label", "-l", FLAG_LIST, OFF(labels), "KEY=VALUE", "workload: a label; may repeat"},
    {"--port", "-p", FLAG_LIST, OFF(ports), "NAME=NUMBER", "workload: a port; may repeat"},
    {"--weight", NULL, FLAG_INT, OFF(weight), "N", "workload: share of the traffic (default 1)"},
    {"--listen", NULL, FLAG_STR, OFF(listen), "ADDR:PORT",
	"echo: where to listen (default 127.0.0.1:9000)"},
    {"--name", NULL, FLAG_STR, OFF(name), "NAME", "echo: what it calls itself"},
    {"--delay", NULL, FLAG_DURATION, OFF(delay_ms), "DUR", "echo: wait before answering"},
    {"--status", NULL, FLAG_INT, OFF(status), "CODE", "echo: status of the answer"},
    {"--size", NULL, FLAG_INT, OFF(size), "BYTES", "echo: body of that many bytes instead of JSON"},
    {"--stream", NULL, FLAG_INT, OFF(stream), "N", "echo: N server-sent events instead of JSON"},
    {"--interval", NULL, FLAG_DURATION, OFF(interval_ms), "DUR",
	"echo: between events (default 100ms)"},
    {"--help", "-h", FLAG_BOOL, OFF(help), NULL, "this text"},
};

static const char *const output_names[] = {"table", "wide", "json", "yaml", "name", "short"};

static int
wrong(const char *what, const char *word, const char *hint)
{
	fprintf(stderr, "headgate: %s '%s'%s%s%s\n", what, word, hint ? " (did you mean '" : "",
	    hint ? hint : "", hint ? "'?)" : "");
	return EX_USAGE_;
}

static int
set_output(struct opts *o, const char *value)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(output_names); i++)
		if (bytes_eq(bytes_str(value), bytes_str(output_names[i]))) {
			o->output = (uint8_t)i;
			return 0;
		}
	return wrong("unknown output format", value,
	    diag_nearest(bytes_str(value), output_names, HG_ARRAY_LEN(output_names)));
}

static int
set_flag(struct opts *o, const struct flag *f, const char *value)
{
	void *at = (char *)o + f->off;
	struct opts_list *list = at;
	char why[32];
	uint64_t ms;
	int64_t num;

	switch (f->type) {
	case FLAG_BOOL:
		*(bool *)at = true;
		return 0;
	case FLAG_STR:
		*(const char **)at = value;
		if (at == &o->conf)
			o->conf_given = true;
		return 0;
	case FLAG_FILES:
		if (o->nfiles == OPTS_FILES)
			return wrong("too many -f, at", value, NULL);
		o->files[o->nfiles++] = value;
		return 0;
	case FLAG_LIST:
		if (list->n == OPTS_LIST) {
			(void)snprintf(why, sizeof(why), "too many %s, at", f->shortname);
			return wrong(why, value, NULL);
		}
		list->v[list->n++] = value;
		return 0;
	case FLAG_OUTPUT:
		return set_output(o, value);
	case FLAG_DURATION:
		if (!parse_duration(bytes_str(value), &ms))
			return wrong("not a duration (5s, 500ms, 1m30s):", value, NULL);
		*(uint64_t *)at = ms;
		return 0;
	case FLAG_INT:
		if (!parse_i64(bytes_str(value), 0, INT64_MAX, &num))
			return wrong("not a number:", value, NULL);
		*(int64_t *)at = num;
		return 0;
	}
	return 0;
}

static const struct flag *
find_flag(const char *word, const char **inline_value)
{
	size_t n = strcspn(word, "=");

	*inline_value = word[0] == '-' && word[1] == '-' && word[n] == '=' ? word + n + 1 : NULL;
	for (unsigned i = 0; i < HG_ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];

		if (strlen(f->longname) == n && strncmp(word, f->longname, n) == 0)
			return f;
		if (f->shortname && strcmp(word, f->shortname) == 0)
			return f;
		/* -ojson, -nshop: as kubectl takes it */
		if (f->shortname && f->type != FLAG_BOOL && word[1] != '-' &&
		    strncmp(word, f->shortname, 2) == 0) {
			*inline_value = word + 2;
			return f;
		}
	}
	return NULL;
}

static const char *
nearest_flag(const char *word)
{
	const char *names[HG_ARRAY_LEN(flags)];

	for (unsigned i = 0; i < HG_ARRAY_LEN(flags); i++)
		names[i] = flags[i].longname;
	return diag_nearest(bytes_str(word), names, HG_ARRAY_LEN(flags));
}

/* "<value of var>/<below>"; NULL if the variable names no folder. */
static char *
user_dir(const char *var, const char *below)
{
	const char *base = getenv(var);
	struct strbuf b = STRBUF_INIT;

	if (!base || *base != '/')
		return NULL;
	strbuf_printf(&b, "%s/%s", base, below);
	return strbuf_take(&b);
}

static const char *
default_runtime_dir(struct opts *o)
{
	struct strbuf b = STRBUF_INIT;

	if (geteuid() == 0)
		return "/run/headgate";
	o->owned[0] = user_dir("XDG_RUNTIME_DIR", "headgate");
	if (!o->owned[0]) {
		strbuf_printf(&b, "/tmp/headgate-%u", (unsigned)getuid());
		o->owned[0] = strbuf_take(&b);
	}
	return o->owned[0];
}

static const char *
default_state_dir(struct opts *o)
{
	if (geteuid() == 0)
		return "/var/lib/headgate";
	o->owned[1] = user_dir("XDG_STATE_HOME", "headgate");
	if (!o->owned[1])
		o->owned[1] = user_dir("HOME", ".local/state/headgate");
	return o->owned[1] ? o->owned[1] : "headgate-state";
}

static void
defaults(struct opts *o)
{
	static const char conf[] = "/etc/headgate/headgate.conf";

	if (!o->runtime_dir)
		o->runtime_dir = default_runtime_dir(o);
	if (!o->state_dir)
		o->state_dir = default_state_dir(o);
	if (!o->conf)
		o->conf = o->nfiles == 0 && access(conf, F_OK) == 0 ? conf : "";
	if (!o->timeout_ms)
		o->timeout_ms = 90000;
	if (!o->interval_ms)
		o->interval_ms = 100;
	if (!o->method)
		o->method = "GET";
}

void
opts_release(struct opts *o)
{
	mem_free(o->owned[0]);
	mem_free(o->owned[1]);
}

int
opts_parse(int argc, char **argv, struct opts *o)
{
	bool ended = false;

	*o = (struct opts){.verb = argc > 1 ? argv[1] : NULL, .weight = -1};
	o->color = isatty(STDERR_FILENO) && !getenv("NO_COLOR") && getenv("TERM") &&
	    strcmp(getenv("TERM"), "dumb");
	o->args = argv + 2; /* positional ones are moved to the front */
	for (int i = 2; i < argc; i++) {
		const char *value, *word = argv[i];
		const struct flag *f;
		int rc;

		if (ended || word[0] != '-' || word[1] == '\0') {
			o->args[o->nargs++] = argv[i];
			continue;
		}
		if (strcmp(word, "--") == 0) {
			ended = true;
			continue;
		}
		f = find_flag(word, &value);
		if (!f)
			return wrong("unknown flag", word, nearest_flag(word));
		if (f->type != FLAG_BOOL && !value) {
			if (++i == argc)
				return wrong("a value is missing after", word, NULL);
			value = argv[i];
		}
		rc = set_flag(o, f, value);
		if (rc)
			return rc;
	}
	defaults(o);
	return 0;
}

void
opts_usage(FILE *out)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s%s%s", f->shortname ? f->shortname : "",
		    f->shortname ? ", " : "    ", f->longname, f->arg ? " " : "",
		    f->arg ? f->arg : "");
		fprintf(out, "  %-32s %s\n", left, f->doc);
	}
}
