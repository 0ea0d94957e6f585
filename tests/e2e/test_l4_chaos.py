"""Clients and backends that do whatever they like, while routes, endpoints and listeners come and go and workers die: nothing but the
one who misbehaves is harmed, and a polite client is served in the end."""
import contextlib
import os
import random
import socket
import ssl
import struct
import threading
import time

import pytest

from lib import faults, l4, objects as o, tls
from lib.backends import Backend
from lib.wait import wait_for

PORT = 7300
SECONDS = 20


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def moody(peer):
    """A backend of eight moods."""
    r, s, got = random.Random(), peer.sock, 0
    mood = r.randrange(8)
    if mood == 0:
        reset(s)
        return
    if mood == 1:
        s.sendall(b"x" * r.randrange(3000000))
        return
    if mood == 2:
        s.shutdown(socket.SHUT_WR)
    if mood == 3:
        time.sleep(r.random() * 0.3)
    while data := s.recv(r.choice([1000, 5000, 200000])):
        got += len(data)
        if mood == 4 and got > r.randrange(1000000):
            return
        if mood >= 5:
            s.sendall(data)


def rude(address, secure, stop):
    r, ctx = random.Random(), tls.context(alpn=None)
    while not stop.is_set():
        with contextlib.suppress(OSError, ssl.SSLError), socket.create_connection(address, 5) as raw:
            raw.settimeout(3)
            if secure and r.randrange(4) == 0:
                raw.sendall(os.urandom(r.randrange(200)))
                continue
            s = ctx.wrap_socket(raw, server_hostname=r.choice(["a.test", "t.test", "w.test", "no.test", None])) if secure else raw
            mood = r.randrange(7)
            for _ in range(r.randrange(20)):
                s.sendall(b"y" * r.choice([1, 100, 60000, 500000]))
                if mood < 3:
                    s.settimeout(0.05)
                    with contextlib.suppress(socket.timeout):
                        s.recv(r.choice([1, 65536]))
                    s.settimeout(3)
            if mood == 4:
                s.settimeout(0.3)
                if not secure:
                    s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            if mood == 5:
                reset(s)
            s.close()


def rude_udp(address, stop):
    r = random.Random()
    while not stop.is_set():
        with contextlib.suppress(OSError), l4.udp(address, timeout=0.05) as s:
            for _ in range(r.randrange(30)):
                s.send(b"z" * r.choice([0, 1, 1400, 30000]))
            for _ in range(r.randrange(10)):
                s.recv(65536)


def world(i, hosts, secrets):
    """The i-th configuration."""
    some = hosts if i % 2 else hosts[:2]
    listeners = [l4.listener("tcp", PORT), l4.listener("p", PORT + 1, "TLS", "a.test"),
                 l4.listener("t", PORT + 1, "TLS", "t.test", "Terminate", "t"), tls.listener("w", PORT + 1, "w", hostname="w.test")]
    if i % 3:
        listeners.append(l4.listener("udp", PORT, "UDP"))
    out = [o.gateway(listeners=listeners), l4.service("s", *[(h, 4000) for h in some]),
           l4.service("u", *[(h, 5000) for h in some], protocol="UDP"), secrets,
           o.route("w", [o.rule("s", path="/")], hostnames=["w.test"]),
           l4.route("p", "s", kind="TLSRoute", hostnames=["a.test"], section="p"),
           l4.route("t", "s", kind="TLSRoute", hostnames=["t.test"], section="t"), l4.route("u", "u", kind="UDPRoute", section="udp")]
    if i % 5:
        out.append(l4.route("r", "s", section="tcp"))
    if i % 4 == 0:
        out.append(l4.policy("limits", "r", circuitBreaker={"maxConnections": 3}, proxyProtocol={"version": "V2"},
                             timeout={"http": {"connectionIdleTimeout": "200ms"}}))
    return out


@pytest.mark.heavy
def test_chaos(instance, block, tmp_path):
    secrets = [tls.secret(n, tls.Pair(tmp_path, n, [f"{n}.test"])) for n in ("t", "w")]
    hosts = [block.backend() for _ in range(3)]
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        for h in hosts[:2]:
            stack.enter_context(Backend(h, 4000, moody))
        echo = l4.UdpEcho(hosts[0], 5000, "u")
        stack.callback(echo.stop)
        g = instance(*world(1, hosts, secrets), conf='shutdown = { grace = "300ms"; };')
        host, _ = g.address()
        clients = [threading.Thread(target=rude, args=((host, PORT + k % 2), k % 2 == 1, stop)) for k in range(10)]
        clients += [threading.Thread(target=rude_udp, args=((host, PORT), stop)) for _ in range(2)]
        for t in clients:
            t.start()
        try:
            end, i = time.monotonic() + SECONDS, 1
            while time.monotonic() < end:
                i += 1
                g.put(*world(i, hosts, secrets))
                g.reload(None)
                if i % 9 == 0:
                    os.kill(random.choice(g.role("worker")), 9)
        finally:
            stop.set()
            for t in clients:
                t.join()
        g.put(*world(1, hosts[:1], secrets))
        g.reload(0)

        def served():
            with contextlib.suppress(OSError), l4.Conn((host, PORT), timeout=2) as c:
                return c.send(b"polite").read(6) == b"polite"
            return False
        wait_for(served, "a polite client to be served")
        wait_for(lambda: len(g.role("worker")) == 2, "two workers")
        faults.quiet(g)
