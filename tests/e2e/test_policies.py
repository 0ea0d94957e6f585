"""BackendTrafficPolicy on the wire: the order of its parts, and what its smaller fields do."""
import concurrent.futures
import gzip
import subprocess
import threading

import pytest

from lib import objects as o
from lib.h2peer import Client, h2_backend, next_request  # noqa: F401  pylint: disable=unused-import
from lib.wait import DEADLINE, wait_for

PORT = 8080
ORIGIN = "https://app.example.org"
CORS = {"type": "CORS", "cors": {"allowOrigins": [ORIGIN], "allowMethods": ["GET", "PUT"], "maxAge": 600}}
STAMP = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-stamp", "value": "here"}]}}


def limit(n, unit="Hour", **more):
    return {"rateLimit": {"local": {"rules": [{"limit": {"requests": n, "unit": unit}, **more}]}}}


def world(web, *policies, **rule):
    return [o.gateway(port=PORT), o.route(rules=[o.rule("web", **rule)]), o.service("web", web.address), *policies]


@pytest.mark.parametrize("policy", [True, False])
def test_preflight(instance, echo, policy):
    """A preflight is answered before any limit and costs no token; what the limit refuses can be read across origins."""
    g = instance(*world(echo(), *[o.btp(**limit(1))] * policy, filters=[CORS, STAMP]), workers=1)
    ask = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT")]
    for _ in range(3):
        r = g.ask("OPTIONS", headers=ask)
        assert r.status == 204 and r.headers.get("access-control-allow-methods") == "GET, PUT"
        assert r.headers.get("access-control-allow-origin") == ORIGIN and r.headers.get("x-stamp") == "here"
    assert g.ask(headers=[("Origin", ORIGIN)]).status == 200
    r = g.ask(headers=[("Origin", ORIGIN)])
    assert r.status == (429 if policy else 200)
    assert r.headers.get("access-control-allow-origin") == ORIGIN and r.headers.get("vary") == "Origin"
    assert r.headers.get("x-stamp") == "here"


def test_refused_has_an_id(instance, echo):
    """The line of a request that was refused here names it, by the client's id or a new one."""
    g = instance(*world(echo(), o.btp(**limit(0))), workers=1)
    assert g.ask(headers=[("X-Request-Id", "abc-1")]).status == 429
    assert g.ask().status == 429
    lines = g.access(2)
    assert [x["status"] for x in lines] == [429, 429]
    assert lines[0]["req_id"] == "abc-1" and len(lines[1]["req_id"]) == 36


def coded(g, accept):
    """(coding, body as it came, Vary) of an answer."""
    r = g.ask(target="/text", headers=[("Accept-Encoding", accept)])
    assert r.status == 200
    return r.headers.get("content-encoding"), r.body, r.headers.get("vary")


def test_compression(instance, script):
    """The client's wish decides, the order of the list among equals; the backend is not asked to compress."""
    text, seen = b"headgate " * 20000, []

    def handle(peer):
        while True:
            seen.append(peer.request())
            peer.respond(200, [("Content-Type", "text/plain"), ("ETag", '"x"')], text)
    web = script(handle)
    codings = [{"type": "Brotli", "brotli": {}}, {"type": "Gzip", "gzip": {}}]
    g = instance(*world(web, o.btp(compressor=codings)))
    served = "Warning" not in g.conditions("backendtrafficpolicy", "policy")   # is brotli in this build?
    coding, body, vary = coded(g, "gzip, br")
    assert coding == ("br" if served else "gzip") and vary == "Accept-Encoding" and len(body) < 5000
    if served:
        assert subprocess.run(["brotli", "-dc"], input=body, capture_output=True, check=True).stdout == text
    coding, body, _ = coded(g, "gzip, br;q=0.9")
    assert coding == "gzip" and gzip.decompress(body) == text
    assert coded(g, "zstd") == (None, text, "Accept-Encoding")
    assert not any("accept-encoding" in r.headers for r in seen)


