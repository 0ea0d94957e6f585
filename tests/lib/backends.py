"""Backends in plain Python: an echo that answers as the conformance suite's does, and programmable raw ones."""
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from urllib.parse import parse_qs, urlsplit

from . import ws
from .http1 import Closed, Wire
from .wait import DEADLINE, wait_for


class Request:
    def __init__(self, line, fields):
        self.method, self.target, self.version = line.split(" ")
        self.headers, self.body, self.trailers = fields, b"", []

    @property
    def host(self):
        return self.headers.get("host", "")

    def __repr__(self):
        return f"<{self.method} {self.target} {list(self.headers)} {len(self.body)} bytes>"


class Peer(Wire):
    """A connection that the gateway made."""

    def request_head(self):
        return Request(*self.read_head())

    def request_body(self, r):
        if (r.headers.get("transfer-encoding") or "").lower() == "chunked":
            r.body = self.read_chunked()
            r.trailers = self.trailers
        elif "content-length" in r.headers:
            r.body = self.read(int(r.headers.get("content-length")))
        return r

    def request(self):
        return self.request_body(self.request_head())

    def respond(self, status=200, headers=(), body=b"", reason="OK"):
        head = [f"HTTP/1.1 {status} {reason}"] + [f"{n}: {v}" for n, v in headers]
        if not any(n.lower() in ("content-length", "transfer-encoding") for n, _ in headers):
            head.append(f"Content-Length: {len(body)}")
        self.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body)

    def stall(self):
        """Reads on, answers nothing, until the gateway ends the connection."""
        return self.read_all()


class Backend:
    """Listens and runs handle(peer) in a thread for each connection. `.connections` counts them, `.open` is how many are
    open, `.errors` is what handlers raised (but not the gateway ending a connection). `.tls`, an ssl.SSLContext, makes
    every connection one of TLS; `.refused` has what handshakes failed with."""

    tls = None

    def __init__(self, host, port=3000, handle=None, backlog=512):
        if handle:
            self.handle = handle
        self.host, self.port = host, port
        self.connections, self.open, self.errors, self.refused = 0, 0, [], []
        self.lock, self.peers, self.stopping = threading.Lock(), set(), False
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        self.port = self.sock.getsockname()[1]
        self.sock.listen(backlog)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return self.host, self.port

    def _accept(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            if self.stopping:
                s.close()
                return
            with self.lock:
                self.connections += 1
                self.open += 1
            threading.Thread(target=self._shake if self.tls else self._serve, args=(s if self.tls else Peer(s),), daemon=True).start()

    def _shake(self, s):
        try:
            s.settimeout(DEADLINE)
            s = self.tls.wrap_socket(s, server_side=True)
        except OSError as e:
            s.close()
            with self.lock:
                self.refused.append(e)
                self.open -= 1
            return
        self._serve(Peer(s))

    def _serve(self, peer):
        with self.lock:
            self.peers.add(peer)
        try:
            self.handle(peer)
        except (Closed, BrokenPipeError, ConnectionError, socket.timeout, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        except OSError as e:
            if not self.stopping:
                self.errors.append(e)
        except Exception as e:  # pylint: disable=broad-except
            self.errors.append(e)
        finally:
            peer.close()
            with self.lock:
                self.peers.discard(peer)
                self.open -= 1

    def stop(self):
        """Ends listening and every connection."""
        self.stopping = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(DEADLINE)
        with self.lock:
            peers = list(self.peers)
        for p in peers:
            with contextlib.suppress(OSError):
                p.sock.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: self.open == 0, "handlers of a backend to end")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def duration(text):
    unit = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(n) * unit[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text))


def canonical(name):
    return "-".join(w.capitalize() for w in name.split("-"))


