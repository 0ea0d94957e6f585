"""The world around fails: log sinks, disks, DNS, shared memory written by a wild process. Traffic does not notice."""
import json
import os
import random
import select
import signal
import socket
import subprocess
import time

import pytest

from lib import faults as f, http1, objects as o
from lib.faults import scaled
from lib.fixtures import skip_loudly
from lib.wait import wait_for


# ---- logs
def requests(g, n, target="/x"):
    with http1.Client(*g.address()) as c:
        for i in range(n):
            r = c.ask(target=target)
            assert r.status == 200
            if (r.headers.get("connection") or "").lower() == "close":
                c.close()
                c.__init__(*g.address())


def lines(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(x) for x in log.read().splitlines()]


def test_log_fifo_without_a_reader(instance, echo):
    """Opening a FIFO that nobody reads must not hold up the start, and lines that go nowhere no request."""
    web = echo("web")
    web.record = False
    g = instance(*f.house(web), started=False)
    path = g.dir + "/fifo"
    os.mkfifo(path)
    os.chmod(path, 0o666)
    g.configure(f'workers = 1;\naddress_pool = "{g.pool}";\naccess_log = {{ path = "{path}"; }};\n')
    g.start()
    requests(g, 50)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        g.kick(signal.SIGUSR1)  # now there is a reader: opened again

        def logged():
            assert g.ask(target="/read").status == 200
            try:
                return b"/read" in os.read(fd, 65536)
            except BlockingIOError:
                return False
        wait_for(logged, "lines in the FIFO after USR1")
    finally:
        os.close(fd)
    requests(g, 50)
    g.reload(0)


def test_log_pipe_full(instance, echo):
    """A reader that sleeps: requests go on at their pace, what does not fit is dropped and counted, lines go on afterwards."""
    web = echo("web")
    web.record = False
    g = instance(*f.house(web), started=False)
    path = g.dir + "/fifo"
    os.mkfifo(path)
    os.chmod(path, 0o666)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    g.configure(f'workers = 1;\naddress_pool = "{g.pool}";\naccess_log = {{ path = "{path}"; }};\n'
                'limits = { requests_per_connection = 100000; };\n')
    g.start()
    (worker,) = g.role("worker")
    n = 0
    try:
        # long paths: 1 MiB of ring and 64 KiB of pipe are full after some hundred requests
        while g.metric("log_dropped") == 0:
            requests(g, 100, "/" + "x" * 2000)
            n += 100
            assert n < 5000
        requests(g, 100)
        n += 100
        assert g.role("worker") == [worker]
        assert [t for t in g.tree().values() if "logger" in t]
        dropped = g.metric("log_dropped")
        got = b""

        def drain():
            nonlocal got
            try:
                while True:
                    data = os.read(fd, 1 << 16)
                    if not data:
                        return False
                    got += data
            except BlockingIOError:
                return got.count(b"\n") >= n - g.metric("log_dropped")
        wait_for(drain, "the rest of the lines")
        written = got.count(b"\n")
        print(f"\n{n} requests, {written} lines, {g.metric('log_dropped')} dropped")
        assert written + g.metric("log_dropped") == n, "every request is a line or counted as dropped"
        assert g.metric("log_dropped") == dropped
        for line in got.splitlines():
            json.loads(line)
        assert g.ask(target="/after").status == 200

        def after():
            try:
                return b"/after" in os.read(fd, 1 << 16)
            except BlockingIOError:
                return False
        wait_for(after, "lines to go on")
    finally:
        os.close(fd)


def test_log_reader_gone(instance, echo):
    """The reading end of the pipe is closed: no SIGPIPE, no spinning logger."""
    web = echo("web")
    g = instance(*f.house(web), started=False)
    path = g.dir + "/fifo"
    os.mkfifo(path)
    os.chmod(path, 0o666)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    g.configure(f'workers = 1;\naddress_pool = "{g.pool}";\naccess_log = {{ path = "{path}"; }};\n')
    g.start()
    (logger,) = g.role("logger")
    requests(g, 10)
    assert select.select([fd], [], [], 30)[0], "no lines"
    os.close(fd)
    requests(g, 50)
    before = f.cpu_ns(logger)
    for _ in range(10):
        time.sleep(0.05)
    assert f.cpu_ns(logger) - before < 100e6, "the logger spins"
    assert g.role("logger") == [logger] and g.ask().status == 200


