/*
 * The statuses that the official conformance tests ask for (reference/conformance-harness.md
 * section 7), computed from their own manifests on top of the base manifests, through compile_run
 * with an address pool. No traffic here: tests/conformance sends that. Skipped, loudly, where
 * ../shared is missing.
 */
#include "tests/unit/conf/pem.h"
#include "tests/unit/conf/world.h"

#define DIR "../shared/gateway-api/conformance/"
#define INFRA "gateway-conformance-infra"
#define SN "Gateway " INFRA " same-namespace "
#define ROUTE_OK(name) \
	"HTTPRoute " INFRA " " name " p:0 Accepted True/Accepted\nHTTPRoute " INFRA " " name \
	" p:0 ResolvedRefs True/ResolvedRefs"
#define LISTENER(gw, l, kinds, attached) \
	"Gateway " INFRA " " gw " l:" l " Accepted True/Accepted\nGateway " INFRA " " gw " l:" \
	    l " ResolvedRefs " \
	"True/ResolvedRefs\nGateway " INFRA " " gw " l:" l " #kinds " kinds "\nGateway " INFRA \
	    " " gw " l:" l " #attached " \
	attached
#define BAD_TLS(gw) \
	"Gateway " INFRA " " gw " l:https ResolvedRefs False/InvalidCertificateRef\n" \
	"Gateway " INFRA " " gw " l:https #attached 0\nGateway " INFRA " " gw \
	" l:https #kinds HTTPRoute,GRPCRoute\n"

#define CERT B64_CRT
#define PKEY B64_KEY
#define SECRET(name, ns) \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: " name ", namespace: " ns "}\ntype: " \
	    "kubernetes.io/tls\n" \
	"data: {tls.crt: " CERT ", tls.key: " PKEY "}\n---\n"
#define CM(name) \
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name ", namespace: " INFRA \
	    "}\ndata:\n  ca.crt: \"" YAML_ROOT "\"\n---\n"

/* What the suite's Setup makes in code. */
static const char setup[] = SECRET("certificate", "gateway-conformance-web-backend")
    SECRET("tls-validity-checks-certificate", INFRA) SECRET("tls-checks-client-certificate", INFRA)
	SECRET("tls-terminate-checks-certificate", INFRA) CM("tls-validity-checks-ca-certificate")
	    CM("tls-validity-checks-per-port-ca-certificate") CM("tls-checks-ca-certificate")
		CM("mismatch-ca-certificate");

