"""ListenerSet, TCPRoute, UDPRoute and TLSRoute: the tests as data, with steps and manifests of their own."""
import collections
import contextlib
import json
import socket
import ssl

import own
import steps as s
from cluster import APP, INFRA, WEB, pod_service
from lib import l4, objects as o, tls

ROWS = []
# Those that are also run from a full folder; each costs a start.
AGAIN = ("ListenerSetHTTPRouting", "TCPRouteParentRefPortAndSectionName", "UDPRouteParentRefPortAndSectionName",
         "TLSRouteMixedTerminationSameNamespace")
T, F = "True", "False"
GOOD = {"Accepted": T, "Programmed": T}
NOT_ALLOWED = {"Accepted": (F, "NotAllowed"), "Programmed": (F, "NotAllowed")}


def test(name, manifest, *steps, wait=False):
    ROWS.append((name, manifest, steps, wait, name in AGAIN))


# ---------------------------------------------------------------- steps
def listenerset(name, want, ns=INFRA, listeners=None):
    def step(c):
        x = c.get("ListenerSet", name, ns)
        s.has(x["status"], want, f"ListenerSet {name}")
        s.current(x["status"], x["metadata"]["generation"], name)
        have = {y["name"]: y for y in x["status"]["listeners"]}
        for n, conds in (listeners or {}).items():
            s.has(have[n], conds, f"{name}/{n}")
            s.current(have[n], x["metadata"]["generation"], n)
    return step


def sets(gateway, n):
    def step(c):
        have = c.get("Gateway", gateway)["status"].get("attachedListenerSets", 0)
        assert have == n, f"{gateway} has {have} ListenerSets, not {n}"
    return step


def tcp_pod(c, gw, port):
    with l4.Conn(c.address(gw, port)) as x:
        return x.send(b"hello\n").sock.makefile().readline().strip()


def udp_pod(c, gw, port):
    with l4.udp(c.address(gw, port)) as x:
        x.send(b"hello")
        return x.recv(1000).decode().split(":")[0]


def tls_pod(c, gw, port, sni):
    """Of the pod behind a passthrough or terminated listener; None if the connection was refused."""
    try:
        with tls.Client(c.address(gw, port), sni, ctx=tls.context(alpn=None)) as x:
            x.sock.sendall(f"GET / HTTP/1.1\r\nHost: {sni or 'none'}\r\n\r\n".encode())
            return json.loads(x.sock.recv(65536).partition(b"\r\n\r\n")[2])["pod"]
    except (ConnectionError, ssl.SSLEOFError):
        return None


def reaches(ask, gw, port, service, *more):
    """Connections reach a pod of that Service; None: they end without an answer."""
    def step(c):
        got = ask(c, gw, port, *more)
        assert (pod_service(got) if got else None) == service, f"{gw}:{port} {more}: {got}, not {service}"
    return step


def refused(gw, port):
    def step(c):
        assert l4.refused(c.address(gw, port), b"hello\n"), f"{gw}:{port} answers"
    return step


def silent(gw, port):
    def step(c):
        with l4.udp(c.address(gw, port), timeout=0.3) as x:
            x.send(b"hello")
            with contextlib.suppress(socket.timeout, ConnectionError):
                raise AssertionError(f"{gw}:{port} answered {x.recv(1000)}")
    return step


def shares(ask, gw, port, want, n=400):
    def step(c):
        have = collections.Counter(pod_service(ask(c, gw, port)) for _ in range(n))
        for service, share in want.items():
            assert abs(have.pop(service, 0) / n - share) <= 0.08, (service, have)
        assert not have, have
    return step


def l4_route(kind, name, want, gw=None, ns=INFRA):
    return s.route(name, want, gw, ns, kind)


def no_routes(gw):
    def step(c):
        for x in c.get("Gateway", gw)["status"]["listeners"]:
            assert x["attachedRoutes"] == 0, x
    return step


# ---------------------------------------------------------------- manifests
def gateway(name, *listeners, **more):
    return o.gateway(name, list(listeners), ns=INFRA, **more)


