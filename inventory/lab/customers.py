"""What do the customers' mail servers of the lab get?

Touches ports, and the folder of what arrives: each message is a file there, and a line in
``mail.jsonl``. Run by itself in the customers' machine, which has all of their addresses.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from inventory.lab.mail_count import BOOK

SIZE_MAX = 64 << 20  # octets
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_NODE = re.compile(rb"^X-BorderScout: [^\r\n]*node=([a-z0-9-]+)", re.MULTILINE)


class Taker:
    """Takes everything, for anybody."""

    def __init__(self, host: str, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self._count = 0

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a message, and then say that it is kept."""
        content = envelope.content
        assert isinstance(content, bytes)
        self._count += 1
        file = self._folder / f"{time.time_ns()}-{self._count}.eml"
        file.write_bytes(content)
        message_id, node = _MESSAGE_ID.search(content), _NODE.search(content)
        line = {
            "time": time.time(),
            "host": self._host,
            "from": session.peer[0] if session.peer else "",
            "node": node[1].decode("ascii") if node else "",
            "recipients": list(envelope.rcpt_tos),
            "message_id": message_id[1].decode("ascii", "replace") if message_id else "",
            "file": file.name,
        }
        with (self._folder / BOOK).open("a", encoding="utf-8") as book:
            book.write(json.dumps(line) + "\n")
        return "250 2.0.0 Ok"


async def serve(places: list[dict[str, Any]], folder: Path) -> None:
    """Listen for all customers until SIGTERM."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    for place in places:
        kind = LMTP if place["is_lmtp"] else SMTP
        taker = Taker(place["host"], folder)
        name = place["host"] if place["host"] not in place["addresses"] else "mail.customer.example"

        def protocol(kind: type[SMTP] = kind, taker: Taker = taker, name: str = name) -> SMTP:
            return kind(taker, hostname=name, loop=loop, data_size_limit=SIZE_MAX)

        for address in place["addresses"]:
            await loop.create_server(protocol, address, place["port"])
    await ending.wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])))
