"""Destinations take turns, keep their limits, and are probed one message at a time while away."""

from __future__ import annotations

import dataclasses
import sys
from itertools import pairwise

from common.ids import MessageId, ulid
from common.preferences.deliver_to import Target
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import EVERY_TRY_US, QueueEntry, Turn
from satellite.delivery.queue.lanes import NARROW_MAX, REACHED_MAX, Lanes
from satellite.delivery.queue.places import Places
from satellite.delivery.queue.under_way import SETTLING_MAX
from satellite.delivery.worker import STARTED_MAX
from tests.support.work import work_s

A, B = Destination(Via.ROUTE, "a.example"), Destination(Via.ROUTE, "b.example")
DAY_S = 86_400.0


def swept(lanes: Lanes) -> int:
    """Do all that was asked of many messages; return in how many parts."""
    parts = 1
    while lanes.sweep_some():
        parts += 1
    return parts


class LanesUnderTerms:
    """Lanes with terms that a test may change."""

    def __init__(self, *, most: int = 10, **terms: object) -> None:
        self.terms = {A: Terms(**terms), B: Terms()}  # type: ignore[arg-type]
        self.lanes = Lanes(most=most, terms=lambda destination: self.terms[destination])

    def change(self, **terms: object) -> None:
        self.terms[A] = dataclasses.replace(self.terms[A], **terms)  # type: ignore[arg-type]
        self.lanes.review()
        swept(self.lanes)


def lanes_of(most: int = 10, **terms: object) -> Lanes:
    return LanesUnderTerms(most=most, **terms).lanes


def entry(name: str, destination: Destination = A, *, born_s: float = 0.0) -> QueueEntry:
    return QueueEntry(
        id=MessageId(name),
        destination=destination,
        body_bytes=10,
        born_s=born_s,
        until_us=0,
        may_be_told=True,
    )


def put(
    lanes: Lanes,
    *entries: QueueEntry,
    due_s: float = 0.0,
    now_s: float = 0.0,
    is_held: bool = False,
) -> None:
    for one in entries:
        lanes.put(one, due_s=due_s, now_s=now_s, is_held=is_held, was_tried=is_held)


def taken(lanes: Lanes, now_s: float = 0.0) -> list[QueueEntry]:
    found = []
    while (one := lanes.take(now_s=now_s)) is not None:
        found.append(one)
    return found


def names(entries: list[QueueEntry]) -> list[str]:
    return [one.id for one in entries]


def done(lanes: Lanes, *entries: QueueEntry) -> None:
    for one in entries:
        lanes.done(one)


def away(lanes: Lanes, count: int = 3, *, next_probe_s: float = 45.0) -> None:
    """Leave ``count`` parked messages of A behind, born at 0, 1, 2 …"""
    put(lanes, entry("first"))
    (first,) = taken(lanes)
    lanes.away(A, Hold(5, "refused"), next_probe_s=next_probe_s)
    lanes.done(first)
    put(lanes, *(entry(f"{n}", born_s=float(n)) for n in range(count)), is_held=True)


def test_destinations_take_turns() -> None:
    lanes = lanes_of()
    put(lanes, *(entry(f"a{n}") for n in range(3)), entry("b0", B), entry("b1", B))

    assert names(taken(lanes)) == ["a0", "b0", "a1", "b1", "a2"]


def test_a_hundred_thousand_waiting_messages_do_not_delay_anothers_first() -> None:
    lanes = lanes_of()
    put(lanes, *(entry(f"{n:06}", born_s=float(n)) for n in range(100_000)))
    assert lanes.take(now_s=0.0) is not None

    put(lanes, entry("b0", B))
    next_two = [lanes.take(now_s=0.0), lanes.take(now_s=0.0)]

    assert "b0" in [one.id for one in next_two if one is not None]


