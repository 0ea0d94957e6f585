"""TLS to backends: who is believed, what is said when nobody is, resumption, client certificates, HTTP/1.1 and HTTP/2."""
import hashlib
import json
import socket
import ssl
import subprocess
import threading

import pytest

from lib import backends, faults, http1, objects as o, tls
from lib.wait import DEADLINE, listens, wait_for

PORT = 8080
FAST = 'limits = { connect_timeout = "400ms"; response_timeout = "2s"; };'


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    """Made once: two authorities, a backend's certificate, an expired one, clients'."""
    folder = tmp_path_factory.mktemp("certs")

    class Certs:
        ca, other = tls.Pair(folder, "ca", ca=True), tls.Pair(folder, "other", ca=True)
        good = tls.Pair(folder, "cert", ("abc.test", "*.w.test", "URI:spiffe://a/b", "IP:127.0.0.9"), by=ca)
        old = tls.Pair(folder, "old", ("abc.test",), by=ca, days=-1)
        own = tls.Pair(folder, "own", ("abc.test",))
        client, second = tls.Pair(folder, "client", ("c",), by=ca), tls.Pair(folder, "second", ("d",), by=ca)
    return Certs


@pytest.fixture
def origin(echo, certs):
    """An echo over TLS; keywords of tls.serving()."""
    def start(name="e", pair=None, **kw):
        back = echo(name)
        back.tls = tls.serving(pair or certs.good, **kw)
        return back
    return start


def house(back, *more, name="e", host="abc.test", ca="ca", gateway=None, rule=None):
    """One Gateway, Service, route and policy."""
    return [gateway or o.gateway(port=PORT), o.service(name, back.address), o.route(rules=[rule or o.rule(name)]),
            tls.policy("p", name, ca, host), *more]


def seen(r):
    assert r.status == 200, r
    return json.loads(r.body)["tls"]


def backend(name, address, ns="default", app=None, **kw):
    """The kind Backend."""
    return {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Backend", "metadata": o.meta(name, ns),
            "spec": {"endpoints": [{"ip": {"address": address[0], "port": address[1]}, **kw.pop("endpoint", {})}],
                     **({"appProtocols": [app]} if app else {}), "tls": kw}}


def to_backend(name, **kw):
    return o.rule({"group": "gateway.headgate.dev", "kind": "Backend", "name": name}, **kw)


# ---- who is believed
def test_names_and_authorities(instance, origin, certs):
    """Each row: a policy's hostname and SANs, and whether the backend is believed."""
    rows = {"name": ("abc.test", (), True), "wrong": ("abd.test", (), False), "wild": ("x.w.test", (), True),
            "deep": ("x.y.w.test", (), False), "san": ("sni.test", ("abc.test",), True), "uri": ("sni.test", ("spiffe://a/b",), True),
            "uris": ("abc.test", ("spiffe://a/c",), False),
            "one": ("sni.test", ("no.test", "spiffe://a/b"), True), "star": ("sni.test", ("*.w.test",), True), "cn": ("cert", (), False),
            "stranger": ("abc.test", (), False)}
    back = origin()
    objs = [o.gateway(port=PORT), tls.ca_map("ca", certs.ca), tls.ca_map("stranger", certs.other),
            o.route(rules=[o.rule(n, path="/" + n) for n in rows])]
    for n, (host, sans, _) in rows.items():
        objs += [o.service(n, back.address), tls.policy(n, n, "stranger" if n == "stranger" else "ca", host, *sans)]
    g = instance(*objs, workers=1)
    for n, (host, _, good) in rows.items():
        r = g.ask(target="/" + n)
        assert r.status == (200 if good else 502), (n, r)
        if good:
            assert seen(r)["sni"] == host, n
    lines = {a["path"][1:]: a for a in g.access(len(rows))}
    for n, (_, _, good) in rows.items():
        assert lines[n]["reason"] == ("ok" if good else "backend_tls_failed"), lines[n]
        assert good or "certificate" in lines[n]["detail"] or "ostname" in lines[n]["detail"], lines[n]
    assert not back.errors and g.metric("upstream_tls_failed") == sum(not good for _, _, good in rows.values())
    assert "TLS failed" in g.text("out") + g.stderr(), "the worker's own log says it once"


