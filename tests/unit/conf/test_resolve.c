/*
 * resolve's memory and order: uids, generations, ages and ids over generations, pool
     addresses, last good content,
 * foreign statuses, endpoints, and that the order of files changes nothing.
 */
#include "tests/unit/conf/world.h"

#include <sys/mman.h>

#include "conf/resolve/feature.h"
#include "conf/resolve/ids.h"
#include "conf/resolve/scope.h"
#include "shm/board.h"

#define GW(name, listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " name ", " \
	    "namespace: infra}\n" \
	"spec: {gatewayClassName: headgate, listeners: [" listeners "]}\n---\n"
#define HTTP "{name: http, port: 80, protocol: HTTP}"
#define SVC(name) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: infra}\n" \
	"spec: {ports: [{name: web, port: 80, targetPort: 8080}]}\n---\n"
#define ROUTE(name, path, svc) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " name ", " \
	    "namespace: infra}\n" \
	"spec:\n  parentRefs: [{name: edge}]\n  rules: [{matches: [{path: {value: " path "}}], " \
	    "backendRefs: [{name: " svc \
	", port: 80}]}]\n---\n"

static uint32_t
id_of(struct world *w, enum cat_idkind kind, const char *name)
{
	for (uint32_t i = 0; i < w->cat.n_ids; i++)
		if (w->cat.ids[i].kind == kind && bytes_eq(blob_text(&w->cat.blob,
		    w->cat.ids[i].name), bytes_str(name)))
			return w->cat.ids[i].id;
	return 0;
}

static void
hostnames(void **state)
{
	static const struct {
		const char *l, *r;
		bool meets;
	} t[] = {
		{NULL, NULL, true}, {NULL, "a.com", true}, {"a.com", NULL, true}, {"a.com",
		    "a.com", true},
		{"a.com", "b.com", false}, {"*.a.com", "x.a.com", true}, {"*.a.com",
		    "x.y.a.com", true},
		{"*.a.com", "a.com", false}, {"*.a.com", "xa.com", false}, {"x.a.com",
		    "*.a.com", true},
		{"*.a.com", "*.x.a.com", true}, {"*.x.a.com", "*.a.com", true}, {"*.a.com",
		    "*.b.com", false},
		{"*.com", "*.a.com", true}, {"a.com", "*.a.com", false}, {"*.a.com", "*.a.com",
		    true},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(t); i++)
		assert_int_equal(hostname_meets(bytes_str(t[i].l), bytes_str(t[i].r)), t[i].meets);
}

static void
features(void **state)
{
	static const char *const names[] = {
#define F(name) #name,
		FEATURE_TABLE(F)
#undef F
	};

	(void)state;
	assert_true(HG_ARRAY_LEN(names) <= 64);
	for (size_t i = 1; i < HG_ARRAY_LEN(names); i++)
		assert_true(strcmp(names[i - 1], names[i]) < 0);
}

static void
metadata(void **state)
{
	static const char one[] = GW("edge", HTTP), two[] = GW("edge", HTTP ", {name: b, port: "
	    "81, protocol: HTTP}");
	const struct cat_object *o;
	struct bytes uid;
	char first[64];
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", one);
	world_compile(&w);
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->generation, 1);
	assert_int_equal(o->created, WORLD_NOW);
	uid = blob_text(&w.cat.blob, o->uid);
	assert_int_equal(uid.n, 36);
	memcpy(first, uid.p, 36);
	w.in.now += 100;
	world_compile(&w); /* nothing changed */
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->generation, 1);
	assert_memory_equal(blob_text(&w.cat.blob, o->uid).p, first, 36);
	w.texts[0] = two;
	w.in.now += 100;
	world_compile(&w);
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->generation, 2);
	assert_int_equal(o->created, WORLD_NOW);
	w.texts[0] = "";
	world_compile(&w); /* gone, remembered */
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->flags, CAT_GONE);
	assert_int_equal(o->json.off, IM_NONE);
	w.texts[0] = one;
	world_compile(&w);
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->created, WORLD_NOW);
	assert_int_equal(o->generation, 3);
	world_release(&w);
}