static const struct row {
	const char *file, *expect;
} rows[] = {
    {"gateway-http-listener-isolation",
	LISTENER("http-listener-isolation", "empty-hostname", "HTTPRoute,GRPCRoute",
	    "1") "\n" LISTENER("http-listener-isolation", "abc-foo-example-com",
	    "HTTPRoute,GRPCRoute", "1") "\n" ROUTE_OK("attaches-to-abc-foo-example-com")},
    {"gateway-infrastructure",
	"Gateway " INFRA " gateway-with-infrastructure-metadata - Accepted True/Accepted"},
    {"gateway-invalid-default-frontend-client-certificate-validation",
	LISTENER("invalid-default-client-validation-config", "http", "HTTPRoute,GRPCRoute",
	    "1") "\n"
		 "Gateway " INFRA
		 " invalid-default-client-validation-config l:http Programmed True/Programmed\n"
		 "Gateway " INFRA
		 " invalid-default-client-validation-config l:https ResolvedRefs "
		     "False/InvalidCACertificateRef\n"
		 "Gateway " INFRA
		 " invalid-default-client-validation-config l:https Accepted "
		     "False/NoValidCACertificate\n"
		 "Gateway " INFRA
		 " invalid-default-client-validation-config l:https Programmed False/Invalid"},
    {"gateway-invalid-parameters-ref",
	"Gateway " INFRA " gateway-invalid-parameters-ref - Accepted "
	"False/InvalidParameters"},
    {"gateway-invalid-tls-configuration",
	BAD_TLS("gateway-certificate-nonexistent-secret") BAD_TLS(
	    "gateway-certificate-unsupported-group") BAD_TLS("gateway-certificate-unsupported-kind")
	    BAD_TLS("gateway-certificate-malformed-secret") SN "- Accepted True/Accepted"},
    {"gateway-modify-listeners",
	LISTENER("gateway-add-listener", "https", "HTTPRoute,GRPCRoute", "1") "\n" LISTENER(
	    "gateway-remove-listener", "http", "HTTPRoute,GRPCRoute", "1")},
    {"gateway-optional-address-value",
	"Gateway " INFRA " gateway-without-address-value - Programmed True/Programmed"},
    {"gateway-secret-missing-reference-grant",
	"Gateway " INFRA
	" gateway-secret-missing-reference-grant l:https ResolvedRefs False/RefNotPermitted\n"
	"Gateway " INFRA " gateway-secret-missing-reference-grant l:https #attached 0"},
    {"gateway-secret-reference-grant-all-in-namespace",
	LISTENER("gateway-secret-reference-grant-all-in-namespace", "https", "HTTPRoute,GRPCRoute",
	    "0")},
    {"gateway-static-addresses",
	"Gateway " INFRA " gateway-static-addresses - Accepted False/UnsupportedAddress"},
    {"gateway-with-attached-routes-with-port-8080",
	LISTENER("gateway-with-two-listeners-and-one-attached-route", "http-unattached",
	    "HTTPRoute", "0") "\n" LISTENER("gateway-with-two-listeners-and-one-attached-route",
	    "http", "HTTPRoute", "1")},
    {"gateway-with-clientcertificate-validation-insecure-fallback",
	"Gateway " INFRA
	" client-validation-insecure-fallback - InsecureFrontendValidationMode "
	    "True/ConfigurationChanged"},
    {"httproute-cross-namespace",
	"HTTPRoute gateway-conformance-web-backend cross-namespace p:0 Accepted True/Accepted\n"
	"HTTPRoute gateway-conformance-web-backend cross-namespace p:0 ResolvedRefs "
	    "True/ResolvedRefs"},
    {"httproute-disallowed-kind",
	"HTTPRoute " INFRA " disallowed-kind p:0 Accepted False/NotAllowedByListeners\n"
	"HTTPRoute " INFRA " disallowed-kind p:0 ResolvedRefs True/ResolvedRefs\n"
	"Gateway " INFRA " tlsroutes-only l:tls #attached 0"},
    {"httproute-invalid-backendref-unknown-kind",
	"HTTPRoute " INFRA " invalid-backend-ref-unknown-kind p:0 Accepted True/Accepted\n"
	"HTTPRoute " INFRA " invalid-backend-ref-unknown-kind p:0 ResolvedRefs False/InvalidKind"},
    {"httproute-invalid-cross-namespace-backend-ref",
	"HTTPRoute " INFRA " invalid-cross-namespace-backend-ref p:0 Accepted True/Accepted\n"
	"HTTPRoute " INFRA
	" invalid-cross-namespace-backend-ref p:0 ResolvedRefs False/RefNotPermitted"},
    {"httproute-invalid-nonexistent-backendref",
	"HTTPRoute " INFRA " invalid-nonexistent-backend-ref p:0 Accepted True/Accepted\n"
	"HTTPRoute " INFRA
	" invalid-nonexistent-backend-ref p:0 ResolvedRefs False/BackendNotFound"},
    {"httproute-invalid-parentref-not-matching-listener-port",
	"HTTPRoute " INFRA
	" httproute-listener-not-matching-route-port p:0 Accepted False/NoMatchingParent\n"
	"HTTPRoute " INFRA
	" httproute-listener-not-matching-route-port p:0 ResolvedRefs True/ResolvedRefs\n" SN
	"l:http #attached 0"},
    {"httproute-invalid-parentref-not-matching-section-name",
	"HTTPRoute " INFRA
	" httproute-listener-not-matching-section-name p:0 Accepted False/NoMatchingParent\n" SN
	"l:http #attached 0"},
    {"httproute-invalid-reference-grant",
	"HTTPRoute " INFRA " reference-grant p:0 Accepted True/Accepted\n"
	"HTTPRoute " INFRA " reference-grant p:0 ResolvedRefs False/RefNotPermitted"},
    {"httproute-listener-hostname-matching",
	ROUTE_OK("backend-v1") "\n" ROUTE_OK("backend-v3") "\n" LISTENER(
	    "httproute-listener-hostname-matching", "listener-4", "HTTPRoute,GRPCRoute", "1")},
    {"httproute-matching", ROUTE_OK("matching") "\n" SN "l:http #attached 1"},
    {"httproute-reference-grant", ROUTE_OK("reference-grant")},
    {"httproute-request-mirror", ROUTE_OK("request-mirror")},
    {"httproute-retry", ROUTE_OK("retries")},
    {"httproute-service-types", ROUTE_OK("service-types")},
    {"httproute-simple-same-namespace",
	ROUTE_OK("gateway-conformance-infra-test") "\n" SN "l:http #attached 1\n" SN
						   "- Programmed True/Programmed"},
    {"httproute-timeout-request", ""},
    {"httproute-weight", ROUTE_OK("weighted-backends")},
    {"listenerset-allowed-namespace-none",
	"Gateway " INFRA " gateway-does-not-allow-listenerset - #sets 0\n"
	"ListenerSet " INFRA " listenerset-not-allowed - Accepted False/NotAllowed\n"
	"ListenerSet " INFRA " listenerset-not-allowed - Programmed False/NotAllowed"},
    {"listenerset-allowed-namespace-same",
	"Gateway " INFRA " gateway-allows-listenerset-in-same-namespace - #sets 1\n"
	"ListenerSet " INFRA " listenerset-in-same-namespace - Accepted True/Accepted\n"
	"ListenerSet " INFRA " listenerset-in-same-namespace - Programmed True/Programmed\n"
	"ListenerSet gateway-api-listenerset-not-allowed-ns listenerset-in-different-namespace "
	    "- Accepted "
	"False/NotAllowed"},
    {"listenerset-default-not-allowed",
	"Gateway " INFRA " gateway-default-does-not-allow-listenerset - #sets 0\n"
	"ListenerSet " INFRA " listenerset-default-not-allowed - Programmed False/NotAllowed"},
    {"listenerset-gateway-parent-section-name-not-found",
	"HTTPRoute " INFRA " route-via-gateway p:0 Accepted False/NoMatchingParent\n"
	"HTTPRoute " INFRA " route-via-listenerset p:0 Accepted True/Accepted"},
    {"listenerset-hostname-conflict",
	"Gateway " INFRA " gateway-with-listenerset-hostname-conflict - #sets 2\n"
	"ListenerSet " INFRA
	" listenerset-with-hostname-conflict-with-gateway-1 - Accepted True/Accepted\n"
	"ListenerSet " INFRA
	" listenerset-with-hostname-conflict-with-gateway-1 - Programmed True/Programmed\n"
	"ListenerSet " INFRA
	" listenerset-with-hostname-conflict-with-gateway-2 - Accepted False/ListenersNotValid\n"
	"ListenerSet " INFRA
	" listenerset-with-hostname-conflict-with-gateway-2 - Programmed False/ListenersNotValid\n"
	"ListenerSet " INFRA
	" listenerset-with-hostname-conflict-with-listener-set-1 - Accepted True/Accepted\n"
	"ListenerSet " INFRA " listenerset-with-hostname-conflict-with-listener-set-2 - Accepted "
	"False/ListenersNotValid"},
    {"listenerset-http-routing",
	"Gateway " INFRA " gateway-with-listener-sets-http-routing - #sets 2\n"
	"ListenerSet " INFRA
	" listener-set-http-routing-1 l:listener-set-http-routing-1-listener-1 #attached 3\n"
	"ListenerSet " INFRA
	" listener-set-http-routing-1 l:listener-set-http-routing-1-listener-2 #attached 2\n"
	"ListenerSet " INFRA
	" listener-set-http-routing-2 l:listener-set-http-routing-2-listener-1 #attached 2"},
    {"listenerset-reference-grant",
	"ListenerSet " INFRA " listenerset-with-reference-grant - Accepted True/Accepted\n"
	"ListenerSet " INFRA " listenerset-with-reference-grant - Programmed True/Programmed\n"
	"ListenerSet gateway-api-listener-sets-test-reference-grant-ns "
	    "listenerset-without-reference-grant - Accepted "
	"False/ListenersNotValid\n"
	"ListenerSet gateway-api-listener-sets-test-reference-grant-ns "
	    "listenerset-without-reference-grant - Programmed "
	"False/ListenersNotValid"},
    {"listenerset-route-status-scoped-to-parentref",
	"Gateway " INFRA " gateway-parentref - #sets 1\n"
	"HTTPRoute " INFRA " route-parentref-gwonly p:0 Accepted True/Accepted\n"
	"HTTPRoute " INFRA " route-parentref-gwonly p:1 Accepted no conditions\n"
	"HTTPRoute " INFRA " route-parentref-lsonly p:0 Accepted True/Accepted"},
    {"backendtlspolicy-invalid-ca-certificate-ref",
	"BackendTLSPolicy " INFRA
	" nonexistent-ca-certificate-ref a:0 Accepted False/NoValidCACertificate\n"
	"BackendTLSPolicy " INFRA
	" malformed-ca-certificate-ref a:0 ResolvedRefs False/InvalidCACertificateRef"},
    {"backendtlspolicy",
	"BackendTLSPolicy " INFRA " normative-test a:1 ResolvedRefs True/ResolvedRefs"},
    {"tlsroute-listener-passthrough-supported-kinds",
	"Gateway " INFRA
	" gateway-tlsroute-passthrough-supported-kind l:tls-passthrough ResolvedRefs "
	    "False/InvalidRouteKinds\n"
	"Gateway " INFRA
	" gateway-tlsroute-passthrough-supported-kind l:tls-passthrough #kinds TLSRoute"},
    {"tlsroute-invalid-no-matching-listener-hostname",
	"TLSRoute " INFRA
	" tlsroute-hostname-mismatch-1 p:0 Accepted False/NoMatchingListenerHostname\n"
	"TLSRoute " INFRA
	" tlsroute-hostname-mismatch-2 p:0 Accepted False/NoMatchingListenerHostname"},
    {"udproute-not-allowed-by-listeners",
	"UDPRoute " INFRA
	" udproute-not-allowed-by-listeners p:0 Accepted False/NotAllowedByListeners"},
    {"tcproute-invalid-backendref-nonexistent",
	"TCPRoute " INFRA
	" tcp-route-invalid-backend-ref-nonexistent p:0 ResolvedRefs False/BackendNotFound"},
    {"tcproute-invalid-non-tcp-listener",
	"TCPRoute " INFRA " tcp-route p:0 Accepted False/NotAllowedByListeners"},
    {"udproute-multiple-routes-attachment", ""},
    {"udproute-parentref-port-and-section-name", ""},
    {"udproute-simple", ""},
    {"tcproute-weighted-routing", ""},
    {"grpcroute-weight", ""},
    {"httproute-303-redirect", ""},
    {"httproute-method-matching", ""},
    {"httproute-rewrite-host", ""},
    {"httproute-redirect-path", ""},
    {"httproute-request-header-modifier-backend-weights", ""},
    {"httproute-request-header-modifier", ""},
};

