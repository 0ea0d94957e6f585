/*
 * test_bind.c - the binder: types, limits, defaults, unknown fields and their suggestions, kinds
 * and versions, metadata, the v1.6 spellings, libconfig's maps, and the hash that tells a change
 * from none.
 */
#include "tests/unit/conf/kinds_help.h"

#include "conf/kinds/k_core.h"
#include "conf/kinds/k_gateway.h"
#include "conf/kinds/k_policy.h"
#include "conf/kinds/k_route.h"

#define GW "gateway.networking.k8s.io/v1"
#define OBJ(api, kind) "apiVersion: " api "\nkind: " kind "\nmetadata: {name: x}\nspec:\n"
#define AE4 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
#define AE16 AE4 AE4 AE4 AE4
#define HTTP(spec) OBJ(GW, "HTTPRoute") spec

#define assert_bytes(b, text) \
	do { \
		struct bytes b_ = (b); \
		assert_non_null(b_.p); \
		assert_int_equal(b_.n, strlen(text)); \
		assert_memory_equal(b_.p, text, b_.n); \
	} while (0)

static void
test_defaults(void **state)
{
	struct k_httproute *r;
	struct bound b;

	(void)state;
	bound_read(&b, "t.yaml", BYTES(HTTP("  parentRefs: [{name: gw}]\n  rules:\n  - "
	    "backendRefs: [{name: a, port: 80}]\n"
	    "  - matches: [{headers: [{name: A, value: b}]}]\n    retry: {}\n")));
	assert_string_equal(b.text.p, "");
	assert_non_null(b.v[0]);
	r = b.v[0]->spec;
	assert_ptr_equal(r->node, node_get(b.v[0]->node, "spec"));
	assert_bytes(r->parents.v[0].group, "gateway.networking.k8s.io");
	assert_bytes(r->parents.v[0].kind, "Gateway");
	assert_null(r->parents.v[0].ns.p);
	assert_false(r->parents.v[0].port.set);
	assert_null(r->hostnames.v);
	assert_int_equal(r->rules.n, 2);
	assert_int_equal(r->rules.v[0].matches.n, 1);
	assert_int_equal(r->rules.v[0].matches.v[0].path->type, K_PATH_PREFIX);
	assert_bytes(r->rules.v[0].matches.v[0].path->value, "/");
	assert_null(r->rules.v[0].matches.v[0].node);
	assert_int_equal(r->rules.v[0].backends.v[0].weight.v, 1);
	assert_false(r->rules.v[0].backends.v[0].weight.set);
	assert_bytes(r->rules.v[0].backends.v[0].kind, "Service");
	assert_int_equal(r->rules.v[0].backends.v[0].group.n, 0);
	assert_non_null(r->rules.v[0].backends.v[0].group.p);
	assert_int_equal(r->rules.v[0].backends.v[0].port.v, 80);
	assert_int_equal(r->rules.v[1].matches.v[0].path->type, K_PATH_PREFIX);
	assert_int_equal(r->rules.v[1].matches.v[0].headers.v[0].type, K_VALUE_EXACT);
	assert_int_equal(r->rules.v[1].retry->attempts.v, 1);
	assert_null(r->rules.v[1].retry->codes.v);
	assert_null(r->rules.v[1].timeouts);
	assert_bytes(b.v[0]->meta.ns, "default");
	assert_bytes(b.v[0]->source, "t.yaml:1");
	bound_free(&b);

	bound_read(&b, "t.yaml", BYTES(HTTP("  parentRefs: []\n")));
	r = b.v[0]->spec;
	assert_int_equal(r->rules.n, 1);
	assert_int_equal(r->rules.v[0].matches.n, 1);
	assert_null(r->rules.v[0].backends.v);
	assert_non_null(r->parents.v); /* empty, not absent */
	assert_int_equal(r->parents.n, 0);
	bound_free(&b);
}

