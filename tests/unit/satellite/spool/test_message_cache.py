"""What is at hand is what the disk has, and never more than the limits allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from common.ids import MessageId
from common.states import State
from satellite.spool.disk.rows import read_message
from satellite.spool.message_cache import BODY_BYTES_MAX, MESSAGES_MAX, MessageCache
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled, Stored
from satellite.spool.store import Spool
from tests.support.spool.open_spool import accept

TO = ("x@acme.example", "y@acme.example")


def judgement(*, sending: bool) -> Judgement:
    return Judgement(
        revision=7,
        subject="hi",
        message_id_header="",
        recipients=tuple(
            Judged(
                number=number,
                disposition=Disposition.DELIVER,
                reason="clean",
                copy=Copy(head=b"X: %d\r\n" % number, skip=number),
                sending=sending,
                suspect=bool(number),
            )
            for number in range(len(TO))
        ),
        verdicts=(),
        score=0.0,
    )


def on_disk(spool: Spool, message: MessageId) -> Stored | None:
    return read_message(spool._select, message)


def cache(spool: Spool, message: MessageId) -> Stored | None:
    return spool._cache.take(message)


async def test_a_message_just_accepted_is_at_hand_as_the_disk_has_it(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")

    assert cache(spool, message) == on_disk(spool, message) is not None
    assert cache(spool, message) is None  # it is lent once


async def test_a_message_whose_delivery_begins_is_at_hand_as_the_disk_has_it(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")
    stored = spool.message(message)

    await spool.judge(message, judgement(sending=True), stored=stored)

    assert cache(spool, message) == on_disk(spool, message) is not None


async def test_a_message_that_goes_into_a_lane_is_at_hand_without_its_body(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")
    stored = spool.message(message)

    await spool.judge(message, judgement(sending=False), stored=stored)

    assert cache(spool, message) == on_disk(spool, message) is not None
    assert spool._cache.body(message) is None  # it may lie there for days


async def test_a_change_beside_a_judgement_leaves_nothing_older_at_hand(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")
    stored = spool.message(message)

    async with asyncio.TaskGroup() as group:
        group.create_task(spool.judge(message, judgement(sending=False), stored=stored))
        group.create_task(spool.damage(message, "gone"))

    assert spool.message(message) == on_disk(spool, message) is not None


Change = Callable[[Spool, MessageId], Awaitable[None]]

CHANGES: dict[str, Change] = {
    "judge": lambda spool, message: spool.judge(message, judgement(sending=False)),
    "wait": lambda spool, message: spool.wait(message, next_us=5, reason="", verdicts=[]),
    "damage": lambda spool, message: spool.damage(message, "gone"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_forgets_what_was_at_hand(spool: Spool, change: Change) -> None:
    message = await accept(spool, *TO, body=b"body")

    await change(spool, message)

    assert spool.message(message) == on_disk(spool, message) is not None
    assert spool._cache.body(message) is None


async def test_a_result_forgets_what_was_at_hand(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")
    await spool.judge(message, judgement(sending=True), stored=spool.message(message))
    later = [Settled(number=number, state=State.DEFERRED, reason="later") for number in range(2)]

    await spool.settle(message, later)

    assert spool.message(message) == on_disk(spool, message) is not None
    assert spool._cache.body(message) is None


async def test_what_is_too_much_is_not_kept(spool: Spool) -> None:
    message = await accept(spool, *TO, body=b"body")
    stored = on_disk(spool, message)
    assert stored is not None
    cache = MessageCache()

    for number in range(MESSAGES_MAX + 1):
        cache.keep(replace(stored, id=MessageId(str(number))))
    assert cache.take(MessageId(str(MESSAGES_MAX))) is None

    cache = MessageCache()
    for number in range(3):
        cache.keep(replace(stored, id=MessageId(str(number))), bytes(BODY_BYTES_MAX // 2 - 1000))
    assert cache.body(MessageId("1")) is not None
    assert cache.body(MessageId("2")) is None

    cache.forget(MessageId("0"))
    cache.keep(replace(stored, id=MessageId("3")), bytes(BODY_BYTES_MAX // 2 - 1000))
    assert cache.body(MessageId("3")) is not None