static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	struct strbuf b = STRBUF_INIT;
	char chunk[4096];
	size_t n;

	if (f == NULL)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) != 0)
		strbuf_add(&b, bytes_of(chunk, n));
	fclose(f);
	return strbuf_take(&b);
}

static char *
replace(char *text, const char *from, const char *to)
{
	struct strbuf b = STRBUF_INIT;
	char *at = text, *hit;

	while ((hit = strstr(at, from)) != NULL) {
		strbuf_add(&b, bytes_of(at, (size_t)(hit - at)));
		strbuf_addz(&b, to);
		at = hit + strlen(from);
	}
	strbuf_addz(&b, at);
	mem_free(text);
	return strbuf_take(&b);
}

static char *
manifest(const char *path)
{
	char *text = slurp(path);

	if (text == NULL)
		return NULL;
	text = replace(text, "{GATEWAY_CLASS_NAME}", "headgate");
	text = replace(text, "{GATEWAY_CONTROLLER_NAME}", "headgate.dev/gateway-controller");
	text = replace(text, "PLACEHOLDER_UNUSABLE_ADDRS", "192.0.2.1");
	return replace(text, "PLACEHOLDER_USABLE_ADDRS", "127.3.0.1");
}

static unsigned
one(const struct row *r, const char *base)
{
	struct bytes rest = bytes_str(r->expect);
	char path[256], *text;
	unsigned bad = 0;
	struct world w;

	snprintf(path, sizeof(path), DIR "tests/%s.yaml", r->file);
	text = manifest(path);
	assert_non_null(text);
	world_init(&w);
	w.conf = BYTES("address_pool = \"127.1.0.0/16\";\n");
	w.bad_ip = "192.0.2.1";
	w.bad_errno = EADDRNOTAVAIL;
	world_file(&w, "base.yaml", base);
	world_file(&w, "setup.yaml", setup);
	world_file(&w, path, text);
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	if (w.out.diags.errors != 0) {
		world_dump(&w);
		bad++;
	}
	while (rest.n != 0) {
		struct bytes line = bytes_cut(&rest, '\n');

		bad += line.n != 0 && !world_expect(&w, r->file, line);
	}
	world_release(&w);
	mem_free(text);
	return bad;
}

