"""Processes die, hang and are stopped: only what they had in hand is lost, and somebody else takes over."""
import os
import signal
import socket
import threading

import pytest

from lib import faults as f, http1, objects as o
from lib.faults import scaled
from lib.gateway import cli
from lib.wait import wait_for

TRANSPORTS = ("tcp", "tls")


def replaced(g, pid, n=2):
    wait_for(lambda: f.gone(pid) and len(g.role("worker")) == n, f"worker {pid} to be replaced", 60)
    wait_for(lambda: all(w["active"] == g.record()["generation"] for w in g.control({"verb": "status"})["workers"]),
             "its successor to serve", 60)


def spread(address, pids, n=40):
    """Clients that have been answered, n of them, so that each worker has some."""
    out = [http1.Client(*address) for _ in range(n)]
    for c in out:
        assert c.ask().status == 200
    return out


def test_worker_killed_costs_only_its_own(instance, echo, script):
    """Half-done exchanges of one worker end visibly; all others are answered; no request is lost unseen."""
    go, seen = threading.Event(), threading.Semaphore(0)

    def handle(peer):
        while True:
            peer.request()
            seen.release()
            go.wait(60)
            peer.respond(200, body=b"done")
    slow, web = script(handle), echo("web")
    g = instance(*f.house(web), o.service("slow", slow.address), o.route("s", [o.rule("slow", path="/slow")]))
    workers = g.role("worker")
    clients = [http1.Client(*g.address()) for _ in range(60)]
    for c in clients:
        c.request(target="/slow")
    for _ in clients:
        assert seen.acquire(timeout=30)
    words = {w["pid"]: w["exchanges"] for w in g.control({"verb": "status"})["workers"]}
    assert sum(words.values()) == 60 and min(words.values()) > 0, words
    victim = workers[0]
    with f.load(g.address(), keep=0, each=2, target="/x") as loads:
        os.kill(victim, signal.SIGKILL)
        replaced(g, victim)
        loads.step()
    go.set()
    answered = ended = 0
    for c in clients:
        try:
            r = c.response()
            assert (r.status, r.body) == (200, b"done")
            answered += 1
        except (http1.Closed, ConnectionError) as e:
            assert getattr(e, "data", b"") == b"", e
            ended += 1
        c.close()
    assert ended == words[victim] and answered == 60 - ended, (ended, answered, words)
    assert len(loads.failures()) <= 2, "at most what was in that worker's hands"
    assert workers[1] in g.role("worker")
    f.quiet(g)
    g.access(answered + loads.total())
    assert len(g.access()) <= answered + loads.total() + len(loads.failures())
    assert "worker" in g.stderr() and "SIGKILL" in g.stderr()


def test_counters_outlive_a_worker(instance, echo):
    g = instance(*f.house(echo("web")))
    for _ in range(20):
        assert g.ask().status == 200
    wait_for(lambda: g.metric("requests") == 20, "20 requests counted")
    for victim in g.role("worker"):
        os.kill(victim, signal.SIGKILL)
        replaced(g, victim)
    assert g.metric("requests") == 20
    assert g.ask().status == 200 and g.metric("requests") == 21
    assert len(g.access(21)) == 21


@pytest.mark.plain  # its clients would wait in their handshake
def test_queue_of_a_dead_worker_is_answered(instance, echo):
    """Connections that stand in a stopped worker's queue when it is killed are answered by its successor."""
    web = echo("web")
    g = instance(*f.house(web), conf="limits = { heartbeat_ms = 0; };")
    victim = g.role("worker")[0]
    f.stop_process(victim)
    clients = [http1.Client(*g.address()) for _ in range(60)]
    for i, c in enumerate(clients):
        c.request(target=f"/{i}")
    wait_for(lambda: len(web.requests) >= 10, "the other worker to answer its share")
    os.kill(victim, signal.SIGKILL)
    for c in clients:
        assert c.response().status == 200
        c.close()
    replaced(g, victim)
    assert len(g.access(60)) == 60 == len(web.requests)


def test_idle_worker_killed_refuses_nobody(instance, echo):
    g = instance(*f.house(echo("web")))
    with f.load(g.address(), keep=0, each=3) as loads:
        for _ in range(scaled(10, 4)):  # slower than the brake's five in ten seconds would matter for others
            victim = wait_for(lambda: g.role("worker"), "a worker")[-1]  # both may be dead for a moment
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda v=victim: f.gone(v), "its death")
            loads.step()
    assert not [x for x in loads.failures() if "refused" in x], loads.failures()


