"""How is a spool recovered when it is opened, and what is there to scan and deliver?

Touches the tables and the body folder. Starting up is recovering: the same steps run after a clean
stop and after a power cut, and running them twice does what running them once does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from common.ids import MessageId
from common.states import OUTCOMES, State
from satellite.spool import operator_steps as moves
from satellite.spool.commits import Commits
from satellite.spool.disk.rows import Select
from satellite.spool.disk.sweep import sweep
from satellite.spool.model.states import TABLE, Recovery


@dataclass(slots=True)
class Recovered:
    """What the stages have to do first."""

    scan: list[tuple[MessageId, int]] = field(default_factory=list)  # and when it is due, us
    deliver: list[MessageId] = field(default_factory=list)
    found: dict[State, int] = field(default_factory=dict)  # recipients by state, before recovery


async def recover(select: Select, commits: Commits, folder: Path) -> Recovered:
    """Bring every message to a state from which its stage goes on, and return the work.

    Args:
        select: runs a SELECT on what is committed.
        commits: the group commit.
        folder: the body folder.
    """
    backlog = Recovered(found=_counts(select))
    rows = select("SELECT id, size FROM message WHERE in_file=1", ())
    swept = sweep(folder, {str(message): size for message, size in rows})
    if swept.unknown:
        await commits.add(moves.unknown_files(swept.unknown))
    for message, what in sorted(swept.damaged.items()):
        await commits.add(moves.damaged(MessageId(message), what))
    for message in _in_state(select, State.SENDING):
        assert TABLE[State.SENDING].recovery is Recovery.COUNT_AS_POSSIBLE
        await commits.add(moves.possibly_delivered(message))
    _plan(select, backlog)
    return backlog


def _plan(select: Select, backlog: Recovered) -> None:
    rows = select("SELECT message, state, max(next_us) FROM recipient GROUP BY message, state", ())
    deliver: dict[MessageId, None] = {}
    for message, state, next_us in rows:
        match TABLE[State(state)].recovery:
            case Recovery.SCAN | Recovery.SCAN_WHEN_DUE:
                backlog.scan.append((MessageId(message), next_us))
            case Recovery.DELIVER | Recovery.DELIVER_WHEN_DUE:
                deliver[MessageId(message)] = None
            case _:
                pass
    backlog.deliver = sorted(deliver)  # ULIDs: the oldest first


def _counts(select: Select) -> dict[State, int]:
    rows = select("SELECT state, count(*) FROM recipient GROUP BY state", ())
    return {State(state): count for state, count in rows if State(state) not in OUTCOMES}


def _in_state(select: Select, state: State) -> list[MessageId]:
    rows = select("SELECT DISTINCT message FROM recipient WHERE state=? ORDER BY message", (state,))
    return [MessageId(row[0]) for row in rows]
