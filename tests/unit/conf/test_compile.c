/*
 * compile_run as a whole: what refuses a generation and what does not, the bind answers, the note
 * page, counts, settings, and the objects that headgate makes itself.
 */
#include "tests/unit/conf/world.h"

#define GW(name, listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " name ", " \
	    "namespace: infra}\n" \
	"spec: {gatewayClassName: headgate, listeners: [" listeners "]}\n---\n"
#define HTTP "{name: http, port: 80, protocol: HTTP}"
#define ROUTE \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, " \
	    "namespace: infra}\n" \
	"spec:\n  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: web, port: " \
	    "80}]}]\n---\n"

static void
empty(void **state)
{
	struct image im;
	struct world w;

	(void)state;
	world_init(&w);
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.out.result.errors, 0);
	assert_int_equal(w.cat.n_objects, 1); /* the built-in class */
	assert_int_equal(world_object(&w, "GatewayClass", "", "headgate")->flags, CAT_BUILTIN);
	im = world_image(&w, __func__);
	assert_int_equal(im.n_listeners, 0);
	image_close(&im);
	world_release(&w);
}

static void
bad_conf(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("wrokers = 2;\n");
	world_file(&w, "a.yaml", GW("edge", HTTP));
	world_compile(&w);
	assert_int_equal(w.err, HG_ERR_INVALID);
	assert_int_equal(w.out.result.errors, 1);
	assert_non_null(strstr(w.out.result.summary, "headgate.conf:1:1: error[HG"));
	assert_null(w.out.image);
	world_release(&w);
}

static void
settings(void **state)
{
	struct image im;
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("workers = 3; user = \"www\"; access_log = { format = \"combined\"; "
	    "path = \"/var/log/x\"; };\n"
	    "shutdown = { grace = \"5s\"; }; limits = { fields = 50; };\n");
	world_compile(&w);
	world_dump(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.out.result.settings.workers, 3);
	assert_string_equal(w.out.result.settings.user, "www");
	assert_string_equal(w.out.result.settings.access_log, "/var/log/x");
	assert_int_equal(w.out.result.grace_ms, 5000);
	assert_int_equal(w.out.result.heartbeat_ms, 2000);
	im = world_image(&w, __func__);
	assert_int_equal(im.settings[0].fields, 50);
	assert_int_equal(im.settings[0].access_log, IM_LOG_COMBINED);
	image_close(&im);
	world_release(&w);
}

/* One object is bad: the others serve, and the result says so. */
static void
one_bad(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP) ROUTE);
	world_file(&w, "b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: "
	    "{ports: [{port: x}]}\n");
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.out.result.errors, 1);
	assert_int_equal(w.out.result.gateways, 1);
	assert_int_equal(w.out.result.listeners, 1);
	assert_int_equal(w.out.result.routes, 1);
	assert_int_equal(w.out.result.rules, 1);
	assert_non_null(strstr(w.out.result.summary, "b.yaml:4:"));
	assert_int_equal(w.cat.n_diags, 2); /* and the backend that is missing because of it */
	assert_int_equal(w.cat.info[0].errors, 1);
	assert_int_equal(w.cat.info[0].files, 2);
	world_release(&w);
}

/* A socket that cannot be bound is no part of the image, and only its listener says so. */
static void
bind_fails(void **state)
{
	struct image im;
	struct world w;

	(void)state;
	world_init(&w);
	w.bad_port = 81;
	w.bad_errno = EADDRINUSE;
	world_file(&w, "a.yaml", GW("edge", HTTP ", {name: b, port: 81, protocol: HTTP}") ROUTE);
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.bound, 2); /* 0.0.0.0:80 and [::]:80 */
	im = world_image(&w, __func__);
	assert_int_equal(im.n_sockets, 2);
	assert_int_equal(im.n_listeners, 1);
	image_close(&im);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "l:b", "Programmed"),
	    "False/PortUnavailable");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "l:b", "#attached"), "1");
	world_release(&w);
}

