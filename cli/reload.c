/*
 * reload.c - `headgate reload [--wait]`: asks the master, prints the record of the transaction, and
 * for a partial one the errors, one line each, from the generation that now serves.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/ctl.h"
#include "cli/verbs.h"
#include "cli/view.h"

static long long
num(const struct node *n, const char *key)
{
	const struct node *v = node_get(n, key);

	return v && v->type == NODE_INT ? (long long)v->integer : 0;
}

static void
print_errors(const struct opts *o)
{
	struct view v;

	if (view_open(o, &v) == 0)
		for (uint32_t i = 0; i < v.cat.n_diags; i++)
			if (v.cat.diags[i].severity) {
				printf("  ");
				view_print_diag(&v, &v.cat.diags[i]);
			}
	view_close(&v);
}

static int
print_record(const struct opts *o, const struct node *r)
{
	struct bytes result = node_text(node_get(r, "result")),
		     message = node_text(node_get(r, "message"));

	if (bytes_eq(result, BYTES("rejected"))) {
		printf("Not applied, generation %lld keeps serving: %.*s\n", num(r, "generation"),
		    BYTES_ARG(message));
		return EX_FAILED;
	}
	printf("Generation %lld applied in %lld ms (%lld gateways, %lld listeners, %lld routes)\n",
	    num(r, "generation"), num(r, "ms"), num(r, "gateways"), num(r, "listeners"),
	    num(r, "routes"));
	if (!bytes_eq(result, BYTES("partial")))
		return 0;
	printf("%lld errors, %lld objects keep their last good content\n", num(r, "errors"),
	    num(r, "stale"));
	print_errors(o);
	return EX_PARTIAL;
}

int
reload_verb(struct opts *o)
{
	struct ctl_answer *a;
	struct view v = {0}; /* only for its arena and reader */
	int fd = ctl_connect(o->runtime_dir), rc;
	const struct node *n, *err;

	if (fd < 0)
		return -fd;
	a = mem_alloc(sizeof(*a));
	rc = ctl_ask(fd, o->wait ? "{\"verb\":\"reload\",\"wait\":\"1\"}" : "{\"verb\":\"reload\"}",
	    o->timeout_ms, a);
	close(fd);
	if (rc) {
		mem_free(a);
		return rc;
	}
	arena_init(&v.arena, 65536, 0);
	if (o->output == OUT_JSON)
		printf("%s\n", a->text);
	n = view_json(&v, bytes_of(a->text, a->n));
	err = n ? node_get(n, "error") : NULL;
	if (!n || err) {
		fprintf(stderr, "headgate: %.*s\n",
		    BYTES_ARG(err ? node_text(err) : BYTES("the answer makes no sense")));
		rc = n && num(n, "code") ? (int)num(n, "code") : EX_FAILED;
	} else if (!o->wait) {
		if (o->output != OUT_JSON && !o->quiet)
			printf("Reload queued\n");
	} else if (o->output == OUT_JSON || o->quiet) {
		struct bytes result = node_text(node_get(n, "result"));

		rc = bytes_eq(result, BYTES("applied")) ? 0 :
		    bytes_eq(result, BYTES("partial"))  ? EX_PARTIAL :
							  EX_FAILED;
	} else {
		rc = print_record(o, n);
	}
	arena_release(&v.arena);
	mem_free(a);
	return rc;
}