def test_probes_of_ten_thousand_destinations_do_not_delay_new_mail_for_another() -> None:
    lanes = Lanes(most=10, terms=lambda _: Terms())
    places = Places()
    held = [Destination(Via.ROUTE, f"{n:05}.example") for n in range(10_000)]
    lanes.remember({one.mark: Hold(5, "refused") for one in held})  # each is probed at once
    put(lanes, *(entry(f"{one.name}", one) for one in held), is_held=True)

    put(lanes, entry("b0", B))
    begun = [lanes.take(now_s=0.0, places=places) for _ in range(STARTED_MAX)]

    assert "b0" in [one.id for one in begun if one is not None]
    assert any(one.is_probe for one in begun if one is not None)


def test_who_waits_for_a_place_is_not_behind_those_who_are_looked_at_anew() -> None:
    lanes = Lanes(most=10, terms=lambda _: Terms())
    places = Places(connections_max=1)  # one of each kind
    put(lanes, entry("a0"))
    first = lanes.take(now_s=0.0, places=places)
    assert first is not None
    put(lanes, entry("b0", B))
    assert lanes.take(now_s=0.0, places=places) is None
    places.end(first)
    lanes.done(first)

    held = [Destination(Via.ROUTE, f"{n:05}.example") for n in range(10_000)]
    put(lanes, *(entry(one.name, one) for one in held), is_held=True)
    begun = [lanes.take(now_s=0.0, places=places) for _ in range(STARTED_MAX)]

    assert "b0" in [one.id for one in begun if one is not None]


def test_the_oldest_goes_first_whenever_it_came_in() -> None:
    lanes = lanes_of(most=1)
    put(lanes, entry("young", born_s=9.0), entry("old", born_s=-5.0), entry("mid", born_s=3.0))
    order = []
    while (one := lanes.take(now_s=0.0)) is not None:
        order.append(one.id)
        lanes.done(one)

    assert order == ["old", "mid", "young"]


def test_a_destination_has_its_limit_and_goes_on_when_a_turn_ends() -> None:
    lanes = lanes_of(most=2)
    put(lanes, *(entry(f"a{n}") for n in range(3)), entry("b0", B))

    first = taken(lanes)
    assert names(first) == ["a0", "b0", "a1"]
    lanes.done(first[0])
    assert names(taken(lanes)) == ["a2"]


def test_the_next_one_goes_while_a_result_becomes_durable() -> None:
    lanes = lanes_of(most=1)
    put(lanes, *(entry(f"a{n}") for n in range(3)))
    (first,) = taken(lanes)

    assert lanes.settling(first)
    (second,) = taken(lanes)
    assert lanes.settling(first) is False  # once is enough
    assert taken(lanes) == []
    lanes.done(first)  # its place was given away before
    assert taken(lanes) == []
    lanes.done(second)
    assert names(taken(lanes)) == ["a2"]


def test_only_so_many_results_wait_for_their_commit() -> None:
    lanes = lanes_of(most=1)
    put(lanes, *(entry(f"a{n}") for n in range(SETTLING_MAX + 5)))
    settling = []

    for one in iter(lambda: lanes.take(now_s=0.0), None):
        settling.append(one)
        lanes.settling(one)

    assert len(settling) == SETTLING_MAX + 1  # the last one kept its place
    done(lanes, *settling)
    assert len(taken(lanes)) == 1


def test_a_message_waits_for_its_time() -> None:
    lanes = lanes_of()
    put(lanes, entry("late"), due_s=60.0)

    assert taken(lanes, now_s=59.0) == []
    assert lanes.next_due_s() == 60.0
    (late,) = taken(lanes, now_s=60.0)
    assert late.until_us == 0
    assert lanes.next_due_s() is None


def test_a_message_that_is_put_again_is_there_once() -> None:
    lanes = lanes_of()
    put(lanes, entry("m"), due_s=60.0)
    put(lanes, entry("m"), due_s=5.0)

    assert len(lanes) == 1
    assert names(taken(lanes, now_s=100.0)) == ["m"]


def test_a_message_that_is_offered_while_taken_is_said_to_be() -> None:
    lanes = lanes_of()
    put(lanes, entry("m"), entry("n"))
    m, n = taken(lanes)
    put(lanes, entry("m"))

    assert lanes.done(m)
    assert not lanes.done(n)
    assert len(lanes) == 1
    lanes.forget(m)
    assert len(lanes) == 0


