"""A spool begins a new life with all that is in it."""

from __future__ import annotations

from pathlib import Path

from common.chain import CHAIN_START, ChainPoint, extended
from common.identity import LifeOrigin
from common.ids import ulid
from common.records import LogRecord, NotAcceptingRecord
from satellite.spool.disk.schema import close, open_writer
from satellite.spool.life import SpoolLife, read_life
from satellite.spool.mending.renewal import MARK, ask_for_renewal, renew_if_asked
from satellite.spool.mending.rescue import rescue
from satellite.spool.store import Spool
from tests.support.clock import FakeClock

FRESH = ulid(now_us=5_000, randomness=bytes(10))
OTHER = ulid(now_us=6_000, randomness=bytes(10))


async def opened(folder: Path) -> Spool:
    return await Spool.open(folder, node="lon1", shard=0, clock=FakeClock())


def content(records: list[LogRecord]) -> list[bytes]:
    return [record.fields for record in records]


async def test_what_the_core_does_not_have_is_numbered_anew_and_a_fork_is_over(
    tmp_path: Path,
) -> None:
    spool = await opened(tmp_path)
    for number in range(7):
        await spool.note(NotAcceptingRecord(reason=str(number), cause=""))
    await spool.acknowledge_records(4, bytes(range(16)))
    await spool.mark_forked("it was put back")
    before, life = content(spool.records(after=0, limit=10)), spool.life
    await spool.close()

    ask_for_renewal(tmp_path)
    spool = await opened(tmp_path)

    assert [record.sequence for record in spool.records(after=0, limit=10)] == [1, 2, 3]
    assert content(spool.records(after=0, limit=10)) == before
    assert spool.life.incarnation != life.incarnation
    assert spool.life.origin == LifeOrigin(former=life.incarnation, carried=3)
    assert spool.life.deleted == ChainPoint(0, CHAIN_START)
    assert spool.life.forked == ""
    await spool.note(NotAcceptingRecord(reason="7", cause=""))
    assert spool.last_sequence() == 4
    again = spool.life
    await spool.close()

    assert not (tmp_path / MARK).exists()
    spool = await opened(tmp_path)
    assert spool.life == again
    await spool.close()


async def test_a_renewal_that_a_crash_lets_happen_twice_names_the_life_before_it(
    tmp_path: Path,
) -> None:
    spool = await opened(tmp_path)
    for number in range(3):
        await spool.note(NotAcceptingRecord(reason=str(number), cause=""))
    life = spool.life
    await spool.close()
    writer = open_writer(tmp_path / "spool.db")
    ask_for_renewal(tmp_path)
    renew_if_asked(tmp_path, writer)
    close(writer)
    ask_for_renewal(tmp_path)  # the crash came before the mark was gone

    spool = await opened(tmp_path)

    # With no former life, the core would call all that is in this spool lost.
    assert spool.life.incarnation != life.incarnation
    assert spool.life.origin == LifeOrigin(former=life.incarnation, carried=3)
    await spool.close()


async def test_a_spool_that_is_rescued_and_renewed_at_one_start_names_the_life_before_it(
    tmp_path: Path,
) -> None:
    spool = await opened(tmp_path)
    await spool.note(NotAcceptingRecord(reason="", cause=""))
    life = spool.life
    await spool.close()
    rescue(tmp_path, stamp="20260101T000000Z", now_us=1, why="a test")
    ask_for_renewal(tmp_path)

    spool = await opened(tmp_path)

    assert spool.life.origin is not None
    assert spool.life.origin.former == life.incarnation
    await spool.close()


async def test_a_life_is_kept_with_its_chain_and_its_fork(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    assert spool.life.origin == LifeOrigin(former="")
    await spool.note(NotAcceptingRecord(reason="", cause=""))
    digest = extended(CHAIN_START, spool.records(after=0, limit=1))
    await spool.acknowledge_records(1, digest)
    await spool.mark_forked("it is a copy")
    kept = spool.life
    await spool.close()

    spool = await opened(tmp_path)

    assert spool.life == kept
    assert (kept.deleted, kept.forked) == (ChainPoint(1, digest), "it is a copy")
    await spool.close()


def test_what_a_version_before_kept_says_nothing_of_origin_and_chain() -> None:
    old = {"incarnation": OTHER, "acknowledged": 7}

    assert read_life(old, fresh=FRESH) == SpoolLife(OTHER, None, ChainPoint(7, b""))
    stale = old | {"chain": f"6:{bytes(16).hex()}"}  # it went on without writing the chain
    assert read_life(stale, fresh=FRESH).deleted == ChainPoint(7, b"")
    assert read_life({}, fresh=FRESH) == SpoolLife(FRESH)


def test_a_rescue_that_cannot_read_the_former_life_knows_no_origin() -> None:
    rescued = {"former": "?", "carried": 5}

    assert read_life(rescued, fresh=FRESH).origin is None
    assert read_life(rescued | {"former": OTHER}, fresh=FRESH).origin == LifeOrigin(OTHER, 5)
