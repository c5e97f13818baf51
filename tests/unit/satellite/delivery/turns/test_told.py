"""What a sender asked to hear is what it hears, in the commit in which it happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return
from common.preferences import Document
from common.preferences.documents import canonical_json
from satellite.names.answer import Lookup, LookupResult
from tests.support.delivery.delivery_room import (
    BODY,
    DeliveryRoom,
    OpenRoom,
    TableResolver,
    route,
)
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.next_hop import NextHop

X, Y, Z = "x@acme.example", "y@acme.example", "z@acme.example"
DSN_OFFERED = b"250-hop\r\n250-PIPELINING\r\n250 DSN\r\n"
NO_USER = b"550 5.1.1 No user\r\n"


@pytest.fixture(autouse=True)
def _notices_stay(resolver: TableResolver) -> None:
    resolver.mx["sender.example"] = Lookup(LookupResult.FAILED)


def dsn(*words: str, original: str = "") -> DsnParameters:
    return DsnParameters(notify=frozenset(map(Notify, words)), original=original)


def acme(hop: NextHop) -> Document:
    return route("acme.example", f"{hop.host}:{hop.port}")


def groups(notice: bytes) -> list[tuple[str, str, str]]:
    return [
        (group["Final-Recipient"].removeprefix("rfc822; "), group["Action"], group["Status"])
        for group in read_status(notice).recipients
    ]


async def ended(room: DeliveryRoom, *to: str, **what: Any) -> None:
    """Send a message and return once all of its recipients have ended."""
    await room.until_ended(await room.accept(*to, **what))


async def test_success_is_told_once_and_only_of_those_who_asked(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(acme(hop))
        dsn_parameters = (
            dsn("SUCCESS", original="rfc822;old@acme.example"),
            NO_DSN_PARAMETERS,
            dsn("FAILURE"),
        )
        await ended(
            room, X, Y, Z, dsn_parameters=dsn_parameters, envelope_id="q+2B1", returned=Return.FULL
        )

        (notice,) = room.notices()

    assert groups(notice) == [(X, "relayed", "2.0.0")]
    status = read_status(notice)
    assert status.message["Original-Envelope-Id"] == "q+1"
    assert status.recipients[0]["Original-Recipient"] == "rfc822; old@acme.example"
    assert status.recipients[0]["Remote-MTA"] == "dns; [127.0.0.1]"
    assert b"hello" not in notice
    assert [event for event, _ in room.events() if event in ("ended", "bounce_made")] == [
        "ended",
        "bounce_made",
    ]


async def test_a_sender_is_told_in_the_language_of_the_recipients_policy(
    open_room: OpenRoom,
) -> None:
    german = Document("policy", "domain/acme.example", 1, canonical_json({"dsn.language": "de"}))
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop), german)
        await ended(room, X)

        (notice,) = room.notices()

    assert groups(notice) == [(X, "failed", "5.1.1")]
    assert b"Subject: Nachricht konnte nicht zugestellt werden\r\n" in notice
    assert b"Content-Language: de\r\n" in notice


async def test_what_a_next_hop_takes_over_is_its_own_affair(open_room: OpenRoom) -> None:
    async with NextHop(EHLO=DSN_OFFERED) as hop:
        room = await open_room(acme(hop))
        await ended(
            room, X, Y, dsn_parameters=(dsn("SUCCESS"), NO_DSN_PARAMETERS), returned=Return.HEADERS
        )

        assert room.notices() == []
    assert hop.lines[1:4] == [
        "MAIL FROM:<a@sender.example> RET=HDRS",
        f"RCPT TO:<{X}> NOTIFY=SUCCESS ORCPT=rfc822;{X}",
        f"RCPT TO:<{Y}> ORCPT=rfc822;{Y}",
    ]


async def test_what_a_next_hop_refuses_is_told_of_here_even_if_it_offers_dsn(
    open_room: OpenRoom,
) -> None:
    async with NextHop(EHLO=DSN_OFFERED, RCPT=NO_USER) as hop:
        room = await open_room(acme(hop))
        await ended(room, X, dsn_parameters=(dsn("SUCCESS", "FAILURE"),))

        (notice,) = room.notices()
    assert groups(notice) == [(X, "failed", "5.1.1")]


async def test_success_and_failure_in_one_commit_are_two_notices(open_room: OpenRoom) -> None:
    def answer(line: str) -> bytes:
        return NO_USER if X in line else b"250 Ok\r\n"

    async with NextHop(RCPT=answer) as hop:
        room = await open_room(acme(hop))
        await ended(room, X, Y, dsn_parameters=(NO_DSN_PARAMETERS, dsn("SUCCESS")))

        assert [groups(notice) for notice in room.notices()] == [
            [(X, "failed", "5.1.1")],
            [(Y, "relayed", "2.0.0")],
        ]


@pytest.mark.parametrize("words", [("NEVER",), ("SUCCESS",), ("DELAY",), ("SUCCESS", "DELAY")])
async def test_a_failure_that_nobody_wants_to_hear_of_is_a_record(
    open_room: OpenRoom, words: tuple[str, ...]
) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop))
        await ended(room, X, dsn_parameters=(dsn(*words),))

        assert room.notices() == []
    assert room.events("bounce_withheld") == [
        ("bounce_withheld", {"recipients": [X], "reason": "the sender asked for none"})
    ]


async def test_the_sender_of_spam_or_a_virus_is_told_nothing(open_room: OpenRoom) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop))
        await ended(room, X, suspect=True, dsn_parameters=(dsn("FAILURE"),))
        hop.script["RCPT"] = b"250 Ok\r\n"
        await ended(room, Y, suspect=True, dsn_parameters=(dsn("SUCCESS"),))

        assert room.notices() == []
    assert "forged" in room.events("bounce_withheld")[0][1]["reason"]


async def test_that_mail_is_suspect_outlives_a_restart(open_room: OpenRoom) -> None:
    async with NextHop(RCPT=b"451 4.3.0 Later\r\n") as hop:
        room = await open_room(acme(hop))
        message = await room.accept(X, suspect=True)
        await room.until(lambda: room.events("deferred"))
        hop.script["RCPT"] = NO_USER

        room = await open_room()
        room.delivery.offer(message)
        await room.clock.advance(70)
        await room.until_ended(message)

        assert room.notices() == []


async def test_no_more_go_to_one_domain_than_its_allowance(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    resolver.mx["other.example"] = Lookup(LookupResult.FAILED)
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop), notices_per_domain_hour_max=2)
        for number in range(4):
            await ended(room, X, sender=f"s{number}@sender.example")
        await ended(room, X, sender="a@other.example")

        assert len(room.notices()) == 3
    assert [fields["reason"] for _, fields in room.events("bounce_withheld")] == [
        "its sender's domain has been told of too many"
    ] * 2


async def test_all_of_a_message_goes_back_when_that_was_asked_for(open_room: OpenRoom) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop))
        await ended(room, X, returned=Return.FULL)
        await ended(room, X)

        whole, header = room.notices()
    assert BODY in whole
    assert b"hello" not in header


async def test_messages_go_back_whole_only_within_the_octets_of_an_hour(
    open_room: OpenRoom,
) -> None:
    body = BODY + b"0123456789abcde\r\n" * 8_000
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop), returned_bytes_per_domain_hour_max=int(len(body) * 2.5))
        for _ in range(4):
            await ended(room, X, body=body, returned=Return.FULL)

        whole = [body in notice for notice in room.notices()]
    assert sorted(whole) == [False, False, True, True]


async def test_of_a_body_that_is_lost_the_sender_still_hears(
    open_room: OpenRoom, tmp_path: Path
) -> None:
    body = BODY + b"0123456789abcde\r\n" * 8_000
    async with NextHop(RCPT=NO_USER) as hop:
        room = await open_room(acme(hop))
        hop.script["RCPT"] = lambda _line: _without(tmp_path / "bodies", NO_USER)
        await ended(room, X, body=body, returned=Return.FULL)

        (notice,) = room.notices()
    assert groups(notice) == [(X, "failed", "5.1.1")]


def _without(folder: Path, reply: bytes) -> bytes:
    for path in folder.iterdir():
        path.unlink()
    return reply


@pytest.mark.parametrize(
    ("word", "content", "outcome"),
    [
        ("send", b"\xff", "delivered"),
        ("refuse", b"\xff", "bounced"),
        ("refuse", b"e", "delivered"),
    ],
)
async def test_8_bit_mail_to_a_7_bit_server_is_what_the_policy_says(
    open_room: OpenRoom, word: str, content: bytes, outcome: str
) -> None:
    policy = Document("policy", "domain/acme.example", 1, canonical_json({"eight_bit": word}))
    async with NextHop(EHLO=b"250 hop\r\n") as hop:
        room = await open_room(acme(hop), policy)
        body = BODY + b"x" * 70_000 + content  # behind the first block
        await ended(room, X, body=body, eight_bit=True)

        assert room.results("ended")[X]["outcome"] == outcome
        if outcome == "bounced":
            assert groups(room.notices()[0]) == [(X, "failed", "5.6.3")]
