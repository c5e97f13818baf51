"""How is the table of states drawn for docs/spool.md?

Pure: text for ``docs/spool.md``, which a test holds against this.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.states import OUTCOMES, State
from satellite.spool.model.states import TABLE


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
