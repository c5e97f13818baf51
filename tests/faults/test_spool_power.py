"""The power goes at each step that the spool asks of the disk: nothing said is lost."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.support.numbered_disk import numbered
from tests.support.platter import Failure, Keep
from tests.support.spool_lives import hurried, is_chosen, lived, recovered, shard, steps_of_a_life
from tests.support.spool_story import Ledger

KEEPS = (Keep.NOTHING, Keep.SOME, Keep.ALL)
SEEDS = 4  # of the thorough form, for each step


async def cut_at(number: int, keep: Keep, seed: int, scratch: Path) -> tuple[bool, list[str]]:
    """Cut the power at a step; return whether it came to that, and what was wrong after it."""
    ledger = Ledger()
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        before, after = shard(Path(name) / "before"), shard(Path(name) / "after")
        with numbered(
            before, lambda step: Failure.POWER if step.number == number else None
        ) as platter:
            await lived(before, platter, ledger)
        platter.left(after, keep, random.Random(seed))
        where = str(platter.steps[number - 1]) if platter.off else "the end"
        wrong = await recovered(after, ledger)
    return platter.off, [f"{where}, {keep} kept, seed {seed}: {one}" for one in wrong]


@pytest.mark.timeout(1800)
@pytest.mark.scenario(row=1, checks="power cut at each step: nothing half, nothing said is lost")
@pytest.mark.scenario(row=2, checks="power cut between the sync and the rename of a body")
@pytest.mark.scenario(row=3, checks="power cut between a rename and the sync of its folder")
@pytest.mark.scenario(row=4, checks="power cut after each commit: states and records agree, once")
async def test_a_power_cut_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, thorough: bool
) -> None:
    with hurried():
        steps = await steps_of_a_life(tmp_path / "whole")
        number, reached = 0, True
        while reached:  # stop when no fault fired
            number += 1
            if number <= len(steps) and not is_chosen(steps[number - 1], thorough=thorough):
                continue
            keeps = KEEPS if thorough else (KEEPS[number % len(KEEPS)],)
            wrong: list[str] = []
            for keep in keeps:
                for seed in range(SEEDS if thorough and keep is Keep.SOME else 1):
                    reached, found = await cut_at(number, keep, number + 1000 * seed, tmp_path)
                    wrong += found
            assert not wrong, "\n".join(wrong[:20])
    assert number >= len(steps)
