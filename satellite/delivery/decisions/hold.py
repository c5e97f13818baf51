"""For how many days is mail held for a server that is away, and how often is it probed?

Pure: age and jitter come in as arguments. A destination is away when none of its hosts can be
talked to. Then nothing is tried for it but one message at a time, the probe; all others wait
without a connection and become due together when a probe gets through.

Source: promise P10; docs/delivery.md, *When a server is away*.
"""

from __future__ import annotations

from common.frozen import dataclass
from common.reports import HoldReport

PROBE_S_MAX = 45.0  # between the starts of two probes, jitter included (P10)
PROBE_PLACE_S = 3.0  # of these, to wait for a place beside the probes of very many others
PROBE_PLANNED_S_MAX = PROBE_S_MAX - PROBE_PLACE_S
PROBE_JITTER_SHARE = 0.2
PROBE_OPEN_S_MAX = PROBE_PLANNED_S_MAX * (
    1.0 - PROBE_JITTER_SHARE
)  # for all steps of one probe together
STRANGER_S_MAX = 1800.0  # between two probes of a stranger's server, RFC 5321 section 4.5.4.1
PROBE_PLACES_SHARE = 2 / 3  # of the places that the plan counts on; the rest is for a busy machine
ASKED_S_MIN = 2.0  # that a server is given at least, however many wait for its place
HOLD_DAYS_DEFAULT = 7  # for a destination whose domain has no route: our own DSNs

_DAY_US = 86_400 * 1_000_000


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

    def report(self) -> HoldReport:
        """Return the same as it is told to operators and to the core."""
        return HoldReport(
            customer=self.customer,
            destination=self.destination,
            since_us=self.since_us,
            reason=self.reason,
            messages=self.messages,
            bytes=self.bytes,
            oldest_us=self.oldest_us,
            expires_us=self.expires_us,
        )


def probe_wait_s(spread: float) -> float:
    """Return the seconds from the start of one probe to the start of the next.

    Args:
        spread: from 0 up to 1; shortens the wait by up to a fifth.
    """
    assert 0.0 <= spread <= 1.0
    return PROBE_PLANNED_S_MAX * (1.0 - PROBE_JITTER_SHARE * spread)


def stranger_wait_s(away_s: float, spread: float) -> float:
    """Return the seconds between two probes of a server that none of our customers has.

    Only our own DSNs wait for it, and it may never have been there: it is asked as often as a
    customer's at first, then ever more seldom.

    Args:
        away_s: for how long it is away.
        spread: as in ``probe_wait_s``.
    """
    growth = min(max(away_s / 2.0, PROBE_PLANNED_S_MAX), STRANGER_S_MAX) / PROBE_PLANNED_S_MAX
    return probe_wait_s(spread) * growth


def probe_open_s(*, away: int, at_once: int) -> float:
    """Return the seconds that a probe may take for all its steps with all hosts together.

    Each destination is to be asked once between two probes, with so many at once. A turn holds its
    place for longer than it asks, and probes come in bunches: so not all places are planned.

    Args:
        away: destinations on hold.
        at_once: probes at once.
    """
    share = min(1.0, PROBE_PLACES_SHARE * at_once / max(away, 1))
    return max(ASKED_S_MIN, share * PROBE_OPEN_S_MAX)


def expires_age_us(accepted_age_us: int, *, hold_days: int) -> int:
    """Return the age of the spool beyond which a message has expired."""
    return accepted_age_us + hold_days * _DAY_US


def is_expired(*, age_us: int, accepted_age_us: int, hold_days: int) -> bool:
    """Say whether a message was held long enough; counted by the spool's age, never the wall."""
    return age_us > expires_age_us(accepted_age_us, hold_days=hold_days)
