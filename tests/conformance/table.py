"""The tests as data: name, manifest, steps. Manifests are the shared ones of the suite (a name of `tests/`), or, for tests
that are new in v1.7 or whose manifests are not there, our own (manifests.yaml, own.py), made from the description.

`wait=False`: the routes of the manifest are not expected to be accepted before the steps.
"""
import collections

import grpcroute
import l4routes
import own
import steps as s
import uptls
from cluster import CONTROLLER, INFRA, WEB
from lib import http1, objects as o

Test = collections.namedtuple("Test", "name manifest steps wait reads keep")
TESTS = []
CHANGE = (own.foreign_conditions, own.foreign_status, own.static_addresses, own.fill_slices, own.half_dead)


def test(name, manifest, *steps, wait=True, again=True, keep=False):
    flat = []
    for x in steps:
        flat += x if isinstance(x, list) else [x]
    reads = again and not any(x in CHANGE or getattr(x, "changes", False) for x in flat)
    TESTS.append(Test(name, manifest, flat, wait, reads, keep))


SN = s.SN
T, RESOLVED = "True", {"Accepted": "True", "ResolvedRefs": "True"}
PROGRAMMED = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}

# ---------------------------------------------------------------- Gateway
PATHS = ("/empty-hostname", "/wildcard-example-com", "/wildcard-foo-example-com", "/abc-foo-example-com")
HOSTS = {"bar.com": 0, "bar.example.com": 1, "bar.foo.example.com": 2, "abc.foo.example.com": 3}
test("GatewayHTTPListenerIsolation", "gateway-http-listener-isolation",
     [s.ask(p, "v1" if PATHS[i] == p else 404, host=h, gw="http-listener-isolation") for h, i in HOSTS.items() for p in PATHS])

test("GatewayInfrastructureMetadata", "gateway-infrastructure",
     s.gateway("gateway-with-infrastructure-metadata", {"Accepted": "True"}),
     own.infrastructure("gateway-with-infrastructure-metadata", {"key2": "value2"}, {"key1": "value1"}))

test("GatewayInvalidParametersRef", "gateway-invalid-parameters-ref",
     s.gateway("gateway-invalid-parameters-ref", {"Accepted": ("False", "InvalidParameters")}))


def add_listener(gw):
    gw["spec"]["listeners"].append({"name": "http", "port": own.low(gw, 80), "protocol": "HTTP", "hostname": "data.test.com",
                                    "allowedRoutes": {"namespaces": {"from": "All"}}})


def remove_listener(gw):
    gw["spec"]["listeners"] = [x for x in gw["spec"]["listeners"] if x["name"] != "https"]


test("GatewayModifyListeners", "gateway-modify-listeners",
     s.bump("Gateway", "gateway-add-listener", add_listener),
     s.listeners("gateway-add-listener", {"https": (RESOLVED, 1, ["HTTPRoute"]), "http": (RESOLVED, 1, ["HTTPRoute"])}),
     s.bump("Gateway", "gateway-remove-listener", remove_listener),
     s.listeners("gateway-remove-listener", {"http": (RESOLVED, 1, ["HTTPRoute"])}))

test("GatewayNameMaximumLength", own.long_name(),
     s.gateway("g" * 253, {}), wait=False)


def alternate(gw):
    gw["spec"]["listeners"].append({"name": "alternate", "port": own.low(gw, 80), "protocol": "HTTP", "hostname": "foo.com",
                                    "allowedRoutes": {"namespaces": {"from": "All"}}})


test("GatewayObservedGenerationBump", "gateway-observed-generation-bump",
     s.bump("Gateway", "gateway-observed-generation-bump", alternate),
     s.gateway("gateway-observed-generation-bump", PROGRAMMED))

test("GatewayOptionalAddressValue", "gateway-optional-address-value",
     lambda c: c.address("gateway-without-address-value", 8080))

test("GatewayPreserveForeignConditions", "GatewayPreserveForeignConditions", own.foreign_conditions)

test("GatewayStaticAddresses", "gateway-static-addresses", own.static_addresses)

