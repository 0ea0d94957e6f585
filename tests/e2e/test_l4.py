"""TCP, TLS and UDP routes: bytes both ways, half-close, resets, weights, names, reloads, deaths, limits."""
import contextlib
import os
import socket
import ssl
import struct
import threading

import pytest

from lib import faults, l4, objects as o, tls
from lib.backends import Backend
from lib.wait import wait_for

PORT = 7000


@pytest.fixture
def tcp(block):
    """tcp(handler) starts a raw backend; handler(peer)."""
    with contextlib.ExitStack() as stack:
        def start(handle, port=4000):
            return stack.enter_context(Backend(block.backend(), port, handle))
        yield start


def named(name):
    """Says its name first, then echoes until the end of input, then says goodbye."""
    def handle(peer):
        peer.sock.sendall(name.encode() + b"\n")
        while data := peer.sock.recv(65536):
            peer.sock.sendall(data)
        peer.sock.sendall(b"bye " + name.encode())
    return handle


def stage(*objs, listeners=None):
    return [o.gateway(listeners=listeners or [l4.listener("tcp", PORT)]), *objs]


def lines(g, n, proto="tcp"):
    wait_for(lambda: len([x for x in g.access() if x.get("proto") == proto]) >= n, f"{n} {proto} lines in the access log")
    return [x for x in g.access() if x.get("proto") == proto]


def test_relay(instance, tcp):
    """The server speaks first, bytes go both ways, each direction ends for itself."""
    b = tcp(named("one"))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")))
    assert g.conditions("tcproute", "r")["Accepted"][0] == "True"
    with l4.Conn(g.address()) as c:
        assert c.read(4) == b"one\n", "the server speaks first"
        assert c.send(b"x" * 300000).read(300000) == b"x" * 300000
        assert c.fin().rest() == b"bye one", "half-close is kept"
    a = lines(g, 1)[0]
    assert (a["bytes_in"], a["bytes_out"], a["closed_by"], a["reason"]) == (300000, 300011, "client", "ok"), a
    assert (a["listener"], a["route"], a["backend"].split(":")[0]) == ("tcp", "default/r", "default/s"), a
    assert a["endpoint"] == "%s:%d" % b.address and a["attempts"] == 1 and a["client_ip"].startswith("127.")
    assert g.metric("l4_connections") == 1 and g.metric("l4_bytes_in") == 300000


def test_backend_half_close(instance, tcp):
    """The backend ends its direction first; what the client says afterwards still arrives."""
    got = []

    def handle(peer):
        peer.sock.sendall(b"all there is")
        peer.sock.shutdown(socket.SHUT_WR)
        while data := peer.sock.recv(65536):
            got.append(data)
    b = tcp(handle)
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")))
    with l4.Conn(g.address()) as c:
        assert c.rest() == b"all there is"
        c.send(b"and").send(b" more").fin()
        wait_for(lambda: b"".join(got) == b"and more", "the rest at the backend")
        wait_for(lambda: b.open == 0, "the backend's end")
    assert lines(g, 1)[0]["closed_by"] == "backend"


