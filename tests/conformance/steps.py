"""Steps of a test: each is a function of the cluster that raises AssertionError. table.py is made of them."""
import collections
import itertools
from urllib.parse import urlsplit

from cluster import CONTROLLER, INFRA, pod_service
from lib import http1, objects, ws
from lib.wait import wait_for

SN = "same-namespace"
BACKENDS = {f"v{i}": f"infra-backend-v{i}" for i in (1, 2, 3)}
unique = itertools.count()


# ---- requests
def send(c, target, gw=SN, host=None, method="GET", headers=(), port=80, ns=INFRA):
    headers = headers.items() if isinstance(headers, dict) else headers
    return http1.ask(c.address(gw, port, ns), method, target, host=host, headers=list(headers))


def seen_headers(r):
    return {k.lower(): ",".join(v) for k, v in r.json()["headers"].items()}


def check(r, target, to=200, host=None, method="GET", headers=(), path=None, sees=None, absent=(), sees_host=None,
          response=None, response_absent=(), namespace=None):
    """to: "v1" (200 from that backend), another Deployment's name, or a status."""
    what = f"{method} {target} host={host} {dict(headers)} -> {r}"
    status = to if isinstance(to, int) else 200
    assert r.status == status, f"{what}: not {status}"
    for name, value in (response or {}).items():
        assert r.headers.get(name) == value, f"{what}: {name} is not {value!r}"
    for name in response_absent:
        assert name not in r.headers, f"{what}: {name} is there"
    if isinstance(to, int):
        return
    got = r.json()
    service = BACKENDS.get(to, to)
    assert got["pod"].startswith(service + "-"), f"{what}: not from {service}"
    assert got["namespace"] == (namespace or INFRA), what
    assert got["method"] == method, what
    assert got["path"] == (path or target), f"{what}: backend saw {got['path']}"
    if sees_host or host:
        assert got["host"] == (sees_host or host), f"{what}: backend saw host {got['host']}"
    have = seen_headers(r)
    want = {} if sees is not None else {k.lower(): v for k, v in dict(headers).items()}
    want.update({k.lower(): v for k, v in (sees or {}).items()})
    for name, value in want.items():
        assert have.get(name) == value, f"{what}: backend saw {name}: {have.get(name)!r}, not {value!r}"
    for name in absent:
        assert name.lower() not in have, f"{what}: backend saw {name}"


def ask(target, to=200, *, gw=SN, host=None, method="GET", headers=(), port=80, ns=INFRA, **expect):
    """One request and what must come of it."""
    def step(c):
        r = send(c, target, gw, host, method, headers, port, ns)
        check(r, target, to, host, method, headers, **expect)
    step.about = f"{method} {host or ''}{target} -> {to}"
    return step


def asks(table, **common):
    """Several: {target: to}, or rows (target, to, dict of more)."""
    rows = [(t, to, {}) for t, to in table.items()] if isinstance(table, dict) else table
    return [ask(row[0], row[1], **{**common, **(row[2] if len(row) > 2 else {})}) for row in rows]


def redirect(target, status=302, *, scheme="http", host=None, port=None, path=None, method="GET", gw=SN, at=80):
    """port: None = the listener's, or none where that is the scheme's own."""
    def step(c):
        address = c.address(gw, at)
        r = send(c, target, gw, method=method, port=at)
        assert r.status == status, f"{target}: {r}"
        u = urlsplit(r.headers.get("location"))
        assert u.scheme == scheme, r
        if host:
            assert u.hostname == host, r
        else:
            assert u.hostname == address[0], r
        assert u.path == (path or target), r
        own = {"http": 80, "https": 443}[scheme]
        listener = c.port(at) if scheme == "http" else 443
        want = port or listener
        allowed = {want, None} if want == own else {want}
        assert u.port in allowed, f"{target}: port {u.port}, not {allowed}: {r}"
    return step


