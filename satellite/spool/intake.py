"""How is an incoming message written to the spool and made durable?

Touches body files and the commit. Octets gather in memory up to 64 KiB and in a file beyond; only
``commit`` makes them a message.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

from common.envelope import Envelope
from common.errors import BorderScoutError, DiskFull, EnvironmentFailure
from common.ids import MessageId
from common.states import State
from satellite.spool import changes, scan_before_answer
from satellite.spool.commits import Commits, Operation
from satellite.spool.disk.bodies import Body, BodyFile, SyncFailed
from satellite.spool.model.judged import as_judged
from satellite.spool.model.messages import (
    INLINE_BYTES_MAX,
    Copy,
    Disposition,
    Judgement,
    Origin,
    Recipient,
    Stored,
)


class SpoolEntry:
    """One message that is being received.

    Args:
        message: its id, which is also the name of its body file.
        folder: the body folder.
        commits: the group commit.
        age_us: the age clock now.
        now_us: the wall clock now.
        done: called with the message, and its body if that is no file, once it is durable.
    """

    def __init__(
        self,
        message: MessageId,
        *,
        folder: Path,
        commits: Commits,
        age_us: int,
        now_us: int,
        done: Callable[[Stored, bytes | None], None],
    ) -> None:
        self.id = message
        self.size = 0
        self._folder = folder
        self._commits = commits
        self._age_us = age_us
        self._now_us = now_us
        self._done = done
        self._memory = bytearray()
        self._file: BodyFile | None = None
        self._hash = hashlib.sha256()
        self._committing = False

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append octets of the body.

        Raises:
            DiskFull: there is no room; the caller abandons the entry.
            EnvironmentFailure: the disk said something else.
        """
        assert not self._committing
        self._hash.update(chunk)
        self.size += len(chunk)
        if self._file is None:
            self._memory += chunk
            if len(self._memory) <= INLINE_BYTES_MAX:
                return
            chunk = bytes(self._memory)
            self._memory.clear()
        try:
            if self._file is None:
                self._file = BodyFile(self._folder, self.id)
            self._file.write(bytes(chunk) if isinstance(chunk, bytearray) else chunk)
        except OSError as error:
            raise disk_failure(error) from error

    def offered(self, *, envelope: Envelope, trace: bytes) -> tuple[Stored, Body]:
        """Return message and body as they came, before anything of them is durable.

        The body is read before the next step of the entry, and closed by who asked.

        Raises:
            EnvironmentFailure: it cannot be read.
        """
        stored = self._received(envelope, trace)
        if self._file is not None:
            part = self._file.part
            return stored, Body.of_file(part, size=self.size, sha256=stored.sha256, is_at_hand=True)
        return stored, Body(size=self.size, data=bytes(self._memory))

    async def commit(
        self, *, envelope: Envelope, trace: bytes, judgement: Judgement | None = None
    ) -> None:
        """Return once message and envelope are durable. Run it through ``finish``.

        Args:
            envelope, trace: who sends it to whom, and our Received line.
            judgement: of a message that was scanned before its answer.

        Raises:
            DiskFull, EnvironmentFailure: nothing was taken; the caller abandons the entry.
        """
        stored, body = self._received(envelope, trace), self._inline()
        operation = changes.accepted(stored, body)
        if judgement is not None:
            drop_body = changes.body_dropper(self._folder, self.id)
            operation = scan_before_answer.accepted_and_judged(stored, body, judgement, drop_body)
            stored = as_judged(stored, judgement)
        await self._take(stored, body, operation)

    async def reject(self, *, envelope: Envelope, trace: bytes, judgement: Judgement) -> None:
        """Return once it is on record why the message is not taken; then abandon the entry.

        Raises:
            DiskFull, EnvironmentFailure: it is not.
        """
        await self._commits.add(
            scan_before_answer.rejected(self._received(envelope, trace), judgement)
        )

    async def commit_release(
        self,
        *,
        release_id: str,
        envelope: Envelope,
        copy: Copy,
        subject: str,
        released_from: str,
        suspect: bool,
    ) -> None:
        """Return once the released message is durable and queued; once for each release id.

        Raises:
            IllegalTransition: the release was taken before; the caller abandons the entry.
            DiskFull, EnvironmentFailure: nothing was taken.
        """
        stored = self._stored(
            origin=Origin.RELEASE,
            envelope=envelope,
            trace=b"",
            recipients=queued_recipients(envelope, reason="released", suspect=suspect),
            copies=(copy,),
            subject=subject,
            released_from=released_from,
        )
        body = self._inline()
        await self._take(stored, body, changes.released(stored, body, release_id))

    def abandon(self) -> None:
        """Leave nothing behind; harmless after a commit and while one runs."""
        if self._committing:
            return
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._memory.clear()

    def _received(self, envelope: Envelope, trace: bytes) -> Stored:
        recipients = tuple(
            Recipient(
                number=number, address=address, state=State.RECEIVED, dsn=envelope.dsn(number)
            )
            for number, address in enumerate(envelope.recipients)
        )
        return self._stored(
            origin=Origin.SMTP, envelope=envelope, trace=trace, recipients=recipients
        )

    def _inline(self) -> bytes | None:
        return None if self._file is not None else bytes(self._memory)

    def _stored(
        self,
        *,
        origin: Origin,
        envelope: Envelope,
        trace: bytes,
        recipients: tuple[Recipient, ...],
        copies: tuple[Copy, ...] = (),
        subject: str = "",
        released_from: str = "",
    ) -> Stored:
        return Stored(
            id=self.id,
            origin=origin,
            envelope=envelope,
            received_us=self._now_us,
            age_us=self._age_us,
            size=self.size,
            sha256=self._hash.digest(),
            trace=trace,
            revision=0,
            subject=subject,
            scans=0,
            recipients=recipients,
            copies=copies,
            in_file=self._file is not None,
            released_from=released_from,
        )

    async def _take(self, stored: Stored, body: bytes | None, operation: Operation) -> None:
        self._committing = True
        try:
            if self._file is not None:
                # Durable under its final name before the row that points to it.
                await asyncio.get_running_loop().run_in_executor(None, self._file.publish)
            await self._commits.add(operation)
        except OSError as error:
            self._committing = False
            failure = disk_failure(error)
            if isinstance(error, SyncFailed) and not isinstance(failure, DiskFull):
                self._commits.give_up(failure.what)
            raise failure from error
        except BorderScoutError:
            # Whether a commit whose sync failed is there, the next start will see: until then the
            # file stays, and abandoning the entry does nothing.
            self._committing = self._commits.broken != ""
            raise
        self._memory.clear()
        self._done(stored, body)


def queued_recipients(
    envelope: Envelope, *, reason: str, suspect: bool = False
) -> tuple[Recipient, ...]:
    """Return the recipients of a message that goes straight to delivery, with its one copy.

    Args:
        envelope: from whom to whom.
        reason: why they get it.
        suspect: its sender may be forged, and is told nothing.
    """
    return tuple(
        Recipient(
            number=number,
            address=address,
            state=State.QUEUED,
            disposition=Disposition.DELIVER,
            decided=reason,
            reason=reason,
            copy=0,
            suspect=suspect,
        )
        for number, address in enumerate(envelope.recipients)
    )


def disk_failure(error: OSError) -> EnvironmentFailure:
    """Return our word for what the disk said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the spool's disk is full", hint="free some space")
    where = f" at {error.filename}" if error.filename else ""
    is_forbidden = error.errno in (errno.EACCES, errno.EPERM)
    return EnvironmentFailure(
        f"the spool's disk failed{where}: {error.strerror}",
        hint="check who may read and write there" if is_forbidden else "check the disk",
    )
