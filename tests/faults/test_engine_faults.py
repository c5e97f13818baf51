"""Each engine in each trouble under each policy: nothing is delivered that nobody has read."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.verdict import Outcome
from tests.support.scanning.engine_faults import Fault, page
from tests.support.scanning.engine_faults.stale import STALE_CASES
from tests.support.scanning.engine_faults.weighing import CASES, WAITS, row

ENGINES = (
    "yara",
    "clamd",
    "icap, profile `eset`",
    "icap, profile `trend-iwsva`",
    "trend-v1fs",
    "command",
)
STALE = "clamd, its definitions"
REAL = ("clamd, the real one", "icap, with a real c-icap")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", [*ENGINES, *REAL])
async def test_an_engine_in_trouble_lets_nothing_pass_unread(tmp_path: Path, engine: str) -> None:
    bench = next((one for one in page.benches(tmp_path) if one.engine == engine), None)
    if bench is None:
        pytest.skip("clamd or c-icap is not installed")

    for fault in page.rows_of(bench):
        cells = await row(bench, fault, tmp_path / fault.name)

        assert len(cells) == len(CASES)
        for case, cell in zip(CASES, cells, strict=True):
            where = f"{engine}, {fault}, {case.words}: {cell}"
            assert cell.outcome is not Outcome.CLEAN, where
            assert cell.readers or not cell.is_delivered, where
            # What waited ends as it would have without the fault: the engine finds the virus.
            assert cell.later == ("quarantined: virus" if cell.happened == WAITS else ""), where
        line = page.line(fault, cells)
        said = f"{ {cell.detail for cell in cells} }; write it anew: {page.WRITE}"
        assert line in page.on_the_page()[engine], said

    assert len(page.on_the_page()[engine]) == len(list(page.rows_of(bench)))


async def test_mail_that_was_read_with_old_definitions_goes_as_the_policy_says(
    tmp_path: Path,
) -> None:
    (bench,) = (one for one in page.benches(tmp_path) if one.engine == STALE)

    cells = await row(bench, Fault.STALE, tmp_path / "spool", STALE_CASES)

    assert {cell.outcome for cell in cells} == {Outcome.CLEAN}
    assert [cell.happened for cell in cells] == [
        "delivered",
        "delivered, marked",
        "quarantined: stale",
        WAITS,
        "delivered",  # the other one read it, with definitions that are new
        WAITS,
        WAITS,  # nobody read it but with old ones
    ]
    # With new definitions it is found.
    assert {cell.later for cell in cells if cell.happened == WAITS} == {"quarantined: virus"}
    assert [page.line(Fault.STALE, cells)] == page.on_the_page()[STALE]


def test_the_page_has_every_engine() -> None:
    assert list(page.on_the_page()) == [*ENGINES, STALE, *REAL]
