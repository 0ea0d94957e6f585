"""HTTP/2 towards clients: prior knowledge on HTTP listeners, streams beside each other, translations to HTTP/1."""
import contextlib
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from lib import http1, objects as o, tls
from lib.wait import DEADLINE, wait_for

pytest.importorskip("h2.connection")
from h2 import events, exceptions, settings  # noqa: E402,F401
from lib.h2peer import Client, h2_backend, next_request  # noqa: E402,F401  pylint: disable=unused-import

PORT = 8080


def simple(*backends_, **kw):
    return [o.gateway(port=PORT), o.route(rules=[{**o.rule("web"), **kw}]), o.service("web", *[b.address for b in backends_])]


def test_curl(instance, echo):
    g = instance(*simple(echo()))
    host, port = g.address()[:2]
    out = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-d", "hello", "-w", "\n%{http_version} %{http_code}",
                          f"http://{host}:{port}/curl?q=1"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
    assert out.endswith("\n2 200")
    seen = json.loads(out.rsplit("\n", 1)[0])
    assert seen["path"] == "/curl?q=1" or seen["path"] == "/curl"


def test_upgrade_to_h2c_is_ignored(instance, echo):
    g = instance(*simple(echo()))
    host, port = g.address()[:2]
    out = subprocess.run(["curl", "-sS", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                          f"http://{host}:{port}/up"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
    assert out == "1.1 200"


def test_streams_beside_each_other(instance, echo):
    g = instance(*simple(echo()))
    with Client(g.address()) as c:
        ids = [c.request(path=f"/{i}") for i in range(50)]
        for i, sid in enumerate(ids):
            status, _, body, _ = c.response(sid)
            assert status == 200 and json.loads(body)["path"] == f"/{i}"


def test_host_and_cookies(instance, script):
    heads = []

    def handle(peer):
        heads.append(peer.request())
        peer.respond(200, body=b"ok")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        assert c.response(c.request(("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")))[0] == 200
    h = {k.lower(): v for k, v in heads[0].headers}
    assert h["host"] == "h.example" and h["cookie"] == "a=1; b=2"
    assert "te" not in h or h["te"] == "trailers"


def test_upload_and_chunks(instance, script):
    bodies = []

    def handle(peer):
        r = peer.request()
        bodies.append(({k.lower(): v for k, v in r.headers}.get("transfer-encoding"), r.body))
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        peer.send(b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        status, headers, body, trailers = c.response(c.request(method="POST", body=b"x" * 10000))
    assert (status, body, trailers) == (200, b"abcde", {"x-sum": "7"})
    assert "transfer-encoding" not in headers and "connection" not in headers
    assert bodies == [("chunked", b"x" * 10000)]


@pytest.mark.parametrize("method,status,extra", [
    ("HEAD", 200, b"Content-Length: 5\r\n"), ("GET", 204, b""), ("GET", 304, b"ETag: \"x\"\r\n")])
def test_answers_without_body(instance, script, method, status, extra):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, extra))
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        got = c.response(c.request(method=method))
    assert got[0] == status and got[2] == b""
    if method == "HEAD":
        assert got[1]["content-length"] == "5"


def test_informational(instance, script):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        peer.respond(200, body=b"then")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        sid = c.request()
        assert c.response(sid)[2] == b"then"
        info = c.of(sid, events.InformationalResponseReceived)
        assert [dict(i.headers)[":status"] for i in info] == ["103"]


def test_a_cut_answer_is_a_reset(instance, script):
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        sid = c.request()
        with pytest.raises(ConnectionResetError):
            c.response(sid)
        # the neighbours live on
        assert not c.of(sid, events.ConnectionTerminated) and not [e for e in c.events if isinstance(e, events.ConnectionTerminated)]


def test_reset_by_the_client_reaches_the_backend(instance, script):
    gone = threading.Event()

    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        peer.sock.settimeout(DEADLINE)
        if peer.sock.recv(1) == b"":
            gone.set()
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        sid = c.request()
        while not c.of(sid, events.DataReceived):
            c.step()
        c.c.reset_stream(sid, 8)
        c.flush()
        assert gone.wait(DEADLINE)


def test_early_answer_ends_the_upload_only(instance, script):
    def handle(peer):
        peer.request_head()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        sid = c.request(method="POST", body=b"x" * 10000, end=False)
        assert c.response(sid)[::2] == (403, b"no")
        assert c.response(c.request(path="/next"))[0] == 403


def test_connect_is_refused(instance, echo):
    g = instance(*simple(echo()))
    with Client(g.address()) as c:
        sid = c.c.get_next_available_stream_id()
        c.c.send_headers(sid, [(":method", "CONNECT"), (":authority", "h.example:443")], end_stream=False)
        c.flush()
        assert c.response(sid)[0] == 501
        assert c.response(c.request())[0] == 200


@pytest.mark.parametrize("field", [("connection", "close"), ("transfer-encoding", "chunked"), ("te", "gzip"), ("upgrade", "h2c"),
                                   ("X-Upper", "v"), ("a", "b\r\nc: d"), ("a:b", "c"), ("host", "other")])
def test_malformed_requests_reach_nobody(instance, echo, field):
    g = instance(*simple(echo()))
    with Client(g.address()) as c:
        sid = c.request(field)
        try:
            assert c.response(sid)[0] == 400
        except ConnectionResetError as e:
            assert e.args[0] == 1
        assert c.response(c.request())[0] == 200


def test_rapid_reset_is_bounded(instance, echo):
    g = instance(*simple(echo()))
    with Client(g.address()) as c:
        try:
            for _ in range(500):
                sid = c.request(method="POST", end=False)
                c.c.reset_stream(sid, 8)
                c.flush()
            while c.step():
                pass
        except (OSError, exceptions.ProtocolError):
            pass
        ended = [e for e in c.events if isinstance(e, events.ConnectionTerminated)]
        assert not ended or ended[0].error_code == 11
    assert http1.ask(g.address()).status == 200


def test_settings_of_a_policy(instance, echo):
    policy = o.ctp(http2={"maxConcurrentStreams": 7, "initialStreamWindowSize": "128Ki", "initialConnectionWindowSize": "2Mi"})
    g = instance(*simple(echo("web")), policy)
    with Client(g.address()) as c:
        assert c.response(c.request())[0] == 200
        assert c.c.remote_settings.max_concurrent_streams == 7 and c.c.remote_settings.initial_window_size == 131072
        assert c.c.outbound_flow_control_window == 2 << 20


def test_an_old_connection_is_told_to_go(instance, script):
    """maxConnectionDuration: GOAWAY while a stream is open, which ends in peace."""
    go = threading.Event()

    def handle(peer):
        peer.request()
        go.wait(DEADLINE)
        peer.respond(200, body=b"late")
    policy = o.ctp(connection={"connectionLimit": {"maxConnectionDuration": "700ms"}})
    g = instance(*simple(script(handle)), policy)
    with Client(g.address()) as c:
        c.request()
        while not [e for e in c.events if isinstance(e, events.ConnectionTerminated)]:
            c.step()
        go.set()
        data = b""
        while (more := c.sock.recv(65536)):
            data += more
        assert b"late" in data


@pytest.mark.skipif(not shutil.which("h2load"), reason="nghttp2-client is not installed")
def test_load(instance, echo):
    g = instance(*simple(echo()))
    host, port = g.address()[:2]
    out = subprocess.run(["h2load", "-n", "3000", "-c", "8", "-m", "32", f"http://{host}:{port}/"],
                         capture_output=True, text=True, timeout=60).stdout
    assert re.search(r"3000 succeeded, 0 failed, 0 errored", out), out


@pytest.mark.skipif(not shutil.which("h2load"), reason="nghttp2-client is not installed")
def test_large_bodies(instance, script, tmp_path):
    """A megabyte each way; the client's windows are the default ones."""
    def handle(peer):
        r = peer.request()
        peer.respond(200, body=r.body)
    g = instance(*simple(script(handle)))
    host, port = g.address()[:2]
    data = bytes(range(256)) * 8192
    (tmp_path / "up").write_bytes(data)
    out = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--data-binary", f"@{tmp_path}/up", f"http://{host}:{port}/"],
                         capture_output=True, timeout=DEADLINE, check=True).stdout
    assert out == data