static void
test_gateway_defaults(void **state)
{
	struct k_gateway *g;
	struct bound b;

	(void)state;
	bound_read(&b, "t.yaml", BYTES(OBJ(GW,
	    "Gateway") "  gatewayClassName: headgate\n  allowedListeners: {}\n  listeners:\n"
	    "  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 81, protocol: HTTP, "
	    "allowedRoutes: {namespaces: {}}}\n"
	    "  - {name: c, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]},\n"
	    "     allowedRoutes: {kinds: [{kind: HTTPRoute}]}}\n  addresses: [{value: "
	    "127.0.0.1}]\n"));
	assert_string_equal(b.text.p, "");
	g = b.v[0]->spec;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(g->listeners.v[i].allowed->namespaces->from, K_FROM_SAME);
	assert_int_equal(g->allowed_listeners->namespaces->from, K_FROM_NONE);
	assert_int_equal(g->listeners.v[2].tls->mode, K_TLS_TERMINATE);
	assert_bytes(g->listeners.v[2].tls->certificates.v[0].kind, "Secret");
	assert_bytes(g->listeners.v[2].allowed->kinds.v[0].group, "gateway.networking.k8s.io");
	assert_bytes(g->addresses.v[0].type, "IPAddress");
	assert_null(g->infrastructure);
	bound_free(&b);
}

static void
test_errors(void **state)
{
	(void)state;
	/* type, and all of them in one run */
	assert_said(HTTP("  hostnames: a.b\n  rules:\n  - backendRefs: [{name: 1, port: \"80\", "
	    "weight: 1.5}]\n    timeouts: []\n"),
	    "5:14: HG0101 must be a list, not a string\n7:26: HG0101 must be a string, not a "
	    "number\n"
	    "7:35: HG0101 must be a number, not a string\n7:49: HG0101 must be a whole number, not "
	    "a number\n"
	    "8:15: HG0101 must be a map, not a list\n");
	assert_said(HTTP("  rules: [{filters: [{type: CORS, cors: {allowCredentials: \"true\", "
	    "maxAge: 0}}]}]\n"),
	    "5:60: HG0101 must be true or false, not a string\n5:76: HG0106 0 is out of range: "
	    "must be at least 1\n");
	/* whole floats are integers, as in JSON */
	assert_said(HTTP("  rules: [{backendRefs: [{name: a, port: 8e1, weight: 2.0}]}]\n"), "");
	assert_said(HTTP("  rules: [{retry: {attempts: 99999999999, codes: [399, 400, 400]}}]\n"),
	    "5:51: HG0106 399 is out of range: must be between 400 and 599\n5:61: HG0109 \"400\" "
	    "is there twice; the first one is in line 5\n");
	assert_said(HTTP("  rules: [{backendRefs: [{name: a, port: 1, weight: 1000001}]}]\n"),
	    "5:53: HG0106 1000001 is out of range: must be between 0 and 1000000\n");
	assert_said(HTTP("  rules: [{filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, "
	    "http: {}, backendRef: {name: a, port: 1},\n"
	    "     forwardBody: {maxSize: 2147483648}}}]}]\n"),
	    "6:29: HG0106 2147483648 is out of range: must be at most 2147483647\n");
	/* lengths count characters, not bytes */
	assert_said(OBJ(GW, "GatewayClass") "  controllerName: a.b/c\n  description: "
	    AE16
	    AE16
	    AE16
	    AE16 "\n", "");
	assert_said(HTTP("  hostnames: ['', A.b, 'a.b.']\n"),
	    "5:15: HG0107 must not be empty\n5:19: HG0105 \"A.b\" is not a DNS name in lower case; "
	    "the first label may be '*'\n"
	    "5:24: HG0105 \"a.b.\" is not a DNS name in lower case; the first label may be '*'\n");
	/* null is absent */
	assert_said(HTTP("  parentRefs: null\n  rules: ~\n"), "");
	assert_said(HTTP("  rules: [{backendRefs: [{name: ~, port: 1}]}]\n"),
	    "5:26: HG0102 required field \"name\" is missing\n");
	assert_said("apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {name: x}\nspec:\n",
	    "1:1: HG0102 required field \"spec\" is missing\n");
	/* duplicates by key */
	assert_said(HTTP("  rules: [{matches: [{headers: [{name: A, value: b}, {name: A, value: "
	    "c}]}]}]\n"),
	    "5:61: HG0109 \"A\" is there twice; the first one is in line 5\n");
	assert_said(OBJ("gateway.networking.x-k8s.io/v1alpha1", "XBackendTrafficPolicy")
	    "  targetRefs: [{group: '', kind: S, name: a}, {group: '', kind: S, name: a}, {group: "
	    "'', kind: S, name: b}]\n",
	    "5:47: HG0109 \"/S/a\" is there twice; the first one is in line 5\n");
}

