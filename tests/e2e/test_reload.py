"""A reload is a transaction: it loses nothing, a bad file changes nothing but the status of what is bad."""
import json
import os
import signal
import threading

import pytest

from lib import faults, http1, objects as o
from lib.wait import wait_for

PORT = 8080


def stage(*backends, **rules):
    """Gateway, Services named like the backends, a route per keyword: name -> (path, backend)."""
    out = [o.gateway(port=PORT)] + [o.service(b.who["service"], b.address) for b in backends]
    for name, (path, backend) in rules.items():
        out.append(o.route(name, [o.rule(backend, path=path)]))
    return out


def test_routes_change(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(*stage(a, b, r=("/", "a")))
    workers, first = g.role("worker"), g.control({"verb": "status"})["generation"]
    assert g.ask().json()["service"] == "a"
    with http1.Client(*g.address()) as c:
        assert c.ask().json()["service"] == "a"
        g.put(*stage(a, b, r=("/", "b"), more=("/more", "a")))
        assert g.ask().json()["service"] == "a", "nothing changes before the reload"
        g.reload(0)
        assert g.ask().json()["service"] == "b"
        assert g.ask(target="/more").json()["service"] == "a"
        assert c.ask().json()["service"] == "b", "a connection that was open follows"
    assert g.role("worker") == workers, "the same processes"
    record = g.record()
    assert record["ok"] and record["result"] == "applied" and record["generation"] > first
    assert record["routes"] == 2 and record["gateways"] == 1 and record["listeners"] == 1
    g.put(*stage(a, b))
    g.reload(0)
    assert g.ask().status == 404


def test_many_routes_few_changed(instance, echo):
    """Documents that did not change are not parsed again (their hash is in the catalogue): those that did, and only those, are new."""
    a, b, n = echo("a"), echo("b"), 2000

    def files(changed):
        out = stage(a, b)
        out += [o.route(f"r{i}", [o.rule("b" if i in changed else "a", path=f"/r/{i}", kind="Exact")]) for i in range(n)]
        return out

    def served(g):  # those that change, and of the others every thirteenth
        with http1.Client(*g.address()) as c:
            return {i for i in range(n) if (i % 100 in (0, 7) or i % 13 == 0) and c.ask(target=f"/r/{i}").json()["service"] == "b"}

    def generations(g):
        items = json.loads(g.cli("get", "httproute", "-A", "-o", "json").stdout)["items"]
        return {int(x["metadata"]["name"][1:]): x["metadata"]["generation"] for x in items}

    g = instance(*files(set()))
    assert served(g) == set()
    changed = set(range(7, n, 100))
    g.put(*files(changed))
    g.reload(0)
    assert served(g) == changed
    assert generations(g) == {i: 1 + (i in changed) for i in range(n)}
    g.write("# a line more in front, and a mistake behind\n---\nkind: HTTPRoute\n", "z.yaml")
    g.reload(2)
    assert served(g) == changed
    g.stop()
    g.start()
    assert served(g) == changed, "from the catalogue on disk"
    g.remove("z.yaml")
    g.put(*files(set(range(0, n, 100))))
    g.reload(0)
    assert served(g) == set(range(0, n, 100))


def test_listeners_come_and_go(instance, echo):
    a = echo("a")
    objs = stage(a, r=("/", "a"))
    g = instance(*objs)
    host, _ = g.address()
    with pytest.raises(ConnectionRefusedError):
        http1.Client(host, PORT + 1)
    two = [o.gateway(listeners=[o.listener(port=PORT), o.listener("more", PORT + 1)]), *objs[1:]]
    g.put(*two)
    g.reload(0)
    assert http1.ask((host, PORT + 1)).status == 200, "new sockets accept when reload --wait returns"
    g.put(*objs)
    g.reload(0)
    with pytest.raises(ConnectionRefusedError):
        http1.Client(host, PORT + 1)
    assert g.ask().status == 200


def test_exit_statuses(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    assert "applied" in g.reload(0).stdout
    g.write("kind: HTTPRoute\napiVersion: gateway.networking.k8s.io/v1\nmetadata: {name: bad}\nspec: {ruels: []}\n", "bad.yaml")
    p = g.reload(2)
    assert "bad.yaml:4:" in p.stdout and "ruels" in p.stdout, p.stdout
    assert g.record()["result"] == "partial" and g.record()["errors"] >= 1
    g.remove("bad.yaml")
    g.reload(0)
    with open(g.conf, "a", encoding="utf-8") as f:
        f.write("wrokers = 3;\n")
    generation = g.record()["generation"]
    p = g.reload(1)
    assert "Not applied" in p.stdout and "wrokers" in p.stdout, p.stdout
    assert g.record()["result"] == "rejected" and g.record()["generation"] == generation
    assert g.ask().status == 200, "what ran keeps running"


def test_bad_file_keeps_last_good(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(*stage(a, b, r=("/", "a")))
    route = o.route("own", [o.rule("b", path="/own")])
    g.put(route, name="own.yaml")
    g.reload(0)
    assert g.ask(target="/own").json()["service"] == "b"
    before = g.get("httproute", "own")
    g.write("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: own, namespace: default}\n"
            "spec:\n  rules: 7\n", "own.yaml")
    g.put(*stage(a, b, r=("/", "b")))
    g.reload(2)
    assert g.ask().json()["service"] == "b", "nobody else is affected"
    assert g.ask(target="/own").json()["service"] == "b", "last good content serves"
    now = g.get("httproute", "own")
    assert now["spec"] == before["spec"]
    assert o.conditions(now["status"]["parents"][0])["headgate.dev/Stale"][0] == "True", now["status"]
    assert o.conditions(now["status"]["parents"][0])["Accepted"] == ("True", "Accepted")
    g.put(route, name="own.yaml")
    g.reload(0)
    assert "headgate.dev/Stale" not in g.conditions("httproute", "own")
    g.remove("own.yaml")
    g.reload(0)
    assert g.ask(target="/own").json()["service"] == "b" and g.ask(target="/own").json()["path"] == "/own"
    assert g.cli("get", "httproute", "own").returncode == 1, "gone with its file"


def test_unreadable_yaml_keeps_last_good(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    g.write("{{{ not: yaml: at [all\n")
    g.reload(2)
    assert g.ask().status == 200, "all of the file keeps its last good content"
    assert o.conditions(g.get("gateway", "gw")["status"])["headgate.dev/Stale"][0] == "True"


def test_restart_with_a_bad_file_still_serves(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    host, port = g.address()
    uid = g.get("httproute", "r")["metadata"].get("uid")
    wait_for(lambda: any(os.scandir(g.state)), "something in the state folder")
    g.write("apiVersion: v1\nkind: Nonsense\n: :\n")
    g.stop()
    g.start()
    assert g.address() == (host, port), "the Gateway keeps its address"
    assert g.ask().status == 200
    route = g.get("httproute", "r")
    assert o.conditions(route["status"]["parents"][0])["headgate.dev/Stale"][0] == "True"
    assert route["metadata"].get("uid") == uid


def test_restart_remembers(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    g.put(*stage(a, r=("/x", "a")))
    g.reload(0)
    before = g.get("httproute", "r")
    assert before["metadata"]["generation"] == 2
    # the writer child stores the catalogue after the commit; stop waits for it
    g.stop()
    g.start()
    after = g.get("httproute", "r")
    assert after["metadata"] == before["metadata"]
    assert after["status"] == before["status"], "no transition, no new time"


def test_duplicate_is_an_error_for_both_new_ones(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    g.put(o.route("twice", [o.rule("a", path="/one")]), name="one.yaml")
    g.put(o.route("twice", [o.rule("a", path="/two")]), name="two.yaml")
    p = g.reload(2)
    assert "one.yaml" in p.stdout and "two.yaml" in p.stdout, p.stdout
    assert g.ask().status == 200


@pytest.mark.parametrize("sig", [signal.SIGUSR2, signal.SIGHUP])
def test_signals_reload(instance, echo, sig):
    a, b = echo("a"), echo("b")
    g = instance(*stage(a, b, r=("/", "a")))
    g.put(*stage(a, b, r=("/", "b")))
    g.kick(sig)
    wait_for(lambda: g.ask().json()["service"] == "b", "the reload by signal")
    assert g.record()["result"] == "applied"


def test_gone_listener_finishes_and_closes(instance, script, echo):
    """A connection whose listener is gone ends after the exchange that is in flight."""
    seen, go = threading.Event(), threading.Event()

    def handle(peer):
        peer.request()
        seen.set()
        go.wait(30)
        peer.respond(200, body=b"late")
    slow = script(handle)
    two = [o.listener(port=PORT), o.listener("second", PORT + 1)]
    rest = [o.service("slow", slow.address), o.route(rules=[o.rule("slow")])]
    g = instance(o.gateway(listeners=two), *rest)
    with http1.Client(g.address()[0], PORT + 1) as c:
        c.request()
        assert seen.wait(30)
        g.put(o.gateway(listeners=two[:1]), *rest)
        g.reload(0)
        go.set()
        r = c.response()
        assert r.status == 200 and r.body == b"late"
        assert c.read_all() == (b"", False)


@pytest.mark.heavy
def test_fifty_reloads_under_load(instance, echo):
    a, b = echo("a"), echo("b")
    for e in (a, b):
        e.record = False
    g = instance(*stage(a, b, r=("/", "a")), conf='access_log = { path = "off"; };')
    workers = g.role("worker")
    with faults.load(g.address()) as loads:
        for i in range(50):
            g.put(*stage(a, b, r=("/", "ab"[i % 2]), **{f"r{i}": (f"/r{i}", "a")}))
            g.reload(0)
            loads.step("requests between reloads")
    assert loads.failures() == []
    assert g.role("worker") == workers
    assert loads.total() >= 200


def test_two_reloads_at_once_and_a_queue(instance, echo):
    a = echo("a")
    g = instance(*stage(a, r=("/", "a")))
    results = []
    threads = [threading.Thread(target=lambda: results.append(g.cli("reload", "--wait").returncode)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert results == [0] * 8
    assert g.control({"verb": "reload"})["ok"] is True


def test_store_is_private(instance, echo):
    g = instance(*stage(echo("a"), r=("/", "a")))
    g.stop()
    files = [os.path.join(d, f) for d, _, fs in os.walk(g.state) for f in fs]
    assert files
    for f in files:
        assert os.stat(f).st_mode & 0o077 == 0 or os.path.getsize(f) == 0, f


def test_record_is_json_with_all_keys(instance):
    g = instance()
    keys = {"ok", "id", "result", "generation", "errors", "warnings", "stale", "gateways", "listeners", "routes", "objects", "ms",
            "started", "finished"}
    answer = g.control({"verb": "reload", "wait": "1"})
    assert keys <= set(answer), answer
    assert json.dumps(g.record(), sort_keys=True) == json.dumps(answer, sort_keys=True)
