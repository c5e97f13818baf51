"""Which states has a recipient in the spool, and what may become of each?

Pure: the page of ``satellite/spool/model/states.py``, as a table and as a diagram.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.states import OUTCOMES, State
from satellite.spool.model.states import TABLE

PAGE = "states.md"

HEAD = """\
# States of a recipient

A message has one state for each of its recipients: two of them may end differently. The
[spool](spool.md) refuses every step that does not stand here. The record is the one that is written
when a recipient comes into the state, in the same transaction.

This page is drawn from `satellite/spool/model/states.py`.
"""


def text() -> str:
    """Return the page."""
    return f"{HEAD}\n{table()}\n\n```mermaid\n{diagram()}\n```\n"


def table() -> str:
    """Return the states as a Markdown table."""
    lines = [
        "| state | meaning | may become | a start finds it, and will | record |",
        "|---|---|---|---|---|",
    ]
    for state, row in TABLE.items():
        after = ", ".join(f"`{one}`" for one in _in_order(row.after)) or "—"
        meaning = row.meaning or "an outcome"
        record = f"`{row.record}`" if row.record is not None else "—"
        lines.append(f"| `{state}` | {meaning} | {after} | {row.recovery.value} | {record} |")
    return "\n".join(lines)


def diagram() -> str:
    """Return the transitions as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> received: 250"]
    for state, row in TABLE.items():
        lines += [f"    {state} --> {after}" for after in _in_order(row.after)]
        if state in OUTCOMES:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)


def _in_order(states: frozenset[State]) -> Iterator[State]:
    return (state for state in State if state in states)
