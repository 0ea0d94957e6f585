"""The folder examples/ai-agent-limits as it is, but for the address of the model server."""
import os

import pytest

from lib.gateway import TOP

FOLDER = os.path.join(TOP, "examples/ai-agent-limits")


@pytest.fixture
def model(instance, script):
    """(instance, tokens): the model server says that an answer cost tokens[0]."""
    tokens = [1]

    def handle(peer):
        while True:
            peer.request()
            peer.respond(200, [("X-Tokens-Used", tokens[0])], b"answer")
    server = script(handle)
    g = instance(started=False)
    for name in ("gateway.yaml", "limits.yaml"):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
            g.write(f.read().replace("127.0.0.1", server.host).replace("9000", str(server.port)), name)
    g.start()
    return g, tokens


def ask(g, key=None, user=None, path="/v1/chat"):
    headers = [("X-Api-Key", key)] * bool(key) + [("X-User-Id", user)] * bool(user)
    return g.ask(gw="agents", target=path, headers=headers)


def test_keys_and_users(model):
    g, _ = model
    assert g.conditions("httproute", "model")["Accepted"][0] == "True"
    assert ask(g).status == 429
    assert [ask(g, "a", "u").status for _ in range(6)] == [200] * 5 + [429]
    assert ask(g, "a", "v").status == 200 and ask(g, "b", "u").status == 200
    r = ask(g, "a", "u")
    assert r.status == 429 and 0 < int(r.headers.get("retry-after")) <= 60


def test_requests_of_a_key(model):
    g, _ = model
    got = [ask(g, "a", f"u{i}").status for i in range(25)]
    # a minute has not passed: at most one came back meanwhile
    assert got[:20] == [200] * 20 and got.count(429) >= 4
    assert ask(g, "b").status == 200


def test_tokens(model):
    """A request may drive the budget below nothing once, by what its answer says; then the key waits."""
    g, tokens = model
    tokens[0] = 600
    assert ask(g, "a").status == 200 and ask(g, "a").status == 200
    assert ask(g, "a").status == 429
    assert ask(g, "b").status == 200
    assert "GlobalRateLimitIsPerNode" in str(g.get("backendtrafficpolicy", "agent-limits")["status"])


def test_cost_of_the_request(model):
    g, _ = model
    assert [ask(g, "a", path="/v1/batches").status for _ in range(3)] == [200, 200, 429]
    assert ask(g, "a").status == 200
