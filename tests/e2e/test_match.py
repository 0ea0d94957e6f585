"""`headgate match` asks the matcher that serves: over random routes and requests it must name the rule that answered.

HG_SEED repeats a run."""
import os
import random
import re

import pytest
import yaml

from lib import http1, l4, objects as o
from lib.faults import scaled
from lib.gateway import cli

PORT = 8080
LABELS = ["a", "b", "shop", "x-1"]
DOMAINS = ["example.com", "example.org"]
METHODS = ["GET", "POST", "DELETE"]


class Draw:
    """Small alphabets, so that much overlaps."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def host(self, wild=True):
        depth = self.r.choice([0, 0, 1, 1, 2])
        name = ".".join([self.r.choice(LABELS) for _ in range(depth)] + [self.r.choice(DOMAINS)])
        return "*." + name if wild and self.r.random() < .4 else name

    def path(self):
        return "/" + "/".join(self.r.choice(["a", "ab", "b", "v1", "long-segment"]) for _ in range(self.r.randrange(4)))

    def match(self):
        m = {}
        kind = self.r.choice(["PathPrefix", "PathPrefix", "Exact", "RegularExpression", None])
        if kind == "RegularExpression":
            m["path"] = {"type": kind, "value": self.path().rstrip("/") + self.r.choice(["/[ab]+", "/v[0-9]", ".*"])}
        elif kind:
            m["path"] = {"type": kind, "value": self.path()}
        if self.r.random() < .3:
            m["method"] = self.r.choice(METHODS)
        if self.r.random() < .4:
            m["headers"] = [{"name": n, "value": self.r.choice("12")} for n in self.r.sample(["x-one", "x-two"], self.r.choice([1, 2]))]
        if self.r.random() < .3:
            m["queryParams"] = [{"name": "q", "value": self.r.choice("12")}]
        return m

    def route(self, i):
        rules = []
        for k in range(self.r.randrange(1, 4)):
            name = {"name": "x-rule", "value": f"r{i:02} rule {k}"}
            mark = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [name]}}
            matches = [self.match() for _ in range(self.r.randrange(1, 3))]
            rules.append({"matches": matches, "filters": [mark], "backendRefs": [o.ref("web")]})
        hosts = sorted({self.host() for _ in range(self.r.randrange(3))})
        parent = {"name": "gw", **({"sectionName": self.r.choice(["http", "example", "deep"])} if self.r.random() < .3 else {})}
        return o.route(f"r{i:02}", rules, [parent], hosts)

    def request(self):
        headers = [(n, self.r.choice("123")) for n in ("x-one", "x-two") if self.r.random() < .5]
        target = self.path() + self.r.choice(["", "", "/", "?q=1", "?q=2", "?q=1&q=2", "?x=1&q=1"])
        return self.r.choice(METHODS), self.host(wild=False), target, headers


@pytest.mark.parametrize("part", range(3))
def test_match_names_the_rule_that_answers(instance, echo, part):
    seed = int(os.environ.get("HG_SEED") or random.randrange(1 << 30)) + part
    print(f"seed {seed}")
    d = Draw(seed)
    listeners = [o.listener(port=PORT), o.listener("example", PORT, hostname="*.example.com"),
                 o.listener("deep", PORT, hostname="*.a.example.com")]
    g = instance(o.gateway(listeners=listeners), o.service("web", echo("web").address), [d.route(i) for i in range(25)])
    host, port = g.address()
    hits = 0
    with http1.Client(host, port) as c:
        for _ in range(scaled(120, 50)):
            method, name, target, headers = d.request()
            r = c.ask(method, target, host=f"{name}:{port}", headers=headers)
            words = [w for n, v in headers for w in ("-H", f"{n}: {v}")]
            p = g.cli("match", method, f"http://{name}:{port}{target}", "--address", host, *words)
            said = re.search(r"^route +HTTPRoute default/(r\d+ rule \d+)", p.stdout, re.M)
            where = f"seed {seed}: {method} {name}{target} {headers}\n{r}\n{p.stdout}"
            if r.status == 200:
                hits += 1
                assert said and p.returncode == 0 and r.json()["headers"]["X-Rule"] == [said[1]], where
            else:
                assert r.status == 404 and not said and p.returncode == 1 and "404" in p.stdout, where
    assert hits, "requests that match are rare: the draw is wrong"


def test_what_the_rule_does(tmp_path):
    """Where the route stands, its filters in order, times, the policy in force, endpoints."""
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "1"}], "remove": ["x-b"]}},
               {"type": "URLRewrite", "urlRewrite": {"hostname": "in.test",
                                                     "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2"}}},
               {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "other", "port": 80}, "percent": 10}}]
    policy = o.btp("limits", loadBalancer={"type": "LeastRequest"}, proxyProtocol={"version": "V2"},
                   rateLimit={"local": {"rules": [{"limit": {"requests": 5, "unit": "Minute"}}]}})
    rules = [o.rule("web", path="/v1", filters=filters, timeouts={"request": "10s", "backendRequest": "1500ms"}),
             o.rule(path="/old", filters=[{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}])]
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump_all(o.flat([o.gateway(), o.route(rules=rules), o.service("web", ("127.0.0.9", 3000)),
                                               o.service("other", ("127.0.0.8", 3000)), policy]), sort_keys=False), encoding="utf-8")
    out = cli("match", "http://a.test/v1/x", "-f", path, check=0).stdout
    want = [f"{path}:", "filter     RequestHeaderModifier set x-a: 1, remove x-b",
            "filter     URLRewrite host in.test prefix /v1 becomes /v2", "filter     RequestMirror to default/other:80, 10 of 100",
            "timeouts   request 10s, each attempt 1s500ms",
            "policy     default/limits: 5 requests in 60s, LeastRequest, PROXY protocol v2 to backends",
            "backend    100.0%  default/web:80, 1 endpoint: 127.0.0.9:3000"]
    for line in want:
        assert line in out, (line, out)
    assert [out.index(x) for x in want] == sorted(out.index(x) for x in want)
    out = cli("match", "http://a.test/old", "-f", path, check=0).stdout
    assert "filter     RequestRedirect 301 scheme https\n" in out, out


def test_connections(tmp_path):
    """TCP, UDP and TLS have a rule too; what there is none for is closed, not answered."""
    listeners = [l4.listener("tcp", 5432), l4.listener("udp", 5432, "UDP"),
                 l4.listener("tls", 8443, "TLS", hostname="*.pass.test"),
                 o.listener("other", 8443, "HTTPS", "web.test")]
    listeners[3]["tls"] = {"certificateRefs": [{"name": "none"}]}
    node = {"apiVersion": "v1", "kind": "Service", "metadata": o.meta("node"),
            "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}}
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump_all(o.flat([
        o.gateway(listeners=listeners), l4.service("db", ("127.0.0.9", 5432)),
        l4.route("r", "db", kind="TLSRoute", hostnames=["a.pass.test"]),
        l4.route("t", "db", section="tcp"), l4.route("u", "dns", kind="UDPRoute", section="udp"),
        l4.service("dns", ("127.0.0.9", 53), protocol="UDP"), node]), sort_keys=False), encoding="utf-8")
    for url, rc, line in [("tcp://db.test:5432", 0, f"route      TCPRoute default/t rule 0   {path}:"),
                          ("udp://db.test:5432", 0, f"route      UDPRoute default/u rule 0   {path}:"),
                          ("tls://a.pass.test:8443", 0, f"route      TLSRoute default/r rule 0   {path}:"),
                          ("https://a.pass.test:8443/", 0, f"route      TLSRoute default/r rule 0   {path}:"),
                          ("tls://b.pass.test:8443", 1, "answer     closed: no route matches"),
                          ("tls://b.test:8443", 1, "answer     closed: no listener for this host"),
                          ("tcp://a:30080", 0, "service    default/node\n"),
                          ("tcp://a:80", 1, "nothing listens on port 80\n"),
                          ("udp://[::1]:53", 1, "nothing listens on UDP port 53 of ::1\n"),
                          ("tcp://a", 64, "")]:
        p = cli("match", url, "-f", path)
        assert p.returncode == rc and line in p.stdout, (url, p.returncode, p.stdout, p.stderr)
        if rc == 0:
            assert "\nbackend    100.0%  default/" in p.stdout
    assert "a port is needed" in p.stderr
