/*
 * backends.c - `headgate backends [NAME]`: every endpoint that a route can send to, whether it is
 * used, and if not, why and for how long. What is printed is what the workers look at when they
 * choose.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/table.h"
#include "cli/verbs.h"

struct listing {
	struct view *view;
	const struct opts *opts;
	struct bytes ns, name; /* name absent: all */
	unsigned n;
	struct table table;
	struct json json;
};

static struct bytes
cluster_name(const struct listing *l, uint32_t cluster)
{
	return image_text(&l->view->image, l->view->image.clusters[cluster].name);
}

static bool
wanted(const struct listing *l, uint32_t cluster)
{
	struct bytes rest = cluster_name(l, cluster), ns = bytes_cut(&rest, '/');

	return (l->opts->all_ns || bytes_eq(ns, l->ns)) &&
	    (!l->name.p || bytes_eq(rest, l->name) ||
		live_is(l->view, cluster, BYTES_NONE, ns, l->name));
}

static void
headings(struct listing *l)
{
	static const char *const texts[] = {"BACKEND", "ENDPOINT", "HEALTH", "IN-FLIGHT", "WHY",
	    "WEIGHT", "CONNECTIONS", "REQUESTS", "FAILURES"};

	table_row(&l->table);
	if (l->opts->all_ns)
		table_cell(&l->table, BYTES("NAMESPACE"));
	for (unsigned i = 0; i < (l->opts->output == OUT_WIDE ? 9 : 5); i++)
		table_cell(&l->table, bytes_str(texts[i]));
}

static void
row(struct listing *l, struct bytes ns, struct bytes name, const struct live *e)
{
	struct table *t = &l->table;
	char text[128], why[96];

	table_row(t);
	if (l->opts->all_ns)
		table_cell(t, ns);
	table_cell(t, name);
	table_cell(t, bytes_str(e ? live_address(e, text) : "none"));
	table_cell(t, e && l->view->online ? bytes_str(live_name(e->state)) : BYTES_NONE);
	if (e == NULL)
		return;
	if (e->id && l->view->online)
		table_cellf(t, "%" PRIu64, e->inflight);
	else
		table_cell(t, BYTES_NONE);
	table_cell(t, bytes_str(live_why(e, why)));
	if (l->opts->output != OUT_WIDE)
		return;
	table_cellf(t, "%u", e->weight);
	table_cellf(t, "%" PRIu64, e->connections);
	table_cellf(t, "%" PRIu64, e->requests);
	table_cellf(t, "%" PRIu64, e->failures);
}

static void
rows(struct listing *l, uint32_t cluster)
{
	struct bytes name = cluster_name(l, cluster), ns = bytes_cut(&name, '/');
	struct live_set set;
	struct live e;
	unsigned n = 0;

	live_open(&set, l->view, cluster);
	for (; live_next(&set, &e); n++)
		row(l, ns, name, &e);
	if (n)
		return;
	row(l, ns, name, NULL);
	if (set.named && l->view->online) {
		table_cell(&l->table, BYTES_NONE);
		table_cellf(&l->table, "%.*s %s",
		    BYTES_ARG(image_text(&l->view->image, set.cluster->dns_name)),
		    set.bank.status == 0 ? "was not looked up yet" : "has no address");
	}
}

static void
number(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_int(j, (int64_t)v);
}

static void
endpoint_json(struct listing *l, const struct live *e)
{
	struct json *j = &l->json;
	char text[128], why[96];

	json_object(j);
	json_key(j, "address");
	json_strz(j, live_address(e, text));
	number(j, "weight", e->weight);
	if (l->view->online) {
		json_key(j, "health");
		json_strz(j, live_name(e->state));
		if (live_why(e, why)[0]) {
			json_key(j, "why");
			json_strz(j, why);
		}
		if (e->state == LIVE_EJECTED)
			number(j, "ejectedForMs", e->ejected_ms);
		number(j, "inFlight", e->inflight);
		number(j, "connections", e->connections);
		number(j, "requests", e->requests);
		number(j, "failures", e->failures);
	}
	json_end(j, '}');
}

static void
backend_json(struct listing *l, uint32_t cluster)
{
	struct bytes name = cluster_name(l, cluster), ns = bytes_cut(&name, '/');
	struct json *j = &l->json;
	struct live_set set;
	struct live e;

	json_object(j);
	json_key(j, "namespace");
	json_str(j, ns);
	json_key(j, "backend");
	json_str(j, name);
	json_key(j, "endpoints");
	json_array(j);
	live_open(&set, l->view, cluster);
	while (live_next(&set, &e))
		endpoint_json(l, &e);
	json_end(j, ']');
	json_end(j, '}');
}

static void
list(struct listing *l)
{
	struct strbuf text = STRBUF_INIT;
	uint32_t n, *clusters = live_clusters(l->view, NULL, &n);
	bool as_json = l->opts->output == OUT_JSON;

	table_init(&l->table, &l->view->arena);
	json_init(&l->json, &text, true);
	if (as_json)
		json_array(&l->json);
	else
		headings(l);
	for (uint32_t i = 0; i < n; i++) {
		if (!wanted(l, clusters[i]))
			continue;
		l->n++;
		if (as_json)
			backend_json(l, clusters[i]);
		else
			rows(l, clusters[i]);
	}
	if (as_json) {
		json_end(&l->json, ']');
		printf("%.*s\n", BYTES_ARG(strbuf_bytes(&text)));
	} else if (l->n) {
		table_print(&l->table, 0, stdout);
	}
	strbuf_release(&text);
}

int
backends_verb(struct opts *o)
{
	struct view v;
	struct listing l = {
	    .view = &v, .opts = o, .ns = bytes_str(o->ns ? o->ns : "default")};
	int rc;

	if (o->nargs > 1) {
		fprintf(stderr, "usage: headgate backends [NAME] [-n NS | -A]\n");
		return EX_USAGE_;
	}
	if (o->nargs == 1) { /* service/NAME, backend/NAME: as kubectl writes it */
		const char *slash = strchr(o->args[0], '/');

		l.name = bytes_str(slash ? slash + 1 : o->args[0]);
	}
	rc = view_open(o, &v);
	if (rc == 0)
		list(&l);
	if (rc == 0 && l.n == 0 && l.name.p) {
		fprintf(stderr, "headgate: no route sends to a backend '%.*s' in namespace %.*s\n",
		    BYTES_ARG(l.name), BYTES_ARG(l.ns));
		rc = EX_FAILED;
	} else if (rc == 0 && l.n == 0 && o->output != OUT_JSON) {
		fprintf(stderr, "No backends found%s%.*s.\n",
		    o->all_ns ? "" : " in namespace ", BYTES_ARG(o->all_ns ? BYTES("") : l.ns));
	}
	view_close(&v);
	return rc;
}
