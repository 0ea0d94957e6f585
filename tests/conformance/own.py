"""Manifests of our own, and the steps that are more than a request. Each function says which test it serves by its use in
table.py; the manifests are made from the descriptions of the API, not taken from the suite."""
import collections

import steps as s
from cluster import INFRA, WEB
from lib import objects as o
from lib.wait import wait_for

SN = s.SN


def be(n, **more):
    return o.ref(f"infra-backend-v{n}", 8080, **more)


def gw(name, *listeners, **more):
    return o.gateway(name, list(listeners) or None, ns=INFRA, **more)


def rt(name, *rules, parents=(SN,), **more):
    more.setdefault("ns", INFRA)
    return o.route(name, list(rules), parents, **more)


def low(gateway, port):
    """The port that a Gateway of the cluster has for a low one (it may have been moved)."""
    return port + (20000 if any(x["port"] > 20000 for x in gateway["spec"]["listeners"]) else 0)


def at_path(path, n, kind="PathPrefix", filters=None, **more):
    return o.rule(be(n), path=path, kind=kind, filters=filters, **more)


# ---------------------------------------------------------------- Gateway
def infrastructure(name, labels, annotations):
    def step(c):
        found = [x for x in c.instance.all().values() if x["kind"] in ("Service", "ServiceAccount", "Pod") and
                 x["metadata"].get("labels", {}).get("gateway.networking.k8s.io/gateway-name") == name]
        assert found, "no object stands for the Gateway"
        for x in found:
            assert labels.items() <= x["metadata"]["labels"].items(), x
            assert annotations.items() <= x["metadata"].get("annotations", {}).items(), x
    return step


def long_name():
    return [gw("g" * 253)]


def foreign_conditions(c):
    name = "foreign-conditions"
    condition = {"type": "conformance.gateway.networking.k8s.io/StaleCondition", "status": "True", "reason": "Seeded",
                 "message": "", "lastTransitionTime": "2024-01-02T03:04:05Z", "observedGeneration": 1}

    def seed(g):
        status = c.get("Gateway", name)["status"]
        status["conditions"].append(condition)
        status["listeners"][0]["conditions"].append(condition)
        g["status"] = status
    c.change("Gateway", name, seed)

    def rename(g):
        g["spec"]["listeners"][0]["hostname"] = "second.example.com"
    c.change("Gateway", name, rename)
    g = c.get("Gateway", name)
    for holder in (g["status"], g["status"]["listeners"][0]):
        foreign = [x for x in holder["conditions"] if x["type"] == condition["type"]]
        assert foreign == [condition], foreign
        ours = {"conditions": [x for x in holder["conditions"] if x["type"] != condition["type"]]}
        s.current(ours, g["metadata"]["generation"], name)
        s.has(ours, {"Accepted": "True", "Programmed": "True"}, name)


def static_addresses(c):
    name = "gateway-static-addresses"
    usable = c.usable

    def status():
        return c.get("Gateway", name)["status"]

    def cut(g):
        del g["spec"]["addresses"][0]
    s.has(status(), {"Accepted": ("False", "UnsupportedAddress")}, "three addresses")
    c.change("Gateway", name, cut)
    s.has(status(), {"Accepted": ("True", "Accepted"), "Programmed": ("False", "AddressNotUsable")}, "two addresses")
    c.change("Gateway", name, cut)
    s.has(status(), {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}, "one address")
    s.listeners(name, {"http": ({"Accepted": "True", "ResolvedRefs": "True"}, 0, ["HTTPRoute"])})(c)
    assert [(a["type"], a["value"]) for a in status()["addresses"]] == [("IPAddress", usable)], status()["addresses"]


def invalid_kinds():
    bad = {"group": "example.com", "kind": "NoSuchRoute"}
    return [gw("only-invalid-kind", o.listener(routes={"kinds": [bad]})),
            gw("one-valid-kind", o.listener(routes={"kinds": [bad, {"kind": "HTTPRoute"}]}))]


def protocols():
    odd = o.listener("odd", 8081, "example.com/odd")
    return [gw("odd-protocol", odd), gw("odd-and-good", odd, o.listener(port=8080))]


