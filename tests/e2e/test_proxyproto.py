"""The PROXY protocol: from load balancers (by hand, by HAProxy) and to backends (by hand, HAProxy, nginx)."""
import ipaddress
import json
import shutil
import subprocess

from lib import h2peer, http1, l4, objects as o, proxyproto as pp, tls
from lib.fixtures import skip_loudly
from lib.h2peer import h2_backend  # noqa: F401  pylint: disable=unused-import
from lib.wait import DEADLINE, listens, wait_for

PORT = 8080
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


def ctp(name="ctp", section=None, **spec):
    return o.ctp(name, section, **spec)


def world(web, *more, **gateway):
    return [o.gateway(**{"port": PORT, **gateway}), o.route(rules=[o.rule("web", path="/")]), o.service("web", web.address), *more]


def xff(r):
    assert r.status == 200, r
    return r.json()["headers"]["X-Forwarded-For"]


def ask(at, header, request=GET, source=None):
    with http1.Client(*at, source) as c:
        c.send(header + request)
        return xff(c.response())


def test_from_clients(instance, echo):
    g = instance(*world(echo(), ctp(proxyProtocol={})), conf="limits = { connections_per_ip = 2; };", workers=1)
    at = g.address()
    assert ask(at, pp.v1("192.0.2.1", "192.0.2.9")) == ["192.0.2.1"]
    assert ask(at, pp.v1("2001:db8::1", "::1")) == ["2001:db8::1"]
    assert ask(at, pp.v2("192.0.2.2", "192.0.2.9", 4321)) == ["192.0.2.2"]
    assert ask(at, pp.v2("2001:db8::2", "::1", tlvs=b"\x01\0\2h2")) == ["2001:db8::2"]
    assert ask(at, pp.v2("::ffff:192.0.2.3", "::1")) == ["192.0.2.3"]
    own = [ask(at, h, source="127.0.0.1") for h in (b"PROXY UNKNOWN\r\n", pp.local(), pp.v2())]
    assert own == [["127.0.0.1"]] * 3
    lines = g.access(8)
    assert [(x["client_ip"], x["client_port"]) for x in lines[:3]] == [("192.0.2.1", 1111), ("2001:db8::1", 1111), ("192.0.2.2", 4321)]
    with http1.Client(*at) as c:  # byte by byte, then several requests, one of which claims to be from elsewhere
        c.pieces(pp.v2("192.0.2.4", "192.0.2.9") + GET)
        assert xff(c.response()) == ["192.0.2.4"]
        for _ in range(2):
            assert xff(c.ask(headers=[("X-Forwarded-For", "203.0.113.7")])) == ["192.0.2.4"]
    bad = [GET, b"PROXY TCP4 192.0.2.1 192.0.2.9 1 x\r\n" + GET, pp.v1("192.0.2.1", "192.0.2.9").replace(b"\r\n", b"\n") + GET,
           b"PROXY " + b"x" * 120, pp.v2("192.0.2.1", "192.0.2.9", tlvs=b"\3\0\4none") + GET, pp.SIGNATURE + b"\x11\x11\0\0", b"\x16\3\1"]
    assert [l4.refused(at, b) for b in bad] == [True] * len(bad)
    with http1.Client(*at) as c:  # ends in the middle of a header
        c.send(b"PROXY TCP4")
        c.half_close()
        assert c.read_all()[0] == b""
    wait_for(lambda: g.metric("proxy_refused") == len(bad) + 1, "refused connections to be counted")
    with http1.Client(*at) as a, http1.Client(*at) as b, http1.Client(*at) as c, http1.Client(*at) as d:
        for client, ip in ((a, 5), (b, 5), (d, 6)):  # limits are the client's, not the load balancer's
            client.send(pp.v1(f"192.0.2.{ip}", "192.0.2.9") + GET)
            assert xff(client.response()) == [f"192.0.2.{ip}"]
        c.send(pp.v1("192.0.2.5", "192.0.2.9") + GET)
        assert c.read_all()[0] == b""


def test_silent_client(instance, echo):
    """Who says half a header has as long as for a head."""
    g = instance(*world(echo(), ctp(enableProxyProtocol=True)), workers=1,
                 conf='limits = { header_timeout = "200ms"; idle_timeout = "1h"; };')
    assert g.conditions("ClientTrafficPolicy", "ctp") is not None
    for data in (b"P", b"PROXY TCP4 "):
        with http1.Client(*g.address()) as c:
            c.send(data)
            assert c.read_all()[0] == b""


