/*
 * test_service.c - the ports that Services open: which sockets with which route, who wins a port,
 * numbers that are handed out and stay, and what is said about it.
 */
#include "conf/kinds/schema.h"
#include "tests/unit/conf/world.h"

#define SVC_AT(name, age, spec) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: shop, " \
	    "creationTimestamp: \"2026-01-0" age "T00:00:00Z\"}\nspec: {" spec "}\n---\n"
#define SVC(name, spec) SVC_AT(name, "1", spec)
#define NODE(name, age, more) \
	SVC_AT(name, age, "type: NodePort, ports: [{port: 80, targetPort: 8080" more "}]")
#define GW(listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, " \
	"namespace: infra}\nspec: {gatewayClassName: headgate, listeners: [" listeners "]}\n---\n"

static const struct row {
	const char *what, *yaml, *sockets, *expect;
} rows[] = {
    {"ClusterIP opens nothing", SVC("a", "ports: [{port: 80}]"), "",
	"Service shop a - Programmed no conditions"},
    {"a written node port", NODE("a", "1", ", nodePort: 30080"),
	"0.0.0.0:30080 tcp shop/a:80, [::]:30080 tcp shop/a:80",
	"Service shop a - Programmed True/Programmed"},
    {"TCP and UDP of one number",
	SVC("a",
	    "type: NodePort, ports: [{name: t, port: 53, "
	    "nodePort: 30053}, {name: u, port: 53, protocol: UDP, nodePort: 30053}]"),
	"0.0.0.0:30053 tcp shop/a:53, 0.0.0.0:30053 udp shop/a:53/udp, [::]:30053 tcp "
	"shop/a:53, [::]:30053 udp shop/a:53/udp",
	"Service shop a - Programmed "
	"True/Programmed"},
    {"handed out: the lowest that is free",
	NODE("a", "1", "") NODE("b", "2", "") NODE("c", "3", ", nodePort: 30000"),
	"0.0.0.0:30000 tcp shop/c:80, 0.0.0.0:30001 tcp shop/a:80, 0.0.0.0:30002 tcp "
	"shop/b:80, [::]:30000 tcp shop/c:80, [::]:30001 tcp shop/a:80, [::]:30002 tcp "
	"shop/b:80",
	"Service shop b - Programmed True/Programmed"},
    {"not what a Gateway listens on",
	GW("{name: x, port: 30000, protocol: TCP}") NODE("a", "1", ""),
	"0.0.0.0:30000 tcp , 0.0.0.0:30001 tcp shop/a:80, "
	"[::]:30000 tcp , [::]:30001 tcp shop/a:80",
	"Service shop a - Programmed True/Programmed"},
    {"out of range", NODE("a", "1", ", nodePort: 8080"), "",
	"Service shop a - Programmed False/PortOutOfRange"},
    {"the older has it", NODE("b", "1", ", nodePort: 30080") NODE("a", "2", ", nodePort: 30080"),
	"0.0.0.0:30080 tcp shop/b:80, [::]:30080 tcp shop/b:80",
	"Service shop b - Programmed True/Programmed\nService shop a - Programmed "
	"False/PortConflict"},
    {"a Gateway has it",
	GW("{name: x, port: 30080, protocol: HTTP}") NODE("a", "1", ", nodePort: 30080"),
	"0.0.0.0:30080 tcp , [::]:30080 tcp ",
	"Service shop a - Programmed False/ProtocolConflict\n"
	"Gateway infra edge - Programmed True/Programmed"},
    {"cannot be bound", NODE("a", "1", ", nodePort: 30099"), "",
	"Service shop a - Programmed False/PortUnavailable"},
    {"SCTP",
	SVC("a",
	    "type: NodePort, ports: [{name: s, port: 80, protocol: SCTP}, {name: t, "
	    "port: 80, nodePort: 30080}]"),
	"0.0.0.0:30080 tcp shop/a:80, [::]:30080 tcp shop/a:80",
	"Service shop a - Programmed False/UnsupportedProtocol"},
    {"LoadBalancer on the node's addresses",
	SVC("a",
	    "type: LoadBalancer, ports: [{port: "
	    "80}]"),
	"0.0.0.0:80 tcp shop/a:80, [::]:80 tcp shop/a:80",
	"Service shop a - Programmed True/Programmed\nService shop a ingress"},
    {"loadBalancerIP, and a node port that is written",
	SVC("a",
	    "type: LoadBalancer, "
	    "loadBalancerIP: 127.3.0.1, ports: [{port: 80, nodePort: 30080}]"),
	"0.0.0.0:30080 tcp shop/a:80, 127.3.0.1:80 tcp shop/a:80, [::]:30080 tcp shop/a:80",
	"Service shop a - Programmed True/Programmed"},
    {"loadBalancerIP that is none",
	SVC("a",
	    "type: LoadBalancer, loadBalancerIP: here, ports: "
	    "[{port: 80}]"),
	"", "Service shop a - Programmed False/UnsupportedAddress"},
    {"two of one port",
	SVC_AT("a", "2", "type: LoadBalancer, ports: [{port: 80}]")
	    SVC_AT("b", "1", "type: LoadBalancer, ports: [{port: 80}]"),
	"0.0.0.0:80 tcp shop/b:80, [::]:80 tcp shop/b:80",
	"Service shop a - Programmed False/ProtocolConflict"},
    {"affinity",
	SVC("a",
	    "type: NodePort, sessionAffinity: ClientIP, ports: [{port: 80, "
	    "nodePort: 30080}]"),
	"0.0.0.0:30080 tcp shop/a:80 by address, [::]:30080 tcp shop/a:80 by address",
	"Service shop a - Programmed True/Programmed\nService shop a - "
	"headgate.dev/NotServed "},
    {"Local",
	SVC("a",
	    "type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80, "
	    "nodePort: 30080}]"),
	"0.0.0.0:30080 tcp shop/a:80, [::]:30080 tcp shop/a:80",
	"Service shop a - headgate.dev/NotServed True/FieldNotServed"},
};

