"""A question is read at the border once: as it is meant, or with a word on what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.states import State
from satellite.console.questions import (
    CURSORS_MAX,
    LIST_MAX,
    OPERATOR_QUESTIONS,
    REASON_LENGTH_MAX,
    BounceQuestion,
    FlushAnswer,
    FlushQuestion,
    FreezeQuestion,
    ListAnswer,
    ListQuestion,
    MovedAnswer,
)
from satellite.node.question import (
    ErrorAnswer,
    NotUnderstood,
    Question,
    as_json,
    question_json,
    read_answer,
    read_question,
)

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def read(ask: object, **fields: Any) -> object:
    return read_question({"ask": ask, **fields}, OPERATOR_QUESTIONS)


def test_what_is_left_out_or_null_has_its_default() -> None:
    assert read("list") == read("list", state=None, after=None, limit=None) == ListQuestion()
    assert read("freeze", id=None, destination=None) == FreezeQuestion()


def test_a_destination_is_looked_for_in_small_letters() -> None:
    assert read("flush", destination="ACME.example") == FlushQuestion(destination="acme.example")


def test_each_shard_has_its_own_place() -> None:
    assert read("list", after={"0": ONE, "3": "~"}) == ListQuestion(after={0: ONE, 3: "~"})


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": LIST_MAX + 1}, "limit"),
        ({"limit": "2"}, "limit"),
        ({"limit": True}, "limit"),
        ({"state": "gone"}, "state"),
        ({"state": "queued' OR 1=1"}, "state"),
        ({"state": 5}, "state"),
        ({"state": ["held"]}, "state"),
        ({"state": {"a": 1}}, "state"),
        ({"destination": 5}, "destination"),
        ({"destination": "a" * 1000}, "destination"),
        ({"after": "x"}, "after"),
        ({"after": [1]}, "after"),
        ({"after": {"0": 5}}, "after.0"),
        ({"after": {"x" * 99: "y"}}, "after.xxx"),
        ({"after": {"0": "y" * 99}}, "after.0"),
        ({"after": {str(shard): "y" for shard in range(CURSORS_MAX + 1)}}, "after"),
    ],
)
def test_a_field_that_is_not_as_it_has_to_be_is_named(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(NotUnderstood, match=f"^{name}") as refusal:
        read("list", **fields)

    assert len(str(refusal.value)) < 300


def test_a_reason_that_would_not_fit_the_channel_of_a_worker_is_refused() -> None:
    assert read("bounce", id=ONE, reason="é" * REASON_LENGTH_MAX)

    with pytest.raises(NotUnderstood, match=r"^reason"):
        read("bounce", id=ONE, reason="é" * (REASON_LENGTH_MAX + 1))


@pytest.mark.parametrize("fields", [{}, {"id": ""}, {"id": 5}, {"id": "../../etc/passwd" * 99}])
def test_a_question_of_one_message_names_one(fields: dict[str, Any]) -> None:
    for word in ("show", "drop", "bounce"):
        with pytest.raises(NotUnderstood, match=r"^id: ") as refusal:
            read(word, **fields)
        assert len(str(refusal.value)) < 100


def test_a_field_that_is_not_known_is_refused_since_it_may_have_meant_less_mail() -> None:
    with pytest.raises(NotUnderstood, match=r"^freeze has no field 'state'$"):
        read("freeze", destination="acme.example", state="held")


@pytest.mark.parametrize("word", ["", "delete", None, 5, ["status"], {"status": 1}])
def test_a_word_that_is_not_known_is_told_which_there_are(word: object) -> None:
    with pytest.raises(NotUnderstood, match=r"^there are "):
        read(word)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (FlushQuestion(), {"ask": "flush"}),
        (
            ListQuestion(state=State.HELD, limit=7, after={0: ONE}),
            {"ask": "list", "state": "held", "limit": 7, "after": {"0": ONE}},
        ),
        (BounceQuestion(id=ONE, reason="closed"), {"ask": "bounce", "id": ONE, "reason": "closed"}),  # type: ignore[arg-type]
    ],
)
def test_a_question_is_json_and_comes_back(
    question: Question[object], said: dict[str, object]
) -> None:
    body = json.loads(json.dumps(question_json(question)))

    assert body == said
    assert read_question(body, OPERATOR_QUESTIONS) == question


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        (FlushQuestion(), FlushAnswer(done=True), {"done": True}),
        (FreezeQuestion(), MovedAnswer(done=False, moved=0), {"done": False, "moved": 0}),
        (ListQuestion(), ListAnswer(messages=(), after=None), {"messages": [], "after": None}),
        (ListQuestion(), ErrorAnswer(error="no disk"), {"error": "no disk"}),
    ],
)
def test_an_answer_is_json_and_comes_back(
    question: Question[object], answer: object, said: dict[str, object]
) -> None:
    body = json.loads(json.dumps(as_json(answer)))

    assert body == said
    assert read_answer(question, body) == answer


def test_an_answer_of_a_later_version_may_say_more() -> None:
    body = {"done": True, "moved": 1, "tomorrow": [1]}

    assert read_answer(FreezeQuestion(), body) == MovedAnswer(done=True, moved=1)


@pytest.mark.parametrize("body", [{}, {"done": "perhaps", "moved": 1}, {"done": True, "moved": []}])
def test_an_answer_that_is_none_says_so_and_raises_nothing(body: dict[str, Any]) -> None:
    answer = read_answer(FreezeQuestion(), body)

    assert isinstance(answer, ErrorAnswer)
    assert answer.error.startswith("the answer to freeze is none: ")
