"""What do the records in a node's life say?

Pure. They belong to no message; otherwise as in ``of_messages``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar

from common.frozen import dataclass
from common.records.bounds import LABEL_LENGTH_MAX, LINE_LENGTH_MAX, NAME_LENGTH_MAX
from common.records.events import Event
from common.records.items import Flag, Label, Line, Name, Number, TimeUs
from common.records.kinds import Key, LeftOutWhenEmpty, counts, texts

Sayings = Annotated[tuple[str, ...], texts(NAME_LENGTH_MAX)]  # what a client said, as it came


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolDamagedRecord:
    """A start found what it could not read, or what is not ours: which, and what now."""

    event: ClassVar[Event] = Event.SPOOL_DAMAGED
    written_by: ClassVar[str] = "the spool at a start; one for the whole, more for long lists"

    reason: Annotated[Line, "what was found"]
    lost: Annotated[Number, "messages of which too little is left"] = 0
    without_body: Annotated[Number, "messages that are now `damaged`"] = 0
    scanned_again: Annotated[Number, "messages without their judgement"] = 0
    records: Annotated[Number, "records of the outbox that are gone"] = 0
    preferences: Annotated[Flag, "the preferences are gone; the core sends them again"] = False
    messages: Annotated[
        tuple[str, ...],
        texts(LABEL_LENGTH_MAX),
        LeftOutWhenEmpty(),
        "ids of those that are lost",
    ] = ()
    files: Annotated[
        tuple[str, ...],
        texts(LINE_LENGTH_MAX),
        LeftOutWhenEmpty(),
        "names of unknown files that were moved aside",
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRecord:
    """A worker has started."""

    event: ClassVar[Event] = Event.STARTED
    written_by: ClassVar[str] = "the worker, after recovery"

    version: Annotated[Label, "of Border Scout"] = ""
    incarnation: Annotated[Label, "the life of the spool's disk"] = ""
    found: Annotated[
        Mapping[str, int], counts(LABEL_LENGTH_MAX), "recipients that recovery found, by state"
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedRecord:
    """A worker ends in order."""

    event: ClassVar[Event] = Event.STOPPED
    written_by: ClassVar[str] = "the worker, when its sessions and attempts have ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesAppliedRecord:
    """A revision of the preferences is in force here."""

    event: ClassVar[Event] = Event.PREFERENCES_APPLIED
    written_by: ClassVar[str] = "the spool, in the commit that applies it"

    generation: Annotated[Number, "of the epoch: which life of the core's database"]
    epoch: Annotated[Label, "its identifier"]
    revision: Annotated[Number, "the revision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesRefusedRecord:
    """A revision could not be applied; the last good one stays."""

    event: ClassVar[Event] = Event.PREFERENCES_REFUSED
    written_by: ClassVar[str] = "the link, once for each problem"

    revision: Annotated[Number, "the one that was refused"]
    kind: Annotated[Label, "of the document that is to blame; empty: none is"]
    key: Annotated[Name, "of that document"]
    reason: Annotated[Line, "what is wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesDamagedRecord:
    """A document on this disk is not what was applied; the core is asked for all of them."""

    event: ClassVar[Event] = Event.PREFERENCES_DAMAGED
    written_by: ClassVar[str] = "the link, when it finds that; an applied revision repairs it"

    revision: Annotated[Number, "that is in force"]
    reason: Annotated[Line, "what was found"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAcceptingRecord:
    """The shard takes no mail for now; clients hear a reply of the class 4."""

    event: ClassVar[Event] = Event.NOT_ACCEPTING
    written_by: ClassVar[str] = "the worker, when the cause changes"

    reason: Annotated[Line, "why, in words"]
    cause: Annotated[Label, "the class of the reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptingRecord:
    """The shard takes mail again."""

    event: ClassVar[Event] = Event.ACCEPTING
    written_by: ClassVar[str] = "the worker"

    reason: Annotated[Line, "always empty: as in `not_accepting`"] = ""
    cause: Annotated[Label, "always empty"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsResultsRecord:
    """How many sessions with one host went one way, where a domain may publish how they must."""

    event: ClassVar[Event] = Event.TLS_RESULTS
    written_by: ClassVar[str] = "the worker, each hour, for each domain, host and result"

    domain: Annotated[Name, "whose mail it was; empty: of those that were too many to tell apart"]
    policy: Annotated[Label, "what held: `tlsa`, `sts` or `no-policy-found`"]
    host: Annotated[Name, "the mail host; empty: none, or of those that were too many"]
    result: Annotated[Label, "`success`, or a result type of RFC 8460 section 4.3"]
    sessions: Annotated[Number, "since the record before, of this worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecord:
    """Records are lost."""

    event: ClassVar[Event] = Event.GAP
    written_by: ClassVar[str] = (
        "the core in the place of each lost one; or the spool, one for all, when it mends its"
        " database, or when its outbox is full: then in the place of the last one"
    )

    first: Annotated[Number, Key("from"), "sequence of the first lost one"]
    last: Annotated[Number, Key("to"), "sequence of the last"]
    reason: Annotated[Line, "why"]
    records: Annotated[Number, LeftOutWhenEmpty(), "how many, where the spool let them go"] = 0
    since_us: Annotated[TimeUs, LeftOutWhenEmpty(), "when the first of these was written"] = 0
    until_us: Annotated[TimeUs, LeftOutWhenEmpty(), "when the last of these was written"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A client heard a reply of the class 4 or 5 before a message was taken from it, or was cut.

    When many of one client network are refused for one reason, the first are told one by one, and
    the others of the same while by one record.
    """

    event: ClassVar[Event] = Event.REFUSED
    written_by: ClassVar[str] = "the worker, seconds later; a sum, when its while is over"

    client: Annotated[
        Name, "address of the client; in a sum the network, empty: of more networks than are told"
    ]
    helo: Annotated[Name, "what the client called itself; in a sum, the first of them"]
    senders: Annotated[Sayings, "what stood in MAIL, as it came; in a sum, the first few"]
    recipients: Annotated[Sayings, "what stood in RCPT, as it came; in a sum, the first few"]
    command: Annotated[Label, "what was answered: `CONNECT`, a verb, `OTHER`"]
    reason: Annotated[Label, "the class of the reason, a word of ours"]
    reply: Annotated[Line, "what the client heard; empty: it was cut"]
    refusals: Annotated[Number, "how many this record tells of"] = 1
    since_us: Annotated[TimeUs, "of a sum, when the first of them was; 0: it is none"] = 0