def linger0(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_reset(instance, tcp):
    """A reset on one side is a reset on the other."""
    seen = []

    def handle(peer):
        first = peer.sock.recv(1)
        if first == b"R":
            linger0(peer.sock)
            return
        peer.sock.sendall(b"ok")
        try:
            while peer.sock.recv(100):
                pass
            seen.append("fin")
        except ConnectionResetError:
            seen.append("reset")
    b = tcp(handle)
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")))
    with pytest.raises(ConnectionResetError), l4.Conn(g.address()) as c:
        c.send(b"R").rest()
    c = l4.Conn(g.address())
    assert c.send(b"x").read(2) == b"ok"
    linger0(c.sock)
    wait_for(lambda: seen, "the backend to see the end")
    assert seen == ["reset"]
    a = lines(g, 2)
    assert {(x["closed_by"], x["reason"]) for x in a} == {("backend", "backend_reset"), ("client", "client_closed")}, a


def test_backend_stops_reading(instance, tcp):
    """A backend that answers and closes in the middle of an upload ends the connection; nothing hangs."""
    def handle(peer):
        peer.sock.recv(1)
        peer.sock.sendall(b"enough")
    b = tcp(handle)
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")))
    for _ in range(5):
        with l4.Conn(g.address()) as c, contextlib.suppress(ConnectionError):
            wait_for(lambda: c.send(b"x" * 10000000) and False, "the end of the connection to be told")
    assert {x["closed_by"] for x in lines(g, 5)} == {"backend"}


def test_next_endpoint_and_none(instance, tcp, block):
    """An endpoint that refuses costs an attempt, no connection; no endpoint at all is a refusal."""
    b = tcp(named("up"))
    dead = block.backend()
    g = instance(*stage(l4.service("s", (dead, b.port), b.address), l4.route("r", "s", section="tcp"), l4.service("e"),
                        l4.route("empty", "e", section="empty"), l4.route("gone", "nosuch", section="gone"),
                        listeners=[l4.listener("tcp", PORT), l4.listener("empty", PORT + 1), l4.listener("gone", PORT + 2),
                                   l4.listener("bare", PORT + 3)]))
    for _ in range(6):
        with l4.Conn(g.address()) as c:
            assert c.fin().rest() == b"up\nbye up"
    assert max(x["attempts"] for x in lines(g, 6)) == 2
    for port in (PORT + 1, PORT + 2, PORT + 3):
        assert l4.refused(g.address(port=port)), port
    why = {x["listener"]: x["reason"] for x in lines(g, 9)}
    assert why["empty"] == "no_healthy_backend" and why["gone"] == "config_invalid_rule" and why["bare"] == "no_route", why


def test_weights_and_reload(instance, tcp):
    """Open connections outlive reloads; new ones follow new weights at once."""
    one, two = tcp(named("one")), tcp(named("two"))
    services = [l4.service("a", one.address), l4.service("b", two.address)]

    def split(x, y):
        return stage(*services, l4.route("r", o.ref("a", weight=x), o.ref("b", weight=y)))

    def ask(n):
        out = []
        for _ in range(n):
            with l4.Conn(g.address()) as c:
                out.append(c.read(4).strip().decode())
        return out
    g = instance(*split(3, 1), workers=1)
    got = ask(8)
    assert (got.count("one"), got.count("two")) == (6, 2), got
    with l4.Conn(g.address()) as old:
        first = old.read(4)
        for i in range(5):
            g.put(*split(0, 1 + i))
            g.reload(0)
            assert set(ask(2)) == {"two"}
            assert old.send(b"still").read(5) == b"still"
        assert old.fin().rest() == b"bye " + first.strip()


def test_removed(instance, tcp):
    """What a removed route or listener carries has the grace, then it ends."""
    b = tcp(named("b"))
    base = stage(l4.service("s", b.address), l4.route("r", "s"), l4.route("r2", "s", section="two"),
                 listeners=[l4.listener("one", PORT), l4.listener("two", PORT + 1)])
    g = instance(*base, conf='shutdown = { grace = "700ms"; };')
    with l4.Conn(g.address()) as c, l4.Conn(g.address(port=PORT + 1)) as d:
        assert c.read(2) == b"b\n" and d.read(2) == b"b\n"
        # the listener `two` goes, the route r stays
        g.put(*stage(l4.service("s", b.address), l4.route("r", "s"), listeners=[l4.listener("one", PORT)]))
        g.reload(0)
        with pytest.raises(ConnectionResetError):
            d.rest()
        assert c.send(b"here").read(4) == b"here"
        g.put(*stage(l4.service("s", b.address), listeners=[l4.listener("one", PORT)]))
        g.reload(0)
        with pytest.raises(ConnectionResetError):
            c.rest()
    assert [x["reason"] for x in lines(g, 2)] == ["draining", "draining"]


def test_drain(instance, tcp):
    """SIGTERM lets what runs finish, within the grace."""
    b = tcp(named("b"))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")), conf='shutdown = { grace = "20s"; };')
    address = g.address()
    with l4.Conn(address) as c:
        assert c.read(2) == b"b\n"
        g.kick(15)
        def refused():
            try:
                l4.Conn(address).sock.close()
                return False
            except ConnectionError:
                return True
        wait_for(refused, "newcomers to be refused")
        assert c.send(b"still here").read(10) == b"still here"
        assert c.fin().rest() == b"bye b"
    g.stop()


# ---- TLS

@pytest.fixture
def pair(tmp_path):
    return lambda name, *sans, **kw: tls.Pair(tmp_path, name, sans, **kw)


def tls_echo(p):
    """A TLS backend: says who it is."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(p.crt, p.key)

    def handle(peer):
        with ctx.wrap_socket(peer.sock, server_side=True) as s:
            data = s.recv(1000)
            s.sendall(p.name.encode() + b":" + data)
            s.unwrap()
    return handle


def say(address, sni, data=b"hi"):
    with tls.Client(address, sni, ctx=tls.context(alpn=None)) as c:
        c.sock.sendall(data)
        return c.sock.recv(1000), c.subject()


def alert(address, sni):
    """The alert's description, or what else the refusal was."""
    try:
        say(address, sni)
    except ssl.SSLError as e:
        return e.reason
    except ConnectionError:
        return "closed"
    return "accepted"


def backend_tls(service, hostname, ca):
    return {"apiVersion": o.API, "kind": "BackendTLSPolicy", "metadata": o.meta("b"),
            "spec": {"targetRefs": [{"group": "", "kind": "Service", "name": service}],
                     "validation": {"hostname": hostname, "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": ca}]}}}