def test_optional_and_changed(instance, echo):
    web = echo()
    g = instance(*world(web, ctp(proxyProtocol={"optional": True})), workers=1)
    at = g.address()
    kept = http1.Client(*at, "127.0.0.1")
    assert xff(kept.ask()) == ["127.0.0.1"]
    assert ask(at, b"", b"\r\n" + GET, "127.0.0.1") == ["127.0.0.1"], "an empty line may be the beginning of a header"
    assert ask(at, pp.v1("192.0.2.1", "192.0.2.9")) == ["192.0.2.1"]
    assert l4.refused(at, b"PROXY TCP4 192.0.2.1 192.0.2.9 1 x\r\n" + GET), "a bad one is never a request"
    g.put(*world(web, ctp(proxyProtocol={})))
    g.reload()
    assert kept.read_all()[0] == b"", "let in without a header, where one is asked for now"
    assert l4.refused(at, GET)
    assert ask(at, pp.v1("192.0.2.1", "192.0.2.9")) == ["192.0.2.1"]
    g.put(*world(web))
    g.reload()
    assert ask(at, b"", source="127.0.0.1") == ["127.0.0.1"]
    with http1.Client(*at) as c:
        c.send(pp.v1("192.0.2.1", "192.0.2.9") + GET)
        assert c.response().status == 400
    kept.close()


def test_it_is_the_client_for_policies(instance, echo):
    """Limits for each address and hashing by address go by the header, and so does the detection of clients behind it."""
    a, b = echo("web"), echo("b")
    distinct = {"sourceCIDR": {"value": "0.0.0.0/0", "type": "Distinct"}}
    policy = o.btp("p", loadBalancer={"type": "ConsistentHash", "consistentHash": {"type": "SourceIP"}},
                   rateLimit={"local": {"rules": [{"clientSelectors": [distinct], "limit": {"requests": 3, "unit": "Hour"}}]}})
    detect = {"xForwardedFor": {"trustedCIDRs": ["198.51.100.0/24"]}}
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/")]), o.service("web", a.address, b.address), policy,
                 ctp(proxyProtocol={}, clientIPDetection=detect), workers=1)

    def answer(ip, *fields):
        with http1.Client(*g.address()) as c:
            c.send(pp.v2(ip, "192.0.2.9") + GET[:-2] + b"".join(f + b"\r\n" for f in fields) + b"\r\n")
            return c.response()
    first = {ip: [answer(f"192.0.2.{ip}") for _ in range(4)] for ip in range(1, 17)}
    assert all([r.status for r in rs] == [200, 200, 200, 429] for rs in first.values())
    chosen = [{r.json()["pod"] for r in rs[:3]} for rs in first.values()]
    assert all(len(c) == 1 for c in chosen) and len(set.union(*chosen)) == 2
    assert answer("198.51.100.1", b"X-Forwarded-For: 192.0.2.1").status == 429, "a trusted proxy speaks for a known client"
    assert answer("192.0.2.200", b"X-Forwarded-For: 192.0.2.1").status == 200, "others do not"


def test_one_port(instance, echo, tmp_path):
    """Under TLS, for all listeners of the port; the policy is told for whom it decided."""
    pair = tls.Pair(tmp_path, "a.test", ("a.test", "b.test"))
    listeners = [tls.listener("a", PORT, "a.test", hostname="a.test"), tls.listener("b", PORT, "a.test", hostname="b.test"),
                 o.listener("plain", PORT + 1)]
    objs = world(echo(), ctp(section="a", proxyProtocol={}), tls.secret("a.test", pair), listeners=listeners)
    g = instance(*objs)
    at = g.address()

    def notes(name):
        conds = [c for a in g.get("ClientTrafficPolicy", name)["status"]["ancestors"] for c in a["conditions"]]
        return [(c["reason"], c["message"]) for c in conds if c["type"] == "Warning"]
    for sni in ("a.test", "b.test"):
        for header in (pp.v1("192.0.2.1", "192.0.2.9"), pp.v2("2001:db8::1", "::1")):
            raw = http1.Client(*at)
            raw.send(header)
            with tls.context().wrap_socket(raw.sock, server_hostname=sni) as s:
                s.sendall(GET.replace(b"a.test", sni.encode()) + b"")
                text = s.recv(65536)
                while b"}" not in text:
                    text += s.recv(65536)
            body = json.loads(text[text.index(b"{"):])
            assert body["headers"]["X-Forwarded-For"] == ["192.0.2.1" if header[:1] == b"P" else "2001:db8::1"]
            assert body["headers"]["X-Forwarded-Proto"] == ["https"]
    assert tls.refused(at, "b.test")
    assert http1.ask((at[0], PORT + 1)).status == 200, "another port"
    (reason, message), = notes("ctp")
    assert reason == "SharedPort" and "default/gw/b" in message
    g.put(*objs, ctp("lax", "b", proxyProtocol={"optional": True}))
    g.reload()
    assert tls.refused(at, "b.test"), "the stricter one holds"
    assert notes("ctp") == []
    (reason, message), = notes("lax")
    assert reason == "SharedPort" and "optional has no effect" in message and "default/gw/a" in message


