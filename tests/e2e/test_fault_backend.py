"""Hostile and broken backends: what comes from them is trusted no more than what comes from a client (P7), and no client
ever sees another one's answer."""
import socket
import threading

import pytest

from lib import faults as f, http1, objects as o
from lib.backends import says
from lib.wait import wait_for

TRANSPORTS = ("tcp", "tls-up")
LIMITS = 'limits = { response_timeout = "400ms"; };'


def start(instance, back, conf="", **kw):
    return instance(*f.house(back), conf=conf, workers=1, **kw)


# bytes that are no answer at all, or one that may not be believed
GARBAGE = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "http09": b"<html>hello</html>\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status-20": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status-0200": b"HTTP/1.1 0200 OK\r\nContent-Length: 0\r\n\r\n",
    "status-999": b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
    "nul-in-reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "cr-in-reason": b"HTTP/1.1 200 O\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
    "nul-in-value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "nul-first-in-value": b"HTTP/1.1 200 OK\r\nX-A:\0b\r\nContent-Length: 0\r\n\r\n",
    "nul-in-name": b"HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 0\r\n\r\n",
    "space-in-name": b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
    "fold": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "cl-te": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two-cls": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "cl-list": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
    "cl-sign": b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "cl-wraps": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
    "cl-hex": b"HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc",
    "te-gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "te-twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "huge-field": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 40000 + b"\r\nContent-Length: 0\r\n\r\n",
    "huge-head": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 900) for i in range(60)) + b"Content-Length: 0\r\n\r\n",
    "many-fields": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(400)) + b"Content-Length: 0\r\n\r\n",
    "endless-head": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20000,
    "unasked-101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw bytes",
    "1xx-flood": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5000 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("close", [True, False], ids=["closes", "stays"])
def test_no_answer_to_be_believed_is_502(instance, script, close):
    """All of GARBAGE against one gateway: each 502, each backend connection closed, nothing remembered."""
    now = []

    def handle(peer):
        peer.request()
        peer.send(now[0])
        if not close:
            peer.stall()
    back = script(handle)
    g = start(instance, back)
    n = 0
    with http1.Client(*g.address()) as c:
        for name, data in GARBAGE.items():
            now[:] = [data]
            c.request("POST", "/" + name, body=b"once")
            r = c.response()
            assert r.status == 502, (name, r)
            assert len(r.informational) <= 200, name
            n += 1
            if (r.headers.get("connection") or "").lower() == "close":
                break
        assert n == len(GARBAGE), f"the client's connection ended after {name}"
    wait_for(lambda: back.open == 0, "connections to the backend to be closed")
    now[:] = [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"]
    assert g.ask().body == b"good"
    assert not back.errors
    lines = g.access(n + 1)
    assert [x["status"] for x in lines].count(502) == n and len(lines) == n + 1
    f.quiet(g)


BROKEN = {
    "cl-short": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"short"),
    "no-last-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"5\r\nhello\r\n"),
    "mid-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n64\r\nabc", None),
    "bad-chunk-size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n", None),
    "bad-chunk-end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", None),
    "chunk-wraps": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", None),
    "chunk-ext-flood": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"a" * 70000 + b"\r\nhello\r\n0\r\n\r\n", None),
    "trailer-nul": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: \0\r\n\r\n", None),
}


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("name", BROKEN)
def test_half_an_answer_never_looks_whole(instance, script, name, reset):
    data, _ = BROKEN[name]

    def handle(peer):
        peer.request()
        peer.send(data)
        if reset:
            wait_for(lambda: seen, "the client to have the head")
            peer.reset()
    back, seen = script(handle), []
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        c.request()
        try:
            r = c.response_head()
            seen.append(r)
            if r.status == 502:
                return
            assert r.status == 200
            body = c.response_body(r)
            raise AssertionError(f"looks whole: {body}")
        except http1.Closed:
            pass
        seen.append(1)
    assert g.access(1)[0]["reason"] != "ok"
    f.quiet(g)