def test_passthrough(instance, tcp, pair):
    one, wild, deep = pair("one", "a.test"), pair("wild", "*.w.test"), pair("deep", "x.w.test")
    backs = {p.name: tcp(tls_echo(p)) for p in (one, wild, deep)}
    g = instance(*stage(*[l4.service(n, b.address) for n, b in backs.items()],
                        l4.route("r1", "one", kind="TLSRoute", hostnames=["a.test"]),
                        l4.route("r2", "wild", kind="TLSRoute", hostnames=["*.w.test"]),
                        l4.route("r3", "deep", kind="TLSRoute", hostnames=["x.w.test"]),
                        tls.ca_map("ca", one), backend_tls("one", "a.test", "ca"),
                        listeners=[l4.listener("tls", PORT, "TLS")]))
    for sni, who in (("a.test", "one"), ("A.test", "one"), ("b.w.test", "wild"), ("c.b.w.test", "wild"), ("x.w.test", "deep")):
        assert say(g.address(), sni) == (who.encode() + b":hi", who), sni
    assert alert(g.address(), "other.test") == "closed"
    assert alert(g.address(), None) == "closed"
    a = [x for x in lines(g, 7, "tls") if x.get("tls_sni") == "b.w.test"][0]
    assert a["route"] == "default/r2" and "tls_version" not in a and a["bytes_in"] > 200


def test_s_client(instance, tcp, pair):
    """What openssl's own client says, passed through and terminated."""
    back, term = pair("back", "pass.test"), pair("term", "term.test")

    def line(peer):
        data = b""
        while not data.endswith(b"\n"):
            data += peer.sock.recv(100)
        peer.sock.sendall(b"clear:" + data)
    b, clear = tcp(tls_echo(back)), tcp(line)
    g = instance(*stage(l4.service("p", b.address), l4.service("c", clear.address), tls.secret("term", term),
                        l4.route("p", "p", kind="TLSRoute", hostnames=["pass.test"], section="pass"),
                        l4.route("c", "c", kind="TLSRoute", hostnames=["term.test"], section="term"),
                        listeners=[l4.listener("pass", PORT, "TLS", "pass.test"),
                                   l4.listener("term", PORT, "TLS", "term.test", "Terminate", "term")]))
    host, port = g.address()
    for name, who, want in (("pass.test", back, "back:hello"), ("term.test", term, "clear:hello")):
        for version in ("-tls1_2", "-tls1_3"):
            p = tls.openssl("s_client", "-connect", f"{host}:{port}", "-servername", name, "-CAfile", who.crt, "-verify_hostname", name,
                            "-verify_return_error", version, "-quiet", input="hello\n", check=False)
            assert want in p.stdout, (name, version, p.stdout, p.stderr)
    p = tls.openssl("s_client", "-connect", f"{host}:{port}", "-servername", "none.test", "-brief", check=False, input="")
    assert p.returncode != 0