/* The suggestions belong to the first diagnostic. */
static void
help_is(const char *yaml, unsigned i, const char *expect)
{
	struct bound b;

	bound_read(&b, "t.yaml", bytes_str(yaml));
	assert_non_null(b.diags.first);
	assert_true(b.diags.first->nhelp > i);
	assert_bytes(b.diags.first->help[i], expect);
	bound_free(&b);
}

static void
test_unknown(void **state)
{
	(void)state;
	/* a required field under a wrong name is one error, not two */
	assert_said(HTTP("  rules:\n  - backendRefs:\n    - nane: a\n      port: 1\n"),
	    "7:7: HG0103 unknown field \"nane\" in HTTPBackendRef\n");
	help_is(HTTP("  rules:\n  - backendRef: []\n"), 0, "did you mean \"backendRefs\"?");
	help_is(HTTP("  timeouts: {}\n"), 0, "\"timeouts\" exists in spec.rules[]");
	help_is(HTTP("  rules: [{matches: [{port: 1}]}]\n"), 0,
	    "\"port\" exists in spec.parentRefs[]");
	help_is(HTTP("  rules: [{matches: [{zzzzzzzz: 1}]}]\n"), 0,
	    "fields here: path, headers, queryParams, method");
	help_is(HTTP("  rules: [{matches: [{method: Get}]}]\n"), 0, "did you mean \"GET\"?");
	help_is(HTTP("  rules: [{matches: [{method: XYZ}]}]\n"), 0,
	    "possible values: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH");
	help_is(HTTP("  rules: [{backendRefs: [{name: 8080, port: 1}]}]\n"), 0,
	    "put it in quotes: \"8080\"");
	assert_said("apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {name: x, labls: {}}\nsppec: "
	    "{}\nspec: {}\n",
	    "4:1: HG0103 unknown field \"sppec\" in object\n3:21: HG0103 unknown field \"labls\" "
	    "in ObjectMeta\n");
	/* core kinds carry much that is not used */
	assert_said(OBJ("v1", "Service") "  ports: [{port: 1, foo: 2}]\n  internalTrafficPolicy: "
	    "Cluster\n  sessionAfinity: None\n", "");
}

