/*
 * test_l4.c - TLSRoute, TCPRoute and UDPRoute from manifest to image: which listener a server name
 * meets, which route it gives, with which backends and policy. The image is read as a worker does.
 */
#include "shm/route.h"
#include "tests/unit/conf/pem.h"
#include "tests/unit/conf/world.h"

#define GW(listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, " \
	    "namespace: infra}\n" \
	"spec:\n  gatewayClassName: headgate\n  addresses: [{value: 127.0.0.1}]\n" \
	"  allowedListeners: {namespaces: {from: Same}}\n  listeners: [" listeners "]\n---\n"
#define ROUTE_AT(kind, version, name, age, spec) \
	"apiVersion: gateway.networking.k8s.io/" version "\nkind: " kind "\nmetadata: {name: " \
	    name ", namespace: infra, creationTimestamp: \"2026-01-0" age "T00:00:00Z\"}\n" \
	"spec:\n  parentRefs: [{name: edge}]\n" spec "---\n"
#define TLS(name, age, hosts, svc) \
	ROUTE_AT("TLSRoute", "v1", name, age, \
	    "  hostnames: [" hosts "]\n  rules: [{backendRefs: [{name: " svc ", port: 80}]}]\n")
#define TCP(name, age, refs) \
	ROUTE_AT("TCPRoute", "v1", name, age, "  rules: [{backendRefs: [" refs "]}]\n")
#define UDP(name, age, refs) \
	ROUTE_AT("UDPRoute", "v1", name, age, "  rules: [{backendRefs: [" refs "]}]\n")
#define SVC(name, proto) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: infra}\n" \
	"spec: {ports: [{port: 80, protocol: " proto ", targetPort: 8080}]}\n---\n" \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name \
	    ", namespace: infra, labels: {kubernetes.io/service-name: " name "}}\n" \
	"addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\n" \
	"ports: [{port: 8080, protocol: " proto "}]\n---\n"
#define SET(listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: more, " \
	    "namespace: infra}\nspec:\n  parentRef: {name: edge}\n  listeners: [" listeners \
	    "]\n---\n"
#define BACKEND(endpoint) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: Backend\nmetadata: {name: be, " \
	    "namespace: infra}\nspec: {endpoints: [{" endpoint "}]}\n---\n"
#define BACKENDREF "{group: gateway.headgate.dev, kind: Backend, name: be}"
#define PASS(name, port, more) \
	"{name: " name ", port: " port ", protocol: TLS, tls: {mode: Passthrough}" more "}, "
#define TERM(name, port, more) \
	"{name: " name ", port: " port ", protocol: TLS, tls: {mode: Terminate, " \
	    "certificateRefs: [{name: s}]}" more "}, "
#define HTTPS(name, port, more) \
	"{name: " name ", port: " port ", protocol: HTTPS, tls: {certificateRefs: [{name: " \
	    "s}]}" more "}, "
#define SECRET \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: infra}\ntype: " \
	    "kubernetes.io/tls\ndata: {tls.crt: " B64_CRT ", tls.key: " B64_KEY "}\n---\n"

