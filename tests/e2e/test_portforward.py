"""`headgate port-forward`: kubectl's lines, many connections, half-close, dead endpoints, reloads, and its end."""
import contextlib
import re
import resource
import signal
import socket
import subprocess
import threading

import pytest

from lib import backends, http1, l4, objects as o
from lib.gateway import BAD, cli
from lib.wait import DEADLINE, wait_for

PORT = 8080


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))


class Forward:
    """A running port-forward; .ports are the local ones, in the order of the command line."""

    def __init__(self, g, *args, lines=2, before=None):
        self.proc = subprocess.Popen([g.binary, "port-forward", *args, "--runtime-dir", g.runtime], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     preexec_fn=before)  # pylint: disable=subprocess-popen-preexec-fn
        self.out, self.err = [], []
        self.threads = [threading.Thread(target=self.read, args=a, daemon=True)
                        for a in ((self.proc.stdout, self.out), (self.proc.stderr, self.err))]
        for t in self.threads:
            t.start()
        wait_for(lambda: len(self.out) >= lines or self.proc.poll() is not None, "the lines of port-forward")
        assert self.proc.poll() is None, self.err
        self.ports = [int(re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", x)[1]) for x in self.out if "127.0.0.1" in x]

    @staticmethod
    def read(pipe, into):
        for line in pipe:
            into.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(DEADLINE)
        for t in self.threads:
            t.join(DEADLINE)
        assert code == 0 and not BAD.search("\n".join(self.err)), (code, self.err)


def world(*more, route=True):
    return [o.gateway(port=PORT), *[o.route(rules=[o.rule("web", path="/")])] * route, *more]


@pytest.mark.parametrize("route", [True, False])
def test_lines_and_bytes(instance, echo, route):
    """Also to a Service that no route names."""
    web = echo()
    g = instance(*world(o.service("web", web.address), route=route))
    with Forward(g, "service/web", ":80") as f:
        port, = f.ports
        assert f.out[:2] == [f"Forwarding from 127.0.0.1:{port} -> 3000", f"Forwarding from [::1]:{port} -> 3000"]
        for host in ("127.0.0.1", "::1"):
            assert http1.ask((host, port)).json()["service"] == "echo"
        wait_for(lambda: f.out[2:] == [f"Handling connection for {port}"] * 2, "a line for each connection")


def test_same_port_names_and_backends(instance, echo, block):
    web = echo(port=4100)
    services = o.service("web", web.address, port=4100)
    backend = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Backend", "metadata": o.meta("be"),
               "spec": {"endpoints": [{"ip": {"address": web.host, "port": web.port}}]}}
    fqdn = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": o.meta("fq"),
            "spec": {"endpoints": [{"fqdn": {"hostname": "localhost", "port": web.port}}]}}
    g = instance(*world(services, backend, fqdn))
    with Forward(g, "svc/web", "http", "--address", web.host.rsplit(".", 1)[0] + ".77", lines=1) as f:
        host = f.out[0].split()[2].rsplit(":", 1)
        assert f.out[0].endswith(f".77:4100 -> {web.port}")
        assert http1.ask((host[0], int(host[1]))).status == 200
    with Forward(g, "backend/be", f":{web.port}", f":{web.port}", lines=4) as f:
        assert len(set(f.ports)) == 2
        assert [http1.ask(("127.0.0.1", p)).status for p in f.ports] == [200, 200]
    with Forward(g, "backend/fq", f":{web.port}") as f:  # a name that no route needs is looked up here
        assert l4.refused(("127.0.0.1", f.ports[0]))
        wait_for(lambda: any(f"127.0.0.1:{web.port}: " in x or f"[::1]:{web.port}: " in x for x in f.err), "what was tried")
    for args, why in (((("backend/be", ":1"), "no endpoints")), ((("service/web", ":81"), "port 81")), ((("service/nope", ":80"), "nope")),
                      ((("backend/web", ":80"), "no Backend")), ((("svc/web", ":80", "-n", "shop"), "shop"))):
        p = g.cli("port-forward", *args, check=1)
        assert why in p.stderr, (args, p.stderr)
    for args in ((), ("service/web",), ("web", "80"), ("pod/web", "80"), ("service/web", "80:"), ("service/web", "x:80")):
        g.cli("port-forward", *args, check=64)
    cli("port-forward", "service/web", "80", "--runtime-dir", g.dir, check=69)
    held = socket.socket(socket.AF_INET)
    held.bind((block.host(100), 0))
    held.listen()
    p = g.cli("port-forward", "service/web", f"{held.getsockname()[1]}:4100", "--address", block.host(100), check=1)
    assert "unable to listen" in p.stderr
    held.close()


def test_half_close_and_many(instance, script):
    """The client's end is told to the endpoint, which may go on talking; 300 at once, 1 MB each way, byte-exact."""
    data = bytes(range(256)) * 4096

    def serve(peer):
        got, _ = peer.read_all()
        peer.send(got[::-1])
    web = script(serve)
    g = instance(*world(o.service("web", web.address)))
    with Forward(g, "service/web", ":80") as f:
        with http1.Client("127.0.0.1", f.ports[0]) as c:
            sender = threading.Thread(target=lambda: (c.send(data), c.half_close()))
            sender.start()
            assert c.read_all() == (data[::-1], False)
            sender.join()
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(http1.Client("127.0.0.1", f.ports[0])) for _ in range(300)]
            for i, c in enumerate(many):
                c.send(b"%d" % i)
                c.half_close()
            assert [c.read_all() for c in many] == [((b"%d" % i)[::-1], False) for i in range(300)]
        with http1.Client("127.0.0.1", f.ports[0]) as c:
            c.send(b"x")
            c.reset()
        wait_for(lambda: web.open == 0, "the reset to be passed on")