test("GatewayWithAttachedRoutesWithPort8080", "gateway-with-attached-routes-with-port-8080",
     s.listeners("gateway-with-two-listeners-and-one-attached-route",
                 {"http-unattached": (RESOLVED, 0, None), "http": (RESOLVED, 1, None)}))

test("GatewayClassObservedGenerationBump", "gatewayclass-observed-generation-bump",
     s.bump("GatewayClass", "gatewayclass-observed-generation-bump", lambda c: c["spec"].update(description="new"), ns=""),
     lambda c: s.has(c.get("GatewayClass", "gatewayclass-observed-generation-bump", "")["status"], {"Accepted": "True"}, "class"))

test("GatewayInvalidRouteKind", own.invalid_kinds(),
     s.listeners("only-invalid-kind", {"http": ({"ResolvedRefs": ("False", "InvalidRouteKinds")}, None, [])}),
     s.listeners("one-valid-kind", {"http": ({"ResolvedRefs": ("False", "InvalidRouteKinds")}, None, ["HTTPRoute"])}))

test("GatewayListenerUnsupportedProtocol", own.protocols(),
     s.listeners("odd-protocol", {"odd": ({"Accepted": ("False", "UnsupportedProtocol")}, 0, [])}),
     s.listeners("odd-and-good", {"odd": ({"Accepted": ("False", "UnsupportedProtocol")}, 0, []),
                                  "http": (RESOLVED, 0, ["HTTPRoute"])}))

test("GatewayWithAttachedRoutes", own.attached(),
     s.listeners("attached-one", {"http": (RESOLVED, 1, ["HTTPRoute"])}),
     s.listeners("attached-two", {"http": (RESOLVED, 2, ["HTTPRoute"])}),
     s.listeners("attached-unresolved", {"tls": ({"ResolvedRefs": ("False", "InvalidCertificateRef")}, 1, ["HTTPRoute"])}),
     wait=False)

NO_CERTIFICATE = {"ResolvedRefs": ("False", "InvalidCertificateRef"), "Programmed": "False"}
test("GatewayInvalidTLSConfiguration", "gateway-invalid-tls-configuration",
     [s.listeners("gateway-certificate-" + n, {"https": (NO_CERTIFICATE, 0, ["HTTPRoute"])})
      for n in ("nonexistent-secret", "unsupported-group", "unsupported-kind", "malformed-secret")])
NOT_PERMITTED = {"ResolvedRefs": ("False", "RefNotPermitted"), "Programmed": "False"}
test("GatewaySecretMissingReferenceGrant", own.two_secrets("secret-no-grant"),
     s.listeners("secret-no-grant", {"https": (NOT_PERMITTED, 0, ["HTTPRoute"]), "nonexistent": (NOT_PERMITTED, 0, ["HTTPRoute"])}))
test("GatewaySecretInvalidReferenceGrant", own.useless_secret_grants("secret-bad-grants"),
     s.listeners("secret-bad-grants", {"https": (NOT_PERMITTED, 0, ["HTTPRoute"]), "nonexistent": (NOT_PERMITTED, 0, ["HTTPRoute"])}))
# What a grant changes can be seen without TLS being served: the reference is resolved.
test("GatewaySecretReferenceGrant", own.secret_grant("secret-granted"),
     s.listeners("secret-granted", {"https": ({"ResolvedRefs": ("True", "ResolvedRefs")}, 0, ["HTTPRoute"]),
                                    "nonexistent": (NO_CERTIFICATE, 0, ["HTTPRoute"])}))

# ---------------------------------------------------------------- HTTPRoute: redirects
test("HTTPRoute303Redirect", "httproute-303-redirect", s.redirect("/see-other", 303, method="POST"))
test("HTTPRoute307Redirect", own.redirect_status(307), s.redirect("/temporary", 307))
test("HTTPRoute308Redirect", "httproute-308-redirect", s.redirect("/permanent", 308))
test("HTTPRouteRedirectHostAndStatus", "httproute-redirect-host-and-status",
     s.redirect("/hostname-redirect", 302, host="example.org"), s.redirect("/host-and-status", 301, host="example.org"))
