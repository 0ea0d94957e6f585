"""Rate limits of policies, from a manifest to the wire: identity of buckets, headers, exactness over workers."""
import os
import signal
import threading

import pytest

from lib import http1, objects as o
from lib.wait import wait_for

PORT = 8080
GROUPS = [o.HOUSE, o.ENVOY]


def btp(spec, name="limits", kind="HTTPRoute", target="route", api=o.HOUSE):
    return o.btp(name, o.target(kind, target), api=api, **spec)


def local(*rules):
    return {"rateLimit": {"local": {"rules": list(rules)}}}


def per_hour(n, **selector):
    return {"limit": {"requests": n, "unit": "Hour"}, **({"clientSelectors": [selector]} if selector else {})}


def simple(web, *policies):
    return [o.gateway(port=PORT), o.route(rules=[o.rule("web")]), o.service("web", web.address), *policies]


def statuses(g, n, **kw):
    return [g.ask(**kw).status for _ in range(n)]


@pytest.mark.parametrize("api", GROUPS)
def test_default_bucket_and_a_user(instance, echo, api):
    john = {"headers": [{"name": "x-user-id", "value": "john"}]}
    g = instance(*simple(echo(), btp(local(per_hour(10), per_hour(3, **john)), api=api)))
    assert g.conditions("httproute", "route")["Accepted"] == ("True", "Accepted")
    got = statuses(g, 4, headers=[("X-User-Id", "john")])
    assert got == [200, 200, 200, 429]
    r = g.ask(headers=[("X-User-Id", "john")])
    assert r.status == 429 and r.headers.get("x-ratelimit-limit") == "3" and r.headers.get("x-ratelimit-remaining") == "0"
    assert 0 < int(r.headers.get("retry-after")) <= 1200
    r = g.ask(headers=[("X-User-Id", "mike")])
    assert r.status == 200 and r.headers.get("x-ratelimit-limit") == "10" and r.headers.get("x-ratelimit-remaining") == "9"
    assert g.metric("rate_limited") == 2


def test_each_user_of_an_agent(instance, echo):
    """A key in a header stands for a user: each has its own bucket, and none without a key."""
    key = {"headers": [{"name": "x-api-key", "type": "Distinct"}]}
    web = echo()
    g = instance(*simple(web, btp(local(per_hour(0), per_hour(3, **key)))))
    assert statuses(g, 4, headers=[("X-Api-Key", "a")]) == [200, 200, 200, 429]
    assert statuses(g, 1, headers=[("X-Api-Key", "b")]) == [200]
    assert statuses(g, 1) == [429]
    assert len(web.requests) == 4


def test_gateway_policy_and_override(instance, echo):
    """The route's policy replaces the Gateway's as a whole."""
    g = instance(*simple(echo(), btp(local(per_hour(2)), kind="Gateway", target="gw", name="all"),
                         btp(local(per_hour(4)), name="one")))
    assert statuses(g, 5) == [200] * 4 + [429]


def test_gateway_policy(instance, echo):
    g = instance(*simple(echo(), btp(local(per_hour(2)), kind="Gateway", target="gw", name="all")))
    assert statuses(g, 3) == [200, 200, 429]
    assert g.metric("rate_limited") == 1


def test_refused_and_redirected(instance, echo):
    """An override that redirects who is refused: to the path that was asked for, not to the one of a request before."""
    over = {"match": {"statusCodes": [{"type": "Value", "value": 429}]},
            "redirect": {"hostname": "slow.example.org", "statusCode": 302}}
    g = instance(*simple(echo(), btp({**local(per_hour(1)), "responseOverride": [over]})), workers=1)
    assert g.ask(target="/private?token=1").status == 200
    r = g.ask(target="/mine?a=b")
    assert r.status == 302 and r.headers.get("location") == f"http://slow.example.org:{PORT}/mine?a=b"


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_exact(instance, echo, workers):
    """300 requests at once from many clients, 20 reloads meanwhile, and a worker killed: exactly 100 pass."""
    web = echo()
    key = {"headers": [{"name": "x-user", "type": "Distinct"}]}
    g = instance(*simple(web, btp(local(per_hour(100, **key)))), workers=workers, allow=[r"worker \d+"])
    got, lock = [], threading.Lock()
    todo = iter(range(300))
    address = g.address()

    def client():
        while True:
            with lock:
                if next(todo, None) is None:
                    return
            try:
                status = http1.ask(address, headers=[("X-User", "u")]).status
            except (OSError, AssertionError, EOFError, ValueError):
                status = 0   # on the worker that was killed
            with lock:
                got.append(status)
    threads = [threading.Thread(target=client) for _ in range(10)]
    for t in threads:
        t.start()
    for i in range(20):
        g.reload()
        if i == 5 and workers > 1:
            os.kill(g.role("worker")[0], signal.SIGKILL)
            wait_for(lambda: len(g.role("worker")) == workers, "a new worker")
    for t in threads:
        t.join()
    # what was charged and lost with the worker is not given to another
    lost = got.count(0)
    assert 100 - lost <= got.count(200) <= 100, {s: got.count(s) for s in set(got)}
    assert statuses(g, 20, headers=[("X-User", "u")]) == [429] * 20
    assert len(web.requests) <= 100
