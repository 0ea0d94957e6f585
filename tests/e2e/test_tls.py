"""TLS termination: certificates by name, hosts and names, client certificates, resumption, reloads and deaths under TLS."""
import base64
import contextlib
import os
import signal
import ssl
import threading

import pytest

from lib import l4, objects as o, tls
from lib.wait import wait_for

PORT = 8443


@pytest.fixture
def pair(tmp_path):
    return lambda name, *sans, **kw: tls.Pair(tmp_path, name, sans, **kw)


def stage(listeners, *backends, **spec):
    out = [o.gateway(listeners=listeners, **spec)] + [o.service(b.who["service"], b.address) for b in backends]
    return out + [o.route("all", [o.rule(backends[0].who["service"], path="/")])]


def names(pair):
    """Four listeners, five certificates."""
    made = {"a": pair("a", "a.test"), "rsa": pair("rsa", "a.test", rsa=True), "wild": pair("wild", "*.w.test"),
            "deep": pair("deep", "x.w.test"), "any": pair("any", "any.test")}
    listeners = [tls.listener("a", PORT, "a", "rsa", hostname="a.test"), tls.listener("wild", PORT, "wild", "deep", hostname="*.w.test"),
                 tls.listener("any", PORT, "any")]
    return [tls.secret(n, p) for n, p in made.items()], listeners


def test_names(instance, echo, pair):
    secrets, listeners = names(pair)
    g = instance(*stage(listeners, echo("e")), *secrets)
    at = g.address()
    for sni, want in (("a.test", "a"), ("A.Test", "a"), ("b.w.test", "wild"), ("x.w.test", "deep"), ("other.test", "any"), (None, "any")):
        with tls.Client(at, sni) as c:
            assert c.subject() == want, sni
            assert c.sock.version() == "TLSv1.3" and c.sock.selected_alpn_protocol() == "http/1.1"
            status, _, body = c.ask(sni or "none.test")
            assert status == 200 and b'"https"' in body, "X-Forwarded-Proto"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert tls.ask(at, "a.test", ctx=tls.context(version=version))[0] == 200
    def s_client(*args):
        return tls.openssl("s_client", "-connect", f"{at[0]}:{at[1]}", "-servername", "a.test", *args, check=False, stdin=-3)
    old = s_client("-tls1_1")
    assert "Cipher is (NONE)" in old.stdout
    rsa = s_client("-tls1_2", "-cipher", "aRSA")
    assert "CN = rsa" in rsa.stdout, "ECDSA and RSA side by side"
    assert tls.refused(at, "a.test", ctx=tls.context(alpn=("spdy/9",)))
    line = [a for a in g.access() if a.get("tls_sni") == "b.w.test"][-1]
    assert line["tls_version"] == "TLSv1.3" and line["scheme"] == "https" and line["listener"] == "wild"
    assert "PRIVATE" not in g.text("out") + g.stderr() + g.cli("get", "secrets", "-A", "-o", "yaml").stdout


def test_no_listener_for_a_name(instance, echo, pair):
    g = instance(*stage([tls.listener("a", PORT, "a", hostname="a.test")], echo("e")), tls.secret("a", pair("a", "a.test")))
    for sni in ("b.test", None):
        assert tls.refused(g.address(), sni), sni


def test_misdirected(instance, echo, pair):
    """A connection is worth what its handshake's listener covers, and nothing else."""
    secrets, listeners = names(pair)
    g = instance(*stage(listeners, echo("e")), *secrets)
    at = g.address()
    for sni, host, want in (("a.test", "a.test", 200), ("a.test", "b.w.test", 421), ("a.test", "other.test", 421),
                            ("b.w.test", "c.w.test", 200), ("b.w.test", "a.test", 421), ("other.test", "a.test", 421),
                            ("other.test", "more.test", 200)):
        assert tls.ask(at, sni, host)[0] == want, (sni, host)


