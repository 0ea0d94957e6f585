/*
 * test_traffic_translate.c - statuses of BackendTrafficPolicy, ClientTrafficPolicy and Backend
 * against those that Envoy Gateway's translator test expects (../shared/envoy-gateway/translate):
 * for each expected ancestor the conditions' type, status and reason, and the message where it is
 * not headgate's own. What is left out is listed with why.
 */
#include "tests/unit/conf/kinds_help.h"
#include "tests/unit/conf/world.h"


#define DYNAMIC "DynamicResolver is not served"
static const struct {
	const char *file, *why;
} skipped[] = {
	{"backend-invalid-feature-disabled", "Backend cannot be switched off"},
	{"backend-invalid-hostname-address", "the schema refuses these, and one name twice"},
	{"backend-with-localhost-host-infra", "one name twice"},
	{"backend-tls-settings", "not a version of the CRD; CA by BackendTLSPolicy"},
	{"backendtrafficpolicy-buffer-limit-out-of-range-error", "1000G is not rewritten to 1T"},
	{"backendtrafficpolicy-with-preconnect", "against a CEL rule of the CRD"},
	{"clienttrafficpolicy-headers-add-if-absent", "one key twice in a list by key"},
	{"clienttrafficpolicy-idle-timeout-with-error", "the schema refuses 10sec"},
	{"clienttrafficpolicy-mtls-cert-bundle-both-invalid", "against a CEL rule of the CRD"},
	{"clienttrafficpolicy-mtls-clustertrustbundle", "against a CEL rule of the CRD"},
	{"clienttrafficpolicy-mtls-forward-client-cert-custom-data",
	    "against a CEL rule of the CRD"},
	{"httproute-attaching-to-listener-with-backend-backendref",
	    "loopback and short names are good here"},
	{"httproute-dynamic-resolver", DYNAMIC},
	{"httproute-retry", "a field that the CRD has not"},
	{"httproute-with-urlrewrite-hostname-filter-invalid", DYNAMIC},
	{"mergebackends-http-demerge-dynamic-resolver", DYNAMIC},
	{"tlsroute-dynamic-resolver", DYNAMIC},
	{"tlsroute-dynamic-resolver-with-tls-terminate", DYNAMIC},
};

static const struct {
	const char *list;
	enum kind_id kind;
} kinds[] = {{"backendTrafficPolicies", KIND_BACKENDTRAFFICPOLICY},
    {"clientTrafficPolicies", KIND_CLIENTTRAFFICPOLICY}, {"backends", KIND_BACKEND}};

static unsigned compared, bad, left_out, files;

static int
take(void *arg, struct node *n)
{
	*(struct node **)arg = n;
	return 0;
}

static struct node *
tree(struct arena *a, const char *path)
{
	struct node *n = NULL;
	struct diags d;
	size_t len;
	char *text = read_file(path, &len);

	diags_init(&d, a);
	read_text(a, &d, BYTES("t.yaml"), arena_bytes(a, bytes_of(text, len)), 0, BYTES_NONE, take,
	    &n);
	mem_free(text);
	return n;
}

/* { gateways: [...], httpRoutes: [...] } as documents. */
static const char *
documents(struct arena *a, const struct node *in)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	for (const struct node *l = in ? in->first : NULL; l; l = l->next)
		for (const struct node *o = l->type == NODE_LIST ? l->first : NULL; o;
		     o = o->next) {
			/* Old versions of kinds that are v1 by now. */
			struct node *v = node_get(o, "apiVersion");

			if (v && bytes_starts(v->text, BYTES("gateway.networking.k8s.io/v1alpha")))
				v->text = BYTES("gateway.networking.k8s.io/v1");
			strbuf_addz(&out, "---\n");
			node_print_json(o, &out);
			strbuf_addc(&out, '\n');
		}
	text = arena_dup(a, out.p ? strbuf_bytes(&out) : BYTES(""));
	strbuf_release(&out);
	return text;
}

static bool
text_same(const struct node *a, const struct node *b, const char *key)
{
	struct bytes x = node_text(node_get(a, key)), y = node_text(node_get(b, key));

	return bytes_eq(x.p ? x : BYTES(""), y.p ? y : BYTES(""));
}

static const struct node *
cond_named(const struct node *list, struct bytes type)
{
	for (const struct node *c = list ? list->first : NULL; c; c = c->next)
		if (bytes_eq(node_text(node_get(c, "type")), type))
			return c;
	return NULL;
}

static void
told(const char *file, const struct node *object, const char *what, const struct node *want,
    const struct node *got)
{
	bad++;
	print_message("%s %.*s: %s: want %.*s/%.*s/%.*s \"%.*s\", got %.*s/%.*s \"%.*s\"\n", file,
	    BYTES_ARG(node_text(node_path(object, "metadata.name"))), what,
	    BYTES_ARG(node_text(node_get(want, "type"))),
	    BYTES_ARG(node_text(node_get(want, "status"))),
	    BYTES_ARG(node_text(node_get(want, "reason"))),
	    BYTES_ARG(node_text(node_get(want, "message"))),
	    BYTES_ARG(node_text(node_get(got, "status"))),
	    BYTES_ARG(node_text(node_get(got, "reason"))),
	    BYTES_ARG(node_text(node_get(got, "message"))));
}

