"""To which messages is a turn promised that are not in the delivery queue yet?

Pure: monotonic time comes in as an argument. A message that is judged bears its sending mark when
its turn begins at once. Several are judged before the first of them is in its lane, so each promise
counts until then; one whose judgement never became durable is forgotten after a while.
"""

from __future__ import annotations

from collections.abc import Collection

from common.ids import MessageId
from satellite.delivery.decisions.routing import Destination

KEPT_S = 5.0  # from a judgement to its commit and its place in a lane; a busy disk takes one


class Promises:
    """Turns that were promised, by destination."""

    def __init__(self) -> None:
        self._given: dict[Destination, dict[MessageId, float]] = {}
        self._destinations: dict[MessageId, list[Destination]] = {}

    def give(self, destination: Destination, message: MessageId, *, now_s: float) -> None:
        """Promise a message its turn with a destination."""
        self._given.setdefault(destination, {})[message] = now_s
        self._destinations.setdefault(message, []).append(destination)

    def given(self, destination: Destination, *, now_s: float) -> Collection[MessageId]:
        """Return the messages that have such a promise, without those that never came."""
        given = self._given.get(destination)
        if given is None:
            return ()
        while given:
            first = next(iter(given))
            if now_s - given[first] < KEPT_S:
                return given
            self.keep(first)
        return ()

    def keep(self, message: MessageId) -> None:
        """Take note that a message is in its lanes, or does not come."""
        for destination in self._destinations.pop(message, ()):
            given = self._given[destination]
            del given[message]
            if not given:
                del self._given[destination]

    def __contains__(self, message: MessageId) -> bool:
        return message in self._destinations

    def __len__(self) -> int:
        return len(self._destinations)