def plain(peer):
    """No TLS at all; says what came first, then answers as if nothing were wrong."""
    first = peer.sock.recv(4096)
    peer.first = first
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclear")
    peer.stall()


def early(peer):
    """Bytes before the handshake's end."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
    peer.stall()


def silent(peer):
    peer.sock.settimeout(DEADLINE)
    peer.stall()


def cut(peer):
    peer.sock.recv(4096)
    peer.reset()


def ends(peer):
    peer.sock.recv(4096)


RAW = {"plain": plain, "early": early, "silent": silent, "cut": cut, "ends": ends}


@pytest.mark.parametrize("name", [*RAW, "expired", "self-signed", "tls1.1"])
def test_a_handshake_that_fails_is_502(instance, script, origin, certs, name):
    """Nothing of the request is sent, nothing of the backend is believed, and the log says why."""
    got = []
    if name in RAW:
        def handle(peer):
            peek = peer.sock.recv(1, socket.MSG_PEEK)
            got.append(peek)
            RAW[name](peer)
        back = script(handle)
    else:
        kw = {"expired": {"pair": certs.old}, "self-signed": {"pair": certs.own}, "tls1.1": {"version": ssl.TLSVersion.TLSv1_1}}[name]
        back = origin("web", **kw)
        if name == "tls1.1":
            back.tls.set_ciphers("ALL:@SECLEVEL=0")
    g = instance(*house(back, tls.ca_map("ca", certs.ca)), conf=FAST, workers=1)
    with http1.Client(*g.address()) as c:
        for _ in range(2):
            r = c.ask("POST", "/x", body=b"secret")
            assert r.status == 502, r
    for line in g.access(2):
        assert line["reason"] == "backend_tls_failed" and line["detail"] and line["status"] == 502, line
    assert all(x == b"\x16" for x in got), "a ClientHello, and never clear text"
    wait_for(lambda: back.open == 0, "connections to be closed")
    faults.quiet(g)


def test_no_ca_is_500_until_there_is_one(instance, origin, certs):
    back = origin()
    g = instance(*house(back), workers=1)

    def status():
        a = g.get("backendtlspolicy", "p")["status"]["ancestors"]
        assert len(a) == 1 and a[0]["ancestorRef"]["name"] == "gw"
        return {k: v for k, v in o.conditions(a[0]).items() if k in ("Accepted", "ResolvedRefs")}
    bad = {"Accepted": ("False", "NoValidCACertificate"), "ResolvedRefs": ("False", "InvalidCACertificateRef")}
    fine = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    assert g.ask().status == 500 and status() == bad
    for ca, good in ((tls.ca_map("ca", certs.ca), True), ({**tls.ca_map("ca", certs.ca), "data": {"ca.crt": ""}}, False),
                     (tls.ca_map("ca", certs.ca), True), (tls.ca_map("ca", certs.other), None)):
        g.put(ca, name="ca.yaml")
        g.reload(None)
        want = {True: 200, False: 500, None: 502}[good]
        assert g.ask().status == want
        assert status() == (bad if good is False else fine)
    assert back.connections == len(back.refused) + 1, "what was verified by the same authority is pooled, and nothing else"


def test_the_machines_authorities(instance, origin):
    """A certificate of our own is none that the machine knows; what it knows travels in the generation."""
    g = instance(*house(origin(), ca=None), workers=1)
    if g.ask().status == 500:
        pytest.skip("the machine has no CA certificates")
    a = g.access(1)[0]
    assert a["status"] == 502 and a["reason"] == "backend_tls_failed"


def test_conflicts_and_ports(instance, origin, certs):
    """The oldest has the target; a port beats the Service; a section that is not there is told."""
    def at(p, second):
        p["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{second}Z"
        return p
    svc = o.service("e", (back := origin()).address)
    g = instance(o.gateway(port=PORT), svc, o.route(rules=[o.rule("e")]), tls.ca_map("ca", certs.ca),
                 at(tls.policy("wide", "e", "ca", "first.w.test"), 1), at(tls.policy("late", "e", "ca", "wrong.test"), 2),
                 at(tls.policy("absent", "e", "ca", "wrong.test", section="nowhere"), 3), workers=1)

    def accepted(name):
        return o.conditions(g.get("backendtlspolicy", name)["status"]["ancestors"][0])["Accepted"]
    assert seen(g.ask())["sni"] == "first.w.test"
    assert accepted("wide") == ("True", "Accepted") and accepted("late") == ("False", "Conflicted")
    assert accepted("absent") == ("False", "TargetNotFound")
    g.put(at(tls.policy("port", "e", "ca", "port.w.test", section="http"), 4), name="port.yaml")
    g.reload(None)
    assert seen(g.ask())["sni"] == "port.w.test"
    assert accepted("wide") == accepted("port") == ("True", "Accepted")
    assert not back.errors


# ---- connections
def test_pooled(instance, origin, certs):
    back = origin()
    g = instance(*house(back, tls.ca_map("ca", certs.ca)), workers=1)
    with http1.Client(*g.address()) as c:
        for i in range(20):
            assert seen(c.ask(target=f"/{i}"))["version"] == "TLSv1.3"
        r = c.ask("POST", "/body", body=b"x" * 300000)
        assert json.loads(r.body)["bodyBytes"] == 300000
        assert back.connections == 1
        g.reload()
        assert c.ask().status == 200 and back.connections == 1, "a reload that changes nothing keeps it"
        new = tls.policy("p", "e", "ca", "other.w.test")
        objs = [x for x in o.flat(house(back, tls.ca_map("ca", certs.ca))) if x["kind"] != "BackendTLSPolicy"]
        g.put(*objs, new)
        g.reload()
        assert seen(c.ask())["sni"] == "other.w.test" and back.connections == 2, "another name is another connection"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumption(instance, origin, certs, version):
    back = origin(version=version)
    back.echo = lambda peer, r: (backends.Echo.echo(back, peer, r), peer.sock.unwrap())
    g = instance(*house(back, tls.ca_map("ca", certs.ca)), workers=1)
    with http1.Client(*g.address()) as c:
        resumed = [seen(c.ask(target=f"/{i}"))["resumed"] for i in range(6)]
    assert resumed == [False] + [True] * 5, resumed
    assert back.connections == 6
    assert (g.metric("upstream_tls_handshakes"), g.metric("upstream_tls_resumed")) == (6, 5)
    # another authority: the session is not even offered
    g.put(tls.ca_map("ca", certs.other), *house(back))
    g.reload()
    assert g.ask().status == 502


def test_an_answer_cut_short_never_looks_whole(instance, origin, certs):
    """An end of the TCP connection without TLS's own is no end of an answer that lasts until the end."""
    def handle(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        wait_for(lambda: head, "the client to have the head")
        if peer.orderly:
            peer.sock.unwrap()
    back, head = origin(), []
    for orderly in (False, True):
        back.handle = lambda peer: (setattr(peer, "orderly", orderly), handle(peer))  # pylint: disable=cell-var-from-loop
        g = instance(*house(back, tls.ca_map("ca", certs.ca)), workers=1)
        head.clear()
        with http1.Client(*g.address()) as c:
            c.request()
            r = c.response_head()
            head.append(1)
            if orderly:
                assert c.response_body(r).body == b"half of it"
            else:
                with pytest.raises(http1.Closed):
                    c.response_body(r)
        g.stop()
        g.clean()


def digest(pair):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.text("crt"))).hexdigest()


