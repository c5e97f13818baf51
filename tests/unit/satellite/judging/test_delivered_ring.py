"""What is delivered lies in a bounded ring, and nobody relies on it."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from common.ids import MessageId
from satellite.judging import delivered_ring
from satellite.judging.delivered_ring import FOLDER, DeliveredRing
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.core.rooms import made_id

HOUR_S = 3600.0
RESERVE = 1_000


class Disk:
    def __init__(self) -> None:
        self.free = 1 << 40


@pytest.fixture
def disk() -> Disk:
    return Disk()


def ring_of(folder: Path, clock: FakeClock, disk: Disk, bytes_max: int = 10_000) -> DeliveredRing:
    return DeliveredRing(
        folder,
        hours=24.0,
        bytes_max=bytes_max,
        reserve_bytes=RESERVE,
        free_bytes=lambda: disk.free,
        clock=clock,
    )


def message(number: int, size: int = 1_000, path: Path | None = None) -> Sample:
    content = number.to_bytes(2, "big") * (size // 2)
    if path is not None:
        path.write_bytes(content)
    return Sample(
        id=MessageId(made_id(number)),
        size=size,
        sha256=sha256(content).digest(),
        data=content if path is None else None,
        path=path,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).glob("*"))


async def kept(ring: DeliveredRing) -> list[str]:
    return [one.id for one in ring.newest_first()]


async def test_the_oldest_go_when_there_is_no_more_room(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    for number in range(15):
        await ring.keep(message(number))

    assert await kept(ring) == [made_id(number) for number in range(14, 4, -1)]
    assert ring.kept_bytes == 10_000
    assert len(names(tmp_path)) == 10


async def test_a_file_is_linked_and_stays_when_the_spool_deletes_its_own(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring, body = ring_of(tmp_path, clock, disk), tmp_path / "body"
    await ring.keep(message(1, path=body))
    assert body.stat().st_nlink == 2
    body.unlink()

    (one,) = ring.newest_first()
    sample = await ring.sample(one)

    assert sample is not None
    assert b"".join(sample.chunks()) == b"\0\1" * 500


async def test_after_its_hours_a_message_goes_and_a_clock_that_is_set_back_keeps_none(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    await ring.keep(message(1))
    await clock.advance(23 * HOUR_S)
    await ring.keep(message(2))
    await clock.advance(2 * HOUR_S)

    ring.tidy()
    assert await kept(ring) == [made_id(2)]
    clock.jump(-30 * 24 * HOUR_S)
    ring.tidy()
    assert await kept(ring) == []
    assert names(tmp_path) == []


async def test_it_gives_way_before_the_spools_reserve_is_touched(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    await ring.keep(message(1))
    disk.free = RESERVE * 2 - 1

    await ring.keep(message(2))

    assert await kept(ring) == []
    assert names(tmp_path) == []


async def test_one_large_message_does_not_push_out_the_others(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    await ring.keep(message(1))
    await ring.keep(message(2, size=2_502))

    assert await kept(ring) == [made_id(1)]


async def test_a_next_life_finds_what_is_whole_and_deletes_the_rest(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    for number in (1, 2):
        await ring.keep(message(number))
        await clock.advance(1.0)
    (torn, whole) = (tmp_path / FOLDER / name for name in names(tmp_path))
    then_s = torn.stat().st_mtime
    torn.write_bytes(torn.read_bytes()[:10])
    os.utime(torn, (then_s, then_s))
    (tmp_path / FOLDER / "stranger").write_bytes(b"x")

    again = ring_of(tmp_path, clock, disk)
    await again.keep(message(3))  # before it has looked
    await again.open()

    assert await kept(again) == [made_id(3), made_id(2), made_id(1)]
    _, second, first = again.newest_first()
    assert await again.sample(first) is None
    assert await again.sample(second) is not None
    assert await kept(again) == [made_id(3), made_id(2)]
    assert again.kept_bytes == 2_000
    assert whole.name in names(tmp_path)
    assert "stranger" not in names(tmp_path)


async def test_turned_off_nothing_is_written_and_what_there_was_goes(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    ring = ring_of(tmp_path, clock, disk)
    await ring.keep(message(1))

    off = ring_of(tmp_path, clock, disk, bytes_max=0)
    await off.open()
    await off.keep(message(2))

    assert names(tmp_path) == []


async def test_a_message_that_cannot_be_written_is_not_kept(
    tmp_path: Path, clock: FakeClock, disk: Disk
) -> None:
    (tmp_path / FOLDER).write_bytes(b"a file where the folder would be")
    ring = ring_of(tmp_path, clock, disk)
    await ring.open()

    await ring.keep(message(1))

    assert await kept(ring) == []


async def test_the_number_of_messages_is_bounded(
    tmp_path: Path, clock: FakeClock, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivered_ring, "ENTRIES_MAX", 3)
    ring = ring_of(tmp_path, clock, disk)
    for number in range(5):
        await ring.keep(message(number, size=10))

    assert len(await kept(ring)) == 3
