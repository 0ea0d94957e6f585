/*
 * test_load.c - files to objects: which role may define what, who wins where an object is defined
 * twice, what a bad file leaves behind, the order and the index of objects, headgate.conf, and last
 * good texts there and back.
 */
#include "tests/unit/conf/kinds_help.h"

#include "conf/kinds/k_core.h"
#include "conf/kinds/k_route.h"
#include "shm/proto.h"
#include "shm/spec.h"

#define assert_bytes(b, text) \
	do { \
		struct bytes b_ = (b); \
		assert_non_null(b_.p); \
		assert_int_equal(b_.n, strlen(text)); \
		assert_memory_equal(b_.p, text, b_.n); \
	} while (0)

/* ---- a source in memory */
struct memory_file {
	const char *path, *text, *ns;
	uint8_t role;
	int error;
};
struct memory {
	struct source source;
	const struct memory_file *v;
	unsigned n;
};

static int
memory_walk(struct source *s, unsigned root, int (*file)(void *arg, struct source_file *),
    void *arg)
{
	const struct memory *m = s->impl;

	(void)root;
	for (unsigned i = 0; i < m->n; i++) {
		struct source_file f = {.path = bytes_str(m->v[i].path),
		    .text = bytes_str(m->v[i].text),
		    .ns = bytes_str(m->v[i].ns), .role = m->v[i].role, .error = m->v[i].error};
		int rc = file(arg, &f);

		if (rc)
			return rc;
	}
	return 0;
}

struct loaded {
	struct arena arena;
	struct diags diags;
	struct load load;
	struct strbuf text;
};

static int
skip_second(void *arg, struct bytes path)
{
	(void)arg;
	return bytes_eq(path, BYTES("skip.yaml"));
}

static void
load(struct loaded *l, const struct memory_file *v, unsigned n, bool flat)
{
	struct memory m = {.source = {.walk = memory_walk}, .v = v, .n = n};

	m.source.impl = &m;
	*l = (struct loaded){0};
	arena_init(&l->arena, 65536, 0);
	diags_init(&l->diags, &l->arena);
	assert_int_equal(load_objects(&l->arena, &l->diags, &m.source, 1, flat, skip_second, NULL,
	    &l->load), 0);
	strbuf_addz(&l->text, "");
	for (const struct diag *d = l->diags.first; d; d = d->next)
		diag_print_short(&l->text, d);
}

static void
unload(struct loaded *l)
{
	strbuf_release(&l->text);
	arena_release(&l->arena);
}

#define CM(name, ns) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name ", " \
    "namespace: " ns "}\n"
#define CM_HERE(name) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\n"
#define ROUTE(name) "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: " \
    "{name: " name "}\nspec: {}\n"
#define GATEWAY "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n" \
	"spec: {gatewayClassName: headgate, listeners: [{name: a, port: 80, protocol: HTTP}]}\n"

