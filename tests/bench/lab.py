"""What the benchmarks beside other proxies share: subjects that have a CPU to themselves, their CPU time, turns, files."""
import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

WORK = tempfile.mkdtemp(prefix="headgate-bench.")
os.chmod(WORK, 0o755)
cpus = sorted(os.sched_getaffinity(0))
SUBJECT, REST = {cpus[0]}, {cpus[-1]}
NGINX, HAPROXY = shutil.which("nginx") or "/usr/sbin/nginx", "/usr/sbin/haproxy"
procs = []


def port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(cmd, cpu, name):
    with open(os.path.join(WORK, name + ".log"), "wb") as log:
        p = subprocess.Popen(cmd, stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, cpu), start_new_session=True)
    procs.append(p)
    return p


def start_headgate(binary, folder, tag, conf):
    """On manifests below WORK/folder, with this headgate.conf."""
    path = write(f"hg-{tag}.conf", conf)
    return start([binary, "run", "-f", f"{WORK}/{folder}", "-c", path, "--runtime-dir", f"{WORK}/run-{tag}", "--state-dir",
                  f"{WORK}/state-{tag}"], SUBJECT, f"headgate-{tag}")


def generator(cmd):
    return subprocess.Popen([str(c) for c in cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, REST))


def stop(p):
    if p.poll() is None:
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()


def stop_all(running):
    """running: of each name its process and its port."""
    for proc, _ in running.values():
        stop(proc)


def tcp_ready(p):
    socket.create_connection(("127.0.0.1", p), 1).close()
    return True


def ready(check, proc, what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if proc.poll() is not None:
            raise SystemExit(f"{what} ended: see {WORK}")
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"{what} does not answer: see {WORK}")


def tree(pid):
    """All processes below pid, itself included."""
    children = {}
    for d in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{d}/stat", encoding="latin-1") as f:
                children.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(d))
        except OSError:
            continue
    out, todo = [], [pid]
    while todo:
        x = todo.pop()
        out.append(x)
        todo += children.get(x, [])
    return out


def cpu_ns(pid):
    """Of the process and all below it, every thread."""
    total = 0
    for p in tree(pid):
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/schedstat", encoding="ascii") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total


def write(name, text):
    path = os.path.join(WORK, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def turns(names, rounds):
    """A B B A"""
    for n in range(rounds):
        yield from (list(names), list(reversed(list(names))))[n % 2]


def values(text):
    """A generator's one line of key=value."""
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", text)}


def asked(r, seconds):
    """Requests of a whole run of `load`, with those of its warm-up second."""
    return r["requests"] * (seconds + 1) / seconds


@atexit.register
def leave():
    for p in procs:
        stop(p)
    if os.environ.get("HG_KEEP"):
        print("kept", WORK)
    else:
        shutil.rmtree(WORK, ignore_errors=True)