def route(kind, name, gw, *backends, section=None, port=None, hostnames=None, ns=INFRA, age=1):
    ref = {"name": gw, "namespace": INFRA, **({"sectionName": section} if section else {}), **({"port": port} if port else {})}
    return {"apiVersion": o.API, "kind": kind,
            "metadata": o.meta(name, ns, creationTimestamp=f"2026-01-0{age}T00:00:00Z"),
            "spec": {"parentRefs": [ref], **({"hostnames": hostnames} if hostnames else {}),
                     "rules": [{"backendRefs": [{"name": n, "port": p} for n, p in backends]}]}}


def deployment(name, env, ns=INFRA, port=8080, proto="UDP"):
    labels = {"app": name}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": o.meta(name, ns),
             "spec": {"selector": labels, "ports": [{"port": port, "targetPort": port, "protocol": proto}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": o.meta(name, ns),
             "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
                 "metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": "echo-basic", "env": [
                     {"name": env, "value": "1"}]}]}}}}]


def udp(name, ns=INFRA):
    return deployment(name, "UDP_ECHO_SERVER", ns)


def tcp(name, ns=INFRA):
    return deployment(name, "TCP_ECHO_SERVER", ns, 3000, "TCP")


def dual_parents():
    """One route names a Gateway and its ListenerSet: each has its own verdict."""
    both = [{"name": "dual-gateway"}, {"kind": "ListenerSet", "group": "gateway.networking.k8s.io", "name": "dual-set"}]
    narrow = [both[0] | {"sectionName": "nowhere"}, both[1]]
    return [gateway("dual-gateway", o.listener("gw", hostname="gw.dual.com"), allowedListeners={"namespaces": {"from": "Same"}}),
            listener_set("dual-set", "dual-gateway", o.listener("ls", hostname="ls.dual.com")),
            own.rt("dual-both", own.at_path("/both", 1), parents=both),
            own.rt("dual-one", own.at_path("/one", 2), parents=narrow)]


def listener_set(name, gw, *listeners, ns=INFRA):
    return {"apiVersion": o.API, "kind": "ListenerSet", "metadata": o.meta(name, ns),
            "spec": {"parentRef": {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": gw, "namespace": INFRA},
                     "listeners": list(listeners)}}


def selector_sets():
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"allowed": v}}}
                  for n, v in (("ls-allowed", "yes"), ("ls-not-allowed", "no"))]
    return namespaces + [gateway("sets-by-selector", o.listener("gw", hostname="gw.com"), allowedListeners={"namespaces": {
        "from": "Selector", "selector": {"matchLabels": {"allowed": "yes"}}}})] + [
            listener_set("set", "sets-by-selector", o.listener("ls", hostname=f"{n}.com"), ns=n) for n in ("ls-allowed", "ls-not-allowed")]


def routes_of_sets():
    """allowedRoutes Same means the ListenerSet's namespace."""
    ls = {"kind": "ListenerSet", "group": "gateway.networking.k8s.io", "name": "routes-set", "namespace": WEB}
    return [gateway("routes-gateway", o.listener("gw", hostname="gw.com"), allowedListeners={"namespaces": {"from": "All"}}),
            listener_set("routes-set", "routes-gateway", o.listener("same", hostname="same.com", routes={"namespaces": {"from": "Same"}}),
                         o.listener("all", hostname="all.com", routes={"namespaces": {"from": "All"}}), ns=WEB),
            own.rt("of-infra", own.at_path("/", 1), parents=[ls]),
            own.rt("of-infra-same", own.at_path("/", 1), parents=[{**ls, "sectionName": "same"}]),
            own.rt("of-web", o.rule(o.ref("web-backend", 8080), path="/"), parents=[{**ls, "sectionName": "same"}], ns=WEB)]


def protocol_conflict():
    return [gateway("proto-gateway", o.listener("gw", 80, hostname="gw.com"), allowedListeners={"namespaces": {"from": "Same"}}),
            listener_set("proto-set", "proto-gateway", l4.listener("tcp", 80, "TCP"), o.listener("good", 80, hostname="good.com")),
            listener_set("proto-only", "proto-gateway", l4.listener("tcp", 80, "TCP"))]


