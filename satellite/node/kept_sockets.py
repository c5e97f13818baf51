"""Which listening sockets does a node keep when it begins anew in the same process?

Touches the environment and descriptors. Who connects meanwhile waits in the kernel's queue of the
socket, and is refused by nobody. The environment names the process, so that nobody who inherits it
takes a descriptor for what it is not.

Source: execve(2): descriptors without the close-on-exec flag stay open.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence

VARIABLE = "BORDERSCOUT_SOCKETS"


class KeptSockets:
    """Listening sockets by their endpoint.

    Args:
        found: those that the process before left.
    """

    def __init__(self, found: Mapping[str, socket.socket] | None = None) -> None:
        self._by_endpoint = dict(found or {})

    @classmethod
    def taken_over(cls) -> KeptSockets:
        """Return those that this very process kept when it began anew; none at its first start."""
        told = os.environ.pop(VARIABLE, "")
        process, _, named = told.partition(" ")
        if process != str(os.getpid()):
            return cls()
        found = {}
        for endpoint, descriptor in json.loads(named).items():
            os.set_inheritable(descriptor, False)
            found[endpoint] = socket.socket(fileno=descriptor)
        return cls(found)

    def get(self, endpoint: str) -> socket.socket | None:
        """Return the socket that listens there."""
        return self._by_endpoint.get(endpoint)

    def keep_only(self, listening: Mapping[str, socket.socket]) -> None:
        """Keep these from now on, and close those that are none of them."""
        for endpoint, one in self._by_endpoint.items():
            if listening.get(endpoint) is not one:
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
