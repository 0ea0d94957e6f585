/*
 * get.c - `headgate get KIND|all [NAME]`: tables as kubectl prints them, or whole objects. One row
 * of `columns` a column: which kinds have it, its heading, and how its text comes about. JSON
 * output is the catalogue's own text with the status put in, a `v1` List of complete objects.
 */
#include "cli/get.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/liveroute.h"
#include "cli/opts.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "conf/kinds/schema.h"

struct row {
	struct view *view;
	const struct cat_object *object;
	struct node *json, *status;
	struct table *table;
};

static struct bytes
text(const struct row *r, struct im_str s)
{
	return blob_text(&r->view->cat.blob, s);
}

/* ---- how columns come about */
static void
col_path(struct row *r, const char *path)
{
	table_cell(r->table, node_text(node_path(r->json, path)));
}

static void
col_list(struct row *r, const char *path)
{
	struct node *list = node_path(r->json, path);
	struct strbuf b = STRBUF_INIT;

	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		strbuf_addz(&b, b.n ? "," : "");
		strbuf_add(&b, node_text(n));
	}
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

static void
col_condition(struct row *r, const char *type)
{
	table_cell(r->table,
	    r->status ? view_condition(node_get(r->status, "conditions"), type) : BYTES_NONE);
}

/* The worst of all parents or ancestors. */
static void
col_parents_condition(struct row *r, const char *type)
{
	struct node *list = r->status ? node_get(r->status, "parents") : NULL;
	struct bytes worst = BYTES_NONE;

	if (!list && r->status)
		list = node_get(r->status, "ancestors");
	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		struct bytes s = view_condition(node_get(n, "conditions"), type);

		if (!worst.p || !bytes_eq(s, BYTES("True")))
			worst = s;
	}
	if (r->object->flags & CAT_STALE)
		worst = BYTES("Stale");
	table_cell(r->table, worst);
}

static void
col_parents(struct row *r, const char *path)
{
	struct node *list = node_path(r->json, path);
	struct strbuf b = STRBUF_INIT;

	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		struct bytes ns = node_text(node_get(n, "namespace"));

		strbuf_addz(&b, b.n ? "," : "");
		if (ns.n) {
			strbuf_add(&b, ns);
			strbuf_addc(&b, '/');
		}
		strbuf_add(&b, node_text(node_get(n, "name")));
	}
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

static void
col_addresses(struct row *r, const char *path)
{
	struct node *list = r->status ? node_get(r->status, path) : NULL;
	struct strbuf b = STRBUF_INIT;

	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		strbuf_addz(&b, b.n ? "," : "");
		strbuf_add(&b, node_text(node_get(n, "value")));
	}
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

/* "path otherwise" */
static void
col_or(struct row *r, const char *arg)
{
	struct bytes other = bytes_str(arg), path = bytes_cut(&other, ' ');
	struct bytes got = node_text(node_path(r->json, arena_dup(&r->view->arena, path)));

	table_cell(r->table, got.n ? got : other);
}