test("HTTPRouteRedirectPath", "httproute-redirect-path",
     s.redirect("/original-prefix/lemon", path="/replacement-prefix/lemon"),
     s.redirect("/full/path/original", path="/full-path-replacement"),
     s.redirect("/path-and-host", host="example.org", path="/replacement-prefix"),
     s.redirect("/path-and-status", 301, path="/replacement-prefix"),
     s.redirect("/full-path-and-host", host="example.org", path="/replacement-full"),
     s.redirect("/full-path-and-status", 301, path="/replacement-full"))
test("HTTPRouteRedirectPort", "httproute-redirect-port",
     s.redirect("/port", port=8083), s.redirect("/port-and-host", host="example.org", port=8083),
     s.redirect("/port-and-status", 301, port=8083),
     s.redirect("/port-and-host-and-status", 302, host="example.org", port=8083))
test("HTTPRouteRedirectPortAndScheme", own.redirect_scheme_port(),
     s.redirect("/scheme-nil-and-port-nil", gw="port-8080", at=8080),
     s.redirect("/scheme-nil-and-port-80", gw="port-8080", at=8080, port=80),
     s.redirect("/scheme-https-and-port-nil", gw="port-8080", at=8080, scheme="https"),
     s.redirect("/scheme-https-and-port-8443", gw="port-8080", at=8080, scheme="https", port=8443))
test("HTTPRouteRedirectScheme", "httproute-redirect-scheme",
     s.redirect("/scheme", scheme="https"), s.redirect("/scheme-and-host", scheme="https", host="example.org"),
     s.redirect("/scheme-and-status", 301, scheme="https"),
     s.redirect("/scheme-and-host-and-status", 302, scheme="https", host="example.org"))

# ---------------------------------------------------------------- HTTPRoute: matching
test("HTTPRouteSimpleSameNamespace", "httproute-simple-same-namespace", s.ask("/", "v1"))
test("HTTPRouteCrossNamespace", "httproute-cross-namespace",
     s.ask("/", "web-backend", gw="backend-namespaces", namespace=WEB))
test("HTTPRouteMatching", "httproute-matching",
     s.asks({"/": "v1", "/example": "v1", "/v2example": "v1", "/foo/v2/example": "v1", "/v2": "v2", "/v2/": "v2",
             "/v2/example": "v2"}),
     s.asks([("/", "v1", {"headers": {"Version": "one"}}), ("/", "v2", {"headers": {"Version": "two"}})]))
test("HTTPRouteHeaderMatching", "httproute-header-matching",
     [s.ask("/", to, headers=h) for h, to in (
         ({"Version": "one"}, "v1"), ({"Version": "two"}, "v2"), ({"Version": "two", "Color": "orange"}, "v1"),
         ({"Version": "two", "Color": "blue"}, "v2"), ({"Color": "orange"}, 404), ({"Some-Other-Header": "one"}, 404),
         ({"Color": "blue"}, "v1"), ({"Color": "green"}, "v1"), ({"Color": "red"}, "v2"), ({"Color": "yellow"}, "v2"),
         ({"Color": "purple"}, 404))])
test("HTTPRouteMethodMatching", "httproute-method-matching",
     [s.ask(p, to, method=m, headers=h) for m, p, h, to in (
         ("POST", "/", {}, "v1"), ("GET", "/", {}, "v2"), ("HEAD", "/", {}, 404), ("GET", "/path1", {}, "v1"),
         ("PUT", "/", {"version": "one"}, "v2"), ("POST", "/path2", {"version": "two"}, "v3"), ("PATCH", "/path3", {}, "v1"),
         ("DELETE", "/path4", {"version": "three"}, "v1"), ("PUT", "/", {}, 404), ("DELETE", "/path4", {}, 404),
         ("PATCH", "/path5", {}, "v1"), ("PATCH", "/", {"version": "four"}, "v2"))])
test("HTTPRouteNamedRule", "httproute-named-rule", s.ask("/named", "v1"), s.ask("/unnamed", "v2"))
test("HTTPRoutePathMatchOrder", "httproute-path-match-order",
     s.asks({"/match/exact/one": "v3", "/match/exact": "v2", "/match": "v1", "/match/prefix/one/any": "v2",
             "/match/prefix/any": "v1", "/match/any": "v3"}))
