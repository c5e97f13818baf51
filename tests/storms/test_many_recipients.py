"""Sessions that name as many recipients as they may do not use up a worker's memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from satellite.smtp.sessions import OPEN_RECIPIENTS_MAX
from tests.support.smtp.smtp_client import Broken, SmtpClient
from tests.support.storms.report import Measured
from tests.support.storms.weather import HEALTHY, NODE, weather

RECIPIENTS = 1_000
LOCAL = "r" * 48  # long ones, since it is about room
MARK_MIB = 160
MIB_MAX = 400  # of the whole node


async def name_recipients(target: tuple[str, int], number: int, enough: asyncio.Event) -> int:
    """Open a transaction for as many recipients as are taken, and stay in it."""
    client = SmtpClient(*target, deadline_s=60)
    taken = 0
    try:
        with contextlib.suppress(Broken):
            await client.open()
            await client.ask("MAIL FROM:<a@sender.example>")
            for n in range(RECIPIENTS):
                answer = await client.ask(f"RCPT TO:<{LOCAL}{number}.{n}@{HEALTHY}>")
                if not answer.startswith("250"):
                    break
                taken += 1
        await enough.wait()
    finally:
        await client.close()
    return taken


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("many recipients")
async def test_recipients_of_many_sessions_are_bounded_in_memory(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    sessions, mails = (240, 500) if thorough else (30, 40)
    settings = {"limits": {"memory_bytes_max": MARK_MIB << 20}}
    enough = asyncio.Event()
    async with weather(tmp_path, settings=settings) as node:
        target = node.cluster.smtp(NODE)
        async with node.healthy_mail() as healthy:
            storm = [
                asyncio.create_task(name_recipients(target, number, enough))
                for number in range(sessions)
            ]
            await healthy.more(mails, deadline_s=120 + mails)
            enough.set()
            named = sum(await asyncio.gather(*storm))
            await healthy.more(10)
        one = await node.measure(f"{sessions} sessions of up to {RECIPIENTS} recipients")

    measured(one)
    assert named <= OPEN_RECIPIENTS_MAX  # the short form names fewer anyway
    assert one.pss_mib < MIB_MAX
