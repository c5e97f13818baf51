"""Who may come in."""

from __future__ import annotations

from satellite.smtp.connection_limits import Door, Turned, network_of


def test_a_full_house_turns_the_next_one_away_until_someone_leaves() -> None:
    door = Door(total_max=2, network_max=2)
    assert door.enter("192.0.2.1") is None
    assert door.enter("198.51.100.1") is None

    assert door.enter("203.0.113.1") is Turned.FULL

    door.leave("192.0.2.1")
    assert door.enter("203.0.113.1") is None


def test_a_network_is_a_slash_24_or_a_slash_64() -> None:
    door = Door(total_max=10, network_max=1)
    assert door.enter("192.0.2.1") is None
    assert door.enter("192.0.2.255") is Turned.NETWORK_FULL
    assert door.enter("192.0.3.1") is None
    assert door.enter("2001:db8::1") is None
    assert door.enter("2001:db8::ffff:1") is Turned.NETWORK_FULL
    assert door.enter("2001:db8:0:1::1") is None
    assert network_of("0.0.2.1") != network_of("::201")


def test_b3_row_3_ten_thousand_idle_connections_are_held_to_the_limits() -> None:
    door = Door(total_max=1000, network_max=250)

    results = [door.enter(f"10.0.{number // 2500}.{number % 250}") for number in range(10_000)]

    assert results.count(None) == 1000
    assert results.count(Turned.NETWORK_FULL) == 3 * 2250
    assert results.count(Turned.FULL) == 2250


def test_networks_that_left_take_no_memory() -> None:
    door = Door(total_max=10, network_max=10)
    for number in range(1000):
        address = f"10.{number // 250}.{number % 250}.1"
        door.enter(address)
        door.leave(address)

    assert (door.inside, door.networks) == (0, 0)


def test_who_was_turned_away_takes_no_memory() -> None:
    door = Door(total_max=0, network_max=10)
    for number in range(1000):
        door.enter(f"10.{number // 250}.{number % 250}.1")

    assert door.networks == 0


def test_a_network_that_may_have_none_takes_no_memory() -> None:
    door = Door(total_max=10, network_max=0)
    for number in range(1000):
        door.enter(f"10.{number // 250}.{number % 250}.1")

    assert door.networks == 0
