"""Real servers and clients through L4 routes: PostgreSQL, Redis, DNS over UDP and TCP, big transfers, many connections; with reloads
and workers that die meanwhile."""
import contextlib
import glob
import hashlib
import os
import pwd
import random
import resource
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from lib import faults, l4, objects as o
from lib.backends import Backend
from lib.fixtures import skip_loudly
from lib.wait import listens, wait_for

PORT = 7100


def need(*names):
    for n in names:
        if not shutil.which(n, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            skip_loudly(f"{n} is not installed (tests/deps brings it)")


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@pytest.fixture
def spawn():
    """Programs that end with the test."""
    with contextlib.ExitStack() as stack:
        def start(*cmd, **kw):
            p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **kw)
            stack.callback(p.wait)
            stack.callback(p.kill)
            return p
        yield start


def tcp_stage(*services, listeners=None):
    out = [o.gateway(listeners=listeners or [l4.listener(s[0], PORT + i) for i, s in enumerate(services)])]
    for name, address in services:
        out += [l4.service(name, address), l4.route(name, name, section=name)]
    return out


def run(*cmd, **kw):
    return subprocess.run(cmd, capture_output=True, text=True, timeout=60, check=True, **kw).stdout


# ---- PostgreSQL

@pytest.fixture
def postgres(block, spawn):
    """A server of its own, as an ordinary user: PostgreSQL runs as nobody else."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found or not shutil.which("psql"):
        skip_loudly("postgresql is not installed (tests/deps brings it)")
    bindir, who = os.path.dirname(found[-1]), []
    if os.geteuid() == 0:
        user = next((u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()}), None)
        if user is None:
            skip_loudly("PostgreSQL needs an ordinary user and there is none")
        who = ["setpriv", f"--reuid={user}", "--regid=" + str(pwd.getpwnam(user).pw_gid), "--clear-groups"]
    folder = tempfile.mkdtemp(prefix="hg-pg-")
    if who:
        shutil.chown(folder, user)
    host = block.backend()
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    try:
        subprocess.run([*who, f"{bindir}/initdb", "-D", f"{folder}/d", "-U", "me", "-A", "trust", "--no-sync"], check=True, env=env,
                       cwd=folder, capture_output=True, timeout=120)
        spawn(*who, f"{bindir}/postgres", "-D", f"{folder}/d", "-h", host, "-p", "5432", "-k", folder, "-F", env=env, cwd=folder)
        wait_for(lambda: listens((host, 5432)), "PostgreSQL to listen", 60)
        yield host, 5432
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_postgres(instance, postgres):
    """Queries, a COPY both ways, a session that outlives reloads, and one that waits long for its server."""
    g = instance(*tcp_stage(("pg", postgres)))
    host, port = g.address()
    psql = ["psql", "-h", host, "-p", str(port), "-U", "me", "-d", "postgres", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    rows = "".join(f"{i}\t{'x' * 100}\n" for i in range(20000))
    run(*psql, "-c", "create table t(i int, s text)")
    subprocess.run([*psql, "-c", "copy t from stdin"], input=rows, text=True, check=True, capture_output=True, timeout=60)
    assert run(*psql, "-c", "copy t to stdout") == rows
    with subprocess.Popen([*psql], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        p.stdin.write("select pg_backend_pid();\n")
        p.stdin.flush()
        pid = p.stdout.readline()
        for _ in range(3):
            g.reload(0)
            p.stdin.write("select pg_backend_pid();\n")
            p.stdin.flush()
            assert p.stdout.readline() == pid
        p.stdin.write("select pg_sleep(0.5), 'late';\n")
        p.stdin.close()
        assert p.stdout.read() == "|late\n"
        assert p.wait(20) == 0


# ---- Redis

def test_redis(instance, block, spawn):
    need("redis-server", "redis-cli")
    host = block.backend()
    spawn("redis-server", "--bind", host, "--port", "6379", "--save", "", "--appendonly", "no", "--protected-mode", "no", "--dir", "/tmp")
    wait_for(lambda: listens((host, 6379)), "Redis to listen")
    g = instance(*tcp_stage(("redis", (host, 6379))))
    at = g.address()
    cli = ["redis-cli", "-h", at[0], "-p", str(at[1])]
    assert run(*cli, "ping") == "PONG\n"
    run(*cli, "set", "k", "v" * 50000)
    assert run(*cli, "get", "k") == "v" * 50000 + "\n"
    with subprocess.Popen([*cli, "subscribe", "c"], stdout=subprocess.PIPE, text=True) as sub:
        assert [sub.stdout.readline() for _ in range(3)] == ["subscribe\n", "c\n", "1\n"]
        g.reload(0)
        assert run(*cli, "publish", "c", "hello") == "1\n"
        assert [sub.stdout.readline() for _ in range(3)] == ["message\n", "c\n", "hello\n"]
        sub.kill()
    out = subprocess.run([*cli, "--pipe"], input="".join(f"SET k{i} {i}\r\n" for i in range(20000)), text=True, capture_output=True,
                         timeout=60, check=True).stdout
    assert "errors: 0, replies: 20000" in out


# ---- DNS

def dig(at, *args):
    return run("dig", f"@{at[0]}", "-p", str(at[1]), "+time=2", "+tries=3", "+noall", "+answer", *args)


def dns_stage(services):
    listeners = [l4.listener("tcp", PORT), l4.listener("udp", PORT, "UDP")]
    refs = [o.ref(n, port=53) for n, _ in services]
    out = [o.gateway(listeners=listeners), l4.route("t", *refs, section="tcp"), l4.route("u", *refs, kind="UDPRoute", section="udp")]
    for name, address in services:
        svc = l4.service(name, address, port=53)
        both = [{"name": n, "port": 53, "targetPort": address[1], "protocol": p} for n, p in (("t", "TCP"), ("u", "UDP"))]
        svc[0]["spec"]["ports"] = both
        svc[1]["ports"] = [{"name": b["name"], "port": address[1], "protocol": b["protocol"]} for b in both]
        out += svc
    return out


def test_dns(instance, block, spawn):
    """Two dnsmasq behind one address, UDP and TCP on one port; answers too long for a datagram come by TCP."""
    need("dnsmasq", "dig")
    services = []
    for i in range(2):
        host = block.backend()
        spawn(which("dnsmasq"), "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
              f"--listen-address={host}", "-p", "5353", *(["--user=root"] if os.geteuid() == 0 else []),
              "--pid-file=", f"--address=/who.test/10.0.0.{i + 1}", *[f"--txt-record=long.test,{k:03d}{'t' * 180}" for k in range(20)])
        wait_for(lambda h=host: listens((h, 5353)), "dnsmasq to listen")
        services.append((f"dns{i}", (host, 5353)))
    g = instance(*dns_stage(services))
    at = g.address()
    seen = {dig(at, "who.test", "A").split()[-1] for _ in range(16)}
    assert seen == {"10.0.0.1", "10.0.0.2"}
    assert {dig(at, "+tcp", "who.test", "A").split()[-1] for _ in range(8)} == {"10.0.0.1", "10.0.0.2"}
    assert dig(at, "long.test", "TXT").count("ttt") >= 20, "truncated by UDP, whole by TCP"
    assert len(dig(at, "+bufsize=4096", "+notcp", "long.test", "TXT")) > 3000
    stop, failures, done = threading.Event(), [], [0]

    def ask():
        while not stop.is_set():
            try:
                assert dig(at, "who.test", "A").split()[-1] in seen
                done[0] += 1
            except (AssertionError, subprocess.SubprocessError, IndexError) as e:
                failures.append(e)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for t in threads:
        t.start()
    for i in range(3):
        g.reload(0)
        before = done[0]
        wait_for(lambda b=before: done[0] > b + 4, "queries to go on")
        if i == 1:
            os.kill(g.role("worker")[0], 9)
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures[:3]


# ---- bulk

class Blob:
    """size bytes that are known at both ends, without being held: one block, rotated."""

    def __init__(self, seed, size):
        self.block = random.Random(seed).randbytes(1 << 20)
        self.size = size

    def chunks(self):
        left, i = self.size, 0
        while left:
            c = self.block[i % 977:] + self.block[:i % 977]
            yield c[:left]
            left -= min(left, len(c))
            i += 1

    def digest(self):
        h = hashlib.blake2b()
        for c in self.chunks():
            h.update(c)
        return h.hexdigest()


def transfer(instance, size, kill):
    """Both ways at once on one connection, reloads all the time; other workers die."""
    up, down = Blob(1, size), Blob(2, size)
    got = {}

    def send(sock, blob):
        for c in blob.chunks():
            sock.sendall(c)
        sock.shutdown(socket.SHUT_WR)

    def receive(sock, who):
        h, n = hashlib.blake2b(), 0
        while data := sock.recv(1 << 18):
            h.update(data)
            n += len(data)
        got[who] = (n, h.hexdigest())

    def handle(peer):
        peer.sock.settimeout(300)
        t = threading.Thread(target=send, args=(peer.sock, down))
        t.start()
        receive(peer.sock, "up")
        t.join()
    host = "127.0.0.1"
    with Backend(host, 0, handle) as b:
        g = instance(*tcp_stage(("bulk", b.address)))
        with l4.Conn(g.address(), timeout=300) as c:
            t = threading.Thread(target=send, args=(c.sock, up))
            r = threading.Thread(target=receive, args=(c.sock, "down"))
            t.start()
            r.start()
            reloads = 0
            while r.is_alive() and reloads < 50:
                g.reload(0)
                reloads += 1
                if kill and reloads == 2:
                    idle = idle_worker(g)
                    os.kill(idle, 9)
                r.join(0.2)
            r.join()
            t.join()
            wait_for(lambda: "up" in got, "the backend's end")
    assert got["down"] == (size, down.digest()) and got["up"] == (size, up.digest())
    a = [x for x in g.access() if x.get("proto") == "tcp"][-1]
    assert (a["bytes_in"], a["bytes_out"], a["reason"]) == (size, size, "ok")
    return g


def idle_worker(g):
    """The one that does not carry the transfer."""
    def idle():
        workers = g.control({"verb": "status"})["workers"]
        return [w["pid"] for w in workers if w["connections"] == 0] if any(w["connections"] for w in workers) else []
    return wait_for(idle, "one worker to have the connection")[0]


def test_transfer(instance):
    g = transfer(instance, 32 << 20, kill=False)
    # pipes and sockets are given back
    first = None

    def settled():
        nonlocal first
        now = [faults.nfds(p) for p in g.role("worker")]
        before, first = first, now
        return before == now and max(now) - min(now) <= 1
    wait_for(settled, "descriptors of both workers to be as many")


@pytest.mark.heavy
def test_transfer_gib(instance):
    transfer(instance, 1 << 30, kill=True)


@pytest.mark.heavy
def test_many_connections(instance, tmp_path):
    """5,000 at once, each says something before and after a reload; a worker's death costs only its own."""
    want = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * want:
        skip_loudly(f"the limit of descriptors is {hard}, not {4 * want}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4 * want, hard))
    program = tmp_path / "echo.py"
    program.write_text(ECHO)
    with subprocess.Popen(["/usr/bin/python3", str(program)], stdout=subprocess.PIPE, text=True) as p:
        try:
            port = int(p.stdout.readline())
            g = instance(*tcp_stage(("many", ("127.0.0.1", port))), conf="limits = { connections_per_ip = 0; };")
            at = g.address()
            socks = [socket.create_connection(at, 30) for _ in range(want)]

            def ask(text):
                alive = []
                for s in socks:
                    with contextlib.suppress(OSError):
                        s.sendall(text)
                        alive.append(s)
                out = []
                for s in alive:
                    with contextlib.suppress(OSError):
                        if s.recv(100) == text:
                            out.append(s)
                return out
            assert len(ask(b"one")) == want
            g.reload(0)
            assert len(ask(b"two")) == want
            os.kill(g.role("worker")[0], 9)
            wait_for(lambda: len(g.role("worker")) == 2, "a new worker")
            left = len(ask(b"three"))
            assert 0 < left < want
            with l4.Conn(at) as c:
                assert c.send(b"new").read(3) == b"new"
            for s in socks:
                s.close()
            wait_for(lambda: len([x for x in g.access() if x.get("proto") == "tcp"]) >= left + 1, "a line for each", 60)
        finally:
            p.kill()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


ECHO = '''
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
async def one(r, w):
    try:
        while data := await r.read(1000):
            w.write(data)
    except OSError:
        pass
    w.close()
async def main():
    s = await asyncio.start_server(one, "127.0.0.1", 0, backlog=4096)
    print(s.sockets[0].getsockname()[1], flush=True)
    await s.serve_forever()
asyncio.run(main())
'''
