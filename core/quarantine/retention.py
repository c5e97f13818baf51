"""How long is a quarantined message kept?

Pure.
"""

from __future__ import annotations

DAY_US = 86_400_000_000
DAYS_MAX = 3_650


def kept_since_us(*, now_us: int, days: int) -> int:
    """Return the time before which messages are deleted, microseconds since the epoch, UTC.

    Args:
        now_us: the current time.
        days: how long they are kept, 1 to ``DAYS_MAX``.
    """
    assert 1 <= days <= DAYS_MAX
    return now_us - days * DAY_US
