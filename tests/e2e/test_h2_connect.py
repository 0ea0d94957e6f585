"""Extended CONNECT (RFC 8441): WebSocket in a stream of HTTP/2, to backends of either version, and from HTTP/1.1 to HTTP/2."""
import os
import signal
import threading

import pytest

from lib import faults, http1, objects as o, tls, ws
from lib.wait import DEADLINE, wait_for

pytest.importorskip("h2.connection")
from h2 import events, settings  # noqa: E402
from hyperframe.frame import GoAwayFrame  # noqa: E402
from lib.h2peer import Client, Pipe, connect, h2_backend  # noqa: E402,F401  pylint: disable=unused-import

PORT = 8080


def site(address, app=None, **kw):
    svc = o.service("web", address)
    if app:
        svc[0]["spec"]["ports"][0]["appProtocol"] = app
    return [o.gateway(port=PORT), o.route(rules=[{**o.rule("web"), **kw}]), svc]


def test_to_http1(instance, script):
    seen = []
    b = script(lambda peer: seen.append(ws.echo(peer)))
    g = instance(*site(b.address, "kubernetes.io/ws"))
    with Client(g.address()) as c:
        while not [e for e in c.events if isinstance(e, events.RemoteSettingsChanged)]:
            c.step()
        assert c.c.remote_settings.enable_connect_protocol == 1
        status, head, p = connect(c, ("sec-websocket-protocol", "chat"), ("origin", "http://h.example"))
        assert status == 200 and "sec-websocket-accept" not in head and "upgrade" not in head
        for m in (b"", b"x" * 125, b"y" * 70000, os.urandom(1 << 20)):
            p.send(ws.frame(ws.BINARY, m, mask=True))
            assert ws.read_frame(p) == (ws.BINARY, m)
        # neighbours are not held up, and others may ask too
        status, _, q = connect(c, path="/second")
        q.send(ws.frame(ws.PING, b"?", mask=True))
        assert status == 200 and ws.read_frame(q) == (ws.PONG, b"?")
        for one in (p, q):
            one.send(ws.frame(ws.CLOSE, b"\x03\xe8", mask=True), end=True)
            assert ws.read_frame(one) == (ws.CLOSE, b"\x03\xe8") and one.read_all() == b""
    wait_for(lambda: len(seen) == 2, "the backend's ends")
    h = seen[0].headers
    assert (seen[0].method, seen[0].target, h.get("host")) == ("GET", "/ws", "h.example")
    assert (h.get("connection"), h.get("upgrade"), h.get("sec-websocket-version")) == ("Upgrade", "websocket", "13")
    assert len(h.get("sec-websocket-key")) == 24 and h.get("sec-websocket-protocol") == "chat"
    assert not [n for n, _ in h if n.startswith(":")]
    assert [(x["status"], x["proto"]) for x in g.access(2)] == [(200, "h2")] * 2
    assert all(x["closed_by"] for x in g.access())
    faults.quiet(g)


def h2_ws(peer, seen, status="200"):
    """A backend that takes extended CONNECT and echoes frames."""
    while True:
        asked = [e for e in peer.events if isinstance(e, events.RequestReceived)]
        if asked:
            break
        if not peer.step():
            return
    sid = asked[0].stream_id
    seen.append(dict(asked[0].headers))
    peer.c.send_headers(sid, [(":status", status)], end_stream=status != "200")
    peer.flush()
    p = Pipe(peer, sid)
    while status == "200":
        opcode, data = ws.read_frame(p)
        p.send(ws.frame(opcode, data), end=opcode == ws.CLOSE)


