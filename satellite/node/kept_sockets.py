"""Which listening sockets does a node have already when it begins?

Touches the environment and descriptors. They come from the service manager, or are the node's own
from before it began anew in the same process. Who connects meanwhile waits in the kernel's queue of
the socket, and is refused by nobody. The environment names the process, so that nobody who inherits
it takes a descriptor for what it is not.

Source: execve(2): descriptors without the close-on-exec flag stay open; sd_listen_fds(3).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence

from common.errors import EnvironmentFailure
from common.settings.values import endpoint

VARIABLE = "BORDERSCOUT_SOCKETS"
FIRST_PASSED_DESCRIPTOR = 3
PASSED_MAX = 64
SMTP_NAME = "smtp"  # FileDescriptorName= of the rendered unit


class KeptSockets:
    """Listening sockets by their endpoint.

    Args:
        found: those that the process before left.
        passed: those that the service manager listens on, and goes on to after our end.
    """

    def __init__(
        self,
        found: Mapping[str, socket.socket] | None = None,
        *,
        passed: Mapping[str, socket.socket] | None = None,
    ) -> None:
        self.passed = dict(passed or {})
        self._by_endpoint = {**(found or {}), **self.passed}

    @classmethod
    def taken_over(cls) -> KeptSockets:
        """Return those that this very process was given, or kept when it began anew.

        What the service manager gave keeps its number from one beginning to the next, and so is
        read from the same variables each time.

        Raises:
            EnvironmentFailure: the service manager gave what is no socket for SMTP.
        """
        passed = _passed()
        told = os.environ.pop(VARIABLE, "")
        process, _, named = told.partition(" ")
        found = {}
        if process == str(os.getpid()):
            for endpoint, descriptor in json.loads(named).items():
                if endpoint not in passed:
                    found[endpoint] = _taken(descriptor)
        return cls(found, passed=passed)

    def get(self, endpoint: str) -> socket.socket | None:
        """Return the socket that listens there."""
        return self._by_endpoint.get(endpoint)

    def keep_only(self, listening: Mapping[str, socket.socket]) -> None:
        """Keep these from now on, and close those of our own that are none of them."""
        listening = {**self.passed, **listening}
        for place, one in self._by_endpoint.items():
            if listening.get(place) is not one:
                one.close()
        self._by_endpoint = dict(listening)

    def all(self) -> Sequence[socket.socket]:
        """Return all of them."""
        return list(self._by_endpoint.values())

    def environment(self) -> Mapping[str, str]:
        """Let them stay open over execve(2), and return what tells the next program of them."""
        for one in self.all():
            os.set_inheritable(one.fileno(), True)
        named = {endpoint: one.fileno() for endpoint, one in self._by_endpoint.items()}
        return {VARIABLE: f"{os.getpid()} {json.dumps(named)}"} if named else {}


def _passed() -> dict[str, socket.socket]:
    """Return the sockets that the service manager passed, by where they listen."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    told = os.environ.get("LISTEN_FDS", "0")
    if not (told.isascii() and told.isdecimal() and int(told) <= PASSED_MAX):
        raise EnvironmentFailure(
            f"LISTEN_FDS is no number: {told[:20]!r}", hint="the service manager sets it"
        )
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = {}
    for number in range(int(told)):
        name = names[number] if number < len(names) else ""
        one = _taken(FIRST_PASSED_DESCRIPTOR + number)
        if one.type != socket.SOCK_STREAM or one.family not in (socket.AF_INET, socket.AF_INET6):
            raise EnvironmentFailure(
                f"socket {number} that the service manager passed takes no TCP",
                hint="let the socket unit say ListenStream=PORT",
            )
        if name not in ("", "unknown", SMTP_NAME) and not name.endswith(".socket"):
            raise EnvironmentFailure(
                f"the service manager passed a socket for {name[:40]!r}",
                hint=f"only those for SMTP are taken: FileDescriptorName={SMTP_NAME}",
            )
        host, port = one.getsockname()[:2]
        found[endpoint(host, port)] = one
    return found


def _taken(descriptor: int) -> socket.socket:
    """Return a socket that came with the process, and that no child of ours gets by chance."""
    try:
        os.set_inheritable(descriptor, False)
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise EnvironmentFailure(
            f"descriptor {descriptor} is no socket: {error.strerror}",
            hint="the service manager passes sockets alone",
        ) from None