def test_client_certificates(instance, origin, certs):
    """Each Gateway shows its own; connections are never shared between them; without one the backend refuses."""
    back = origin(ca=certs.ca)

    def gw(name, cert):
        return o.gateway(name, port=PORT, **({"tls": {"backend": {"clientCertificateRef": {"name": cert}}}} if cert else {}))
    g = instance(*house(back, tls.ca_map("ca", certs.ca), gateway=[gw("a", "client"), gw("b", "second"), gw("c", None), gw("d", "absent")]),
                 tls.secret("client", certs.client), tls.secret("second", certs.second), started=False, workers=1)
    route = o.route("all", [o.rule("e")], parents=("a", "b", "c", "d"))
    g.put(route, name="route.yaml")
    g.start()
    for _ in range(2):
        for name, cert in (("a", certs.client), ("b", certs.second)):
            assert seen(g.ask(gw=name))["client"] == digest(cert)
    assert back.connections == 2
    for name in ("c", "d"):
        assert g.ask(gw=name).status == 502
    assert o.conditions(g.get("gateway", "a")["status"])["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert o.conditions(g.get("gateway", "d")["status"])["ResolvedRefs"] == ("False", "InvalidClientCertificateRef")
    assert "PRIVATE" not in g.text("out") + g.stderr()


# ---- the kind Backend
def test_backend_tls(instance, origin, certs):
    modern, old, mutual = origin("modern"), origin("old", version=ssl.TLSVersion.TLSv1_2), origin("mutual", ca=certs.ca)
    mine = origin("mine", pair=certs.own)
    ca = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
    rows = {"fixed": (backend("fixed", modern.address, sni="abc.test", **ca), 200),
            "wrong": (backend("wrong", modern.address, sni="abd.test", **ca), 502),
            "auto": (backend("auto", modern.address, endpoint={"hostname": "auto.w.test"}, autoSNIFromEndpointHostname=True, **ca), 200),
            "host": (backend("host", modern.address, **ca), 200),
            "lax": (backend("lax", mine.address, sni="whoever.test", insecureSkipVerify=True), 200),
            "strict": (backend("strict", mine.address, sni="abc.test", **ca), 502),
            "modern": (backend("modern", old.address, sni="abc.test", minVersion="1.3", **ca), 502),
            "old": (backend("old", old.address, sni="abc.test", maxVersion="1.2", ciphers=["ECDHE-ECDSA-AES256-GCM-SHA384"], **ca), 200),
            "shown": (backend("shown", mutual.address, sni="abc.test", clientCertificateRef={"name": "client"}, **ca), 200),
            "none": (backend("none", modern.address, sni="abc.test"), 500)}
    g = instance(o.gateway(port=PORT), *[b for b, _ in rows.values()], tls.ca_map("ca", certs.ca), tls.secret("client", certs.client),
                 o.route(rules=[to_backend(n, path="/" + n) for n in rows]), workers=1)
    names = {"fixed": "abc.test", "auto": "auto.w.test", "host": "me.w.test", "lax": "whoever.test"}
    for n, (_, want) in rows.items():
        r = g.ask(target="/" + n, headers=[("Host", "me.w.test")])
        assert r.status == want, (n, r)
        if n in names:
            assert seen(r)["sni"] == names[n], n
    assert seen(g.ask(target="/old"))["version"] == "TLSv1.2"
    assert seen(g.ask(target="/shown"))["client"] == digest(certs.client)
    assert g.ask(target="/host", headers=[("Host", "me.other.test")]).status == 502, "verified by the name that was asked for"
    assert o.conditions(g.get("backend", "none")["status"])["Accepted"] == ("False", "Invalid")
    # a policy on it wins, field by field
    p = tls.policy("p", "strict", "own", "abc.test")
    p["spec"]["targetRefs"][0].update(group="gateway.headgate.dev", kind="Backend")
    g.put(p, tls.ca_map("own", certs.own), name="policy.yaml")
    g.reload(None)
    assert seen(g.ask(target="/strict"))["sni"] == "abc.test"


# ---- HTTP/2
@pytest.fixture
def both(block, certs):
    made = []

    def start(alpn=("h2", "http/1.1")):
        b = backends.Either(block.backend(), 3000, "default", "e")
        b.tls = tls.serving(certs.good, alpn=alpn)
        made.append(b)
        return b
    yield start
    for b in made:
        b.stop()


def many(g, n=40, workers=8):
    """Statuses and protocols of requests, several at a time."""
    out, at = [], g.address()

    def run():
        with http1.Client(*at) as c:
            for i in range(n // workers):
                out.append(seen(c.ask(target=f"/{i}"))["alpn"])
    ts = [threading.Thread(target=run) for _ in range(workers)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(DEADLINE)
    return out


def test_http2_by_alpn(instance, both, certs):
    pytest.importorskip("h2.connection")
    back = both()
    g = instance(*house(back, tls.ca_map("ca", certs.ca)), workers=1)
    assert seen(g.ask())["alpn"] == "h2"
    assert many(g) == ["h2"] * 40
    assert back.connections == 1, "many requests, one connection"
    # the backend is built anew and speaks HTTP/1.1 only: nobody notices
    back.tls = tls.serving(certs.good)
    with back.lock:
        for p in list(back.peers):
            p.sock.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: back.open == 0, "the connection to be gone")
    assert many(g) == ["http/1.1"] * 40
    back.tls = tls.serving(certs.good, alpn=("h2",))
    with back.lock:
        for p in list(back.peers):
            p.sock.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: back.open == 0, "the connections to be gone")
    assert set(many(g)) == {"h2"}
    faults.quiet(g)


def test_a_connection_that_hangs_is_given_up(instance, both, certs, block):
    """Who waits for it in vain is told, and the next one gets another connection; the first is closed."""
    pytest.importorskip("h2.connection")
    back = both()
    shake, hung = back._shake, []  # pylint: disable=protected-access
    back._shake = hung.append  # pylint: disable=protected-access
    svc = o.service("e", back.address)
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(*house(back, tls.ca_map("ca", certs.ca))[:1], svc, *house(back, tls.ca_map("ca", certs.ca))[2:], conf=FAST, workers=1)
    r = g.ask()
    assert r.status == 502, r
    assert g.access(1)[0]["detail"] == "the handshake took too long"
    back._shake = shake  # pylint: disable=protected-access
    assert seen(g.ask())["alpn"] == "h2"
    assert len(hung) == 1 and back.connections == 2
    hung[0].settimeout(DEADLINE)
    while hung[0].recv(4096):
        pass
    hung[0].close()
    back.open -= 1


def test_what_alpn_offers(instance, both, certs):
    """appProtocol h2c leaves no choice; a Backend's alpnProtocols are what it says."""
    pytest.importorskip("h2.connection")
    two, one = both(), both(alpn=("http/1.1",))
    ca = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
    svc = o.service("forced", two.address)
    svc[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    bad = o.service("bad", one.address)
    bad[0]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    g = instance(o.gateway(port=PORT), svc, bad, tls.policy("p", "forced", "ca", "abc.test"), tls.policy("q", "bad", "ca", "abc.test"),
                 tls.ca_map("ca", certs.ca), backend("h1", two.address, sni="abc.test", alpnProtocols=["http/1.1"], **ca),
                 o.route(rules=[o.rule("forced", path="/forced"), o.rule("bad", path="/bad"), to_backend("h1", path="/h1")]), workers=1)
    assert seen(g.ask(target="/forced"))["alpn"] == "h2"
    assert seen(g.ask(target="/h1"))["alpn"] == "http/1.1"
    assert g.ask(target="/bad").status == 502


def test_nginx(instance, block, certs, tmp_path):
    """A real backend that speaks both."""
    import os
    import shutil
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        pytest.skip("no nginx")
    host = block.backend()
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"""{"user root;" if os.geteuid() == 0 else ""} daemon off; error_log stderr; pid {tmp_path}/pid; events {{}}
http {{ access_log off; {" ".join(f"{n}_temp_path {tmp_path}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
server {{ listen {host}:4443 ssl http2; ssl_certificate {certs.good.crt}; ssl_certificate_key {certs.good.key};
location / {{ default_type text/plain; return 200 "$server_protocol $ssl_server_name $ssl_session_reused"; }}
location /file {{ alias {tmp_path}/file; }} }} }}""")
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    with subprocess.Popen(["/usr/sbin/nginx", "-c", str(conf), "-p", str(tmp_path)], stderr=subprocess.PIPE) as p:
        try:
            wait_for(lambda: listens((host, 4443)), "nginx to listen")

            class Nginx:
                address = (host, 4443)
            g = instance(*house(Nginx, tls.ca_map("ca", certs.ca)), workers=1)
            assert g.ask().body.decode().startswith("HTTP/2.0 abc.test")
            assert g.ask(target="/file").body == (tmp_path / "file").read_bytes()
        finally:
            p.terminate()


def test_s_server(instance, block, certs):
    """openssl's own server, HTTP/1.0 until the end."""
    host = block.backend()
    with subprocess.Popen(["openssl", "s_server", "-accept", f"{host}:4443", "-cert", certs.good.crt, "-key", certs.good.key, "-www",
                           "-quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        try:
            wait_for(lambda: listens((host, 4443)), "s_server to listen")

            class Server:
                address = (host, 4443)
            g = instance(*house(Server, tls.ca_map("ca", certs.ca)), workers=1)
            for _ in range(3):
                r = g.ask()
                assert r.status == 200 and b"TLSv1.3" in r.body
        finally:
            p.terminate()


# ---- L4
def test_tcp_route(instance, origin, certs):
    """A relayed connection is encrypted towards the backend, or ends: never in clear text."""
    back = origin()
    listeners = [o.listener("good", PORT, "TCP"), o.listener("bad", PORT + 1, "TCP")]
    objs = [o.gateway(listeners=listeners), tls.ca_map("ca", certs.ca)]
    for n, host in (("good", "abc.test"), ("bad", "abd.test")):
        route = o.route(n, [o.rule(n)], parents=({"name": "gw", "sectionName": n},))
        objs += [o.service(n, back.address), tls.policy(n, n, "ca", host), {**route, "kind": "TCPRoute"}]
    g = instance(*objs, workers=1)
    host, port = g.address()
    assert seen(http1.ask((host, port), target="/x"))["sni"] == "abc.test"
    with pytest.raises((http1.Closed, ConnectionError)), http1.Client(host, port + 1) as c:  # it may end before connect() returns
        c.ask()
    line = [a for a in g.access(2) if a["listener"] == "bad"][0]
    assert line["reason"] == "backend_tls_failed" and "ostname" in line["detail"], line
    assert len(back.requests) == 1


# ---- with the rest of the house
def test_mirror_retry_and_reload(instance, origin, script, certs):
    """Mirrors go over TLS too; a retry policy's next endpoint may be a better one; reloads under load lose nothing."""
    main, mirror, bad = origin("e"), origin("m"), origin("bad", pair=certs.old)
    retry = {"attempts": 3}
    svc = o.service("two", main.address, (bad.host, bad.port))
    filters = [{"type": "RequestMirror", "requestMirror": {"backendRef": o.ref("m")}}]
    g = instance(o.gateway(port=PORT), o.service("e", main.address), o.service("m", mirror.address), svc, tls.ca_map("ca", certs.ca),
                 *[tls.policy(n, n, "ca", "abc.test") for n in ("e", "m", "two")],
                 o.route(rules=[o.rule("two", path="/two", retry=retry), o.rule("e", filters=filters)]), workers=1)
    r = g.ask("POST", "/mirrored", body=b"both")
    assert seen(r)["sni"] == "abc.test"
    wait_for(lambda: any(x.body == b"both" for x in mirror.requests), "the mirror to have it")
    for _ in range(4):
        assert g.ask(target="/two").status == 200
    assert bad.refused and not bad.requests
    with faults.load(g.address(), keep=2, each=2) as loads:
        for _ in range(3):
            g.reload()
            loads.step()
    assert loads.failures() == []
