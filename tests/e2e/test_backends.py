"""`headgate backends` and the endpoints of `describe`: what the workers' choice looks at, for people and programs."""
import json
import threading

from lib import http1, objects as o
from lib.gateway import cli
from lib.wait import DEADLINE, wait_for

PORT = 8080


def backends(g, *args):
    return json.loads(g.cli("backends", *args, "-o", "json", check=0).stdout)


def by_address(g, *args):
    return {e["address"]: e for b in backends(g, *args) for e in b["endpoints"]}


def test_ejected(instance, echo):
    """An endpoint that fails is shown as ejected, by whom, for how long, and is ready again after a time."""
    good, bad = echo("good"), echo("bad")
    policy = o.btp(healthCheck={"passive": {"consecutive5XxErrors": 2, "interval": "1s", "baseEjectionTime": "20s",
                                            "maxEjectionPercent": 50}}, loadBalancer={"type": "RoundRobin"})
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/")]), o.service("web", good.address, bad.address),
                 o.service("other", good.address, ns="shop"), policy, workers=1)
    at = {b: f"{b.host}:{b.port}" for b in (good, bad)}
    assert [b["backend"] for b in backends(g)] == ["web:80"], "only what routes send to"
    assert {e["health"] for e in by_address(g).values()} == {"ready"}
    bad.answer = lambda peer, r: peer.respond(503) or True
    for _ in range(8):
        g.ask()
    wait_for(lambda: by_address(g)[at[bad]]["health"] == "ejected", "the endpoint to be shown as ejected")
    out = by_address(g)
    assert out[at[good]]["health"] == "ready" and out[at[good]]["requests"] >= 4
    assert 0 < out[at[bad]]["ejectedForMs"] <= 20000 and "passive" in out[at[bad]]["why"]
    table = g.cli("backends", "web", check=0).stdout.splitlines()
    assert table[0].split() == ["BACKEND", "ENDPOINT", "HEALTH", "IN-FLIGHT", "WHY"]
    assert {tuple(line.split()[:3]) for line in table[1:]} == {("web:80", at[good], "ready"), ("web:80", at[bad], "ejected")}
    wide = g.cli("backends", "-A", "-o", "wide", check=0).stdout.splitlines()
    assert wide[0].split()[0] == "NAMESPACE" and wide[0].split()[-1] == "FAILURES" and wide[1].startswith("default")
    text = g.cli("status").stdout
    assert f"Endpoints  1 used, 1 out: default/web:80 {at[bad]} ejected (by passive checks" in text, text
    assert json.loads(g.cli("status", "-o", "json").stdout)["endpointsOut"] == 1
    wide = [x.split() for x in g.cli("get", "httproutes", "-o", "wide", check=0).stdout.splitlines()]
    assert wide[1][wide[0].index("HEALTHY")] == "1/2", wide
    for args in (("svc", "web"), ("httproute", "route")):
        text = g.cli("describe", *args, check=0).stdout
        assert "Endpoints:" in text and "ejected" in text.split("Endpoints:")[1], text
    assert "Endpoints:" not in g.cli("describe", "gateway", "gw", check=0).stdout


def test_name_without_address(instance):
    """A backend by DNS name says why it has no endpoint."""
    fqdn = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Backend", "metadata": o.meta("be"),
            "spec": {"endpoints": [{"fqdn": {"hostname": "nowhere.invalid", "port": 80}}]}}
    ref = {"group": "gateway.headgate.dev", "kind": "Backend", "name": "be"}
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(ref, path="/")]), fqdn)
    row = g.cli("backends", "backend/be", check=0).stdout.splitlines()[1]
    assert "none" in row and "nowhere.invalid" in row and ("no address" in row or "not looked up" in row), row


def test_in_flight_and_names(instance, script):
    """Requests under way are counted where they run; a backend that is not there is said, with the right status."""
    go = threading.Event()
    held = script(lambda peer: (peer.request(), go.wait(DEADLINE), peer.respond()))
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/")]), o.service("web", held.address), o.service("none"),
                 o.route("empty", [o.rule("none", path="/none")]))
    with http1.Client(*g.address()) as c:
        c.request()
        at = f"{held.host}:{held.port}"
        wait_for(lambda: by_address(g, "service/web")[at]["inFlight"] == 1, "a request to be under way")
        assert by_address(g)[at]["connections"] == 1
        go.set()
        assert c.response().status == 200
    wait_for(lambda: by_address(g)[at]["inFlight"] == 0, "the request to be over")
    rows = [line.split() for line in g.cli("backends", check=0).stdout.splitlines()]
    assert ["none:80", "none", "-"] in rows, rows
    assert "nowhere" in g.cli("backends", "nowhere", check=1).stderr
    assert "No backends found" in g.cli("backends", "-n", "empty-ns", check=0).stderr
    g.cli("backends", "a", "b", check=64)
    cli("backends", "--runtime-dir", g.dir, check=69)