def test_compression_without_its_member(instance, echo):
    """An entry without its own empty member is ignored, and one that is not served is named."""
    g = instance(*world(echo(), o.btp(compressor=[{"type": "Gzip"}, {"type": "Zstd", "zstd": {}}])))
    assert coded(g, "gzip, zstd")[0] is None
    status = g.get("backendtrafficpolicy", "policy")["status"]["ancestors"][0]["conditions"]
    assert any(c["type"] == "Warning" and "spec.compressor[1]" in c["message"] for c in status), status


def test_buffer_limit_of_a_retry(instance, script):
    """connection.bufferLimit is what is kept of a body for another try: a longer one is not sent again."""
    got = []

    def handle(peer):
        r = peer.request()
        got.append(len(r.body))
        peer.respond(503 if len(got) % 2 else 200)
    web = script(handle)
    retry = {"numRetries": 1, "retryOn": {"httpStatusCodes": [503]}}
    g = instance(*world(web, o.btp(retry=retry, connection={"bufferLimit": "8Ki"})), workers=1)
    assert g.ask("POST", body=b"x" * 8000).status == 200 and got == [8000, 8000]
    del got[:]
    assert g.ask("POST", body=b"x" * 20000).status == 503 and got == [20000]


@pytest.mark.parametrize("spec, path", [
    ({"routingType": "Service"}, "spec.routingType"),
    ({"httpUpgrade": [{"type": "CONNECT", "connect": {"terminate": True}}]}, "spec.httpUpgrade[0]"),
    ({"httpUpgrade": [{"type": "websocket"}, {"type": "h2c"}]}, "spec.httpUpgrade[1]"),
    ({"dns": {"dnsRefreshRate": "5s"}}, "spec.dns"),
    ({"retry": {"numAttemptsPerPriority": 1}}, "spec.retry.numAttemptsPerPriority"),
    ({"admissionControl": {}}, "spec.admissionControl")])
def test_what_is_not_served_is_named(instance, echo, spec, path):
    g = instance(*world(echo(), o.btp(**spec)))
    status = g.get("backendtrafficpolicy", "policy")["status"]["ancestors"][0]["conditions"]
    warning = [c for c in status if c["type"] == "Warning"]
    assert warning and warning[0]["reason"] == "UnsupportedField" and path in warning[0]["message"]
    assert g.ask().status == 200


def test_what_is_served_otherwise_is_said(instance, echo):
    client = o.ctp("client", api=o.ENVOY, connection={"bufferLimit": "50Mi"}, tls={"session": {"resumption": {"stateful": {}}}})
    g = instance(*world(echo(), o.btp(circuitBreaker={"maxPendingRequests": 0}), client))

    def warning(kind, name):
        found = g.get(kind, name)["status"]["ancestors"][0]["conditions"]
        return next((c for c in found if c["type"] == "Warning"), None)
    said = warning("clienttrafficpolicy", "client")
    assert said["reason"] == "ValueAdjusted" and "bufferLimit is served as 1Mi" in said["message"] and "stateful" in said["message"]
    said = warning("backendtrafficpolicy", "policy")
    assert said["reason"] == "ValueAdjusted" and "maxPendingRequests 0 refuses" in said["message"]
    assert g.ask().status == 503
    client["spec"] = {"targetRefs": client["spec"]["targetRefs"], "connection": {"bufferLimit": "32Ki"}}
    g.put(*world(echo("second"), o.btp(), client))
    g.reload(0)
    assert warning("clienttrafficpolicy", "client") is None and g.ask().status == 200


def two(a, b, *policies):
    """/a has the policies, /b has none."""
    return [o.gateway(port=PORT), o.route(rules=[o.rule("a", path="/a")]), o.route("other", [o.rule("b", path="/b")]),
            o.service("a", a.address), o.service("b", b.address), *policies]


