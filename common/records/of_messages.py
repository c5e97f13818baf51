"""What do the records in a message's life say?

Pure. Every event has its class here; the names of its fields are the keys of its JSON. Where a
record names recipients, it speaks of those alone.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from common.frozen import dataclass
from common.records.bounds import DIGESTS_MAX
from common.records.events import Event
from common.records.items import (
    AttemptedRecipient,
    DisposedRecipient,
    EndedRecipient,
    Flag,
    Label,
    Line,
    MovedRecipient,
    Name,
    Number,
    Points,
    TimeUs,
    Verdicts,
    addresses,
    moved_recipients,
    recipients,
)
from common.records.kinds import Key, LeftOutWhenEmpty, digests

Addresses = Annotated[tuple[str, ...], addresses()]
Digests = Annotated[tuple[str, ...], digests(DIGESTS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedRecord:
    """What came: envelope, size and SHA-256."""

    client: Annotated[Name, "address of the client; empty: we made the message"]
    helo: Annotated[Name, "what the client called itself"]
    sender: Annotated[Name, "reverse-path; empty for a notice"]
    recipients: Annotated[Addresses, "every recipient, in the order of the envelope"]
    size: Annotated[Number, "octets of the body"]
    sha256: Annotated[Label, "of the body, hexadecimal"]
    tls: Annotated[Name, "protocol and cipher of the session; empty: in the clear"]
    origin: Annotated[Label, "`smtp`, `bounce` or `release`"]
    subject: Annotated[Line, "of a message that we made; the others' is in `scanned`"]
    released_from: Annotated[Name, "the quarantined message that this one was made from, or empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRecord(ArrivedRecord):
    """A message is ours from now on: it was answered 250, or made by us."""

    event: ClassVar[Event] = Event.ACCEPTED
    written_by: ClassVar[str] = "the spool, in the commit that takes the message"


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord(ArrivedRecord):
    """A message was offered, answered 550 after a scan, and not taken."""

    event: ClassVar[Event] = Event.REJECTED
    written_by: ClassVar[str] = "the spool, before its `scanned`, `judged` and `ended`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedRecord:
    """Every engine and filter has been asked."""

    event: ClassVar[Event] = Event.SCANNED
    written_by: ClassVar[str] = "the spool, in the commit of a judgement"

    revision: Annotated[Number, "the preferences that it was judged by"]
    score: Annotated[Points, "the highest of its recipients'"]
    subject: Annotated[Line, "decoded"]
    message_id_header: Annotated[Line, Key("message_id"), "the header's Message-ID, with its `<>`"]
    verdicts: Annotated[Verdicts, "in the order of engines and filters"]
    digests: Annotated[Digests, "of the risky parts of mail that is delivered"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CondemnedRecord:
    """An engine named a threat in this message: its content is one, wherever else it has been."""

    event: ClassVar[Event] = Event.CONDEMNED
    written_by: ClassVar[str] = "the spool, in the commit of a judgement; or a second look"

    engine: Annotated[Label, "who named it, as the settings name it"]
    threat: Annotated[Name, "its name"]
    definitions: Annotated[Line, "the version of what the engine knows it by"]
    digests: Annotated[Digests, "of the risky part, where the message has no more than one"] = ()
    late: Annotated[Flag, "the message itself was delivered before"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRecord:
    """A message is scanned again: an engine is silent, its zero hour goes on, or it was stopped."""

    event: ClassVar[Event] = Event.WAITING
    written_by: ClassVar[str] = "the spool, in the commit that lets the message wait"

    reason: Annotated[Line, "for what"]
    next_us: Annotated[TimeUs, "when it is scanned again; 0: now"] = 0
    verdicts: Annotated[Verdicts, "of those that did answer"] = ()
    recipients: Annotated[Addresses, LeftOutWhenEmpty(), "who waits; none: all"] = ()
    subject: Annotated[Line, LeftOutWhenEmpty(), "decoded; once a `scanned` has it, that one's"] = (
        ""
    )
    message_id_header: Annotated[
        Line, Key("message_id"), LeftOutWhenEmpty(), "the header's Message-ID, with its `<>`"
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRecord:
    """Recipients have their disposition: all of them, but for those that wait for an engine."""

    event: ClassVar[Event] = Event.JUDGED
    written_by: ClassVar[str] = "the spool, in the commit of a judgement"

    recipients: Annotated[
        tuple[DisposedRecipient, ...], recipients(DisposedRecipient), "what is done for each"
    ]
    quarantine_reason: Annotated[Label, "the class of the reason; empty: nothing is quarantined"]
    quarantine_detail: Annotated[Line, "the reason in words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptedRecord:
    """One delivery transaction has been tried."""

    event: ClassVar[Event] = Event.ATTEMPTED
    written_by: ClassVar[str] = "delivery, in the commit of what the attempt came to"

    destination: Annotated[Name, "what the queue is named by: a domain, or the smart host"]
    host: Annotated[Name, "the host that was talked to, with its port"]
    tls: Annotated[Name, "protocol and cipher of the session; empty: in the clear"]
    tls_verified: Annotated[Flag, "the host's certificate holds for its name"]
    recipients: Annotated[
        tuple[AttemptedRecipient, ...], recipients(AttemptedRecipient), "what was said of each"
    ]
    tls_problem: Annotated[
        Line, LeftOutWhenEmpty(), "why it is in the clear although TLS was offered"
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRecord:
    """Recipients are in another state now."""

    recipients: Annotated[
        tuple[MovedRecipient, ...],
        moved_recipients(),
        LeftOutWhenEmpty(),
        "which; none: all that have not ended",
    ] = ()
    reason: Annotated[Line, LeftOutWhenEmpty(), "why, for those that have no reason of theirs"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredRecord(MovedRecord):
    """Recipients will be tried again."""

    event: ClassVar[Event] = Event.DEFERRED
    written_by: ClassVar[str] = "the spool, in the commit of what an attempt came to"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecord(MovedRecord):
    """The customer's server is away: recipients are held until it is back."""

    event: ClassVar[Event] = Event.HELD
    written_by: ClassVar[str] = "the spool, in the commit of what an attempt came to"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRecord(MovedRecord):
    """An operator has stopped recipients, or delivery has for want of one."""

    event: ClassVar[Event] = Event.FROZEN
    written_by: ClassVar[str] = "the spool, in the commit that stops them"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedRecord(MovedRecord):
    """An operator lets recipients go on to delivery."""

    event: ClassVar[Event] = Event.RESUMED
    written_by: ClassVar[str] = "the spool, in the commit that lets them go on"


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedRecord(MovedRecord):
    """The message's body cannot be read; an operator decides."""

    event: ClassVar[Event] = Event.DAMAGED
    written_by: ClassVar[str] = "the spool, when it finds it, or when it mends its database"


