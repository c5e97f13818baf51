"""What a client hears while the node has too much on its hands; never a 5xx."""

from __future__ import annotations

import asyncio

import pytest

from satellite.overload.pressure import Refusal, RefusalCause
from satellite.smtp.backpressure import OPEN_BELOW, WAITING_MAX
from tests.support.smtp.front_end import Talk, front_end, until

MAIL = "MAIL FROM:<a@b.example>"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (RefusalCause.DISK, "452 4.3.1 "),
        (RefusalCause.BYTES, "452 4.3.1 "),
        (RefusalCause.MESSAGES, "451 4.3.2 "),
        (RefusalCause.SCANNING, "451 4.3.2 "),
        (RefusalCause.MEMORY, "451 4.3.2 "),
    ],
)
async def test_mail_is_put_off_and_taken_again_on_the_same_connection(
    cause: RefusalCause, expected: str
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        front.front.refuse(Refusal(cause, "SECRET"))
        answer = await talk.ask(MAIL)
        assert answer.startswith(expected), answer
        assert "SECRET" not in answer
        assert front.count("borderscout_smtp_refusals_total", reason=cause.value) == 1

        front.front.refuse(None)
        assert (await talk.ask(MAIL)).startswith("250 ")


async def test_where_nothing_fits_a_client_is_sent_away_at_the_door() -> None:
    cause = RefusalCause.DRAINING
    async with front_end() as front, front.client() as inside:
        await inside.greet()
        front.front.refuse(Refusal(cause, "SECRET"))

        async with front.client() as outside:
            assert await outside.reply() == "421 4.3.2 Not taking mail now; try again later"
            assert await outside.is_closed()
        assert (await inside.ask(MAIL)).startswith("421 4.3.2 ")
        assert await inside.is_closed()
        assert front.count("borderscout_smtp_refusals_total", reason=cause.value) == 2


async def test_a_transaction_that_was_open_is_taken_to_its_end() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        front.front.refuse(Refusal(RefusalCause.DRAINING, "draining"))
        await talk.send(b"a\r\n.\r\n")

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert len(front.intake.taken) == 1


async def test_only_mail_that_would_be_held_is_refused_when_too_much_is() -> None:
    def refuses(address: str) -> bool:
        return address.endswith("@acme.example")

    async with front_end(refuses_mail_for=refuses) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)

        assert (await talk.ask("RCPT TO:<x@acme.example>")).startswith("452 4.3.1 ")
        assert (await talk.ask("RCPT TO:<x@listed.example>")).startswith("250 ")
        assert front.count("borderscout_smtp_refusals_total", reason="held") == 1


async def test_before_354_a_message_waits_for_its_turn() -> None:
    async with front_end() as front, front.client() as talk:
        front.backlog.unjudged = OPEN_BELOW
        await talk.greet()
        await talk.ask(MAIL)
        await talk.ask("RCPT TO:<x@acme.example>")
        await talk.send(b"DATA\r\n")
        await until(lambda: len(front.backpressure) == 1)

        front.backlog.unjudged -= 1
        front.backpressure.judged()

        assert (await talk.reply()).startswith("354 ")


async def test_while_many_wait_connections_stay_with_the_kernel_and_none_is_lost() -> None:
    async with front_end() as front:
        backpressure = front.backpressure
        front.backlog.unjudged = OPEN_BELOW
        waiting = [await Talk.connect(front.host, front.port) for _ in range(WAITING_MAX)]
        for talk in waiting:
            await talk.greet()
            await talk.ask(MAIL)
            await talk.ask("RCPT TO:<x@acme.example>")
            await talk.send(b"DATA\r\n")
        await until(lambda: backpressure.is_full)
        await until(lambda: not front.front._servers)

        late = await Talk.connect(front.host, front.port)
        banner = asyncio.ensure_future(late.reply())
        await asyncio.sleep(0)
        assert front.front.sessions == WAITING_MAX
        assert not banner.done()

        front.backlog.unjudged = 0
        backpressure.judged()
        assert (await banner).startswith("220 ")
        for talk in (*waiting, late):
            await talk.close()
