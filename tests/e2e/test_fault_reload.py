"""Reloads under load and in bad company: nothing is reset, nothing grows, nothing is half applied."""
import os
import select
import signal
import threading
import time

import pytest

from lib import faults as f, http1, objects as o
from lib.faults import PORT, SAN, scaled
from lib.wait import wait_for

TRANSPORTS = ("tcp", "tls")


def settled(g):
    """Memory of master and workers in kB, and their descriptors, once nothing changes any more."""
    pids = [g.pid, *g.role("worker")]
    wait_for(lambda: not [t for t in g.tree().values() if "writer" in t], "the state writer to end")

    def now():
        mem = [f.memory(p) for p in pids]
        return (sum(m["Pss_Anon"] for m in mem), sum(m["Rss"] for m in mem), [f.nfds(p) for p in pids])
    last, same = None, 0
    for _ in range(400):
        value = now()
        same = same + 1 if last is not None and value[2] == last[2] and abs(value[1] - last[1]) <= 64 else 0
        last = value
        if same >= 8:
            break
        time.sleep(0.02)  # a pause between looks
    return last


@pytest.mark.plain  # for its time
@pytest.mark.heavy
def test_a_thousand_reloads_with_downloads_open(instance, script, echo):
    web, slow = echo("web"), script(f.endless)
    web.record = False
    objs = [*f.house(web), o.service("slow", slow.address), o.route("slow", [o.rule("slow", path="/endless")])]
    total, first = scaled(1000, 60), scaled(200, 20)
    g = instance(*objs, conf='access_log = { path = "off"; };\nlimits = { write_timeout = "300s"; };')
    workers = g.role("worker")
    d = f.Downloads(g.address(), 100)
    wait_for(lambda: f.gauges(g)[1] == 100, "all downloads to begin")
    d.start()

    def reloads(begin, end):
        for i in range(begin, end):
            g.put(o.route("changing", [o.rule("web", path=f"/r{i % 7}")]), name="changing.yaml")
            record = g.control({"verb": "reload", "wait": "1"})
            assert record["result"] == "applied", record
            if i % 100 == 0:
                assert g.ask(target=f"/r{i % 7}").status == 200
        return d.paused(lambda: settled(g))

    def grew():  # a sanitizer's quarantine grows by design
        return not SAN and (after[0] > before[0] * 1.02 + 16 or after[1] > before[1] * 1.02)
    try:
        before = reloads(0, first)
        after = reloads(first, total)
        if grew():  # a leak goes on; a buffer that a busy moment took once does not
            before, after = after, reloads(total, 2 * total - first)
        assert d.broken == []
        got = list(d.bytes)
        wait_for(lambda: all(b > a for a, b in zip(got, d.bytes)), "every download to go on")
    finally:
        d.close()
    assert g.role("worker") == workers, "the same processes"
    print(f"\nreloads {first} -> {total}: anonymous {before[0]} -> {after[0]} kB, RSS {before[1]} -> {after[1]} kB, "
          f"descriptors {before[2]} -> {after[2]}")
    assert not grew(), (before, after)
    assert sum(after[2]) <= sum(before[2]) + 2, "descriptors stay"
    f.quiet(g)


@pytest.mark.heavy
def test_fifty_reloads_lose_nothing_and_log_everything(instance, echo):
    a, b = echo("a"), echo("b")
    a.record = b.record = False
    g = instance(*f.house(a, b))
    with f.load(g.address()) as loads:
        for i in range(scaled(50, 15)):
            g.put(*f.house(a, b, rules=[o.rule("ab"[i % 2])]))
            g.reload(0)
            loads.step()
    assert loads.failures() == []
    total = loads.total()
    assert len([x for x in g.access(total) if x["path"] == "/load"]) == total, "requests = lines"
    f.quiet(g)