test("HTTPRouteListenerHostnameMatching", "httproute-listener-hostname-matching",
     [s.ask("/", to, host=h, gw="httproute-listener-hostname-matching") for h, to in (
         ("bar.com", "v1"), ("foo.bar.com", "v2"), ("baz.bar.com", "v3"), ("boo.bar.com", "v3"),
         ("multiple.prefixes.bar.com", "v3"), ("multiple.prefixes.foo.com", "v3"), ("foo.com", 404), ("no.matching.host", 404))])
test("HTTPRouteExactPathMatching", own.exact_paths(),
     s.asks({"/one": "v1", "/two": "v2", "/": 404, "/one/example": 404, "/two/": 404, "/Two": 404, "/one?q=1": "v1"}))
test("HTTPRouteQueryParamMatching", own.query_params(),
     s.asks({"/?animal=whale": "v1", "/?animal=dolphin": "v2", "/?animal=whale&color=blue": "v3", "/?ANIMAL=whale": 404,
             "/?animal=dolphin&color=blue": "v2", "/?animal=whale&otherparam=irrelevant": "v1", "/?color=blue": 404,
             "/?animal=shark": 404, "/?animal=whaledolphin": 404, "/": 404}),
     s.asks([("/path1?animal=whale", "v1"), ("/?animal=whale", "v2", {"headers": {"version": "one"}}),
             ("/path2?animal=whale", "v3", {"headers": {"version": "two"}})]))
test("HTTPRouteHostnameIntersection", own.hostname_intersection(),
     [s.ask("/s1", to, host=h, gw="hostname-intersection") for h, to in (
         ("very.specific.com", "v1"), ("non.matching.com", 404), ("foo.nonmatchingwildcard.io", 404), ("foo.wildcard.io", 404),
         ("very.specific.com:8080", "v1"))],
     [s.ask("/s3", to, host=h, gw="hostname-intersection") for h, to in (
         ("foo.wildcard.io", "v3"), ("bar.wildcard.io", "v3"), ("foo.bar.wildcard.io", "v3"), ("wildcard.io", 404))],
     [s.ask("/s4", to, host=h, gw="hostname-intersection") for h, to in (
         ("very.specific.com", 404), ("foo.anotherwildcard.io", "v1"), ("bar.anotherwildcard.io", "v1"))],
     s.not_accepted("no-intersection", "NoMatchingListenerHostname"), wait=False)
test("HTTPRouteListenerPortMatching", own.port_matching(),
     [s.ask("/", to, gw="port-matching", port=p, host=h) for p, h, to in (
         (80, None, "v1"), (8080, None, "v2"), (8090, "foo.com", "v3"), (8090, "bar.com", "v2"))])
test("HTTPRouteMatchingAcrossRoutes", own.across_routes(),
     [s.ask(p, to, host=h, headers=hd) for h, p, hd, to in (
         ("example.com", "/", {}, "v1"), ("example.com", "/example", {}, "v1"), ("example.net", "/example", {}, "v1"),
         ("example.com", "/example", {"Version": "one"}, "v1"), ("example.com", "/v2", {}, "v2"), ("example.com", "/v2example", {}, "v1"),
         ("example.com", "/foo/v2/example", {}, "v1"), ("example.com", "/v2/example", {}, "v2"),
         ("example.com", "/", {"Version": "two"}, "v2"), ("example.net", "/v2", {}, "v1"), ("other.com", "/", {}, 404))])
test("HTTPRouteMultipleGateways", own.multiple_gateways(),
     s.ask("/shared", "v1"), s.ask("/shared", "v1", gw="all-namespaces"), s.ask("/one", "v2"), s.ask("/one", 404, gw="all-namespaces"),
     s.ask("/two", "v3", gw="all-namespaces"), s.ask("/two", 404))
test("HTTPRouteMultipleRoutesAttachmentSameHostnameIntersection", own.same_intersection(), own.intersection_requests)
test("HTTPRouteRuleOrder", "HTTPRouteRuleOrder",
     s.route("rule-order"), s.route("rule-order-invalid-backend", {"Accepted": "True", "ResolvedRefs": ("False", "BackendNotFound")}),
     s.ask("/rule-order", "v1", headers={"x-version": "one", "x-color": "blue"}), s.ask("/rule-order", 404),
     s.ask("/invalid-first", 500), wait=False)