def test_reopen_loses_no_line(instance, echo):
    web = echo("web")
    web.record = False
    g = instance(*f.house(web), started=False)
    path = g.dir + "/access.log"
    g.configure(f'workers = 2;\naddress_pool = "{g.pool}";\naccess_log = {{ path = "{path}"; }};\n')
    g.start()
    with f.load(g.address()) as loads:
        for i in range(5):
            loads.step()
            wait_for(lambda: os.path.getsize(path) > 0, "lines in the log")
            os.rename(path, f"{path}.{i}")
            g.kick(signal.SIGUSR1)
            wait_for(lambda: os.path.exists(path), "the new file")
            loads.step()
    assert loads.failures() == []

    def count():
        return sum(len(lines(p)) for p in [path, *(f"{path}.{i}" for i in range(5))])
    wait_for(lambda: count() >= loads.total(), "all lines")
    assert count() == loads.total()


# ---- disks
def test_state_on_a_full_disk(instance, echo):
    """What cannot be stored is said, and serves nevertheless; the old file stays whole."""
    if os.geteuid() != 0:
        skip_loudly("a full disk: mounting a tmpfs needs root")
    g = instance(*f.house(echo("web")), started=False)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", g.state], capture_output=True, text=True,
                           check=False)
    if mount.returncode:
        skip_loudly(f"a full disk: {mount.stderr.strip()}")
    try:
        g.start()
        path = os.path.join(g.state, "catalogue")
        wait_for(lambda: os.path.exists(path), "the first catalogue to be stored")
        old = os.path.getsize(path)
        g.put(*[o.route(f"m{i}", [o.rule("web", path=f"/m/{i}/{j}") for j in range(8)]) for i in range(60)], name="many.yaml")
        g.reload(0)
        assert g.ask(target="/m/3/3").status == 200
        wait_for(lambda: "cannot write the state folder" in g.stderr() or os.path.getsize(path) != old, "the writer to end")
        assert "cannot write the state folder" in g.stderr(), "64 KiB were enough: make the test larger"
        assert os.path.getsize(path) == old, "the old file is whole"
        g.remove("many.yaml")
        g.reload(0)
        g.stop()
        g.start()
        assert g.ask().status == 200
        g.stop()
    finally:
        g.kill()
        subprocess.run(["umount", "-l", g.state], check=True)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "folder"])
def test_damaged_state_is_ignored(instance, echo, damage):
    g = instance(*f.house(echo("web")))
    path = os.path.join(g.state, "catalogue")
    wait_for(lambda: os.path.exists(path), "the catalogue to be stored")
    g.stop()
    with open(path, "rb") as file:
        data = bytearray(file.read())
    os.unlink(path)
    if damage == "folder":
        os.mkdir(path)
    else:
        if damage == "cut":
            data = data[:len(data) // 2]
        elif damage == "empty":
            data = b""
        else:
            r = random.Random(7)
            for _ in range(200):
                data[r.randrange(64, len(data))] ^= 1 << r.randrange(8)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o600)
    g.start()
    assert g.ask().status == 200
    if damage != "folder":
        g.reload(0)


# ---- the resource tree
def test_hostile_files_in_the_tree(instance, echo):
    """FIFO, socket, dangling and outside links, an unreadable folder, a huge file: errors with a path; the rest serves."""
    g = instance(*f.house(echo("web")))
    m = g.manifests
    os.mkfifo(m + "/fifo.yaml")
    os.symlink("/etc/passwd", m + "/link.yaml")
    os.symlink("nowhere", m + "/dangling.yaml")
    os.symlink("/dev/zero", m + "/zero.yaml")
    with socket.socket(socket.AF_UNIX) as s:
        here = os.open(m, os.O_RDONLY)
        s.bind(f"/proc/self/fd/{here}/sock.yaml")
        os.close(here)
    with open(m + "/huge.yaml", "wb") as file:
        file.truncate(1 << 30)
    os.mkdir(m + "/deep")
    p = g.reload(2)
    for name in ("fifo.yaml", "link.yaml", "zero.yaml", "sock.yaml", "huge.yaml"):
        assert name in p.stdout or name in g.cli("check", "-f", m).stderr + g.cli("check", "-f", m).stdout, (name, p.stdout)
    assert g.ask().status == 200
    for name in ("fifo", "link", "dangling", "zero", "sock", "huge"):
        os.unlink(f"{m}/{name}.yaml")
    g.reload(0)


