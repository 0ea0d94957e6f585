"""What the fault tests share: a look into processes, load that counts, readers that take their time."""
import contextlib
import functools
import os
import resource
import selectors
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

from . import http1, objects as o, tls
from .gateway import BINARY
from .wait import wait_for

PORT = 8080
backend_ca = None  # a tls.Pair: house() has policies that ask for TLS to every backend
SAN = "asan" in BINARY or bool(os.environ.get("HG_SAN_BUILD"))


def scaled(n, san):
    """n, or san with the sanitizer build, which is slower and larger."""
    return san if SAN else n


@functools.cache
def pair():
    with tempfile.TemporaryDirectory() as folder:
        made = tls.Pair(folder, "house", ("h.test",))
        made.crt, made.key = made.text("crt"), made.text("key")
        made.text = lambda what: getattr(made, what)
        return made


def house(*backends, rules=None, listeners=None):
    """A Gateway, a Service for each backend (by who["service"], else web), a route to the first."""
    names = [getattr(b, "who", {}).get("service", "web") for b in backends]
    secret = []
    if http1.Client.secure is not None and listeners is None:
        listeners = [tls.listener("https", PORT, "house")]
        secret = [tls.secret("house", pair())]
    policies = []
    if backend_ca:
        policies = [tls.ca_map("backend-ca", backend_ca), *[tls.policy(n, n, "backend-ca", "backend.test") for n in names]]
    return [o.gateway(listeners=listeners, port=PORT), *secret, *policies, *[o.service(n, b.address) for n, b in zip(names, backends)],
            o.route(rules=rules or [o.rule(names[0])])]


# ---- processes
def nfds(pid):
    """Open descriptors. Undumpable processes show theirs to root only: 0 then, which every test's bound allows."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return 0


def state(pid):
    """The letter of /proc/PID/stat; "" when it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        text = f.read()
        return text[text.rindex(")") + 2]
    return ""


def gone(pid):
    return state(pid) in ("", "Z", "X")


def cpu_ns(pid):
    """Nanoseconds on a CPU; clock ticks are what everybody may see."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0])
    except PermissionError:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            text = f.read()
        rest = text[text.rindex(")") + 2:].split()
        return (int(rest[11]) + int(rest[12])) * 10 ** 9 // os.sysconf("SC_CLK_TCK")


def memory(pid):
    """{Rss, Pss_Anon, …} in kB. Undumpable processes show their pages to root only, but their sums to all."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            return {line.split(":")[0]: int(line.split()[1]) for line in f if line.rstrip().endswith("kB")}
    except PermissionError:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            _, resident, shared, *_ = (int(n) * resource.getpagesize() // 1024 for n in f.read().split())
        return {"Rss": resident, "Pss_Anon": resident - shared}


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state(pid) == "T" or gone(pid), "a process to stop")


def raise_nofile(wanted):
    """This process may have so many descriptors; returns how many it really may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return soft
    for h in (max(hard, wanted), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, h), h))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def limit_nofile(pid, n):
    """Another process may have so many descriptors from now on. Its own user may say so even where root may not."""
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, n))
    except PermissionError:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            ids = {line.split(":")[0]: line.split()[1] for line in status if line.startswith(("Uid", "Gid"))}
        subprocess.run(["/usr/bin/prlimit", "--pid", str(pid), f"--nofile={n}:{n}"], check=True, user=int(ids["Uid"]),
                       group=int(ids["Gid"]), extra_groups=[])


def view(g):
    """{name: descriptor} of the read-only regions that the control socket hands out."""
    out = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        fd = os.open(g.runtime, os.O_PATH | os.O_DIRECTORY)
        try:
            s.connect(f"/proc/self/fd/{fd}/control.sock")
        finally:
            os.close(fd)
        s.send(b'{"verb":"view"}')
        import json
        more = True
        while more:
            data, fds, _, _ = socket.recv_fds(s, 32768, 60)
            answer = json.loads(data)
            out.update(zip(answer["fds"].split(), fds))
            more = answer.get("more", False)
    return out


def gauges(g):
    """(client connections, exchanges) under way, summed over the workers' words in `status`."""
    workers = g.control({"verb": "status"})["workers"]
    return sum(w["connections"] for w in workers), sum(w["exchanges"] for w in workers)


