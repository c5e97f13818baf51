"""One domain gets so many DSNs in an hour, whatever others get."""

from __future__ import annotations

from satellite.delivery.dsn import allowance
from satellite.delivery.dsn.allowance import Allowance


def test_an_allowance_is_used_up_and_grows_back() -> None:
    made = Allowance(4, bytes_per_hour=0, workers=1)

    assert [made.take("a.example", now_s=0.0) for _ in range(5)] == [True] * 4 + [False]
    assert made.take("b.example", now_s=0.0)
    assert not made.take("a.example", now_s=899.0)
    assert made.take("a.example", now_s=900.0)
    assert not made.take("a.example", now_s=900.0)


def test_a_quiet_domain_saves_up_no_more_than_an_hour() -> None:
    made = Allowance(2, bytes_per_hour=0, workers=1)
    made.take("a.example", now_s=0.0)

    assert [made.take("a.example", now_s=1e6) for _ in range(3)] == [True, True, False]


def test_no_number_of_domains_takes_more_memory() -> None:
    made = Allowance(1, bytes_per_hour=0, workers=1)
    for number in range(allowance.DOMAINS_MAX):
        assert made.take(f"d{number}.example", now_s=0.0)
    assert not made.take("d0.example", now_s=0.0)  # and is now the one that was used last

    assert made.take("another.example", now_s=0.0)

    assert made.take("d1.example", now_s=0.0)  # forgotten
    assert not made.take("d0.example", now_s=0.0)


def test_the_limits_of_a_node_are_shared_by_its_workers() -> None:
    made = Allowance(4, bytes_per_hour=4_000_000, workers=4)

    assert [made.take("a.example", now_s=0.0) for _ in range(2)] == [True, False]
    taken = [made.take_octets("a.example", 500_000, now_s=0.0) for _ in range(3)]
    assert taken == [True, True, False]


def test_octets_grow_back_and_are_counted_for_each_domain() -> None:
    made = Allowance(1, bytes_per_hour=3600, workers=1)

    assert made.take_octets("a.example", 3600, now_s=0.0)
    assert not made.take_octets("a.example", 101, now_s=100.0)
    assert made.take_octets("a.example", 100, now_s=100.0)
    assert made.take_octets("b.example", 3600, now_s=100.0)
    assert not made.take_octets("c.example", 3601, now_s=0.0)
