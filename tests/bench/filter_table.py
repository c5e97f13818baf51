"""What do filters and lists cost, as a table of ``docs/benchmarks.md``?

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.document import made_by
from tests.bench.filter_cases import DEFAULT, KINDS, LOCAL, ROUND
from tests.bench.table import markdown, number

_TITLES = {
    DEFAULT: "**all, as they are by default**",
    LOCAL: "**all that ask no server, in use**",
    ROUND: "**all, in use; DNS from memory**",
}


def filters_text(filters: Mapping[str, Any]) -> str:
    """Return what filters cost for a message.

    Args:
        filters: the record of ``tests.bench.filters``.
    """
    cpu_ms, elapsed_ms = filters["cpu_ms"], filters["elapsed_ms"]
    together = [name for name in _TITLES if name in cpu_ms]
    alone = sorted(name for name in cpu_ms if name not in _TITLES)
    rows = [
        (
            _TITLES.get(name, f"`{name}` alone"),
            *(number(cpu_ms[name][kind], 3) for kind in KINDS),
            *(number(elapsed_ms[name][kind], 2) for kind in KINDS),
        )
        for name in (*together, *alone)
    ]
    titles = ("filters", "CPU ms, plain", "CPU ms, HTML", "takes ms, plain", "takes ms, HTML")
    facts = (
        f"Medians of {filters['rounds']} rounds of {filters['messages']} messages each. "
        f"Foreign CPUs: {filters['foreign_cpus']:.2f}."
    )
    return "\n\n".join([made_by(filters), markdown(titles, rows), facts])


def lists_text(lists: Mapping[str, Any]) -> str:
    """Return what lists of very many entries cost.

    Args:
        lists: the record of ``tests.bench.list_scale``.
    """
    rows = [
        ("CPU for the policy of one of a million recipients", f"{lists['policy_us']:.1f} µs"),
        ("CPU to look up a message that no entry is about", f"{lists['stranger_us']:.1f} µs"),
        ("CPU to look up one that an entry is about", f"{lists['known_us']:.1f} µs"),
        ("memory of the entries", _mib(lists["memory_mib"])),
        ("the most memory of the process, changes to them included", _mib(lists["peak_mib"])),
    ]
    table = markdown((f"{lists['entries']:.0f} list entries", "figure"), rows)
    return f"{made_by(lists)}\n\n{table}"


def _mib(value: float) -> str:
    return f"{value:.0f} MiB"
