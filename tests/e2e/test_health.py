"""Health of endpoints on the wire: active checks by HTTP, TCP and gRPC, passive ejection, panic, DNS names."""
import contextlib
import threading

import h2.events
import pytest

from lib import objects as o, tls
from lib.backends import Backend
from lib.h2peer import Peer, next_request
from lib.wait import wait_for

PORT = 8080


def policy(panic=0, name="policy", target="route", **health):
    return o.btp(name, o.target(name=target), healthCheck={"panicThreshold": panic, **health})


def active(kind="HTTP", **more):
    return {"active": {"type": kind, "interval": "50ms", "timeout": "2s", "unhealthyThreshold": 1, **more}}


def backend(*endpoints, name="web", **more):
    return {"apiVersion": o.HOUSE, "kind": "Backend", "metadata": o.meta(name), "spec": {"endpoints": list(endpoints), **more}}


def to_backend(name="web"):
    return {"group": "gateway.headgate.dev", "kind": "Backend", "name": name}


def ip(at):
    return {"ip": {"address": at[0], "port": at[1]}}


def fqdn(name, port):
    return {"fqdn": {"hostname": name, "port": port}}


def hits(g, *backends, n=8):
    """Who answers n requests, as a set of indices; a refusal is its status."""
    before = [b.count for b in backends]
    bad = {r.status for r in [g.ask() for _ in range(n)] if r.status != 200}
    return {i for i, b in enumerate(backends) if b.count > before[i]} | bad


class Web(Backend):
    """Answers what .health says on /health, and .status elsewhere (counted)."""

    def __init__(self, host, port=3000):
        self.health, self.status, self.count, self.hosts = 200, 200, 0, set()
        super().__init__(host, port)

    def handle(self, peer):
        while True:
            r = peer.request()
            if r.target == "/health":
                self.hosts.add(r.host)
                peer.respond(self.health)
            else:
                self.count += 1
                peer.respond(self.status)


@pytest.fixture
def web(block):
    with contextlib.ExitStack() as stack:
        yield lambda host=None, port=3000: stack.enter_context(Web(host or block.backend(), port))


def test_active_http(instance, web):
    """An answer that says no takes an endpoint out at once, a good one brings it back; Host is the endpoint's own name."""
    a, b = web(), web()
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend())]),
                 backend({**ip(a.address), "hostname": "a.shop.test"}, ip(b.address)),
                 policy(**active(http={"path": "/health"})))
    wait_for(lambda: a.hosts and b.hosts, "the first checks")
    assert a.hosts == {"a.shop.test"} and b.hosts == {f"{b.host}:{b.port}"}
    assert hits(g, a, b) == {0, 1}
    a.health = 503
    wait_for(lambda: hits(g, a, b) == {1}, "the one that is not well to be left alone")
    b.health = 503
    wait_for(lambda: hits(g, a, b) == {503}, "nobody to be left")
    a.health = 200
    wait_for(lambda: hits(g, a, b) == {0}, "the first to be back")


def test_panic(instance, web):
    """Below the threshold health says nothing: all are used."""
    backends = [web() for _ in range(3)]
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend())]), backend(*[ip(b.address) for b in backends]),
                 policy(panic=50, **active(http={"path": "/health"})))
    backends[0].health = 503
    wait_for(lambda: hits(g, *backends) == {1, 2}, "one to be out")
    backends[1].health = 503
    wait_for(lambda: hits(g, *backends) == {0, 1, 2}, "panic")
    backends[1].health = 200
    wait_for(lambda: hits(g, *backends) == {1, 2}, "its end")


def test_a_rule_without_policy(instance, web):
    """Two rules name the endpoint, one checks it: the verdict counts for both, and one check is made."""
    a, b = web(), web()
    g = instance(o.gateway(port=PORT), o.service("web", a.address, b.address),
                 o.route("route", [o.rule("web", path="/checked")]), o.route("plain", [o.rule("web")]),
                 policy(**active(http={"path": "/health"})))
    a.health = 503
    wait_for(lambda: hits(g, a, b) == {1}, "the one that is not well to be left alone")
    b.health = 503
    # a rule that asked for no checks does not lose all its endpoints by those of another
    wait_for(lambda: hits(g, a, b) == {0, 1}, "both to be used again")
    assert {g.ask(target="/checked").status for _ in range(4)} == {503}


def test_active_tcp(instance, web):
    a, b = web(), web()
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), o.service("web", a.address, b.address),
                 policy(**active("TCP", tcp={"send": {"type": "Text", "text": "GET /health HTTP/1.0\r\n\r\n"},
                                             "receive": {"type": "Binary", "binary": "MjAwIE9L"}})))  # 200 OK
    a.health = 500
    wait_for(lambda: hits(g, a, b) == {1}, "the one that answers something else to be left alone")


class Health(Backend):
    """grpc.health.v1.Health over HTTP/2 without TLS; .status is what Check says, .asked the services asked for. Other
    requests are answered 200."""

    def __init__(self, host, port=3000):
        self.status, self.asked, self.count = 1, [], 0
        super().__init__(host, port)

    def handle(self, peer):
        p, done = Peer(peer.sock, client_side=False), set()
        with contextlib.suppress(EOFError):
            while True:
                sid, head = next_request(p, done)
                self.answer(p.c, sid, head, b"".join(e.data for e in p.of(sid, h2.events.DataReceived)))
                p.flush()

    def answer(self, c, sid, head, body):
        if head[":path"] != "/grpc.health.v1.Health/Check":
            self.count += 1
            c.send_headers(sid, [(":status", "200")], end_stream=True)
            return
        assert head[":method"] == "POST" and head["content-type"] == "application/grpc" and head["te"] == "trailers"
        self.asked.append((head[":authority"], body[5:]))
        c.send_headers(sid, [(":status", "200"), ("content-type", "application/grpc")])
        c.send_data(sid, b"\0\0\0\0\2\x08" + bytes([self.status]))
        c.send_headers(sid, [("grpc-status", "0")], end_stream=True)


