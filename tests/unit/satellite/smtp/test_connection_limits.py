"""Who may come in."""

from __future__ import annotations

from satellite.smtp.connection_limits import (
    LEAVING_MAX,
    ConnectionLimits,
    TooMany,
)


def test_a_full_house_turns_the_next_one_away_until_someone_leaves() -> None:
    connection_limits = ConnectionLimits(total_max=2, network_max=2, address_max=1000)
    assert connection_limits.enter("192.0.2.1") is None
    assert connection_limits.enter("198.51.100.1") is None

    assert connection_limits.enter("203.0.113.1") is TooMany.FULL

    connection_limits.leave("192.0.2.1")
    assert connection_limits.enter("203.0.113.1") is None


def test_a_network_is_a_slash_24_or_a_slash_64() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=1, address_max=1000)
    assert connection_limits.enter("192.0.2.1") is None
    assert connection_limits.enter("192.0.2.255") is TooMany.NETWORK_FULL
    assert connection_limits.enter("192.0.3.1") is None
    assert connection_limits.enter("2001:db8::1") is None
    assert connection_limits.enter("2001:db8::ffff:1") is TooMany.NETWORK_FULL
    assert connection_limits.enter("2001:db8:0:1::1") is None


def test_one_address_has_fewer_than_its_network() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=5, address_max=2)
    assert connection_limits.enter("192.0.2.1") is None
    assert connection_limits.enter("192.0.2.1") is None

    assert connection_limits.enter("192.0.2.1") is TooMany.ADDRESS_FULL
    assert connection_limits.enter("192.0.2.2") is None


def test_beyond_the_limit_come_only_those_for_whom_somebody_leaves_and_not_many() -> None:
    connection_limits = ConnectionLimits(total_max=1, network_max=100, address_max=100)
    assert connection_limits.enter("192.0.2.1") is None

    results = [connection_limits.enter("192.0.2.1", gave_way=True) for _ in range(40)]

    assert results.count(None) == LEAVING_MAX
    assert results[-1] is TooMany.FULL


def test_b3_row_3_ten_thousand_idle_connections_are_held_to_the_limits() -> None:
    connection_limits = ConnectionLimits(total_max=1000, network_max=250, address_max=1000)

    results = [
        connection_limits.enter(f"10.0.{number // 2500}.{number % 250}") for number in range(10_000)
    ]

    assert results.count(None) == 1000
    assert results.count(TooMany.NETWORK_FULL) == 4 * 2250


def test_networks_that_left_take_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=10, address_max=1000)
    for number in range(1000):
        address = f"10.{number // 250}.{number % 250}.1"
        connection_limits.enter(address)
        connection_limits.leave(address)

    assert connection_limits.inside == 0
    assert not connection_limits._networks
    assert not connection_limits._addresses


def test_who_was_turned_away_takes_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=0, network_max=10, address_max=1000)
    for number in range(1000):
        connection_limits.enter(f"10.{number // 250}.{number % 250}.1")

    assert not connection_limits._networks


def test_a_network_that_may_have_none_takes_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=0, address_max=1000)
    for number in range(1000):
        connection_limits.enter(f"10.{number // 250}.{number % 250}.1")

    assert not connection_limits._networks