/* No IPv6 on this node: nothing to say about it. */
static void
no_ipv6(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.bad_ip = "::";
	w.bad_errno = EAFNOSUPPORT;
	world_file(&w, "a.yaml", GW("edge", HTTP));
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "l:http", "Programmed"),
	    "True/Programmed");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "Programmed"),
	    "True/Programmed");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "#addresses"),
	    "0.0.0.0");
	world_release(&w);
}

static void
offline(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.in.bind = NULL;
	world_file(&w, "a.yaml", GW("edge", HTTP) "apiVersion: "
	    "gateway.networking.k8s.io/v1\nkind: Gateway\n"
	    "metadata: {name: far, namespace: infra}\nspec: {gatewayClassName: headgate, "
	    "addresses: [{value: 192.0.2.1}], "
	    "listeners: [" HTTP "]}\n");
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "edge", "", "Programmed"),
	    "True/Programmed");
	assert_string_equal(world_cond(&w, "Gateway", "infra", "far", "", "Programmed"),
	    "False/AddressNotUsable");
	world_release(&w);
}

static void
note(void **state)
{
	struct proto_note *page = mem_zalloc(sizeof(*page));
	struct world w;

	(void)state;
	world_init(&w);
	w.in.note = page;
	world_file(&w, "a.yaml", GW("edge", HTTP));
	world_file(&w, "b.yaml", ROUTE);
	world_compile(&w);
	assert_string_equal(page->file, "");
	page->nskip = 1;
	snprintf(page->skip[0], sizeof(page->skip[0]), "b.yaml");
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.out.result.stale, 1);
	assert_string_equal(world_cond(&w, "HTTPRoute", "infra", "r", "p:0",
	    "headgate.dev/Stale"), "True/LastGoodContent");
	world_release(&w);
	mem_free(page);
}

/* The Service that stands for a Gateway (GatewayInfrastructureMetadata). */
static void
own_service(void **state)
{
	const struct cat_object *o;
	const struct node *n;
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("address_pool = \"127.1.0.0/16\";\n");
	world_file(&w, "a.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "Gateway\nmetadata: {name: edge, namespace: "
	    "infra}\nspec: {gatewayClassName: headgate, infrastructure: {labels: {a: b}, "
	    "annotations: {c: d}}, listeners: ["
	    HTTP ", {name: b, port: 80, protocol: HTTP, hostname: a.com}]}\n");
	world_compile(&w);
	o = world_object(&w, "Service", "infra", "headgate-edge");
	assert_non_null(o);
	assert_int_equal(o->flags, CAT_OWN);
	n = world_parse(&w, blob_text(&w.cat.blob, o->json));
	assert_true(bytes_eq(node_text(node_path(n, "metadata.labels.a")), BYTES("b")));
	assert_true(bytes_eq(node_text(node_path(n, "metadata.annotations.c")), BYTES("d")));
	assert_true(bytes_eq(node_text(node_getb(node_path(n, "metadata.labels"),
	    BYTES("gateway.networking.k8s.io/gateway-name"))), BYTES("edge")));
	assert_int_equal(node_path(n, "spec.ports")->n, 1);
	n = world_parse(&w, blob_text(&w.cat.blob, o->status));
	assert_true(bytes_eq(node_text(node_path(n, "loadBalancer.ingress[0].ip")),
	    BYTES("127.1.0.1")));
	w.texts[0] = "";
	world_compile(&w);
	assert_null(world_object(&w, "Service", "infra", "headgate-edge"));
	world_release(&w);
}

/* A 253-character name, as the conformance suite has one. */
static void
long_name(void **state)
{
	char name[254], text[1024];
	struct world w;

	(void)state;
	memset(name, 'a', 253);
	name[253] = '\0';
	snprintf(text, sizeof(text), "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "Gateway\nmetadata: {name: %s, "
	    "namespace: infra}\nspec: {gatewayClassName: headgate, listeners: [" HTTP "]}\n", name);
	world_init(&w);
	world_file(&w, "a.yaml", text);
	world_compile(&w);
	assert_int_equal(w.out.diags.errors, 0);
	assert_string_equal(world_cond(&w, "Gateway", "infra", name, "", "Programmed"),
	    "True/Programmed");
	world_release(&w);
}

static void
other_classes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("gateway_classes = ( \"eg\" );\n");
	world_file(&w, "a.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	    "GatewayClass\nmetadata: {name: eg}\n"
	    "spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}\n---\n"
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: e, "
	    "namespace: infra}\n"
	    "spec: {gatewayClassName: eg, listeners: [" HTTP "]}\n");
	world_compile(&w);
	assert_string_equal(world_cond(&w, "Gateway", "infra", "e", "", "Programmed"),
	    "True/Programmed");
	assert_string_equal(world_cond(&w, "GatewayClass", "", "eg", "", "Accepted"), "no "
	    "conditions");
	world_release(&w);
}

static void
unreachable(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("edge", HTTP)
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
	    "namespace: infra}\nspec:\n"
	    "  parentRefs: [{name: edge}]\n  rules:\n  - matches: [{path: {value: /a}}]\n"
	    "  - matches: [{path: {value: /a}, method: GET}]\n  - matches: [{path: {value: "
	    "/a}}]\n");
	world_compile(&w);
	assert_int_equal(w.out.result.warnings, 1);
	assert_int_equal(w.out.diags.first->code, 2701);
	assert_int_equal(w.out.diags.first->at.line, 14);
	world_release(&w);
}

