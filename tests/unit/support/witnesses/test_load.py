"""Does the load generator tell the truth, whatever the server does to it?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from common.clock import SystemClock
from tests.support.clock import FakeClock
from tests.support.network.ports import free_port
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter, stuffed
from tests.support.witnesses.ledger import Ledger, parse, read_lines
from tests.support.witnesses.load import Pace, letters, marked, send_all

RECIPIENTS = ["x@acme.example", "y@acme.example"]
ROOT = Path(__file__).parents[4]


def _pile(count: int, recipients: list[str] | None = None) -> list[Letter]:
    names = corpus.everyday_names()
    messages = [corpus.message(names[number % len(names)]) for number in range(count)]
    return list(letters(messages, run="t", recipients=recipients or RECIPIENTS))


async def test_every_letter_arrives_with_its_mark_and_stands_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    pile = _pile(60)
    async with Sink() as first, Sink() as second:
        targets = [(first.host, first.port), (second.host, second.port)]
        with Ledger(path, clock=SystemClock()) as ledger:
            tally = await send_all(pile, targets=targets, ledger=ledger)

        assert (tally.accepted, tally.refused, tally.given_up) == (60, 0, 0)
        arrived = {line["gid"]: line["sha256"] for line in first.lines + second.lines}
        assert first.lines and second.lines
    sendings, answers = parse(read_lines(path))
    assert {sending.gid: sending.sha256 for sending in sendings} == arrived
    assert {answer.gid for answer in answers if answer.is_accepted} == arrived.keys()


async def test_the_line_before_a_send_is_there_before_the_first_octet(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(read_lines(path)))
        writer.write(b"554 5.3.2 closed\r\n")
        await writer.drain()
        writer.close()

    await _with_server(serve, path, _pile(1))

    assert seen == [1]


@pytest.mark.parametrize(
    ("script", "reply", "dot_sent"),
    [
        ("", None, False),  # closes at once
        ("banner", None, False),
        ("banner ehlo mail rcpt", None, False),
        ("banner ehlo mail rcpt data", None, True),  # takes it and says nothing
        ("banner ehlo mail rcpt data garbage", None, True),
        ("banner ehlo mail rcpt data 451", "451 4.3.0 no", True),
        ("banner ehlo mail rcpt data 250", "250 2.0.0 ok", True),
        ("421", "421 4.3.2 closed", False),
    ],
)
async def test_an_end_at_any_point_is_told_as_it_was(
    tmp_path: Path, script: str, reply: str | None, dot_sent: bool
) -> None:
    path = tmp_path / "ledger.jsonl"
    answers = {
        "banner": b"220 x ESMTP\r\n",
        "ehlo": b"250 x\r\n",
        "mail": b"250 ok\r\n",
        "rcpt": b"250 ok\r\n",
        "data": b"354 go\r\n",
        "garbage": b"\x00\xffhello\r\n",
        "451": b"451 4.3.0 no\r\n",
        "250": b"250 2.0.0 ok\r\n",
        "421": b"421 4.3.2 closed\r\n",
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for step in script.split():
            if step not in ("banner", "421"):
                end = b"\r\n.\r\n" if step in ("garbage", "451", "250") else b"\r\n"
                await reader.readuntil(end)
            writer.write(answers[step])
            await writer.drain()
        if script.endswith("data"):
            await reader.readuntil(b"\r\n.\r\n")
        writer.close()

    await _with_server(serve, path, _pile(1))

    _, (answer,) = parse(read_lines(path))
    assert (answer.reply, answer.dot_sent) == (reply, dot_sent)


async def test_a_silent_server_is_left_at_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    hung = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x ESMTP\r\n")
        await hung.wait()
        writer.close()

    async def release() -> None:
        while len(read_lines(path) if path.exists() else []) < 2:
            await asyncio.sleep(0)
        hung.set()

    await asyncio.gather(
        _with_server(serve, path, _pile(1), pace=Pace(reply_deadline_s=0.05)), release()
    )

    _, (answer,) = parse(read_lines(path))
    assert (answer.reply, answer.dot_sent) == (None, False)


async def test_a_letter_is_tried_again_at_the_next_target_until_it_is_answered(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    dead = ("127.0.0.1", free_port())
    async with Sink() as sink:
        pace = Pace(concurrency=1, attempts_max=4, retry_wait_s=0)
        with Ledger(path, clock=FakeClock()) as ledger:
            tally = await send_all(
                _pile(3, ["defer1-x@a.example", "refuse-x@a.example", "x@a.example"]),
                targets=[(sink.host, sink.port), dead],
                ledger=ledger,
                pace=pace,
                clock=FakeClock(),
            )

    assert (tally.accepted, tally.refused, tally.given_up) == (2, 1, 0)
    sendings, _ = parse(read_lines(path))
    assert max(sending.attempt for sending in sendings) > 1
    assert len({(sending.gid, sending.attempt) for sending in sendings}) == len(sendings)


async def test_a_letter_that_nobody_takes_is_given_up(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.jsonl", clock=FakeClock()) as ledger:
        tally = await send_all(
            _pile(2),
            targets=[("127.0.0.1", free_port())],
            ledger=ledger,
            pace=Pace(attempts_max=3, retry_wait_s=0),
            clock=FakeClock(),
        )

    assert (tally.given_up, tally.attempts, tally.replies["none"]) == (2, 6, 6)


async def test_no_more_connections_are_open_than_were_asked_for(tmp_path: Path) -> None:
    open_now, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        writer.write(b"421 busy\r\n")
        await writer.drain()
        await reader.read()
        open_now -= 1
        writer.close()

    await _with_server(serve, tmp_path / "l.jsonl", _pile(30), pace=Pace(concurrency=4))

    assert 1 <= most <= 4


async def test_a_stop_ends_the_run_early(tmp_path: Path) -> None:
    stop = asyncio.Event()

    def pile() -> list[Letter]:
        return _pile(100)

    async with Sink() as sink:
        with Ledger(tmp_path / "ledger.jsonl", clock=SystemClock()) as ledger:

            async def end() -> None:
                await sink.wait_for(5)
                stop.set()

            tally, _ = await asyncio.gather(
                send_all(pile(), targets=[(sink.host, sink.port)], ledger=ledger, stop=stop), end()
            )

    assert 5 <= tally.letters < 100


async def test_another_server_sees_the_same_octets_as_our_sink(tmp_path: Path) -> None:
    """The sink is a fake; aiosmtpd is not ours and must agree with it."""
    seen: dict[str, bytes] = {}

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            assert isinstance(envelope.original_content, bytes)
            gid = envelope.original_content.partition(b"\r\n")[0].decode().split(": ")[1]
            seen[gid] = envelope.original_content
            return "250 ok"

    pile = _pile(40)
    port = free_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler()), "127.0.0.1", port)
    with Ledger(tmp_path / "ledger.jsonl", clock=SystemClock()) as ledger:
        tally = await send_all(pile, targets=[("127.0.0.1", port)], ledger=ledger)
    server.close()
    await server.wait_closed()

    assert tally.accepted == 40
    assert seen == {letter.gid: letter.data for letter in pile}


async def test_by_itself_it_sends_and_says_how_it_went(tmp_path: Path) -> None:
    async with Sink() as sink:
        command = [sys.executable, "-m", "tests.support.witnesses.load"]
        command += ["--target", f"{sink.host}:{sink.port}", "--to", "x@acme.example"]
        command += ["--ledger", str(tmp_path / "l.jsonl"), "--count", "20"]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert len(sink.arrivals) == 20

    assert done.stdout == "load: 20 letters, 20 accepted, 0 refused, 0 given up\n"


def test_dots_are_doubled_and_only_at_the_beginning_of_a_line() -> None:
    assert stuffed(b".a\r\n..\r\nb.\r\n.\r\n") == b"..a\r\n...\r\nb.\r\n..\r\n"
    assert stuffed(b"") == b""
    assert marked(b"no end", "g") == b"X-BS-Test-Gid: g\r\nno end\r\n"


async def _with_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    path: Path,
    pile: list[Letter],
    *,
    pace: Pace | None = None,
) -> None:
    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    with Ledger(path, clock=SystemClock()) as ledger:
        await send_all(pile, targets=[("127.0.0.1", port)], ledger=ledger, pace=pace)
    server.close()
    await server.wait_closed()
