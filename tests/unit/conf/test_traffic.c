/*
 * test_traffic.c - policies from manifest to image: which rule has which policy on which listener,
 * what a merge makes, what is broken by an error, and that identities survive edits. The image is
 * opened and checked as a worker does.
 */
#include "tests/unit/conf/kinds_help.h"
#include "tests/unit/conf/world.h"


#define GW \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n" \
	"metadata: {name: gw, namespace: a}\n" \
	"spec: {gatewayClassName: headgate, listeners: [{name: one, port: 80, protocol: HTTP}, " \
	"{name: two, port: 81, protocol: HTTP}]}\n---\n"
#define ROUTE \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n" \
	"metadata: {name: r, namespace: a}\n" \
	"spec: {parentRefs: [{name: gw}], rules: [{name: rx, matches: [{path: {value: /x}}], " \
	"backendRefs: [{group: gateway.headgate.dev, kind: Backend, name: b}]}, " \
	"{name: ry, matches: [{path: {value: /y}}], timeouts: {request: 7s}, " \
	"backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]}]}\n---\n"
#define BACKEND \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: Backend\n" \
	"metadata: {name: b, namespace: a}\n" \
	"spec: {endpoints: [{ip: {address: 127.0.0.1, port: 9000}, hostname: b.test}]}\n---\n"
#define BTP(name, rest) \
	"apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: BackendTrafficPolicy\n" \
	"metadata: {name: " name ", namespace: a}\nspec:\n" rest "\n---\n"
#define ON_GW "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]\n"
#define ON_TWO \
	"  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw, " \
	"sectionName: two}]\n"
#define ON_ROUTE "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]\n"
#define ON_RULE \
	"  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r, " \
	"sectionName: ry}]\n"
#define CTP(name, rest) \
	"apiVersion: gateway.headgate.dev/v1alpha1\nkind: ClientTrafficPolicy\n" \
	"metadata: {name: " name ", namespace: a}\nspec:\n" rest "\n---\n"
#define LOCAL(n, unit) \
	"  rateLimit: {local: {rules: [{limit: {requests: " #n ", unit: " unit "}}]}}\n"

static struct image
compiled(struct world *w, const char *yaml)
{
	if (w->n == 0) {
		world_file(w, "t.yaml", yaml);
	} else {
		w->texts[0] = yaml;
	}
	world_compile(w);
	assert_int_equal(w->err, HG_OK);
	return world_image(w, "compiled");
}

static uint32_t
tree_path(const struct image *im, uint32_t tree, const char *path)
{
	const struct im_tree *t = &im->trees[tree];

	for (uint32_t i = 0; t->mask != IM_NONE && i <= t->mask; i++) {
		const struct im_path *p = &im->paths[t->first + i];

		if (p->path.off != IM_NONE && bytes_eq(image_text(im, p->path), bytes_str(path)))
			return p->prefix & ~IM_DIRECT;
	}
	fail_msg("no path %s", path);
	return 0;
}

static const struct im_rule *
rule(const struct image *im, const char *listener, const char *path)
{
	for (uint32_t i = 0; i < im->n_listeners; i++)
		if (bytes_eq(image_text(im, im->listeners[i].name), bytes_str(listener)))
			return &im->rules[im->items[tree_path(im, im->listeners[i].http.any, path)]
			    .rule];
	fail_msg("no listener %s", listener);
	return NULL;
}

static const char *
policy_name(const struct image *im, const struct im_rule *r)
{
	static char text[128];

	if (r->policy == IM_NONE)
		return "-";
	snprintf(text, sizeof(text), "%.*s",
	    BYTES_ARG(image_text(im, im->policies[r->policy].name)));
	return text;
}

#define assert_policy(im, l, p, want) \
	assert_string_equal(policy_name(im, rule(im, l, p)), want)

static void
override(void **state)
{
	struct world w;
	struct image im;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND);
	assert_policy(&im, "one", "/x", "-");
	assert_ptr_equal(rule(&im, "one", "/x"), rule(&im, "two", "/x")); /* one tree */
	assert_int_equal(im.n_endpoints, 1);
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW LOCAL(5, "Hour"))
	    BTP("l", ON_TWO LOCAL(6, "Hour")) BTP("ry", ON_RULE LOCAL(7, "Hour")));
	assert_policy(&im, "one", "/x", "a/g");
	assert_policy(&im, "two", "/x", "a/l");
	assert_policy(&im, "one", "/y", "a/ry");
	assert_policy(&im, "two", "/y", "a/ry");
	assert_int_equal(rule(&im, "one", "/x")->id, rule(&im, "two", "/x")->id);
	assert_int_equal(im.n_policies, 3);
	assert_int_equal(im.n_routes, 1);
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW LOCAL(5, "Hour")));
	assert_ptr_equal(rule(&im, "one", "/x"), rule(&im, "two", "/x")); /* shared again */
	image_close(&im);
	world_release(&w);
}