def attached():
    only_infra = {"kinds": [{"kind": "HTTPRoute"}],
                  "namespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": INFRA}}}}
    broken = {**o.listener("tls", 443, "HTTPS", routes=only_infra),
              "tls": {"mode": "Terminate", "certificateRefs": [{"name": "no-such-secret"}]}}
    return [gw("attached-one", o.listener(routes=only_infra)),
            gw("attached-two", o.listener(routes=only_infra, hostname="foo.example.com")),
            gw("attached-unresolved", broken),
            rt("attached-1", o.rule(be(1)), parents=["attached-one"]), rt("attached-2", o.rule(be(1)), parents=["attached-two"]),
            rt("attached-3", o.rule(be(1)), parents=["attached-two"]),
            rt("attached-not", o.rule(be(1)), parents=["attached-two"], hostnames=["not-accepted.example.com"]),
            rt("attached-elsewhere", o.rule(o.ref("web-backend", 8080)), parents=[{"name": "attached-one", "namespace": INFRA}], ns=WEB),
            rt("attached-4", o.rule(o.ref("no-such-service", 8080)), parents=[{"name": "attached-unresolved", "sectionName": "tls"}])]


def two_secrets(name):
    """Two listeners whose certificates lie in another namespace; one of them does not exist."""
    def https(listener, secret, hostname):
        return {**o.listener(listener, 443, "HTTPS", hostname),
                "tls": {"certificateRefs": [{"name": secret, "namespace": WEB}]}}
    return [gw(name, https("https", "certificate", None), https("nonexistent", "no-such-certificate", "nonexistent.example.com"))]


def grant(name, ns, from_kind, from_ns, to_kind, to_name=None, from_group="gateway.networking.k8s.io", to_group=""):
    return {"apiVersion": o.API.replace("v1", "v1beta1"), "kind": "ReferenceGrant", "metadata": o.meta(name, ns),
            "spec": {"from": [{"group": from_group, "kind": from_kind, "namespace": from_ns}],
                     "to": [{"group": to_group, "kind": to_kind, **({"name": to_name} if to_name else {})}]}}


def useless_secret_grants(name):
    """Each grant is wrong in one respect."""
    return two_secrets(name) + [
        grant("wrong-namespace", INFRA, "Gateway", INFRA, "Secret", "certificate"),
        grant("wrong-from-group", WEB, "Gateway", INFRA, "Secret", "certificate", from_group="example.com"),
        grant("wrong-from-kind", WEB, "HTTPRoute", INFRA, "Secret", "certificate"),
        grant("wrong-from-namespace", WEB, "Gateway", "elsewhere", "Secret", "certificate"),
        grant("wrong-to-group", WEB, "Gateway", INFRA, "Secret", "certificate", to_group="example.com"),
        grant("wrong-to-kind", WEB, "Gateway", INFRA, "Service", "certificate"),
        grant("wrong-to-name", WEB, "Gateway", INFRA, "Secret", "another")]


def secret_grant(name):
    return two_secrets(name) + [grant("secrets", WEB, "Gateway", INFRA, "Secret")]


# ---------------------------------------------------------------- redirects
def redirecting(path, **redirect):
    return o.rule(path=path, filters=[{"type": "RequestRedirect", "requestRedirect": redirect}])


def redirect_status(code):
    return [rt("redirect-status", redirecting("/temporary", statusCode=code))]


def redirect_scheme_port():
    return [gw("port-8080", o.listener(port=8080)),
            rt("redirect-port-and-scheme", redirecting("/scheme-nil-and-port-nil", statusCode=302),
               redirecting("/scheme-nil-and-port-80", port=80), redirecting("/scheme-https-and-port-nil", scheme="https"),
               redirecting("/scheme-https-and-port-8443", scheme="https", port=8443), parents=["port-8080"])]


# ---------------------------------------------------------------- matching
def exact_paths():
    return [rt("exact-paths", at_path("/one", 1, "Exact"), at_path("/two", 2, "Exact"))]