# ---------------------------------------------------------------- HTTPRoute: references
INVALID = {"Accepted": "True"}
test("HTTPRouteInvalidBackendRefUnknownKind", "httproute-invalid-backendref-unknown-kind",
     s.route("invalid-backend-ref-unknown-kind", {**INVALID, "ResolvedRefs": ("False", "InvalidKind")}),
     s.ask("/v2", 500), wait=False)
test("HTTPRouteInvalidCrossNamespaceBackendRef", "httproute-invalid-cross-namespace-backend-ref",
     s.route("invalid-cross-namespace-backend-ref", {**INVALID, "ResolvedRefs": ("False", "RefNotPermitted")}),
     s.ask("/", 500), wait=False)
test("HTTPRouteInvalidCrossNamespaceParentRef", own.cross_parent(),
     s.not_accepted("cross-parent", "NotAllowedByListeners", ns=WEB, gw=SN), wait=False)
test("HTTPRouteInvalidNonExistentBackendRef", "httproute-invalid-nonexistent-backendref",
     s.route("invalid-nonexistent-backend-ref", {**INVALID, "ResolvedRefs": ("False", "BackendNotFound")}),
     s.ask("/", 500), wait=False)
test("HTTPRouteInvalidParentRefNotMatchingListenerPort", "httproute-invalid-parentref-not-matching-listener-port",
     s.not_accepted("httproute-listener-not-matching-route-port", "NoMatchingParent", gw=SN), wait=False)
test("HTTPRouteInvalidParentRefNotMatchingSectionName", "httproute-invalid-parentref-not-matching-section-name",
     s.not_accepted("httproute-listener-not-matching-section-name", "NoMatchingParent", gw=SN), wait=False)
test("HTTPRouteInvalidParentRefSectionNameNotMatchingPort", own.section_wrong_port(),
     s.not_accepted("section-wrong-port", "NoMatchingParent", gw=SN), wait=False)
test("HTTPRouteInvalidReferenceGrant", "httproute-invalid-reference-grant",
     s.route("reference-grant", {**INVALID, "ResolvedRefs": ("False", "RefNotPermitted")}), s.ask("/", 500), wait=False)
test("HTTPRoutePartiallyInvalidViaInvalidReferenceGrant", own.partially_invalid(),
     s.route("partially-invalid", {**INVALID, "ResolvedRefs": ("False", "RefNotPermitted")}),
     s.ask("/valid", "v1"), s.ask("/invalid", 500), wait=False)
test("HTTPRouteReferenceGrant", "httproute-reference-grant",
     s.ask("/", "web-backend", namespace=WEB), s.delete("ReferenceGrant", "reference-grant", WEB),
     s.route("reference-grant", {**INVALID, "ResolvedRefs": ("False", "RefNotPermitted")}), s.ask("/", 500))
test("HTTPRouteNoBackendRefs", own.no_backends(), s.ask("/nothing", 500), s.ask("/some", "v1"))
test("HTTPRoutePreserveForeignStatus", "HTTPRoutePreserveForeignStatus", own.foreign_status, wait=False)
test("HTTPRouteObservedGenerationBump", "httproute-observed-generation-bump",
     s.bump("HTTPRoute", "observed-generation-bump",
            lambda r: r["spec"]["rules"][0]["backendRefs"][0].update(name="infra-backend-v2")),
     s.route("observed-generation-bump"), s.ask("/", "v2"))
test("HTTPRouteServiceTypes", "httproute-service-types", own.fill_slices,
     s.asks({"/manual-endpointslices": "v1", "/headless-manual-endpointslices": "v1", "/headless": "v1"}))

