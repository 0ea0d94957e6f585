"""The verbs as an operator meets them: online on a running instance and offline on files; exit statuses; shapes."""
import json
import os
import subprocess
import tempfile

import pytest
import yaml

from lib import objects as o
from lib.gateway import BINARY, cli

PORT = 8080
GOOD = [o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/web")]), o.service("web", ("127.0.0.9", 3000))]


def write(folder, name, *objs, text=None):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text if text is not None else yaml.safe_dump_all(o.flat(objs), sort_keys=False))
    return path


BAD = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: bad
  namespace: default
spec:
  parentRefs:
  - name: gw
  ruels:
  - backendRefs:
    - name: web
      port: "eighty"
"""


def test_version_and_help():
    p = cli("version", check=0)
    assert "headgate" in p.stdout and "v1.7.0" in p.stdout
    assert "usage" in cli("--help", check=0).stdout
    assert "usage" in cli("get", "--help", check=0).stdout


def test_usage_errors():
    p = cli("relaod", check=64)
    assert "reload" in p.stderr, p.stderr
    assert "--namespace" in cli("get", "all", "--namspace", "x", check=64).stderr
    cli(check=64)
    cli("get", check=64)
    assert "httproutes" in cli("get", "nosuchkind", "-f", "/dev/null", check=64).stderr


def test_names_are_kubectls(tmp_path):
    good = write(tmp_path, "good.yaml", *GOOD)
    assert cli("get", "httproute", "-f", good, "-o", "name", check=0).stdout == \
        "httproute.gateway.networking.k8s.io/route\n"
    assert cli("get", "svc", "web", "-f", good, "-o", "name", check=0).stdout == "service/web\n"
    rows = cli("get", "all", "-f", good, check=0).stdout.split()
    assert "httproute.gateway.networking.k8s.io/route" in rows and "service/web" in rows, rows
    # "namespace/name", as messages and statuses print it
    for verb in ("get", "describe"):
        cli(verb, "httproute", "default/route", "-f", good, check=0)
        p = cli(verb, "httproute", "shop/web", "-f", good, check=1)
        assert 'httproutes "web" not found in namespace shop' in p.stderr, p.stderr


def test_default_folders_belong_to_the_user():
    """As an ordinary user, without a folder given; a sanitizer build says what such a run leaves behind."""
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="hg-") as home:
        os.chmod(home, 0o755) # not one of pytest's folders: only their owner gets into those
        good = write(home, "good.yaml", *GOOD)
        env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {"HOME": home}
        p = subprocess.run([BINARY, "get", "gateway", "gw", "-f", good], env=env, capture_output=True, text=True,
                           check=False, **user)
    assert (p.returncode, p.stderr) == (0, ""), p.stderr


def test_not_reachable(tmp_path):
    for verb in (["reload"], ["reload", "--wait"], ["status"], ["get", "all"]):
        cli(*verb, "--runtime-dir", tmp_path / "none", check=69)


def test_no_access_is_not_no_instance(instance):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    g = instance(*GOOD)
    with tempfile.TemporaryDirectory(prefix="hg-") as home:
        os.chmod(home, 0o755)
        os.mkdir(os.path.join(home, "run"), 0o700)
        for verb in ("status", "reload"):
            p = subprocess.run([BINARY, verb, "--runtime-dir", os.path.join(home, "run")], capture_output=True,
                               text=True, check=False, user=65534, group=65534, extra_groups=[])
            assert p.returncode == 77 and "no access" in p.stderr, p
    g.cli("status", check=0)


def test_findings_look_alike_everywhere(instance):
    """reload, status and describe print what check -o short prints, suggestion and all."""
    g = instance(*GOOD)
    g.write(BAD, "bad.yaml")
    line = 'error[HG0103]: unknown field "ruels" in HTTPRouteSpec (did you mean "rules"?)'
    assert line in g.cli("reload", "--wait", check=2).stdout
    assert line in g.cli("status", check=3).stdout
    assert line in cli("check", "-o", "short", g.manifests, check=1).stdout


def test_check_good_and_bad(tmp_path):
    good = write(tmp_path, "good.yaml", *GOOD)
    cli("check", good, check=0)
    bad = write(tmp_path, "bad.yaml", text=BAD)
    p = cli("check", bad, check=1)
    out = p.stdout + p.stderr
    assert "bad.yaml:9:3" in out and "ruels" in out and "rules" in out and "^" in out, out
    assert "HG" in out
    p = cli("check", "-o", "short", bad, check=1)
    line = [x for x in (p.stdout + p.stderr).splitlines() if "error[" in x][0]
    assert line.startswith(f"{bad}:9:3: error[HG"), line
    p = cli("check", "-o", "json", bad, check=1)
    doc = json.loads(p.stdout)
    found = json.dumps(doc)
    assert '"line": 9' in found or '"line":9' in found, found


def test_check_shows_all_errors_in_one_run(tmp_path):
    text = BAD + "---\n" + BAD.replace("name: bad", "name: bad2").replace("ruels", "rules")
    p = cli("check", "-o", "short", write(tmp_path, "many.yaml", text=text), check=1)
    lines = [x for x in (p.stdout + p.stderr).splitlines() if "error[" in x]
    assert len(lines) >= 2 and any(":9:3:" in x for x in lines) and any(":25:13:" in x for x in lines), lines


def test_get_offline_and_online_are_the_same_shape(tmp_path, instance, echo):
    path = write(tmp_path, "all.yaml", *GOOD)
    p = cli("get", "all", "-A", "-o", "json", "-f", path, check=0)
    offline = json.loads(p.stdout)
    assert offline["kind"] == "List"
    kinds = {x["kind"] for x in offline["items"]}
    assert {"GatewayClass", "Gateway", "HTTPRoute"} <= kinds
    g = instance(*GOOD)
    online = g.all()
    assert {k[0] for k in online} >= {"GatewayClass", "Gateway", "HTTPRoute"}
    for x in offline["items"]:
        if x["kind"] == "HTTPRoute":
            assert x["spec"] == online["HTTPRoute", "default", "route"]["spec"]
            assert o.conditions(x["status"]["parents"][0]) == o.conditions(
                online["HTTPRoute", "default", "route"]["status"]["parents"][0])


def test_get_outputs(instance):
    g = instance(*GOOD)
    table = g.cli("get", "httproute", check=0).stdout
    assert "NAME" in table.splitlines()[0] and "route" in table and "True" in table
    wide = g.cli("get", "httproutes", "-A", "-o", "wide", check=0).stdout
    assert "NAMESPACE" in wide and "all.yaml:" in wide
    assert g.cli("get", "gtw", "-o", "name", check=0).stdout.strip() == "gateway.gateway.networking.k8s.io/gw"
    doc = yaml.safe_load(g.cli("get", "httproute", "route", "-o", "yaml", check=0).stdout)
    assert doc == json.loads(g.cli("get", "httproute", "route", "-o", "json", check=0).stdout)
    one = json.loads(g.cli("get", "httproute/route", "-o", "json", check=0).stdout)
    assert one["metadata"]["name"] == "route" and one["status"]["parents"]
    for field in ("uid", "generation", "creationTimestamp"):
        assert one["metadata"].get(field), one["metadata"]
    listed = yaml.safe_load(g.cli("get", "all", "-A", "-o", "yaml", check=0).stdout)
    assert listed["kind"] == "List" and len(listed["items"]) == len(g.all())
    p = g.cli("get", "httproute", "nothing", check=1)
    assert "not found" in p.stderr
    assert "No resources" in g.cli("get", "grpcroute", check=0).stderr


def test_secrets_are_not_shown(instance):
    g = instance(*GOOD, {"apiVersion": "v1", "kind": "Secret", "metadata": o.meta("s"), "stringData": {"password": "hunter2secret"}})
    for args in (["get", "secret", "s", "-o", "json"], ["get", "all", "-A", "-o", "json"], ["describe", "secret", "s"]):
        p = g.cli(*args)
        assert "hunter2secret" not in p.stdout + p.stderr and "aHVudGVyMnNlY3JldA" not in p.stdout, p.stdout


def test_describe(instance):
    g = instance(*GOOD, o.route("broken", [o.rule("nowhere", path="/x")]))
    text = g.cli("describe", "httproute", "route", check=0).stdout
    assert "Accepted" in text and "all.yaml:" in text
    text = g.cli("describe", "httproute", "broken").stdout
    assert "BackendNotFound" in text and "nowhere" in text


def test_match_agrees_with_traffic(instance, echo):
    web, two = echo("web"), echo("two")
    g = instance(o.gateway(port=PORT), o.service("web", web.address), o.service("two", two.address), o.route(rules=[
        o.rule("web", path="/web"),
        {"matches": [{"path": {"type": "PathPrefix", "value": "/web"}, "headers": [{"name": "x-team", "value": "a"}]}],
         "backendRefs": [o.ref("two")]}]))
    host, port = g.address()
    url = f"http://{host}:{port}/web/x"
    p = g.cli("match", url, "--address", host, check=0)
    assert "rule 0" in p.stdout and "default/web" in p.stdout, p.stdout
    p = g.cli("match", url, "-H", "x-team: a", "--address", host, check=0)
    assert "rule 1" in p.stdout and "lost" not in p.stdout.splitlines()[0], p.stdout
    assert g.ask(target="/web/x", headers=[("x-team", "a")]).json()["service"] == "two"
    p = g.cli("match", f"http://{host}:{port}/nothing", "--address", host, check=1)
    assert "404" in p.stdout, p.stdout


def test_match_offline(tmp_path):
    path = write(tmp_path, "all.yaml", *GOOD)
    p = cli("match", f"http://any.example:{PORT}/web", "-f", path, check=0)
    assert "route" in p.stdout and "127.0.0.9" in p.stdout, p.stdout


def test_explain():
    p = cli("explain", "HTTPRoute.spec.rules.timeouts", check=0)
    assert "request" in p.stdout and "backendRequest" in p.stdout, p.stdout
    assert cli("explain", "HG0103", check=0).stdout.strip()
    assert "workers" in cli("explain", "headgate.conf", check=0).stdout
    assert cli("explain", "HTTPRoute.spec.ruels").returncode != 0
    assert cli("explain", "HG9999").returncode != 0


def test_status(instance, echo):
    web = echo("web")
    g = instance(o.gateway(port=PORT), o.service("web", web.address), o.route(rules=[o.rule("web")]))
    for _ in range(3):
        g.ask()
    p = g.cli("status", check=0)
    assert "HTTPRoute" in p.stdout and "3 requests" in p.stdout, p.stdout
    doc = json.loads(g.cli("status", "-o", "json", check=0).stdout)
    assert doc["metrics"]["requests"] == 3 and doc["errors"] == 0
    g.put(o.route("broken", [o.rule("nowhere")]), name="b.yaml")
    g.reload()
    p = g.cli("status", check=3)
    assert "default/broken" in p.stdout and "does not exist" in p.stdout, p.stdout


def test_control_socket_refuses_nonsense(instance):
    g = instance()
    for request in (b"{}", b"[]", b"{\"verb\":\"nonsense\"}", b"\xff\xfe", b"{\"verb\":7}", b"{\"verb\":\"reload\"" + b" " * 900):
        assert g.control(request)["ok"] is False, request
    assert g.control({"verb": "version"})
    assert g.control({"verb": "status"})["pid"] == g.pid


def test_stop_verb_of_the_control_socket(instance):
    g = instance()
    assert g.control({"verb": "stop"})["ok"] is True
    g.proc.wait(30)
    g.stop()


def test_unreadable_folder_is_said(tmp_path):
    p = cli("check", tmp_path / "none", check=1)
    assert "none" in p.stdout + p.stderr


@pytest.mark.parametrize("name", ["-", "x" * 300])
def test_odd_names(name):
    cli("get", "gateway", name, "-f", "/dev/null")


def test_check_tells_what_statuses_say(tmp_path):
    """A policy that is not valid is an error, a field that is not served a warning with its place, each once."""
    policy = o.btp("p", o.target("Gateway", "gw"), connection={"preconnect": {"perEndpointPercent": 150}})
    path = write(tmp_path, "a.yaml", *GOOD, policy)
    p = cli("check", path, "-o", "short", check=0)
    line, = p.stdout.splitlines()
    assert line.startswith(path + ":") and "warning[HG2106]" in line and line.endswith("spec.connection.preconnect"), line
    assert "perEndpointPercent" in open(path, encoding="utf-8").read().splitlines()[int(line.split(":")[1]) - 1]
    cli("check", path, "--strict", check=1)
    policy["spec"]["connection"]["bufferLimit"] = "-5"
    path = write(tmp_path, "a.yaml", *GOOD, policy)
    p = cli("check", path, "-o", "short", check=1)
    assert ["HG0602" in x for x in p.stdout.splitlines()].count(True) == 1, p.stdout
    assert "HG0602" in cli("explain", "HG0602", check=0).stdout
