"""Smuggling on the wire: how many messages, and are they taken?

Source: docs/design/faults.md, B1, F2.
"""

from __future__ import annotations

import asyncio

import pytest

from satellite.smtp.arrival import DISCARD_FACTOR
from tests.support.smtp.front_end import Talk, front_end

SEQUENCES = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\x00\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
]
SMUGGLED = (
    b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@acme.example>\r\nDATA\r\n"
    b"Subject: 2\r\n\r\nevil\r\n.\r\n"
)


async def send_apart(talk: Talk, parts: list[bytes]) -> None:
    """Send parts as segments of their own; the server gets turns to read each."""
    for part in parts:
        await talk.send(part)
        for _ in range(4):
            await asyncio.sleep(0)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
async def test_b1_each_sequence_is_one_message_and_refused(sequence: bytes) -> None:
    cuts = range(len(sequence) + 1)
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        for cut in cuts:
            await talk.open_data()
            await send_apart(
                talk,
                [
                    b"Subject: 1\r\n\r\nbody" + sequence[:cut],
                    sequence[cut:] + SMUGGLED,
                ],
            )
            # Exactly one reply: behind the real end nothing is left over.
            assert (await talk.reply()).startswith("550 5.5.2 ")
            assert (await talk.ask("NOOP")).startswith("250 ")

        assert front.intake.taken == []
        assert len(front.intake.entries) == len(cuts)
        assert all(entry.abandoned for entry in front.intake.entries)


async def test_who_cannot_do_better_is_mended_where_the_settings_say_so() -> None:
    clients = [
        {"network": "127.0.0.0/8", "bare_newlines": "normalise"},
        {"network": "127.0.2.0/24"},
    ]
    async with front_end(clients=clients) as front:
        for source, code in (("127.0.1.1", "250 2.0.0 "), ("127.0.2.1", "550 5.5.2 ")):
            async with front.client(source) as talk:
                await talk.greet()
                await talk.open_data()
                await talk.send(b"Subject: x\n\nbody\n.\n" + SMUGGLED)
                assert (await talk.reply()).startswith(code)
                assert (await talk.ask("NOOP")).startswith("250 ")

        (taken,) = front.intake.taken
        assert taken.body.startswith(b"Subject: x\r\n\r\nbody\r\n.\r\nMAIL FROM")
        assert taken.envelope.recipients == ("x@acme.example",)
        assert front.count("borderscout_smtp_normalised_total") == 1


async def test_b1_a_line_that_ends_in_a_bare_lf_is_no_command() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.send(b"NOOP\n")
        assert (await talk.reply()).startswith("500 5.5.2 ")


@pytest.mark.parametrize("verb", ["EHLO client.example", "HELO client.example"])
async def test_b1_octets_behind_a_greeting_are_unauthorised_pipelining(verb: str) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.send(f"{verb}\r\nMAIL FROM:<a@b.example>\r\n".encode())
        assert (await talk.reply()).startswith("554 5.5.0 ")
        assert await talk.is_closed()


async def test_b1_octets_before_354_are_unauthorised_pipelining() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        await talk.ask("RCPT TO:<x@acme.example>")
        await talk.send(b"DATA\r\nSubject: early\r\n\r\n.\r\n")
        assert (await talk.reply()).startswith("554 5.5.0 ")
        assert await talk.is_closed()
        assert front.intake.entries == []


async def test_b1_octets_behind_the_dot_of_a_helo_session_are_unauthorised() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.ask("HELO client.example")
        await talk.open_data()
        await talk.send(b"one\r\n.\r\n" + SMUGGLED)
        assert (await talk.reply()).startswith("554 5.5.0 ")
        assert await talk.is_closed()
        assert front.intake.taken == []


@pytest.mark.parametrize("cut", range(7))
async def test_a_helo_client_in_a_hurry_gets_its_250_and_its_221(cut: int) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.ask("HELO client.example")
        await talk.open_data()
        await send_apart(talk, [b"one\r\n.\r\n" + b"QUIT\r\n"[:cut], b"QUIT\r\n"[cut:]])

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert (await talk.reply()).startswith("221 2.0.0 ")
        assert await talk.is_closed()
        assert len(front.intake.taken) == 1