def test_active_grpc(instance, block):
    with Health(block.backend()) as a, Health(block.backend()) as b:
        g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend())]),
                     backend(ip(a.address), ip(b.address), appProtocols=["gateway.envoyproxy.io/h2c"]),
                     policy(**active("GRPC", grpc={"service": "shop"})))
        a.status = 2
        wait_for(lambda: hits(g, a, b) == {1}, "the one that is not serving to be left alone")
        a.status = 1
        wait_for(lambda: hits(g, a, b) == {0, 1}, "it to be back")
        assert {x[1] for x in a.asked} == {b"\x0a\x04shop"}
        assert "Warning" not in g.conditions("backendtrafficpolicy", "policy")


def test_passive(instance, web):
    """Three bad answers in a row take an endpoint out, for all workers."""
    a, b = web(), web()
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), o.service("web", a.address, b.address),
                 policy(passive={"consecutive5XxErrors": 3, "maxEjectionPercent": 100, "baseEjectionTime": "100s"}))
    a.status = 500
    wait_for(lambda: hits(g, a, b, n=1) and a.count >= 3 and hits(g, a, b) == {1}, "the bad one to be out")
    assert g.metric("ejections") == 1


def test_failure_share(instance, web):
    """A share of failures over an interval, where five endpoints had fifty requests each."""
    backends = [web() for _ in range(5)]
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), o.service("web", *[b.address for b in backends]),
                 policy(passive={"failurePercentageThreshold": 50, "consecutive5XxErrors": 0, "interval": "1s",
                                 "maxEjectionPercent": 20, "baseEjectionTime": "100s"}))
    backends[2].status = 500
    stop = threading.Event()

    def client():
        while not stop.is_set():
            g.ask()
    address = g.address()
    g.address = lambda *_: address
    threads = [threading.Thread(target=client) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: g.metric("ejections") == 1, "an ejection")
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert hits(g, *backends, n=20) == {0, 1, 3, 4}


def test_names(instance, web, block):
    """Addresses of a DNS name are endpoints like others: checked, and taken out by their answers."""
    port = block.port("127.0.0.1", 23000)
    named, other = web("127.0.0.1", port), web()
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend(), to_backend("other"))]),
                 backend(fqdn("localhost", port)), backend(ip(other.address), name="other", fallback=True),
                 policy(**active(http={"path": "/health"})))
    wait_for(lambda: hits(g, named, other) == {0}, "the name to be used")
    assert named.hosts == {"localhost"}
    named.health = 503
    wait_for(lambda: hits(g, named, other) == {1}, "the fallback")
    named.health = 200
    wait_for(lambda: hits(g, named, other) == {0}, "the name to be back")


def test_names_passive(instance, web, block):
    port = block.port("127.0.0.1", 23000)
    named = web("127.0.0.1", port)
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend())]), backend(fqdn("localhost", port)),
                 policy(passive={"consecutive5XxErrors": 2, "maxEjectionPercent": 100, "baseEjectionTime": "100s"}))
    wait_for(lambda: hits(g, named, n=1) == {0}, "the name to be used")
    named.status = 500
    wait_for(lambda: hits(g, named, n=1) == {503} and g.metric("ejections"), "its address to be out")


@pytest.mark.parametrize("h2", [False, True])
def test_over_tls(instance, block, tmp_path, h2):
    """Checks of a backend with TLS are made over TLS, and who is not the one expected is not healthy."""
    pair, ca = tls.Pair(tmp_path, "cert", ("abc.test",)), tls.Pair(tmp_path, "other", ca=True)
    kind = Health if h2 else Web
    with kind(block.backend()) as good, kind(block.backend()) as stranger:
        good.tls = stranger.tls = tls.serving(pair, alpn=("h2",) if h2 else ("http/1.1",))
        check = active("GRPC") if h2 else active(http={"path": "/health"})
        more = {"appProtocols": ["gateway.envoyproxy.io/h2c"]} if h2 else {}
        trust = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "sni": "abc.test"}
        g = instance(o.gateway(port=PORT), o.route(rules=[o.rule(to_backend())]), tls.ca_map("ca", ca),
                     o.route("second", [o.rule(to_backend("stranger"), path="/stranger")]),
                     backend(ip(good.address), tls={"insecureSkipVerify": True}, **more),
                     backend(ip(stranger.address), name="stranger", tls=trust, **more),
                     policy(**check), policy(name="second", target="second", **check))
        wait_for(lambda: "is unhealthy" in g.stderr(), "the stranger to be told")
        assert "%s:%d of default/stranger" % stranger.address in g.stderr() and "TLS" in g.stderr()
        assert g.ask(target="/stranger").status == 503
        if h2:
            good.status = 2
        else:
            good.health = 500
        wait_for(lambda: g.ask().status == 503, "the good one to be out when it says so")
        if h2:
            good.status = 1
        else:
            good.health = 200
        wait_for(lambda: g.ask().status == 200, "and back")
