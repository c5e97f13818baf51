"""What does a client hear that is on lists for which a recipient's policy refuses it?"""

from __future__ import annotations

import asyncio

from common.envelope import Envelope
from tests.support.smtp.front_end import RunningFrontEnd, front_end, until

MAIL = "MAIL FROM:<a@b.example>"


class NoMailbox:
    """A customer's server that knows nobody."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def at_hand(self, address: str) -> bool | None:
        return None

    async def verify(self, address: str) -> bool | None:
        self.asked.append(address)
        return False


class Listed:
    """Lists that refuse clients for some recipients; what is not at hand has to be asked."""

    is_wanted = True

    def __init__(self, *, at_hand: dict[str, bool], asked: dict[str, bool]) -> None:
        self._at_hand, self._asked = at_hand, asked
        self.asked: list[Envelope] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def at_hand(self, envelope: Envelope) -> bool | None:
        return self._at_hand.get(envelope.recipients[0])

    async def is_refused(self, envelope: Envelope) -> bool:
        self.asked.append(envelope)
        await self.may_answer.wait()
        return self._asked[envelope.recipients[0]]


def ask(front: RunningFrontEnd, lists: Listed) -> None:
    """Let a front end ask these lists from now on."""
    assert front.front._sessions is not None
    front.front._sessions.block_lists = lists


async def test_a_client_on_a_block_list_is_refused_where_a_policy_wants_it() -> None:
    lists = Listed(
        at_hand={"old@acme.example": True, "free@acme.example": False},
        asked={
            "new@acme.example": True,
            "none@acme.example": False,
            "none@probed.example": False,
            "new@probed.example": True,
        },
    )
    knows = NoMailbox()
    async with front_end(verification=knows) as front, front.client() as talk:
        ask(front, lists)
        await talk.greet()
        await talk.ask(MAIL)
        recipients = [*lists._at_hand, *lists._asked]
        await talk.send("".join(f"RCPT TO:<{one}>\r\n" for one in recipients).encode())
        answers = [await talk.reply() for _ in recipients]

        refused = "550 5.7.1 Refused: on a block list; ask postmaster here"
        assert [answer.strip() for answer in answers] == [
            refused,
            "250 2.1.5 Recipient ok",
            refused,
            "250 2.1.5 Recipient ok",
            "550 5.1.1 No such mailbox here",  # the customer's server says so, and was asked last
            refused,
        ]
        assert knows.asked == ["none@probed.example"]
        assert lists.asked[0].sender == "a@b.example"


async def test_a_client_that_leaves_while_lists_are_asked_leaves_nothing() -> None:
    lists = Listed(at_hand={}, asked={"x@acme.example": False})
    lists.may_answer.clear()
    async with front_end() as front, front.client() as talk:
        ask(front, lists)
        await talk.greet()
        await talk.ask(MAIL)
        await talk.send(b"RCPT TO:<x@acme.example>\r\n")
        await until(lambda: len(lists.asked) == 1)
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        lists.may_answer.set()
        await front.clock.settle()

        shared = front.front._sessions
        assert shared is not None
        await until(lambda: shared.open_recipients == 0)
