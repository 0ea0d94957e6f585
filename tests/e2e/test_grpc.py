"""GRPCRoute with real gRPC peers: the four kinds of call, metadata, deadlines, statuses, routes, policies, reloads."""
import os
import signal
import ssl
import threading

import pytest

from lib import http1, objects as o, tls
from lib.wait import DEADLINE, wait_for

grpc = pytest.importorskip("grpc")
pytest.importorskip("h2.connection")
from lib import grpcs  # noqa: E402
from lib.h2peer import Client as Raw, h2_backend, next_request  # noqa: E402,F401  pylint: disable=unused-import

PORT = 8080
SERVICE = grpcs.SERVICE


@pytest.fixture(scope="module")
def shared():
    """One gateway with one server behind a GRPCRoute, for all tests that change nothing: (instance, server, block)."""
    from lib.block import Block  # pylint: disable=import-outside-toplevel
    from lib.gateway import Instance  # pylint: disable=import-outside-toplevel
    block = Block()
    with grpcs.Server(block.backend()) as server, \
            Instance(o.gateway(port=PORT), o.service("web", server.address), o.grpc_route(rules=[
                o.grpc_rule("web", service=SERVICE), o.grpc_rule("web", headers={"x-any": "yes"})]), pool=block.pool) as g:
        yield g, server
    block.close()


@pytest.fixture
def call(shared):
    with grpcs.Client(shared[0].address()) as c:
        yield c


@pytest.fixture
def server(block):
    """server(name) starts one; it has .name."""
    made = []

    def start(name="web", **kw):
        s = grpcs.Server(block.backend(), **kw)
        s.name = name
        made.append(s)
        return s
    yield start
    for s in made:
        s.__exit__()


def simple(*servers, policies=(), **kw):
    rules = [o.grpc_rule(*[s.name for s in servers], **kw)]
    return [o.gateway(port=PORT), o.grpc_route(rules=rules), *[o.service(s.name, s.address) for s in servers], *policies]


# ---- calls

def test_unary_and_metadata(call, shared):
    reply, done = call.unary("Unary").with_call(b"hello", timeout=DEADLINE, metadata=[("x-text", "a b"), ("x-raw-bin", b"\0\xff")])
    assert reply == b"hello" and done.code() is grpc.StatusCode.OK
    assert dict(done.trailing_metadata())["x-raw-bin"] == b"\0\xff\n" and "x-count" in dict(done.trailing_metadata())
    seen = shared[1].metadata[-1]
    assert seen["x-text"] == "a b" and seen["x-raw-bin"] == b"\0\xff" and "x-request-id" in seen


def test_the_streaming_kinds(call):
    assert call.collect()(iter([b"a", b"bc", b""]), timeout=DEADLINE) == b"abc"
    stream = call.spread()(b"hello", timeout=DEADLINE)
    assert dict(stream.initial_metadata())["x-first"] == "yes"
    assert list(stream) == [b"h", b"e", b"l", b"l", b"o"] and stream.code() is grpc.StatusCode.OK
    feed = grpcs.Feed()
    talk = call.talk()(feed, timeout=DEADLINE)
    for word in (b"one", b"two", b"x" * 100000):  # each is answered before the next is said
        feed.put(word)
        assert next(talk) == word
    feed.end()  # half-close: the rest still comes
    assert list(talk) == [] and talk.code() is grpc.StatusCode.OK


def test_large_messages(call):
    big = bytes(range(256)) * (8 << 12)  # 8 MiB
    assert call.unary("Unary")(big, timeout=4 * DEADLINE) == big
    assert call.collect()(iter([big, big]), timeout=4 * DEADLINE) == big + big
    assert list(call.talk()(iter([big, b"", big]), timeout=4 * DEADLINE)) == [big, b"", big]


def test_many_at_once(call):
    futures = [call.unary("Unary").future(b"%d" % i, timeout=DEADLINE) for i in range(300)]
    assert [f.result() for f in futures] == [b"%d" % i for i in range(300)]