def test_drain_says_goaway_and_finishes(instance, script):
    asked, go = threading.Event(), threading.Event()

    def handle(peer):
        peer.request()
        asked.set()
        go.wait(DEADLINE)
        peer.respond(200, body=b"late")
    g = instance(*simple(script(handle)))
    with Client(g.address()) as c:
        sid = c.request()
        assert asked.wait(DEADLINE)
        g.kick(signal.SIGTERM)
        while not [e for e in c.events if isinstance(e, events.ConnectionTerminated)]:
            if not c.step():
                break
        go.set()
        # python3-h2 takes no more after a GOAWAY by its own state machine: read what comes
        rest = b""
        try:
            while True:
                part = c.sock.recv(65536)
                if not part:
                    break
                rest += part
        except OSError:
            pass
        assert b"late" in rest or any(e.data == b"late" for e in c.of(sid, events.DataReceived))


# ---- towards backends: appProtocol kubernetes.io/h2c


def h2c(*addresses):
    svc = o.service("web", *addresses)
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    return [o.gateway(port=PORT), o.route(rules=[o.rule("web")]), svc]


def answer(peer, sid, body=b"ok", trailers=None):
    peer.c.send_headers(sid, [(":status", "200"), ("x-from", "h2")])
    peer.c.send_data(sid, body, end_stream=trailers is None)
    if trailers:
        peer.c.send_headers(sid, trailers, end_stream=True)
    peer.flush()