# ---- sockets
def test_port_taken_is_a_condition(instance, echo, block):
    g = instance(started=False)
    host = block.host(9)
    g.configure(f'workers = 2;\naddresses = [ "{host}" ];\n')
    web = echo("web")
    g.put(*f.house(web, listeners=[o.listener(port=f.PORT), o.listener("taken", f.PORT + 1)]))
    with socket.socket() as s:
        s.bind((host, f.PORT + 1))
        s.listen(1)
        g.start()
        assert http1.ask((host, f.PORT)).status == 200
        taken = [x for x in g.get("gateway", "gw")["status"]["listeners"] if x["name"] == "taken"][0]
        assert o.conditions(taken)["Programmed"][0] == "False", taken
    wait_for(lambda: g.record()["generation"] > 1, "the address to be tried again and taken")

    def serves():
        try:
            return http1.ask((host, f.PORT + 1)).status == 200
        except ConnectionError:
            return False
    wait_for(serves, "the freed port to serve")


# ---- DNS
def test_dead_names_start_and_say_why(instance, echo):
    web = echo("web")
    ext = {"apiVersion": "v1", "kind": "Service", "metadata": o.meta("ext"),
           "spec": {"type": "ExternalName", "externalName": "no-such-host.invalid", "ports": [{"name": "http", "port": 80}]}}
    g = instance(*f.house(web), ext, o.route("ext", [o.rule("ext", path="/ext")]))
    assert g.ask().status == 200, "never a refusal to start"
    assert g.ask(target="/ext").status == 503
    wait_for(lambda: "no-such-host.invalid" in g.stderr(), "the log to name the name")
    (line,) = [x for x in g.access(2) if x["path"] == "/ext"]
    assert line["reason"] != "ok" and line["status"] == 503
    print("\n", line, [x for x in g.stderr().splitlines() if "invalid" in x])
    helper = g.role("helper")
    g.reload(0)
    assert g.role("helper") == helper and g.ask().status == 200


# ---- shared memory
@pytest.mark.root
@pytest.mark.heavy
def test_wild_words_in_shared_memory(instance, echo):
    """Random writes into every region that workers may write: no crash, no hang, traffic and reloads go on."""
    web = echo("web")
    web.record = False
    g = instance(*f.house(web))
    regions = {}
    for fd in os.listdir(f"/proc/{g.pid}/fd"):
        link = os.readlink(f"/proc/{g.pid}/fd/{fd}")
        for name in ("headgate-buckets", "headgate-board", "headgate-names", "headgate-slot0", "headgate-slot1"):
            if f"/memfd:{name} " in link + " ":
                try:
                    regions[name] = os.open(f"/proc/{g.pid}/fd/{fd}", os.O_RDWR)
                except OSError as e:
                    skip_loudly(f"wild words: {e}")
    assert len(regions) == 5, regions
    seed = random.randrange(1 << 32)
    print(f"\nseed {seed}")
    r = random.Random(seed)
    workers = g.role("worker")
    try:
        with f.load(g.address()) as loads:
            for i in range(scaled(400, 100)):
                for name, fd in regions.items():
                    size = os.fstat(fd).st_size
                    for _ in range(20):
                        # where something is: the front of each region, and the arrays' fronts of a segment
                        at = r.choice([0, 0, 4096, 8192, 1 << 20, size // 2, size - 4096]) + 8 * r.randrange(512)
                        if name.startswith("headgate-slot") and at < 128:
                            continue  # ready, active, heartbeat, pid: below
                        value = r.choice([0, 1, (1 << 64) - 1, 1 << 63, r.getrandbits(64), r.getrandbits(32)])
                        os.pwrite(fd, value.to_bytes(8, "little"), min(at, size - 8))
                if i % 40 == 0:
                    g.reload(0)
                    loads.step()
        # The board may have said that no endpoint is healthy: that verdict may be wrong, and nothing else.
        assert [x for x in loads.failures() if not x.startswith("<503 Service Unavailable")] == []
        size = os.fstat(regions["headgate-board"]).st_size
        for at in (0, 4096, 8192, 1 << 20, size // 2, size - 4096):
            os.pwrite(regions["headgate-board"], bytes(4096), at)
        for _ in range(20):
            assert g.ask().status == 200
        # the worker's own words: what the master reads from them may be nonsense
        for _ in range(50):
            for name in ("headgate-slot0", "headgate-slot1"):
                os.pwrite(regions[name], r.getrandbits(64).to_bytes(8, "little"), r.choice([0, 8, 16, 24, 32, 40, 48, 56, 64]))
            assert g.cli("status").returncode in (0, 2, 3)
        wait_for(lambda: g.control({"verb": "reload", "wait": "1"})["result"] == "applied", "a reload to go through")
        assert g.ask().status == 200
        g.cli("get", "all", "-A", check=0)
        assert g.role("worker") == workers or "hangs" in g.stderr()
    finally:
        for fd in regions.values():
            os.close(fd)
