"""HTTP/2 by the byte: frames that no library would send, and what comes back."""
import socket
import struct

from hpack import Decoder, Encoder

from lib.wait import DEADLINE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
HEAD = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h.example")]


def frame(kind, flags=0, sid=0, payload=b"", length=None):
    return struct.pack(">I", len(payload) if length is None else length)[1:] + bytes([kind, flags]) + struct.pack(">I", sid) + payload


def u32(n):
    return struct.pack(">I", n)


class Raw:
    """A connection whose preface and empty SETTINGS were sent."""

    def __init__(self, address, settings=b"", sock=None):
        self.sock = sock or socket.create_connection(address, DEADLINE)
        self.sock.settimeout(DEADLINE)
        self.enc, self.dec, self.buf, self.frames, self.ended = Encoder(), Decoder(), b"", [], False
        self.heads = {}  # by stream, of what came
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """False: the other side has closed."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def head(self, sid, fields=None, flags=END_STREAM | END_HEADERS, more=()):
        return frame(HEADERS, flags, sid, self.enc.encode(list(fields or HEAD) + list(more), huffman=False))

    def step(self):
        """Reads once. False: the end."""
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, BlockingIOError):
            raise
        except OSError:
            data = b""
        self.ended = not data
        self.buf += data
        while len(self.buf) >= 9:
            n = int.from_bytes(self.buf[:3], "big")
            if len(self.buf) < 9 + n:
                break
            kind, flags, sid = self.buf[3], self.buf[4], int.from_bytes(self.buf[5:9], "big") & 0x7fffffff
            self.frames.append((kind, flags, sid, self.buf[9:9 + n]))
            self.buf = self.buf[9 + n:]
            if kind == HEADERS:  # answers here fit into one frame
                self.heads.setdefault(sid, dict(self.dec.decode(self.frames[-1][3])))
        return not self.ended

    def of(self, kind, sid=None):
        return [f for f in self.frames if f[0] == kind and sid in (None, f[2])]

    def until(self, condition):
        while not condition():
            if not self.step():
                raise EOFError(self.frames)

    def answered(self, sid):
        """Reads on until the stream has ended."""
        self.until(lambda: [f for f in self.frames if f[2] == sid and (f[0] == RST or f[1] & END_STREAM)])
        return self.heads.get(sid)

    def rest(self):
        """Everything until the other side ends. Returns (codes of RST_STREAM, code of GOAWAY or None)."""
        while self.step():
            pass
        away = self.of(GOAWAY)
        return [int.from_bytes(f[3][:4], "big") for f in self.of(RST)], \
            int.from_bytes(away[-1][3][4:8], "big") if away else None

    def try_send(self, data):
        """Sends and reads what is there, without waiting. False: the other side has closed."""
        if not self.send(data):
            return False
        self.sock.setblocking(False)
        try:
            while self.step():
                pass
        except BlockingIOError:
            self.ended = False
        finally:
            self.sock.settimeout(DEADLINE)
        return not self.ended