static void
print_rule(const struct image *im, const struct im_rule *r, struct strbuf *out)
{
	const struct im_backend *b = &im->backends[r->backends.first];
	const struct im_policy *p = r->policy == IM_NONE ? NULL : &im->policies[r->policy];
	const struct im_balance *lb = p == NULL ? NULL : &im->balances[p->balance];

	strbuf_add(out, image_text(im, im->clusters[b->cluster].name));
	if (lb != NULL && lb->type == IM_LB_HASH && lb->hash == IM_HASH_SOURCE_IP)
		strbuf_addz(out, " by address");
}

/* "ADDRESS tcp CLUSTER, …" in the order of the image. */
static void
print_sockets(struct world *w, struct strbuf *out)
{
	struct image im = world_image(w, "sockets");
	char text[56];

	for (uint32_t i = 0; i < im.n_sockets; i++) {
		const struct im_socket *s = &im.sockets[i];
		const struct im_listener *l = &im.listeners[s->listeners.any];

		addr_print(&s->addr, text);
		strbuf_printf(out, "%s%s %s ", out->n != 0 ? ", " : "", text,
		    s->transport == IM_UDP ? "udp" : "tcp");
		if (l->l4.any != IM_NONE)
			print_rule(&im, &im.rules[l->l4.any], out);
	}
	image_close(&im);
}

static bool
lines_ok(struct world *w, const struct row *r)
{
	static const char ingress[] =
	    "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"0.0.0.0\"},{\"ip\":\"::\"}]}";
	bool ok = true;

	for (struct bytes rest = bytes_str(r->expect); rest.p != NULL;) {
		struct bytes line = bytes_cut(&rest, '\n');

		if (bytes_ends(line, BYTES(" ingress")))
			ok = ok &&
			    bytes_starts(blob_text(&w->cat.blob,
					     world_object(w, "Service", "shop", "a")->status),
				bytes_str(ingress));
		else
			ok = world_expect(w, r->what, line) && ok;
	}
	return ok;
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
		w.bad_port = 30099;
		w.bad_errno = strstr(rows[i].yaml, "192.0.2.1") != NULL ? EADDRNOTAVAIL :
									  EADDRINUSE;
		w.bad_ip = "192.0.2.1";
		world_file(&w, "a.yaml", rows[i].yaml);
		world_compile(&w);
		assert_int_equal(w.err, HG_OK);
		print_sockets(&w, &got);
		bad += !world_text(rows[i].what, &got, rows[i].sockets);
		bad += !lines_ok(&w, &rows[i]);
		strbuf_release(&got);
		world_release(&w);
	}
	assert_int_equal(bad, 0);
}

static unsigned
node_port(struct world *w, const char *name)
{
	const struct cat_object *o = world_object(w, "Service", "shop", name);
	struct node *n = world_parse(w, blob_text(&w->cat.blob, o->json));

	n = node_path(n, "spec.ports[0].nodePort");
	return n == NULL ? 0 : (unsigned)n->integer;
}

/* Numbers stay through edits, other Services, and a while of absence; a written one takes its own.
 */
static void
stable(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", NODE("a", "2", ""));
	world_file(&w, "b.yaml", NULL);
	world_compile(&w);
	assert_int_equal(node_port(&w, "a"), 30000);
	w.texts[1] = NODE("b", "1", "");
	world_compile(&w);
	assert_int_equal(node_port(&w, "a"), 30000);
	assert_int_equal(node_port(&w, "b"), 30001);
	w.texts[0] = NODE("c", "1", "");
	world_compile(&w);
	assert_int_equal(node_port(&w, "b"), 30001);
	assert_int_equal(node_port(&w, "c"), 30002);
	w.texts[0] = NODE("a", "2", "");
	world_compile(&w);
	assert_int_equal(node_port(&w, "a"), 30000);
	w.texts[1] = NODE("b", "1", ", nodePort: 30000");
	world_compile(&w);
	assert_int_equal(node_port(&w, "b"), 30000);
	assert_int_not_equal(node_port(&w, "a"), 30000);
	assert_int_not_equal(node_port(&w, "a"), 0);
	world_release(&w);
	/* A file that breaks keeps its Service's number, and has it when it is whole again. */
	world_init(&w);
	world_file(&w, "a.yaml", NODE("a", "1", ", nodePort: 30000"));
	world_file(&w, "b.yaml", NODE("b", "2", ""));
	world_compile(&w);
	assert_int_equal(node_port(&w, "b"), 30001);
	w.texts[0] = NULL;
	w.texts[1] = "{";
	world_compile(&w);
	assert_int_equal(node_port(&w, "b"), 30001);
	w.texts[1] = NODE("b", "2", "");
	world_compile(&w);
	assert_int_equal(node_port(&w, "b"), 30001);
	world_release(&w);
}