@dataclass(frozen=True, slots=True, kw_only=True)
class PossiblyDeliveredRecord:
    """The final dot may have been answered by a 250 that was lost; they are tried again."""

    event: ClassVar[Event] = Event.POSSIBLY_DELIVERED
    written_by: ClassVar[str] = "the spool at a start, for each sending mark; or delivery"

    recipients: Annotated[Addresses, "who may get it twice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRecord:
    """Recipients have their outcome; each has exactly one."""

    event: ClassVar[Event] = Event.ENDED
    written_by: ClassVar[str] = "the spool, in the commit that ends them"

    recipients: Annotated[
        tuple[EndedRecipient, ...], recipients(EndedRecipient), "how each has ended"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceMadeRecord:
    """A notice to the sender was made, as a message of its own."""

    event: ClassVar[Event] = Event.BOUNCE_MADE
    written_by: ClassVar[str] = "the spool, in the commit of what the notice tells"

    bounce_id: Annotated[Label, "our id of the notice"]
    sender: Annotated[Name, "whom it tells: the sender of this message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceWithheldRecord:
    """Mail failed, and its sender is not told."""

    event: ClassVar[Event] = Event.BOUNCE_WITHHELD
    written_by: ClassVar[str] = "delivery, in the commit of the failure"

    recipients: Annotated[Addresses, "whose mail failed"]
    reason: Annotated[Line, "why the sender is not told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedRecord:
    """This message was made from a quarantined one."""

    event: ClassVar[Event] = Event.RELEASED
    written_by: ClassVar[str] = "the spool, in the commit that takes a release"

    release_id: Annotated[Label, "the release at the core"]
    released_from: Annotated[Name, "our id of the quarantined message"]