def test_idle_time(instance, echo):
    """A policy's idle time of pooled connections may be longer and shorter than the house's."""
    a, b = echo("a"), echo("b")
    times = {"timeout": {"http": {"connectionIdleTimeout": "1h"}}}
    g = instance(*two(a, b, o.btp(**times)), workers=1, conf='limits = { upstream_idle_timeout = "200ms"; };')
    assert g.ask(target="/a").status == g.ask(target="/b").status == 200
    wait_for(lambda: b.open == 0, "the house's time to pass")
    assert a.open == 1 and g.ask(target="/a").status == 200 and a.connections == 1
    times["timeout"]["http"]["connectionIdleTimeout"] = "50ms"
    g.configure('workers = 1;\naddress_pool = "%s";\n' % g.pool)
    g.put(*two(a, b, o.btp(**times)))
    g.reload()
    assert g.ask(target="/a").status == g.ask(target="/b").status == 200
    wait_for(lambda: a.open == 0, "the policy's time to pass")
    assert b.open == 1


def test_requests_of_a_shared_connection(instance, h2_backend):
    """maxRequestsPerConnection counts on HTTP/2 too."""
    connections = []

    def handle(peer):
        connections.append(peer)
        seen = set()
        while True:
            sid, _ = next_request(peer, seen)
            peer.c.send_headers(sid, [(":status", "200")], end_stream=True)
            peer.flush()
    address = h2_backend(handle)
    svc = o.service("web", address)
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), svc,
                 o.btp(circuitBreaker={"maxRequestsPerConnection": 2}), workers=1)
    assert [g.ask().status for _ in range(6)] == [200] * 6
    assert len(connections) == 3


def test_connections_to_http2_backends(instance, h2_backend):
    """maxConnections counts shared connections: whoever finds no stream waits for one."""
    connections, release, busy = [], threading.Event(), threading.Event()

    def handle(peer):
        connections.append(peer)
        peer.c.update_settings({3: 1})  # one stream at a time
        peer.flush()
        seen = set()
        while True:
            sid, head = next_request(peer, seen)
            if head[":path"] == "/hold":
                busy.set()
                assert release.wait(DEADLINE)
            peer.c.send_headers(sid, [(":status", "200")], end_stream=True)
            peer.flush()
    svc = o.service("web", h2_backend(handle))
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), svc,
                 o.btp(circuitBreaker={"maxConnections": 1, "maxPendingRequests": 2}), workers=1)
    assert g.ask().status == 200
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(g.ask, "GET", "/hold")
        assert busy.wait(DEADLINE)
        others = [pool.submit(g.ask) for _ in range(3)]  # two may wait
        wait_for(lambda: any(f.done() for f in others), "one to be refused")
        release.set()
        assert first.result().status == 200
        assert sorted(f.result().status for f in others) == [200, 200, 503]
    assert len(connections) == 1


def test_endpoint_connections_are_shared(instance, h2_backend):
    """With one connection for its endpoint, a hundred calls go beside each other."""
    connections = []

    def handle(peer):
        connections.append(peer)
        seen = set()
        sids = [next_request(peer, seen)[0]]
        peer.c.send_headers(sids[0], [(":status", "200")], end_stream=True)
        peer.flush()
        sids = [next_request(peer, seen)[0] for _ in range(20)]  # all of them first
        for sid in sids:
            peer.c.send_headers(sid, [(":status", "200")], end_stream=True)
        peer.flush()
        peer.sock.recv(65536)
    svc = o.service("web", h2_backend(handle))
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), svc,
                 o.btp(circuitBreaker={"perEndpoint": {"maxConnections": 1}}), workers=1)
    assert g.ask().status == 200
    with Client(g.address()) as c:
        assert [c.response(sid)[0] for sid in [c.request() for _ in range(20)]] == [200] * 20
    assert len(connections) == 1