static void
from_file(void **state)
{
	const struct cat_object *o;
	struct bytes status;
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "Gateway\nmetadata: {name: edge, namespace: "
	    "infra, uid: abc, generation: 7, creationTimestamp: "
	    "\"2026-01-02T03:04:05Z\"}\nspec: {gatewayClassName: "
	    "headgate, listeners: [" HTTP "]}\n");
	world_compile(&w);
	o = world_object(&w, "Gateway", "infra", "edge");
	assert_int_equal(o->generation, 7);
	assert_true(bytes_eq(blob_text(&w.cat.blob, o->uid), BYTES("abc")));
	assert_int_equal(o->created, 1767323045);
	status = blob_text(&w.cat.blob, o->status);
	assert_non_null(memmem(status.p, status.n, "\"observedGeneration\":7", 22));
	assert_null(memmem(status.p, status.n, "\"observedGeneration\":1", 22));
	world_release(&w);
}

static struct bytes
transition(struct world *w, const char *type)
{
	const struct cat_object *o = world_object(w, "HTTPRoute", "infra", "r");
	const struct node *c = conditions_at(world_parse(w, blob_text(&w->cat.blob,
	    o->status)), "p:0");

	for (c = c->first; c != NULL; c = c->next)
		if (bytes_eq(node_text(node_get(c, "type")), bytes_str(type)))
			return node_text(node_get(c, "lastTransitionTime"));
	return BYTES_NONE;
}

static void
transitions(void **state)
{
	struct world w;
	struct bytes t;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP) ROUTE("r", "/a", "web"));
	world_file(&w, "b.yaml", NULL);
	world_compile(&w);
	t = transition(&w, "ResolvedRefs");
	assert_true(bytes_eq(t, BYTES("2026-09-21T14:13:20Z")));
	w.in.now += 60;
	w.texts[1] = SVC("web");
	world_compile(&w);
	t = transition(&w, "ResolvedRefs");
	assert_true(bytes_eq(t, BYTES("2026-09-21T14:14:20Z"))); /* False became True */
	t = transition(&w, "Accepted");
	assert_true(bytes_eq(t, BYTES("2026-09-21T14:13:20Z"))); /* stayed */
	w.in.now += 60;
	world_compile(&w);
	t = transition(&w, "ResolvedRefs");
	assert_true(bytes_eq(t, BYTES("2026-09-21T14:14:20Z")));
	world_release(&w);
}

static void
stable_ids(void **state)
{
	uint32_t b, listener, sock;
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP) SVC("web"));
	world_file(&w, "b.yaml", ROUTE("a", "/a", "web") ROUTE("b", "/b", "web"));
	world_compile(&w);
	b = id_of(&w, CAT_ID_RULE, "HTTPRoute infra/b 0");
	listener = id_of(&w, CAT_ID_LISTENER, "Gateway infra/edge http");
	sock = id_of(&w, CAT_ID_SOCKET, "tcp 0.0.0.0:80");
	assert_true(b != 0 && listener != 0 && sock != 0 && id_of(&w, CAT_ID_CLUSTER,
	    "infra/web:80") != 0);
	w.texts[1] = ROUTE("b", "/b", "web") ROUTE("0a", "/0", "web");
	world_compile(&w);
	assert_int_equal(id_of(&w, CAT_ID_RULE, "HTTPRoute infra/b 0"), b);
	assert_int_equal(id_of(&w, CAT_ID_LISTENER, "Gateway infra/edge http"), listener);
	assert_int_equal(id_of(&w, CAT_ID_SOCKET, "tcp 0.0.0.0:80"), sock);
	/* a's number is not given to 0 yet */
	assert_int_not_equal(id_of(&w, CAT_ID_RULE, "HTTPRoute infra/0a 0"), id_of(&w,
	    CAT_ID_RULE, "HTTPRoute infra/a 0"));
	for (int i = 0; i < IDS_KEEP + 1; i++)
		world_compile(&w);
	assert_int_equal(id_of(&w, CAT_ID_RULE, "HTTPRoute infra/a 0"), 0);
	assert_int_equal(id_of(&w, CAT_ID_RULE, "HTTPRoute infra/b 0"), b);
	world_release(&w);
}

