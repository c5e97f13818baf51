"""For how many days is mail held for a server that is away, and how often is it probed?

Pure: age and jitter come in as arguments. A destination is away when none of its hosts can be
talked to. Then nothing is tried for it but one message at a time, the probe; all others wait
without a connection and become due together when a probe gets through.

Source: promise P10; docs/delivery.md, *When a server is away*.
"""

from __future__ import annotations

from dataclasses import dataclass

PROBE_S_MAX = 45.0  # between the starts of two probes, jitter included (P10)
PROBE_JITTER_SHARE = 0.2
PROBE_OPEN_S_MAX = PROBE_S_MAX * (1.0 - PROBE_JITTER_SHARE)  # for all steps of one probe together
HOLD_DAYS_DEFAULT = 7  # for a destination whose domain has no route: our own DSNs

_DAY_US = 86_400 * 1_000_000
_CONNECT_S_MIN = 1.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when a destination is away (microseconds, UTC), and how that showed last."""

    since_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldInfo:
    """One destination that is away, as an operator sees it."""

    customer: str
    destination: str
    since_us: int
    reason: str
    messages: int
    bytes: int
    oldest_us: int  # when the oldest held message was received
    expires_us: int  # wall clock: not before this does the first of them expire


def probe_wait_s(spread: float) -> float:
    """Return the seconds from the start of one probe to the start of the next.

    Args:
        spread: from 0 up to 1; shortens the wait by up to a fifth.
    """
    assert 0.0 <= spread <= 1.0
    return PROBE_S_MAX * (1.0 - PROBE_JITTER_SHARE * spread)


def probe_connect_s(configured_s: float, *, hosts: int) -> float:
    """Return the seconds that a probe gives one host, so that all fit between two probes."""
    share_s = PROBE_OPEN_S_MAX / max(hosts, 1)
    return max(min(configured_s, share_s), _CONNECT_S_MIN)


def expires_age_us(accepted_age_us: int, *, hold_days: int) -> int:
    """Return the age of the spool beyond which a message has expired."""
    return accepted_age_us + hold_days * _DAY_US


def is_expired(*, age_us: int, accepted_age_us: int, hold_days: int) -> bool:
    """Say whether a message was held long enough; counted by the spool's age, never the wall."""
    return age_us > expires_age_us(accepted_age_us, hold_days=hold_days)
