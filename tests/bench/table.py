"""How do figures and verdicts look on a page?

Pure. Markdown, as ``docs/benchmarks.md`` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.figures import Figures, Key, ratio
from tests.bench.goals import PEER, QUICK, Verdict

NOTHING = "–"
NOT_MEASURED = "not measured"


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(titles)} |", f"| --- |{' ---: |' * (len(titles) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure, or a dash."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def pair(first: float | None, second: float | None) -> str:
    """Return two quantiles side by side."""
    if first is None:
        return NOTHING
    return f"{number(first)} / {number(second)}"


LOAD_TITLES = (
    "gateway",
    "msg/s [min–max]",
    "to clamav-milter",
    "to Postfix alone",
    "accepted/s",
    "accept p50 / p99 ms",
    "end to end p50 / p99 ms",
    "CPU s / 1000",
    "CPU ratio",
    "PSS MiB",
    "core: CPU s / 1000, PSS MiB",
    "records behind, caught up in",
    "lost, errors, twice",
    "foreign CPUs",
)


def load_table(figures: Mapping[Key, Figures], load: str, titles: Mapping[str, str]) -> str:
    """Return the table of one load; empty when nobody was under it.

    Args:
        figures: of all gateways.
        load: its name.
        titles: of the gateways by name, in the order in which they are to stand.
    """
    peer, quick = figures.get((PEER, load)), figures.get((QUICK, load))
    rows = [
        _row(titles[name], one, peer, quick)
        for name in titles
        if (one := figures.get((name, load))) is not None
    ]
    return markdown(LOAD_TITLES, rows) if rows else ""


def _row(title: str, one: Figures, peer: Figures | None, quick: Figures | None) -> list[str]:
    has_core = one.backlog is not None
    core = f"{number(one.core_cpu_s_per_1000, 2)}, {number(one.core_pss_mib_max, 0)}"
    behind = f"{number(one.backlog, 0)}, {number(one.backlog_s)} s"
    return [
        title,
        f"{one.rate:.0f} [{one.rate_min:.0f}–{one.rate_max:.0f}]",
        number(ratio(one.rate, peer.rate if peer else None), 2),
        number(ratio(one.rate, quick.rate if quick else None), 2),
        number(one.accept_rate, 0),
        pair(one.accept_p50_ms, one.accept_p99_ms),
        pair(one.end_p50_ms, one.end_p99_ms),
        number(one.cpu_s_per_1000, 2),
        number(ratio(one.cpu_s_per_1000, peer.cpu_s_per_1000 if peer else None), 2),
        number(one.pss_mib_max, 0),
        core if has_core else NOTHING,
        behind if has_core else NOTHING,
        f"{one.missing_max}, {one.errors_max}, {one.duplicates_max}",
        number(one.foreign_cpus_max, 2),
    ]


def goal_table(columns: Mapping[str, Sequence[Verdict]], *, former: str = "") -> str:
    """Return the goals with what each way to run reached.

    Args:
        columns: the verdicts, by title; all about the same goals.
        former: a table whose rows stand where nobody measured the goal again.
    """
    titles = ["goal", "limit", *columns]
    known = {tuple(row[:2]): row for row in _rows(former) if len(row) == len(titles)}
    rows = []
    for together in zip(*columns.values(), strict=True):
        row = [together[0].goal.what, _limit(together[0]), *map(_verdict, together)]
        is_measured = any(verdict.is_reached is not None for verdict in together)
        rows.append(row if is_measured else known.get((row[0], row[1]), row))
    return markdown(titles, rows)


def _rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]


def _limit(verdict: Verdict) -> str:
    goal = verdict.goal
    return f"{'≥' if goal.is_floor else '≤'} {goal.bound:g} {goal.unit}"


def _verdict(verdict: Verdict) -> str:
    if verdict.is_reached is None:
        return NOT_MEASURED
    said = "reached" if verdict.is_reached else "**not reached**"
    return f"{verdict.value:.2f}, {said}"
