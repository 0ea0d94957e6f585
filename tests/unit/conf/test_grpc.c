/*
 * test_grpc.c - GRPCRoute from manifest to image, read as a worker does: which rule a call gets, of
 * which route, with which backends and how these are spoken to; and what the status says of rules
 * that cannot be.
 */
#include "base/mem.h"
#include "shm/route.h"
#include "tests/unit/conf/world.h"

#define GW(listeners) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, " \
	    "namespace: infra}\n" \
	"spec:\n  gatewayClassName: headgate\n  addresses: [{value: 127.0.0.1}]\n" \
	"  listeners: [" listeners "]\n---\n"
#define HTTP80 "{name: http, port: 80, protocol: HTTP}"
#define ROUTE(kind, name, age, spec) \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: " kind "\nmetadata: {name: " name \
	    ", namespace: infra, creationTimestamp: \"2026-01-0" age "T00:00:00Z\"}\n" \
	"spec:\n  parentRefs: [{name: edge}]\n" spec "---\n"
#define GRPC(name, age, spec) ROUTE("GRPCRoute", name, age, spec)
#define WEB(name, age, spec) ROUTE("HTTPRoute", name, age, spec)
#define RULE(match) "  - {matches: [" match "], backendRefs: [{name: a, port: 80}]}\n"
#define SVC(name, more) \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: infra}\n" \
	"spec: {ports: [{port: 80, targetPort: 8080" more "}]}\n---\n" \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name \
	    ", namespace: infra, labels: {kubernetes.io/service-name: " name "}}\n" \
	"addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 8080}]\n---\n"

/* "HOST PATH [NAME=VALUE] -> ROUTE RULE CLUSTER*WEIGHT!PROTO…"; a path with ! in front: no gRPC. */
static const struct row {
	const char *what, *yaml, *expect;
} rows[] = {
	{"service and method, exact", GW(HTTP80) GRPC("r", "1", "  rules:\n"
	    RULE("{method: {service: p.S, method: Get}}") RULE("{method: {service: p.S}}")
	    RULE("{method: {method: Get}}") RULE("{headers: [{name: X-A, value: b}]}")),
	    "h /p.S/Get -> r 0 a*1!4\nh /p.S/List -> r 1 a*1!4\nh /p.T/Get -> r 2 a*1!4\n"
	    "h /p.T/List x-a=b -> r 3 a*1!4\nh /p.T/List -> -\nh /p.S -> r 1 a*1!4\n"
	    "h /p.Sx/List -> -\nh !/p.S/Get -> -"},
	{"characters of the service, then of the method, then headers",
	    GW(HTTP80) GRPC("r", "1", "  rules:\n"
	    RULE("{method: {type: RegularExpression, method: Get.*}}")
	    RULE("{method: {type: RegularExpression, service: 'p\\.S', method: G}}")
	    RULE("{method: {type: RegularExpression, service: 'p\\.S', method: 'Ge+t'}}")
	    RULE("{method: {type: RegularExpression, service: 'p\\.S', method: 'Ge+t'}, "
	    "headers: [{name: x-a, value: b}]}")),
	    "h /p.S/Get -> r 2 a*1!4\nh /p.S/Get x-a=b -> r 3 a*1!4\nh /q/GetIt -> r 0 a*1!4\n"
	    "h /p.S/G -> r 1 a*1!4\nh /p_S/G -> -"},
	{"a pattern stays inside its part", GW(HTTP80) GRPC("r", "1", "  rules:\n"
	    RULE("{method: {type: RegularExpression, service: 'a|b', method: 'c|d'}}")),
	    "h /a/c -> r 0 a*1!4\nh /b/d -> r 0 a*1!4\nh /a -> -\nh /d -> -\nh /a/x -> -"},
	{"no matches take everything; no rules nothing", GW(HTTP80) GRPC("none", "1", "")
	    GRPC("r", "2", "  rules: [{backendRefs: [{name: a, port: 80}]}]\n"),
	    "h /p.S/Get -> r 0 a*1!4"},
	{"the older route", GW(HTTP80) GRPC("b", "2", "  rules:\n" RULE("{method: {service: p.S}}"))
	    GRPC("a", "1", "  rules:\n" RULE("{method: {service: p.S}}")),
	    "h /p.S/Get -> a 0 a*1!4"},
	{"both kinds on one hostname: gRPC first, then HTTP", GW(HTTP80)
	    WEB("w", "1", "  rules: [{backendRefs: [{name: a, port: 80}]}]\n")
	    GRPC("g", "2", "  rules:\n" RULE("{method: {service: p.S}}")),
	    "h /p.S/Get -> g 0 a*1!4\nh !/p.S/Get -> w 0 a*1!1\nh /p.T/Get -> w 0 a*1!1"},
	{"weights, and what a backend speaks", GW(HTTP80) GRPC("r", "1",
	    "  rules: [{backendRefs: [{name: a, port: 80, weight: 3}, {name: two, port: 80, "
	    "weight: 1}, "
	    "{name: ws, port: 80, weight: 2}, {name: nobody, port: 80, weight: 0}]}]\n"),
	    "h /p.S/Get -> r 0 a*3!4 two*1!4 ?*2 ?*0"},
	{"a rule that cannot be is dropped", GW(HTTP80) GRPC("r", "1", "  rules:\n"
	    RULE("{method: {type: RegularExpression, service: 'a)(b'}}")
	    RULE("{method: {service: p.S}}")), "h /p.S/Get -> r 1 a*1!4\nh /ab/Get -> -"},
	{"equal rules: the first, and a warning only", GW(HTTP80) GRPC("r", "1", "  rules:\n"
	    RULE("{method: {service: p.S, method: Get}}") RULE("{method: {service: p.S, method: "
	    "Get}}")), "h /p.S/Get -> r 0 a*1!4"},
};