@pytest.mark.parametrize("client", ["h1", "h2"])
def test_to_http2(instance, h2_backend, client):
    seen = []
    g = instance(*site(h2_backend(lambda peer: h2_ws(peer, seen), connects=True), "kubernetes.io/h2c"))
    if client == "h2":
        c = Client(g.address())
        status, _, p = connect(c, ("sec-websocket-protocol", "chat"))
        assert status == 200
    else:
        c = p = http1.Client(*g.address())
        c.send(ws.asks(key="c29tZSBvdGhlciBub25jZSE=", extra=["Sec-WebSocket-Protocol: chat"]) + ws.frame(ws.TEXT, b"early", mask=True))
        head, fields = c.read_head()
        assert head == "HTTP/1.1 101 Switching Protocols"
        assert fields.get("sec-websocket-accept") == ws.accept("c29tZSBvdGhlciBub25jZSE=")
        assert ws.read_frame(p) == (ws.TEXT, b"early")
    with c:
        for m in (b"a", b"b" * 200000):
            p.send(ws.frame(ws.BINARY, m, mask=True))
            assert ws.read_frame(p) == (ws.BINARY, m)
        p.send(ws.frame(ws.CLOSE, b"\x03\xe8", mask=True))
        assert ws.read_frame(p) == (ws.CLOSE, b"\x03\xe8")
    h = seen[0]
    assert (h[":method"], h[":protocol"], h[":path"]) == ("CONNECT", "websocket", "/ws")
    assert h["sec-websocket-protocol"] == "chat" and "sec-websocket-key" not in h and "connection" not in h
    faults.quiet(g)


@pytest.mark.parametrize("client", ["h1", "h2"])
def test_backend_without_the_setting(instance, h2_backend, client):
    """It is not asked for what it did not offer."""
    seen = []
    g = instance(*site(h2_backend(lambda peer: h2_ws(peer, seen)), "kubernetes.io/h2c"))
    if client == "h2":
        with Client(g.address()) as c:
            assert connect(c)[0] == 502
    else:
        with http1.Client(*g.address()) as c:
            c.send(ws.asks())
            assert c.response().status == 502
    assert seen == [] and g.access(1)[0]["reason"] == "backend_upgrade"