def test_stopped_worker_is_replaced(instance, echo):
    """A worker that hangs is condemned by its heartbeat; others are not touched, and who waits for it is answered or sees an end."""
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    workers = g.role("worker")
    clients = spread(g.address(), workers)
    with f.load(g.address(), keep=0, each=4) as loads:
        f.stop_process(workers[0])
        replaced(g, workers[0])
        loads.step()
    assert workers[1] in g.role("worker"), "the other one lives"
    lost = 0
    for c in clients:
        try:
            assert c.ask().status == 200
        except (http1.Closed, ConnectionError):
            lost += 1
        c.close()
    assert 0 < lost < 40, f"{lost} idle connections were that worker's"
    # each thread may have been in its hands once
    assert len(loads.failures()) <= 4, loads.failures()
    assert "hangs" in g.stderr()


def test_all_stopped_together_are_forgiven(instance, echo):
    g = instance(*f.house(echo("web")))
    workers = g.role("worker")
    for p in [g.pid, *workers]:
        f.stop_process(p)
    for p in [*workers, g.pid]:
        os.kill(p, signal.SIGCONT)
    assert g.ask().status == 200
    assert g.role("worker") == workers


def test_crash_loop_is_braked_and_lent(instance, echo):
    """A slot that keeps dying waits; its share of connections is served by the other meanwhile, and it comes back."""
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    workers = g.role("worker")
    slot = {w["pid"]: w["slot"] for w in g.control({"verb": "status"})["workers"]}
    victim, keeper = workers
    mine = slot[victim]
    for _ in range(12):
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda v=victim: f.gone(v), "its death")
        if "crash loop" in g.stderr():
            break
        victim = wait_for(lambda: [p for p, t in g.tree().items() if t == f"headgate: worker {mine}"], "the next one")[0]
    wait_for(lambda: "crash loop" in g.stderr() and "takes the sockets" in g.stderr(), "the brake and the loan")
    for _ in range(40):
        assert g.ask().status == 200
    assert keeper in g.role("worker")
    wait_for(lambda: len(g.role("worker")) == 2, "it to come back", 60)
    for _ in range(40):
        assert g.ask().status == 200


@pytest.mark.parametrize("role", ["logger", "helper"])
def test_service_killed_and_respawned(instance, echo, role):
    g = instance(*f.house(echo("web")))
    fds = f.nfds(g.pid)
    with f.load(g.address()) as loads:
        for _ in range(3):
            victim = g.role(role)[0]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda v=victim: f.gone(v) and len(g.role(role)) == 1, f"the {role} to be back", 60)
            loads.step()
    assert loads.failures() == []
    total = loads.total()
    if role == "helper":
        assert len(g.access(total)) == total
    else:  # a batch that it had taken and not written dies with it; nothing else does
        last = g.ask(target="/last")
        assert last.status == 200
        wait_for(lambda: any(x["path"] == "/last" for x in g.access()), "lines to go on")
        assert len(g.access()) <= total + 1
    assert f.nfds(g.pid) <= fds + 1
    g.reload(0)


@pytest.mark.parametrize("role", ["logger", "helper"])
def test_service_stopped_hurts_nobody(instance, echo, role):
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    victim = g.role(role)[0]
    f.stop_process(victim)
    try:
        with f.load(g.address()) as loads:
            for _ in range(5):
                g.reload(0)
                loads.step()
        assert loads.failures() == []
    finally:
        os.kill(victim, signal.SIGCONT)
    assert len(g.access(loads.total())) == loads.total(), "nothing is lost: the ring kept it"


def test_master_stopped(instance, echo):
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    workers = g.role("worker")
    with f.load(g.address()) as loads:
        f.stop_process(g.pid)
        try:
            for _ in range(20):
                loads.step()
            p = cli("reload", "--wait", "--timeout", "300ms", "--runtime-dir", g.runtime)
            assert p.returncode == 3 and "did not answer in time" in p.stderr, (p.returncode, p.stderr)
            p = cli("status", "--timeout", "300ms", "--runtime-dir", g.runtime)
            assert p.returncode in (3, 69), p
        finally:
            g.kick(signal.SIGCONT)
        loads.step()
    assert loads.failures() == []
    g.reload(0)
    assert g.role("worker") == workers


