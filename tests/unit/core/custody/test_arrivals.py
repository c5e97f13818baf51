"""Does a quarantined message arrive whole before its satellite may let go of it? (P8)"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from common.errors import EnvironmentFailure
from common.link import Taken, Wanted
from core.custody.arrivals import Arrival, Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.quarantine.cases import BodyMismatch, CaseRefused, CaseState
from core.records.lives import Fenced
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import identity, made_id, told_case

LON = identity()
ID = made_id(77)
BODY = b"Subject: x\r\n\r\n" + b"evil\r\n" * 5_000


async def _send(arrivals: Arrivals, message_id: str = ID, body: bytes = BODY) -> Arrival:
    wanted = await arrivals.open_case(LON, told_case(message_id, body))
    while isinstance(wanted, Wanted) and wanted.offset < len(body):
        chunk = body[wanted.offset : wanted.offset + 4_096]
        wanted = await arrivals.append(LON, message_id, wanted.offset, chunk)
    return await arrivals.complete(LON, message_id)


async def test_a_message_arrives_and_a_repeat_is_answered_at_once(
    arrivals: Arrivals, custody: Custody
) -> None:
    assert await _send(arrivals) == Taken(ID)

    assert await arrivals.open_case(LON, told_case(ID, BODY)) == Taken(ID)
    assert await arrivals.append(LON, ID, 0, BODY[:100]) == Taken(ID)
    assert await arrivals.complete(LON, ID) == Taken(ID)
    assert await custody.read(ID, 0, 1 << 20) == BODY


async def test_an_upload_goes_on_where_it_stopped(arrivals: Arrivals) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    await arrivals.append(LON, ID, 0, BODY[:10_000])

    assert await arrivals.open_case(LON, told_case(ID, BODY)) == Wanted(ID, 10_000)
    assert await arrivals.append(LON, ID, 20_000, BODY[20_000:]) == Wanted(ID, 10_000)
    assert await arrivals.complete(LON, ID) == Wanted(ID, 10_000)


async def test_a_case_is_seen_before_its_body_and_held_only_after(
    arrivals: Arrivals, custody: Custody
) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    arriving = await custody.case(ID)
    await _send(arrivals)
    held = await custody.case(ID)

    assert arriving is not None
    assert held is not None
    assert (arriving.state, held.state) == (CaseState.ARRIVING, CaseState.HELD)
    assert arriving.held_us == 0 < held.held_us


async def test_a_wrong_body_is_discarded_and_begun_again(
    arrivals: Arrivals, custody: Custody
) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    await arrivals.append(LON, ID, 0, b"!" + BODY[1:])

    with pytest.raises(BodyMismatch):
        await arrivals.complete(LON, ID)

    case = await custody.case(ID)
    assert case is not None
    assert case.state is CaseState.ARRIVING
    assert await arrivals.open_case(LON, told_case(ID, BODY)) == Wanted(ID, 0)
    assert await _send(arrivals) == Taken(ID)


async def test_nothing_is_durable_when_the_disk_fails_between_body_and_row(
    arrivals: Arrivals, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_arguments: Any) -> None:
        raise EnvironmentFailure("no room")

    with monkeypatch.context() as broken:
        broken.setattr(store.cases, "hold", fails)
        with pytest.raises(EnvironmentFailure):
            await _send(arrivals)

    assert await arrivals.open_case(LON, told_case(ID, BODY)) == Wanted(ID, 0)
    assert await _send(arrivals) == Taken(ID)


async def test_a_body_is_bounded_by_what_was_announced(arrivals: Arrivals) -> None:
    await arrivals.open_case(LON, told_case(ID, b"12345"))

    for offset, data in ((0, b"123456"), (5, b"6"), (-1, b"1")):
        with pytest.raises(CaseRefused, match="beyond"):
            await arrivals.append(LON, ID, offset, data)


async def test_what_was_not_opened_is_refused(arrivals: Arrivals) -> None:
    with pytest.raises(CaseRefused, match="not opened"):
        await arrivals.append(LON, ID, 0, b"x")
    with pytest.raises(CaseRefused, match="not opened"):
        await arrivals.complete(LON, ID)


async def test_another_node_cannot_touch_a_case(arrivals: Arrivals, custody: Custody) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    par = identity("par1")

    for attempt in (
        arrivals.open_case(par, told_case(ID, b"forged")),
        arrivals.append(par, ID, 0, b"x"),
        arrivals.complete(par, ID),
    ):
        with pytest.raises(CaseRefused, match="another shard"):
            await attempt

    case = await custody.case(ID)
    assert case is not None
    assert (case.node, case.told.size) == ("lon1", len(BODY))


async def test_an_older_life_is_fenced_and_a_newer_one_begins_again(arrivals: Arrivals) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    await arrivals.append(LON, ID, 0, BODY[:100])
    rebuilt = identity(life=2)

    assert await arrivals.open_case(rebuilt, told_case(ID, BODY)) == Wanted(ID, 0)
    with pytest.raises(Fenced):
        await arrivals.append(LON, ID, 100, BODY[100:200])
    with pytest.raises(Fenced):
        await arrivals.complete(LON, ID)


async def test_another_body_for_a_held_message_is_never_called_durable(arrivals: Arrivals) -> None:
    await _send(arrivals)

    with pytest.raises(CaseRefused, match="another body"):
        await arrivals.open_case(LON, told_case(ID, BODY + b"more"))


async def test_another_announcement_begins_again(arrivals: Arrivals) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    await arrivals.append(LON, ID, 0, BODY[:100])

    wanted = await arrivals.open_case(LON, told_case(ID, BODY[:50]))

    assert wanted == Wanted(ID, 0)


async def test_an_empty_body_arrives(arrivals: Arrivals, custody: Custody) -> None:
    assert await _send(arrivals, body=b"") == Taken(ID)
    assert await custody.read(ID, 0, 10) == b""


async def test_the_same_octets_in_many_messages_arrive_side_by_side(
    arrivals: Arrivals, tmp_path: Path
) -> None:
    wanted = await asyncio.gather(*(_send(arrivals, made_id(100 + n)) for n in range(12)))

    assert wanted == [Taken(made_id(100 + n)) for n in range(12)]
    digest = hashlib.sha256(BODY).hexdigest()
    assert [p.name for p in (tmp_path / "bodies" / digest[:2]).iterdir()] == [digest]
    assert list((tmp_path / "bodies" / "partial").iterdir()) == []


async def test_texts_from_outside_are_stored_as_text(arrivals: Arrivals, custody: Custody) -> None:
    odd = told_case(ID, BODY, subject="a\0b\ud83d" + "x" * 9_000, recipients=("X@Ä\0.example",))

    await arrivals.open_case(LON, odd)

    case = await custody.case(ID)
    assert case is not None
    assert len(case.told.subject) == 2_000
    assert case.as_json()["subject"].startswith("a\N{REPLACEMENT CHARACTER}b?")


async def test_a_held_message_is_there_after_a_restart(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    for _ in range(2):
        bodies = await BodyFolder.open(tmp_path / "b")
        async with await Database.open(tmp_path / "c.db", clock=fake_clock) as store:
            arrivals = Arrivals(database=store, bodies=bodies, clock=fake_clock)
            custody = Custody(database=store, bodies=bodies, clock=fake_clock)
            assert await _send(arrivals) == Taken(ID)
            assert await custody.read(ID, 0, 1 << 20) == BODY
