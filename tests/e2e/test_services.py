"""Services that open ports, Workloads behind selectors, and the example that walks from one to the other."""
import contextlib
import json
import os
import re
import socket
import subprocess

import pytest

from lib import http1, l4, objects as o, tls
from lib.gateway import BINARY, TOP, cli
from lib.wait import listens, wait_for


PORT = 8080


def service(name, kind, *ports, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": o.meta(name),
            "spec": {"type": kind, "selector": {"app": name}, "ports": list(ports), **spec}}


def workload(name, app, address, **spec):
    return {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Workload", "metadata": o.meta(name, labels={"app": app}),
            "spec": {"address": address, **spec}}


def node(block):
    return f'addresses = ["{block.host(1)}"];'


def who(address, n=20):
    return {http1.ask(address).json()["pod"] for _ in range(n)}


def test_walk(block):
    p = subprocess.run([os.path.join(TOP, "examples/services/walk")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=120, env={**os.environ, "HEADGATE": BINARY, "ADDRESS": block.host(1)})
    assert p.returncode == 0, p.stdout + p.stderr
    assert p.stdout.count("\nok ") == 26, p.stdout + p.stderr


def test_types(instance, echo, block):
    one, two = echo("one"), echo("two")
    host, lb = block.host(1), block.host(2)
    g = instance(service("inner", "ClusterIP", {"port": 3000}),
                 service("node", "NodePort", {"port": 80, "targetPort": "http"}),
                 service("lb", "LoadBalancer", {"port": 3000}, loadBalancerIP=lb),
                 service("named", "ExternalName", externalName="localhost"),
                 workload("one", "inner", one.host), workload("n1", "node", one.host, ports={"http": 3000}),
                 workload("n2", "node", two.host, ports={"http": 3000}), workload("n3", "node", two.host, ports={"other": 1}),
                 workload("l1", "lb", two.host), conf=node(block))
    port = g.get("service", "node")["spec"]["ports"][0]["nodePort"]
    assert port == 30000
    assert who((host, port)) == {"one-1", "two-1"}
    assert who((lb, 3000)) == {"two-1"}
    assert not listens((host, 3000)) and not listens((host, 80)) and not listens((lb, port))
    assert g.get("service", "lb")["status"]["loadBalancer"] == {"ingress": [{"ip": lb}]}
    table = g.cli("get", "svc", check=0).stdout
    assert [re.sub(r"\d+[smh]+$", "0s", re.sub(" +", " ", x)) for x in table.splitlines()] == [
        "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE", "inner ClusterIP <none> <none> 3000/TCP 0s",
        f"lb LoadBalancer <none> {lb} 3000/TCP 0s", "named ExternalName <none> localhost <none> 0s",
        "node NodePort <none> <none> 80:30000/TCP 0s"]
    # A second Service comes, the first is written anew, the gateway forgets nothing: the number stays.
    g.put(service("a-node", "NodePort", {"port": 80}), name="a.yaml")
    g.reload()
    assert g.get("service", "a-node")["spec"]["ports"][0]["nodePort"] == 30001
    g.stop()
    g.start()
    assert g.get("service", "node")["spec"]["ports"][0]["nodePort"] == 30000
    assert who((host, 30000)) == {"one-1", "two-1"}
    # ClusterIP again: closed.
    g.put(service("node", "ClusterIP", {"port": 80}), workload("l1", "lb", two.host))
    g.reload()
    assert not listens((host, 30000))


def test_udp_and_affinity(instance, echo, block):
    a, b = l4.UdpEcho(block.backend(), 5300, "a"), l4.UdpEcho(block.backend(), 5300, "b")
    one, two = echo("one"), echo("two")
    host = block.host(1)
    try:
        g = instance(service("dns", "NodePort", {"name": "u", "port": 53, "targetPort": 5300, "protocol": "UDP", "nodePort": 30053},
                             {"name": "t", "port": 53, "targetPort": 3000, "nodePort": 30053}),
                     service("web", "NodePort", {"port": 80, "targetPort": 3000, "nodePort": 30080}, sessionAffinity="ClientIP"),
                     service("udp", "NodePort", {"port": 53, "targetPort": 5300, "protocol": "UDP", "nodePort": 30054},
                             sessionAffinity="ClientIP"),
                     workload("one", "web", one.host), workload("two", "web", two.host),
                     *[workload(f"{app}-{i}", app, x.address[0]) for app in ("dns", "udp") for i, x in enumerate((a, b))],
                     conf=node(block))
        answers = set()
        for _ in range(20):
            with l4.udp((host, 30053)) as s:
                s.send(b"q")
                answers.add(s.recv(100))
        assert answers <= {b"a:q", b"b:q"} and answers
        sources = [block.host(n) for n in range(10, 42)]

        def pods(source):
            out = set()
            for _ in range(3):
                with socket.create_connection((host, 30080), 10, (source, 0)) as s:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    got = b""
                    while more := s.recv(65536):
                        got += more
                    out.add(json.loads(got.partition(b"\r\n\r\n")[2])["pod"])
            return out
        seen = [pods(x) for x in sources]
        assert all(len(x) == 1 for x in seen) and set().union(*seen) == {"one-1", "two-1"}

        def datagrams(source):
            out = set()
            for _ in range(3):
                with l4.udp((host, 30054), bind=(source, 0)) as s:
                    s.send(b"q")
                    out.add(s.recv(100))
            return out
        seen = [datagrams(x) for x in sources]
        assert all(len(x) == 1 for x in seen) and set().union(*seen) == {b"a:q", b"b:q"}
        assert g.conditions("service", "dns")["Programmed"] == ("True", "Programmed")
    finally:
        a.stop()
        b.stop()


def test_source_ranges(instance, echo, block, request):
    """Who is in none of the networks gets nothing: neither TCP nor UDP, neither port; a changed list holds at once."""
    web = echo("web")
    dns = l4.UdpEcho(web.host, 5300, "dns")
    request.addfinalizer(dns.stop)
    host, friend, other = block.host(1), block.host(10), block.host(11)

    def objs(*ranges):
        return [service("lb", "LoadBalancer", {"name": "t", "port": 8000, "targetPort": 3000, "nodePort": 30080},
                        {"name": "u", "port": 8000, "targetPort": 5300, "protocol": "UDP"}, loadBalancerSourceRanges=list(ranges)),
                workload("a", "lb", web.host)]

    def answers(source, port):
        try:  # connect() itself may know of the end already
            with socket.create_connection((host, port), 10, (source, 0)) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return s.recv(1) == b"H"
        except ConnectionError:
            return False
    g = instance(*objs(f"{friend}/32", "fd00::/8"), conf=node(block))
    for port in (8000, 30080):
        assert answers(friend, port) and not answers(other, port), port
    with l4.udp((host, 8000), bind=(other, 0)) as s, l4.udp((host, 8000), bind=(friend, 0)) as t:
        s.send(b"q")
        t.send(b"t")
        assert t.recv(100) == b"dns:t"
        with pytest.raises(TimeoutError):
            s.settimeout(.3)
            s.recv(1)
    wait_for(lambda: len([x for x in g.access() if x["client_ip"] == other]) == 2, "the lines of those who are not served")
    assert {x["reason"] for x in g.access() if x["client_ip"] == other} == {"ip_denied"}
    g.put(*objs("127.0.0.0/8"))
    g.reload()
    assert answers(other, 8000)
    for spec, message in (({"type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]}, "only be set for type LoadBalancer"),
                          ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/33"]}, '"10.0.0.0/33" is not a network')):
        g.put({"apiVersion": "v1", "kind": "Service", "metadata": o.meta("bad"), "spec": {"ports": [{"port": 80}], **spec}},
              name="bad.yaml")
        p = cli("check", os.path.join(g.manifests, "bad.yaml"))
        assert p.returncode == 1 and message in p.stdout + p.stderr, p.stdout + p.stderr


def test_refused_datagrams_push_nobody_out(instance, block, request):
    """The table of sessions is full of those who are served; a flood of others changes nothing for them."""
    dns = l4.UdpEcho(block.backend(), 5300, "dns")
    request.addfinalizer(dns.stop)
    host, friend, other = block.host(1), block.host(10), block.host(11)
    g = instance(service("lb", "LoadBalancer", {"port": 8000, "targetPort": 5300, "protocol": "UDP"},
                         loadBalancerSourceRanges=[f"{friend}/32"]), workload("a", "lb", dns.address[0]), workers=1,
                 conf=node(block) + "\nlimits = { connections = 64; };")
    with contextlib.ExitStack() as stack:
        friends = [stack.enter_context(l4.udp((host, 8000), bind=(friend, 0))) for _ in range(32)]

        def all_answer():
            for s in friends:
                s.send(b"q")
                assert s.recv(100) == b"dns:q"
        all_answer()
        for _ in range(40):
            stack.enter_context(l4.udp((host, 8000), bind=(other, 0))).send(b"x")
        all_answer()
    assert len(dns.peers) == 32 and g.metric("udp_evicted") == 0


def test_conditions(instance, block):
    g = instance(service("range", "NodePort", {"port": 80, "nodePort": 80}),
                 service("sctp", "NodePort", {"port": 80, "protocol": "SCTP"}),
                 service("first", "LoadBalancer", {"port": 8000}), service("second", "LoadBalancer", {"port": 8000}),
                 service("late", "LoadBalancer", {"port": PORT}),
                 o.gateway(port=PORT, addresses=[{"value": block.host(1)}]), conf=node(block))
    assert g.conditions("service", "range")["Programmed"] == ("False", "PortOutOfRange")
    assert g.conditions("service", "sctp")["Programmed"] == ("False", "UnsupportedProtocol")
    assert g.conditions("service", "first")["Programmed"] == ("True", "Programmed")
    assert g.conditions("service", "second")["Programmed"] == ("False", "ProtocolConflict")
    assert g.conditions("service", "late")["Programmed"] == ("False", "ProtocolConflict")
    assert g.conditions("gateway", "gw")["Programmed"] == ("True", "Programmed")
    assert "30000 to 32767" in g.cli("describe", "svc", "range").stdout


# ---------------------------------------------------------------- headgate workload
@pytest.fixture
def roles(instance, block):
    def start(*objs, ns="shop"):
        g = instance(roles=True, started=False, conf=node(block))
        g.put(o.gateway(ns=ns, port=PORT, addresses=[{"value": block.host(1)}]), name="infra.d/gateway.yaml")
        g.put(*objs, name=f"routes.d/{ns}/all.yaml")
        return g.start()
    return start


def test_workload_verb(roles, echo, block):
    one, two = echo("one"), echo("two")
    svc = {**service("web", "ClusterIP", {"port": 80, "targetPort": "http"})}
    svc["metadata"]["namespace"] = "shop"
    g = roles(svc, o.route(rules=[o.rule("web", path="/")], ns="shop"))
    at = (block.host(1), PORT)

    def verb(*args, check=0):
        return g.cli("workload", *args, "-n", "shop", "-c", g.conf, check=check)

    def ask():
        return http1.ask(at).status
    assert ask() == 503
    assert verb("add", "one", "-l", "app=web", "--address", one.host, "--port", "http=3000").stdout == \
        "workload.gateway.headgate.dev/one added\n"
    assert who(at) == {"one-1"}
    verb("add", "two", "--label", "app=web", "--address", two.host, "-p", "http=3000", "--weight", "3")
    assert who(at) == {"one-1", "two-1"}
    verb("drain", "one")
    assert who(at) == {"two-1"}
    rows = [x.split() for x in verb("list").stdout.splitlines()]
    assert [x[:5] for x in rows] == [["NAME", "ADDRESS", "PORTS", "WEIGHT", "LABELS"],
                                     ["one", one.host, "http=3000", "0", "app=web"],
                                     ["two", two.host, "http=3000", "3", "app=web"]]
    verb("add", "one", "-l", "app=web", "--address", one.host, "--port", "http=3000")
    assert who(at) == {"one-1", "two-1"}
    verb("remove", "one")
    verb("remove", "one")  # a unit may say it twice
    verb("remove", "two")
    assert ask() == 503
    assert os.listdir(os.path.join(g.manifests, "routes.d/shop")) == ["all.yaml"]


def test_workload_refusals(roles):
    g = roles(service("web", "ClusterIP", {"port": 80}) | {"metadata": o.meta("web", "shop")})
    folder = os.path.join(g.manifests, "routes.d/shop")

    def verb(*args, ns="shop", check=0):
        return g.cli("workload", *args, "-n", ns, "-c", g.conf, check=check)
    for args, status in ((("add", "Upper"), 64), (("add", "a/b"), 64), (("add", "a", "-l", "novalue"), 64),
                         (("add", "a", "--port", "http=70000"), 64), (("add", "a", "-l", "k=a b"), 64), (("add",), 64),
                         (("frob", "a"), 64), (("drain", "nobody"), 1)):
        verb(*args, check=status)
    verb("add", "a", ns="nowhere", check=1)  # no such folder
    assert os.listdir(folder) == ["all.yaml"]
    # Somebody else's error does not fail a unit; what is written where nobody reads does.
    g.write("{", name="routes.d/shop/bad.yaml")
    verb("add", "a", "-l", "app=web")
    other = os.path.join(g.dir, "elsewhere")
    os.mkdir(other)
    p = cli("workload", "add", "b", "-n", "shop", "-f", other, "--runtime-dir", g.runtime, check=2)
    assert "is its folder read" in p.stderr
    # Without an instance: at its next start.
    os.unlink(os.path.join(folder, "bad.yaml"))
    g.stop()
    p = verb("add", "c", "-l", "app=web")
    assert "is read when an instance starts" in p.stderr
    g.start()
    assert g.get("workload", "c", "shop")["metadata"]["labels"] == {"app": "web"}


def test_what_clients_encrypt_is_passed_on(instance, script, block, tmp_path):
    """BackendTLSPolicy is for what the gateway encrypts itself: not for a node port, not for passthrough."""
    ca = tls.Pair(tmp_path, "ca", ca=True)
    pair = tls.Pair(tmp_path, "back", ["back.test"], by=ca)
    ctx = tls.serving(pair, alpn=None)

    def handle(peer):
        with ctx.wrap_socket(peer.sock, server_side=True) as s:
            s.sendall(b"%s:%s" % (pair.name.encode(), s.recv(100)))
            s.unwrap()
    back = script(handle)
    host = block.host(1)
    g = instance(service("back", "NodePort", {"port": 443, "targetPort": back.address[1], "nodePort": 30443}),
                 workload("back", "back", back.address[0]), tls.ca_map("ca", ca), tls.policy("p", "back", "ca", "back.test"),
                 o.gateway(listeners=[l4.listener("pass", 8443, "TLS"), l4.listener("tcp", 9000)]),
                 l4.route("pass", o.ref("back", 443), kind="TLSRoute", section="pass", hostnames=["back.test"]),
                 l4.route("tcp", o.ref("back", 443), section="tcp"), conf=node(block))
    for at in ((host, 30443), g.address(port=8443)):
        with tls.Client(at, "back.test", ctx=tls.context(alpn=None)) as c:
            c.sock.sendall(b"hi")
            assert (c.sock.recv(100), c.subject()) == (b"back:hi", "back"), at
    # A TCPRoute is the gateway's own client.
    with l4.Conn(g.address(port=9000)) as c:
        assert c.send(b"hi").rest() == b"back:hi"


def test_xbackend(instance, echo):
    one, two = echo("one"), echo("two")
    xb = {"apiVersion": "gateway.networking.x-k8s.io/v1alpha1", "kind": "XBackend", "metadata": o.meta("x"),
          "spec": {"type": "EndpointSelector", "port": {"number": 3000}, "endpointSelector": {"matchLabels": {"app": "web"}}}}
    ref = {"group": "gateway.networking.x-k8s.io", "kind": "XBackend", "name": "x"}
    g = instance(o.gateway(port=PORT), o.route(rules=[{"backendRefs": [ref]}]), xb, workload("one", "web", one.host),
                 workload("two", "web", two.host), workload("other", "db", "192.0.2.1"), workers=1)
    assert who(g.address()) == {"one-1", "two-1"}
    # Its own session persistence.
    xb["spec"]["sessionPersistence"] = {"type": "Cookie", "cookie": {"name": "keep"}}
    g.put(xb, name="x.yaml")
    g.put(o.gateway(port=PORT), o.route(rules=[{"backendRefs": [ref]}]), workload("one", "web", one.host), workload("two", "web", two.host))
    g.reload()
    first = http1.ask(g.address())
    cookie = first.headers.get("set-cookie").partition(";")[0]
    assert cookie.startswith("keep=")
    assert {http1.ask(g.address(), headers=[("Cookie", cookie)]).json()["pod"] for _ in range(8)} == {first.json()["pod"]}
    status = g.get("xbackend", "x")["status"]["ancestors"]
    assert [(a["ancestorRef"]["kind"], a["ancestorRef"]["name"]) for a in status] == [("Gateway", "gw")]
