"""Waiting for conditions."""
import contextlib
import os
import socket
import time

# A slow machine or the sanitizer build may take this long for anything that works.
DEADLINE = float(os.environ.get("HG_TEST_DEADLINE", "30"))


def wait_for(condition, what, deadline=None):
    """Calls condition() until it gives something true, which is returned."""
    end = time.monotonic() + (deadline or DEADLINE)
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline or DEADLINE:.0f} s: {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def listens(address):
    """Does somebody take TCP connections there?"""
    with contextlib.suppress(OSError), socket.create_connection(address, 1):
        return True
    return False