static void
precedence(void **state)
{
	struct world w;
	struct image im;
	const struct im_retry *r;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW
	    "  timeout: {http: {requestTimeout: 3s}, tcp: {connectTimeout: 1s}}\n"
	    "  retry: {numRetries: 4, retryOn: {triggers: [connect-failure, gateway-error]}, "
	    "perRetry: {timeout: 250ms, backOff: {baseInterval: 10ms, maxInterval: 40ms}}}"));
	assert_int_equal(rule(&im, "one", "/x")->request_ms, 3000);
	assert_int_equal(rule(&im, "one", "/y")->request_ms, 7000); /* the route's own */
	assert_int_equal(rule(&im, "one", "/x")->backend_ms, 250);
	r = &im.retries[rule(&im, "one", "/x")->retry];
	assert_int_equal(r->attempts, 4);
	assert_int_equal(r->triggers, IM_RETRY_CONNECT | IM_RETRY_TIMEOUT);
	assert_int_equal(r->codes[(502 - 400) / 32] >> (502 - 400) % 32 & 7, 7);
	assert_int_equal(r->backoff_max_ms, 40);
	assert_int_equal(im.balances[im.policies[0].balance].connect_ms, 1000);
	image_close(&im);
	world_release(&w);
}

static void
merges(void **state)
{
	struct world w;
	struct image im;
	const struct im_policy *p;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND
	    BTP("g", ON_GW LOCAL(5, "Hour") "  timeout: {tcp: {connectTimeout: 2s}}\n")
	    BTP("r", ON_ROUTE "  mergeType: StrategicMerge\n  rateLimit: {local: {rules: [{limit: "
		"{requests: 1, unit: Second}, clientSelectors: [{methods: [{value: GET}]}]}]}}\n"));
	assert_policy(&im, "one", "/x", "a/r+a/g");
	p = &im.policies[rule(&im, "one", "/x")->policy];
	assert_int_equal(p->limits.n, 2); /* both sets */
	assert_int_equal(im.limits[p->limits.first + 1].keys.n, 0); /* the default bucket last */
	assert_int_equal(im.balances[p->balance].connect_ms, 2000);
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW LOCAL(5, "Hour"))
	    BTP("r", ON_ROUTE "  mergeType: JSONMerge\n" LOCAL(9, "Minute")));
	p = &im.policies[rule(&im, "one", "/x")->policy];
	assert_int_equal(p->limits.n, 1);
	assert_int_equal(im.limits[p->limits.first].requests, 9);
	assert_string_equal(world_cond(&w, "BackendTrafficPolicy", "a", "r", "a:0", "Accepted"),
	    "True/Accepted");
	image_close(&im);
	/* Good alone, bad together: slowStart has no meaning with ConsistentHash. */
	im = compiled(&w, GW ROUTE BACKEND
	    BTP("g", ON_GW "  loadBalancer: {type: LeastRequest, slowStart: {window: 10s}}\n")
	    BTP("r", ON_ROUTE "  mergeType: StrategicMerge\n  loadBalancer: {type: ConsistentHash,"
		" consistentHash: {type: SourceIP}}\n"));
	assert_int_equal(rule(&im, "one", "/x")->error, HG_ERR_BAD_RULE);
	assert_string_equal(world_cond(&w, "BackendTrafficPolicy", "a", "r", "a:0", "Accepted"),
	    "False/Invalid");
	image_close(&im);
	world_release(&w);
}

