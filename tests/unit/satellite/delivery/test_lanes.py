"""Destinations take turns, keep their limits, and are probed one message at a time while away."""

from __future__ import annotations

from common.ids import MessageId
from satellite.delivery.hold import Hold
from satellite.delivery.lanes import EVERY_TRY_US, Entry, Lanes
from satellite.delivery.routing import Destination, Via

A, B = Destination(Via.ROUTE, "a.example"), Destination(Via.ROUTE, "b.example")


def entry(name: str, destination: Destination = A, expires_age_us: int = 1000) -> Entry:
    return Entry(
        id=MessageId(name),
        destination=destination,
        customer="acme",
        body_bytes=10,
        received_us=0,
        expires_age_us=expires_age_us,
        until_us=0,
    )


def put(lanes: Lanes, *entries: Entry, due_s: float = 0.0, is_held: bool = False) -> None:
    for one in entries:
        lanes.put(one, due_s=due_s, is_held=is_held)


def taken(lanes: Lanes, now_s: float = 0.0) -> list[Entry]:
    found = []
    while (one := lanes.take(now_s=now_s)) is not None:
        found.append(one)
    return found


def names(entries: list[Entry]) -> list[str]:
    return [one.id for one in entries]


def away(lanes: Lanes, count: int = 3) -> None:
    """Leave ``count`` parked messages of A behind, the next probe at 45."""
    lanes_entries = [entry(f"{n}", expires_age_us=1000 + n) for n in range(count)]
    put(lanes, lanes_entries[0])
    (first,) = taken(lanes)
    lanes.away(A, Hold(5, "refused"), next_probe_s=45.0)
    lanes.done(first)
    put(lanes, *lanes_entries, is_held=True)


def test_destinations_take_turns() -> None:
    lanes = Lanes(active_max=10)
    put(lanes, *(entry(f"a{n}") for n in range(3)), entry("b0", B), entry("b1", B))

    assert names(taken(lanes)) == ["a0", "b0", "a1", "b1", "a2"]


def test_a_destination_has_its_limit_and_goes_on_when_a_turn_ends() -> None:
    lanes = Lanes(active_max=2)
    put(lanes, *(entry(f"a{n}") for n in range(3)), entry("b0", B))

    first = taken(lanes)
    assert names(first) == ["a0", "b0", "a1"]
    lanes.done(first[0])
    assert names(taken(lanes)) == ["a2"]


def test_a_message_waits_for_its_time() -> None:
    lanes = Lanes(active_max=2)
    put(lanes, entry("late"), due_s=60.0)

    assert taken(lanes, now_s=59.0) == []
    assert lanes.next_due_s() == 60.0
    assert names(taken(lanes, now_s=60.0)) == ["late"]
    assert lanes.next_due_s() is None


def test_a_message_that_is_put_again_is_there_once() -> None:
    lanes = Lanes(active_max=2)
    put(lanes, entry("m"), due_s=60.0)
    put(lanes, entry("m"), due_s=5.0)

    assert len(lanes) == 1
    assert names(taken(lanes, now_s=100.0)) == ["m"]


def test_a_message_that_is_offered_while_taken_is_said_to_be() -> None:
    lanes = Lanes(active_max=2)
    put(lanes, entry("m"), entry("n"))
    m, n = taken(lanes)
    put(lanes, entry("m"))

    assert lanes.done(m)
    assert not lanes.done(n)
    assert len(lanes) == 0


def test_an_away_destination_gets_one_probe_at_a_time() -> None:
    lanes = Lanes(active_max=10)
    away(lanes)

    assert taken(lanes, now_s=44.0) == []
    (probe,) = taken(lanes, now_s=45.0)
    assert (probe.id, probe.is_probe) == ("0", True)
    assert taken(lanes, now_s=300.0) == []
    lanes.away(A, Hold(50, "timed out"), next_probe_s=345.0)
    lanes.done(probe)
    put(lanes, entry("0"), is_held=True)
    assert lanes.hold_of(A) == Hold(5, "timed out")  # since the first time
    (probe,) = taken(lanes, now_s=345.0)
    assert probe.id == "1"  # another one: a message that is the matter blocks nobody


def test_a_probe_that_asked_nobody_is_followed_by_another() -> None:
    lanes = Lanes(active_max=10)
    away(lanes)
    (probe,) = taken(lanes, now_s=45.0)

    lanes.done(probe)  # its message had gone

    assert names(taken(lanes, now_s=45.0)) == ["1"]


def test_new_mail_for_an_away_destination_is_given_out_to_be_put_on_hold() -> None:
    lanes = Lanes(active_max=10)
    away(lanes)
    put(lanes, entry("new"))

    (new,) = taken(lanes)
    assert (new.id, new.is_probe) == ("new", False)


def test_when_it_returns_all_that_was_parked_is_due_whatever_its_time() -> None:
    lanes = Lanes(active_max=2)
    away(lanes, count=4)
    (probe,) = taken(lanes, now_s=45.0)

    lanes.returned(A)
    assert lanes.hold_of(A) is None
    (second,) = taken(lanes, now_s=45.0)  # flow control: the limit holds
    assert second.until_us == EVERY_TRY_US
    lanes.done(probe)
    lanes.done(second)
    assert names(taken(lanes, now_s=45.0)) == ["2", "3"]


def test_parked_messages_whose_days_are_over_are_given_out() -> None:
    lanes = Lanes(active_max=10)
    away(lanes)

    lanes.expire(A, age_us=1001)

    assert names(taken(lanes)) == ["0"]


def test_a_flush_makes_one_destination_due_and_probes_it() -> None:
    lanes = Lanes(active_max=10)
    away(lanes)
    put(lanes, entry("b", B), due_s=60.0)

    lanes.flush("b.example")
    assert names(taken(lanes)) == ["b"]
    lanes.flush("a.example")
    assert [(one.id, one.is_probe) for one in taken(lanes)] == [("0", True)]


def test_a_destination_without_mail_is_forgotten_with_its_hold() -> None:
    lanes = Lanes(active_max=10)
    away(lanes, count=1)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.away(A, Hold(50, "x"), next_probe_s=90.0)
    lanes.done(probe)

    assert taken(lanes, now_s=45.0) == []
    assert lanes.hold_of(A) is None
    assert list(lanes.held()) == []
    assert lanes.next_due_s() is None


def test_a_destination_that_takes_no_more_connections_gets_fewer_for_a_while() -> None:
    lanes = Lanes(active_max=4)
    put(lanes, *(entry(f"a{n}") for n in range(8)))
    first = taken(lanes, now_s=1.0)
    lanes.narrow(A)

    lanes.done(first[0])
    assert taken(lanes, now_s=1.0) == []
    lanes.done(first[1])
    assert len(taken(lanes, now_s=1.0)) == 1
    assert len(taken(lanes, now_s=62.0)) == 0  # full until a turn ends
    lanes.done(first[2])
    assert len(taken(lanes, now_s=62.0)) == 2


def test_a_destination_is_free_while_another_turn_would_begin_at_once() -> None:
    lanes = Lanes(active_max=2)
    assert lanes.is_free(A)

    put(lanes, entry("a0"), entry("a1"))
    first, _ = taken(lanes)
    assert not lanes.is_free(A)
    assert lanes.is_free(B)

    lanes.done(first)
    assert lanes.is_free(A)


def test_an_away_destination_is_not_free() -> None:
    lanes = Lanes(active_max=2)
    away(lanes)

    assert not lanes.is_free(A)
