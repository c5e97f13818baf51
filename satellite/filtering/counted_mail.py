"""Was a message counted before?

Pure: a bounded memory. A message that waits for an engine is examined again and again; whoever
counts messages must count it once.
"""

from __future__ import annotations

IDS_MAX = 20_000  # some three megabytes; whoever waits longer than so many others counts again


class CountedMail:
    """The messages that were counted last, by their ids."""

    def __init__(self, *, ids_max: int = IDS_MAX) -> None:
        self._ids_max = ids_max
        self._ids: dict[str, None] = {}

    def is_new(self, identifier: str) -> bool:
        """Say whether a message is to be counted, and remember that it is; one without id never."""
        if not identifier:
            return False
        if identifier in self._ids:
            return False
        if len(self._ids) >= self._ids_max:
            del self._ids[next(iter(self._ids))]
        self._ids[identifier] = None
        return True
