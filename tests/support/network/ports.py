"""Which loopback port may a test's server have?

Touches sockets. Ports lie below 32768, where the system picks none for outgoing connections: a port
from above may be taken by a client before the server gets to bind it. Whoever gets a port reserves
it until its process ends, so that no other process of this run, or of another, gets it as well.
"""

from __future__ import annotations

import os
import socket

LOWEST = 20_000
HIGHEST = 32_767  # the ephemeral range of Linux begins above

_reserved: dict[int, socket.socket] = {}


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP and UDP port that is free on ``host`` now and was given to nobody else.

    Each process begins its search elsewhere, so that parallel runs seldom meet.

    Raises:
        RuntimeError: no port is free.
    """
    span = HIGHEST - LOWEST + 1
    start = os.getpid() * 101 % span
    for step in range(span):
        port = LOWEST + (start + step) % span
        if port not in _reserved and _is_free(host, port) and _reserve(port):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST} on {host}")


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different ports as ``free_port`` gives them."""
    return [free_port(host) for _ in range(count)]


def _reserve(port: int) -> bool:
    """Take a port for this process; say whether nobody else had.

    The sign of it is a name in Linux's abstract namespace (unix(7)): it belongs to the same network
    namespace as the port, leaves no file, and the system frees it whichever way a process ends.
    """
    sign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sign.bind(f"\0border-scout-test-port-{port}")
    except OSError:
        sign.close()
        return False
    _reserved[port] = sign
    return True


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