@pytest.mark.plain  # listeners of its own
@pytest.mark.heavy
def test_listeners_come_and_go_under_load(instance, echo, script):
    web = echo("web")
    web.record = False
    gates, seen = threading.Event(), threading.Semaphore(0)

    def handle(peer):
        peer.request()
        seen.release()
        gates.wait(60)
        peer.respond(200, body=b"kept")
    slow = script(handle)
    one, two = [o.listener(port=PORT)], [o.listener(port=PORT), o.listener("more", PORT + 1)]

    def objs(listeners):
        return [*f.house(web, listeners=listeners), o.service("slow", slow.address),
                o.route("slow", [o.rule("slow", path="/slow")])]
    g = instance(*objs(one))
    host = g.address()[0]
    with f.load(g.address()) as loads:
        for _ in range(scaled(15, 5)):
            gates.clear()
            g.put(*objs(two))
            g.reload(0)
            with http1.Client(host, PORT + 1) as idle, http1.Client(host, PORT + 1) as busy:
                assert idle.ask().status == 200
                busy.request(target="/slow")
                assert seen.acquire(timeout=30)
                with f.load((host, PORT + 1), keep=1, each=1) as leaving:
                    leaving.step()
                    g.put(*objs(one))
                    g.reload(0)
                    wait_for(lambda: all(x.failed for x in leaving), "the removed listener to refuse")
                    for x in leaving:
                        x.stop.set()
                gates.set()
                # Who comes too late is refused, or told so, or sees the end before an answer began, perhaps while it sends
                # (whom the kernel still had in the socket's queue); nobody is cut in one.
                for why in leaving.failures():
                    assert "refused" in why or "503 going away" in why or "after b''" in why or \
                        why.startswith(("ConnectionResetError", "BrokenPipeError")), why
                r = busy.response()
                assert (r.status, r.body) == (200, b"kept")
                assert busy.read_all() == (b"", False) and idle.read_all() == (b"", False)
            loads.step()
    assert loads.failures() == []
    f.quiet(g)


def test_weights_change(instance, echo):
    a, b = echo("a"), echo("b")

    def objs(wa, wb):
        return f.house(a, b, rules=[o.rule(o.ref("a", weight=wa), o.ref("b", weight=wb))])
    g = instance(*objs(1, 0), workers=1)
    with http1.Client(*g.address()) as c:
        for wa, wb in ((1, 0), (0, 1), (3, 1)):
            g.put(*objs(wa, wb))
            g.reload(0)
            seen = [c.ask().json()["service"] for _ in range(40)]
            assert seen.count("a") == 40 * wa // (wa + wb), (wa, wb)


def test_a_storm_of_signals_is_few_reloads(instance, echo):
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    g.reload(0)
    generation = g.record()["generation"]
    workers, fds = g.role("worker"), f.nfds(g.pid)
    with f.load(g.address()) as loads:
        most = 0
        for _ in range(100):
            g.kick(signal.SIGUSR2)
            most = max(most, len(g.tree()))
            time.sleep(0.005)  # the storm lasts half a second
        loads.step()
        g.reload(0)
        loads.step()
    assert loads.failures() == []
    assert g.role("worker") == workers
    done = g.record()["generation"] - generation
    print(f"\n100 signals: {done} reloads, at most {most} processes, descriptors of the master {fds} -> {f.nfds(g.pid)}")
    assert 1 <= done <= 101
    # reader, compiler, writer of one reload, while those of the last one are still on their way out
    assert most <= 1 + len(workers) + 2 + 2 * 3 + scaled(0, 6), "one reload at a time"
    wait_for(lambda: len(g.tree()) == 1 + len(workers) + 2, "no process to be left")
    wait_for(lambda: f.nfds(g.pid) <= fds, "the master's descriptors to be back")


def test_a_burst_of_signals_is_coalesced(instance, echo):
    g = instance(*f.house(echo("web")))
    wait_for(lambda: not [t for t in g.tree().values() if "writer" in t], "the writer to end")
    generation = g.record()["generation"]
    f.stop_process(g.pid)
    for _ in range(100):
        g.kick(signal.SIGUSR2)
        g.kick(signal.SIGHUP)
    g.kick(signal.SIGCONT)
    g.reload(0)
    assert g.record()["generation"] - generation <= 3
    assert g.ask().status == 200


