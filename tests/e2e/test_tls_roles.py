"""Certificates in files where files have roles: relative names stay in the role's folder, absolute ones in
file_roots, and ownership holds."""
import os

import pytest

from lib import objects as o
from lib import tls

PORT = 8443


@pytest.fixture
def pair(tmp_path):
    return lambda name, *sans, **kw: tls.Pair(tmp_path, name, sans, **kw)


def ref(name):
    return {"group": "gateway.headgate.dev", "kind": "File", "name": name}


def edge(name):
    return o.gateway("edge", [tls.listener("a", PORT, ref(name))], ns="platform")


def place(folder, pair, name="a.pem"):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(pair.text("crt") + pair.text("key"))
    os.chmod(path, 0o600)
    return path


@pytest.fixture
def roles(instance, pair):
    """infra.d/certs/a.pem is the Gateway's; `roots` is a file root, `beside` is not."""
    g = instance(roles=True, started=False)
    g.roots, g.beside = (os.path.join(g.dir, d) for d in ("roots", "roots-not"))
    with open(g.conf, "a", encoding="utf-8") as f:
        f.write(f'file_roots = ("{g.roots}/");\n')
    g.first = pair("first", "a.test")
    place(os.path.join(g.manifests, "infra.d/certs"), g.first)
    g.put(edge("certs/a.pem"), name="infra.d/gateway.yaml")
    return g.start()


def subject(g):
    with tls.Client(g.address("edge", "platform"), "a.test") as c:
        return c.subject()


def refused(g, word):
    found = g.get("gateway", "edge", "platform")["status"]["listeners"][0]["conditions"]
    resolved = next(c for c in found if c["type"] == "ResolvedRefs")
    assert resolved["reason"] == "InvalidCertificateRef" and word in resolved["message"], resolved


def test_where_a_file_may_lie(roles, pair):
    assert subject(roles) == "first"
    second = pair("second", "a.test")
    inside, outside = place(roles.roots, second), place(roles.beside, second)
    roles.put(edge(inside), name="infra.d/gateway.yaml")
    roles.reload(0)
    assert subject(roles) == "second"
    for name, word in ((outside, "not under file_roots"), (f"{roles.roots}/../roots-not/a.pem", "leaves the tree"),
                       ("../../roots-not/a.pem", "leaves the tree"), ("../routes.d/x/a.pem", "leaves the tree"),
                       ("certs/none.pem", "no such file"), ("certs", "not a regular file")):
        roles.put(edge(name), name="infra.d/gateway.yaml")
        roles.reload()
        refused(roles, word)
    os.symlink(outside, os.path.join(roles.manifests, "infra.d/certs/link.pem"))
    roles.put(edge("certs/link.pem"), name="infra.d/gateway.yaml")
    roles.reload()
    refused(roles, "leaves the tree")
    offline = roles.cli("check", "-c", roles.conf)
    assert "link.pem" in offline.stdout + offline.stderr, "the same rules without a running instance"


def test_a_team_names_its_own_files_only(roles, pair):
    """A Backend's client certificate: never a key of the platform team or of another namespace."""
    own, root = pair("own", "c"), place(roles.roots, pair("root", "c"))
    for folder in ("infra.d", "routes.d/team-b", "routes.d/team-a/certs"):
        place(os.path.join(roles.manifests, folder), own, "k.pem")

    def message(name):
        b = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Backend", "metadata": o.meta("b", "team-a"),
             "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": 9}}],
                      "tls": {"wellKnownCACertificates": "System", "sni": "x.test", "clientCertificateRef": ref(name)}}}
        roles.put(b, name="routes.d/team-a/b.yaml")
        roles.reload()
        return " ".join(c["message"] for c in roles.get("backend", "b", "team-a")["status"]["conditions"])
    assert "k.pem" not in message("certs/k.pem")
    for name, word in (("../../infra.d/k.pem", "leaves the tree"), ("../team-b/k.pem", "leaves the tree"),
                       ("infra.d/k.pem", "no such file"),
                       (root, "from routes.d"), (os.path.join(roles.manifests, "routes.d/team-a/certs/k.pem"), "relative to it")):
        assert word in message(name), name


@pytest.mark.root  # an ordinary user's instance has one owner for everything and does not ask who may write
def test_ownership_holds_for_the_target(roles, pair):
    second = pair("second", "a.test")
    path = place(os.path.join(roles.manifests, "infra.d/certs"), second)
    for what, mode, status in ((path, 0o606, 0), (os.path.dirname(path), 0o777, 2)):
        good = os.stat(what).st_mode & 0o777
        os.chmod(what, mode)
        roles.reload(status)
        refused(roles, "can be written by others")
        assert subject(roles) == "first", "last good content stays"
        os.chmod(what, good)
    roles.reload(0)
    assert subject(roles) == "second"
    listed = place(roles.roots, roles.first)
    os.chown(listed, 65534, 65534)
    roles.put(edge(listed), name="infra.d/gateway.yaml")
    roles.reload()
    refused(roles, "can be written by others")
    os.chown(roles.roots, 65534, 65534)
    roles.reload(0)
    assert subject(roles) == "first", "the root's own owner may write there"
