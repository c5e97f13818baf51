"""Which sessions are open, and what do they share?

Touches nothing: a place to look things up in, filled by the front end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from common.clock import Clock
from satellite.loop_round import LoopRound
from satellite.next_hop import NextHopOffer
from satellite.overload.pressure import OF_RECIPIENTS, SHUTS, Refusal, RefusalCause
from satellite.smtp.admission import OwnNames
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.client_policy import ClientPolicies
from satellite.smtp.connection_limits import ConnectionLimits, TooMany
from satellite.smtp.giving_way import GivingWay, IdleClient
from satellite.smtp.intake import (
    BlockLists,
    ConnectLists,
    FrontEndSettings,
    Intake,
    PutsOff,
    ScanBeforeAnswer,
    Verification,
)
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog, RefusedClient, reason_of
from satellite.smtp.replies import Reply
from satellite.smtp.stress import Stress
from satellite.smtp.timeouts import TimeoutLimits

log = structlog.get_logger()

# A hundred for each of a thousand sessions. One takes some 250 octets, and 500 more with ORCPT.
OPEN_RECIPIENTS_MAX = 100_000
TELL_EVERY_S = 1.0  # the metrics count all of them


class OpenConnection(IdleClient, Protocol):
    """One of them, as the front end handles it."""

    @property
    def is_busy(self) -> bool:
        """True while more is going on than waiting for a command."""
        ...

    def dismiss(self, reply: Reply) -> None:
        """Say a last word and hang up; not while a message is being committed."""
        ...

    def give_way(self) -> None:
        """Say that there are too many, and leave at once."""
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
        verification: knows which recipients there are, where a route wants it.
        block_lists: knows which clients are listed, where a policy wants it.
        connect_lists: likewise, before anything is said.
        client_policies: what holds for clients of some networks.
        loop_round: how much is done for clients before all others have the event loop.
        own: what this node is called.
        tls: None when STARTTLS is not offered.
        offered_for: what the next hop of a recipient offered, as far as we know.
        refusal_log: keeps what is refused until it is told.
        refuses_mail_for: whether a recipient's mail would be held, and there is too much of that.
        puts_off: why a recipient is put off for this client and sender, if it is.
        refusal: why no mail is taken now; set from outside.
        draining: the worker is being stopped.
        connections: the open ones.
        conversations: what is being awaited for a client; it may outlive the connection, while
            it commits.
        nobody_here: set while no connection is open.
        stress: whether connections run out.
        open_recipients: of all transactions that are open.
    """

    loop: asyncio.AbstractEventLoop
    intake: Intake
    settings: FrontEndSettings
    clock: Clock
    metrics: SmtpMetrics
    connection_limits: ConnectionLimits
    timeouts: TimeoutLimits
    tls: ssl.SSLContext | None
    backpressure: Backpressure
    scan_before_answer: ScanBeforeAnswer
    refuses_mail_for: Callable[[str], bool]
    offered_for: Callable[[str], NextHopOffer | None]
    verification: Verification
    block_lists: BlockLists
    connect_lists: ConnectLists
    own: OwnNames
    client_policies: ClientPolicies
    loop_round: LoopRound
    refusal_log: RefusalLog
    puts_off: PutsOff
    refusal: Refusal | None = None
    draining: bool = False
    connections: set[OpenConnection] = field(default_factory=set)
    conversations: set[asyncio.Task[None]] = field(default_factory=set)
    nobody_here: asyncio.Event = field(default_factory=asyncio.Event)
    stress: Stress = field(default_factory=Stress)
    open_recipients: int = 0
    _told_s: dict[str, float] = field(default_factory=dict)
    _giving_way: GivingWay[OpenConnection] = field(init=False)

    def __post_init__(self) -> None:
        self._giving_way = GivingWay(self.connection_limits)

    def let_in(self, address: str) -> TooMany | None:
        """Let a client in, for somebody idle when nothing is left; return None, or why not."""
        too_many = self.connection_limits.enter(address)
        if too_many is not TooMany.FULL:
            return too_many
        first = self._giving_way.next(
            self.connections, newcomer=address, now_s=self.clock.monotonic_s()
        )
        if first is None:
            return too_many
        first.give_way()
        return self.connection_limits.enter(address, gave_way=True)

    def look_at_stress(self) -> None:
        """Ask whether connections run out; called about once a second and with each of them."""
        limits = self.connection_limits
        if self.stress.look(inside=limits.inside, total_max=limits.total_max):
            is_on = self.stress.is_on
            log.warning("smtp.stress", is_on=is_on, connections=limits.inside)
            self.metrics.stress(is_on)

    def why_not(self) -> Refusal | None:
        """Return why a message may not come in now, or None."""
        if self.refusal is not None:
            return self.refusal
        reason = self.intake.refusal()  # the disk, a moment ago at most
        return None if reason is None else Refusal(RefusalCause.DISK, reason)

    def why_no_recipient(self) -> Refusal | None:
        """Return why a transaction may name nobody else now, or None.

        Asked for each recipient: a thousand sessions that were let in while there was room may
        name a thousand each.
        """
        if self.open_recipients >= OPEN_RECIPIENTS_MAX:
            detail = f"{self.open_recipients} recipients in open transactions"
            return Refusal(RefusalCause.RECIPIENTS, detail)
        refusal = self.why_not()
        return refusal if refusal is not None and refusal.cause in OF_RECIPIENTS else None

    def note_refusal(self, client: RefusedClient, reply: Reply | None, *, reason: str = "") -> None:
        """Note that a client is refused something: by a reply, or by being cut for a reason."""
        self.refusal_log.note(
            client,
            reason=reason_of(reply) if reply is not None else reason,
            reply=str(reply).rstrip() if reply is not None else "",
            now_us=self.clock.now_us(),
        )

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
        self.look_at_stress()

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