static void
manifests(void **state)
{
	char *base = manifest(DIR "base/manifests.yaml");
	unsigned bad = 0;

	(void)state;
	if (base == NULL) {
		print_message(
		    "SKIPPED: %s is not there: conformance statuses are NOT checked\n", DIR);
		skip();
	}
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++)
		bad += one(&rows[i], base);
	mem_free(base);
	assert_int_equal(bad, 0);
}

/* GatewayStaticAddresses' three steps, and the pool. */
static void
addresses(void **state)
{
	static const char *const steps[][2] = {
		{"[{value: 192.0.2.1}, {value: 127.3.0.1}]", "False/AddressNotUsable"},
		{"[{value: 127.3.0.1}]", "True/Programmed"},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(steps); i++) {
		struct world w;
		char text[512];

		snprintf(text, sizeof(text),
		    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
		    "metadata: {name: a, namespace: infra}\nspec:\n  gatewayClassName: "
		    "headgate\n  addresses: %s\n"
		    "  listeners: [{name: http, port: 80, protocol: HTTP}]\n",
		    steps[i][0]);
		world_init(&w);
		w.bad_ip = "192.0.2.1";
		w.bad_errno = EADDRNOTAVAIL;
		world_file(&w, "a.yaml", text);
		world_compile(&w);
		assert_string_equal(
		    world_cond(&w, "Gateway", "infra", "a", "", "Accepted"), "True/Accepted");
		assert_string_equal(
		    world_cond(&w, "Gateway", "infra", "a", "", "Programmed"), steps[i][1]);
		assert_string_equal(
		    world_cond(&w, "Gateway", "infra", "a", "", "#addresses"), "127.3.0.1");
		world_release(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(manifests), cmocka_unit_test(addresses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
