"""Those who wait for servers that may never answer take no place from those whose servers do."""

from __future__ import annotations

from common.ids import MessageId
from common.preferences.deliver_to import Target
from satellite.delivery.decisions.hold import ASKED_S_MIN, Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import QueueEntry, Turn
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import (
    MOST,
    OPENING_S,
    TALKING_S,
    PlaceKind,
    Places,
)

GOOD = Destination(Via.ROUTE, "good.example")


def lanes_of(customer: str = "", *, most: int = 10) -> Lanes:
    return Lanes(
        most=most,
        terms=lambda one: Terms(customer=customer if one is not GOOD else "good"),
    )


def destinations(count: int, via: Via = Via.ROUTE) -> list[Destination]:
    return [Destination(via, f"{number}.example") for number in range(count)]


def entry(destination: Destination, name: str = "1") -> QueueEntry:
    return QueueEntry(
        id=MessageId(name), destination=destination, body_bytes=1, born_s=0.0, until_us=0
    )


def put(lanes: Lanes, *to: Destination, name: str = "1", is_held: bool = False) -> None:
    for destination in to:
        lanes.put(entry(destination, name), due_s=0.0, now_s=0.0, is_held=is_held)


def taken(lanes: Lanes, places: Places, now_s: float = 0.0) -> list[QueueEntry]:
    """Take all that have a place, and begin to open their sessions."""
    found = []
    while (one := lanes.take(now_s=now_s, places=places)) is not None or lanes.is_behind:
        if one is None:
            continue
        if one.turn is not Turn.WITHOUT_SERVER:
            places.opens(one, now_s=now_s)
        found.append(one)
    return found


def answered(lanes: Lanes, places: Places, destination: Destination) -> None:
    """Let a destination answer once."""
    put(lanes, destination, name="0")
    (one,) = taken(lanes, places)
    lanes.answered(destination)
    places.talks(one, now_s=0.0)
    places.end(one)
    lanes.done(one)


def test_who_answered_last_has_its_turn_however_many_are_silent() -> None:
    lanes, places = lanes_of(), Places()
    answered(lanes, places, GOOD)
    put(lanes, *destinations(10_000))
    silent = taken(lanes, places)

    put(lanes, GOOD)

    assert len(silent) == MOST[PlaceKind.ASKING]
    assert [one.destination for one in taken(lanes, places)] == [GOOD]


def test_our_own_notices_have_places_of_their_own() -> None:
    lanes, places = lanes_of(), Places()
    put(lanes, *destinations(10_000, Via.MX))

    assert len(taken(lanes, places)) == MOST[PlaceKind.STRANGER]
    put(lanes, GOOD)
    assert [one.destination for one in taken(lanes, places)] == [GOOD]


def test_probes_have_places_of_their_own_and_strangers_probes_others() -> None:
    lanes, places = lanes_of(), Places()
    for via in (Via.ROUTE, Via.MX):
        for destination in destinations(5_000, via):
            put(lanes, destination, is_held=True)
            lanes.away(destination, Hold(0, "silent"), next_probe_s=0.0)

    probes = taken(lanes, places)

    of_strangers = [one for one in probes if one.destination.via is Via.MX]
    assert {one.turn for one in probes} == {Turn.PROBE}
    assert len(of_strangers) == MOST[PlaceKind.STRANGER_PROBE]
    assert len(probes) - len(of_strangers) == MOST[PlaceKind.PROBE]
    assert len(lanes.on_hold) == 10_000
    put(lanes, GOOD)
    assert [one.destination for one in taken(lanes, places)] == [GOOD]


def test_a_server_that_does_not_greet_at_once_is_not_among_those_that_answer() -> None:
    lanes, places = lanes_of(), Places()
    answered(lanes, places, GOOD)
    put(lanes, GOOD)
    (slow,) = taken(lanes, places)
    assert places.taken(PlaceKind.ANSWERING) == 1

    assert list(places.slow(OPENING_S / 2)) == []
    assert list(places.slow(OPENING_S)) == [slow]

    assert (places.taken(PlaceKind.ANSWERING), places.taken(PlaceKind.ASKING)) == (0, 1)
    places.talks(slow, now_s=2.0)
    assert (places.taken(PlaceKind.ANSWERING), places.taken(PlaceKind.ASKING)) == (1, 0)