def test_a_hold_with_one_message_is_there_while_that_one_is_read_anew() -> None:
    lanes = lanes_of()
    away(lanes, count=1)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.away(A, Hold(50, "timed out"), next_probe_s=90.0)

    assert lanes.done(probe, is_unfinished=True)

    assert [held.messages for held in lanes.on_hold.first()] == [1]
    assert taken(lanes, now_s=1000.0) == []  # it has no turn in that state
    lanes.forget(probe)
    put(lanes, entry("0"), is_held=True)
    lanes.forget(probe)  # another has taken its place
    assert [held.messages for held in lanes.on_hold.first()] == [1]


def test_an_away_destination_gets_one_probe_at_a_time_with_its_oldest_message() -> None:
    lanes = lanes_of()
    away(lanes)

    assert taken(lanes, now_s=44.0) == []
    assert lanes.next_due_s() == 45.0
    (probe,) = taken(lanes, now_s=45.0)
    assert (probe.id, probe.is_probe, probe.until_us) == ("0", True, EVERY_TRY_US)
    assert taken(lanes, now_s=300.0) == []
    lanes.away(A, Hold(50, "timed out"), next_probe_s=345.0)
    lanes.done(probe)
    put(lanes, entry("0"), is_held=True)
    assert lanes.hold_of(A) == Hold(5, "timed out")  # since the first time
    assert taken(lanes, now_s=344.0) == []
    assert names(taken(lanes, now_s=345.0)) == ["0"]


def test_a_probe_that_asked_nobody_is_followed_by_another() -> None:
    lanes = lanes_of()
    away(lanes)
    (probe,) = taken(lanes, now_s=45.0)

    lanes.done(probe)  # its message had gone

    assert names(taken(lanes, now_s=45.0)) == ["1"]


def test_a_second_probe_waits_for_the_first_however_long_it_takes() -> None:
    lanes = lanes_of()
    away(lanes)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.away(A, Hold(50, "a delivery from before the hold failed"), next_probe_s=60.0)

    assert taken(lanes, now_s=61.0) == []
    lanes.done(probe)
    assert names(taken(lanes, now_s=61.0)) == ["1"]


def test_new_mail_for_an_away_destination_is_given_out_to_be_put_on_hold() -> None:
    lanes = lanes_of()
    away(lanes)
    put(lanes, entry("new"))

    (new,) = taken(lanes)
    assert (new.id, new.turn) == ("new", Turn.WITHOUT_SERVER)


def test_errands_of_one_destination_keep_its_limit() -> None:
    lanes = lanes_of(most=2)
    away(lanes)
    put(lanes, *(entry(f"new{n}") for n in range(5)))

    assert len(taken(lanes)) == 2
    assert lanes.next_due_s() == 45.0  # nothing else comes by waiting


def test_a_return_drains_the_oldest_first_and_begins_slowly() -> None:
    lanes = lanes_of(most=8)
    away(lanes, count=20)
    (probe,) = taken(lanes, now_s=45.0)

    lanes.returned(A)

    assert lanes.hold_of(A) is None
    waves = []
    active = [probe, *taken(lanes, now_s=45.0)]
    while active:
        waves.append(names(active))
        for one in active:
            lanes.succeeded(one)
            lanes.done(one)
        active = taken(lanes, now_s=45.0)
    assert [len(wave) for wave in waves] == [2, 3, 6, 8, 1]
    assert [int(name) for wave in waves for name in wave] == list(range(20))


def test_a_drain_keeps_the_rate_of_the_policy() -> None:
    lanes = lanes_of(drain_rate=2.0)
    away(lanes, count=10)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.returned(A)
    lanes.done(probe)
    given: list[float] = []
    now_s = 45.0
    while now_s < 60.0 and len(lanes):
        while found := taken(lanes, now_s=now_s):
            for one in found:
                given.append(now_s)
                lanes.succeeded(one)
                lanes.done(one)
        now_s = lanes.next_due_s() or 60.0

    assert len(given) == 9
    assert [round(b - a, 6) for a, b in pairwise(given)] == [0.5] * 8