# ---- to backends

def btp(version="V1", **spec):
    return o.btp("btp", proxyProtocol={"version": version}, **spec)


class Reader:
    """Handler of a backend that asks for a header: .seen has it and the targets of each connection."""

    def __init__(self):
        self.seen = []

    def __call__(self, peer):
        conn = [pp.read(peer)]
        self.seen.append(conn)
        while True:
            conn.append(peer.request().target)
            peer.respond(body=b"ok")


def test_to_backends(instance, script):
    """Header first, with the client's address and the one it came to; never shared between clients, kept for one client."""
    for version in ("V1", "V2"):
        reader = Reader()
        web = script(reader)
        g = instance(*world(web, btp(version)), workers=1)
        at = g.address()
        with http1.Client(*at) as a, http1.Client(*at) as b:
            for target in ("/1", "/2", "/3"):
                assert [c.ask(target=target).body for c in (a, b)] == [b"ok", b"ok"]
            ports = [c.sock.getsockname() for c in (a, b)]
        want = [[(int(version[1]), ip, at[0], port, at[1]), "/1", "/2", "/3"] for ip, port in ports]
        assert reader.seen == want
        with http1.Client(*at) as c:
            c.ask(target="/4")
            assert reader.seen[2] == [(int(version[1]), c.sock.getsockname()[0], at[0], c.sock.getsockname()[1], at[1]), "/4"]
        g.stop()


def test_both_sides(instance, script):
    """What comes by PROXY header goes on by PROXY header: pooled by the client that it names."""
    reader = Reader()
    g = instance(*world(script(reader), ctp(proxyProtocol={}), btp("V2")), workers=1)
    at = g.address()
    for port in (1, 2, 1):
        with http1.Client(*at) as c:
            c.send(pp.v1("2001:db8::7", "::1", port) + GET)
            assert c.response().status == 200
    assert [x[0][:2] + x[0][3:4] for x in reader.seen] == [(2, "2001:db8::7", 1), (2, "2001:db8::7", 2)]
    assert [len(x) for x in reader.seen] == [3, 2], "the same client again"
    assert str(ipaddress.ip_address(reader.seen[0][0][2]).ipv4_mapped) == at[0], "mapped where families differ"


def test_before_tls_and_http2(instance, script, h2_backend, tmp_path):
    """In front of a handshake, in front of an HTTP/2 preface; one HTTP/2 connection for each client's."""
    ca = tls.Pair(tmp_path, "ca", ca=True)
    context, seen = tls.serving(tls.Pair(tmp_path, "abc.test", ("abc.test",), by=ca)), []

    def secure(peer):
        seen.append(pp.read(pp.Bare(peer.sock)))
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        while peer.request():
            peer.respond(body=b"secure")

    def two(peer):
        seen.append(pp.read(pp.Bare(peer.sock)))
        ids = set()
        while True:
            sid, _ = h2peer.next_request(peer, ids)
            peer.c.send_headers(sid, [(":status", "204")], end_stream=True)
            peer.flush()

    web = script(secure)
    at2 = h2_backend(two)
    h2c = o.service("h2c", at2)
    h2c[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/"), o.rule("h2c", path="/h2c")]), o.service("web", web.address),
                 h2c, tls.ca_map("ca", ca), tls.policy("p", "web", "ca", "abc.test"), btp("V2"), workers=1)
    for target, status in (("/", 200), ("/h2c", 204)):
        seen.clear()
        with http1.Client(*g.address()) as a, http1.Client(*g.address()) as b:
            ports = [c.sock.getsockname()[1] for c in (a, b)]
            for _ in range(3):
                assert [c.ask(target=target).status for c in (a, b)] == [status, status]
        assert [x[3] for x in seen] == ports, target


def test_bound_of_an_endpoint(instance, script):
    """Connections of clients that have gone give way to new ones; those of clients that are there do not."""
    reader = Reader()
    web = script(reader)
    g = instance(*world(web, btp()), workers=1, conf="limits = { upstream_connections_per_endpoint = 4; };")
    for _ in range(20):
        assert g.ask().status == 200
        assert web.open <= 5, "the last one may still be closing"
    assert len(reader.seen) == 20
    wait_for(lambda: web.open == 0, "idle ones to be closed soon")