def quiet(g):
    """Waits until no client is connected and nothing is in flight."""
    wait_for(lambda: gauges(g) == (0, 0), "connections and exchanges to be back at 0")


# ---- load
class Load(threading.Thread):
    """Requests one after the other until told to stop, on one connection (keep) or one each. .done counts good ones, .failed
    has the others; a connection that the gateway ends in an orderly way before a request is none."""

    def __init__(self, address, keep, target="/load"):
        super().__init__(daemon=True)
        self.address, self.keep, self.target = address, keep, target
        self.stop, self.done, self.failed = threading.Event(), 0, []

    def run(self):
        client = None
        while not self.stop.is_set():
            try:
                client = client or http1.Client(*self.address)
                r = client.ask(target=self.target, headers=() if self.keep else [("Connection", "close")])
                if r.status == 200:
                    self.done += 1
                else:
                    self.failed.append(repr(r))
                if not self.keep or (r.headers.get("connection") or "").lower() == "close":
                    client.close()
                    client = None
            except (http1.Closed, OSError) as e:
                self.failed.append(repr(e))
                if client:
                    client.close()
                client = None
        if client:
            client.close()


@contextlib.contextmanager
def load(address, keep=2, each=2, target="/load"):
    """Load threads around a block; .total(), .failures() of what is yielded."""
    class All(list):
        def total(self):
            return sum(x.done for x in self)

        def failures(self):
            return [f for x in self for f in x.failed]

        def step(self, what="requests to go on"):
            """Every thread gets an answer or fails once more."""
            n = [x.done + len(x.failed) for x in self]
            wait_for(lambda: all(x.done + len(x.failed) > m for x, m in zip(self, n)), what)
    loads = All([Load(address, i < keep, target) for i in range(keep + each)])
    for x in loads:
        x.start()
    try:
        loads.step("the first requests")
        yield loads
    finally:
        for x in loads:
            x.stop.set()
        for x in loads:
            x.join(60)


class Downloads(threading.Thread):
    """Clients of an endless chunked answer who read as little as needed to be alive: one thread for all of them. .broken has
    those whose connection ended."""

    def __init__(self, address, n, target="/endless"):
        super().__init__(daemon=True)
        self.socks, self.broken, self.bytes = [], [], [0] * n
        self.quit, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.sel = selectors.DefaultSelector()
        for i in range(n):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            s.connect(address)
            s = http1.encrypted(s)
            s.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % target.encode())
            s.setblocking(False)
            self.sel.register(s, selectors.EVENT_READ, i)
            self.socks.append(s)

    def run(self):
        while not self.quit.wait(0.02):
            self.go.wait()
            for key, _ in self.sel.select(0.1):
                try:
                    data = key.fileobj.recv(2048)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                except OSError as e:
                    data, why = b"", repr(e)
                else:
                    why = "end"
                if not data:
                    self.broken.append((key.data, self.bytes[key.data], why))
                    self.sel.unregister(key.fileobj)
                self.bytes[key.data] += len(data)

    def paused(self, what):
        """what() while nobody reads: every buffer on the way is as full as it gets."""
        self.go.clear()
        try:
            return what()
        finally:
            self.go.set()

    def close(self):
        self.quit.set()
        self.go.set()
        if self.is_alive():
            self.join(30)
        for s in self.socks:
            s.close()
        self.sel.close()


def endless(peer):
    """A handler: answers chunks until the gateway ends the connection."""
    peer.request()
    peer.sock.settimeout(None)
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    while True:
        peer.send(piece)
