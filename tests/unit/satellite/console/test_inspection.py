"""An operator sees why mail is here, finds what they mean, and stops no more than that."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.ids import MessageId
from common.states import State
from satellite.console import inspection
from satellite.console.description import IS_BACK
from satellite.console.inspection import LISTED_RECIPIENTS_MAX, Inspection
from satellite.console.questions import (
    LIST_MAX,
    BounceAnswer,
    BounceQuestion,
    DropQuestion,
    FlushAnswer,
    FlushQuestion,
    FreezeQuestion,
    ListAnswer,
    ListQuestion,
    MovedAnswer,
    ResumeQuestion,
    ShowQuestion,
)
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.schedule import Schedule
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.worker import Delivery
from satellite.node.question import NotUnderstood
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, preferences, route
from tests.support.node.shard import settings
from tests.support.spool.open_spool import accept

DAY_S = 86_400
ACME, BETA = "x@acme.example", "x@beta.example"
UNKNOWN = MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV")
COPY = Copy(head=b"X: y\r\n")
AT_ACME = Destination(Via.ROUTE, "acme.example")


class InspectedShard:
    """A spool, and a delivery room over it that nobody runs."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self.spool = spool
        self.clock = clock
        self.delivery = Delivery(spool, settings(), clock, registry=CollectorRegistry())


@pytest.fixture
async def shard(spool: Spool, clock: FakeClock) -> InspectedShard:
    documents = [route("acme.example", hold_days=3), route("beta.example", "beta")]
    wanted = preferences(*documents)
    await spool.apply_preferences(documents, position=at(1), digest=wanted.digest, snapshot=True)
    return InspectedShard(spool, clock)


@pytest.fixture
def looking(shard: InspectedShard) -> Inspection:
    return Inspection(shard)


async def queued(spool: Spool, *to: str) -> MessageId:
    """Return a message that is judged and waits for its delivery."""
    message = await accept(spool, *to)
    judged = tuple(
        Judged(number=number, disposition=Disposition.DELIVER, reason="clean", copy=COPY)
        for number in range(len(to))
    )
    await spool.judge(
        message,
        Judgement(
            revision=1,
            subject="hi",
            message_id_header="",
            recipients=judged,
            verdicts=(),
            score=0.0,
        ),
    )
    return message


async def settle(spool: Spool, message: MessageId, state: State, **more: Any) -> None:
    settled = Settled(number=0, state=state, reason="connection refused", **more)
    await spool.settle(message, [settled])


def ids(answer: ListAnswer) -> list[str]:
    return [one.id for one in answer.messages]


def states(spool: Spool, message: MessageId) -> list[str]:
    stored = spool.message(message)
    assert stored is not None
    return [one.state.value for one in stored.recipients]


async def test_a_message_is_shown_with_where_it_goes_and_how_long_it_is_kept(
    shard: InspectedShard, looking: Inspection, clock: FakeClock
) -> None:
    message = await queued(shard.spool, ACME, BETA)
    await clock.advance(DAY_S)

    (shown,) = looking.show(ShowQuestion(id=message)).messages

    first, second = shown.recipients
    assert (first.destination, first.hosts) == ("acme.example", ("mail.acme.example:25",))
    assert (first.hold_days, first.left_s) == (3, 2 * DAY_S)
    assert (second.destination, second.hold_days) == ("beta.example", 7)
    assert first.hold is None


async def test_held_mail_is_shown_with_the_reason_and_the_next_try_of_now(
    shard: InspectedShard, looking: Inspection, clock: FakeClock
) -> None:
    message = await queued(shard.spool, ACME)
    await settle(shard.spool, message, State.HELD, next_us=clock.now_us() + 45_000_000)
    lanes = shard.delivery._lanes
    entry = QueueEntry(
        id=message, destination=AT_ACME, body_bytes=1, born_s=0.0, until_us=0, numbers=(0,)
    )
    lanes.put(entry, due_s=0.0, now_s=0.0, is_held=True)
    await clock.advance(2 * DAY_S)
    probe_s = clock.monotonic_s() + 30.0
    lanes.away(AT_ACME, Hold(clock.now_us(), "no route to host"), next_probe_s=probe_s)

    (shown,) = looking.show(ShowQuestion(id=message)).messages
    (one,) = shown.recipients
    assert (one.reason, one.next_us) == ("no route to host", clock.now_us() + 30_000_000)

    lanes.returned(AT_ACME)
    (shown,) = looking.show(ShowQuestion(id=message)).messages
    (one,) = shown.recipients
    assert (one.reason, one.next_us) == (IS_BACK, 0)


