"""What may an operator on the node ask a shard, and what is answered?

Pure: a dataclass for each question and for each answer. ``OPERATOR_QUESTIONS`` are those
that the control socket lets through; ``satellite.console.shard_console`` answers every one, and a
new one that it does not answer is a type error there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, get_args

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from common.ids import MessageId, is_ulid
from common.reports import HoldReport
from common.states import State
from satellite.node.health import StatusQuestion
from satellite.node.question import SHOWN_MAX, words_of

LIST_MAX = 1000  # messages in one answer
LEFT_LINES_MAX = 500  # in one answer
DESTINATION_LENGTH_MAX = 320  # a domain has 253, a port six more
REASON_LENGTH_MAX = 1000  # characters, of which a sender reads two hundred
CURSORS_MAX = 1000  # shards; a node has had far fewer


def _message_id(value: object) -> str:
    if isinstance(value, str) and is_ulid(value):
        return value
    shown = repr(str(value)[:SHOWN_MAX])
    raise PydanticCustomError("message_id", "{shown} is no message id", {"shown": shown})


OneMessage = Annotated[MessageId, BeforeValidator(_message_id)]
Destination = Annotated[  # a domain, or HOST:PORT of the smart host; empty: all
    str, StringConstraints(to_lower=True, max_length=DESTINATION_LENGTH_MAX)
]
# By shard, the message after which it goes on: a question goes to all of them.
Cursors = Annotated[
    Mapping[int, Annotated[str, StringConstraints(max_length=SHOWN_MAX)]],
    Field(max_length=CURSORS_MAX),
]
# Likewise, the domain.
DomainCursors = Annotated[
    Mapping[int, Annotated[str, StringConstraints(max_length=DESTINATION_LENGTH_MAX)]],
    Field(max_length=CURSORS_MAX),
]
# Bounded, as all that is asked: a worker ends with a question that is too long for its channel.
BounceReason = Annotated[str, StringConstraints(max_length=REASON_LENGTH_MAX)]


# ---- what is said of mail


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDescription:
    """Since when a destination's server is away, and why."""

    since_us: int
    reason: str
    probe_in_s: float | None  # None: a probe is under way, or none is planned


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientDescription:
    """How it is with one recipient's copy."""

    address: str
    state: State
    reason: str
    attempts: int
    next_us: int  # wall clock, of the next attempt
    reply: str
    destination: str
    hosts: tuple[str, ...]
    hold: HoldDescription | None
    hold_days: int
    left_s: float | None  # of its days; None once it has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDescription:
    """One message that has not ended."""

    id: str
    received: str  # ISO 8601, UTC
    origin: str
    sender: str
    size: int
    subject: str
    recipients_count: int
    recipients: tuple[RecipientDescription, ...]  # those that have not ended first; perhaps not all


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftLine:
    """What has not ended for one domain, in one state."""

    domain: str
    customer: str  # empty: no route
    state: State
    recipients: int
    bytes: int
    oldest: str  # ISO 8601, UTC
    expires: str  # of the first; empty: only an operator ends it


# ---- looking


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsAnswer:
    """The destinations that are away, at most a thousand."""

    holds: tuple[HoldReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsQuestion:
    """Who is away?"""

    word: ClassVar = "holds"
    answer: ClassVar = HoldsAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAnswer:
    """What a shard has left, and after which domain the lines go on; None: these were the last."""

    left: tuple[LeftLine, ...]
    states: Mapping[State, int]  # recipients, in all
    records: int  # that the core has not acknowledged
    quarantine: int  # messages that the core has not taken
    is_idle: bool  # nobody works on anything now
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftQuestion:
    """What is left before the node is empty?"""

    word: ClassVar = "left"
    answer: ClassVar = LeftAnswer
    lines: Annotated[int, Field(strict=True, ge=0, le=LEFT_LINES_MAX)] = LEFT_LINES_MAX
    after: DomainCursors = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """Messages, the oldest first, and after which one to go on; None: these were the last."""

    messages: tuple[MessageDescription, ...]
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """Which messages have not ended?"""

    word: ClassVar = "list"
    answer: ClassVar = ListAnswer
    state: State | None = None  # None: all
    destination: Destination = ""
    limit: Annotated[int, Field(strict=True, ge=1, le=LIST_MAX)] = LIST_MAX
    after: Cursors = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAnswer:
    """The message; none when it is not here."""

    messages: tuple[MessageDescription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowQuestion:
    """How is it with one message, and with each of its recipients?"""

    word: ClassVar = "show"
    answer: ClassVar = ShowAnswer
    id: OneMessage


# ---- doing


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedAnswer:
    """What was done: how many messages moved, and after which one to go on; None: it is the end."""

    done: bool  # False: the message is not here
    moved: int
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeQuestion:
    """Stop one message, or all that is here for a destination."""

    word: ClassVar = "freeze"
    answer: ClassVar = MovedAnswer
    id: OneMessage | None = None
    destination: Destination = ""
    after: Cursors = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeQuestion:
    """Let go on what is frozen for a destination, or frozen or damaged of a message."""

    word: ClassVar = "resume"
    answer: ClassVar = MovedAnswer
    id: OneMessage | None = None
    destination: Destination = ""
    after: Cursors = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropQuestion:
    """Give up what is damaged of one message."""

    word: ClassVar = "drop"
    answer: ClassVar = MovedAnswer
    id: OneMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushAnswer:
    """What was done, and of one message how many moved."""

    done: bool
    moved: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushQuestion:
    """Try one message, a destination's or all now."""

    word: ClassVar = "flush"
    answer: ClassVar = FlushAnswer
    id: OneMessage | None = None
    destination: Destination = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceAnswer:
    """What went back to its sender. All after ``moved`` is None when nothing did."""

    done: bool
    moved: int
    recipients: int | None = None
    told: bool | None = None  # whether the sender hears of it
    silent: tuple[str, ...] | None = None  # why it hears nothing, of each recipient of whom it does
    content_lost: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceQuestion:
    """Send what is frozen or damaged of one message back to its sender."""

    word: ClassVar = "bounce"
    answer: ClassVar = BounceAnswer
    id: OneMessage
    reason: BounceReason = ""  # for the sender


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainAnswer:
    """It is done."""

    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainQuestion:
    """Take no more mail, or take it again. The parent writes its mark before a worker hears it."""

    word: ClassVar = "drain"
    answer: ClassVar = DrainAnswer
    on: StrictBool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewAnswer:
    """It is asked for; the worker ends in order, and its next process does it."""

    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewQuestion:
    """Give the spool of each shard a new life, with all that is in it."""

    word: ClassVar = "renew"
    answer: ClassVar = RenewAnswer


OperatorQuestion = (
    StatusQuestion
    | HoldsQuestion
    | LeftQuestion
    | ListQuestion
    | ShowQuestion
    | FlushQuestion
    | FreezeQuestion
    | ResumeQuestion
    | DropQuestion
    | BounceQuestion
    | DrainQuestion
    | RenewQuestion
)
OPERATOR_QUESTIONS: Mapping[str, type[OperatorQuestion]] = words_of(*get_args(OperatorQuestion))
