"""How is a message damaged, frozen, resumed, dropped, bounced or taken by the core?

Touches the spool's commits. An operator asks, the link, or a stage that cannot read a body.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from common.ids import MessageId
from common.preferences import Preferences
from common.records import CondemnedRecord, Record
from common.states import State
from satellite.spool import changes
from satellite.spool import operator_steps as moves
from satellite.spool.commits import Commits, Operation, Transaction
from satellite.spool.contents import Contents
from satellite.spool.disk.bodies import remove_body
from satellite.spool.disk.problems import problems
from satellite.spool.intake import queued_recipients
from satellite.spool.listeners import SpoolListeners
from satellite.spool.model.messages import NewMessage, Stored
from satellite.spool.model.states import STOPPED


class Interventions(Contents):
    """The part of the spool that operators, damage and the core meet."""

    _commits: Commits
    _listeners: SpoolListeners | None = None  # those that ``connect`` gave
    folder: Path
    preferences: Preferences

    async def damage(self, message: MessageId, reason: str) -> None:
        """Set a message aside whose body cannot be read."""
        await self._change(message, moves.damaged(message, reason))

    async def freeze(
        self,
        message: MessageId,
        reason: str,
        *,
        numbers: Collection[int] | None = None,
        unsent: Collection[int] = (),
    ) -> None:
        """Stop the delivery of a message, or to these of its recipients, until it is resumed.

        Args:
            message: which one.
            reason: why, for the record.
            numbers: the recipients that are meant; None: all. Those that are being sent go on.
            unsent: recipients with a sending mark whose turn has not begun, and does not begin
                before this is durable: delivery vouches for both.
        """
        await self._change(message, moves.frozen(message, reason, numbers, unsent))

    async def resume(self, message: MessageId, *, numbers: Collection[int] | None = None) -> None:
        """Let what is frozen of a message go on, or damaged, if its body can be read again.

        What waits, for an engine or for the end of its zero hour, is scanned now.

        Args:
            message: which one.
            numbers: the recipients that are meant; None: all.

        Raises:
            BodyDamaged: it still cannot be read; nothing has changed.
        """
        stored = self.message(message)
        if stored is None:
            return
        if any(recipient.state is State.DAMAGED for recipient in stored.recipients):
            with self.open_body(stored) as body:
                await body.verify()
        await self._change(message, moves.resumed(message, numbers))
        resumable = STOPPED | {State.WAITING}
        stopped = [one for one in stored.recipients if one.state in resumable]
        meant = [one for one in stopped if numbers is None or one.number in numbers]
        for is_judged in sorted({one.copy >= 0 for one in meant}):
            self._tell(message, is_judged=is_judged)

    async def drop(self, message: MessageId) -> None:
        """Give a damaged message up: its outcome is ``dropped``, by an operator."""
        await self._change(message, moves.dropped(message, self._dropper(message)))

    async def bounce(
        self,
        message: MessageId,
        numbers: Collection[int],
        reason: str,
        *,
        records: Sequence[Record] = (),
        bounces: Sequence[NewMessage] = (),
    ) -> None:
        """Send what is frozen or damaged of a message back: outcome, records and DSN in one commit.

        Args:
            message: which one.
            numbers: the recipients that end so.
            reason: why, for the record.
            records: what else is to be told.
            bounces: the DSNs; none when nobody is told.

        Raises:
            IllegalTransition: one of them is neither any more; nothing has changed.
        """
        made = [(self._stored_new(bounce), bounce) for bounce in bounces]
        operation = moves.bounced(
            message,
            numbers,
            reason,
            records=records,
            bounces=made,
            drop_body=self._dropper(message),
        )
        await self._change(message, operation)

    async def condemn(self, message: MessageId, record: CondemnedRecord) -> None:
        """Tell that an engine names a threat in a message that may have left."""

        def write(transaction: Transaction) -> None:
            transaction.record(record, message)

        await self._commits.add(write)

    async def upload_taken(self, message: MessageId) -> None:
        """Delete our copy of a quarantined message: the core has it durably, SHA-256 checked."""
        await self._change(message, changes.upload_taken(message, self._dropper(message)))

    async def set_upload_aside(self, message: MessageId, reason: str) -> None:
        """Keep a quarantined message that the core does not take, and offer it no more."""
        await self._commits.add(changes.upload_set_aside(message, reason))

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know of the folder, one sentence each."""
        unreadable = str(self.preferences.unreadable)
        return (
            *problems(self.folder, log_pages=self._commits.log_pages, gap=self._outbox.gap()),
            *[unreadable] * bool(unreadable),
        )

    def _dropper(self, message: MessageId) -> Callable[[], None]:
        return lambda: remove_body(self._bodies / message)

    def _stored_new(self, new: NewMessage) -> Stored:
        return new.as_stored(
            received_us=self._clock.now_us(),
            age_us=self.age_us(),
            recipients=queued_recipients(new.envelope, reason=new.origin),
        )

    def _tell(self, message: MessageId, *, is_judged: bool) -> None:
        """Say that there is work: to deliver a message, or first to judge it."""
        if self._listeners is not None:
            (self._listeners.queued if is_judged else self._listeners.received)(message)

    async def _change(self, message: MessageId, operation: Operation) -> None:
        self._cache.forget(message)
        await self._commits.add(operation)
        self._cache.forget(message)  # what another change put there meanwhile