class Echo(Backend):
    """Answers JSON about the request; `.requests` has them all. Parameters of the query: delay=1s; on /retry/…: uuid,
    succeedAfter, responseCode, delayRetry; /status/NNN answers NNN; X-Echo-Set-Header: a:b, c:d. /ws echoes WebSocket messages."""

    def __init__(self, host, port=3000, namespace="", service="", pod="", record=True):
        self.who = {"namespace": namespace, "ingress": "", "service": service, "pod": pod}
        self.requests, self.log, self.tries, self.record = [], [], {}, record
        super().__init__(host, port)

    def handle(self, peer):
        while True:
            r = peer.request_head()
            if (r.headers.get("expect") or "").lower() == "100-continue":
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.request_body(r)
            if self.record:
                self.requests.append(r)
            if r.target == "/ws" and (r.headers.get("upgrade") or "").lower() == "websocket":
                ws.echo(peer, r)
                return
            if not self.answer(peer, r) or r.version == "HTTP/1.0" or \
                    (r.headers.get("connection") or "").lower() == "close":
                return

    def answer(self, peer, r):
        url = urlsplit("//h" + r.target if r.target.startswith("/") else r.target)
        query = {k: v[-1] for k, v in parse_qs(url.query).items()}
        path = url.path.replace("//", "/")
        if path == "/health":
            peer.respond(200, [("Content-Type", "text/plain")], b"OK")
            return True
        m = re.fullmatch(r"/status/(\d\d\d)", path)
        if m:
            peer.respond(int(m[1]))
            return True
        if path.startswith("/retry/"):
            fate = self.fail(query)
            if fate is not None:
                time.sleep(duration(query.get("delayRetry", "")))  # the backend's slowness is what is tested
                if fate == 0:
                    peer.reset()
                    return False
                peer.respond(fate, reason="Failure")
                return True
        self.log.append(f"Echoing back request made to {r.target} to client")
        time.sleep(duration(query.get("delay", "")))
        self.echo(peer, r)
        return True

    def fail(self, query):
        """None: answer; 0: reset; else the status to fail with."""
        with self.lock:
            tries = self.tries.get(query["uuid"], 0)
            if tries >= int(query["succeedAfter"]):
                return None
            self.tries[query["uuid"]] = tries + 1
        return int(query.get("responseCode", 0))

    def secured(self, peer):
        if not self.tls:
            return {}
        der = peer.sock.getpeercert(True)
        return {"tls": {"version": peer.sock.version(), "sni": getattr(peer.sock, "sni", None), "resumed": peer.sock.session_reused,
                        "alpn": peer.sock.selected_alpn_protocol(), "client": der and hashlib.sha256(der).hexdigest()}}

    def echo(self, peer, r):
        headers = {}
        for n, v in r.headers:
            if n.lower() != "host":
                headers.setdefault(canonical(n), []).append(v)
        extra = {}
        for one in r.headers.all("X-Echo-Set-Header"):
            for pair in one.split(","):
                n, _, v = pair.strip().partition(":")
                extra[n] = extra[n] + "," + v.strip() if n in extra else v
        body = json.dumps({"path": r.target, "host": r.host, "method": r.method, "proto": r.version, "headers": headers,
                           "httpPort": str(self.port), "bodyBytes": len(r.body), **self.who, **self.secured(peer)}).encode()
        head = [("Content-Type", "application/json"), *extra.items()]
        if r.method == "HEAD":
            peer.respond(200, [*head, ("Content-Length", len(body))])
        else:
            peer.respond(200, head, body)


class Either(Echo):
    """HTTP/2 where ALPN chose it, or from the start (`prior`), else HTTP/1.1. Needs python3-h2 for the former."""

    prior = False

    def handle(self, peer):
        if not self.prior and not (self.tls and peer.sock.selected_alpn_protocol() == "h2"):
            super().handle(peer)
            return
        from . import h2peer
        p, done = h2peer.Peer(peer.sock, client_side=False), set()
        while True:
            try:
                sid, head = h2peer.next_request(p, done)
            except EOFError:
                return
            headers = {canonical(n): [v] for n, v in head.items() if n[0] != ":"}
            body = {"path": head[":path"], "host": head[":authority"], "method": head[":method"], "proto": "HTTP/2.0",
                    "headers": headers, "httpPort": str(self.port), **self.who, **self.secured(peer)}
            p.c.send_headers(sid, [(":status", "200")])
            p.c.send_data(sid, json.dumps(body).encode(), end_stream=True)
            p.flush()


class Script(Backend):
    """Runs one of the given handlers for each connection, the last one for all further ones."""

    def __init__(self, host, port=3000, *handlers):
        self.handlers, self.at = list(handlers), 0
        super().__init__(host, port)

    def handle(self, peer):
        with self.lock:
            h = self.handlers[min(self.at, len(self.handlers) - 1)]
            self.at += 1
        h(peer)


def says(data, close=True):
    """A handler: reads a request, sends these bytes, then ends the connection or waits for the gateway to."""

    def handle(peer):
        peer.request()
        peer.send(data)
        if not close:
            peer.stall()
    return handle
