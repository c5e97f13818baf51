"""How is somebody asked who may keep silent, so that his silence costs nobody more than it must?

Touches the event loop. Who is asked has a breaker; when it opens, whoever still waits for him is
told at once, too. A silence counts against him only when he is silent on a *trial* as well: a small
message of our own, which nobody has seen before. Else three messages that he cannot finish would
keep everybody else's mail from him.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from common.clock import Clock
from satellite.breaker import Breaker

TRIAL_S = 5.0  # for a trial; who is only busy is quicker

T = TypeVar("T")
Trial = Callable[[], Awaitable[bool]]  # has him work on a message of ours; says whether he did


class LeftAlone(Exception):
    """The breaker opened while a message waited for him."""


class Guard:
    """What stands between messages and one who is asked about them.

    Args:
        name: his, for the names of tasks.
        clock: the time.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.breaker = Breaker()
        self._name = name
        self._clock = clock
        self._on_trial: asyncio.Task[None] | None = None  # one at a time, for all who ask
        self._waiting: set[asyncio.Task[object]] = set()
        self._told: set[asyncio.Task[object]] = set()  # of these, that he is left alone
        self._last_good_s = float("-inf")

    def admits(self, *, is_known: bool = False) -> bool:
        """Say whether to ask; then ``answered``, ``was_silent`` or ``withdrew`` is called, once.

        Args:
            is_known: he did not answer on this very message before.
        """
        return self.breaker.admits(self._clock.monotonic_s(), is_suspect=is_known)

    async def asked(self, answer: Awaitable[T]) -> T:
        """Return the answer.

        Raises:
            LeftAlone: the breaker opened meanwhile.
        """
        # Not asyncio.timeout(None), which takes four times as long, for each message.
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        cancelled_before = task.cancelling()
        try:
            return await answer
        except asyncio.CancelledError:
            if task in self._told and task.cancelling() - 1 <= cancelled_before:
                raise LeftAlone from None
            raise
        finally:
            self._waiting.discard(task)
            if task in self._told:  # by a cancellation of ours, and by none that goes on
                self._told.discard(task)
                task.uncancel()

    async def tried(self, trial: Trial, *, began_s: float) -> None:
        """Put him on trial after a silence, so that ``was_silent`` is just.

        Args:
            trial: what he has to do.
            began_s: when the message was shown to him on which he is silent.
        """
        if not self.breaker.is_open and not self.answered_since(began_s):
            await self.tried_now(trial)

    async def tried_now(self, trial: Trial) -> None:
        """Put him on trial; when he does his work, he is asked again."""
        if self._on_trial is None:
            self._on_trial = asyncio.create_task(self._try(trial), name=f"trial.{self._name}")
        await asyncio.wait([self._on_trial])  # others may wait for it, too: it is not cancelled

    async def _try(self, trial: Trial) -> None:
        try:
            if await trial():
                self._last_good_s = self._clock.monotonic_s()
                self.breaker.is_well()
        finally:
            self._on_trial = None

    def answered(self, *, is_good: bool) -> None:
        """He said something of a message.

        Args:
            is_good: he did his work on it, and did not only say that he cannot.
        """
        if is_good:
            self._last_good_s = self._clock.monotonic_s()
        self.breaker.answered()

    def was_silent(self, *, began_s: float) -> bool:
        """He said nothing of a message; return whether he is left alone from now on.

        A silence during or after which others, or a trial, were answered is the message's, however
        many come at once.

        Args:
            began_s: when the message was shown to him.
        """
        if self.answered_since(began_s):
            self.breaker.withdrew()
            return False
        has_opened = self.breaker.was_silent(self._clock.monotonic_s())
        if has_opened:
            self.send_away()
        return has_opened

    def withdrew(self) -> None:
        """Nobody waits for his answer any more, or his silence says nothing of him."""
        self.breaker.withdrew()

    def answered_since(self, began_s: float) -> bool:
        """Say whether he has done his work on a message since then."""
        return self._last_good_s >= began_s

    @property
    def waiting(self) -> int:
        """Return how many messages wait for him, or are about to hear that they need not."""
        return len(self._waiting)

    def send_away(self) -> None:
        """Tell all who wait that he is left alone."""
        for task in self._waiting - self._told:
            self._told.add(task)
            task.cancel()