static void
test_roles(void **state)
{
	static const struct memory_file files[] = {
		{"infra.d/a.yaml", GATEWAY "---\n" CM("a", "x"), NULL, PROTO_ROLE_INFRA, 0},
		{"security.d/b.yaml", GATEWAY "---\n" CM("b", "yy"), NULL, PROTO_ROLE_SECURITY, 0},
		{"security.d/c.yaml", ROUTE("r"), NULL, PROTO_ROLE_SECURITY, 0},
		{"routes.d/shop/d.yaml", GATEWAY "---\n" ROUTE("r") "---\n" CM("c",
		    "other") "---\n" CM("d", "shop"), "shop",
		    PROTO_ROLE_ROUTES, 0},
		/* not ours to forbid */
		{"routes.d/shop/e.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "
		    "a}\n", "shop", PROTO_ROLE_ROUTES, 0},
		{"routes.d/shop/f.yaml", "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: "
		    "SecurityPolicy\nmetadata: {name: a}\n", "shop",
		    PROTO_ROLE_ROUTES, 0},
	};
	struct loaded l;
	struct object *o;

	(void)state;
	load(&l, files, HG_ARRAY_LEN(files), false);
	assert_string_equal(l.text.p,
	    "security.d/b.yaml:2:7: error[HG0301]: kind Gateway may not be defined in security.d\n"
	    "security.d/c.yaml:2:7: error[HG0301]: kind HTTPRoute may not be defined in "
	    "security.d\n"
	    "routes.d/shop/d.yaml:2:7: error[HG0301]: kind Gateway may not be defined in routes.d\n"
	    "routes.d/shop/d.yaml:13:32: error[HG0302]: files in routes.d/shop may only define "
	    "objects of namespace \"shop\"\n"
	    "routes.d/shop/f.yaml:2:7: warning[HG2103]: kind SecurityPolicy of "
	    "gateway.envoyproxy.io is not served by this version\n"
	    "routes.d/shop/f.yaml:2:7: error[HG0301]: kind SecurityPolicy may not be defined in "
	    "routes.d\n");
	assert_int_equal(l.load.files, 6);
	assert_int_equal(l.load.nfiles, 6);
	assert_bytes(l.load.file_names[5], "routes.d/shop/f.yaml");
	assert_int_equal(l.load.objects.n, 5);
	assert_non_null(objects_find(&l.load.objects, KIND_CONFIGMAP, BYTES("x"), BYTES("a")));
	assert_non_null(objects_find(&l.load.objects, KIND_CONFIGMAP, BYTES("yy"), BYTES("b")));
	assert_null(objects_find(&l.load.objects, KIND_CONFIGMAP, BYTES("other"), BYTES("c")));
	/* filled in from the folder */
	o = objects_find(&l.load.objects, KIND_HTTPROUTE, BYTES("shop"), BYTES("r"));
	assert_non_null(o);
	assert_bytes(o->source, "routes.d/shop/d.yaml:6");
	unload(&l);
}

static void
test_duplicates(void **state)
{
	static const struct memory_file files[] = {
		{"z.yaml", CM("a", "x"), NULL, PROTO_ROLE_SECURITY, 0},
		{"b.yaml", CM("a", "x") "---\n" CM("b", "x"), NULL, PROTO_ROLE_INFRA, 0},
		{"c.yaml", CM_HERE("a"), "x", PROTO_ROLE_ROUTES, 0},
		{"d.yaml", CM_HERE("e"), "x", PROTO_ROLE_ROUTES, 0},
		{"e.yaml", CM_HERE("e"), "x", PROTO_ROLE_ROUTES, 0},
	};
	struct loaded l;
	unsigned bad = 0;

	(void)state;
	load(&l, files, HG_ARRAY_LEN(files), false);
	assert_string_equal(l.text.p,
	    "z.yaml:3:18: warning[HG2105]: ConfigMap \"a\" has no effect: it is defined in infra.d "
	    "too (b.yaml:1)\n"
	    "c.yaml:3:18: warning[HG2105]: ConfigMap \"a\" has no effect: it is defined in infra.d "
	    "too (b.yaml:1)\n"
	    "d.yaml:3:18: error[HG0306]: ConfigMap \"e\" is defined twice: also in e.yaml:1\n"
	    "e.yaml:3:18: error[HG0306]: ConfigMap \"e\" is defined twice: also in d.yaml:1\n");
	assert_int_equal(l.load.objects.n, 2);
	assert_bytes(objects_find(&l.load.objects, KIND_CONFIGMAP, BYTES("x"), BYTES("a"))->source,
	    "b.yaml:1");
	for (const struct load_bad *b = l.load.bad; b; b = b->next, bad++) {
		assert_int_equal(b->kind->id, KIND_CONFIGMAP);
		assert_bytes(b->name, "e");
	}
	assert_int_equal(bad, 2);
	unload(&l);
}

