"""WebSocket and other upgrades over HTTP/1.1: what is asked of a backend, what passes afterwards, how it ends."""
import asyncio
import contextlib
import os
import select
import signal
import threading
import time

import pytest

from lib import faults, http1, objects as o, ws
from lib.wait import DEADLINE, wait_for

PORT = 8080


def site(backend, app=None, **kw):
    svc = o.service("web", backend.address if hasattr(backend, "address") else backend)
    if app:
        svc[0]["spec"]["ports"][0]["appProtocol"] = app
    return [o.gateway(port=PORT), o.route(rules=[{**o.rule("web"), **kw}]), svc]


def line_of(g, path):
    return wait_for(lambda: [x for x in g.access() if x.get("path") == path], f"the log line of {path}")[0]


def switched(g, target="/ws", **kw):
    """A client whose connection is a tunnel."""
    c = http1.Client(*g.address())
    c.send(ws.asks(target, **kw))
    head, fields = c.read_head()
    assert head == "HTTP/1.1 101 Switching Protocols", head
    assert (fields.get("connection").lower(), fields.get("upgrade")) == ("upgrade", kw.get("protocol", "websocket"))
    return c


@contextlib.contextmanager
def library_echo(address):
    """The websockets library as a backend: echoes, and closes with 4000 when told so."""
    websockets = pytest.importorskip("websockets")
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def handle(conn):
        async for m in conn:
            if m == "close":
                await conn.close(4000, "as you wish")
                return
            await conn.send(m)

    async def serve():
        stop = loop.create_future()
        loop.stop_it = lambda: loop.call_soon_threadsafe(stop.set_result, None)
        async with websockets.serve(handle, *address, max_size=None):
            ready.set()
            await stop
    t = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    t.start()
    assert ready.wait(DEADLINE)
    yield
    loop.stop_it()
    t.join(DEADLINE)


@pytest.mark.parametrize("app", [None, "kubernetes.io/ws"])
def test_library(instance, block, app):
    websockets = pytest.importorskip("websockets")
    backend = (block.backend(), 3000)
    g = instance(*site(backend, app))
    host, port = g.address()[:2]

    async def talk():
        async with websockets.connect(f"ws://{host}:{port}/lib", max_size=None) as c:
            for m in ("text", b"", b"x" * 125, b"y" * 126, b"z" * 65536, os.urandom(1 << 20), "end"):
                await c.send(m)
                assert await c.recv() == m
            await (await c.ping())
            await c.send("close")
            with pytest.raises(websockets.ConnectionClosed):
                await c.recv()
            return c.close_code, c.close_reason
    with library_echo(backend):
        assert asyncio.run(asyncio.wait_for(talk(), DEADLINE)) == (4000, "as you wish")
    line = line_of(g, "/lib")
    assert (line["status"], line["reason"]) == (101, "ok") and line["closed_by"] in ("client", "backend")
    assert line["req_bytes"] > 1 << 20 and line["resp_bytes"] > 1 << 20


def test_what_a_backend_is_asked(instance, script):
    seen = []
    g = instance(*site(script(lambda peer: seen.append(ws.echo(peer)))))
    with switched(g, key="c29tZSBvdGhlciBub25jZSE=", extra=["Sec-WebSocket-Protocol: chat"]) as c:
        c.send(ws.frame(ws.TEXT, b"hello", mask=True))
        assert ws.read_frame(c) == (ws.TEXT, b"hello")
        c.send(ws.frame(ws.CLOSE, b"\x03\xe8", mask=True))
        assert ws.read_frame(c) == (ws.CLOSE, b"\x03\xe8")
        assert c.read_all() == (b"", False)
    wait_for(lambda: seen, "the backend to end")
    h = seen[0].headers
    assert (h.get("connection"), h.get("upgrade")) == ("Upgrade", "websocket")
    assert h.get("sec-websocket-key") == "c29tZSBvdGhlciBub25jZSE=" and h.get("sec-websocket-protocol") == "chat"
    assert "content-length" not in h and "transfer-encoding" not in h
    line = line_of(g, "/ws")
    assert line["closed_by"] == "backend" and line["resp_bytes"] == 7 + 4


