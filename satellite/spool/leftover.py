"""How much mail has not ended, by domain and state?

Touches the spool's tables, reading. For an operator who empties a node: one line for each domain
and state, however many messages there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.states import OUTCOMES, State
from satellite.spool.disk.rows import Select

_LEFT = """
SELECT lower(substr(address, length(rtrim(address, replace(address, '@', ''))) + 1)) AS domain,
  state, count(*), sum(size), min(received_us), min(age_us)
FROM recipient JOIN message ON message.id = recipient.message
GROUP BY domain, state ORDER BY domain, state
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The recipients of one domain in one state."""

    domain: str
    state: State
    recipients: int
    bytes: int  # of their messages, which count for each of their recipients
    oldest_us: int  # wall clock, when the oldest was received
    oldest_age_us: int  # the age clock then: the hold days count from here


def left(select: Select) -> list[Left]:
    """Return what has not ended, by domain and state."""
    return [
        Left(
            domain=domain,
            state=State(state),
            recipients=recipients,
            bytes=octets,
            oldest_us=oldest_us,
            oldest_age_us=oldest_age_us,
        )
        for domain, state, recipients, octets, oldest_us, oldest_age_us in select(_LEFT, ())
        if State(state) not in OUTCOMES
    ]