def hello(sni):
    """The bytes of a ClientHello."""
    inp, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = tls.context(alpn=None).wrap_bio(inp, out, server_hostname=sni)
    with pytest.raises(ssl.SSLWantReadError):
        obj.do_handshake()
    return out.read()


def test_hello_in_pieces(instance, tcp):
    """Over segments, over records; what is no hello, too long or too slow is closed; what came before passes untouched."""
    got = []

    def handle(peer):
        while data := peer.sock.recv(65536):
            got.append(data)
            peer.sock.sendall(b".")
    b = tcp(handle)
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s", kind="TLSRoute", hostnames=["a.test"]),
                        listeners=[l4.listener("tls", PORT, "TLS")]),
                 conf='limits = { tls_handshake_timeout = "500ms"; };')
    raw = hello("a.test")
    body = raw[5:]
    records = b"".join(b"\x16\x03\x01" + struct.pack(">H", len(body[i:i + 40])) + body[i:i + 40] for i in range(0, len(body), 40))
    for whole in (raw + b"early data", records + b"early data"):
        for size in (len(whole), 7, 1):
            got.clear()
            with l4.Conn(g.address()) as c:
                c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(0, len(whole), size):
                    c.send(whole[i:i + size])
                assert c.read(1) == b"."
                wait_for(lambda w=whole: b"".join(got) == w, f"the bytes at the backend, sent by {size}")
    for bad in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", b"\x16\x03\x01\x40\x01" + b"\x01" * 100, raw[:50]):
        assert l4.refused(g.address(), bad), bad[:10]
    reasons = sorted(x["reason"] for x in lines(g, 10, "tls") if x["reason"] != "ok")
    assert reasons.count("bad_request") == 3 and reasons.count("request_timeout") == 1, reasons


@pytest.mark.parametrize("secure", (True, False))
@pytest.mark.parametrize("rude", (True, False))
def test_client_goes_when_all_is_full(instance, tcp, pair, rude, secure):
    """Both directions are stuffed and the client goes away: the backend hears of it at once."""
    b = tcp(named("b"))
    listeners = [l4.listener("l", PORT, "TLS", None, "Terminate", "t") if secure else l4.listener("l", PORT)]
    g = instance(*stage(l4.service("s", b.address), tls.secret("t", pair("t", "a.test")),
                        l4.route("r", "s", kind="TLSRoute" if secure else "TCPRoute", hostnames=["a.test"] if secure else None),
                        listeners=listeners))
    raw = socket.create_connection(g.address(), 10)
    with tls.context(alpn=None).wrap_socket(raw, server_hostname="a.test") if secure else raw as s:
        s.settimeout(0.5)
        with pytest.raises(socket.timeout):
            while True:
                s.sendall(b"x" * 100000)
        if rude:
            linger0(s)
    wait_for(lambda: b.open == 0, "the backend's end", 10)
    wait_for(lambda: len(g.access()) == 1, "the line")


def test_gauge_after_a_death(instance, tcp):
    """The connections of a worker that died are not counted for the one that took its place."""
    b = tcp(named("b"))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")), workers=1)
    with l4.Conn(g.address()) as c:
        c.read(2)
        wait_for(lambda: faults.gauges(g)[0] == 1, "the gauge")
        victim = g.role("worker")[0]
        os.kill(victim, 9)
        wait_for(lambda: g.role("worker") not in ([], [victim]), "a new worker")
        faults.quiet(g)


