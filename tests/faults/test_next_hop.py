"""Whatever a next hop and DNS do, no mail is lost, and none is called delivered without a 250.

The room is the real one, over a real spool and real sockets; the clock is the tests'. What one
transaction or one lookup does is in ``tests/unit/satellite/delivery``, whose tests name their rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from common.preferences import Document
from common.states import State
from satellite.delivery.decisions.schedule import AMBIGUOUS_WAIT_S, SPREAD_SHARE
from tests.support.delivery.delivery_room import BODY, HEAD, DeliveryRoom, OpenRoom, route
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.next_hop import CLOSE, STALL, NextHop, Say

ACME = "x@acme.example"
SHORT = {"reply_timeout_s": 1.0, "dot_timeout_s": 1.0}  # for a peer that never answers
RETRY_S = 70.0  # beyond the first wait, and beyond the time between two probes
AGAIN_S = AMBIGUOUS_WAIT_S * (1.0 + SPREAD_SHARE)  # it may have the mail already
SENT = HEAD + BODY


def acme(hop: NextHop, **more: Any) -> Document:
    return route("acme.example", f"{hop.host}:{hop.port}", **more)


def outcome(room: DeliveryRoom, address: str = ACME) -> str:
    return str(room.results("ended")[address]["outcome"])


# ---- rows 44 and 45: after the final dot


@pytest.mark.scenario(
    row=44, checks="deferred and recorded as possibly delivered; the connection is never used again"
)
@pytest.mark.parametrize("sending", [True, False], ids=["marked when judged", "marked here"])
async def test_a_next_hop_that_is_silent_after_the_dot(open_room: OpenRoom, sending: bool) -> None:
    async with NextHop(dot=STALL) as hop:
        room = await open_room(acme(hop), **SHORT)
        message = await room.accept(ACME, sending=sending)
        await room.until_state(message, State.DEFERRED)
        await hop.until(lambda: hop.open_sessions == 0)

        assert len(room.events("possibly_delivered")) == 1
        assert not room.events("ended")

        hop.script["dot"] = b"250 Ok\r\n"
        await room.clock.advance(AGAIN_S)
        await room.until_ended(message)

    assert outcome(room) == "delivered"
    assert [taken.session for taken in hop.taken] == [1, 2]
    assert {taken.data for taken in hop.taken} == {SENT}
    assert len(room.events("possibly_delivered")) == 1  # one copy too many, one record of it


@pytest.mark.scenario(row=45, checks="half a reply is none: deferred, recorded, tried again once")
@pytest.mark.parametrize(
    "dot",
    [CLOSE, Say(b"25", "close"), Say(b"250 2.0.0 Taken", "close"), Say(b"250-Taken\r\n", "close")],
)
@pytest.mark.parametrize("size", [0, 300_000], ids=["small", "many blocks"])
async def test_a_next_hop_that_hangs_up_after_the_dot(
    open_room: OpenRoom, dot: Say, size: int
) -> None:
    body = BODY + b"0123456789abcde\r\n" * (size // 17)
    async with NextHop(dot=dot) as hop:
        room = await open_room(acme(hop))
        message = await room.accept(ACME, body=body)
        await room.until_state(message, State.DEFERRED)
        assert len(room.events("possibly_delivered")) == 1

        hop.script["dot"] = b"250 Ok\r\n"
        await room.clock.advance(AGAIN_S)
        await room.until_ended(message)

    assert outcome(room) == "delivered"
    assert [taken.data for taken in hop.taken] == [HEAD + body] * 2


# ---- row 46: fifty recipients

FIFTY = tuple(f"r{number}@acme.example" for number in range(50))
TAKEN, BUSY, REFUSED = FIFTY[0::3], FIFTY[1::3], FIFTY[2::3]
_RCPT = (b"250 2.1.5 Ok\r\n", b"451 4.2.1 Busy\r\n", b"550 5.1.1 No user\r\n")


def _mixed(line: str) -> bytes:
    number = int(line.partition("<r")[2].partition("@")[0])
    return _RCPT[number % 3]


def _status(room: DeliveryRoom) -> dict[str, tuple[str, str]]:
    """Return what the only DSN says of each recipient."""
    (notice,) = room.notices()
    return {
        group["Final-Recipient"].removeprefix("rfc822; "): (group["Action"], group["Status"])
        for group in read_status(notice).recipients
    }


@pytest.mark.scenario(
    row=46, checks="each of fifty recipients has its own end; one DSN of the lost"
)
@pytest.mark.parametrize(
    "pipelining", [b"250-PIPELINING\r\n", b""], ids=["pipelined", "one by one"]
)
async def test_fifty_recipients_each_end_as_they_were_answered(
    open_room: OpenRoom, pipelining: bytes
) -> None:
    async with NextHop(EHLO=b"250-hop\r\n" + pipelining + b"250 SIZE\r\n", RCPT=_mixed) as hop:
        room = await open_room(acme(hop))
        message = await room.accept(*FIFTY)
        await room.until(lambda: len(room.results("deferred")) == len(BUSY))

        assert _status(room) == dict.fromkeys(REFUSED, ("failed", "5.1.1"))
        hop.script["RCPT"] = b"250 Ok\r\n"
        await room.clock.advance(RETRY_S)
        await room.until_ended(message)

    assert [taken.recipients for taken in hop.taken] == [TAKEN, BUSY]
    ended = {address: found["outcome"] for address, found in room.results("ended").items()}
    assert {address: ended[address] for address in FIFTY} == (
        dict.fromkeys((*TAKEN, *BUSY), "delivered") | dict.fromkeys(REFUSED, "bounced")
    )


@pytest.mark.scenario(
    row=46,
    checks="what is said to the final dot holds for those who were accepted alone",
)
@pytest.mark.parametrize(
    ("dot", "lost", "again"),
    [
        (
            b"554 5.7.1 Not this\r\n",
            dict.fromkeys(TAKEN, ("failed", "5.7.1")) | dict.fromkeys(REFUSED, ("failed", "5.1.1")),
            BUSY,
        ),
        (
            b"451 4.3.0 Not now\r\n",
            dict.fromkeys(REFUSED, ("failed", "5.1.1")),
            tuple(one for one in FIFTY if one not in REFUSED),
        ),
        (
            b"550 4.3.0 In two minds\r\n",
            dict.fromkeys(REFUSED, ("failed", "5.1.1")),
            tuple(one for one in FIFTY if one not in REFUSED),
        ),
    ],
    ids=["refused", "put off", "code and enhanced code disagree"],
)
async def test_the_answer_to_the_dot_is_for_those_who_were_accepted(
    open_room: OpenRoom,
    dot: bytes,
    lost: dict[str, tuple[str, str]],
    again: tuple[str, ...],
) -> None:
    async with NextHop(RCPT=_mixed, dot=dot) as hop:
        room = await open_room(acme(hop))
        message = await room.accept(*FIFTY)
        await room.until(lambda: len(room.results("deferred")) == len(again))

        assert _status(room) == lost
        hop.script |= {"RCPT": b"250 Ok\r\n", "dot": b"250 Ok\r\n"}
        await room.clock.advance(RETRY_S)
        await room.until_ended(message)

    assert hop.taken[-1].recipients == again
    assert not room.events("possibly_delivered")


# ---- row 47: hostile replies

LONG_LINE = b"x" * 65_536
HOSTILE: dict[str, bytes | Say] = {
    "a line of 64 kB": b"250 " + LONG_LINE + b"\r\n",
    "a line without end": b"250 " + LONG_LINE,
    "10 000 lines": b"250-more\r\n" * 10_000 + b"250 ok\r\n",
    "NUL": b"\x00250 ok\r\n",
    "no code": b"certainly\r\n",
    "an octet at a time": Say(b"250 2.0.0 I shall get there in the end\r\n", "drip"),
}


def _hostile() -> Iterator[Any]:
    for verb in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"):
        for name, reply in HOSTILE.items():
            yield pytest.param(verb, _for(verb, reply), id=f"{verb}: {name}")
    yield pytest.param("DATA", b"354 go\r\n250 2.0.0 Taken\r\n", id="DATA: a 250 before the dot")
    yield pytest.param("DATA", b"250 2.0.0 Taken\r\n", id="DATA: a 250 instead of 354")


def _for(verb: str, reply: bytes | Say) -> bytes | Say:
    """Return a reply with the code that would be the right one."""
    code = {"greeting": b"220", "DATA": b"354"}.get(verb, b"250")
    if isinstance(reply, Say):
        return dataclasses.replace(reply, data=reply.data.replace(b"250", code))
    return reply.replace(b"250", code)


@pytest.mark.scenario(
    row=47, checks="put off, never delivered without a 250 to the dot; afterwards it is delivered"
)
@pytest.mark.parametrize(("verb", "reply"), list(_hostile()))
async def test_a_hostile_next_hop_only_delays(
    open_room: OpenRoom, verb: str, reply: bytes | Say
) -> None:
    async with NextHop() as hop:
        usual = hop.script[verb]
        hop.script[verb] = reply
        room = await open_room(acme(hop), **SHORT)
        message = await room.accept(ACME)
        waits = State.HELD if verb in ("greeting", "EHLO") else State.DEFERRED
        await room.until_state(message, waits)

        possible = 1 if verb == "dot" else 0
        assert len(room.events("possibly_delivered")) == possible
        assert len(hop.taken) == possible
        hop.script[verb] = usual
        await room.clock.advance(AGAIN_S)
        await room.until_ended(message)

    assert outcome(room) == "delivered"
    assert len(hop.taken) == 1 + possible


@pytest.mark.scenario(row=47, checks="STARTTLS and then rubbish: it goes as if it was not offered")
async def test_rubbish_behind_starttls_costs_one_connection(open_room: OpenRoom) -> None:
    offered = b"250-hop\r\n250 STARTTLS\r\n"
    async with NextHop(
        EHLO=offered, STARTTLS=Say(b"220 go\r\n" + b"rubbish" * 100, "close")
    ) as hop:
        room = await open_room(acme(hop))
        await room.until_ended(await room.accept(ACME))

    assert outcome(room) == "delivered"
    assert hop.sessions == 2
    assert "TLS failed" in room.events("attempted")[0][1]["tls_problem"]
