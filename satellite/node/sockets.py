"""How are the listening sockets of port 25 bound, or inherited from the service manager?

Touches the network. The parent binds each address once, or has the socket already: from the service
manager, or from itself before it began anew; every worker inherits that one socket: a worker that
dies loses no connection that waits, and none needs root.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

import structlog

from common.binding import bind_hint
from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint
from satellite.node.kept_sockets import KeptSockets

log = structlog.get_logger()

BACKLOG = 1024  # connections that may wait while every worker restarts
_IP_FREEBIND = 15  # ip(7): for IPv6 too; Python has no name for it


def listening_sockets(endpoints: list[str], kept: KeptSockets | None = None) -> list[socket.socket]:
    """Return one listening socket for each endpoint, and for each that the service manager passed.

    Args:
        endpoints: where to listen.
        kept: those that listen already; from now on those that are returned, if all could be had.

    Raises:
        EnvironmentFailure: an address cannot be bound.
    """
    kept = kept or KeptSockets()
    made: list[socket.socket] = []
    listening: dict[str, socket.socket] = {}
    for endpoint in endpoints:
        host, port = split_endpoint(endpoint)
        if _everywhere(host, port) in kept.passed:
            continue  # it is served there, and can be bound no second time
        known = kept.get(_written(host, port))
        if known is not None:
            known.setblocking(False)
            listening[_written(host, port)] = known
            continue
        try:
            made.append(_listen(host, port))
            listening[_written(host, port)] = made[-1]
        except OSError as error:
            for other in made:
                other.close()
            raise EnvironmentFailure(
                f"cannot listen on {endpoint}: {error.strerror}",
                hint=bind_hint(error),
            ) from error
    for endpoint, one in kept.passed.items():
        if endpoint not in listening:
            # The service manager listens there in any case: who connects is served, or would wait.
            log.warning(
                "smtp.passed_beside_settings",
                endpoint=endpoint,
                hint="smtp.listen does not name it; correct borderscout-satellite.socket",
            )
            one.setblocking(False)
            listening[endpoint] = one
    kept.keep_only(listening)
    return list(listening.values())


def _written(host: str, port: int) -> str:
    """Return an endpoint as the kernel writes its address; that of a name as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{port}"
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _everywhere(host: str, port: int) -> str:
    """Return the endpoint that has all addresses of a host's family, where the host is another."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""  # of which family it is, is not known before it is looked up
    return "" if address.is_unspecified else _written(str(type(address)(0)), port)


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


def inherited(descriptors: list[int]) -> list[socket.socket]:
    """Return the sockets that the parent left open for us."""
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
