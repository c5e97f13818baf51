"""What does the customers' mail server get?

Touches one port. A small SMTP server on aiosmtpd that keeps what it is given, in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.demonstration.mail import MARK

_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_NODE = re.compile(rb"^X-BorderScout: [^\r\n]*node=([a-z0-9-]+)", re.MULTILINE)
SIZE_MAX = 1 << 20  # octets; the demonstration's mail is small


@dataclass(slots=True)
class Received:
    """One delivered copy."""

    recipients: list[str]
    content: bytes

    @property
    def body(self) -> bytes:
        """What stands below the header."""
        return self.content.partition(b"\r\n\r\n")[2]


@dataclass
class Mailbox:
    """Everything that arrived, by Message-ID.

    Without slots: aiosmtpd looks through its handler's attributes, and Python 3.11.2 has one on
    such a class that cannot be read.
    """

    copies: dict[str, list[Received]] = field(default_factory=dict)
    marked: Counter[str] = field(default_factory=Counter)  # by the node that marked it
    total: int = 0

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        found = _MESSAGE_ID.search(content)
        name = found[1].decode("ascii", "replace") if found else ""
        self.copies.setdefault(name, []).append(Received(list(envelope.rcpt_tos), content))
        self.total += 1
        if f"\r\nSubject: {MARK}".encode() in content and (node := _NODE.search(content)):
            self.marked[node[1].decode("ascii")] += 1
        return "250 2.0.0 Ok"


async def serve(mailbox: Mailbox, port: int) -> asyncio.Server:
    """Listen on loopback."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(
            mailbox, hostname="mail.customer.example", loop=loop, data_size_limit=SIZE_MAX
        ),
        "127.0.0.1",
        port,
    )
