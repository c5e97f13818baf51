"""What do a shard and the core say to each other?

Pure: the messages of the link as both sides' machines see them. ``common.wire`` turns them into
protobuf and back; ``Unreadable`` is what it makes of a message from another version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from common.chain import ChainPoint
from common.field_kinds import (
    Address,
    Addresses,
    Digest,
    Flag,
    Head,
    Label,
    Number,
    Shown,
    TimeUs,
    Ulid,
)
from common.identity import ShardIdentity
from common.preferences import Document, Position
from common.records import LogRecord
from common.reports import NodeReport

PROTOCOL_VERSION = 1
LIFE = re.compile("[0-9a-f]{32}", re.ASCII)  # of a core's process
RECORDS_OF_MESSAGE_MAX = 500  # the core takes no more at once: each is a row, or some
CHUNK_BYTES_MAX = 262_144  # of a body: small enough that streams share the path fairly
PART_BYTES_MAX = 131_072  # of one part of preferences: both ends take it in a step of some ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A message that this version does not know; what it asked for is not done."""

    nonce: str = ""  # of a batch of preferences, which must be answered
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreStanding:
    """What a core says of itself, before its first answer on each stream and call.

    Args:
        position: where its preferences are.
        digest: of the whole set there.
        life: of its process, 32 hex digits; no two processes share one.
        digest_at_yours: of its set at the revision that a preference hello named; None on another
            stream, and where it knows no such revision.
    """

    position: Position
    digest: bytes
    life: str
    digest_at_yours: bytes | None = None


# --- control ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message of a control stream."""

    identity: ShardIdentity
    shards: int  # how many this node has
    version: str
    protocol_version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Welcome:
    """The core's answer to a hello; a core of the version before names no standing."""

    core: str
    time_us: int
    standing: CoreStanding | None = None


