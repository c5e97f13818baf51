"""What is the limit of DSNs to one domain, in number and in octets?

Pure: the time comes in as an argument. Whoever sends mail to mailboxes that do not exist, from
addresses that are not its own, makes us write to strangers. Each domain has an allowance that grows
back evenly; what is beyond it is not sent, and a record says so. Octets count where a message would
go back whole: beyond them its header does. The limits are a node's, so each of its workers, which
share nothing, has its part of them. What all sites send together may have a limit too.

Source: RFC 3834 section 2 (limits on automatic mail), RFC 5321 section 6.2.
"""

from __future__ import annotations

from typing import Protocol

DOMAINS_MAX = 10_000  # remembered; the one that was longest without a DSN is forgotten first
_HOUR_S = 3600.0
TALLY_KIND = "dsn.domain"


class SeenEverywhere(Protocol):
    """How much was counted of a thing, at all sites."""

    @property
    def amount(self) -> int: ...

    @property
    def is_of_all_sites(self) -> bool: ...


class CountsEverywhere(Protocol):
    """What sums over all sites."""

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None: ...

    def total(self, kind: str, key: bytes, *, window_s: float) -> SeenEverywhere: ...


class Allowance:
    """What each domain may still be sent.

    Args:
        per_hour: DSNs for one domain in an hour; after a quiet hour all of them at once.
        bytes_per_hour: octets of messages that go back whole, likewise.
        workers: of the node.
        of_all_sites: DSNs for one domain in an hour, of all sites together; 0: no such limit.
        counts: sum them; without the core this worker's part of the node's limit holds alone.
    """

    def __init__(
        self,
        per_hour: int,
        *,
        bytes_per_hour: int,
        workers: int,
        of_all_sites: int = 0,
        counts: CountsEverywhere | None = None,
    ) -> None:
        self._notices = _Supply(max(1.0, per_hour / workers))
        self._octets = _Supply(bytes_per_hour / workers)
        self._of_all_sites = of_all_sites
        self._counts = counts

    def take(self, domain: str, *, now_s: float) -> bool:
        """Say whether one more DSN may go to a domain, and count it.

        Args:
            domain: of the sender.
            now_s: monotonic.
        """
        if self._counts is None or not self._of_all_sites:
            return self._notices.take(domain, 1.0, now_s=now_s)
        seen = self._counts.total(TALLY_KIND, domain.encode(), window_s=_HOUR_S)
        if seen.is_of_all_sites and seen.amount >= self._of_all_sites:
            return False
        may_go = self._notices.take(domain, 1.0, now_s=now_s)
        if may_go:
            self._counts.add(TALLY_KIND, domain.encode(), told_from=2)
        return may_go

    def take_octets(self, domain: str, octets: int, *, now_s: float) -> bool:
        """Say whether a message of so many octets may go back to a domain whole, and count it."""
        return self._octets.take(domain, float(octets), now_s=now_s)


class _Supply:
    """What is left for each domain; all of it once in an hour."""

    def __init__(self, per_hour: float) -> None:
        self._per_hour = per_hour
        self._left: dict[str, tuple[float, float]] = {}  # domain → what was left, and when

    def take(self, domain: str, amount: float, *, now_s: float) -> bool:
        left, then_s = self._left.pop(domain, (self._per_hour, now_s))
        left = min(left + (now_s - then_s) * self._per_hour / _HOUR_S, self._per_hour)
        may_go = left >= amount
        if len(self._left) >= DOMAINS_MAX:
            del self._left[next(iter(self._left))]
        self._left[domain] = (left - amount if may_go else left, now_s)
        return may_go
