"""What may be done with a message out of its turn: set aside, stopped, let go again?

Touches the spool's commits. An operator asks, or a stage that cannot read a body.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from common.ids import MessageId
from satellite.spool import changes
from satellite.spool.at_hand import AtHand
from satellite.spool.commits import Commits, Operation


class Interventions:
    """The part of the spool that operators and damage meet."""

    _at_hand: AtHand
    _commits: Commits
    on_queued: Callable[[MessageId], None]

    async def damage(self, message: MessageId, reason: str) -> None:
        """Set a message aside whose body cannot be read."""
        await self._change(message, changes.damaged(message, reason))

    async def freeze(
        self, message: MessageId, reason: str, *, numbers: Collection[int] | None = None
    ) -> None:
        """Stop the delivery of a message, or to these of its recipients, until it is resumed."""
        await self._change(message, changes.frozen(message, reason, numbers))

    async def resume(self, message: MessageId, *, numbers: Collection[int] | None = None) -> None:
        """Let a frozen message, or what is frozen for these recipients, be delivered again."""
        await self._change(message, changes.resumed(message, numbers))
        self.on_queued(message)

    async def _change(self, message: MessageId, operation: Operation) -> None:
        self._at_hand.forget(message)
        await self._commits.add(operation)
