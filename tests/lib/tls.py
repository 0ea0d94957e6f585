"""Certificates by the openssl command, Secrets of them, and a TLS client that speaks HTTP/1.1."""
import os
import socket
import ssl
import subprocess

from .objects import meta
from .wait import DEADLINE


def openssl(*args, check=True, **kw):
    return subprocess.run(["openssl", *args], capture_output=True, text=True, check=check, timeout=60, **kw)


class Pair:
    """A key and its certificate, signed by `by` or by itself; rsa instead of ECDSA; days may be negative: expired."""

    def __init__(self, folder, name, sans=(), by=None, rsa=False, ca=False, days=30):
        base = os.path.join(str(folder), name)
        self.name, self.key, self.crt = name, base + ".key", base + ".crt"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        ext = ["-addext", "basicConstraints=critical,CA:" + ("TRUE" if ca else "FALSE")]
        if sans:
            ext += ["-addext", "subjectAltName=" + ",".join(s if s.startswith(("URI:", "IP:")) else "DNS:" + s for s in sans)]
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-keyout", self.key, "-out", base + ".csr", "-subj", "/CN=" + name, *ext)
        sign = ["-CA", by.crt, "-CAkey", by.key, "-CAcreateserial"] if by else ["-signkey", self.key]
        openssl("x509", "-req", "-in", base + ".csr", "-copy_extensions", "copy", "-days", str(days), "-out", self.crt, *sign)

    def text(self, what):
        with open(getattr(self, what), encoding="ascii") as f:
            return f.read()


def crl(folder, ca, *revoked):
    """PEM of a list of revoked certificates, signed by ca."""
    base = os.path.join(str(folder), "revoked")
    with open(base + ".cnf", "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={base}.index\ncrlnumber={base}.number\ndefault_md=sha256\ndefault_crl_days=30\n")
    for name, text in ((".index", ""), (".number", "01\n")):
        with open(base + name, "w", encoding="ascii") as f:
            f.write(text)
    sign = ["-config", base + ".cnf", "-cert", ca.crt, "-keyfile", ca.key]
    for pair in revoked:
        openssl("ca", *sign, "-revoke", pair.crt)
    return openssl("ca", *sign, "-gencrl").stdout


def ocsp(folder, ca, pair):
    """DER of a response that says good."""
    base = os.path.join(str(folder), "ocsp")
    serial = openssl("x509", "-in", pair.crt, "-noout", "-serial").stdout.strip().split("=")[1]
    with open(base + ".index", "w", encoding="ascii") as f:
        f.write(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={pair.name}\n")
    openssl("ocsp", "-issuer", ca.crt, "-cert", pair.crt, "-reqout", base + ".req")
    openssl("ocsp", "-index", base + ".index", "-rsigner", ca.crt, "-rkey", ca.key, "-CA", ca.crt, "-reqin", base + ".req",
            "-respout", base + ".der", "-ndays", "7")
    with open(base + ".der", "rb") as f:
        return f.read()


def hello(sni):
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = context().wrap_bio(incoming, outgoing, server_hostname=sni)
    try:
        c.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def secret(name, pair, ns="default", key=None):
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": meta(name, ns),
            "stringData": {"tls.crt": pair.text("crt"), "tls.key": (key or pair).text("key")}}


def ca_map(name, pair, ns="default"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(name, ns), "data": {"ca.crt": pair.text("crt")}}


def listener(name, port, *secrets, hostname=None, **more):
    refs = [s if isinstance(s, dict) else {"name": s} for s in secrets]
    return {"name": name, "port": port, "protocol": "HTTPS", "tls": {"certificateRefs": refs},
            **({"hostname": hostname} if hostname else {}), **more}


def context(own=None, version=None, alpn=("http/1.1",)):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) # without the system's store, which takes its time
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if own:
        c.load_cert_chain(own.crt, own.key)
    if version:
        c.minimum_version = c.maximum_version = version
    if alpn:
        c.set_alpn_protocols(list(alpn))
    return c


def serving(pair, ca=None, alpn=("http/1.1",), version=None):
    """A backend's context: its certificate; with ca, clients need one of that."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(pair.crt, pair.key)
    if ca:
        c.load_verify_locations(ca.crt)
        c.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        c.set_alpn_protocols(list(alpn))
    if version:
        c.minimum_version = c.maximum_version = version

    def sni(sock, name, _):
        sock.sni = name
    c.sni_callback = sni
    return c


def policy(name, target, ca, hostname, *sans, section=None, ns="default", **validation):
    """A BackendTLSPolicy on a Service; ca None: the machine's."""
    who = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": ca}]} if ca else {"wellKnownCACertificates": "System"}
    names = [{"type": "URI", "uri": s} if ":" in s else {"type": "Hostname", "hostname": s} for s in sans]
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy", "metadata": meta(name, ns),
            "spec": {"targetRefs": [{"group": "", "kind": "Service", "name": target, **({"sectionName": section} if section else {})}],
                     "validation": {**who, "hostname": hostname, **({"subjectAltNames": names} if names else {}), **validation}}}


class Client:
    """One TLS connection. sni None: none is sent."""

    def __init__(self, address, sni, ctx=None, session=None):
        raw = socket.create_connection(address, timeout=DEADLINE)
        try:
            self.sock = (ctx or context()).wrap_socket(raw, server_hostname=sni, session=session)
        except BaseException:
            raw.close()
            raise
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def ask(self, host, target="/", fields=()):
        """(status, headers, body)"""
        self.sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{''.join(f + chr(13) + chr(10) for f in fields)}\r\n".encode())
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        fields = {}
        while (field := self.file.readline().rstrip(b"\r\n")):
            k, _, v = field.decode().partition(":")
            fields[k.lower()] = v.strip()
        return int(line.split()[1]), fields, self.file.read(int(fields.get("content-length", 0)))

    def subject(self):
        """CN of what the server shows."""
        der = self.sock.getpeercert(True)
        out = openssl_der(der)
        return out.rpartition("CN = ")[2].strip()


def openssl_der(der):
    p = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], input=der, capture_output=True, check=True, timeout=60)
    return p.stdout.decode()


def ask(address, sni, host=None, target="/", **kw):
    with Client(address, sni, **kw) as c:
        return c.ask(host or sni, target)


def refused(address, sni, **kw):
    """Does the handshake (or, in TLS 1.3, the first answer) fail?"""
    try:
        ask(address, sni, host=sni or "none.test", **kw)
    except (ssl.SSLError, ConnectionError):
        return True
    return False
