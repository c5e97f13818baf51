"""Which loopback ports do a core and its satellites have?

Touches sockets, to see what is free. Ports are chosen once and kept in a file: settings that name
them stay the same from one rendering to the next. They lie below 32768, where Linux picks none for
outgoing connections: one from above may be taken by a client before the server binds it.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from common.errors import EnvironmentFailure, LocalError
from inventory.addressing import LOOPBACK

LOWEST = 20_000
HIGHEST = 32_767
PORTS_FILE = "ports.json"
ENDPOINTS_FILE = "endpoints.json"


def was_on_loopback(out: Path) -> bool:
    """Say whether a folder was rendered with ``--loopback``, the last time.

    The ports stay in it when it is rendered for machines after a trial, so that there being some
    tells nothing: once a revocation has brought a real cluster's files to 127.0.0.1.

    Args:
        out: the rendered folder.
    """
    if not (out / PORTS_FILE).exists():
        return False
    try:
        core = json.loads((out / ENDPOINTS_FILE).read_text(encoding="utf-8"))["core"]
        return str(core["grpc"]).startswith(f"{LOOPBACK}:")
    except (OSError, ValueError, TypeError, KeyError):
        return True  # of a first rendering that was cut short: what it wrote last is not there


def known_ports(path: Path) -> dict[str, dict[str, int]]:
    """Return the ports that were chosen before, by folder and what listens.

    Raises:
        LocalError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        found = {
            str(name): {str(what): int(port) for what, port in ports.items()}
            for name, ports in tree.items()
        }
    except (ValueError, TypeError, AttributeError):
        raise LocalError(
            f"{path}: is damaged", hint="delete it to have ports chosen anew"
        ) from None
    every = [port for ports in found.values() for port in ports.values()]
    if len(set(every)) != len(every) or not all(1024 <= port <= HIGHEST for port in every):
        raise LocalError(
            f"{path}: a port stands twice or lies outside 1024 to {HIGHEST}",
            hint="delete it to have ports chosen anew",
        )
    return found


def complete(
    known: Mapping[str, Mapping[str, int]], wanted: Mapping[str, tuple[str, ...]]
) -> dict[str, dict[str, int]]:
    """Return the known ports and new free ones for what has none yet, sorted by name.

    Raises:
        EnvironmentFailure: no port is free.
    """
    found = {name: dict(ports) for name, ports in known.items()}
    taken = {port for ports in known.values() for port in ports.values()}
    for name, what in wanted.items():
        mine = found.setdefault(name, {})
        for one in what:
            if one not in mine:
                mine[one] = _free_port(taken)
                taken.add(mine[one])
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def _free_port(taken: set[int]) -> int:
    span = HIGHEST - LOWEST + 1
    start = secrets.randbelow(span)  # two renderings at once seldom meet
    for step in range(span):
        port = LOWEST + (start + step) % span
        if port not in taken and _is_free(port):
            return port
    raise EnvironmentFailure(
        f"no free port between {LOWEST} and {HIGHEST}", hint="stop what holds them"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