async def test_a_try_that_was_planned_under_a_wrong_clock_is_shown_within_the_longest_wait(
    shard: InspectedShard, looking: Inspection, clock: FakeClock
) -> None:
    message = await queued(shard.spool, ACME)
    in_8_days_us = clock.now_us() + 8 * DAY_S * 1_000_000
    await settle(shard.spool, message, State.DEFERRED, next_us=in_8_days_us)

    (shown,) = looking.show(ShowQuestion(id=message)).messages

    longest_s = Schedule(first_wait_s=60.0, longest_wait_s=3_600.0).planned_s_max
    assert shown.recipients[0].next_us <= clock.now_us() + longest_s * 1_000_000


async def test_waiting_mail_is_shown_with_its_subject(
    shard: InspectedShard, looking: Inspection
) -> None:
    message = await accept(shard.spool, ACME)
    await shard.spool.wait(message, next_us=1, reason="silent", verdicts=(), subject="hello")

    (shown,) = looking.show(ShowQuestion(id=message)).messages

    assert shown.subject == "hello"


async def test_what_has_ended_for_a_recipient_has_no_time_left_and_stands_last(
    shard: InspectedShard, looking: Inspection
) -> None:
    message = await queued(shard.spool, ACME, BETA)
    await shard.spool.mark_sending(message, [0])
    await settle(shard.spool, message, State.DELIVERED, reply="250 ok")

    (shown,) = looking.show(ShowQuestion(id=message)).messages

    assert [one.address for one in shown.recipients] == [BETA, ACME]
    assert shown.recipients[1].left_s is None


async def test_a_list_is_of_a_state_or_of_a_destination_or_of_both(
    shard: InspectedShard, looking: Inspection
) -> None:
    both = await queued(shard.spool, ACME, BETA)
    acme = await queued(shard.spool, ACME)
    received = await accept(shard.spool, BETA)
    await settle(shard.spool, both, State.DEFERRED)

    assert ids(await looking.look(ListQuestion())) == sorted([both, acme, received])
    assert ids(await looking.look(ListQuestion(state=State.DEFERRED))) == [both]
    assert ids(await looking.look(ListQuestion(destination="acme.example"))) == sorted([both, acme])
    assert ids(
        await looking.look(ListQuestion(destination="beta.example", state=State.QUEUED))
    ) == [both]
    assert ids(await looking.look(ListQuestion(destination="nobody.example"))) == []


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (2, 2), (3, 3), (LIST_MAX, 3)])
async def test_a_list_is_as_long_as_asked_and_says_where_it_goes_on(
    shard: InspectedShard, looking: Inspection, limit: int, count: int
) -> None:
    sent = sorted([await accept(shard.spool) for _ in range(3)])

    answer = await looking.look(ListQuestion(limit=limit))

    assert ids(answer) == sent[:count]
    assert answer.after == (None if count == 3 else sent[count - 1])


async def test_a_list_goes_on_after_a_message_and_each_shard_knows_its_own_place(
    shard: InspectedShard, looking: Inspection
) -> None:
    sent = sorted([await accept(shard.spool) for _ in range(3)])

    assert ids(await looking.look(ListQuestion(after={0: sent[0]}))) == sent[1:]
    assert ids(await looking.look(ListQuestion(after={1: sent[0]}))) == sent
    assert ids(await looking.look(ListQuestion(after={0: "~"}))) == []


