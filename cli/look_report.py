"""How is a report of engines shown: who finds what alone, how fast each is, when it kept silent?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from cli.bars import bar, can_draw, merged, sparkline
from cli.output import clock_time, console, plain, print_table

BAR_COLUMNS = 8
LINE_COLUMNS = 12  # of a picture of days; three stand in one row
MATRIX_MAX = 6  # engines beside one another; more are a row for each two

_SILENCES = ("timeout", "unavailable", "error")

Engine = dict[str, Any]


def print_look_report(found: dict[str, Any], by: str | None) -> None:
    """Print the report of ``GET /api/v1/reports/engines``.

    Args:
        found: the report.
        by: what its groups are, to print them too; None: a picture of the days is enough.
    """
    if not found["engines"]:
        console.print("no look of an engine was counted in this time")
    else:
        _print_engines(found["engines"])
        _print_agreement(found["agreement"], [one["name"] for one in found["engines"]])
        _print_alone(found["alone"])
        if found["by"] == "day" and can_draw():
            _print_days(found)
        if by is not None:
            _print_groups(found["groups"], by)
    counted_since = found["counted_since"]
    if counted_since is not None and clock_time(found["since"])[:10] < counted_since:
        console.print(f"\ncounted since {plain(counted_since)}")


def _print_engines(engines: Sequence[Engine]) -> None:
    draws = can_draw()
    print_table(
        ("Engine", ">Asked", ">Silent", "", "Of these", ">p50 ms", ">p95 ms", ">Max ms"),
        [
            (
                one["name"],
                one["asked"],
                percent(one["silent_share"]),
                bar(one["silent_share"], width=BAR_COLUMNS) if draws else "",
                ", ".join(_silences(one)),
                *_times(one),
            )
            for one in engines
        ],
    )


def _silences(one: Engine) -> Iterator[str]:
    for outcome in _SILENCES:
        count = one["outcomes"].get(outcome, 0)
        if count:
            yield f"{count} {outcome}"


def _times(one: Engine) -> tuple[object, ...]:
    values = (one["p50_ms"], one["p95_ms"], one["max_ms"])
    return tuple("-" if value is None else value for value in values)


def _print_agreement(agreement: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Print who found what the others found too, were silent on, or called clean."""
    console.print()
    if not agreement:
        console.print("nothing was found")
        return
    rows = [(row["engine"], row["found"], row["alone"], row) for row in agreement]
    if len(names) <= MATRIX_MAX:
        print_table(
            ("Found by", ">Messages", ">Alone", *(f">{name} too" for name in names)),
            [(*row, *(_too(name, one) for name in names)) for *row, one in rows],
        )
    silent = [
        (one["engine"], other["name"], other["found"], other["clean"], other["unsure"],
         other["silent"])
        for one in agreement
        for other in one["others"]
        if len(names) > MATRIX_MAX or other["unsure"] or other["silent"]
    ]  # fmt: skip
    if silent:
        console.print()
        print_table(
            ("Found by", "Then said", ">Found", ">Clean", ">Unsure", ">Silent"),
            silent,
        )


def _too(name: str, row: dict[str, Any]) -> object:
    if name == row["engine"]:
        return "·" if can_draw() else "-"
    return next((one["found"] for one in row["others"] if one["name"] == name), "-")


def _print_alone(alone: Sequence[dict[str, Any]]) -> None:
    if alone:
        console.print()
        print_table(
            ("Found by one alone", "By", ">Messages"),
            [(one["name"] or "(no name)", one["by"], one["messages"]) for one in alone],
        )


def _print_days(found: dict[str, Any]) -> None:
    """Print a picture of the days, the oldest first."""
    days = {group["name"]: group["engines"] for group in found["groups"]}
    first, last = min(days), max(days)
    if first == last:
        return
    known = [{one["name"]: one for one in days.get(day, ())} for day in _days_between(first, last)]
    rows = []
    for total in found["engines"]:
        of_days = [day.get(total["name"]) for day in known]
        worst = max((one["silent_share"] for one in of_days if one), default=0.0)
        slowest = max((one["p95_ms"] or 0 for one in of_days if one), default=0)
        rows.append(
            (
                total["name"],
                _line(of_days, "silent_share", max),
                percent(worst),
                _line(of_days, "p95_ms", max),
                slowest,
                _line(of_days, "found", sum),
                total["found"],
            )
        )
    console.print()
    print_table(
        ("!Engine", "!Silent", ">Most", "!p95 ms", ">Most", "!Found", ">In all"),
        rows,
        title=f"{first} to {last}, by day",
    )


def _line(days: Sequence[Engine | None], name: str, of: Callable[[Sequence[float]], float]) -> str:
    values = [None if one is None else one[name] for one in days]
    return sparkline(merged(values, width=LINE_COLUMNS, of=of))


def _days_between(first: str, last: str) -> Iterator[str]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += timedelta(days=1)


def _print_groups(groups: Sequence[dict[str, Any]], by: str) -> None:
    console.print()
    print_table(
        (
            *(by.capitalize(), "Engine", ">Asked", ">Silent", ">p50 ms", ">p95 ms", ">Max ms"),
            *(">Found", ">Alone"),
        ),
        [
            (
                *(group["name"], one["name"], one["asked"], percent(one["silent_share"])),
                *(*_times(one), one["found"], one["alone"]),
            )
            for group in groups
            for one in group["engines"]
        ],
    )


def percent(share: float) -> str:
    """Return a share as people read it; what is more than 0 is not shown as 0."""
    if 0 < share < 0.0001:
        return "<0.01 %"
    return f"{share * 100:.2f} %" if 0 < share < 0.1 else f"{share * 100:.0f} %"
