/*
 * status.c - `headgate status`: one screen. What is served, since when, how many objects of each
 * kind are fine, which are not and why, and the traffic of all workers added up. Exit 3 if an
 * object is not as it should be.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "conf/kinds/schema.h"

struct tally {
	unsigned total, by[3];
	struct bytes worst;
};

static void
count(struct view *v, const struct cat_object *ob, struct tally *t)
{
	struct bytes why;
	enum view_health h = view_health(v, ob, &why);
	const struct blob *b = &v->cat.blob;

	t->total++;
	t->by[h]++;
	if (h != VIEW_OK && !t->worst.p)
		t->worst = bytes_str(
		    arena_printf(&v->arena, "%.*s%s%.*s: %.*s", BYTES_ARG(blob_text(b, ob->ns)),
			ob->ns.len ? "/" : "", BYTES_ARG(blob_text(b, ob->name)), BYTES_ARG(why)));
}

static unsigned
print_kinds(struct view *v, bool quiet)
{
	struct tally t[KIND_COUNT] = {0};
	struct table tab;
	unsigned bad = 0;

	for (uint32_t i = 0; i < v->cat.n_objects; i++) {
		const struct cat_object *ob = &v->cat.objects[i];
		const struct kind *k = kind_by_name(
		    blob_text(&v->cat.blob, ob->group), blob_text(&v->cat.blob, ob->kind));

		if (k && k->status && !(ob->flags & (CAT_GONE | CAT_OWN)))
			count(v, ob, &t[k->id]);
	}
	table_init(&tab, &v->arena);
	table_row(&tab);
	for (unsigned i = 0; i < 5; i++)
		table_cell(
		    &tab, bytes_str((const char *[]){"KIND", "TOTAL", "OK", "WARN", "BAD"}[i]));
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		if (t[i].total == 0)
			continue;
		bad += t[i].by[VIEW_BAD] + t[i].by[VIEW_WARN];
		table_row(&tab);
		table_cell(&tab, bytes_str(kind_table[i].name));
		table_cellf(&tab, "%u", t[i].total);
		for (unsigned h = 0; h < 3; h++)
			table_cellf(&tab, "%u", t[i].by[h]);
		if (t[i].worst.p)
			table_cell(&tab, t[i].worst);
	}
	if (!quiet)
		table_print(&tab, 0, stdout);
	return bad;
}

static void
sum_metrics(const struct view *v, uint64_t out[METRIC_COUNT])
{
	for (uint32_t s = 0; s < v->nslots; s++)
		for (unsigned m = 0; v->slots[s] && m < METRIC_COUNT; m++)
			out[m] += v->slots[s]->metrics[m];
}

static void
print_traffic(const struct view *v)
{
	uint64_t m[METRIC_COUNT] = {0}, open = 0;

	sum_metrics(v, m);
	for (uint32_t s = 0; s < v->nslots; s++)
		open += v->slots[s] ? atomic_load(&v->slots[s]->connections) : 0;
	printf("Traffic    %" PRIu64 " requests  2xx %" PRIu64 "  3xx %" PRIu64 "  4xx %" PRIu64
	       "  5xx %" PRIu64 "  %" PRIu64 " connections open, %" PRIu64 " ever\n",
	    m[METRIC_requests], m[METRIC_responses_2xx], m[METRIC_responses_3xx],
	    m[METRIC_responses_4xx], m[METRIC_responses_5xx], open, m[METRIC_connections_accepted]);
}

/* How many endpoints are used, and the first that is not. */
struct endpoints {
	unsigned used, out;
	char first[256];
};

static struct endpoints
count_endpoints(struct view *v)
{
	struct endpoints sum = {0};
	uint32_t n, *clusters = live_clusters(v, NULL, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct live_set set;
		struct live e;
		char addr[128], why[96];

		live_open(&set, v, clusters[i]);
		while (live_next(&set, &e)) {
			sum.used += live_usable(&e);
			if (!live_usable(&e) && sum.out++ == 0)
				snprintf(sum.first, sizeof(sum.first), "%.*s %s %s (%s)",
				    BYTES_ARG(image_text(&v->image, set.cluster->name)),
				    live_address(&e, addr), live_name(e.state), live_why(&e, why));
		}
	}
	return sum;
}

static void
print_endpoints(struct view *v)
{
	struct endpoints e = count_endpoints(v);

	printf("Endpoints  %u used, %u out%s%s%s\n", e.used, e.out, e.out ? ": " : "", e.first,
	    e.out > 1 ? ", …" : "");
}

static void
print_json(struct view *v, unsigned bad)
{
	static const char *const names[] = {
#define M(name, help) #name,
		METRIC_TABLE(M)
#undef M
	};
	uint64_t m[METRIC_COUNT] = {0};
	struct strbuf b = STRBUF_INIT;
	struct json j;

	sum_metrics(v, m);
	json_init(&j, &b, true);
	json_object(&j);
	json_key(&j, "version");
	json_strz(&j, version_text());
	json_key(&j, "generation");
	json_int(&j, (int64_t)v->cat.info[0].generation);
	json_key(&j, "workers");
	json_int(&j, v->nslots);
	json_key(&j, "errors");
	json_int(&j, v->cat.info[0].errors);
	json_key(&j, "notOk");
	json_int(&j, bad);
	if (v->online) {
		struct endpoints ends = count_endpoints(v);

		json_key(&j, "endpoints");
		json_int(&j, ends.used);
		json_key(&j, "endpointsOut");
		json_int(&j, ends.out);
	}
	json_key(&j, "metrics");
	json_object(&j);
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		json_key(&j, names[i]);
		json_int(&j, (int64_t)m[i]);
	}
	json_end(&j, '}');
	json_end(&j, '}');
	printf("%s\n", b.p);
	strbuf_release(&b);
}

int
status_verb(struct opts *o)
{
	struct view v;
	unsigned bad;
	int rc = view_open(o, &v);

	if (rc == 0) {
		const struct cat_info *i = &v.cat.info[0];
		char age[16], when[21];

		view_age(v.control ? (int64_t)(atomic_load(&v.control->started) / SEC_NS) : 0, age);
		clock_rfc3339(i->built, when);
		if (o->output != OUT_JSON)
			printf("headgate %s  %s%s  generation %" PRIu64
			       " (built %s, %u ms)  config: %s\n",
			    version_text(), v.online ? "up " : "offline", v.online ? age : "",
			    i->generation, when, i->compile_ms,
			    i->errors    ? "errors, see below" :
				i->stale ? "some objects are stale" :
					   "OK");
		bad = print_kinds(&v, o->output == OUT_JSON);
		if (o->output == OUT_JSON)
			print_json(&v, bad);
		else if (v.online) {
			print_endpoints(&v);
			print_traffic(&v);
		}
		for (uint32_t d = 0; d < v.cat.n_diags && o->output != OUT_JSON; d++)
			view_print_diag(&v, &v.cat.diags[d]);
		rc = bad || i->errors ? EX_UNHEALTHY : 0;
	}
	view_close(&v);
	return rc;
}