def grants(kind):
    return own.grant("l4-grant", APP, kind, INFRA, "Service")


def term_and_pass():
    return [gateway("mixed", l4.listener("pass", 8443, "TLS", "pass.example.com"),
                    l4.listener("term", 8443, "TLS", "term.example.com", "Terminate", "l4-certificate")),
            route("TLSRoute", "mixed-pass", "mixed", ("tls-backend", 443), hostnames=["pass.example.com"], section="pass"),
            route("TLSRoute", "mixed-term", "mixed", ("tcp-backend", 3000), hostnames=["term.example.com"], section="term")]


def intersections():
    out = []
    for gw, host in (("tls-any", None), ("tls-exact", "abc.example.com"), ("tls-wild", "*.example.com")):
        out += [gateway(gw, l4.listener("tls", 443, "TLS", host)),
                route("TLSRoute", f"{gw}-1", gw, ("tls-backend", 443), hostnames=["abc.example.com", "other.test"]),
                route("TLSRoute", f"{gw}-2", gw, ("tls-backend-2", 443), hostnames=["*.example.com"], age=2)]
    return out


def same_names():
    out = []
    for gw, host, old, new in (("name-exact", "abc.example.com", "*.example.com", "abc.example.com"),
                               ("name-wild", "*.example.com", "*.com", "*.example.com")):
        out += [gateway(gw, l4.listener("tls", 443, "TLS", host)),
                route("TLSRoute", f"{gw}-old", gw, ("tls-backend", 443), hostnames=[old]),
                route("TLSRoute", f"{gw}-new", gw, ("tls-backend-2", 443), hostnames=[new], age=2)]
    return out


# ---------------------------------------------------------------- ListenerSet
test("ListenerSetAllowedNamespaceNone", "listenerset-allowed-namespace-none",
     listenerset("listenerset-not-allowed", NOT_ALLOWED), sets("gateway-does-not-allow-listenerset", 0))
test("ListenerSetDefaultNotAllowed", "listenerset-default-not-allowed",
     listenerset("listenerset-default-not-allowed", NOT_ALLOWED), sets("gateway-default-does-not-allow-listenerset", 0))
test("ListenerSetAllowedNamespaceSame", "listenerset-allowed-namespace-same",
     listenerset("listenerset-in-same-namespace", GOOD), sets("gateway-allows-listenerset-in-same-namespace", 1),
     listenerset("listenerset-in-different-namespace", NOT_ALLOWED, "gateway-api-listenerset-not-allowed-ns"))
test("ListenerSetAllowedNamespaceSelector", selector_sets(), listenerset("set", GOOD, "ls-allowed"),
     listenerset("set", NOT_ALLOWED, "ls-not-allowed"), sets("sets-by-selector", 1))
test("ListenerSetAllowedRoutesSupportedKinds", "listenerset-allowed-routes-supported-kinds",
     listenerset("listenerset-test-allowed-routes-supported-kinds", {}, listeners={
         "listener-set-listener-allowed-routes-tls-only": {"ResolvedRefs": (F, "InvalidRouteKinds")}}))
test("ListenerSetAllowedRoutesNamespaces", routes_of_sets(), s.route("of-infra"), s.route("of-web", ns=WEB),
     s.route("of-infra-same", {"Accepted": (F, "NotAllowedByListeners")}),
     s.ask("/", "v1", gw="routes-gateway", host="all.com"),
     s.ask("/", "web-backend", gw="routes-gateway", host="same.com", namespace=WEB))
test("ListenerSetGatewayParentSectionNameNotFound", "listenerset-gateway-parent-section-name-not-found",
     s.route("route-via-listenerset"), s.route("route-via-gateway", {"Accepted": (F, "NoMatchingParent")}))
test("ListenerSetRouteStatusScopedToParentRef", "listenerset-route-status-scoped-to-parentref",
     s.route("route-parentref-gwonly", gw="gateway-parentref"), s.route("route-parentref-lsonly", gw="listenerset-parentref"),
     s.ask("/gwonly", "v1", gw="gateway-parentref", host="gw-parentref.com"),
     s.ask("/lsonly", 404, gw="gateway-parentref", host="gw-parentref.com"),
     s.ask("/lsonly", "v2", gw="gateway-parentref", host="listenerset-parentref.com"), wait=True)
