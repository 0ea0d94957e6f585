"""The house's fault tests over HTTP/2: reloads, dead workers, dead backends, shutdown, slow neighbours (reliability.md section 8)."""
import os
import signal
import subprocess
import threading

import pytest

from lib import faults as f, http1, objects as o
from lib.wait import DEADLINE, wait_for

pytest.importorskip("h2.connection")
from h2 import events, settings  # noqa: E402
from hyperframe.frame import GoAwayFrame  # noqa: E402
from lib.h2peer import Client, h2_backend, next_request  # noqa: E402,F401  pylint: disable=unused-import


def site(address, app=None):
    svc = o.service("web", address)
    if app:
        svc[0]["spec"]["ports"][0]["appProtocol"] = app
    return [o.gateway(port=f.PORT), o.route(rules=[o.rule("web")]), svc]


def outlives_goaway(c):
    """python3-h2 takes nothing after a GOAWAY: it is only noted."""
    c.c._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], c.events.append(frame) or [])  # pylint: disable=protected-access
    return c


def quick(peer):
    """A backend's handler that answers as fast as Python can."""
    while True:
        peer.request_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("way", ["client", "both"])
def test_reload_under_load(instance, script, way):
    """Reloads that change routes, while thousands of streams run: none fails."""
    back = instance(*site(script(quick).address))
    g = back
    if way == "both":
        g = instance(*site(back.address()[:2], "kubernetes.io/h2c"))
    host, port = g.address()[:2]
    n = f.scaled(20000, 4000)
    load = subprocess.Popen(["h2load", "-n", str(n), "-c", "4", "-m", "10", f"http://{host}:{port}/load"],
                            stdout=subprocess.PIPE, text=True)
    reloads = 0
    while load.poll() is None:
        g.put(o.route(f"more{reloads % 3}", rules=[o.rule("web", path=f"/x{reloads}")]), name="more.yaml")
        g.reload()
        reloads += 1
    out = load.stdout.read()
    assert f"{n} succeeded, 0 failed, 0 errored, 0 timeout" in out, out
    assert reloads >= 2
    f.quiet(g)


def test_worker_killed(instance, script):
    """Only the streams of its connections break; all others are answered; the next connection is served."""
    go = threading.Event()

    def handle(peer):
        while True:
            peer.request_head()
            assert go.wait(DEADLINE)
            peer.respond(200, body=b"late")
    g = instance(*site(script(handle).address))
    clients = [Client(g.address()) for _ in range(12)]
    sids = [[c.request(path=f"/{i}") for i in range(3)] for c in clients]
    wait_for(lambda: f.gauges(g)[1] == 36, "all streams to be under way")
    words = {w["pid"]: w["exchanges"] for w in g.control({"verb": "status"})["workers"]}
    victim = max(words, key=words.get)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: f.gone(victim), "the worker to be dead")
    go.set()
    answered = broken = 0
    for c, ids in zip(clients, sids):
        try:
            for sid in ids:
                assert c.response(sid)[2] == b"late"
                answered += 1
        except (EOFError, OSError):
            broken += len(ids)
        c.sock.close()
    assert (answered, broken) == (36 - words[victim], words[victim])
    with Client(g.address()) as c:
        assert c.response(c.request())[0] == 200
    f.quiet(g)


def test_backend_dies_with_many_streams(instance, h2_backend):
    """Each of its streams ends visibly, the client's connection does not, and the next request finds a new connection."""
    count, dead = [], threading.Event()

    def handle(peer):
        seen = set()
        count.append(1)
        for i in range(10):
            sid, _ = next_request(peer, seen)
            peer.c.send_headers(sid, [(":status", "200")])
            if len(count) > 1:
                peer.c.send_data(sid, b"ok", end_stream=True)
            else:
                peer.c.send_data(sid, b"part")
            peer.flush()
        dead.set()
    g = instance(*site(h2_backend(handle), "kubernetes.io/h2c"), workers=1)
    with Client(g.address()) as c:
        ids = [c.request(path=f"/{i}") for i in range(10)]
        for sid in ids:
            with pytest.raises(ConnectionResetError):
                c.response(sid)
        assert dead.is_set() and not [e for e in c.events if isinstance(e, events.ConnectionTerminated)]
        assert c.response(c.request(path="/next"))[2] == b"ok"
    assert len(count) == 2
    assert sorted(x["reason"] for x in g.access(11)) == ["backend_reset"] * 10 + ["ok"]
    f.quiet(g)