def test_h1_to_h2c(instance, h2_backend):
    heads = []

    def handle(peer):
        seen = set()
        while True:
            sid, head = next_request(peer, seen)
            heads.append((head, b"".join(e.data for e in peer.of(sid, events.DataReceived))))
            answer(peer, sid, b"hello", [("x-sum", "7")])
    g = instance(*h2c(h2_backend(handle)))
    with http1.Client(*g.address()) as c:
        for _ in range(3):
            c.send(b"POST /a?b=c HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            r = c.response()
            assert r.status == 200 and r.body == b"hello" and r.headers.get("x-from") == "h2"
    head, body = heads[0]
    assert (head[":method"], head[":path"], head[":authority"], head[":scheme"]) == ("POST", "/a?b=c", "h.example", "http")
    assert body == b"abc" and "host" not in head and "transfer-encoding" not in head


def test_many_streams_on_one_connection(instance, h2_backend):
    connections = []

    def handle(peer):
        seen = set()
        connections.append(peer)
        while True:
            answer(peer, next_request(peer, seen)[0])
    g = instance(*h2c(h2_backend(handle)))
    with Client(g.address()) as c:
        for sid in [c.request(path=f"/{i}") for i in range(60)]:
            assert c.response(sid)[0] == 200
    assert len(connections) == 1


def test_goaway_of_a_backend_loses_nothing(instance, h2_backend):
    """The backend takes the first of each batch and says GOAWAY: the others go to a new connection."""
    def handle(peer):
        seen = set()
        sid, _ = next_request(peer, seen)
        peer.c.close_connection(last_stream_id=sid)
        peer.flush()
        # python3-h2 sends no more after its own GOAWAY: the answer is made by hand
        peer.sock.sendall(b"\x00\x00\x01\x01\x05" + sid.to_bytes(4, "big") + b"\x88")
        while peer.sock.recv(65536):
            pass
    g = instance(*h2c(h2_backend(handle)))
    with Client(g.address()) as c:
        for _ in range(3):
            got = [c.response(sid)[0] for sid in [c.request(path=f"/{i}") for i in range(2)]]
            assert got == [200, 200]


def test_refused_stream_is_sent_again(instance, h2_backend):
    count = []

    def handle(peer):
        seen = set()
        while True:
            sid, _ = next_request(peer, seen)
            count.append(sid)
            if len(count) == 1:
                peer.c.reset_stream(sid, 7)
                peer.flush()
            else:
                answer(peer, sid)
    g = instance(*h2c(h2_backend(handle)))
    assert http1.ask(g.address()).status == 200
    assert len(count) == 2


def test_no_backend_is_503(instance, block):
    g = instance(*h2c((block.backend(), 3999)))
    assert http1.ask(g.address()).status == 503


def test_a_chain_of_gateways(instance, echo, tmp_path):
    """h2 to h2 to HTTP/1."""
    back = instance(*simple(echo()))
    front = instance(*h2c(back.address()[:2]))
    host, port = front.address()[:2]
    with Client(front.address()) as c:
        for i, sid in enumerate([c.request(path=f"/{i}") for i in range(20)]):
            status, _, body, _ = c.response(sid)
            assert status == 200 and json.loads(body)["path"] == f"/{i}"
    out = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "20", f"http://{host}:{port}/"],
                         capture_output=True, text=True, timeout=60).stdout
    assert "2000 succeeded, 0 failed, 0 errored" in out, out


# ---- by ALPN on HTTPS listeners


@pytest.fixture
def https(instance, echo, tmp_path):
    """Two listeners on one port, as (gateway, address)."""
    made = {n: tls.Pair(tmp_path, n, (f"{n}.test",)) for n in ("a", "b")}
    e = echo("e")
    g = instance(o.gateway(listeners=[tls.listener(n, 8443, n, hostname=f"{n}.test") for n in made]), o.service("e", e.address),
                 o.route("all", [o.rule("e", path="/")]), *[tls.secret(n, p) for n, p in made.items()])
    return g, g.address()[:2]


