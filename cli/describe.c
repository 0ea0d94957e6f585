/*
 * describe.c - one object in full: where it stands in which file, what is served of it, every
 * condition of every parent or listener with its message, diagnostics of the last compile that
 * concern it, and what to do next.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/get.h"
#include "cli/live.h"
#include "cli/liveroute.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "conf/kinds/schema.h"
#include "conf/read/diag.h"

static void
conditions(struct view *v, const struct node *list, unsigned indent)
{
	struct table t;

	table_init(&t, &v->arena);
	for (const struct node *c = list ? list->first : NULL; c; c = c->next) {
		table_row(&t);
		table_cell(&t, node_text(node_get(c, "type")));
		table_cell(&t, node_text(node_get(c, "status")));
		table_cell(&t, node_text(node_get(c, "reason")));
		table_cell(&t, node_text(node_get(c, "message")));
		table_cellf(
		    &t, "since %.*s", BYTES_ARG(node_text(node_get(c, "lastTransitionTime"))));
	}
	table_print(&t, indent, stdout);
}

static void
parent(struct view *v, const struct node *p, const char *ref)
{
	const struct node *r = node_get(p, ref);
	struct bytes ns = node_text(node_get(r, "namespace")),
		     section = node_text(node_get(r, "sectionName"));

	printf("  %.*s %.*s%s%.*s%s%.*s\n", BYTES_ARG(node_text(node_get(r, "kind"))),
	    BYTES_ARG(ns), ns.n ? "/" : "", BYTES_ARG(node_text(node_get(r, "name"))),
	    section.n ? " section " : "", BYTES_ARG(section));
	conditions(v, node_get(p, "conditions"), 4);
}

static void
listener(struct view *v, const struct node *l)
{
	struct node *kinds = node_get(l, "supportedKinds");

	printf("  %.*s: attached routes %.*s, kinds", BYTES_ARG(node_text(node_get(l, "name"))),
	    BYTES_ARG(node_text(node_get(l, "attachedRoutes"))));
	for (struct node *k = kinds ? kinds->first : NULL; k; k = k->next)
		printf(" %.*s", BYTES_ARG(node_text(node_get(k, "kind"))));
	putchar('\n');
	conditions(v, node_get(l, "conditions"), 4);
}

static void
print_status(struct view *v, const struct node *s)
{
	struct node *list;

	if (node_get(s, "conditions")) {
		printf("Conditions:\n");
		conditions(v, node_get(s, "conditions"), 2);
	}
	list = node_get(s, "addresses");
	for (struct node *n = list ? list->first : NULL; n; n = n->next)
		printf("%s%.*s\n", n == list->first ? "Addresses:   " : "             ",
		    BYTES_ARG(node_text(node_get(n, "value"))));
	list = node_get(s, "listeners");
	if (list)
		printf("Listeners:\n");
	for (struct node *n = list ? list->first : NULL; n; n = n->next)
		listener(v, n);
	list = node_get(s, "parents");
	if (list)
		printf("Parents:\n");
	for (struct node *n = list ? list->first : NULL; n; n = n->next)
		parent(v, n, "parentRef");
	list = node_get(s, "ancestors");
	if (list)
		printf("Ancestors:\n");
	for (struct node *n = list ? list->first : NULL; n; n = n->next)
		parent(v, n, "ancestorRef");
}

static void
print_diags(const struct view *v, struct bytes who)
{
	const struct blob *b = &v->cat.blob;
	bool any = false;

	for (uint32_t i = 0; i < v->cat.n_diags; i++) {
		const struct cat_diag *d = &v->cat.diags[i];

		if (!bytes_eq(blob_text(b, d->object), who))
			continue;
		if (!any)
			printf("Findings:\n");
		any = true;
		printf("  ");
		view_print_diag(v, d);
		for (unsigned h = 0; h < d->nhelp && h < 4; h++)
			if (!bytes_starts(blob_text(b, d->help[h]), BYTES("did you mean")))
				printf("    help: %.*s\n", BYTES_ARG(blob_text(b, d->help[h])));
	}
}

/* ---- endpoints of a backend, or of all that a route sends to */

