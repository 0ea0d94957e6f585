"""PROXY protocol headers, both versions: made, and read off a connection."""
import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(src, dst, sport=1111, dport=2222):
    return f"PROXY TCP{ipaddress.ip_address(src).version} {src} {dst} {sport} {dport}\r\n".encode()


def v2(src=None, dst=None, sport=1111, dport=2222, tlvs=b"", command=1):
    if src is None:
        return SIGNATURE + bytes([0x20 | command, 0]) + struct.pack(">H", len(tlvs)) + tlvs
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    body = a.packed + b.packed + struct.pack(">HH", sport, dport) + tlvs
    return SIGNATURE + bytes([0x20 | command, 0x11 if a.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


def local():
    return v2(command=0)


class Bare:
    """Reads off a socket not one byte more than asked for: what follows a header is somebody else's."""

    def __init__(self, sock):
        self.sock = sock

    def read(self, n):
        out = b""
        while len(out) < n:
            got = self.sock.recv(n - len(out))
            if not got:
                raise EOFError
            out += got
        return out

    def read_until(self, mark):
        out = b""
        while not out.endswith(mark):
            out += self.read(1)
        return out


def read(peer):
    """(version, src, dst, sport, dport) of the header that peer's bytes begin with, src None where none is said."""
    if peer.read(1) == b"P":
        words = (b"P" + peer.read_until(b"\r\n")).decode("ascii")[:-2].split(" ")
        assert words[0] == "PROXY", words
        if words[1] == "UNKNOWN":
            return 1, None, None, 0, 0
        assert words[1] in ("TCP4", "TCP6") and len(words) == 6, words
        return 1, words[2], words[3], int(words[4]), int(words[5])
    head = b"\r" + peer.read(15)
    assert head.startswith(SIGNATURE) and head[12] in (0x20, 0x21), head
    body = peer.read(struct.unpack(">H", head[14:])[0])
    size = {0x00: 0, 0x11: 4, 0x21: 16}[head[13]]
    if head[12] == 0x20 or size == 0:
        return 2, None, None, 0, 0
    ips = [str(ipaddress.ip_address(body[i * size:(i + 1) * size])) for i in (0, 1)]
    return 2, *ips, *struct.unpack(">HH", body[2 * size:2 * size + 4])