# ---------------------------------------------------------------- HTTPRoute: filters
test("HTTPRouteRequestHeaderModifier", "httproute-request-header-modifier",
     [s.ask(p, "v1", headers=h, sees=sees, absent=absent) for p, h, sees, absent in (
         ("/set", {"Some-Header": "some-header-value"}, {"Some-Header": "some-header-value", "X-Header-Set": "set-overwrites-values"}, ()),
         ("/set", {"X-Header-Set": "some-other-value"}, {"X-Header-Set": "set-overwrites-values"}, ()),
         ("/add", {}, {"X-Header-Add": "add-appends-values"}, ()),
         ("/add", {"X-Header-Add": "some-other-value"}, {"X-Header-Add": "some-other-value,add-appends-values"}, ()),
         ("/remove", {"X-Header-Remove": "val"}, {}, ("X-Header-Remove",)),
         ("/multiple", {"X-Header-Set-2": "set-val-2", "X-Header-Add-2": "add-val-2", "X-Header-Remove-2": "r", "Another-Header": "k"},
          {"X-Header-Set-1": "header-set-1", "X-Header-Set-2": "header-set-2", "X-Header-Add-1": "header-add-1",
           "X-Header-Add-2": "add-val-2,header-add-2", "X-Header-Add-3": "header-add-3", "Another-Header": "k"},
          ("X-Header-Remove-1", "X-Header-Remove-2")),
         ("/case-insensitivity", {"x-header-set": "original-val-set", "x-header-add": "original-val-add", "x-header-remove": "r",
                                  "Another-Header": "k"},
          {"X-Header-Set": "header-set", "X-Header-Add": "original-val-add,header-add", "Another-Header": "k"},
          ("X-Header-Remove",)))])
test("HTTPRouteRequestHeaderModifierBackendWeights", "httproute-request-header-modifier-backend-weights", own.backend_header)
test("HTTPRouteBackendRequestHeaderModifier", own.backend_modifier(),
     s.ask("/set", "v1", headers={"X-Header-Set": "x"}, sees={"X-Header-Set": "set-overwrites-values"}),
     s.ask("/add", "v1", headers={"X-Header-Add": "x"}, sees={"X-Header-Add": "x,add-appends-values"}),
     s.ask("/remove", "v1", headers={"X-Header-Remove": "x"}, sees={}, absent=["X-Header-Remove"]))
test("HTTPRouteResponseHeaderModifier", own.response_modifier(),
     s.ask("/set", "v1", headers={"X-Echo-Set-Header": "X-Header-Set:backend"}, response={"X-Header-Set": "set-overwrites-values"}),
     s.ask("/add", "v1", headers={"X-Echo-Set-Header": "X-Header-Add:backend"}, response={"X-Header-Add": "backend,add-appends-values"}),
     s.ask("/add", "v1", response={"X-Header-Add": "add-appends-values"}),
     s.ask("/remove", "v1", headers={"X-Echo-Set-Header": "X-Header-Remove:backend"}, response_absent=["X-Header-Remove"]),
     s.ask("/case-insensitivity", "v1", headers={"X-Echo-Set-Header": "x-header-set:a, x-header-add:b, x-header-remove:c, another:d"},
           response={"X-Header-Set": "header-set", "X-Header-Add": "b,header-add", "another": "d"}, response_absent=["X-Header-Remove"]))
MODIFIED = {"headers": {"X-Header-Remove": "r", "X-Header-Add-Append": "append-val-1", "X-Header-Set": "x"},
            "sees": {"X-Header-Add": "header-val-1", "X-Header-Add-Append": "append-val-1,header-val-2",
                     "X-Header-Set": "set-overwrites-values"}, "absent": ["X-Header-Remove"]}
test("HTTPRouteRequestMirror", "httproute-request-mirror",
     s.mirrored("/mirror", "v1", ["v2"]), s.mirrored("/mirror-and-modify-headers", "v1", ["v2"], **MODIFIED))
test("HTTPRouteRequestMultipleMirrors", "httproute-request-multiple-mirrors",
     s.mirrored("/multi-mirror", "v1", ["v2", "v3"]),
     s.mirrored("/multi-mirror-and-modify-request-headers", "v1", ["v2", "v3"], **MODIFIED))
test("HTTPRouteRequestPercentageMirror", own.percentage_mirror(), own.mirror_share)
test("HTTPRouteRewriteHost", "httproute-rewrite-host",
     s.ask("/one", "v1", host="rewrite.example", sees_host="one.example.org"),
     s.ask("/two", "v2", host="rewrite.example", sees_host="example.org"),
     s.ask("/rewrite-host-and-modify-headers", "v2", host="rewrite.example", sees_host="test.example.org", **MODIFIED))