def test_nothing_behind_the_head_before_the_answer(instance, script):
    early, go = [], threading.Event()

    def handle(peer):
        r = peer.request_head()
        peer.sock.settimeout(0.3)
        try:
            early.append(peer.sock.recv(100))
        except TimeoutError:
            early.append(None)
        peer.sock.settimeout(DEADLINE)
        go.set()
        ws.switch(peer, r)
        peer.send(b"<" + peer.read(5) + b">")
    g = instance(*site(script(handle)))
    with http1.Client(*g.address()) as c:
        c.send(ws.asks() + b"early")
        assert go.wait(DEADLINE) and early == [None]
        assert c.read_head()[0].startswith("HTTP/1.1 101")
        assert c.read(7) == b"<early>"


def test_an_ordinary_answer(instance, script):
    """The backend stays in HTTP: so does the client, and neither connection is used again."""
    b = script(lambda peer: (peer.request(), peer.respond(426, [("Upgrade", "foo")], b"no"), peer.stall()))
    g = instance(*site(b))
    for _ in range(2):
        with http1.Client(*g.address()) as c:
            r = c.ask(target="/ws", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
            assert (r.status, r.body, r.headers.get("connection")) == (426, b"no", "close")
            assert c.read_all() == (b"", False)
    assert b.connections == 2


def raw_answer(text):
    return lambda peer: (peer.request_head(), peer.send(text), peer.stall())


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
    b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket, other\r\n\r\n",
    b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.0 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"])
def test_other_answers_than_asked_for(instance, script, answer):
    g = instance(*site(script(raw_answer(answer))))
    with http1.Client(*g.address()) as c:
        c.send(ws.asks())
        assert c.response().status == 502
    assert line_of(g, "/ws")["reason"] in ("backend_upgrade", "backend_reset")


def test_unasked_switch(instance, script):
    g = instance(*site(script(raw_answer(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))))
    assert http1.ask(g.address()).status == 502


@pytest.mark.parametrize("request_", [
    b"GET /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
    b"GET /i HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /i HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_what_is_ignored(instance, echo, request_):
    b = echo()
    g = instance(*site(b))
    with http1.Client(*g.address()) as c:
        c.send(request_)
        assert c.response().status == 200
    h = b.requests[-1].headers
    assert "upgrade" not in h and "http2-settings" not in h and "upgrade" not in (h.get("connection") or "").lower()


@pytest.mark.parametrize("first", ["client", "backend"])
def test_half_close(instance, script, first):
    got = []

    def handle(peer):
        ws.switch(peer)
        if first == "backend":
            peer.send(b"bye")
            peer.half_close()
        got.append(peer.read_all()[0])
        if first == "client":
            peer.send(b"late")
    g = instance(*site(script(handle)))
    with switched(g) as c:
        if first == "client":
            c.send(b"bye")
            c.half_close()
            assert c.read_all() == (b"late", False)
        else:
            assert c.read_all() == (b"bye", False)
            c.send(b"late")
            c.half_close()
    wait_for(lambda: got, "the backend's end")
    assert got == [b"bye" if first == "client" else b"late"]
    assert line_of(g, "/ws")["closed_by"] == first


def test_a_reset_is_passed_on(instance, script):
    ended = threading.Event()

    def cut(peer):
        ws.switch(peer)
        peer.reset()

    def hold(peer):
        ws.switch(peer)
        peer.stall()
        ended.set()
    g = instance(*site(script(cut, hold)))
    with switched(g, "/cut") as c:
        assert c.read_all()[0] == b""
    assert line_of(g, "/cut")["closed_by"] == "backend"
    c = switched(g, "/hold")
    c.reset()
    assert ended.wait(DEADLINE)
    assert line_of(g, "/hold")["closed_by"] == "client"
    faults.quiet(g)


def test_slow_reader(instance, script):
    """Both directions move by credit: who does not read stops the other side, and nothing is lost."""
    n = 24 << 20
    sent = threading.Event()

    def handle(peer):
        ws.switch(peer)
        peer.sock.settimeout(None)
        for _ in range(n >> 16):
            peer.send(b"x" * 65536)
        sent.set()
        peer.half_close()
        peer.stall()
    g = instance(*site(script(handle)))
    with switched(g) as c:
        assert not sent.wait(0.5)
        got = len(c.take(len(c.buf)))
        c.sock.settimeout(DEADLINE)
        while data := c.sock.recv(1 << 20):
            got += len(data)
    assert got == n


def test_reloads_and_time_limits(instance, script):
    """Reloads, removal of the route, and its time limits do not touch what runs."""
    b = script(ws.echo)
    objs = site(b, timeouts={"request": "200ms", "backendRequest": "200ms"})
    g = instance(*objs)
    with switched(g) as c:
        began = time.monotonic()
        for i in range(5):
            g.put(*objs, o.route("r%d" % i, rules=[o.rule("web")]))
            g.reload()
            c.send(ws.frame(ws.TEXT, b"%d" % i, mask=True))
            assert ws.read_frame(c) == (ws.TEXT, b"%d" % i)
        g.put(o.gateway(port=PORT))
        g.reload()
        time.sleep(max(0.0, began + 0.5 - time.monotonic()))  # time has to pass: that is the test
        c.send(ws.frame(ws.TEXT, b"still", mask=True))
        assert ws.read_frame(c) == (ws.TEXT, b"still")
        assert http1.ask(g.address()).status == 404
        tunnels = sum(w["tunnels"] for w in g.control({"verb": "status"})["workers"])
        assert tunnels == 1
    assert line_of(g, "/ws")["route"] == "default/web" or line_of(g, "/ws")["status"] == 101
    wait_for(lambda: sum(w["tunnels"] for w in g.control({"verb": "status"})["workers"]) == 0, "the gauge to be 0")


def test_idle(instance, script):
    g = instance(*site(script(ws.echo)), conf="limits = { tunnel_idle_timeout = \"1s\"; };")
    with switched(g) as c:
        for _ in range(4):
            time.sleep(0.3)  # not idle: each byte begins the time anew
            c.send(ws.frame(ws.TEXT, b"x", mask=True))
            assert ws.read_frame(c) == (ws.TEXT, b"x")
        assert c.read_all() == (b"", False)
    assert line_of(g, "/ws")["closed_by"] == "idle"


def test_drain(instance, script):
    """Clients are told between two frames; their Close reaches the backend."""
    heard, half, one = [], threading.Event(), ws.frame(ws.BINARY, b"a" * 1000)

    def busy(peer):
        ws.switch(peer)
        peer.send(one[:500])
        half.set()
        while not select.select([peer], [], [], 0.01)[0]:
            peer.send(one[500:] + one[:500])
        heard.append(ws.read_frame(peer))

    def idle(peer):
        ws.switch(peer)
        heard.append(ws.read_frame(peer))
    g = instance(*site(script(busy, idle)), conf='shutdown = { grace = "20s"; };')
    with switched(g, "/busy") as a, switched(g, "/idle") as b:
        assert half.wait(DEADLINE)
        g.kick(signal.SIGTERM)
        for c in (b, a):  # each answers at once: it has 5 s, and the other one may be told 2 s later
            while (got := ws.read_frame(c)) == (ws.BINARY, b"a" * 1000):
                pass
            assert got == (ws.CLOSE, b"\x03\xe9")
            c.send(ws.frame(ws.CLOSE, b"\x03\xe9", mask=True))
            assert c.read_all() == (b"", False)
    wait_for(lambda: len(heard) == 2, "the backends to hear")  # before stop(): a second signal ends the grace
    g.stop()
    assert heard == [(ws.CLOSE, b"\x03\xe9")] * 2
    assert {x["closed_by"] for x in g.access()} == {"drain"}


def test_drain_takes_what_the_backend_still_says(instance, script):
    """Told goodbye by its client, a backend ends its own direction in peace: no reset may eat the Close it has not read."""
    heard, deaf = [], threading.Event()

    def handle(peer):
        ws.switch(peer)
        deaf.wait(DEADLINE)
        heard.append(ws.read_frame(peer))
        heard.append(peer.read_all())
        for _ in range(100):
            peer.send(ws.frame(ws.BINARY, b"a" * 65000))
        heard.append("said")
    g = instance(*site(script(handle)), conf='shutdown = { grace = "20s"; };')
    with switched(g) as c:
        g.kick(signal.SIGTERM)
        assert ws.read_frame(c) == (ws.CLOSE, b"\x03\xe9")
        c.send(ws.frame(ws.CLOSE, b"\x03\xe9", mask=True))
        assert c.read_all() == (b"", False)
    deaf.set()
    wait_for(lambda: len(heard) == 3, "the backend to have said all")
    g.stop()
    assert heard == [(ws.CLOSE, b"\x03\xe9"), (b"", False), "said"] and g.access()[0]["closed_by"] == "drain"


def test_grace_ends_what_cannot_be_told(instance, script):
    def handle(peer):
        ws.switch(peer)
        peer.send(ws.frame(ws.BINARY, b"a" * 1000)[:500])
        peer.stall()
    g = instance(*site(script(handle)), conf='shutdown = { grace = "500ms"; };')
    with switched(g) as c:
        g.kick(signal.SIGTERM)
        assert len(c.read_all()[0]) == 500
    g.stop()
    assert [x["closed_by"] for x in g.access()] == ["drain"]


def test_allowed_types(instance, script):
    """BackendTrafficPolicy httpUpgrade takes the place of the default; what it does not list is 403 and reaches no backend."""
    def handle(peer):
        r = peer.request_head()
        ws.switch(peer, r, protocol=r.headers.get("upgrade"))
        peer.send(b"<" + peer.read(3) + b">")
    b = script(handle)
    g = instance(*site(b), o.btp(httpUpgrade=[{"type": "Foo"}, {"type": "bar"}]))
    for protocol in ("foo", "BAR"):
        with switched(g, protocol=protocol) as c:
            c.send(b"abc")
            assert c.read(5) == b"<abc>"
    with http1.Client(*g.address()) as c:
        for _ in range(2):  # the connection goes on
            c.send(ws.asks("/no"))
            assert c.response().status == 403
    line = line_of(g, "/no")
    assert (line["status"], line["reason"]) == (403, "bad_request") and b.connections == 2
    g.put(*site(b), o.btp(httpUpgrade=[{"type": "websocket"}]))
    g.reload()
    with switched(g) as c:
        c.send(b"abc")
        assert c.read(5) == b"<abc>"
    with http1.Client(*g.address()) as c:
        c.send(ws.asks("/no", protocol="foo"))
        assert c.response().status == 403


def test_ignored_types(instance, echo):
    """ClientTrafficPolicy http1.ignoredUpgradeTypes: the request goes on without its Upgrade."""
    b = echo()
    g = instance(*site(b), o.ctp(http1={"ignoredUpgradeTypes": [{"type": "Exact", "value": "WebSocket"}]}))
    assert not [x for x in g.get("clienttrafficpolicy", "policy")["status"]["ancestors"][0]["conditions"] if x["type"] == "Warning"]
    for protocol in ("websocket", "WEBSOCKET"):
        with http1.Client(*g.address()) as c:
            c.send(ws.asks(protocol=protocol))
            assert c.response().status == 200
        assert "upgrade" not in b.requests[-1].headers