static void
test_kinds(void **state)
{
	struct bound b;

	(void)state;
	assert_said("kind: HTTPRoute\nmetadata: {name: x}\n",
	    "1:1: HG0115 an object needs apiVersion and kind, both strings\n");
	assert_said("apiversion: " GW "\nkind: HTTPRoute\nmetadata: {name: x}\n",
	    "1:1: HG0115 an object needs apiVersion and kind, both strings\n");
	assert_said("apiVersion: " GW "\nkind: HTTPRout\nmetadata: {name: x}\n",
	    "2:7: HG0111 unknown kind \"HTTPRout\" in group \"gateway.networking.k8s.io\"\n");
	assert_said("apiVersion: gateway.networking.k8.io/v1\nkind: HTTPRoute\nmetadata: {name: "
	    "x}\n",
	    "1:13: HG0111 unknown API group \"gateway.networking.k8.io\"\n");
	assert_said("apiVersion: gateway.networking.k8s.io/v2\nkind: HTTPRoute\nmetadata: {name: "
	    "x}\n", "1:13: HG0112 HTTPRoute has no version \"v2\"\n");
	help_is("apiVersion: gateway.networking.k8s.io/v2\nkind: HTTPRoute\nmetadata: {name: x}\n",
	    0, "versions: v1 v1beta1");
	assert_said("apiVersion: v1\nkind: Sevice\nmetadata: {name: x}\n",
	    "2:7: HG0111 unknown kind \"Sevice\" in group \"\"\n");
	assert_said("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: "
	    "{name: x}\n",
	    "2:7: HG2103 kind SecurityPolicy of gateway.envoyproxy.io is not served by this "
	    "version\n");
	assert_said("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x}\n",
	    "2:7: HG2103 kind Ingress of networking.k8s.io is not served by this version\n");
	bound_read(&b, "t.yaml", BYTES("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "
	    "x}\n---\napiVersion: v1\nkind: Pod\n"
	    "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: x}\n"));
	assert_string_equal(b.text.p, "");
	assert_int_equal(b.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_null(b.v[i]);
		assert_true(b.id[i].ignored);
	}
	bound_free(&b);
	/* what could not be bound is named all the same */
	bound_read(&b, "t.yaml", BYTES("apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {name: x, "
	    "namespace: nn}\nspec: 1\n"));
	assert_null(b.v[0]);
	assert_true(b.id[0].known);
	assert_int_equal(b.id[0].kind->id, KIND_HTTPROUTE);
	assert_bytes(b.id[0].ns, "nn");
	assert_bytes(b.id[0].name, "x");
	bound_free(&b);
}

static void
test_metadata(void **state)
{
	struct bound b;

	(void)state;
#define META(m) "apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {" m "}\nspec: {}\n"
	assert_said(META(""), "3:1: HG0102 required field \"name\" is missing\n");
	assert_said("apiVersion: " GW "\nkind: HTTPRoute\nspec: {}\n",
	    "1:1: HG0102 required field \"metadata\" is missing\n");
	assert_said(META("name: A_b"), "3:18: HG0113 name \"A_b\" is not a DNS name in lower case, "
	    "without a final dot\n");
	assert_said(META("name: a.b, namespace: a.b"),
	    "3:34: HG0113 namespace \"a.b\" is not a DNS label: a-z, 0-9 and '-', not at its "
	    "ends\n");
	assert_said(META("name: a, labels: {a: 1, 'b c': d, e: '-'}"),
	    "3:33: HG0101 must be a string, not a number\n3:36: HG0105 key \"b c\" is not an "
	    "optional DNS name and '/', then at most 63 "
	    "letters, digits, '-', '_', '.'\n3:49: HG0105 \"-\" is not a label value: letters, "
	    "digits, '-', '_', '.', not at its ends\n");
	assert_said(META("name: a, annotations: {Example.com/Foo: 'any ü', 'a b': c}"),
	    "3:61: HG0113 annotation key \"a b\" is not an optional DNS name and '/', then at most "
	    "63 letters, digits, '-', '_', '.'\n");
	assert_said(META("name: a, creationTimestamp: yesterday"),
	    "3:40: HG0105 must be a date and time such as 2026-01-31T12:00:00Z\n");
	assert_said(META("name: a, creationTimestamp: null, managedFields: [{x: 1}], finalizers: "
	    "[a]"), "");
	bound_read(&b, "t.yaml", BYTES(META("name: a, uid: u, generation: 7, creationTimestamp: "
	    "2026-01-31T12:00:00.5+01:00, labels: {a: b}")));
	assert_string_equal(b.text.p, "");
	assert_bytes(b.v[0]->meta.uid, "u");
	assert_int_equal(b.v[0]->meta.generation.v, 7);
	assert_bytes(b.v[0]->meta.created, "2026-01-31T12:00:00.5+01:00");
	assert_bytes(b.v[0]->meta.labels.v[0].key, "a");
	bound_free(&b);
	/* a Namespace has no namespace; a Service's name is a label */
	bound_read(&b, "t.yaml", BYTES("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, "
	    "namespace: b}\n"));
	assert_string_equal(b.text.p, "");
	assert_null(b.v[0]->meta.ns.p);
	bound_free(&b);
	assert_said("apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\nspec: {clusterIP: "
	    "None}\n",
	    "3:18: HG0113 name \"a.b\" is not a DNS label: a-z, 0-9 and '-', not at its ends\n");
}

