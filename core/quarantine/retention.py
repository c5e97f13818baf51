"""How long is a quarantined message kept?

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DAY_US = 86_400_000_000
DAYS_MAX = 3_650


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyDays:
    """How long the body of a quarantined message is kept since it was here whole.

    Args:
        days: 1 to ``DAYS_MAX``.
        by_reason: other days, for what was quarantined for one of these reasons.
    """

    days: int
    by_reason: Mapping[str, int] = field(default_factory=dict)

    def is_over(self, reason: str, *, held_us: int, now_us: int) -> bool:
        """Say whether a body may go.

        Args:
            reason: the class of the reason for which it was quarantined.
            held_us: since when it is here, microseconds since the epoch, UTC.
            now_us: the time.
        """
        return held_us < kept_since_us(now_us=now_us, days=self.by_reason.get(reason, self.days))

    def any_over_us(self, *, now_us: int) -> int:
        """Return the time before which the body of some reason may go."""
        return kept_since_us(now_us=now_us, days=min((self.days, *self.by_reason.values())))


def kept_since_us(*, now_us: int, days: int) -> int:
    """Return the time before which what is kept for some days goes, microseconds since the epoch.

    Args:
        now_us: the current time.
        days: how long it is kept, 1 to ``DAYS_MAX``.
    """
    assert 1 <= days <= DAYS_MAX
    return now_us - days * DAY_US
