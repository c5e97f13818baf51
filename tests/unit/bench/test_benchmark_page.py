"""What stands in ``docs/benchmarks.md`` between its markers?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.document import (
    MarkerMissing,
    drain_text,
    engines_text,
    goals_text,
    others_of,
    overload_text,
    put,
    soak_text,
    speed_text,
    stages_text,
)
from tests.bench.filter_table import filters_text, lists_text
from tests.bench.goals import Others
from tests.bench.mx_table import mx_text
from tests.bench.store_table import store_text

HEADER: dict[str, Any] = {
    "command": "make bench",
    "when": "2026-11-24T12:00:00+00:00",
    "machine": {"processors": "2 × fast"},
}
TITLES = {"scout": "Border Scout", "clamilter-unix": "The peer"}
DRAIN: dict[str, Any] = {
    **HEADER,
    "accepted": 100,
    "accept_rate": 50.0,
    "judged_s": 1.0,
    "spool_mib": 3,
    "pss_mib": 120.0,
    "backlog": 9,
    "backlog_s": 0.5,
    "after_stop": {"ready_s": 2.5, "banner_s": 2.0},
    "after_kill": {"ready_s": 2.75, "banner_s": 2.25},
    "first_arrival_s": 12.0,
    "drain_rate": 45.0,
    "drain_pss_mib": 130.0,
    "missing": 0,
    "duplicates": 0,
    "bounces": 0,
}
ENGINES: dict[str, Any] = {
    **HEADER,
    "ms": {"a": 4.0, "b": 2.0, "all three": 4.5},
    "busy_ms": {"a": 4.0, "b": 2.0, "all three": 8.0},
    "away_ms": {"20 ms": 20.0, "all three": 20.0},
    "cpu_ms": {"a": 3.5, "b": 1.5, "all three": 6.0},
    "busy_cpu_ms": 10.0,
    "kinds": {
        "small": {"share": 0.75, "ms": {"a": 2.0, "b": 1.0, "all three": 2.5}, "cpu_ms": 3.0},
        "large": {"share": 0.25, "ms": {"a": 10.0, "b": 5.0, "all three": 12.0}, "cpu_ms": 24.0},
    },
    "processors": 2,
    "own_ms": 0.25,
    "different_ms": 5.0,
    "repeated_ms": 0.05,
    "foreign_cpus": 0.0,
}
CPU_MS = {"default": {"plain4k": 0.01, "html4k": 0.02}, "local": {"plain4k": 0.5, "html4k": 1.5}}
FILTERS: dict[str, Any] = {
    **HEADER,
    "rounds": 3,
    "messages": 100,
    "cpu_ms": {**CPU_MS, "round": CPU_MS["local"], "rules": CPU_MS["local"]},
    "elapsed_ms": {**CPU_MS, "round": {"plain4k": 2.0, "html4k": 4.0}, "rules": CPU_MS["local"]},
    "foreign_cpus": 0.25,
}
LISTS: dict[str, Any] = {
    **HEADER,
    "entries": 1000,
    "policy_us": 5.25,
    "stranger_us": 8.0,
    "known_us": 12.0,
    "memory_mib": 60.4,
    "peak_mib": 300.0,
}
_PLAN: dict[str, float] = {
    "domains": 1000,
    "sites": 3,
    "cpu_s": 1.5,
    "peak_mib": 90.4,
    "file_mib": 2.2,
    "share_off_pct": 0.5,
    "share_off_when_one_is_off_pct": 0.75,
    "took_off_pct": 2.25,
    "took_sigmas": 2.0,
    "took_sigmas_mean": 1.0,
    "took_fewest": 40,
}
PLANS: dict[str, Any] = {
    **HEADER,
    "small": _PLAN,
    "large": _PLAN | {"domains": 9000, "sites": 20, "cpu_s": 2.5},
}
STORE: dict[str, Any] = {
    **HEADER,
    "records": 1000,
    "cases": 20,
    "track_p95_ms": 12.34,
    "page_p95_ms": 45.0,
    "search_p95_ms": 15.0,
    "link_p95_ms": 3.0,
    "records_per_s": 1499.6,
    "bodies_per_s": 5.0,
}
OVERLOAD: dict[str, Any] = {
    **HEADER,
    "peak": 100.0,
    "offered": 200.0,
    "goodput": 95.0,
    "accept_ms": {"p50": 1.0, "p99": 2.0},
    "accepted": 90,
    "tempfail_4xx": 10,
    "errors": 0,
    "missing": 0,
    "duplicates": 0,
    "peak_after": 101.0,
}


def record(peer: str, *, rate: float) -> dict[str, Any]:
    return {
        "peer": peer,
        "load": "i",
        "rate": rate,
        "accept_rate": rate,
        "accept_ms": {"p50": 10.0, "p99": 20.0},
        "e2e_ms": {"p50": 30.0, "p99": 40.0},
        "accepted": 1000,
        "rejected_5xx": 0,
        "tempfail_4xx": 0,
        "errors": 0,
        "missing": 0,
        "duplicates": 0,
        "foreign_cpus": 0.0,
        "cpu_s": {"all": 2.0},
        "apart_cpu_s": {},
        "pss_mib": {"all": 100.0},
    }


def sample(accepted: int) -> dict[str, Any]:
    return {
        "accepted": accepted,
        "arrived": accepted,
        "pss_mib": {"node": 150.0, "core": 90.0},
        "files_bytes": {"node1/state/shard-0/spool.db": 2 << 20, "core/state/core.db": 8 << 20},
        "outbox_records": 0,
    }


def soak(samples: int) -> dict[str, Any]:
    return {
        **HEADER,
        "messages": 1000,
        "rate_per_s": 100.0,
        "total_s": 600.0,
        "accepted": 1000,
        "tempfail_4xx": 0,
        "errors": 0,
        "arrived": 999,
        "duplicates": 0,
        "infected_sent": 1,
        "core": {"accepted": 1000, "delivered": 999, "quarantined": 1, "dropped": 0},
        "complaints": [],
        "growth": 1.0,
        "unaccounted": 0,
        "samples": [sample(number) for number in range(samples)],
    }


def rows(text: str, start: str) -> list[list[str]]:
    """Return the cells of the rows that begin with something."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_section_is_replaced_and_the_page_around_it_stays() -> None:
    page = "before\n<!-- bench:speed -->old<!-- bench:speed end -->\nafter\n"

    once = put(page, "speed", "new \\1")

    assert once.startswith("before\n") and once.endswith("\nafter\n")
    assert "new \\1" in once and "old" not in once
    assert put(once, "speed", "new \\1") == once