test("ListenerSetDualParentRefIndependence", dual_parents(), s.route("dual-both"),
     s.route("dual-one", {"Accepted": (F, "NoMatchingParent")}, gw="dual-gateway"), s.route("dual-one", gw="dual-set"),
     s.ask("/both", "v1", gw="dual-gateway", host="gw.dual.com"), s.ask("/both", "v1", gw="dual-gateway", host="ls.dual.com"),
     s.ask("/one", 404, gw="dual-gateway", host="gw.dual.com"), s.ask("/one", "v2", gw="dual-gateway", host="ls.dual.com"))
HC = "hostname-conflict-with-"
CONFLICT = {t: (F, "HostnameConflict") for t in ("Accepted", "Programmed")} | {"Conflicted": (T, "HostnameConflict")}
test("ListenerSetHostnameConflict", "listenerset-hostname-conflict",
     s.listeners("gateway-with-listenerset-hostname-conflict", {"gateway-listener": (GOOD, None, None),
                                                                HC + "gateway-listener": (GOOD, None, None)}),
     listenerset("listenerset-with-hostname-conflict-with-gateway-1", GOOD, listeners={
         "listener-set-1-listener": GOOD, HC + "gateway-listener": CONFLICT, HC + "listener-set-listener": GOOD}),
     *[listenerset(f"listenerset-with-{HC}{x}", {t: (F, "ListenersNotValid") for t in ("Accepted", "Programmed")}, listeners={
         HC + y: CONFLICT}) for x, y in (("gateway-2", "gateway-listener"), ("listener-set-2", "listener-set-listener"))],
     listenerset(f"listenerset-with-{HC}listener-set-1", GOOD, listeners={
         "listener-set-2-listener": GOOD, HC + "listener-set-listener": CONFLICT}))
test("ListenerSetProtocolConflict", protocol_conflict(), listenerset("proto-set", GOOD, listeners={
    "good": GOOD, "tcp": {"Accepted": (F, "ProtocolConflict"), "Conflicted": (T, "ProtocolConflict")}}),
     listenerset("proto-only", {"Accepted": (F, "ListenersNotValid"), "Programmed": (F, "ListenersNotValid")}))
GR = "gateway-with-listener-sets-http-routing"
LR = "listener-set-http-routing-"


def routing():
    hosts = {"gateway-listener-1.com": {"/gateway-route": "v2", "/gateway-section-route": "v3"},
             "gateway-listener-2.com": {"/gateway-route": "v2"},
             f"{LR}1-listener-1.com": {f"/{LR}1-route": "v2", f"/{LR}1-section-route": "v3"},
             f"{LR}1-listener-2.com": {f"/{LR}1-route": "v2"}, f"{LR}2-listener-1.com": {f"/{LR}2-route": "v2"},
             f"{LR}2-listener-2.com": {f"/{LR}2-route": "v2"}}
    paths = {p for x in hosts.values() for p in x}
    return [s.ask(p, {"/route": "v1", **x}.get(p, 404), gw=GR, host=h) for h, x in hosts.items() for p in ("/route", *sorted(paths))]


test("ListenerSetHTTPRouting", "listenerset-http-routing", *routing(), wait=True)
test("ListenerSetReferenceGrant", "listenerset-reference-grant",
     listenerset("listenerset-with-reference-grant", {}, listeners={"listenerset-with-reference-grant-listener": {"ResolvedRefs": T}}),
     listenerset("listenerset-without-reference-grant", {"Accepted": (F, "ListenersNotValid")},
                 "gateway-api-listener-sets-test-reference-grant-ns",
                 {"listenerset-without-reference-grant-listener": {"ResolvedRefs": (F, "RefNotPermitted")}}))

# ---------------------------------------------------------------- TCPRoute
test("TCPRouteInvalidBackendRefNonexistent", "tcproute-invalid-backendref-nonexistent",
     l4_route("TCPRoute", "tcp-route-invalid-backend-ref-nonexistent", {"Accepted": T, "ResolvedRefs": (F, "BackendNotFound")}),
     refused("tcp-gateway-invalid-backend", 9300))
