"""Which recipients are in the spool, a page of messages at a time?

Touches the spool's tables, reading. A spool may hold a million messages; whoever looks for some of
them reads part after part, in a thread. Those of one domain are found by an index; what is in some
states alone is found by looking at all, which SQLite does in a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Collection

from common.frozen import dataclass
from common.ids import MessageId
from common.states import State
from satellite.spool.disk.rows import Select, rows_at_once
from satellite.spool.disk.schema import DOMAIN, IS_LYING
from satellite.spool.model.messages import Origin
from satellite.spool.model.states import LYING

_COLUMNS = "id, number, origin, address, state"
_PART = """
SELECT id, number, origin, address, state
FROM (SELECT id, origin FROM message WHERE id IN (SELECT id FROM ({ids}) ORDER BY id LIMIT ?2))
JOIN recipient ON message = id ORDER BY id, number
"""
_ALL = "SELECT id FROM message WHERE id > ?1 ORDER BY id LIMIT ?2"
_IN_STATES = """
SELECT DISTINCT message AS id FROM recipient
WHERE message > ?1 AND state IN ({states}) ORDER BY id LIMIT ?2
"""
_LYING_OF_DOMAIN = f"""
SELECT id FROM (
  SELECT message AS id FROM recipient INDEXED BY lying
  WHERE {IS_LYING} AND {DOMAIN} = ?3 AND state = '{{state}}' AND message > ?1
  ORDER BY message LIMIT ?2)
"""  # noqa: S608 - expressions of ours
_WORKED_ON_OF_DOMAIN = f"""
SELECT id FROM (
  SELECT message AS id FROM recipient
  WHERE message > ?1 AND state IN ({{states}}) AND {DOMAIN} = ?3
  ORDER BY message LIMIT ?2)
"""  # noqa: S608 - expressions of ours


@dataclass(frozen=True, slots=True)
class FoundRecipient:
    """One recipient of one message."""

    message: MessageId
    number: int
    origin: Origin
    address: str
    state: State


def part(
    select: Select,
    *,
    after: str,
    messages: int,
    domain: str = "",
    states: Collection[State],
) -> list[FoundRecipient]:
    """Return all recipients of the next messages, the oldest first.

    Args:
        select: runs a SELECT.
        after: the id of the last message that was read; empty for the first part.
        messages: at most so many.
        domain: those with a recipient in this domain; empty: all.
        states: those with a recipient in one of these states.
    """
    ids = _ids(domain, states)
    if not ids:
        return []
    facts = (after, messages, domain) if domain else (after, messages)
    return [
        FoundRecipient(MessageId(message), number, Origin(origin), address, State(state))
        for message, number, origin, address, state in rows_at_once(
            select, _COLUMNS, _PART.format(ids=ids), facts
        )
    ]


def _ids(domain: str, states: Collection[State]) -> str:
    """Return what selects the ids; empty when there can be none."""
    if not domain:
        if not states:
            return ""
        is_all = len(states) == len(State)
        return _ALL if is_all else _IN_STATES.format(states=_quoted(states))
    lying = [_LYING_OF_DOMAIN.format(state=state) for state in sorted(LYING & set(states))]
    rest = set(states) - LYING
    worked_on = [_WORKED_ON_OF_DOMAIN.format(states=_quoted(rest))] if rest else []
    return " UNION ".join([*lying, *worked_on])


def _quoted(states: Collection[State]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))