static void
test_bad(void **state)
{
	static const struct memory_file files[] = {
		{"a.yaml", ROUTE("good") "---\napiVersion: gateway.networking.k8s.io/v1\nkind: "
		    "HTTPRoute\nmetadata: {name: typo, namespace: shop}\nspec: {rulez: []}\n"
		    "---\nkind: {}\n", NULL, 0, 0},
		{"b.yaml", ROUTE("before") "---\na: [\n", NULL, 0, 0},
		{"skip.yaml", ROUTE("skipped"), NULL, 0, 0},
		{"e.yaml", NULL, NULL, 0, 13 /* EACCES */},
	};
	const struct load_bad *b;
	struct loaded l;

	(void)state;
	load(&l, files, HG_ARRAY_LEN(files), true);
	assert_int_equal(l.load.objects.count[KIND_HTTPROUTE], 2);
	b = l.load.bad;
	assert_int_equal(b->kind->id, KIND_HTTPROUTE);
	assert_bytes(b->ns, "shop");
	assert_bytes(b->name, "typo");
	assert_bytes(b->file, "a.yaml");
	assert_bytes(b->why, "a.yaml:9:8: unknown field \"rulez\" in HTTPRouteSpec");
	b = b->next;
	assert_null(b->kind); /* nobody knows what it was */
	assert_bytes(b->file, "a.yaml");
	b = b->next;
	assert_null(b->kind);
	assert_bytes(b->file, "b.yaml");
	assert_true(bytes_starts(b->why, BYTES("b.yaml:")));
	b = b->next;
	assert_null(b->kind);
	assert_bytes(b->file, "skip.yaml");
	b = b->next;
	assert_null(b->kind);
	assert_bytes(b->file, "e.yaml");
	assert_null(b->next);
	assert_int_equal(l.load.nfiles, 4);
	unload(&l);
}

static void
test_order(void **state)
{
	static const struct memory_file files[] = {
		{"a.yaml", CM("b", "yy") "---\n" CM("a", "yy") "---\n" ROUTE("z") "---\n" CM("c",
		    "x") "---\n" ROUTE("a"), NULL, 0, 0},
		{"b.json",
		    "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\","
		    "\"kind\":\"ConfigMap\","
		    "\"metadata\":{\"name\":\"aa\",\"namespace\":\"yy\"}}]}", NULL, 0, 0},
	};
	static const char *const expect[] = {"a", "z", "c", "a", "aa", "b"};
	const struct object *o;
	struct loaded l;

	(void)state;
	load(&l, files, HG_ARRAY_LEN(files), true);
	assert_string_equal(l.text.p, "");
	assert_int_equal(l.load.objects.n, HG_ARRAY_LEN(expect));
	for (unsigned i = 0; i < HG_ARRAY_LEN(expect); i++) {
		assert_bytes(l.load.objects.all[i]->meta.name, expect[i]);
		assert_int_equal(l.load.objects.all[i]->index, i);
		assert_ptr_equal(objects_find(&l.load.objects, l.load.objects.all[i]->kind->id,
		    l.load.objects.all[i]->meta.ns,
		    l.load.objects.all[i]->meta.name), l.load.objects.all[i]);
	}
	o = l.load.objects.first[KIND_CONFIGMAP];
	assert_bytes(o->meta.name, "c");
	assert_bytes(o->next->next->next->meta.name, "b");
	assert_null(o->next->next->next->next);
	assert_null(l.load.objects.first[KIND_SECRET]);
	assert_null(objects_find(&l.load.objects, KIND_SECRET, BYTES("x"), BYTES("c")));
	unload(&l);
}

static void
test_xbackend_port(void **state)
{
#define XBREF(name, port) "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n" \
    "metadata: {name: " name "}\n" \
	"spec: {rules: [{backendRefs: [{group: gateway.networking.x-k8s.io, kind: XBackend, " \
	    "name: b, port: " port "}]}]}\n"
	static const struct memory_file files[] = {
		{"a.yaml", "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackend\n"
		    "metadata: {name: b}\n"
		    "spec: {type: ExternalHostname, externalHostname: {hostname: a}, port: "
		    "{number: 80}}\n"
		    XBREF("same", "80") XBREF("other", "81"), NULL, 0, 0},
	};
	struct loaded l;

	(void)state;
	load(&l, files, HG_ARRAY_LEN(files), true);
	assert_int_equal(l.diags.warnings, 2);
	assert_int_equal(l.diags.errors, 1);
	assert_int_equal(l.diags.last->at.line, 14);
	assert_int_equal(l.load.objects.count[KIND_HTTPROUTE], 1);
	assert_non_null(objects_find(&l.load.objects, KIND_HTTPROUTE, BYTES("default"),
	    BYTES("same")));
	assert_bytes(l.load.bad->name, "other");
	unload(&l);
}

