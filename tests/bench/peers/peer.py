"""What is a gateway under load, to those who measure it?

Touches nothing itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from tests.bench.parts import Parts

TARGET_PORT = 2525  # of the peers; ours chooses its own
SINK = "127.0.0.1:2600"


class Peer(ABC):
    """One gateway: ``start`` it, load it, ``stop`` it.

    Args:
        work: folder; what outlives a run (an ``npm install``) is below it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    apart: ClassVar[frozenset[str]] = frozenset()  # groups that are no part of the gateway

    def __init__(self, work: Path) -> None:
        self.work = work
        self.parts = Parts(self.name, work / "run" / self.name)

    @property
    def folder(self) -> Path:
        return self.parts.folder

    @property
    def target(self) -> str:
        """Where it takes mail, HOST:PORT."""
        return f"127.0.0.1:{TARGET_PORT}"

    @abstractmethod
    def start(self) -> None:
        """Start it, and return once it takes mail.

        Raises:
            PeerFailed: it does not.
        """

    def settle(self) -> dict[str, Any]:
        """Return once it has nothing left to do after a load, with what that took."""
        return {}

    def stop(self) -> None:
        """End it."""
        self.parts.close()
