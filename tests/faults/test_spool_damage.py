"""A body file is flipped, cut, zeroed, missing or no file at all: that one message is damaged."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from common.ids import MessageId
from common.states import State
from satellite.delivery.hop.copies import BLOCK_BYTES, CopyContent
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.disk.sweep import UNKNOWN
from satellite.spool.model.messages import Copy, Disposition, Settled
from satellite.spool.model.states import IllegalTransition
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.listening import listen
from tests.support.spool.story import LARGE, SMALL, envelope, judgement


def flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def cut(path: Path) -> None:
    os.truncate(path, len(LARGE) // 2)


def zero(path: Path) -> None:
    path.write_bytes(bytes(len(LARGE)))


def miss(path: Path) -> None:
    path.unlink()


def link(path: Path) -> None:
    path.unlink()
    outside = path.parents[1] / "passwd"
    outside.write_bytes(LARGE)  # right by every measure but what it is
    path.symlink_to(outside)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


SEEN_AT_ONCE = (cut, miss, link, become_folder, become_pipe, lengthen)
SEEN_WHEN_READ = (flip, zero)
DAMAGES = (*SEEN_AT_ONCE, *SEEN_WHEN_READ)
NO_FILES = (link, become_folder, become_pipe)

Damage = Callable[[Path], None]
Open = Callable[[], Awaitable[Spool]]


@pytest.fixture
async def open_spool(tmp_path: Path) -> AsyncIterator[Open]:
    held: list[Spool] = []

    async def again() -> Spool:
        while held:
            await held.pop().close()
        held.append(await Spool.open(tmp_path / "s", node="lon1", shard=0, clock=FakeClock()))
        return held[0]

    yield again
    for spool in held:
        await spool.close()


async def accept(spool: Spool, body: bytes = LARGE) -> MessageId:
    entry = spool.begin()
    entry.write(body)
    await entry.commit(envelope=envelope("x@acme.example"), trace=b"")
    return entry.id


def state(spool: Spool, message: MessageId) -> State:
    stored = spool.message(message)
    assert stored is not None
    return stored.recipients[0].state


async def read_all(spool: Spool, message: MessageId) -> bytes:
    """Read a body as a delivery does; whoever is told of damage has not had the last block."""
    stored = spool.message(message)
    assert stored is not None
    sent = b""
    with spool.open_body(stored) as body:
        for block in CopyContent(Copy(head=b"", skip=9), body).blocks():
            sent += block
            assert len(sent) <= len(LARGE) - 9
    return sent


@pytest.mark.scenario(row=18, checks="damage that a start sees: one message is set aside")
@pytest.mark.parametrize("damage", SEEN_AT_ONCE)
async def test_a_start_sets_a_damaged_message_aside_and_the_rest_goes_on(
    open_spool: Open, tmp_path: Path, damage: Damage
) -> None:
    spool = await open_spool()
    damaged, whole = await accept(spool), await accept(spool)
    before = spool.last_sequence()
    damage(tmp_path / "s" / "bodies" / damaged)

    for _ in range(2):
        spool = await open_spool()
        assert state(spool, damaged) is State.DAMAGED
        assert [message for message, _ in spool.backlog.scan] == [whole]
    assert spool.counts()[State.DAMAGED] == 1
    told = [record.event for record in spool.records(after=before, limit=9)]
    assert told == (["spool_damaged", "damaged"] if damage in NO_FILES else ["damaged"])
    assert await read_all(spool, whole) == LARGE[9:]
    moved = tmp_path / "s" / UNKNOWN / damaged
    assert os.path.lexists(moved) == (damage in NO_FILES)
    if damage is link:
        assert (tmp_path / "s" / "passwd").read_bytes() == LARGE


@pytest.mark.scenario(row=18, checks="damage while it runs: the last octets are never given out")
@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_body_that_is_not_what_was_accepted_is_not_read_to_its_end(
    open_spool: Open, tmp_path: Path, damage: Damage
) -> None:
    spool = await open_spool()
    damaged = await accept(spool)
    await spool.judge(damaged, judgement(Disposition.DELIVER))
    damage(tmp_path / "s" / "bodies" / damaged)
    assert len(LARGE) > BLOCK_BYTES

    with pytest.raises(BodyDamaged):
        await read_all(spool, damaged)

    await spool.damage(damaged, "as the delivery found")
    assert state(spool, damaged) is State.DAMAGED


@pytest.mark.scenario(row=18, checks="an engine is never shown what was not accepted")
@pytest.mark.parametrize("damage", SEEN_WHEN_READ)
async def test_a_body_is_compared_before_engines_see_it_after_a_restart(
    open_spool: Open, tmp_path: Path, damage: Damage
) -> None:
    damaged = await accept(await open_spool())
    damage(tmp_path / "s" / "bodies" / damaged)
    spool = await open_spool()
    stored = spool.message(damaged)
    assert stored is not None

    with spool.open_body(stored) as body, pytest.raises(BodyDamaged):
        await body.verify()


async def test_a_small_body_is_compared_too(open_spool: Open, tmp_path: Path) -> None:
    message = await accept(await open_spool(), SMALL)
    spool = await open_spool()
    stored = spool.message(message)
    assert stored is not None
    spool._commits._connection.execute("UPDATE body SET data=zeroblob(length(data))")

    with pytest.raises(BodyDamaged):
        spool.open_body(stored)


@pytest.mark.scenario(row=18, checks="what is not ours is moved aside and never deleted")
async def test_unknown_things_are_moved_aside_and_told_of(open_spool: Open, tmp_path: Path) -> None:
    bodies = tmp_path / "s" / "bodies"
    await (await open_spool()).close()
    for name, octets in (("notes.txt", b"mine"), ("core", b"dump")):
        (bodies / name).write_bytes(octets)
    (bodies / "01ARZ3NDEKTSV4RRFFQ69G5FAV.part").write_bytes(b"left by a crash")
    (bodies / "01ARZ3NDEKTSV4RRFFQ69G5FAW").write_bytes(b"its row never came")
    (tmp_path / "s" / UNKNOWN).mkdir()
    (tmp_path / "s" / UNKNOWN / "core").write_bytes(b"an older one")

    spool = await open_spool()

    assert list(bodies.iterdir()) == []
    found = {path.name: path.read_bytes() for path in (tmp_path / "s" / UNKNOWN).iterdir()}
    assert found == {"notes.txt": b"mine", "core": b"an older one", "core.1": b"dump"}
    (told,) = [one for one in spool.records(after=0, limit=9) if one.event == "spool_damaged"]
    assert json.loads(told.fields)["files"] == ["core.1", "notes.txt"]
    assert any("bodies.unknown" in problem for problem in spool.problems())


async def test_a_damaged_message_goes_on_when_its_body_can_be_read_again(
    open_spool: Open, tmp_path: Path
) -> None:
    spool = await open_spool()
    path = tmp_path / "s" / "bodies"
    judged, fresh = await accept(spool), await accept(spool)
    await spool.judge(judged, judgement(Disposition.DELIVER))
    for message in (judged, fresh):
        (path / message).rename(tmp_path / message)
    spool = await open_spool()
    with pytest.raises(BodyDamaged):
        await spool.resume(judged)
    assert state(spool, judged) is State.DAMAGED

    told: list[tuple[str, MessageId]] = []
    listen(
        spool,
        queued=lambda message: told.append(("deliver", message)),
        received=lambda message: told.append(("scan", message)),
    )
    for message in (judged, fresh):
        (tmp_path / message).rename(path / message)
        await spool.resume(message)

    assert [state(spool, judged), state(spool, fresh)] == [State.DEFERRED, State.WAITING]
    assert told == [("deliver", judged), ("scan", fresh)]
    await spool.mark_sending(judged, [0])
    await spool.settle(judged, [Settled(number=0, state=State.DELIVERED, reason="250")])
    await spool.judge(fresh, judgement(Disposition.DROP))
    assert spool.unfinished(limit=9) == []


async def test_an_operator_gives_a_damaged_message_up(open_spool: Open, tmp_path: Path) -> None:
    spool = await open_spool()
    message = await accept(spool)
    (tmp_path / "s" / "bodies" / message).unlink()
    spool = await open_spool()

    whole = await accept(spool)
    with pytest.raises(IllegalTransition):
        await spool.drop(whole)

    await spool.drop(message)

    assert spool.message(message) is None
    last = spool.records(after=0, limit=9)[-1]
    assert last.event == "ended"
    assert json.loads(last.fields)["recipients"][0]["outcome"] == "dropped"
