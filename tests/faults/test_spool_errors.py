"""The disk fails at each step that the spool asks of it: callers are told, nothing said is lost."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from satellite.spool.commits import REFUSED_MAX
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.disks.numbered_disk import numbered
from tests.support.disks.platter import Failure, Keep, Kind, Plan, Platter
from tests.support.spool.findings import findings
from tests.support.spool.lives import each_step_meets, lived, opened, recovered, shard
from tests.support.spool.story import SMALL, Ledger, envelope

PERSISTENT_STEPS = 15  # a trouble that lasts goes on for so many steps

Plans = Callable[[int, Failure], Plan]  # from the step at which it begins


def once(number: int, failure: Failure) -> Plan:
    return lambda step: failure if step.number == number else None


def for_a_while(number: int, failure: Failure) -> Plan:
    return lambda step: failure if 0 <= step.number - number < PERSISTENT_STEPS else None


TROUBLES: list[tuple[Plans, Failure]] = [
    (plan, failure)
    for failure in (Failure.BROKEN, Failure.NO_ROOM, Failure.SHORT)
    for plan in (once, for_a_while)
]


async def accept_one(spool: Spool, ledger: Ledger) -> None:
    entry = spool.begin()
    entry.write(SMALL)
    ledger.begun[entry.id] = SMALL
    await entry.commit(envelope=envelope("last@acme.example"), trace=b"")
    ledger.accepted[entry.id] = ledger.step()


async def fail(
    number: int, trouble: tuple[Plans, Failure], scratch: Path
) -> tuple[bool, list[str]]:
    """Let a life meet a failure at a step; return whether it did, and what was wrong.

    After it the disk is well. Another process opens the same files, which the kernel shows as they
    were written, synced or not; it accepts one message more, and the power goes.
    """
    plans, failure = trouble
    plan, ledger = plans(number, failure), Ledger()
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder, after = shard(Path(name) / "before"), shard(Path(name) / "after")
        is_well = False
        with numbered(folder, lambda step: None if is_well else plan(step)) as platter:
            ended = not await lived(folder, platter, ledger)
            is_well = True
            wrong = [*judged(platter, ledger, ended=ended)]
            spool = await opened(folder, FakeClock())
            wrong += findings(spool, ledger)
            await accept_one(spool, ledger)
            platter.left(after, Keep.NOTHING, random.Random(1))
            await spool.close()
        wrong += [f"after a power cut: {one}" for one in await recovered(after, ledger)]
    return platter.failed, [f"{failure}, {plans.__name__}: {one}" for one in wrong]


def judged(platter: Platter, ledger: Ledger, *, ended: bool) -> Iterator[str]:
    """Yield what was wrong with how the process took it: it ends after a failed sync, and only so.

    Args:
        platter: what it asked of the disk.
        ledger: what it said.
        ended: whether it could not go on.
    """
    failed = [platter.steps[number - 1] for number in platter.failures]
    if not failed or not ledger.said or failed[0].number <= ledger.said[0][2]:
        return  # it could not start, which is for the next try
    # A disk that is found full at the sync of a body is no disk that lost pages.
    is_full = platter.failure in {Failure.NO_ROOM, Failure.SHORT}
    syncs = [
        one
        for one in failed
        if one.kind in {Kind.SYNC, Kind.FOLDER} and not (is_full and one.name.startswith("bodies"))
    ]
    if ended and not syncs and len(failed) < REFUSED_MAX:
        yield "it ended without need"
    if syncs and not ended and syncs[0].number < ledger.said[-1][2]:
        yield "it went on after a failed sync"
    for step in platter.steps[syncs[0].number :] if syncs else ():
        if step.kind is Kind.SYNC and step.name == syncs[0].name:
            yield f"{step.name} was synced again"


@pytest.mark.timeout(1800)
@pytest.mark.scenario(row=9, checks="ENOSPC at each step, once and for a while: told, not lost")
@pytest.mark.scenario(row=12, checks="EIO at each sync: never tried again, and nothing said lost")
@pytest.mark.scenario(row=13, checks="EIO and short writes at each step: told, not lost")
@pytest.mark.scenario(row=14, checks="rename and unlink fail: nothing is delivered twice or left")
async def test_a_disk_that_fails_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, thorough: bool
) -> None:
    await each_step_meets(TROUBLES, fail, tmp_path, thorough=thorough)
