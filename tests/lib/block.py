"""Addresses: each test process takes /24 blocks of 127/8 for itself, so that suites run side by side.

A block is held by a bound TCP socket on its .254, which the kernel lets go however the holder ends.
"""
import errno
import os
import socket

LOCK_PORT = 21999


class Block:
    """127.A.B.0/24: gateways in the lower half (`pool`), backends in the upper half."""

    def __init__(self):
        first = os.getpid() * 37 % (200 * 250)
        for i in range(200 * 250):
            n = (first + i) % (200 * 250)
            self.prefix = f"127.{20 + n // 250}.{1 + n % 250}"
            self.lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self.lock.bind((f"{self.prefix}.254", LOCK_PORT))
                break
            except OSError as e:
                self.lock.close()
                if e.errno != errno.EADDRINUSE:
                    raise
        else:
            raise AssertionError("no free block of loopback addresses")
        self.pool = f"{self.prefix}.0/25"
        self.next_host = 128

    def host(self, n):
        return f"{self.prefix}.{n}"

    def backend(self):
        """The next address for a backend."""
        self.next_host += 1
        assert self.next_host < 254, "block used up"
        return self.host(self.next_host)

    def port(self, host, wanted):
        """wanted, or the next port that is free on host (somebody may listen on 0.0.0.0)."""
        for port in range(wanted, wanted + 200):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                try:
                    s.bind((host, port))
                    return port
                except OSError:
                    continue
        raise AssertionError(f"no free port on {host}")

    def close(self):
        self.lock.close()
