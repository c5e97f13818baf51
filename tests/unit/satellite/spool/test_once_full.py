"""A disk that was once full stops mail for as long as it is full, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import DiskFull
from common.ids import MessageId
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.disks.small_disk import SIZE_MIB, SmallDisk, small_disk
from tests.support.spool.ending import end_all
from tests.support.spool.open_spool import accept

__all__ = ["small_disk"]  # a fixture

RESERVE_BYTES = 6 << 20
INLINE = b"Subject: hi\r\n\r\n" + b"x" * 60_000
IN_A_FILE = b"Subject: hi\r\n\r\n" + b"x" * (4 << 20)


async def open_on(folder: Path, clock: FakeClock) -> Spool:
    return await Spool.open(folder, node="lon1", shard=0, clock=clock, reserve_bytes=RESERVE_BYTES)


async def fill(spool: Spool, clock: FakeClock) -> list[MessageId]:
    accepted = []
    while spool.refusal() is None:
        accepted.append(await accept(spool, body=INLINE))
        await clock.advance(1.0)
    return accepted


async def test_a_spool_that_was_full_takes_mail_again_once_it_is_empty(
    small_disk: SmallDisk,
) -> None:
    clock = FakeClock()
    spool = await open_on(small_disk.folder / "shard-0", clock)
    for _ in range(2):  # the second time shows that the first one left nothing behind
        accepted = await fill(spool, clock)
        assert len(accepted) * len(INLINE) > (SIZE_MIB << 20) // 3

        await end_all(spool, accepted)
        await clock.advance(1.0)

        assert spool.refusal() is None, "free pages of the file are room for mail"
        assert spool.space.free_bytes() > RESERVE_BYTES
    while await spool.compact():
        pass
    await accept(spool, body=IN_A_FILE)  # which no free page of the file could take
    await spool.close()


async def test_free_pages_are_no_room_for_what_only_the_disk_can_take(
    small_disk: SmallDisk,
) -> None:
    clock = FakeClock()
    spool = await open_on(small_disk.folder / "shard-0", clock)
    await end_all(spool, await fill(spool, clock))

    small_disk.fill(leave_bytes=RESERVE_BYTES // 8)
    await clock.advance(1.0)

    assert spool.refusal() is not None, "the log, and larger bodies, need the disk itself"
    with pytest.raises(DiskFull):
        await accept(spool, body=IN_A_FILE)
    small_disk.free()
    await spool.close()
