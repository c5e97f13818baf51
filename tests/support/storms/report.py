"""How did everybody else's mail fare in each storm?

A plugin of the test runner. A test marked ``storm("…")`` tells what it measured to its fixture
``measured``; with ``--storm-report=FILE`` the table is written into that page, between its two
marks, and a storm without a test that passed fails the run.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.storms.rows import STORMS

OPTION = "--storm-report"
PROPERTY = "storm"
BEGIN = "<!-- storms: written by `make storms` -->"
END = "<!-- /storms -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a storm did to everybody else.

    Attributes:
        what: how large the storm was, in a few words.
        mails: of the healthy customer, meanwhile; all arrived, each once.
        p50_s, p99_s: from the beginning of a mail's transaction to its arrival.
        lag_ms: the longest step of a worker's event loop.
        pss_mib: the most memory of all processes of the node, shared pages shared out.
    """

    what: str
    mails: int
    p50_s: float
    p99_s: float
    lag_ms: float
    pss_mib: float

    def cells(self) -> str:
        """Return the row's cells after the storm's name."""
        return (
            f"{self.what} | {self.mails} | {self.p50_s:.2f} s | {self.p99_s:.2f} s"
            f" | {self.lag_ms:.0f} ms | {self.pss_mib:.0f} MiB"
        )


Row = tuple[str, Measured]
_KEY: pytest.StashKey[list[Row]] = pytest.StashKey()


def table(rows: list[Row], *, thorough: bool) -> str:
    """Return the report as Markdown, without its marks."""
    form = "The long form" if thorough else "The short form, beside other tests"
    lines = [
        f"{form}. On {processor()}, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}; one worker. The longest step is wall time: a busy"
        " machine makes it longer.",
        "",
        "| storm | how much | healthy mails | p50 | p99 | longest step | memory |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, storm in STORMS.items():
        lines += [f"| {storm} | {one.cells()} |" for of, one in rows if of == name] or [
            f"| {storm} | – | – | – | – | – | – |"
        ]
    return "\n".join(lines) + "\n"


def processor() -> str:
    """Return the processor's name as the kernel tells it, and how many of them there are."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} x {max(len(names), 1)}"


def written(page: str, text: str) -> str:
    """Return a page with the table between its marks replaced.

    Raises:
        ValueError: the page has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[Measured], None]:
    """Take what a storm's test measured."""
    mark = request.node.get_closest_marker("storm")
    assert mark is not None, "only a test that is marked as one measures a storm"

    def take(one: Measured) -> None:
        print(f"{mark.args[0]}: {one.cells()}")
        request.node.user_properties.append((PROPERTY, (mark.args[0], dataclasses.asdict(one))))

    return take


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("storms").addoption(OPTION, metavar="FILE", help="write how storms were stood")


def pytest_configure(config: pytest.Config) -> None:
    rows = config.stash[_KEY] = []
    config.pluginmanager.register(_Hearing(rows))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("storm"):
            if mark.args[0] not in STORMS:
                raise pytest.UsageError(f"{item.nodeid}: there is no storm {mark.args[0]!r}")


class _Hearing:
    """What hears of each test's end, in the process that writes the report."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed:
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                storm, fields = cast("tuple[str, dict[str, float]]", value)  # of ``measured``
                self._rows.append((storm, Measured(**fields)))  # type: ignore[arg-type]


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption(OPTION)
    if not file or hasattr(session.config, "workerinput"):
        return  # nobody asked, or this process only runs tests for the one that writes
    rows = session.config.stash[_KEY]
    page = Path(str(file))
    text = table(rows, thorough=bool(session.config.getoption("--thorough")))
    page.write_text(written(page.read_text("utf-8"), text), encoding="utf-8")
    missing = [name for name in STORMS if name not in {storm for storm, _ in rows}]
    if missing and session.exitstatus == pytest.ExitCode.OK:
        print(f"\nno test passed for these storms: {', '.join(missing)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
