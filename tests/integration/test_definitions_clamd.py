"""Do definitions come from the core into use, and never spoil an engine that works?

A real clamd, which loads small databases in a moment, and a core that is scripted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.link import DefinitionsOffer
from common.reports import DefinitionsReport, DefinitionsState
from satellite.definitions.change_over import ChangeFailed, ChangeOver
from satellite.definitions.clamd_trial import ClamdTrial, SetUse
from satellite.definitions.kept_sets import KeptSets, Standing
from satellite.definitions.set_name import SetName
from satellite.definitions.set_placing import place
from satellite.definitions.upkeep import DefinitionsUpkeep, UpkeepMeans
from tests.support.definitions.made_sets import MadeSet, bring, in_folder, made_set
from tests.support.definitions.quick_clock import QuickClock
from tests.support.definitions.serving_core import ServingCore
from tests.support.scanning.clamd import EICAR, Clamd, clamd_binary
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

EICAR_LINE = f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n".encode()
FIRST = made_set(1, {"core.ndb": EICAR_LINE, "gone.ndb": b"Some.Gone:0:*:" + b"00" * 30 + b"\n"})
SECOND = made_set(2, {"core.ndb": EICAR_LINE + b"Some.Thing:0:*:" + b"ab" * 30 + b"\n"})
PATIENT_S, SHORT_S = 3600.0, 60.0


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[Clamd]:
    with Clamd(tmp_path / "c") as running:
        (running.folder / "database" / "test.ndb").unlink()  # what it has from now on is ours
        yield running


class Node:
    """The upkeep of one node, at work."""

    def __init__(self, clamd: Clamd, core: ServingCore, **means: object) -> None:
        self.folder = clamd.folder / "database"
        self.trial = ClamdTrial([clamd.address])
        usual = UpkeepMeans(
            family="clamav",
            folder=self.folder,
            trial=self.trial,
            source=lambda _: core.source(),
            load_s=PATIENT_S,
            memory_factor=8.0,
            reserve_bytes=0,
        )
        self.clock = QuickClock()
        self.upkeep = DefinitionsUpkeep(replace(usual, **means), self.clock)  # type: ignore[arg-type]

    def offer(self, made: MadeSet, *, may_load: bool = True) -> None:
        self.upkeep.offered(
            DefinitionsOffer(
                family="clamav",
                serial=made.name.serial,
                sha256=bytes.fromhex(made.name.digest),
                may_load=may_load,
                port=1,
            )
        )

    async def reports(self, claim: Callable[[DefinitionsReport], bool]) -> DefinitionsReport:
        """Return the first report of which something is so."""

        async def look() -> DefinitionsReport | None:
            report = self.upkeep.report()
            return report if claim(report) else None

        try:
            return await until(look, "the upkeep reports it")
        except AssertionError:
            raise AssertionError(self.upkeep.report()) from None

    async def uses(self, made: MadeSet) -> DefinitionsReport:
        """Return the report once a set is in use."""
        wanted = (made.name.serial, DefinitionsState.CURRENT)
        report = await self.reports(lambda one: (one.serial, one.state) == wanted)
        assert await self.trial.use_of(made.name) is SetUse.USED
        assert in_folder(self.folder) == dict(made.files)
        return report

    async def fails(self, words: str) -> DefinitionsReport:
        """Return the report once the offered set has failed for a reason with these words."""
        return await self.reports(
            lambda one: one.state is DefinitionsState.FAILED and words in one.detail
        )

    async def is_hindered(self, state: DefinitionsState, words: str) -> DefinitionsReport:
        """Return the report once something of the node's own stands in the way: nobody's else."""
        return await self.reports(lambda one: one.state is state and words in one.detail)


@pytest.fixture
async def core() -> AsyncIterator[ServingCore]:
    async with ServingCore() as running:
        for made in (FIRST, SECOND):
            running.serve(made)
        yield running


@contextlib.asynccontextmanager
async def at_work(clamd: Clamd, core: ServingCore, **means: object) -> AsyncIterator[Node]:
    node = Node(clamd, core, **means)
    task = asyncio.create_task(node.upkeep.run())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_set_is_fetched_at_once_and_loaded_in_its_turn(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core) as node:
        node.offer(FIRST, may_load=False)
        report = await node.reports(
            lambda one: one.state is DefinitionsState.WAITING and one.offered == 1
        )
        assert (report.serial, report.detail) == (0, "fetched and checked, waits for its turn")
        assert in_folder(node.folder) == {}

        node.offer(FIRST)
        await node.uses(FIRST)
        node.offer(SECOND)
        await node.uses(SECOND)

        report = await node.reports(lambda one: one.version != "" and one.made_us != 0)
        assert report.version.startswith("1.")
        assert node.upkeep.problems() == ()


async def test_the_set_before_is_taken_back_without_fetching_it(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core) as node:
        for made in (FIRST, SECOND):
            node.offer(made)
            await node.uses(made)
        asked = len(core.asked)

        node.offer(FIRST)
        await node.uses(FIRST)

        assert len(core.asked) == asked


async def test_only_the_set_in_use_and_the_one_before_are_kept(
    clamd: Clamd, core: ServingCore
) -> None:
    third = made_set(3, {"core.ndb": EICAR_LINE, "third.ndb": b"Third:0:*:" + b"cd" * 20 + b"\n"})
    core.serve(third)
    async with at_work(clamd, core) as node:
        for made in (FIRST, SECOND, third):
            node.offer(made)
            await node.uses(made)

        async def look() -> bool:
            kept = KeptSets(node.folder).fetched()
            return kept == {SECOND.name, third.name}

        await until(look, "the oldest is gone")


POISON = {
    "does not find the test virus": b"Some.Thing:0:*:" + b"ab" * 30 + b"\n",
    "calls a plain text infected": EICAR_LINE
    + b"Too.Much:0:*:"
    + b"This is a trial of whether".hex().encode()
    + b"\n",
    "has not loaded the set": b"this is no signature at all\n",
}


@pytest.mark.parametrize("words", POISON)
async def test_a_set_that_is_not_good_leaves_the_one_before_in_use(
    clamd: Clamd, core: ServingCore, words: str
) -> None:
    bad = made_set(3, {"core.ndb": POISON[words]})
    core.serve(bad)
    async with at_work(clamd, core, load_s=PATIENT_S if "load" not in words else SHORT_S) as node:
        node.offer(FIRST)
        await node.uses(FIRST)

        node.offer(bad)
        report = await node.fails(words)

        assert (report.serial, report.offered) == (1, 3)
        assert in_folder(node.folder) == dict(FIRST.files)
        assert await until(lambda: _is_used(node, FIRST.name), "the set before is in use")
        assert "is not in use" in node.upkeep.problems()[0]
        node.offer(SECOND)  # and what comes next is taken
        await node.uses(SECOND)
        assert node.upkeep.problems() == ()


async def _is_used(node: Node, name: SetName) -> bool:
    return await node.trial.use_of(name) is SetUse.USED


async def test_who_says_that_it_failed_has_put_back_what_was_in_use(clamd: Clamd) -> None:
    sets = KeptSets(clamd.folder / "database")
    bad = made_set(3, {"core.ndb": POISON["does not find the test virus"]})
    for made in (FIRST, bad):
        bring(sets, made)
    trial = ClamdTrial([clamd.address])
    change = ChangeOver(sets, trial, QuickClock(), load_s=PATIENT_S, memory_factor=8.0)
    await change.to(FIRST.name)

    with pytest.raises(ChangeFailed) as failed:
        await change.to(bad.name)

    assert (failed.value.is_final, failed.value.is_tried) == (True, True)
    assert in_folder(sets.folder) == dict(FIRST.files)
    assert await trial.use_of(FIRST.name) is SetUse.USED
    assert sets.standing == Standing(current=FIRST.name)


async def test_a_set_at_fault_is_not_tried_again(clamd: Clamd, core: ServingCore) -> None:
    bad = made_set(3, {"core.ndb": POISON["does not find the test virus"]})
    core.serve(bad)
    async with at_work(clamd, core) as node:
        node.offer(bad)
        await node.fails("test virus")
        assert in_folder(node.folder) == {}
        looked = node.trial.reload
        count = 0

        async def counted() -> str:
            nonlocal count
            count += 1
            return await looked()

        node.trial.reload = counted  # type: ignore[method-assign]
        await node.clock.sleep(7200.0)
        ends_s = node.clock.monotonic_s() + 120.0

        async def later() -> bool:
            return node.clock.monotonic_s() > ends_s

        await until(later, "two hours and some looks are over")
        assert count == 0


async def test_a_clamd_that_ends_while_it_loads_finds_the_set_before(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core) as node:
        node.offer(FIRST)
        await node.uses(FIRST)
        reload = node.trial.reload

        async def deadly() -> str:
            said = await reload()
            clamd.kill()
            return said

        node.trial.reload = deadly  # type: ignore[method-assign]
        node.offer(SECOND)
        await node.fails("did not answer any more")
        assert in_folder(node.folder) == dict(FIRST.files)

        node.trial.reload = reload  # type: ignore[method-assign]
        (node.folder / "test.ndb").unlink(missing_ok=True)
        clamd.start()
        (node.folder / "test.ndb").unlink()
        await node.uses(SECOND)  # tried again by itself


async def test_while_clamd_is_away_nothing_is_changed(clamd: Clamd, core: ServingCore) -> None:
    clamd.stop()
    async with at_work(clamd, core) as node:
        node.offer(FIRST)
        await node.is_hindered(DefinitionsState.WAITING, "does not answer")
        assert in_folder(node.folder) == {}

        clamd.start()
        (node.folder / "test.ndb").unlink()
        await node.uses(FIRST)


async def test_without_memory_for_two_engines_it_is_not_tried(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core, memory_factor=1e15) as node:
        node.offer(FIRST)
        report = await node.is_hindered(DefinitionsState.WAITING, "MiB of memory")

    assert "ConcurrentDatabaseReload" in report.detail
    assert in_folder(node.folder) == {}


async def test_the_files_of_a_freshclam_stop_it(clamd: Clamd, core: ServingCore) -> None:
    async with at_work(clamd, core) as node:
        (node.folder / "core.ndb").write_bytes(b"of freshclam")
        node.offer(FIRST)
        report = await node.is_hindered(DefinitionsState.WAITING, "did not come from the core")
        assert "freshclam" in report.detail
        assert in_folder(node.folder) == {"core.ndb": b"of freshclam"}

        (node.folder / "core.ndb").unlink()
        await node.uses(FIRST)


async def test_a_change_that_was_cut_short_is_undone_at_the_next_start(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core) as node:
        node.offer(FIRST)
        await node.uses(FIRST)
        node.offer(SECOND, may_load=False)
        await node.reports(lambda one: one.state is DefinitionsState.WAITING)
    sets = KeptSets(node.folder)
    sets.record(replace(sets.standing, trying=SECOND.name))
    place(sets, SECOND.name)
    await node.trial.reload()
    assert await until(lambda: _is_used(node, SECOND.name), "clamd has what was being tried")

    async with at_work(clamd, core) as again:
        await again.uses(FIRST)
        assert KeptSets(node.folder).standing.trying is None


async def test_a_core_that_is_away_is_asked_until_it_is_back(
    clamd: Clamd, core: ServingCore
) -> None:
    core.status["core.ndb"] = "503 Busy"
    async with at_work(clamd, core) as node:
        node.offer(FIRST)
        await node.is_hindered(DefinitionsState.FETCHING, "503")

        del core.status["core.ndb"]
        await node.uses(FIRST)


async def test_an_engine_that_lost_the_set_is_made_to_load_it_again(
    clamd: Clamd, core: ServingCore
) -> None:
    async with at_work(clamd, core) as node:
        node.offer(FIRST)
        await node.uses(FIRST)
        (node.folder / "core.ndb").unlink()
        (node.folder / "gone.ndb").unlink()
        for path in node.folder.glob("_*"):
            path.unlink()
        (node.folder / "test.ndb").write_bytes(EICAR_LINE)
        await node.trial.reload()

        async def is_back() -> bool:
            return set(in_folder(node.folder)) == {"core.ndb", "gone.ndb", "test.ndb"}

        await until(is_back, "the files are there again")
        assert await until(lambda: _is_used(node, FIRST.name), "the set is in use again")


async def test_another_folder_than_the_one_that_clamd_reads_is_seen(
    clamd: Clamd, core: ServingCore, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with at_work(clamd, core, folder=tmp_path / "elsewhere", load_s=SHORT_S) as node:
        node.offer(FIRST)
        report = await node.fails("has not loaded the set")

    assert "DatabaseDirectory" in report.detail
    assert in_folder(tmp_path / "elsewhere") == {}


async def test_a_folder_that_is_not_there_is_waited_for(
    clamd: Clamd, core: ServingCore, tmp_path: Path
) -> None:
    async with at_work(clamd, core, folder=tmp_path / "later") as node:
        await node.reports(lambda one: "cannot use" in one.detail)
        assert "let the satellite's user write" in node.upkeep.problems()[0]

        (tmp_path / "later").mkdir()
        await node.reports(lambda one: one.state is DefinitionsState.WAITING)
