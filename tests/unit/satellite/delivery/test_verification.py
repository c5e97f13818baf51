"""A customer's server is asked for a mailbox, seldom, and never by two gateways in a circle."""

from __future__ import annotations

import asyncio

import pytest

from satellite.delivery import verification
from satellite.delivery.decisions.hold import PROBE_S_MAX
from satellite.delivery.verification import AT_ONCE_MAX, AT_ONCE_OF_CUSTOMER_MAX, SILENT_S
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.next_hop import CLOSE, STALL, Answer, NextHop, Say

X, Y = "x@acme.example", "y@acme.example"


async def room_of(open_room: OpenRoom, hop: NextHop) -> DeliveryRoom:
    return await open_room(route("acme.example", f"{hop.host}:{hop.port}"))


@pytest.mark.parametrize(
    ("rcpt", "known"),
    [
        (b"250 2.1.5 Ok\r\n", True),
        (b"550 5.1.1 No user\r\n", False),
        (b"550 No user\r\n", False),
        (b"553 5.1.3 No\r\n", False),
        (b"550 5.7.1 We do not like you\r\n", None),
        (b"550 5.1.7 No null sender here\r\n", None),
        (b"554 5.7.1 Blocked\r\n", None),
        (b"550 4.2.0 Contradiction\r\n", None),
        (b"450 4.2.0 Greylisted\r\n", None),
        (CLOSE, None),
    ],
)
async def test_what_the_server_says_of_the_mailbox_counts_and_of_us_says_nothing(
    open_room: OpenRoom, rcpt: Answer, known: bool | None
) -> None:
    async with NextHop(RCPT=rcpt) as hop:
        room = await room_of(open_room, hop)

        assert await room.delivery.verification.verify(X) is known
        assert room.delivery.verification.at_hand(X) is known

    assert hop.taken == []
    mails = [line for line in hop.lines if line.startswith("MAIL")]
    assert mails == ["MAIL FROM:<>"]


async def test_a_server_that_takes_no_null_sender_says_nothing_of_its_mailboxes(
    open_room: OpenRoom,
) -> None:
    async with NextHop(MAIL=b"550 5.1.7 No null sender here\r\n") as hop:
        room = await room_of(open_room, hop)

        assert await room.delivery.verification.verify(X) is None


async def test_answers_are_kept_the_bad_ones_for_a_shorter_time(open_room: OpenRoom) -> None:
    def answer(line: str) -> bytes:
        return b"250 Ok\r\n" if X in line else b"550 5.1.1 No\r\n"

    async with NextHop(RCPT=answer) as hop:
        room = await room_of(open_room, hop)
        asked = room.delivery.verification
        await asked.verify(X)
        await asked.verify(Y)

        await room.clock.advance(899)
        assert (asked.at_hand(X), asked.at_hand(Y)) == (True, False)
        await room.clock.advance(1)
        assert (asked.at_hand(X), asked.at_hand(Y)) == (True, None)
        await room.clock.advance(43_200 - 900)
        assert asked.at_hand(X) is None


async def test_several_senders_at_once_are_one_question(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await room_of(open_room, hop)

        found = await asyncio.gather(*(room.delivery.verification.verify(X) for _ in range(5)))

    assert found == [True] * 5
    assert sum(line.startswith("RCPT") for line in hop.lines) == 1


async def test_a_server_has_only_so_many_questions_at_once_and_a_silent_one_none(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PROBE_S", 0.2)
    async with NextHop(RCPT=STALL) as hop:
        room = await room_of(open_room, hop)
        asked = room.delivery.verification

        found = await asyncio.gather(*(asked.verify(f"{n}@acme.example") for n in range(9)))
        assert found == [None] * 9
        assert sum(line.startswith("RCPT") for line in hop.lines) == 2

        assert await asked.verify(X) is None  # it is left alone
        assert sum(line.startswith("RCPT") for line in hop.lines) == 2
        hop.script["RCPT"] = b"250 Ok\r\n"
        await room.clock.advance(SILENT_S)
        assert await asked.verify(X) is True


async def test_a_customer_with_a_slow_server_for_many_domains_leaves_questions_to_others(
    open_room: OpenRoom,
) -> None:
    slow = NextHop(RCPT=Say(b"250 2.1.5 Ok\r\n", "wait"))
    async with slow, NextHop() as other:
        domains = [f"d{number}.acme.example" for number in range(AT_ONCE_MAX)]
        room = await open_room(
            *(route(domain, f"{slow.host}:{slow.port}") for domain in domains),
            route("globex.example", f"{other.host}:{other.port}", customer="globex"),
        )
        asked = room.delivery.verification
        asking = [asyncio.create_task(asked.verify(f"x@{domain}")) for domain in domains]
        await slow.until(lambda: slow.verbs.count("RCPT") >= AT_ONCE_OF_CUSTOMER_MAX)

        assert await asked.verify("x@globex.example") is True
        slow.go_on()
        found = await asyncio.gather(*asking)

    assert found.count(True) == AT_ONCE_OF_CUSTOMER_MAX
    assert found.count(None) == len(domains) - AT_ONCE_OF_CUSTOMER_MAX


async def test_a_host_that_was_silent_is_asked_again_and_greets(open_room: OpenRoom) -> None:
    async with NextHop(greeting=STALL) as hop:
        acme = route("acme.example", f"{hop.host}:{hop.port}")
        room = await open_room(acme, reply_timeout_s=0.1)
        asked = room.delivery.verification
        assert await asked.verify(X) is None
        assert hop.sessions == 1

        hop.script["greeting"] = b"220 hop.example ESMTP\r\n"
        await room.clock.advance(SILENT_S)
        assert await asked.verify(X) is None  # not yet, as mail would not
        await room.clock.advance(PROBE_S_MAX - SILENT_S)
        assert await asked.verify(X) is True


async def test_what_was_said_counts_though_the_goodbye_takes_long(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PROBE_S", 0.5)
    async with NextHop(QUIT=STALL) as hop:
        room = await room_of(open_room, hop)

        assert await room.delivery.verification.verify(X) is True
        await hop.until(lambda: "QUIT" in hop.verbs)


async def test_answers_take_only_so_much_memory(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "KEPT_MAX", 2)
    async with NextHop() as hop:
        room = await room_of(open_room, hop)
        for local in "abc":
            await room.delivery.verification.verify(f"{local}@acme.example")

        known = [room.delivery.verification.at_hand(f"{local}@acme.example") for local in "abc"]
    assert known == [None, True, True]