@pytest.mark.parametrize("rest", [b"RSET\r\nquit\r\n", b"NOOP\r\nRSET\r\nQUIT\r\n"])
async def test_what_begins_no_message_is_forgiven_behind_a_helo_client_s_dot(rest: bytes) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.ask("HELO client.example")
        await talk.open_data()
        await talk.send(b"one\r\n.\r\n" + rest)

        answers = [await talk.reply() for _ in range(1 + rest.count(b"\n"))]
        assert [answer[:3] for answer in answers] == ["250"] * (len(answers) - 1) + ["221"]
        assert len(front.intake.taken) == 1


@pytest.mark.parametrize(
    "rest",
    [
        b"QUIT\r\n" + SMUGGLED,
        b"RSET\r\n" + SMUGGLED,
        b"QUIT\n",
        b"QUITX\r\n",
        b"QUIT x\r\n",
        b"MAIL",
        b"QUIT\r\n" * 20,
    ],
    ids=repr,
)
async def test_b1_nothing_is_hidden_behind_what_is_forgiven(rest: bytes) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.ask("HELO client.example")
        await talk.open_data()
        await talk.send(b"one\r\n.\r\n" + rest)

        assert (await talk.reply()).startswith("554 5.5.0 ")
        assert await talk.is_closed()
        assert front.intake.taken == []


async def test_who_greets_and_leaves_at_once_hears_both_answers() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.send(b"EHLO client.example\r\nQUIT\r\n")

        assert (await talk.reply()).startswith("250-")
        assert (await talk.reply()).startswith("221 ")


async def test_b1_quit_behind_data_is_no_command() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        await talk.ask("RCPT TO:<x@acme.example>")
        await talk.send(b"DATA\r\nQUIT\r\n")

        assert (await talk.reply()).startswith("554 5.5.0 ")


async def test_b1_bdat_is_unknown_and_its_octets_are_no_message() -> None:
    async with front_end() as front, front.client() as talk:
        assert "CHUNKING" not in await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        await talk.ask("RCPT TO:<x@acme.example>")
        for size in ("0 LAST", "10", "99999999999999999999 LAST", "-1"):
            assert (await talk.ask(f"BDAT {size}")).startswith("500 5.5.2 ")
        assert front.intake.entries == []


async def test_finding_2_millions_of_empty_lines_are_one_message() -> None:
    body = b"\r\n" * 2_000_000
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(body + b".\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert front.intake.taken[0].body == body


async def test_a_message_that_is_too_big_is_refused_at_mail_when_it_says_so() -> None:
    async with front_end(message_bytes_max=65_536) as front, front.client() as talk:
        await talk.greet()
        answer = await talk.ask("MAIL FROM:<a@b.example> SIZE=65537")
        assert answer.startswith("552 5.3.4 ")
        assert front.intake.entries == []


async def test_a_message_that_is_too_big_is_read_to_its_end_and_not_kept() -> None:
    async with front_end(message_bytes_max=65_536) as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send((b"x" * 98 + b"\r\n") * 700 + b".\r\n")
        assert (await talk.reply()).startswith("552 5.3.4 ")
        assert (await talk.ask("NOOP")).startswith("250 ")
        assert front.intake.taken == []
        assert front.intake.entries[0].abandoned


async def test_a_sender_that_does_not_stop_is_cut_off() -> None:
    async with front_end(message_bytes_max=65_536) as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(b"x" * (65_536 * DISCARD_FACTOR + 1))
        assert (await talk.reply()).startswith("552 5.3.4 ")
        assert await talk.is_closed()
        assert front.intake.taken == []


async def test_a_line_beyond_the_limit_refuses_the_message() -> None:
    async with front_end(line_bytes_max=1000) as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(b"x" * 999 + b"\r\n.\r\n")
        assert (await talk.reply()).startswith("554 5.6.0 ")
        await talk.open_data()
        await talk.send(b"x" * 998 + b"\r\n.\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert len(front.intake.taken) == 1


async def test_a_message_with_more_than_a_hundred_hops_is_looping() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(b"Received: from a\r\n" * 101 + b"\r\nbody\r\n.\r\n")
        assert (await talk.reply()).startswith("554 5.4.6 ")
        await talk.open_data()
        await talk.send(b"Received: from a\r\n" * 100 + b"\r\nbody\r\n.\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert len(front.intake.taken) == 1
