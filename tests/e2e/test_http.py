"""What HTTP/1 asks of a gateway in the middle, on the wire of both sides."""
import threading

import pytest

from lib import backends, http1, objects as o
from lib.wait import DEADLINE, wait_for

PORT = 8080


def simple(*backends_, **kw):
    return [o.gateway(port=PORT), o.route(rules=[{**o.rule("web"), **kw}]), o.service("web", *[b.address for b in backends_])]


def test_half_close(instance, echo):
    g = instance(*simple(echo()))
    with http1.Client(*g.address()) as c:
        c.request(target="/half")
        c.half_close()
        assert c.response().json()["path"] == "/half"
        assert c.read_all() == (b"", False)


def test_early_answer_during_an_upload(instance, script):
    def handle(peer):
        peer.request_head()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    g = instance(*simple(script(handle)))
    with http1.Client(*g.address()) as c:
        c.send(b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 10000)
        r = c.response()
        assert r.status == 403 and r.body == b"no"


def test_informational_answers_pass(instance, script):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        peer.respond(200, body=b"then")
        peer.stall()
    g = instance(*simple(script(handle)))
    r = http1.ask(g.address())
    assert r.status == 200 and r.body == b"then"
    assert [(i.status, i.headers.get("link")) for i in r.informational] == [(103, "</a.css>"), (102, None)]


