"""What was broken in this run, and what held?

A plugin of the test runner. Tests marked ``scenario`` are gathered by the row of the fault table
that they stand for; with ``--scenario-report=FILE`` the table is written there, with each test's
result, and a row without a test that passed fails the run. Each report carries its test's rows, so
that it is the same to the process that writes the table whether it ran the test or was told of it.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.faults.rows import ROWS

OPTION = "--scenario-report"
THOROUGH = "--thorough"
PROPERTY = "scenario"


@dataclass(slots=True)
class Checked:
    """One test of one row, and how it ended."""

    row: int
    checks: str
    test: str
    result: str = "not run"
    seconds: float = 0.0


@dataclass(slots=True)
class Scenarios:
    """All that this run has of the fault table."""

    found: dict[tuple[str, int], Checked] = field(default_factory=dict)

    def take(self, report: pytest.TestReport) -> None:
        """Take the result of one phase of a test; the worst phase counts."""
        for name, value in report.user_properties:
            if name != PROPERTY:
                continue
            row, checks, test = cast("tuple[int, str, str]", value)  # as _carry_rows wrote it
            checked = self.found.setdefault((test, row), Checked(row, checks, test))
            checked.seconds += report.duration
            if report.failed:
                checked.result = "FAILED"
            elif report.skipped and checked.result == "not run":
                checked.result = f"skipped: {_reason(report)}"
            elif report.when == "call" and report.passed:
                checked.result = "passed"

    def missing(self) -> list[int]:
        """Return the rows of which no test passed."""
        passed = {checked.row for checked in self.found.values() if checked.result == "passed"}
        return [row for row in ROWS if row not in passed]

    def table(self, *, thorough: bool) -> str:
        """Return the report as Markdown."""
        command = "make faults" if thorough else f"pytest -m scenario {OPTION}=FILE"
        lines = [
            "# What was broken, and what held",
            "",
            f"Written by `{command}` on {platform.system()} {platform.release()},"
            f" Python {platform.python_version()}. The rows without a number between them belong"
            " to the link and to the engines; [robustness](robustness.md) says how it is done.",
            "",
            "| row | fault | what was checked | test | result |",
            "| ---: | --- | --- | --- | --- |",
        ]
        for row, fault in ROWS.items():
            of_row = [c for c in self.found.values() if c.row == row]
            lines += [
                f"| {row} | {fault} | {c.checks} | `{_short(c.test)}` | {c.result},"
                f" {c.seconds:.1f} s |"
                for c in of_row
            ] or [f"| {row} | {fault} | nothing | – | MISSING |"]
        return "\n".join(lines) + "\n"


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return text.removeprefix("Skipped: ")


def _short(test: str) -> str:
    return test.removeprefix("tests/")


_KEY: pytest.StashKey[Scenarios] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption(OPTION, metavar="FILE", help="write what was broken and what held")
    group.addoption(THOROUGH, action="store_true", help="the long form of the fault tests")


def pytest_configure(config: pytest.Config) -> None:
    scenarios = config.stash[_KEY] = Scenarios()
    config.pluginmanager.register(_Listening(scenarios))


@pytest.hookimpl(tryfirst=True)  # while a test still has its own name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        _carry_rows(item)


def _carry_rows(item: pytest.Item) -> None:
    for mark in item.iter_markers("scenario"):
        row, checks = mark.kwargs["row"], mark.kwargs["checks"]
        if row not in ROWS:
            raise pytest.UsageError(f"{item.nodeid}: there is no row {row}")
        item.user_properties.append((PROPERTY, (row, checks, item.nodeid)))


class _Listening:
    """What hears of each test's end, in the process that writes the report."""

    def __init__(self, scenarios: Scenarios) -> None:
        self._scenarios = scenarios

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._scenarios.take(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption(OPTION)
    if not file or hasattr(session.config, "workerinput"):
        return  # nobody asked, or this process only runs tests for the one that writes
    scenarios = session.config.stash[_KEY]
    thorough = bool(session.config.getoption(THOROUGH))
    Path(str(file)).write_text(scenarios.table(thorough=thorough), encoding="utf-8")
    missing = scenarios.missing()
    if missing and session.exitstatus == pytest.ExitCode.OK:
        names = ", ".join(str(row) for row in missing)
        print(f"\nno test passed for the rows {names} of the fault table")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether the long form was asked for: more seeds, more moments, more messages."""
    return bool(request.config.getoption(THOROUGH))