/* "PORT SNI -> LISTENER ROUTE CLUSTER:WEIGHT…", "-" for none. */
static const struct row {
	const char *what, *yaml, *expect;
} rows[] = {
	{"exact before wildcard before any, longest wildcard first",
	    GW(PASS("tls", "443", "")) TLS("wide", "1", "'*.example.com'", "a")
	    TLS("deep", "2", "'*.b.example.com'", "a") TLS("exact", "3", "x.b.example.com", "a"),
	    "443 x.b.example.com -> tls exact infra/a:80*1\n"
	    "443 y.b.example.com -> tls deep infra/a:80*1\n"
	    "443 y.example.com -> tls wide infra/a:80*1\n443 example.com -> tls -\n"
	    "443 - -> tls -"},
	{"hostnames that do not meet the listener are left out",
	    GW(PASS("tls", "443", ", hostname: '*.example.com'"))
	    TLS("r", "1", "a.example.com, b.example.org", "a"),
	    "443 a.example.com -> tls r infra/a:80*1\n443 b.example.org -> - -\n443 - -> - -"},
	{"equal names: the older", GW(PASS("tls", "443", "")) TLS("a-new", "2", "x.com", "b")
	    TLS("b-old", "1", "x.com", "a"), "443 x.com -> tls b-old infra/a:80*1"},
	{"equal intersections: the longer original",
	    GW(PASS("tls", "443", ", hostname: abc.example.com")) TLS("old", "1", "'*.example.com'",
	    "a") TLS("new", "2", "abc.example.com", "b"),
	    "443 abc.example.com -> tls new infra/b:80*1"},
	{"an alpha version without hostnames: also without a server name",
	    GW(PASS("tls", "443", "")) ROUTE_AT("TLSRoute", "v1alpha2", "r", "1",
	    "  rules: [{backendRefs: [{name: a, port: 80}]}]\n"),
	    "443 x.com -> tls r infra/a:80*1\n443 - -> tls r infra/a:80*1"},
	{"an alpha version with hostnames", GW(PASS("tls", "443", ""))
	    ROUTE_AT("TLSRoute", "v1alpha3", "r", "1",
	    "  hostnames: [a.com]\n  rules: [{backendRefs: [{name: a, port: 80}]}]\n"),
	    "443 a.com -> tls r infra/a:80*1\n443 - -> tls -"},
	{"both modes and HTTPS on one port",
	    GW(PASS("pass", "443", ", hostname: p.com") TERM("term", "443", ", hostname: t.com")
	    HTTPS("web", "443", ", hostname: w.com")) TLS("r", "1", "p.com, t.com", "a") SECRET,
	    "443 p.com -> pass r infra/a:80*1\n443 t.com -> term+ r infra/a:80*1\n"
	    "443 w.com -> web+ -\n443 - -> - -"},
	{"without its certificate nothing is passed on",
	    GW(TERM("term", "443", ", hostname: t.com") PASS("pass", "443", ""))
	    TLS("r", "1", "t.com", "a"), "443 t.com -> term! -"},
	{"the oldest TCPRoute", GW("{name: tcp, port: 9000, protocol: TCP}")
	    TCP("new", "2", "{name: b, port: 80}")
	    TCP("old", "1", "{name: a, port: 80, weight: 3}, {name: b, port: 80, weight: 1}"),
	    "9000 - -> tcp old infra/a:80*3 infra/b:80*1"},
	{"of one age: the name", GW("{name: tcp, port: 9000, protocol: TCP}")
	    TCP("y", "1", "{name: b, port: 80}") TCP("x", "1", "{name: a, port: 80}"),
	    "9000 - -> tcp x infra/a:80*1"},
	{"a backend that is not there keeps its share",
	    GW("{name: tcp, port: 9000, protocol: TCP}")
	    TCP("r", "1", "{name: a, port: 80, weight: 2}, {name: nobody, port: 80, weight: 8}"),
	    "9000 - -> tcp r infra/a:80*2 ?*8"},
	{"UDP beside TCP", GW("{name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, "
	    "protocol: UDP}") TCP("t", "1", "{name: a, port: 80}")
	    UDP("u", "1", "{name: dns, port: 80}"),
	    "53 - -> tcp t infra/a:80*1\n53/udp - -> udp u infra/dns:80/udp*1"},
	{"a Backend by TCP", GW("{name: tcp, port: 9000, protocol: TCP}") BACKEND("ip: {address: "
	    "10.0.0.9, port: 5432}") TCP("r", "1", BACKENDREF),
	    "9000 - -> tcp r infra/be*1"},
	{"a Backend of two names shares its weight", GW("{name: tcp, port: 9000, protocol: TCP}")
	    BACKEND("fqdn: {hostname: a.test, port: 1}}, {fqdn: {hostname: b.test, port: 1}")
	    TCP("r", "1", BACKENDREF ", {name: a, port: 80, weight: 1}"),
	    "9000 - -> tcp r infra/be(a.test:1)*1 infra/be(b.test:1)*1 infra/a:80*2"},
	{"a unix socket is no UDP backend", GW("{name: udp, port: 53, protocol: UDP}")
	    BACKEND("unix: {path: /run/x.sock}") UDP("r", "1", BACKENDREF),
	    "53/udp - -> udp r ?*1"},
	{"listeners of a ListenerSet", GW(PASS("tls", "443", ", hostname: a.com"))
	    SET("{name: tcp, port: 9000, protocol: TCP}, {name: tls, port: 443, protocol: TLS, "
	    "hostname: b.com, tls: {mode: Passthrough}}")
	    TLS("r", "1", "a.com, b.com", "a")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: TCPRoute\nmetadata: {name: t, "
	    "namespace: infra}\nspec: {parentRefs: [{group: gateway.networking.k8s.io, kind: "
	    "ListenerSet, name: more}], rules: [{backendRefs: [{name: b, port: 80}]}]}\n---\n",
	    "9000 - -> more/tcp t infra/b:80*1\n443 a.com -> tls r infra/a:80*1\n"
	    "443 b.com -> more/tls -"},
	{"two Gateways share a port by name", GW(PASS("tls", "443", ", hostname: a.com"))
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: other, "
	    "namespace: infra}\nspec:\n  gatewayClassName: headgate\n  addresses: [{value: "
	    "127.0.0.1}]\n  listeners: [{name: web, port: 443, protocol: HTTPS, hostname: b.com, "
	    "tls: {certificateRefs: [{name: s}]}}]\n---\n" SECRET TLS("r", "1", "a.com, b.com",
	    "a"),
	    "443 a.com -> tls r infra/a:80*1\n443 b.com -> web+ -"},
	{"a TCP Service is no UDP backend", GW("{name: udp, port: 53, protocol: UDP}")
	    UDP("u", "1", "{name: a, port: 80}"), "53/udp - -> udp u ?*1"},
};

static uint32_t
socket_of(const struct image *im, unsigned port, bool udp)
{
	for (uint32_t i = 0; i < im->n_sockets; i++)
		if (im->sockets[i].addr.port == port &&
		    im->sockets[i].transport == (udp ? IM_UDP : IM_TCP))
			return i;
	return IM_NONE;
}

static void
print_backends(const struct image *im, const struct im_rule *r, struct strbuf *out)
{
	for (uint32_t i = 0; i < r->backends.n; i++) {
		const struct im_backend *b = &im->backends[r->backends.first + i];
		const struct im_cluster *c =
		    b->cluster == IM_NONE ? NULL : &im->clusters[b->cluster];
		struct bytes name = c == NULL ? BYTES("?") : image_text(im, c->name);
		uint8_t kind = im->routes[r->route].kind;

		strbuf_printf(out, " %.*s*%u", BYTES_ARG(name), b->weight);
		if (c != NULL)
			assert_int_equal(c->proto, kind == IM_UDPROUTE ? IM_UP_UDP : IM_UP_TCP);
	}
}

static void
look(const struct image *im, unsigned port, bool udp, struct bytes sni, struct strbuf *out)
{
	uint32_t s = socket_of(im, port, udp), l, rule;
	const struct im_listener *at;

	assert_int_not_equal(s, IM_NONE);
	l = route_listener(im, s, sni);
	strbuf_printf(out, "%u%s %.*s -> ", port, udp ? "/udp" : "",
	    sni.n == 0 ? 1 : (int)sni.n, sni.n == 0 ? "-" : sni.p);
	if (l == IM_NONE) {
		strbuf_addz(out, "- -");
		return;
	}
	at = &im->listeners[l];
	strbuf_printf(out, "%.*s%s ", BYTES_ARG(image_text(im, at->name)),
	    at->flags & IM_L_BROKEN   ? "!" :
		at->tls != IM_NONE    ? "+" :
					"");
	if (at->protocol == IM_TLS && at->tls != IM_NONE)
		assert_int_equal(im->tls[at->tls].alpn.off, IM_NONE);
	rule = route_hosttab(im, &at->l4, sni);
	if (rule == IM_NONE) {
		strbuf_addz(out, "-");
		return;
	}
	strbuf_printf(out, "%.*s",
	    BYTES_ARG(image_text(im, im->routes[im->rules[rule].route].name)));
	print_backends(im, &im->rules[rule], out);
}

static bool
row_ok(struct world *w, const struct row *r)
{
	struct strbuf got = STRBUF_INIT;
	struct image im = world_image(w, r->what);
	bool ok;

	for (const char *at = r->expect; at != NULL && *at != '\0';) {
		const char *end = strchr(at, '\n');
		char sni[64];
		unsigned port;

		assert_int_equal(sscanf(at, "%u%*[/udp] %63s", &port, sni) == 2 ||
			sscanf(at, "%u %63s", &port, sni) == 2, 1);
		if (got.n != 0)
			strbuf_addz(&got, "\n");
		look(&im, port, memchr(at, '/', strcspn(at, " ")) != NULL,
		    strcmp(sni, "-") == 0 ? BYTES("") : bytes_str(sni), &got);
		at = end == NULL ? NULL : end + 1;
	}
	ok = world_text(r->what, &got, r->expect);
	strbuf_release(&got);
	image_close(&im);
	return ok;
}

static void
table(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct world w;

		world_init(&w);
		world_file(&w, "a.yaml", rows[i].yaml);
		world_file(&w, "services.yaml", SVC("a", "TCP") SVC("b", "TCP") SVC("dns", "UDP"));
		world_compile(&w);
		assert_int_equal(w.err, HG_OK);
		if (!row_ok(&w, &rows[i])) {
			world_dump(&w);
			bad++;
		}
		world_release(&w);
	}
	assert_int_equal(bad, 0);
}

