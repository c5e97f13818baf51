"""Does the report of the fault tests tell what was checked, and what was not?"""

from __future__ import annotations

import pytest

from tests.faults.rows import ROWS
from tests.support.scenarios import PROPERTY, Scenarios


def report(test: str, *, when: str, outcome: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=test,
        location=("", None, ""),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]  # a word that the test gives
        longrepr=("", 0, "Skipped: needs root") if outcome == "skipped" else None,
        when=when,  # type: ignore[arg-type]
        duration=0.5,
        user_properties=[(PROPERTY, (7, "all is there", test))],
    )


def test_a_row_whose_test_passed_is_not_missing() -> None:
    found = Scenarios()

    found.take(report("tests/a.py::t", when="setup", outcome="passed"))
    found.take(report("tests/a.py::t", when="call", outcome="passed"))

    assert found.missing() == [row for row in ROWS if row != 7]
    assert "| 7 | power cut of a satellite, on ext4 and on xfs | all is there | `a.py::t` |" in (
        found.table(thorough=True)
    )


def test_a_failure_while_tidying_up_counts_as_a_failure() -> None:
    found = Scenarios()

    found.take(report("tests/a.py::t", when="call", outcome="passed"))
    found.take(report("tests/a.py::t", when="teardown", outcome="failed"))

    assert 7 in found.missing()
    assert "FAILED" in found.table(thorough=True)


def test_a_skipped_test_says_why_and_leaves_its_row_open() -> None:
    found = Scenarios()

    found.take(report("tests/a.py::t", when="setup", outcome="skipped"))

    assert 7 in found.missing()
    assert "skipped: needs root" in found.table(thorough=True)