static void
pool(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("address_pool = \"127.64.0.0/29\";\n");
	world_file(&w, "a.yaml", GW("b", HTTP));
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "b", "", "#addresses"),
	    "127.64.0.1");
	w.texts[0] = GW("a", HTTP) GW("b", HTTP) GW("c", HTTP);
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "b", "", "#addresses"),
	    "127.64.0.1");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "a", "", "#addresses"),
	    "127.64.0.2");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "a", "", "Programmed"),
	    "True/Programmed");
	w.texts[0] = GW("c", HTTP);
	world_compile(&w);
	w.texts[0] = GW("c", HTTP) GW("d", HTTP) GW("b", HTTP); /* b finds its own again; d
	    gets a fresh one */
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "b", "", "#addresses"),
	    "127.64.0.1");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "c", "", "#addresses"),
	    "127.64.0.3");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "d", "", "#addresses"),
	    "127.64.0.4");
	w.texts[0] = GW("c", HTTP) GW("d", HTTP) GW("b", HTTP) GW("e", HTTP) GW("f", HTTP)
	    GW("g", HTTP) GW("h", HTTP);
	world_compile(&w); /* six addresses, seven Gateways: a's is taken over, the last gets
	    none */
	assert_string_equal(world_cond(&w, "Gateway", "infra", "g", "", "#addresses"),
	    "127.64.0.2");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "h", "", "Programmed"),
	    "False/AddressNotAssigned");
	world_release(&w);
}

/* From bad in one file to good in another, and to nowhere. */
static void
stale_moves(struct world *w)
{
	/* another file defines it */
	world_file(w, "c.yaml", ROUTE("r", "/c", "web"));
	world_compile(w);
	assert_string_equal(world_cond(w, "HTTPRoute", "infra", "r", "p:0",
	    "headgate.dev/Stale"), "");
	assert_int_equal(world_object(w, "HTTPRoute", "infra", "r")->generation, 2);
	w->texts[4] = NULL;
	world_compile(w); /* c.yaml is gone: the last good content is the one that was served
	    last */
	assert_string_equal(world_cond(w, "HTTPRoute", "infra", "r", "p:0",
	    "headgate.dev/Stale"), "True/LastGoodContent");
	/* the bad file goes: a deletion */
	w->texts[1] = NULL;
	world_compile(w);
	assert_int_equal(world_object(w, "HTTPRoute", "infra", "r")->flags, CAT_GONE);
}

static void
stale(void **state)
{
	const struct cat_object *o;
	struct bytes good;
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP) SVC("web"));
	world_file(&w, "b.yaml", ROUTE("r", "/a", "web"));
	world_file(&w, "s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: "
	    "infra}\n"
	    "stringData: {password: swordfish}\n");
	world_file(&w, "t.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: t\n"
	    "  namespace: infra\n  annotations:\n"
	    "    kubectl.kubernetes.io/last-applied-configuration: '{\"data\": \"swordfish\"}'\n"
	    "data: {}\n");
	world_compile(&w);
	assert_int_equal(w.out.diags.errors, 0);
	o = world_object(&w, "Secret", "infra", "s");
	assert_null(memmem(blob_text(&w.cat.blob, o->json).p, o->json.len, "swordfish", 9));
	good = blob_text(&w.cat.blob, world_object(&w, "Secret", "infra", "t")->json);
	assert_non_null(memmem(good.p, good.n, "last-applied", 12));
	assert_null(memmem(good.p, good.n, "swordfish", 9));
	good = blob_text(&w.cat.blob, o->good);
	assert_non_null(memmem(good.p, good.n, "swordfish", 9));
	/* one object bad, one file unreadable */
	w.texts[1] = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: "
	    "{name: r, namespace: infra}\n"
	    "spec: {parentRefs: [{name: edge}], ruels: []}\n";
	w.texts[2] = "<eacces>";
	for (int i = 0; i < 3; i++) { /* over several generations */
		world_compile(&w);
		assert_int_equal(w.err, HG_OK);
		assert_true(w.out.diags.errors >= 2);
		assert_int_equal(w.out.result.stale, 2);
		assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0",
		    "headgate.dev/Stale"),
		    "True/LastGoodContent");
		assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0",
		    "Accepted"), "True/Accepted");
		assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0",
		    "ResolvedRefs"), "True/ResolvedRefs");
		o = world_object(&w, "HTTPRoute", "infra", "r");
		assert_true(o->flags & CAT_STALE);
		assert_int_equal(o->generation, 1);
		o = world_object(&w, "Secret", "infra", "s");
		assert_true(o->flags & CAT_STALE);
		good = blob_text(&w.cat.blob, o->good);
		assert_non_null(memmem(good.p, good.n, "swordfish", 9));
	}
	stale_moves(&w);
	world_release(&w);
}

