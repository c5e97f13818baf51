"""Where is a message while it passes through us?

Touches memory, or one folder for a large one. Nothing here is durable or has to be: until the next
hop has taken a message it is still the sender's, and a crash loses a copy. What a crash leaves in
the folder is removed at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from common.clock import Clock
from common.envelope import Envelope
from common.ids import MessageId, ulid
from common.preferences import Preferences
from common.states import State
from satellite.spool.disk.bodies import Body, BodyFile
from satellite.spool.intake import disk_failure
from satellite.spool.model.messages import (
    INLINE_BYTES_MAX,
    Judgement,
    Origin,
    Recipient,
    Stored,
)

ROOM_BYTES_MIN = 64 * 1024 * 1024  # free on the disk; a message below the limit fits


class PassingMessage:
    """One message between 354 and the next hop's answer.

    Args:
        folder: for one that is large.
        clock: for its id.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.id = MessageId(ulid(now_us=clock.now_us(), randomness=os.urandom(10)))
        self._now_us = clock.now_us()
        self._folder = folder
        self._data = bytearray()
        self._file: BodyFile | None = None
        self._digest = sha256()
        self._size = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append octets.

        Raises:
            DiskFull: there is no room.
            EnvironmentFailure: the disk said something else.
        """
        self._digest.update(chunk)
        self._size += len(chunk)
        if self._file is None and self._size <= INLINE_BYTES_MAX:
            self._data += chunk
            return
        try:
            if self._file is None:
                self._file = BodyFile(self._folder, self.id)
                self._file.write(bytes(self._data))
                self._data.clear()
            self._file.write(bytes(chunk))
        except OSError as error:
            raise disk_failure(error) from error

    def offered(self, *, envelope: Envelope, trace: bytes) -> tuple[Stored, Body]:
        """Return the message and its octets, as the rooms know them.

        Raises:
            EnvironmentFailure: they cannot be read.
        """
        recipients = tuple(
            Recipient(number=number, address=address, state=State.RECEIVED)
            for number, address in enumerate(envelope.recipients)
        )
        digest = self._digest.digest()
        stored = Stored(
            id=self.id,
            origin=Origin.SMTP,
            envelope=envelope,
            received_us=self._now_us,
            age_us=0,
            size=self._size,
            sha256=digest,
            trace=trace,
            revision=0,
            subject="",
            scans=0,
            recipients=recipients,
            copies=(),
            in_file=self._file is not None,
        )
        if self._file is None:
            return stored, Body(size=self._size, data=bytes(self._data))
        path = self._file.part
        return stored, Body.of_file(path, size=self._size, sha256=digest, is_at_hand=True)

    async def commit(
        self, *, envelope: Envelope, trace: bytes, judgement: Judgement | None = None
    ) -> None:
        """Never called: there is no spool, and nothing is accepted before the next hop has it."""
        raise AssertionError("a message that passes through is never committed")

    async def reject(self, *, envelope: Envelope, trace: bytes, judgement: Judgement) -> None:
        """Never called, as above."""
        raise AssertionError("a message that passes through is never recorded")

    def abandon(self) -> None:
        """Forget it; harmless when repeated."""
        self._data.clear()
        if self._file is not None:
            self._file.abandon()


class PassingIntake:
    """Where the front end puts messages.

    Args:
        folder: for large ones.
        preferences: returns those in force, which change while it runs.
        clock: for ids.
    """

    def __init__(self, folder: Path, preferences: Callable[[], Preferences], clock: Clock) -> None:
        self._preferences = preferences
        self._folder = folder
        self._clock = clock

    @property
    def preferences(self) -> Preferences:
        """Return those that the next message is judged by."""
        return self._preferences()

    def begin(self) -> PassingMessage:
        """Open a message."""
        return PassingMessage(self._folder, self._clock)

    def refusal(self) -> str | None:
        """Say why nothing may be taken now, or None."""
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            return f"the folder cannot be seen: {error.strerror}"
        free = disk.f_bavail * disk.f_frsize
        return f"{free} octets are free on the disk" if free < ROOM_BYTES_MIN else None
