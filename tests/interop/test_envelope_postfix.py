"""What Postfix writes into an envelope is taken: letters beyond ASCII, long local parts, DSN."""

from __future__ import annotations

import asyncio
import smtplib

from common.envelope import Notify
from tests.support.smtp.front_end import front_end, until
from tests.support.smtp.postfix import postfix

MESSAGE = b"From: <a@sender.example>\r\nSubject: hello\r\n\r\nwords\r\n"
VERP = "bounces+4711-a0f3-someone.with.a.long.name=customer.example.net-0123456789abcdef"


def hand_over(port: int, *, sender: str, recipient: str) -> None:
    """Give Postfix a message as a client of its own would."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("client.example")
        client.command_encoding = "utf-8"
        assert client.mail(sender, ["SMTPUTF8"])[0] == 250
        assert client.rcpt(recipient, ["NOTIFY=FAILURE"])[0] == 250
        assert client.data(MESSAGE)[0] == 250


async def test_postfix_bounces_none_of_what_it_hands_to_us() -> None:
    async with (
        front_end() as front,
        postfix(f"relayhost = [{front.host}]:{front.port}") as port,
    ):
        envelopes = (
            ("a@sender.example", "müller@acme.example"),
            (f"{VERP}@sender.example", "x@acme.example"),
            ("a@sender.example", f"reply+{VERP}@acme.example"),
        )
        for sender, recipient in envelopes:
            await asyncio.to_thread(hand_over, port, sender=sender, recipient=recipient)
        await until(lambda: len(front.intake.taken) == len(envelopes))

        taken = {
            (one.envelope.sender, *one.envelope.recipients): one.envelope.dsn(0)
            for one in front.intake.taken
        }

    assert taken.keys() == set(envelopes)
    assert all(dsn.notify == {Notify.FAILURE} for dsn in taken.values())
    assert taken[envelopes[0]].original == r"utf-8;m\x{FC}ller@acme.example"
