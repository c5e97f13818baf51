"""Each transition of the table is reached by something that the store does; each other is refused.

The operations here are all that the store has for a recipient's state. Each pair of states is
tried with each of them: what is written is what the table says, and its record is the one that the
table names.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import product
from typing import Any

import pytest

from common.ids import MessageId
from common.records import Event
from common.states import OUTCOMES, State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.model.states import FREEZABLE, TABLE, IllegalTransition, Recovery
from satellite.spool.store import Spool
from tests.support.spool.open_spool import OpenSpool, accept, to_deliver

Step = Callable[[Spool, MessageId], Coroutine[Any, Any, None]]

# A second recipient keeps the message in the spool after the first has ended.
PEOPLE = ("x@acme.example", "y@acme.example")
COPY = Copy(head=b"X: 1\r\n")


def judging(disposition: Disposition, *, sending: bool = False) -> Step:
    async def judge(spool: Spool, message: MessageId) -> None:
        stored = spool.message(message)
        assert stored is not None
        numbers = [r.number for r in stored.recipients if r.state not in OUTCOMES]
        first = Judged(
            number=0, disposition=disposition, reason="because", copy=COPY, sending=sending
        )
        other = Judged(number=1, disposition=Disposition.DELIVER, reason="because", copy=COPY)
        judgement = Judgement(
            revision=1,
            subject="",
            message_id_header="",
            recipients=tuple(one for one in (first, other) if one.number in numbers),
            verdicts=(),
            score=0.0,
        )
        await spool.judge(message, judgement)

    return judge


def settling(state: State) -> Step:
    async def settle(spool: Spool, message: MessageId) -> None:
        await spool.settle(message, [Settled(number=0, state=state, reason="because")])

    return settle


async def wait(spool: Spool, message: MessageId) -> None:
    await spool.wait(message, next_us=1, reason="clamav unavailable", verdicts=[])


async def mark(spool: Spool, message: MessageId) -> None:
    await spool.mark_sending(message, [0])


async def freeze(spool: Spool, message: MessageId) -> None:
    await spool.freeze(message, "an operator asked", numbers=[0])


async def resume(spool: Spool, message: MessageId) -> None:
    await spool.resume(message, numbers=[0])


async def damage(spool: Spool, message: MessageId) -> None:
    await spool.damage(message, "its body cannot be read")


async def drop(spool: Spool, message: MessageId) -> None:
    await spool.drop(message)


async def bounce(spool: Spool, message: MessageId) -> None:
    await spool.bounce(message, [0], "an operator sent it back")


# What may bring a recipient to a state.
WAYS: dict[State, tuple[Step, ...]] = {
    State.RECEIVED: (),  # only by being accepted
    State.WAITING: (wait, resume),
    State.QUEUED: (judging(Disposition.DELIVER),),
    State.SENDING: (mark, judging(Disposition.DELIVER, sending=True)),
    State.DEFERRED: (settling(State.DEFERRED), resume),
    State.HELD: (settling(State.HELD),),
    State.FROZEN: (settling(State.FROZEN), freeze),
    State.DAMAGED: (settling(State.DAMAGED), damage),
    State.DELIVERED: (settling(State.DELIVERED),),
    State.QUARANTINED: (judging(Disposition.QUARANTINE), judging(Disposition.REJECT)),
    State.DROPPED: (judging(Disposition.DROP), drop, settling(State.DROPPED)),
    State.REJECTED: (settling(State.REJECTED),),
    State.BOUNCED: (settling(State.BOUNCED), bounce),
    State.EXPIRED: (settling(State.EXPIRED),),
}

# How a recipient gets to a state at all, and the record that the last step wrote.
ROADS: dict[State, tuple[Step, ...]] = {
    State.RECEIVED: (),
    State.WAITING: (wait,),
    State.QUEUED: (judging(Disposition.DELIVER),),
    State.SENDING: (judging(Disposition.DELIVER, sending=True),),
    State.DEFERRED: (judging(Disposition.DELIVER), settling(State.DEFERRED)),
    State.HELD: (judging(Disposition.DELIVER), settling(State.HELD)),
    State.FROZEN: (judging(Disposition.DELIVER), freeze),
    State.DAMAGED: (damage,),
    State.DELIVERED: (
        judging(Disposition.DELIVER, sending=True),
        settling(State.DELIVERED),
    ),
    State.QUARANTINED: (judging(Disposition.QUARANTINE),),
    State.DROPPED: (judging(Disposition.DROP),),
    State.BOUNCED: (judging(Disposition.DELIVER), settling(State.BOUNCED)),
    State.EXPIRED: (judging(Disposition.DELIVER), settling(State.EXPIRED)),
}

# A rejection is said before 250, so that no message in the spool ever has this state.
WALKED = [state for state in State if state is not State.REJECTED]

# A step whose record says more than the state that it leads to.
NAMED_OTHERWISE: dict[Step, dict[State, Event]] = {resume: {State.DEFERRED: Event.RESUMED}}


async def at(spool: Spool, state: State, *, judged: bool = True) -> MessageId:
    """Return a message whose first recipient is in a state."""
    message = await accept(spool, *PEOPLE, body=b"Subject: hi\r\n\r\n")
    road = ROADS[state]
    if state is State.DAMAGED and judged:
        road = (judging(Disposition.DELIVER), damage)
    for step in road:
        await step(spool, message)
    assert first_state(spool, message) is state
    return message


def first_state(spool: Spool, message: MessageId) -> State:
    stored = spool.message(message)
    assert stored is not None
    return stored.recipients[0].state


@pytest.mark.parametrize(("before", "after"), list(product(WALKED, WALKED)))
async def test_the_store_takes_a_step_just_when_the_table_has_it(
    spool: Spool, before: State, after: State
) -> None:
    reached = False
    for way in WAYS[after]:
        for judged in (True, False) if before is State.DAMAGED else (True,):
            message = await at(spool, before, judged=judged)
            sequence = spool.last_sequence()
            try:
                await way(spool, message)
            except IllegalTransition:
                assert first_state(spool, message) is before
                assert spool.last_sequence() == sequence, "a refused step wrote a record"
                continue
            now = first_state_or(spool, message, after)
            assert now is before or now in TABLE[before].after
            if now is after and not (now is before and spool.last_sequence() == sequence):
                reached = True
                _check_record(spool, sequence, way, after)

    assert reached == (after in TABLE[before].after)


def first_state_or(spool: Spool, message: MessageId, gone: State) -> State:
    stored = spool.message(message)
    return gone if stored is None else stored.recipients[0].state


def _check_record(spool: Spool, sequence: int, way: Step, after: State) -> None:
    told = [record.event for record in spool.records(after=sequence, limit=20)]
    wanted = NAMED_OTHERWISE.get(way, {}).get(after, TABLE[after].record)
    if wanted is not None:
        assert wanted in told
    if after is State.SENDING and way is mark:
        assert told == []


@pytest.mark.parametrize("state", [state for state in WALKED if state not in OUTCOMES])
async def test_a_start_does_what_the_table_says(open_spool: OpenSpool, state: State) -> None:
    spool = await open_spool()
    message = await at(spool, state)
    sequence = spool.last_sequence()

    spool = await open_spool()

    scanned = [one for one, _ in spool.backlog.scan]
    told = [record.event for record in spool.records(after=sequence, limit=9)]
    match TABLE[state].recovery:
        case Recovery.SCAN | Recovery.SCAN_WHEN_DUE:
            assert scanned == [message]
            assert told == []
        case Recovery.DELIVER | Recovery.DELIVER_WHEN_DUE:
            assert to_deliver(spool) == [message]
            assert told == []
        case Recovery.COUNT_AS_POSSIBLE:
            assert first_state(spool, message) is State.DEFERRED
            assert told == [Event.POSSIBLY_DELIVERED]
        case _:
            assert first_state(spool, message) is state
            assert scanned == []
            assert told == []


@pytest.mark.parametrize("state", [state for state in WALKED if state not in OUTCOMES])
async def test_an_operator_sends_back_what_is_stopped_and_nothing_that_is_on_its_way(
    spool: Spool, state: State
) -> None:
    message = await at(spool, state)
    sequence = spool.last_sequence()

    if TABLE[state].recovery is Recovery.LEAVE:
        await bounce(spool, message)
        assert first_state(spool, message) is State.BOUNCED
    with pytest.raises(IllegalTransition):
        await bounce(spool, message)

    told = [record.event for record in spool.records(after=sequence, limit=9)]
    assert told == ([Event.ENDED] if TABLE[state].recovery is Recovery.LEAVE else [])


def test_what_an_operator_can_stop_is_what_the_table_lets_become_frozen() -> None:
    by_delivery = {State.SENDING}  # an operator's wish that came while it was tried
    assert FREEZABLE | by_delivery == {
        state for state, row in TABLE.items() if State.FROZEN in row.after
    }
