"""The oldest entry is found whatever came, went and changed its place before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.ids import MessageId
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.queue.entries import Aged, Place, QueueEntry

A = Destination(Via.ROUTE, "a.example")


def entry(number: int, born_s: float) -> QueueEntry:
    name = MessageId(f"{number:06}")
    return QueueEntry(id=name, destination=A, body_bytes=1, born_s=born_s, until_us=0)


@given(st.lists(st.tuples(st.sampled_from(["push", "leave", "oldest"]), st.integers(0, 9))))
def test_the_oldest_is_that_of_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    aged = Aged(lambda one: one.place is Place.READY)
    model: list[QueueEntry] = []
    for number, (step, born) in enumerate(steps):
        if step == "push":
            made = entry(number, float(born))
            made.place = Place.READY
            aged.push(made)
            model.append(made)
        elif step == "leave" and model:
            gone = model.pop(born % len(model))
            gone.place = Place.GONE
            aged.left()

        assert aged.oldest() is min(model, default=None)
        assert aged.live == len(model)


def test_what_left_takes_no_room_for_ever() -> None:
    aged = Aged(lambda one: one.place is Place.READY)
    first = entry(0, -1.0)
    first.place = Place.READY
    aged.push(first)
    for number in range(10_000):  # the oldest stays, and younger ones come and go behind it
        made = entry(number, float(number))
        made.place = Place.READY
        aged.push(made)
        made.place = Place.GONE
        aged.left()

    assert len(aged._heap) < 200
    assert aged.oldest() is first