def test_resets_before_and_inside_the_head(instance, script):
    def before(peer):
        peer.request()
        peer.reset()

    def inside(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-A: b\r\nX-B")
        peer.reset()

    def at_once(peer):
        peer.reset()
    for h in (before, inside, at_once):
        back = script(h, port=3000)
        g = start(instance, back)
        r = http1.ask(g.address(), "POST", "/x", body=b"once")
        assert r.status in (502, 503), r
        assert len(g.access(1)) == 1
        f.quiet(g)
        g.stop()
        g.clean()


def test_stall_is_504(instance, script):
    back = script(lambda peer: (peer.request(), peer.stall()))
    g = start(instance, back, LIMITS)
    with http1.Client(*g.address()) as c:
        for _ in range(2):
            assert c.ask("POST", "/x", body=b"1").status == 504
    wait_for(lambda: back.open == 0, "the stalled connections to be closed")
    assert [x["status"] for x in g.access(2)] == [504, 504]


def test_stall_in_the_middle_of_a_body_ends(instance, script):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        peer.stall()
    back = script(handle)
    objs = f.house(back, rules=[o.rule("web", timeouts={"request": "400ms"})])
    g = instance(*objs, workers=1)
    with http1.Client(*g.address()) as c:
        c.request()
        r = c.response_head()
        assert r.status == 200
        with pytest.raises(http1.Closed):
            c.response_body(r)
    wait_for(lambda: back.open == 0, "the backend's connection to be closed")
    assert g.access(1)[0]["reason"] != "ok"


@pytest.mark.plain
def test_nobody_accepts_is_503(instance, block):
    with socket.socket() as s:
        s.bind((block.backend(), 0))
        s.listen(0)
        fill = []
        try:
            for _ in range(4):
                x = socket.socket()
                x.setblocking(False)
                x.connect_ex(s.getsockname())
                fill.append(x)

            class Full:
                address = s.getsockname()
            g = instance(*f.house(Full), conf='limits = { connect_timeout = "300ms"; };', workers=1)
            assert g.ask().status in (503, 504)
        finally:
            for x in fill:
                x.close()


@pytest.mark.parametrize("status", [200, 413])
def test_early_answer_during_an_upload(instance, script, status):
    """Delivered while the client still sends; that backend connection is not used again."""
    def early(peer):
        peer.request_head()
        peer.respond(status, body=b"early")
        peer.stall()
    back = script(early, lambda peer: (peer.request(), peer.respond(200, body=b"next"), peer.stall()))
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        c.request("POST", "/up", headers=[("Content-Length", "10000000")])
        c.send(b"x" * 1000)
        r = c.response()
        assert (r.status, r.body) == (status, b"early")
    assert g.ask().body == b"next" and back.connections == 2
    f.quiet(g)


def test_surplus_bytes_are_never_an_answer(instance, script):
    """A backend that answers twice: the second one must reach nobody."""
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine" + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    def handle(peer):
        while True:
            peer.request()
            peer.send(twice)
    back = script(handle)
    g = start(instance, back)
    with http1.Client(*g.address()) as c, http1.Client(*g.address()) as d:
        for i in range(20):
            assert c.ask(target=f"/c{i}").body == b"mine"
            assert d.ask(target=f"/d{i}").body == b"mine"
    assert back.connections == 40, "never reused"
    wait_for(lambda: g.metric("upstream_surplus") == 40, "each to be counted")


def test_late_surplus_closes_the_pooled_connection(instance, script):
    go = threading.Event()

    def handle(peer):
        peer.request()
        peer.respond(200, body=b"mine")
        go.wait(30)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        peer.stall()
    back = script(handle, lambda peer: (peer.request(), peer.respond(200, body=b"clean"), peer.stall()))
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        assert c.ask().body == b"mine"
        go.set()
        wait_for(lambda: back.open == 0, "the gateway to close it")
        assert g.metric("upstream_surplus") == 1
        assert c.ask().body == b"clean"


def test_several_clients_on_one_pooled_connection(instance, script):
    """Each gets its own answer whatever the backend adds, whoever comes first."""
    def handle(peer):
        while True:
            r = peer.request()
            n = int(r.target.rsplit("/", 1)[1])
            # in one piece: what comes after the next request was written cannot be told from its answer by anyone
            peer.respond(200, [("X-N", str(n)), ("Content-Length", len(f"for {n}"))], body=f"for {n}".encode() + (
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison" if n % 7 == 3 else b""))
            if n % 11 == 5:
                return
    back = script(handle)
    g = start(instance, back)
    wrong = []

    def one(k):
        with http1.Client(*g.address()) as c:
            for i in range(40):
                n = k * 1000 + i
                r = c.ask(target=f"/{n}")
                if r.status != 200 or r.body != f"for {n}".encode():
                    wrong.append((n, r))
    threads = [threading.Thread(target=one, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert wrong == []
    assert len(g.access(240)) == 240
    assert back.connections < 240, "connections are pooled between answers that are clean"


def test_keep_alive_race_is_retried_in_silence(instance, script):
    """The backend ends an idle connection just as the next request is written: one silent retry."""
    def once_then_reset(peer):
        peer.request()
        peer.respond(200, body=b"ok")
        peer.request_head()
        peer.reset()
    back = script(once_then_reset)
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        for i in range(20):
            r = c.ask(target=f"/{i}")
            assert (r.status, r.body) == (200, b"ok"), (i, r)
        for i in range(10):
            assert c.ask("POST", "/small", body=b"kept for a retry").status in (200, 502)
    assert g.metric("retries") >= 9
    lines = g.access(30)
    assert len(lines) == 30 and all(x["reason"] == "ok" for x in lines if x["method"] == "GET")


def test_backend_of_one_request_each(instance, script):
    def handle(peer):
        peer.request()
        peer.respond(200, body=b"ok")  # says keep-alive, and ends
    back = script(handle)
    g = start(instance, back)
    with f.load(g.address(), keep=2, each=1) as loads:
        for _ in range(30):
            loads.step()
    assert loads.failures() == []
    assert len(g.access(loads.total())) == loads.total()


@pytest.mark.plain
def test_http10_until_the_end(instance, script):
    back = script(says(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + b"y" * 100000))
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        for _ in range(100):  # the end came in the same turn as new credit, and overtook what waited for it
            assert len(c.ask().body) == 100000
    assert back.connections == 100
    # an RST is no orderly end

    def cut(peer):
        peer.request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"y" * 1000)
        wait_for(lambda: seen, "the client to have the head")
        peer.reset()
    seen = []
    back.handlers[:] = [cut]
    with http1.Client(*g.address()) as c:
        c.request()
        r = c.response_head()
        seen.append(1)
        with pytest.raises(http1.Closed):
            c.response_body(r)
            assert not r.closed, "an end by RST looks whole"


def test_byte_by_byte(instance, script):
    text = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n")

    def handle(peer):
        while True:
            peer.request()
            for b in text:
                peer.send(bytes([b]))
    back = script(handle)
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        for _ in range(3):
            r = c.ask()
            assert (r.status, r.body, len(r.informational)) == (200, b"abcdefg", 1)
    assert back.connections == 1, "a slow one is a good one"


def test_body_where_none_may_be(instance, script):
    """HEAD, 204 and 304 have no body; bytes that come nevertheless are surplus."""
    kind = {"/204": b"HTTP/1.1 204 No Content\r\n", "/304": b"HTTP/1.1 304 Not Modified\r\n", "/head": b"HTTP/1.1 200 OK\r\n"}

    def handle(peer):
        while True:
            r = peer.request()
            peer.send(kind.get(r.target, b"HTTP/1.1 200 OK\r\n") + b"Content-Length: 6\r\n\r\npoison")
    back = script(handle)
    g = start(instance, back)
    with http1.Client(*g.address()) as c:
        for target, method in (("/204", "GET"), ("/304", "GET"), ("/head", "HEAD"), ("/204", "GET")):
            r = c.ask(method, target)
            assert r.body == b""
            r = c.ask(target="/good")
            assert r.status == 200 and r.body == b"poison", r


def test_client_gone_cancels_the_backend(instance, script):
    seen = threading.Semaphore(0)

    def handle(peer):
        peer.request()
        seen.release()
        peer.stall()
    back = script(handle)
    g = start(instance, back)
    for how in ("reset", "close"):
        clients = [http1.Client(*g.address()) for _ in range(20)]
        for c in clients:
            c.request()
        for _ in clients:
            assert seen.acquire(timeout=30)
        for c in clients:
            getattr(c, how)() if how == "reset" else c.close()
        if how == "reset":
            wait_for(lambda: back.open == 0, "upstream requests to be cancelled")
            f.quiet(g)
        else:  # a FIN alone may be a half-close: the answer may still be wanted; the deadline is the response's
            for p in list(back.peers):
                p.sock.shutdown(socket.SHUT_RDWR)
            f.quiet(g)
    assert len(g.access(40)) == 40