static void
errors(void **state)
{
	struct world w;
	struct image im;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND BTP("r", ON_RULE "  rateLimit: {local: {rules: [{limit: "
	    "{requests: 1, unit: Hour}, clientSelectors: [{headers: [{name: a, type: "
	    "RegularExpression, value: '*.illegal'}]}]}]}}\n"));
	assert_int_equal(rule(&im, "one", "/x")->error, HG_OK);
	assert_int_equal(rule(&im, "one", "/y")->error, HG_ERR_BAD_RULE);
	assert_string_equal(world_cond(&w, "BackendTrafficPolicy", "a", "r", "a:0", "Accepted"),
	    "False/Invalid");
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND
	    CTP("c", ON_GW "  connection: {bufferLimit: 100G}\n"));
	assert_int_equal(im.listeners[0].flags, IM_L_BROKEN);
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW "  loadBalancer: {type: "
	    "BackendUtilization, backendUtilization: {}}\n  rateLimit: {global: {rules: [{limit: "
	    "{requests: 1, unit: Hour}}]}}\n"));
	assert_string_equal(world_cond(&w, "BackendTrafficPolicy", "a", "g", "a:0", "Warning"),
	    "True/Warnings");
	assert_int_equal(im.limits[0].global, 1);
	image_close(&im);
	world_release(&w);
}

/* A bucket stays with its rule through edits of numbers and a reorder. */
static void
identity(void **state)
{
#define BY_METHOD(n, m) \
	"{limit: {requests: " #n ", unit: Hour}, clientSelectors: [{methods: [{value: " m "}]}]}"
	struct world w;
	struct image im;
	uint64_t base[2];
	uint32_t id;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW "  rateLimit: {local: {rules: ["
	    BY_METHOD(5, "GET") ", " BY_METHOD(9, "PUT") "]}}\n"));
	assert_int_equal(im.limits[0].requests, 5);
	memcpy(base, im.limits[0].base, sizeof(base));
	id = im.limits[0].id;
	assert_memory_not_equal(base, im.limits[1].base, sizeof(base));
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND BTP("g", ON_GW "  rateLimit: {local: {rules: ["
	    BY_METHOD(2, "PUT") ", " BY_METHOD(50, "GET") "]}}\n"));
	assert_int_equal(im.limits[0].requests, 2); /* strictest first */
	assert_memory_equal(base, im.limits[1].base, sizeof(base));
	assert_int_equal(im.limits[1].id, id);
	assert_int_equal(im.limits[1].interval_ns, 3600000000000ull / 50);
	image_close(&im);
	world_release(&w);
}

static void
client(void **state)
{
	struct world w;
	struct image im;
	const struct im_client *c;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND CTP("g", ON_GW "  tcpKeepalive: {probes: 3}\n")
	    CTP("two", ON_TWO "  clientIPDetection: {xForwardedFor: {trustedCIDRs: [10.0.0.0/8]}}\n"
		"  headers: {earlyRequestHeaders: {add: [{name: a, value: b}], removeOnMatch: "
		"[{type: Prefix, value: x-}]}}\n  path: {escapedSlashesAction: KeepUnchanged}\n"));
	c = &im.clients[im.listeners[0].client];
	assert_int_equal(c->keepalive_probes, 3);
	assert_int_equal(c->slashes, IM_SL_REDIRECT);
	assert_int_equal(c->merge_slashes, 1);
	c = &im.clients[im.listeners[1].client];
	assert_int_equal(c->ipdetect, IM_IP_XFF_CIDRS);
	assert_int_equal(im.cidrs[c->cidrs.first].bits, 8);
	assert_int_equal(c->early.n, 2);
	assert_int_equal(im.edits[c->early.first + 1].op, IM_REMOVE_PREFIX);
	assert_int_equal(c->slashes, IM_SL_KEEP);
	assert_string_equal(world_cond(&w, "ClientTrafficPolicy", "a", "g", "a:0", "Overridden"),
	    "True/Overridden");
	image_close(&im);
	world_release(&w);
}

static void
backends(void **state)
{
	struct world w;
	struct image im;
	const struct im_rule *r;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
	    "metadata: {name: r, namespace: a}\nspec: {parentRefs: [{name: gw}], rules: "
	    "[{matches: [{path: {value: /x}}], backendRefs: [{group: gateway.envoyproxy.io, kind: "
	    "Backend, name: names, weight: 3}, {group: gateway.headgate.dev, kind: Backend, name: "
	    "sock}, {group: gateway.headgate.dev, kind: Backend, name: none}]}]}\n---\n"
	    "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: names, "
	    "namespace: a}\nspec: {endpoints: [{fqdn: {hostname: localhost, port: 1}}, {fqdn: "
	    "{hostname: b.test., port: 2}}]}\n---\n"
	    "apiVersion: gateway.headgate.dev/v1alpha1\nkind: Backend\nmetadata: {name: sock, "
	    "namespace: a}\nspec: {fallback: true, endpoints: [{unix: {path: /run/x.sock}}]}\n");
	r = rule(&im, "one", "/x");
	assert_int_equal(r->backends.n, 4);
	assert_int_equal(im.backends[r->backends.first].weight, 3);
	assert_int_equal(im.backends[r->backends.first + 1].weight, 3);
	assert_int_equal(im.backends[r->backends.first + 2].weight, 2);
	assert_int_equal(im.backends[r->backends.first + 2].fallback, 1);
	assert_int_equal(im.backends[r->backends.first + 3].error, HG_ERR_NO_BACKEND);
	assert_int_equal(im.n_clusters, 3);
	assert_string_equal(world_cond(&w, "HTTPRoute", "a", "r", "p:0", "ResolvedRefs"),
	    "False/BackendNotFound");
	assert_string_equal(world_cond(&w, "Backend", "a", "sock", "", "Accepted"),
	    "True/Accepted");
	image_close(&im);
	world_release(&w);
}