/* "a=1,b=2" of a map */
static void
col_map(struct row *r, const char *path)
{
	struct node *map = node_path(r->json, path);
	struct strbuf b = STRBUF_INIT;

	for (struct node *n = map ? map->first : NULL; n; n = n->next)
		strbuf_printf(&b, "%s%.*s=%.*s", b.n ? "," : "", BYTES_ARG(n->key),
		    BYTES_ARG(node_text(n)));
	strbuf_addz(&b, b.n ? "" : "<none>");
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

/* As kubectl: the name of an ExternalName, the addresses of a LoadBalancer. */
static void
col_external(struct row *r, const char *unused)
{
	struct bytes type = node_text(node_path(r->json, "spec.type")),
		     name = node_text(node_path(r->json, "spec.externalName"));
	struct node *list = r->status ? node_path(r->status, "loadBalancer.ingress") : NULL;
	struct strbuf b = STRBUF_INIT;

	(void)unused;
	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		strbuf_addz(&b, b.n ? "," : "");
		strbuf_add(&b, node_text(node_get(n, "ip")));
	}
	if (bytes_eq(type, BYTES("ExternalName")))
		strbuf_add(&b, name);
	else if (b.n == 0)
		strbuf_addz(&b, bytes_eq(type, BYTES("LoadBalancer")) ? "<pending>" : "<none>");
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

static void
col_ports(struct row *r, const char *path)
{
	struct node *list = node_path(r->json, path);
	struct strbuf b = STRBUF_INIT;

	for (struct node *n = list ? list->first : NULL; n; n = n->next) {
		struct bytes proto = node_text(node_get(n, "protocol")),
			     np = node_text(node_get(n, "nodePort"));

		strbuf_addz(&b, b.n ? "," : "");
		strbuf_add(&b, node_text(node_get(n, "port")));
		if (np.n) {
			strbuf_addc(&b, ':');
			strbuf_add(&b, np);
		}
		strbuf_addc(&b, '/');
		strbuf_add(&b, proto.n ? proto : BYTES("TCP"));
	}
	strbuf_addz(&b, b.n ? "" : "<none>");
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
}

/* Endpoints that are used, of all that the route sends to. */
static void
col_healthy(struct row *r, const char *unused)
{
	const struct liveroute *n = liveroute_of(
	    r->view, text(r, r->object->kind), text(r, r->object->ns), text(r, r->object->name));

	(void)unused;
	if (n && r->view->online)
		table_cellf(r->table, "%u/%u", n->used, n->all);
	else
		table_cell(r->table, BYTES_NONE);
}

static void
col_age(struct row *r, const char *unused)
{
	char age[16];

	(void)unused;
	view_age(r->object->created, age);
	table_cell(r->table, bytes_str(age));
}

static void
col_source(struct row *r, const char *unused)
{
	(void)unused;
	table_cell(r->table, text(r, r->object->source));
}

/* "httproute.gateway.networking.k8s.io", "service": the kind as kubectl prints it before a name. */
static void
print_noun(struct strbuf *b, struct bytes kind, struct bytes group)
{
	for (size_t i = 0; i < kind.n; i++)
		strbuf_addc(
		    b, kind.p[i] >= 'A' && kind.p[i] <= 'Z' ? (char)(kind.p[i] | 0x20) : kind.p[i]);
	if (group.n) {
		strbuf_addc(b, '.');
		strbuf_add(b, group);
	}
}

#define GW (1u << KIND_GATEWAY)
#define GC (1u << KIND_GATEWAYCLASS)
#define LS (1u << KIND_LISTENERSET)
#define ROUTES \
	(1u << KIND_HTTPROUTE | 1u << KIND_GRPCROUTE | 1u << KIND_TLSROUTE | 1u << KIND_TCPROUTE | \
	    1u << KIND_UDPROUTE)
#define HOSTED (1u << KIND_HTTPROUTE | 1u << KIND_GRPCROUTE | 1u << KIND_TLSROUTE)
#define SVC (1u << KIND_SERVICE)
#define WL (1u << KIND_WORKLOAD)
#define POLICIES \
	(1u << KIND_BACKENDTLSPOLICY | 1u << KIND_XBACKENDTRAFFICPOLICY | \
	    1u << KIND_XTELEMETRYPOLICY | 1u << KIND_BACKENDTRAFFICPOLICY | \
	    1u << KIND_CLIENTTRAFFICPOLICY)
#define ANY UINT32_MAX
_Static_assert(KIND_COUNT <= 32, "kinds are bits of a word here");
static const struct column {
	uint32_t kinds;
	const char *heading;
	void (*cell)(struct row *, const char *arg);
	const char *arg;
	bool wide;
} columns[] = {
	{GC, "CONTROLLER", col_path, "spec.controllerName", false},
	{GW, "CLASS", col_path, "spec.gatewayClassName", false},
	{GW, "ADDRESS", col_addresses, "addresses", false},
	{HOSTED, "HOSTNAMES", col_list, "spec.hostnames", false},
	{ROUTES, "PARENTS", col_parents, "spec.parentRefs", false},
	{POLICIES, "TARGETS", col_parents, "spec.targetRefs", false},
	{GC | GW | LS | 1u << KIND_BACKEND, "ACCEPTED", col_condition, "Accepted", false},
	{GW | LS, "PROGRAMMED", col_condition, "Programmed", false},
	{ROUTES | POLICIES, "ACCEPTED", col_parents_condition, "Accepted", false},
	{ROUTES, "RESOLVED", col_parents_condition, "ResolvedRefs", false},
	{SVC, "TYPE", col_or, "spec.type ClusterIP", false},
	{SVC, "CLUSTER-IP", col_or, "spec.clusterIP <none>", false},
	{SVC, "EXTERNAL-IP", col_external, NULL, false},
	{SVC, "PORT(S)", col_ports, "spec.ports", false},
	{WL, "ADDRESS", col_path, "spec.address", false},
	{WL, "PORTS", col_map, "spec.ports", false},
	{WL, "WEIGHT", col_or, "spec.weight 1", false},
	{WL, "LABELS", col_map, "metadata.labels", false},
	{ROUTES, "HEALTHY", col_healthy, NULL, true},
	{ANY, "AGE", col_age, NULL, false},
	{SVC, "SELECTOR", col_map, "spec.selector", true},
	{ANY, "SOURCE", col_source, NULL, true},
};

/* ---- which objects */
bool
get_select(const struct get_filter *f, const struct view *v, const struct cat_object *ob)
{
	const struct blob *b = &v->cat.blob;
	struct bytes ns = blob_text(b, ob->ns);

	if (ob->flags & CAT_GONE)
		return false;
	if (f->kind && (!bytes_eq(blob_text(b, ob->kind), bytes_str(f->kind->name)) ||
		!bytes_eq(blob_text(b, ob->group), bytes_str(f->kind->group))))
		return false;
	if (f->all_kinds && !ob->status.len && ob->status.off == IM_NONE)
		return false;
	if (!f->all_ns && ns.n && !bytes_eq(ns, bytes_str(f->ns)))
		return false;
	return !f->name || bytes_eq(blob_text(b, ob->name), bytes_str(f->name));
}

static void
print_row(struct row *r, const struct kind *kind, const struct opts *o, bool with_kind)
{
	struct view *v = r->view;
	struct strbuf b = STRBUF_INIT;

	r->json = view_json(v, text(r, r->object->json));
	r->status = view_json(v, text(r, r->object->status));
	table_row(r->table);
	if (o->all_ns && !kind->cluster)
		table_cell(r->table, text(r, r->object->ns));
	if (with_kind)
		print_noun(&b, bytes_str(kind->name), bytes_str(kind->group));
	strbuf_addz(&b, with_kind ? "/" : "");
	strbuf_add(&b, text(r, r->object->name));
	table_cell(r->table, strbuf_bytes(&b));
	strbuf_release(&b);
	for (unsigned i = 0; i < HG_ARRAY_LEN(columns); i++)
		if (columns[i].kinds & 1u << kind->id &&
		    (!columns[i].wide || o->output == OUT_WIDE))
			columns[i].cell(r, columns[i].arg);
}

static unsigned
print_table(struct view *v, const struct get_filter *f, const struct kind *kind,
    const struct opts *o, bool first)
{
	struct table t;
	unsigned n = 0;

	table_init(&t, &v->arena);
	table_row(&t);
	if (o->all_ns && !kind->cluster)
		table_cell(&t, BYTES("NAMESPACE"));
	table_cell(&t, BYTES("NAME"));
	for (unsigned i = 0; i < HG_ARRAY_LEN(columns); i++)
		if (columns[i].kinds & 1u << kind->id &&
		    (!columns[i].wide || o->output == OUT_WIDE))
			table_cell(&t, bytes_str(columns[i].heading));
	for (uint32_t i = 0; i < v->cat.n_objects; i++) {
		struct get_filter one = *f;
		struct row r = {v, &v->cat.objects[i], NULL, NULL, &t};

		one.kind = kind;
		if (!get_select(&one, v, r.object))
			continue;
		print_row(&r, kind, o, f->all_kinds);
		n++;
	}
	if (n) {
		if (!first)
			putchar('\n');
		table_print(&t, 0, stdout);
	}
	return n;
}

/* The object's own text with `,"status":…` before its last brace. */
void
get_print_json(const struct view *v, const struct cat_object *ob, struct strbuf *out)
{
	struct bytes json = blob_text(&v->cat.blob, ob->json),
		     status = blob_text(&v->cat.blob, ob->status);

	if (!status.p || json.n == 0) {
		strbuf_add(out, json);
		return;
	}
	strbuf_add(out, bytes_of(json.p, json.n - 1));
	strbuf_addz(out, json.n > 2 ? ",\"status\":" : "\"status\":");
	strbuf_add(out, status);
	strbuf_addc(out, '}');
}

static void
print_yaml(struct view *v, struct bytes json, bool list, struct strbuf *out)
{
	struct strbuf one = STRBUF_INIT;

	node_print_yaml(view_json(v, json), list ? 2 : 0, &one);
	strbuf_addz(out, list ? "- " : "");
	strbuf_add(out, bytes_of(one.p + (list ? 2 : 0), one.n - (list ? 2 : 0)));
	strbuf_release(&one);
}

static unsigned
print_objects(struct view *v, const struct get_filter *f, const struct opts *o)
{
	struct strbuf out = STRBUF_INIT, one = STRBUF_INIT;
	bool yaml = o->output == OUT_YAML, list = !f->name;
	unsigned n = 0;

	if (list)
		strbuf_addz(&out, yaml ? "apiVersion: v1\nkind: List\nitems:\n" :
				       "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
	for (uint32_t i = 0; i < v->cat.n_objects; i++) {
		if (!get_select(f, v, &v->cat.objects[i]))
			continue;
		strbuf_reset(&one);
		get_print_json(v, &v->cat.objects[i], &one);
		if (yaml) {
			/* the reader borrows from its text */
			print_yaml(v, arena_bytes(&v->arena, strbuf_bytes(&one)), list, &out);
		} else {
			strbuf_addz(&out, n && list ? ",\n" : list ? "\n" : "");
			strbuf_add(&out, strbuf_bytes(&one));
		}
		n++;
	}
	if (yaml && list && n == 0)
		strbuf_addz(&out, "[]\n");
	if (!yaml)
		strbuf_addz(&out, list ? "\n]}\n" : "\n");
	if (n || list)
		fwrite(out.p, 1, out.n, stdout);
	strbuf_release(&out);
	strbuf_release(&one);
	return n;
}

static unsigned
print_names(struct view *v, const struct get_filter *f)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < v->cat.n_objects; i++) {
		const struct cat_object *ob = &v->cat.objects[i];
		struct strbuf b = STRBUF_INIT;

		if (!get_select(f, v, ob))
			continue;
		print_noun(
		    &b, blob_text(&v->cat.blob, ob->kind), blob_text(&v->cat.blob, ob->group));
		printf("%.*s/%.*s\n", BYTES_ARG(strbuf_bytes(&b)),
		    BYTES_ARG(blob_text(&v->cat.blob, ob->name)));
		strbuf_release(&b);
		n++;
	}
	return n;
}

