"""What an operator sends back ends once, and its sender hears what can still be said of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from common.envelope import DsnParameters, Notify, Return
from common.errors import DiskFull, EnvironmentFailure
from common.ids import MessageId
from common.states import State
from satellite.delivery.turns.giving_back import REASON_LENGTH_MAX, GivenBack
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Origin
from satellite.spool.model.states import IllegalTransition
from tests.support.delivery.delivery_room import (
    BODY,
    DeliveryRoom,
    OpenRoom,
    TableResolver,
    route,
)
from tests.support.smtp.delivery_status import read_status

X, Y = "x@acme.example", "y@acme.example"
NOBODY = "127.0.0.1:1"  # refused at once
LARGE = BODY + b"0123456789abcde\r\n" * 8_000  # a file


@pytest.fixture(autouse=True)
def _notices_stay(resolver: TableResolver) -> None:
    resolver.mx["sender.example"] = Lookup(LookupResult.FAILED)


@pytest.fixture
async def room(open_room: OpenRoom) -> DeliveryRoom:
    return await open_room(route("acme.example", NOBODY))


async def frozen(room: DeliveryRoom, *to: str, **what: Any) -> MessageId:
    to = to or (X,)
    message = await room.accept(*to, sending=False, offer=False, **what)
    await room.spool.freeze(message, "an operator asked")
    return message


async def damaged(room: DeliveryRoom, folder: Path, damage: str, **what: Any) -> MessageId:
    """Return a damaged message, with its body file flipped, cut, missing or as it was."""
    message = await room.accept(X, body=LARGE, sending=False, offer=False, **what)
    file = folder / "bodies" / message
    match damage:
        case "flipped":  # far behind all that a DSN would return
            octets = bytearray(file.read_bytes())
            octets[-3] ^= 1
            file.write_bytes(octets)
        case "cut":
            file.write_bytes(LARGE[:9_000])
        case "missing":
            file.unlink()
    await room.spool.damage(message, "its body cannot be read")
    return message


async def give_back(room: DeliveryRoom, message: MessageId, reason: str = "") -> GivenBack | None:
    return await room.delivery.give_back(message, reason=reason)


@pytest.mark.parametrize("returned", [Return.FULL, Return.HEADERS])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
async def test_of_a_body_that_is_lost_the_sender_hears_and_gets_nothing(
    room: DeliveryRoom, tmp_path: Path, damage: str, returned: Return
) -> None:
    message = await damaged(room, tmp_path, damage, returned=returned, envelope_id="q+2B1")

    given = await give_back(room, message)

    assert given == GivenBack(recipients=1, is_told=True, silent=(), is_content_lost=True)
    (notice,) = room.notices()
    status = read_status(notice)
    (group,) = status.recipients
    assert (group["Action"], group["Status"]) == ("failed", "5.3.0")
    assert status.message["Original-Envelope-Id"] == "q+1"
    assert "lost" in group["Diagnostic-Code"]
    assert b"The content of your message was lost here" in notice
    assert b"1@sender.example" not in notice, "nothing of the header, which nobody can vouch for"
    assert b"0123456789" not in notice
    assert room.spool.message(message) is None
    assert not list((tmp_path / "bodies").iterdir())


@pytest.mark.parametrize("returned", [Return.FULL, None])
async def test_of_a_body_that_is_whole_what_the_sender_asked_for_goes_back(
    room: DeliveryRoom, tmp_path: Path, returned: Return | None
) -> None:
    more = {"returned": returned} if returned is not None else {}
    messages = [await frozen(room, **more), await damaged(room, tmp_path, "none", **more)]

    for message in messages:
        given = await give_back(room, message, "the mailbox is closed\r\nBcc: x")
        assert given is not None
        assert not given.is_content_lost

    for notice in room.notices():
        (group,) = read_status(notice).recipients
        why = "X-BorderScout; returned by order of an operator: the mailbox is closed??Bcc: x"
        assert (group["Status"], group["Diagnostic-Code"]) == ("5.3.0", why)
        assert b"Message-ID: <1@sender.example>" in notice
        assert (b"hello" in notice) is (returned is Return.FULL)
        assert b"lost" not in notice


async def test_outcome_record_and_notice_are_one_commit_and_known_to_the_core(
    room: DeliveryRoom,
) -> None:
    message = await frozen(room)
    before = room.spool.last_sequence()

    await give_back(room, message, "größer\x1b[2J" + "x" * 9_000)

    told = room.spool.records(after=before, limit=9)
    assert [one.event for one in told] == ["ended", "accepted", "bounce_made"]
    ended = json.loads(told[0].fields)["recipients"][0]
    assert (ended["address"], ended["outcome"]) == (X, "bounced")
    reason = ("größer?[2J" + "x" * 9_000)[:REASON_LENGTH_MAX]
    assert ended["reason"] == f"returned by order of an operator: {reason}"


async def test_a_second_time_changes_nothing(room: DeliveryRoom) -> None:
    message = await frozen(room)
    await give_back(room, message)
    sequence = room.spool.last_sequence()

    assert await give_back(room, message) is None
    assert room.spool.last_sequence() == sequence
    assert len(room.notices()) == 1


async def test_two_at_once_end_it_once(room: DeliveryRoom) -> None:
    message = await frozen(room)

    both = await asyncio.gather(
        give_back(room, message), give_back(room, message), return_exceptions=True
    )

    assert {type(one) for one in both} == {GivenBack, IllegalTransition}
    assert len(room.notices()) == 1
    assert len(room.events("ended")) == 1


async def test_what_is_let_go_at_the_same_moment_does_not_go_back_as_well(
    room: DeliveryRoom,
) -> None:
    message = await frozen(room)

    _, given = await asyncio.gather(
        room.spool.resume(message), give_back(room, message), return_exceptions=True
    )

    assert isinstance(given, IllegalTransition)
    assert room.notices() == []
    assert room.states(message) != []


async def test_only_what_is_stopped_ends_and_the_others_go_on(room: DeliveryRoom) -> None:
    message = await room.accept(X, Y, sending=False, offer=False)
    await room.spool.freeze(message, "an operator asked", numbers=[1])

    await give_back(room, message)

    assert room.states(message) == [State.QUEUED, State.BOUNCED]
    (group,) = read_status(room.notices()[0]).recipients
    assert group["Final-Recipient"] == f"rfc822; {Y}"
    assert await give_back(room, message) is None


async def test_what_is_not_stopped_is_left_alone(room: DeliveryRoom) -> None:
    message = await room.accept(X, sending=False, offer=False)

    assert await give_back(room, message) is None
    assert await give_back(room, MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV")) is None
    assert room.states(message) == [State.QUEUED]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"sender": ""}, "no sender"),
        ({"suspect": True}, "forged"),
        ({"dsn_parameters": (DsnParameters(notify=frozenset({Notify.NEVER})),)}, "asked for none"),
    ],
)
async def test_whoever_is_told_nothing_else_is_told_nothing_of_this(
    room: DeliveryRoom, what: dict[str, Any], why: str
) -> None:
    message = await frozen(room, **what)

    given = await give_back(room, message)

    assert given is not None
    assert not given.is_told
    assert why in given.silent[0]
    assert room.notices() == []
    assert room.results("ended")[X]["outcome"] == "bounced"
    assert why in room.events("bounce_withheld")[0][1]["reason"]


async def test_a_notice_of_our_own_is_ended_and_makes_no_other(
    room: DeliveryRoom,
) -> None:
    await give_back(room, await frozen(room))
    (own,) = (one for one in room.unfinished() if one.origin is Origin.BOUNCE)
    await room.until_state(own.id, State.DEFERRED)
    await room.spool.freeze(own.id, "an operator asked")

    given = await give_back(room, own.id)

    assert given is not None
    assert given.silent == ("it has no sender",)
    assert room.unfinished() == []


async def test_a_domain_that_was_told_of_too_many_is_told_no_more(
    open_room: OpenRoom,
) -> None:
    room = await open_room(route("acme.example", NOBODY), notices_per_domain_hour_max=1)
    for _ in range(2):
        await give_back(room, await frozen(room))

    assert len(room.notices()) == 1
    assert "too many" in room.events("bounce_withheld")[0][1]["reason"]


async def test_a_body_that_cannot_be_read_just_now_is_not_called_lost(
    room: DeliveryRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await damaged(room, tmp_path, "none")

    def refuse(*_: object) -> None:
        raise EnvironmentFailure("no descriptors")

    monkeypatch.setattr(room.spool, "open_body", refuse)

    with pytest.raises(EnvironmentFailure):
        await give_back(room, message)
    assert room.states(message) == [State.DAMAGED]
    assert room.events("ended") == []


async def test_a_full_disk_changes_nothing_and_it_is_done_when_there_is_room(
    room: DeliveryRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await frozen(room)

    async def refuse(*_: object, **_more: object) -> None:
        raise DiskFull("the spool's disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(room.spool, "bounce", refuse)
        with pytest.raises(DiskFull):
            await give_back(room, message)
    assert room.unfinished()[0].recipients[0].state is State.FROZEN

    assert await give_back(room, message) is not None
    assert len(room.notices()) == 1


async def test_the_notice_is_sent_at_once_and_again_after_a_restart(
    open_room: OpenRoom, room: DeliveryRoom
) -> None:
    await give_back(room, await frozen(room))
    await room.until(lambda: room.unfinished()[0].recipients[0].attempts == 1)

    room = await open_room()

    assert len(room.notices()) == 1
    assert room.results("ended").keys() == {X}