static void
whole_file(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP) SVC("web") ROUTE("r", "/a", "web"));
	world_compile(&w);
	w.texts[0] = "a: [b\n";
	world_compile(&w);
	assert_int_equal(w.out.result.stale, 3);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "",
	    "headgate.dev/Stale"), "True/LastGoodContent");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "Programmed"),
	    "True/Programmed");
	/* the first document is whole again, the rest is not */
	w.texts[0] = GW("edge", HTTP) "a: [b\n";
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "",
	    "headgate.dev/Stale"), "");
	assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0",
	    "headgate.dev/Stale"), "True/LastGoodContent");
	world_release(&w);
}

static void
foreign(void **state)
{
	struct bytes s;
	const struct node *n;
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "Gateway\nmetadata: {name: edge, namespace: "
	    "infra}\nspec: {gatewayClassName: headgate, listeners: [" HTTP "]}\nstatus:\n  "
	    "conditions:\n"
	    "  - {type: x.io/Stale, status: \"True\", reason: Seeded, message: \"\", "
	    "observedGeneration: 99, "
	    "lastTransitionTime: \"2020-01-01T00:00:00Z\"}\n"
	    "  - {type: Accepted, status: \"False\", reason: Mine, message: \"\", "
	    "lastTransitionTime: "
	    "\"2020-01-01T00:00:00Z\"}\n  listeners:\n  - {name: http, attachedRoutes: 5, "
	    "conditions: [{type: x.io/L, status: "
	    "\"True\", reason: Seeded, message: \"\", lastTransitionTime: "
	    "\"2020-01-01T00:00:00Z\"}]}\n");
	world_file(&w, "b.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "HTTPRoute\nmetadata: {name: r, namespace: "
	    "infra}\nspec: {parentRefs: [{name: edge}, {name: unmanaged}]}\nstatus:\n  parents:\n"
	    "  - {controllerName: other.io/c, parentRef: {name: unmanaged}, conditions: "
	    "[{type: Accepted, status: \"True\", "
	    "reason: Foreign, message: m, observedGeneration: 3, lastTransitionTime: "
	    "\"2020-01-01T00:00:00Z\"}]}\n"
	    "  - {controllerName: headgate.dev/gateway-controller, parentRef: {name: old}, "
	    "conditions: [{type: Accepted, "
	    "status: \"True\", reason: Old, message: m, lastTransitionTime: "
	    "\"2020-01-01T00:00:00Z\"}]}\n");
	world_compile(&w);
	assert_int_equal(w.out.diags.errors, 0);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "x.io/Stale"),
	    "True/Seeded");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "Accepted"),
	    "True/Accepted");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "l:http", "x.io/L"),
	    "True/Seeded");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "l:http", "#attached"), "1");
	s = blob_text(&w.cat.blob, world_object(&w, "HTTPRoute", "infra", "r")->status);
	n = node_get(world_parse(&w, s), "parents");
	assert_int_equal(n->n, 2);
	assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0", "Accepted"),
	    "True/Accepted");
	assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:1", "Accepted"),
	    "True/Foreign");
	assert_non_null(memmem(s.p, s.n, "\"observedGeneration\":3", 22));
	world_release(&w);
}