/* Another namespace by a selector: only where a grant, under either group, permits it. */
static void
grants(void **state)
{
#define FAR \
	"apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: BackendTrafficPolicy\nmetadata: " \
	"{name: far, namespace: z}\nspec:\n  targetSelectors: [{kind: HTTPRoute, namespaces: " \
	"{from: All}}]\n" LOCAL(1, "Hour") "---\n"
	struct world w;
	struct image im;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND FAR);
	assert_policy(&im, "one", "/x", "-");
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND FAR
	    "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, "
	    "namespace: a}\nspec: {from: [{group: gateway.envoyproxy.io, kind: "
	    "BackendTrafficPolicy, namespace: z}], to: [{group: gateway.networking.k8s.io, kind: "
	    "HTTPRoute}]}\n");
	assert_policy(&im, "one", "/x", "z/far");
	image_close(&im);
	world_release(&w);
}

static bool
broken(const struct image *im, const char *listener)
{
	for (uint32_t i = 0; i < im->n_listeners; i++)
		if (bytes_eq(image_text(im, im->listeners[i].name), bytes_str(listener)))
			return im->listeners[i].flags & IM_L_BROKEN;
	fail_msg("no listener %s", listener);
	return false;
}

#define LABELLED \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n" \
	"metadata: {name: gw, namespace: a, labels: {tier: pci, zone: one}}\n" \
	"spec: {gatewayClassName: headgate, listeners: [{name: one, port: 80, protocol: HTTP}, " \
	"{name: two, port: 81, protocol: HTTP}]}\n---\n"
#define SELECTS(tier) \
	"  targetSelectors: [{kind: Gateway, matchLabels: {tier: " tier "}, " \
	"matchExpressions: [{key: tier, operator: Nonsense}]}]\n"

/* A ClientTrafficPolicy that cannot be read and never could: its targets are closed. Later its last
 * good content counts. */
static void
unreadable(void **state)
{
	struct world w;
	struct image im;

	(void)state;
	world_init(&w);
	im = compiled(&w, GW ROUTE BACKEND CTP("c", ON_TWO "  nonsense: true\n"));
	assert_false(broken(&im, "one"));
	assert_true(broken(&im, "two"));
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND CTP("c", ON_TWO));
	assert_false(broken(&im, "two"));
	image_close(&im);
	im = compiled(&w, GW ROUTE BACKEND CTP("c", ON_TWO "  nonsense: true\n"));
	assert_false(broken(&im, "two"));
	image_close(&im);
	/* by labels; what it says of expressions is not weighed */
	im = compiled(&w, LABELLED ROUTE BACKEND CTP("s", SELECTS("pci") "  nonsense: true\n"));
	assert_true(broken(&im, "one") && broken(&im, "two"));
	image_close(&im);
	im = compiled(&w, LABELLED ROUTE BACKEND CTP("t", SELECTS("none") "  nonsense: true\n"));
	assert_false(broken(&im, "one") || broken(&im, "two"));
	image_close(&im);
	/* the most specific one counts */
	im = compiled(&w, GW ROUTE BACKEND CTP("d", ON_GW "  nonsense: true\n") CTP("c", ON_TWO));
	assert_true(broken(&im, "one"));
	assert_false(broken(&im, "two"));
	image_close(&im);
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(override),
	    cmocka_unit_test(precedence), cmocka_unit_test(merges), cmocka_unit_test(errors),
	    cmocka_unit_test(identity), cmocka_unit_test(client), cmocka_unit_test(backends),
	    cmocka_unit_test(grants), cmocka_unit_test(unreadable)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