def query_params():
    def m(n, **match):
        q = [{"name": k, "value": v} for k, v in match.pop("q").items()]
        return {"matches": [{"queryParams": q, **match}], "backendRefs": [be(n)]}
    prefix = {"type": "PathPrefix"}
    return [rt("query-params", m(1, q={"animal": "whale"}), m(2, q={"animal": "dolphin"}), m(3, q={"animal": "whale", "color": "blue"}),
               m(1, q={"animal": "whale"}, path={**prefix, "value": "/path1"}),
               m(2, q={"animal": "whale"}, headers=[{"name": "version", "value": "one"}]),
               m(3, q={"animal": "whale"}, headers=[{"name": "version", "value": "two"}], path={**prefix, "value": "/path2"}))]


def hostname_intersection():
    name = "hostname-intersection"
    g = gw(name, o.listener("exact", hostname="very.specific.com"), o.listener("wild", hostname="*.wildcard.io"),
           o.listener("other", hostname="*.anotherwildcard.io"))
    return [g,
            rt("specific-host", at_path("/s1", 1), parents=[name],
               hostnames=["non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"]),
            rt("wildcard-host", at_path("/s3", 3), parents=[name], hostnames=["*.wildcard.io", "non.matching.com"]),
            rt("under-wildcard", at_path("/s4", 1), parents=[{"name": name, "sectionName": "other"}]),
            rt("no-intersection", o.rule(be(1)), parents=[name], hostnames=["specific.but.wrong.com", "wildcard.io"])]


def port_matching():
    g = gw("port-matching", o.listener("a", 80), o.listener("b", 8080), o.listener("c", 8090, hostname="foo.com"),
           o.listener("d", 8090, hostname="bar.com"))
    p = {"name": "port-matching"}
    return [g, rt("port-80", o.rule(be(1)), parents=[{**p, "port": 80}]),
            rt("port-8080", o.rule(be(2)), parents=[{**p, "sectionName": "b", "port": 8080}, {**p, "sectionName": "d", "port": 8090}]),
            rt("port-8090", o.rule(be(3)), parents=[{**p, "sectionName": "c", "port": 8090}])]


def across_routes():
    two = {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}, {"headers": [{"name": "version", "value": "two"}]}],
           "backendRefs": [be(2)]}
    one = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}, {"headers": [{"name": "version", "value": "one"}]}],
           "backendRefs": [be(1)]}
    return [rt("across-1", one, hostnames=["example.com", "example.net"]), rt("across-2", two, hostnames=["example.com"])]


def multiple_gateways():
    return [rt("on-both", at_path("/shared", 1), parents=[SN, "all-namespaces"]), rt("on-one", at_path("/one", 2)),
            rt("on-two", at_path("/two", 3), parents=["all-namespaces"])]


CASES = {"plain": ({}, {}),
         "prefix": ({"path": {"type": "PathPrefix", "value": "/path/prefix"}}, {"path": {"type": "PathPrefix", "value": "/path"}}),
         "headers": ({"headers": [{"name": "Header-B", "value": "B"}]},
                     {"headers": [{"name": "Header-B", "value": "B"}, {"name": "Header-A", "value": "A"}]})}
KINDS = {"exact": ("abc.example.com", "*.example.com", "abc.example.com"), "wild": ("*.example.com", "*.com", "*.example.com")}


def same_intersection():
    """The wider route is older, the narrower one wins all the same."""
    out = []
    for case, (older, newer) in CASES.items():
        for kind, (listener, wide, narrow) in KINDS.items():
            name = f"intersection-{case}-{kind}"
            out.append(gw(name, o.listener(hostname=listener)))
            for which, host, match, n, at in (("old", wide, older, 1, 1), ("new", narrow, newer, 2, 2)):
                r = rt(f"{name}-{which}", {**({"matches": [match]} if match else {}), "backendRefs": [be(n)]}, parents=[name],
                       hostnames=[host])
                r["metadata"]["creationTimestamp"] = f"2025-01-01T00:00:0{at}Z"
                out.append(r)
    return out


def intersection_requests(c):
    both = {"Header-A": "A", "Header-B": "B"}
    for kind in KINDS:
        for case, target, headers, to in (("plain", "/", {}, "v2"), ("prefix", "/path/prefix/longer", {}, "v2"),
                                          ("headers", "/", both, "v2"), ("headers", "/", {"Header-B": "B"}, "v1")):
            s.ask(target, to, host="abc.example.com", headers=headers, gw=f"intersection-{case}-{kind}")(c)


