"""Does the upkeep of definitions end when it is told to, at whatever moment?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import LocalError
from common.link import DefinitionsOffer
from common.reports import DefinitionsState
from satellite.definitions.clamd_trial import ClamdTrial
from satellite.definitions.fetching import SetSource
from satellite.definitions.upkeep import DefinitionsUpkeep, UpkeepMeans
from tests.support.clock import FakeClock
from tests.support.node.shard import until


def nowhere(_: DefinitionsOffer) -> SetSource:
    raise LocalError("the core does not say where")


def upkeep_of(folder: Path, clock: FakeClock) -> DefinitionsUpkeep:
    means = UpkeepMeans(
        family="clamav",
        folder=folder,
        trial=ClamdTrial([f"unix:{folder}/nobody"]),
        source=nowhere,
        load_s=300.0,
        memory_factor=8.0,
        reserve_bytes=0,
    )
    return DefinitionsUpkeep(means, clock)


@pytest.mark.parametrize("passes", range(8))
async def test_it_ends_when_it_is_cancelled_while_it_wakes_up(tmp_path: Path, passes: int) -> None:
    clock = FakeClock()
    upkeep = upkeep_of(tmp_path, clock)
    task = asyncio.create_task(upkeep.run())
    await until(lambda: clock.sleepers == 1, "it rests")

    upkeep._kick.set()
    for _ in range(passes):
        await asyncio.sleep(0)
    task.cancel()

    async with asyncio.timeout(20):
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_set_of_which_nobody_says_where_it_is_is_asked_for_again(tmp_path: Path) -> None:
    clock = FakeClock()
    upkeep = upkeep_of(tmp_path, clock)
    task = asyncio.create_task(upkeep.run())
    upkeep.offered(DefinitionsOffer(family="clamav", serial=4, sha256=b"x" * 32, may_load=True))
    await until(lambda: bool(upkeep.report().detail), "it says so")

    report = upkeep.report()

    assert (report.offered, report.state) == (4, DefinitionsState.FETCHING)
    assert report.detail == "the core does not say where"
    assert upkeep.problems() == (
        "definitions of clamav: the set 4 is not in use: the core does not say where",
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