def test_statuses_of_the_backend_pass(call):
    for code, name in ((1, "CANCELLED"), (5, "NOT_FOUND"), (13, "INTERNAL"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED")):
        assert grpcs.status(call.unary("Unary"), b"", metadata=[("fail-with", str(code))]) == (name, "as asked: \u00e4%")
    assert grpcs.status(call.unary("Nothing"), b"")[0] == "UNIMPLEMENTED"


def test_no_route_is_unimplemented(call, shared):
    assert grpcs.status(call.unary("Unary", "other.Service"), b"") == ("UNIMPLEMENTED", "no route matches")
    wait_for(lambda: [a for a in shared[0].access() if a["reason"] == "no_route"], "its line")
    line = [a for a in shared[0].access() if a["reason"] == "no_route"][-1]
    assert line["status"] == 200 and line["grpc_status"] == 12


def test_a_head_too_large_is_a_status(call):
    with pytest.raises(grpc.RpcError) as e:
        call.unary("Unary")(b"", metadata=[(f"h{i}", "v" * 2000) for i in range(50)])
    assert e.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "header too large" in e.value.details()


def test_log_and_counters(call, shared):
    g, _ = shared
    before = g.metric("grpc_calls"), g.metric("grpc_failed")
    call.unary("Unary")(b"", timeout=DEADLINE, metadata=[("x-mark", "1")])
    assert grpcs.status(call.unary("Unary"), b"", metadata=[("fail-with", "9")])[0] == "FAILED_PRECONDITION"
    wait_for(lambda: g.metric("grpc_calls") == before[0] + 2 and g.metric("grpc_failed") == before[1] + 1, "both counted")
    wait_for(lambda: {0, 9} <= {a.get("grpc_status") for a in g.access()}, "both logged")
    line = [a for a in g.access() if a.get("grpc_status") == 9][-1]
    assert line["status"] == 200 and line["proto"] == "h2" and line["path"] == f"/{SERVICE}/Unary" and line["upstream_status"] == 200


# ---- deadlines and cancelling

def test_deadline(call, shared):
    """The backend is told what is left."""
    _, server = shared
    call.unary("Unary")(b"", timeout=500)
    assert 400 < server.left[-1] < 510  # clients round it up
    assert grpcs.status(call.unary("Wait"), b"", timeout=0.2)[0] == "DEADLINE_EXCEEDED"
    wait_for(lambda: server.cancelled, "the backend to hear of it")


def test_the_gateway_keeps_the_deadline(instance, h2_backend):
    """Between a client and a backend that do not: a status in the head, or in trailers behind what came."""
    heads, resets = [], []

    def handle(peer):
        while peer.step():
            for e in peer.events:
                kind = type(e).__name__
                if kind == "RequestReceived":
                    heads.append(dict(e.headers))
                    if heads[-1][":path"] == "/a.B/Begin":
                        peer.c.send_headers(e.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                        peer.c.send_data(e.stream_id, b"\0\0\0\0\1x")
                        peer.flush()
                resets.extend([e] if kind == "StreamReset" else [])
            peer.events.clear()
    g = instance(o.gateway(port=PORT), o.service("web", h2_backend(handle)), o.grpc_route(rules=[o.grpc_rule("web")]))
    with Raw(g.address()) as c:
        ids = [c.request(("content-type", "application/grpc+proto"), ("te", "trailers"), ("grpc-timeout", "300000u"),
                         method="POST", path="/a.B/" + m, body=b"\0\0\0\0\0") for m in ("Wait", "Begin")]
        status, head, body, _ = c.response(ids[0])
        assert (status, head["grpc-status"], head["grpc-message"], body) == (200, "4", "backend took too long", b"")
        assert head["content-type"] == "application/grpc"
        status, head, body, trailers = c.response(ids[1])
        assert (status, "grpc-status" in head, body) == (200, False, b"\0\0\0\0\1x")
        assert trailers == {"grpc-status": "4", "grpc-message": "backend took too long"}
    wait_for(lambda: len(resets) == 2, "the backend to hear of it")
    assert all(h["te"] == "trailers" and h["grpc-timeout"][-1] == "u" and int(h["grpc-timeout"][:-1]) <= 300000 for h in heads)
    assert {(a["status"], a["grpc_status"], a["reason"]) for a in g.access(2)} == {(200, 4, "backend_timeout")}


def test_cancel_reaches_the_backend(call, shared):
    server = shared[1]
    before, calls = server.cancelled, server.calls.get("Wait", 0)
    future = call.unary("Wait").future(b"", timeout=DEADLINE)
    wait_for(lambda: server.calls.get("Wait", 0) > calls, "the call to arrive")
    future.cancel()
    wait_for(lambda: server.cancelled > before, "the backend to hear of it")


# ---- the backend breaks

def test_break_in_mid_answer(instance, h2_backend):
    """Before the head it is a status, behind it trailers, and a promised length makes it a reset."""
    def handle(peer):
        seen = set()
        while True:
            sid, head = next_request(peer, seen)
            kind = head[":path"].rsplit("/", 1)[1]
            if kind != "Head":
                more = [("content-length", "1000")] if kind == "Length" else []
                peer.c.send_headers(sid, [(":status", "200"), ("content-type", "application/grpc"), *more])
                peer.c.send_data(sid, b"\0\0\0\0\1x")
            peer.c.reset_stream(sid, 2)
            peer.flush()
    at = h2_backend(handle)
    g = instance(o.gateway(port=PORT), o.service("web", at), o.grpc_route(rules=[o.grpc_rule("web")]))

    def ask(c, kind):
        return c.response(c.request(("content-type", "application/grpc"), ("te", "trailers"), method="POST",
                                    path=f"/a.B/{kind}", body=b"\0\0\0\0\0"))
    with Raw(g.address()) as c:
        status, head, _, _ = ask(c, "Head")
        assert (status, head["grpc-status"]) == (200, "14")
        status, _, body, trailers = ask(c, "Data")
        assert (status, body, trailers["grpc-status"]) == (200, b"\0\0\0\0\1x", "14")
        with pytest.raises(ConnectionResetError):
            ask(c, "Length")
    with grpcs.Client(g.address()) as c:
        assert grpcs.status(c.unary("Data", "a.B"), b"")[0] == "UNAVAILABLE"
    reasons = [a["reason"] for a in g.access(4)]
    assert reasons == ["backend_reset"] * 4


def test_early_answer(instance, h2_backend):
    """A status before the client has said all of it: the call is over, the connection is not."""
    def handle(peer):
        seen = set()
        while True:
            while not [e for e in peer.events if type(e).__name__ == "RequestReceived" and e.stream_id not in seen]:
                peer.step() or (_ for _ in ()).throw(EOFError())
            sid = [e for e in peer.events if type(e).__name__ == "RequestReceived"][-1].stream_id
            seen.add(sid)
            peer.c.send_headers(sid, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7"),
                                      ("grpc-message", "no")], end_stream=True)
            peer.flush()
    g = instance(o.gateway(port=PORT), o.service("web", h2_backend(handle)), o.grpc_route(rules=[o.grpc_rule("web")]))
    with grpcs.Client(g.address()) as c:
        for _ in range(3):
            feed = grpcs.Feed()
            feed.put(b"x")
            talk = c.talk()(feed, timeout=DEADLINE)
            assert list_status(talk) == ("PERMISSION_DENIED", "no")
            feed.end()


def list_status(stream):
    try:
        list(stream)
    except grpc.RpcError as e:
        return e.code().name, e.details()
    return "OK", ""


def test_no_backend(instance, block, server):
    s = server()
    svc = o.service("gone", (block.backend(), 3999))
    g = instance(o.gateway(port=PORT), o.service("web", s.address), svc, o.grpc_route(rules=[
        o.grpc_rule("web", service=SERVICE, method="Unary"), o.grpc_rule("gone", method="Gone"), o.grpc_rule("nobody", method="Nobody"),
        o.grpc_rule(method="Empty")]))
    with grpcs.Client(g.address()) as c:
        assert c.unary("Unary")(b"x", timeout=DEADLINE) == b"x"
        assert [grpcs.status(c.unary(m), b"")[0] for m in ("Gone", "Nobody", "Empty")] == ["UNAVAILABLE"] * 3
    assert g.conditions("grpcroute", "route")["ResolvedRefs"] == ("False", "BackendNotFound")
    # The same over HTTP/1.1: a status in the head, not an HTTP error.
    r = http1.ask(g.address(), "POST", "/a.B/Gone", headers=[("Content-Type", "application/grpc")], body=b"\0\0\0\0\0")
    assert (r.status, r.headers.get("grpc-status"), r.body) == (200, "14", b"")


# ---- routes

def test_matches_filters_weights(instance, server):
    a, b = server("a"), server("b")
    edits = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {
        "set": [{"name": "x-set", "value": "new"}], "add": [{"name": "x-add", "value": "more"}], "remove": ["x-gone"]}},
             {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-from", "value": "gateway"}]}}]
    g = instance(o.gateway(port=PORT), o.service("a", a.address), o.service("b", b.address), o.grpc_route(rules=[
        o.grpc_rule("a", service=SERVICE, method="Unary", headers={"x-to": "a"}, filters=edits, name="first"),
        o.grpc_rule("b", service="hg\\.test\\.Ech.", method="U.+", kind="RegularExpression", headers={"x-to": "b"}),
        o.grpc_rule(o.ref("a", weight=3), o.ref("b", weight=1), o.ref("b", weight=0), service=SERVICE)]))
    with grpcs.Client(g.address()) as c:
        _, done = c.unary("Unary").with_call(b"", timeout=DEADLINE, metadata=[
            ("x-to", "a"), ("x-set", "old"), ("x-add", "one"), ("x-gone", "y")])
        seen = a.metadata[-1]
        assert seen["x-set"] == "new" and "x-gone" not in seen
        assert [v for k, v in done.initial_metadata() if k == "x-from"] == ["gateway"]
        c.unary("Unary")(b"", timeout=DEADLINE, metadata=[("x-to", "b")])
        assert b.calls == {"Unary": 1}
        for _ in range(40):
            c.unary("Unary")(b"", timeout=DEADLINE)
    assert a.calls["Unary"] - 1 == 30 and b.calls["Unary"] - 1 == 10


def test_mirror(instance, server):
    a, b = server("a"), server("b")
    g = instance(*simple(a, filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": o.ref("b")}}]), o.service("b", b.address))
    with grpcs.Client(g.address()) as c:
        assert c.unary("Unary")(b"twice", timeout=DEADLINE) == b"twice"
    wait_for(lambda: b.calls.get("Unary") == 1, "the copy")


def test_beside_an_http_route(instance, server, echo):
    """Both kinds on one hostname: the content type decides, and what no GRPCRoute takes is looked for among the others."""
    s, web = server("s"), echo("web")
    g = instance(o.gateway(port=PORT), o.service("s", s.address), o.service("web", web.address), o.route("old", [o.rule("web")]),
                 o.grpc_route("new", [o.grpc_rule("s", service=SERVICE)]))
    with grpcs.Client(g.address()) as c:
        assert c.unary("Unary")(b"x", timeout=DEADLINE) == b"x"
    assert g.ask("POST", f"/{SERVICE}/Unary", body=b"").status == 200 and web.requests
    for kind in ("httproute", "grpcroute"):
        assert g.conditions(kind, "old" if kind == "httproute" else "new")["Accepted"] == ("True", "Accepted")
    out = g.cli("match", "-X", "POST", "-H", "Content-Type: application/grpc", f"http://{g.address()[0]}:{PORT}/{SERVICE}/Unary",
                check=0).stdout
    assert "GRPCRoute default/new" in out
    out = g.cli("describe", "grpcroute", "new", check=0).stdout
    assert "Accepted" in out and "hg.test.Echo" in out
    assert "new" in g.cli("get", "grpcroutes", check=0).stdout


def test_session_persistence(instance, server):
    a, b = server("a"), server("b")
    session = {"type": "Header", "header": {"name": "x-session"}}
    g = instance(*simple(a, b, sessionPersistence=session))
    with grpcs.Client(g.address()) as c:
        _, done = c.unary("Unary").with_call(b"", timeout=DEADLINE)
        token = dict(done.initial_metadata())["x-session"]
        for _ in range(6):
            c.unary("Unary")(b"", timeout=DEADLINE, metadata=[("x-session", token)])
        assert sorted([a.calls.get("Unary", 0), b.calls.get("Unary", 0)]) == [0, 7]
        first, other = (a, b) if a.calls else (b, a)
        g.put(*simple(a, b, sessionPersistence=session, backendRefs=[o.ref(first.name, weight=0), o.ref(other.name)]))
        g.reload()
        c.unary("Unary")(b"", timeout=DEADLINE, metadata=[("x-session", token)])
        c.unary("Unary")(b"", timeout=DEADLINE)
    assert (first.calls["Unary"], other.calls["Unary"]) == (8, 1)


# ---- policies

def policy(spec):
    return o.btp("p", o.target("GRPCRoute"), **spec)


def test_rate_limit_is_unavailable(instance, server):
    limit = {"rateLimit": {"local": {"rules": [{"limit": {"requests": 2, "unit": "Hour"}}]}}}
    g = instance(*simple(server(), policies=[policy(limit)]))
    with grpcs.Client(g.address()) as c:
        got = [grpcs.status(c.unary("Unary"), b"")[0] for _ in range(3)]
    assert got == ["OK", "OK", "UNAVAILABLE"]
    assert g.access(3)[-1]["reason"] == "rate_limited"


def test_faults(instance, server):
    """A fault's status, for calls and, translated, for others."""
    fault = {"faultInjection": {"abort": {"grpcStatus": 8, "percentage": 100}}}
    g = instance(*simple(server(), policies=[policy(fault)]))
    with grpcs.Client(g.address()) as c:
        assert grpcs.status(c.unary("Unary"), b"") == ("RESOURCE_EXHAUSTED", "fault filter abort")
    fault["faultInjection"]["abort"] = {"httpStatus": 503, "percentage": 100}
    g.put(*simple(server("x"), policies=[policy(fault)]))
    g.reload()
    with grpcs.Client(g.address()) as c:
        assert grpcs.status(c.unary("Unary"), b"") == ("UNAVAILABLE", "fault filter abort")


def test_retry_on_a_status(instance, h2_backend):
    count = []

    def handle(peer):
        seen = set()
        while True:
            sid, _ = next_request(peer, seen)
            count.append(sid)
            code = "14" if len(count) < 3 else "0"
            peer.c.send_headers(sid, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", code)], end_stream=True)
            peer.flush()
    retry = {"retry": {"numRetries": 3, "retryOn": {"triggers": ["unavailable"]}, "perRetry": {"backOff": {"baseInterval": "1ms"}}}}
    g = instance(o.gateway(port=PORT), o.service("web", h2_backend(handle)), o.grpc_route(rules=[o.grpc_rule("web")]), policy(retry))
    with Raw(g.address()) as c:
        _, head, _, _ = c.response(c.request(("content-type", "application/grpc"), ("grpc-timeout", "9S"), method="POST",
                                             path="/a.B/C", body=b"\0\0\0\0\0"))
    assert head["grpc-status"] == "0" and len(count) == 3
    line = g.access(1)[0]
    assert line["attempts"] == 3 and line["grpc_status"] == 0


def test_passive_health_reads_the_trailers(instance, server):
    a, b = server("a"), server("b")
    svc = o.service("web", a.address, b.address)
    health = {"healthCheck": {"passive": {"consecutive5XxErrors": 2, "interval": "1s", "baseEjectionTime": "300s",
                                          "maxEjectionPercent": 50}},
              "loadBalancer": {"type": "RoundRobin"}}
    g = instance(o.gateway(port=PORT), svc, o.grpc_route(rules=[o.grpc_rule("web")]), policy(health), workers=1)
    with grpcs.Client(g.address()) as c:
        for _ in range(8):
            grpcs.status(c.unary("Unary"), b"", metadata=[("fail-with", "13")])
        assert g.metric("ejections") == 1
        before = a.calls["Unary"], b.calls["Unary"]
        for _ in range(6):
            c.unary("Unary")(b"", timeout=DEADLINE)
    assert sorted((a.calls["Unary"] - before[0], b.calls["Unary"] - before[1])) == [0, 6]


# ---- TLS, reloads, workers

def test_over_tls(instance, server, tmp_path):
    pair = tls.Pair(tmp_path, "grpc.test", ["grpc.test"])
    s = server()
    g = instance(o.gateway(listeners=[tls.listener("https", 8443, "cert")]), tls.secret("cert", pair), o.service("web", s.address),
                 o.grpc_route(rules=[o.grpc_rule("web")]))
    with open(pair.crt, "rb") as f:
        creds = grpc.ssl_channel_credentials(f.read())
    with grpcs.Client(g.address(), credentials=creds, name="grpc.test") as c:
        assert c.unary("Unary")(b"x", timeout=DEADLINE) == b"x"
        assert c.collect()(iter([b"a", b"b"]), timeout=DEADLINE) == b"ab"
    assert ssl and g.access(2)[0]["scheme"] == "https" and g.access(2)[0]["proto"] == "h2"


def test_reload_under_a_running_stream(instance, server):
    """The stream goes on over reloads that take its route away, and new calls see what is new."""
    s = server()
    g = instance(*simple(s))
    stop, errors, done = threading.Event(), [], [0]

    def load():
        with grpcs.Client(g.address()) as c:
            while not stop.is_set():
                got = grpcs.status(c.unary("Unary"), b"x")
                done[0] += 1
                if got[0] != "OK":
                    errors.append(got)
    with grpcs.Client(g.address()) as c:
        feed = grpcs.Feed()
        talk = c.talk()(feed)
        feed.put(b"before")
        assert next(talk) == b"before"
        t = threading.Thread(target=load)
        t.start()
        try:
            for i in range(5):
                g.put(*simple(s, name=f"round-{i}"))
                g.reload()
                feed.put(b"%d" % i)
                assert next(talk) == b"%d" % i
            wait_for(lambda: done[0] > 50, "some calls")
        finally:
            stop.set()
            t.join()
        g.put(o.gateway(port=PORT))
        g.reload()
        feed.put(b"after")
        assert next(talk) == b"after"
        assert grpcs.status(c.unary("Unary"), b"")[0] == "UNIMPLEMENTED"
        feed.end()
        assert list(talk) == []
    assert not errors


def test_a_backend_that_leaves(instance, server):
    """Its GOAWAY costs no call: the stream that runs goes on there, new ones go elsewhere."""
    a, b = server("a"), server("b")
    g = instance(o.gateway(port=PORT), o.service("web", a.address, b.address), o.grpc_route(rules=[o.grpc_rule("web")]), workers=1)
    with grpcs.Client(g.address()) as c:
        feed = grpcs.Feed()
        talk = c.talk()(feed)
        feed.put(b"before")
        assert next(talk) == b"before"
        leaving, staying = (a, b) if a.calls.get("Talk") else (b, a)
        for _ in range(4):
            c.unary("Unary")(b"", timeout=DEADLINE)
        stopped = leaving.server.stop(DEADLINE)
        feed.put(b"after")
        assert next(talk) == b"after"
        before = staying.calls["Unary"]
        for _ in range(20):
            assert grpcs.status(c.unary("Unary"), b"")[0] == "OK"
        assert staying.calls["Unary"] == before + 20
        feed.end()
        assert list(talk) == []
    stopped.wait(DEADLINE)


def test_shutdown_lets_streams_end(instance, server):
    s = server()
    g = instance(*simple(s))
    with grpcs.Client(g.address()) as c:
        feed = grpcs.Feed()
        talk = c.talk()(feed)
        feed.put(b"one")
        assert next(talk) == b"one"
        g.kick(signal.SIGTERM)
        wait_for(lambda: "stopping" in g.stderr(), "the gateway to begin")
        feed.put(b"two")
        assert next(talk) == b"two"
        feed.end()
        assert list(talk) == []
    g.stop()


def test_a_worker_dies(instance, server):
    """Its calls end with a status, and the next ones are served."""
    s = server()
    g = instance(*simple(s), workers=1, allow=["worker"])
    with grpcs.Client(g.address()) as c:
        feed = grpcs.Feed()
        talk = c.talk()(feed)
        feed.put(b"one")
        assert next(talk) == b"one"
        os.kill(g.role("worker")[0], signal.SIGKILL)
        assert list_status(talk)[0] == "UNAVAILABLE"
        feed.end()
        wait_for(lambda: grpcs.status(c.unary("Unary"), b"x", wait_for_ready=True)[0] == "OK", "the next worker to serve")