/* v1.6 spellings: same effect, one warning; both spellings: an error. */
static void
test_old_spellings(void **state)
{
	struct k_httproute *r;
	struct k_xbackend *x;
	struct bound b;

	(void)state;
	bound_read(&b, "t.yaml", BYTES(HTTP("  rules:\n  - sessionPersistence:\n      sessionName: "
	    "nn\n      absoluteTimeout: 1h\n"
	    "      cookieConfig:\n        lifetimeType: Permanent\n")));
	assert_string_equal(b.text.p, "9:7: HG2101 \"cookieConfig\" is called \"cookie\" since "
	    "v1.7\n"
	    "7:7: HG2101 \"sessionName\" is called \"cookie.name\" since v1.7\n"
	    "6:5: HG2104 sessionPersistence of a route is deprecated: its place is XBackend\n");
	r = b.v[0]->spec;
	assert_bytes(r->rules.v[0].persistence->cookie->name, "nn");
	assert_int_equal(r->rules.v[0].persistence->cookie->lifetime, K_LIFE_PERMANENT);
	assert_bytes(r->rules.v[0].persistence->cookie->path, "/");
	bound_free(&b);
	bound_read(&b, "t.yaml", BYTES(HTTP("  rules:\n  - sessionPersistence: {sessionName: nn, "
	    "type: Header}\n  - sessionPersistence: {}\n"
	    "  - sessionPersistence: {type: Header}\n")));
	assert_int_equal(b.diags.errors, 0);
	r = b.v[0]->spec;
	assert_bytes(r->rules.v[0].persistence->header->name, "nn");
	assert_non_null(r->rules.v[1].persistence->cookie);
	assert_non_null(r->rules.v[2].persistence->header->name.p);
	bound_free(&b);
	assert_said(HTTP("  rules:\n  - sessionPersistence: {sessionName: nn, cookie: {}}\n"),
	    "6:26: HG0117 \"sessionName\" is the v1.6 spelling and cannot stand beside cookie or "
	    "header\n");
	assert_said(HTTP("  rules:\n  - sessionPersistence: {sessionName: 'n n'}\n"),
	    "6:26: HG2101 \"sessionName\" is called \"cookie.name\" since v1.7\n6:39: HG0105 \"n "
	    "n\" is not a field name (RFC 9110 token)\n");

	bound_read(&b, "t.yaml", BYTES(OBJ("gateway.networking.x-k8s.io/v1alpha1",
	    "XBackend") "  type: ExternalHostname\n"
	    "  externalHostname: {hostname: a}\n  port: {port: 8, name: http}\n  protocol: HTTP2\n "
	    " tls: {mode: None, validation: {hostname: a}}\n"));
	assert_string_equal(b.text.p, "7:10: HG2101 \"port.port\" is called \"port.number\" since "
	    "v1.7\n"
	    "7:19: HG2101 \"port.name\" has no meaning since v1.7\n8:3: HG2101 protocol HTTP2 "
	    "without TLS is called H2C since v1.7\n"
	    "9:21: HG2101 \"validation\" has no meaning with mode None since v1.7\n");
	x = b.v[0]->spec;
	assert_int_equal(x->port->number.v, 8);
	assert_int_equal(x->protocol, K_XB_H2C);
	bound_free(&b);
	bound_read(&b, "t.yaml", BYTES(HTTP("  rules: [{backendRefs: [{group: "
	    "gateway.networking.x-k8s.io, kind: XBackend, name: a, port: 1}]}]\n")));
	assert_string_equal(b.text.p, "5:88: HG2101 a reference to an XBackend has no port: the "
	    "XBackend itself says which\n");
	assert_non_null(b.v[0]);
	bound_free(&b);
}