@pytest.mark.heavy
def test_client_resets_before_a_stuck_backend(instance, tcp):
    """A backend that reads nothing does not keep the connection of a client that is gone."""
    free = threading.Event()
    b = tcp(lambda peer: free.wait(60))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")))
    with contextlib.closing(l4.Conn(g.address()).sock) as s:
        s.settimeout(0.5)
        with pytest.raises(socket.timeout):
            while True:
                s.sendall(b"x" * 100000)
        linger0(s)
    assert lines(g, 1)[0]["reason"] == "client_closed"
    free.set()


def test_terminate_and_mixed(instance, tcp, echo, pair):
    """Passthrough, terminated TLS and HTTPS on one port, told apart by the name."""
    back, term, web = pair("back", "pass.test"), pair("term", "term.test"), pair("web", "web.test")
    b, clear, e = tcp(tls_echo(back)), tcp(named("clear")), echo("e")
    g = instance(*stage(l4.service("p", b.address), l4.service("c", clear.address), o.service("e", e.address),
                        tls.secret("term", term), tls.secret("web", web),
                        l4.route("p", "p", kind="TLSRoute", hostnames=["pass.test"], section="pass"),
                        l4.route("c", "c", kind="TLSRoute", hostnames=["term.test"], section="term"),
                        o.route("web", [o.rule("e", path="/")], hostnames=["web.test"]),
                        listeners=[l4.listener("pass", PORT, "TLS", "pass.test"),
                                   l4.listener("term", PORT, "TLS", "term.test", "Terminate", "term"),
                                   tls.listener("web", PORT, "web", hostname="web.test")]))
    for _ in range(3):
        assert say(g.address(), "pass.test") == (b"back:hi", "back")
        with tls.Client(g.address(), "term.test", ctx=tls.context(alpn=None)) as c:
            assert c.subject() == "term" and c.file.readline() == b"clear\n"
            c.sock.sendall(b"x" * 100000)
            assert c.file.read(100000) == b"x" * 100000
        assert tls.ask(g.address(), "web.test")[0] == 200
    assert alert(g.address(), "none.test") in ("TLSV1_UNRECOGNIZED_NAME", "closed")
    a = [x for x in lines(g, 6, "tls") if x.get("listener") == "term"][0]
    assert a["tls_version"] == "TLSv1.3" and a["tls_sni"] == "term.test" and a["bytes_in"] == 100000
    assert a["bytes_out"] >= 100006


# ---- policies

def test_connection_limit_and_rate(instance, tcp):
    """maxConnections over all workers, rates by address from the shared buckets; one too many is reset."""
    b = tcp(named("b"))
    rate = {"local": {"rules": [{"clientSelectors": [{"sourceCIDR": {"value": "127.0.0.2/32"}}],
                                 "limit": {"requests": 2, "unit": "Hour"}}]}}
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s", section="tcp"), l4.route("r2", "s", section="two"),
                        l4.policy("p", "r", circuitBreaker={"maxConnections": 3}), l4.policy("q", "r2", rateLimit=rate),
                        listeners=[l4.listener("tcp", PORT), l4.listener("two", PORT + 1)]))
    with contextlib.ExitStack() as open_:
        for _ in range(3):
            c = open_.enter_context(l4.Conn(g.address()))
            assert c.read(2) == b"b\n"
        assert l4.refused(g.address())

    def again():
        with contextlib.suppress(ConnectionError), l4.Conn(g.address()) as c:
            return c.read(2) == b"b\n"
        return False
    wait_for(again, "room for one more")
    assert "circuit_open" in {x["reason"] for x in lines(g, 5)}

    def from_ip(ip):
        with contextlib.suppress(ConnectionError), socket.create_connection(g.address(port=PORT + 1), 10, source_address=(ip, 0)) as s:
            return s.recv(2) == b"b\n"
        return False
    assert [from_ip("127.0.0.2") for _ in range(4)] == [True, True, False, False]
    assert from_ip("127.0.0.3")
    wait_for(lambda: "rate_limited" in {x["reason"] for x in g.access()}, "the line")


