"""ClientTrafficPolicy on HTTPS listeners: settings by openssl s_client, certificates of clients in every mode. One gateway, a listener
and a policy a case, so that what one listener asks for is never what another gets."""
import base64
import hashlib
import json
import shutil
import ssl
import subprocess

import pytest

from lib import objects as o, tls
from lib.backends import Echo
from lib.block import Block
from lib.gateway import Instance
from lib.wait import wait_for

PORT = 8443
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def validation(**spec):
    return {"tls": {"clientValidation": spec}}


CA = {"caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}]}


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.text("crt"))


def spki(pair):
    pem = tls.openssl("x509", "-in", pair.crt, "-pubkey", "-noout").stdout
    body = base64.b64decode("".join(pem.split("-----")[2].split()))
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    ca, other = tls.Pair(folder, "ca", ca=True), tls.Pair(folder, "other", ca=True)
    made = {"ca": ca, "server": tls.Pair(folder, "server", ("*.test",)), "rsa": tls.Pair(folder, "rsa", ("*.test",), rsa=True),
            "good": tls.Pair(folder, "good", ("one.client",), by=ca), "second": tls.Pair(folder, "second", ("two.client",), by=ca),
            "old": tls.Pair(folder, "old", ("one.client",), by=ca, days=-1),
            "stranger": tls.Pair(folder, "stranger", ("one.client",), by=other)}
    made["crl"] = tls.crl(folder, ca, made["second"])
    return made


def cases(pki):
    """section: (policy's spec, who gets in)"""
    pin = hashlib.sha256(der(pki["good"])).hexdigest()
    everyone = {"good", "second", "old", "stranger", None}
    return {
        "none": ({}, everyone),
        "request": (validation(mode="Request"), everyone),
        "any": (validation(mode="RequireAny"), everyone - {None}),
        "given": (validation(mode="VerifyIfGiven", **CA), {"good", "second", None}),
        "optional": (validation(optional=True, **CA), {"good", "second", None}),
        "verify": (validation(**CA), {"good", "second"}),
        "expired": (validation(allowExpiredCertificate=True, **CA), {"good", "second", "old"}),
        "pinned": (validation(certificateHashes=[pin], **CA), {"good"}),
        "key": (validation(spkiHashes=[spki(pki["second"])], **CA), {"second"}),
        "named": (validation(subjectAltNames={"dnsNames": [{"type": "Prefix", "value": "TWO."}], "uris": [{"value": "spiffe://x"}]}, **CA),
                  {"second"}),
        "pattern": (validation(subjectAltNames={"dnsNames": [{"type": "RegularExpression", "value": "o[mn]e[.]client"}]}, **CA), {"good"}),
        "revoked": (validation(crl={"refs": [{"kind": "ConfigMap", "name": "crl"}]}, **CA), {"good"}),
    }


def forwarded(mode, *details, **more):
    return {**validation(mode="Request", **more), "headers": {"xForwardedClientCert": {"mode": mode, **({"certDetailsToAdd": list(details)}
                                                                                                        if details else {})}}}


