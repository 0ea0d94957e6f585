"""End-to-end tests: a real gateway, real sockets, backends in Python. HEADGATE names the binary (default build/headgate)."""
import os

import pytest

from lib import backends, faults, http1, tls
from lib.fixtures import binary, block, echo, instance, script  # noqa: F401  pylint: disable=unused-import


# Files with the longest tests begin first, or one processor would end alone with one of them.
FIRST = ("test_tls_scan", "test_fault_reload", "test_reload", "test_l4_real", "test_fault_client", "test_fault_process", "test_match",
         "test_fault_world", "test_corpus", "test_services", "test_quickstart", "test_proxyproto", "test_tls")


def pytest_collection_modifyitems(items):
    order = {name: i for i, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
    for item in items:
        if "root" in item.keywords and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


def pytest_generate_tests(metafunc):
    """Modules that name TRANSPORTS run their tests over each of them; those marked plain over the first only."""
    kinds = getattr(metafunc.module, "TRANSPORTS", None)
    if kinds:
        plain = any(m.name == "plain" for m in metafunc.definition.iter_markers())
        metafunc.parametrize("transport", kinds[:1] if plain else kinds, indirect=True)


@pytest.fixture(scope="session")
def backend_ca(tmp_path_factory):
    return tls.Pair(tmp_path_factory.mktemp("ca"), "ca", ("backend.test",), ca=True)


@pytest.fixture(autouse=True)
def transport(request):
    """Clients of http1 speak TLS where this is "tls", and faults.house() has an HTTPS listener; "tls-up": backends do, and
    it has BackendTLSPolicies."""
    kind = getattr(request, "param", "")
    http1.Client.secure = tls.context(alpn=None) if kind == "tls" else None
    if kind == "tls-up":
        faults.backend_ca = request.getfixturevalue("backend_ca")
        backends.Backend.tls = tls.serving(faults.backend_ca)
    yield
    http1.Client.secure = faults.backend_ca = backends.Backend.tls = None