/* ---- headgate.conf */
static void
conf_says(const char *text, const char *expect)
{
	struct strbuf out = STRBUF_INIT;
	struct arena a;
	struct diags d;

	arena_init(&a, 4096, 0);
	diags_init(&d, &a);
	assert_int_equal(load_conf(&a, &d, BYTES("headgate.conf"), bytes_str(text)) == NULL,
	    expect[0] != '\0');
	strbuf_addz(&out, "");
	for (const struct diag *x = d.first; x; x = x->next)
		strbuf_printf(&out, "%u:%u: HG%04u %.*s\n", x->at.line, x->at.col, x->code,
		    BYTES_ARG(x->message));
	assert_string_equal(out.p, expect);
	strbuf_release(&out);
	arena_release(&a);
}

static void
test_conf(void **state)
{
	struct k_headgate *h;
	struct arena a;
	struct diags d;

	(void)state;
	arena_init(&a, 4096, 0);
	diags_init(&d, &a);
	h = load_conf(&a, &d, BYTES("headgate.conf"), BYTES_NONE);
	assert_non_null(h);
	assert_bytes(h->resources, "/etc/headgate");
	assert_int_equal(h->workers.v, 0);
	assert_int_equal(h->settings->request_line_bytes, 8192);
	assert_int_equal(h->settings->heartbeat_ms, 2000);
	assert_int_equal(h->settings->shutdown_grace_ms, 30000);
	assert_int_equal(h->settings->access_log, IM_LOG_JSON);
	assert_bytes(h->access_log->path, "stdout");
	h = load_conf(&a, &d, BYTES("headgate.conf"),
	    BYTES("resources = \"/r\";\nworkers = 4;\naddresses = [ \"127.0.0.1\", \"::1\" ];\n"
	    "address_pool = \"127.1.0.0/16\";\ngateway_classes = ( \"nginx\" );\nadmin: { address "
	    "= \"127.0.0.1:9000\"; };\n"
	    "access_log: { format = \"combined\"; };\nshutdown: { grace = \"5s\"; };\n"
	    "limits: { heartbeat = 0; header_timeout = \"2s\"; idle_timeout_ms = 100; field_bytes "
	    "= \"32Ki\"; body_bytes = 5000000000L; };\n"));
	assert_non_null(h);
	assert_int_equal(d.errors, 0);
	assert_int_equal(h->workers.v, 4);
	assert_int_equal(h->addresses.n, 2);
	assert_bytes(h->gateway_classes.v[0], "nginx");
	assert_bytes(h->admin_address, "127.0.0.1:9000");
	assert_int_equal(h->settings->heartbeat_ms, 0);
	assert_int_equal(h->settings->header_timeout_ms, 2000);
	assert_int_equal(h->settings->idle_timeout_ms, 100);
	assert_int_equal(h->settings->field_bytes, 32768);
	assert_int_equal(h->settings->body_bytes, 5000000000);
	assert_int_equal(h->settings->header_bytes, 32768); /* not written: default */
	assert_int_equal(h->settings->shutdown_grace_ms, 5000);
	assert_int_equal(h->settings->access_log, IM_LOG_COMBINED);
	arena_release(&a);

	conf_says("workers = -1;\nlimits: { heartbea = 1; fields = 1; header_timeout = \"1x\"; "
	    "field_bytes = \"1\"; };\n",
	    "1:11: HG0106 -1 is out of range: must be between 0 and 1024\n2:11: HG0103 unknown "
	    "field \"heartbea\" in limits\n"
	    "2:34: HG0106 1 is out of range: must be between 8 and 1000\n"
	    "2:54: HG0105 \"1x\" is not a duration such as 500ms, 5s or 1m30s\n2:74: HG0106 1 is "
	    "out of range: must be between 64 and 65536\n");
	conf_says("address_pool = \"x\";\naddresses = [ \"1.2.3\" ];\nadmin: { address = \"9000\"; "
	    "};\n",
	    "2:15: HG0116 \"1.2.3\" is not an IP address\n1:16: HG0116 \"x\" is not a network such "
	    "as 127.1.0.0/16\n"
	    "3:20: HG0116 \"9000\" is not an address with a port, such as 127.0.0.1:9000\n");
	conf_says("access_log: { path = \"off\"; };\n", "");
	conf_says("resource = \"/x\";\n", "1:1: HG0103 unknown field \"resource\" in "
	    "headgate.conf\n");
}

