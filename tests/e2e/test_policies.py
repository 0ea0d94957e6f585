"""BackendTrafficPolicy on the wire: the order of its parts, and what its smaller fields do."""
import pytest

from lib import objects as o

PORT = 8080
ORIGIN = "https://app.example.org"
CORS = {"type": "CORS", "cors": {"allowOrigins": [ORIGIN], "allowMethods": ["GET", "PUT"], "maxAge": 600}}
STAMP = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-stamp", "value": "here"}]}}


def btp(name="policy", **spec):
    return {"apiVersion": "gateway.headgate.dev/v1alpha1", "kind": "BackendTrafficPolicy", "metadata": o.meta(name),
            "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route"}], **spec}}


def limit(n, unit="Hour", **more):
    return {"rateLimit": {"local": {"rules": [{"limit": {"requests": n, "unit": unit}, **more}]}}}


def world(web, *policies, **rule):
    return [o.gateway(port=PORT), o.route(rules=[o.rule("web", **rule)]), o.service("web", web.address), *policies]


@pytest.mark.parametrize("policy", [True, False])
def test_preflight(instance, echo, policy):
    """A preflight is answered before any limit and costs no token; what the limit refuses can be read across origins."""
    g = instance(*world(echo(), *[btp(**limit(1))] * policy, filters=[CORS, STAMP]), workers=1)
    ask = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT")]
    for _ in range(3):
        r = g.ask("OPTIONS", headers=ask)
        assert r.status == 204 and r.headers.get("access-control-allow-methods") == "GET, PUT"
        assert r.headers.get("access-control-allow-origin") == ORIGIN and r.headers.get("x-stamp") == "here"
    assert g.ask(headers=[("Origin", ORIGIN)]).status == 200
    r = g.ask(headers=[("Origin", ORIGIN)])
    assert r.status == (429 if policy else 200)
    assert r.headers.get("access-control-allow-origin") == ORIGIN and r.headers.get("vary") == "Origin"
    assert r.headers.get("x-stamp") == "here"


def test_refused_has_an_id(instance, echo):
    """The line of a request that was refused here names it, by the client's id or a new one."""
    g = instance(*world(echo(), btp(**limit(0))), workers=1)
    assert g.ask(headers=[("X-Request-Id", "abc-1")]).status == 429
    assert g.ask().status == 429
    lines = g.access(2)
    assert [x["status"] for x in lines] == [429, 429]
    assert lines[0]["req_id"] == "abc-1" and len(lines[1]["req_id"]) == 36
