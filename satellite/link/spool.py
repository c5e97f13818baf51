"""What does the link need from the spool?

Pure: the port that ``satellite.spool.store.Spool`` fulfils, and that a test's spool in memory does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from common.envelope import Envelope
from common.ids import MessageId
from common.preferences import Document, Position, Preferences
from common.records import LogRecord, NodeRecord
from satellite.spool.disk.bodies import Body
from satellite.spool.life import SpoolLife
from satellite.spool.model.messages import Copy, Stored, Upload, UploadsSetAside


class ReleaseEntry(Protocol):
    """A released message that is being fetched."""

    id: MessageId
    size: int

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append octets of the body. Raises DiskFull."""
        ...

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
        """Make it durable and queue it, with its record. Raises EnvironmentFailure."""
        ...

    def abandon(self) -> None:
        """Leave nothing behind; harmless after a commit."""
        ...


class LinkSpool(Protocol):
    """The spool as the link sees it."""

    node: str
    shard: int
    life: SpoolLife
    preferences: Preferences
    announced: bytes  # the digest of that set, as the core announced it

    def records(self, *, after: int, limit: int) -> list[LogRecord]: ...

    def last_sequence(self) -> int:
        """Return the highest sequence that a durable record ever had; 0 before the first."""
        ...

    async def acknowledge_records(self, up_to: int, digest: bytes = b"") -> None: ...

    async def mark_forked(self, why: str) -> None: ...

    def uploads(self, *, limit: int) -> list[Upload]: ...

    def open_body(self, message: Stored) -> Body: ...

    def set_aside(self) -> UploadsSetAside | None: ...

    async def set_upload_aside(self, message: MessageId, reason: str, /) -> None: ...

    async def upload_taken(self, message: MessageId, /) -> None: ...

    async def apply_preferences(
        self,
        documents: Sequence[Document],
        *,
        position: Position,
        digest: bytes,
        snapshot: bool,
    ) -> None: ...

    async def settle_preferences(self) -> None:
        """Do what is left to do for a revision that is in force; raises EnvironmentFailure."""
        ...

    async def preferences_digests(self) -> tuple[bytes, bytes]:
        """Return ``announced``, and the digest of the documents that are on the disk now."""
        ...

    def release_is_known(self, release_id: str) -> bool: ...

    def begin(self) -> ReleaseEntry: ...

    async def note(self, *records: NodeRecord) -> None: ...

    def backlog_sizes(self) -> tuple[int, int]: ...
