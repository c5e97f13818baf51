"""How much mail has not ended, by domain and state?

Touches the spool's tables, reading. For an operator who empties a node: one line for each domain
and state, however many messages there are; so many lines at a time as fit an answer.
"""

from __future__ import annotations

from typing import Any

from common.frozen import dataclass
from common.states import State
from satellite.spool.disk.rows import Select, rows_at_once
from satellite.spool.disk.schema import DOMAIN, IS_LYING

_COLUMNS = "domain, state, recipients, octets, oldest_us, oldest_age_us"
# The index has all of it, in this order: only what is returned is looked at.
_LYING = f"""
SELECT {DOMAIN} AS domain, state, count(*) AS recipients, sum(size) AS octets,
  min(received_us) AS oldest_us, min(age_us) AS oldest_age_us
FROM recipient INDEXED BY lying WHERE {IS_LYING} AND {DOMAIN} > ?
GROUP BY {DOMAIN}, state ORDER BY {DOMAIN}, state LIMIT ?
"""  # noqa: S608 - expressions of ours
# No index has these: they come and go. All recipients are looked through for them.
_WORKED_ON = f"""
SELECT {DOMAIN} AS domain, state, count(*) AS recipients, sum(size) AS octets,
  min(received_us) AS oldest_us, min(age_us) AS oldest_age_us
FROM recipient WHERE state IN ('received', 'sending')
GROUP BY domain, state ORDER BY domain, state LIMIT ?
"""  # noqa: S608 - expressions of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The recipients of one domain in one state."""

    domain: str
    state: State
    recipients: int
    bytes: int  # of their messages, which count for each of their recipients
    oldest_us: int  # wall clock, when the oldest was received
    oldest_age_us: int  # the age clock then: the hold days count from here


def lying(select: Select, *, after: str, limit: int) -> list[Left]:
    """Return what lies in the spool, by domain and state; those of one domain together.

    Args:
        select: runs a SELECT.
        after: the domain that was read last; empty: from the beginning.
        limit: lines, more than there are states.
    """
    found = _lines(rows_at_once(select, _COLUMNS, _LYING, (after, limit)))
    if len(found) < limit:
        return found
    last = found[-1].domain  # it may go on behind the limit
    return [line for line in found if line.domain != last]


def worked_on(select: Select, *, limit: int) -> list[Left]:
    """Return what is judged or sent now, by domain and state.

    Args:
        select: runs a SELECT.
        limit: lines.
    """
    return _lines(rows_at_once(select, _COLUMNS, _WORKED_ON, (limit,)))


def _lines(rows: list[list[Any]]) -> list[Left]:
    return [
        Left(
            domain=domain,
            state=State(state),
            recipients=recipients,
            bytes=octets,
            oldest_us=oldest_us,
            oldest_age_us=oldest_age_us,
        )
        for domain, state, recipients, octets, oldest_us, oldest_age_us in rows
    ]