# ---------------------------------------------------------------- references
def cross_parent():
    return [rt("cross-parent", o.rule(o.ref("web-backend", 8080)), parents=[{"name": SN, "namespace": INFRA}], ns=WEB)]


def section_wrong_port():
    return [rt("section-wrong-port", o.rule(be(1)), parents=[{"name": SN, "sectionName": "http", "port": 81}])]


def partially_invalid():
    return [grant("for-somebody-else", WEB, "HTTPRoute", "elsewhere", "Service"),
            rt("partially-invalid", at_path("/valid", 1),
               o.rule(o.ref("web-backend", 8080, namespace=WEB), path="/invalid"))]


def no_backends():
    return [rt("no-backends", o.rule(path="/nothing"), at_path("/some", 1))]


def foreign_status(c):
    name = "foreign-status"
    foreign = {"parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "unmanaged-gateway"},
               "controllerName": "gateway.networking.k8s.io/stale-controller",
               "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
                               "lastTransitionTime": "2024-01-02T03:04:05Z"}]}

    def seed(r):
        r["status"] = {"parents": c.get("HTTPRoute", name)["status"]["parents"] + [foreign]}
    c.change("HTTPRoute", name, seed)

    def edit(r):
        r["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/after"
    c.change("HTTPRoute", name, edit)
    r = c.get("HTTPRoute", name)
    parents = r["status"]["parents"]
    assert [p for p in parents if p["controllerName"] == foreign["controllerName"]] == [foreign], parents
    (ours,) = s.route_status(r)
    assert ours["parentRef"]["name"] == SN and len(parents) == 2, parents
    s.has(ours, s.ACCEPTED, name)
    s.asks({"/after": "v1", "/before": 404})[0](c)


def fill_slices(c):
    for name in ("manual-endpointslices-ip4", "headless-manual-endpointslices-ip4"):
        def edit(x):
            x["endpoints"] = [{"addresses": [p.host], "conditions": {"ready": True}} for p in c.pods_of("infra-backend-v1")]
        c.change("EndpointSlice", name, edit)


def half_dead(c):
    def edit(x):
        x["endpoints"] = [{"addresses": [c.block.backend()]}, {"addresses": [c.pods_of("infra-backend-v1")[0].host]}]
    c.change("EndpointSlice", "half-dead-1", edit)


# ---------------------------------------------------------------- filters
def backend_header(c):
    for _ in range(100):
        r = s.send(c, "/")
        values = {k.lower(): v for k, v in r.json()["headers"].items()}["backend"]
        assert len(values) == 1 and r.json()["pod"].startswith(values[0]), r


def modifier(kind, **how):
    field = kind[0].lower() + kind[1:]
    return {"type": kind, field: how}


def pairs(**kw):
    return [{"name": k.replace("_", "-"), "value": v} for k, v in kw.items()]


def backend_modifier():
    def one(path, **how):
        return o.rule(be(1, filters=[modifier("RequestHeaderModifier", **how)]), path=path)
    return [rt("backend-modifier", one("/set", set=pairs(X_Header_Set="set-overwrites-values")),
               one("/add", add=pairs(X_Header_Add="add-appends-values")), one("/remove", remove=["X-Header-Remove"]))]


def response_modifier():
    def one(path, **how):
        return o.rule(be(1), path=path, filters=[modifier("ResponseHeaderModifier", **how)])
    return [rt("response-modifier", one("/set", set=pairs(X_Header_Set="set-overwrites-values")),
               one("/add", add=pairs(X_Header_Add="add-appends-values")), one("/remove", remove=["X-Header-Remove"]),
               one("/case-insensitivity", set=pairs(X_Header_Set="header-set"), add=pairs(X_Header_Add="header-add"),
                   remove=["X-Header-Remove"]))]


def percentage_mirror():
    def one(path, **share):
        return o.rule(be(1), path=path, filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": be(2), **share}}])
    return [rt("percentage-mirror", one("/percent-20", percent=20), one("/fraction-50", fraction={"numerator": 1, "denominator": 2}),
               one("/percent-0", percent=0), one("/percent-100", percent=100))]


def mirror_share(c):
    n = 300
    pods = c.pods_of("infra-backend-v2")

    def count(path):
        return sum(1 for p in pods for r in p.requests if r.target == path)
    for path, share in (("/percent-100", 1), ("/percent-20", .2), ("/fraction-50", .5), ("/percent-0", 0)):
        before = count(path)
        for _ in range(n):
            s.check(s.send(c, path), path, "v1")
        if share in (0, 1):
            wait_for(lambda: count(path) - before == share * n, f"all mirrors of {path}")
        else:
            # mirrors are not waited for by answers: a last one that is certain to be there comes after them all
            wait_for(lambda: abs((count(path) - before) / n - share) < .12, f"a share of {share} at the mirror of {path}")


def rewrite_path():
    def one(path, **how):
        return o.rule(be(1), path=path, filters=[{"type": "URLRewrite", "urlRewrite": {"path": how}}])

    def prefix(to):
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": to}
    modify = o.rule(be(1), path="/rewrite-path-and-modify-headers", filters=[
        {"type": "URLRewrite", "urlRewrite": {"path": prefix("/prefix")}},
        modifier("RequestHeaderModifier", set=pairs(X_Header_Set="set-overwrites-values"),
                 add=pairs(X_Header_Add="header-val-1", X_Header_Add_Append="header-val-2"), remove=["X-Header-Remove"])])
    return [rt("rewrite-path", one("/prefix/one", **prefix("/one")), one("/full/one", type="ReplaceFullPath", replaceFullPath="/one"),
               one("/strip-prefix", **prefix("/")), one("/keep", **prefix("/kept")), modify)]


def cors():
    return [rt("cors", o.rule(be(1), path="/", filters=[{"type": "CORS", "cors": {
        "allowOrigins": ["https://www.foo.com", "https://*.bar.com"], "allowMethods": ["GET", "OPTIONS"],
        "allowHeaders": ["x-header-1", "x-header-2"], "exposeHeaders": ["x-header-3"], "maxAge": 3600,
        "allowCredentials": True}}]),
        o.rule(be(1), path="/any", filters=[{"type": "CORS", "cors": {
            "allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"]}}]))]


def cors_requests(c):
    def preflight(target, origin, method="GET", headers=None):
        return s.send(c, target, method="OPTIONS", headers={
            "Origin": origin, "Access-Control-Request-Method": method,
            **({"Access-Control-Request-Headers": headers} if headers else {})})

    def names(r, field):
        return {x.strip().lower() for x in (r.headers.get(field) or "").split(",") if x.strip()}
    for origin in ("https://www.foo.com", "https://a.bar.com", "https://a.b.bar.com"):
        r = preflight("/", origin, headers="x-header-1, x-header-2")
        assert r.status in (200, 204), r
        assert r.headers.get("access-control-allow-origin") == origin, r
        assert names(r, "access-control-allow-methods") == {"get", "options"}, r
        assert names(r, "access-control-allow-headers") == {"x-header-1", "x-header-2"}, r
        assert r.headers.get("access-control-max-age") == "3600" and r.headers.get("access-control-allow-credentials") == "true", r
        assert r.headers.get("content-type") != "application/json", "the backend must not see a preflight"
        r = s.send(c, "/", headers={"Origin": origin})
        s.check(r, "/", "v1")
        assert r.headers.get("access-control-allow-origin") == origin and names(r, "access-control-expose-headers") == {"x-header-3"}, r
        assert r.headers.get("access-control-allow-credentials") == "true", r
    for origin in ("https://www.other.com", "http://www.foo.com", "https://bar.com", "https://www.foo.com.evil.org"):
        for r in (preflight("/", origin), s.send(c, "/", headers={"Origin": origin})):
            assert "access-control-allow-origin" not in r.headers, r
    r = preflight("/any", "https://www.other.com", "PUT", "x-any")
    assert r.status in (200, 204) and r.headers.get("access-control-allow-origin") in ("*", "https://www.other.com"), r
    assert names(r, "access-control-allow-methods") in ({"put"}, {"*"}), r
    assert names(r, "access-control-allow-headers") in ({"x-any"}, {"*"}), r


# ---------------------------------------------------------------- timeouts
def backend_timeout():
    return [rt("backend-timeout", at_path("/backend-timeout", 1, timeouts={"backendRequest": "500ms"}),
               at_path("/disable-backend-timeout", 1, timeouts={"backendRequest": "0s"}))]