def test_the_rate_ends_with_the_backlog() -> None:
    lanes = lanes_of(drain_rate=1.0)
    away(lanes, count=1)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.returned(A)
    lanes.succeeded(probe)
    lanes.done(probe)
    assert taken(lanes, now_s=45.0) == []

    put(lanes, entry("x"), entry("y"))

    assert len(taken(lanes, now_s=45.0)) == 2


def test_parked_messages_whose_days_are_over_are_given_out_at_their_time() -> None:
    lanes = lanes_of(hold_s=100.0)
    away(lanes, next_probe_s=1e9)

    assert taken(lanes, now_s=100.5) == []  # never early
    assert lanes.next_due_s() == 101.0
    (first,) = taken(lanes, now_s=101.0)
    assert (first.id, first.turn) == ("0", Turn.WITHOUT_SERVER)
    lanes.done(first)
    assert names(taken(lanes, now_s=102.5)) == ["1"]


def test_days_that_an_operator_adds_or_takes_count_at_once() -> None:
    made = LanesUnderTerms(hold_s=100.0)
    away(made.lanes, next_probe_s=1e9)

    made.change(hold_s=1000.0)
    assert taken(made.lanes, now_s=500.0) == []
    made.change(hold_s=200.0)
    assert len(taken(made.lanes, now_s=500.0)) == 3


def test_a_sender_is_told_of_the_delay_at_its_time_and_once() -> None:
    lanes = lanes_of(notice_s=14_400.0)
    away(lanes, next_probe_s=1e9)

    assert taken(lanes, now_s=14_400.0) == []
    (first,) = taken(lanes, now_s=14_401.0)
    assert (first.id, first.turn) == ("0", Turn.WITHOUT_SERVER)
    lanes.done(first)
    told = entry("0")
    told.may_be_told = False  # the spool says that it was told
    put(lanes, told, is_held=True)
    assert names(taken(lanes, now_s=DAY_S)) == ["1", "2"]
    assert taken(lanes, now_s=2 * DAY_S) == []


def test_a_notice_comes_without_a_try_for_what_waits_and_for_what_is_parked() -> None:
    made = LanesUnderTerms()
    put(made.lanes, entry("deferred"), due_s=1e9)
    away(made.lanes, count=1, next_probe_s=1e9)

    made.change(notice_s=3600.0)  # the policy may come later than the mail

    found = taken(made.lanes, now_s=3601.0)
    assert sorted(names(found)) == ["0", "deferred"]
    assert {one.turn for one in found} == {Turn.WITHOUT_SERVER}


def test_an_order_calls_back_what_was_tried_and_came_before_it() -> None:
    def id_at(second: int) -> str:
        return ulid(now_us=second * 1_000_000, randomness=bytes(10))

    made = LanesUnderTerms()
    away(made.lanes, count=0)
    put(made.lanes, *(entry(id_at(n), born_s=float(n)) for n in (10, 20, 30)), is_held=True)

    made.change(return_before_us=25_000_000)
    back = taken(made.lanes)
    assert names(back) == [id_at(10), id_at(20)]
    assert {one.turn for one in back} == {Turn.WITHOUT_SERVER}

    done(made.lanes, *back)
    put(made.lanes, entry(id_at(5)), is_held=True)  # as after a restart
    assert names(taken(made.lanes)) == [id_at(5)]


def test_another_server_is_tried_at_once() -> None:
    made = LanesUnderTerms()
    put(made.lanes, entry("waiting"), due_s=1e9)
    made.change(targets=(Target("new.a.example", 25),))
    assert names(taken(made.lanes)) == ["waiting"]

    away(made.lanes)
    made.change(targets=(Target("newer.a.example", 25),))
    assert [(one.id, one.turn) for one in taken(made.lanes)] == [("0", Turn.PROBE)]