/* Also for what comes by a route, unless a policy says how endpoints are chosen. */
static void
affinity(void **state)
{
	static const char base[] = GW("{name: x, port: 80, protocol: HTTP, allowedRoutes: "
	    "{namespaces: {from: All}}}")
	    SVC("a", "sessionAffinity: ClientIP, ports: [{port: 80}]")
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
	    "namespace: shop}\nspec: {parentRefs: [{name: edge, namespace: infra}], rules: "
	    "[{backendRefs: [{name: a, port: 80}]}]}\n---\n";
#define BTP(more) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: BackendTrafficPolicy\nmetadata: {name: " \
	"p, namespace: shop}\nspec: {targetRefs: [{group: gateway.networking.k8s.io, kind: " \
	"HTTPRoute, name: r}], " more "}\n"
	static const struct {
		const char *policy;
		uint8_t type;
		uint32_t connect;
	} v[] = {
		{"", IM_LB_HASH, 0},
		{BTP("timeout: {tcp: {connectTimeout: 3s}}"), IM_LB_HASH, 3000},
		{BTP("loadBalancer: {type: Random}"), IM_LB_RANDOM, 0},
	};

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++) {
		const struct im_balance *b;
		struct image im;
		struct world w;

		world_init(&w);
		world_file(&w, "a.yaml", base);
		world_file(&w, "b.yaml", v[i].policy);
		world_compile(&w);
		im = world_image(&w, v[i].policy);
		assert_int_equal(im.n_rules, 1);
		assert_int_not_equal(im.rules[0].policy, IM_NONE);
		b = &im.balances[im.policies[im.rules[0].policy].balance];
		assert_int_equal(b->type, v[i].type);
		assert_int_equal(b->connect_ms, v[i].connect);
		image_close(&im);
		world_release(&w);
	}
}

static bool
ingress_is(struct world *w, const char *name, const char *want)
{
	const struct cat_object *o = world_object(w, "Service", "shop", name);
	struct bytes got = blob_text(&w->cat.blob, o->status);

	if (bytes_starts(got, bytes_str(want)))
		return true;
	print_message("%s: got %.*s\n", name, BYTES_ARG(got));
	return false;
}

/* What others reach, not what is bound. */
static void
node_addresses(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	world_file(&w, "a.yaml", SVC("a", "type: LoadBalancer, ports: [{port: 80}]"));
	w.params.node[0] = (struct addr){.family = 4, .ip = {203, 0, 113, 7}};
	world_compile(&w);
	assert_true(ingress_is(
	    &w, "a", "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.7\"}]}"));
	w.params.node[1] = (struct addr){.family = 6, .ip = {0x20, 1, 0xd, 0xb8, [15] = 7}};
	world_compile(&w);
	assert_true(ingress_is(&w, "a",
	    "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.7\"},"
	    "{\"ip\":\"2001:db8::7\"}]}"));
	world_release(&w);
}

/* One for each load balancer and Gateway, and it stays; node ports are the node's. */
static void
pool(void **state)
{
	static const char want[] =
	    "0.0.0.0:30080 tcp shop/a:80, 127.9.0.1:80 tcp , 127.9.0.2:80 tcp shop/a:80, "
	    "127.9.0.3:80 tcp shop/b:80, [::]:30080 tcp shop/a:80";
	struct world w;

	(void)state;
	world_init(&w);
	w.conf = BYTES("address_pool = \"127.9.0.0/29\";");
	world_file(&w, "a.yaml",
	    GW("{name: x, port: 80, protocol: HTTP}")
		SVC_AT("a", "1", "type: LoadBalancer, ports: [{port: 80, nodePort: 30080}]")
		    SVC_AT("b", "2", "type: LoadBalancer, ports: [{port: 80}]"));
	for (unsigned i = 0; i < 2; i++) {
		struct strbuf got = STRBUF_INIT;

		world_compile(&w);
		print_sockets(&w, &got);
		if (!bytes_eq(strbuf_bytes(&got), bytes_str(want)))
			fail_msg("%.*s", BYTES_ARG(strbuf_bytes(&got)));
		strbuf_release(&got);
	}
	assert_true(ingress_is(
	    &w, "b", "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"127.9.0.3\"}]}"));
	w.conf = BYTES("address_pool = \"127.8.0.0/30\";");
	world_compile(&w);
	assert_true(world_expect(
	    &w, "none left", BYTES("Service shop b - Programmed False/AddressNotAssigned")));
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(stable),
		cmocka_unit_test(affinity),
		cmocka_unit_test(node_addresses),
		cmocka_unit_test(pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
