"""Are results kept, and do they come into the documentation?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.results import Results

HEADER: dict[str, Any] = {"command": "make bench", "when": "2026", "machine": {}}
PAGE = "".join(
    f"<!-- bench:{section} -->as it was: {section}<!-- bench:{section} end -->\n"
    for section in ("goals", "speed", "drain", "overload", "soak", "plans")
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


def test_goals_of_another_run_stand_and_the_page_names_no_processor_for_all(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    drain = {"peer": "scout", "accepted": 9, "accept_rate": 10.0, "drain_rate": 9.0}
    more = {
        "judged_s": 1.0,
        "spool_mib": 3,
        "pss_mib": 120.0,
        "drain_pss_mib": 120.0,
        "backlog": 9,
        "backlog_s": 0.5,
        "first_arrival_s": 1.0,
        "after_stop": {"ready_s": 1.0, "banner_s": 1.0},
        "after_kill": {"ready_s": 1.0, "banner_s": 1.0},
    }
    counts = dict.fromkeys(("missing", "duplicates", "bounces"), 0)
    of_one = {**HEADER, "machine": {"processors": "2 × fast"}}
    Results(tmp_path / "one").keep("drain", {**of_one, **drain, **more, **counts})
    Results(tmp_path / "one").publish(page)
    assert "Measured on 2 × fast." in page.read_text()

    overload = {"peer": "scout", "peak": 100.0, "goodput": 95.0, "peak_after": 99.0}
    shown = dict.fromkeys(
        ("offered", "accepted", "tempfail_4xx", "errors", "missing", "duplicates"), 0
    )
    Results(tmp_path / "two").keep("overload", {**HEADER, **overload, **shown, "accept_ms": None})
    Results(tmp_path / "two").publish(page)

    text = page.read_text()
    assert "0.90, reached" in text
    assert "0.95, reached" in text
    assert "Measured on" not in text
