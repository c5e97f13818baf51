"""How does mail come in and go out again, without scanning and without a core?

Touches sockets. The real front end over the spool of a delivery room; what comes in is judged clean
at once and delivered.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from common.ids import MessageId
from satellite.spool.model.messages import Copy
from tests.support.smtp.front_end import some_settings
from tests.support.smtp.lone_front_end import lone_front_end
from tests.support.spool.listening import listen
from tests.unit.satellite.delivery.conftest import House

DRAIN_S = 5.0


@asynccontextmanager
async def entrance(house: House) -> AsyncIterator[tuple[str, int]]:
    """Open a front end over a house's spool; return its host and port."""
    received: asyncio.Queue[MessageId] = asyncio.Queue()
    listen(house.spool, received=received.put_nowait)

    async def judge() -> None:
        while True:
            message = await received.get()
            stored = house.spool.message(message)
            assert stored is not None
            await house.judge(message, *[Copy(head=stored.trace)] * len(stored.recipients))

    front = lone_front_end(house.spool, some_settings(), house.clock, CollectorRegistry())
    listening = socket.create_server(("127.0.0.1", 0))
    await front.start([listening])
    host, port = listening.getsockname()
    task = asyncio.create_task(judge())
    try:
        yield host, port
    finally:
        await asyncio.wait_for(front.drain(DRAIN_S), 2 * DRAIN_S)
        task.cancel()
