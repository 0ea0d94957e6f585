"""pytest fixtures that both suites import."""
import contextlib
import os

import pytest

from . import backends
from .block import Block
from .gateway import BINARY, TOP, Instance


@pytest.fixture(scope="session", autouse=True)
def binary():
    assert os.access(BINARY, os.X_OK), f"no {BINARY}: build it, or name it in HEADGATE"
    return BINARY


@pytest.fixture
def block():
    b = Block()
    yield b
    b.close()


@pytest.fixture
def echo(block):
    """echo(name) starts an echo backend on an address of its own."""
    with contextlib.ExitStack() as stack:
        yield lambda name="echo", port=3000: stack.enter_context(
            backends.Echo(block.backend(), port, "default", name, f"{name}-1"))


@pytest.fixture
def script(block):
    """script(handler, …) starts a raw backend; each handler serves one connection, the last one all further ones."""
    with contextlib.ExitStack() as stack:
        yield lambda *handlers, port=3000: stack.enter_context(backends.Script(block.backend(), port, *handlers))


@pytest.fixture
def instance(block):
    """instance(objects…, conf=…, …) starts a gateway. When the test passed it is stopped and checked: exit status,
    processes left behind, nothing on stderr that must not be there."""
    made = []

    def start(*objs, started=True, **kw):
        kw.setdefault("pool", block.pool)
        g = Instance(*objs, **kw)
        made.append(g)
        return g.start() if started else g
    yield start
    try:
        for g in made:
            g.stop()
    finally:
        for g in made:
            g.kill()
            if os.environ.get("HG_KEEP"):
                print("kept:", g.dir)
            else:
                g.clean()


def shared(*parts):
    """A path in the folder of shared material ($HG_SHARED, or `shared` beside the repository); None if missing."""
    roots = [os.environ["HG_SHARED"]] if os.environ.get("HG_SHARED") else []
    at = TOP
    while not roots and at != "/":
        at = os.path.dirname(at)
        roots = [d for d in [os.path.join(at, "shared")] if os.path.isdir(os.path.join(d, "gateway-api"))]
    path = os.path.join(roots[0], *parts) if roots else ""
    return path if path and os.path.exists(path) else None


def skip_loudly(why, capsys=None):
    """A skip that the log of a run shows at the beginning of a line."""
    text = f"SKIP {why}"
    if capsys:
        with capsys.disabled():
            print("\n" + text, flush=True)
    else:
        os.write(2, f"\n{text}\n".encode())
    pytest.skip(why)
