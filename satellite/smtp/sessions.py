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
from satellite.overload.pressure import SHUTS, Cause, Refusal
from satellite.settings import SatelliteSettings
from satellite.smtp.backpressure import Turnstile
from satellite.smtp.connection_limits import Door
from satellite.smtp.intake import Foresight, Intake
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.timeouts import Limits

if TYPE_CHECKING:
    from satellite.smtp.connection import Connection

TELL_EVERY_S = 1.0  # the metrics count all of them


@dataclass(slots=True, kw_only=True)
class Reception:
    """The front end as its sessions see it.

    Attributes:
        tls: None when STARTTLS is not offered.
        refuses_mail_for: whether a recipient's mail would be held, and there is too much of that.
        refusal: why no mail is taken now; set from outside.
        draining: the worker is being stopped.
        connections: the open ones.
        conversations: what is being awaited for a client; it may outlive the connection, while
            it commits.
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
    turnstile: Turnstile
    foresight: Foresight
    refuses_mail_for: Callable[[str], bool]
    refusal: Refusal | None = None
    draining: bool = False
    connections: set[Connection] = field(default_factory=set)
    conversations: set[asyncio.Task[None]] = field(default_factory=set)
    nobody_here: asyncio.Event = field(default_factory=asyncio.Event)
    _told_s: dict[str, float] = field(default_factory=dict)

    def why_not(self) -> Refusal | None:
        """Return why a message may not come in now, or None."""
        if self.refusal is not None:
            return self.refusal
        reason = self.intake.refusal()  # the disk, a moment ago at most
        return None if reason is None else Refusal(Cause.DISK, reason)

    def may_tell(self, what: str) -> bool:
        """Say whether something that may happen a thousand times a second goes to the log now."""
        now_s = self.clock.monotonic_s()
        if now_s - self._told_s.get(what, -TELL_EVERY_S) < TELL_EVERY_S:
            return False
        self._told_s[what] = now_s
        return True

    @property
    def is_shut(self) -> bool:
        """True while there is no use in letting anybody in at all."""
        return self.draining or (self.refusal is not None and self.refusal.cause in SHUTS)

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
        """Keep in mind what is awaited for a client until it is done."""
        self.conversations.add(conversation)
        conversation.add_done_callback(self.conversations.discard)
