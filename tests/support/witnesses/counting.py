"""When have so many answers come?

Touches the ledger's file. Moments of a run are counted in answers and never in seconds, so that a
slow machine breaks things at the same places as a fast one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from common.clock import SystemClock
from tests.support.waiting import SETTLE_S
from tests.support.witnesses.ledger import Ledger


class CountingLedger(Ledger):
    """A ledger that says when it has so many answers."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, clock=SystemClock())
        self.path = path
        self.answers = 0
        self.accepted = 0
        self._news = asyncio.Event()

    def answer(self, **facts: Any) -> None:
        """Write an answer down, and count it."""
        super().answer(**facts)
        self.answers += 1
        self.accepted += bool(facts["dot_sent"] and (facts["reply"] or "").startswith("2"))
        self._news.set()

    async def reaches(self, count: int) -> None:
        """Return at the answer with this number.

        Raises:
            AssertionError: a minute goes by without any answer.
        """
        while self.answers < count:
            self._news.clear()
            try:
                async with asyncio.timeout(SETTLE_S):
                    await self._news.wait()
            except TimeoutError:
                raise AssertionError(f"{self.answers} answers, and no {count}th comes") from None
