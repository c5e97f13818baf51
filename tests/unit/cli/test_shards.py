"""What the shards of a node say becomes one answer, and no more is asked than is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import pytest

from cli.shards import END, first_ids, left_on_node, moved, oldest, pages, silent
from common.states import State
from satellite.console.questions import (
    FreezeQuestion,
    LeftAnswer,
    LeftLine,
    ListAnswer,
    ListQuestion,
    MessageDescription,
    MovedAnswer,
)

Answers = Mapping[int, ListAnswer | None]
PageT = TypeVar("PageT", bound=ListAnswer | None)


def listed(*ids: str, after: str | None = None) -> ListAnswer:
    messages = tuple(
        MessageDescription(
            id=one,
            received="",
            origin="smtp",
            sender="",
            size=1,
            subject="",
            recipients_count=0,
            recipients=(),
        )
        for one in ids
    )
    return ListAnswer(messages=messages, after=after)


class Node(Generic[PageT]):
    """Answers with the next page each time, and keeps where it was asked to go on."""

    def __init__(self, *answers: Mapping[int, PageT]) -> None:
        self.answers = list(answers)
        self.asked: list[Mapping[int, str]] = []

    def ask(self, question: ListQuestion) -> Mapping[int, PageT]:
        self.asked.append(question.after)
        return self.answers.pop(0)


def test_each_shard_is_asked_to_its_own_end_and_a_silent_one_has_come_to_it() -> None:
    node = Node({0: listed("a", after="a"), 1: listed("b"), 2: None}, {0: listed("c"), 1: listed()})

    assert len(list(pages(node.ask, ListQuestion()))) == 2
    assert node.asked == [{}, {0: "a", 1: END, 2: END}]


@pytest.mark.parametrize(
    ("limit", "ids", "there_is_more"),
    [(1, ["a"], True), (2, ["a", "b"], True), (3, ["a", "b", "c"], False)],
)
def test_the_oldest_are_those_of_all_shards(
    limit: int, ids: list[str], there_is_more: bool
) -> None:
    found, more = oldest([{0: listed("b"), 1: listed("a", "c")}], limit=limit)

    assert ([one.message.id for one in found], more) == (ids, there_is_more)
    assert found[0].shard == 1


def test_a_shard_that_gave_enough_is_not_asked_for_more() -> None:
    node = Node({0: listed("a", "b", after="b"), 1: listed("c")})

    found, there_is_more = oldest(pages(node.ask, ListQuestion()), limit=2)

    assert [one.message.id for one in found] == ["a", "b"]
    assert there_is_more


@pytest.mark.parametrize(
    ("answers", "ids", "is_more"),
    [
        ([{0: listed("b"), 1: listed("a")}], ["a", "b"], False),
        ([{0: listed("a", "b", "c"), 1: None}], ["a", "b"], True),
        ([{0: listed("a", after="a")}, {0: listed("b", after="b")}], ["a", "b"], True),
        ([{0: listed(after="a")}, {0: listed("b")}], ["b"], False),
    ],
)
def test_of_the_first_ids_it_is_said_whether_there_may_be_more(
    answers: list[Answers], ids: list[str], is_more: bool
) -> None:
    assert first_ids(answers, ids_max=2, pages_max=2) == (ids, is_more)


def test_what_moved_is_the_sum() -> None:
    answers = {0: MovedAnswer(done=True, moved=2), 1: MovedAnswer(done=False, moved=0)}

    assert moved(answers) == 2
    assert list(pages(lambda question: answers, FreezeQuestion(destination="a"))) == [answers]


def test_a_node_with_a_silent_shard_is_not_idle() -> None:
    line = LeftLine(
        domain="a", customer="", state=State.HELD, recipients=3, bytes=1, oldest="", expires=""
    )
    one = LeftAnswer(
        left=(line,), states={line.state: line.recipients}, records=1, quarantine=2, is_idle=True
    )
    none = LeftAnswer(left=(), states={}, records=0, quarantine=0, is_idle=True)

    assert (left_on_node({0: one, 1: one}).count, left_on_node({0: one}).is_empty) == (12, False)
    assert left_on_node({0: none}).is_empty
    assert not left_on_node({0: none, 1: None}).is_empty
    assert silent({0: none, 1: None}) == [1]
