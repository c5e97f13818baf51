"""Which messages are scanned before they are answered, and how many at once?

Touches the spool's preferences; judging does the scan. Whoever finds all places taken is answered
at once and judged later: a sender that waits holds a session and a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from common.preferences import Preferences
from common.preferences.policy import ScanMoment
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored

AT_ONCE_MAX = 64  # of one worker; the engines work on a few at a time, the others wait their turn


class HasPreferences(Protocol):
    """The spool, as far as it is asked."""

    preferences: Preferences


class JudgesBeforeAnswer(Protocol):
    """Judging, as far as it is asked."""

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None: ...


class PolicyScanBeforeAnswer:
    """Scans before the answer where the policy of a recipient says so.

    Args:
        spool: has the preferences.
        judging: does the scan.
    """

    def __init__(self, spool: HasPreferences, judging: JudgesBeforeAnswer) -> None:
        self._spool = spool
        self._judging = judging
        self._at_once = 0
        self._known: Preferences | None = None
        self._is_wanted = False

    def budget_s(self, recipients: Sequence[str]) -> float | None:
        """Return the shortest budget of the recipients that want it; None when none does."""
        preferences = self._spool.preferences
        if preferences is not self._known:  # most clusters have no such policy: then ask no more
            self._known, self._is_wanted = preferences, preferences.scans_before()
        if not self._is_wanted or self._at_once >= AT_ONCE_MAX:
            return None
        policies = [preferences.policy(recipient) for recipient in recipients]
        budgets = (policy.scan_budget_s for policy in policies if policy.scan is ScanMoment.BEFORE)
        return min(budgets, default=None)

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        """Return the judgement of a message that is not accepted yet, or None: judge it later."""
        self._at_once += 1
        try:
            return await self._judging.judge_before_answer(stored, body)
        finally:
            self._at_once -= 1