/* ---- endpoints, through the image */
static void
endpoints_of(struct world *w, const char *cluster, char out[512])
{
	struct image im = world_image(w, cluster);
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < im.n_clusters; i++) {
		const struct im_cluster *c = &im.clusters[i];

		if (!bytes_eq(image_text(&im, c->name), bytes_str(cluster)))
			continue;
		if (c->dns_name.off != IM_NONE)
			n += (size_t)snprintf(out + n, 512 - n, "dns %.*s:%u ",
			    BYTES_ARG(image_text(&im, c->dns_name)), c->port);
		/* by name: a record for each address that it may have */
		if (c->dns != IM_NONE)
			assert_int_equal(c->endpoints.n, NAMES_ADDRS);
		for (uint32_t e = 0; c->dns == IM_NONE && e < c->endpoints.n; e++) {
			char text[56];

			addr_print(&im.endpoints[c->endpoints.first + e].addr, text);
			n += (size_t)snprintf(out + n, 512 - n, "%s*%u ", text,
			    im.endpoints[c->endpoints.first + e].weight);
		}
	}
	image_close(&im);
}

#define SLICE(name, svc, eps, ports) \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name ", " \
	    "namespace: infra, labels: " \
	"{kubernetes.io/service-name: " svc "}}\naddressType: IPv4\nendpoints: [" eps \
	    "]\nports: [" ports "]\n---\n"
#define WL(name, more) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: Workload\nmetadata: {name: " name ", " \
	    "namespace: infra, labels: " \
	"{app: web}}\nspec: {" more "}\n---\n"

static const struct {
	const char *what, *yaml, *expect;
} endpoint_rows[] = {
	{"ready, twice, sorted", SVC("web") SLICE("s1", "web", "{addresses: [10.0.0.2]}, "
	    "{addresses: [10.0.0.1], "
	    "conditions: {ready: true}}", "{name: web, port: 9000}")
	    SLICE("s2", "web", "{addresses: [10.0.0.1]}, {addresses: [10.0.0.3], conditions: "
	    "{ready: false}}",
	    "{name: web, port: 9000}"), "10.0.0.1:9000*1 10.0.0.2:9000*1 "},
	{"port by name", SVC("web") SLICE("s1", "web", "{addresses: [10.0.0.2]}", "{name: "
	    "other, port: 1}, {name: web, "
	    "port: 2}"), "10.0.0.2:2*1 "},
	{"other protocol", SVC("web") SLICE("s1", "web", "{addresses: [10.0.0.2]}", "{name: "
	    "web, port: 2, protocol: UDP}"),
	    ""},
	{"terminating as a fallback", SVC("web") SLICE("s1", "web", "{addresses: [10.0.0.2], "
	    "conditions: {ready: false, "
	    "serving: true, terminating: true}}", "{name: web, port: 2}"), "10.0.0.2:2*1 "},
	{"no slices", SVC("web"), ""},
	{"endpoints object", SVC("web") "apiVersion: v1\nkind: Endpoints\nmetadata: {name: "
	    "web, namespace: infra}\n"
	    "subsets: [{addresses: [{ip: 10.0.0.9}], ports: [{name: web, port: 3}]}]\n---\n",
	    "10.0.0.9:3*1 "},
	{"external name", "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: infra}\n"
	    "spec: {type: ExternalName, externalName: db.example.com, ports: [{port: 80}]}\n---\n",
	    "dns db.example.com:80 "},
	{"external name without ports", "apiVersion: v1\nkind: Service\nmetadata: {name: web, "
	    "namespace: infra}\n"
	    "spec: {type: ExternalName, externalName: db.example.com}\n---\n", "dns "
	    "db.example.com:80 "},
	{"workloads", "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: infra}\n"
	    "spec: {selector: {app: web}, ports: [{name: h, port: 80, targetPort: 8080}]}\n---\n"
	    WL("a", "address: 10.1.0.2, weight: 3") WL("b", "address: 10.1.0.1") WL("c",
	    "address: 10.1.0.3, weight: 0"),
	    "10.1.0.1:8080*1 10.1.0.2:8080*3 "},
	{"workload port by name", "apiVersion: v1\nkind: Service\nmetadata: {name: web, "
	    "namespace: infra}\n"
	    "spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n---\n"
	    WL("a", "address: 10.1.0.2, ports: {http: 81}") WL("b", "address: 10.1.0.1"),
	    "10.1.0.2:81*1 "},
};

