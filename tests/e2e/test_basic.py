"""A manifest in, HTTP out: the main job on real input, and the first things that could go wrong with it."""
import json
import signal

import pytest

from lib import http1, objects as o

PORT = 8080


def simple(*backends, **kw):
    """A Gateway and one catch-all route to the backends."""
    return [o.gateway(port=PORT, **kw), o.route(rules=[o.rule("web")]), o.service("web", *[b.address for b in backends])]


def test_one_request(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    r = g.ask(target="/a/b?c=d", headers=[("X-One", "1")])
    assert r.status == 200 and r.version == "HTTP/1.1"
    seen = r.json()
    assert seen["path"] == "/a/b?c=d" and seen["method"] == "GET" and seen["service"] == "web"
    assert seen["headers"]["X-One"] == ["1"]
    assert seen["host"] == web.requests[0].host == "%s:%d" % g.address()
    for name in ("via", "date", "content-type"):
        assert name in r.headers
    for name in ("x-forwarded-for", "x-request-id", "via"):
        assert name in web.requests[0].headers, web.requests[0].headers
    assert web.requests[0].headers.get("connection") is None or "close" not in web.requests[0].headers.get("connection")


def test_no_route_and_no_gateway(instance, echo):
    g = instance(o.gateway(port=PORT), o.route(rules=[o.rule("web", path="/a")]), o.service("web", echo().address))
    assert g.ask(target="/a").status == 200
    assert g.ask(target="/a/b").status == 200
    assert g.ask(target="/ab").status == 404
    assert g.ask(target="/").status == 404


def test_empty_folder_starts(instance):
    g = instance()
    # the built-in class is there without a file
    found = g.all()
    assert [k for k in found if k[0] == "GatewayClass"] == [("GatewayClass", "", "headgate")]
    assert o.conditions(found["GatewayClass", "", "headgate"]["status"])["Accepted"] == ("True", "Accepted")


def test_status_of_everything(instance, echo, block):
    g = instance(*simple(echo()))
    gw = g.get("gateway", "gw")
    assert o.conditions(gw["status"])["Accepted"] == ("True", "Accepted")
    assert o.conditions(gw["status"])["Programmed"] == ("True", "Programmed")
    address = gw["status"]["addresses"][0]
    assert address["type"] == "IPAddress" and address["value"].startswith(block.prefix)
    (listener,) = gw["status"]["listeners"]
    assert listener["name"] == "http" and listener["attachedRoutes"] == 1
    assert {k["kind"] for k in listener["supportedKinds"]} >= {"HTTPRoute"}
    assert o.conditions(listener)["Programmed"] == ("True", "Programmed")
    route = g.get("httproute", "route")
    (parent,) = route["status"]["parents"]
    assert parent["controllerName"] == "headgate.dev/gateway-controller"
    assert parent["parentRef"]["name"] == "gw" and parent["parentRef"]["kind"] == "Gateway"
    assert o.conditions(parent) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    for c in parent["conditions"]:
        assert c["observedGeneration"] == route["metadata"]["generation"] and c["lastTransitionTime"].endswith("Z")


def test_keep_alive_and_pipelining(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        for i in range(5):
            assert c.ask(target=f"/{i}").json()["path"] == f"/{i}"
        for i in range(10):
            c.request(target=f"/p{i}")
        assert [c.response().json()["path"] for _ in range(10)] == [f"/p{i}" for i in range(10)]
    assert web.connections <= 2, "upstream connections are kept alive"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "X-OWN"])
def test_methods(instance, echo, method):
    web = echo("web")
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        r = c.ask(method, "/m")
        assert r.status == 200 and web.requests[-1].method == method
        assert bool(r.body) == (method != "HEAD")
        assert c.ask(target="/after").json()["path"] == "/after", "the connection is in step"


