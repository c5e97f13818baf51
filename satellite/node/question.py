"""How are typed questions to a worker, and their answers, written as JSON and read?

Pure. A question is a frozen dataclass: its word, its fields with their bounds, and the
dataclass that answers it stand in one place. What comes from a channel is read here once; whatever
is wrong with it is said in words, and ends nobody.

A field that has its default is left out of the JSON, and null reads as left out. A question with a
field that we do not know is refused: to leave it out could mean more mail than was meant. In an
answer such a field is one of a later version, and passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from common.errors import LocalError
from satellite.node.channel import JsonObject

WORD = "ask"  # the key of a question's word
SHOWN_MAX = 40  # characters of what we did not understand

_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}

KindT = TypeVar("KindT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Question(Protocol[AnswerT_co]):
    """Something that a worker is asked: a frozen dataclass, which is its own wording."""

    word: ClassVar[str]

    @property
    def answer(self) -> type[AnswerT_co]:
        """The dataclass that answers it; stands in the class."""
        ...


QuestionT = TypeVar("QuestionT", bound=Question[object])


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """Why a question has no answer; it stands in the place of any answer."""

    error: str


class NotUnderstood(LocalError):
    """A question that is none of ours, or names nothing of ours."""


def words_of(*questions: type[QuestionT]) -> Mapping[str, type[QuestionT]]:
    """Return questions by their word."""
    return {question.word: question for question in questions}


def read_question(body: JsonObject, known: Mapping[str, type[QuestionT]]) -> QuestionT:
    """Return a question as it came from a channel.

    Raises:
        NotUnderstood: it is not one of those that are known, or a field is not as it has to be.
    """
    word = body.get(WORD)
    kind = known.get(word) if isinstance(word, str) else None
    if kind is None:
        raise NotUnderstood(f"there are {', '.join(sorted(known))}")
    given = {name: value for name, value in body.items() if name != WORD and value is not None}
    for name in given.keys() - _names(kind):
        raise NotUnderstood(f"{word} has no field {name[:SHOWN_MAX]!r}")
    try:
        return _adapter(kind).validate_python(given)
    except ValidationError as error:
        raise NotUnderstood(_first(error)) from None


def read_answer(question: Question[AnswerT_co], body: JsonObject) -> AnswerT_co | ErrorAnswer:
    """Return the answer to a question as it came from a channel."""
    if "error" in body:
        return ErrorAnswer(error=str(body["error"]))
    try:
        return _adapter(question.answer).validate_python(body)
    except ValidationError as error:
        return ErrorAnswer(error=f"the answer to {question.word} is none: {_first(error)}")


def question_json(question: Question[object]) -> JsonObject:
    """Return a question as it goes to a channel."""
    return {WORD: question.word, **as_json(question)}


def as_json(value: object) -> JsonObject:
    """Return an answer, or a part of one, as it goes to a channel."""
    found: JsonObject = _adapter(type(value)).dump_python(value, mode="json", exclude_defaults=True)
    return found


def _adapter(kind: type[KindT]) -> TypeAdapter[KindT]:
    """Return what reads and writes a dataclass; it is made once."""
    return _ADAPTERS.get(kind) or _ADAPTERS.setdefault(kind, TypeAdapter(kind))


@cache
def _names(kind: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, without what was said."""
    found = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:SHOWN_MAX] for part in found["loc"])
    return f"{place}: {found['msg']}" if place else found["msg"]