def test_a_hint_probes_at_once_but_at_most_every_two_seconds() -> None:
    lanes = lanes_of()
    away(lanes)

    def hinted(now_s: float) -> list[str]:
        lanes.hint("a.example", now_s=now_s)
        found = taken(lanes, now_s=now_s)
        for one in found:
            lanes.away(A, Hold(5, "refused"), next_probe_s=1e9)
            lanes.done(one)
            put(lanes, entry(one.id, born_s=one.born_s), is_held=True)
        return names(found)

    assert hinted(1.0) == ["0"]
    assert hinted(2.9) == []
    assert hinted(3.0) == ["0"]
    lanes.hint("b.example", now_s=9.0)
    assert taken(lanes, now_s=9.0) == []


def test_a_hint_does_not_begin_a_second_probe() -> None:
    lanes = lanes_of()
    away(lanes)
    assert len(taken(lanes, now_s=45.0)) == 1

    lanes.hint("a.example", now_s=50.0)

    assert taken(lanes, now_s=50.0) == []


def test_a_flush_makes_one_destination_due_and_probes_it() -> None:
    lanes = lanes_of()
    away(lanes)
    put(lanes, entry("b", B), due_s=60.0)

    lanes.flush("b.example")
    swept(lanes)
    assert names(taken(lanes)) == ["b"]
    lanes.flush("a.example")
    swept(lanes)
    assert [(one.id, one.is_probe) for one in taken(lanes)] == [("0", True)]


def test_a_hold_from_before_a_restart_begins_with_one_probe() -> None:
    lanes = lanes_of()
    lanes.remember({"a.example": Hold(5, "refused"), "gone.example": Hold(6, "x")})
    assert not lanes.is_free(A)
    put(lanes, *(entry(f"{n}", born_s=float(n)) for n in range(50)), is_held=True)

    (probe,) = taken(lanes)

    assert (probe.id, probe.turn) == ("0", Turn.PROBE)
    assert lanes.hold_of(A) == Hold(5, "refused")
    assert lanes.take_marks() == {}
    lanes.forget_remembered()
    assert lanes.take_marks() == {"gone.example": None}


def test_a_hold_is_marked_when_it_begins_changes_and_ends_and_not_in_between() -> None:
    lanes = lanes_of()
    away(lanes)
    assert lanes.take_marks() == {"a.example": Hold(5, "refused")}
    lanes.away(A, Hold(9, "refused"), next_probe_s=90.0)
    assert lanes.take_marks() == {}
    lanes.away(A, Hold(9, "timed out"), next_probe_s=90.0)
    assert lanes.take_marks() == {"a.example": Hold(5, "timed out")}
    lanes.returned(A)
    assert lanes.take_marks() == {"a.example": None}


def test_a_healthy_destination_marks_nothing() -> None:
    lanes = lanes_of()
    put(lanes, entry("m"))
    (m,) = taken(lanes)
    lanes.returned(A)
    lanes.succeeded(m)
    lanes.done(m)

    assert taken(lanes) == []
    assert lanes.take_marks() == {}


def test_a_destination_without_mail_is_forgotten_with_its_hold() -> None:
    lanes = lanes_of()
    away(lanes, count=1)
    (probe,) = taken(lanes, now_s=45.0)
    lanes.away(A, Hold(50, "x"), next_probe_s=90.0)
    lanes.done(probe)

    assert taken(lanes, now_s=45.0) == []
    assert lanes.hold_of(A) is None
    assert list(lanes.on_hold.first()) == []
    assert lanes.next_due_s() is None
    assert lanes.take_marks() == {"a.example": None}


def test_what_is_held_is_summed_up_without_looking_at_it() -> None:
    lanes = lanes_of()
    away(lanes, count=100_000)

    def look() -> None:
        for _ in range(1000):
            list(lanes.on_hold.first())

    assert work_s(look) < 1.0  # a look at each of them would take minutes
    (held,) = lanes.on_hold.first()
    assert (held.messages, held.bytes, held.oldest.id) == (100_000, 1_000_000, "0")


def test_an_entry_is_small() -> None:
    one = entry(ulid(now_us=1, randomness=bytes(10)), born_s=1.5)
    own = sys.getsizeof(one) + sys.getsizeof(one.id) + sys.getsizeof(one.born_s)

    # Beside it stand its places in three heaps and in the dict of its lane.
    assert own + 3 * 8 + 110 <= 500