def test_hash_ejection_and_timeouts(instance, tcp, block):
    """Source IP hashing, passive health by connect failures, connect and idle timeouts."""
    one, two = tcp(named("one")), tcp(named("two"))
    dead = (block.backend(), one.port)
    passive = {"passive": {"consecutiveGatewayErrors": 1, "consecutiveLocalOriginFailures": 1, "consecutive5XxErrors": 1, "interval": "10s",
                           "baseEjectionTime": "60s", "maxEjectionPercent": 100}}
    g = instance(*stage(l4.service("s", one.address, two.address), l4.service("d", dead, one.address),
                        l4.route("r", "s", section="tcp"), l4.route("r2", "d", section="two"), l4.route("r3", "s", section="three"),
                        l4.policy("p", "r", loadBalancer={"type": "ConsistentHash", "consistentHash": {"type": "SourceIP"}}),
                        l4.policy("q", "r2", healthCheck=passive),
                        l4.policy("t", "r3", timeout={"http": {"connectionIdleTimeout": "300ms"}}),
                        listeners=[l4.listener("tcp", PORT), l4.listener("two", PORT + 1), l4.listener("three", PORT + 2)]))

    def ask(port, ip="127.0.0.1"):
        with socket.create_connection(g.address(port=port), 10, source_address=(ip, 0)) as s:
            return s.recv(4)
    by_ip = {ip: {ask(PORT, ip) for _ in range(4)} for ip in (f"127.0.1.{i}" for i in range(1, 17))}
    assert all(len(v) == 1 for v in by_ip.values()), "one address, one endpoint"
    assert len(set().union(*by_ip.values())) == 2
    for _ in range(8):
        assert ask(PORT + 1) == b"one\n"
    assert g.metric("ejections") == 1 and g.metric("upstream_errors") == 1
    with l4.Conn(g.address(port=PORT + 2)) as c:
        c.read(4)
        with pytest.raises(ConnectionResetError):
            c.rest()
    assert lines(g, 73)[-1]["reason"] == "idle_timeout"


def test_client_policy(instance, tcp):
    """Connection limit, idle time and longest time of a listener's clients."""
    b = tcp(named("b"))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s"),
                        o.ctp("one", "one", connection={"connectionLimit": {"value": 2}}),
                        o.ctp("two", "two", timeout={"tcp": {"idleTimeout": "200ms"}}),
                        o.ctp("three", "three", connection={"connectionLimit": {"value": 9, "maxConnectionDuration": "200ms"}}),
                        listeners=[l4.listener(n, PORT + i) for i, n in enumerate(("one", "two", "three"))]))
    with l4.Conn(g.address()) as c, l4.Conn(g.address()) as d:
        assert c.read(2) == d.read(2) == b"b\n"
        assert l4.refused(g.address())
        assert c.fin().rest() == d.fin().rest() == b"bye b"
    for i in (1, 2):
        with pytest.raises(ConnectionResetError), l4.Conn(g.address(port=PORT + i)) as c:
            c.rest()
    assert sorted(x["reason"] for x in lines(g, 5)) == ["idle_timeout", "ok", "ok", "overload", "too_old"]


# ---- PROXY protocol

