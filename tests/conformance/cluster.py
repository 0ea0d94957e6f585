"""A cluster for the tests: manifests become files, Deployments become echo backends, Services become EndpointSlices.

What a user wrote goes to the gateway unchanged, but for the placeholders, and, for a user who may not bind low ports, the
listeners' ports. Objects carry no uid, generation or creationTimestamp unless a test gives them: headgate makes its own.
"""
import base64
import copy
import os
import random
import re
import shutil
import subprocess
import tempfile

import yaml

from l4pods import TcpPod
from lib import backends, l4, objects, tls
from lib.gateway import Instance

try:
    from lib import grpcs
except ImportError:  # no python3-grpcio: no GRPCRoute
    grpcs = None

INFRA, WEB, APP = "gateway-conformance-infra", "gateway-conformance-web-backend", "gateway-conformance-app-backend"
CONTROLLER = "headgate.dev/gateway-controller"
PLAYED = ("Deployment", "Pod", "ServiceAccount")  # not written


def low_ports():
    """Whether this user may bind port 80 (HG_SHIFT=1: as if not)."""
    if os.environ.get("HG_SHIFT"):
        return False
    if os.geteuid() == 0:
        return True
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as f:
        return int(f.read()) <= 53


def key(o):
    return o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]


class Cluster:
    def __init__(self, block):
        self.block = block
        self.shift = 0 if low_ports() else 20000
        self.objects, self.pods, self.h2c = {}, {}, []  # pods: (ns, Deployment) -> [Echo]; h2c: their second ports
        self.certificates = tempfile.TemporaryDirectory()  # for HTTP over TLS to backends
        self.ca, self.stranger = (tls.Pair(self.certificates.name, n, ca=True) for n in ("ca", "stranger"))
        names = ("abc.example.com", "URI:spiffe://abc.example.com/test-identity")
        self.signed = tls.Pair(self.certificates.name, "signed", names, by=self.ca)
        self.pair_files = []
        self.addresses = {}  # of Gateways, until the next reload
        self.usable, self.unusable = block.host(120), "192.0.2.1"
        self.instance = Instance(pool=block.pool)
        self.instance.start()

    def port(self, n):
        return n + self.shift if n < 1024 else n

    # ---- objects
    def prepare(self, o):
        o = copy.deepcopy(o)
        text = {"{GATEWAY_CLASS_NAME}": "headgate", "{GATEWAY_CONTROLLER_NAME}": CONTROLLER,
                "PLACEHOLDER_UNUSABLE_ADDRS": self.unusable, "PLACEHOLDER_USABLE_ADDRS": self.usable}

        def walk(x):
            if isinstance(x, dict):
                return {k: walk(v) for k, v in x.items()}
            if isinstance(x, list):
                return [walk(v) for v in x]
            return text.get(x, x) if isinstance(x, str) else x
        o = walk(o)
        spec = o.get("spec") or {}
        if self.shift:
            for x in (spec.get("listeners") or []) + (spec.get("parentRefs") or []):
                if "port" in x:
                    x["port"] = self.port(x["port"])
        return o

    def path(self, o):
        kind, ns, name = key(o)
        return os.path.join(ns or "_cluster", f"{kind.lower()}-{name}"[:200] + ".yaml")

    def save(self, o):
        self.objects[key(o)] = o
        if o["kind"] not in PLAYED:
            self.instance.put(o, name=self.path(o))

    def drop(self, k):
        o = self.objects.pop(k, None)
        if o and o["kind"] == "Deployment":
            for pod in self.pods.pop((k[1], k[2])):
                pod.stop()
        elif o and o["kind"] not in PLAYED:
            self.instance.remove(self.path(o))

    def apply(self, objs, status=(0, 2)):
        """Adds or replaces objects and reloads; returns their keys."""
        objs = [self.prepare(o) for o in objects.flat(objs)]
        for o in objs:
            self.save(o)
            if o["kind"] == "Deployment":
                self.deploy(o)
        self.slices()
        self.reload(status)
        return [key(o) for o in objs]

    def delete(self, keys):
        for k in reversed(keys):
            self.drop(k)
        self.slices()
        self.reload()

    def change(self, kind, name, edit, ns=INFRA):
        """edit(object) in place, then apply."""
        o = copy.deepcopy(self.objects[kind, ns, name])
        edit(o)
        self.save(o)
        self.reload()

    def reload(self, status=(0, 2)):
        self.addresses.clear()
        p = self.instance.cli("reload", "--wait")
        assert p.returncode in status, f"reload: exit {p.returncode}\n{p.stdout}{p.stderr}"

    # ---- controllers
    def deploy(self, o):
        ns, name = o["metadata"]["namespace"], o["metadata"]["name"]
        template = o["spec"]["template"]
        container = template["spec"]["containers"][0]
        env = {e["name"]: e.get("value") for e in container.get("env") or []}
        pods = self.pods.setdefault((ns, name), [])
        if "GRPC_ECHO_SERVER" in env and grpcs is None:
            return
        if "echo-basic" not in container["image"]:
            return
        letters = "bcdfghjklmnpqrstvwxz"
        hash_ = "".join(random.choices(letters, k=5))
        for _ in range(o["spec"].get("replicas", 1) - len(pods)):
            pod = f"{name}-{hash_}-{''.join(random.choices(letters, k=5))}"
            if "GRPC_ECHO_SERVER" in env:
                pods.append(grpcs.Pod(self.block.backend(), 3000, ns, pod))
            elif "UDP_ECHO_SERVER" in env:
                pods.append(l4.UdpEcho(self.block.backend(), 8080, pod))
            elif "TCP_ECHO_SERVER" in env:
                pods.append(TcpPod(self.block.backend(), ns, pod, self.pair()))
            elif "TLS_SERVER_CERT" in env:
                pods.append(backends.Echo(self.block.backend(), 8443, ns, "", pod))
                pods[-1].tls = tls.serving(self.signed, self.ca if "TLS_CLIENT_CACERTS" in env else None)
            else:
                pods.append(backends.Echo(self.block.backend(), int(env.get("HTTP_PORT") or 3000), ns, "", pod))
                if name == "infra-backend-v1":
                    self.h2c.append(backends.Either(pods[-1].host, 3001, ns, "", pod))
                    self.h2c[-1].prior = True

    def pair(self):
        """What the pods that speak TLS show."""
        if not self.pair_files:
            for name, text in certificate().items():
                path = os.path.join(self.instance.dir, name)
                with open(path, "wb") as f:
                    f.write(base64.b64decode(text))
                self.pair_files.append(path)
        return self.pair_files

    def slices(self):
        """An EndpointSlice for each Service with a selector."""
        made = set()
        for (kind, ns, name), o in list(self.objects.items()):
            selector = kind == "Service" and (o["spec"].get("selector") or {})
            if not selector:
                continue
            addresses = [getattr(p, "host", None) or p.address[0] for (pns, dep), pods in self.pods.items() for p in pods
                         if pns == ns and self.selects(selector, ns, dep)]
            ports = [{"name": p.get("name", ""), "port": p.get("targetPort", p["port"]), "protocol": p.get("protocol", "TCP"),
                      **({"appProtocol": p["appProtocol"]} if "appProtocol" in p else {})} for p in o["spec"]["ports"]]
            s = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                 "metadata": {"name": f"{name}-auto", "namespace": ns, "labels": {"kubernetes.io/service-name": name}},
                 "ports": ports,
                 "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses]}
            made.add(key(s))
            if self.objects.get(key(s)) != s:
                self.save(s)
        for k in [k for k in self.objects if k[0] == "EndpointSlice" and k[2].endswith("-auto") and k not in made]:
            self.drop(k)

    def selects(self, selector, ns, deployment):
        labels = self.objects["Deployment", ns, deployment]["spec"]["template"]["metadata"]["labels"]
        return all(labels.get(k) == v for k, v in selector.items())

    def pods_of(self, deployment, ns=INFRA):
        return self.pods[ns, deployment]

    def start_again(self):
        """The gateway ends, forgets everything, and starts on the folder as it is, written in libconfig and in another order
        of names."""
        self.instance.stop()
        for folder in (self.instance.manifests, self.instance.state):
            shutil.rmtree(folder)
            os.mkdir(folder)
        objs = [o for o in self.objects.values() if o["kind"] not in PLAYED]
        for i, o in enumerate(reversed(objs)):
            self.instance.put(o, name=f"{i:04}.conf")
        self.addresses.clear()
        self.instance.start()

    def write_again(self):
        """Back to one YAML file an object."""
        shutil.rmtree(self.instance.manifests)
        os.mkdir(self.instance.manifests)
        for o in self.objects.values():
            if o["kind"] not in PLAYED:
                self.instance.put(o, name=self.path(o))

    # ---- what it says
    def get(self, kind, name, ns=INFRA):
        return self.instance.get(kind.lower(), name, ns or "default")

    def address(self, gateway, port=80, ns=INFRA):
        if (ns, gateway) not in self.addresses:
            addresses = self.get("Gateway", gateway, ns)["status"].get("addresses") or []
            assert addresses and addresses[0]["type"], f"Gateway {gateway} has no address"
            self.addresses[ns, gateway] = addresses[0]["value"]
        return self.addresses[ns, gateway], self.port(port)

    def stop(self):
        self.instance.stop()
        for p in sum(self.pods.values(), self.h2c):
            p.stop()

    def kill(self):
        self.instance.kill()
        self.instance.clean()
        self.certificates.cleanup()
        self.block.close()


def certificate():
    """A self-signed certificate as a Secret's data (base64)."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=default",
                        "-addext", "subjectAltName=DNS:*.org,DNS:*.wildcard.org,DNS:secure.test.com",
                        "-keyout", f"{d}/key", "-out", f"{d}/crt"], check=True, capture_output=True)
        return {k: base64.b64encode(open(f"{d}/{f}", "rb").read()).decode() for k, f in
                (("tls.crt", "crt"), ("tls.key", "key"))}


def secret(name, ns, data):
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": ns}, "data": data}


def load(path):
    """The documents of a manifest file."""
    with open(path, encoding="utf-8") as f:
        return [d for d in yaml.safe_load_all(f) if d]


def pod_service(pod):
    return re.sub(r"-[^-]+-[^-]+$", "", pod)
