"""The power goes at each step that the spool asks of the disk: nothing said is lost."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.support.disks.numbered_disk import numbered
from tests.support.disks.platter import Failure, Keep
from tests.support.spool.lives import each_step_meets, lived, recovered, shard
from tests.support.spool.story import Ledger

SEEDS = 4  # of the thorough form, for each step


async def cut_at(number: int, cut: tuple[Keep, int], scratch: Path) -> tuple[bool, list[str]]:
    """Cut the power at a step; return whether it came to that, and what was wrong after it."""
    keep, seed = cut
    ledger = Ledger()
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        before, after = shard(Path(name) / "before"), shard(Path(name) / "after")
        with numbered(
            before, lambda step: Failure.POWER if step.number == number else None
        ) as platter:
            await lived(before, platter, ledger)
        platter.left(after, keep, random.Random(number + 1000 * seed))
        wrong = await recovered(after, ledger)
    return platter.off, [f"{keep} kept, seed {seed}: {one}" for one in wrong]


@pytest.mark.timeout(1800)
@pytest.mark.scenario(row=1, checks="power cut at each step: nothing half, nothing said is lost")
@pytest.mark.scenario(row=2, checks="power cut between the sync and the rename of a body")
@pytest.mark.scenario(row=3, checks="power cut between a rename and the sync of its folder")
@pytest.mark.scenario(row=4, checks="power cut after each commit: states and records agree, once")
async def test_a_power_cut_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, thorough: bool
) -> None:
    cuts = [
        (keep, seed)
        for keep in Keep
        for seed in range(SEEDS if thorough and keep is Keep.SOME else 1)
    ]
    await each_step_meets(cuts, cut_at, tmp_path, thorough=thorough)