test("HTTPRouteRewritePath", own.rewrite_path(),
     [s.ask(p, "v1", path=seen) for p, seen in (
         ("/prefix/one/two", "/one/two"), ("/full/one/two", "/one"), ("/strip-prefix/three", "/three"), ("/strip-prefix", "/"),
         ("/strip-prefix/", "/"), ("/prefix/one", "/one"), ("/keep/x?q=1", "/kept/x?q=1"))],
     s.ask("/rewrite-path-and-modify-headers/one", "v1", path="/prefix/one", **MODIFIED))
test("HTTPRouteBackendURLRewrite", "HTTPRouteBackendURLRewrite",
     s.ask("/full/original", "v1", path="/rewritten-full"), s.ask("/prefix/original", "v1", path="/rewritten-prefix/original"))
test("HTTPRouteCORS", own.cors(), own.cors_requests)

# ---------------------------------------------------------------- HTTPRoute: weights, timeouts, retries
test("HTTPRouteWeight", "httproute-weight", s.weights({"v1": 0.7, "v2": 0.3, "v3": 0}))
test("HTTPRouteTimeoutRequest", "httproute-timeout-request",
     s.ask("/request-timeout", "v1"), s.ask("/request-timeout?delay=1s", 504), s.ask("/disable-request-timeout?delay=1s", "v1"))
test("HTTPRouteTimeoutBackendRequest", own.backend_timeout(),
     s.ask("/backend-timeout", "v1"), s.ask("/backend-timeout?delay=1s", 504), s.ask("/disable-backend-timeout?delay=1s", "v1"))


def retry(path, fails, code, to, **more):
    def step(c):
        extra = "".join(f"&{k}={v}" for k, v in more.items())
        target = f"{path}?uuid={next(s.unique)}&succeedAfter={fails}&responseCode={code}{extra}"
        s.check(s.send(c, target), target, to)
    return step


test("HTTPRouteRetry", "httproute-retry",
     retry("/retry/code-500-attempts-3", 2, 500, "v3"), retry("/retry/code-500-attempts-3", 4, 500, 500),
     retry("/retry/code-500-attempts-3", 2, 503, 503),
     [retry("/retry/code-all-attempts-2", 1, code, "v3") for code in (500, 502, 503, 504)],
     [retry("/retry/code-all-attempts-2", 3, code, code) for code in (500, 502, 503, 504)])
test("HTTPRouteRetryAttempts0", "HTTPRouteRetryAttempts0",
     [retry("/retry/code-all-attempts-0", 1, code, code) for code in (500, 502, 503, 504)])
test("HTTPRouteRetryConnectionError", "HTTPRouteRetryConnectionError", own.half_dead, [s.ask("/retry-on-connection-errors", "v1")] * 10)
test("HTTPRouteRetryWithRequestTimeout", "HTTPRouteRetryWithRequestTimeout",
     retry("/retry/request-timeout-500ms", 1, 500, "v3"),
     retry("/retry/request-timeout-500ms", 2, 500, 504, delayRetry="300ms"))
test("HTTPRouteRetryWithBackendTimeout", "HTTPRouteRetryWithBackendTimeout",
     retry("/retry/backend-timeout-500ms", 2, 500, "v3", delay="100ms", delayRetry="100ms"),
     retry("/retry/request-timeout-500ms", 2, 500, 504, delay="1s", delayRetry="1s"))

test("HTTPRouteBackendProtocolWebSocket", "httproute-backend-protocol-websocket", s.ask("/", "v1"), s.websocket())

# ---------------------------------------------------------------- GRPCRoute
for row in grpcroute.ROWS:
    test(*row)

# ---------------------------------------------------------------- ListenerSet, TCPRoute, UDPRoute, TLSRoute
for name, manifest, steps, wait, again in l4routes.ROWS:
    # On Gateways of their own; a grant would be good for others too.
    test(name, manifest, *steps, wait=wait, again=again, keep="ReferenceGrant" not in name)

for name, manifest, steps in uptls.ROWS:
    test(name, manifest, *steps)
