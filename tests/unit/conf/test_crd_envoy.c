/*
 * test_crd_envoy.c - the tables of BackendTrafficPolicy, ClientTrafficPolicy and Backend against
 * Envoy Gateway's CRDs (../shared/envoy-gateway/crds): field for field in both directions, types,
 * enums, bounds, defaults, required members, list types, and whether every CEL rule is counted.
 */
#include "tests/unit/conf/kinds_help.h"

#include "conf/kinds/table.h"

/* What the tables judge by themselves, better than the CRD's text does. */
static const char *const other_pattern[] = {"spec.clientIPDetection.xForwardedFor.trustedCIDRs",
    "spec.clientIPDetection.customHeader.name", "spec.endpoints.fqdn.hostname",
    "spec.endpoints.ip.address",
    "spec.loadBalancer.dynamicModule.name",
    "spec.loadBalancer.backendUtilization.outOfBand.authority",
    "spec.bandwidthLimit.response.responseTrailers.prefix"};
/* Closed lists that the CRD leaves to the controller, and bounds of a redirect's port. */
static const char *const closer[] = {"spec.mergeType", "spec.routingType",
    "spec.http2.onInvalidMessage", "spec.responseOverride.redirect.port"};

static int faults;
#define BAD(...) (faults++, fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

static bool
listed(const char *path, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], path) == 0)
			return true;
	return false;
}

static unsigned
cel_of(const struct node *n)
{
	const struct node *v = node_get(n, "x-kubernetes-validations");

	return v ? v->n : 0;
}

static const char *
type_of(const struct kfield *f)
{
	switch ((enum field_type)f->type) {
	case FT_INT:
		return "integer";
	case FT_BOOL:
		return "boolean";
	case FT_NUMBER:
		return "number";
	case FT_STRUCT:
	case FT_MAP:
		return "object";
	case FT_LIST:
	case FT_STRINGS:
	case FT_INTS:
		return "array";
	case FT_INT_OR_STRING:
	case FT_ANY:
		return "";
	default:
		return "string";
	}
}

static void
number(const char *path, const char *what, const struct node *n, bool has, int64_t v)
{
	const struct node *c = node_get(n, what);
	int64_t want = c && c->type == NODE_FLOAT ? (int64_t)c->real : c ? c->integer : 0;

	if ((c != NULL) != has || (c && want != v))
		if (!(c && want == 0 && !has)) /* minLength: 0 says nothing */
			BAD("%s: %s is %lld in the table, %lld in the CRD", path, what,
			    has ? (long long)v : -1, c ? (long long)want : -1);
}

static void
names(const char *path, const struct kfield *f, const struct node *n)
{
	const struct node *e = node_get(n, "enum"), *all = node_get(n, "allOf");
	unsigned k = 0;

	for (const struct node *a = all && !e ? all->first : NULL; a && !e; a = a->next)
		e = node_get(a, "enum");
	while (f->names && f->names[k])
		k++;
	if (k == 0 && !e)
		return;
	if (!e && listed(path, closer, HG_ARRAY_LEN(closer)))
		return;
	if (!e || e->n != k) {
		BAD("%s: %u words, %u in the CRD", path, k, e ? e->n : 0);
		return;
	}
	for (const struct node *w = e->first; w; w = w->next) {
		bool found = false;

		for (unsigned i = 0; i < k; i++)
			found |= bytes_eq(w->text, bytes_str(f->names[i]));
		if (!found)
			BAD("%s: no word %.*s", path, BYTES_ARG(w->text));
	}
}

static void
scalar(const char *path, const struct kfield *f, const struct node *n)
{
	const struct node *pattern = node_get(n, "pattern");

	names(path, f, n);
	if (!listed(path, closer, HG_ARRAY_LEN(closer))) {
		number(path, "minimum", n, f->has_min, f->min);
		number(path, "maximum", n, f->has_max, f->max);
	}
	number(path, "minLength", n, f->min_len != 0, f->min_len);
	if (strcmp(path, "spec.endpoints.unix.path") != 0) /* there as a CEL rule */
		number(path, "maxLength", n, f->max_len != 0, f->max_len);
	if (listed(path, other_pattern, HG_ARRAY_LEN(other_pattern)))
		return;
	if ((pattern != NULL) != (f->pattern != NULL))
		BAD("%s: pattern %s in the CRD", path, pattern ? "is" : "is not");
	else if (pattern && !bytes_eq(pattern->text, bytes_str(f->pattern->text)))
		BAD("%s: pattern is %.*s", path, BYTES_ARG(pattern->text));
}

static void
def(const char *path, const struct kfield *f, const struct node *n)
{
	const struct node *d = node_get(n, "default");
	struct bytes have = f->def ? bytes_str(f->def) : BYTES_NONE;

	if (have.n >= 2 && have.p[0] == '"')
		have = bytes_of(have.p + 1, have.n - 2);
	if ((d != NULL) != (f->def != NULL) || (d && !bytes_eq(d->text, have)))
		BAD("%s: default is %.*s", path, BYTES_ARG(d ? d->text : BYTES("absent")));
}

static bool
required(const struct node *schema, const char *name)
{
	const struct node *r = node_get(schema, "required");

	for (const struct node *e = r ? r->first : NULL; e; e = e->next)
		if (bytes_eq(e->text, bytes_str(name)))
			return true;
	return false;
}

static void compare(const char *path, const struct kstruct *, const struct node *schema);

