"""WebSocket by hand, for both sides: handshake and frames over anything that has send() and read(n)."""
import base64
import hashlib
import os

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def nonce():
    return base64.b64encode(os.urandom(16)).decode()


def frame(opcode, payload=b"", mask=False, fin=True):
    n = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    m = 0x80 if mask else 0
    if n < 126:
        head += bytes([m | n])
    elif n < 65536:
        head += bytes([m | 126]) + n.to_bytes(2, "big")
    else:
        head += bytes([m | 127]) + n.to_bytes(8, "big")
    if mask:
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))
    return head + payload


def read_frame(wire):
    """(opcode, payload)"""
    a, b = wire.read(2)
    n = b & 127
    if n > 125:
        n = int.from_bytes(wire.read(2 if n == 126 else 8), "big")
    key = wire.read(4) if b & 128 else b"\0\0\0\0"
    return a & 15, bytes(c ^ key[i % 4] for i, c in enumerate(wire.read(n)))


def asks(target="/ws", protocol="websocket", key="dGhlIHNhbXBsZSBub25jZQ==", host="h", extra=()):
    """The bytes of a request for an upgrade."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", f"Upgrade: {protocol}",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def switch(peer, request=None, protocol="websocket"):
    """Answers a request for an upgrade with 101. Returns the request."""
    r = request or peer.request_head()
    peer.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
              f"Sec-WebSocket-Accept: {accept(r.headers.get('sec-websocket-key') or '')}\r\n\r\n")
    return r


def echo(peer, request=None):
    """A backend's handler: echoes messages, answers pings and Close."""
    r = switch(peer, request)
    while True:
        opcode, data = read_frame(peer)
        peer.send(frame({PING: PONG}.get(opcode, opcode), data))
        if opcode == CLOSE:
            return r