def weights(shares, gw=SN, n=500):
    """n requests on 10 connections: shares within 0.05, nothing for those not named or 0."""
    def step(c):
        count = collections.Counter()
        for i in range(10):
            with http1.Client(*c.address(gw)) as client:
                for _ in range(n // 10):
                    r = client.ask(target="/", headers=[("X-N", str(next(unique)))])
                    assert r.status == 200, r
                    count[pod_service(r.json()["pod"])] += 1
        for backend, share in shares.items():
            have = count.pop(BACKENDS.get(backend, backend), 0) / n
            assert abs(have - share) <= 0.05 and (share or have == 0), f"{backend} has {have}, not {share}"
        assert not count, count
    return step


def mirrored(target, to, mirrors, headers=(), **expect):
    """A request that also arrives, with the same target, at one pod of each mirror."""
    def step(c):
        full = f"{target}?id={next(unique)}"
        check(send(c, full, headers=headers), full, to, headers=headers, **expect)
        for m in mirrors:
            pods = c.pods_of(BACKENDS[m])
            hits = wait_for(lambda pods=pods: [r for p in pods for r in p.requests if r.target == full],
                            f"{full} at {m}")
            assert len(hits) == 1, hits
            for name, value in (expect.get("sees") or {}).items():
                assert hits[0].headers.get(name) == value, f"mirror {m}: {hits[0]}"
            for name in expect.get("absent", ()):
                assert name not in hits[0].headers, hits[0]
    return step


# ---- statuses
def has(holder, want, what):
    """want: {type: "True" | ("False", reason) | …}"""
    have = objects.conditions(holder)
    for t, w in want.items():
        status, reason = w if isinstance(w, tuple) else (w, None)
        assert t in have, f"{what}: no condition {t}: {have}"
        assert have[t][0] == status and reason in (None, have[t][1]), f"{what}: {t} is {have[t]}, not {w}"


def current(holder, generation, what):
    for x in holder.get("conditions", []):
        assert x.get("observedGeneration") == generation, f"{what}: {x['type']} observed {x.get('observedGeneration')} of {generation}"
        assert x["lastTransitionTime"] and x["reason"], x


def route_status(o, gateway=None):
    """The parents entries (of that Gateway), all checked for form."""
    parents = o.get("status", {}).get("parents", [])
    for p in parents:
        if p["controllerName"] != CONTROLLER:
            continue
        assert p["parentRef"].get("group") == "gateway.networking.k8s.io" and p["parentRef"].get("kind"), p
        current(p, o["metadata"]["generation"], o["metadata"]["name"])
    return [p for p in parents if gateway in (None, p["parentRef"]["name"]) and p["controllerName"] == CONTROLLER]


ACCEPTED = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}


def route(name, want=None, gw=None, ns=INFRA, kind="HTTPRoute"):
    def step(c):
        parents = route_status(c.get(kind, name, ns), gw)
        assert parents, f"{kind} {name} has no parents entry"
        for p in parents:
            has(p, want or ACCEPTED, f"{kind} {name} {p['parentRef']}")
    return step


def not_accepted(name, reason, resolved="True", ns=INFRA, gw=None):
    """Accepted=False, and no accepted parent at all."""
    def step(c):
        o = c.get("HTTPRoute", name, ns)
        parents = o.get("status", {}).get("parents", [])
        assert len(parents) == 1, parents
        has(route_status(o)[0], {"Accepted": ("False", reason), "ResolvedRefs": resolved}, name)
        if gw:
            for x in c.get("Gateway", gw)["status"].get("listeners", []):
                assert x["attachedRoutes"] == 0, x
    return step


def routes_accepted(c, objs):
    """What a test waits for first: each of its routes is accepted by each parent."""
    for o in objs:
        if o["kind"] in ("HTTPRoute", "GRPCRoute"):
            name, ns, kind = o["metadata"]["name"], o["metadata"]["namespace"], o["kind"]
            parents = route_status(c.get(kind, name, ns))
            assert len(parents) == len(o["spec"]["parentRefs"]), f"{kind} {name}: {parents}"
            for p in parents:
                has(p, ACCEPTED, f"{kind} {name} {p['parentRef']}")


