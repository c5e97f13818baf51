"""What do all sessions of one front end share?

Pure: a place to look things up in, filled by the front end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.clock import Clock
from common.ids import MessageId
from satellite.settings import SatelliteSettings
from satellite.smtp.door import Door
from satellite.smtp.intake import Intake
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.patience import Limits

if TYPE_CHECKING:
    from satellite.smtp.connection import Connection


@dataclass(slots=True, kw_only=True)
class Reception:
    """The front end as its sessions see it.

    Attributes:
        tls: None when STARTTLS is not offered.
        connections: the open ones.
        conversations: a conversation may outlive its connection, while it commits.
        nobody_here: set while no connection is open.
    """

    loop: asyncio.AbstractEventLoop
    intake: Intake
    settings: SatelliteSettings
    clock: Clock
    metrics: SmtpMetrics
    door: Door
    patience: Limits
    tls: ssl.SSLContext | None
    on_accepted: Callable[[MessageId], None]
    draining: bool = False
    connections: set[Connection] = field(default_factory=set)
    conversations: set[asyncio.Task[None]] = field(default_factory=set)
    nobody_here: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, connection: Connection) -> None:
        """Note a connection that was let in."""
        self.connections.add(connection)
        self.nobody_here.clear()
        self.metrics.sessions(len(self.connections))

    def leave(self, connection: Connection, address: str) -> None:
        """Note that it is gone."""
        self.door.leave(address)
        self.connections.discard(connection)
        if not self.connections:
            self.nobody_here.set()
        self.metrics.sessions(len(self.connections))

    def follow(self, conversation: asyncio.Task[None]) -> None:
        """Keep a conversation in mind until it is done."""
        self.conversations.add(conversation)
        conversation.add_done_callback(self.conversations.discard)
