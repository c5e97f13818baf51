"""Do the programs that will test the gateway do what we think, and is our own sink a mail server?

The same calls are made to a gateway by the cluster's tests.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from common.clock import SystemClock
from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.smtp import corpus
from tests.support.smtp.senders import program, smtp_source, swaks
from tests.support.smtp.sink import Sink
from tests.support.witnesses.ledger import Ledger
from tests.support.witnesses.load import letters, send_all

UNTOUCHED = ["plain-text", "nested-multipart", "dkim-signed", "japanese", "line-of-5000"]


@pytest.mark.parametrize("name", UNTOUCHED)
async def test_swaks_hands_over_a_message_as_it_stands_in_the_file(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "message.eml"
    path.write_bytes(corpus.message(name))
    async with Sink() as sink:
        sent = await swaks(
            (sink.host, sink.port),
            sender="a@sender.example",
            recipients=["x@acme.example", "y@acme.example"],
            data=path,
        )
        (arrival,) = await sink.wait_for(1)

    assert (sent.returncode, sent.final_reply[:3]) == (0, "250")
    assert arrival.recipients == ("x@acme.example", "y@acme.example")
    # swaks puts an empty line at the end of what it reads from a file.
    assert arrival.data in (corpus.message(name), corpus.message(name) + b"\r\n")


async def test_swaks_doubles_dots_and_the_sink_takes_them_out_again(tmp_path: Path) -> None:
    path = tmp_path / "message.eml"
    # A last line of one dot would be taken by swaks for the end of the data.
    path.write_bytes(corpus.message("dot-lines") + b"end\r\n")
    async with Sink() as sink:
        await swaks((sink.host, sink.port), sender="", recipients=["x@acme.example"], data=path)
        (arrival,) = await sink.wait_for(1)

    assert arrival.data.rstrip() == path.read_bytes().rstrip()


async def test_swaks_tells_a_refusal_from_a_success() -> None:
    async with Sink() as sink:
        target = (sink.host, sink.port)
        refused = await swaks(target, sender="", recipients=["refuse-x@acme.example"])
        deferred = await swaks(target, sender="", recipients=["late-defer-x@acme.example"])

    assert (refused.returncode, refused.final_reply[:3]) == (24, "550")
    assert (deferred.returncode, deferred.final_reply[:3]) == (26, "451")
    assert sink.arrivals == []


async def test_swaks_tells_that_nobody_listens() -> None:
    sent = await swaks(("127.0.0.1", free_port()), sender="", recipients=["x@acme.example"])

    assert (sent.returncode, sent.final_reply) == (2, "")


async def test_smtp_source_sends_as_many_as_it_is_asked_for() -> None:
    async with Sink() as sink:
        sent = await smtp_source(
            (sink.host, sink.port),
            sender="a@sender.example",
            recipient="x@acme.example",
            messages=25,
            sessions=5,
        )
        arrivals = await sink.wait_for(25)

    assert sent.returncode == 0, sent.output
    assert len(arrivals) == 25
    assert {arrival.sender for arrival in arrivals} == {"a@sender.example"}


async def test_smtp_source_fails_when_it_is_refused() -> None:
    async with Sink() as sink:
        sent = await smtp_source(
            (sink.host, sink.port), sender="a@sender.example", recipient="refuse-x@acme.example"
        )

    assert sent.returncode != 0
    assert sink.arrivals == []


async def test_our_load_generator_is_understood_by_postfix_s_sink(tmp_path: Path) -> None:
    port = free_port()
    names = corpus.everyday_names()
    pile = letters(map(corpus.message, names), run="sink", recipients=["x@acme.example"])
    who = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
    command = [program("smtp-sink"), *who, f"inet:127.0.0.1:{port}", "64"]
    async with Process(command):
        await _listening(port)
        with Ledger(tmp_path / "ledger.jsonl", clock=SystemClock()) as ledger:
            tally = await send_all(pile, targets=[("127.0.0.1", port)], ledger=ledger)

    assert tally.accepted == len(names)


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