/* A socket of HTTPS and TLS listeners says so, whichever comes first. */
static void
protocols(void **state)
{
	static const struct {
		const char *yaml;
		uint8_t protocol;
	} v[] = {
		{GW(PASS("a", "443", ", hostname: a.com") HTTPS("b", "443", ", hostname: b.com")),
		    IM_HTTPS},
		{GW(HTTPS("b", "443", ", hostname: b.com") PASS("a", "443", ", hostname: a.com")),
		    IM_HTTPS},
		{GW(TERM("b", "443", ", hostname: b.com") PASS("a", "443", ", hostname: a.com")),
		    IM_TLS},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++) {
		struct world w;
		struct image im;

		world_init(&w);
		world_file(&w, "a.yaml", v[i].yaml);
		world_file(&w, "s.yaml", SECRET);
		world_compile(&w);
		im = world_image(&w, v[i].yaml);
		assert_int_equal(im.n_sockets, 1);
		assert_int_equal(im.sockets[0].protocol, v[i].protocol);
		image_close(&im);
		world_release(&w);
	}
}

/* Policies of a route, of its rule by name, and of its Gateway. */
static void
policies(void **state)
{
#define BTP(name, target, type) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: BackendTrafficPolicy\nmetadata: {name: " \
	    name ", namespace: infra}\nspec: {targetRefs: [{group: gateway.networking.k8s.io, " \
	    target "}], loadBalancer: {type: " type "}}\n---\n"
#define RULE \
	ROUTE_AT("TCPRoute", "v1", "r", "1", \
	    "  rules: [{name: only, backendRefs: [{name: a, port: 80}]}]\n")
	static const struct {
		const char *yaml;
		uint8_t type; /* 0: none */
	} v[] = {
		{"", 0},
		{BTP("gw", "kind: Gateway, name: edge", "Random"), IM_LB_RANDOM},
		{BTP("gw", "kind: Gateway, name: edge", "Random")
		    BTP("r", "kind: TCPRoute, name: r", "RoundRobin"), IM_LB_ROUND_ROBIN},
		{BTP("r", "kind: TCPRoute, name: r", "RoundRobin")
		    BTP("rule", "kind: TCPRoute, name: r, sectionName: only", "LeastRequest"),
		    IM_LB_LEAST_REQUEST},
		{BTP("r", "kind: UDPRoute, name: r", "RoundRobin"), 0},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++) {
		const struct im_rule *r;
		struct image im;
		struct world w;

		world_init(&w);
		world_file(&w, "a.yaml", GW("{name: tcp, port: 9000, protocol: TCP}") RULE);
		world_file(&w, "b.yaml", v[i].yaml);
		world_file(&w, "c.yaml", SVC("a", "TCP"));
		world_compile(&w);
		im = world_image(&w, v[i].yaml);
		assert_int_equal(im.n_rules, 1);
		r = &im.rules[0];
		assert_int_equal(r->policy == IM_NONE, v[i].type == 0);
		if (r->policy != IM_NONE)
			assert_int_equal(
			    im.balances[im.policies[r->policy].balance].type, v[i].type);
		image_close(&im);
		world_release(&w);
	}
}

/* What speaks of requests has no effect here, and is said. */
static void
http_only(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", GW("{name: tcp, port: 9000, protocol: TCP}") RULE SVC("a", "TCP"));
	world_file(&w, "b.yaml",
	    "apiVersion: gateway.headgate.dev/v1alpha1\nkind: BackendTrafficPolicy\n"
	    "metadata: {name: p, namespace: infra}\n"
	    "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: TCPRoute, name: r}], "
	    "retry: {numRetries: 2}}\n");
	world_compile(&w);
	assert_string_equal(
	    world_cond(&w, "BackendTrafficPolicy", "infra", "p", "a:0", "Warning"),
	    "True/HTTPOnlyField");
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(protocols),
		cmocka_unit_test(policies),
		cmocka_unit_test(http_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