/* "kind", "kind/name", "all"; after it a name, also "namespace/name" as messages print it. */
int
get_filter_init(const struct opts *o, struct view *v, struct get_filter *f)
{
	struct bytes noun = bytes_str(o->nargs ? o->args[0] : NULL), rest = noun;

	*f = (struct get_filter){.ns = o->ns ? o->ns : "default", .all_ns = o->all_ns};
	noun = bytes_cut(&rest, '/');
	if (rest.p)
		f->name = arena_dup(&v->arena, rest);
	else if (o->nargs > 1)
		f->name = o->args[1];
	if (f->name && strchr(f->name, '/')) {
		rest = bytes_str(f->name);
		f->ns = arena_dup(&v->arena, bytes_cut(&rest, '/'));
		f->name = arena_dup(&v->arena, rest);
	}
	f->all_kinds = bytes_eq(noun, BYTES("all"));
	if (f->all_kinds)
		return 0;
	f->kind = kind_by_noun(noun);
	if (!f->kind) {
		fprintf(stderr, "headgate: unknown kind '%.*s'; known are", BYTES_ARG(noun));
		for (unsigned i = 0; i < KIND_COUNT; i++)
			fprintf(stderr, " %s", kind_table[i].plural);
		fprintf(stderr, " and all\n");
		return EX_USAGE_;
	}
	if (f->kind->cluster)
		f->all_ns = true;
	return 0;
}

