"""How is a front end made that has no judging and no delivery behind it?

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.envelope import Envelope
from common.settings.satellite import SatelliteSettings
from satellite.loop_round import LoopRound
from satellite.next_hop import NextHopOffer
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.intake import (
    BlockLists,
    ConnectLists,
    Intake,
    PutsOff,
    ScanBeforeAnswer,
    Verification,
    puts_nobody_off,
)
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.server import FrontEnd
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored


@dataclass
class Backlog:
    """How many messages are to be judged."""

    unjudged: int = 0


class AnswersAtOnce:
    """No message is scanned before it is answered."""

    def budget_s(self, recipients: Sequence[str]) -> float | None:
        return None

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        raise AssertionError("no sender waits for a scan")


class NobodyKnows:
    """Of no recipient is it known whether there is one."""

    def at_hand(self, address: str) -> bool | None:
        return None

    async def verify(self, address: str) -> bool | None:
        return None


class NobodyListed:
    """No policy refuses a client for a list."""

    is_wanted = False

    def at_hand(self, envelope: Envelope) -> bool | None:
        return False

    async def is_refused(self, envelope: Envelope) -> bool:
        return False

    def lets_in(self, client_address: str) -> bool:
        return True

    async def refusal(self, client_address: str) -> str | None:
        return None


def lone_front_end(
    intake: Intake,
    settings: SatelliteSettings,
    clock: Clock,
    registry: CollectorRegistry,
    *,
    backlog: Backlog | None = None,
    scan_before_answer: ScanBeforeAnswer | None = None,
    refuses_mail_for: Callable[[str], bool] = lambda address: False,
    offered_for: Callable[[str], NextHopOffer | None] = lambda address: None,
    verification: Verification | None = None,
    block_lists: BlockLists | None = None,
    connect_lists: ConnectLists | None = None,
    refusal_log: RefusalLog | None = None,
    loop_round: LoopRound | None = None,
    puts_off: PutsOff = puts_nobody_off,
) -> FrontEnd:
    """Return a front end; unless told otherwise, it takes everything and answers at once."""
    inside = backlog or Backlog()
    return FrontEnd(
        intake,
        settings,
        clock,
        SmtpMetrics(registry),
        backpressure=Backpressure(lambda: inside.unjudged),
        scan_before_answer=scan_before_answer or AnswersAtOnce(),
        refuses_mail_for=refuses_mail_for,
        offered_for=offered_for,
        verification=verification or NobodyKnows(),
        block_lists=block_lists or NobodyListed(),
        connect_lists=connect_lists or NobodyListed(),
        refusal_log=refusal_log or RefusalLog(),
        loop_round=loop_round or LoopRound(clock),
        puts_off=puts_off,
    )
