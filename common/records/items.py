"""What does a record say of one recipient, or of one engine or filter?

Pure: the objects that stand in lists of a record, and the kinds of its fields by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Annotated, Any

from common.frozen import dataclass
from common.records.bounds import (
    LABEL_LENGTH_MAX,
    LINE_LENGTH_MAX,
    NAME_LENGTH_MAX,
    NUMBER_MAX,
    SCOPED_MAX,
    TESTS_MAX,
    VERDICTS_MAX,
)
from common.records.kinds import (
    RecordFieldKind,
    flag,
    number,
    points,
    text,
    text_or_none,
    texts,
    time,
)
from common.records.shape import objects, reader_of, writer_of
from common.verdict import Verdict

Label = Annotated[str, text(LABEL_LENGTH_MAX)]
Name = Annotated[str, text(NAME_LENGTH_MAX)]
Line = Annotated[str, text(LINE_LENGTH_MAX)]
Number = Annotated[int, number(NUMBER_MAX)]
TimeUs = Annotated[int, time()]
Points = Annotated[float, points()]
Flag = Annotated[bool, flag()]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldTest:
    """A named finding of a filter; the fields are those of ``common.verdict.Test``."""

    name: Annotated[Name, "what the header shows"]
    score: Annotated[Points, "points"]
    detail: Annotated[Line, "the evidence: the list entry or the zone's answer"]
    recipient: Annotated[
        str | None, text_or_none(NAME_LENGTH_MAX), "folded address for which alone it counts"
    ]
    effect: Annotated[Label, "`score`, `allow`, `block` or `tell`"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldMatch:
    """What rules of one scope found; the fields are those of ``common.verdict.ScopedMatch``."""

    rules: Annotated[Name, "the document that has them"]
    scope: Annotated[Name, "the scope of the recipients whom it concerns"]
    outcome: Annotated[Label, "`infected`, `encrypted` or `macro`"]
    threats: Annotated[tuple[str, ...], texts(NAME_LENGTH_MAX), "what they call it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldVerdict:
    """A verdict as a record tells it; the fields are those of ``common.verdict.Verdict``.

    That one is written as it is. What is read is this one, whose outcome may be another version's
    word.
    """

    by: Annotated[Label, "the engine or filter, as the settings name it"]
    outcome: Annotated[Label, "how it ended: see the glossary, *outcome of a verdict*"]
    version: Annotated[Line, "of the engine"]
    definitions: Annotated[Line, "their version"]
    definitions_us: Annotated[TimeUs, "when they were made, as they say; 0: they do not say"]
    is_stale: Annotated[Flag, "whether they were older than they may be"]
    ms: Annotated[Number, "milliseconds that it took"]
    detail: Annotated[Line, "what else it said"]
    threats: Annotated[tuple[str, ...], texts(NAME_LENGTH_MAX), "names of what it found"]
    attempt: Annotated[Number, "which try this was, from 1"]
    tests: Annotated[tuple[ToldTest, ...], objects(ToldTest, items_max=TESTS_MAX), "of a filter"]
    died: Annotated[Flag, "the engine ended in the middle of this very message"]
    unreadable: Annotated[tuple[str, ...], texts(NAME_LENGTH_MAX), "kinds of archives not opened"]
    scoped: Annotated[
        tuple[ToldMatch, ...],
        objects(ToldMatch, items_max=SCOPED_MAX),
        "what holds for the recipients of one scope alone, beside all else",
    ] = ()


AnyVerdict = Verdict | ToldVerdict
Verdicts = Annotated[tuple[AnyVerdict, ...], objects(ToldVerdict, items_max=VERDICTS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposedRecipient:
    """What is done for one recipient."""

    address: Annotated[Name, "as it came"]
    disposition: Annotated[Label, "`deliver`, `quarantine`, `drop` or `reject`"]
    reason: Annotated[Line, "the rule, threat or list entry that decided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptedRecipient:
    """What the next hop said of one recipient."""

    address: Annotated[Name, "as it came"]
    reply: Annotated[Line, "the reply that decided, or what stood in its place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedRecipient:
    """Where one recipient is now. One of which only the address is told is written as that."""

    address: Annotated[Name, "as it came"]
    reason: Annotated[Line, "why; empty: the record's"] = ""
    reply: Annotated[Line, "the last reply of the next hop"] = ""
    attempts: Annotated[Number, "tries so far"] = 0
    next_us: Annotated[TimeUs, "when it is tried again; 0: now, or not by itself"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRecipient:
    """How one recipient ended."""

    address: Annotated[Name, "as it came"]
    reason: Annotated[Line, "why"]
    reply: Annotated[Line, "the last reply of the next hop"] = ""
    attempts: Annotated[Number, "tries in all"] = 0
    outcome: Annotated[Label, "see the glossary, *outcome*"]


def addresses() -> RecordFieldKind:
    """Return the kind of a list of recipients of which only the address is told.

    Readers take a recipient in either form, as a text or as an object, in every event.
    """
    bare = texts(NAME_LENGTH_MAX)
    read_one = _recipient_reader(MovedRecipient)

    def read(value: object) -> tuple[str, ...]:
        return tuple([one.address for one in _read_recipients(value, read_one)])

    return RecordFieldKind(bare.write, read, bare.shown)


def recipients(cls: type[Any]) -> RecordFieldKind:
    """Return the kind of a list of recipients, each with what ``cls`` says of it."""
    write_one, read_one = writer_of(cls), _recipient_reader(cls)

    def write(values: tuple[Any, ...]) -> str:
        return f"[{','.join(map(write_one, values))}]"

    def read(value: object) -> tuple[Any, ...]:
        return tuple(_read_recipients(value, read_one))

    return RecordFieldKind(write, read, "list of objects", item=cls)


def moved_recipients() -> RecordFieldKind:
    """Return the kind of a list of recipients of which some have no more than an address."""
    whole = recipients(MovedRecipient)
    write_one = writer_of(MovedRecipient)

    def write_shortest(one: MovedRecipient) -> str:
        says_more = one.reason or one.reply or one.attempts or one.next_us
        return write_one(one) if says_more else encode_basestring(one.address)

    def write(values: tuple[MovedRecipient, ...]) -> str:
        return f"[{','.join(map(write_shortest, values))}]"

    return RecordFieldKind(write, whole.read, "list of addresses or objects", item=MovedRecipient)


def _recipient_reader(cls: type[Any]) -> Callable[[object], Any]:
    read_object = reader_of(cls)

    def read(value: object) -> Any:
        found: Mapping[str, object] = value if isinstance(value, dict) else {"address": value}
        return read_object(found)

    return read


def _read_recipients(value: object, read_one: Callable[[object], Any]) -> list[Any]:
    found = value if isinstance(value, list) else ()
    told = [read_one(one) for one in found if isinstance(one, dict | str)]
    return [one for one in told if one.address]
