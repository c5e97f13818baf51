"""Who may come in."""

from __future__ import annotations

from satellite.smtp.connection_limits import ConnectionLimits, TooMany, network_of


def test_a_full_house_turns_the_next_one_away_until_someone_leaves() -> None:
    connection_limits = ConnectionLimits(total_max=2, network_max=2)
    assert connection_limits.enter("192.0.2.1") is None
    assert connection_limits.enter("198.51.100.1") is None

    assert connection_limits.enter("203.0.113.1") is TooMany.FULL

    connection_limits.leave("192.0.2.1")
    assert connection_limits.enter("203.0.113.1") is None


def test_a_network_is_a_slash_24_or_a_slash_64() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=1)
    assert connection_limits.enter("192.0.2.1") is None
    assert connection_limits.enter("192.0.2.255") is TooMany.NETWORK_FULL
    assert connection_limits.enter("192.0.3.1") is None
    assert connection_limits.enter("2001:db8::1") is None
    assert connection_limits.enter("2001:db8::ffff:1") is TooMany.NETWORK_FULL
    assert connection_limits.enter("2001:db8:0:1::1") is None
    assert network_of("0.0.2.1") != network_of("::201")


def test_b3_row_3_ten_thousand_idle_connections_are_held_to_the_limits() -> None:
    connection_limits = ConnectionLimits(total_max=1000, network_max=250)

    results = [
        connection_limits.enter(f"10.0.{number // 2500}.{number % 250}") for number in range(10_000)
    ]

    assert results.count(None) == 1000
    assert results.count(TooMany.NETWORK_FULL) == 3 * 2250
    assert results.count(TooMany.FULL) == 2250


def test_networks_that_left_take_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=10)
    for number in range(1000):
        address = f"10.{number // 250}.{number % 250}.1"
        connection_limits.enter(address)
        connection_limits.leave(address)

    assert (connection_limits._inside, len(connection_limits._networks)) == (0, 0)


def test_who_was_turned_away_takes_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=0, network_max=10)
    for number in range(1000):
        connection_limits.enter(f"10.{number // 250}.{number % 250}.1")

    assert not connection_limits._networks


def test_a_network_that_may_have_none_takes_no_memory() -> None:
    connection_limits = ConnectionLimits(total_max=10, network_max=0)
    for number in range(1000):
        connection_limits.enter(f"10.{number // 250}.{number % 250}.1")

    assert not connection_limits._networks