/* ---- printing, last good texts */
static void
test_print(void **state)
{
	struct strbuf out = STRBUF_INIT, yaml = STRBUF_INIT;
	struct object *again;
	struct bound b;

	(void)state;
	bound_read(&b, "s.yaml", BYTES("# c\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  "
	    "labels: {a: \"1\"}\n  annotations: ~\n"
	    "type: Opaque\nstringData:\n  password: hunter2\n  empty: ''\nstatus: {a: b}\n"));
	assert_string_equal(b.text.p, "");
	object_print_json(b.v[0], "u-1", 3, "2026-01-31T12:00:00Z", &out);
	assert_string_equal(out.p,
	    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
	    "\"namespace\":\"default\","
	    "\"uid\":\"u-1\",\"generation\":3,\"creationTimestamp\":\"2026-01-31T12:00:00Z\","
	    "\"labels\":{\"a\":\"1\"}},"
	    "\"type\":\"Opaque\",\"stringData\":{\"password\":\"<redacted>\",\"empty\":"
	    "\"<redacted>\"}}");
	strbuf_reset(&out);
	object_to_json(b.v[0], &out);
	assert_non_null(strstr(out.p, "hunter2"));
	again = object_from_json(&b.arena, strbuf_bytes(&out), BYTES("s.yaml:2"));
	assert_non_null(again);
	assert_memory_equal(again->hash, b.v[0]->hash, sizeof(again->hash));
	assert_bytes(again->source, "s.yaml:2");
	assert_bytes(again->meta.ns, "default");
	assert_null(object_from_json(&b.arena, BYTES("{}"), BYTES("x:1")));
	assert_null(object_from_json(&b.arena, BYTES("{"), BYTES("x:1")));
	bound_free(&b);

	bound_read(&b, "r.yaml", BYTES("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
	    "metadata: {name: r, annotations: {t: \"a\\nb\\n\", u: 'yes', v: '1', w: '', x: "
	    "\"\\t\", 'y': 'a: b', z: '- a'}}\n"
	    "spec:\n  hostnames: [a.b, '*.c']\n  parentRefs: []\n  rules:\n  - matches: [{path: "
	    "{value: /a}}, {}]\n"));
	assert_string_equal(b.text.p, "");
	node_print_yaml(b.v[0]->node, 0, &yaml);
	assert_string_equal(yaml.p, "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
	    "metadata:\n  name: r\n  annotations:\n    t: |\n"
	    "      a\n      b\n    u: \"yes\"\n    v: \"1\"\n    w: \"\"\n    x: \"\\t\"\n    "
	    "\"y\": \"a: b\"\n    z: \"- a\"\nspec:\n  hostnames:\n  - a.b\n"
	    "  - \"*.c\"\n  parentRefs: []\n  rules:\n  - matches:\n    - path:\n        value: "
	    "/a\n    - {}\n");
	bound_free(&b);
	/* what is printed reads as the same */
	bound_read(&b, "r.yaml", strbuf_bytes(&yaml));
	assert_string_equal(b.text.p, "");
	strbuf_reset(&out);
	node_print_json(b.v[0]->node, &out);
	assert_string_equal(out.p,
	    "{\"apiVersion\":\"gateway.networking.k8s.io/v1\",\"kind\":\"HTTPRoute\",\"metadata\":"
	    "{\"name\":\"r\",\"annotations\":"
	    "{\"t\":\"a\\nb\\n\",\"u\":\"yes\",\"v\":\"1\",\"w\":\"\",\"x\":\"\\t\",\"y\":\"a: "
	    "b\",\"z\":\"- a\"}},\"spec\":{\"hostnames\":[\"a.b\",\"*.c\"],"
	    "\"parentRefs\":[],\"rules\":[{\"matches\":[{\"path\":{\"value\":\"/a\"}},{}]}]}}");
	bound_free(&b);
	strbuf_release(&out);
	strbuf_release(&yaml);
}

/* Every real object survives text -> object -> JSON -> object and -> YAML -> object. */
static unsigned trips;