def gateway(name, want, ns=INFRA):
    def step(c):
        o = c.get("Gateway", name, ns)
        has(o["status"], want, f"Gateway {name}")
        current(o["status"], o["metadata"]["generation"], name)
    return step


def listeners(gw, want, only=True, ns=INFRA):
    """want: {name: (conditions, attachedRoutes, kinds)}; None = not compared."""
    def step(c):
        o = c.get("Gateway", gw, ns)
        have = {x["name"]: x for x in o["status"]["listeners"]}
        if only:
            assert set(have) == set(want), f"listeners of {gw}: {sorted(have)}"
        for name, (conds, routes, kinds) in want.items():
            has(have[name], conds, f"{gw} listener {name}")
            current(have[name], o["metadata"]["generation"], f"{gw} listener {name}")
            if routes is not None:
                assert have[name]["attachedRoutes"] == routes, f"{gw} listener {name}: {have[name]['attachedRoutes']} routes"
            if kinds is not None:
                kinds_have = {k["kind"] for k in have[name]["supportedKinds"]}
                assert (set(kinds) <= kinds_have) if kinds else not kinds_have, kinds_have
    return step


def bump(kind, name, edit, ns=INFRA):
    """A change moves the generation, and all conditions with it."""
    def step(c):
        before = c.get(kind, name, ns)["metadata"]["generation"]
        c.change(kind, name, edit, ns)
        o = c.get(kind, name, ns)
        assert o["metadata"]["generation"] == before + 1, (before, o["metadata"])
        for holder in [o["status"], *o["status"].get("parents", []), *o["status"].get("listeners", [])]:
            current(holder, before + 1, f"{kind} {name}")
    step.changes = True
    return step


def delete(kind, name, ns=INFRA):
    def step(c):
        c.delete([(kind, ns, name)])
    step.changes = True
    return step


def policy(name, accepted, resolved="ResolvedRefs", gateways=(SN,), ns=INFRA):
    """A BackendTLSPolicy's reasons of Accepted and ResolvedRefs, for each Gateway that reaches its target."""
    def step(c):
        o = c.get("BackendTLSPolicy", name, ns)
        for gw in gateways:
            found = [a for a in o["status"]["ancestors"] if a["ancestorRef"]["name"] == gw]
            assert len(found) == 1 and found[0]["controllerName"] == CONTROLLER, f"{name}: {o['status']}"
            has(found[0], {"Accepted": (str(accepted == "Accepted"), accepted),
                           "ResolvedRefs": (str(resolved == "ResolvedRefs"), resolved)}, name)
            current(found[0], o["metadata"]["generation"], name)
    return step


def secure(target, sni, *, gw=SN, host="abc.example.com"):
    """A request that reaches a backend over TLS, with this SNI."""
    def step(c):
        r = send(c, target, gw, host)
        assert r.status == 200, f"{target}: {r}"
        assert r.json()["tls"]["sni"] == sni, r.json()
    return step


def websocket(target="/ws", gw=SN, host="h"):
    """Asks for WebSocket and has a message echoed."""
    def step(c):
        with http1.Client(*c.address(gw)) as client:
            client.send(ws.asks(target, host=host))
            head, fields = client.read_head()
            assert head.split()[1] == "101", f"{target}: {head}"
            assert fields.get("sec-websocket-accept") == ws.accept("dGhlIHNhbXBsZSBub25jZQ=="), f"{target}: {fields}"
            client.send(ws.frame(ws.TEXT, b"hello", mask=True))
            assert ws.read_frame(client) == (ws.TEXT, b"hello")
    step.about = f"WebSocket {target}"
    return step
