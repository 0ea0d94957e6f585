"""The HTTP/1 byte corpus in its strict profile: ambiguity never passes, whatever the bytes."""
import re
import subprocess

import pytest

from lib import objects as o
from lib.fixtures import shared, skip_loudly

CASES = 429


@pytest.mark.heavy
def test_corpus(instance, block, capsys):
    run = shared("http1-corpus", "run.py")
    if not run:
        skip_loudly("corpus: no shared/http1-corpus here", capsys)
    backend = (block.backend(), 9000)
    g = instance(o.gateway(port=8080), o.route(rules=[o.rule("web")]), o.service("web", backend))
    p = subprocess.run(["/usr/bin/python3", run, "%s:%d" % g.address(), "%s:%d" % backend], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=600)
    m = re.search(r"^(\d+) passed, (\d+) failed", p.stdout, re.M)
    assert m, p.stdout + p.stderr
    assert (int(m[1]), int(m[2])) == (CASES, 0), p.stdout[-8000:]