test("TCPRouteInvalidCrossNamespaceBackendRef", [gateway("tcp-cross", l4.listener("tcp", 9300)),
     {**(r := route("TCPRoute", "tcp-cross", "tcp-cross", ("tls-backend", 443))), "spec": {**r["spec"], "rules": [
         {"backendRefs": [{"name": "tls-backend", "namespace": APP, "port": 443}]}]}}],
     l4_route("TCPRoute", "tcp-cross", {"Accepted": T, "ResolvedRefs": (F, "RefNotPermitted")}), refused("tcp-cross", 9300))
test("TCPRouteInvalidNonTCPListener", "tcproute-invalid-non-tcp-listener",
     l4_route("TCPRoute", "tcp-route", {"Accepted": (F, "NotAllowedByListeners")}), no_routes("tcp-mixed-protocol-gateway"))
test("TCPRouteMultipleRoutesAttachment", [gateway("tcp-two", l4.listener("tcp", 9301)), *tcp("tcp-one"), *tcp("tcp-other"),
     route("TCPRoute", "tcp-young", "tcp-two", ("tcp-other", 3000), age=2), route("TCPRoute", "tcp-z-old", "tcp-two", ("tcp-one", 3000))],
     l4_route("TCPRoute", "tcp-young", None), l4_route("TCPRoute", "tcp-z-old", None),
     s.listeners("tcp-two", {"tcp": (GOOD, 2, ["TCPRoute"])}), *[reaches(tcp_pod, "tcp-two", 9301, "tcp-one")] * 5)
test("TCPRouteParentRefAttachAll", "tcproute-parentref-attach-all", l4_route("TCPRoute", "tcp-route-attach-all", None),
     *[reaches(tcp_pod, "tcp-attach-all-gateway", p, "tcp-echo-attach-all") for p in (9310, 9311, 9312, 9313)])
test("TCPRouteParentRefPortAndSectionName", [gateway("tcp-parts", *[l4.listener(n, p) for n, p in (
    ("port", 9330), ("section", 9331), ("both", 9332))]), *tcp("tcp-port"), *tcp("tcp-section"), *tcp("tcp-both"),
    route("TCPRoute", "tcp-port", "tcp-parts", ("tcp-port", 3000), port=9330),
    route("TCPRoute", "tcp-section", "tcp-parts", ("tcp-section", 3000), section="section"),
    route("TCPRoute", "tcp-both", "tcp-parts", ("tcp-both", 3000), section="both", port=9332)],
    *[reaches(tcp_pod, "tcp-parts", p, n) for n, p in (("tcp-port", 9330), ("tcp-section", 9331), ("tcp-both", 9332))])
test("TCPRouteReferenceGrant", "tcproute-reference-grant", l4_route("TCPRoute", "tcp-reference-grant", None),
     reaches(tcp_pod, "tcp-reference-grant-gateway", 9320, "tcp-reference-grant-backend"),
     s.delete("ReferenceGrant", "tcp-reference-grant", WEB),
     l4_route("TCPRoute", "tcp-reference-grant", {"Accepted": T, "ResolvedRefs": (F, "RefNotPermitted")}),
     refused("tcp-reference-grant-gateway", 9320))
test("TCPRouteWeightedRouting", "tcproute-weighted-routing",
     shares(tcp_pod, "tcp-weighted-gateway", 9300, {"tcp-backend-v1": 0.7, "tcp-backend-v2": 0.3}))

# ---------------------------------------------------------------- UDPRoute
test("UDPRoute", [gateway("udp-simple", l4.listener("udp", 5300, "UDP")), *udp("udp-echo"),
                  route("UDPRoute", "udp-route", "udp-simple", ("udp-echo", 8080), section="udp")],
     l4_route("UDPRoute", "udp-route", None), reaches(udp_pod, "udp-simple", 5300, "udp-echo"))
test("UDPRouteInvalidBackendRefNonexistent", "udproute-invalid-backendref-nonexistent",
     l4_route("UDPRoute", "udp-route-invalid-backend-ref-nonexistent", {"Accepted": T, "ResolvedRefs": (F, "BackendNotFound")}),
     silent("udp-gateway-invalid-backend", 5300))