def test_health_checks_say_nobody(instance, script):
    """Active checks of such a backend begin with LOCAL or UNKNOWN."""
    for version, kind in (("V1", "HTTP"), ("V2", "TCP")):
        reader = Reader()
        web = script(reader)
        check = {"HTTP": {"type": "HTTP", "http": {"path": "/healthz"}}, "TCP": {"type": "TCP", "tcp": {}}}[kind]
        policy = btp(version, healthCheck={"active": {"interval": "100ms", "timeout": "5s", **check}})
        g = instance(*world(web, policy), workers=1)
        wait_for(lambda: len(reader.seen) >= 2, "health checks", DEADLINE)
        assert all(x[0] == (int(version[1]), None, None, 0, 0) for x in reader.seen[:2])
        wait_for(lambda: '"healthy"' in g.cli("backends", "-o", "json", check=0).stdout, "the endpoint to be healthy")
        g.stop()


# ---- with others

def haproxy(folder, text):
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        skip_loudly("haproxy is not installed")
    conf = folder / "haproxy.cfg"
    conf.write_text("defaults\n mode http\n timeout connect 9s\n timeout client 9s\n timeout server 9s\n" + text, encoding="ascii")
    return subprocess.Popen(["haproxy", "-db", "-f", str(conf)], env={"PATH": "/usr/sbin:/usr/bin"}, stderr=subprocess.DEVNULL)


def nginx(folder, text):
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        skip_loudly("nginx is not installed")
    conf = folder / "nginx.conf"
    temps = "".join(f" {x}_temp_path {folder}/{x};" for x in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf.write_text(f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
                    f"http {{ access_log off;{temps}\n{text} }}\n", encoding="ascii")
    return subprocess.Popen(["nginx", "-p", str(folder), "-c", str(conf), "-e", "stderr"], env={"PATH": "/usr/sbin:/usr/bin"},
                            stderr=subprocess.DEVNULL)


def test_haproxy_in_front_and_nginx_behind(instance, block, tmp_path):
    """HAProxy sends headers of both versions to us, we send to nginx and HAProxy; each sees the first client."""
    behind, front = block.backend(), block.backend()
    say = "add_header X-Seen $proxy_protocol_addr; return 200 nginx;"
    procs = [nginx(tmp_path, f"server {{ listen {behind}:3000 proxy_protocol; {say} }}")]
    try:
        nginx_at = type("At", (), {"address": (behind, 3000)})
        haproxy_at = type("At", (), {"address": (behind, 3001)})
        for version, backend in (("V1", nginx_at), ("V2", nginx_at), ("V1", haproxy_at), ("V2", haproxy_at)):
            g = instance(*world(backend, ctp(proxyProtocol={}), btp(version)), workers=1)
            at = g.address()
            (tmp_path / version).mkdir(exist_ok=True)
            procs.append(haproxy(tmp_path / version, f"""
frontend one
 bind {front}:4001
 default_backend v1
backend v1
 server s {at[0]}:{at[1]} send-proxy
frontend two
 bind {front}:4002
 default_backend v2
backend v2
 server s {at[0]}:{at[1]} send-proxy-v2 proxy-v2-options crc32c,unique-id
frontend behind
 bind {behind}:3001 accept-proxy
 http-request return status 200 hdr X-Seen %[src]
"""))
            for port in (4001, 4002):
                wait_for(lambda: listens((front, port)), "somebody to listen")
                with http1.Client(front, port, block.host(77)) as c:
                    r = c.ask(host="a.test")
                assert (r.status, r.headers.get("x-seen")) == (200, block.host(77)), (version, port)
            g.stop()
            procs[-1].terminate()
            procs.pop().wait(DEADLINE)
    finally:
        for p in procs:
            p.terminate()
            p.wait(DEADLINE)


def test_curl(instance, echo, tmp_path):
    """curl's header (version 1, with its own address), before HTTP/1.1, HTTP/2, and TLS with either."""
    listeners = [o.listener("plain", PORT), tls.listener("secure", PORT + 1, "a.test")]
    secret = tls.secret("a.test", tls.Pair(tmp_path, "a.test", ("a.test",)))
    g = instance(*world(echo(), ctp(proxyProtocol={}), secret, listeners=listeners))
    host = g.address()[0]
    for scheme, port, more, version in (("http", PORT, "--http1.1", "1.1"), ("http", PORT, "--http2-prior-knowledge", "2"),
                                        ("https", PORT + 1, "--http1.1", "1.1"), ("https", PORT + 1, "--http2", "2")):
        p = subprocess.run(["curl", "-sk", "--haproxy-protocol", more, "-w", "\n%{http_version} %{local_ip}", "-m", str(DEADLINE),
                            f"{scheme}://{host}:{port}/"], capture_output=True, text=True, check=False)
        body, _, facts = p.stdout.rpartition("\n")
        assert facts.split()[:1] == [version], (p.stdout, p.stderr)
        assert json.loads(body)["headers"]["X-Forwarded-For"] == facts.split()[1:]
