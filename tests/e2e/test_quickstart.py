"""`make run` shows what it says it shows."""
import os
import subprocess

from lib.gateway import BINARY, TOP


def test_quickstart():
    p = subprocess.run([os.path.join(TOP, "examples/quickstart/run"), "--check"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=300, env={**os.environ, "HEADGATE": BINARY})
    assert p.returncode == 0, p.stdout + p.stderr
    assert p.stdout.count("\nok ") >= 9, p.stdout
