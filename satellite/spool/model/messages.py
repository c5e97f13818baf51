"""What does the spool hold of one message, and what do the stages put back?

Pure: the shapes that pass between the spool and the rooms around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Envelope
from common.frozen import dataclass
from common.ids import MessageId
from common.records import CondemnedRecord
from common.states import State
from common.verdict import Verdict

INLINE_BYTES_MAX = 65_536  # larger bodies are files: measured, a table row is cheaper below


class Disposition(StrEnum):
    """What is done for one recipient."""

    DELIVER = "deliver"
    QUARANTINE = "quarantine"
    DROP = "drop"
    REJECT = "reject"


class Origin(StrEnum):
    """Where a message in the spool came from."""

    SMTP = "smtp"
    BOUNCE = "bounce"  # a DSN of our own: never scanned, never bounced
    RELEASE = "release"  # a quarantined message that the core released


class Copy(NamedTuple):
    """What a delivered copy looks like: ``head`` and then the body from octet ``skip`` on.

    Recipients with the same copy and destination share one delivery transaction; recipients with
    other headers never see these. A tuple, since each message looks it up some ten times.
    """

    head: bytes
    skip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient of a message."""

    number: int  # place in the envelope, from 0
    address: str
    state: State
    disposition: str = ""  # empty before it is judged
    decided: str = ""  # the rule, threat or list entry behind the disposition
    reason: str = ""  # why it is in its state
    attempts: int = 0
    next_us: int = 0  # wall clock, when to try again; 0: now
    reply: str = ""  # the last reply of the customer's server
    copy: int = -1  # which of the message's copies; -1: none yet
    dsn: DsnParameters = NO_DSN_PARAMETERS  # what the sender wants to be told
    told_us: int = 0  # when the sender was told of the delay; 0: not yet
    suspect: bool = False  # judged spam or virus: its sender may be forged, and is told nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One message as the spool holds it, without its body."""

    id: MessageId
    origin: Origin
    envelope: Envelope
    received_us: int
    age_us: int  # the age clock when it was accepted: the hold days count from here
    size: int  # octets of the body
    sha256: bytes
    trace: bytes  # our Received line, CRLF included
    revision: int  # of the preferences that judged it; 0 before
    subject: str
    scans: int  # tries of scanning so far
    recipients: tuple[Recipient, ...]
    copies: tuple[Copy, ...]
    in_file: bool
    released_from: str = ""


class PendingRow(NamedTuple):
    """One recipient that is to be delivered to: no more of its message than orders it."""

    message: MessageId
    origin: str
    size: int
    age_us: int
    number: int
    address: str
    state: str
    next_us: int
    may_be_told: bool  # its sender, of a delay: nothing that stands here is against it


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that we make ourselves: a DSN. Its body goes into the database."""

    id: MessageId
    origin: Origin
    envelope: Envelope
    body: bytes
    copy: Copy
    subject: str = ""

    def as_stored(
        self, *, received_us: int, age_us: int, recipients: tuple[Recipient, ...]
    ) -> Stored:
        """Return it as the spool holds it."""
        return Stored(
            id=self.id,
            origin=self.origin,
            envelope=self.envelope,
            received_us=received_us,
            age_us=age_us,
            size=len(self.body),
            sha256=hashlib.sha256(self.body).digest(),
            trace=b"",
            revision=0,
            subject=self.subject,
            scans=0,
            recipients=recipients,
            copies=(self.copy,),
            in_file=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The disposition of one recipient."""

    number: int
    disposition: Disposition
    reason: str  # the rule, threat or list entry that decided
    copy: Copy
    sending: bool = False  # its delivery starts at once: write the sending mark now
    suspect: bool = False  # judged spam or virus, whatever the policy then does with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What scanning, filtering and disposition made of one message."""

    revision: int
    subject: str
    message_id_header: str
    recipients: tuple[Judged, ...]
    verdicts: tuple[Verdict, ...]  # of engines and filters
    score: float
    quarantine_reason: str = ""  # virus, spam, blacklist, policy, unscannable, waited, postmaster
    quarantine_detail: str = ""
    rejected_for: str = ""  # virus, macro, …: before 250 and all recipients end so; else empty
    digests: tuple[str, ...] = ()  # SHA-256 of its risky parts, of what is delivered
    condemned: CondemnedRecord | None = None  # what is told of a threat, if it holds one

    @property
    def is_for_delivery(self) -> bool:
        """Whether somebody is to get the message."""
        return Disposition.DELIVER in [one.disposition for one in self.recipients]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """Recipients that wait for an engine, while the others of their message are judged."""

    numbers: tuple[int, ...]
    next_us: int  # wall clock, when the message is scanned again for them
    reason: str
    faults: Mapping[str, int]  # engines that could not finish this very message, and how often


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How one recipient left a delivery transaction: an outcome, or a state to try again from."""

    number: int
    state: State
    reason: str
    reply: str = ""
    next_us: int = 0
    attempted: bool = True  # False: the connection failed before the recipient was named
    told: bool = False  # one of the DSNs of this commit tells the sender of the delay


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMark:
    """A destination whose server is away, as the spool remembers it over a restart."""

    destination: str  # its name, at most 255 characters
    since_us: int  # wall clock
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A quarantined message on its way to the core."""

    message: Stored
    quarantined_us: int
    recipients: tuple[str, ...]
    reason: str
    detail: str
    copy: Copy


@dataclass(frozen=True, slots=True)
class UploadsSetAside:
    """Quarantined messages that the core does not take, and that stay here."""

    count: int
    first: MessageId
    reason: str  # of the first, as the core or this shard said
