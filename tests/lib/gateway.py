"""One headgate instance: folder, process, control, checks."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import yaml

from . import http1, libconfig, objects
from .wait import DEADLINE, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("HEADGATE") or os.path.join(TOP, "build/headgate"))

# What must never be on an instance's stderr.
BAD = re.compile(r"check failed|: jail: |AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|"
                 r"crashed|core dumped")


def dump(objs):
    """YAML documents, by the C library where Python has it: thousands of objects take their time."""
    return yaml.dump_all(objs, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def cli(*args, binary=None, check=None, **kw):
    """Runs a verb. Returns CompletedProcess with text output; check = the exit status that it must have."""
    p = subprocess.run([binary or BINARY, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=4 * DEADLINE, **kw)
    assert not BAD.search(p.stderr), p.stderr
    if check is not None:
        assert p.returncode == check, f"{args}: exit {p.returncode}, not {check}\n{p.stdout}\n{p.stderr}"
    return p


def processes():
    """{pid: (parent, start time, title)}"""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
                stat = f.read()
            rest = stat[stat.rindex(")") + 2:].split()
            if rest[0] in "ZX":
                continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                title = f.read().replace(b"\0", b" ").decode("latin-1").strip()
            out[int(pid)] = (int(rest[1]), rest[19], title)
    return out


class Instance:
    """A gateway in flat mode in a folder of its own.

    objects: written to manifests/all.yaml; conf: lines of headgate.conf; pool: its address pool (None: no pool);
    roles: the folder is the resource root with infra.d, security.d and routes.d, and -f is not given."""

    def __init__(self, *objs, conf="", pool=None, binary=None, env=None, allow=(), workers=2, roles=False):
        self.dir = tempfile.mkdtemp(prefix="hg-")
        os.chmod(self.dir, 0o755)
        self.manifests = os.path.join(self.dir, "manifests")
        for d in ("manifests", "run", "state"):
            os.mkdir(os.path.join(self.dir, d))
        self.runtime, self.state = os.path.join(self.dir, "run"), os.path.join(self.dir, "state")
        self.binary, self.env, self.allow = binary or BINARY, env or {}, list(allow)
        self.pool, self.proc, self.seen, self.roles = pool, None, {}, roles
        if roles:
            for d in ("infra.d", "security.d", "routes.d"):
                os.mkdir(os.path.join(self.manifests, d))
            conf += f'\nresources = "{self.manifests}";'
        lines = [f"workers = {workers};"] if workers else []
        if pool:
            lines.append(f'address_pool = "{pool}";')
        self.configure("\n".join(lines + [conf]) + "\n")
        if objs:
            self.put(*objs)

    # ---- files
    def configure(self, text):
        self.conf = os.path.join(self.dir, "headgate.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def write(self, text, name="all.yaml"):
        """Replaces a file of the manifests folder by rename."""
        path = os.path.join(self.manifests, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        tmp = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
        with open(tmp, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(tmp, path)
        return path

    def put(self, *objs, name="all.yaml"):
        """Objects as YAML, or as libconfig if the name ends in .conf."""
        objs = objects.flat(objs)
        return self.write(libconfig.dump(objs) if name.endswith(".conf") else dump(objs), name)

    def remove(self, name):
        os.unlink(os.path.join(self.manifests, name))

    # ---- life
    def start(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(f"\0headgate-test-{os.getpid()}-{os.path.basename(self.dir)}")
        notify.settimeout(0.1)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir, "NOTIFY_SOCKET": "@" + notify.getsockname()[1:].decode(),
               **{k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "LSAN_"))}, **self.env}
        with open(os.path.join(self.dir, "out"), "ab") as out, open(os.path.join(self.dir, "err"), "ab") as err:
            files = [] if self.roles else ["-f", self.manifests]
            self.proc = subprocess.Popen([self.binary, "run", *files, "--runtime-dir", self.runtime,
                                          "--state-dir", self.state, "-c", self.conf], stdin=subprocess.DEVNULL,
                                         stdout=out, stderr=err, env=env, start_new_session=True)

        def ready():
            assert self.proc.poll() is None, f"the gateway ended with {self.proc.returncode}:\n{self.stderr()[-4000:]}"
            with contextlib.suppress(socket.timeout):
                return b"READY=1" in notify.recv(4096)
            return False
        try:
            wait_for(ready, f"the gateway to say READY=1; stderr:\n{self.stderr()[-4000:]}", 2 * DEADLINE)
        except AssertionError:
            self.kill()
            raise
        finally:
            notify.close()
        self.tree()
        return self

    @property
    def pid(self):
        return self.proc.pid

    def tree(self):
        """{pid: title} of the instance's processes; remembered for the check at the end."""
        procs = processes()
        found, more = {self.pid}, True
        while more:
            more = {p for p, (parent, _, _) in procs.items() if parent in found} - found
            found |= more
        found &= set(procs)
        self.seen.update({p: procs[p][1] for p in found})
        return {p: procs[p][2] for p in found}

    def role(self, word):
        """Sorted pids of processes whose title has that word (worker, logger, helper)."""
        return sorted(p for p, title in self.tree().items() if word in title and p != self.pid)

    def alive(self):
        procs = processes()
        return [f"{p} {procs[p][2]}" for p, start in self.seen.items() if p in procs and procs[p][1] == start]

    def kick(self, sig):
        self.proc.send_signal(sig)

    def stop(self, sig=signal.SIGTERM, status=0):
        """Ends it, waits for all its processes, and checks what it left behind."""
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.tree()
            self.kick(sig)
        try:
            code = self.proc.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {DEADLINE:.0f} s after signal {sig}\n{self.stderr()[-4000:]}") from None
        try:
            wait_for(lambda: not self.alive(), "all processes of the gateway to end")
        except AssertionError as e:
            left = self.alive()
            self.kill()
            raise AssertionError(f"{e}; left: {left}") from None
        self.proc = None
        assert code == status, f"exit status {code}, not {status}\n{self.stderr()[-4000:]}"
        self.check_stderr()

    def kill(self):
        """Whatever state it is in: all its processes end now."""
        if self.proc is None:
            return
        with contextlib.suppress(OSError):
            self.tree()
        with contextlib.suppress(OSError):
            self.proc.kill()
        self.proc.wait()
        procs = processes()
        for p, start in self.seen.items():
            if p in procs and procs[p][1] == start:
                with contextlib.suppress(OSError):
                    os.kill(p, signal.SIGKILL)
        self.proc = None

    def clean(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind:
                self.kill()
            else:
                self.stop()
        finally:
            self.clean()

    # ---- output
    def text(self, name):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as f:
                return f.read()
        return ""

    def stderr(self):
        return self.text("err")

    def check_stderr(self):
        bad = [line for line in self.stderr().splitlines()
               if BAD.search(line) and not any(re.search(a, line) for a in self.allow)]
        assert not bad, "on the gateway's stderr:\n" + "\n".join(bad) + "\n---\n" + self.stderr()[-6000:]

    def access(self, count=None):
        """Lines of the access log as objects; waits until there are count."""
        def lines():
            whole = self.text("out").rpartition("\n")[0]  # the last one may be half written
            return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        if count is not None:
            wait_for(lambda: len(lines()) >= count, f"{count} lines in the access log")
        return lines()

    # ---- control
    def cli(self, verb, *args, check=None):
        return cli(verb, *args, "--runtime-dir", self.runtime, binary=self.binary, check=check)

    def reload(self, status=0):
        """reload --wait; status = wanted exit status."""
        return self.cli("reload", "--wait", check=status)

    def record(self):
        """The last reload's record."""
        with open(os.path.join(self.runtime, "reload.json"), encoding="utf-8") as f:
            return json.load(f)

    def control(self, request):
        """One packet out, one in."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(DEADLINE)
            fd = os.open(self.runtime, os.O_PATH | os.O_DIRECTORY)
            try:
                s.connect(f"/proc/self/fd/{fd}/control.sock")
            finally:
                os.close(fd)
            s.send(request if isinstance(request, bytes) else json.dumps(request).encode())
            return json.loads(s.recv(32768))

    def all(self):
        """{(kind, namespace, name): object} of get all -A -o json."""
        p = self.cli("get", "all", "-A", "-o", "json", check=0)
        doc = json.loads(p.stdout)
        assert (doc["apiVersion"], doc["kind"]) == ("v1", "List"), doc
        return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in doc["items"]}

    def get(self, kind, name, ns="default"):
        return json.loads(self.cli("get", kind, name, "-n", ns, "-o", "json", check=0).stdout)

    def conditions(self, kind, name, ns="default"):
        """{type: (status, reason)}; of the first parent for routes."""
        status = self.get(kind, name, ns).get("status", {})
        if "parents" in status:
            status = status["parents"][0] if status["parents"] else {}
        return objects.conditions(status)

    def address(self, name="gw", ns="default", port=None):
        """(host, port) of a Gateway's first listener."""
        gw = self.get("gateway", name, ns)
        return gw["status"]["addresses"][0]["value"], port or gw["spec"]["listeners"][0]["port"]

    def metric(self, name):
        p = self.cli("status", "-o", "json")
        return json.loads(p.stdout)["metrics"][name]

    # ---- traffic
    def ask(self, method="GET", target="/", gw="gw", **kw):
        """One request to the Gateway's first listener, on a connection of its own."""
        return http1.ask(self.address(gw), method, target, **kw)
