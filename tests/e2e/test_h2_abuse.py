"""HTTP/2 abuse (reference/reliability.md section 7): each flood is bounded, ends with ENHANCE_YOUR_CALM and is counted; each
broken frame ends its stream or connection with the code that RFC 9113 names. All frames by hand."""
import pytest

from lib import http1, objects as o
from lib.backends import Backend
from lib.wait import wait_for

pytest.importorskip("h2.connection")
from lib.h2raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST, SETTINGS, WINDOW,  # noqa: E402
                       Raw, frame, u32)

PORT = 8080
PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 1, 2, 3, 5, 6, 7, 8, 9, 11
POST = [(":method", "POST"), (":scheme", "http"), (":path", "/p"), (":authority", "h.example")]


class Counting(Backend):
    """Answers; .seen counts requests, .targets has their lines."""
    seen = 0
    targets = ()

    def handle(self, peer):
        while True:
            r = peer.request_head()
            self.seen += 1
            self.targets += (r.target,)
            peer.request_body(r)
            peer.respond(200, body=b"x" * 100)


@pytest.fixture(scope="module")
def site(request):
    from lib.block import Block
    from lib.gateway import Instance
    b = Block()
    backend = Counting(b.backend())
    g = Instance(o.gateway(port=PORT), o.route(rules=[o.rule("web")]), o.service("web", backend.address), pool=b.pool,
                 conf='limits = { write_timeout = "500ms"; };').start()
    yield g, backend
    try:
        g.stop()
    finally:
        g.kill()
        g.clean()
        backend.stop()
        b.close()


def streams(c, make):
    """Whatever make(stream id) gives, for stream after stream."""
    for sid in range(1, 1 << 20, 2):
        yield make(c, sid)


FLOODS = {
    "rapid reset": lambda c: streams(c, lambda c, i: c.head(i, POST, END_HEADERS) + frame(RST, 0, i, u32(8))),
    "made you reset: window": lambda c: streams(c, lambda c, i: c.head(i, POST, END_HEADERS) + frame(WINDOW, 0, i, u32(0x7fffffff))),
    "made you reset: zero window": lambda c: streams(c, lambda c, i: c.head(i, POST, END_HEADERS) + frame(WINDOW, 0, i, u32(0))),
    "made you reset: length": lambda c: streams(c, lambda c, i: c.head(i, POST, END_HEADERS, [("content-length", "5")]) +
                                                frame(DATA, END_STREAM, i, b"x")),
    "made you reset: priority": lambda c: streams(c, lambda c, i: c.head(i, POST, END_HEADERS) +
                                                  frame(PRIORITY, 0, i, u32(i) + b"\0")),
    "malformed": lambda c: streams(c, lambda c, i: c.head(i, more=[("connection", "close")])),
    "no fields": lambda c: streams(c, lambda c, i: frame(HEADERS, END_STREAM | END_HEADERS, i)),
    "ping": lambda c: iter(lambda: frame(PING, 0, 0, b"12345678"), None),
    "ping, answered": lambda c: iter(lambda: frame(PING, 1, 0, b"12345678"), None),
    "settings": lambda c: iter(lambda: frame(SETTINGS, payload=b"\0\4\0\1\0\0"), None),
    "priority": lambda c: iter(lambda: frame(PRIORITY, 0, 3, u32(0) + b"\x10"), None),
    "unknown": lambda c: iter(lambda: frame(0x42, 0, 0, b"?"), None),
    "window": lambda c: iter(lambda: frame(WINDOW, 0, 0, u32(1)), None),
    "empty data": lambda c: iter([c.head(1, POST, END_HEADERS)] + [frame(DATA, 0, 1)] * 20000),
    "empty continuation": lambda c: iter([c.head(1, flags=END_STREAM)] + [frame(CONTINUATION, 0, 1)] * 20000),
    "continuation": lambda c: iter([c.head(1, flags=END_STREAM)] + [frame(CONTINUATION, 0, 1, bytes([0, 1, 97, 1, 98]) * 3000)] * 300),
    "closed streams": lambda c: iter([frame(RST, 0, 0)] * 0 + [c.head(1, POST, END_HEADERS) + frame(WINDOW, 0, 1, u32(0x7fffffff))] +
                                     [frame(DATA, 0, 1, b"x")] * 20000),
}


