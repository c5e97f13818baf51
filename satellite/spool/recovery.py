"""How is a spool recovered when it is opened, and what is there to scan and deliver?

Touches the tables and the body folder, in a thread: whoever else has the event loop goes on.
Starting up is recovering: the same steps run after a clean
stop and after a power cut, and running them twice does what running them once does.
"""

from __future__ import annotations

import asyncio
from dataclasses import field
from pathlib import Path

from common.frozen import dataclass
from common.ids import MessageId
from common.states import OUTCOMES, State
from satellite.spool import operator_steps as moves
from satellite.spool.commits import Commits
from satellite.spool.disk.rows import Select
from satellite.spool.disk.sweep import Swept, sweep
from satellite.spool.model.states import TABLE, Recovery


@dataclass(slots=True)
class Recovered:
    """What the stages have to do first; what is to be delivered is read page by page."""

    scan: list[tuple[MessageId, int]] = field(default_factory=list)  # and when it is due, us
    found: dict[State, int] = field(default_factory=dict)  # recipients by state, before recovery
    stored_bytes: int = 0  # octets of all bodies, before recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lying:
    """What lay in the tables and the body folder."""

    recovered: Recovered
    swept: Swept
    sending: list[MessageId]


async def recover(select: Select, commits: Commits, folder: Path) -> Recovered:
    """Bring every message to a state from which its stage goes on, and return the work.

    Args:
        select: runs a SELECT on what is committed, in any thread.
        commits: the group commit.
        folder: the body folder.
    """
    # Each question looks at all messages once: a second for a million of them, and none is kept
    # in memory that needs nothing now.
    lay = await asyncio.to_thread(_look, select, folder)
    if lay.swept.unknown:
        await commits.add(moves.unknown_files(lay.swept.unknown))
    for message, what in sorted(lay.swept.damaged.items()):
        await commits.add(moves.damaged(MessageId(message), what))
    for message in lay.sending:
        assert TABLE[State.SENDING].recovery is Recovery.COUNT_AS_POSSIBLE
        await commits.add(moves.possibly_delivered(message))
    lay.recovered.scan = await asyncio.to_thread(_to_scan, select)
    return lay.recovered


def _look(select: Select, folder: Path) -> _Lying:
    rows = select("SELECT id, size FROM message WHERE in_file=1", ())
    return _Lying(
        recovered=Recovered(found=_counts(select), stored_bytes=_stored_bytes(select)),
        swept=sweep(folder, {str(message): size for message, size in rows}),
        sending=_in_state(select, State.SENDING),
    )


def _to_scan(select: Select) -> list[tuple[MessageId, int]]:
    rows = select(
        "SELECT message, max(next_us) FROM recipient WHERE state IN ('received','waiting')"
        " GROUP BY message",
        (),
    )
    return [(MessageId(message), next_us) for message, next_us in rows]


def _stored_bytes(select: Select) -> int:
    return int(select("SELECT total(size) FROM message", ())[0][0])


def _counts(select: Select) -> dict[State, int]:
    rows = select("SELECT state, count(*) FROM recipient GROUP BY state", ())
    return {State(state): count for state, count in rows if State(state) not in OUTCOMES}


def _in_state(select: Select, state: State) -> list[MessageId]:
    rows = select("SELECT DISTINCT message FROM recipient WHERE state=? ORDER BY message", (state,))
    return [MessageId(row[0]) for row in rows]