def test_proxy_protocol(instance, tcp):
    """From clients by policy, to backends by policy; the address in it is who the log and the backend see."""
    got = []

    def handle(peer):
        got.append(peer.sock.recv(1000))
        peer.sock.sendall(b"ok")
    b = tcp(handle)
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s"), o.ctp("p", None, proxyProtocol={}),
                        l4.policy("out", "r", proxyProtocol={"version": "V1"})))
    with l4.Conn(g.address()) as c:
        assert c.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\nhello").read(2) == b"ok"
    assert got[0].startswith(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"), got
    a = lines(g, 1)[0]
    assert (a["client_ip"], a["client_port"], a["bytes_in"]) == ("192.0.2.7", 1234, 5), a
    assert l4.refused(g.address(), b"no header at all\r\n")
    assert lines(g, 2)[1]["reason"] == "bad_request"


# ---- UDP

@pytest.fixture
def udp(block):
    with contextlib.ExitStack() as stack:
        def start(name, port=5000, handle=None):
            e = l4.UdpEcho(block.backend(), port, name, handle)
            stack.callback(e.stop)
            return e
        yield start


def ustage(*objs, listeners=None):
    return stage(*objs, listeners=listeners or [l4.listener("udp", PORT, "UDP")])


def query(address, data, n=1):
    with l4.udp(address) as s:
        s.send(data)
        return [s.recv(65536) for _ in range(n)]


def test_udp(instance, udp):
    """Sessions by client; answers from where the client asked; weights by session; none without a backend."""
    one, two = udp("one"), udp("two")
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.service("b", two.address, protocol="UDP"),
                         l4.route("r", o.ref("a", weight=3), o.ref("b", weight=1), kind="UDPRoute", section="udp"),
                         listeners=[l4.listener("udp", PORT, "UDP"), l4.listener("bare", PORT + 1, "UDP")]), workers=1)
    got = [query(g.address(), b"%d" % i)[0].split(b":")[0] for i in range(8)]
    assert (got.count(b"one"), got.count(b"two")) == (6, 2), got
    with l4.udp(g.address()) as s:
        for i in range(100):
            s.send(b"%d" % i)
        answers = [s.recv(100) for _ in range(100)]
        assert len({a.split(b":")[0] for a in answers}) == 1, "one session, one endpoint"
        assert [a.split(b":")[1] for a in answers] == [b"%d" % i for i in range(100)]
        s.send(b"")
        assert s.recv(100)[-1:] == b":", "an empty datagram is one too"
        s.send(b"x" * 60000)
        assert len(s.recv(65536)) == 60004
    with l4.udp(g.address(port=PORT + 1), timeout=0.3) as s, pytest.raises(socket.timeout):
        s.send(b"nobody")
        s.recv(100)
    assert g.metric("udp_sessions") == 9 and g.metric("udp_dropped") == 1
    assert g.metric("udp_in") == g.metric("udp_out") == 110


def test_udp_reload_and_log(instance, udp):
    """A session survives reloads, moves when its endpoint is gone, ends with its route; its line says what it carried."""
    one, two = udp("one"), udp("two")
    services = [l4.service("a", one.address, protocol="UDP"), l4.service("b", two.address, protocol="UDP")]
    g = instance(*ustage(*services, l4.route("r", "a", kind="UDPRoute")), conf='shutdown = { grace = "500ms"; };')
    with l4.udp(g.address()) as s:
        for i in range(3):
            s.send(b"%d" % i)
            assert s.recv(100) == b"one:%d" % i
            g.put(*ustage(*services, l4.route("r", o.ref("a", weight=i + 1), kind="UDPRoute")))
            g.reload(0)
        assert len(one.peers) == 1, "one session all the time"
        g.put(*ustage(*services, l4.route("r", "b", kind="UDPRoute")))
        g.reload(0)
        s.send(b"moved")
        assert s.recv(100) == b"two:moved"
        g.put(*ustage(*services))
        g.reload(0)
        a = lines(g, 1, "udp")[0]
    assert (a["packets_in"], a["packets_out"], a["bytes_in"], a["reason"]) == (4, 4, 8, "draining"), a
    assert a["route"] == "default/r" and a["client_port"] > 0


