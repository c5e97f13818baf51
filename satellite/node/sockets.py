"""How are the listening sockets of port 25 bound, or inherited from the service manager?

Touches the network and the environment. The parent binds each address once, or gets the sockets
from the service manager, or from itself before it began anew; every worker inherits that one
socket: a worker that dies loses no connection that waits, and none needs root.

Source: sd_listen_fds(3).
"""

from __future__ import annotations

import errno
import os
import socket

import structlog

from common.binding import bind_hint
from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint
from satellite.node.kept_sockets import KeptSockets

log = structlog.get_logger()

BACKLOG = 1024  # connections that may wait while every worker restarts
FIRST_PASSED_DESCRIPTOR = 3
_IP_FREEBIND = 15  # ip(7): for IPv6 too; Python has no name for it


def listening_sockets(endpoints: list[str], kept: KeptSockets | None = None) -> list[socket.socket]:
    """Return one listening socket for each endpoint, or those that the service manager passed.

    Args:
        endpoints: where to listen.
        kept: those that listen already; from now on those that are returned, if all could be had.

    Raises:
        EnvironmentFailure: an address cannot be bound.
    """
    passed = _passed()
    if passed:
        return passed
    kept = kept or KeptSockets()
    made: list[socket.socket] = []
    listening: dict[str, socket.socket] = {}
    for endpoint in endpoints:
        known = kept.get(endpoint)
        if known is not None:
            listening[endpoint] = known
            continue
        host, port = split_endpoint(endpoint)
        try:
            listening[endpoint] = _listen(host, port)
            made.append(listening[endpoint])
        except OSError as error:
            for other in made:
                other.close()
            raise EnvironmentFailure(
                f"cannot listen on {endpoint}: {error.strerror}",
                hint=bind_hint(error),
            ) from error
    kept.keep_only(listening)
    return list(listening.values())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _bind(made, host, port)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _bind(made: socket.socket, host: str, port: int) -> None:
    """Bind a socket, also to an address that no interface has yet: it serves once one has it."""
    try:
        made.bind((host, port))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        # The spool's mail is delivered meanwhile, and other addresses are served (P4).
        log.error("smtp.address_not_here", address=host, port=port, hint=bind_hint(error))
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        made.bind((host, port))


def _passed() -> list[socket.socket]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    told = os.environ.get("LISTEN_FDS", "0")
    if not told.isdecimal():
        raise EnvironmentFailure(
            f"LISTEN_FDS is no number: {told[:20]!r}", hint="the service manager sets it"
        )
    count = int(told)
    made = [socket.socket(fileno=FIRST_PASSED_DESCRIPTOR + number) for number in range(count)]
    for one in made:
        one.setblocking(False)
    return made


def inherited(descriptors: list[int]) -> list[socket.socket]:
    """Return the sockets that the parent left open for us."""
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