@dataclass(frozen=True, slots=True)
class ReleaseOffer:
    """This shard may claim the release of a quarantined message."""

    release_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Try what is deferred or held now; an empty destination is all of them."""

    destination: str


@dataclass(frozen=True, slots=True)
class Hint:
    """Another shard has reached the server of a destination that this one holds mail for."""

    destination: str


DRAIN_S_MAX = 600  # that a node empties itself before it takes settings


@dataclass(frozen=True, slots=True)
class SettingsOrder:
    """The node shall take the settings of its document that have this digest, 64 hex digits.

    Before it begins anew it takes no mail and empties itself, for ``drain_s`` seconds at most.
    """

    digest: str
    drain_s: int = 0


@dataclass(frozen=True, slots=True)
class DrainOrder:
    """The node shall take no mail from now on and empty itself, or take mail again."""

    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsOffer:
    """Which set of definitions is to be used; told after each welcome and whenever it changes.

    Args:
        family: whose they are, such as ``clamav``.
        serial: the core's number of the set, from 1; a lower one than before is a roll-back.
        sha256: of the octets of the set's manifest.
        may_load: whether it may be taken into use; fetched it may be at once.
        port: where the core serves it, on the host that the link reaches; 0: as the settings say.
    """

    family: str
    serial: int
    sha256: bytes
    may_load: bool
    port: int = 0


Command = ReleaseOffer | Flush | Hint | DefinitionsOffer | SettingsOrder | DrainOrder
ControlRequest = Hello | NodeReport | Unreadable
ControlResponse = Welcome | Command | Unreadable


# --- preferences --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesHello:
    """The first message of a preference stream: what is applied."""

    identity: ShardIdentity
    applied: Position
    digest: bytes
    protocol_version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRefusal:
    """Why a batch was not applied; kind and key are empty when no document is to blame."""

    reason: str
    kind: str = ""
    key: str = ""
    wants_snapshot: bool = False  # a gap or another digest, not the content


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one batch; without a refusal it is applied and durable."""

    nonce: str
    applied: Position
    digest: bytes
    refusal: LinkRefusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One part of what leads from ``base``, or from nothing in a snapshot, to ``target``."""

    nonce: str
    base: Position | None
    target: Position
    documents: tuple[Document, ...]
    snapshot: bool
    last_part: bool
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """All up to ``position`` was offered, and this is where the core is."""

    position: Position
    time_us: int


PreferencesRequest = PreferencesHello | Answer | Unreadable
PreferencesResponse = Batch | Bookmark | Unreadable


# --- records and quarantine ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Records:
    """Contiguous log records; the identity stands in the first message of a stream.

    Args:
        records: none in the first message, or in one that only tells a place of the chain.
        identity: who sends them.
        chain: with the identity: up to where what was confirmed is deleted; with records: at the
            last of them; alone: at a number that the core named. None from a version before.
        last_sequence: with the identity: the last that was ever given.
    """

    records: tuple[LogRecord, ...]
    identity: ShardIdentity | None = None
    chain: ChainPoint | None = None
    last_sequence: int = 0


@dataclass(frozen=True, slots=True)
class RecordsTaken:
    """Up to where the core has the records durably.

    Args:
        durable: the last one; in the first message: where to go on.
        chain: the digest there; empty: not known.
        forked: why nothing is taken from this spool any more; empty: it is.
    """

    durable: int
    chain: bytes = b""
    forked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of a quarantined message before its body arrives.

    Args:
        message_id: the message.
        quarantined_us: when.
        sender: the envelope's.
        recipients: those whose copy is quarantined.
        reason: virus, spam, blacklist, policy, unscannable, waited or postmaster.
        detail: the threat, rule or entry that decided.
        sha256: of the body.
        size: of the body, octets.
        subject: for lists.
        client_address: who brought it.
        head: what a delivered copy begins with, our lines included.
        skip: octets of the body that ``head`` replaces in a delivered copy.
        smtputf8: whether the envelope needs SMTPUTF8.
        eight_bit: whether BODY=8BITMIME was said.
    """

    message_id: Ulid
    quarantined_us: TimeUs
    sender: Address
    recipients: Addresses
    reason: Label
    detail: Shown
    sha256: Digest
    size: Number
    subject: Shown
    client_address: Label
    head: Head
    skip: Number
    smtputf8: Flag
    eight_bit: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to a claim: what to deliver, to whom, and how the copy begins.

    ``reason`` says why it is not granted; ``kept_for`` is the ``reason`` of the ``Case``, empty
    from a core that does not say it; all else is as in the ``Case``.
    """

    granted: bool
    reason: str = ""
    message_id: Ulid = ""
    sender: Address = ""
    recipients: Addresses = ()
    sha256: Digest = b""
    size: Number = 0
    head: Head = b""
    skip: Number = 0
    smtputf8: Flag = False
    eight_bit: Flag = False
    subject: Shown = ""
    kept_for: Label = ""

    @classmethod
    def granted_for(cls, case: Case, recipients: Addresses) -> Self:
        """Return the answer that gives a quarantined message to a shard, for these recipients."""
        return cls(
            granted=True,
            message_id=case.message_id,
            sender=case.sender,
            recipients=recipients,
            sha256=case.sha256,
            size=case.size,
            head=case.head,
            skip=case.skip,
            smtputf8=case.smtputf8,
            eight_bit=case.eight_bit,
            subject=case.subject,
            kept_for=case.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Octets of a body from ``offset`` on."""

    message_id: str
    offset: int
    data: bytes
    last: bool


QuarantineRequest = ShardIdentity | Case | Chunk | Unreadable


@dataclass(frozen=True, slots=True)
class Wanted:
    """Go on with this body from here."""

    message_id: str
    offset: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Body and case are durable and the SHA-256 agrees."""

    message_id: str


@dataclass(frozen=True, slots=True)
class NotTaken:
    """This message can never be taken."""

    message_id: str
    reason: str


QuarantineResponse = Wanted | Taken | NotTaken | Unreadable
