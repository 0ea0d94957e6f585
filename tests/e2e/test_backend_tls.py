"""TLS to backends: who is believed, what is said when nobody is, resumption, client certificates, HTTP/1.1 and HTTP/2."""
import json

import pytest

from lib import objects as o, tls

PORT = 8080


@pytest.fixture
def pair(tmp_path):
    return lambda name, *sans, **kw: tls.Pair(tmp_path, name, sans, **kw)


def house(*backends, policies=(), rules=None, **spec):
    names = [b.who["service"] for b in backends]
    return [o.gateway(port=PORT, **spec), *[o.service(n, b.address) for n, b in zip(names, backends)],
            o.route(rules=rules or [o.rule(n, path="/" + n) for n in names]), *policies]


def test_names_and_authorities(instance, echo, pair):
    """Each row: a policy's hostname and SANs, and whether the backend is believed."""
    ca, other = pair("ca", ca=True), pair("other", ca=True)
    cert = pair("cert", "abc.test", "*.w.test", "URI:spiffe://a/b", by=ca)
    rows = {"name": ("abc.test", (), True), "wrong": ("abd.test", (), False), "wild": ("x.w.test", (), True),
            "deep": ("x.y.w.test", (), False), "san": ("sni.test", ("abc.test",), True), "uri": ("sni.test", ("spiffe://a/b",), True),
            "uris": ("abc.test", ("spiffe://a/c",), False),
            "one": ("sni.test", ("no.test", "spiffe://a/b"), True), "star": ("sni.test", ("*.w.test",), True), "cn": ("cert", (), False),
            "stranger": ("abc.test", (), False)}
    back = echo("e")
    back.tls = tls.serving(cert)
    objs = [o.gateway(port=PORT), tls.ca_map("ca", ca), tls.ca_map("stranger", other),
            o.route(rules=[o.rule(n, path="/" + n) for n in rows])]
    for n, (host, sans, _) in rows.items():
        objs += [o.service(n, back.address), tls.policy(n, n, "stranger" if n == "stranger" else "ca", host, *sans)]
    g = instance(*objs, workers=1)
    for n, (host, _, good) in rows.items():
        r = g.ask(target="/" + n)
        assert r.status == (200 if good else 502), (n, r)
        if good:
            assert json.loads(r.body)["tls"]["sni"] == host, n
    lines = {a["path"][1:]: a for a in g.access(len(rows))}
    for n, (_, _, good) in rows.items():
        assert lines[n]["reason"] == ("ok" if good else "backend_tls_failed"), lines[n]
        assert good or "certificate" in lines[n]["detail"] or "ostname" in lines[n]["detail"], lines[n]
