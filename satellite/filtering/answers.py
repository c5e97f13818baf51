"""Which DNS answers are cached, and for how long by their TTL?

Pure: a bounded memory without a clock.
"""

from __future__ import annotations

from satellite.filtering.resolver import DnsAnswer

ANSWERS_MAX = 50_000  # some ten megabytes
TTL_S_MIN = 30.0  # a list that says 0 would be asked for each message of a burst
TTL_S_MAX = 3_600.0  # a client that was delisted is not held guilty all day


class Answers:
    """The last answers by name; the oldest give way."""

    def __init__(self, *, answers_max: int = ANSWERS_MAX) -> None:
        self._answers_max = answers_max
        self._known: dict[str, tuple[float, DnsAnswer]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, name: str, *, now_s: float) -> DnsAnswer | None:
        """Return what was answered for a name, while it may be believed."""
        known = self._known.get(name)
        if known is None:
            return None
        until_s, answer = known
        if now_s >= until_s:
            del self._known[name]
            return None
        return answer

    def keep(self, name: str, answer: DnsAnswer, *, now_s: float) -> None:
        """Remember an answer for as long as it says, within our bounds."""
        self._known.pop(name, None)
        if len(self._known) >= self._answers_max:
            del self._known[next(iter(self._known))]
        until_s = now_s + min(max(answer.ttl_s, TTL_S_MIN), TTL_S_MAX)
        self._known[name] = (until_s, answer)
