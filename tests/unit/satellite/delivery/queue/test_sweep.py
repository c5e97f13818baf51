"""What is done with all messages of many destinations leaves the others their turns."""

from __future__ import annotations

import dataclasses

import pytest

from common.ids import MessageId
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lane import Lane, NextTurn
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import PlaceKind, Places
from satellite.delivery.queue.rows import LOOKED_MAX
from satellite.delivery.queue.sweep import STEPS_AT_ONCE

BIG = Destination(Via.ROUTE, "big.example")
OTHER = Destination(Via.ROUTE, "other.example")
MANY = 5 * STEPS_AT_ONCE


def _id(number: int) -> MessageId:
    return MessageId(f"{number:026}")


class Counted:
    """Lanes of which is counted how many messages change their place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.terms = {BIG: Terms(), OTHER: Terms()}
        self.lanes = Lanes(most=10, terms=lambda destination: self.terms[destination])
        self.moved = 0
        move = Lane._move

        def counted(lane: Lane, *arguments: object) -> None:
            self.moved += 1
            move(lane, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Lane, "_move", counted)

    def put(self, destination: Destination, number: int, *, is_held: bool = False) -> None:
        made = QueueEntry(
            id=_id(number),
            destination=destination,
            body_bytes=10,
            born_s=float(number),
            until_us=0,
            may_be_told=True,
        )
        self.lanes.put(made, due_s=9e9, now_s=0.0, is_held=is_held, was_tried=True)

    def change(self, destination: Destination, **terms: object) -> None:
        changed = dataclasses.replace(self.terms[destination], **terms)  # type: ignore[arg-type]
        self.terms[destination] = changed
        self.lanes.review()

    def sweep(self) -> list[int]:
        """Do all of it; return how many messages changed their place in each part."""
        parts, has_more = [], True
        while has_more:
            before = self.moved
            has_more = self.lanes.sweep_some()
            parts.append(self.moved - before)
        return parts

    def take(self, now_s: float = 0.0) -> str:
        entry = self.lanes.take(now_s=now_s)
        return entry.id if entry is not None else ""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_a_flush_of_very_many_waiting_messages_goes_in_parts(counted: Counted) -> None:
    for number in range(MANY):
        counted.put(BIG, number)
    counted.put(OTHER, MANY)
    assert counted.take() == ""

    counted.lanes.flush()
    parts = counted.sweep()

    assert sum(parts) == MANY + 1
    assert max(parts) <= STEPS_AT_ONCE
    assert {counted.take(), counted.take()} == {_id(0), _id(MANY)}


def test_what_is_flushed_twice_is_done_once(counted: Counted) -> None:
    for number in range(MANY):
        counted.put(BIG, number)

    for _ in range(10):
        counted.lanes.flush("big.example")

    assert len(counted.sweep()) <= MANY / STEPS_AT_ONCE + 1


def test_a_flush_goes_on_past_what_an_operator_stops_meanwhile(counted: Counted) -> None:
    for number in range(MANY):
        counted.put(BIG, number)
    counted.lanes.flush()
    counted.lanes.sweep_some()

    counted.lanes.withdraw(_id(MANY - 1), [BIG])
    counted.sweep()

    assert len(counted.lanes) == MANY - 1
    assert counted.take() == _id(0)


def test_an_order_to_return_all_mail_goes_in_parts(counted: Counted) -> None:
    counted.put(BIG, 0)
    for number in range(1, MANY):
        counted.put(BIG, number, is_held=True)

    counted.change(BIG, return_before_us=1 << 62)
    parts = counted.sweep()

    assert sum(parts) == MANY
    assert max(parts) <= STEPS_AT_ONCE


def test_a_policy_of_notices_reaches_all_mail_in_parts(counted: Counted) -> None:
    for number in range(MANY):
        counted.put(BIG, number, is_held=True)
    counted.change(BIG, notice_s=3600.0)
    assert counted.lanes.sweep_some()
    counted.lanes.withdraw(_id(MANY - 1), [BIG])
    counted.sweep()

    told = [counted.take(now_s=1e6) for _ in range(10)]

    assert told == [_id(number) for number in range(10)]


def test_a_preference_that_changes_again_meanwhile_has_the_last_word(counted: Counted) -> None:
    for number in range(MANY):
        counted.put(BIG, number, is_held=True)
    counted.lanes.away(BIG, Hold(0, "away"), next_probe_s=9e9)
    counted.change(BIG, notice_s=3600.0)
    counted.lanes.sweep_some()

    counted.change(BIG, notice_s=None)
    counted.sweep()

    assert counted.take(now_s=7200.0) == ""


def test_the_probes_of_very_many_destinations_that_are_due_at_once_are_looked_at_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes = Lanes(most=10, terms=lambda _: Terms())
    for number in range(MANY):
        destination = Destination(Via.ROUTE, f"d{number}.example")
        lanes.remember({destination.mark: Hold(0, "away")})
        made = QueueEntry(
            id=_id(number), destination=destination, body_bytes=10, born_s=0.0, until_us=0
        )
        lanes.put(made, due_s=0.0, now_s=0.0, is_held=True)
        lanes.away(destination, Hold(0, "away"), next_probe_s=45.0)
    while lanes.take(now_s=0.0) is not None or lanes.is_behind:
        pass
    places, looks, wants = Places(), 0, Lane.wants

    def counted(lane: Lane, now_s: float) -> NextTurn | None:
        nonlocal looks
        looks += 1
        return wants(lane, now_s)

    monkeypatch.setattr(Lane, "wants", counted)
    probes, most, is_over = 0, 0, False
    while not is_over:
        before = looks
        taken = lanes.take(now_s=50.0, places=places)
        most = max(most, looks - before)
        probes += taken is not None
        is_over = taken is None and not lanes.is_behind

    assert probes == int(places.most(PlaceKind.PROBE))
    assert most <= LOOKED_MAX