# Already the first one is an error of the connection.
SINGLE = ("made you reset: zero window", "made you reset: priority", "empty continuation")


def ended(g):
    return g.metric("h2_floods") + g.metric("h2_errors")


@pytest.mark.parametrize("name", FLOODS)
def test_flood(site, name):
    g, backend = site
    before, asked = ended(g), backend.seen
    sent = 0
    with Raw(g.address()) as c:
        for piece in FLOODS[name](c):
            sent += 1
            if not c.try_send(piece):
                break
            assert sent < 20000, "nobody minds"
        codes, away = c.rest()
    assert away in (CALM, None, PROTOCOL_ERROR if name in SINGLE else None), (codes, away, c.frames[-6:], sent)
    wait_for(lambda: ended(g) == before + 1, "the flood to be counted")
    assert backend.seen - asked < 300
    assert http1.ask(g.address()).status == 200


def test_flood_that_reads_nothing(site):
    """What a peer makes us say waits in the kernel, not here."""
    g, _ = site
    with Raw(g.address()) as c:
        c.sock.settimeout(5)
        while c.send(frame(PING, 0, 0, b"12345678") * 100):
            pass
        assert c.rest()[1] in (CALM, None)


def test_hpack_bomb(site):
    """A large field in the table, then pointed at again and again: 431 while it is counted, then the end."""
    g, backend = site
    asked = backend.seen
    big = [("x-big", "y" * 3800)]
    with Raw(g.address()) as c:
        c.send(c.head(1, more=big))
        assert c.answered(1)
        at = b"\xbe"  # the newest entry of the table
        c.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, c.enc.encode([(":method", "GET"), (":scheme", "http"), (":path", "/"),
                                                                         (":authority", "h.example")]) + at * 50))
        assert c.answered(3)[":status"] == "431"
        sid, before = 5, g.metric("h2_floods")
        while c.try_send(frame(HEADERS, END_STREAM | END_HEADERS, sid, at * 16000)):
            sid += 2
            assert sid < 4000  # what lies in the kernel is not seen
        c.rest()
    wait_for(lambda: g.metric("h2_floods") == before + 1, "the bomb to be counted")
    assert backend.seen - asked <= 1


def test_window_stall(site):
    """A client that opens no window is waited for as long as one that reads nothing, then its streams end."""
    g, _ = site
    with Raw(g.address(), settings=b"\0\4\0\0\0\0") as c:
        c.send(b"".join(c.head(i) for i in range(1, 40, 2)))
        c.until(lambda: len(c.of(RST)) == 20)
        assert {int.from_bytes(f[3], "big") for f in c.of(RST)} == {CANCEL}
        assert not c.of(GOAWAY)


