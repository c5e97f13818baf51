"""A disk that is full at any instant loses nothing: not what comes in, not what is on its way.

The disk is filled to the last octet, or its last name is taken, while letters are accepted, judged
and delivered, and room is made again some answers later. Nobody restarts anything.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.disks.small_disk import SmallDisk, small_disk
from tests.support.node.one_node import one_node

__all__ = ["small_disk"]  # a fixture

LETTERS = 200
FILLINGS = 4


def on(disk: SmallDisk) -> dict[str, object]:
    """Return settings of a node that lives on a small disk."""
    # The reserve would keep the disk from ever being full.
    return {"state": str(disk.folder / "state"), "disk_reserve_bytes": 0}


@pytest.mark.scenario(row=9, checks="452 meanwhile, each letter has one outcome, no restart")
async def test_nothing_is_lost_while_the_disk_is_full_again_and_again(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    async with one_node(tmp_path, settings=on(small_disk)) as node:
        sending = node.send(LETTERS)
        for _ in range(FILLINGS):
            await node.answers(LETTERS // (2 * FILLINGS))
            small_disk.fill()
            await node.answers(12)
            small_disk.free()
        tally = await sending
        await node.check()

    assert tally.accepted == LETTERS
    assert tally.replies["452"] > 0, "the disk was never full: such a run proves nothing"


@pytest.mark.scenario(row=11, checks="452 meanwhile, each letter has one outcome, no restart")
async def test_nothing_is_lost_while_the_disk_has_no_inode_left(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    async with one_node(tmp_path, settings=on(small_disk)) as node:
        sending = node.send(LETTERS // 2)
        for _ in range(FILLINGS // 2):
            await node.answers(LETTERS // (4 * FILLINGS))
            small_disk.use_up_names()
            await node.answers(12)
            small_disk.give_names_back()
        tally = await sending
        await node.check()

    assert tally.accepted == LETTERS // 2
    assert tally.replies["452"] > 0, "no name was ever missing: such a run proves nothing"
