"""Messages that an engine cannot finish hold up no other mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.scanning.scripted_clamd import Hang, ScriptedClamd
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

ENDLESS = b"The engine never finishes this."
MESSAGES = 20


def script(content: bytes) -> bytes:
    if ENDLESS in content:
        raise Hang
    return b"stream: OK"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("endless message")
async def test_messages_that_an_engine_cannot_finish_hold_up_no_other_mail(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    mails = 800 if thorough else 40
    pile = [
        Letter(
            gid=f"endless-{n}",
            sender="a@sender.example",
            recipients=("x@fjord.example",),
            data=message(text=ENDLESS.decode()),
        )
        for n in range(MESSAGES)
    ]
    async with ScriptedClamd(tmp_path / "clamd", script) as clamd, Sink() as sink:
        engine = {"name": "clamav", "kind": "clamd", "address": clamd.address, "timeout_s": 5.0}
        fjord = customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")
        async with weather(
            tmp_path, customers=[fjord], engines=[engine], settings={"waiting_retry_s": 1.0}
        ) as node:
            async with node.healthy_mail() as healthy:
                await node.pour(pile)
                await healthy.more(mails, deadline_s=60 + mails)
            one = await node.measure(f"{MESSAGES} messages that one engine cannot finish")

    measured(one)
    assert one.p99_s < (2.0 if thorough else 10.0)
