"""The table of states is whole."""

from __future__ import annotations

from itertools import product

import pytest

from common.records import Event
from common.states import OUTCOMES, State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.model.states import TABLE, IllegalTransition, Recovery, check_transition
from satellite.spool.store import Spool
from tests.support.spool.open_spool import accept


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_a_step_is_taken_just_when_the_table_has_it(before: State, after: State) -> None:
    if after in TABLE[before].after:
        check_transition(before, after)
        return
    with pytest.raises(IllegalTransition):
        check_transition(before, after)


def test_every_state_stands_in_the_table() -> None:
    assert set(TABLE) == set(State)


def test_an_outcome_is_final_and_nothing_else_is() -> None:
    for state, row in TABLE.items():
        assert (state in OUTCOMES) == (not row.after) == (row.recovery is Recovery.NOTHING)


def test_every_state_leads_to_an_outcome() -> None:
    ending = set(OUTCOMES)
    while grown := {s for s, row in TABLE.items() if row.after & ending} - ending:
        ending |= grown

    assert ending == set(State)


def test_delivered_comes_after_the_sending_mark_alone() -> None:
    assert [s for s, row in TABLE.items() if State.DELIVERED in row.after] == [State.SENDING]


def test_a_record_tells_of_every_state_but_the_sending_mark() -> None:
    assert {state for state, row in TABLE.items() if row.record is None} == {State.SENDING}
    assert {TABLE[state].record for state in OUTCOMES} == {Event.ENDED}


@pytest.mark.parametrize("state", sorted(TABLE[State.SENDING].after - {State.DAMAGED}))
async def test_the_store_writes_the_record_that_the_table_names(spool: Spool, state: State) -> None:
    message = await accept(spool)
    copy = Copy(head=b"")
    judged = Judged(number=0, disposition=Disposition.DELIVER, reason="", copy=copy)
    await spool.judge(
        message,
        Judgement(
            revision=1,
            subject="",
            message_id_header="",
            recipients=(judged,),
            verdicts=(),
            score=0.0,
        ),
    )
    await spool.mark_sending(message, [0])
    before = spool.last_sequence()

    await spool.settle(message, [Settled(number=0, state=state, reason="because")])

    (told,) = spool.records(after=before, limit=9)
    assert told.event == TABLE[state].record
