"""How does a spool live over a numbered disk, and what is found when it is opened again?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from unittest import mock

from common.errors import EnvironmentFailure
from satellite.spool import commits
from satellite.spool.disk import schema
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.disks.numbered_disk import numbered
from tests.support.disks.platter import Kind, Platter, Step
from tests.support.spool.findings import findings
from tests.support.spool.story import Ledger, Story

CHECKPOINT_PAGES = 25  # so that a short life has several checkpoints in it
STRIDE = 5  # in the quick form, of the writes; all other steps are taken

T = TypeVar("T")


@contextmanager
def hurried() -> Iterator[None]:
    """Commit without spacing, and empty the write-ahead log often."""
    with (
        mock.patch.object(commits, "SPACING_S", 0.0),
        mock.patch.object(schema, "CHECKPOINT_PAGES", CHECKPOINT_PAGES),
    ):
        yield


def shard(folder: Path) -> Path:
    (folder / "bodies").mkdir(parents=True)
    return folder


async def opened(folder: Path, clock: FakeClock) -> Spool:
    return await Spool.open(folder, node="lon1", shard=0, clock=clock)


async def lived(folder: Path, platter: Platter, ledger: Ledger) -> bool:
    """Open a spool, let everything happen and close it, as far as the disk allows.

    Returns whether it came to a clean end.
    """
    clock = FakeClock()
    ledger.is_off = lambda: platter.off
    ledger.step = lambda: len(platter.steps)
    try:
        spool = await opened(folder, clock)
        try:
            await Story(spool, ledger, lambda: clock.jump(0.001)).tell()
        finally:
            await spool.close()
    except EnvironmentFailure as error:
        assert platter.failed, error
        return False
    return True


async def recovered(folder: Path, ledger: Ledger) -> list[str]:
    """Open what is left, twice, and return what is wrong with it."""
    clock = FakeClock()
    wrong, pictures = [], []
    for _ in range(2):
        with numbered(folder):
            spool = await opened(folder, clock)
            wrong += findings(spool, ledger)
            pictures.append((spool.unfinished(limit=999), spool.records(after=0, limit=999)))
            await spool.close()
    if pictures[0] != pictures[1]:
        wrong.append("a second start differs from the first")
    return wrong


async def each_step_meets(
    troubles: Sequence[T],
    trial: Callable[[int, T, Path], Awaitable[tuple[bool, list[str]]]],
    scratch: Path,
    *,
    thorough: bool,
) -> None:
    """Let trouble come at each step of a life, up to one that no life reaches.

    Args:
        troubles: the thorough form has all of them at each step, the quick one in turn.
        trial: lets one come at a step; returns whether it came, and what was wrong after it.
        scratch: a folder for trials.
        thorough: which form it is.
    """
    with hurried():
        steps = await _steps_of_a_life(scratch / "whole")
        number, came = 0, True
        while came:
            number += 1
            step = steps[number - 1] if number <= len(steps) else None
            if step is not None and not _is_chosen(step, thorough=thorough):
                continue
            for trouble in troubles if thorough else [troubles[number % len(troubles)]]:
                came, wrong = await trial(number, trouble, scratch)
                assert not wrong, "\n".join([f"{step or 'the end'}:", *wrong[:20]])
    assert number >= len(steps)


async def _steps_of_a_life(folder: Path) -> list[Step]:
    """Return what a life asks of a disk that does not fail."""
    with numbered(shard(folder)) as platter:
        assert await lived(folder, platter, Ledger())
        return platter.steps


def _is_chosen(step: Step, *, thorough: bool) -> bool:
    """Say whether something is to happen at this step."""
    return thorough or step.kind is not Kind.WRITE or step.number % STRIDE == 0
