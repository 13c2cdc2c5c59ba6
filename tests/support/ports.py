"""Ports for servers that tests start."""

from __future__ import annotations

import errno
import secrets
import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` on which nobody listens right now."""
    # Not the kernel's own choice (port 0): those it also hands out for outgoing connections, of which a test run opens
    # many between this answer and its use. It never takes one below 32768 by itself.
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        if is_free(host, port):
            return port


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        # As servers do: without it, a port whose connections ended within the last minute would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