def test_others_go_by_a_server_that_is_slow_to_greet_where_there_is_another_host() -> None:
    hosts = (Target("a", 25), Target("b", 25))
    for targets, at_once in ((hosts, 6), (hosts[:1], 4)):
        terms = Terms(targets=targets)
        lanes, places = Lanes(most=4, terms=dict.fromkeys([GOOD], terms).__getitem__), Places()
        for number in range(20):
            put(lanes, GOOD, name=f"{number:02}")
        assert len(taken(lanes, places)) == 4

        for one in places.slow(OPENING_S):
            lanes.is_slow(one)

        taken(lanes, places, OPENING_S)
        assert len(places) == at_once


def test_who_was_asked_for_longest_makes_room_for_those_that_were_not() -> None:
    lanes, places = lanes_of(), Places()
    put(lanes, *destinations(MOST[PlaceKind.ASKING]))
    first = taken(lanes, places)
    assert list(places.surplus(100.0, waiting=lanes.rows.waiting)) == [], "nobody waits"

    put(lanes, GOOD)
    assert taken(lanes, places, 1.0) == []
    assert list(places.surplus(ASKED_S_MIN / 2, waiting=lanes.rows.waiting)) == []
    assert len(list(places.slow(OPENING_S))) == len(first)
    assert places.next_s(waiting=lanes.rows.waiting) == ASKED_S_MIN
    assert list(places.surplus(ASKED_S_MIN, waiting=lanes.rows.waiting)) == first[:1]
    assert list(places.surplus(ASKED_S_MIN, waiting=lanes.rows.waiting)) == [], "one is enough"

    places.end(first[0])
    lanes.done(first[0])
    assert [one.destination for one in taken(lanes, places, 2.0)] == [GOOD]


def test_the_last_places_are_for_those_that_have_no_turn() -> None:
    lanes, places = lanes_of(most=1000), Places()
    for number in range(1000):
        put(lanes, destinations(1)[0], name=f"{number}")
    assert len(taken(lanes, places)) == int(MOST[PlaceKind.ASKING] * 0.8)

    put(lanes, GOOD)
    put(lanes, GOOD, name="2")

    assert [one.destination for one in taken(lanes, places)] == [GOOD]


def test_a_customer_with_very_many_domains_leaves_the_last_places_to_others() -> None:
    lanes, places = lanes_of("large"), Places()
    put(lanes, *destinations(1000))
    assert len(taken(lanes, places)) == int(MOST[PlaceKind.ASKING] * 0.8)

    put(lanes, GOOD)

    assert [one.destination for one in taken(lanes, places)] == [GOOD]


def test_a_transaction_that_takes_long_lets_others_by_within_a_reserve() -> None:
    lanes, places = lanes_of(most=4), Places()
    answered(lanes, places, GOOD)
    for number in range(1, 20):
        put(lanes, GOOD, name=f"{number:02}")
    first = taken(lanes, places)
    for one in first:
        places.talks(one, now_s=0.0)
    assert len(first) == 4

    hanging = list(places.hanging(TALKING_S))
    for one in hanging:
        lanes.hangs(one)

    assert hanging == first
    assert list(places.hanging(TALKING_S)) == [], "once"
    others = taken(lanes, places, TALKING_S)
    assert len(others) == 2, "half of its limit"
    assert places.taken(PlaceKind.HANGING) == 4
    assert places.taken(PlaceKind.ASKING) == 2, "not among those that answer, for now"
    for one in first + others:
        places.end(one)
        lanes.done(one)
    assert len(taken(lanes, places, TALKING_S)) == 4, "all is counted back"
    assert len(places) == 4


def test_one_customers_hanging_servers_do_not_fill_all_places_of_their_kind() -> None:
    lanes, places = lanes_of("large", most=10), Places()
    to = destinations(30)
    for name in range(10):
        put(lanes, *to, name=f"{name}")
    for one in taken(lanes, places):
        places.talks(one, now_s=0.0)

    assert len(list(places.hanging(TALKING_S))) == int(MOST[PlaceKind.ASKING] * 0.8)

    assert places.taken(PlaceKind.HANGING) == MOST[PlaceKind.HANGING] // 4


def test_with_few_descriptors_there_are_fewer_places_of_each_kind_and_never_none() -> None:
    few, hardly_any = Places(sum(MOST.values()) // 10), Places(0)

    for kind in PlaceKind:
        assert few.most(kind) == MOST[kind] // 10
        assert hardly_any.has_room(kind, is_first=False)
