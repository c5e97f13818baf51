"""When is an engine left alone, and what is said of it then?

Touches the event loop. Beside what every guard does: a probe of the engine counts, and an engine
that works on this node is busy and never away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from secrets import token_hex

import structlog

from common.clock import Clock
from common.ids import MessageId
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.guard import Guard, LeftAlone
from satellite.scanning.sample import Sample

log = structlog.get_logger()

SILENT = frozenset({Outcome.UNAVAILABLE, Outcome.TIMEOUT})
LEFT_ALONE = "left alone, since it answered none of the last messages"
_TEXT = b"This is a trial of whether messages are scanned, and nobody will ever read it.\r\n"


def trial_sample(size: int) -> Sample:
    """Return a clean message that no engine has seen, and so none answers from its cache.

    Args:
        size: about how many octets.
    """
    head = f"Subject: trial\r\n\r\n{token_hex(16)}\r\n".encode()
    data = head + _TEXT * ((size - len(head)) // len(_TEXT))
    return Sample(
        id=MessageId("trial"),
        size=len(data),
        sha256=sha256(data).digest(),
        data=data,
        may_leave=True,  # it is nobody's
    )


class EngineGuard(Guard):
    """What stands between messages of one size and an engine.

    Args:
        name: of the engine.
        clock: the time.
        trial: has the engine scan ``trial_sample()``, and says whether it did.
        works_here: it is this node's own work, and may be busy, but never away.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        trial: Callable[[], Awaitable[bool]],
        works_here: bool = False,
    ) -> None:
        super().__init__(name, clock)
        self._trial = trial
        self._works_here = works_here

    async def ended(self, outcome: Outcome, *, began_s: float) -> None:
        """Have an engine that was silent on a message scan a trial, so that ``heard`` is just.

        Args:
            outcome: of its verdict on the message.
            began_s: when it was asked.
        """
        if outcome in SILENT and not self._works_here:
            await self.tried(self._trial, began_s=began_s)

    async def scans_trial(self) -> bool:
        """Say whether the engine scans a trial now."""
        began_s = self._clock.monotonic_s()
        await self.tried_now(self._trial)
        return self.answered_since(began_s)

    def heard(self, outcome: Outcome, *, began_s: float, is_known: bool) -> None:
        """Take note of how an engine ended on a message.

        Args:
            outcome: of its verdict.
            began_s: when it was asked.
            is_known: it did not answer on this very message before.
        """
        if outcome not in SILENT:
            self.answered(is_good=outcome is not Outcome.ERROR)
        elif is_known or self._works_here:
            self.withdrew()
        elif self.was_silent(began_s=began_s):
            self._log_opened()

    async def probed(self, *, answers: bool, answers_before: int) -> None:
        """Take note of a probe; one that was left alone has to scan a trial beside."""
        if self._works_here:
            return
        if answers and self.breaker.is_suspicious:
            await self.tried_now(self._trial)
            answers = not self.breaker.is_suspicious
        now_s = self._clock.monotonic_s()
        if self.breaker.probed(answers=answers, answers_before=answers_before, now_s=now_s):
            self.send_away()
            self._log_opened()

    def openness(self) -> float:
        """Return 1 when the engine is left alone, 0.5 when a few messages try it, else 0."""
        if self.breaker.is_open:
            return 1.0
        return 0.5 if self.breaker.is_suspicious else 0.0

    def _log_opened(self) -> None:
        log.warning("engine.left_alone", engine=self._name, waiting=self.waiting)


def failed(name: str, failure: Exception, seconds: float) -> Verdict:
    """Return the verdict of an engine that gave none within its time."""
    if isinstance(failure, LeftAlone):  # it was asked: perhaps this message was the reason
        return Verdict(by=name, outcome=Outcome.TIMEOUT, detail=LEFT_ALONE)
    if isinstance(failure, TimeoutError):
        detail = f"no answer within {seconds:g} s"
        return Verdict(by=name, outcome=Outcome.TIMEOUT, detail=detail)
    detail = printable(f"the engine failed: {failure!r}", length_max=DETAIL_LENGTH_MAX)
    return Verdict(by=name, outcome=Outcome.ERROR, detail=detail)