def test_backend_that_closes(instance, script):
    """It answers and closes in the middle of an upload: the client hears the end, and is not read for ever."""
    def serve(peer):
        peer.sock.recv(1)
        peer.sock.sendall(b"enough")
    g = instance(*world(o.service("web", script(serve).address)))
    with Forward(g, "service/web", ":80") as f:
        for _ in range(5):
            with http1.Client("127.0.0.1", f.ports[0]) as c, contextlib.suppress(ConnectionError):
                wait_for(lambda: c.sock.sendall(b"x" * 10000000), "the end of the connection")


def test_next_endpoint_and_reload(instance, echo, block):
    """A dead endpoint is passed over; new endpoints are known after a reload; with none it says so, and goes on."""
    web, later = echo(), echo()
    dead = (block.backend(), web.port)
    g = instance(*world(o.service("web", dead, web.address)))
    with Forward(g, "service/web", ":80") as f:
        at = ("127.0.0.1", f.ports[0])
        assert [http1.ask(at).status for _ in range(6)] == [200] * 6
        g.put(*world(o.service("web", later.address)))
        g.reload()
        before = len(later.requests)
        assert http1.ask(at).status == 200 and len(later.requests) == before + 1
        g.put(*world(o.service("web")))
        g.reload()
        assert l4.refused(at)
        wait_for(lambda: any("there are no endpoints" in x for x in f.err), "a word about endpoints")
        g.put(*world(o.service("web", dead)))
        g.reload()
        assert l4.refused(at)
        wait_for(lambda: any("refused" in x for x in f.err), "a word about the dead one")
        g.put(*world(o.service("web", web.address)))
        g.reload()
        assert http1.ask(at).status == 200


def test_ends(instance, script):
    """INT ends it at once with status 0, connections or not; without an instance it goes on with what it knows."""
    web = script(lambda peer: (peer.send(b"hello"), peer.read_all()))
    g = instance(*world(o.service("web", web.address)))
    with Forward(g, "service/web", ":80") as f:
        with http1.Client("127.0.0.1", f.ports[0]) as c:
            assert c.read(5) == b"hello"
            g.stop()
            with http1.Client("127.0.0.1", f.ports[0]) as d:
                assert d.read(5) == b"hello"
            f.proc.send_signal(signal.SIGINT)
            assert c.read_all()[0] == b""
            assert f.proc.wait(DEADLINE) == 0


def test_workloads_and_health(instance, echo):
    """A Service of a selector, by its port's name; endpoints that are out are passed over while others are there."""
    good, bad = echo("good"), echo("bad")
    loads = [{"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Workload",
              "metadata": o.meta(b.who["service"], labels={"app": "task"}),
              "spec": {"address": b.host, "ports": {"web": b.port}}} for b in (good, bad)]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": o.meta("task"),
               "spec": {"selector": {"app": "task"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}}
    policy = o.btp("p", loadBalancer={"type": "RoundRobin"}, healthCheck={"passive": {
        "consecutive5XxErrors": 1, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 50}})
    g = instance(*world(service, loads, route=False))
    with Forward(g, "svc/task", ":http") as f:
        who = {http1.ask(("127.0.0.1", f.ports[0])).json()["service"] for _ in range(4)}
        assert who == {"good", "bad"}, "in turn"
        bad.answer = lambda peer, r: peer.respond(503) or True
        g.put(o.gateway(port=PORT), o.route(rules=[o.rule("task", path="/")]), service, loads, policy)
        g.reload()
        for _ in range(4):
            g.ask()
        wait_for(lambda: "ejected" in g.cli("backends", check=0).stdout, "the bad one to be out")
        assert {http1.ask(("127.0.0.1", f.ports[0])).status for _ in range(6)} == {200}


def test_no_descriptors_left(instance, echo):
    """Whoever comes while there is none waits for one, and gets it."""
    web = echo()
    g = instance(*world(o.service("web", web.address)))
    with Forward(g, "service/web", ":80", before=few_files) as f:
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(http1.Client("127.0.0.1", f.ports[0])) for _ in range(60)]
            wait_for(lambda: any("cannot accept" in x for x in f.err), "descriptors to run out")
            for c in many:
                assert c.ask(headers=[("Connection", "close")]).status == 200
                c.close()


def test_names_and_socket_files(instance, tmp_path):
    """An ExternalName, which no route has had looked up, and a Backend's socket file."""
    where = str(tmp_path / "sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    listener.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                s, _ = listener.accept()
                s.recv(100)
                s.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                s.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with backends.Echo("127.0.0.1", 0, "default", "named", "named-1") as web:
        named = {"apiVersion": "v1", "kind": "Service", "metadata": o.meta("named"),
                 "spec": {"type": "ExternalName", "externalName": "localhost"}}
        file = {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "Backend", "metadata": o.meta("file"),
                "spec": {"endpoints": [{"unix": {"path": where}}]}}
        g = instance(*world(named, file, route=False))
        with Forward(g, "svc/named", f":{web.port}") as f:
            assert http1.ask(("127.0.0.1", f.ports[0])).json()["service"] == "named"
        with Forward(g, "backend/file", ":80") as f:
            assert f.out[0].endswith(" -> 80") and http1.ask(("127.0.0.1", f.ports[0])).status == 204
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(DEADLINE)