static void
print_rule(const struct image *im, const struct route_hit *hit, struct strbuf *out)
{
	const struct im_rule *r = &im->rules[hit->rule];

	strbuf_printf(out, "%.*s %u", BYTES_ARG(image_text(im, im->routes[r->route].name)),
	    r->index);
	for (uint32_t i = 0; i < r->backends.n; i++) {
		const struct im_backend *b = &im->backends[r->backends.first + i];
		const struct im_cluster *c =
		    b->cluster == IM_NONE ? NULL : &im->clusters[b->cluster];
		struct bytes name = c == NULL ? BYTES("?") : image_text(im, c->name);

		if (bytes_starts(name, BYTES("infra/")))
			name = bytes_of(name.p + 6, name.n - 6 - 3); /* …:80 */
		strbuf_printf(out, " %.*s*%u", BYTES_ARG(name), b->weight);
		if (c != NULL)
			strbuf_printf(out, "!%u", c->proto == IM_UP_H2C ? 4 : 1);
	}
}

static void
patterns(const struct image *im, struct regex_set *set)
{
	char why[160];
	size_t at;

	set->n = im->n_regexes;
	set->v = mem_zalloc((set->n + 1) * sizeof(*set->v));
	for (uint32_t i = 0; i < set->n; i++)
		assert_non_null(
		    set->v[i] = regex_new(image_text(im, im->regexes[i]), why, &at));
}

static void
look(const struct image *im, const char *line, struct strbuf *out)
{
	char host[32], path[64], name[16] = "", value[16] = "";
	struct field store[2];
	struct fields f;
	struct route_hit hit;
	struct regex_set set;
	bool grpc;

	assert_true(sscanf(line, "%31s %63s %15[a-z-]=%15s", host, path, name, value) >= 2);
	grpc = path[0] != '!';
	fields_init(&f, store, 2);
	if (value[0] != '\0')
		fields_add(&f, bytes_str(name), bytes_str(value), FIELD_OTHER);
	strbuf_printf(out, "%s %s%s%s%s%s -> ", host, path, value[0] ? " " : "",
	    value[0] ? name : "", value[0] ? "=" : "", value);
	patterns(im, &set);
	struct route_query q = {.listener = IM_NONE, .host = bytes_str(host),
	    .path = bytes_str(path + !grpc), .method = BYTES("POST"), .fields = &f, .grpc = grpc};

	if (route_find(im, &q, &set, NULL, &hit) == HG_OK)
		print_rule(im, &hit, out);
	else
		strbuf_addz(out, "-");
	for (uint32_t i = 0; i < set.n; i++)
		regex_free(set.v[i]);
	mem_free(set.v);
}

static bool
row_ok(struct world *w, const struct row *r)
{
	struct strbuf got = STRBUF_INIT;
	struct image im = world_image(w, r->what);
	bool ok;

	for (const char *at = r->expect; at != NULL && *at != '\0';) {
		const char *end = strchr(at, '\n');

		if (got.n != 0)
			strbuf_addz(&got, "\n");
		look(&im, at, &got);
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
		world_file(&w, "services.yaml", SVC("a", "")
		    SVC("two", ", appProtocol: kubernetes.io/h2c")
		    SVC("ws", ", appProtocol: kubernetes.io/ws"));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
