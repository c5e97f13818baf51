"""Clients that take up connections and say nothing keep nobody else out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.storms.report import Measured
from tests.support.storms.weather import NODE, weather

NETWORKS = 8
IN_ONE = 240  # from each: below the limit of one network
AGAIN_S = 1.0  # from the end of one to its next one


@contextlib.asynccontextmanager
async def silent(target: tuple[str, int], networks: int) -> AsyncIterator[None]:
    """Hold so many connections open; one that is closed is opened again at once."""

    async def hold(source: str) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(*target, local_addr=(source, 0))
                try:
                    while await reader.read(4096):
                        pass
                finally:
                    writer.transport.abort()
            except OSError:
                pass
            await asyncio.sleep(AGAIN_S)

    tasks = [
        asyncio.create_task(hold(f"127.77.{network}.{1 + host % 250}"))
        for network in range(networks)
        for host in range(IN_ONE)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("silent clients")
async def test_a_sender_is_let_in_beside_silent_clients(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    networks, mails = (NETWORKS, 800) if thorough else (5, 40)
    async with (
        weather(tmp_path) as node,
        silent(node.cluster.smtp(NODE), networks),
    ):
        async with node.healthy_mail() as healthy:
            await healthy.more(mails, deadline_s=60 + mails)
        one = await node.measure(
            f"{networks * IN_ONE} silent connections from {networks} networks, opened again"
        )

    measured(one)
    assert one.p99_s < (2.0 if thorough else 15.0)
