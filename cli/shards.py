"""What do the shards of a node say together?

Pure: their answers come in, or a function that asks them. Each shard knows only its own mail, so
every command has to make one answer of several; that is done here alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from common.reports import HoldReport
from common.states import State
from core.fleet.holds import merged_holds
from satellite.console.questions import (
    FreezeQuestion,
    HoldsAnswer,
    LeftAnswer,
    LeftLine,
    LeftQuestion,
    ListAnswer,
    ListQuestion,
    MessageDescription,
    MovedAnswer,
    ResumeQuestion,
    ShowAnswer,
)
from satellite.link.status import LinkStatus
from satellite.node.health import StatusAnswer

END = "~"  # after every message id, and every domain

PagedT = TypeVar("PagedT", bound=ListQuestion | FreezeQuestion | ResumeQuestion | LeftQuestion)
PageT = TypeVar("PageT", bound=ListAnswer | MovedAnswer | LeftAnswer | None)


class DoneByShards(Protocol):
    """What was done with one message."""

    @property
    def done(self) -> bool: ...

    @property
    def moved(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OnShard:
    """A message, and the shard that has it."""

    shard: int
    message: MessageDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOnNode:
    """How much a node has left."""

    states: tuple[tuple[int, State, int], ...]  # by shard, the recipients in each state
    records: int
    quarantine: int
    is_idle: bool  # every shard has answered, and nobody works on anything

    @property
    def count(self) -> int:
        """How many recipients, messages and records."""
        return sum(count for _, _, count in self.states) + self.quarantine + self.records

    @property
    def is_empty(self) -> bool:
        return self.is_idle and not self.count


def pages(
    ask: Callable[[PagedT], Mapping[int, PageT]], question: PagedT
) -> Iterator[Mapping[int, PageT]]:
    """Yield the shards' answers until each has come to its end; one that is silent has."""
    while True:
        answers = ask(question)
        yield answers
        cursors = {
            shard: (found.after if found is not None else None) or END
            for shard, found in answers.items()
        }
        if set(cursors.values()) <= {END}:
            return
        question = replace(question, after=cursors)


def messages_of(answers: Mapping[int, ListAnswer | ShowAnswer]) -> list[OnShard]:
    """Return all messages that were answered."""
    return [
        OnShard(shard=shard, message=message)
        for shard, answer in answers.items()
        for message in answer.messages
    ]


def oldest(found: Iterable[Mapping[int, ListAnswer]], *, limit: int) -> tuple[list[OnShard], bool]:
    """Return the oldest messages of all shards, and whether there are more.

    Args:
        found: pages, of which no more are asked for than are needed.
        limit: so many messages at the most.
    """
    messages: list[OnShard] = []
    per_shard: Counter[int] = Counter()
    there_is_more = False
    for answers in found:
        messages += messages_of(answers)
        per_shard.update({shard: len(answer.messages) for shard, answer in answers.items()})
        ended = {shard for shard, answer in answers.items() if answer.after is None}
        if all(shard in ended or count >= limit for shard, count in per_shard.items()):
            there_is_more = len(messages) > limit or len(ended) < len(answers)
            break
    messages.sort(key=lambda one: one.message.id)
    return messages[:limit], there_is_more


def first_ids(
    found: Iterable[Mapping[int, ListAnswer | None]], *, ids_max: int, pages_max: int
) -> tuple[list[str], bool]:
    """Return the ids of the first messages, and whether there may be more.

    Args:
        found: pages, of which the first ``pages_max`` are looked at.
        ids_max: so many ids at the most.
        pages_max: so many pages at the most.
    """
    ids: list[str] = []
    is_all = False
    for number, answers in enumerate(found, start=1):
        given = [answer for answer in answers.values() if answer is not None]
        ids += [message.id for answer in given for message in answer.messages]
        is_all = all(answer.after is None for answer in given) and len(ids) <= ids_max
        if len(ids) > ids_max or number == pages_max:
            break
    return sorted(ids)[:ids_max], not is_all


def is_anywhere(answers: Mapping[int, DoneByShards]) -> bool:
    """Say whether some shard has the message."""
    return any(found.done for found in answers.values())


def moved(answers: Mapping[int, DoneByShards]) -> int:
    """Return how many messages moved."""
    return sum(found.moved or 0 for found in answers.values())


def left_on_node(answers: Mapping[int, LeftAnswer | None]) -> LeftOnNode:
    """Return how much all shards have left, as one."""
    given = {shard: answer for shard, answer in answers.items() if answer is not None}
    return LeftOnNode(
        states=tuple(
            (shard, state, count)
            for shard, answer in given.items()
            for state, count in answer.states.items()
        ),
        records=sum(answer.records for answer in given.values()),
        quarantine=sum(answer.quarantine for answer in given.values()),
        is_idle=len(given) == len(answers) and all(answer.is_idle for answer in given.values()),
    )


def left_lines(
    found: Iterable[Mapping[int, LeftAnswer | None]],
) -> list[tuple[int, LeftLine]]:
    """Return what the pages of all shards say, by domain, with the shard that each line is of."""
    lines = [
        (shard, line)
        for answers in found
        for shard, answer in answers.items()
        if answer is not None
        for line in answer.left
    ]
    return sorted(lines, key=lambda one: (one[1].domain, one[1].state, one[0]))


def silent(answers: Mapping[int, object]) -> Sequence[int]:
    """Return the shards that did not answer."""
    return [shard for shard, answer in answers.items() if answer is None]


def links_of(answers: Mapping[int, StatusAnswer | None]) -> dict[int, LinkStatus]:
    """Return each shard's link, of those that tell of it."""
    return {
        shard: answer.link
        for shard, answer in answers.items()
        if answer is not None and answer.link is not None
    }


def recipients_in(answers: Mapping[int, StatusAnswer | None], state: State) -> int:
    """Return how many recipients are in a state."""
    return sum(answer.states.get(state, 0) for answer in answers.values() if answer is not None)


def holds_of(answers: Mapping[int, HoldsAnswer | None]) -> tuple[HoldReport, ...]:
    """Return one hold for each destination, of all shards."""
    given = [answer for answer in answers.values() if answer is not None]
    return merged_holds(hold for answer in given for hold in answer.holds)
