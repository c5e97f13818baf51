"""Which sessions are open, and what do they share?

Touches nothing: a place to look things up in, filled by the front end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from common.clock import Clock
from common.settings.satellite import SatelliteSettings
from satellite.overload.pressure import SHUTS, Refusal, RefusalCause
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.connection_limits import ConnectionLimits
from satellite.smtp.intake import Intake, ScanBeforeAnswer
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.replies import Reply
from satellite.smtp.timeouts import TimeoutLimits

TELL_EVERY_S = 1.0  # the metrics count all of them


class OpenConnection(Protocol):
    """One of them, as the front end handles it."""

    @property
    def is_busy(self) -> bool:
        """True while more is going on than waiting for a command."""
        ...

    def dismiss(self, reply: Reply) -> None:
        """Say a last word and hang up; not while a message is being committed."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...

    def check_timeouts(self) -> None:
        """End the session if something in it has taken too long."""
        ...


@dataclass(slots=True, kw_only=True)
class Sessions:
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
    connection_limits: ConnectionLimits
    timeouts: TimeoutLimits
    tls: ssl.SSLContext | None
    backpressure: Backpressure
    scan_before_answer: ScanBeforeAnswer
    refuses_mail_for: Callable[[str], bool]
    refusal: Refusal | None = None
    draining: bool = False
    connections: set[OpenConnection] = field(default_factory=set)
    conversations: set[asyncio.Task[None]] = field(default_factory=set)
    nobody_here: asyncio.Event = field(default_factory=asyncio.Event)
    _told_s: dict[str, float] = field(default_factory=dict)

    def why_not(self) -> Refusal | None:
        """Return why a message may not come in now, or None."""
        if self.refusal is not None:
            return self.refusal
        reason = self.intake.refusal()  # the disk, a moment ago at most
        return None if reason is None else Refusal(RefusalCause.DISK, reason)

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

    def enter(self, connection: OpenConnection) -> None:
        """Note a connection that was let in."""
        self.connections.add(connection)
        self.nobody_here.clear()
        self.metrics.sessions(len(self.connections))

    def leave(self, connection: OpenConnection, address: str) -> None:
        """Note that it is gone."""
        self.connection_limits.leave(address)
        self.connections.discard(connection)
        if not self.connections:
            self.nobody_here.set()
        self.metrics.sessions(len(self.connections))

    def follow(self, conversation: asyncio.Task[None]) -> None:
        """Keep in mind what is awaited for a client until it is done."""
        self.conversations.add(conversation)
        conversation.add_done_callback(self.conversations.discard)