def test_a_page_without_the_section_is_refused() -> None:
    with pytest.raises(MarkerMissing):
        put("nothing here", "speed", "new")


def test_the_documentation_has_a_place_for_each_section() -> None:
    page = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")

    for section in (
        "goals",
        "speed",
        "stages",
        "engines",
        "filters",
        "lists",
        "store",
        "drain",
        "overload",
        "soak",
    ):
        assert "new text" in put(page, section, "new text")


def test_a_table_has_the_ratios_to_the_peer() -> None:
    records = [record("clamilter-unix", rate=100), record("scout", rate=250)]

    text = speed_text(HEADER, records, TITLES)

    (ours,) = rows(text, "Border Scout")
    assert ours[1:4] == ["250 [250–250]", "2.50", "–"]
    assert "`make bench`" in text and "2 × fast" in text
    assert "### `i`" in text and "### `ii`" not in text


def test_a_goal_stands_with_its_figure_and_whether_it_is_reached() -> None:
    records = [record("clamilter-unix", rate=100), record("scout", rate=250)]

    text = goals_text(records, {"scout": Others(drain_ratio=0.5)}, {"scout": "Border Scout"})

    assert rows(text, "rate on `i`, to Postfix + clam")[0][1:] == ["≥ 2 ×", "2.50, reached"]
    assert rows(text, "rate on `ii`")[0][2] == "not measured"
    assert rows(text, "held messages drain")[0][2] == "0.50, **not reached**"


def test_a_goal_that_nobody_measured_again_stands_as_it_was() -> None:
    former = goals_text([], {"scout": Others(drain_ratio=0.9)}, {"scout": "Border Scout"})

    text = goals_text([], {"scout": Others(ready_s=2.5)}, {"scout": "Border Scout"}, former=former)

    assert rows(text, "held messages drain")[0][2] == "0.90, reached"
    assert rows(text, "a node with a full spool")[0][2] == "2.50, reached"
    assert rows(text, "rate on `ii`")[0][2] == "not measured"


def test_the_goals_name_each_processor_once_that_they_were_measured_on() -> None:
    processors = ["2 × fast", "2 × slow", "2 × fast"]

    text = goals_text([], {}, {"scout": "Border Scout"}, processors=processors)

    assert text.startswith("Measured on 2 × fast and 2 × slow.\n\n| goal |")


def test_each_stage_has_a_row_and_the_core_is_no_part_of_the_sum() -> None:
    used = {"front end": 0.5, "helper": 0.25, "engines": 0.4, "core": 0.3}

    rows = stages_text({**HEADER, "loads": {"i": used, "iii": {}}}).splitlines()

    assert "| processor time in ms for one message | `i` | `iii` |" in rows
    assert "| helper: mail taken apart and matched | 0.25 | – |" in rows
    assert "| **together** | **1.15** | **0.00** |" in rows


def test_three_engines_are_held_against_the_slowest_alone() -> None:
    found = others_of(engines=ENGINES)

    assert (found.engines_ratio, found.engines_away_ratio) == (1.125, 1.0)
    assert (found.scanning_ms, found.cache_ratio) == (0.25, 100.0)
    shown = rows(engines_text(ENGINES), "")
    assert ["one message at a time", "a 4.00, b 2.00", "4.50", "1.12", "1.12"] in shown
    assert [row[-2] for row in shown if row[0].startswith("engines elsewhere")] == ["1.00"]