static void
endpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(endpoint_rows); i++) {
		struct world w;
		char got[512];

		world_init(&w);
		world_file(&w, "a.yaml", GW("edge", HTTP) ROUTE("r", "/", "web"));
		world_file(&w, "b.yaml", endpoint_rows[i].yaml);
		world_compile(&w);
		if (w.out.diags.errors != 0)
			world_dump(&w);
		assert_int_equal(w.out.diags.errors, 0);
		endpoints_of(&w, "infra/web:80", got);
		if (strcmp(got, endpoint_rows[i].expect) != 0)
			print_message("%s: got %s\n", endpoint_rows[i].what, got);
		assert_string_equal(got, endpoint_rows[i].expect);
		world_release(&w);
	}
}

/* ---- order of files */
static void
map_fd(int fd, char **p, size_t *n)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	*p = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(*p != MAP_FAILED);
}

static void
order(void **state)
{
	static const char *const texts[] = {
		GW("edge", HTTP ", {name: b, port: 81, protocol: HTTP, hostname: "
		    "\"*.a.com\"}"), GW("z", "{name: a, port: 81, "
		"protocol: HTTP, hostname: b.com}"), SVC("web") SVC("api"), ROUTE("a", "/a",
		    "web"), ROUTE("b", "/b", "api"),
		ROUTE("c", "/a", "api"), SLICE("s1", "web", "{addresses: [10.0.0.2]}", "{name: "
		    "web, port: 2}"),
		SLICE("s2", "web", "{addresses: [10.0.0.1]}", "{name: web, port: 2}"),
		SLICE("s3", "api", "{addresses: [10.0.0.3]}", "{name: web, port: 2}"),
	};
	static const char *const names[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
	unsigned n = HG_ARRAY_LEN(texts), perm[HG_ARRAY_LEN(texts)];
	char *first = NULL, *got;
	size_t nfirst = 0, ngot;
	int keep = -1;
	uint32_t seed = 12345;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		perm[i] = i;
	for (unsigned round = 0; round < 20; round++) {
		struct world w;

		world_init(&w);
		for (unsigned i = 0; i < n; i++)
			world_file(&w, names[i], texts[perm[i]]);
		world_compile(&w);
		assert_int_equal(w.out.diags.errors, 0);
		map_fd(w.image_fd, &got, &ngot);
		if (round == 0) {
			keep = dup(w.image_fd);
			map_fd(keep, &first, &nfirst);
		}
		assert_int_equal(ngot, nfirst);
		assert_memory_equal(got, first, nfirst);
		munmap(got, ngot);
		world_release(&w);
		for (unsigned i = n - 1; i > 0; i--) {
			unsigned j, t = perm[i];

			seed = seed * 1664525u + 1013904223u;
			j = (seed >> 16) % (i + 1);
			perm[i] = perm[j];
			perm[j] = t;
		}
	}
	munmap(first, nfirst);
	close(keep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostnames), cmocka_unit_test(features), cmocka_unit_test(metadata),
		cmocka_unit_test(from_file), cmocka_unit_test(transitions),
		    cmocka_unit_test(stable_ids),
		cmocka_unit_test(pool), cmocka_unit_test(stale), cmocka_unit_test(whole_file),
		    cmocka_unit_test(foreign),
		cmocka_unit_test(endpoints), cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