static void
test_core(void **state)
{
	struct k_service *s;
	struct k_workload *w;
	struct k_endpointslice *e;
	struct bound b;

	(void)state;
	bound_read(&b, "t.yaml", BYTES(OBJ("v1",
	    "Service") "  selector: {app: a}\n  ports:\n  - {name: a, port: 80, targetPort: http}\n"
	    "  - {name: b, port: 81, targetPort: 8081}\n---\n"
	    "apiVersion: gateway.headgate.dev/v1alpha1\nkind: Workload\nmetadata: {name: w, "
	    "labels: {app: a}}\nspec: {address: 10.0.0.1, ports: {http: 8080}}\n---\n"
	    "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w}\nspec: "
	    "{address: 10.0.0.1, labels: {app: b}, network: net}\n---\n"
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e}\n"
	    "addressType: IPv4\nendpoints:\n- addresses: [1.2.3.4]\n"
	    "  conditions: {ready: false}\nports: [{port: 80}]\n"));
	assert_string_equal(b.text.p, "");
	s = b.v[0]->spec;
	assert_bytes(s->type, "ClusterIP");
	assert_bytes(s->ports.v[0].target.s, "http");
	assert_bytes(s->ports.v[0].protocol, "TCP");
	assert_null(s->ports.v[1].target.s.p);
	assert_int_equal(s->ports.v[1].target.i, 8081);
	w = b.v[1]->spec;
	assert_bytes(w->ports.v[0].value, "8080");
	assert_int_equal(w->weight.v, 1);
	assert_ptr_equal(b.v[2]->kind, kind_by_id(KIND_WORKLOAD));
	assert_bytes(b.v[2]->meta.labels.v[0].value, "b");
	e = b.v[3]->spec;
	assert_true(e->endpoints.v[0].conditions->ready.set);
	assert_false(e->endpoints.v[0].conditions->ready.v);
	assert_int_equal(e->ports.v[0].port.v, 80);
	bound_free(&b);
	assert_said(OBJ("gateway.headgate.dev/v1alpha1",
	    "Workload") "  address: 1.2.3.4\n  ports: {HTTP: 80, a: 0, b: c}\n",
	    "6:11: HG0105 key \"HTTP\" is not a DNS label: a-z, 0-9 and '-', not at its ends\n"
	    "6:24: HG0106 0 is out of range: must be between 1 and 65535\n6:30: HG0101 must be a "
	    "number, not a string\n");
}

/* libconfig cannot name "a.b/c": a map may be a list of { key, value }. */
static void
test_libconfig(void **state)
{
	struct k_gateway *g;
	struct bound b;

	(void)state;
	bound_read(&b, "t.conf", BYTES("resources = ( { apiVersion = \"" GW "\"; kind = "
	    "\"Gateway\";\n"
	    "metadata = { name = \"a\"; labels = ( { key = \"x.y/z\"; value = \"1\"; } ); };\n"
	    "spec = { gatewayClassName = \"headgate\";\nlisteners = ( { name = \"a\"; port = 80; "
	    "protocol = \"HTTP\"; } ); }; } );\n"));
	assert_string_equal(b.text.p, "");
	g = b.v[0]->spec;
	assert_int_equal(g->listeners.v[0].port.v, 80);
	assert_bytes(b.v[0]->meta.labels.v[0].key, "x.y/z");
	assert_bytes(b.v[0]->meta.labels.v[0].value, "1");
	assert_int_equal(node_path(b.v[0]->node, "metadata.labels")->type, NODE_MAP);
	bound_free(&b);
	bound_read(&b, "t.conf", BYTES("resources = ( { apiVersion = \"" GW "\"; kind = "
	    "\"Gateway\";\n"
	    "metadata = { name = \"a\"; labels = ( { key = \"x\"; valu = \"1\"; } ); };\n"
	    "spec = { gatewayClasName = \"headgate\";\nlisteners = ( { name = \"a\"; port = "
	    "\"80\"; protocol = \"HTTP\"; } ); }; } );\n"));
	assert_string_equal(b.text.p, "2:35: HG0101 must be a map, not a list\n3:10: HG0103 "
	    "unknown field \"gatewayClasName\" in GatewaySpec\n"
	    "4:36: HG0101 must be a number, not a string\n");
	bound_free(&b);
}

