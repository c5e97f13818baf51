"""What is told of each refusal: who, for whom, what was answered, and why."""

from __future__ import annotations

import pytest

from common.errors import DiskFull
from common.records import RefusedRecord
from satellite.overload.pressure import Refusal, RefusalCause
from satellite.smtp import replies
from satellite.smtp.refusal_log import reason_of
from tests.support.smtp.front_end import RunningFrontEnd, front_end

HELO, SENDER = "client.example", "s@sender.example"


def the_one(front: RunningFrontEnd) -> RefusedRecord:
    (record,) = front.refused()
    assert record.client == "127.0.0.1"
    return record


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ("MAIL FROM:<s@sender.example>", "RCPT TO:<joe@elsewhere.example>"),
            ("RCPT", SENDER, ("joe@elsewhere.example",), "relay_denied", "550 5.7.1 Relaying"),
        ),
        (
            ("MAIL FROM:<s@sender.example>", "RCPT TO:<Nobody@listed.example>"),
            ("RCPT", SENDER, ("Nobody@listed.example",), "unknown_recipient", "550 5.1.1 No such"),
        ),
        (
            ("MAIL FROM:<s@sender.example> SIZE=99999999999",),
            ("MAIL", SENDER, (), "too_big", "552 5.3.4 "),
        ),
        (("MAIL FROM:<not an address>",), ("MAIL", "not an address", (), "bad_argument", "501 ")),
        (("EHLO no blanks here",), ("EHLO", "", (), "bad_argument", "501 ")),
        (("NONSENSE",), ("other", "", (), "unrecognised", "500 ")),
    ],
)
async def test_each_refused_command_is_told_with_what_the_client_said(
    lines: tuple[str, ...], expected: tuple[str, str, tuple[str, ...], str, str]
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        for line in lines:
            answer = await talk.ask(line)

        told = the_one(front)
        *said, reply = expected
        sender = told.senders[0] if told.senders else ""
        assert [told.command, sender, told.recipients, told.reason] == said
        assert told.reply == answer
        assert answer.startswith(reply)
        assert told.helo == ("no blanks here" if "EHLO" in lines[0] else HELO)


async def test_a_refusal_at_the_door_and_one_for_now_are_told_too() -> None:
    async with front_end(connections_max=1) as front, front.client() as inside:
        await inside.greet()
        async with front.client() as outside:
            await outside.reply()
        told = the_one(front)
        assert (told.command, told.reason) == ("CONNECT", "too_many_connections")

        front.front.refuse(Refusal(RefusalCause.DISK, "SECRET"))
        await inside.ask(f"MAIL FROM:<{SENDER}>")
        told = the_one(front)
        assert (told.command, told.senders, told.reason) == ("MAIL", (SENDER,), "no_room")
        assert "SECRET" not in told.reply


@pytest.mark.parametrize(
    ("body", "reason"), [(b"a bare\nnewline\r\n", "bare_newline"), (b"fine\r\n", "no_room")]
)
async def test_a_message_that_is_refused_at_its_end_is_told_with_its_envelope(
    body: bytes, reason: str
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        front.intake.commit_error = DiskFull("full")
        await talk.send(body + b".\r\n")
        await talk.reply()

        told = the_one(front)
        assert (told.command, told.reason) == ("DATA", reason)
        assert (told.senders, told.recipients) == ((SENDER,), ("x@acme.example",))


async def test_a_data_behind_a_refused_recipient_is_no_second_refusal() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.send(
            f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<joe@elsewhere.example>\r\nDATA\r\n".encode()
        )
        codes = [(await talk.reply())[:3] for _ in range(3)]

        assert codes == ["250", "550", "503"]
        assert the_one(front).reason == "relay_denied"


async def test_what_was_refused_is_told_of_the_transaction_that_it_belongs_to() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(b"fine\r\n.\r\n")
        await talk.reply()
        await talk.ask("NONSENSE")

        told = the_one(front)
        assert (told.senders, told.recipients) == ((), ())


async def test_who_wanted_nothing_and_is_sent_home_was_refused_nothing() -> None:
    async with front_end() as front:
        async with front.client() as talk:
            await talk.greet()
            await talk.ask("NOOP")
            front.connection.dismiss(replies.TIMED_OUT)
            await talk.reply()
        assert front.refused() == []


async def test_nothing_that_a_client_sent_can_forge_a_line() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask(f"MAIL FROM:<{SENDER}> SMTPUTF8")
        await talk.ask("RCPT TO:<a\u2028\u0085\u202eb@elsewhere.example>")

        (address,) = the_one(front).recipients
        assert address.isprintable()


def test_each_reply_that_refuses_has_a_name_of_its_own() -> None:
    refusing = [reply for reply in replies.ALL if reply.code >= 400]
    names = {reason_of(reply) for reply in refusing}

    assert len(names) == len(refusing) > 30
    assert all(name.isidentifier() for name in names)