def test_bad_file_by_signal_is_stale(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(*f.house(a, b))
    g.put(o.route("own", [o.rule("b", path="/own")]), name="own.yaml")
    g.reload(0)
    generation = g.record()["generation"]
    g.write("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: own, namespace: default}\n"
            "spec: {rules: [{matches: [{path: {type: Wrong}}]}]}\n", "own.yaml")
    g.put(*f.house(a, b, rules=[o.rule("b")]))
    with f.load(g.address()) as loads:
        g.kick(signal.SIGUSR2)
        wait_for(lambda: g.record()["generation"] > generation, "the reload")
        loads.step()
    assert loads.failures() == []
    assert g.record()["result"] == "partial" and g.record()["stale"] == 1
    assert g.ask().json()["service"] == "b", "the rest is live"
    assert g.ask(target="/own").json()["service"] == "b", "last good content"
    assert "headgate.dev/Stale" in g.conditions("httproute", "own")
    assert "headgate.dev/Stale" not in g.conditions("httproute", "route")
    g.reload(2)


def test_bad_settings_change_nothing(instance, echo):
    g = instance(*f.house(echo("web")))
    generation, good = g.record()["generation"], open(g.conf, encoding="utf-8").read()
    for bad in ("wrokers = 2;", "workers = ", "limits = { idle_timeout = \"soon\"; };", "@include \"/etc/passwd\"\n", "\0"):
        g.configure(good + bad)
        p = g.reload(1)
        assert "Not applied" in p.stdout, (bad, p.stdout)
        assert g.record()["generation"] == generation
        assert g.ask().status == 200
    g.configure(good)
    g.reload(0)


# ---- deaths in the middle of a reload
def many_routes(n):
    return [o.route(f"m{i}", [o.rule("web", path=f"/m/{i}/{j}") for j in range(8)]) for i in range(n)]


def kill_during(g, word, sig=signal.SIGKILL, tries=40):
    """Reloads until a process with that word in its title could be hit; returns the record of that reload."""
    for _ in range(tries):
        out = []
        t = threading.Thread(target=lambda: out.append(g.control({"verb": "reload", "wait": "1"})))
        t.start()
        hit = None
        while t.is_alive() and hit is None:
            for tid in os.listdir(f"/proc/{g.pid}/task"):
                with open(f"/proc/{g.pid}/task/{tid}/children", encoding="ascii") as children:
                    for pid in children.read().split():
                        try:
                            with open(f"/proc/{pid}/cmdline", "rb") as c:
                                if word.encode() in c.read():
                                    os.kill(int(pid), sig)
                                    hit = int(pid)
                        except (FileNotFoundError, ProcessLookupError):
                            pass
        t.join(60)
        if hit and out[0]["result"] == "rejected":
            return out[0]
    raise AssertionError(f"no {word} could be hit")


@pytest.mark.parametrize("role", ["compiler", "reader"])
def test_child_of_a_reload_killed(instance, echo, role):
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    g.put(*many_routes(scaled(150, 60)), name="many.yaml")
    fds = f.nfds(g.pid)
    with f.load(g.address()) as loads:
        record = kill_during(g, role)
        loads.step()
    assert loads.failures() == []
    print("\n", record["message"])
    assert "compiler" in record["message"] or "reader" in record["message"], record
    if role == "compiler":
        assert "SIGKILL" in record["message"], record
    g.reload(0)
    assert g.ask(target="/m/1/1").status == 200
    wait_for(lambda: f.nfds(g.pid) <= fds + 1, "no memfd to be left")
    assert not g.role("compiler") and not g.role("reader")


@pytest.mark.heavy
@pytest.mark.parametrize("run", range(scaled(3, 1)))
def test_worker_killed_at_any_moment_of_a_reload(instance, echo, run):
    """Killed at many points of the transaction: it aborts or completes, is never mixed, and the next one works. (A worker that
    was starting while the others voted was left with the old generation for ever, and its clients without an answer.)"""
    a, b = echo("a"), echo("b")
    a.record = b.record = False
    g = instance(*f.house(a, b), conf="limits = { heartbeat_ms = 0; };", workers=3)
    results = {"applied": 0, "rejected": 0}
    for i in range(12):  # four deaths a slot: the brake's patience
        now, then = "ba"[i % 2], "ab"[i % 2]
        g.put(*f.house(a, b, rules=[o.rule(now)]), *many_routes(20))
        out, victim = [], g.control({"verb": "status"})["workers"][i % 3]["pid"]
        t = threading.Thread(target=lambda: out.append(g.control({"verb": "reload", "wait": "1"})))
        t.start()
        time.sleep((i * 3 + run) * 0.001)  # another phase each time
        os.kill(victim, signal.SIGKILL)
        t.join(60)
        wait_for(lambda: f.gone(victim) and len(g.role("worker")) == 3, "the worker to be replaced", 60)
        record = out[0]
        results[record["result"]] += 1
        wait_for(lambda: all(w["active"] == record["generation"] for w in g.control({"verb": "status"})["workers"]),
                 f"all workers to serve {record['generation']}", 20)
        want = now if record["result"] == "applied" else then
        assert {g.ask().json()["service"] for _ in range(9)} == {want}, record
        if record["result"] == "rejected":
            assert "died" in record["message"], record
            g.reload(0)
    print(f"\n{results}")
    g.reload(0)
    assert g.ask().status == 200


def offered(g, workers):
    """Reload with the last worker stopped, so that it stays at OFFERED; (thread, list for the record)."""
    f.stop_process(workers[-1]["pid"])
    out = []
    t = threading.Thread(target=lambda: out.append(g.control({"verb": "reload", "wait": "1"})))
    generation = g.record()["generation"]
    t.start()
    fds = f.view(g)
    try:
        wait_for(lambda: all(int.from_bytes(os.pread(fds[f"slot{w['slot']}"], 8, 0), "little") > generation
                             for w in workers[:-1]), "the others to be ready")
    finally:
        for fd in fds.values():
            os.close(fd)
    return t, out


def test_worker_killed_at_offered_is_asked_again(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(*f.house(a, b), conf="limits = { heartbeat_ms = 0; };", workers=3)
    workers = g.control({"verb": "status"})["workers"]
    g.put(*f.house(a, b, rules=[o.rule("b")]))
    clients = [http1.Client(*g.address()) for _ in range(20)]
    for c in clients:
        assert c.ask().json()["service"] == "a"
    t, out = offered(g, workers)
    for c in clients:
        c.request()
    wait_for(lambda: len(select.select(clients, [], [], 0)[0]) >= 5, "workers that are not stopped to answer")
    for c in select.select(clients, [], [], 0)[0]:
        assert c.response().json()["service"] == "a", "not committed: one has not voted"
    os.kill(workers[-1]["pid"], signal.SIGKILL)
    t.join(60)
    for c in clients:
        c.close()
    assert out[0]["result"] == "applied"
    assert {g.ask().json()["service"] for _ in range(12)} == {"b"}


@pytest.mark.plain  # listeners of its own
def test_ready_worker_killed_aborts(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(*f.house(a, b), conf="limits = { heartbeat_ms = 0; };", workers=3)
    workers = g.control({"verb": "status"})["workers"]
    fds = f.nfds(g.pid)
    g.put(*f.house(a, b, rules=[o.rule("b")], listeners=[o.listener(port=PORT), o.listener("new", PORT + 1)]))
    t, out = offered(g, workers)
    os.kill(workers[0]["pid"], signal.SIGKILL)
    t.join(60)
    os.kill(workers[-1]["pid"], signal.SIGCONT)
    assert out[0]["result"] == "rejected" and "died" in out[0]["message"], out
    wait_for(lambda: all(w["active"] == out[0]["generation"] for w in g.control({"verb": "status"})["workers"]), "all to serve")
    assert {g.ask().json()["service"] for _ in range(12)} == {"a"}, "never mixed"
    with pytest.raises(ConnectionRefusedError):
        http1.Client(g.address()[0], PORT + 1)
    wait_for(lambda: f.nfds(g.pid) <= fds, "no descriptor of the aborted one to be left")
    g.reload(0)
    assert {g.ask().json()["service"] for _ in range(12)} == {"b"}
    assert http1.ask((g.address()[0], PORT + 1)).status == 200