test("UDPRouteInvalidCrossNamespaceBackendRef", "udproute-invalid-cross-namespace-backend-ref",
     l4_route("UDPRoute", "udp-route-invalid-cross-namespace-backend-ref", {"Accepted": T, "ResolvedRefs": (F, "RefNotPermitted")}))
test("UDPRouteMultipleRoutesAttachment", [gateway("udp-two", l4.listener("udp", 5301, "UDP")), *udp("udp-one"), *udp("udp-other"),
     route("UDPRoute", "udp-young", "udp-two", ("udp-other", 8080), age=2), route("UDPRoute", "udp-z-old", "udp-two", ("udp-one", 8080))],
     l4_route("UDPRoute", "udp-young", None), s.listeners("udp-two", {"udp": (GOOD, 2, ["UDPRoute"])}),
     *[reaches(udp_pod, "udp-two", 5301, "udp-one")] * 5)
test("UDPRouteNotAllowedByListeners", "udproute-not-allowed-by-listeners",
     l4_route("UDPRoute", "udproute-not-allowed-by-listeners", {"Accepted": (F, "NotAllowedByListeners")}),
     no_routes("udproute-tls-only-gateway"))
test("UDPRouteParentRefAttachAllListeners", [gateway("udp-all", *[l4.listener(f"udp-{i}", 5310 + i, "UDP") for i in (1, 2, 3)]),
     *udp("udp-everywhere"), route("UDPRoute", "udp-all", "udp-all", ("udp-everywhere", 8080))],
     *[reaches(udp_pod, "udp-all", 5310 + i, "udp-everywhere") for i in (1, 2, 3)])
test("UDPRouteParentRefPortAndSectionName", "udproute-parentref-port-and-section-name",
     *[reaches(udp_pod, "udp-multi-listener-gateway", p, n) for n, p in (
         ("udp-echo-by-port", 5300), ("udp-echo-by-section", 5301), ("udp-echo-by-section-and-port", 5302))])
test("UDPRouteReferenceGrant", [gateway("udp-grant", l4.listener("udp", 5300, "UDP")), *udp("udp-far", APP), grants("UDPRoute"),
     {**(r := route("UDPRoute", "udp-grant", "udp-grant")), "spec": {**r["spec"], "rules": [
         {"backendRefs": [{"name": "udp-far", "namespace": APP, "port": 8080}]}]}}],
     l4_route("UDPRoute", "udp-grant", None), reaches(udp_pod, "udp-grant", 5300, "udp-far"),
     s.delete("ReferenceGrant", "l4-grant", APP),
     l4_route("UDPRoute", "udp-grant", {"Accepted": T, "ResolvedRefs": (F, "RefNotPermitted")}))
test("UDPRouteWeightedRouting", [gateway("udp-weights", l4.listener("udp", 5300, "UDP")), *udp("udp-v1"), *udp("udp-v2"), *udp("udp-v3"),
     {**(r := route("UDPRoute", "udp-weights", "udp-weights")), "spec": {**r["spec"], "rules": [{"backendRefs": [
         {"name": f"udp-v{i}", "port": 8080, "weight": w} for i, w in ((1, 70), (2, 30), (3, 0))]}]}}],
     shares(udp_pod, "udp-weights", 5300, {"udp-v1": 0.7, "udp-v2": 0.3}))

# ---------------------------------------------------------------- TLSRoute
BAD_REF = {"Accepted": T, "ResolvedRefs": (F, "BackendNotFound")}
test("TLSRouteInvalidBackendRefNonexistent", "tlsroute-invalid-backendref-nonexistent",
     l4_route("TLSRoute", "invalid-backend-ref-nonexistent", BAD_REF),
     reaches(tls_pod, "gateway-tlsroute-invalid-backend-ref-nonexistent", 443, None, "example.com"))
