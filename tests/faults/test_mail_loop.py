"""A mail loop ends, is told of once at most, and never to the null sender (row 50).

Front end, spool and delivery are the real ones; the customer's server sends back what it gets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from common.preferences import Document
from satellite.names.answer import Lookup, LookupResult
from tests.support.delivery.delivery_room import BODY, OpenRoom, TableResolver, route
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.entrance import entrance
from tests.support.smtp.front_end import Talk
from tests.support.smtp.next_hop import NextHop

ACME = "x@acme.example"


def acme(hop: NextHop) -> Document:
    return route("acme.example", f"{hop.host}:{hop.port}")


OWN_HOPS_MAX = 5  # Received fields of ours that a message may have when it comes in


@asynccontextmanager
async def _talking(host: str, port: int) -> AsyncIterator[Talk]:
    talk = await Talk.connect(host, port)
    try:
        await talk.greet()
        yield talk
    finally:
        await talk.close()


def _has(hop: NextHop, count: int) -> bool:
    return len(hop.taken) == count


async def _hand_over(talk: Talk, sender: str, data: bytes) -> str:
    await talk.ask(f"MAIL FROM:<{sender}>")
    await talk.ask(f"RCPT TO:<{ACME}>")
    await talk.ask("DATA")
    await talk.send(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    return await talk.reply()


@pytest.mark.scenario(row=50, checks="a server that sends all back is refused at the hop limit")
@pytest.mark.parametrize("sender", ["a@sender.example", ""])
async def test_mail_that_comes_back_for_ever_is_refused_at_the_hop_limit(
    open_room: OpenRoom, sender: str
) -> None:
    async with NextHop() as hop:
        room = await open_room(acme(hop))
        async with entrance(room) as address, _talking(*address) as talk:
            reply = await _hand_over(talk, sender, BODY)
            rounds = 0
            while reply.startswith("250"):
                rounds += 1
                await hop.until(partial(_has, hop, rounds))
                assert hop.taken[-1].data.startswith(b"Received: ")
                again = b"Received: from us by them\r\n" + hop.taken[-1].data
                reply = await _hand_over(talk, sender, again)
            await room.until(lambda: not room.unfinished())

    assert reply.startswith("554 5.4.6")
    assert rounds == OWN_HOPS_MAX + 1
    assert len(hop.taken) == rounds
    assert not room.events("bounce_made")  # the refusal is theirs to tell of


@pytest.mark.scenario(
    row=50, checks="a loop that the next hop sees bounces once; for nobody, never"
)
@pytest.mark.parametrize(("sender", "notices"), [("a@sender.example", 1), ("", 0)])
async def test_a_loop_bounces_once_and_never_for_the_null_sender(
    open_room: OpenRoom, resolver: TableResolver, sender: str, notices: int
) -> None:
    resolver.mx["sender.example"] = Lookup(LookupResult.FAILED)
    async with NextHop(dot=b"554 5.4.6 Too many hops\r\n") as hop:
        room = await open_room(acme(hop))
        await room.until_ended(await room.accept(ACME, sender=sender))

        assert len(room.notices()) == notices
        if notices:
            (group,) = read_status(room.notices()[0]).recipients
            assert (group["Action"], group["Status"]) == ("failed", "5.4.6")
    assert room.results("ended")[ACME]["outcome"] == "bounced"