def curl_https(at, host, *args):
    return subprocess.run(["curl", "-sSk", "--connect-to", f"{host}:443:{at[0]}:{at[1]}", "-o", "/dev/null",
                           "-w", "%{http_version} %{http_code}", *args, f"https://{host}/x"],
                          capture_output=True, text=True, timeout=DEADLINE, check=True).stdout


def test_alpn(https):
    g, at = https
    assert curl_https(at, "a.test", "--http2") == "2 200"
    assert curl_https(at, "a.test", "--http1.1") == "1.1 200"
    assert curl_https(at, "a.test", "--no-alpn") == "1.1 200"
    wait_for(lambda: len(g.access()) == 3, "three lines in the log")
    lines = sorted((a["proto"], a["scheme"]) for a in g.access())  # of more than one worker: in no order
    assert lines == [("h1", "https"), ("h1", "https"), ("h2", "https")]


def test_coalescing_is_421(https):
    """A stream for a host of another listener than the handshake's."""
    _, at = https
    ctx = ssl._create_unverified_context()
    ctx.set_alpn_protocols(["h2"])
    with ctx.wrap_socket(socket.create_connection(at, timeout=DEADLINE), server_hostname="a.test") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        c = Client(sock=sock)

        def status(authority, scheme="https"):
            sid = c.c.get_next_available_stream_id()
            c.c.send_headers(sid, [(":method", "GET"), (":scheme", scheme), (":path", "/"), (":authority", authority)], end_stream=True)
            c.flush()
            return c.response(sid)[0]
        assert [status("a.test"), status("b.test"), status("a.test", "http"), status("a.test")] == [200, 421, 421, 200]


def test_agreed_on_h2_and_sends_h1(https):
    _, at = https
    ctx = ssl._create_unverified_context()
    ctx.set_alpn_protocols(["h2"])
    with ctx.wrap_socket(socket.create_connection(at, timeout=DEADLINE), server_hostname="a.test") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        got = b""
        while part := sock.recv(4096):
            got += part
        assert b"HTTP/1" not in got


def test_limit_of_streams(instance, script):
    """limits.h2_streams is what clients are told, and what holds for those that do not listen."""
    b = script(lambda peer: (peer.request(), peer.stall()))
    g = instance(*simple(b), conf="limits = { h2_streams = 3; };")
    with Client(g.address()) as c:
        while not [e for e in c.events if isinstance(e, events.RemoteSettingsChanged)]:
            c.step()
        assert c.c.remote_settings.max_concurrent_streams == 3
        for _ in range(3):
            c.request()
        wait_for(lambda: b.connections == 3, "three requests")
        c.c.remote_settings = settings.Settings(client=False)
        c.request()
        with contextlib.suppress(ConnectionError):
            while c.step():
                pass
        assert [e.error_code for e in c.events if isinstance(e, events.ConnectionTerminated)] == [1]
    assert b.connections == 3


def test_via(instance, echo, h2_backend):
    """Via says in which version each message came (RFC 9110 section 7.6.3)."""
    def handle(peer):
        done = set()
        while True:
            sid, head = next_request(peer, done)
            peer.c.send_headers(sid, [(":status", "200"), ("x-seen", head["via"])], end_stream=True)
            peer.flush()
    b = echo()
    svc = o.service("h2", h2_backend(handle))
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    rules = [o.rule("h1", path="/h1"), o.rule("h2", path="/h2")]
    g = instance(o.gateway(port=PORT), o.route(rules=rules), o.service("h1", b.address), *svc)
    one, seen = g.ask(target="/h2"), {}
    assert (one.headers.get("x-seen"), one.headers.get("via")) == ("1.1 headgate", "2.0 headgate")
    one = g.ask(target="/h1")
    assert (b.requests[-1].headers.get("via"), one.headers.get("via")) == ("1.1 headgate", "1.1 headgate")
    with Client(g.address()) as c:
        for path in ("/h1", "/h2"):
            status, head, _, _ = c.response(c.request(path=path))
            assert status == 200
            seen[path] = head.get("x-seen") or b.requests[-1].headers.get("via"), head["via"]
    assert seen == {"/h1": ("2.0 headgate", "1.1 headgate"), "/h2": ("2.0 headgate", "2.0 headgate")}