static void
hash_of(const char *yaml, uint64_t out[2])
{
	struct bound b;

	bound_read(&b, "t.yaml", bytes_str(yaml));
	assert_int_equal(b.diags.errors, 0);
	memcpy(out, b.v[0]->hash, sizeof(b.v[0]->hash));
	bound_free(&b);
}

static void
test_hash(void **state)
{
	static const char *const same[] = {
		HTTP("  parentRefs: [{name: a}]\n"),
		HTTP("  parentRefs: [{name: a, kind: Gateway, group: "
		    "gateway.networking.k8s.io}]\n"),
		HTTP("  parentRefs: [{kind: Gateway, name: a}]\n  rules: [{matches: [{path: {type: "
		    "PathPrefix, value: /}}]}]\n"),
		"# a comment\n" HTTP("  hostnames: ~\n  parentRefs: [{name: \"a\"}]\n"),
		"apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\nmetadata: "
		    "{generation: 3, name: x, uid: u}\nspec: {parentRefs: [{name: a}]}\n",
	};
	static const char *const other[] = {
		HTTP("  parentRefs: [{name: b}]\n"), HTTP("  parentRefs: [{name: a, port: 1}]\n"),
		HTTP("  parentRefs: [{name: a}]\n  hostnames: []\n"),
		"apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {name: x, labels: {a: b}}\nspec: "
		    "{parentRefs: [{name: a}]}\n",
		"apiVersion: " GW "\nkind: HTTPRoute\nmetadata: {name: x, annotations: {a: b}}\n"
		    "spec: {parentRefs: [{name: a}]}\n",
	};
	uint64_t a[2], b[2];

	(void)state;
	hash_of(same[0], a);
	for (size_t i = 1; i < HG_ARRAY_LEN(same); i++) {
		hash_of(same[i], b);
		assert_memory_equal(a, b, sizeof(a));
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(other); i++) {
		hash_of(other[i], b);
		assert_memory_not_equal(a, b, sizeof(a));
	}
	hash_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b, c: d}\n", a);
	hash_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {c: d, a: b}\n", b);
	assert_memory_equal(a, b, sizeof(a));
	hash_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {c: b, a: d}\n", b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void
test_immutable(void **state)
{
	struct bound b;

	(void)state;
	bound_read(&b, "t.yaml", BYTES(OBJ(GW,
	    "GatewayClass") "  controllerName: a.b/c\n---\n" OBJ(GW, "GatewayClass")
	    "  controllerName: a.b/d\n---\n" OBJ(GW,
	    "GatewayClass") "  controllerName: a.b/c\n  description: a\n"));
	assert_true(object_may_replace(&b.diags, b.v[0], b.v[2]));
	assert_int_equal(b.diags.errors, 0);
	assert_false(object_may_replace(&b.diags, b.v[0], b.v[1]));
	assert_int_equal(b.diags.first->code, CODE_IMMUTABLE);
	assert_int_equal(b.diags.first->at.line, 11);
	assert_int_equal(b.diags.first->at.col, 19);
	bound_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_gateway_defaults),
		    cmocka_unit_test(test_errors),
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_kinds),
		    cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_old_spellings), cmocka_unit_test(test_core),
		    cmocka_unit_test(test_libconfig),
		cmocka_unit_test(test_hash), cmocka_unit_test(test_immutable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
