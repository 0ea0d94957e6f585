"""HTTP/2 peers that send what a test wants: python3-h2 on a socket, as client and as backend."""
import socket
import threading

import pytest
from h2 import config, connection, events, exceptions, settings

from lib.wait import DEADLINE


class Peer:
    """python3-h2 on a connected socket, as the client or as a server."""

    def __init__(self, sock, initial=None, **conf):
        self.sock, self.events = sock, []
        self.c = connection.H2Connection(config.H2Configuration(header_encoding="utf-8", **conf))
        if initial:
            self.c.local_settings = initial
        self.c.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.sock.close()

    def flush(self):
        self.sock.sendall(self.c.data_to_send())

    def step(self):
        data = self.sock.recv(65536)
        if not data:
            return False
        for e in self.c.receive_data(data):
            if isinstance(e, events.DataReceived) and e.flow_controlled_length:
                self.c.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            self.events.append(e)
        self.flush()
        return True

    def of(self, sid, kind):
        return [e for e in self.events if isinstance(e, kind) and e.stream_id == sid]


class Client(Peer):
    """What python3-h2 does not check, tests can send. sock: a connection that is there, with TLS on it for example."""

    def __init__(self, address=None, sock=None):
        super().__init__(sock or socket.create_connection(address, timeout=DEADLINE), client_side=True,
                         validate_outbound_headers=False, normalize_outbound_headers=False)

    def request(self, *more, method="GET", path="/", authority="h.example", body=None, end=True, trailers=None):
        sid = self.c.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority), *more]
        self.c.send_headers(sid, head, end_stream=end and body is None and trailers is None)
        if body is not None:
            self.c.send_data(sid, body, end_stream=end and trailers is None)
        if trailers:
            self.c.send_headers(sid, trailers, end_stream=True)
        self.flush()
        return sid

    def response(self, sid):
        """(status, headers, body, trailers); raises ConnectionResetError(code) for a reset."""
        while not self.of(sid, (events.StreamEnded, events.StreamReset)):
            if not self.step():
                raise EOFError
        heads = self.of(sid, events.ResponseReceived)
        if not heads or not self.of(sid, events.StreamEnded):
            raise ConnectionResetError(self.of(sid, events.StreamReset)[0].error_code)
        headers = dict(heads[0].headers)
        body = b"".join(e.data for e in self.of(sid, events.DataReceived))
        trailers = [dict(e.headers) for e in self.of(sid, events.TrailersReceived)]
        return int(headers[":status"]), headers, body, trailers[0] if trailers else None


@pytest.fixture
def h2_backend(block):
    """h2_backend(handle): each connection is given to handle(peer), a Peer that is the server."""
    open_ = []

    def start(handle, connects=False):  # connects: offers extended CONNECT in its first settings
        sock = socket.create_server((block.backend(), 3000))
        open_.append(sock)

        def serve():
            while True:
                try:
                    conn, _ = sock.accept()
                except OSError:
                    return
                threading.Thread(target=run, args=(conn,), daemon=True).start()

        def run(conn):
            conn.settimeout(DEADLINE)
            initial = settings.Settings(client=False, initial_values={
                settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1, settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100})
            try:
                handle(Peer(conn, initial if connects else None, client_side=False))
            except (OSError, EOFError, exceptions.ProtocolError):
                pass
            finally:
                conn.close()
        threading.Thread(target=serve, daemon=True).start()
        return sock.getsockname()[:2]
    yield start
    for s in open_:
        s.shutdown(socket.SHUT_RDWR)  # wakes accept()
        s.close()


def next_request(peer, seen):
    while True:
        for e in peer.events:
            if isinstance(e, events.StreamEnded) and e.stream_id not in seen:
                seen.add(e.stream_id)
                return e.stream_id, dict(peer.of(e.stream_id, events.RequestReceived)[0].headers)
        if not peer.step():
            raise EOFError


class Pipe:
    """One stream as a wire of bytes (RFC 8441): send, read, read_all."""

    def __init__(self, peer, sid):
        self.peer, self.sid, self.at, self.buf = peer, sid, 0, bytearray()

    def fill(self):
        """False: the stream has ended."""
        while self.at == len(self.peer.events):
            if not self.peer.step():
                raise EOFError
        e = self.peer.events[self.at]
        self.at += 1
        if getattr(e, "stream_id", None) != self.sid:
            return True
        if isinstance(e, events.DataReceived):
            self.buf += e.data
        if isinstance(e, events.StreamReset):
            raise ConnectionResetError(e.error_code)
        return not isinstance(e, events.StreamEnded)

    def read(self, n):
        while len(self.buf) < n:
            if not self.fill():
                raise EOFError
        out = bytes(self.buf[:n])
        del self.buf[:n]
        return out

    def read_all(self):
        while self.fill():
            pass
        return bytes(self.buf)

    def send(self, data, end=False):
        while data:
            room = min(self.peer.c.local_flow_control_window(self.sid), self.peer.c.max_outbound_frame_size)
            if not room:
                if not self.peer.step():
                    raise EOFError
                continue
            self.peer.c.send_data(self.sid, data[:room])
            data = data[room:]
            self.peer.flush()
        if end:
            self.peer.c.end_stream(self.sid)
            self.peer.flush()


def connect(c, *more, protocol="websocket", path="/ws", authority="h.example", scheme="http", early=b""):
    """Asks for a tunnel. Returns (status, headers, Pipe)."""
    sid = c.c.get_next_available_stream_id()
    c.c.send_headers(sid, [(":method", "CONNECT"), (":protocol", protocol), (":scheme", scheme), (":path", path),
                           (":authority", authority), ("sec-websocket-version", "13"), *more])
    if early:
        c.c.send_data(sid, early)
    c.flush()
    while not c.of(sid, (events.ResponseReceived, events.StreamReset)):
        if not c.step():
            raise EOFError
    if not c.of(sid, events.ResponseReceived):
        raise ConnectionResetError(c.of(sid, events.StreamReset)[0].error_code)
    head = dict(c.of(sid, events.ResponseReceived)[0].headers)
    return int(head[":status"]), head, Pipe(c, sid)