def test_informational_answers_are_not_for_http10(instance, script):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        peer.respond(200, body=b"then")
    g = instance(*simple(script(handle)))
    with http1.Client(*g.address()) as c:
        c.send(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
        r = c.response()
        assert r.status == 200 and r.informational == []


def test_events_arrive_one_by_one(instance, script):
    read = [threading.Event() for _ in range(5)]

    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i, e in enumerate(read):
            text = b"data: %d\n\n" % i
            peer.send(b"%x\r\n%s\r\n" % (len(text), text))
            assert e.wait(DEADLINE), "the client did not get an event before the next was sent"
        peer.send(b"0\r\n\r\n")
    web = script(handle)
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        c.request(target="/events")
        assert c.response_head().status == 200
        for i, e in enumerate(read):
            assert c.read_chunk() == b"data: %d\n\n" % i
            e.set()
        assert c.read_chunk() == b""
    assert not web.errors


def test_a_client_that_does_not_read_stops_its_backend(instance, script):
    size, sent = 96 << 20, [0]

    def handle(peer):
        peer.request()
        peer.sock.settimeout(None)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        block = b"z" * 65536
        while sent[0] < size:
            peer.send(block)
            sent[0] += len(block)
    g = instance(*simple(script(handle)), workers=1)
    (worker,) = g.role("worker")

    def rss():
        with open(f"/proc/{worker}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096
    before = rss()
    with http1.Client(*g.address()) as c:
        c.request()
        r = c.response_head()
        last = [-1]

        def stands_still():
            was, last[0] = last[0], sent[0]
            return was == sent[0] > 0
        threading.Event().wait(0.1)  # let it run; whether it stands still is asked below
        wait_for(stands_still, "the backend to be stopped")
        assert sent[0] < size, "the gateway took all of it"
        assert rss() - before < 32 << 20, "the answer is buffered"
        got = 0
        while got < size:
            c.fill()
            got += len(c.take(len(c.buf)))
        assert got == size == int(r.headers.get("content-length"))


def test_target_forms(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        r = c.ask(target="http://other.example/abs?q=1", host="other.example").json()
        assert r["path"] == "/abs?q=1" and r["host"] == "other.example"
        r = c.ask("OPTIONS", "*")
        assert r.status in (200, 204, 400, 404, 405, 501)
    with http1.Client(*g.address()) as c:
        assert c.ask(target="http://other.example/", host="another.example").status == 400, "two hosts are one too many"
    for method, target in (("CONNECT", "example.com:443"), ("TRACE", "/")):
        with http1.Client(*g.address()) as c:
            c.request(method, target, host="example.com:443")
            assert c.response_head().status in (400, 405, 501), method
    assert {r.method for r in web.requests} <= {"GET", "OPTIONS"}


def test_upgrade_that_a_backend_ignores(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        c.request(target="/chat", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                                           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
        assert c.response().status == 200
        assert web.requests[-1].headers.get("upgrade") == "websocket"
    with http1.Client(*g.address()) as c:
        c.request(target="/h2c", headers=[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")])
        assert c.response().status == 200
        assert not [n for n in ("upgrade", "http2-settings") if n in web.requests[-1].headers], "RFC 9113 3.1"


def test_hop_by_hop_and_own_fields(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    g.ask(target="/", headers=[
        ("Connection", "x-private, close"), ("X-Private", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip"), ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"),
        ("X_Forwarded_For", "6.6.6.7"), ("Forwarded", "for=6.6.6.8"), ("X-Real-IP", "6.6.6.9"), ("X-Kept", "yes")])
    h = web.requests[0].headers
    for name in ("x-private", "keep-alive", "proxy-connection", "upgrade", "x_forwarded_for"):
        assert name not in h, h
    assert h.get("x-kept") == "yes" and h.get("x-forwarded-proto") == "http"
    assert "6.6.6." not in ",".join(v for n, v in h if n.lower() in ("x-forwarded-for", "x-real-ip", "forwarded")), h
    assert h.get("x-forwarded-for") == "127.0.0.1"
    assert h.get("x-forwarded-host") != "evil"


@pytest.mark.parametrize("raw,status", [
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"a" * 200000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(2000)) + b"\r\n", 431),
    (b"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
], ids=["target", "field", "fields", "nul", "version"])
def test_limits_answer_and_close(instance, echo, raw, status):
    web = echo()
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        try:
            c.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            r = c.response()
            assert r.status == status if status else 400 <= r.status < 600, r
        except http1.Closed as e:
            assert status is None or e.reset, e
        c.buf.clear()
        c.read_all()
    assert web.requests == []
    assert g.ask().status == 200


def test_dead_kept_connection_is_retried_in_silence(instance, script):
    """A backend that closes after each answer without saying so."""
    def handle(peer):
        r = peer.request()
        peer.respond(200, body=r.target.encode())
    web = script(handle)
    g = instance(*simple(web), workers=1)
    with http1.Client(*g.address()) as c:
        for i in range(20):
            r = c.ask(target=f"/{i}")
            assert r.status == 200 and r.body == b"/%d" % i


@pytest.mark.parametrize("data,status", [
    (b"", 502), (b"garbage\r\n\r\n", 502), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 502),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 502),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502), (b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502),
], ids=["nothing", "garbage", "two-lengths", "te-cl", "unasked-101", "folded", "bare-lf"])
def test_bad_answers_are_502(instance, script, data, status):
    g = instance(*simple(script(backends.says(data))))
    r = http1.ask(g.address(), "POST", body=b"x")
    assert r.status == status, r
    assert g.access(1)[-1]["status"] == status and g.access()[-1]["reason"] != "ok"


def test_truncated_answer_visibly_ends(instance, script):
    read = threading.Event()

    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        read.wait(DEADLINE)
    g = instance(*simple(script(handle)))
    with http1.Client(*g.address()) as c:
        c.request()
        c.response_head()
        assert c.read_chunk() == b"hello"
        read.set()
        rest, _ = c.read_all()
        assert b"0\r\n\r\n" not in rest, "a truncated answer was completed"


def test_what_came_before_the_cut_arrives(instance, script):
    """Answer and end of the backend may be seen in one turn of the loop, or in two: the client gets the same."""
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    g = instance(*simple(script(backends.says(cut))))
    for _ in range(50):
        with http1.Client(*g.address()) as c:
            c.request()
            data, _ = c.read_all()
            assert data.endswith(b"5\r\nhello\r\n"), data
    assert {(x["status"], x["reason"]) for x in g.access(50)} == {(200, "backend_reset")}


def test_surplus_bytes_end_the_backend_connection(instance, script):
    def evil(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        peer.stall()

    def good(peer):
        while True:
            peer.request()
            peer.respond(200, body=b"good")
    web = script(evil, good)
    g = instance(*simple(web), workers=1)
    with http1.Client(*g.address()) as c:
        assert c.ask().body == b"ok"
        assert c.ask().body == b"good"
    assert web.connections == 2


def test_names(instance, block):
    """A name that resolves, one that never will: neither keeps the gateway from starting."""
    with backends.Echo("127.0.0.1", 0, "default", "named", "named-1") as web:
        def external(name, host):
            return {"apiVersion": "v1", "kind": "Service", "metadata": o.meta(name),
                    "spec": {"type": "ExternalName", "externalName": host, "ports": [{"port": 80, "targetPort": web.port}]}}
        g = instance(o.gateway(port=PORT), external("here", "localhost"), external("gone", "no-such-name.invalid"),
                     o.route(rules=[o.rule(o.ref("here", 80), path="/here"), o.rule("gone", path="/gone")]))
        wait_for(lambda: g.ask(target="/here").status == 200, "the name to be resolved")
        assert g.ask(target="/gone").status == 503


def test_session_persistence(instance, echo):
    pods = [echo(n) for n in ("web", "web", "web")]
    g = instance(*simple(*pods, sessionPersistence={"cookie": {"name": "sid"}}), workers=1)
    r = g.ask()
    cookie = r.headers.get("set-cookie")
    assert cookie and cookie.startswith("sid=") and "path=/" in cookie.lower(), r
    served = [bool(p.requests) for p in pods]
    for _ in range(10):
        r = g.ask(headers=[("Cookie", cookie.split(";")[0])])
        assert r.status == 200
    assert [bool(p.requests) for p in pods] == served, "all of them went to the same endpoint"
    for _ in range(6):
        g.ask()
    assert all(p.requests for p in pods), "without the cookie they are spread"
