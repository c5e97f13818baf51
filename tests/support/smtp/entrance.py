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
from tests.support.delivery.delivery_room import DeliveryRoom
from tests.support.smtp.front_end import some_settings
from tests.support.smtp.lone_front_end import lone_front_end
from tests.support.spool.listening import listen

DRAIN_S = 5.0


@asynccontextmanager
async def entrance(room: DeliveryRoom) -> AsyncIterator[tuple[str, int]]:
    """Open a front end over a room's spool; return its host and port."""
    received: asyncio.Queue[MessageId] = asyncio.Queue()
    listen(room.spool, received=received.put_nowait)

    async def judge() -> None:
        while True:
            message = await received.get()
            stored = room.spool.message(message)
            assert stored is not None
            await room.judge(message, *[Copy(head=stored.trace)] * len(stored.recipients))

    front = lone_front_end(room.spool, some_settings(), room.clock, CollectorRegistry())
    listening = socket.create_server(("127.0.0.1", 0))
    await front.start([listening])
    host, port = listening.getsockname()
    task = asyncio.create_task(judge())
    try:
        yield host, port
    finally:
        await asyncio.wait_for(front.drain(DRAIN_S), 2 * DRAIN_S)
        task.cancel()