/* Of raw listeners the oldest route has all, of a TLS listener its names. */
static void
older_has_it(void **state)
{
#define L4_ROUTE(kind, name, day, more) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: " kind "\nmetadata: {name: " name ", " \
	"namespace: infra, creationTimestamp: \"2026-01-0" day "T00:00:00Z\"}\n" \
	"spec: {parentRefs: [{name: edge}], " more "rules: [{backendRefs: [{name: x, port: 1, " \
	"weight: 0}]}]}\n---\n"
	static const struct {
		const char *listener, *routes;
		unsigned warnings;
	} v[] = {
		{"TCP, port: 1", L4_ROUTE("TCPRoute", "a", "2", "")
		    L4_ROUTE("TCPRoute", "b", "1", ""), 1},
		{"UDP, port: 1", L4_ROUTE("UDPRoute", "a", "2", ""), 0},
		{"TLS, port: 1, tls: {mode: Passthrough}",
		    L4_ROUTE("TLSRoute", "a", "2", "hostnames: [a.test, b.test], ")
		    L4_ROUTE("TLSRoute", "b", "1", "hostnames: [a.test], "), 0},
		{"TLS, port: 1, tls: {mode: Passthrough}",
		    L4_ROUTE("TLSRoute", "a", "2", "hostnames: [a.test], ")
		    L4_ROUTE("TLSRoute", "b", "1", "hostnames: [a.test, b.test], "), 1},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++) {
		char gateway[512];
		unsigned n = 0;
		struct world w;

		snprintf(gateway, sizeof(gateway),
		    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
		    "metadata: {name: edge, namespace: infra}\nspec: {gatewayClassName: "
		    "headgate, listeners: [{name: l, protocol: %s}]}\n", v[i].listener);
		world_init(&w);
		world_file(&w, "a.yaml", gateway);
		world_file(&w, "b.yaml", v[i].routes);
		world_compile(&w);
		for (const struct diag *d = w.out.diags.first; d != NULL; d = d->next)
			if (d->code == 2701)
				n += bytes_ends(
				    d->message, BYTES("infra/b is older and has it"));
		if (n != v[i].warnings)
			fail_msg("row %u: %u warnings", i, n);
		world_release(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty), cmocka_unit_test(bad_conf),
		    cmocka_unit_test(settings), cmocka_unit_test(one_bad),
		cmocka_unit_test(bind_fails), cmocka_unit_test(no_ipv6),
		    cmocka_unit_test(offline), cmocka_unit_test(note),
		cmocka_unit_test(own_service), cmocka_unit_test(long_name),
		    cmocka_unit_test(other_classes),
		cmocka_unit_test(unreachable), cmocka_unit_test(older_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