@pytest.mark.parametrize("answer,status", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 502),
    (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", 403),
    (b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", 502),
    (b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
    (b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", 502)])
def test_what_is_no_switch(instance, script, answer, status):
    got = []

    def handle(peer):
        peer.request_head()
        peer.send(answer)
        got.append(peer.stall()[0])
    g = instance(*site(script(handle).address))
    with Client(g.address()) as c:
        got_status, _, p = connect(c, early=b"not for a backend")
        assert got_status == status
        p.read_all()
        assert c.response(c.request())[0] in (200, 403, 502)  # the connection lives
    wait_for(lambda: got, "the backend's end")
    assert got[0] == b""


@pytest.mark.parametrize("protocol,status", [("connect-udp", 501), ("h2c", 501), ("", 400), ("a b", 400)])
def test_other_protocols(instance, echo, protocol, status):
    b = echo()
    g = instance(*site(b.address))
    with Client(g.address()) as c:
        try:
            assert connect(c, protocol=protocol)[0] == status
        except ConnectionResetError as e:
            assert status == 400 and e.args[0] == 1
        assert c.response(c.request())[0] == 200
    assert len(b.requests) == 1


@pytest.mark.parametrize("head", [
    [(":method", "GET"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"), (":authority", "h.example")],
    [(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "h.example")],
    [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/")],
    [(":method", "CONNECT"), (":protocol", "websocket"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"),
     (":authority", "h.example")],
    [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"), (":authority", "h.example"),
     ("content-length", "3")]])
def test_malformed(instance, echo, head):
    b = echo()
    g = instance(*site(b.address))
    with Client(g.address()) as c:
        sid = c.c.get_next_available_stream_id()
        c.c.send_headers(sid, head)
        c.flush()
        try:
            assert c.response(sid)[0] == 400
        except ConnectionResetError as e:
            assert e.args[0] == 1
        assert c.response(c.request())[0] == 200
    assert len(b.requests) == 1


def test_half_close_and_reset(instance, script):
    got, cut = [], threading.Event()

    def half(peer):
        ws.switch(peer)
        got.append(peer.read_all()[0])
        peer.send(b"late")

    def hold(peer):
        ws.switch(peer)
        peer.stall()
        cut.set()

    def broken(peer):
        ws.switch(peer)
        peer.reset()
    g = instance(*site(script(half, hold, broken).address))
    with Client(g.address()) as c:
        _, _, p = connect(c)
        p.send(b"bye", end=True)
        assert p.read_all() == b"late" and got == [b"bye"]
        _, _, p = connect(c)
        c.c.reset_stream(p.sid, 8)
        c.flush()
        assert cut.wait(DEADLINE)
        with pytest.raises(ConnectionResetError):
            connect(c)[2].read_all()
    faults.quiet(g)


def test_slow_reader_beside_others(instance, script):
    """A tunnel whose client gives no window stands; other streams of the connection go on."""
    full = threading.Event()

    def flood(peer):
        r = peer.request_head()
        if "upgrade" not in r.headers:
            peer.respond(200, body=b"x" * 100000)
            return
        ws.switch(peer, r)
        peer.sock.settimeout(0.5)
        try:
            while True:
                peer.send(b"y" * 65536)
        except TimeoutError:
            full.set()
        peer.sock.settimeout(DEADLINE)
        peer.stall()
    g = instance(*site(script(flood).address))
    with Client(g.address()) as c:
        c.c.update_settings({settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        c.flush()
        _, _, p = connect(c)
        assert full.wait(DEADLINE)
        sid = c.request(path="/other")
        c.c.increment_flow_control_window(1 << 20, sid)
        c.flush()
        assert len(c.response(sid)[2]) == 100000
        assert p.read(0) == b""


def test_through_tls(instance, script, tmp_path):
    pair = tls.Pair(tmp_path, "a", ("a.test",))
    b = script(ws.echo)
    g = instance(o.gateway(listeners=[tls.listener("a", 8443, "a", hostname="a.test")]), tls.secret("a", pair),
                 o.route("all", [o.rule("web")]), o.service("web", b.address))
    with Client(sock=tls.Client(g.address()[:2], "a.test", tls.context(alpn=["h2"])).sock) as c:
        status, _, p = connect(c, authority="a.test", scheme="https")
        assert status == 200
        p.send(ws.frame(ws.BINARY, b"z" * 300000, mask=True))
        assert ws.read_frame(p) == (ws.BINARY, b"z" * 300000)
        p.send(ws.frame(ws.CLOSE, b"", mask=True))
        assert ws.read_frame(p) == (ws.CLOSE, b"")


def test_drain(instance, script):
    heard = []

    def handle(peer):
        ws.switch(peer)
        heard.append(ws.read_frame(peer))
    g = instance(*site(script(handle).address), conf='shutdown = { grace = "20s"; };')
    with Client(g.address()) as c:
        # the library would take nothing after a GOAWAY
        c.c._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], [c.events.append(frame)][:0])  # pylint: disable=protected-access
        _, _, p = connect(c)
        g.kick(signal.SIGTERM)
        assert ws.read_frame(p) == (ws.CLOSE, b"\x03\xe9") and p.read_all() == b""
        p.send(ws.frame(ws.CLOSE, b"\x03\xe9", mask=True), end=True)
        while c.step():
            pass
        assert [e.error_code for e in c.events if isinstance(e, GoAwayFrame)][-1] == 0
    wait_for(lambda: heard, "the backend to hear")
    g.stop()
    assert heard == [(ws.CLOSE, b"\x03\xe9")] and g.access()[0]["closed_by"] == "drain"


def test_allowed_types(instance, script):
    """A policy's list also judges :protocol: another one passes, WebSocket is 403; what no list speaks of is 501."""
    def handle(peer):
        r = peer.request_head()
        ws.switch(peer, r, protocol=r.headers.get("upgrade"))
        peer.send(b"<" + peer.read(3) + b">")
    objs = site(script(handle).address)
    g = instance(*objs, o.btp(httpUpgrade=[{"type": "foo"}]))
    with Client(g.address()) as c:
        status, _, p = connect(c, protocol="foo")
        p.send(b"abc")
        assert status == 200 and p.read(5) == b"<abc>"
        assert connect(c)[0] == 403
    g.put(*objs)
    g.reload()
    with Client(g.address()) as c:
        assert connect(c, protocol="foo")[0] == 501


def test_no_trailers(instance, script):
    """In a tunnel HEADERS are an error of the stream (RFC 9113 section 8.5); its neighbours live on."""
    g = instance(*site(script(ws.echo).address))
    with Client(g.address()) as c:
        _, _, p = connect(c)
        c.c.send_headers(p.sid, [("x-t", "1")], end_stream=True)
        c.flush()
        with pytest.raises(ConnectionResetError) as e:
            p.read(1)
        assert e.value.args == (1,)
        assert connect(c)[0] == 200