def test_master_killed(instance, script, echo):
    """Workers stop accepting, finish what runs, and end; nobody stays."""
    go, seen = threading.Event(), threading.Event()

    def handle(peer):
        peer.request()
        seen.set()
        go.wait(30)
        peer.respond(200, body=b"late")
    slow, web = script(handle), echo("web")
    g = instance(*f.house(web), o.service("slow", slow.address), o.route("s", [o.rule("slow", path="/slow")]))
    address = g.address()
    with http1.Client(*address) as c, http1.Client(*address) as idle:
        assert idle.ask().status == 200
        c.request(target="/slow")
        assert seen.wait(30)
        g.tree()
        g.kick(signal.SIGKILL)
        g.proc.wait(30)

        def refused():
            try:
                http1.Client(*address).close()
            except ConnectionRefusedError:
                return True
            except (ConnectionError, socket.timeout):
                pass
            return False
        wait_for(refused, "the workers to stop accepting")
        go.set()
        r = c.response()
        assert (r.status, r.body) == (200, b"late")
        assert c.read_all() == (b"", False) and idle.read_all() == (b"", False)
    wait_for(lambda: not g.alive(), "all processes to end by themselves")
    g.proc = None
    g.check_stderr()
    g.start()
    assert g.ask().status == 200, "a start after a crash finds its folders"


# ---- the orderly end
def held(instance, script, echo, n=1, **kw):
    """A gateway with n requests under way; go() lets their backend answer."""
    go, seen = threading.Event(), threading.Semaphore(0)

    def handle(peer):
        peer.request()
        seen.release()
        go.wait(60)
        peer.respond(200, body=b"late")
    slow = script(handle)
    g = instance(*f.house(echo("web")), o.service("slow", slow.address), o.route("s", [o.rule("slow", path="/slow")]), **kw)
    clients = [http1.Client(*g.address()) for _ in range(n)]
    for c in clients:
        c.request(target="/slow")
    for _ in clients:
        assert seen.acquire(timeout=30)
    return g, go, clients


def closed_to_newcomers(address):
    def refused():
        try:
            http1.Client(*address).close()
        except ConnectionRefusedError:
            return True
        except ConnectionError:  # it came just before
            pass
        return False
    wait_for(refused, "newcomers to be refused")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=["TERM", "INT", "QUIT"])
def test_stop_finishes_what_runs(instance, script, echo, sig):
    g, go, clients = held(instance, script, echo, 10)
    with http1.Client(*g.address()) as idle:
        assert idle.ask().status == 200
        g.kick(sig)
        assert idle.read_all() == (b"", False), "idle ones are closed"
    closed_to_newcomers(clients[0].peer)
    assert g.proc.poll() is None
    go.set()
    for c in clients:
        r = c.response()
        assert (r.status, r.body) == (200, b"late") and (r.headers.get("connection") or "").lower() == "close"
        assert c.read_all() == (b"", False)
    g.stop()
    assert len(g.access()) == 11, "the logger wrote the last line"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=["TERM", "INT", "QUIT"])
def test_second_signal_ends_at_once(instance, script, echo, sig):
    g, go, clients = held(instance, script, echo, 3, conf='shutdown = { grace = "600s"; };')
    g.kick(sig)
    closed_to_newcomers(clients[0].peer)
    assert g.proc.poll() is None
    g.kick(signal.SIGTERM)
    assert g.proc.wait(30) == 0
    for c in clients:
        assert c.read_all()[0] == b"", "no half answer"
    go.set()
    g.stop()


def test_grace_cuts_the_rest(instance, script, echo):
    g, go, clients = held(instance, script, echo, 3, conf='shutdown = { grace = "300ms"; };')
    g.kick(signal.SIGTERM)
    assert g.proc.wait(30) == 0
    for c in clients:
        data, _ = c.read_all()
        assert data == b"" or data.startswith(b"HTTP/1.1 503"), data
    go.set()
    g.stop()
    lines = [x for x in g.access() if x["path"] == "/slow"]
    assert len(lines) == 3 and all(x["reason"] != "ok" for x in lines), lines


def test_reload_is_refused_while_stopping(instance, script, echo):
    g, go, clients = held(instance, script, echo)
    g.kick(signal.SIGTERM)
    closed_to_newcomers(clients[0].peer)
    p = g.cli("reload", "--wait")
    assert p.returncode in (1, 69), p
    g.kick(signal.SIGUSR2)
    go.set()
    assert clients[0].response().status == 200
    g.stop()


def test_stop_in_the_middle_of_a_reload(instance, echo):
    g = instance(*f.house(echo("web")))
    for i in range(scaled(8, 3)):
        g.put(*[o.route(f"m{i}", [o.rule("web", path=f"/m/{i}")]) for i in range(200)], name="many.yaml")
        g.kick(signal.SIGUSR2)
        if i % 2:
            wait_for(lambda: g.role("compiler") or g.record()["routes"] > 100, "a compiler")
        g.stop()
        g.start()
        assert g.ask().status == 200
