"""Are results kept, and do they come into the documentation?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.results import Results
from tests.bench.table import completed

HEADER: dict[str, Any] = {"command": "make bench", "when": "2026", "machine": {}}
PAGE = "".join(
    f"<!-- bench:{section} -->as it was: {section}<!-- bench:{section} end -->\n"
    for section in ("goals", "speed", "drain", "overload", "soak")
)


def test_a_resumed_run_keeps_what_is_there_and_another_begins_anew(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")

    results.begin_speed(HEADER, is_resumed=True)
    results.add_speed({"peer": "postfix"})
    results.begin_speed({**HEADER, "command": "another"}, is_resumed=True)

    assert results.speed() == (HEADER, [{"peer": "postfix"}])
    results.begin_speed(HEADER, is_resumed=False)
    assert results.speed() == (HEADER, [])


def test_what_was_never_measured_is_not_there(tmp_path: Path) -> None:
    results = Results(tmp_path)

    assert results.speed() == (None, [])
    assert results.kept("drain") is None


def test_a_section_without_results_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    Results(tmp_path / "results").publish(page)

    for section in ("speed", "drain", "overload", "soak"):
        assert f"as it was: {section}" in page.read_text()
    assert "not measured" in page.read_text()


def test_a_goal_is_held_against_the_way_to_run_that_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    results = Results(tmp_path / "results")
    overload = {"peak": 100.0, "goodput": 95.0, "peak_after": 99.0, "accept_ms": None}
    counts = dict.fromkeys(
        ("offered", "accepted", "tempfail_4xx", "errors", "missing", "duplicates"), 0
    )

    results.keep("overload", {**HEADER, "peer": "scout", **counts, **overload})
    results.publish(page)

    (line,) = (one for one in page.read_text().splitlines() if "goodput at twice" in one)
    assert "0.95, reached | not measured" in line
    assert "as it was: overload" not in page.read_text()


def test_what_is_not_measured_again_stands_as_it_was_measured() -> None:
    former = "text\n\n| goal | limit | a |\n| --- | ---: | ---: |\n| x | ≤ 1 × | 0.95, reached |"
    former += "\n| y | ≤ 1 × | 0.50, reached |\n| z | ≤ 1 × | 0.70, reached |"
    table = "| goal | limit | a |\n| --- | ---: | ---: |\n| x | ≤ 1 × | not measured |"
    table += "\n| y | ≤ 1 × | 2.00, **not reached** |\n| z | ≤ 2 × | not measured |"

    *_, x, y, z = completed(table, former).splitlines()

    assert x == "| x | ≤ 1 × | 0.95, reached |"
    assert y == "| y | ≤ 1 × | 2.00, **not reached** |"
    assert z == "| z | ≤ 2 × | not measured |"  # another goal than that which was measured
    assert completed(table, "none yet") == table
