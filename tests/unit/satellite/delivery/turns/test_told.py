"""What a sender asked to hear is what it hears, in the commit in which it happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return
from common.preferences import Document
from common.preferences.documents import canonical_json
from satellite.delivery.decisions.routing import Lookup, LookupResult
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.next_hop import NextHop
from tests.unit.satellite.delivery.conftest import (
    BODY,
    House,
    OpenHouse,
    TableResolver,
    route,
)

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


async def ended(house: House, *to: str, **what: Any) -> None:
    """Send a message and return once all of its recipients have ended."""
    await house.until_ended(await house.accept(*to, **what))


async def test_success_is_told_once_and_only_of_those_who_asked(open_house: OpenHouse) -> None:
    async with NextHop() as hop:
        house = await open_house(acme(hop))
        dsn_parameters = (
            dsn("SUCCESS", original="rfc822;old@acme.example"),
            NO_DSN_PARAMETERS,
            dsn("FAILURE"),
        )
        await ended(
            house, X, Y, Z, dsn_parameters=dsn_parameters, envelope_id="q+2B1", returned=Return.FULL
        )

        (notice,) = house.notices()

    assert groups(notice) == [(X, "relayed", "2.0.0")]
    status = read_status(notice)
    assert status.message["Original-Envelope-Id"] == "q+1"
    assert status.recipients[0]["Original-Recipient"] == "rfc822; old@acme.example"
    assert status.recipients[0]["Remote-MTA"] == "dns; [127.0.0.1]"
    assert b"hello" not in notice
    assert [event for event, _ in house.events() if event in ("ended", "bounce_made")] == [
        "ended",
        "bounce_made",
    ]


async def test_what_a_next_hop_takes_over_is_its_own_affair(open_house: OpenHouse) -> None:
    async with NextHop(EHLO=DSN_OFFERED) as hop:
        house = await open_house(acme(hop))
        await ended(
            house, X, Y, dsn_parameters=(dsn("SUCCESS"), NO_DSN_PARAMETERS), returned=Return.HEADERS
        )

        assert house.notices() == []
    assert hop.lines[1:4] == [
        "MAIL FROM:<a@sender.example> RET=HDRS",
        f"RCPT TO:<{X}> NOTIFY=SUCCESS ORCPT=rfc822;{X}",
        f"RCPT TO:<{Y}> ORCPT=rfc822;{Y}",
    ]


async def test_what_a_next_hop_refuses_is_told_of_here_even_if_it_offers_dsn(
    open_house: OpenHouse,
) -> None:
    async with NextHop(EHLO=DSN_OFFERED, RCPT=NO_USER) as hop:
        house = await open_house(acme(hop))
        await ended(house, X, dsn_parameters=(dsn("SUCCESS", "FAILURE"),))

        (notice,) = house.notices()
    assert groups(notice) == [(X, "failed", "5.1.1")]


async def test_success_and_failure_in_one_commit_are_two_notices(open_house: OpenHouse) -> None:
    def answer(line: str) -> bytes:
        return NO_USER if X in line else b"250 Ok\r\n"

    async with NextHop(RCPT=answer) as hop:
        house = await open_house(acme(hop))
        await ended(house, X, Y, dsn_parameters=(NO_DSN_PARAMETERS, dsn("SUCCESS")))

        assert [groups(notice) for notice in house.notices()] == [
            [(X, "failed", "5.1.1")],
            [(Y, "relayed", "2.0.0")],
        ]


@pytest.mark.parametrize("words", [("NEVER",), ("SUCCESS",), ("DELAY",), ("SUCCESS", "DELAY")])
async def test_a_failure_that_nobody_wants_to_hear_of_is_a_record(
    open_house: OpenHouse, words: tuple[str, ...]
) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        house = await open_house(acme(hop))
        await ended(house, X, dsn_parameters=(dsn(*words),))

        assert house.notices() == []
    assert house.events("bounce_withheld") == [
        ("bounce_withheld", {"recipients": [X], "reason": "the sender asked for none"})
    ]


async def test_the_sender_of_spam_or_a_virus_is_told_nothing(open_house: OpenHouse) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        house = await open_house(acme(hop))
        await ended(house, X, suspect=True, dsn_parameters=(dsn("FAILURE"),))
        hop.script["RCPT"] = b"250 Ok\r\n"
        await ended(house, Y, suspect=True, dsn_parameters=(dsn("SUCCESS"),))

        assert house.notices() == []
    assert "forged" in house.events("bounce_withheld")[0][1]["reason"]


async def test_that_mail_is_suspect_outlives_a_restart(open_house: OpenHouse) -> None:
    async with NextHop(RCPT=b"451 4.3.0 Later\r\n") as hop:
        house = await open_house(acme(hop))
        message = await house.accept(X, suspect=True)
        await house.until(lambda: house.events("deferred"))
        hop.script["RCPT"] = NO_USER

        house = await open_house()
        house.delivery.offer(message)
        await house.clock.advance(70)
        await house.until_ended(message)

        assert house.notices() == []


async def test_no_more_go_to_one_domain_than_its_allowance(
    open_house: OpenHouse, resolver: TableResolver
) -> None:
    resolver.mx["other.example"] = Lookup(LookupResult.FAILED)
    async with NextHop(RCPT=NO_USER) as hop:
        house = await open_house(acme(hop), notices_per_domain_hour_max=2)
        for number in range(4):
            await ended(house, X, sender=f"s{number}@sender.example")
        await ended(house, X, sender="a@other.example")

        assert len(house.notices()) == 3
    assert [fields["reason"] for _, fields in house.events("bounce_withheld")] == [
        "its sender's domain has been told of too many"
    ] * 2


async def test_all_of_a_message_goes_back_when_that_was_asked_for(open_house: OpenHouse) -> None:
    async with NextHop(RCPT=NO_USER) as hop:
        house = await open_house(acme(hop))
        await ended(house, X, returned=Return.FULL)
        await ended(house, X)

        whole, header = house.notices()
    assert BODY in whole
    assert b"hello" not in header


async def test_of_a_body_that_is_lost_the_sender_still_hears(
    open_house: OpenHouse, tmp_path: Path
) -> None:
    body = BODY + b"0123456789abcde\r\n" * 8_000
    async with NextHop(RCPT=NO_USER) as hop:
        house = await open_house(acme(hop))
        hop.script["RCPT"] = lambda _line: _without(tmp_path / "bodies", NO_USER)
        await ended(house, X, body=body, returned=Return.FULL)

        (notice,) = house.notices()
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
    open_house: OpenHouse, word: str, content: bytes, outcome: str
) -> None:
    policy = Document("policy", "domain/acme.example", 1, canonical_json({"eight_bit": word}))
    async with NextHop(EHLO=b"250 hop\r\n") as hop:
        house = await open_house(acme(hop), policy)
        body = BODY + b"x" * 70_000 + content  # behind the first block
        await ended(house, X, body=body, eight_bit=True)

        assert house.results("ended")[X]["outcome"] == outcome
        if outcome == "bounced":
            assert groups(house.notices()[0]) == [(X, "failed", "5.6.3")]