def test_udp_refused(instance, udp, block):
    """ICMP moves a session on to an endpoint that is there."""
    one = udp("one")
    dead = (block.backend(), one.address[1])
    g = instance(*ustage(l4.service("a", dead, one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute")), workers=1)
    for i in range(4):
        with l4.udp(g.address(), timeout=0.5) as s:
            for _ in range(20):
                s.send(b"%d" % i)
                with contextlib.suppress(socket.timeout):
                    assert s.recv(100) == b"one:%d" % i
                    break
            else:
                raise AssertionError("no answer")
    assert g.metric("upstream_errors") >= 1


def test_udp_wildcard(instance, udp, binary):
    """On all addresses the answer comes from the address that was asked, and two of them are two sessions."""
    one = udp("one")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute"),
                         listeners=[l4.listener("udp", port, "UDP")]), pool=None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.bind(("127.0.0.1", 0))
        for ip in ("127.0.0.1", "127.9.8.7"):
            s.sendto(b"x", (ip, port))
            assert s.recvfrom(100) == (b"one:x", (ip, port))
    if socket.has_ipv6:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"6", ("::1", port))
            data, peer = s.recvfrom(100)
            assert (data, peer[:2]) == (b"one:6", ("::1", port))
    assert len(one.peers) >= 3


def test_udp_segments(instance, udp):
    """Joined datagrams (GSO of the client, GRO here) arrive as the datagrams that they are, both ways."""
    one = udp("one", handle=lambda d: [d])
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute")))
    with l4.udp(g.address()) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        try:
            s.setsockopt(socket.IPPROTO_UDP, 103, 1200)  # UDP_SEGMENT
        except OSError:
            pytest.skip("no UDP_SEGMENT here")
        for _ in range(5):
            one.seen.clear()
            s.send(bytes(range(200)) * 60)  # 10 datagrams
            answers = [s.recv(65536) for _ in range(10)]
            assert [len(a) for a in answers] == [1200] * 10
            assert b"".join(answers) == bytes(range(200)) * 60
            assert [len(x) for x in one.seen] == [1200] * 10


def test_udp_worker_death(instance, udp):
    """Its sessions begin anew in the worker that takes its place; nobody else's are touched."""
    one = udp("one")
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute")), workers=2)
    socks = [l4.udp(g.address(), timeout=1) for _ in range(16)]

    def all_answer():
        for s in socks:
            for _ in range(20):
                s.send(b"x")
                with contextlib.suppress(socket.timeout):
                    assert s.recv(100) == b"one:x"
                    break
            else:
                raise AssertionError("no answer")
    all_answer()
    assert len(one.peers) == 16
    victim = g.role("worker")[0]
    os.kill(victim, 9)
    wait_for(lambda: len(g.role("worker")) == 2 and victim not in g.role("worker"), "a new worker")
    all_answer()
    assert 16 < len(one.peers) < 32, "only the dead worker's sessions are new"
    for s in socks:
        s.close()


def test_udp_table_full(instance, udp):
    """The session that was silent longest makes room, and begins anew when it speaks again."""
    one = udp("one")
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute")), workers=1,
                 conf="limits = { connections = 64; };")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(l4.udp(g.address())) for _ in range(100)]
        for _ in range(2):
            for i, s in enumerate(socks):
                s.send(b"%d" % i)
                assert s.recv(100) == b"one:%d" % i
        assert g.metric("udp_sessions") == 200 and g.metric("udp_evicted") == 200 - 32
        reasons = [x["reason"] for x in lines(g, 168, "udp")]
    assert set(reasons) == {"overload"}


def test_udp_drain(instance, udp):
    """SIGTERM: what was asked is still answered."""
    go = threading.Event()

    def handle(data):
        go.wait(5)
        return [b"late:" + data]
    one = udp("one", handle=handle)
    g = instance(*ustage(l4.service("a", one.address, protocol="UDP"), l4.route("r", "a", kind="UDPRoute")))
    with l4.udp(g.address()) as s:
        s.send(b"x")
        wait_for(lambda: one.seen, "the datagram at the backend")
        g.kick(15)
        go.set()
        assert s.recv(100) == b"late:x"
    g.stop()


def test_counters_while_it_lasts(instance, tcp):
    """A long connection is seen before it ends."""
    b = tcp(named("b"))
    g = instance(*stage(l4.service("s", b.address), l4.route("r", "s")), workers=1)
    with l4.Conn(g.address()) as c:
        c.read(2)
        assert c.send(b"x" * 1000).read(1000) == b"x" * 1000
        wait_for(lambda: g.metric("l4_bytes_in") == 1000 and g.metric("l4_bytes_out") == 1002, "the counters")
        assert g.metric("l4_connections") == 1
