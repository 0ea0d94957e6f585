/*
 * test_xbackend.c - XBackend: which cluster a route gets of it, which reference is refused, and
 * what its status says.
 */
#include "tests/unit/conf/pem.h"
#include "tests/unit/conf/world.h"

#define GW \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, " \
	"namespace: shop}\nspec: {gatewayClassName: headgate, addresses: [{value: 127.0.0.1}], " \
	"listeners: [{name: http, port: 80, protocol: HTTP}, {name: tcp, port: 81, protocol: " \
	"TCP}]}\n---\n"
#define ROUTE(kind, more) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: " kind "\nmetadata: {name: r, " \
	"namespace: shop}\nspec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{group: " \
	"gateway.networking.x-k8s.io, kind: XBackend, name: x" more "}]}]}\n---\n"
#define XB(ns, spec) \
	"apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackend\nmetadata: {name: x, " \
	"namespace: " ns "}\nspec: {port: {number: 8080}, " spec "}\n---\n"
#define SELECT "type: EndpointSelector, endpointSelector: {matchLabels: {app: web}}"
#define NAME(host) "type: ExternalHostname, externalHostname: {hostname: " host "}"
#define WL(name, label, address, more) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: Workload\nmetadata: {name: " name ", " \
	"namespace: shop, labels: {app: " label "}}\nspec: {address: " address more "}\n---\n"
#define WORKLOADS WL("a", "web", "10.0.0.1", "") WL("b", "web", "10.0.0.2", ", weight: 3") \
	WL("c", "other", "10.0.0.3", "") WL("d", "web", "10.0.0.4", ", weight: 0")
#define TLS(more) \
	", tls: {mode: ServerOnly, validation: {hostname: back.test, caCertificateRefs: [{group: " \
	"\"\", kind: ConfigMap, name: ca}]}" more "}"
#define CA \
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: shop}\n" \
	"data:\n  ca.crt: \"" YAML_ROOT "\"\n---\n"

/* cluster: "PROTO[+tls] ENDPOINT*WEIGHT…" or "PROTO NAME", "-" for an error. */
static const struct row {
	const char *what, *yaml, *cluster, *expect;
} rows[] = {
	{"workloads by label", XB("shop", SELECT) ROUTE("HTTPRoute", "") WORKLOADS,
	    "1 10.0.0.1:8080*1 10.0.0.2:8080*3", "XBackend shop x a:0 Accepted True/Accepted\n"
	    "HTTPRoute shop r p:0 ResolvedRefs True/ResolvedRefs"},
	{"a DNS name", XB("shop", NAME("api.example.com")) ROUTE("HTTPRoute", ""),
	    "1 api.example.com:8080", "XBackend shop x a:0 Accepted True/Accepted"},
	{"prior knowledge", XB("shop", SELECT ", protocol: H2C") ROUTE("HTTPRoute", "") WORKLOADS,
	    "2 10.0.0.1:8080*1 10.0.0.2:8080*3", "XBackend shop x a:0 Accepted True/Accepted"},
	{"TLS", XB("shop", SELECT TLS("")) CA ROUTE("HTTPRoute", "") WORKLOADS,
	    "1+tls 10.0.0.1:8080*1 10.0.0.2:8080*3", "XBackend shop x a:0 Accepted True/Accepted"},
	{"TLS without its CA", XB("shop", SELECT TLS("")) ROUTE("HTTPRoute", "") WORKLOADS, "-",
	    "XBackend shop x a:0 Accepted False/NoValidCACertificate\n"
	    "HTTPRoute shop r p:0 ResolvedRefs False/BackendNotFound"},
	{"a TCPRoute", XB("shop", SELECT ", protocol: TCP") ROUTE("TCPRoute", "") WORKLOADS,
	    "5 10.0.0.1:8080*1 10.0.0.2:8080*3", "XBackend shop x a:0 Accepted True/Accepted"},
	{"TCP for an HTTPRoute", XB("shop", SELECT ", protocol: TCP") ROUTE("HTTPRoute", "")
	    WORKLOADS, "-", "HTTPRoute shop r p:0 ResolvedRefs False/UnsupportedProtocol"},
	{"another namespace", XB("far", SELECT) ROUTE("HTTPRoute", ", namespace: far") WORKLOADS,
	    "-", "HTTPRoute shop r p:0 ResolvedRefs False/RefNotPermitted"},
	{"nobody", ROUTE("HTTPRoute", ""), "-",
	    "HTTPRoute shop r p:0 ResolvedRefs False/BackendNotFound"},
	{"unused", XB("shop", SELECT) WORKLOADS, "", "XBackend shop x a:0 Accepted no conditions"},
};

static void
print_cluster(struct world *w, struct strbuf *out)
{
	struct image im = world_image(w, "cluster");
	char text[56];
	const struct im_cluster *c;

	if (im.n_backends != 0 && im.backends[0].cluster == IM_NONE)
		strbuf_addz(out, "-");
	if (im.n_clusters != 0) {
		c = &im.clusters[0];
		strbuf_printf(out, "%u%s", c->proto, c->tls != IM_NONE ? "+tls" : "");
		if (c->dns != IM_NONE)
			strbuf_printf(out, " %.*s:%u", BYTES_ARG(image_text(&im, c->dns_name)),
			    c->port);
		for (uint32_t i = 0; c->dns == IM_NONE && i < c->endpoints.n; i++) {
			const struct im_endpoint *e = &im.endpoints[c->endpoints.first + i];

			addr_print(&e->addr, text);
			strbuf_printf(out, " %s*%u", text, e->weight);
		}
	}
	image_close(&im);
}

static void
table(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct strbuf got = STRBUF_INIT;
		struct world w;

		world_init(&w);
		world_file(&w, "a.yaml", rows[i].yaml);
		world_file(&w, "b.yaml", GW);
		world_compile(&w);
		assert_int_equal(w.err, HG_OK);
		print_cluster(&w, &got);
		if (!world_text(rows[i].what, &got, rows[i].cluster)) {
			world_dump(&w);
			bad++;
		}
		for (struct bytes rest = bytes_str(rows[i].expect); rest.p != NULL;)
			bad += !world_expect(&w, rows[i].what, bytes_cut(&rest, '\n'));
		strbuf_release(&got);
		world_release(&w);
	}
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