def test_what_is_left_of_the_processors_by_small_mail_helps_no_large_mail() -> None:
    shown = rows(engines_text(ENGINES), "one message at a time")

    # 2 ms of the small, which need 1.5 of two processors; 12 of the large, which need 10 alone.
    assert shown[0][-1] == f"{(0.75 * 2 + 0.25 * 12) / 4:.2f}"


def test_mail_that_keeps_all_processors_busy_takes_its_processor_time() -> None:
    shown = rows(engines_text(ENGINES), "four at a time")

    assert shown[0][-1] == "1.25"  # 10 ms on two processors, to 4 alone
    idle = rows(engines_text({**ENGINES, "busy_cpu_ms": 1.0}), "four at a time")
    assert idle[0][-1] == "1.00"  # no faster than the slowest alone


def test_engines_that_others_kept_from_the_processors_are_held_against_nothing() -> None:
    found = others_of(engines={**ENGINES, "foreign_cpus": 0.5})

    assert (found.engines_ratio, found.scanning_ms) == (None, 0.25)


def test_the_dearer_message_is_held_against_the_goals_of_filters() -> None:
    found = others_of(filters=FILTERS)

    assert found == Others(filters_ms=1.5, default_filters_ms=0.02, filter_round_ms=4.0)


def test_the_dearer_look_up_is_held_against_the_goals_of_lists() -> None:
    assert others_of(lists=LISTS) == Others(policy_us=5.25, list_us=12.0, list_mib=60.4)


def test_filters_together_stand_before_each_alone() -> None:
    shown = rows(filters_text(FILTERS), "")

    assert [row[0] for row in shown[2:]] == [
        "**all, as they are by default**",
        "**all that ask no server, in use**",
        "**all, in use; DNS from memory**",
        "`rules` alone",
    ]
    assert shown[3][1:] == ["0.500", "1.500", "0.50", "1.50"]
    assert "Medians of 3 rounds of 100 messages each. Foreign CPUs: 0.25." in filters_text(FILTERS)


def test_lists_have_their_table() -> None:
    shown = rows(lists_text(LISTS), "")

    assert shown[0] == ["1000 list entries", "figure"]
    assert [row[1] for row in shown[2:]] == ["5.2 µs", "8.0 µs", "12.0 µs", "60 MiB", "300 MiB"]


def test_look_ups_at_the_core_have_their_table_and_goals() -> None:
    shown = rows(store_text(STORE), "")

    assert shown[0] == ["1000 records, 20 cases: p95", "figure"]
    assert [row[1] for row in shown[2:]] == [
        *("12.3 ms", "45.0 ms", "15.0 ms", "3.0 ms", "1500", "5.0")
    ]
    assert others_of(store=STORE) == Others(track_ms=12.34, page_ms=45.0)


def test_plans_have_their_table_and_goals() -> None:
    shown = rows(mx_text(PLANS), "")

    assert shown[0] == ["`mx plan --json`", "1000 domains, 3 sites", "9000 domains, 20 sites"]
    assert [row[1] for row in shown[2:]] == [
        *("1.5 s", "90 MiB", "2 MiB", "0.50 %", "0.75 %", "2.25 %", "2.00", "1.00", "40")
    ]
    assert others_of(plans=PLANS) == Others(
        small_plan_s=1.5,
        small_plan_mib=90.4,
        large_plan_s=2.5,
        large_plan_mib=90.4,
        plan_share_pct=0.5,
        small_took_pct=2.25,
        large_took_pct=2.25,
    )


def test_the_slowest_of_both_starts_is_held_against_the_goal() -> None:
    assert others_of(drain=DRAIN) == Others(drain_ratio=0.9, ready_s=2.75)


def test_the_long_run_adds_to_what_the_drain_found() -> None:
    found = others_of(drain=DRAIN, soak=soak(10))

    assert found == Others(drain_ratio=0.9, ready_s=2.75, growth=1.0, unaccounted=0)


def test_too_much_mail_is_held_against_the_peak_before_it() -> None:
    found = others_of(overload=OVERLOAD)

    assert found == Others(goodput_ratio=0.95, recovery_ratio=1.01)
    assert rows(overload_text(OVERLOAD), "accepted, put off")[0][1] == "90, 10, 0"


def test_held_mail_has_its_table() -> None:
    text = drain_text(DRAIN)

    assert rows(text, "to the accept rate")[0][1] == "0.90"
    assert rows(text, "started anew after `kill -9`")[0][1] == "2.75 s, 2.25 s"


def test_a_long_run_of_hours_is_shown_in_few_rows_with_the_last_one() -> None:
    text = soak_text(soak(240))

    shown = [cells for cells in rows(text, "") if cells[0].isdigit()]
    assert len(shown) <= 25
    assert shown[-1][0] == "239"
    assert "delivered 999, quarantined 1" in text