test("TLSRouteInvalidBackendRefUnknownKind", "tlsroute-invalid-backendref-unknown-kind",
     l4_route("TLSRoute", "invalid-backend-ref-unknown-kind", {"Accepted": T, "ResolvedRefs": (F, "InvalidKind")}),
     reaches(tls_pod, "gateway-tlsroute-invalid-backend-ref-unknown-kind", 443, None, "example.com"))
test("TLSRouteInvalidNoMatchingListenerHostname", "tlsroute-invalid-no-matching-listener-hostname",
     *[l4_route("TLSRoute", f"tlsroute-hostname-mismatch-{i}", {"Accepted": (F, "NoMatchingListenerHostname")}) for i in (1, 2)],
     no_routes("gateway-tls-exact-hostname"), no_routes("gateway-tls-wildcard-hostname"))
test("TLSRouteInvalidNoMatchingListener", [gateway("tls-none", o.listener("http", 80)),
     route("TLSRoute", "tls-at-http", "tls-none", ("tls-backend", 443), hostnames=["a.com"]),
     route("TLSRoute", "tls-nowhere", "tls-none", ("tls-backend", 443), hostnames=["a.com"], section="nowhere")],
     l4_route("TLSRoute", "tls-at-http", {"Accepted": (F, "NotAllowedByListeners")}),
     l4_route("TLSRoute", "tls-nowhere", {"Accepted": (F, "NoMatchingParent")}), no_routes("tls-none"))
test("TLSRouteInvalidReferenceGrant", "tlsroute-invalid-reference-grant",
     l4_route("TLSRoute", "gateway-conformance-infra-test", {"Accepted": T, "ResolvedRefs": (F, "RefNotPermitted")}))
test("TLSRouteListenerPassthroughSupportedKinds", "tlsroute-listener-passthrough-supported-kinds",
     s.listeners("gateway-tlsroute-passthrough-supported-kind", {
         "tls-passthrough": ({"Accepted": T, "ResolvedRefs": (F, "InvalidRouteKinds")}, 0, ["TLSRoute"])}))
test("TLSRouteListenerTerminateSupportedKinds", [gateway("tls-kinds", l4.listener("term", 8443, "TLS", "a.com", "Terminate",
                                                                                "l4-certificate"))],
     s.listeners("tls-kinds", {"term": (GOOD, 0, ["TLSRoute"])}))
test("TLSRouteSimpleSameNamespace", "tlsroute-simple-same-namespace", l4_route("TLSRoute", "gateway-conformance-infra-test", None),
     reaches(tls_pod, "gateway-tlsroute", 443, "tcp-backend", "abc.example.com"),
     reaches(tls_pod, "gateway-tlsroute", 443, None, "other.test"), reaches(tls_pod, "gateway-tlsroute", 443, None, None))
test("TLSRouteTerminateSimpleSameNamespace", [gateway("tls-term", l4.listener("term", 8443, "TLS", "tls.example.com", "Terminate",
                                                                            "l4-certificate")),
     route("TLSRoute", "tls-term", "tls-term", ("tcp-backend", 3000), hostnames=["tls.example.com"])],
     reaches(tls_pod, "tls-term", 8443, "tcp-backend", "tls.example.com"), reaches(tls_pod, "tls-term", 8443, None, "b.com"))
test("TLSRouteMixedTerminationSameNamespace", term_and_pass(),
     reaches(tls_pod, "mixed", 8443, "tls-backend", "pass.example.com"), reaches(tls_pod, "mixed", 8443, "tcp-backend", "term.example.com"))
test("TLSRouteHostnameIntersection", intersections(), *[reaches(tls_pod, gw, 443, to, sni) for gw, table in (
    ("tls-any", {"abc.example.com": "tls-backend", "other.test": "tls-backend", "x.example.com": "tls-backend-2", "no.test": None}),
    ("tls-exact", {"abc.example.com": "tls-backend", "x.example.com": None, "other.test": None}),
    ("tls-wild", {"abc.example.com": "tls-backend", "x.example.com": "tls-backend-2", "other.test": None})) for sni, to in table.items()])
test("TLSRouteMultipleRoutesAttachmentSameHostnameIntersection", same_names(),
     *[reaches(tls_pod, gw, 443, "tls-backend-2", "abc.example.com") for gw in ("name-exact", "name-wild")])