def test_bodies(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    big = bytes(range(256)) * 4096
    with http1.Client(*g.address()) as c:
        assert c.ask("POST", "/length", body=big).json()["bodyBytes"] == len(big)
        assert web.requests[-1].body == big
        c.request("POST", "/chunked", headers=[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
        for i in range(0, len(big), 50000):
            piece = big[i:i + 50000]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\nX-Sum: 1\r\n\r\n")
        assert c.response().json()["bodyBytes"] == len(big)
        assert web.requests[-1].body == big
        c.request("POST", "/expect", headers=[("Expect", "100-continue"), ("Content-Length", "5")])
        r = http1.Response(*c.read_head())
        assert r.status == 100
        c.send(b"12345")
        assert c.response().json()["bodyBytes"] == 5


def test_response_framings(instance, script):
    def handle(peer):
        while True:
            r = peer.request()
            if r.target == "/chunked":
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
                          b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n")
            elif r.target == "/empty":
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif r.target == "/close":
                peer.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
                return
            else:
                peer.respond(200, body=b"x" * 300000)
    web = script(handle)
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        r = c.ask(target="/chunked")
        assert r.body == b"abcdefg"
        assert c.ask(target="/empty").status == 204
        assert c.ask(target="/big").body == b"x" * 300000
        assert c.ask(target="/close").body == b"until the end"
    r = http1.ask(g.address(), target="/chunked", version="HTTP/1.0")
    assert r.body == b"abcdefg" and "transfer-encoding" not in r.headers
    assert not web.errors


def test_http10(instance, echo):
    g = instance(*simple(echo()))
    with http1.Client(*g.address()) as c:
        c.send(b"GET /old HTTP/1.0\r\nHost: h\r\n\r\n")
        r = c.response()
        assert r.status == 200 and r.json()["path"] == "/old"
        assert c.read_all() == (b"", False)
    with http1.Client(*g.address()) as c:
        c.send(b"GET /old HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
        assert c.response().status == 200
        assert c.ask(target="/again").status == 200


def test_split_anywhere(instance, echo):
    g = instance(*simple(echo()))
    with http1.Client(*g.address()) as c:
        c.pieces(b"POST /slow?x=1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody")
        seen = c.response().json()
        assert seen["path"] == "/slow?x=1" and seen["bodyBytes"] == 4


@pytest.mark.parametrize("raw", [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
], ids=["no-host", "two-hosts", "blank-colon", "cl-te", "garbage", "bare-lf"])
def test_ambiguous_is_400_and_close(instance, echo, raw):
    web = echo()
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        c.send(raw)
        r = c.response()
        assert r.status == 400
        assert c.read_all()[0] == b""
    assert web.requests == []


def test_no_endpoint_dead_endpoint_no_service(instance, echo, block):
    dead = (block.backend(), 3999)
    g = instance(o.gateway(port=PORT), o.service("none"), o.service("dead", dead), o.route(rules=[
        o.rule("none", path="/none"), o.rule("dead", path="/dead"), o.rule("missing", path="/missing")]))
    assert g.ask(target="/none").status == 503
    assert g.ask(target="/dead").status in (502, 503)
    assert g.ask(target="/missing").status == 500
    assert g.conditions("httproute", "route")["ResolvedRefs"] == ("False", "BackendNotFound")


def test_weights(instance, echo):
    a, b, c = echo("a"), echo("b"), echo("c")
    g = instance(o.gateway(port=PORT), o.service("a", a.address), o.service("b", b.address), o.service("c", c.address),
                 o.route(rules=[o.rule(o.ref("a", weight=9), o.ref("b", weight=1), o.ref("c", weight=0))]), workers=1)
    with http1.Client(*g.address()) as client:
        for _ in range(200):
            assert client.ask().status == 200
    assert [len(x.requests) for x in (a, b, c)] == [180, 20, 0], "weights are honoured exactly"


def test_two_gateways_have_addresses_of_their_own(instance, echo):
    a, b = echo("a"), echo("b")
    g = instance(o.gateway("one", port=PORT), o.gateway("two", port=PORT), o.service("a", a.address),
                 o.service("b", b.address), o.route("ra", [o.rule("a")], ["one"]), o.route("rb", [o.rule("b")], ["two"]))
    assert g.address("one")[0] != g.address("two")[0]
    assert g.ask(gw="one").json()["service"] == "a"
    assert g.ask(gw="two").json()["service"] == "b"


def test_without_pool_gateways_share_a_socket(instance, echo, block):
    a, b = echo("a"), echo("b")
    host = block.host(5)
    g = instance(
        o.gateway("one", [o.listener(port=PORT, hostname="one.example")]),
        o.gateway("two", [o.listener(port=PORT, hostname="two.example")]),
        o.service("a", a.address), o.service("b", b.address),
        o.route("ra", [o.rule("a")], ["one"]), o.route("rb", [o.rule("b")], ["two"]),
        pool=None, conf=f'addresses = [ "{host}" ];')
    assert http1.ask((host, PORT), host="one.example").json()["service"] == "a"
    assert http1.ask((host, PORT), host="two.example").json()["service"] == "b"
    assert http1.ask((host, PORT), host="three.example").status == 404


def test_every_request_is_a_line(instance, echo):
    web = echo("web")
    g = instance(*simple(web))
    with http1.Client(*g.address()) as c:
        for i in range(20):
            c.ask(target=f"/{i}?q=1", headers=[("User-Agent", "t")])
    g.ask(target="/last")
    lines = g.access(21)
    assert len(lines) == 21 == len(web.requests)
    assert sorted(x["path"] for x in lines) == sorted([f"/{i}" for i in range(20)] + ["/last"])
    for x in lines:
        assert x["status"] == 200 and x["reason"] == "ok" and x["method"] == "GET"
        assert x["route"] == "default/route" and x["gateway"] == "default/gw"
    assert g.metric("requests") == 21


def test_combined_log_and_off(instance, echo):
    web = echo("web")
    g = instance(*simple(web), conf='access_log = { format = "combined"; };')
    g.ask(target="/x", headers=[("User-Agent", "curious"), ("Referer", "http://r/")])
    from lib.wait import wait_for
    line = wait_for(lambda: g.text("out"), "a line")
    assert '"GET /x HTTP/1.1" 200' in line and '"http://r/" "curious"' in line
    g = instance(*simple(web), conf='access_log = { path = "off"; };', pool=None, started=False)
    g.configure('address_pool = "%s";\naccess_log = { path = "off"; };\n' % (g.pool or "127.9.9.0/24"))
    g.start()
    assert g.ask(target="/x").status == 200
    g.stop()
    assert g.text("out") == ""


def test_log_to_a_file(instance, echo, tmp_path):
    web = echo("web")
    g = instance(*simple(web), started=False)
    path = g.dir + "/access.log"
    g.configure(f'address_pool = "{g.pool}";\naccess_log = {{ path = "{path}"; }};\n')
    g.start()
    g.ask(target="/x")
    from lib.wait import wait_for
    wait_for(lambda: "/x" in g.text("access.log"), "the line in the file")
    import os
    os.rename(path, path + ".1")
    g.kick(signal.SIGUSR1)
    wait_for(lambda: os.path.exists(path), "the log to be reopened")
    g.ask(target="/y")
    wait_for(lambda: "/y" in g.text("access.log"), "the line in the new file")
    assert "/y" not in g.text("access.log.1")


def test_processes_and_stop(instance, echo):
    web = echo("web")
    g = instance(*simple(web), workers=3)
    assert len(g.role("worker")) == 3
    assert len(g.role("logger")) == 1 and len(g.role("helper")) == 1
    assert not g.role("compiler") and not g.role("reader"), "nothing of a reload stays"
    g.ask()
    g.stop()  # checks exit status, leftovers and stderr


def test_stop_finishes_what_is_in_flight(instance, script):
    import threading
    seen, go = threading.Event(), threading.Event()

    def handle(peer):
        peer.request()
        seen.set()
        go.wait(30)
        peer.respond(200, body=b"done")
    g = instance(*simple(script(handle)))
    with http1.Client(*g.address()) as c:
        c.request()
        seen.wait(30)
        g.kick(signal.SIGTERM)
        from lib.wait import wait_for

        def refused():
            try:
                http1.Client(*addr).close()
            except ConnectionError:
                return True
            return False
        addr = c.peer
        wait_for(refused, "no new connections after TERM")
        go.set()
        r = c.response()
        assert r.status == 200 and r.body == b"done"
        assert c.read_all()[0] == b""
    g.stop()


def test_many_instances_side_by_side(instance, echo):
    web = echo("web")
    gs = []
    for i in range(3):
        gs.append(instance(*simple(web), pool=None, started=False))
    base = web.host.rsplit(".", 1)[0]
    for i, g in enumerate(gs):
        g.configure(f'workers = 1;\naddresses = [ "{base}.{40 + i}" ];\n')
        g.start()
    for i, g in enumerate(gs):
        assert http1.ask((f"{base}.{40 + i}", PORT)).status == 200


def test_second_master_names_the_holder(instance, echo):
    g = instance(*simple(echo()))
    from lib.gateway import cli
    p = cli("run", "-f", g.manifests, "--runtime-dir", g.runtime, "--state-dir", g.state, "-c", g.conf)
    assert p.returncode == 1 and str(g.pid) in p.stderr, p.stderr


def test_json_and_libconfig_manifests(instance, echo):
    web = echo("web")
    g = instance(started=False)
    g.write(json.dumps({"apiVersion": "v1", "kind": "List", "items": o.flat([o.gateway(port=PORT), o.service("web", web.address)])}),
            "a.yaml")
    g.write('''
resources = ( {
    apiVersion = "gateway.networking.k8s.io/v1"; kind = "HTTPRoute";
    metadata = { name = "lib"; namespace = "default"; };
    spec = {
        parentRefs = ( { name = "gw"; } );
        rules = ( {
            matches = ( { path = { type = "PathPrefix"; value = "/lib"; }; } );
            backendRefs = ( { name = "web"; port = 80; } );
        } );
    };
} );
''', "b.conf")
    g.start()
    assert g.ask(target="/lib/x").json()["path"] == "/lib/x"
    assert g.ask(target="/").status == 404
