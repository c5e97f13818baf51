"""Which records and bodies go to the core next, and what may be deleted once it has them?

Pure. Records: contiguous batches of bounded size, a window of unconfirmed ones, deleted only up to
what the core confirmed as durable. Quarantined mail: the case, then the body in chunks from where
the core wants it, deleted only once the core has it whole. Both go on after any break.

Source: docs/design/link-guarantees.md, U1-U5; promises P7, P8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from common.ids import MessageId
from common.link import RECORDS_OF_MESSAGE_MAX, Case, NotTaken, Taken, Unreadable, Wanted
from common.records import LogRecord
from satellite.spool.model.messages import Upload

BATCH_RECORDS_MAX = RECORDS_OF_MESSAGE_MAX
BATCH_BYTES_MAX = 262_144  # of fields: one batch never holds the path for long
WINDOW_RECORDS = 4000  # unconfirmed; eight batches fill a path of 100 ms
RECORD_OVERHEAD_BYTES = 64  # sequence, time, event and identifier beside the fields

OPEN_CASES_MAX = 8  # unconfirmed uploads: small messages do not wait a round trip each
BODY_TRIES_MAX = 3  # in one connection, for a core that wants the same body again and again


def batches(records: Iterable[LogRecord]) -> Iterator[tuple[LogRecord, ...]]:
    """Cut records into batches within the limits; a single record always fits one."""
    batch: list[LogRecord] = []
    byte_count = 0
    for record in records:
        record_bytes = len(record.fields) + RECORD_OVERHEAD_BYTES
        byte_count += record_bytes
        if batch and (byte_count > BATCH_BYTES_MAX or len(batch) >= BATCH_RECORDS_MAX):
            yield tuple(batch)
            batch, byte_count = [], record_bytes
        batch.append(record)
    if batch:
        yield tuple(batch)


def case_of(upload: Upload) -> Case:
    """Return what the core is told of a quarantined message before its body."""
    message = upload.message
    return Case(
        message_id=message.id,
        quarantined_us=upload.quarantined_us,
        sender=message.envelope.sender,
        recipients=upload.recipients,
        reason=upload.reason,
        detail=upload.detail,
        sha256=message.sha256,
        size=message.size,
        subject=message.subject,
        client_address=message.envelope.client_address,
        head=upload.copy.head,
        skip=upload.copy.skip,
        smtputf8=message.envelope.smtputf8,
        eight_bit=message.envelope.eight_bit,
    )


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UploadsOpened:
    """A quarantine stream is open, and the core knows who we are."""


@dataclass(frozen=True, slots=True)
class UploadsGrown:
    """There may be more to upload."""


@dataclass(frozen=True, slots=True)
class UploadsListed:
    """What the spool has to upload, the oldest first."""

    uploads: tuple[Upload, ...]


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A body cannot be read here."""

    message_id: str
    reason: str


Event = (
    UploadsOpened
    | UploadsGrown
    | UploadsListed
    | Unsendable
    | Wanted
    | Taken
    | NotTaken
    | Unreadable
)

# --- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListUploads:
    """Ask the spool for uploads, then come back with ``UploadsListed``."""

    limit: int


@dataclass(frozen=True, slots=True)
class SendCase:
    """Tell the core of a quarantined message."""

    upload: Upload


@dataclass(frozen=True, slots=True)
class SendBody:
    """Send a body from ``offset`` to its end."""

    upload: Upload
    offset: int


@dataclass(frozen=True, slots=True)
class Discard:
    """The core has it whole and durably: from here on our copy is one too many."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class SetUploadAside:
    """A quarantined message stays here and is offered no more; an operator should know."""

    message_id: MessageId
    reason: str


Command = ListUploads | SendCase | SendBody | Discard | SetUploadAside


class QuarantineUplink:
    """The uploads of one shard.

    What was refused is set aside in the spool, and is in none of its lists until the next start.
    """

    def __init__(self) -> None:
        self._open: dict[str, Upload] = {}
        self._tries: dict[str, int] = {}

    def handle(self, event: Event) -> list[Command]:  # noqa: PLR0911 - one for each event
        """Return what to do about ``event``, in the order in which to do it."""
        match event:
            case UploadsOpened():
                self._open.clear()
                self._tries.clear()
                return self._more()
            case UploadsGrown():
                return self._more()
            case UploadsListed(uploads=uploads):
                return self._begin(uploads)
            case Wanted(message_id=message_id, offset=offset):
                return self._send(message_id, offset)
            case Taken(message_id=message_id):
                upload = self._open.pop(message_id, None)
                return [Discard(upload.message.id), *self._more()] if upload else []
            case NotTaken(message_id=message_id, reason=reason):
                return self._give_up(message_id, reason)
            case Unsendable(message_id=message_id, reason=reason):
                return self._give_up(message_id, reason)
            case Unreadable():
                return []  # nothing is deleted on an answer that we do not understand
            case _:
                assert_never(event)

    def _more(self) -> list[Command]:
        if len(self._open) >= OPEN_CASES_MAX:
            return []
        # Those that are open stand first in the spool's list.
        return [ListUploads(OPEN_CASES_MAX + len(self._open))]

    def _begin(self, uploads: tuple[Upload, ...]) -> list[Command]:
        commands: list[Command] = []
        for upload in uploads:
            if len(self._open) >= OPEN_CASES_MAX:
                break
            if upload.message.id in self._open:
                continue
            self._open[upload.message.id] = upload
            commands.append(SendCase(upload))
        return commands

    def _send(self, message_id: str, offset: int) -> list[Command]:
        upload = self._open.get(message_id)
        if upload is None:
            return []
        tries = self._tries[message_id] = self._tries.get(message_id, 0) + 1
        if tries > BODY_TRIES_MAX:
            return self._give_up(message_id, f"the core asked for it {tries} times")
        if offset > upload.message.size:
            return self._give_up(message_id, f"the core wants octet {offset}, beyond the end")
        return [SendBody(upload, offset)]

    def _give_up(self, message_id: str, reason: str) -> list[Command]:
        upload = self._open.pop(message_id, None)
        return [SetUploadAside(upload.message.id, reason), *self._more()] if upload else []