static void
conditions(const char *file, const struct node *object, const char *what, const struct node *want,
    const struct node *got)
{
	for (const struct node *c = want ? want->first : NULL; c; c = c->next) {
		struct bytes type = node_text(node_get(c, "type"));
		const struct node *g = cond_named(got, type);

		compared++;
		if (bytes_eq(type, BYTES("Warning"))) { /* ours may hold more */
			struct bytes m = node_text(node_get(c, "message"));

			if (!g || !bytes_starts(node_text(node_get(g, "message")), m))
				told(file, object, what, c, g);
		} else if (!g || !text_same(c, g, "status") || !text_same(c, g, "reason") ||
		    !text_same(c, g, "message")) {
			told(file, object, what, c, g);
		}
	}
	for (const struct node *g = got ? got->first : NULL; g; g = g->next)
		if (!bytes_eq(node_text(node_get(g, "type")), BYTES("Warning")) &&
		    !cond_named(want, node_text(node_get(g, "type"))))
			told(file, object, what, NULL, g);
}

static const struct node *
same_ancestor(const struct node *list, const struct node *ref)
{
	for (const struct node *a = list ? list->first : NULL; a; a = a->next) {
		const struct node *r = node_get(a, "ancestorRef");

		if (text_same(r, ref, "kind") && text_same(r, ref, "name") &&
		    text_same(r, ref, "namespace") && text_same(r, ref, "sectionName"))
			return a;
	}
	return NULL;
}

static void
one_object(struct world *w, const char *file, enum kind_id kind, const struct node *o)
{
	struct bytes name = node_text(node_path(o, "metadata.name"));
	struct bytes ns = node_text(node_path(o, "metadata.namespace"));
	const struct node *want = node_get(o, "status"), *got = NULL;
	const struct cat_object *c = catalogue_find(&w->cat,
	    bytes_str(kind_table[kind].group), bytes_str(kind_table[kind].name),
	    ns.p ? ns : BYTES("default"), name);
	const struct node *list, *mine;

	if (!c || (c->flags & CAT_GONE)) {
		bad++;
		print_message("%s %.*s: no such object\n", file, BYTES_ARG(name));
		world_dump(w);
		return;
	}
	got = world_parse(w, blob_text(&w->cat.blob, c->status));
	if (kind == KIND_BACKEND) {
		conditions(file, o, "backend", node_get(want, "conditions"),
		    node_get(got, "conditions"));
		return;
	}
	list = node_get(want, "ancestors");
	mine = node_get(got, "ancestors");
	for (const struct node *a = list ? list->first : NULL; a; a = a->next) {
		const struct node *ref = node_get(a, "ancestorRef");
		const struct node *g = same_ancestor(mine, ref);
		char what[256];

		snprintf(what, sizeof(what), "%.*s %.*s %.*s",
		    BYTES_ARG(node_text(node_get(ref, "kind"))),
		    BYTES_ARG(node_text(node_get(ref, "name"))),
		    BYTES_ARG(node_text(node_get(ref, "sectionName"))));
		conditions(file, o, what, node_get(a, "conditions"), node_get(g, "conditions"));
	}
	if ((list ? list->n : 0) != (mine ? mine->n : 0)) {
		bad++;
		print_message("%s %.*s: %u ancestors, want %u\n", file, BYTES_ARG(name),
		    mine ? mine->n : 0, list ? list->n : 0);
	}
}

static bool
is_skipped(const char *name)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(skipped); i++)
		if (strcmp(name, skipped[i].file) == 0) {
			left_out++;
			print_message("left out: %s: %s\n", name, skipped[i].why);
			return true;
		}
	return false;
}

static void
one_file(const char *dir, const char *name)
{
	char path[1400];
	struct arena a;
	struct node *in, *want;
	struct world w;
	bool concerns = false;

	arena_init(&a, 65536, 0);
	snprintf(path, sizeof(path), "%s/%s.out.yaml", dir, name);
	want = tree(&a, path);
	for (size_t i = 0; i < HG_ARRAY_LEN(kinds); i++)
		concerns |= node_get(want, kinds[i].list) != NULL;
	if (!concerns || is_skipped(name)) {
		arena_release(&a);
		return;
	}
	files++;
	snprintf(path, sizeof(path), "%s/%s.in.yaml", dir, name);
	in = tree(&a, path);
	world_init(&w);
	w.conf = BYTES("gateway_classes = [\"envoy-gateway-class\"];");
	world_file(&w, "in.yaml", documents(&a, in));
	snprintf(path, sizeof(path), "%s/base/fixtures.yaml", dir);
	world_file(&w, "fixtures.yaml", documents(&a, tree(&a, path)));
	snprintf(path, sizeof(path), "%s/base/base.yaml", dir);
	world_file(&w, "base.yaml", documents(&a, tree(&a, path)));
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	for (size_t i = 0; i < HG_ARRAY_LEN(kinds); i++) {
		const struct node *list = node_get(want, kinds[i].list);

		for (const struct node *o = list ? list->first : NULL; o; o = o->next)
			one_object(&w, name, kinds[i].kind, o);
	}
	world_release(&w);
	arena_release(&a);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
translate(void **state)
{
	char path[1024], *names[1000];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	(void)state;
	if (!shared_path("envoy-gateway/translate", path))
		skip();
	d = opendir(path);
	while ((e = readdir(d)) != NULL) {
		char *dot = strstr(e->d_name, ".out.yaml");

		if (dot && n < HG_ARRAY_LEN(names))
			names[n++] = strndup(e->d_name, (size_t)(dot - e->d_name));
	}
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		one_file(path, names[i]);
		free(names[i]);
	}
	print_message("%u conditions of %u files compared, %u files left out\n", compared, files,
	    left_out);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(translate)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