SETTINGS = {
    "sanitize": forwarded("Sanitize"), "forward": forwarded("ForwardOnly"), "always": forwarded("AlwaysForwardOnly"),
    "append": forwarded("AppendForward", "DNS"), "set": forwarded("SanitizeSet", "Subject", "DNS", "Cert", "Chain"),
    "old": {"tls": {"maxVersion": "1.2", "ciphers": ["ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]}},
    "new": {"tls": {"minVersion": "1.3", "ecdhCurves": ["P-384"]}},
    "signed": {"tls": {"signatureAlgorithms": ["rsa_pss_rsae_sha256"]}},
    "badsign": {"tls": {"signatureAlgorithms": ["md5_rsa"]}},
    "plain": {"tls": {"alpnProtocols": []}},
    "one": {"tls": {"alpnProtocols": ["http/1.1"]}},
    "notickets": {"tls": {"session": {}}},
    "badcipher": {"tls": {"ciphers": ["ECDHE-RSA-AES128-GCM-SHA256", "RC4-SHA"]}},
    "badcurve": {"tls": {"ecdhCurves": ["X25519", "P-1"]}},
    "badalpn": {"tls": {"alpnProtocols": ["spdy/3"]}},
    "noca": validation(),
    "missing": validation(caCertificateRefs=[{"kind": "ConfigMap", "name": "none"}]),
    "crowd": {"connection": {"connectionLimit": {"value": 2}}},
    "late": {"connection": {"connectionLimit": {"value": 1, "closeDelay": "200ms"}}},
    "kept": {"tcpKeepalive": {"idleTime": "77s", "interval": "5s", "probes": 3}},
    "agreed": {"timeout": {"http": {"idleTimeout": "250ms"}}},
}


@pytest.fixture(scope="module")
def g(pki, binary):
    sections = {n: spec for n, (spec, _) in cases(pki).items()} | SETTINGS
    block = Block()
    with Echo(block.backend(), 3000, "default", "e", "e-1") as e:
        objs = [o.gateway(listeners=[tls.listener(n, PORT, "server", "rsa", hostname=f"{n}.test") for n in sections]),
                o.service("e", e.address), o.route("all", [o.rule("e", path="/")]),
                *[tls.secret(n, pki[n]) for n in ("server", "rsa")], tls.ca_map("ca", pki["ca"]),
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": o.meta("crl"), "data": {"ca.crl": pki["crl"]}},
                *[o.ctp("p-" + n, n, **spec) for n, spec in sections.items() if spec]]
        with Instance(*objs, pool=block.pool) as made:
            yield made
    block.close()


def admitted(at, name, own, **kw):
    try:
        return tls.ask(at, f"{name}.test", ctx=tls.context(own, **kw))[0] == 200
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("version", [V12, V13])
def test_certificates_of_clients(g, pki, version):
    for name, (_, good) in cases(pki).items():
        for who in ("good", "second", "old", "stranger", None):
            assert admitted(g.address(), name, who and pki[who], version=version) == (who in good), (name, who)


@pytest.mark.parametrize("version", [V12, V13])
def test_sessions_stay_where_they_are(g, pki, version):
    """A session is worth something to its listener only, whatever the other asks for."""
    at = g.address()
    names = ("none", "request", "verify", "pinned", "one")
    for a in names:
        ctx = tls.context(pki["good"], version)
        with tls.Client(at, f"{a}.test", ctx) as c:
            assert c.ask(f"{a}.test")[0] == 200
            session = c.sock.session
        for b in names:
            with tls.Client(at, f"{b}.test", ctx, session) as c:
                assert c.sock.session_reused == (a == b), (a, b)
                assert c.ask(f"{b}.test")[0] == 200
                assert c.ask(f"{a}.test")[0] == (200 if a == b else 421)


def s_client(g, name, *args):
    at = g.address()
    return tls.openssl("s_client", "-connect", f"{at[0]}:{at[1]}", "-servername", f"{name}.test", *args, check=False, stdin=-3).stdout


def test_versions_ciphers_curves(g):
    assert "TLSv1.2, Cipher is TLS" not in s_client(g, "old")
    assert "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" in s_client(g, "old", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert "New, TLSv1.2, Cipher is ECDHE-RSA-AES128-GCM-SHA256" in s_client(g, "old")
    assert "(NONE)" in s_client(g, "old", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "(NONE)" in s_client(g, "old", "-tls1_3") and "(NONE)" in s_client(g, "new", "-tls1_2")
    assert "Server Temp Key: ECDH, secp384r1" in s_client(g, "new")
    assert "(NONE)" in s_client(g, "new", "-groups", "X25519")
    assert "X25519" in s_client(g, "none")
    assert "CN = rsa" in s_client(g, "signed") and "CN = server" in s_client(g, "none")


def test_protocols(g):
    assert "No ALPN negotiated" in s_client(g, "plain", "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in s_client(g, "one", "-alpn", "h2,http/1.1")
    assert "ALPN protocol: h2" in s_client(g, "none", "-alpn", "http/1.1,h2")
    assert "(NONE)" in s_client(g, "one", "-alpn", "h2")


def test_tickets(g):
    assert "TLS session ticket:" in s_client(g, "none", "-tls1_2")
    assert "TLS session ticket:" not in s_client(g, "notickets", "-tls1_2")
    ctx = tls.context(version=V12)
    with tls.Client(g.address(), "notickets.test", ctx) as c:
        session = c.sock.session
    with tls.Client(g.address(), "notickets.test", ctx, session) as c:
        assert not c.sock.session_reused


def test_what_cannot_be_served(g):
    """A word that is not known, or a check that cannot be made: said, and closed."""
    for name, text in (("badcipher", "RC4-SHA"), ("badcurve", "P-1"), ("badalpn", "spdy/3"), ("badsign", "md5_rsa"),
                       ("noca", "caCertificateRefs"), ("missing", "does not exist")):
        entry = g.get("clienttrafficpolicy", "p-" + name)["status"]["ancestors"][0]["conditions"]
        accepted = next(c for c in entry if c["type"] == "Accepted")
        assert (accepted["status"], accepted["reason"]) == ("False", "Invalid") and text in accepted["message"], name
        assert tls.ask(g.address(), f"{name}.test")[0] == 500, name
    for name in ("request", "any", "given", "verify", "expired", "pinned", "key", "named", "pattern", "revoked", "old", "crowd"):
        found = o.conditions(g.get("clienttrafficpolicy", "p-" + name)["status"]["ancestors"][0])
        assert found == {"Accepted": ("True", "Accepted")}, name


def test_connections(g):
    """Of one listener, over all workers; the others are not affected."""
    at = g.address()
    held = [tls.Client(at, "crowd.test") for _ in range(2)]
    for c in held:
        assert c.ask("crowd.test")[0] == 200
    for name in ("crowd", "crowd"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tls.ask(at, f"{name}.test")
    assert tls.ask(at, "none.test")[0] == 200
    with tls.Client(at, "late.test") as c:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tls.ask(at, "late.test")
        assert c.ask("late.test")[0] == 200
    for c in held:
        c.file.close()
        c.sock.close()


@pytest.mark.skipif(not shutil.which("ss"), reason="iproute2 is not installed")
def test_keepalive(g):
    def timers(c): # of the gateway's side; right after an answer it may be another one
        peer = f"{c.sock.getsockname()[0]}:{c.sock.getsockname()[1]}"
        return subprocess.run(["ss", "-tnoH", "dst", peer], capture_output=True, text=True, check=True, timeout=60).stdout
    with tls.Client(g.address(), "kept.test") as kept, tls.Client(g.address(), "none.test") as none:
        wait_for(lambda: "timer:(keepalive,1min" in timers(kept), "the policy's timer")
        wait_for(lambda: "timer:(on" not in timers(none), "quiet")
        assert "keepalive" not in timers(none)


def test_idle(g):
    with tls.Client(g.address(), "agreed.test") as c:
        assert c.ask("agreed.test")[0] == 200
        assert c.file.readline() == b"", "closed when its time is over"


def test_forwarded_certificates(g, pki):
    """What a backend is told of the client's certificate, and what a client may say of itself: nothing, unless a policy lets it."""
    pem = hashlib.sha256(der(pki["good"])).hexdigest()
    mine = 'Hash=me;Subject="CN=admin"'

    def told(name, own):
        with tls.Client(g.address(), f"{name}.test", tls.context(own)) as c:
            status, _, body = c.ask(f"{name}.test", fields=[f"X-Forwarded-Client-Cert: {mine}"])
            assert status == 200
            return ",".join(json.loads(body)["headers"].get("X-Forwarded-Client-Cert", []))
    good = pki["good"]
    for name in ("none", "sanitize", "verify"):
        assert told(name, good) == "", name
    assert (told("forward", good), told("forward", None)) == (mine, "")
    assert (told("always", good), told("always", None)) == (mine, mine)
    assert (told("append", good), told("append", None)) == (f"{mine}, Hash={pem};DNS=one.client", "")
    ours = told("set", good)
    assert ours.startswith(f'Hash={pem};Cert="-----BEGIN%20CERTIFICATE-----%0A') and ours.endswith(';Subject="CN=good";DNS=one.client')
    assert told("set", None) == ""
