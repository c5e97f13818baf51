"""How is the front end of a scanning server made, whose next hop is fixed?

Touches nothing yet: the sockets come when it starts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from common.clock import Clock
from common.envelope import Envelope
from common.settings.satellite import ClientSettings, SmtpSettings
from satellite.loop_round import LoopRound
from satellite.scan_server.passing_message import PassingIntake
from satellite.scan_server.passing_session import Passing, PassingSession
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.server import FrontEnd
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingFrontEnd:
    """The settings of a front end that passes mail on."""

    hostname: str
    mail_domain: str
    smtp: SmtpSettings


def mending(smtp: SmtpSettings, clients: Sequence[str]) -> SmtpSettings:
    """Return settings by which a mail server's bare newlines are mended, where they say nothing.

    It has such mail in its queue already, and a refusal would be a bounce; as they are they must
    not go on, since the next server might find an end of data in them.
    """
    if smtp.clients:
        return smtp
    mended = [ClientSettings(network=client, bare_newlines="normalise") for client in clients]
    return smtp.model_copy(update={"clients": mended})


class _AllBeforeAnswer:
    """Every message is scanned before it is answered."""

    def __init__(self, scan_s_max: float) -> None:
        self._scan_s_max = scan_s_max

    def budget_s(self, recipients: Sequence[str]) -> float | None:
        return self._scan_s_max

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        raise AssertionError("the sessions do it themselves")


class _NobodyVerified:
    """The next hop is asked for each recipient, by its own RCPT."""

    def at_hand(self, address: str) -> bool | None:
        return None

    async def verify(self, address: str) -> bool | None:
        return None


class _NobodyListed:
    """The mail server before us decides whom it takes mail from."""

    is_wanted = False

    def at_hand(self, envelope: Envelope) -> bool | None:
        return False

    async def is_refused(self, envelope: Envelope) -> bool:
        return False

    def lets_in(self, client_address: str) -> bool:
        return True

    async def refusal(self, client_address: str) -> str | None:
        return None


def front_end(
    settings: PassingFrontEnd,
    passing: Passing,
    intake: PassingIntake,
    *,
    metrics: SmtpMetrics,
    refusal_log: RefusalLog,
    clock: Clock,
) -> FrontEnd:
    """Return a front end whose mail passes on.

    Args:
        settings: its limits.
        passing: what its sessions share.
        intake: where messages are meanwhile.
        metrics: what it counts with.
        refusal_log: keeps what is refused until it is told.
        clock: the time.

    Raises:
        SettingsError: the certificate cannot be used.
    """
    return FrontEnd(
        intake,
        settings,
        clock,
        metrics,
        # Who waits for a scan is waited for by its mail server: there is no line behind the answer.
        backpressure=Backpressure(lambda: 0),
        scan_before_answer=_AllBeforeAnswer(passing.scan_s_max),
        refuses_mail_for=lambda _recipient: False,
        offered_for=lambda _recipient: None,
        verification=_NobodyVerified(),
        block_lists=_NobodyListed(),
        connect_lists=_NobodyListed(),
        refusal_log=refusal_log,
        loop_round=LoopRound(clock),
        session=functools.partial(PassingSession, passing=passing),
    )
