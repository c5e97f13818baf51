"""What is said of a node that takes no mail is what the node says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from inventory.mx.live_smtp import smtp_problems

SAID = "421 4.3.2 Not taking mail now; try again later"


async def test_a_node_that_takes_no_mail_is_quoted() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{SAID}\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await smtp_problems(
            "127.0.0.1", port, host="fra1.mx.scout.example", keys=(), now=datetime.now(UTC)
        )

    assert found == [f"takes no mail: {SAID}"]