def test_bad_certificates(instance, echo, pair):
    """Each costs its own listener; a wider one does not answer in its place."""
    good, old = pair("good", "good.test"), pair("old", "old.test", days=-1)
    listeners = [tls.listener(n, PORT, n, hostname=f"{n}.test") for n in ("good", "old", "mixed", "none")]
    listeners.append(tls.listener("any", PORT, "good"))
    g = instance(*stage(listeners, echo("e")), tls.secret("good", good), tls.secret("old", old), tls.secret("mixed", good, key=old))
    found = {x["name"]: o.conditions(x) for x in g.get("gateway", "gw")["status"]["listeners"]}
    for n in ("old", "mixed", "none"):
        assert found[n]["ResolvedRefs"] == ("False", "InvalidCertificateRef") and found[n]["Programmed"][0] == "False", n
        assert tls.refused(g.address(), f"{n}.test"), n
    assert found["good"]["Programmed"] == found["any"]["Programmed"] == ("True", "Programmed")
    assert found["good"]["OverlappingTLSConfig"] == ("True", "OverlappingHostnames")
    assert tls.ask(g.address(), "good.test")[0] == 200


def test_secrets_that_hold_no_pair(instance, echo, pair):
    """Whatever is wrong with a Secret, it is said in words, costs its own listener, and no key is in the words."""
    p = pair("p", "a.test")
    locked = tls.openssl("pkcs8", "-topk8", "-in", p.key, "-passout", "pass:x").stdout
    crt, key = p.text("crt"), p.text("key")
    bad = {"encrypted": (crt, locked), "swapped": (key, crt), "cut": (crt[:len(crt) // 2], key), "half": (crt, key[:len(key) // 2]),
           "garbage": (crt.replace("MII", "!!!"), key), "empty": ("", key), "nokey": (crt, ""), "twice": (crt, crt)}
    listeners = [tls.listener(n, PORT, n, hostname=f"{n}.test") for n in bad] + [tls.listener("good", PORT, "good", hostname="good.test")]

    def secret(name, crt, key):
        s = tls.secret(name, p)
        s["stringData"] = {"tls.crt": crt, "tls.key": key}
        return s
    g = instance(*stage(listeners, echo("e")), *[secret(n, *v) for n, v in bad.items()], tls.secret("good", p))
    for listener in g.get("gateway", "gw")["status"]["listeners"]:
        found = {c["type"]: c for c in listener["conditions"]}
        if listener["name"] == "good":
            continue
        assert found["ResolvedRefs"]["reason"] == "InvalidCertificateRef" and found["Programmed"]["status"] == "False", listener["name"]
        assert "PRIVATE" not in found["ResolvedRefs"]["message"] and key.split("\n")[1] not in g.text("out") + g.stderr()
        assert tls.refused(g.address(), listener["name"] + ".test"), listener["name"]
    assert tls.ask(g.address(), "good.test")[0] == 200


def test_rotation_and_last_good(instance, echo, pair):
    """A new certificate is served from the next handshake on, open connections stay; a bad one changes nothing but the status."""
    first, second = pair("first", "a.test"), pair("second", "a.test")
    base = stage([tls.listener("a", PORT, "s", hostname="a.test")], echo("e"))
    g = instance(*base)
    g.put(tls.secret("s", first), name="secret.yaml")
    g.reload(0)
    with tls.Client(g.address(), "a.test") as c:
        assert c.subject() == "first" and c.ask("a.test")[0] == 200
        g.put(tls.secret("s", second), name="secret.yaml")
        g.reload(0)
        assert c.ask("a.test")[0] == 200, "an open connection stays"
        with tls.Client(g.address(), "a.test") as d:
            assert d.subject() == "second"
        for _ in range(2): # also when nothing changed since
            g.put(tls.secret("s", first, key=second), name="secret.yaml")
            g.reload(0)
            found = o.conditions(g.get("gateway", "gw")["status"]["listeners"][0])
            assert found["ResolvedRefs"] == ("False", "InvalidCertificateRef") and found["Programmed"] == ("True", "Programmed")
            with tls.Client(g.address(), "a.test") as d:
                assert d.subject() == "second" and d.ask("a.test")[0] == 200
        assert c.ask("a.test")[0] == 200
        g.put(tls.secret("s", first), name="secret.yaml")
        g.reload(0)
        with tls.Client(g.address(), "a.test") as d:
            assert d.subject() == "first"


def test_file_reference(instance, echo, pair):
    """A PEM file is read anew by each reload, without an edit of the manifest."""
    first, second = pair("first", "a.test"), pair("second", "a.test")
    ref = {"group": "gateway.headgate.dev", "kind": "File", "name": "certs/a.pem"}
    g = instance(*stage([tls.listener("a", PORT, ref)], echo("e")), started=False)
    g.write(first.text("crt") + first.text("key"), name="certs/a.pem")
    g.start()
    with tls.Client(g.address(), "a.test") as c:
        assert c.subject() == "first"
    g.write(second.text("crt") + second.text("key"), name="certs/a.pem")
    g.reload(0)
    with tls.Client(g.address(), "a.test") as c:
        assert c.subject() == "second" and c.ask("a.test")[0] == 200


def test_file_keeps_its_last_good_content(instance, echo, pair):
    """A file that went bad, or may not be read, costs a word in the status; a reboot serves it too. One that is gone is gone."""
    good, other = pair("good", "a.test"), pair("other", "a.test")
    ref = {"group": "gateway.headgate.dev", "kind": "File", "name": "certs/a.crt"}
    g = instance(*stage([tls.listener("a", PORT, ref)], echo("e")), started=False)
    g.write(good.text("crt"), name="certs/a.crt")
    g.write(good.text("key"), name="certs/a.key")
    g.start()

    def served():
        with tls.Client(g.address(), "a.test") as c:
            return c.subject()
    assert served() == "good"
    for name, text in (("certs/a.key", other.text("key")), ("certs/a.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n"), ("certs/a.crt", "")):
        g.write(text, name=name)
        g.reload()
        found = o.conditions(g.get("gateway", "gw")["status"]["listeners"][0])
        assert found["ResolvedRefs"] == ("False", "InvalidCertificateRef") and found["Programmed"] == ("True", "Programmed"), name
        assert served() == "good", name
    g.stop()
    g.start()
    assert served() == "good"
    g.write(other.text("crt"), name="certs/a.crt")
    g.write(other.text("key"), name="certs/a.key")
    g.reload(0)
    assert served() == "other"
    g.remove("certs/a.crt")
    g.reload()
    assert tls.refused(g.address(), "a.test")


def test_ocsp_staple(instance, echo, pair, tmp_path):
    """From FILE.ocsp, told to who asks; what cannot be read is left out."""
    ca = pair("ca", ca=True)
    own = pair("own", "a.test", by=ca)
    ref = {"group": "gateway.headgate.dev", "kind": "File", "name": "certs/a.pem"}
    g = instance(*stage([tls.listener("a", PORT, ref), tls.listener("b", PORT, "own", hostname="b.test")], echo("e")),
                 tls.secret("own", own), started=False)
    g.write(own.text("crt") + own.text("key"), name="certs/a.pem")
    staple = tls.ocsp(tmp_path, ca, own)
    with open(os.path.join(g.dir, "manifests/certs/a.pem.ocsp"), "wb") as f:
        f.write(staple)
    g.start()

    def asked(name):
        at = g.address()
        return tls.openssl("s_client", "-connect", f"{at[0]}:{at[1]}", "-servername", name, "-status", "-CAfile", ca.crt, check=False,
                           stdin=-3).stdout
    assert "OCSP Response Status: successful" in asked("a.test") and "Cert Status: good" in asked("a.test")
    assert "OCSP response: no response sent" in asked("b.test")
    g.write("nonsense", name="certs/a.pem.ocsp")
    g.reload()
    assert "OCSP response: no response sent" in asked("a.test")
    assert tls.ask(g.address(), "a.test")[0] == 200
    secret = tls.secret("own", own)
    secret["data"] = {"tls.ocsp-staple": base64.b64encode(staple).decode()}
    g.put(*stage([tls.listener("a", PORT, ref), tls.listener("b", PORT, "own", hostname="b.test")], echo("f")), secret)
    g.reload()
    assert "Cert Status: good" in asked("b.test")


def frontend(*refs, mode=None):
    return {"frontend": {"default": {"validation": {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": r} for r in refs],
                                                    **({"mode": mode} if mode else {})}}}}


def test_client_certificates(instance, echo, pair):
    ca, other = pair("ca", ca=True), pair("otherca", ca=True)
    client, stranger = pair("client", "c", by=ca), pair("stranger", "c", by=other)
    base = [tls.secret("s", pair("s", "a.test")), tls.ca_map("ca", ca)]
    listeners = [tls.listener("a", PORT, "s")]
    backend = echo("e")
    g = instance(*stage(listeners, backend, tls=frontend("ca")), *base)
    at = g.address()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        def ctx(own=None):
            return tls.context(own, version)
        assert tls.ask(at, "a.test", ctx=ctx(client))[0] == 200
        assert tls.refused(at, "a.test", ctx=ctx()) and tls.refused(at, "a.test", ctx=ctx(stranger))
    g.put(*stage(listeners, backend, tls=frontend("ca", mode="AllowInsecureFallback")), *base)
    g.reload(0)
    for own in (client, stranger, None):
        assert tls.ask(at, "a.test", ctx=tls.context(own))[0] == 200
    assert g.conditions("gateway", "gw")["InsecureFrontendValidationMode"] == ("True", "ConfigurationChanged")
    g.put(*stage(listeners, backend, tls=frontend("missing")), *base)
    g.reload()
    found = o.conditions(g.get("gateway", "gw")["status"]["listeners"][0])
    assert found["ResolvedRefs"] == ("False", "InvalidCACertificateRef") and found["Accepted"] == ("False", "NoValidCACertificate")
    assert found["Programmed"][0] == "False"
    for own in (client, None):
        with pytest.raises((OSError, ssl.SSLError)):
            tls.ask(at, "a.test", ctx=tls.context(own))


def test_client_certificates_by_port(instance, echo, pair):
    """perPort stands in the place of the default for its port, and each mode is its port's own."""
    ca, other = pair("ca", ca=True), pair("otherca", ca=True)
    client, stranger = pair("client", "c", by=ca), pair("stranger", "c", by=other)
    ports = {"default": PORT, "other": PORT + 1, "lax": PORT + 2, "none": PORT + 3}
    spec = frontend("ca")
    spec["frontend"]["perPort"] = [
        {"port": ports["other"], "tls": frontend("other")["frontend"]["default"]},
        {"port": ports["lax"], "tls": frontend("ca", mode="AllowInsecureFallback")["frontend"]["default"]},
        {"port": ports["none"], "tls": {}}]
    g = instance(*stage([tls.listener(n, port, "s") for n, port in ports.items()], echo("e"), tls=spec),
                 tls.secret("s", pair("s", "a.test")), tls.ca_map("ca", ca), tls.ca_map("other", other))
    assert g.conditions("gateway", "gw")["InsecureFrontendValidationMode"] == ("True", "ConfigurationChanged")
    good = {"default": {client}, "other": {stranger}, "lax": {client, stranger, None}, "none": {client, stranger, None}}
    for name, port in ports.items():
        for own in (client, stranger, None):
            at = (g.address()[0], port)
            assert tls.refused(at, "a.test", ctx=tls.context(own)) == (own not in good[name]), (name, own and own.name)


def test_validation_is_not_resumed_away(instance, echo, pair):
    """A session of one listener, or of the time before client certificates, is worth nothing elsewhere."""
    ca = pair("ca", ca=True)
    base = [tls.secret("s", pair("s", "a.test", "b.test")), tls.ca_map("ca", ca)]
    listeners = [tls.listener(n, PORT, "s", hostname=f"{n}.test") for n in ("a", "b")]
    backend = echo("e")
    g = instance(*stage(listeners, backend), *base, workers=1)
    at, ctx = g.address(), tls.context(version=ssl.TLSVersion.TLSv1_2)
    with tls.Client(at, "a.test", ctx) as c:
        session = c.sock.session
        assert c.ask("a.test")[0] == 200
    with tls.Client(at, "a.test", ctx, session) as c:
        assert c.sock.session_reused
    with tls.Client(at, "b.test", ctx, session) as c:
        assert not c.sock.session_reused
    keep = tls.Client(at, "a.test")
    assert keep.ask("a.test")[0] == 200
    g.put(*stage(listeners, backend, tls=frontend("ca")), *base)
    g.reload(0)
    assert tls.refused(at, "a.test", ctx=ctx, session=session)
    with keep, pytest.raises((ConnectionError, ssl.SSLError)): # let in under the old rules
        keep.ask("a.test")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumption_over_workers(instance, echo, pair, version):
    """Any worker resumes any session, also after a reload and a worker's death."""
    g = instance(*stage([tls.listener("a", PORT, "s")], echo("e")), tls.secret("s", pair("s", "a.test")), workers=4)
    at, ctx = g.address(), tls.context(version=version)

    def visit(session):
        with tls.Client(at, "a.test", ctx, session) as c:
            assert c.ask("a.test")[0] == 200
            return c.sock.session, c.sock.session_reused
    session, _ = visit(None)
    hits = 0
    for i in range(100):
        if i == 40:
            g.reload(0)
        if i == 70:
            dead = g.role("worker")[0]
            os.kill(dead, signal.SIGKILL)
            wait_for(lambda: len(g.role("worker")) == 4 and dead not in g.role("worker"), "a new worker")
        session, reused = visit(session)
        hits += reused
    assert hits >= 99
    assert sum(a.get("tls_resumed", False) for a in g.access(101)) >= 99


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_belongs_to_its_name(instance, echo, pair, version):
    """RFC 6066 section 3: not resumed for another name, also of the same listener and certificate."""
    g = instance(*stage([tls.listener("any", PORT, "s")], echo("e")), tls.secret("s", pair("s", "a.test", "b.test")))
    ctx = tls.context(version=version)

    def visit(name, session):
        with tls.Client(g.address(), name, ctx, session) as c:
            assert c.ask(name)[0] == 200
            return c.sock.session, c.sock.session_reused
    first, _ = visit("a.test", None)
    assert visit("A.test", first)[1]
    first, _ = visit("a.test", None)
    assert not visit("b.test", first)[1]


def test_reload_under_load(instance, echo, pair):
    """Twenty reloads with new certificates and keep-alive clients: nothing fails."""
    made = [pair(f"p{i}", "a.test") for i in range(2)]
    backend = echo("e")
    listeners = [tls.listener("a", PORT, "s")]
    g = instance(*stage(listeners, backend), tls.secret("s", made[0]))
    at, stop, done, bad = g.address(), threading.Event(), [0, 0], []

    def load(me):
        while not stop.is_set():
            try:
                with tls.Client(at, "a.test") as c:
                    for _ in range(20):
                        assert c.ask("a.test")[0] == 200
                        done[me] += 1
            except Exception as e: # pylint: disable=broad-except
                bad.append(repr(e))
    threads = [threading.Thread(target=load, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for i in range(20):
        g.put(*stage(listeners, backend), tls.secret("s", made[i % 2]))
        g.reload(0)
    stop.set()
    for t in threads:
        t.join()
    assert not bad and min(done) > 20


def test_http_and_https(instance, echo, pair):
    """One host on both: redirects infer scheme and port, and neither listener has the other's routes."""
    e = echo("e")
    listeners = [o.listener("http", 8080), tls.listener("https", PORT, "s")]
    g = instance(o.gateway(listeners=listeners), o.service("e", e.address), tls.secret("s", pair("s", "a.test")),
                 o.route("up", [o.rule(filters=[{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "port": PORT}}])],
                         parents=({"name": "gw", "sectionName": "http"},)),
                 o.route("in", [o.rule("e", path="/"), o.rule(path="/old", filters=[
                     {"type": "RequestRedirect", "requestRedirect": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}}])],
                         parents=({"name": "gw", "sectionName": "https"},)))
    r = g.ask(target="/x?y")
    assert r.status == 302 and dict(r.headers).get("Location") == f"https://{g.address()[0]}:{PORT}/x?y"
    at = (g.address()[0], PORT)
    assert tls.ask(at, "a.test", target="/x")[0] == 200
    status, fields, _ = tls.ask(at, "a.test", target="/old")
    assert status == 302 and fields["location"] == f"https://a.test:{PORT}/new"
    assert tls.refused((g.address()[0], 8080), "a.test")


def test_no_hello(instance, echo, pair):
    """Clear text on a TLS port, half a hello, none at all: each is closed in its time, and nobody else is kept waiting."""
    g = instance(*stage([tls.listener("a", PORT, "s")], echo("e")), tls.secret("s", pair("s", "a.test")),
                 conf='limits = { tls_handshake_timeout = "500ms"; };')
    at = g.address()
    hello = tls.hello("a.test")
    for data in (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"", hello[:3], hello[:-1],
                 b"\x16\x03\x01\xff\xff" + b"\0" * 100, hello):
        got = b""
        with contextlib.suppress(ConnectionError), l4.Conn(at) as c:
            c.send(data)
            while (more := c.sock.recv(4096)):
                got += more
        assert not got.startswith(b"HTTP"), data
        assert tls.ask(at, "a.test")[0] == 200
    wait_for(lambda: g.metric("connections_closed") == g.metric("connections_accepted"), "no connection to be left")
