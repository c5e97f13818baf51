"""Does the customer's server keep octets, fail on command, and come back on its port?"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiosmtplib
import pytest

from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.smtp import corpus
from tests.support.smtp.sink import Behaviour, Sink
from tests.support.smtp.smtp_client import Broken, Letter, SmtpClient, Transaction
from tests.support.witnesses.ledger import read_lines

DATA = b"X-BS-Test-Gid: g1\r\nSubject: a\r\n\r\n.dots\r\n..more\r\n"


async def _send(sink: Sink, *recipients: str, data: bytes = DATA) -> Transaction:
    client = SmtpClient(sink.host, sink.port, deadline_s=20)
    state = Transaction()
    letter = Letter(gid="g1", sender="a@sender.example", recipients=recipients, data=data)
    try:
        await client.open()
        await client.transact(letter, state)
        await client.quit()
    except Broken:
        await client.close()
    return state


@pytest.mark.parametrize("name", corpus.names())
async def test_each_message_of_the_corpus_arrives_octet_by_octet(name: str) -> None:
    data = corpus.message(name)
    async with Sink() as sink:
        state = await _send(sink, "x@acme.example", data=data)

        assert state.reply is not None and state.reply.startswith("250")
        assert [arrival.data for arrival in sink.arrivals] == [data]
        stray = corpus.expectation(name) is corpus.Expectation.REFUSE and "bare" in name
        assert sink.lines[0]["stray"] is stray


async def test_a_library_s_client_is_understood_too() -> None:
    async with Sink() as sink:
        client = aiosmtplib.SMTP(hostname=sink.host, port=sink.port, start_tls=False)
        await client.connect()
        await client.sendmail("", ["x@acme.example", "refuse-y@acme.example"], DATA)
        await client.sendmail("a@sender.example", ["x@acme.example"], DATA)
        await client.quit()

    assert [(a.sender, a.recipients, a.data) for a in sink.arrivals] == [
        ("", ("x@acme.example",), DATA),
        ("a@sender.example", ("x@acme.example",), DATA),
    ]
    assert {arrival.session for arrival in sink.arrivals} == {1}


async def test_recipients_are_answered_as_their_names_ask() -> None:
    async with Sink() as sink:
        state = await _send(sink, "x@a.example", "refuse-x@a.example", "defer-x@a.example")

    assert state.recipients == ["x@a.example"]
    assert {name: reply[:3] for name, reply in state.refused.items()} == {
        "refuse-x@a.example": "550",
        "defer-x@a.example": "451",
    }
    assert sink.arrivals[0].recipients == ("x@a.example",)


async def test_a_number_in_the_name_is_how_often_it_fails() -> None:
    async with Sink() as sink:
        replies = [(await _send(sink, "defer2-x@a.example")).reply for _ in range(3)]

    assert [reply[:3] for reply in replies if reply] == ["451", "451", "250"]


async def test_a_late_answer_comes_after_the_dot_and_nothing_is_taken() -> None:
    async with Sink() as sink:
        first = await _send(sink, "late-defer1-x@a.example")
        assert (first.dot_sent, first.reply) == (True, "451 4.2.0 This mailbox is busy")
        assert sink.arrivals == []
        second = await _send(sink, "late-defer1-x@a.example")
        assert second.reply is not None and second.reply.startswith("250")


async def test_one_that_vanishes_has_the_message_and_never_said_so() -> None:
    async with Sink() as sink:
        state = await _send(sink, "vanish1-x@a.example")
        assert (state.dot_sent, state.reply) == (True, None)
        assert [arrival.answered for arrival in sink.arrivals] == [False]

        assert (await _send(sink, "vanish1-x@a.example")).reply is not None


async def test_scripted_replies_come_in_order_and_then_the_usual_ones() -> None:
    async with Sink() as sink:
        sink.replies["x@a.example"] = ["452 4.2.2 full", "550 5.7.1 no"]
        replies = [(await _send(sink, "x@a.example")).reply for _ in range(3)]

    assert [reply[:3] for reply in replies if reply] == ["452", "550", "250"]


async def test_a_greeting_can_turn_everybody_away() -> None:
    async with Sink() as sink:
        sink.greeting = "421 4.3.2 closed"
        state = await _send(sink, "x@a.example")
        assert (state.dot_sent, state.reply) == (False, None)
        sink.greeting = "220 sink.example ESMTP"
        assert (await _send(sink, "x@a.example")).dot_sent


async def test_it_stops_in_the_middle_of_a_session_and_starts_on_the_same_port() -> None:
    async with Sink() as sink:
        port = sink.port
        client = SmtpClient(sink.host, port, deadline_s=20)
        await client.open()
        await sink.stop()
        with pytest.raises(Broken):
            await SmtpClient(sink.host, port, deadline_s=20).open()
        with pytest.raises(Broken):
            await client.transact(
                Letter(gid="g", sender="", recipients=("x@a.example",), data=DATA), Transaction()
            )
        await client.close()

        await sink.start()
        await _send(sink, "x@a.example")
        assert sink.port == port
        assert len(sink.arrivals) == 1


async def test_waiting_for_arrivals_ends_when_they_are_there_or_at_the_deadline() -> None:
    async with Sink() as sink:
        waiting = asyncio.create_task(sink.wait_for(2))
        for _ in range(2):
            await _send(sink, "x@a.example")
        assert len(await waiting) == 2
        with pytest.raises(AssertionError, match="2 of 3 messages"):
            await sink.wait_for(3, deadline_s=0.01)


async def test_by_itself_it_says_where_it_listens_and_logs_before_it_answers(
    tmp_path: Path,
) -> None:
    log = tmp_path / "sink.jsonl"
    port = free_port()
    command = [sys.executable, "-m", "tests.support.smtp.sink"]
    command += ["--port", str(port), "--log", str(log)]
    async with Process(command, cwd=Path(__file__).parents[4]) as process:
        await process.wait_for_line(rf"listening on 127\.0\.0\.1:{port}")
        remote = Sink(port=port)
        state = await _send(remote, "x@acme.example")
        assert state.reply is not None and state.reply.startswith("250")
        await process.kill()  # what was answered for is in the log even so

    (line,) = read_lines(log)
    assert (line["gid"], line["recipients"], line["bytes"]) == ("g1", ["x@acme.example"], len(DATA))
    assert line["header"] == ["X-BS-Test-Gid: g1\r\n", "Subject: a\r\n"]


def test_a_plain_name_asks_for_nothing() -> None:
    assert Behaviour.of("defer@a.example") == Behaviour()
    assert Behaviour.of("late-refuse3-x@a.example") == Behaviour("refuse", True, 3)