async def test_an_answer_ends_when_its_time_is_over_and_goes_on_with_the_next(
    shard: InspectedShard, looking: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sorted([await accept(shard.spool) for _ in range(4)])
    monkeypatch.setattr(inspection, "BUDGET_S", 0.0)

    found: list[str] = []
    after: Any = ""
    answers = 0
    while after is not None:
        answer = await looking.look(ListQuestion(after={0: after}))
        found += ids(answer)
        after = answer.after
        answers += 1

    assert found == sent
    assert answers == len(sent), "one for each answer, and an end"


async def test_a_message_with_very_many_recipients_shows_some_and_says_how_many(
    shard: InspectedShard, looking: Inspection
) -> None:
    await accept(shard.spool, *(f"x{number}@acme.example" for number in range(50)))

    (listed,) = (await looking.look(ListQuestion())).messages

    assert (len(listed.recipients), listed.recipients_count) == (LISTED_RECIPIENTS_MAX, 50)


async def test_what_goes_elsewhere_is_not_frozen_with_a_destination(
    shard: InspectedShard, looking: Inspection
) -> None:
    both = await queued(shard.spool, ACME, BETA)
    acme = await queued(shard.spool, ACME)
    beta = await queued(shard.spool, BETA)

    answer = await looking.freeze(FreezeQuestion(destination="acme.example"))

    assert answer == MovedAnswer(done=True, moved=2)
    assert states(shard.spool, both) == ["frozen", "queued"]
    assert states(shard.spool, acme) == ["frozen"]
    assert states(shard.spool, beta) == ["queued"]

    assert (await looking.resume(ResumeQuestion(destination="acme.example"))).moved == 2
    assert states(shard.spool, both) == ["deferred", "queued"]
    assert (await looking.resume(ResumeQuestion(destination="acme.example"))).moved == 0


async def test_what_cannot_be_stopped_now_is_not_said_to_be_stopped(
    shard: InspectedShard, looking: Inspection
) -> None:
    received = await accept(shard.spool, ACME)

    assert await looking.freeze(FreezeQuestion(id=received)) == MovedAnswer(done=True, moved=0)
    assert (await looking.freeze(FreezeQuestion(destination="acme.example"))).moved == 0
    assert states(shard.spool, received) == ["received"]


async def test_damaged_mail_is_resumed_by_its_name_alone_and_dropped(
    shard: InspectedShard, looking: Inspection
) -> None:
    back, lost = await queued(shard.spool, ACME), await queued(shard.spool, ACME)
    for message in (back, lost):
        await shard.spool.damage(message, "its body cannot be read")

    assert (await looking.resume(ResumeQuestion(destination="acme.example"))).moved == 0
    assert await looking.resume(ResumeQuestion(id=back)) == MovedAnswer(done=True, moved=1)
    assert await looking.drop(DropQuestion(id=back)) == MovedAnswer(done=True, moved=0)
    assert await looking.drop(DropQuestion(id=lost)) == MovedAnswer(done=True, moved=1)

    assert states(shard.spool, back) == ["deferred"]
    assert shard.spool.message(lost) is None


async def test_what_is_frozen_or_damaged_goes_back_to_its_sender_once(
    shard: InspectedShard, looking: Inspection
) -> None:
    frozen, damaged = await queued(shard.spool, ACME, BETA), await queued(shard.spool, ACME)
    await shard.spool.freeze(frozen, "an operator asked")
    await shard.spool.damage(damaged, "its body cannot be read")
    waiting = await queued(shard.spool, ACME)

    answers = [
        await looking.bounce(BounceQuestion(id=one, reason=reason))
        for one, reason in ((frozen, "closed"), (damaged, ""))
    ]

    for answer, recipients in zip(answers, (2, 1), strict=True):
        assert answer == BounceAnswer(
            done=True,
            moved=1,
            recipients=recipients,
            told=True,
            silent=(),
            content_lost=False,
        )
    assert await looking.bounce(BounceQuestion(id=frozen)) == BounceAnswer(done=False, moved=0)
    assert await looking.bounce(BounceQuestion(id=waiting)) == BounceAnswer(done=True, moved=0)
    assert states(shard.spool, waiting) == ["queued"]
    assert shard.spool.counts()[State.FROZEN] == shard.spool.counts()[State.DAMAGED] == 0


async def test_nothing_named_is_not_everything(looking: Inspection) -> None:
    with pytest.raises(NotUnderstood):
        await looking.freeze(FreezeQuestion())
    with pytest.raises(NotUnderstood):
        await looking.resume(ResumeQuestion())


async def test_freezing_very_many_goes_on_where_its_time_was_over(
    shard: InspectedShard, looking: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [await queued(shard.spool, ACME) for _ in range(5)]
    monkeypatch.setattr(inspection, "BUDGET_S", 0.0)

    moved = 0
    after: str | None = ""
    while after is not None:
        answer = await looking.freeze(FreezeQuestion(destination="acme.example", after={0: after}))
        moved, after = moved + answer.moved, answer.after

    assert moved == 5
    assert {states(shard.spool, one)[0] for one in sent} == {"frozen"}


async def test_only_what_waits_for_a_server_can_be_hurried(
    shard: InspectedShard, looking: Inspection
) -> None:
    received = await accept(shard.spool, ACME)

    assert looking.flush(FlushQuestion(id=received)) == FlushAnswer(done=True, moved=0)
    assert looking.flush(FlushQuestion(id=UNKNOWN)) == FlushAnswer(done=False, moved=0)
    assert looking.flush(FlushQuestion()) == FlushAnswer(done=True)


async def test_what_was_stopped_is_taken_out_of_the_lanes_and_counts_as_held_no_more(
    shard: InspectedShard, looking: Inspection
) -> None:
    message = await queued(shard.spool, ACME)
    shard.delivery.offer(message)
    shard.delivery._placing.place()
    assert len(shard.delivery._lanes) == 1

    await looking.freeze(FreezeQuestion(id=message))
    shard.delivery._placing.place()

    assert states(shard.spool, message) == ["frozen"]
    assert len(shard.delivery._lanes) == 0