/* only[i]: a rule of this route sends to cluster i. */
static bool *
of_route(struct view *v, struct bytes kind, struct bytes ns, struct bytes name)
{
	const struct image *im = &v->image;
	bool *only = arena_zalloc(&v->arena, im->n_clusters + 1ul);

	for (uint32_t i = 0; i < im->n_rules; i++) {
		const struct im_rule *rule = &im->rules[i];
		const struct im_route *r = &im->routes[rule->route];

		if (!bytes_eq(kind, bytes_str(liveroute_kind(r->kind))) ||
		    !bytes_eq(image_text(im, r->name), name) ||
		    !bytes_eq(image_text(im, r->ns), ns))
			continue;
		for (uint32_t b = 0; b < rule->backends.n; b++) {
			uint32_t c = im->backends[rule->backends.first + b].cluster;

			if (c != IM_NONE)
				only[c] = true;
		}
	}
	return only;
}

static void
endpoints(struct view *v, struct table *t, uint32_t cluster)
{
	struct live_set set;
	struct live e;
	char text[128], why[96];

	live_open(&set, v, cluster);
	while (live_next(&set, &e)) {
		table_row(t);
		table_cell(t, image_text(&v->image, set.cluster->name));
		table_cell(t, bytes_str(live_address(&e, text)));
		table_cell(t, v->online ? bytes_str(live_name(e.state)) : BYTES_NONE);
		if (v->online && e.id)
			table_cellf(t, "in-flight %llu", (unsigned long long)e.inflight);
		else
			table_cell(t, BYTES_NONE);
		table_cell(t, bytes_str(live_why(&e, why)));
	}
}

static void
print_endpoints(struct view *v, struct bytes kind, struct bytes ns, struct bytes name)
{
	bool backend = bytes_eq(kind, BYTES("Service")) || bytes_eq(kind, BYTES("Backend"));
	uint32_t n, *clusters;
	struct table t;

	if (!backend && !bytes_ends(kind, BYTES("Route")))
		return;
	clusters = live_clusters(v, backend ? NULL : of_route(v, kind, ns, name), &n);
	table_init(&t, &v->arena);
	for (uint32_t i = 0; i < n; i++)
		if (!backend || live_is(v, clusters[i], kind, ns, name))
			endpoints(v, &t, clusters[i]);
	if (t.first)
		printf("Endpoints:\n");
	else if (backend || n != 0)
		printf("Endpoints:   none\n");
	table_print(&t, 2, stdout);
}

static void
print_one(struct view *v, const struct cat_object *ob)
{
	const struct blob *b = &v->cat.blob;
	struct bytes ns = blob_text(b, ob->ns), name = blob_text(b, ob->name),
		     kind = blob_text(b, ob->kind);
	struct node *json = view_json(v, blob_text(b, ob->json)),
		    *status = view_json(v, blob_text(b, ob->status));
	struct strbuf y = STRBUF_INIT;
	struct bytes why;
	char age[16];

	view_age(ob->created, age);
	printf("Name:        %.*s\n", BYTES_ARG(name));
	if (ns.n)
		printf("Namespace:   %.*s\n", BYTES_ARG(ns));
	printf("Kind:        %.*s (%.*s)\n", BYTES_ARG(kind),
	    BYTES_ARG(node_text(node_get(json, "apiVersion"))));
	printf("Source:      %.*s\n", BYTES_ARG(blob_text(b, ob->source)));
	printf("Generation:  %lld, age %s\n", (long long)ob->generation, age);
	if (ob->flags & CAT_STALE)
		printf("Serving:     last good content; what is on disk was refused: %.*s\n",
		    BYTES_ARG(blob_text(b, ob->stale)));
	if (json && node_get(json, "spec")) {
		node_print_yaml(node_get(json, "spec"), 2, &y);
		printf("Spec:\n%s", y.p);
		strbuf_release(&y);
	}
	if (status)
		print_status(v, status);
	print_endpoints(v, kind, ns, name);
	print_diags(v, diag_object(&v->arena, kind, ns, name));
	if (view_health(v, ob, &why) != VIEW_OK && why.n)
		printf("Hint:        %.*s\n", BYTES_ARG(why));
}

int
describe_verb(struct opts *o)
{
	struct view v;
	struct get_filter f;
	unsigned n = 0;
	int rc;

	if (o->nargs == 0) {
		fprintf(stderr, "usage: headgate describe KIND [NAME]\n");
		return EX_USAGE_;
	}
	rc = view_open(o, &v);
	if (rc == 0)
		rc = get_filter_init(o, &v, &f);
	for (uint32_t i = 0; rc == 0 && i < v.cat.n_objects; i++) {
		if (!get_select(&f, &v, &v.cat.objects[i]))
			continue;
		if (n++)
			printf("\n");
		print_one(&v, &v.cat.objects[i]);
	}
	if (rc == 0 && n == 0)
		rc = get_missing(&f);
	view_close(&v);
	return rc;
}