def test_a_destination_that_takes_no_more_connections_gets_half_of_them() -> None:
    lanes = lanes_of(most=4)
    put(lanes, *(entry(f"a{n}") for n in range(8)))
    first = taken(lanes)
    assert len(first) == 4

    lanes.pushed_back(first[1])
    lanes.pushed_back(first[2])  # the same burst
    done(lanes, first[1], first[2])
    assert taken(lanes) == []
    done(lanes, first[0])
    assert len(taken(lanes)) == 1


def test_a_narrow_pace_outlives_an_empty_lane() -> None:
    lanes = lanes_of(most=4)
    put(lanes, entry("m"))
    (m,) = taken(lanes)
    lanes.pushed_back(m)
    lanes.done(m)
    assert taken(lanes) == []

    put(lanes, *(entry(f"a{n}") for n in range(8)))

    assert len(taken(lanes)) == 2
    assert NARROW_MAX == 1000


def test_reached_destinations_are_told_once_and_bounded() -> None:
    lanes = Lanes(most=10, terms=lambda _destination: Terms())
    for number in range(REACHED_MAX + 10):
        destination = Destination(Via.ROUTE, f"d{number}.example")
        put(lanes, entry(f"{number}", destination))
    for one in taken(lanes):
        lanes.succeeded(one)

    reached = lanes.take_reached()
    assert len(reached) == REACHED_MAX
    assert reached[0] == "d0.example"
    assert lanes.take_reached() == ()


def test_a_destination_is_free_while_another_turn_would_begin_at_once() -> None:
    lanes = lanes_of(most=2)
    assert lanes.is_free(A)

    put(lanes, entry("a0"), entry("a1"))
    first, _ = taken(lanes)
    assert not lanes.is_free(A)
    assert lanes.is_free(B)

    lanes.done(first)
    assert lanes.is_free(A)


def test_an_away_destination_is_not_free() -> None:
    lanes = lanes_of()
    away(lanes)

    assert not lanes.is_free(A)


def test_one_message_is_hurried_and_the_others_wait_on() -> None:
    lanes = lanes_of()
    put(lanes, entry("1"), entry("2"), due_s=60.0)

    assert lanes.hurry(MessageId("2"), {A})

    assert names(taken(lanes, now_s=1.0)) == ["2"]
    assert not lanes.hurry(MessageId("elsewhere"), {A})


def test_hurrying_a_held_message_asks_its_server_now_by_the_oldest() -> None:
    lanes = lanes_of()
    away(lanes)
    assert taken(lanes, now_s=1.0) == []
    assert lanes.next_probe_s(A) == 45.0

    assert lanes.hurry(MessageId("2"), {A})

    (probe,) = taken(lanes, now_s=1.0)
    assert (probe.id, probe.turn) == ("0", Turn.PROBE)
    assert lanes.next_probe_s(A) is None, "one is under way"
    assert lanes.next_probe_s(B) is None


def test_what_is_withdrawn_counts_no_more_and_a_lane_that_is_empty_ends_its_hold() -> None:
    lanes = lanes_of()
    away(lanes, 2)

    lanes.withdraw(MessageId("0"), {A})
    (held,) = lanes.on_hold.first()
    assert (held.messages, held.bytes, held.oldest.id) == (1, 10, "1")

    lanes.withdraw(MessageId("1"), {A})
    assert list(lanes.on_hold.first()) == []
    assert taken(lanes, now_s=100.0) == []
    assert lanes.take_marks()[A.mark] is None
    assert len(lanes) == 0


def test_what_is_withdrawn_during_its_turn_is_looked_at_anew() -> None:
    lanes = lanes_of()
    put(lanes, entry("1"))
    (one,) = taken(lanes)

    lanes.withdraw(MessageId("1"), {A})

    assert lanes.done(one)


def test_what_is_withdrawn_while_it_waits_never_has_its_turn() -> None:
    lanes = lanes_of()
    put(lanes, entry("1"), due_s=60.0)

    lanes.withdraw(MessageId("1"), {A})
    put(lanes, entry("2"))

    assert names(taken(lanes, now_s=61.0)) == ["2"]
