"""End-to-end tests: a real gateway, real sockets, backends in Python. HEADGATE names the binary (default build/headgate)."""
import os

import pytest

from lib.fixtures import binary, block, echo, instance, script  # noqa: F401  pylint: disable=unused-import


def pytest_collection_modifyitems(items):
    for item in items:
        if "root" in item.keywords and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
