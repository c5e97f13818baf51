"""What is the limit of DSNs to one domain?

Pure: the time comes in as an argument. Whoever sends mail to mailboxes that do not exist, from
addresses that are not its own, makes us write to strangers. Each domain has an allowance that grows
back evenly; what is beyond it is not sent, and a record says so.

Source: RFC 3834 section 2 (limits on automatic mail), RFC 5321 section 6.2.
"""

from __future__ import annotations

DOMAINS_MAX = 10_000  # remembered; the one that was longest without a DSN is forgotten first
_HOUR_S = 3600.0


class Allowance:
    """What each domain may still be sent.

    Args:
        per_hour: DSNs for one domain in an hour; after a quiet hour all of them at once.
    """

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._left: dict[str, tuple[float, float]] = {}  # domain → what was left, and when

    def take(self, domain: str, *, now_s: float) -> bool:
        """Say whether one more DSN may go to a domain, and count it.

        Args:
            domain: of the sender.
            now_s: monotonic.
        """
        left, then_s = self._left.pop(domain, (float(self._per_hour), now_s))
        left = min(left + (now_s - then_s) * self._per_hour / _HOUR_S, float(self._per_hour))
        may_go = left >= 1.0
        if len(self._left) >= DOMAINS_MAX:
            del self._left[next(iter(self._left))]
        self._left[domain] = (left - 1.0 if may_go else left, now_s)
        return may_go
