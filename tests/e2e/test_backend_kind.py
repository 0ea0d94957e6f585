"""The kind Backend, endpoints by address, name and socket file, wherever a reference may name it."""
import os
import socket
import tempfile
import threading

import pytest

from lib import l4, objects as o
from lib.backends import Backend, Echo, Peer
from lib.wait import wait_for

PORT = 8080
GROUP = "gateway.headgate.dev"


def backend(*endpoints, name="web", group=GROUP, **more):
    return {"apiVersion": f"{group}/v1alpha1", "kind": "Backend", "metadata": o.meta(name),
            "spec": {"endpoints": list(endpoints), **more}}


def to(name="web", group=GROUP, **more):
    return {"group": group, "kind": "Backend", "name": name, **more}


def ip(at):
    return {"ip": {"address": at[0], "port": at[1]}}


def world(*backends, refs=None, **rule):
    return [o.gateway(port=PORT), o.route(rules=[o.rule(*(refs or [to()]), **rule)]), *backends]


@pytest.mark.parametrize("group", [GROUP, "gateway.envoyproxy.io"])
def test_ip(instance, echo, group):
    """Several addresses take turns; no port in the reference."""
    a, b = echo("a"), echo("b", 3001)
    g = instance(*world(backend(ip(a.address), ip(b.address), group=group), refs=[to(group=group)]), workers=1)
    assert g.conditions("httproute", "route")["ResolvedRefs"][0] == "True"
    assert g.conditions("backend", "web")["Accepted"] == ("True", "Accepted")
    for _ in range(6):
        assert g.ask().status == 200
    assert len(a.requests) == len(b.requests) == 3


def test_fqdn(instance, block):
    port = block.port("127.0.0.1", 23100)
    with Echo("127.0.0.1", port, "default", "named", "named-1") as web:
        g = instance(*world(backend({"fqdn": {"hostname": "localhost", "port": port}})))
        wait_for(lambda: g.ask().status == 200, "the name to be resolved")
        assert web.requests


class Local(Backend):
    """The same on a socket file."""

    def __init__(self, path):
        self.path = path
        super().__init__("127.0.0.1", 0)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open += 1
            # TCP_NODELAY is asked for by Peer and does not fit here
            threading.Thread(target=self._serve, args=(LocalPeer(s),), daemon=True).start()

    def handle(self, peer):
        while True:
            peer.request()
            peer.respond(200, [("X-From", "file")], b"ok")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        super().stop()


class LocalPeer(Peer):
    def __init__(self, sock):  # pylint: disable=super-init-not-called
        self.sock, self.buf = sock, bytearray()
        sock.settimeout(30)


def test_unix(instance):
    """A socket file; by two references it is one endpoint, and a health check reaches it too."""
    with tempfile.TemporaryDirectory(prefix="hg-") as d:
        os.chmod(d, 0o755)
        with Local(os.path.join(d, "web.sock")) as web:
            g = instance(*world(backend({"unix": {"path": web.path}})))
            r = g.ask()
            assert r.status == 200 and r.headers.get("x-from") == "file"
            assert g.access(1)[0]["endpoint"] == "unix"


def test_fallback(instance, echo, block):
    """Nothing goes to it while the others are well; all of it when none is."""
    main, spare = echo("main"), echo("spare")
    check = o.btp("check", healthCheck={"panicThreshold": 0, "active": {
        "type": "HTTP", "interval": "50ms", "unhealthyThreshold": 1, "http": {"path": "/health"}}})
    g = instance(*world(backend(ip(main.address)), backend(ip(spare.address), name="spare", fallback=True), check,
                        refs=[to(), to("spare")]))
    asked = lambda e: [r for r in e.requests if r.target != "/health"]  # noqa: E731
    assert {g.ask().status for _ in range(10)} == {200} and len(asked(main)) == 10 and not asked(spare)
    main.stop()
    wait_for(lambda: g.ask().status == 200 and asked(spare), "the fallback")


def test_refused(instance, echo):
    """A Backend that is not accepted, one that is not there, and one in another namespace without a grant: 500."""
    far = backend(ip(echo().address), name="far")
    far["metadata"]["namespace"] = "other"
    g = instance(o.gateway(port=PORT), backend(name="dyn", type="DynamicResolver"), far,
                 o.route("a", [o.rule(to("dyn"), path="/dyn")]), o.route("b", [o.rule(to("none"), path="/none")]),
                 o.route("c", [o.rule(to("far", namespace="other"), path="/far")]))
    for route, path, reason in (("a", "/dyn", None), ("b", "/none", "BackendNotFound"), ("c", "/far", "RefNotPermitted")):
        status = g.conditions("httproute", route)["ResolvedRefs"]
        assert status[0] == "False" and reason in (None, status[1]), status
        assert g.ask(target=path).status == 500


def test_mirror(instance, echo):
    web, copy = echo("web"), echo("copy")
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": to("copy")}}
    g = instance(*world(backend(ip(web.address)), backend(ip(copy.address), name="copy"), filters=[mirror]))
    assert g.ask(target="/m").status == 200
    wait_for(lambda: [r.target for r in copy.requests] == ["/m"], "the copy")


def test_tcp_route(instance, block):
    def handle(peer):
        peer.sock.sendall(b"hello\n")
        peer.stall()
    with Backend(block.backend(), 4000, handle) as server:
        route = l4.route("r", "web")
        route["spec"]["rules"][0]["backendRefs"] = [to()]
        g = instance(o.gateway(listeners=[l4.listener("tcp", 7000)]), route, backend(ip(server.address)))
        assert g.conditions("tcproute", "r")["ResolvedRefs"][0] == "True"
        with l4.Conn(g.address()) as c:
            assert c.read(6) == b"hello\n"


def test_grpc_route(instance, block):
    grpc = pytest.importorskip("grpc")
    from lib import grpcs  # pylint: disable=import-outside-toplevel
    assert grpc
    with grpcs.Server(block.backend()) as server:
        rule = o.grpc_rule("web")
        rule["backendRefs"] = [to()]
        g = instance(o.gateway(port=PORT), o.grpc_route(rules=[rule]), backend(ip(server.address)))
        with grpcs.Client(g.address()) as c:
            assert grpcs.status(c.unary("Unary"), b"x")[0] == "OK"
