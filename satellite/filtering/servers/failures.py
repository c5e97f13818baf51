"""What can a server that a filter asks do instead of answering?

Pure.
"""

from __future__ import annotations

from common.errors import EnvironmentFailure, PeerError


class NoServer(EnvironmentFailure):
    """A server takes no connections.

    Args:
        what: what it did instead.
        was_silent: it did not even refuse, so that to ask costs time.
    """

    def __init__(self, what: str, *, was_silent: bool = False) -> None:
        super().__init__(what)
        self.was_silent = was_silent


class HungUp(PeerError):
    """A server closed the connection before it had answered."""


class Nonsense(PeerError):
    """A server answered what nobody can understand, or that it failed."""