def test_shutdown_finishes_streams(instance, script):
    """TERM with streams under way: they are answered, new ones are not taken, then the connection ends in order."""
    go = threading.Event()

    def handle(peer):
        while True:
            peer.request_head()
            assert go.wait(DEADLINE)
            peer.respond(200, body=b"late" * 10000)
    g = instance(*site(script(handle).address), conf='shutdown = { grace = "20s"; };')
    with outlives_goaway(Client(g.address())) as c:
        ids = [c.request(path=f"/{i}") for i in range(20)]
        wait_for(lambda: f.gauges(g)[1] == 20, "all streams to be under way")
        g.kick(signal.SIGTERM)
        while not [e for e in c.events if isinstance(e, GoAwayFrame)]:
            c.step()
        go.set()
        for sid in ids:
            assert c.response(sid)[2] == b"late" * 10000
        while c.step():
            pass
        away = [e for e in c.events if isinstance(e, GoAwayFrame)]
        assert {e.error_code for e in away} == {0} and away[0].last_stream_id == 0x7fffffff and away[-1].last_stream_id == ids[-1]
    g.stop()
    assert len(g.access()) == 20 and {x["reason"] for x in g.access()} == {"ok"}


def test_requests_between_the_two_goaways(instance, script):
    """What a client sends before it has read the first GOAWAY is answered."""
    g = instance(*site(script(quick).address), conf='shutdown = { grace = "20s"; };')
    with outlives_goaway(Client(g.address())) as c:
        assert c.response(c.request())[0] == 200
        g.kick(signal.SIGTERM)
        while not [e for e in c.events if isinstance(e, GoAwayFrame)]:
            c.step()
        assert c.response(c.request(path="/late"))[0] == 200
        while c.step():
            pass
    g.stop()


def test_slow_reader_has_fast_neighbours(instance, script):
    """Streams that are not read stand still within their window; one that is read passes them."""
    def handle(peer):
        while True:
            peer.request_head()
            peer.respond(200, body=b"x" * (1 << 20))
    g = instance(*site(script(handle).address))
    with Client(g.address()) as c:
        c.c.update_settings({settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        c.c.increment_flow_control_window(1 << 30)
        c.flush()
        slow = [c.request(path=f"/slow{i}") for i in range(30)]
        fast = c.request(path="/fast")
        c.c.increment_flow_control_window(1 << 21, fast)
        c.flush()
        assert len(c.response(fast)[2]) == 1 << 20
        for sid in slow:
            assert not c.of(sid, events.DataReceived)
        for sid in slow:
            c.c.increment_flow_control_window(1 << 21, sid)
        c.flush()
        for sid in slow:
            assert len(c.response(sid)[2]) == 1 << 20
    f.quiet(g)


def test_client_vanishes(instance, script):
    """A connection that is reset takes its streams with it, towards backends too."""
    cut = []

    def handle(peer):
        peer.request_head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        cut.append(peer.stall())
    g = instance(*site(script(handle).address))
    for _ in range(5):
        c = Client(g.address())
        ids = [c.request(path=f"/{i}") for i in range(4)]
        while not all(c.of(sid, events.DataReceived) for sid in ids):
            c.step()
        http1.Wire.reset(c)
    wait_for(lambda: len(cut) == 20, "the backend to see all ends")
    f.quiet(g)
    assert {x["reason"] for x in g.access(20)} == {"client_closed"}
