"""Numbered items arrive once and in order, however often the connection is cut."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from common.stream import (
    Ahead,
    Arrived,
    Break,
    Confirm,
    Confirmed,
    Forget,
    Keep,
    Missed,
    Receiver,
    Send,
    StreamGrown,
    StreamOpened,
    StreamSender,
    StreamStored,
)


def opened_sender(*, first: int = 1, last: int = 10, window: int = 4) -> StreamSender:
    sender = StreamSender(window=window)
    assert sender.handle(StreamOpened(first, last)) == []
    return sender


def test_nothing_is_sent_before_the_receiver_said_where_to_go_on() -> None:
    sender = opened_sender()

    assert sender.handle(StreamGrown(20)) == []


def test_sending_goes_on_after_what_the_receiver_has() -> None:
    sender = opened_sender()

    assert sender.handle(Confirmed(3)) == [Forget(3), Send(3, 7)]


def test_no_more_than_the_window_is_on_the_way() -> None:
    sender = opened_sender(window=4)
    sender.handle(Confirmed(0))

    assert sender.handle(StreamGrown(100)) == []
    assert sender.handle(Confirmed(2)) == [Forget(2), Send(4, 6)]


def test_an_overtaken_confirmation_changes_nothing() -> None:
    sender = opened_sender()
    sender.handle(Confirmed(0))
    sender.handle(Confirmed(4))

    assert sender.handle(Confirmed(2)) == []


def test_a_receiver_that_lost_its_end_gets_what_is_still_there() -> None:
    sender = opened_sender(first=6, last=10)

    assert sender.handle(Confirmed(2)) == [Send(5, 9)]


def test_a_receiver_that_has_more_than_was_given_stops_everything() -> None:
    # Whatever was sent now would be taken for what the receiver has, and be deleted here.
    sender = opened_sender(last=10)

    assert sender.handle(Confirmed(11)) == [Ahead(11, 10)]
    assert sender.handle(StreamGrown(30)) == []
    assert sender.is_stranded


def test_everything_was_confirmed_and_deleted_is_not_taken_for_an_older_state() -> None:
    sender = opened_sender(first=11, last=10)

    assert sender.handle(Confirmed(10)) == []
    assert not sender.is_stranded


def test_the_receiver_confirms_only_what_is_stored() -> None:
    receiver = Receiver(durable=3)

    assert receiver.handle(Arrived(4, 6)) == [Keep(4)]
    assert receiver.handle(StreamStored(6)) == [Confirm(6)]


def test_a_repeat_is_confirmed_and_not_kept_again() -> None:
    receiver = Receiver(durable=6)

    assert receiver.handle(Arrived(4, 6)) == [Confirm(6)]
    assert receiver.handle(Arrived(5, 8)) == [Keep(7)]


def test_a_hole_in_the_middle_breaks_the_connection() -> None:
    receiver = Receiver(durable=0)
    receiver.handle(Arrived(1, 2))

    (command,) = receiver.handle(Arrived(4, 5))

    assert isinstance(command, Break)


def test_items_that_the_sender_no_longer_has_are_told_as_missed() -> None:
    receiver = Receiver(durable=2)

    assert receiver.handle(Arrived(5, 6)) == [Missed(3, 4), Keep(5)]


class Wire:
    """A sender's store and a receiver's store, and a connection that a test cuts."""

    def __init__(self, window: int) -> None:
        self.sender = StreamSender(window=window)
        self.held: list[int] = []
        self.last = 0
        self.stored: list[int] = []
        self.up: deque[tuple[int, int]] = deque()
        self.down: deque[int] = deque()
        self.connect()

    def connect(self) -> None:
        self.up.clear()
        self.down.clear()
        self.sender.handle(StreamOpened(self.held[0] if self.held else self.last + 1, self.last))
        durable = self.stored[-1] if self.stored else 0
        self.receiver = Receiver(durable=durable)
        self.down.append(durable)

    def grow(self) -> None:
        self.last += 1
        self.held.append(self.last)
        self.send(self.sender.handle(StreamGrown(self.last)))

    def send(self, commands: list[Send | Forget | Ahead]) -> None:
        for command in commands:
            match command:
                case Send(after=after, up_to=up_to):
                    self.up.append((after + 1, up_to))
                case Forget(up_to=up_to):
                    assert up_to <= self.stored[-1], "deleted before it was durable"
                    self.held = [item for item in self.held if item > up_to]
                case Ahead():
                    raise AssertionError("the receiver cannot be ahead")

    def step(self, *, twice: bool) -> None:
        if self.up:
            first, last = self.up.popleft()
            for _ in range(2 if twice else 1):
                self.receive(first, last)
        if self.down:
            durable = self.down.popleft()
            for _ in range(2 if twice else 1):
                self.send(self.sender.handle(Confirmed(durable)))

    def receive(self, first: int, last: int) -> None:
        for command in self.receiver.handle(Arrived(first, last)):
            match command:
                case Keep(first=keep):
                    self.stored.extend(range(keep, last + 1))
                    for answer in self.receiver.handle(StreamStored(last)):
                        assert isinstance(answer, Confirm)
                        self.down.append(answer.durable)
                case Confirm(durable=durable):
                    self.down.append(durable)
                case _:
                    raise AssertionError(f"no reason for {command}")


@settings(max_examples=300, deadline=None)
@given(
    window=st.integers(1, 5),
    steps=st.lists(st.sampled_from(["grow", "step", "twice", "cut"]), max_size=60),
)
def test_cut_and_doubled_anywhere_all_arrive_once_and_in_order(
    window: int, steps: list[str]
) -> None:
    wire = Wire(window)

    for step in steps:
        match step:
            case "grow":
                wire.grow()
            case "cut":
                wire.connect()
            case _:
                wire.step(twice=step == "twice")
    wire.connect()
    for _ in range(2 * len(steps) + 2):
        wire.step(twice=False)

    assert wire.stored == list(range(1, wire.last + 1))
    assert wire.held == []