static void
round_trip(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	struct bound b, c;

	bound_read(&b, path, bytes_of(text, n));
	for (unsigned i = 0; i < b.n; i++) {
		struct strbuf json = STRBUF_INIT, yaml = STRBUF_INIT;
		struct object *o;

		if (!b.v[i])
			continue;
		object_to_json(b.v[i], &json);
		o = object_from_json(&b.arena, strbuf_bytes(&json), b.v[i]->source);
		assert_non_null(o);
		assert_memory_equal(o->hash, b.v[i]->hash, sizeof(o->hash));
		node_print_yaml(b.v[i]->node, 0, &yaml);
		bound_read(&c, "y.yaml", strbuf_bytes(&yaml));
		assert_non_null(c.v[0]);
		node_prune_nulls(b.v[i]->node);
		if (!node_equal(c.v[0]->node, b.v[i]->node))
			fail_msg("%s: printed as\n%s", path, yaml.p);
		bound_free(&c);
		strbuf_release(&json);
		strbuf_release(&yaml);
		trips++;
	}
	bound_free(&b);
	mem_free(text);
}

static void
test_round_trips(void **state)
{
	static const char *const dirs[] = {"gateway-api/conformance/tests",
	    "gateway-api/conformance/base", "envoy-gateway/e2e"};
	char dir[1024], path[1400];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(dirs); i++) {
		struct dirent **v;
		int n;

		if (!shared_path(dirs[i], dir))
			skip();
		n = scandir(dir, &v, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			snprintf(path, sizeof(path), "%s/%s", dir, v[k]->d_name);
			if (strstr(path, ".yaml"))
				round_trip(path);
			free(v[k]);
		}
		free(v);
	}
	assert_true(trips > 400);
}

static void
test_explain(void **state)
{
	static const struct {
		const char *path, *has;
		int rc;
	} rows[] = {
		{"httproute", "spec\t<HTTPRouteSpec> -required-", 0},
		{"HTTPRoute.spec.rules[].matches.path.type",
		    "Possible values: Exact, PathPrefix, RegularExpression", 0},
		{"gateway.listeners.port", "Range: 1 to 65535", 0},
		{"gateway.status.listeners.attachedRoutes", "<integer> -required-", 0},
		{"httproute.metadata.labels", "What selectors see.", 0},
		{"secret.data", "Content, base64.", 0},
		{"headgate.conf", "limits\t<limits>", 0},
		{"headgate.conf.limits.heartbeat", "heartbeat_ms", 0},
		{"headgate.conf.admin.address", "admin pages", 0},
		{"HG0103", "unknown field", 0},
		{"HTTPRoute.spec.rulez", "did you mean \"rules\"?", -1},
		{"HTTPRoute.spec.hostnames.x", "has no fields", -1},
		{"gatway", "did you mean \"Gateway\"?", -1},
		{"zzz", "there is no kind \"zzz\"", -1},
		{"HG9999", "there is no kind", -1},
		{"", "there is no kind", -1},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct strbuf out = STRBUF_INIT;

		assert_int_equal(schema_explain(bytes_str(rows[i].path), &out), rows[i].rc);
		if (!strstr(out.p, rows[i].has))
			fail_msg("explain %s: no \"%s\" in\n%s", rows[i].path, rows[i].has, out.p);
		strbuf_release(&out);
	}
}

static void
test_status(void **state)
{
	struct bound b;

	(void)state;
	bound_read(&b, "s.yaml", BYTES("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
	    "metadata: {name: r}\nspec: {}\nstatus:\n  parents:\n"
	    "  - controllerName: a.b/c\n    parentRef: {name: g}\n    conditions:\n    - {type: "
	    "Accepted, status: \"True\", reason: Accepted, message: '',\n"
	    "       lastTransitionTime: 2026-01-31T12:00:00Z}\n"));
	assert_string_equal(b.text.p, "");
	assert_true(struct_valid(&b.arena, &b.diags, b.v[0]->kind->status_schema, b.v[0]->status));
	node_path(b.v[0]->status, "parents[0].conditions[0].status")->text = BYTES("true");
	assert_false(struct_valid(&b.arena, &b.diags, b.v[0]->kind->status_schema, b.v[0]->status));
	bound_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles), cmocka_unit_test(test_duplicates),
		    cmocka_unit_test(test_bad),
		cmocka_unit_test(test_order), cmocka_unit_test(test_xbackend_port),
		    cmocka_unit_test(test_conf),
		cmocka_unit_test(test_print), cmocka_unit_test(test_round_trips),
		    cmocka_unit_test(test_explain),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
