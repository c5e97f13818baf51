"""A power cut at any moment loses nothing that was acknowledged (P1, P2, P3, P8).

The disk is a real file system on a loop device, cut in mid-work by its own shutdown: what was
written and not synced is gone. A spool whose commits are not synced, or a body whose folder is
not, does not pass.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.support.core import vouched as core_vouched
from tests.support.disks.lossy_disk import FileSystem, LossyDisk, lossy_disk
from tests.support.node.processes import Process
from tests.support.spool import vouched as spool_vouched

pytestmark = pytest.mark.timeout(1200)

CUTS = 4
CUTS_THOROUGH = 100
LINES_MAX = 160  # acknowledgements before a cut
KINDS = list(FileSystem)


async def _work_until_cut(disk: LossyDisk, program: str, lines: int) -> list[str]:
    """Let a program work on the disk, cut the power, and return what it had said before.

    What it says while the cut goes on does not count: here it lives on for a moment, and a sync
    that overlaps with the shutdown of the file system may come back without an error. Where the
    power is cut nobody hears what is said then.
    """
    command = [sys.executable, "-m", f"tests.support.{program}", str(disk.folder / "state")]
    async with Process(command) as writer:
        await writer.says(lines)
        said = list(writer.lines)
        disk.cut_power()
        await writer.kill()
    await disk.restore()
    return said


@pytest.mark.scenario(
    row=7, checks="each acknowledged message, its body by SHA-256, its records without a hole"
)
@pytest.mark.scenario(row=3, checks="the power fails between a body's rename and its folder's sync")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_satellite_keeps_what_it_acknowledged_over_power_cuts(
    tmp_path: Path, kind: FileSystem, thorough: bool
) -> None:
    chance = random.Random(7)
    vouched = spool_vouched.Vouched()

    with lossy_disk(tmp_path, kind) as disk:
        (disk.folder / "state").mkdir()
        for _ in range(CUTS_THOROUGH if thorough else CUTS):
            lines = chance.randrange(1, LINES_MAX)
            vouched.hear(await _work_until_cut(disk, "spool.writer", lines))
            await vouched.check(disk.folder / "state")

    assert len(vouched.accepted) > len(vouched.ended) > 0


@pytest.mark.scenario(
    row=8, checks="each published revision, acknowledged record and durable body is there"
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_core_keeps_what_it_acknowledged_over_power_cuts(
    tmp_path: Path, kind: FileSystem, thorough: bool
) -> None:
    chance = random.Random(8)
    vouched = core_vouched.Vouched()

    with lossy_disk(tmp_path, kind) as disk:
        (disk.folder / "state").mkdir()
        for _ in range(25 if thorough else 2):
            lines = chance.randrange(1, 40)
            vouched.hear(await _work_until_cut(disk, "core.crash_writer", lines))
            await vouched.check(disk.folder / "state")

    assert vouched.revision > 0
    assert vouched.held >= 0
