"""Which answers of DNS are remembered, for how long, and what is used when a lookup fails?

Pure: the time comes in as an argument. What was found is believed for its TTL; what was not is
forgotten at once, since a name that is missing for a moment would still be missing when it is asked
for the second time, and then it is believed. A failure is remembered for half a minute, so that the
messages of one destination do not each wait for it; and what was found last is used meanwhile.

Source: RFC 8767 section 5 (stale answers: half a minute until it is asked again, one to three days
in all), RFC 9520 section 3.2 (failures are remembered).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from satellite.names.answer import Lookup, LookupResult

TTL_S_MAX = 86_400.0  # who writes a week into DNS cannot keep us from noticing a move for so long
LAST_GOOD_S_MAX = 3 * 86_400.0  # what was found last is used for so long beyond its TTL
FAILURE_S = 30.0  # until a name is asked for again whose lookup failed

RecordT = TypeVar("RecordT")


@dataclass(slots=True)
class _Kept(Generic[RecordT]):
    """What is known of one question; times are monotonic."""

    good: Lookup[RecordT] | None = None
    good_until_s: float = 0.0
    failed_until_s: float = 0.0


class LookupMemory(Generic[RecordT]):
    """The answers of DNS to the questions that were asked last.

    Args:
        most: questions that are remembered; the one that was used longest ago goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[tuple[str, str], _Kept[RecordT]] = {}

    def known(self, name: str, kind: str, *, now_s: float) -> Lookup[RecordT] | None:
        """Return the answer that needs no question; None: ask."""
        kept = self._kept.pop((name, kind), None)
        if kept is None:
            return None
        self._kept[(name, kind)] = kept  # the last one used
        if kept.good is not None and now_s < kept.good_until_s:
            return kept.good
        if now_s < kept.failed_until_s:
            return self.last_good(name, kind, now_s=now_s) or Lookup(LookupResult.FAILED)
        return None

    def last_good(self, name: str, kind: str, *, now_s: float) -> Lookup[RecordT] | None:
        """Return what was found last, if that may still be used when nothing better is known."""
        kept = self._kept.get((name, kind))
        if kept is None or kept.good is None or now_s >= kept.good_until_s + LAST_GOOD_S_MAX:
            return None
        # It stays proved if it was: else whoever silences DNS could have mail without DANE.
        return kept.good

    def learned(
        self, name: str, kind: str, said: Lookup[RecordT], *, ttl_s: float, now_s: float
    ) -> Lookup[RecordT]:
        """Take in what DNS said, and return what holds: after a failure what was found last."""
        key = (name, kind)
        match said.found:
            case LookupResult.RECORDS:
                until_s = now_s + min(ttl_s, TTL_S_MAX)
                self._kept.pop(key, None)
                self._keep(key, _Kept(said, until_s))
                return said
            case LookupResult.FAILED:
                kept = self._kept.pop(key, None) or _Kept[RecordT]()
                kept.failed_until_s = now_s + FAILURE_S
                self._keep(key, kept)
                return self.last_good(name, kind, now_s=now_s) or said
            case _:
                self._kept.pop(key, None)
                return said

    def _keep(self, key: tuple[str, str], kept: _Kept[RecordT]) -> None:
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept
