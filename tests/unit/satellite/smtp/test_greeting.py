"""What does a client hear that lists are asked about before its greeting?"""

from __future__ import annotations

import asyncio

from satellite.smtp.timeouts import FAREWELL_S
from tests.support.smtp.front_end import RunningFrontEnd, front_end, until

WHY = "127.0.0.1 is on the block list zen: https://list.example/why?127.0.0.1"
REFUSED = f"554 5.7.1 Refused: {WHY}"


class Lists:
    """Lists that answer when they may."""

    def __init__(self, why: str | None) -> None:
        self.why = why
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    def lets_in(self, client_address: str) -> bool:
        return False

    async def refusal(self, client_address: str) -> str | None:
        self.asked.append(client_address)
        await self.may_answer.wait()
        return self.why


def ask(front: RunningFrontEnd, lists: Lists) -> None:
    """Let a front end ask these lists from now on."""
    assert front.front._sessions is not None
    front.front._sessions.connect_lists = lists


async def test_a_client_that_no_list_has_is_greeted_when_they_have_said_so() -> None:
    lists = Lists(None)
    async with front_end() as front:
        ask(front, lists)
        async with front.client() as talk:
            await talk.send(b"EHLO early.example\r\n")
            await until(lambda: lists.asked == ["127.0.0.1"])
            lists.may_answer.set()

            assert (await talk.reply()).startswith("220 ")
            assert (await talk.reply()).startswith("250-")


async def test_a_listed_client_hears_which_list_has_it_and_may_only_leave() -> None:
    lists = Lists(WHY)
    lists.may_answer.set()
    async with front_end() as front:
        ask(front, lists)
        async with front.client() as talk:
            assert await talk.reply() == REFUSED
            for command in ("EHLO a.example", "STARTTLS", "MAIL FROM:<a@b.example>"):
                assert (await talk.ask(command)).startswith("503 5.5.1")
            assert (await talk.ask("QUIT")).startswith("221 ")
            await until(lambda: front.front.sessions == 0)

        (told,) = front.refused()
        assert (told.reason, told.command, told.client) == (
            "on_block_list",
            "CONNECT",
            "127.0.0.1",
        )
        assert told.reply == REFUSED


async def test_a_refused_client_that_does_not_leave_keeps_no_place() -> None:
    lists = Lists(WHY)
    lists.may_answer.set()
    async with front_end() as front:
        ask(front, lists)
        async with front.client() as talk:
            assert await talk.reply() == REFUSED
            await front.clock.advance(FAREWELL_S + 1)
            await until(lambda: front.front.sessions == 0)


async def test_a_client_that_leaves_before_its_greeting_leaves_nothing() -> None:
    lists = Lists(None)
    async with front_end() as front:
        ask(front, lists)
        async with front.client() as talk:
            await until(lambda: bool(lists.asked))
            talk.reset()
            await until(lambda: front.front.sessions == 0)
            lists.may_answer.set()
            await front.clock.settle()
