"""How is something done in a machine of the lab, from outside of it?

Touches namespaces, processes and the network in them. A program is run with the machine's network,
files and name; a question over HTTP is asked through a socket that is opened in its network, which
takes no process at all.

Source: nsenter(1), setns(2): a socket stays in the network in which it was opened.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure

_CLONE_NEWNET = 0x40000000
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def entering_command(holder: int, command: Sequence[str], *, is_in_lab: bool) -> list[str]:
    """Return what to execute so that ``command`` runs in a machine.

    Args:
        holder: the process that holds the machine's namespaces.
        is_in_lab: whoever executes it is in the lab, so that the command is as well, with its ids.
    """
    ids = [] if is_in_lab else ["--pid"]
    return ["nsenter", "--target", str(holder), "--net", "--mount", "--uts", *ids, "--", *command]


def environment() -> dict[str, str]:
    """Return what programs of the lab have: the paths of administrators, and of this program."""
    paths = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(":")]
    path = ":".join(dict.fromkeys([*paths, *_SBIN]))
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM") if name in os.environ}
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def get_page(
    holder: int,
    host: str,
    port: int,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    timeout_s: float = 5.0,
) -> tuple[int, bytes]:
    """Return status and body of what is asked over HTTP in a machine's network.

    Args:
        body: what is sent, as JSON; None: nothing is.

    Raises:
        OSError: nothing answers there.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    connection.sock = connected(holder, host, port, timeout_s=timeout_s)
    try:
        sent = dict(headers or {})
        if body is None:
            connection.request("GET", path, headers=sent)
        else:
            sent["Content-Type"] = "application/json"
            connection.request("POST", path, json.dumps(body), headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error}") from None
    finally:
        connection.close()


def connected(holder: int, host: str, port: int, *, timeout_s: float) -> socket.socket:
    """Return a connection in a machine's network to an address there.

    Raises:
        OSError: nothing answers there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = _socket_in(holder, family)
    made.settimeout(timeout_s)
    try:
        made.connect((host, port))
    except OSError:
        made.close()
        raise
    return made


def _socket_in(holder: int, family: socket.AddressFamily) -> socket.socket:
    """Return a socket of another network; this thread is back in its own before anything else."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open() as own,
        Path(f"/proc/{holder}/ns/net").open() as theirs,
    ):
        if libc.setns(theirs.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the machine's network")
        try:
            return socket.socket(family, socket.SOCK_STREAM)
        finally:
            if libc.setns(own.fileno(), _CLONE_NEWNET) != 0:
                raise EnvironmentFailure("cannot come back from the machine's network")