int
get_missing(const struct get_filter *f)
{
	fprintf(stderr, "headgate: %s \"%s\" not found%s%s\n", f->kind ? f->kind->plural : "object",
	    f->name ? f->name : "", f->all_ns ? "" : " in namespace ", f->all_ns ? "" : f->ns);
	return EX_FAILED;
}

static unsigned
print_tables(struct view *v, const struct get_filter *f, const struct opts *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KIND_COUNT; i++)
		if (f->all_kinds ? kind_table[i].status : f->kind == &kind_table[i])
			n += print_table(v, f, &kind_table[i], o, n == 0);
	return n;
}

int
get_verb(struct opts *o)
{
	struct view v;
	struct get_filter f;
	unsigned n;
	int rc;

	if (o->nargs == 0) {
		fprintf(stderr, "usage: headgate get KIND|all [NAME]\n");
		return EX_USAGE_;
	}
	rc = view_open(o, &v);
	if (rc == 0)
		rc = get_filter_init(o, &v, &f);
	if (rc) {
		view_close(&v);
		return rc;
	}
	if (o->output == OUT_JSON || o->output == OUT_YAML)
		n = print_objects(&v, &f, o);
	else if (o->output == OUT_NAME || o->output == OUT_SHORT)
		n = print_names(&v, &f);
	else
		n = print_tables(&v, &f, o);
	if (n == 0 && f.name) {
		rc = get_missing(&f);
	} else if (n == 0 && o->output <= OUT_WIDE) {
		fprintf(stderr, "No resources found%s%s.\n", f.all_ns ? "" : " in namespace ",
		    f.all_ns ? "" : f.ns);
	}
	view_close(&v);
	return rc;
}
