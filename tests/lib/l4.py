"""Objects and peers for TCP, TLS and UDP routes."""
import contextlib
import socket
import threading

from . import objects as o
from .wait import DEADLINE


def listener(name, port, protocol="TCP", hostname=None, mode=None, *secrets, **more):
    out = {"name": name, "port": port, "protocol": protocol, **({"hostname": hostname} if hostname else {}), **more}
    if protocol == "TLS":
        out["tls"] = {"mode": mode or "Passthrough", **({"certificateRefs": [{"name": s} for s in secrets]} if secrets else {})}
    return out


def route(name, *backends, kind="TCPRoute", section=None, hostnames=None, ns="default", **meta):
    """backends: names or refs; the Services of o.service() or service() below."""
    refs = [o.ref(b) if isinstance(b, str) else b for b in backends]
    return {"apiVersion": o.API, "kind": kind, "metadata": o.meta(name, ns, **meta),
            "spec": {"parentRefs": [{"name": "gw", **({"sectionName": section} if section else {})}],
                     **({"hostnames": list(hostnames)} if hostnames else {}), "rules": [{"backendRefs": refs}]}}


def service(name, *endpoints, ns="default", port=80, protocol="TCP"):
    objs = o.service(name, *endpoints, ns=ns, port=port)
    for p in objs[0]["spec"]["ports"] + objs[1]["ports"]:
        p["protocol"] = protocol
    return objs


def policy(name, route_name, kind="TCPRoute", ns="default", **spec):
    return o.btp(name, o.target(kind, route_name), ns=ns, **spec)


class Conn:
    """A client's connection with a deadline on everything."""

    def __init__(self, address, timeout=DEADLINE):
        self.sock = socket.create_connection(address, timeout)

    def send(self, data):
        self.sock.sendall(data)
        return self

    def read(self, n):
        """Exactly n bytes, or what came before the end."""
        out = b""
        while len(out) < n:
            got = self.sock.recv(n - len(out))
            if not got:
                break
            out += got
        return out

    def rest(self):
        out = []
        while got := self.sock.recv(1 << 16):
            out.append(got)
        return b"".join(out)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def refused(address, data=b""):
    """Closed or reset without a byte; perhaps before connect() knows that it had one."""
    with contextlib.suppress(ConnectionError), Conn(address) as c:
        return c.send(data).sock.recv(1) == b""
    return True


class UdpEcho:
    """Answers each datagram with its name, a colon and the datagram; `big` ones as they are."""

    def __init__(self, host, port, name, handle=None):
        self.name, self.handle, self.seen, self.peers = name.encode(), handle, [], set()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind((host, port))
        self.address = self.sock.getsockname()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.sock.recvfrom(65536)
                if data == b"\0stop":
                    return
                self.seen.append(data)
                self.peers.add(peer)
                for answer in (self.handle(data) if self.handle else [self.name + b":" + data]):
                    self.sock.sendto(answer, peer)

    def stop(self):
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"\0stop", self.address)
        self.thread.join(5)
        self.sock.close()


def udp(address, timeout=5, bind=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    if bind:
        s.bind(bind)
    s.connect(address)
    return s