def test_byte_by_byte(site):
    """One CONTINUATION in pieces is no flood."""
    g, _ = site
    with Raw(g.address()) as c:
        block = c.enc.encode([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h.example"), ("a", "b" * 50)])
        data = frame(HEADERS, END_STREAM, 1, block[:5]) + frame(CONTINUATION, 0, 1, block[5:20]) + \
            frame(CONTINUATION, END_HEADERS, 1, block[20:])
        for i in range(len(data)):
            c.send(data[i:i + 1])
        assert c.answered(1)[":status"] == "200"


# name: (frames after the preface, code of GOAWAY or None, codes of RST_STREAM that may stand instead). A function gets the
# connection; "…" waits until stream 1 is answered.
BROKEN = {
    "data, idle stream": (lambda c: [frame(DATA, END_STREAM, 1, b"x")], PROTOCOL_ERROR, ()),
    "window update, idle stream": (lambda c: [frame(WINDOW, 0, 1, u32(1))], PROTOCOL_ERROR, ()),
    "reset, idle stream": (lambda c: [frame(RST, 0, 1, u32(8))], PROTOCOL_ERROR, ()),
    "continuation alone": (lambda c: [frame(CONTINUATION, END_HEADERS, 1, b"")], PROTOCOL_ERROR, ()),
    "data, half closed": (lambda c: [c.head(1) + frame(DATA, END_STREAM, 1, b"x")], STREAM_CLOSED, (STREAM_CLOSED,)),
    "headers, half closed": (lambda c: [c.head(1) + c.head(1)], STREAM_CLOSED, (STREAM_CLOSED,)),
    "data, reset by the client": (lambda c: [c.head(1, POST, END_HEADERS) + frame(RST, 0, 1, u32(8)) + frame(DATA, END_STREAM, 1, b"x")],
                                  STREAM_CLOSED, ()),
    "headers, reset by the client": (lambda c: [c.head(1, POST, END_HEADERS) + frame(RST, 0, 1, u32(8)) + c.head(1)],
                                     STREAM_CLOSED, ()),
    "data, closed": (lambda c: [c.head(1), ..., frame(DATA, END_STREAM, 1, b"x")], STREAM_CLOSED, ()),
    "headers, closed": (lambda c: [c.head(1), ..., c.head(1)], STREAM_CLOSED, ()),
    "smaller stream": (lambda c: [c.head(1), ..., c.head(7), c.head(5)], PROTOCOL_ERROR, ()),
    "smaller stream, at once": (lambda c: [c.head(1), ..., c.head(7) + c.head(5)], PROTOCOL_ERROR, ()),
    "smaller streams, the first ones": (lambda c: [c.head(5) + c.head(3)], PROTOCOL_ERROR, ()),
    "data, passed over at once": (lambda c: [c.head(5) + frame(DATA, END_STREAM, 3, b"x")], STREAM_CLOSED, ()),
    "even stream": (lambda c: [c.head(2)], PROTOCOL_ERROR, ()),
    "headers on 0": (lambda c: [c.head(0)], PROTOCOL_ERROR, ()),
    "settings on 1": (lambda c: [frame(SETTINGS, 0, 1)], PROTOCOL_ERROR, ()),
    "settings, ack with payload": (lambda c: [frame(SETTINGS, 1, 0, b"\0\3\0\0\0\1")], FRAME_SIZE, ()),
    "settings, push 2": (lambda c: [frame(SETTINGS, 0, 0, b"\0\2\0\0\0\2")], PROTOCOL_ERROR, ()),
    "settings, large window": (lambda c: [frame(SETTINGS, 0, 0, b"\0\4\x80\0\0\0")], FLOW_CONTROL, ()),
    "settings, small frames": (lambda c: [frame(SETTINGS, 0, 0, b"\0\5\0\0\0\1")], PROTOCOL_ERROR, ()),
    "ping of 6": (lambda c: [frame(PING, 0, 0, b"123456")], FRAME_SIZE, ()),
    "ping on 1": (lambda c: [frame(PING, 0, 1, b"12345678")], PROTOCOL_ERROR, ()),
    "goaway on 1": (lambda c: [frame(GOAWAY, 0, 1, bytes(8))], PROTOCOL_ERROR, ()),
    "window overflow": (lambda c: [frame(WINDOW, 0, 0, u32(0x7fffffff))], FLOW_CONTROL, ()),
    "frame too large": (lambda c: [frame(DATA, 0, 1, b"x" * 16385)], FRAME_SIZE, ()),
    "push promise": (lambda c: [frame(5, END_HEADERS, 1, u32(2))], PROTOCOL_ERROR, ()),
    "no preface of settings": (lambda c: [c.head(1, flags=0) + frame(PING, 0, 0, b"12345678")], PROTOCOL_ERROR, ()),
    "hpack, bad index": (lambda c: [frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\x80\x01")], COMPRESSION, ()),
    "hpack, index 0": (lambda c: [frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x80")], COMPRESSION, ()),
    "hpack, large table": (lambda c: [frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x3f\xff\xff\x03")], COMPRESSION, ()),
    "upper case": (lambda c: [c.head(1, more=[("X-Upper", "v")])], None, (PROTOCOL_ERROR,)),
    "unknown pseudo field": (lambda c: [c.head(1, more=[(":what", "v")])], None, (PROTOCOL_ERROR,)),
    "late pseudo field": (lambda c: [c.head(1, more=[("a", "b"), (":path", "/x")])], None, (PROTOCOL_ERROR,)),
    "depends on itself": (lambda c: [frame(PRIORITY, 0, 1, u32(1) + b"\0")], PROTOCOL_ERROR, (PROTOCOL_ERROR,)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_frames(site, name):
    g, _ = site
    make, away, resets = BROKEN[name]
    before = g.metric("h2_errors")
    with Raw(g.address()) as c:
        for piece in make(c):
            if piece is ...:
                c.answered(1)
            else:
                c.send(piece)
        c.until(lambda: c.ended or c.of(GOAWAY) or (resets and c.of(RST)))
        codes = [int.from_bytes(f[3][4:8], "big") for f in c.of(GOAWAY)]
        if codes:
            assert codes == [away]
            assert c.rest()[1] == away
            wait_for(lambda: g.metric("h2_errors") == before + 1, "the error to be counted")
        else:
            assert {int.from_bytes(f[3], "big") for f in c.of(RST)} & set(resets), c.frames
            c.send(c.head(101))
            assert c.answered(101)
    assert http1.ask(g.address()).status == 200


SMUGGLED = [[(":path", p)] for p in ("/a b", "/a\r\nx: y", "/a#b", "a", "", "//h/../x\0", "/\u00e9", "http://h.example/", "*")] + \
    [[(":authority", a)] for a in ("u:p@h.example", "h.example:x", "a,b", "h.example/x", "h.example\r\na: b", "", "h ex", "[::1")] + \
    [[(":method", m)] for m in ("G T", "GET\r\n", "", "G/T")] + \
    [[(":scheme", s)] for s in ("https", "ftp", "http://x", "")] + \
    [[f] for f in (("transfer-encoding", "chunked"), ("connection", "x"), ("keep-alive", "1"), ("proxy-connection", "x"),
                   ("upgrade", "websocket"), ("te", "gzip"), ("content-length", "1, 1"), ("content-length", "+1"), ("host", "other"),
                   ("a", "b\nc"), ("a", "b\rc"), ("a", "b\0c"), ("a b", "c"), ("a:b", "c"), ("", "c"), ("a\n", "b"), ("a", " b"),
                   ("a", "b\t"), ("http2-settings", "AAAA"), ("host", "h.example, other"))]


@pytest.mark.parametrize("fields", SMUGGLED, ids=repr)
def test_smuggling(site, fields):
    """Refused before a backend hears of it: 4xx or a reset with PROTOCOL_ERROR, and the connection lives."""
    g, backend = site
    asked = backend.seen
    pseudo = dict(fields) if fields[0][0].startswith(":") else {}
    head = [(n, pseudo.get(n, v)) for n, v in POST] + ([] if pseudo else fields)
    with Raw(g.address()) as c:
        c.send(c.head(1, [(n, v.encode("latin-1")) for n, v in head]))
        head = c.answered(1)
        if head:
            status = head[":status"]
            assert status in ("400", "404", "421", "501"), status
        else:
            assert [int.from_bytes(f[3], "big") for f in c.of(RST)] == [PROTOCOL_ERROR]
        assert backend.seen == asked
        c.send(c.head(3, POST))
        assert c.answered(3)
    assert backend.targets[-1] == "/p"
