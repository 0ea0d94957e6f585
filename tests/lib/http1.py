"""Raw HTTP/1 for both sides: what was on the wire, never prettified."""
import re
import socket
import ssl
import struct

from .wait import DEADLINE


class Closed(Exception):
    """The other side ended the connection; .data is what had come until then, .reset says how."""

    def __init__(self, data, reset=False):
        super().__init__(f"connection {'reset' if reset else 'closed'} after {bytes(data)!r}")
        self.data, self.reset = bytes(data), reset


class Fields(list):
    """List of (name, value), as on the wire."""

    def get(self, name, default=None):
        values = self.all(name)
        return ",".join(values) if values else default

    def all(self, name):
        return [v for n, v in self if n.lower() == name.lower()]

    def __contains__(self, name):
        return isinstance(name, str) and bool(self.all(name)) or list.__contains__(self, name)


class Wire:
    """A connected socket with a read buffer."""

    def __init__(self, sock):
        self.sock, self.buf = sock, bytearray()
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, (bytes, bytearray)) else data.encode("latin-1"))

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            raise Closed(self.buf, reset=True) from None
        if not data:
            raise Closed(self.buf)
        self.buf += data

    def take(self, n):
        out = bytes(self.buf[:n])
        del self.buf[:n]
        return out

    def read(self, n):
        while len(self.buf) < n:
            self.fill()
        return self.take(n)

    def read_until(self, mark):
        while True:
            at = self.buf.find(mark)
            if at >= 0:
                return self.take(at + len(mark))
            self.fill()

    def read_all(self):
        """Everything until the other side ends the connection. Returns (data, reset)."""
        try:
            while True:
                self.fill()
        except Closed as e:
            self.buf.clear()
            return e.data, e.reset

    def read_head(self):
        """(first line, Fields)"""
        lines = self.read_until(b"\r\n\r\n")[:-4].split(b"\r\n")
        fields = Fields()
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
        return lines[0].decode("latin-1"), fields

    def read_chunk(self):
        """One chunk's data; b"" at the last one, whose trailers are then in .trailers."""
        size = int(self.read_until(b"\r\n").split(b";")[0], 16)
        if size:
            data = self.read(size)
            assert self.read(2) == b"\r\n", "chunk data not followed by CRLF"
            return data
        self.trailers = Fields()
        while True:
            line = self.read_until(b"\r\n")[:-2]
            if not line:
                return b""
            name, _, value = line.partition(b":")
            self.trailers.append((name.decode("latin-1"), value.strip().decode("latin-1")))

    def read_chunked(self):
        body = bytearray()
        while True:
            data = self.read_chunk()
            if not data:
                return bytes(body)
            body += data

    def half_close(self):
        socket.socket.shutdown(self.sock, socket.SHUT_WR)  # of an ssl.SSLSocket too, which would forget its keys

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Response:
    def __init__(self, line, fields):
        m = re.fullmatch(r"(HTTP/1\.[01]) (\d\d\d) ?(.*)", line)
        assert m, f"not a status line: {line!r}"
        self.version, self.status, self.reason = m[1], int(m[2]), m[3]
        self.headers, self.body, self.trailers, self.informational = fields, b"", Fields(), []
        self.closed = False

    def json(self):
        import json
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {list(self.headers)} {self.body[:200]!r}>"


def encrypted(sock):
    """A connected socket, with TLS on it if Client.secure says so."""
    if Client.secure is None:
        return sock
    try:
        return Client.secure.wrap_socket(sock, server_hostname="h.test")
    except ssl.SSLError as e:
        sock.close()
        raise ConnectionResetError(str(e)) from e


class Client(Wire):
    """A client's connection."""
    secure = None  # the ssl.SSLContext that all clients use, or None

    def __init__(self, host, port, source=None):
        super().__init__(encrypted(socket.create_connection((host, port), DEADLINE, source and (source, 0))))
        self.peer = (host, port)

    def pieces(self, data, size=1):
        for i in range(0, len(data), size):
            self.send(data[i:i + size])

    def request(self, method="GET", target="/", host=None, headers=(), body=None, version="HTTP/1.1"):
        """Sends a request; body bytes get a Content-Length."""
        head = [f"{method} {target} {version}"]
        names = {n.lower() for n, _ in headers}
        if "host" not in names:
            default = self.peer[0] if self.peer[1] == 80 else f"{self.peer[0]}:{self.peer[1]}"
            head.append(f"Host: {default if host is None else host}")
        head += [f"{n}: {v}" for n, v in headers]
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            head.append(f"Content-Length: {len(body)}")
        self.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + (body or b""))

    def response_head(self):
        """The final response's head, 1xx ones in .informational."""
        informational = []
        while True:
            r = Response(*self.read_head())
            if r.status >= 200 or r.status == 101:
                r.informational = informational
                return r
            informational.append(r)

    def response_body(self, r, method="GET"):
        if method == "HEAD" or r.status in (204, 304) or (method == "CONNECT" and r.status < 300):
            pass
        elif (r.headers.get("transfer-encoding") or "").lower() == "chunked":
            r.body = self.read_chunked()
            r.trailers = self.trailers
        elif "content-length" in r.headers:
            r.body = self.read(int(r.headers.get("content-length")))
        else:
            r.body, r.reset = self.read_all()
            r.closed = True
        return r

    def response(self, method="GET"):
        return self.response_body(self.response_head(), method)

    def ask(self, method="GET", target="/", **kw):
        self.request(method, target, **kw)
        return self.response(method)


def ask(address, method="GET", target="/", headers=(), **kw):
    """One request on a connection of its own."""
    with Client(*address) as c:
        return c.ask(method, target, headers=[*headers, ("Connection", "close")], **kw)
