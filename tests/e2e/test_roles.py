"""Roles are folders and file ownership: who may define what, and that a violation harms its own file only."""
import os

import pytest

from lib import objects as o

PORT = 8080
EVERYBODY = {"namespaces": {"from": "All"}}


@pytest.fixture
def roles(instance, echo):
    """A gateway with a Gateway of the platform team and a route of team-a."""
    web = echo("web")
    g = instance(roles=True, started=False)
    g.put(o.gateway("edge", [o.listener(port=PORT, routes=EVERYBODY)], ns="platform"), name="infra.d/gateway.yaml")
    g.put(team_route(), *o.service("web", web.address, ns="team-a"), name="routes.d/team-a/web.yaml")
    g.web = web
    return g.start()


def team_route(name="web", path="/", ns="team-a", backend="web"):
    return o.route(name, [o.rule(backend, path=path)], [{"name": "edge", "namespace": "platform"}], ns=ns)


def ask(g, target="/"):
    from lib import http1
    return http1.ask(g.address("edge", "platform"), target=target)


def test_served(roles):
    assert ask(roles).json()["service"] == "web"
    assert roles.get("httproute", "web", "team-a")["status"]["parents"]


def test_namespace_is_filled_in(roles):
    r = team_route("filled", "/filled")
    del r["metadata"]["namespace"]
    roles.put(r, name="routes.d/team-a/filled.yaml")
    roles.reload(0)
    assert roles.get("httproute", "filled", "team-a")
    assert ask(roles, "/filled").status == 200


@pytest.mark.parametrize("what,where", [
    (o.gateway("own", ns="team-a", port=PORT + 1), "routes.d/team-a/x.yaml"),
    (team_route("elsewhere", "/x", "team-b"), "routes.d/team-a/x.yaml"),
    (team_route("in-security", "/x"), "security.d/x.yaml"),
], ids=["kind", "namespace", "route-in-security"])
def test_what_a_role_may_not(roles, what, where):
    roles.put(what, name=where)
    p = roles.reload(2)
    assert where in p.stdout, p.stdout
    assert roles.cli("get", what["kind"].lower(), what["metadata"]["name"], "-n", what["metadata"]["namespace"]).returncode == 1
    assert ask(roles).status == 200, "everybody else is served"


def test_security_team_may(roles):
    grant = {"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant", "metadata": o.meta("g", "team-a"),
             "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "team-b"}],
                      "to": [{"group": "", "kind": "Service"}]}}
    b = team_route("b", "/b", "team-b")
    b["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "team-a"
    roles.put(b, name="routes.d/team-b/b.yaml")
    roles.reload(0)
    assert ask(roles, "/b").status == 500, "no grant yet"
    roles.put(grant, name="security.d/grant.yaml")
    roles.reload(0)
    assert ask(roles, "/b").status == 200


@pytest.mark.root  # an ordinary user's instance has one owner for everything and does not ask who may write
@pytest.mark.parametrize("mode", [0o666, 0o606])
def test_a_file_that_others_may_write_is_refused(roles, mode):
    path = roles.put(team_route("open", "/open"), name="routes.d/team-a/open.yaml")
    os.chmod(path, mode)
    p = roles.reload(2)
    assert "open.yaml" in p.stdout, p.stdout
    assert ask(roles, "/").status == 200
    os.chmod(path, 0o644)
    roles.reload(0)
    assert ask(roles, "/open").status == 200


def test_links_and_dot_files(roles):
    out = os.path.join(roles.dir, "outside.yaml")
    with open(out, "w", encoding="utf-8") as f:
        f.write("kind: HTTPRoute\n")
    os.symlink(out, os.path.join(roles.manifests, "routes.d/team-a/link.yaml"))
    with open(os.path.join(roles.manifests, "routes.d/team-a/.hidden.yaml"), "w", encoding="utf-8") as f:
        f.write("}{")
    os.mkfifo(os.path.join(roles.manifests, "routes.d/team-a/fifo.yaml"))
    p = roles.reload(2)
    assert "link.yaml" in p.stdout and "hidden" not in p.stdout, p.stdout
    assert ask(roles).status == 200


def test_the_higher_role_wins(roles, echo):
    other = echo("other")
    roles.put(team_route(backend="other"), *o.service("other", other.address, ns="team-a"), name="infra.d/override.yaml")
    roles.reload()
    assert ask(roles).json()["service"] == "other"
    roles.remove("infra.d/override.yaml")
    roles.reload(0)
    assert ask(roles).json()["service"] == "web"