static void
field(const char *path, const struct kfield *f, const struct node *n)
{
	const struct node *type = node_get(n, "type"), *items = node_get(n, "items");
	const struct node *lt = node_get(n, "x-kubernetes-list-type");
	const char *list = f->list == LIST_SET ? "set" : f->list == LIST_MAP ? "map" : "atomic";

	if (!bytes_eq(type ? type->text : BYTES(""), bytes_str(type_of(f))) &&
	    (f->type != FT_ANY))
		BAD("%s: type is %.*s", path, BYTES_ARG(type ? type->text : BYTES("none")));
	if ((f->type == FT_INT_OR_STRING) !=
	    (node_get(n, "x-kubernetes-int-or-string") != NULL))
		BAD("%s: int-or-string", path);
	if (items) {
		number(path, "minItems", n, f->min_items != 0, f->min_items);
		number(path, "maxItems", n, f->max_items != 0, f->max_items);
		if (!bytes_eq(lt ? lt->text : BYTES("atomic"), bytes_str(list)))
			BAD("%s: list type", path);
	}
	def(path, f, n);
	if (f->type == FT_STRUCT)
		compare(path, f->sub, n);
	else if (f->type == FT_LIST)
		compare(path, f->sub, items);
	else if (f->type == FT_STRINGS || f->type == FT_INTS)
		scalar(path, f, items);
	else if (f->type != FT_MAP && f->type != FT_INT_OR_STRING && f->type != FT_ANY)
		scalar(path, f, n);
	if (f->type != FT_STRUCT && f->type != FT_LIST && cel_of(n) != f->cel)
		BAD("%s: %u CEL rules", path, cel_of(n));
	if (f->type == FT_LIST && cel_of(n) != f->cel)
		BAD("%s: %u CEL rules of the list", path, cel_of(n));
}

static void
compare(const char *path, const struct kstruct *s, const struct node *schema)
{
	const struct node *props = node_get(schema, "properties");
	char below[512];

	if (cel_of(schema) != s->cel && strcmp(path, "spec.telemetry.tracing") != 0)
		BAD("%s: %u CEL rules, %u counted", path, cel_of(schema), s->cel);
	for (const struct node *p = props ? props->first : NULL; p; p = p->next) {
		const struct kfield *f = schema_field(s, p->key);

		snprintf(below, sizeof(below), "%s.%.*s", path, BYTES_ARG(p->key));
		if (!f) {
			BAD("%s: not in the table", below);
			continue;
		}
		if (required(schema, f->name) != ((f->flags & FF_REQUIRED) != 0))
			BAD("%s: required", below);
		field(below, f, p);
	}
	for (unsigned i = 0; i < s->n; i++)
		if (!node_get(props, s->fields[i].name))
			BAD("%s.%s: not in the CRD", path, s->fields[i].name);
}

struct want {
	enum kind_id kind;
	unsigned seen;
};

static int
take(void *arg, struct node *root)
{
	struct want *w = arg;
	const struct node *spec = node_path(root,
	    "spec.versions[0].schema.openAPIV3Schema.properties.spec");
	const struct node *names_ = node_path(root, "spec.names");

	if (!spec)
		return 0;
	w->seen++;
	assert_true(bytes_eq(node_text(node_get(names_, "plural")),
	    bytes_str(kind_by_id(w->kind)->plural)));
	compare("spec", kind_by_id(w->kind)->spec, spec);
	return 0;
}

static void
tables(void **state)
{
	static const struct {
		enum kind_id kind;
		const char *file;
	} rows[] = {
		{KIND_BACKENDTRAFFICPOLICY, "backendtrafficpolicies"},
		{KIND_CLIENTTRAFFICPOLICY, "clienttrafficpolicies"},
		{KIND_BACKEND, "backends"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		char path[1024], rel[128];
		struct want w = {.kind = rows[i].kind};
		struct arena arena;
		struct diags diags;
		size_t n;
		char *text;

		snprintf(rel, sizeof(rel), "envoy-gateway/crds/%s.yaml", rows[i].file);
		if (!shared_path(rel, path))
			skip();
		text = read_file(path, &n);
		arena_init(&arena, 65536, 0);
		diags_init(&diags, &arena);
		read_text(&arena, &diags, bytes_str(rows[i].file), bytes_of(text, n), 0,
		    BYTES_NONE, take, &w);
		assert_int_equal(w.seen, 1);
		arena_release(&arena);
		mem_free(text);
	}
	assert_int_equal(faults, 0);
}

/* Real manifests: no error in any object of the three kinds. */
static void
manifests(void **state)
{
	char path[1024], file[1400];
	struct dirent *e;
	unsigned objects = 0;
	DIR *d;

	(void)state;
	if (!shared_path("envoy-gateway/e2e", path))
		skip();
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		struct bound b;
		size_t n;
		char *text;

		if (!strstr(e->d_name, ".yaml"))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		text = read_file(file, &n);
		bound_read(&b, e->d_name, bytes_of(text, n));
		for (unsigned i = 0; i < b.n; i++) {
			const struct kind *k = b.id[i].kind;

			if (!k || (k->id != KIND_BACKENDTRAFFICPOLICY &&
			    k->id != KIND_CLIENTTRAFFICPOLICY && k->id != KIND_BACKEND))
				continue;
			objects++;
			if (!b.v[i])
				BAD("%s: %s", e->d_name, b.text.p);
		}
		bound_free(&b);
		mem_free(text);
	}
	closedir(d);
	assert_true(objects > 50);
	assert_int_equal(faults, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tables),
	    cmocka_unit_test(manifests)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
